//! What is explored, and in which processes its runs take place.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use super::External;
use crate::isolate::Workers;

/// What a scenario may return: nothing, or a result. An error fails the run.
pub trait ScenarioOutput {
    /// The value as text, by which two runs are compared.
    ///
    /// # Panics
    /// With the error, if there is one.
    fn into_text(self) -> String;
}

impl ScenarioOutput for () {
    fn into_text(self) -> String {
        String::new()
    }
}

impl<T: fmt::Debug, E: fmt::Debug> ScenarioOutput for Result<T, E> {
    fn into_text(self) -> String {
        match self {
            Ok(value) => format!("{value:?}"),
            Err(error) => panic!("the test ends with an error: {error:?}"),
        }
    }
}

/// The code of a scenario.
pub(crate) type Code = Arc<dyn Fn() -> Pin<Box<dyn Future<Output = String> + Send>> + Send + Sync>;

/// Takes what a run of a scenario leaves in addition to its output.
type TakeReport = Arc<dyn Fn() -> Option<String> + Send + Sync>;

/// Code to explore, and how its runs are isolated.
///
/// Made of a closure, its runs take place in this process, one after the other: what one
/// leaves in statics, the next one meets. Commands and `#[retake_sim::test]` have it run in
/// processes of its own, see [`crate::isolate`].
#[derive(Clone)]
pub struct Scenario {
    code: Code,
    workers: Option<Arc<Workers>>,
    is_shared: bool,
    take_report: Option<TakeReport>,
    external: Option<Arc<dyn External>>,
}

impl fmt::Debug for Scenario {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Scenario")
            .field("is_isolated", &self.workers.is_some())
            .field("is_shared", &self.is_shared)
            .field("is_external", &self.external.is_some())
            .finish_non_exhaustive()
    }
}

impl<F, Fut> From<F> for Scenario
where
    F: Fn() -> Fut + Send + Sync + 'static,
    Fut: Future + Send + 'static,
    Fut::Output: ScenarioOutput,
{
    fn from(scenario: F) -> Self {
        let code = move || {
            let body = scenario();
            let body: Pin<Box<dyn Future<Output = String> + Send>> =
                Box::pin(async move { body.await.into_text() });
            body
        };
        Self {
            code: Arc::new(code),
            workers: None,
            is_shared: false,
            take_report: None,
            external: None,
        }
    }
}

impl Scenario {
    /// One whose cases are run by something outside this program. What needs its code, a search
    /// through all schedules for example, fails and says so.
    #[must_use]
    pub fn external(runner: impl External + 'static) -> Self {
        async fn has_no_code() {
            panic!("this scenario is run outside this program, which does not have its code");
        }
        let scenario = Self::from(has_no_code);
        Self {
            external: Some(Arc::new(runner)),
            ..scenario
        }
    }

    /// Run it in child processes of these workers, which serve a scenario of this name.
    #[must_use]
    pub fn isolated(self, workers: Arc<Workers>) -> Self {
        Self {
            workers: Some(workers),
            ..self
        }
    }

    /// Run many seeds in one worker process. Faster, but what one run leaves in statics, the
    /// next one meets. Each failure is repeated in a process of its own.
    #[must_use]
    pub fn shared(self, on: bool) -> Self {
        Self {
            is_shared: on,
            ..self
        }
    }

    /// What a run leaves in addition to its output, as text, also where it fails. It is taken after
    /// each run, see [`Execution`](super::Execution).
    #[must_use]
    pub fn reports(self, take: impl Fn() -> Option<String> + Send + Sync + 'static) -> Self {
        Self {
            take_report: Some(Arc::new(take)),
            ..self
        }
    }

    pub(super) fn take_report(&self) -> Option<String> {
        self.take_report.as_ref().and_then(|take| take())
    }

    /// What runs its cases, if that is outside this program.
    pub(super) fn runner(&self) -> Option<&dyn External> {
        self.external.as_deref()
    }

    pub(crate) fn code(&self) -> &Code {
        &self.code
    }

    /// The workers whose child processes it runs in; none if it runs in this process.
    #[must_use]
    pub fn workers(&self) -> Option<&Arc<Workers>> {
        self.workers.as_ref()
    }

    /// Whether runs of different seeds share their process.
    pub(crate) fn is_shared(&self) -> bool {
        self.is_shared || self.workers.is_none()
    }
}
