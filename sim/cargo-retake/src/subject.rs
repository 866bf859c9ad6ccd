//! What is judged: a test of a program, or a program as a whole.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use retake_sim::explore::Case;

use crate::binary::{self, Binary, BuildKind};
use crate::error::Error;
use crate::harness;
use crate::process::Program;

/// The folder of a package in which failures are kept.
const CASES: &str = "retake-cases";

/// A test of a program, or a program as a whole.
#[derive(Clone, Debug)]
pub(crate) struct Subject {
    /// The name of the program, see [`Binary::id`].
    pub(crate) binary: String,
    /// The test; none for the program as a whole.
    pub(crate) test: Option<String>,
    /// Whether Rust's harness runs it, in a thread.
    pub(crate) has_harness: bool,
    package: PathBuf,
    pub(crate) program: Program,
}

impl Subject {
    pub(crate) fn test(binary: &Binary, test: &str) -> Self {
        Self {
            test: Some(test.to_owned()),
            has_harness: true,
            ..Self::program(binary, harness::alone(test))
        }
    }

    /// An example of documentation, which is a program.
    pub(crate) fn example(binary: &Binary, name: &str) -> Self {
        Self {
            test: Some(name.to_owned()),
            ..Self::program(binary, Vec::new())
        }
    }

    /// The program with these arguments.
    pub(crate) fn program(binary: &Binary, arguments: Vec<OsString>) -> Self {
        Self {
            binary: binary.id.clone(),
            test: None,
            has_harness: false,
            package: binary.package.clone(),
            program: Program {
                arguments,
                ..binary.program.clone()
            },
        }
    }

    /// Its name in saved cases, by which it is found again.
    pub(crate) fn name(&self) -> String {
        match &self.test {
            Some(test) => format!("{} {test}", self.binary),
            None => self.binary.clone(),
        }
    }

    /// Where its saved cases are.
    fn folder(&self) -> PathBuf {
        let name = self.name().replace(['(', ')'], "").replace("::", "-");
        let name = name.replace(['/', ' ', ':'], "-");
        self.package.join(CASES).join(name)
    }

    /// The file of a case.
    pub(crate) fn file(&self, case: &Case) -> PathBuf {
        self.folder().join(case.file_name())
    }

    /// Its saved cases.
    ///
    /// # Errors
    /// If one cannot be read.
    pub(crate) fn saved(&self) -> Result<Vec<(PathBuf, Case)>, Error> {
        let mut cases = Case::load_all(&self.folder())?;
        let name = self.name();
        cases.retain(|(_, case)| case.scenario == name);
        Ok(cases)
    }
}

/// The program of a case, and its test.
pub(crate) fn parts(case: &Case) -> (&str, Option<&str>) {
    match case.scenario.split_once(' ') {
        Some((id, test)) => (id, Some(test)),
        None => (&*case.scenario, None),
    }
}

/// What has to be built for a case: a test, which may be a program as a whole, an example of
/// documentation, or a program.
pub(crate) fn built_for(case: &Case) -> BuildKind {
    if binary::is_of_examples(parts(case).0) {
        return BuildKind::Doctests;
    }
    let is_program = ["::bin/", "::example/"]
        .iter()
        .any(|it| case.scenario.contains(it));
    match is_program && !case.scenario.contains(' ') {
        true => BuildKind::Binary,
        false => BuildKind::Tests,
    }
}

/// The subject of a saved case, among these programs; `arguments` are for one that is no test.
///
/// # Errors
/// If no program has it.
pub(crate) fn of_case(
    file: &Path,
    case: &Case,
    arguments: &[OsString],
    binaries: &[Binary],
) -> Result<Subject, Error> {
    let (id, test) = parts(case);
    let Some(binary) = binaries.iter().find(|binary| binary.id == id) else {
        let known: Vec<&str> = binaries.iter().map(|it| &*it.id).collect();
        return Err(Error::Project(format!(
            "{} is a case of `{}`, and there is no program `{id}` among those that were built: \
             {}. A case of `#[retake_sim::test]` is replayed by `cargo test` with RETAKE_REPLAY",
            file.display(),
            case.scenario,
            if known.is_empty() {
                "none".to_owned()
            } else {
                known.join(", ")
            }
        )));
    };
    Ok(match test {
        Some(test) => Subject::test(binary, test),
        None => Subject::program(binary, arguments.to_vec()),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use retake_sim::RunConfig;

    fn binary(id: &str) -> Binary {
        Binary {
            id: id.to_owned(),
            package: "/project".into(),
            has_harness: true,
            program: Program {
                executable: "/project/target/it".into(),
                arguments: Vec::new(),
                folder: "/project".into(),
                environment: Vec::new(),
            },
        }
    }

    #[test]
    fn a_case_is_of_the_test_that_it_names() {
        let subject = Subject::test(&binary("shop::it"), "orders::are_kept");
        let case = Case::new(subject.name(), RunConfig::default());
        let file = subject.file(&case);
        let folder = file.parent().unwrap();
        assert_eq!(
            folder,
            Path::new("/project/retake-cases/shop-it-orders-are_kept")
        );
        let binaries = [binary("shop"), binary("shop::it")];
        let found = of_case(&file, &case, &[], &binaries).unwrap();
        assert_eq!(found.name(), "shop::it orders::are_kept");
        assert_eq!(found.program.arguments[0], "orders::are_kept");
    }

    #[test]
    fn a_case_says_what_has_to_be_built() {
        let built = |scenario: &str| built_for(&Case::new(scenario, RunConfig::default()));
        assert_eq!(built("shop::bin/shop"), BuildKind::Binary);
        assert_eq!(built("shop::bin/shop tests::sells"), BuildKind::Tests);
        assert_eq!(built("shop::whole"), BuildKind::Tests);
        assert_eq!(
            built("shop::doc src/lib.rs - serve (line 5)"),
            BuildKind::Doctests
        );
        assert_eq!(built("shop tests::sells"), BuildKind::Tests);
    }

    #[test]
    fn a_case_of_no_program_is_refused_with_those_that_there_are() {
        let case = Case::new("till::it adds", RunConfig::default());
        let error = of_case(Path::new("a.json"), &case, &[], &[binary("shop")]).unwrap_err();
        let text = error.to_string();
        assert!(
            text.contains("no program `till::it`") && text.contains(": shop."),
            "{text}"
        );
    }
}
