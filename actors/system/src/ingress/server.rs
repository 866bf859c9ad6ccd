//! Accepting connections, and letting them go.

use std::future::Future;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::OnceLock;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::serve::Listener;
use hyper::rt;
use hyper::server::conn::http1;
use hyper_util::rt::TokioIo;
use hyper_util::service::TowerToHyperService;
use tokio::sync::{Semaphore, watch};

use super::front::Ingress;
use super::http;
use super::timed::TimedIo;

/// What a server did until it was shut down.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ServeReport {
    /// Connections that were accepted.
    pub connections: u64,
    /// Connections that were not done in time when the server shut down.
    pub unfinished: usize,
}

impl Ingress {
    /// Serve connections until `shutdown` is ready; then accept no more, and give
    /// requests that were accepted the time to be finished.
    pub async fn serve<L: Listener>(
        &self,
        mut listener: L,
        shutdown: impl Future<Output = ()>,
    ) -> ServeReport {
        let config = &self.0.config;
        let router = http::router(self);
        let (closing, close) = watch::channel(false);
        let places = Arc::new(Semaphore::new(config.connections_max));
        let mut served = ServeReport::default();
        let mut shutdown = pin!(shutdown);
        loop {
            let next = async {
                // The semaphore is never closed.
                let place = Arc::clone(&places).acquire_owned().await;
                (place, listener.accept().await.0)
            };
            let (place, io) = tokio::select! {
                biased;
                () = &mut shutdown => break,
                next = next => next,
            };
            served.connections += 1;
            // Counted here and not by its task, which may be polled after those of later ones.
            let connected = OpenConnection::new(self);
            let connection = self.clone().connection(io, router.clone(), close.clone());
            let connection = async move {
                connection.await;
                drop((connected, place));
            };
            retake::record::spawn_outside("connection", connection);
        }
        drop(listener);
        drop(close);
        let open = closing.receiver_count();
        tracing::info!(open, "shutting down");
        // An error means that no connection is left to hear of it.
        let _ = closing.send(true);
        if retake::timeout(config.shutdown_timeout, closing.closed())
            .await
            .is_err()
        {
            served.unfinished = closing.receiver_count();
            tracing::warn!(served.unfinished, "connections are cut");
        }
        served
    }

    async fn connection<Io>(self, io: Io, router: axum::Router, mut close: watch::Receiver<bool>)
    where
        Io: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin + Send + 'static,
    {
        let service = TowerToHyperService::new(router);
        let timed = TimedIo::new(io, self.0.config.write_timeout);
        let connection = http1::Builder::new()
            .timer(FacadeTimer)
            .header_read_timeout(self.0.config.request_timeout)
            // A date would come from the real clock.
            .auto_date_header(!retake::is_simulated())
            .serve_connection(TokioIo::new(timed), service);
        let mut connection = pin!(connection);
        let result = tokio::select! {
            biased;
            result = connection.as_mut() => result,
            _ = close.changed() => {
                connection.as_mut().graceful_shutdown();
                connection.await
            }
        };
        if let Err(error) = result {
            tracing::debug!(%error, "connection ended");
        }
    }
}

/// A connection that counts among the open ones, until it goes in whatever way.
struct OpenConnection(Ingress);

impl OpenConnection {
    fn new(ingress: &Ingress) -> Self {
        ingress.0.metrics.connected();
        Self(ingress.clone())
    }
}

impl Drop for OpenConnection {
    fn drop(&mut self) {
        self.0.0.metrics.disconnected();
    }
}

/// The facade's time, in the form that hyper takes it.
#[derive(Clone, Copy, Debug)]
struct FacadeTimer;

/// hyper counts in `std` instants. These differ from the facade's by a constant.
fn std_origin() -> std::time::Instant {
    static ORIGIN: OnceLock<std::time::Instant> = OnceLock::new();
    #[allow(
        clippy::disallowed_methods,
        reason = "any constant will do: only differences count"
    )]
    *ORIGIN.get_or_init(std::time::Instant::now)
}

impl rt::Timer for FacadeTimer {
    fn sleep(&self, duration: Duration) -> Pin<Box<dyn rt::Sleep>> {
        Box::pin(FacadeSleep(Box::pin(retake::sleep(duration))))
    }

    fn sleep_until(&self, deadline: std::time::Instant) -> Pin<Box<dyn rt::Sleep>> {
        self.sleep(deadline.saturating_duration_since(self.now()))
    }

    fn now(&self) -> std::time::Instant {
        std_origin() + Duration::from_nanos(retake::now().as_nanos())
    }
}

struct FacadeSleep(Pin<Box<retake::Sleep>>);

impl Future for FacadeSleep {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        self.0.as_mut().poll(context)
    }
}

impl rt::Sleep for FacadeSleep {}
