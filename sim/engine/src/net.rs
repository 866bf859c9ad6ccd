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
//! What `turmoil-net` 0.1 does not do: lost packets are sent again after a count of passes
//! and not after a time, and a segment that overtakes another is dropped by its receiver
//! and sent again as a lost one. A pass is made each millisecond while a packet may be lost.

use std::collections::BTreeMap;
use std::future::Future;
use std::net::IpAddr;
use std::ops::RangeInclusive;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use pin_project_lite::pin_project;
use rand_chacha::ChaCha8Rng;
use rand_core::Rng as _;
use turmoil_net::{EnterGuard, HostId, KernelConfig, Net, Packet, TcpFlags, TcpSegment, Transport};

pub use turmoil_net::shim::tokio::net::{TcpListener, TcpStream};

use crate::environment::Environment;
use crate::rng::stream;

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

/// What is added to the latency of a second copy, and of a packet that others overtake,
/// at most.
const LATER_MAX: Duration = Duration::from_millis(20);

/// Passes after which a lost packet is sent again, and the most that it is.
const RESEND_AFTER_PASSES: u32 = 200;
const RESENDS_MAX: u32 = 15;
/// Time between passes while packets may have been lost.
const PASS: Duration = Duration::from_millis(1);

/// Moves packets.
struct Wire {
    network: Network,
    rng: ChaCha8Rng,
    /// Of the faults that a network need not have: they shift nothing where it has none.
    fault_rng: ChaCha8Rng,
    guard: EnterGuard,
    names: BTreeMap<IpAddr, String>,
    /// On their way, by time of arrival and order of sending.
    on_the_way: BTreeMap<(Duration, u64), Packet>,
    sent: u64,
    /// The latest arrival on a link: packets do not overtake one another.
    latest: BTreeMap<(IpAddr, IpAddr), Duration>,
    next_pass: Option<Duration>,
    outbound: Vec<Packet>,
    told: Vec<String>,
}

impl Wire {
    fn new(network: Network, seed: u64) -> Self {
        // Without loss nothing needs to be sent again, however many passes are made.
        let resend_after = if network.may_lose() {
            RESEND_AFTER_PASSES
        } else {
            u32::MAX
        };
        let config = KernelConfig::default()
            .retx_threshold(resend_after)
            .retx_max(RESENDS_MAX);
        let mut net = Net::with_config(config);
        let mut names = BTreeMap::new();
        let mut hosts = BTreeMap::new();
        for name in &network.hosts {
            let id = net.add_host(name.as_str());
            names.insert(net.lookup(name), name.clone());
            hosts.insert(name.clone(), id);
        }
        HOSTS.set(hosts);
        Self {
            network,
            rng: stream(seed, "network"),
            fault_rng: stream(seed, "network faults"),
            guard: net.enter(),
            names,
            on_the_way: BTreeMap::new(),
            sent: 0,
            latest: BTreeMap::new(),
            next_pass: None,
            outbound: Vec::new(),
            told: Vec::new(),
        }
    }

    fn send(&mut self, packet: Packet, now: Duration) {
        let link = (packet.src, packet.dst);
        let name = |address| self.names.get(address).map(String::as_str);
        let is_cut = self.network.cuts.iter().any(|cut| {
            name(&link.0) == Some(cut.from.as_str())
                && name(&link.1) == Some(cut.to.as_str())
                && (cut.start..cut.end).contains(&now)
        });
        let has_faults = now < self.network.faults_until;
        // Drawn in any case, so that a cut shifts nothing.
        let (loss, share) = (draw(&mut self.rng), draw(&mut self.rng));
        let is_lost = has_faults && loss < self.network.loss;
        if is_cut || is_lost {
            self.tell(
                link,
                now,
                if is_cut {
                    "meets a cut link"
                } else {
                    "is lost"
                },
            );
            return;
        }
        let (low, high) = (*self.network.latency.start(), *self.network.latency.end());
        let arrival = now + low + high.saturating_sub(low).mul_f64(share);
        let mut strikes = |share| has_faults && share > 0.0 && draw(&mut self.fault_rng) < share;
        let is_reset = strikes(self.network.resets);
        let is_doubled = strikes(self.network.duplicates);
        let is_overtaken = strikes(self.network.overtakes);
        if is_reset && let Some(resets) = resets(&packet) {
            self.tell(link, now, "becomes a reset of its connection");
            for reset in resets {
                self.put(reset, arrival);
            }
            return;
        }
        let mut later = || arrival + LATER_MAX.mul_f64(draw(&mut self.fault_rng));
        let copy = is_doubled.then(|| (packet.clone(), later()));
        let late = is_overtaken.then(later);
        if copy.is_some() {
            self.tell(link, now, "comes twice");
        }
        if let Some(late) = late {
            self.tell(link, now, "may be overtaken");
            self.put(packet, late);
        } else {
            let latest = self.latest.entry(link).or_default();
            *latest = arrival.max(*latest);
            let arrival = *latest;
            self.put(packet, arrival);
        }
        if let Some((copy, at)) = copy {
            self.put(copy, at);
        }
    }

    /// Report what happens to a packet on a link with faults.
    fn tell(&mut self, (from, to): (IpAddr, IpAddr), now: Duration, what: &str) {
        let name = |address| self.names.get(address).map_or("?", String::as_str);
        let (from, to) = (name(&from), name(&to));
        // In the story it follows the step before it, whose time may be an earlier one.
        let text = format!("network: what goes from {from} to {to} at {now:?} {what}");
        self.told.push(text);
    }

    /// Let a packet arrive at this time.
    fn put(&mut self, packet: Packet, at: Duration) {
        self.on_the_way.insert((at, self.sent), packet);
        self.sent += 1;
    }
}

/// A number from 0 to 1, exclusive.
fn draw(rng: &mut ChaCha8Rng) -> f64 {
    f64::from(rng.next_u32()) / (f64::from(u32::MAX) + 1.0)
}

/// What both ends of a packet's connection hear when it is reset.
fn resets(packet: &Packet) -> Option<[Packet; 2]> {
    let Transport::Tcp(segment) = &packet.payload else {
        return None;
    };
    let flags = TcpFlags {
        rst: true,
        ..TcpFlags::default()
    };
    let there = TcpSegment {
        flags,
        payload: Default::default(),
        ..segment.clone()
    };
    let back = TcpSegment {
        src_port: segment.dst_port,
        dst_port: segment.src_port,
        seq: segment.ack,
        ack: segment.seq,
        ..there.clone()
    };
    let from = |src, dst, segment| Packet {
        src,
        dst,
        ttl: packet.ttl,
        payload: Transport::Tcp(segment),
    };
    Some([
        from(packet.src, packet.dst, there),
        from(packet.dst, packet.src, back),
    ])
}

impl Environment for Wire {
    fn act(&mut self, now: Duration) -> bool {
        let mut acted = false;
        loop {
            let mut outbound = std::mem::take(&mut self.outbound);
            self.guard.egress_all(&mut outbound);
            acted |= !outbound.is_empty();
            for packet in outbound.drain(..) {
                self.send(packet, now);
            }
            self.outbound = outbound;
            let due = self.on_the_way.first_entry();
            match due.filter(|due| due.key().0 <= now) {
                Some(due) => self.guard.deliver(due.remove()),
                None => break,
            }
            acted = true;
        }
        if self.network.may_lose() && self.next_pass.is_none_or(|pass| pass <= now) {
            self.next_pass = Some(now + PASS);
        }
        acted
    }

    fn next(&self) -> Option<Duration> {
        let arrival = self.on_the_way.first_key_value().map(|((at, _), _)| *at);
        arrival.into_iter().chain(self.next_pass).min()
    }

    fn drain_events(&mut self) -> Vec<String> {
        std::mem::take(&mut self.told)
    }
}

impl Drop for Wire {
    fn drop(&mut self) {
        HOSTS.take();
    }
}

thread_local! {
    static HOSTS: std::cell::RefCell<BTreeMap<String, HostId>> =
        const { std::cell::RefCell::new(BTreeMap::new()) };
}

fn enter_host(name: &str) {
    let id = HOSTS.with_borrow(|hosts| hosts.get(name).copied());
    if let Some(id) = id {
        turmoil_net::set_current(id);
    }
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
