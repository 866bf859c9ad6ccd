//! Time that a simulation can take over: exact to the nanosecond inside one,
//! tokio's timers and the monotonic clock outside.

use std::future::Future;
use std::ops::{Add, Sub};
use std::pin::{Pin, pin};
use std::task::{Context, Poll};
use std::time::Duration;

use pin_project_lite::pin_project;
use ractor::{ActorRef, Message};
use tokio::task::JoinHandle;

use crate::engine::{self, TimerId};
use crate::live;

/// A point in monotonic time: nanoseconds since the simulation, or outside one
/// since the first use in this process.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Instant(u64);

impl Instant {
    /// Nanoseconds since the origin.
    #[must_use]
    pub fn as_nanos(self) -> u64 {
        self.0
    }

    /// Time from `earlier` to here, zero if `earlier` is later.
    #[must_use]
    pub fn duration_since(self, earlier: Self) -> Duration {
        Duration::from_nanos(self.0.saturating_sub(earlier.0))
    }

    /// Time from here to now.
    #[must_use]
    pub fn elapsed(self) -> Duration {
        now().duration_since(self)
    }
}

impl Add<Duration> for Instant {
    type Output = Self;
    fn add(self, duration: Duration) -> Self {
        Self(self.0.saturating_add(nanos(duration)))
    }
}

impl Sub for Instant {
    type Output = Duration;
    fn sub(self, earlier: Self) -> Duration {
        self.duration_since(earlier)
    }
}

fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

/// The current time: virtual inside a simulation.
#[must_use]
pub fn now() -> Instant {
    Instant(engine::gating(engine::Engine::now_ns).unwrap_or_else(live::now_ns))
}

/// Unix time at the start of every simulation: 2020-01-01 00:00:00 UTC.
pub const SIMULATED_UNIX_START: Duration = Duration::from_secs(1_577_836_800);

/// Time since 1970-01-01 00:00:00 UTC: the wall clock, which may be set, and go
/// back. Inside a simulation every run begins at [`SIMULATED_UNIX_START`]; only faults
/// make it differ from virtual time.
#[must_use]
pub fn unix_time() -> Duration {
    let known = engine::gating(engine::Engine::unix_time).flatten();
    known.unwrap_or_else(live_unix_time)
}

#[allow(
    clippy::disallowed_methods,
    reason = "outside a simulation this is the clock"
)]
fn live_unix_time() -> Duration {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    // A clock before 1970 tells nothing.
    since.unwrap_or_default()
}

/// Sleep for a duration. Exact to the nanosecond inside a simulation; rounded up
/// to the next millisecond by tokio outside.
///
/// Inside a simulation others may run first even if the duration is zero.
pub fn sleep(duration: Duration) -> Sleep {
    sleep_until(now() + duration)
}

/// A scheduling point: inside a simulation others may run here before the code continues.
/// Outside one nothing happens.
///
/// A step runs to its next await, so nothing comes between two messages that one step sends
/// to two actors. Live something may: what the first receiver does of it may reach the second
/// receiver before the second message.
///
/// ```
/// # async fn book(from: ractor::ActorRef<u32>, to: ractor::ActorRef<u32>) -> Result<(), Box<dyn std::error::Error>> {
/// from.cast(1)?;
/// retake::yield_point().await;
/// to.cast(1)?;
/// # Ok(())
/// # }
/// ```
pub async fn yield_point() {
    if crate::is_simulated() {
        sleep(Duration::ZERO).await;
    }
}

/// Sleep until a point in time.
pub fn sleep_until(deadline: Instant) -> Sleep {
    let live = engine::with(|_| ()).is_none().then(|| {
        tokio::time::sleep_until((live::origin() + Duration::from_nanos(deadline.0)).into())
    });
    Sleep {
        deadline,
        timer: None,
        live,
    }
}

pin_project! {
    /// A future that is ready at a point in time, see [`sleep`].
    #[derive(Debug)]
    #[must_use = "futures do nothing unless polled"]
    pub struct Sleep {
        deadline: Instant,
        timer: Option<TimerId>,
        #[pin]
        live: Option<tokio::time::Sleep>,
    }

    impl PinnedDrop for Sleep {
        fn drop(this: Pin<&mut Self>) {
            if let Some(timer) = this.project().timer.take() {
                engine::with(|engine| engine.cancel_timer(timer));
            }
        }
    }
}

impl Future for Sleep {
    type Output = ();

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        let this = self.project();
        if let Some(live) = this.live.as_pin_mut() {
            let polled = live.poll(context);
            // In a recorded process the time of the step decides, as it will in a replay.
            let step_now = engine::recording(engine::Engine::step_now_ns).flatten();
            return match step_now {
                None => polled,
                Some(now_ns) if now_ns >= this.deadline.0 => Poll::Ready(()),
                Some(_) => {
                    if polled.is_ready() {
                        // It came due while the step ran: another step finds it so.
                        context.waker().wake_by_ref();
                    }
                    Poll::Pending
                }
            };
        }
        let due = engine::with(|engine| {
            let was_polled = this.timer.is_some();
            if let Some(timer) = this.timer.take() {
                engine.cancel_timer(timer);
            }
            // One that is due at once lets others run as well.
            let goes_on = was_polled || !engine.due_sleep_yields();
            if goes_on && engine.now_ns() >= this.deadline.0 {
                return true;
            }
            *this.timer = Some(engine.timer(this.deadline.0, context.waker()));
            false
        });
        // Without an engine the simulation is being torn down: nothing is to happen any more.
        if due == Some(true) {
            Poll::Ready(())
        } else {
            Poll::Pending
        }
    }
}

/// The duration passed before the future was ready.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Elapsed;

impl std::fmt::Display for Elapsed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("deadline has elapsed")
    }
}

impl std::error::Error for Elapsed {}

/// Await a future for at most a duration.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// use std::time::Duration;
/// let never = std::future::pending::<()>();
/// assert!(retake::timeout(Duration::from_millis(1), never).await.is_err());
/// # }
/// ```
///
/// # Errors
/// [`Elapsed`] if the duration passed first. A future that is ready at the
/// deadline wins.
pub async fn timeout<F: Future>(duration: Duration, future: F) -> Result<F::Output, Elapsed> {
    let mut sleep = pin!(sleep(duration));
    let mut future = pin!(future);
    std::future::poll_fn(|context| {
        if let Poll::Ready(output) = future.as_mut().poll(context) {
            return Poll::Ready(Ok(output));
        }
        sleep.as_mut().poll(context).map(|()| Err(Elapsed))
    })
    .await
}

/// Send a message to an actor after a duration. Abort the handle to cancel.
///
/// Unlike ractor's `send_after` the timer is gated: a simulation explores its
/// firing against other messages of the same instant.
#[track_caller]
pub fn send_after<M: Message>(
    actor: &ActorRef<M>,
    delay: Duration,
    message: impl FnOnce() -> M + Send + 'static,
) -> JoinHandle<()> {
    let actor = actor.clone();
    let sleep = sleep(delay);
    crate::spawn_named("timer", async move {
        sleep.await;
        // An actor that is gone needs no timer.
        let _ = actor.cast(message());
    })
}
