//! A trace as one page: what `retake view` writes.
//!
//! [`Page`] reads one trace, or two to compare, and writes HTML that needs nothing
//! else: the program of the page (sources in `sim/cli/page`, built into
//! `sim/cli/page/dist/view.html`) and the events as compressed columns. No text of a
//! trace becomes part of the markup. `serve` shows it on this machine.

mod columns;
mod counterparts;
mod encode;
mod html;
mod kind;
mod links;
mod load;
pub(crate) mod serve;
mod texts;

use std::io::{self, Write};
use std::path::{Path, PathBuf};

use retake_inspect::CausalDiff;
use retake_inspect::causal::Alone;
use retake_traces::TraceError;
use serde_json::json;

pub use columns::Limits;
use load::LoadedPart;
pub use load::Part;

/// Why there is no page.
#[derive(Debug, thiserror::Error)]
pub enum ViewError {
    /// A trace cannot be read.
    #[error(transparent)]
    Trace(#[from] TraceError),
    /// There is more than a page holds.
    #[error(
        "`{}` has {} in this part: a page holds at most {} events and {} MiB of texts; \
         choose a part with --from STEP and --to STEP{}",
        path.display(), what, limits.events, limits.text >> 20, hint
    )]
    TooLarge {
        /// The trace.
        path: PathBuf,
        /// How much there is.
        what: String,
        /// How much a page holds.
        limits: Limits,
        /// A part that fits, as far as it is known.
        hint: String,
    },
    /// The part is empty.
    #[error("`{}` has no step {from}: it ends after step {steps}", path.display())]
    Empty {
        /// The trace.
        path: PathBuf,
        /// Where the part begins.
        from: u64,
        /// Steps of the trace.
        steps: u64,
    },
    /// The page cannot be written.
    #[error("cannot write the page: {0}")]
    Output(#[from] io::Error),
}

/// A trace, and what it is called on the page.
#[derive(Clone, Debug)]
pub struct Source {
    /// The file.
    pub path: PathBuf,
    /// What people call it: the name of the file that they gave.
    pub name: String,
    /// Things to know about it.
    pub notes: Vec<String>,
    /// Shown if the run failed and the trace does not say what would have avoided that.
    pub note_if_unexplained: Option<String>,
}

impl Source {
    /// A trace file.
    #[must_use]
    pub fn new(path: &Path) -> Self {
        let name = path.file_name().unwrap_or(path.as_os_str());
        Self {
            path: path.to_owned(),
            name: name.to_string_lossy().into_owned(),
            notes: Vec::new(),
            note_if_unexplained: None,
        }
    }
}

/// One trace, or two side by side, ready to be written as a page.
#[derive(Debug)]
pub struct Page {
    /// The columns of each.
    traces: Vec<Vec<u8>>,
    /// Where two part.
    comparison: Option<serde_json::Value>,
    /// Events on the page.
    events: usize,
    /// Why a part ends too soon.
    damage: Option<TraceError>,
}

impl Page {
    /// Read one trace or two. One that is cut short or damaged within the part is read up
    /// to there; see [`Page::into_damage`].
    ///
    /// # Errors
    /// If one cannot be read, has nothing in it or more than `limits`, or is one of two
    /// and not whole, since those are compared.
    pub fn load(sources: &[Source], part: Part, limits: Limits) -> Result<Self, ViewError> {
        let mut page = Self {
            traces: Vec::new(),
            comparison: None,
            events: 0,
            damage: None,
        };
        let loaded = sources.iter().map(|it| load::load(it, part, limits));
        let loaded = loaded.collect::<Result<Vec<LoadedPart>, _>>()?;
        let mut partners = Vec::new();
        if let ([left, right], [a, b]) = (sources, &loaded[..]) {
            let diff = retake_inspect::causal_diff(&left.path, &right.path)?;
            let both = [&a.columns, &b.columns];
            let parting = counterparts::parting(&diff.by_line, both);
            page.comparison = Some(comparison(&diff, parting));
            partners.extend(counterparts::partners(both));
        }
        for (index, it) in loaded.into_iter().enumerate() {
            let partners = partners.get(index).map(Vec::as_slice);
            page.events += it.columns.len();
            page.traces.push(it.columns.to_bytes(&it.about, partners));
            page.damage = page.damage.or(it.damage);
        }
        Ok(page)
    }

    /// Events on the page.
    #[must_use]
    pub fn events(&self) -> usize {
        self.events
    }

    /// Why a trace ends on the page before it should, if one does.
    #[must_use]
    pub fn into_damage(self) -> Option<TraceError> {
        self.damage
    }

    /// Write the page.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn write(&self, out: &mut impl Write) -> io::Result<()> {
        html::write(&self.traces, self.comparison.as_ref(), out)
    }
}

/// What the page shows of how two runs relate; `parting` are the rows at which they part.
fn comparison(diff: &CausalDiff, parting: Option<[usize; 2]>) -> serde_json::Value {
    let by_line = &diff.by_line;
    let races: Vec<_> = diff
        .races
        .iter()
        .map(|race| json!({ "who": race.who, "events": [race.left_first, race.right_first] }))
        .collect();
    let first = |alone: &Option<Alone>| alone.as_ref().map(|alone| alone.line.step);
    json!({
        "header": by_line.header,
        "story_compared": by_line.story_compared,
        "same_steps": by_line.same_steps,
        "parts": by_line.divergence.is_some(),
        "parting": parting,
        "verdict": diff.verdict,
        "moved": diff.moved,
        "alone": [diff.alone.0, diff.alone.1],
        "alone_first": [first(&diff.left), first(&diff.right)],
        "races": races,
    })
}
