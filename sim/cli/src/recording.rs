//! Recordings of live processes that a program follows.

use std::fmt;
use std::future::Future;
use std::pin::Pin;

use retake_sim::recording::Input;
use serde_json::{Map, Value};

/// The code of a live process, for the replay of what `retake_live` has recorded of it.
pub trait Follower: Send + Sync + 'static {
    /// What the process has run inside `retake::record::scenario`. By default something that
    /// never ends, for a process that only does what it is asked to.
    fn scenario(&self) -> impl Future<Output = ()> + Send {
        std::future::pending()
    }

    /// Does again what came from outside: the name and payload that the process has given to
    /// `retake::record::input`. By default nothing, for a process without inputs.
    fn input(&self, _: Input) -> impl Future<Output = ()> + Send {
        std::future::ready(())
    }

    /// What there is to say of the system after the replay.
    fn findings(&self) -> Findings {
        Findings::default()
    }
}

/// What a replay of a recording found out in addition to how far it got.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Findings {
    /// Fields of the JSON form.
    pub figures: Map<String, Value>,
    /// Lines for people.
    pub lines: Vec<String>,
}

type Body<'a> = Pin<Box<dyn Future<Output = ()> + Send + 'a>>;

/// A [`Follower`] of some type.
pub(crate) trait AnyFollower: Send + Sync {
    fn scenario(&self) -> Body<'_>;
    fn input(&self, input: Input) -> Body<'_>;
    fn findings(&self) -> Findings;
}

impl<F: Follower> AnyFollower for F {
    fn scenario(&self) -> Body<'_> {
        Box::pin(Follower::scenario(self))
    }

    fn input(&self, input: Input) -> Body<'_> {
        Box::pin(Follower::input(self, input))
    }

    fn findings(&self) -> Findings {
        Follower::findings(self)
    }
}

/// Makes a follower for a recording of this name.
pub(crate) struct RecordedProcess {
    pub(crate) name: &'static str,
    pub(crate) follow: Box<dyn Fn() -> Box<dyn AnyFollower> + Send + Sync>,
}

impl fmt::Debug for RecordedProcess {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RecordedProcess")
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}
