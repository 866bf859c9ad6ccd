//! The programs that everybody writes first with ractor, made of ordinary ractor
//! code and the attribute, run deterministically under every strategy.

use std::collections::BTreeSet;
use std::fmt::Debug;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use crate::common::Program;
use ractor::{Actor, ActorRef, OutputPort, RpcReplyPort, SupervisionEvent};
use retake_inspect::compare;
use retake_sim::{Sim, Strategy};
use retake_testkit::{ActorResult, actor, recorded};

const SEEDS: u64 = 20;

/// Run a program under every strategy with a sample of seeds, each twice; the two
/// runs must agree record by record. Gives the number of different schedules seen.
fn runs_deterministically<T>(program: impl Program<T>) -> usize
where
    T: Debug + PartialEq + Send + 'static,
{
    let mut schedules = BTreeSet::new();
    for strategy in ["fifo", "random", "pct:steps=100", "defer:percent=20"] {
        let strategy: Strategy = strategy.parse().unwrap();
        for seed in 0..SEEDS {
            let run = || {
                let sim = Sim::new().seed(seed).strategy(strategy.clone());
                let sim = sim.story(true).causality(true);
                let (run, sink) = recorded(sim, program.clone());
                assert!(run.passed(), "{strategy}, seed {seed}: {run}");
                (run.event_hash, run.output, sink.records())
            };
            let (first, second) = (run(), run());
            if let Some(divergence) = compare(("first", "second"), &first.2, &second.2) {
                panic!("{strategy}, seed {seed}: {}", divergence.to_text(100));
            }
            assert_eq!((first.0, first.1), (second.0, second.1));
            schedules.insert(first.0);
        }
    }
    schedules.len()
}

// --- ping-pong: an actor that sends itself messages ---

#[derive(Debug, Clone)]
enum Ball {
    Ping,
    Pong,
}

#[test]
fn ping_pong_leaves_next_to_nothing_to_choose() {
    let schedules = runs_deterministically(|| async {
        let play = |myself: &ActorRef<Ball>, ball, hits: &mut u8| {
            if *hits == 10 {
                return myself.stop(None);
            }
            *hits += 1;
            let next = match ball {
                Ball::Ping => Ball::Pong,
                Ball::Pong => Ball::Ping,
            };
            myself.cast(next).unwrap();
        };
        let player = actor("player", 0, play).await;
        player.cast(Ball::Ping).unwrap();
        player.wait(None).await.unwrap();
    });
    // Whom to run leaves no choice; `defer` chooses whether to run it at once.
    assert!(schedules <= 1 + SEEDS as usize, "{schedules} schedules");
}

// --- the dining philosophers: who asks for two forks waits for neither ---

const SEATS: usize = 5;
const MEALS: u32 = 3;

#[derive(Debug)]
enum ForkMessage {
    Take(RpcReplyPort<bool>),
    PutBack,
}

async fn fork(number: usize) -> ActorRef<ForkMessage> {
    let handle = |_: &_, message, is_taken: &mut bool| match message {
        ForkMessage::Take(reply) => {
            reply.send(!*is_taken).unwrap();
            *is_taken = true;
        }
        ForkMessage::PutBack => *is_taken = false,
    };
    actor(&format!("fork-{number}"), false, handle).await
}

struct Philosopher {
    left: ActorRef<ForkMessage>,
    right: ActorRef<ForkMessage>,
    meals: Arc<Mutex<Vec<usize>>>,
    seat: usize,
}

#[derive(Debug)]
struct Hungry;

#[retake::simulated]
impl Actor for Philosopher {
    type Msg = Hungry;
    type State = u32;
    type Arguments = ();

    async fn pre_start(&self, myself: ActorRef<Hungry>, (): ()) -> ActorResult<u32> {
        myself.cast(Hungry)?;
        Ok(0)
    }

    async fn handle(&self, myself: ActorRef<Hungry>, _: Hungry, eaten: &mut u32) -> ActorResult {
        // Two neighbours that each hold one fork must not starve each other in step.
        let thinks = Duration::from_millis(1 + self.seat as u64);
        if ractor::call!(self.left, ForkMessage::Take)? {
            if ractor::call!(self.right, ForkMessage::Take)? {
                tokio::time::sleep(Duration::from_millis(2)).await;
                self.meals.lock().unwrap().push(self.seat);
                *eaten += 1;
                self.right.cast(ForkMessage::PutBack)?;
            }
            self.left.cast(ForkMessage::PutBack)?;
        }
        if *eaten == MEALS {
            myself.stop(None);
        } else {
            myself.send_after(thinks, || Hungry);
        }
        Ok(())
    }
}

#[test]
fn every_philosopher_eats_in_one_order_for_each_seed() {
    let schedules = runs_deterministically(|| async {
        let mut forks = Vec::new();
        for number in 0..SEATS {
            forks.push(fork(number).await);
        }
        let meals = Arc::new(Mutex::new(Vec::new()));
        let mut guests = Vec::new();
        for seat in 0..SEATS {
            let philosopher = Philosopher {
                left: forks[seat].clone(),
                right: forks[(seat + 1) % SEATS].clone(),
                meals: Arc::clone(&meals),
                seat,
            };
            guests.push(Actor::spawn(None, philosopher, ()).await.unwrap().1);
        }
        for guest in guests {
            guest.await.unwrap();
        }
        let meals = meals.lock().unwrap().clone();
        assert_eq!(meals.len(), SEATS * MEALS as usize);
        meals
    });
    assert!(schedules > 2 * SEEDS as usize, "{schedules} schedules");
}

// --- supervision: a root restarts its child, which falls over ---

struct Clumsy;

#[retake::simulated]
impl Actor for Clumsy {
    type Msg = u32;
    type State = ();
    type Arguments = ();

    async fn pre_start(&self, _: ActorRef<u32>, (): ()) -> ActorResult {
        Ok(())
    }

    async fn handle(&self, _: ActorRef<u32>, step: u32, (): &mut ()) -> ActorResult {
        match step % 3 {
            0 => panic!("fell over step {step}"),
            1 => Err(From::from(format!("stumbled over step {step}"))),
            _ => Ok(()),
        }
    }
}

/// Keeps how its child fell.
struct Root(Arc<Mutex<Vec<String>>>);

#[retake::simulated]
impl Actor for Root {
    type Msg = u32;
    type State = ActorRef<u32>;
    type Arguments = ();

    async fn pre_start(&self, myself: ActorRef<u32>, (): ()) -> ActorResult<ActorRef<u32>> {
        Ok(myself.spawn_linked(None, Clumsy, ()).await?.0)
    }

    async fn handle(&self, _: ActorRef<u32>, step: u32, child: &mut ActorRef<u32>) -> ActorResult {
        // The child may be gone already.
        let _ = child.cast(step);
        Ok(())
    }

    async fn handle_supervisor_evt(
        &self,
        myself: ActorRef<u32>,
        event: SupervisionEvent,
        child: &mut ActorRef<u32>,
    ) -> ActorResult {
        if let SupervisionEvent::ActorFailed(_, error) = event {
            self.0.lock().unwrap().push(error.to_string());
            *child = myself.spawn_linked(None, Clumsy, ()).await?.0;
        }
        Ok(())
    }
}

#[test]
fn a_supervisor_restarts_its_child_each_time_it_falls() {
    runs_deterministically(|| async {
        let falls = Arc::default();
        let root = Root(Arc::clone(&falls));
        let (root, handle) = Actor::spawn(None, root, ()).await.unwrap();
        for step in 1..=9 {
            root.cast(step).unwrap();
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        root.stop(None);
        handle.await.unwrap();
        let falls = falls.lock().unwrap().clone();
        assert_eq!(falls.len(), 6, "{falls:?}");
        falls
    });
}

// --- an output port: one publisher, subscribers that convert what they hear ---

#[test]
fn subscribers_of_an_output_port_hear_in_one_order_for_each_seed() {
    let schedules = runs_deterministically(|| async {
        let heard = Arc::new(Mutex::new(Vec::new()));
        let port = OutputPort::<u32>::default();
        for number in 0..5 {
            let name = format!("subscriber-{number}");
            let hear = move |_: &_, news, heard: &mut Arc<Mutex<Vec<_>>>| {
                heard.lock().unwrap().push((number, news));
            };
            let subscriber = actor(&name, Arc::clone(&heard), hear).await;
            port.subscribe(subscriber, |news| (news != 3).then_some(10 * news));
        }
        for news in 1..=4 {
            port.send(news);
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        let heard = heard.lock().unwrap().clone();
        for number in 0..5 {
            let of_one = heard.iter().filter(|(who, _)| *who == number);
            let of_one: Vec<u32> = of_one.map(|(_, news)| *news).collect();
            assert_eq!(of_one, [10, 20, 40]);
        }
        heard
    });
    assert!(schedules > SEEDS as usize, "{schedules} schedules");
}
