//! Comparing runs: two recorded ones, or a recorded one with one that runs now.

use std::collections::{BTreeMap, VecDeque};
use std::fmt;
use std::path::Path;

use serde::Serialize;

use crate::story::Line;
use retake_traces::error::TraceError;
use retake_traces::event::{EventBuilder, Events, WholeEvent};
use retake_traces::header::Header;
use retake_traces::reader::TraceReader;
use retake_traces::record::Record;
use retake_traces::sink::{EventHash, Sink};
use retake_traces::writer::with_short_text;

/// Lines shown on each side of a divergence.
const CONTEXT: usize = 5;

/// The first difference between two runs, with its surroundings.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Divergence {
    /// The names of the two sides.
    pub names: (String, String),
    /// The last lines that both have.
    pub before: Vec<Line>,
    /// What follows on the first side; empty when it has ended.
    pub left: Vec<Line>,
    /// What follows on the second side; empty when it has ended.
    pub right: Vec<Line>,
}

impl Divergence {
    /// The divergence with which a [`Comparer`] failed.
    ///
    /// # Errors
    /// The error itself, if it is another one.
    pub fn from_error(error: TraceError) -> Result<Box<Self>, TraceError> {
        match error {
            TraceError::Sink(error) => error.downcast().map_err(TraceError::Sink),
            other => Err(other),
        }
    }

    /// Number of the step at which the runs part.
    #[must_use]
    pub fn step(&self) -> u64 {
        let first = |lines: &[Line]| lines.first().map(|line| line.step);
        first(&self.left)
            .into_iter()
            .chain(first(&self.right))
            .min()
            .unwrap_or(0)
    }

    /// Virtual time at which the runs part, in nanoseconds.
    #[must_use]
    pub fn now_ns(&self) -> u64 {
        let first = |lines: &[Line]| lines.first().map(|line| line.now_ns);
        first(&self.left)
            .into_iter()
            .chain(first(&self.right))
            .min()
            .unwrap_or(0)
    }

    /// For people, with lines of at most `width` characters; 0 means no limit.
    #[must_use]
    pub fn to_text(&self, width: usize) -> String {
        let ns = self.now_ns();
        let mut text = format!(
            "first divergence at step {}, virtual time {}.{:09} s\n",
            self.step(),
            ns / 1_000_000_000,
            ns % 1_000_000_000
        );
        let mut list = |title: &str, lines: &[Line]| {
            text.push_str(title);
            text.push('\n');
            for line in lines {
                text.push_str(&line.to_text(width));
                text.push('\n');
            }
            if lines.is_empty() {
                text.push_str("          (nothing: it has ended)\n");
            }
        };
        if !self.before.is_empty() {
            list("both:", &self.before);
        }
        list(&format!("{}:", self.names.0), &self.left);
        list(&format!("{}:", self.names.1), &self.right);
        if let (Some(left), Some(right)) = (self.left.first(), self.right.first())
            && left.to_text(width) == right.to_text(width)
        {
            text.push_str(&unseen_difference(left, right));
        }
        text.truncate(text.trim_end().len());
        text
    }
}

/// Two lines that differ in what the columns do not show.
fn unseen_difference(left: &Line, right: &Line) -> String {
    if let (Some(a), Some(b)) = (left.as_step(), right.as_step())
        && a.message != b.message
    {
        return format!(
            "the messages are variant {} and variant {} of their enum: has its declaration changed?\n",
            a.message, b.message
        );
    }
    format!(
        "in full: {}\n     and: {}\n",
        left.to_text(0).trim_start(),
        right.to_text(0).trim_start()
    )
}

impl std::error::Error for Divergence {}

impl fmt::Display for Divergence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.to_text(0))
    }
}

/// A field in which two headers differ.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct HeaderDifference {
    /// Its name.
    pub field: String,
    /// The first side's value.
    pub left: String,
    /// The second side's value.
    pub right: String,
}

/// The result of comparing two trace files.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Diff {
    /// Where the headers differ. Two runs may be the same and recorded with
    /// different settings.
    pub header: Vec<HeaderDifference>,
    /// True when texts and causes were compared as well; false when only one
    /// side recorded them.
    pub story_compared: bool,
    /// Steps that both sides share.
    pub same_steps: u64,
    /// Lines that both sides share behind the last step that they share.
    #[serde(skip)]
    pub same_lines: u64,
    /// The first difference between the runs.
    pub divergence: Option<Box<Divergence>>,
}

impl Diff {
    /// True when the runs are the same.
    #[must_use]
    pub fn is_same(&self) -> bool {
        self.divergence.is_none()
    }
}

/// Compare two trace files up to the first difference.
///
/// # Errors
/// If a file cannot be read or is damaged before the first difference.
pub fn diff(left: impl AsRef<Path>, right: impl AsRef<Path>) -> Result<Diff, TraceError> {
    let names = (
        left.as_ref().display().to_string(),
        right.as_ref().display().to_string(),
    );
    let (left, right) = (TraceReader::open(left)?, TraceReader::open(right)?);
    let header = compare_headers(left.header(), right.header());
    let (one, other) = (left.header().layers, right.header().layers);
    let story_compared = one.story == other.story && one.causality == other.causality;
    let (same, divergence) = first_divergence(
        names,
        Lines::new(left, story_compared),
        Lines::new(right, story_compared),
    )?;
    Ok(Diff {
        header,
        story_compared,
        same_steps: same.steps,
        same_lines: same.lines,
        divergence,
    })
}

/// Compare two runs in memory, both recorded with the same layers.
#[must_use]
pub fn compare(names: (&str, &str), left: &[Record], right: &[Record]) -> Option<Box<Divergence>> {
    let lines = |records: &[Record]| {
        let events = retake_traces::event::events(records).collect::<Vec<_>>();
        events.into_iter().filter_map(line_of).map(Ok)
    };
    let names = (names.0.to_owned(), names.1.to_owned());
    // Records in memory have no errors.
    first_divergence(names, lines(left), lines(right))
        .ok()
        .and_then(|(_, divergence)| divergence)
}

type LineResult = Result<Line, TraceError>;

/// What both share, and where they part.
fn first_divergence(
    names: (String, String),
    mut left: impl Iterator<Item = LineResult>,
    mut right: impl Iterator<Item = LineResult>,
) -> Result<(Before, Option<Box<Divergence>>), TraceError> {
    let mut before = Before::default();
    loop {
        match (left.next().transpose()?, right.next().transpose()?) {
            (None, None) => return Ok((before, None)),
            (Some(a), Some(b)) if a == b => before.push(a),
            (a, b) => {
                let left: Result<Vec<Line>, _> = a
                    .into_iter()
                    .map(Ok)
                    .chain(left.take(CONTEXT - 1))
                    .collect();
                let right: Result<Vec<Line>, _> = b
                    .into_iter()
                    .map(Ok)
                    .chain(right.take(CONTEXT - 1))
                    .collect();
                let divergence = Divergence {
                    names,
                    before: std::mem::take(&mut before.last).into(),
                    left: left?,
                    right: right?,
                };
                return Ok((before, Some(Box::new(divergence))));
            }
        }
    }
}

/// The line to compare, if there is one. States are not compared: their layer is often
/// recorded on one side alone.
fn line_of(mut event: WholeEvent) -> Option<Line> {
    event.state = None;
    event.has_line().then(|| Line::from(event))
}

/// The records of the layers that are compared.
struct CommonRecords {
    reader: TraceReader,
    story: bool,
}

impl Iterator for CommonRecords {
    type Item = Result<Record, TraceError>;

    fn next(&mut self) -> Option<Self::Item> {
        let story = self.story;
        let is_compared = |record: &Record| story || record.is_schedule();
        self.reader
            .find(|record| record.as_ref().map_or(true, is_compared))
    }
}

/// The lines of a file.
struct Lines(Events<CommonRecords>);

impl Lines {
    fn new(reader: TraceReader, story: bool) -> Self {
        Self(Events::new(
            CommonRecords { reader, story },
            EventBuilder::new(),
        ))
    }

    fn has_story(&self) -> bool {
        self.0.records().story
    }
}

impl Iterator for Lines {
    type Item = LineResult;

    fn next(&mut self) -> Option<Self::Item> {
        self.0.find_map(|event| event.map(line_of).transpose())
    }
}

/// The last few lines that two sides share.
#[derive(Debug, Default)]
struct Before {
    last: VecDeque<Line>,
    steps: u64,
    lines: u64,
}

impl Before {
    fn push(&mut self, line: Line) {
        self.steps = line.step;
        self.lines = match line.is_step() {
            true => 0,
            false => self.lines + 1,
        };
        if self.last.len() == CONTEXT {
            self.last.pop_front();
        }
        self.last.push_back(line);
    }
}

/// What of a header is not about the run itself but about its explanation.
const EXPLANATION: [&str; 2] = ["reasons", "decisive"];

fn compare_headers(left: &Header, right: &Header) -> Vec<HeaderDifference> {
    let (left, mut right) = (fields(left), fields(right));
    let pairs = left.into_iter().map(|(field, left)| {
        let right = right.remove(&field).unwrap_or_default();
        HeaderDifference { field, left, right }
    });
    pairs.filter(|pair| pair.left != pair.right).collect()
}

/// The fields of a header by name, each as text.
fn fields(header: &Header) -> BTreeMap<String, String> {
    let Ok(serde_json::Value::Object(fields)) = serde_json::to_value(header) else {
        return BTreeMap::new();
    };
    let fields = fields.into_iter();
    fields
        .filter(|(name, _)| !EXPLANATION.contains(&&**name))
        .map(|(name, value)| (name, in_words(&value)))
        .collect()
}

fn in_words(value: &serde_json::Value) -> String {
    match value {
        serde_json::Value::String(text) => text.clone(),
        serde_json::Value::Array(items) => {
            let items: Vec<String> = items.iter().map(in_words).collect();
            items.join("; ")
        }
        serde_json::Value::Null => "none".to_owned(),
        other => other.to_string(),
    }
}

/// A sink that compares the run with a recorded one, record by record, in bounded memory.
///
/// [`Sink::finish`] fails with a [`Divergence`] when they differ, see [`Divergence::from_error`].
pub struct Comparer {
    recorded: Lines,
    names: (String, String),
    events: EventBuilder,
    hash: EventHash,
    before: Before,
    divergence: Option<Box<Divergence>>,
}

impl fmt::Debug for Comparer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Comparer")
            .field("steps", &self.before.steps)
            .finish_non_exhaustive()
    }
}

impl Comparer {
    /// Compare with the rest of `recorded`. `name` is what to call it in reports.
    ///
    /// `story` says whether the run that comes records the same layers as the
    /// trace; otherwise only the schedule is compared.
    #[must_use]
    pub fn new(recorded: TraceReader, name: impl Into<String>, story: bool) -> Self {
        Self {
            recorded: Lines::new(recorded, story),
            names: (name.into(), "this run".to_owned()),
            events: EventBuilder::new(),
            hash: EventHash::default(),
            before: Before::default(),
            divergence: None,
        }
    }

    fn compare(&mut self, line: Line) -> Result<(), TraceError> {
        if let Some(divergence) = &mut self.divergence {
            if divergence.right.len() < CONTEXT {
                divergence.right.push(line);
            }
            return Ok(());
        }
        let recorded = self.recorded.next().transpose()?;
        if recorded.as_ref() == Some(&line) {
            self.before.push(line);
            return Ok(());
        }
        self.part(recorded, vec![line])
    }

    fn part(&mut self, recorded: Option<Line>, right: Vec<Line>) -> Result<(), TraceError> {
        let rest: Vec<Result<Line, TraceError>> = (&mut self.recorded).take(CONTEXT - 1).collect();
        let left: Result<Vec<Line>, TraceError> =
            recorded.into_iter().map(Ok).chain(rest).collect();
        self.divergence = Some(Box::new(Divergence {
            names: self.names.clone(),
            before: std::mem::take(&mut self.before.last).into(),
            left: left?,
            right,
        }));
        Ok(())
    }
}

impl Sink for Comparer {
    fn record(&mut self, record: &Record) -> Result<(), TraceError> {
        self.hash.add(record);
        let record = with_short_text(record);
        if !self.recorded.has_story() && !record.is_schedule() {
            return Ok(());
        }
        match self.events.add(record.into_owned()).and_then(line_of) {
            Some(line) => self.compare(line),
            None => Ok(()),
        }
    }

    fn event_hash(&self) -> u64 {
        self.hash.value()
    }

    fn finish(&mut self) -> Result<(), TraceError> {
        if let Some(line) = self.events.finish().and_then(line_of) {
            self.compare(line)?;
        }
        if self.divergence.is_none()
            && let Some(recorded) = self.recorded.next().transpose()?
        {
            self.part(Some(recorded), Vec::new())?;
        }
        match self.divergence.take() {
            Some(divergence) => Err(TraceError::Sink(divergence)),
            None => Ok(()),
        }
    }
}
