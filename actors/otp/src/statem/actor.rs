//! The machine as an actor.

use std::collections::{BTreeMap, VecDeque};
use std::fmt;
use std::time::Duration;

use ractor::concurrency::JoinHandle;
use ractor::{Actor, ActorProcessingErr, ActorRef, SupervisionEvent};

use super::effects::{Effects, TimerChange, TimerKey};
use super::machine::{
    Context, Discard, EnterContext, Event, Inspection, InspectionOf, KindOf, Next, StateMachine,
    StatemMessage,
};
use super::table::Rule;

/// Makes an actor of a [`StateMachine`]: the loop of `gen_statem`.
#[derive(Clone, Copy, Debug, Default)]
pub struct Statem<M>(pub M);

/// The actor's own state.
pub struct Machine<M: StateMachine> {
    /// The table, in a form that is quick to search.
    rows: Vec<Row<M::State, KindOf<M>>>,
    /// Where the last event's rule was: the next one is often there too.
    last_row: usize,
    state: M::State,
    data: M::Data,
    /// To be handled before the mailbox.
    queue: VecDeque<M::Event>,
    /// Oldest first.
    postponed: VecDeque<M::Event>,
    /// Timeouts of zero length.
    at_once: VecDeque<(TimerKey<M::Timeout>, M::Event)>,
    timers: BTreeMap<TimerKey<M::Timeout>, Timer<M::Event>>,
    last_timer: u64,
    /// Events that their state did not declare.
    undeclared: BTreeMap<(M::State, KindOf<M>), u64>,
    stopping: bool,
}

/// A state's rule for an event.
struct Row<S, K> {
    state: S,
    event: K,
    rule: Rule<S>,
    /// How often the state has met the event.
    met: u64,
}

struct Timer<E> {
    number: u64,
    event: E,
    handle: JoinHandle<()>,
}

impl<M: StateMachine> fmt::Debug for Machine<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Machine")
            .field("state", &self.state)
            .field("postponed", &self.postponed)
            .finish_non_exhaustive()
    }
}

#[retake::simulated]
impl<M: StateMachine> Actor for Statem<M> {
    type Msg = StatemMessage<M>;
    type State = Machine<M>;
    type Arguments = M::Arguments;

    async fn pre_start(
        &self,
        myself: ActorRef<Self::Msg>,
        arguments: M::Arguments,
    ) -> Result<Machine<M>, ActorProcessingErr> {
        let table = M::table();
        table.check()?;
        let pairs = table
            .rules()
            .map(|(state, event, _)| (state, event.to_string()));
        retake::coverable(machine_name::<M>(), pairs);
        let mut context = Context {
            myself: &myself,
            effects: Effects::none(),
        };
        let (state, data) = self.0.init(arguments, &mut context).await?;
        let Effects {
            inserted, timers, ..
        } = context.effects;
        let mut machine = Machine {
            rows: table
                .rules()
                .map(|(state, event, rule)| Row {
                    state,
                    event,
                    rule: rule.clone(),
                    met: 0,
                })
                .collect(),
            last_row: 0,
            state,
            data,
            queue: inserted.into(),
            postponed: VecDeque::new(),
            at_once: VecDeque::new(),
            timers: BTreeMap::new(),
            last_timer: 0,
            undeclared: BTreeMap::new(),
            stopping: false,
        };
        machine.change_timers(timers, &myself);
        Ok(machine)
    }

    async fn post_start(
        &self,
        myself: ActorRef<Self::Msg>,
        machine: &mut Machine<M>,
    ) -> Result<(), ActorProcessingErr> {
        self.enter(None, machine, &myself).await?;
        self.run(machine, &myself).await
    }

    async fn handle(
        &self,
        myself: ActorRef<Self::Msg>,
        message: Self::Msg,
        machine: &mut Machine<M>,
    ) -> Result<(), ActorProcessingErr> {
        let event = match message {
            StatemMessage::Event(event) => Some(event),
            StatemMessage::Timeout(number) => machine.take_timer(number),
            StatemMessage::Inspect(reply) => {
                let _ = reply.send(machine.inspect());
                None
            }
        };
        match event {
            Some(event) => Box::pin(self.process(event, machine, &myself)).await,
            None => Ok(()),
        }
    }

    async fn handle_supervisor_evt(
        &self,
        myself: ActorRef<Self::Msg>,
        event: SupervisionEvent,
        machine: &mut Machine<M>,
    ) -> Result<(), ActorProcessingErr> {
        match self.0.supervision(event) {
            Some(event) => Box::pin(self.process(event, machine, &myself)).await,
            None => Ok(()),
        }
    }

    async fn post_stop(
        &self,
        _: ActorRef<Self::Msg>,
        machine: &mut Machine<M>,
    ) -> Result<(), ActorProcessingErr> {
        self.discard_all(None, machine);
        Ok(())
    }
}

/// The name of a machine in reports: its type's, without the path.
fn machine_name<M>() -> &'static str {
    let full = std::any::type_name::<M>();
    let head = full.split('<').next().unwrap_or(full);
    head.rsplit("::").next().unwrap_or(head)
}

impl<M: StateMachine> Statem<M> {
    /// Handle an event, and what is to be handled before the next one of the mailbox.
    ///
    /// Boxed by its callers: an actor's memory has room for the futures of its handlers
    /// all its life, and this one takes some kilobytes (a governor 19 instead of 11).
    async fn process(
        &self,
        event: M::Event,
        machine: &mut Machine<M>,
        myself: &ActorRef<StatemMessage<M>>,
    ) -> Result<(), ActorProcessingErr> {
        self.step(event, machine, myself).await?;
        self.run(machine, myself).await
    }

    /// Handle what is to be handled before the mailbox.
    async fn run(
        &self,
        machine: &mut Machine<M>,
        myself: &ActorRef<StatemMessage<M>>,
    ) -> Result<(), ActorProcessingErr> {
        while !machine.stopping {
            let queued = machine.queue.pop_front();
            let next = queued.or_else(|| machine.at_once.pop_front().map(|(_, event)| event));
            let Some(event) = next else { break };
            self.step(event, machine, myself).await?;
        }
        Ok(())
    }

    /// Handle one event.
    async fn step(
        &self,
        event: M::Event,
        machine: &mut Machine<M>,
        myself: &ActorRef<StatemMessage<M>>,
    ) -> Result<(), ActorProcessingErr> {
        machine.cancel(TimerKey::Event);
        let (state, kind) = (machine.state, event.kind());
        let Some(row) = machine.find(kind) else {
            *machine.undeclared.entry((state, kind)).or_default() += 1;
            retake::covered(machine_name::<M>(), state, &kind.to_string());
            retake::event!("undeclared event `{kind}` in state {state}: {event:?}");
            self.0.discard(event, Discard::Undeclared(state));
            return Ok(());
        };
        let row = &mut machine.rows[row];
        row.met += 1;
        if row.met == 1 {
            retake::covered(machine_name::<M>(), state, &kind.to_string());
        }
        match row.rule {
            Rule::Handle(_) => {}
            Rule::Postpone => {
                machine.postponed.push_back(event);
                return Ok(());
            }
            Rule::Ignore => {
                self.0.discard(event, Discard::Ignored(state));
                return Ok(());
            }
        }
        let mut context = Context {
            myself,
            effects: Effects::none(),
        };
        let handled = self.0.handle(state, event, &mut machine.data, &mut context);
        let next = handled.await?;
        let effects = context.effects;
        // Most events: nothing follows.
        if matches!(next, Next::Keep) && effects.is_none() {
            return Ok(());
        }
        self.follow(kind, next, effects, machine, myself).await
    }

    async fn follow(
        &self,
        event: KindOf<M>,
        next: Next<M::State>,
        effects: Effects<M::Timeout, M::Event>,
        machine: &mut Machine<M>,
        myself: &ActorRef<StatemMessage<M>>,
    ) -> Result<(), ActorProcessingErr> {
        let from = machine.state;
        let to = match next {
            Next::Goto(to) if to != from => Some(to),
            _ => None,
        };
        if let Some(to) = to {
            let row = machine.find(event).map(|row| &machine.rows[row].rule);
            if !matches!(row, Some(Rule::Handle(targets)) if targets.contains(&to)) {
                return Err(format!("undeclared transition {from} -> {to} on `{event}`").into());
            }
            machine.state = to;
            machine.cancel(TimerKey::State);
        }
        machine.postponed.extend(effects.postponed);
        machine.change_timers(effects.timers, myself);
        // To the front, so that it costs what is added and not what is there.
        if to.is_some() {
            if machine.queue.is_empty() {
                std::mem::swap(&mut machine.queue, &mut machine.postponed);
            }
            while let Some(event) = machine.postponed.pop_back() {
                machine.queue.push_front(event);
            }
        }
        for event in effects.inserted.into_iter().rev() {
            machine.queue.push_front(event);
        }
        match next {
            Next::Stop(reason) => {
                self.stop(reason, machine, myself);
                Ok(())
            }
            Next::Repeat => self.enter(Some(from), machine, myself).await,
            _ if to.is_some() => self.enter(Some(from), machine, myself).await,
            _ => Ok(()),
        }
    }

    async fn enter(
        &self,
        from: Option<M::State>,
        machine: &mut Machine<M>,
        myself: &ActorRef<StatemMessage<M>>,
    ) -> Result<(), ActorProcessingErr> {
        let mut context = EnterContext {
            myself,
            effects: Effects::none(),
        };
        let state = machine.state;
        let entered = self.0.enter(from, state, &mut machine.data, &mut context);
        entered.await?;
        let Effects { timers, stop, .. } = context.effects;
        machine.change_timers(timers, myself);
        if let Some(reason) = stop {
            self.stop(reason, machine, myself);
        }
        Ok(())
    }

    fn stop(
        &self,
        reason: Option<String>,
        machine: &mut Machine<M>,
        myself: &ActorRef<StatemMessage<M>>,
    ) {
        machine.stopping = true;
        self.discard_all(reason.as_deref(), machine);
        myself.stop(reason);
    }

    /// The machine stops: those who wait learn of it, and no timeout comes any more.
    fn discard_all(&self, reason: Option<&str>, machine: &mut Machine<M>) {
        let queued = std::mem::take(&mut machine.queue);
        for event in queued.into_iter().chain(machine.postponed.drain(..)) {
            self.0
                .discard(event, Discard::Stopped(reason.map(str::to_owned)));
        }
        machine.at_once.clear();
        for (_, timer) in std::mem::take(&mut machine.timers) {
            timer.handle.abort();
        }
    }
}

impl<M: StateMachine> Machine<M> {
    fn inspect(&self) -> InspectionOf<M> {
        let met = self.rows.iter().filter(|row| row.met > 0);
        let met = met.map(|row| ((row.state, row.event), row.met));
        let mut met: BTreeMap<_, _> = met.collect();
        met.extend(&self.undeclared);
        Inspection {
            state: self.state,
            postponed: self.postponed.len(),
            met,
            undeclared: self.undeclared.values().sum(),
        }
    }

    /// The row of this event in the present state.
    fn find(&mut self, event: KindOf<M>) -> Option<usize> {
        let state = self.state;
        let fits = |row: &Row<_, _>| row.state == state && row.event == event;
        if !self.rows.get(self.last_row).is_some_and(fits) {
            self.last_row = self.rows.iter().position(fits)?;
        }
        Some(self.last_row)
    }

    /// The event of a timeout that has come, unless it was cancelled on its way.
    fn take_timer(&mut self, number: u64) -> Option<M::Event> {
        let found = self.timers.iter().find(|(_, timer)| timer.number == number);
        let key = *found?.0;
        self.timers.remove(&key).map(|timer| timer.event)
    }

    fn cancel(&mut self, key: TimerKey<M::Timeout>) {
        if !self.at_once.is_empty() {
            self.at_once.retain(|(other, _)| *other != key);
        }
        if !self.timers.is_empty()
            && let Some(timer) = self.timers.remove(&key)
        {
            timer.handle.abort();
        }
    }

    fn change_timers(
        &mut self,
        changes: Vec<TimerChange<M::Timeout, M::Event>>,
        myself: &ActorRef<StatemMessage<M>>,
    ) {
        for change in changes {
            let (key, after, event) = match change {
                TimerChange::Set(key, after, event) => (key, after, event),
                TimerChange::Update(key, event) => match self.update(key, event) {
                    None => continue,
                    Some(event) => (key, Duration::ZERO, event),
                },
                TimerChange::Cancel(key) => {
                    self.cancel(key);
                    continue;
                }
            };
            self.cancel(key);
            if after == Duration::ZERO {
                self.at_once.push_back((key, event));
                continue;
            }
            self.last_timer += 1;
            let number = self.last_timer;
            let handle = retake::send_after(myself, after, move || StatemMessage::Timeout(number));
            let timer = Timer {
                number,
                event,
                handle,
            };
            self.timers.insert(key, timer);
        }
    }

    /// Let a timeout that is set bring this event; gives it back if none is set.
    fn update(&mut self, key: TimerKey<M::Timeout>, event: M::Event) -> Option<M::Event> {
        if let Some(timer) = self.timers.get_mut(&key) {
            timer.event = event;
            return None;
        }
        let waiting = self.at_once.iter_mut().find(|(other, _)| *other == key);
        match waiting {
            Some((_, waiting)) => {
                *waiting = event;
                None
            }
            None => Some(event),
        }
    }
}
