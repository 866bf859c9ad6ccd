//! Histories of operations, and whether they are linearizable.
//!
//! A history notes who asked for what and when, and what came of it. It is linearizable
//! (Herlihy, Wing: "Linearizability", 1990) if every operation could have taken effect at
//! one point between its beginning and its end, as the object would have it if it was asked
//! for one thing at a time. What the object is says an [`Object`], such as a [`Register`].
//!
//! ```
//! use retake_sim::Sim;
//! use retake_sim::history::{History, Register, RegisterOperation, RegisterResult};
//!
//! let run = Sim::new().run(|| async {
//!     let history = History::new(Register('-'));
//!     let written = async { Some(RegisterResult::Written) };
//!     history.note(1, RegisterOperation::Write('a'), written).await;
//!     // In truth, ask an actor: this one has forgotten.
//!     let read = async { Some(RegisterResult::Read('-')) };
//!     history.note(2, RegisterOperation::Read, read).await;
//!     history.check();
//! });
//! assert!(run.outcome.to_string().contains("the history is not linearizable"));
//! ```

use std::collections::BTreeSet;
use std::fmt::{self, Debug};
use std::future::Future;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// An object that is asked for one thing at a time.
pub trait Object: Clone + Ord {
    /// What it can be asked for.
    type Operation;
    /// What comes of that.
    type Result: PartialEq;

    /// Do this, and say what comes of it.
    fn apply(&mut self, operation: &Self::Operation) -> Self::Result;
}

/// An object that has a value, which can be read and written.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Register<T>(
    /// The value.
    pub T,
);

/// What a [`Register`] can be asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RegisterOperation<T> {
    /// Its value.
    Read,
    /// To have this value from now on.
    Write(T),
}

/// What comes of a [`RegisterOperation`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RegisterResult<T> {
    /// The value that was read.
    Read(T),
    /// The value was written.
    Written,
}

impl<T: Clone + Ord> Object for Register<T> {
    type Operation = RegisterOperation<T>;
    type Result = RegisterResult<T>;

    fn apply(&mut self, operation: &Self::Operation) -> Self::Result {
        match operation {
            RegisterOperation::Read => RegisterResult::Read(self.0.clone()),
            RegisterOperation::Write(value) => {
                self.0 = value.clone();
                RegisterResult::Written
            }
        }
    }
}

/// An operation of a history.
struct TimedOperation<O: Object> {
    client: usize,
    operation: O::Operation,
    /// None of one that has not ended, or may never have taken effect.
    result: Option<O::Result>,
    /// Its beginning and end among those of all operations.
    begins: usize,
    ends: usize,
}

/// What is noted, and for whom.
struct Notes<O: Object> {
    object: O,
    operations: Vec<TimedOperation<O>>,
    /// How many beginnings and ends there were.
    moments: usize,
    /// A client did two things at a time.
    is_invalid: bool,
}

/// What clients asked of an object, and what came of it. Clones share it.
pub struct History<O: Object>(Arc<Mutex<Notes<O>>>);

impl<O: Object> fmt::Debug for History<O> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("History").finish_non_exhaustive()
    }
}

impl<O: Object> Clone for History<O> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<O: Object> History<O> {
    /// Nothing has been asked of the object, which begins so.
    #[must_use]
    pub fn new(object: O) -> Self {
        Self(Arc::new(Mutex::new(Notes {
            object,
            operations: Vec::new(),
            moments: 0,
            is_invalid: false,
        })))
    }

    /// Note an operation of a client from here to its result. One without a result, since
    /// its call failed for example, may have taken effect at any time from here on, or
    /// never. A client does one thing at a time, and nothing after an operation without a
    /// result: give it another number then. A history in which one does is not linearizable.
    pub async fn note(
        &self,
        client: usize,
        operation: O::Operation,
        result: impl Future<Output = Option<O::Result>>,
    ) -> Option<O::Result>
    where
        O::Result: Clone,
    {
        let number = self.lock().begin(client, operation);
        let result = result.await;
        if let Some(result) = &result {
            self.lock().end(number, result.clone());
        }
        result
    }

    /// Whether it is linearizable so far. Takes a time that grows with how many operations
    /// there are at one time, and fast with that.
    #[must_use]
    pub fn is_linearizable(&self) -> bool {
        self.lock().are_linearizable()
    }

    /// Fail the run if it is not linearizable.
    pub fn check(&self) {
        retake::always!(self.is_linearizable(), "the history is not linearizable");
    }

    fn lock(&self) -> MutexGuard<'_, Notes<O>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<O: Object> Notes<O> {
    fn begin(&mut self, client: usize, operation: O::Operation) -> usize {
        let mut of_client = self.operations.iter().rev();
        let last = of_client.find(|noted| noted.client == client);
        self.is_invalid |= last.is_some_and(|last| last.result.is_none());
        self.operations.push(TimedOperation {
            client,
            operation,
            result: None,
            begins: self.moments,
            ends: usize::MAX,
        });
        self.moments += 1;
        self.operations.len() - 1
    }

    fn end(&mut self, number: usize, result: O::Result) {
        let noted = &mut self.operations[number];
        noted.result = Some(result);
        noted.ends = self.moments;
        self.moments += 1;
    }

    /// Whether there is an order of the operations that explains all results.
    ///
    /// Wing, Gong: "Testing and Verifying Concurrent Objects", 1993: an operation may come next
    /// if no other one has ended before it begins. As in Lowe: "Testing for linearizability",
    /// 2017, what has been reached once by some order, by the operations that have taken effect
    /// and the object then, is not looked at again.
    fn are_linearizable(&self) -> bool {
        if self.is_invalid {
            return false;
        }
        let start = SearchState {
            first_open: 0,
            done: BTreeSet::new(),
            object: self.object.clone(),
        };
        let mut seen = BTreeSet::from([start.clone()]);
        let mut open = vec![start];
        while let Some(reached) = open.pop() {
            if self.is_complete(&reached) {
                return true;
            }
            for next in self.candidates(&reached) {
                if let Some(after) = self.after(&reached, next)
                    && seen.insert(after.clone())
                {
                    open.push(after);
                }
            }
        }
        false
    }

    /// Operations that have not taken effect.
    fn rest(&self, reached: &SearchState<O>) -> impl Iterator<Item = (usize, &TimedOperation<O>)> {
        let all = self.operations.iter().enumerate().skip(reached.first_open);
        all.filter(|(number, _)| !reached.done.contains(number))
    }

    /// All that have ended have taken effect.
    fn is_complete(&self, reached: &SearchState<O>) -> bool {
        self.rest(reached).all(|(_, noted)| noted.result.is_none())
    }

    /// Those that may take effect next.
    fn candidates(&self, reached: &SearchState<O>) -> Vec<usize> {
        let mut first_end = usize::MAX;
        let may = self.rest(reached).take_while(|(_, noted)| {
            // They are in the order of their beginnings, so nothing behind this one ends first.
            let may = noted.begins < first_end;
            first_end = first_end.min(noted.ends);
            may
        });
        may.map(|(number, _)| number).collect()
    }

    /// What is reached if this operation takes effect; none if it has another result then.
    fn after(&self, reached: &SearchState<O>, next: usize) -> Option<SearchState<O>> {
        let noted = &self.operations[next];
        let mut after = reached.clone();
        let result = after.object.apply(&noted.operation);
        if noted.result.as_ref().is_some_and(|noted| *noted != result) {
            return None;
        }
        after.done.insert(next);
        while after.done.remove(&after.first_open) {
            after.first_open += 1;
        }
        Some(after)
    }
}

/// What some order of some operations has led to.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
struct SearchState<O> {
    /// All operations before this one have taken effect,
    first_open: usize,
    /// and of those behind it, these.
    done: BTreeSet<usize>,
    object: O,
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    type Notes = super::Notes<Register<u8>>;

    fn notes() -> Notes {
        Notes {
            object: Register(0),
            operations: Vec::new(),
            moments: 0,
            is_invalid: false,
        }
    }

    #[test]
    fn a_read_of_what_was_overwritten_before_is_not_linearizable() {
        let mut notes = notes();
        for value in [1, 2] {
            let write = notes.begin(1, RegisterOperation::Write(value));
            notes.end(write, RegisterResult::Written);
        }
        let read = notes.begin(2, RegisterOperation::Read);
        assert!(notes.are_linearizable(), "it has not ended");
        notes.end(read, RegisterResult::Read(1));
        assert!(!notes.are_linearizable());
    }

    #[test]
    fn an_operation_without_a_result_may_take_effect_at_any_later_time() {
        let mut notes = notes();
        notes.begin(1, RegisterOperation::Write(7));
        for value in [0, 7, 7] {
            let read = notes.begin(2, RegisterOperation::Read);
            notes.end(read, RegisterResult::Read(value));
            assert!(notes.are_linearizable(), "{value}");
        }
        let read = notes.begin(2, RegisterOperation::Read);
        notes.end(read, RegisterResult::Read(0));
        assert!(!notes.are_linearizable(), "it has taken effect twice");
    }

    #[test]
    fn a_client_that_does_two_things_at_a_time_makes_a_history_invalid() {
        let mut notes = notes();
        notes.begin(1, RegisterOperation::Read);
        notes.begin(1, RegisterOperation::Read);
        assert!(!notes.are_linearizable());
    }

    #[test]
    fn long_histories_of_a_few_clients_are_judged_at_once() {
        let mut notes = notes();
        let mut last = 0;
        for round in 0..500_u16 {
            let value = (round % 200) as u8;
            let write = notes.begin(1, RegisterOperation::Write(value));
            let reads = [2, 3].map(|client| notes.begin(client, RegisterOperation::Read));
            notes.end(reads[0], RegisterResult::Read(last));
            notes.end(write, RegisterResult::Written);
            notes.end(reads[1], RegisterResult::Read(value));
            last = value;
        }
        assert!(notes.are_linearizable());
        let read = notes.begin(2, RegisterOperation::Read);
        notes.end(read, RegisterResult::Read(last + 1));
        assert!(!notes.are_linearizable());
    }

    /// By the definition: some order of all that have ended, and some that have not, that keeps
    /// the order in time and gives all results.
    fn by_definition(notes: &Notes, order: &mut Vec<usize>) -> bool {
        let mut object = notes.object.clone();
        let explains = order.iter().all(|number| {
            let noted = &notes.operations[*number];
            let result = object.apply(&noted.operation);
            noted.result.as_ref().is_none_or(|noted| *noted == result)
        });
        if !explains {
            return false;
        }
        let is_open = |number: &usize| !order.contains(number);
        let open: Vec<usize> = (0..notes.operations.len()).filter(is_open).collect();
        let ended = |number: &usize| notes.operations[*number].result.is_some();
        if !open.iter().any(ended) {
            return true;
        }
        open.iter().any(|next| {
            let begins = notes.operations[*next].begins;
            if open
                .iter()
                .any(|other| notes.operations[*other].ends < begins)
            {
                return false;
            }
            order.push(*next);
            let is_one = by_definition(notes, order);
            order.pop();
            is_one
        })
    }

    proptest! {
        #[test]
        fn a_history_is_linearizable_if_some_order_explains_it(
            moves in proptest::collection::vec((0..3_usize, 0..3_u8, any::<bool>()), 0..14)
        ) {
            let mut notes = notes();
            let mut running = [None; 3];
            for (client, value, writes) in moves {
                match running[client].take() {
                    None if notes.operations.len() < 6 => {
                        let operation = match writes {
                            true => RegisterOperation::Write(value),
                            false => RegisterOperation::Read,
                        };
                        running[client] = Some((notes.begin(client, operation), writes));
                    }
                    Some((number, wrote)) => notes.end(number, match wrote {
                        true => RegisterResult::Written,
                        false => RegisterResult::Read(value),
                    }),
                    None => {}
                }
            }
            let expected = by_definition(&notes, &mut Vec::new());
            prop_assert_eq!(notes.are_linearizable(), expected);
        }
    }
}
