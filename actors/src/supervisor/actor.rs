//! The supervisor itself.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use ractor::concurrency::JoinHandle;
use ractor::{
    Actor, ActorCell, ActorProcessingErr, ActorRef, ActorStatus, RpcReplyPort, SpawnErr,
    SupervisionEvent,
};

use super::handle::{ChildError, ChildInfo, Description, StartedChild};
use super::intensity::{Backoff, Restarts};
use super::spec::{AutoShutdown, ChildSpec, Ignore, Restart, Shutdown, Strategy, SupervisorSpec};
use super::{AUTO_SHUTDOWN, INTENSITY_EXCEEDED, SHUTDOWN};
use crate::journal::{Incarnation, Life, What};

/// The actor. Its arguments are a [`SupervisorSpec`]; talk to it through a
/// [`SupervisorRef`](super::SupervisorRef).
#[derive(Clone, Copy, Debug, Default)]
pub struct Supervisor;

/// What a supervisor is asked.
#[derive(Debug)]
pub enum SupervisorMessage {
    /// Add a child and start it.
    StartChild(
        Box<ChildSpec>,
        RpcReplyPort<Result<StartedChild, ChildError>>,
    ),
    /// Stop the child with this id.
    TerminateChild(String, RpcReplyPort<Result<(), ChildError>>),
    /// Stop this child of a dynamic supervisor.
    TerminateActor(ActorCell, RpcReplyPort<Result<(), ChildError>>),
    /// Start the child with this id, which does not run.
    RestartChild(String, RpcReplyPort<Result<StartedChild, ChildError>>),
    /// Forget the child with this id, which does not run.
    DeleteChild(String, RpcReplyPort<Result<(), ChildError>>),
    /// Describe the supervisor and its children.
    Describe(RpcReplyPort<Description>),
    /// From the supervisor to itself: try a restart again. Other requests are
    /// served between tries.
    Retry(Retry),
}

/// Which restart to try again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Retry {
    key: u64,
    /// Tells a retry whose child has been terminated or started since.
    try_number: u64,
    /// A back-off is over: this try is counted already.
    is_counted: bool,
}

/// The supervisor's own state.
#[derive(Debug)]
pub struct SupervisorState {
    name: Option<String>,
    strategy: Strategy,
    auto_shutdown: AutoShutdown,
    backoff: Option<Backoff>,
    restarts: Restarts,
    /// In the order of starting.
    children: BTreeMap<u64, Child>,
    /// From ractor's actor id to the child; never iterated.
    keys: BTreeMap<u64, u64>,
    last_key: u64,
    tries: u64,
    /// Writes into the journal, if there is one, and its end when it is dropped.
    incarnation: Option<Incarnation>,
}

#[derive(Debug)]
struct Child {
    spec: Arc<ChildSpec>,
    actor: Option<ActorCell>,
    /// It is being restarted, with this try.
    restarting: Option<u64>,
    /// The back-off that is waited for.
    timer: Option<JoinHandle<()>>,
}

impl Child {
    fn info(&self) -> ChildInfo {
        ChildInfo {
            id: self.spec.id.clone(),
            actor: self.actor.clone(),
            restarting: self.restarting.is_some(),
            kind: self.spec.kind,
            restart: self.spec.restart,
            shutdown: self.spec.shutdown,
            significant: self.spec.significant,
        }
    }

    fn end_restarting(&mut self) {
        self.restarting = None;
        if let Some(timer) = self.timer.take() {
            timer.abort();
        }
    }
}

/// How a child ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Exit {
    /// It stopped of its own accord, or was told to shut down.
    Normal,
    /// It failed, panicked or was killed.
    Abnormal,
}

impl Exit {
    /// ractor gives a reason with a stop, and `killed` for a kill.
    fn of_reason(reason: Option<&str>) -> Self {
        match reason {
            None | Some("normal" | SHUTDOWN) => Self::Normal,
            Some(reason) if reason.starts_with("shutdown:") => Self::Normal,
            Some(_) => Self::Abnormal,
        }
    }
}

#[retake::simulated]
impl Actor for Supervisor {
    type Msg = SupervisorMessage;
    type State = SupervisorState;
    type Arguments = SupervisorSpec;

    async fn pre_start(
        &self,
        myself: ActorRef<SupervisorMessage>,
        spec: SupervisorSpec,
    ) -> Result<SupervisorState, ActorProcessingErr> {
        spec.check()?;
        let mut state = SupervisorState {
            name: spec.name,
            strategy: spec.strategy,
            auto_shutdown: spec.auto_shutdown,
            backoff: spec.backoff,
            restarts: Restarts::new(spec.intensity, spec.period),
            children: BTreeMap::new(),
            keys: BTreeMap::new(),
            last_key: 0,
            tries: 0,
            incarnation: spec.journal.map(|(name, journal)| journal.begin(&name)),
        };
        for child in spec.children {
            let id = child.id.clone();
            if let Err(error) = state.add(child, &myself).await {
                state.stop_everything().await;
                return Err(format!("child `{id}` failed to start: {error}").into());
            }
        }
        if let Some(incarnation) = &state.incarnation {
            incarnation.write(Life::Started(String::new()));
        }
        Ok(state)
    }

    async fn handle(
        &self,
        myself: ActorRef<SupervisorMessage>,
        message: SupervisorMessage,
        state: &mut SupervisorState,
    ) -> Result<(), ActorProcessingErr> {
        // Who asked may be gone: then nobody hears the answer.
        match message {
            SupervisorMessage::StartChild(spec, reply) => {
                let _ = reply.send(state.start_child(*spec, &myself).await);
            }
            SupervisorMessage::TerminateChild(id, reply) => {
                let answer = match state.key_of_id(&id) {
                    Ok(key) => {
                        state.terminate(key).await;
                        Ok(())
                    }
                    Err(error) => Err(error),
                };
                let _ = reply.send(answer);
            }
            SupervisorMessage::TerminateActor(actor, reply) => {
                let _ = reply.send(state.terminate_actor(&actor).await);
            }
            SupervisorMessage::RestartChild(id, reply) => {
                let _ = reply.send(state.restart_child(&id, &myself).await);
            }
            SupervisorMessage::DeleteChild(id, reply) => {
                let answer = state.key_of_idle_child(&id).map(|key| {
                    state.children.remove(&key);
                });
                let _ = reply.send(answer);
            }
            SupervisorMessage::Describe(reply) => {
                let _ = reply.send(state.describe());
            }
            SupervisorMessage::Retry(retry) => state.retry(retry, &myself).await,
        }
        Ok(())
    }

    async fn handle_supervisor_evt(
        &self,
        myself: ActorRef<SupervisorMessage>,
        event: SupervisionEvent,
        state: &mut SupervisorState,
    ) -> Result<(), ActorProcessingErr> {
        let (actor, exit) = match event {
            SupervisionEvent::ActorTerminated(actor, last_state, reason) => {
                // What it holds must be free before its successor starts.
                drop(last_state);
                (actor, Exit::of_reason(reason.as_deref()))
            }
            SupervisionEvent::ActorFailed(actor, _) => (actor, Exit::Abnormal),
            _ => return Ok(()),
        };
        state.ended(&actor, exit, &myself).await;
        Ok(())
    }

    async fn post_stop(
        &self,
        _: ActorRef<SupervisorMessage>,
        state: &mut SupervisorState,
    ) -> Result<(), ActorProcessingErr> {
        state.stop_everything().await;
        if let Some(incarnation) = &mut state.incarnation {
            incarnation.end();
        }
        Ok(())
    }
}

// What others ask.
impl SupervisorState {
    fn describe(&self) -> Description {
        let (intensity, period) = self.restarts.limits();
        Description {
            name: self.name.clone(),
            strategy: self.strategy,
            intensity,
            period,
            children: self.children.values().map(Child::info).collect(),
        }
    }

    fn is_dynamic(&self) -> bool {
        self.strategy == Strategy::SimpleOneForOne
    }

    fn key_of_id(&self, id: &str) -> Result<u64, ChildError> {
        if self.is_dynamic() {
            return Err(ChildError::Dynamic);
        }
        let found = self.children.iter().find(|(_, child)| child.spec.id == id);
        let key = found.map(|(key, _)| *key);
        key.ok_or_else(|| ChildError::NotFound(id.to_owned()))
    }

    fn key_of_idle_child(&self, id: &str) -> Result<u64, ChildError> {
        let key = self.key_of_id(id)?;
        let child = &self.children[&key];
        if child.actor.is_some() {
            Err(ChildError::Running(id.to_owned()))
        } else if child.restarting.is_some() {
            Err(ChildError::Restarting(id.to_owned()))
        } else {
            Ok(key)
        }
    }

    async fn start_child(
        &mut self,
        spec: ChildSpec,
        myself: &ActorRef<SupervisorMessage>,
    ) -> Result<StartedChild, ChildError> {
        spec.check(self.auto_shutdown)?;
        if !self.is_dynamic()
            && let Ok(key) = self.key_of_id(&spec.id)
        {
            return Err(match &self.children[&key].actor {
                Some(actor) => ChildError::AlreadyStarted {
                    id: spec.id,
                    actor: actor.clone(),
                },
                None => ChildError::AlreadyPresent(spec.id),
            });
        }
        let id = spec.id.clone();
        let started = self.add(spec, myself).await;
        started.map_err(|error| start_error(id, &error))
    }

    async fn restart_child(
        &mut self,
        id: &str,
        myself: &ActorRef<SupervisorMessage>,
    ) -> Result<StartedChild, ChildError> {
        let key = self.key_of_idle_child(id)?;
        let started = self.start(key, myself).await;
        started.map_err(|error| start_error(id.to_owned(), &error))
    }

    async fn terminate_actor(&mut self, actor: &ActorCell) -> Result<(), ChildError> {
        if !self.is_dynamic() {
            return Err(ChildError::NotDynamic);
        }
        let key = self.keys.get(&actor.get_id().pid()).copied();
        let key = key.ok_or_else(|| ChildError::NotFound("that actor".to_owned()))?;
        self.terminate(key).await;
        self.children.remove(&key);
        Ok(())
    }

    /// Stop a child on request: no restart, and no automatic shutdown.
    async fn terminate(&mut self, key: u64) {
        self.note(key, What::Terminate);
        self.stop(key).await;
        if self.children[&key].spec.restart == Restart::Temporary {
            self.children.remove(&key);
        }
    }
}

// Starting and stopping.
impl SupervisorState {
    /// Write about a child into the journal, if there is one.
    fn note(&self, key: u64, what: fn(String) -> What) {
        if let (Some(incarnation), Some(child)) = (&self.incarnation, self.children.get(&key)) {
            incarnation.note(what(child.spec.id.clone()));
        }
    }

    /// Add a child and start it. A child that fails to start is not kept.
    async fn add(
        &mut self,
        spec: ChildSpec,
        myself: &ActorRef<SupervisorMessage>,
    ) -> Result<StartedChild, SpawnErr> {
        self.last_key += 1;
        let key = self.last_key;
        let child = Child {
            spec: Arc::new(spec),
            actor: None,
            restarting: None,
            timer: None,
        };
        self.children.insert(key, child);
        self.note(key, What::Added);
        let started = self.start(key, myself).await;
        if started.is_err() {
            self.children.remove(&key);
        }
        started
    }

    /// Start a child that does not run.
    async fn start(
        &mut self,
        key: u64,
        myself: &ActorRef<SupervisorMessage>,
    ) -> Result<StartedChild, SpawnErr> {
        let spec = Arc::clone(&self.children[&key].spec);
        let started = match spec.start(myself.get_cell()).await {
            Ok(actor) => StartedChild::Running(actor),
            Err(SpawnErr::StartupFailed(error)) if error.is::<Ignore>() => StartedChild::Ignored,
            Err(error) => return Err(error),
        };
        let forget = match &started {
            StartedChild::Running(actor) => {
                self.keys.insert(actor.get_id().pid(), key);
                false
            }
            StartedChild::Ignored => spec.restart == Restart::Temporary || self.is_dynamic(),
        };
        if forget {
            self.children.remove(&key);
        } else if let Some(child) = self.children.get_mut(&key) {
            child.end_restarting();
            child.actor = started.clone().actor();
        }
        Ok(started)
    }

    /// Stop a child as its spec says, or end its restarting.
    async fn stop(&mut self, key: u64) {
        if let Some((actor, shutdown)) = self.release(key) {
            stop_actor(&actor, shutdown).await;
        }
    }

    /// Let go of a child's actor: its end is no news any more.
    fn release(&mut self, key: u64) -> Option<(ActorCell, Shutdown)> {
        let child = self.children.get_mut(&key)?;
        child.end_restarting();
        let (actor, shutdown) = (child.actor.take()?, child.spec.shutdown);
        self.keys.remove(&actor.get_id().pid());
        self.note(key, What::StopChild);
        Some((actor, shutdown))
    }

    /// The children are stopped in reverse order, each after the one before has
    /// ended; those of a dynamic supervisor all at once.
    async fn stop_everything(&mut self) {
        if let Some(incarnation) = &self.incarnation {
            incarnation.note(What::ShutDown);
        }
        let keys: Vec<u64> = self.children.keys().rev().copied().collect();
        if self.is_dynamic() {
            let actors: Vec<_> = keys
                .into_iter()
                .filter_map(|key| self.release(key))
                .collect();
            stop_together(&actors).await;
        } else {
            for key in keys {
                self.stop(key).await;
            }
        }
    }
}

// Restarting.
impl SupervisorState {
    /// A child has ended, unless this supervisor ended it.
    async fn ended(&mut self, actor: &ActorCell, exit: Exit, myself: &ActorRef<SupervisorMessage>) {
        let Some(key) = self.keys.remove(&actor.get_id().pid()) else {
            return;
        };
        self.note(key, What::Heard);
        let Some(child) = self.children.get_mut(&key) else {
            return;
        };
        child.actor = None;
        let restarts = match child.spec.restart {
            Restart::Permanent => true,
            Restart::Transient => exit == Exit::Abnormal,
            Restart::Temporary => false,
        };
        if restarts {
            return self.restart(key, myself).await;
        }
        let significant = child.spec.significant;
        if child.spec.restart == Restart::Temporary || self.is_dynamic() {
            self.children.remove(&key);
        }
        let others = self.children.values().any(|child| {
            child.spec.significant && (child.actor.is_some() || child.restarting.is_some())
        });
        let stops = match self.auto_shutdown {
            AutoShutdown::Never => false,
            AutoShutdown::Any => significant,
            AutoShutdown::All => significant && !others,
        };
        if stops {
            myself.stop(Some(AUTO_SHUTDOWN.to_owned()));
        }
    }

    /// One more restart, of this child and of those that the strategy adds.
    async fn restart(&mut self, key: u64, myself: &ActorRef<SupervisorMessage>) {
        if !self.restarts.allow_another(retake::now()) {
            let id = &self.children[&key].spec.id;
            retake::event!("restart intensity exceeded by `{id}`");
            self.note(key, What::GaveUp);
            // post_stop stops the other children.
            myself.stop(Some(INTENSITY_EXCEEDED.to_owned()));
            return;
        }
        self.note(key, What::Restart);
        self.stop_set(key).await;
        match self.backoff {
            None => self.start_set(key, myself).await,
            Some(backoff) => {
                let wait = backoff.before(self.restarts.recent());
                let retry = self.note_restarting(key, true);
                let timer =
                    retake::send_after(myself, wait, move || SupervisorMessage::Retry(retry));
                if let Some(child) = self.children.get_mut(&key) {
                    child.timer = Some(timer);
                }
            }
        }
    }

    async fn retry(&mut self, retry: Retry, myself: &ActorRef<SupervisorMessage>) {
        let child = self.children.get_mut(&retry.key);
        let Some(child) = child.filter(|child| child.restarting == Some(retry.try_number)) else {
            return;
        };
        child.timer = None;
        if retry.is_counted {
            self.start_set(retry.key, myself).await;
        } else {
            self.restart(retry.key, myself).await;
        }
    }

    fn note_restarting(&mut self, key: u64, is_counted: bool) -> Retry {
        self.tries += 1;
        if let Some(child) = self.children.get_mut(&key) {
            child.restarting = Some(self.tries);
        }
        Retry {
            key,
            try_number: self.tries,
            is_counted,
        }
    }

    /// Whom the strategy restarts with this child, in the order of starting.
    fn set(&self, key: u64) -> Vec<u64> {
        let keys = self.children.keys().copied();
        match self.strategy {
            Strategy::OneForOne | Strategy::SimpleOneForOne => vec![key],
            Strategy::OneForAll => keys.collect(),
            Strategy::RestForOne => keys.filter(|other| *other >= key).collect(),
        }
    }

    async fn stop_set(&mut self, key: u64) {
        for other in self.set(key).into_iter().rev() {
            self.stop(other).await;
            if other != key && self.children[&other].spec.restart == Restart::Temporary {
                self.children.remove(&other);
            }
        }
    }

    /// Start the set. When one fails, it is the one to be tried again.
    async fn start_set(&mut self, key: u64, myself: &ActorRef<SupervisorMessage>) {
        for other in self.set(key) {
            let child = &self.children[&other];
            // Started on request while a back-off was waited for.
            if child.actor.is_some() {
                continue;
            }
            let id = child.spec.id.clone();
            if let Err(error) = self.start(other, myself).await {
                retake::event!("child `{id}` failed to restart: {error}");
                let key_child = self.children.get_mut(&key);
                key_child.into_iter().for_each(Child::end_restarting);
                let retry = self.note_restarting(other, false);
                // An error means that this supervisor is ending.
                let _ = myself.cast(SupervisorMessage::Retry(retry));
                return;
            }
        }
    }
}

fn start_error(id: String, error: &SpawnErr) -> ChildError {
    let reason = match error {
        SpawnErr::StartupFailed(error) => error.to_string(),
        other => other.to_string(),
    };
    ChildError::Start { id, reason }
}

fn shutdown() -> Option<String> {
    Some(SHUTDOWN.to_owned())
}

/// Stop an actor and wait for its end. It need not be linked any more.
async fn stop_actor(actor: &ActorCell, how: Shutdown) {
    // An error means that it takes too long, or has ended already.
    match how {
        Shutdown::Brutal => {}
        Shutdown::Timeout(timeout) => {
            let _ = actor.stop_and_wait(shutdown(), Some(timeout)).await;
        }
        Shutdown::Infinity => {
            let _ = actor.stop_and_wait(shutdown(), None).await;
        }
    }
    if actor.get_status() != ActorStatus::Stopped {
        let _ = actor.kill_and_wait(None).await;
    }
}

/// Stop actors at the same time; their timeouts count from now.
async fn stop_together(actors: &[(ActorCell, Shutdown)]) {
    let start = retake::now();
    for (actor, how) in actors {
        match how {
            Shutdown::Brutal => actor.kill(),
            Shutdown::Timeout(_) | Shutdown::Infinity => actor.stop(shutdown()),
        }
    }
    for (actor, how) in actors {
        let patience = match how {
            Shutdown::Timeout(timeout) => Some(start + *timeout - retake::now()),
            Shutdown::Brutal | Shutdown::Infinity => None,
        };
        let _ = actor.wait(patience).await;
        if actor.get_status() != ActorStatus::Stopped {
            let _ = actor.kill_and_wait(None).await;
        }
    }
}

/// Stop actors at the same time, and kill those that have not ended after `timeout`.
pub(crate) async fn stop_all(actors: &[ActorCell], timeout: Duration) {
    let how = Shutdown::Timeout(timeout);
    let actors: Vec<_> = actors.iter().map(|actor| (actor.clone(), how)).collect();
    stop_together(&actors).await;
}
