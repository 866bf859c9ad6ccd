//! What a network is like in each run.

use std::ops::RangeInclusive;
use std::time::Duration;

/// The host on which everything runs that is not said to run elsewhere.
pub const SERVER: &str = "server";

/// A network to be.
#[derive(Clone, Debug)]
pub struct Network {
    pub(super) hosts: Vec<String>,
    pub(super) latency: RangeInclusive<Duration>,
    pub(super) loss: f64,
    pub(super) duplicates: f64,
    pub(super) overtakes: f64,
    pub(super) resets: f64,
    pub(super) resends: bool,
    pub(super) faults_until: Duration,
    pub(super) cuts: Vec<Cut>,
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

    pub(super) fn may_lose(&self) -> bool {
        self.loss > 0.0 || self.overtakes > 0.0 || !self.cuts.is_empty()
    }
}
