//! Children that log what happens to them, for the tests of the supervisor.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use ractor::{Actor, ActorProcessingErr, ActorRef, ActorStatus};
use retake_otp::supervisor::{ChildSpec, Ignore, Strategy, SupervisorRef, SupervisorSpec};

pub(crate) type Log = Arc<Mutex<Vec<String>>>;

/// Logs its starts and stops; fails to start, or does not want to, while set so.
pub(crate) struct Child {
    pub(crate) id: &'static str,
    pub(crate) log: Log,
    pub(crate) refuses: Arc<Mutex<u32>>,
    pub(crate) ignores: Arc<Mutex<bool>>,
}

#[derive(Debug)]
pub(crate) enum ChildMessage {
    StopFor(&'static str),
    Fail,
    Stop,
    Hang,
}

impl Child {
    fn note(&self, what: &str) {
        self.log.lock().unwrap().push(format!("{} {what}", self.id));
    }
}

#[retake::simulated]
impl Actor for Child {
    type Msg = ChildMessage;
    type State = ();
    type Arguments = ();

    async fn pre_start(&self, _: ActorRef<ChildMessage>, (): ()) -> Result<(), ActorProcessingErr> {
        let mut refuses = self.refuses.lock().unwrap();
        if *refuses > 0 {
            *refuses -= 1;
            self.note("refuses");
            return Err("not now".into());
        }
        if *self.ignores.lock().unwrap() {
            self.note("ignores");
            return Err(Ignore.into());
        }
        self.note("starts");
        Ok(())
    }

    async fn handle(
        &self,
        myself: ActorRef<ChildMessage>,
        message: ChildMessage,
        (): &mut (),
    ) -> Result<(), ActorProcessingErr> {
        match message {
            ChildMessage::Stop => myself.stop(None),
            ChildMessage::StopFor(reason) => myself.stop(Some(reason.to_owned())),
            ChildMessage::Fail => return Err("as asked".into()),
            ChildMessage::Hang => retake::sleep(Duration::from_secs(1000)).await,
        }
        Ok(())
    }

    async fn post_stop(
        &self,
        _: ActorRef<ChildMessage>,
        (): &mut (),
    ) -> Result<(), ActorProcessingErr> {
        self.note("stops");
        Ok(())
    }
}

#[derive(Clone, Default)]
pub(crate) struct Family {
    pub(crate) log: Log,
    pub(crate) refuses: Arc<Mutex<u32>>,
    pub(crate) ignores: Arc<Mutex<bool>>,
}

impl Family {
    pub(crate) fn child(&self, id: &'static str) -> ChildSpec {
        let family = self.clone();
        ChildSpec::new(id, move || {
            let Family {
                log,
                refuses,
                ignores,
            } = family.clone();
            let child = Child {
                id,
                log,
                refuses,
                ignores,
            };
            (child, ())
        })
    }

    pub(crate) fn supervisor(&self, strategy: Strategy, ids: &[&'static str]) -> SupervisorSpec {
        let spec = SupervisorSpec::new(strategy).intensity(100, Duration::from_secs(1));
        ids.iter().fold(spec, |spec, id| spec.child(self.child(id)))
    }

    pub(crate) fn take_log(&self) -> String {
        std::mem::take(&mut *self.log.lock().unwrap()).join(", ")
    }
}

pub(crate) async fn start(spec: SupervisorSpec) -> SupervisorRef {
    SupervisorRef::start(Some("supervisor"), spec)
        .await
        .unwrap()
}

pub(crate) fn status(supervisor: &SupervisorRef) -> ActorStatus {
    supervisor.actor().get_status()
}

/// The children in the order of starting: `a` runs, `(b)` does not, `b?` is being restarted.
pub(crate) async fn children(supervisor: &SupervisorRef) -> String {
    let mut children = supervisor.which_children().await.unwrap();
    children.reverse();
    let shown = children.into_iter().map(|child| match child.actor {
        Some(_) => child.id,
        None if child.restarting => format!("{}?", child.id),
        None => format!("({})", child.id),
    });
    shown.collect::<Vec<_>>().join(" ")
}

pub(crate) fn tell(id: &str, message: ChildMessage) {
    ActorRef::<ChildMessage>::from(retake::where_is(id).unwrap())
        .cast(message)
        .unwrap();
}

pub(crate) async fn settle() {
    retake::sleep(Duration::from_millis(1)).await;
}

pub(crate) fn kill(id: &str) {
    retake::where_is(id).unwrap().kill();
}
