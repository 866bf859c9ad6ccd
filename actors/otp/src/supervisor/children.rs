//! What a supervisor is asked about its children, and how it starts and stops them.

use std::collections::BTreeMap;
use std::sync::Arc;

use ractor::concurrency::JoinHandle;
use ractor::{ActorCell, ActorId, ActorRef, ActorStatus, SpawnErr};

use super::info::{ChildError, ChildInfo, Description, StartedChild};
use super::intensity::{Backoff, Restarts};
use super::message::SupervisorMessage;
use super::spec::{AutoShutdown, ChildSpec, Ignore, Restart, Shutdown, Strategy};
use super::stop::{stop_actor, stop_together};
use crate::actor_map::ActorMap;
use crate::journal::{Event, Incarnation};

/// The supervisor's own state.
#[derive(Debug)]
pub struct SupervisorState {
    pub(super) name: Option<String>,
    pub(super) strategy: Strategy,
    pub(super) auto_shutdown: AutoShutdown,
    pub(super) backoff: Option<Backoff>,
    pub(super) restarts: Restarts,
    /// In the order of starting.
    pub(super) children: BTreeMap<u64, Child>,
    /// To the child.
    pub(super) keys: ActorMap<u64>,
    pub(super) last_key: u64,
    pub(super) tries: u64,
    /// Writes into the journal, if there is one, and its end when it is dropped.
    pub(super) incarnation: Option<Incarnation>,
}

#[derive(Debug)]
pub(super) struct Child {
    pub(super) spec: Arc<ChildSpec>,
    pub(super) actor: Option<ActorCell>,
    /// The actor that ended last, by itself: a child of a dynamic supervisor that is
    /// being restarted is known by it.
    pub(super) was: Option<ActorId>,
    /// It is being restarted, with this try.
    pub(super) restarting: Option<u64>,
    /// The back-off that is waited for.
    pub(super) timer: Option<JoinHandle<()>>,
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

    pub(super) fn end_restarting(&mut self) {
        self.restarting = None;
        if let Some(timer) = self.timer.take() {
            timer.abort();
        }
    }
}

impl SupervisorState {
    pub(super) fn describe(&self) -> Description {
        let (intensity, period) = self.restarts.limits();
        Description {
            name: self.name.clone(),
            strategy: self.strategy,
            intensity,
            period,
            children: self.children.values().map(Child::info).collect(),
        }
    }

    pub(super) fn is_dynamic(&self) -> bool {
        self.strategy == Strategy::SimpleOneForOne
    }

    pub(super) fn key_of_id(&self, id: &str) -> Result<u64, ChildError> {
        if self.is_dynamic() {
            return Err(ChildError::Dynamic);
        }
        let found = self.children.iter().find(|(_, child)| child.spec.id == id);
        let key = found.map(|(key, _)| *key);
        key.ok_or_else(|| ChildError::NotFound(id.to_owned()))
    }

    pub(super) fn key_of_idle_child(&self, id: &str) -> Result<u64, ChildError> {
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

    pub(super) async fn start_child(
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

    pub(super) async fn restart_child(
        &mut self,
        id: &str,
        myself: &ActorRef<SupervisorMessage>,
    ) -> Result<StartedChild, ChildError> {
        let key = self.key_of_idle_child(id)?;
        let started = self.start(key, myself).await;
        started.map_err(|error| start_error(id.to_owned(), &error))
    }

    pub(super) async fn terminate_actor(&mut self, actor: &ActorCell) -> Result<(), ChildError> {
        if !self.is_dynamic() {
            return Err(ChildError::NotDynamic);
        }
        let Some(key) = self.key_of_actor(actor) else {
            return match actor.get_status() {
                // It was faster.
                ActorStatus::Stopped => Ok(()),
                _ => Err(ChildError::NotFound("that actor".to_owned())),
            };
        };
        self.terminate(key).await;
        self.children.remove(&key);
        Ok(())
    }

    /// The child that this actor is, or was until its restart failed.
    fn key_of_actor(&self, actor: &ActorCell) -> Option<u64> {
        let id = actor.get_id();
        let running = self.keys.get(&id.pid()).copied();
        running.or_else(|| {
            let mut children = self.children.iter();
            let found = children.find(|(_, child)| child.was == Some(id));
            found.map(|(key, _)| *key)
        })
    }

    /// Stop a child on request: no restart, and no automatic shutdown.
    pub(super) async fn terminate(&mut self, key: u64) {
        self.note(key, Event::Terminate);
        self.stop(key).await;
        if self.children[&key].spec.restart == Restart::Temporary {
            self.children.remove(&key);
        }
    }
}

impl SupervisorState {
    /// Write about a child into the journal, if there is one.
    pub(super) fn note(&self, key: u64, event: fn(String) -> Event) {
        if let (Some(incarnation), Some(child)) = (&self.incarnation, self.children.get(&key)) {
            incarnation.note(event(child.spec.id.clone()));
        }
    }

    /// Add a child and start it. A child that fails to start is not kept.
    pub(super) async fn add(
        &mut self,
        spec: ChildSpec,
        myself: &ActorRef<SupervisorMessage>,
    ) -> Result<StartedChild, SpawnErr> {
        self.last_key += 1;
        let key = self.last_key;
        let child = Child {
            spec: Arc::new(spec),
            actor: None,
            was: None,
            restarting: None,
            timer: None,
        };
        self.children.insert(key, child);
        self.note(key, Event::Added);
        let started = self.start(key, myself).await;
        if started.is_err() {
            self.children.remove(&key);
        }
        started
    }

    /// Start a child that does not run.
    pub(super) async fn start(
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
            child.was = None;
        }
        Ok(started)
    }

    /// Stop a child as its spec says, or end its restarting.
    pub(super) async fn stop(&mut self, key: u64) {
        if let Some((actor, shutdown)) = self.release(key) {
            stop_actor(&actor, shutdown).await;
        }
    }

    /// Release a child's actor: its end is ignored from now on.
    fn release(&mut self, key: u64) -> Option<(ActorCell, Shutdown)> {
        let child = self.children.get_mut(&key)?;
        child.end_restarting();
        let (actor, shutdown) = (child.actor.take()?, child.spec.shutdown);
        self.keys.remove(&actor.get_id().pid());
        self.note(key, Event::StopChild);
        Some((actor, shutdown))
    }

    /// The children are stopped in reverse order, each after the one before has
    /// ended; those of a dynamic supervisor all at once.
    pub(super) async fn stop_everything(&mut self) {
        if let Some(incarnation) = &self.incarnation {
            incarnation.note(Event::ShutDown);
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

fn start_error(id: String, error: &SpawnErr) -> ChildError {
    let reason = match error {
        SpawnErr::StartupFailed(error) => error.to_string(),
        other => other.to_string(),
    };
    ChildError::Start { id, reason }
}
