//! Every ten seconds each actor sends what it knows to another one, chosen at random.

use std::sync::Arc;
use std::sync::Mutex;
use std::time::Duration;

use ractor::{Actor, ActorProcessingErr, ActorRef};
use tokio::sync::oneshot;

use crate::how::sleep;
use crate::Numbers;

const PERIOD: Duration = Duration::from_secs(10);

struct Gossip;

#[cfg_attr(feature = "gated", derive(Debug))]
enum Message {
    Tick,
    Rumor(u64),
}

/// What all actors share.
struct Group {
    members: Mutex<Vec<ActorRef<Message>>>,
    ticks: u64,
    /// How many of them have not ticked to the end, and who waits for them.
    active: Mutex<(usize, Option<oneshot::Sender<()>>)>,
}

struct State {
    group: Arc<Group>,
    members: Vec<ActorRef<Message>>,
    numbers: Numbers,
    ticks: u64,
    newest: u64,
}

#[cfg(feature = "gated")]
impl std::fmt::Debug for State {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} after {}", self.newest, self.ticks)
    }
}

/// Others that an actor knows.
const KNOWN: usize = 8;

impl State {
    fn tick(&mut self, myself: &ActorRef<Message>) {
        if self.members.is_empty() {
            let all = self.group.members.lock().unwrap();
            let known = (0..KNOWN).map(|_| all[self.numbers.below(all.len())].clone());
            self.members = known.collect();
        }
        self.ticks += 1;
        self.newest += 1;
        let peer = self.numbers.below(KNOWN);
        let _ = self.members[peer].cast(Message::Rumor(self.newest));
        if self.ticks < self.group.ticks {
            after_a_period(myself);
            return;
        }
        let mut active = self.group.active.lock().unwrap();
        active.0 -= 1;
        if active.0 == 0 {
            let done = active.1.take().expect("the last one is last once");
            let _ = done.send(());
        }
    }
}

#[cfg(not(feature = "gated"))]
fn after_a_period(myself: &ActorRef<Message>) {
    myself.send_after(PERIOD, || Message::Tick);
}

#[cfg(feature = "gated")]
fn after_a_period(myself: &ActorRef<Message>) {
    retake::send_after(myself, PERIOD, || Message::Tick);
}

#[cfg_attr(feature = "gated", retake::simulated)]
impl Actor for Gossip {
    type Msg = Message;
    type State = State;
    type Arguments = (Arc<Group>, u64);

    async fn pre_start(
        &self,
        _: ActorRef<Message>,
        (group, number): (Arc<Group>, u64),
    ) -> Result<State, ActorProcessingErr> {
        Ok(State {
            group,
            members: Vec::new(),
            numbers: Numbers(number.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1),
            ticks: 0,
            newest: 0,
        })
    }

    async fn handle(
        &self,
        myself: ActorRef<Message>,
        message: Message,
        state: &mut State,
    ) -> Result<(), ActorProcessingErr> {
        match message {
            Message::Tick => state.tick(&myself),
            Message::Rumor(number) => state.newest = state.newest.max(number),
        }
        Ok(())
    }
}

/// So many actors, until each has ticked so often.
pub async fn run(actors: usize, ticks: u64) {
    let (done, end) = oneshot::channel();
    let group = Arc::new(Group {
        members: Mutex::default(),
        ticks,
        active: Mutex::new((actors, Some(done))),
    });
    let mut members = Vec::new();
    for number in 0..actors {
        let arguments = (group.clone(), number as u64);
        let (actor, _) = Actor::spawn(None, Gossip, arguments).await.unwrap();
        members.push(actor);
    }
    *group.members.lock().unwrap() = members.clone();
    let mut numbers = Numbers(7);
    for member in members {
        // At any time of the first period.
        if numbers.below(actors) < 10 {
            sleep(Duration::from_millis(10)).await;
        }
        let _ = member.cast(Message::Tick);
    }
    end.await.unwrap();
}
