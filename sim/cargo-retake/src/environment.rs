//! The folder and the environment with which cargo starts a program.
//!
//! cargo sets some twenty variables and the paths of libraries. Instead of doing the same again,
//! cargo is asked: it is given this program as the runner of what it has built, and the runner
//! notes what it got.

use std::env;
use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use xxhash_rust::xxh3::xxh3_64;

use crate::error::Error;

/// The name of the command that notes.
pub(crate) const RUNNER: &str = "__runner";

/// How cargo starts a program.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Launch {
    executable: PathBuf,
    /// Its working folder.
    pub(crate) folder: PathBuf,
    environment: Vec<(String, String)>,
}

/// Note how this process was started, in place of the program that it is to run.
///
/// # Errors
/// If the note cannot be written.
pub(crate) fn note(folder: &Path, program: &[OsString]) -> Result<(), Error> {
    let executable = program.first().cloned().unwrap_or_default();
    let name = format!("{:016x}.json", xxh3_64(executable.as_encoded_bytes()));
    Launch::of_this_process(Path::new(&executable))?.write(&folder.join(name))
}

/// The setting by which cargo starts this program, with this command, instead of what it has
/// built for `triple`.
///
/// # Errors
/// If it is not known where this program is.
pub(crate) fn runner(triple: &str, command: &str, folder: &Path) -> Result<String, Error> {
    let myself = env::current_exe().map_err(Error::of("find", Path::new("cargo-retake")))?;
    let words = [
        &*myself.to_string_lossy(),
        command,
        &*folder.to_string_lossy(),
    ]
    .map(toml_text);
    Ok(format!("target.{triple}.runner=[{}]", words.join(", ")))
}

/// A string of a TOML file: one of JSON is one.
pub(crate) fn toml_text(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

/// Everything that was noted in a folder.
///
/// # Errors
/// If it cannot be read.
pub(crate) fn read(folder: &Path) -> Result<Vec<Launch>, Error> {
    let entries = fs::read_dir(folder).map_err(Error::of("read", folder))?;
    entries
        .map(|entry| {
            let entry = entry.map_err(Error::of("read", folder))?;
            Launch::read(&entry.path())
        })
        .collect()
}

impl Launch {
    /// How this process was started in the place of an executable.
    pub(crate) fn of_this_process(executable: &Path) -> Result<Self, Error> {
        let present = env::current_dir().map_err(Error::of("find", Path::new(".")))?;
        let variables = env::vars_os();
        Ok(Self {
            executable: present.join(executable),
            folder: present,
            environment: variables
                .filter_map(|(name, value)| {
                    Some((name.into_string().ok()?, value.into_string().ok()?))
                })
                .collect(),
        })
    }

    pub(crate) fn write(&self, path: &Path) -> Result<(), Error> {
        let text = serde_json::to_vec(self).map_err(std::io::Error::from)?;
        fs::write(path, text).map_err(Error::of("write", path))
    }

    pub(crate) fn read(path: &Path) -> Result<Self, Error> {
        let text = fs::read(path).map_err(Error::of("read", path))?;
        let noted = serde_json::from_slice(&text).map_err(std::io::Error::from);
        noted.map_err(Error::of("read", path))
    }

    /// The value of a variable.
    pub(crate) fn variable(&self, name: &str) -> Option<String> {
        let mut variables = self.environment.iter();
        let found = variables.find(|(variable, _)| variable == name)?;
        Some(found.1.clone())
    }

    /// Whether it is about this executable.
    pub(crate) fn is_of(&self, executable: &Path) -> bool {
        self.executable == executable
    }

    /// All of them, and these where they are not set.
    pub(crate) fn variables_with(&self, more: &[(&str, OsString)]) -> Vec<(OsString, OsString)> {
        let mut variables = self.variables();
        let missing = more
            .iter()
            .filter(|(name, _)| self.variable(name).is_none());
        variables.extend(missing.map(|(name, value)| (name.into(), value.clone())));
        variables
    }

    pub(crate) fn variables(&self) -> Vec<(OsString, OsString)> {
        let variables = self.environment.iter();
        variables
            .map(|(name, value)| (name.into(), value.into()))
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_noted_is_read_again() {
        let folder = tempfile::tempdir().unwrap();
        note(folder.path(), &["/some/program".into(), "argument".into()]).unwrap();
        let noted = read(folder.path()).unwrap();
        assert_eq!(noted.len(), 1);
        assert!(noted[0].is_of(Path::new("/some/program")));
        assert_eq!(noted[0].folder, env::current_dir().unwrap());
        assert!(noted[0].variables().iter().any(|(name, _)| name == "PATH"));
    }

    #[test]
    fn a_variable_that_the_user_has_set_is_kept() {
        let noted = Launch {
            executable: "/some/program".into(),
            folder: "/".into(),
            environment: vec![("A".into(), "user".into())],
        };
        let more = [("A", "default".into()), ("B", "default".into())];
        assert_eq!(
            noted.variables_with(&more),
            [("A".into(), "user".into()), ("B".into(), "default".into())]
        );
    }

    #[test]
    fn a_path_with_blanks_and_quotes_is_one_word() {
        let setting = runner(
            "x86_64-unknown-linux-gnu",
            RUNNER,
            Path::new("/my \"files\""),
        )
        .unwrap();
        let value: toml::Table = setting.parse().unwrap();
        let runner = &value["target"]["x86_64-unknown-linux-gnu"]["runner"];
        assert_eq!(runner[1].as_str(), Some(RUNNER));
        assert_eq!(runner[2].as_str(), Some("/my \"files\""));
    }
}
