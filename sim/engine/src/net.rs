//! Simulated sockets: real servers and clients over a network that loses, delays
//! and cuts.
//!
//! The sockets are those of the crate `turmoil-net`, which stand in for tokio's
//! ([`TcpListener`], [`TcpStream`]); this module moves their packets in the run's
//! virtual time and by its seed. Packets go out when nothing is runnable, that is
//! when everything that can happen at an instant has happened.
//!
//! Whatever is not said to run [on another host](on) runs on the host `server`.
//! Within one host, over 127.0.0.1, packets are neither delayed nor lost.
//!
//! ```
//! use std::time::Duration;
//! use retake_sim::{Sim, net};
//! use tokio::io::{AsyncReadExt, AsyncWriteExt};
//!
//! let run = Sim::new().run(|| async {
//!     net::start(net::Network::new().latency(Duration::from_millis(1)..=Duration::from_millis(3)));
//!     let listener = net::TcpListener::bind("0.0.0.0:80").await.unwrap();
//!     retake::spawn(async move {
//!         let (mut stream, _) = listener.accept().await.unwrap();
//!         stream.write_all(b"hello").await.unwrap();
//!     });
//!     net::on("client", async {
//!         let mut stream = net::TcpStream::connect("server:80").await.unwrap();
//!         let mut text = String::new();
//!         stream.read_to_string(&mut text).await.unwrap();
//!         text
//!     })
//!     .await
//! });
//! assert_eq!(run.expect_passed(), "hello");
//! ```
//!
//! What is a setting of the [`Network`] holds for each of its runs, and is drawn by the seed.
//! Faults of a run are `cut client - server @2s until 3s`, `lose packets 5% @1s` and the like,
//! see [`Fault`](crate::Fault): they are recorded and can be left out one by one.
//!
//! What `turmoil-net` 0.1 does not do: lost packets are sent again after a count of passes
//! and not after a time, and a segment that overtakes another is dropped by its receiver
//! and sent again as a lost one. A pass is made each millisecond while a packet may be lost by
//! the settings, and for some seconds after a fault has lost one.

mod settings;
mod wire;

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use pin_project_lite::pin_project;

pub use turmoil_net::shim::tokio::net::{TcpListener, TcpStream};

pub use settings::{Cut, Network, SERVER};
use wire::{Wire, enter_host};

/// Start a network in the simulation that runs on this thread.
///
/// # Panics
/// If one was started already.
pub fn start(network: Network) {
    crate::add_environment(|seed| Wire::new(network, seed));
}

pin_project! {
    /// Runs on a host, see [`on`].
    #[derive(Debug)]
    pub struct OnHost<F> {
        host: String,
        #[pin]
        body: F,
    }
}

/// Run a future on this host of the network. What it spawns runs on `server`, if not
/// said otherwise again.
pub fn on<F: Future>(host: &str, body: F) -> OnHost<F> {
    OnHost {
        host: host.to_owned(),
        body,
    }
}

impl<F: Future> Future for OnHost<F> {
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<F::Output> {
        let this = self.project();
        enter_host(this.host);
        let polled = this.body.poll(context);
        enter_host(SERVER);
        polled
    }
}
