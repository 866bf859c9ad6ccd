//! Supervisors, and children that log what happens to them.

use retake_otp::supervisor::{ChildSpec, Ignore, Strategy, SupervisorRef, SupervisorSpec};

use crate::common::*;

/// What children share: a log, and whether they start.
#[derive(Clone, Default)]
pub(crate) struct Family {
    log: Arc<Mutex<Vec<String>>>,
    refuses: Arc<Mutex<u32>>,
    ignores: Arc<Mutex<bool>>,
}

impl Family {
    pub(crate) fn child(&self, id: &'static str) -> ChildSpec {
        let family = self.clone();
        ChildSpec::new(id, move || (Child(id, family.clone()), ()))
    }

    pub(crate) fn supervisor(&self, strategy: Strategy, ids: &[&'static str]) -> SupervisorSpec {
        let spec = SupervisorSpec::new(strategy).intensity(100, SECOND);
        ids.iter().fold(spec, |spec, id| spec.child(self.child(id)))
    }

    /// With the same log; what it is set to is its own.
    pub(crate) fn apart(&self) -> Self {
        let log = Arc::clone(&self.log);
        Self {
            log,
            ..Self::default()
        }
    }

    /// The next starts fail.
    pub(crate) fn refuse(&self, times: u32) {
        *self.refuses.lock().unwrap() = times;
    }

    /// Children do not want to start.
    pub(crate) fn ignore(&self, ignores: bool) {
        *self.ignores.lock().unwrap() = ignores;
    }

    pub(crate) fn note(&self, what: String) {
        self.log.lock().unwrap().push(what);
    }

    pub(crate) fn take_log(&self) -> String {
        std::mem::take(&mut *self.log.lock().unwrap()).join(", ")
    }
}

struct Child(&'static str, Family);

#[derive(Debug)]
pub(crate) enum ChildMessage {
    StopFor(&'static str),
    Fail,
    Stop,
    Hang,
}

impl Child {
    fn note(&self, what: &str) {
        self.1.note(format!("{} {what}", self.0));
    }
}

#[retake::simulated]
impl Actor for Child {
    type Msg = ChildMessage;
    type State = ();
    type Arguments = ();

    async fn pre_start(&self, _: ActorRef<ChildMessage>, (): ()) -> Result<(), ActorProcessingErr> {
        let mut refuses = self.1.refuses.lock().unwrap();
        if *refuses > 0 {
            *refuses -= 1;
            self.note("refuses");
            return Err("not now".into());
        }
        if *self.1.ignores.lock().unwrap() {
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
            ChildMessage::Hang => retake::sleep(1000 * SECOND).await,
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

/// Runs a scenario with a family under some seeds.
pub(crate) fn with_family<F, Fut>(seeds: u64, scenario: F)
where
    F: Fn(Family) -> Fut + Clone + Send + Sync + 'static,
    Fut: Future<Output = ()> + Send + 'static,
{
    under_seeds(seeds, move || scenario(Family::default()));
}

pub(crate) async fn start(spec: SupervisorSpec) -> SupervisorRef {
    let supervisor = SupervisorRef::start(Some("supervisor"), spec);
    supervisor.await.unwrap()
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
    let child: ActorRef<ChildMessage> = retake::where_is(id).unwrap().into();
    child.cast(message).unwrap();
}

pub(crate) fn kill(id: &str) {
    retake::where_is(id).unwrap().kill();
}
