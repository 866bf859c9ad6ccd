//! Lines for people: what happened, in stable names.

use std::ops::Deref;

use serde::Serialize;

use retake_traces::clean::one_line;
use retake_traces::event::{WholeEvent, events};
use retake_traces::record::{Choice, Record};

/// One line of a story: an event, and what is noted on it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Line {
    /// What happened.
    #[serde(flatten)]
    pub event: WholeEvent,
    /// Of a step that resumes after an await, where it is known: what ended the wait, and what
    /// the step sends. See [`mod@crate::notes`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
}

impl From<WholeEvent> for Line {
    fn from(event: WholeEvent) -> Self {
        Self { event, note: None }
    }
}

impl Deref for Line {
    type Target = WholeEvent;

    fn deref(&self) -> &WholeEvent {
        &self.event
    }
}

/// Widths of the columns before the text.
struct Columns {
    step: usize,
    time: Time,
    who: usize,
}

/// How exactly the time is shown.
enum Time {
    /// To the nanosecond.
    Full,
    /// To the millisecond.
    Short,
    /// Not at all.
    None,
}

impl Columns {
    /// For lines of this width.
    fn of(width: usize) -> Self {
        match width {
            0 | 72.. => Self {
                step: 8,
                time: Time::Full,
                who: 22,
            },
            56.. => Self {
                step: 6,
                time: Time::Short,
                who: 14,
            },
            _ => Self {
                step: 5,
                time: Time::None,
                who: 10,
            },
        }
    }
}

impl Line {
    /// The heading above lines of at most `width` characters.
    #[must_use]
    pub fn heading(width: usize) -> String {
        let Columns { step, time, who } = Columns::of(width);
        let time = match time {
            Time::Full => format!(" {:>14}", "time (s)"),
            Time::Short => format!(" {:>9}", "time (s)"),
            Time::None => String::new(),
        };
        format!("{:>step$} {time} {:<who$} what", "step", "who")
    }

    /// As one line of at most `width` characters; 0 means no limit. Below 72 its columns are
    /// narrow, so that there is room for what happened; below 56 the time is left out.
    ///
    /// A `*` marks a step that first in, first out would not have chosen, a `+`
    /// one that ran at once.
    #[must_use]
    pub fn to_text(&self, width: usize) -> String {
        let columns = Columns::of(width);
        let (step, mark) = match self.as_step() {
            Some(step) => (
                self.step.to_string(),
                match step.choice {
                    Choice::Fifo => ' ',
                    Choice::Deviation => '*',
                    Choice::Eager => '+',
                },
            ),
            None => (String::new(), ' '),
        };
        let time = match columns.time {
            Time::Full => format!(" {:>14}", seconds(self.now_ns)),
            Time::Short => format!(" {:>9.3}", self.now_ns as f64 / 1e9),
            Time::None => String::new(),
        };
        let who = one_line(&self.who);
        let who = match columns.time {
            Time::Full => who,
            _ => shorten_front(&who, columns.who),
        };
        let note = self.note.as_deref().map(one_line);
        let text = format!(
            "{step:>step_width$}{mark}{time} {who:<who_width$} {}{}{}",
            self.what(),
            if note.is_some() { ", " } else { "" },
            note.unwrap_or_default(),
            step_width = columns.step,
            who_width = columns.who,
        );
        match self.cause {
            None => shorten(&text, width),
            Some(cause) => {
                let cause = format!(" <- {cause}");
                let width = if width == 0 {
                    0
                } else {
                    width.saturating_sub(cause.len()).max(1)
                };
                shorten(&text, width) + &cause
            }
        }
    }
}

/// Seconds with all nine decimals.
pub(crate) fn seconds(ns: u64) -> String {
    retake_traces::time::Seconds(ns).to_string()
}

/// At most `width` characters, of the end: labels differ there.
fn shorten_front(text: &str, width: usize) -> String {
    let length = text.chars().count();
    if length <= width {
        return text.to_owned();
    }
    let end = text.chars().skip(length - width.saturating_sub(1));
    std::iter::once('…').chain(end).collect()
}

pub(crate) fn shorten(text: &str, width: usize) -> String {
    if width == 0 || text.chars().count() <= width {
        return text.trim_end().to_owned();
    }
    let mut short: String = text.chars().take(width.saturating_sub(1)).collect();
    short.push('…');
    short
}

/// The lines of these records.
pub fn lines<'a>(records: impl IntoIterator<Item = &'a Record>) -> Vec<Line> {
    let events = events(records).filter(WholeEvent::has_line);
    events.map(Line::from).collect()
}
