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
//! and sent again as a lost one. A pass is made each millisecond while a packet may be lost.

mod wire;

use std::future::Future;
use std::ops::RangeInclusive;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use pin_project_lite::pin_project;

pub use turmoil_net::shim::tokio::net::{TcpListener, TcpStream};

use wire::{Wire, enter_host};

/// The host on which everything runs that is not said to run elsewhere.
pub const SERVER: &str = "server";

/// A network to be.
#[derive(Clone, Debug)]
pub struct Network {
    hosts: Vec<String>,
    latency: RangeInclusive<Duration>,
    loss: f64,
    duplicates: f64,
    overtakes: f64,
    resets: f64,
    resends: bool,
    faults_until: Duration,
    cuts: Vec<Cut>,
}

/// A link that is cut for a while.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cut {
    /// Packets from this host are lost.
    pub from: String,
    /// To this one.
    pub to: String,
    /// From this time of the run on.
    pub start: Duration,
    /// To this one.
    pub end: Duration,
}

impl Default for Network {
    fn default() -> Self {
        Self::new()
    }
}

impl Network {
    /// The hosts `server` and `client`, without latency, loss and cuts.
    #[must_use]
    pub fn new() -> Self {
        Self {
            hosts: vec![SERVER.to_owned(), "client".to_owned()],
            latency: Duration::ZERO..=Duration::ZERO,
            loss: 0.0,
            duplicates: 0.0,
            overtakes: 0.0,
            resets: 0.0,
            resends: false,
            faults_until: Duration::MAX,
            cuts: Vec::new(),
        }
    }

    /// One more host.
    #[must_use]
    pub fn host(mut self, name: &str) -> Self {
        self.hosts.push(name.to_owned());
        self
    }

    /// Each packet takes a time in this range; those of one link keep their order.
    #[must_use]
    pub fn latency(self, latency: RangeInclusive<Duration>) -> Self {
        Self { latency, ..self }
    }

    /// Share of the packets that are lost, from 0 to 1.
    #[must_use]
    pub fn loss(self, loss: f64) -> Self {
        Self { loss, ..self }
    }

    /// Share of the packets that come twice, from 0 to 1.
    #[must_use]
    pub fn duplicates(self, duplicates: f64) -> Self {
        Self { duplicates, ..self }
    }

    /// Share of the packets that later ones of their link may overtake, from 0 to 1.
    #[must_use]
    pub fn overtakes(self, overtakes: f64) -> Self {
        Self { overtakes, ..self }
    }

    /// Share of the packets instead of which both ends of the connection hear that it was
    /// reset, from 0 to 1: before the server has a request, or after it has done its work.
    #[must_use]
    pub fn resets(self, resets: f64) -> Self {
        Self { resets, ..self }
    }

    /// Send again what is lost also where nothing here loses it, and no fault that is planned
    /// when the network starts: for faults that are injected later.
    #[must_use]
    pub fn resends(self) -> Self {
        Self {
            resends: true,
            ..self
        }
    }

    /// No packet is lost, doubled, overtaken or reset from this time of the run on. Cuts
    /// have times of their own.
    #[must_use]
    pub fn faults_until(self, faults_until: Duration) -> Self {
        Self {
            faults_until,
            ..self
        }
    }

    /// Cut the way from one host to another for a while; the way back stays open.
    #[must_use]
    pub fn cut(mut self, cut: Cut) -> Self {
        self.cuts.push(cut);
        self
    }

    fn may_lose(&self) -> bool {
        self.loss > 0.0 || self.overtakes > 0.0 || !self.cuts.is_empty()
    }
}

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
