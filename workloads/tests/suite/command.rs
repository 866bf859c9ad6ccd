//! The command, as a user runs it in a folder of its own.

use std::fmt;
use std::ops::Deref;
use std::process::{Child, Command, Output, Stdio};

use serde_json::Value;

pub(crate) const RETAKE: &str = env!("CARGO_BIN_EXE_retake");

/// The words of a command line. Quotes keep spaces within a word.
pub(crate) fn words(line: &str) -> Vec<String> {
    let mut words = Vec::new();
    let (mut word, mut quote) = (None, None);
    for c in line.chars() {
        match (c, quote) {
            ('\'' | '"', None) => {
                quote = Some(c);
                word.get_or_insert_with(String::new);
            }
            (c, Some(open)) if c == open => quote = None,
            (' ', None) => words.extend(word.take()),
            (c, _) => word.get_or_insert_with(String::new).push(c),
        }
    }
    words.extend(word);
    words
}

#[track_caller]
pub(crate) fn parse(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|error| panic!("{error}: {text}"))
}

/// A folder in which the command runs.
pub(crate) struct Folder(retake_testkit::Folder);

impl Deref for Folder {
    type Target = retake_testkit::Folder;

    fn deref(&self) -> &Self::Target {
        &self.0
    }
}

impl Folder {
    pub(crate) fn new() -> Self {
        Self(retake_testkit::Folder::new())
    }

    #[track_caller]
    pub(crate) fn json(&self, name: &str) -> Value {
        parse(&self.text(name))
    }

    /// The command, not started yet.
    pub(crate) fn command(&self, line: &str) -> Command {
        let mut command = Command::new(RETAKE);
        command.args(words(line)).current_dir(self.path());
        command.stdin(Stdio::null());
        command
    }

    #[track_caller]
    pub(crate) fn run(&self, line: impl AsRef<str>) -> Outcome {
        Outcome::of(&mut self.command(line.as_ref()))
    }

    /// The command, started with its output kept for [`Outcome::of_child`].
    pub(crate) fn start(&self, line: &str) -> Child {
        let mut command = self.command(line);
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        command.spawn().unwrap()
    }

    /// A script of the shell, in which `$0` is the command.
    pub(crate) fn shell(&self, script: &str) -> Command {
        let mut shell = Command::new("sh");
        shell.args(["-c", script, RETAKE]).current_dir(self.path());
        shell
    }

    /// Each row is a command line, `=>` and a part of its error, which may be followed by more
    /// parts; each exits with this code and prints nothing else.
    #[track_caller]
    pub(crate) fn refuses(&self, code: i32, rows: &[&str]) {
        for row in rows {
            let mut parts = row.split(" => ");
            let mut outcome = self.run(parts.next().unwrap()).ends(code).prints("");
            for part in parts {
                outcome = outcome.complains(part);
            }
        }
    }
}

/// Send a signal to a process, or with `-ID` to its group.
pub(crate) fn signal(name: &str, to: impl fmt::Display) {
    let to = to.to_string();
    let sent = Command::new("kill").args([name, "--", &to]).status();
    assert!(sent.unwrap().success());
}

/// How a command ended, and all it printed.
pub(crate) struct Outcome {
    command: String,
    /// None if a signal ended it.
    pub(crate) code: Option<i32>,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            command,
            code,
            out,
            err,
        } = self;
        write!(
            f,
            "{command} exits with {code:?}\n--- output:\n{out}\n--- errors:\n{err}"
        )
    }
}

impl Outcome {
    #[track_caller]
    pub(crate) fn of(command: &mut Command) -> Self {
        Self::read(format!("{command:?}"), command.output().unwrap())
    }

    #[track_caller]
    pub(crate) fn of_child(child: Child) -> Self {
        Self::read("the command".to_owned(), child.wait_with_output().unwrap())
    }

    fn read(command: String, output: Output) -> Self {
        let text = |bytes| String::from_utf8(bytes).unwrap();
        let (out, err) = (text(output.stdout), text(output.stderr));
        Self {
            command,
            code: output.status.code(),
            out,
            err,
        }
    }

    #[track_caller]
    pub(crate) fn ends(self, code: i32) -> Self {
        assert!(self.code == Some(code), "expected {code}: {self}");
        self
    }

    /// Ends as a run that passes or fails, not as one that could not be made.
    #[track_caller]
    pub(crate) fn runs(self) -> Self {
        assert!(matches!(self.code, Some(0 | 1)), "{self}");
        self
    }

    /// Its output contains this text.
    #[track_caller]
    pub(crate) fn says(self, text: &str) -> Self {
        assert!(self.out.contains(text), "expected {text:?}: {self}");
        self
    }

    #[track_caller]
    pub(crate) fn never_says(self, text: &str) -> Self {
        assert!(!self.out.contains(text), "unexpected {text:?}: {self}");
        self
    }

    /// Its output starts with this text.
    #[track_caller]
    pub(crate) fn starts(self, text: &str) -> Self {
        assert!(self.out.starts_with(text), "expected {text:?}: {self}");
        self
    }

    /// Its output is this text.
    #[track_caller]
    pub(crate) fn prints(self, text: &str) -> Self {
        assert!(self.out == text, "expected {text:?}: {self}");
        self
    }

    /// Its standard error contains this text.
    #[track_caller]
    pub(crate) fn complains(self, text: &str) -> Self {
        assert!(self.err.contains(text), "expected {text:?}: {self}");
        self
    }

    /// It ends with 0 and has nothing to complain about.
    #[track_caller]
    pub(crate) fn succeeds(self) -> Self {
        assert!(self.code == Some(0) && self.err.is_empty(), "{self}");
        self
    }

    #[track_caller]
    pub(crate) fn fits(self, columns: usize) -> Self {
        let is_narrow = |line: &str| line.chars().count() <= columns;
        assert!(self.out.lines().all(is_narrow), "{columns} columns: {self}");
        self
    }

    #[track_caller]
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.out).unwrap_or_else(|error| panic!("{error}: {self}"))
    }

    /// The file of the first case that a campaign lists.
    #[track_caller]
    pub(crate) fn case(&self) -> &str {
        let mut lines = self.out.lines().map(str::trim);
        let case = lines.find_map(|line| line.strip_prefix("case: "));
        case.unwrap_or_else(|| panic!("no case: {self}"))
    }
}
