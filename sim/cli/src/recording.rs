//! Recordings of live processes that a program follows.

use std::fmt;
use std::future::Future;
use std::pin::Pin;

use retake_sim::recording::Input;
use serde_json::{Map, Value};

/// The code of a live process, for the replay of what [`retake_record`] has recorded of it.
///
/// [`retake_record`]: https://docs.rs/retake-record
pub trait Follower: Send + Sync + 'static {
    /// Do again what came from outside: the name and payload that the process has given to
    /// `retake::record::input`.
    fn input(&self, input: Input) -> impl Future<Output = ()> + Send;

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

/// A [`Follower`] of some type.
pub(crate) trait AnyFollower: Send + Sync {
    fn input<'a>(&'a self, input: Input) -> Pin<Box<dyn Future<Output = ()> + Send + 'a>>;
    fn findings(&self) -> Findings;
}

impl<F: Follower> AnyFollower for F {
    fn input<'a>(&'a self, input: Input) -> Pin<Box<dyn Future<Output = ()> + Send + 'a>> {
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
