//! Histories of operations, and whether they are linearizable.
//!
//! A history notes who asked for what and when, and what came of it. It is linearizable
//! (Herlihy, Wing: "Linearizability", 1990) if every operation could have taken effect at
//! one point between its beginning and its end, as a sequential object would have it. What
//! the object is says a [`SequentialSpec`] of `stateright`, whose tester decides.
//!
//! ```
//! use retake_sim::Sim;
//! use retake_sim::history::{History, Register, RegisterOp, RegisterRet};
//!
//! let run = Sim::new().run(|| async {
//!     let history = History::new(Register('-'));
//!     history.note(1, RegisterOp::Write('a'), async { Some(RegisterRet::WriteOk) }).await;
//!     // In truth, ask an actor: this one has forgotten.
//!     history.note(2, RegisterOp::Read, async { Some(RegisterRet::ReadOk('-')) }).await;
//!     history.check();
//! });
//! assert!(run.outcome.to_string().contains("the history is not linearizable"));
//! ```

use std::fmt::{self, Debug};
use std::future::Future;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

pub use stateright::semantics::register::{Register, RegisterOp, RegisterRet};
pub use stateright::semantics::{ConsistencyTester, LinearizabilityTester, SequentialSpec};

/// What clients asked of an object, and what came of it. Clones share it.
pub struct History<S: SequentialSpec>(Arc<Mutex<LinearizabilityTester<usize, S>>>);

impl<S: SequentialSpec> fmt::Debug for History<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("History").finish_non_exhaustive()
    }
}

impl<S: SequentialSpec> Clone for History<S> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<S> History<S>
where
    S: SequentialSpec + Clone + Debug,
    S::Op: Clone + Debug,
    S::Ret: Clone + Debug + PartialEq,
{
    /// Nothing has been asked of the object, which begins so.
    #[must_use]
    pub fn new(object: S) -> Self {
        Self(Arc::new(Mutex::new(LinearizabilityTester::new(object))))
    }

    /// Note an operation of a client from here to its result. One without a result, since
    /// its call failed for example, may have taken effect at any time from here on, or
    /// never. A client does one thing at a time, and nothing after an operation without a
    /// result: give it another number then.
    pub async fn note(
        &self,
        client: usize,
        operation: S::Op,
        result: impl Future<Output = Option<S::Ret>>,
    ) -> Option<S::Ret> {
        // What the tester refuses makes the history invalid, which is not linearizable.
        let _ = self.lock().on_invoke(client, operation);
        let result = result.await;
        if let Some(result) = &result {
            let _ = self.lock().on_return(client, result.clone());
        }
        result
    }

    /// Whether it is linearizable so far. Takes a time that grows fast with the number of
    /// operations at one time.
    #[must_use]
    pub fn is_linearizable(&self) -> bool {
        self.lock().is_consistent()
    }

    /// Fail the run if it is not linearizable.
    pub fn check(&self) {
        retake::always!(self.is_linearizable(), "the history is not linearizable");
    }

    fn lock(&self) -> MutexGuard<'_, LinearizabilityTester<usize, S>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
