//! Results that were kept, and how later ones compare with them.

use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use retake_traces::file::{FileError, OutputFile, read_text};
use serde::{Deserialize, Serialize};

use super::analysis::grown;
use super::context::Mode;
use super::machine::{commit, date, machine};
use super::runner::{Results, Row};
use super::target::Unit;

/// Kept results, with what they were measured on.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Baseline {
    /// Its name.
    pub name: String,
    /// When it was kept, in seconds of Unix time.
    pub unix_time: u64,
    /// The machine.
    pub machine: String,
    /// The program's version and code.
    pub code: String,
    /// The commit, where it is known.
    pub commit: Option<String>,
    /// The results.
    pub results: Results,
}

/// The largest file of a baseline, in bytes.
const BASELINE_BYTES_MAX: u64 = 64 << 20;

/// Why a baseline cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum BaselineError {
    /// The name cannot be one of a file.
    #[error("`{0}` is no name for a baseline: use letters, digits, `-`, `_` and `.`")]
    Name(String),
    /// The file cannot be read or written.
    #[error("the baseline: {0}")]
    File(#[from] FileError),
    /// The file is something else.
    #[error("{0} is no baseline: {1}")]
    Malformed(PathBuf, serde_json::Error),
    /// It was made in another way, so the figures cannot be compared.
    #[error("the baseline `{name}` has {what}: run with the same to compare")]
    Unlike {
        /// The baseline.
        name: String,
        /// What differs.
        what: String,
    },
}

/// Where baselines are kept in a folder of results.
fn path(folder: &Path, name: &str) -> Result<PathBuf, BaselineError> {
    let is_good = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    if name.is_empty() || name.starts_with('.') || !name.chars().all(is_good) {
        return Err(BaselineError::Name(name.to_owned()));
    }
    Ok(folder.join("baselines").join(format!("{name}.json")))
}

impl Baseline {
    /// Keep results under a name; what had it is replaced as a whole.
    ///
    /// # Errors
    /// If the name is not allowed, or the file cannot be written.
    pub fn save(folder: &Path, name: &str, results: &Results) -> Result<PathBuf, BaselineError> {
        let path = path(folder, name)?;
        let baseline = Self {
            name: name.to_owned(),
            unix_time: retake::unix_time().as_secs(),
            machine: machine(),
            code: format!("{} {}", env!("CARGO_PKG_VERSION"), env!("RETAKE_CODE")),
            commit: commit(),
            results: results.clone(),
        };
        let parent = path.parent().unwrap_or(folder);
        fs::create_dir_all(parent).map_err(FileError::of("create", parent))?;
        let text = serde_json::to_string_pretty(&baseline)
            .map_err(|error| BaselineError::Malformed(path.clone(), error))?;
        OutputFile::write_all_to(&path, text)?;
        Ok(path)
    }

    /// Where the trace of a simulated benchmark is kept with a baseline.
    ///
    /// # Errors
    /// If the name is not allowed.
    pub fn trace_path(folder: &Path, name: &str, id: &str) -> Result<PathBuf, BaselineError> {
        let file = format!("{}.retake", id.replace('/', "-"));
        let baseline = path(folder, name)?;
        let traces = baseline.with_file_name(format!("{name}.traces"));
        Ok(traces.join(file))
    }

    /// Read what was kept under a name.
    ///
    /// # Errors
    /// If there is no such file, or it is something else.
    pub fn load(folder: &Path, name: &str) -> Result<Self, BaselineError> {
        let path = path(folder, name)?;
        let text = read_text(&path, BASELINE_BYTES_MAX)?;
        serde_json::from_str(&text).map_err(|error| BaselineError::Malformed(path, error))
    }

    /// Compare later results with these.
    ///
    /// # Errors
    /// If they were made in another way.
    pub fn compare(&self, results: &Results) -> Result<BaselineComparison, BaselineError> {
        let unlike = |what: String| BaselineError::Unlike {
            name: self.name.clone(),
            what,
        };
        let of = &self.results;
        if of.mode != results.mode {
            return Err(unlike(format!("the mode {}", of.mode)));
        }
        if of.scale != results.scale {
            return Err(unlike(format!("the scale {}", of.scale)));
        }
        if of.think_ms != results.think_ms {
            let what = match of.think_ms {
                Some(ms) => format!("--think {ms}"),
                None => "the pauses of the benchmarks".to_owned(),
            };
            return Err(unlike(what));
        }
        if of.mode == Mode::Sim && of.seed != results.seed {
            return Err(unlike(format!("the seed {}", of.seed)));
        }
        let compared = results.rows.iter().map(|row| {
            let before = of.rows.iter().find(|before| before.id == row.id);
            Comparison {
                id: row.id.clone(),
                verdict: match before {
                    None => Verdict::New,
                    Some(before) => judge(before, row, of.mode),
                },
                grown: before.and_then(|before| grown(&before.measured, &row.measured)),
                divergence: None,
            }
        });
        Ok(BaselineComparison {
            name: self.name.clone(),
            about: format!(
                "{}, {}{}, {}",
                date(Duration::from_secs(self.unix_time)),
                self.code,
                self.commit
                    .as_ref()
                    .map_or_else(String::new, |commit| format!(", commit {commit}")),
                self.machine
            ),
            is_same_machine: self.machine == machine(),
            rows: compared.collect(),
        })
    }
}

/// Results compared with a baseline.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct BaselineComparison {
    /// The baseline.
    pub name: String,
    /// When it was measured, with what and on what.
    pub about: String,
    /// It was measured on this machine, as far as can be known.
    pub is_same_machine: bool,
    /// Row by row.
    pub rows: Vec<Comparison>,
}

impl BaselineComparison {
    /// The rows at which somebody has to look.
    pub fn bad(&self) -> impl Iterator<Item = &Comparison> {
        self.rows.iter().filter(|it| it.verdict.is_bad())
    }

    /// How this benchmark compares, if it is a bad one.
    #[must_use]
    pub fn bad_row(&self, id: &str) -> Option<&Comparison> {
        self.bad().find(|it| it.id == id)
    }
}

/// How a benchmark compares with its baseline.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Comparison {
    /// The benchmark.
    pub id: String,
    /// How.
    pub verdict: Verdict,
    /// Which part of the system takes longer, in words.
    pub grown: Option<String>,
    /// Where the traces of a simulation part, in words.
    pub divergence: Option<String>,
}

impl Comparison {
    /// What is worse or different, and which part of the system takes longer.
    #[must_use]
    pub fn what(&self) -> Vec<&str> {
        let what = match &self.verdict {
            Verdict::Same | Verdict::New => return Vec::new(),
            Verdict::Changed(what) | Verdict::Regressed(what) => what,
        };
        what.iter().chain(&self.grown).map(String::as_str).collect()
    }
}

/// What became of a benchmark since its baseline.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// Nothing worth telling.
    Same,
    /// The baseline does not have it.
    New,
    /// A simulation that differs; what differs first.
    Changed(Vec<String>),
    /// A figure is worse than its threshold allows.
    Regressed(Vec<String>),
}

impl Verdict {
    /// True if somebody has to look at it.
    #[must_use]
    pub fn is_bad(&self) -> bool {
        matches!(self, Self::Changed(_) | Self::Regressed(_))
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Same => "SAME",
            Self::New => "NEW",
            Self::Changed(_) => "CHANGED",
            Self::Regressed(_) => "REGRESSED",
        })
    }
}

impl fmt::Display for Comparison {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:<9} {}", self.verdict, self.id)?;
        let divergence = self.divergence.iter().flat_map(|text| text.lines());
        self.what()
            .into_iter()
            .chain(divergence)
            .try_for_each(|what| write!(f, "\n          {what}"))
    }
}

/// Which way a figure is worse, and by how much it may be.
enum Threshold {
    /// Larger is worse; by this share.
    Rise(f64),
    /// Smaller is worse; by this share.
    Fall(f64),
    /// Smaller is worse; by so many points.
    FallPoints(f64),
    /// Larger is worse; by so many points.
    RisePoints(f64),
}

/// The thresholds of the catalogue, by what a figure is.
fn threshold(name: &str, unit: Unit) -> Option<Threshold> {
    match unit {
        Unit::Nanoseconds => Some(Threshold::Rise(0.10)),
        Unit::PerSecond => Some(Threshold::Fall(0.10)),
        Unit::Bytes | Unit::MegabytesPerSecond => Some(Threshold::Rise(0.20)),
        Unit::Percent
            if ["success", "served", "refused"]
                .iter()
                .any(|it| name.contains(it)) =>
        {
            Some(Threshold::FallPoints(5.0))
        }
        Unit::Percent if name.contains("error") => Some(Threshold::RisePoints(2.0)),
        Unit::Percent | Unit::Count | Unit::Ratio => None,
    }
}

/// A rise that is measuring's own: what grows by next to nothing may well double.
fn noise(unit: Unit) -> f64 {
    match unit {
        Unit::MegabytesPerSecond => 0.05,
        _ => 0.0,
    }
}

fn judge(before: &Row, after: &Row, mode: Mode) -> Verdict {
    if mode == Mode::Sim {
        // What a machine adds is no difference.
        let of = |row: &Row| (row.status, row.event_hash.clone(), row.measured.clone());
        if of(before) == of(after) {
            return Verdict::Same;
        }
        let mut what = differences(before, after);
        if before.event_hash != after.event_hash {
            what.insert(
                0,
                "the runs took different ways (event hashes differ)".to_owned(),
            );
        }
        return Verdict::Changed(what);
    }
    let mut worse = Vec::new();
    for figure in &after.measured.figures {
        let same = before.measured.figures.iter();
        let Some(old) = same.into_iter().find(|it| it.name == figure.name) else {
            continue;
        };
        let (Some(old), Some(new)) = (old.value, figure.value) else {
            continue;
        };
        let is_worse = match threshold(&figure.name, figure.unit) {
            Some(Threshold::Rise(share)) => {
                new > old * (1.0 + share) && new - old > noise(figure.unit)
            }
            Some(Threshold::Fall(share)) => new < old * (1.0 - share),
            Some(Threshold::FallPoints(points)) => new < old - points,
            Some(Threshold::RisePoints(points)) => new > old + points,
            None => false,
        };
        if is_worse {
            let (unit, name) = (figure.unit, &figure.name);
            worse.push(format!("{name}: {} -> {}", unit.show(old), unit.show(new)));
        }
    }
    if worse.is_empty() {
        Verdict::Same
    } else {
        Verdict::Regressed(worse)
    }
}

/// Figures that differ, at most five.
fn differences(before: &Row, after: &Row) -> Vec<String> {
    const MOST: usize = 5;
    let figures = after.measured.figures.iter().filter_map(|figure| {
        let same = before.measured.figures.iter();
        let old = same.into_iter().find(|it| it.name == figure.name);
        let (unit, name) = (figure.unit, &figure.name);
        let show = |value: Option<f64>| value.map_or("-".to_owned(), |value| unit.show(value));
        match old {
            Some(old) if old == figure => None,
            Some(old) => Some(format!(
                "{name}: {} -> {}",
                show(old.value),
                show(figure.value)
            )),
            None => Some(format!("{name}: new")),
        }
    });
    figures.take(MOST).collect()
}
