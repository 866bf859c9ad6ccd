//! Moves packets between hosts, by the settings of the network and the faults of the run.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::Duration;

use rand_chacha::ChaCha8Rng;
use rand_core::Rng as _;
use retake_traces::fault::PacketChange;
use turmoil_net::{EnterGuard, HostId, KernelConfig, Net, Packet, TcpFlags, TcpSegment, Transport};

use super::settings::Network;
use crate::core::Core;
use crate::engine::current;
use crate::environment::Environment;
use crate::rng::stream;

/// What happens to packets that do not arrive.
const CUT: &str = "meets a cut link";
const LOST: &str = "is lost";
/// What is added to the latency of a second copy, and of a packet that others overtake,
/// at most.
const LATER_MAX: Duration = Duration::from_millis(20);

/// Passes after which a lost packet is sent again, and the most that it is.
const RESEND_AFTER_PASSES: u32 = 200;
const RESENDS_MAX: u32 = 15;
/// Time between passes while packets may have been lost.
const PASS: Duration = Duration::from_millis(1);

/// Moves packets.
pub(super) struct Wire {
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
    /// The settings lose packets, so passes never end.
    may_lose: bool,
    /// Passes are made up to this time, for what faults have lost.
    passes_until: Duration,
    next_pass: Option<Duration>,
    outbound: Vec<Packet>,
    events: Vec<String>,
}

impl Wire {
    pub(super) fn new(network: Network, seed: u64) -> Self {
        let may_lose = network.may_lose();
        let resends = network.resends || may_lose;
        let resends = with_core(|core| core.starts_network(network.hosts.clone(), resends));
        // Without loss nothing needs to be sent again, however many passes are made.
        let resend_after = if resends.unwrap_or(may_lose) {
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
            may_lose,
            passes_until: Duration::ZERO,
            next_pass: None,
            outbound: Vec::new(),
            events: Vec::new(),
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
        let mut changes = self.changes(&packet);
        if is_cut || is_lost {
            changes.lost = Some(if is_cut { CUT } else { LOST });
        } else if changes.lost.is_some() {
            self.expect_resends(now);
        }
        if let Some(what) = changes.lost {
            self.tell(link, now, what);
            return;
        }
        let (low, high) = (*self.network.latency.start(), *self.network.latency.end());
        let arrival = now + low + high.saturating_sub(low).mul_f64(share);
        let arrival = arrival.saturating_add(changes.late);
        if !changes.late.is_zero() {
            self.tell(link, now, "takes longer");
        }
        let mut happens = |share| has_faults && share > 0.0 && draw(&mut self.fault_rng) < share;
        let is_reset = happens(self.network.resets) || changes.is_reset;
        let is_doubled = happens(self.network.duplicates);
        let is_overtaken = happens(self.network.overtakes);
        if is_reset && let Some(resets) = resets(&packet) {
            self.tell(link, now, "becomes a reset of its connection");
            for reset in resets {
                self.put(reset, arrival);
            }
            return;
        }
        let later = |rng: &mut ChaCha8Rng| arrival + LATER_MAX.mul_f64(draw(rng));
        let mut copy = is_doubled.then(|| later(&mut self.fault_rng));
        let mut late = is_overtaken.then(|| later(&mut self.fault_rng));
        copy = copy.or_else(|| changes.twice.as_mut().map(later));
        if let (None, Some(rng)) = (late, &mut changes.overtaken) {
            late = Some(later(rng));
            self.expect_resends(now);
        }
        self.put_in_order(packet, now, arrival, (copy, late));
    }

    /// Let a packet arrive at this time and after those before it, or when it may be
    /// overtaken, and once more if there is a copy.
    fn put_in_order(
        &mut self,
        packet: Packet,
        now: Duration,
        arrival: Duration,
        (copy, late): (Option<Duration>, Option<Duration>),
    ) {
        let link = (packet.src, packet.dst);
        let copy = copy.map(|at| (packet.clone(), at));
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

    /// What faults of the run make of a packet.
    fn changes(&self, packet: &Packet) -> Changes {
        let name = |address| self.names.get(address).map_or("?", String::as_str);
        let is_tcp = matches!(packet.payload, Transport::Tcp(_));
        let (from, to) = (name(&packet.src), name(&packet.dst));
        let fate = with_core(|core| core.packet(from, to, is_tcp)).unwrap_or_default();
        let mut changes = Changes::default();
        for (change, draws) in fate.changes.into_iter().zip(fate.draws) {
            match change {
                PacketChange::Cut => changes.lost = Some(CUT),
                PacketChange::Lost => changes.lost = changes.lost.or(Some(LOST)),
                PacketChange::Late { by_ns } => {
                    let by = Duration::from_nanos(by_ns);
                    changes.late = changes.late.saturating_add(by);
                }
                PacketChange::Twice => changes.twice = Some(draws),
                PacketChange::Overtaken => changes.overtaken = Some(draws),
                PacketChange::Reset => changes.is_reset = true,
            }
        }
        changes
    }

    /// Make passes until what was lost was sent again as often as it is.
    fn expect_resends(&mut self, now: Duration) {
        self.passes_until = now + PASS * RESEND_AFTER_PASSES * (RESENDS_MAX + 1);
    }

    /// Report what happens to a packet on a link with faults.
    fn tell(&mut self, (from, to): (IpAddr, IpAddr), now: Duration, what: &str) {
        let name = |address| self.names.get(address).map_or("?", String::as_str);
        let (from, to) = (name(&from), name(&to));
        // In the story it follows the step before it, whose time may be an earlier one.
        let text = format!("network: what goes from {from} to {to} at {now:?} {what}");
        self.events.push(text);
    }

    /// Let a packet arrive at this time.
    fn put(&mut self, packet: Packet, at: Duration) {
        self.on_the_way.insert((at, self.sent), packet);
        self.sent += 1;
    }
}

/// What faults make of one packet.
#[derive(Default)]
struct Changes {
    /// Why it is lost.
    lost: Option<&'static str>,
    /// By how much it takes longer.
    late: Duration,
    /// What to draw from when the second copy comes.
    twice: Option<ChaCha8Rng>,
    /// What to draw from how late it is.
    overtaken: Option<ChaCha8Rng>,
    is_reset: bool,
}

/// Ask the core of the simulation on this thread.
fn with_core<T>(ask: impl FnOnce(&mut Core) -> T) -> Option<T> {
    let engine = current()?;
    let mut core = engine.core.borrow_mut();
    Some(ask(&mut core))
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
        if !self.may_lose && now >= self.passes_until {
            self.next_pass = None;
        } else if self.next_pass.is_none_or(|pass| pass <= now) {
            self.next_pass = Some(now + PASS);
        }
        acted
    }

    fn next(&self) -> Option<Duration> {
        let arrival = self.on_the_way.first_key_value().map(|((at, _), _)| *at);
        arrival.into_iter().chain(self.next_pass).min()
    }

    fn drain_events(&mut self) -> Vec<String> {
        std::mem::take(&mut self.events)
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

pub(super) fn enter_host(name: &str) {
    let id = HOSTS.with_borrow(|hosts| hosts.get(name).copied());
    if let Some(id) = id {
        turmoil_net::set_current(id);
    }
}
