//! What led to each event of a page.
//!
//! Most of it is recorded: a step names the step that sent its message or woke its task.
//! Where several steps can have ended an await none is recorded, and the likeliest is
//! inferred. Virtual time does not move while anything can run, so a waker ran at the same
//! time, and it followed from what the task did before it awaited.

use std::collections::BTreeMap;

use retake_traces::record::StepKind;

use super::kind;
use super::texts::NONE;

/// Why one event follows from another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Link {
    /// Nothing on the page led to it.
    None,
    /// A message, from the step that sent it to the one that handles it.
    Mailbox,
    /// An answer or another waking, from the step that is recorded to have woken it.
    Woken,
    /// The same, where the step is inferred.
    Reply,
    /// An await that no step is known to have ended: a timer, a file, a foreign thread.
    Wait,
    /// The start of a task, from the step that started it.
    Start,
}

impl Link {
    /// The names that the page knows, by number.
    pub(super) const NAMES: [&str; 6] = ["", "mailbox", "woken", "reply", "wait", "start"];
}

/// For each row: the [`Link`], and how many rows before its own the row is from which it
/// leads.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Links {
    pub(super) kind: Vec<u8>,
    pub(super) back: Vec<u32>,
}

/// The columns that links follow from.
pub(super) struct Rows<'a> {
    pub(super) kind: &'a [u8],
    pub(super) task: &'a [u32],
    /// How many steps before its own the cause was.
    pub(super) cause: &'a [u32],
    /// Time since the row before, in seconds and nanoseconds.
    pub(super) elapsed: [&'a [u32]; 2],
}

const RESUME: u8 = StepKind::Resume as u8;
const HANDLE: u8 = StepKind::Handle as u8;
const SUPERVISION: u8 = StepKind::Supervision as u8;
const POST_STOP: u8 = StepKind::PostStop as u8;

/// Rows looked at to find who ended the await of one row, and of all rows.
const LOOKED_AT_MAX: u32 = 20_000;
const LOOKED_AT_IN_ALL: u32 = 50_000_000;

/// What is known of a task up to a row.
#[derive(Clone, Copy)]
struct TaskRows {
    /// The step in which it was started.
    started: u32,
    last_step: u32,
}

/// Rows, and the rows that they are connected with; `NONE` where there is no such row.
struct RowLinks<'a> {
    rows: &'a Rows<'a>,
    cause: Vec<u32>,
    /// The step of the same task before and after.
    previous: Vec<u32>,
    next: Vec<u32>,
    /// The step that began the callback which a step continues.
    begin: Vec<u32>,
    /// Of the first step of a task, the step in which it was started.
    starter: Vec<u32>,
    /// Rows of the same virtual time have the same number.
    instant: Vec<u32>,
    /// By cause: the rows that follow from it, in order.
    effects: Vec<(u32, u32)>,
}

pub(super) fn find(rows: &Rows<'_>) -> Links {
    let connected = RowLinks::new(rows);
    let mut links = Links::default();
    let mut budget = LOOKED_AT_IN_ALL;
    for row in 0..rows.kind.len() {
        let (link, from) = connected.link(row as u32, &mut budget);
        let is_linked = from != NONE;
        let link = if is_linked { link } else { Link::None };
        links.kind.push(link as u8);
        links
            .back
            .push(if is_linked { row as u32 - from } else { 0 });
    }
    links
}

impl<'a> RowLinks<'a> {
    fn new(rows: &'a Rows<'a>) -> Self {
        let none = || vec![NONE; rows.kind.len()];
        let mut it = Self {
            rows,
            cause: none(),
            previous: none(),
            next: none(),
            begin: none(),
            starter: none(),
            instant: Vec::new(),
            effects: Vec::new(),
        };
        let mut of_step: Vec<u32> = Vec::new();
        let mut tasks = BTreeMap::<u32, TaskRows>::new();
        let mut instant = 0;
        for (row, kind) in rows.kind.iter().copied().enumerate() {
            instant += u32::from(rows.elapsed.iter().any(|elapsed| elapsed[row] > 0));
            it.instant.push(instant);
            // The number of the next step: what was never handled comes before that.
            let step = of_step.len();
            let back = rows.cause[row] as usize;
            let cause = step.checked_sub(back).filter(|_| back > 0);
            if let Some(cause) = cause.and_then(|index| of_step.get(index)) {
                it.cause[row] = *cause;
                it.effects.push((*cause, row as u32));
            }
            let task = tasks.entry(rows.task[row]).or_insert(TaskRows {
                started: NONE,
                last_step: NONE,
            });
            if kind == kind::NEW_TASK {
                task.started = of_step.last().copied().unwrap_or(NONE);
            }
            if kind::is_step(kind) {
                it.step(row as u32, task);
                of_step.push(row as u32);
            }
        }
        it.effects.sort_unstable();
        it
    }

    fn step(&mut self, row: u32, task: &mut TaskRows) {
        let (here, before) = (row as usize, task.last_step);
        self.begin[here] = row;
        self.previous[here] = before;
        if before == NONE {
            self.starter[here] = task.started;
        } else {
            self.next[before as usize] = row;
            if self.rows.kind[here] == RESUME {
                self.begin[here] = self.begin[before as usize];
            }
        }
        task.last_step = row;
    }

    fn link(&self, row: u32, budget: &mut u32) -> (Link, u32) {
        let here = row as usize;
        let (cause, previous) = (self.cause[here], self.previous[here]);
        match (self.rows.kind[here], cause) {
            // A step that woke its own task shows no more than that it continued.
            (RESUME, waker) if waker != NONE && waker != previous => (Link::Woken, waker),
            (RESUME, _) => match self.waker(row, budget) {
                NONE => (Link::Wait, previous),
                waker => (Link::Reply, waker),
            },
            (_, NONE) => (Link::Start, self.starter[here]),
            (HANDLE | SUPERVISION | kind::UNHANDLED, sender) => (Link::Mailbox, sender),
            (POST_STOP, waker) => (Link::Woken, waker),
            (_, starter) => (Link::Start, starter),
        }
    }

    /// The likeliest step to have ended an await: the last one of an actor that the step
    /// before the await sent a message to, or else the last one that followed from that step.
    fn waker(&self, row: u32, budget: &mut u32) -> u32 {
        let asked = self.previous[row as usize];
        if asked == NONE {
            return NONE;
        }
        let is_now = |at: u32| self.instant[at as usize] == self.instant[row as usize];
        let first = self.effects.partition_point(|(cause, _)| *cause < asked);
        let effects = self.effects[first..].iter();
        let effects = effects.take_while(|(cause, _)| *cause == asked);
        let answer = effects.flat_map(|(_, handled)| self.steps_of_callback(*handled, row));
        if let Some(waker) = answer.filter(|at| is_now(*at)).max() {
            return waker;
        }
        let most = LOOKED_AT_MAX.min(*budget);
        let mut looked = 0;
        let now = (asked + 1..row).rev().take_while(|at| is_now(*at));
        for at in now {
            looked += 1;
            let is_step = self.begin[at as usize] != NONE;
            let mut back = if is_step { at } else { NONE };
            while back != NONE && back > asked && looked < most {
                looked += 1;
                back = self.parent(back);
            }
            if back == asked || looked >= most {
                *budget -= looked.min(*budget);
                return if back == asked { at } else { NONE };
            }
        }
        *budget -= looked.min(*budget);
        NONE
    }

    /// The steps of the callback that begins here, up to a row.
    fn steps_of_callback(&self, begin: u32, end: u32) -> impl Iterator<Item = u32> {
        std::iter::successors(Some(begin), |at| self.next.get(*at as usize).copied())
            .take_while(move |at| *at < end && self.begin[*at as usize] == begin)
    }

    /// What a step follows from by what is recorded: its message, or its own task's past.
    fn parent(&self, row: u32) -> u32 {
        let here = row as usize;
        match self.cause[here] {
            NONE if self.rows.kind[here] == RESUME => self.previous[here],
            NONE => self.starter[here],
            cause => cause,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Kind, task, cause and time of each row: what each follows from.
    fn found(rows: &[(u8, u32, u32, u32)]) -> Vec<(&'static str, usize)> {
        let kind: Vec<u8> = rows.iter().map(|row| row.0).collect();
        let task: Vec<u32> = rows.iter().map(|row| row.1).collect();
        let cause: Vec<u32> = rows.iter().map(|row| row.2).collect();
        let elapsed: Vec<u32> = rows.iter().map(|row| row.3).collect();
        let links = find(&Rows {
            kind: &kind,
            task: &task,
            cause: &cause,
            elapsed: [&vec![0; rows.len()], &elapsed],
        });
        let from = links.back.iter().enumerate();
        let from = from.map(|(row, back)| row - *back as usize);
        let names = links.kind.iter().map(|link| Link::NAMES[*link as usize]);
        names.zip(from).collect()
    }

    const TASK: u8 = StepKind::Task as u8;
    const STOP: u8 = POST_STOP;

    #[test]
    fn a_message_an_answer_a_wait_and_a_start_lead_to_steps() {
        let rows = [
            (TASK, 0, 0, 0),
            (kind::NEW_TASK, 1, 0, 0),
            (TASK, 1, 0, 0),
            (kind::LOG, 1, 0, 0),
            // Steps 3 to 7: asked by step 2, which is woken by step 3; then by time, by
            // itself, and ended by the one that it waited for.
            (HANDLE, 2, 1, 0),
            (RESUME, 1, 1, 0),
            (RESUME, 2, 0, 9),
            (RESUME, 2, 1, 0),
            (STOP, 2, 1, 0),
        ];
        let expected = [
            ("", 0),
            ("", 1),
            ("start", 0),
            ("", 3),
            ("mailbox", 2),
            ("woken", 4),
            ("wait", 4),
            ("wait", 6),
            ("woken", 7),
        ];
        assert_eq!(found(&rows), expected);
    }

    #[test]
    fn who_ended_an_await_is_inferred_from_who_ran_then_and_was_asked() {
        // A client asks a server, which writes to a ledger, which takes time.
        let rows = [
            (TASK, 1, 0, 0),
            (RESUME, 1, 0, 100),
            (HANDLE, 2, 1, 10),
            (HANDLE, 3, 1, 0),
            (RESUME, 3, 0, 5_000),
            (RESUME, 2, 0, 0),
            (RESUME, 1, 0, 0),
        ];
        let expected = [
            ("", 0),
            ("wait", 0),
            ("mailbox", 1),
            ("mailbox", 2),
            ("wait", 3),
            ("reply", 4),
            ("reply", 5),
        ];
        assert_eq!(found(&rows), expected);
    }

    #[test]
    fn who_ended_an_await_may_be_another_one_that_followed_but_none_that_did_not() {
        let forwarded = [
            (TASK, 1, 0, 0),
            (HANDLE, 2, 1, 0),
            (HANDLE, 3, 1, 7),
            (RESUME, 1, 0, 0),
        ];
        assert_eq!(found(&forwarded)[3], ("reply", 2));
        let other = [
            (TASK, 1, 0, 0),
            (TASK, 0, 0, 9),
            (HANDLE, 3, 1, 0),
            (RESUME, 1, 0, 0),
        ];
        assert_eq!(found(&other)[3], ("wait", 0));
    }

    #[test]
    fn what_is_never_handled_follows_from_who_sent_it_also_from_the_last_step() {
        let rows = [
            (TASK, 0, 0, 0),
            (TASK, 0, 0, 0),
            (kind::UNHANDLED, 1, 1, 0),
            (kind::UNHANDLED, 1, 2, 0),
            (kind::UNHANDLED, 1, 0, 0),
        ];
        let found = found(&rows);
        assert_eq!(found[2..4], [("mailbox", 1), ("mailbox", 0)]);
        assert_eq!(found[4], ("", 4));
    }

    #[test]
    fn a_cause_before_the_page_leads_nowhere() {
        let rows = [(HANDLE, 0, 7, 0), (HANDLE, 0, 1, 0), (RESUME, 1, 5, 0)];
        assert_eq!(found(&rows), [("", 0), ("mailbox", 0), ("", 2)]);
    }
}
