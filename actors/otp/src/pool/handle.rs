//! How others talk to a pool.

use std::fmt;
use std::ops::Deref;
use std::sync::Arc;
use std::time::Duration;

use ractor::{Actor, ActorCell, ActorRef, Message, SpawnErr};

use super::actor::Pool;
use super::config::PoolConfig;
use super::message::{PoolMessage, Stage, Ticket};
use super::state::Refusal;
use super::status::PoolStatus;
use crate::call::{STORM, call};
use crate::names::Names;

/// Why no worker was leased.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CheckoutError {
    /// All workers are leased, and the client did not want to wait: poolboy's `full`.
    #[error("the pool is full")]
    Full,
    /// All workers are leased, and as many clients wait as may.
    #[error("the pool is full, and {0} clients wait already: no more may")]
    QueueFull(u32),
    /// None was given back within the timeout. The client of poolboy exits with
    /// `timeout` then; it withdraws in the same way (`cancel_waiting`).
    #[error("no worker was free within {0:?}")]
    Timeout(Duration),
    /// The pool does not run, or ended while the client waited.
    #[error("the pool is not running")]
    Closed,
}

/// A way to a pool, by its name: it stays good when the pool is restarted.
pub struct PoolRef<M: Message> {
    name: Arc<str>,
    messages: std::marker::PhantomData<fn(M)>,
}

impl<M: Message> Clone for PoolRef<M> {
    fn clone(&self) -> Self {
        Self::new(&self.name)
    }
}

impl<M: Message> fmt::Debug for PoolRef<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("PoolRef").field(&self.name).finish()
    }
}

impl<M: Message> PoolRef<M> {
    /// The pool that is registered under this name.
    #[must_use]
    pub fn new(name: &str) -> Self {
        Self {
            name: name.into(),
            messages: std::marker::PhantomData,
        }
    }

    /// Start a pool without a supervisor (`poolboy:start/2`), registered under `name`. `make` gives a
    /// worker and its arguments for its number, from 1.
    ///
    /// # Errors
    /// If the name is taken or a worker fails to start.
    pub async fn start<W: Actor<Msg = M>>(
        name: &str,
        config: PoolConfig,
        make: impl Fn(u32) -> (W, W::Arguments) + Send + Sync + 'static,
    ) -> Result<Self, SpawnErr> {
        let pool = Pool::new(name, make);
        Actor::spawn(Some(retake::scoped_name(name)), pool, config).await?;
        Ok(Self::new(name))
    }

    /// Start a pool below a supervisor, or below any actor: `poolboy:start_link/2`. One that is to be restarted
    /// is given to its supervisor as [`Pool::child_spec`].
    ///
    /// # Errors
    /// If the name is taken or a worker fails to start.
    pub async fn start_linked<W: Actor<Msg = M>>(
        name: &str,
        config: PoolConfig,
        make: impl Fn(u32) -> (W, W::Arguments) + Send + Sync + 'static,
        supervisor: ActorCell,
    ) -> Result<Self, SpawnErr> {
        let pool = Pool::new(name, make);
        let scoped = retake::scoped_name(name);
        Actor::spawn_linked(Some(scoped), pool, config, supervisor).await?;
        Ok(Self::new(name))
    }

    /// Stop the pool and its workers, and wait until they have ended: `poolboy:stop/1`.
    pub async fn stop(&self) {
        if let Ok(pool) = self.find() {
            // An error means that it has ended already.
            let _ = pool.stop_and_wait(Some("shutdown".to_owned()), None).await;
        }
    }

    /// Give a worker back, whichever client has it: `poolboy:checkin/2`. One that is not leased, or is not
    /// of this pool, is ignored; a lease on it is over. Does not wait.
    pub fn check_in(&self, worker: &ActorRef<M>) {
        if let Ok(pool) = self.find() {
            let _ = pool.cast(PoolMessage::CheckIn(worker.get_cell()));
        }
    }

    fn find(&self) -> Result<ActorRef<PoolMessage<M>>, CheckoutError> {
        Names::find(&self.name).ok_or(CheckoutError::Closed)
    }

    /// Borrow a worker, waiting for one at most `timeout`: `poolboy:checkout/3`.
    ///
    /// # Errors
    /// If none was free in time, or the pool is not running.
    pub async fn checkout(&self, timeout: Duration) -> Result<Lease<M>, CheckoutError> {
        if retake::buggify!("pool client: a storm of retries") {
            for _ in 0..STORM {
                // It gives up at once, in whatever state its request is.
                let _ = retake::timeout(Duration::ZERO, self.ask(true)).await;
            }
        }
        let timeout = if retake::buggify!("pool client: gives up while it waits") {
            Duration::ZERO
        } else {
            timeout
        };
        retake::timeout(timeout, self.ask(true))
            .await
            .unwrap_or(Err(CheckoutError::Timeout(timeout)))
    }

    /// Borrow a worker if one can be leased at once, also one beyond the size:
    /// `poolboy:checkout(Pool, false)`.
    ///
    /// # Errors
    /// If none can, or the pool is not running.
    pub async fn try_checkout(&self) -> Result<Lease<M>, CheckoutError> {
        self.ask(false).await
    }

    async fn ask(&self, block: bool) -> Result<Lease<M>, CheckoutError> {
        let pool = self.find()?;
        // From here on, dropping this withdraws the request or gives the worker back.
        let guard = LeaseGuard {
            pool: pool.clone(),
            ticket: Arc::new(Ticket::default()),
            gives_back: true,
        };
        let ticket = Arc::clone(&guard.ticket);
        let checkout = |reply| PoolMessage::Checkout {
            ticket,
            block,
            reply,
        };
        match call(&pool, checkout, None).await {
            Ok(Ok(worker)) => {
                if retake::buggify!("pool client: gives back what it does not have") {
                    let _ = pool.cast(PoolMessage::CheckIn(pool.get_cell()));
                }
                Ok(Lease { worker, guard })
            }
            Ok(Err(Refusal::Full)) => Err(CheckoutError::Full),
            Ok(Err(Refusal::QueueFull(bound))) => Err(CheckoutError::QueueFull(bound)),
            Err(_) => Err(CheckoutError::Closed),
        }
    }

    /// Borrow a worker for the time of `work`: `poolboy:transaction/3`. `timeout` covers the
    /// waiting only. However `work` ends, the worker is given back; a failure or a panic
    /// goes to the caller as it is.
    ///
    /// # Errors
    /// If no worker was leased, see [`PoolRef::checkout`].
    pub async fn transaction<T, Fut>(
        &self,
        timeout: Duration,
        work: impl FnOnce(ActorRef<M>) -> Fut,
    ) -> Result<T, CheckoutError>
    where
        Fut: Future<Output = T>,
    {
        let lease = self.checkout(timeout).await?;
        Ok(work(lease.worker.clone()).await)
    }

    /// How busy the pool is: `poolboy:status/1`.
    ///
    /// # Errors
    /// If the pool is not running.
    pub async fn status(&self) -> Result<PoolStatus, CheckoutError> {
        let status = call(&self.find()?, PoolMessage::Status, None).await;
        status.map_err(|_| CheckoutError::Closed)
    }
}

/// Tells the pool when a checkout is over, in whatever way.
struct LeaseGuard<M: Message> {
    pool: ActorRef<PoolMessage<M>>,
    ticket: Arc<Ticket>,
    gives_back: bool,
}

impl<M: Message> Drop for LeaseGuard<M> {
    fn drop(&mut self) {
        if self.gives_back && self.ticket.stage() != Stage::Done {
            // A pool that is gone has nothing to be given back.
            let _ = self.pool.cast(PoolMessage::Done(Arc::clone(&self.ticket)));
            if retake::buggify!("pool client: checks in twice") {
                let _ = self.pool.cast(PoolMessage::Done(Arc::clone(&self.ticket)));
            }
        }
    }
}

/// A leased worker. Dropping it gives the worker back.
pub struct Lease<M: Message> {
    worker: ActorRef<M>,
    guard: LeaseGuard<M>,
}

impl<M: Message> Lease<M> {
    /// Give the worker back; the same as dropping the lease.
    pub fn check_in(self) {}

    /// Keep the worker without the lease: it stays leased until somebody gives it
    /// back with [`PoolRef::check_in`], also when the client dies.
    #[must_use]
    pub fn into_worker(mut self) -> ActorRef<M> {
        self.guard.gives_back = false;
        self.worker.clone()
    }
}

impl<M: Message> Deref for Lease<M> {
    type Target = ActorRef<M>;

    fn deref(&self) -> &ActorRef<M> {
        &self.worker
    }
}

impl<M: Message> fmt::Debug for Lease<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Lease").field(&self.worker).finish()
    }
}
