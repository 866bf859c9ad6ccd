//! Cases as files.

use std::fs;
use std::path::{Path, PathBuf};

use retake_traces::file::{FileError, OutputFile, read_text};
use serde_json::{Map, Value, json};
use xxhash_rust::xxh3::xxh3_64;

use super::Case;

/// The largest file of a case, in bytes.
const CASE_BYTES_MAX: u64 = 64 << 20;

/// Why a case cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum CaseError {
    /// The file cannot be read or written.
    #[error(transparent)]
    File(#[from] FileError),
    /// The file is something else.
    #[error("{0} is no saved case: {1}")]
    Malformed(PathBuf, String),
}

impl Case {
    /// The name of its file: the same for all cases of one signature.
    #[must_use]
    pub fn file_name(&self) -> String {
        let word: String = self
            .signature
            .chars()
            .map(|c| if c.is_ascii_alphanumeric() { c } else { '-' })
            .take(40)
            .collect();
        let hash = xxh3_64(self.signature.as_bytes()) as u32;
        format!("{}-{hash:08x}.json", word.trim_end_matches('-'))
    }

    /// Write it to a file, as a whole or not at all.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn save(&self, path: &Path) -> Result<(), CaseError> {
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder).map_err(FileError::of("create", folder))?;
        }
        let text = serde_json::to_string_pretty(self)
            .map_err(|error| CaseError::Malformed(path.to_owned(), error.to_string()))?;
        Ok(OutputFile::write_all_to(path, text + "\n")?)
    }

    /// Read it from a file.
    ///
    /// # Errors
    /// If it cannot be read, or is no case.
    pub fn load(path: &Path) -> Result<Self, CaseError> {
        let text = read_text(path, CASE_BYTES_MAX)?;
        match serde_json::from_str(&text) {
            Ok(case) => Ok(case),
            Err(error) => former(&text).unwrap_or_else(|| Err(error.to_string())),
        }
        .map_err(|what| CaseError::Malformed(path.to_owned(), what))
    }

    /// The cases in a folder, by name; none if there is no such folder.
    ///
    /// # Errors
    /// If one cannot be read.
    pub fn load_all(folder: &Path) -> Result<Vec<(PathBuf, Self)>, CaseError> {
        let Ok(entries) = fs::read_dir(folder) else {
            return Ok(Vec::new());
        };
        let mut paths: Vec<PathBuf> = entries
            .filter_map(|entry| Some(entry.ok()?.path()))
            .filter(|path| path.extension().is_some_and(|it| it == "json"))
            .collect();
        paths.sort_unstable();
        let load = |path: PathBuf| Ok((path.clone(), Self::load(&path)?));
        paths.into_iter().map(load).collect()
    }
}

/// Fields of cases that earlier versions have saved, and what has become of them.
const FORMER: [(&str, &str); 3] = [
    ("buggify", "the fault `buggify @step 1`"),
    ("workload", "the fault `load at most … @step 1`"),
    ("deviations", "`holds`"),
];

/// What an earlier version has saved: the case if it says the same today, or what to do about
/// it. Nothing if it is no case of an earlier version.
fn former(text: &str) -> Option<Result<Case, String>> {
    let Ok(Value::Object(mut fields)) = serde_json::from_str(text) else {
        return None;
    };
    if let Some((field, now)) = FORMER.iter().find(|(field, _)| fields.contains_key(*field)) {
        return Some(Err(format!(
            "an earlier version of Retake has saved it, with the field `{field}`, which is {now} \
             today. {}",
            find_again(&fields)
        )));
    }
    // Holds had a field of their own next to the strategy, which they replaced.
    let holds = fields.remove("holds")?;
    fields.insert("strategy".to_owned(), json!({ "holds": holds }));
    let case = serde_json::from_value(Value::Object(fields));
    Some(case.map_err(|error| error.to_string()))
}

/// How to get the failure of such a case again.
fn find_again(fields: &Map<String, Value>) -> String {
    let seed = fields.get("seed").and_then(Value::as_u64).unwrap_or(0);
    let scenario = fields.get("scenario").and_then(Value::as_str);
    let scenario = scenario.unwrap_or("SCENARIO");
    format!(
        "Find the failure again with `explore {scenario} --seeds {seed}..={seed}`, or more seeds, \
         and the same faults; for a saved case of a test, delete the file and run the test. The \
         version that saved it still replays it"
    )
}
