//! The checks of journals hold for the actors under random failures, and each
//! catches a journal in which one thing is wrong.

mod messages;
mod pool;
mod supervision;

use ractor::RpcReplyPort;
use retake_otp::invariants::{
    Violation, calls, lives, mailbox_depth, messages, orphans, pool_journal, pool_leases,
    recovered_states, restart_sets, restarts, tree_at_rest, undisturbed, unheard, wait_cycles,
};
use retake_otp::journal::{Entry, Event, HandlerEnd, Journal, JournaledActor, Lifecycle, Tag};
use retake_otp::supervisor::{ChildSpec, Strategy, SupervisorRef, SupervisorSpec};
use retake_otp::{Pool, PoolConfig, PoolRef, invariants};

use crate::common::*;

fn numbers(violations: &[Violation]) -> Vec<u32> {
    violations
        .iter()
        .map(|violation| violation.invariant)
        .collect()
}

const NAMES: [&str; 3] = ["alpha", "beta", "gamma"];

const PERIOD: Duration = Duration::from_secs(10);
/// No child takes longer to stop.
const BUSY: Duration = Duration::from_millis(20);

#[derive(Debug)]
enum Ask {
    Add(Tag),
    Crash(Tag),
    Fail(Tag),
    Count(RpcReplyPort<u32>),
    Forward(&'static str, Journal),
}

impl Ask {
    fn tag(&self) -> Option<Tag> {
        match self {
            Self::Add(tag) | Self::Crash(tag) | Self::Fail(tag) => Some(tag.clone()),
            Self::Count(_) | Self::Forward(..) => None,
        }
    }
}

struct Counter(&'static str);

#[retake::simulated]
impl Actor for Counter {
    type Msg = Ask;
    type State = u32;
    type Arguments = ();

    async fn pre_start(&self, _: ActorRef<Ask>, (): ()) -> Result<u32, ActorProcessingErr> {
        Ok(0)
    }

    async fn handle(
        &self,
        _: ActorRef<Ask>,
        ask: Ask,
        count: &mut u32,
    ) -> Result<(), ActorProcessingErr> {
        match ask {
            Ask::Add(_) => {
                *count += 1;
                retake::sleep(Duration::from_millis(5)).await;
            }
            Ask::Crash(_) => panic!("as asked"),
            Ask::Fail(_) => return Err("as asked".into()),
            Ask::Count(reply) => drop(reply.send(*count)),
            Ask::Forward(to, journal) => {
                let other: ActorRef<Ask> = retake::where_is(to).unwrap().into();
                let asked = other.call(Ask::Count, None);
                let _ = journal.call(self.0, to, asked).await;
            }
        }
        Ok(())
    }
}

fn observed(name: &'static str, journal: &Journal) -> JournaledActor<Counter> {
    JournaledActor::new(Counter(name), name, journal)
        .tagged(Ask::tag)
        .showing(u32::to_string)
}

async fn start_family(strategy: Strategy, intensity: u32, journal: &Journal) -> SupervisorRef {
    let mut spec = SupervisorSpec::new(strategy)
        .intensity(intensity, PERIOD)
        .journal("family", journal);
    for name in NAMES {
        let journal = journal.clone();
        spec = spec.child(ChildSpec::new(name, move || (observed(name, &journal), ())));
    }
    SupervisorRef::start(Some("family"), spec).await.unwrap()
}

/// Two senders, one of whom crashes counters now and then.
async fn family_under_fire(strategy: Strategy, intensity: u32) -> (Vec<Entry>, Vec<Violation>) {
    use rand::RngExt as _;
    let journal = Journal::new();
    let family = start_family(strategy, intensity, &journal).await;
    let sender = |from: &'static str, crash_rate: f64| {
        let journal = journal.clone();
        retake::spawn(async move {
            for _ in 0..20 {
                let to = NAMES[retake::rng().random_range(0..3)];
                // It may be down.
                if let Some(counter) = retake::where_is(to) {
                    let counter: ActorRef<Ask> = counter.into();
                    let tag = journal.send(from, to);
                    let crash = retake::rng().random_bool(crash_rate);
                    let ask = if crash {
                        Ask::Crash(tag)
                    } else {
                        Ask::Add(tag)
                    };
                    let _ = counter.cast(ask);
                    let asked = counter.call(Ask::Count, Some(Duration::from_millis(20)));
                    let _ = journal.call(from, to, asked).await;
                }
                let pause = retake::rng().random_range(0..1500);
                retake::sleep(Duration::from_millis(pause)).await;
            }
        })
    };
    let senders = [sender("ann", 0.0), sender("bob", 0.2)];
    for sender in senders {
        sender.await.unwrap();
    }
    retake::sleep(PERIOD).await;
    // One that has given up has no children.
    let tree = family.tree().await;
    let at_rest = tree.map_or(Vec::new(), |tree| tree_at_rest(&tree));
    family.stop().await;
    (journal.entries(), at_rest)
}

fn check_family(entries: &[Entry], strategy: Strategy, intensity: u32) -> Vec<Violation> {
    [
        restarts(entries, "family", intensity, PERIOD),
        restart_sets(entries, "family", strategy),
        orphans(entries, "family", &NAMES),
        lives(entries),
        recovered_states(entries, |_, state| state == "0"),
        unheard(entries, "family", &NAMES, BUSY),
        messages(entries),
        calls(entries),
        wait_cycles(entries),
        mailbox_depth(entries, "alpha", 4),
    ]
    .concat()
}

/// The journal of a run of `one_for_all` in which `beta` crashes once.
fn one_crash() -> Vec<Entry> {
    let run = Sim::new().run(|| async {
        let journal = Journal::new();
        let family = start_family(Strategy::OneForAll, 1, &journal).await;
        let beta: ActorRef<Ask> = retake::where_is("beta").unwrap().into();
        for _ in 0..2 {
            beta.cast(Ask::Add(journal.send("ann", "beta"))).unwrap();
        }
        beta.cast(Ask::Crash(journal.send("ann", "beta"))).unwrap();
        retake::sleep(Duration::from_secs(1)).await;
        family.stop().await;
        journal.entries()
    });
    let entries = run.expect_passed();
    assert_eq!(check_family(&entries, Strategy::OneForAll, 1), []);
    entries
}

fn place_of(entries: &[Entry], who: &str, is_it: impl Fn(&Event) -> bool) -> usize {
    let place = entries
        .iter()
        .position(|entry| entry.who == who && is_it(&entry.event));
    place.unwrap_or_else(|| panic!("no such entry of {who} in {entries:#?}"))
}

fn life(number: u64, life: Lifecycle) -> impl Fn(&Event) -> bool {
    move |what| *what == Event::Life(number, life.clone())
}

fn incarnation(entries: &[Entry], who: &str) -> u64 {
    let place = place_of(entries, who, |what| {
        matches!(what, Event::Life(_, Lifecycle::Starting))
    });
    match entries[place].event {
        Event::Life(number, _) => number,
        _ => unreachable!("a life"),
    }
}
