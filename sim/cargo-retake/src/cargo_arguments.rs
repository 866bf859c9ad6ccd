//! Arguments that are passed on to cargo.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::Args;

/// What is passed on to cargo.
#[derive(Clone, Debug, Default, Args)]
#[command(next_help_heading = "Options of cargo")]
pub(crate) struct CargoArgs {
    /// Only this package.
    #[arg(short, long, value_name = "SPEC")]
    package: Vec<String>,
    /// All packages of the workspace.
    #[arg(long, alias = "all")]
    workspace: bool,
    /// All but these.
    #[arg(long, value_name = "SPEC")]
    exclude: Vec<String>,
    /// The library.
    #[arg(long)]
    lib: bool,
    /// All binaries.
    #[arg(long)]
    bins: bool,
    /// This binary.
    #[arg(long, value_name = "NAME")]
    bin: Vec<String>,
    /// All targets with tests.
    #[arg(long)]
    tests: bool,
    /// This integration test.
    #[arg(long, value_name = "NAME")]
    test: Vec<String>,
    /// The examples of documentation, and nothing else.
    #[arg(long, conflicts_with_all = ["lib", "bins", "bin", "tests", "test", "examples", "example"])]
    pub(crate) doc: bool,
    /// All examples.
    #[arg(long)]
    examples: bool,
    /// This example.
    #[arg(long, value_name = "NAME")]
    example: Vec<String>,
    /// Turn on these features.
    #[arg(short = 'F', long)]
    features: Vec<String>,
    /// Turn on all features.
    #[arg(long)]
    all_features: bool,
    /// Do not turn on the default features.
    #[arg(long)]
    no_default_features: bool,
    /// Build with optimizations.
    #[arg(short, long)]
    release: bool,
    /// Build with this profile.
    #[arg(long, value_name = "NAME", conflicts_with = "release")]
    profile: Option<String>,
    /// Build for this target, which has to run on this machine.
    #[arg(long, value_name = "TRIPLE")]
    pub(crate) target: Option<String>,
    /// The project's manifest.
    #[arg(long, value_name = "FILE")]
    manifest_path: Option<PathBuf>,
    /// The project's folder for what is built: Retake builds in `retake` within it.
    #[arg(long, value_name = "DIR")]
    pub(crate) target_dir: Option<PathBuf>,
    /// Do without the network.
    #[arg(long)]
    offline: bool,
    /// The lock file has to be up to date. It always has to; without one this is an error.
    #[arg(long)]
    pub(crate) locked: bool,
    /// --locked and --offline.
    #[arg(long)]
    pub(crate) frozen: bool,
    /// A value of cargo's configuration.
    #[arg(long, value_name = "KEY=VALUE")]
    config: Vec<String>,
    /// Compile with this many processes.
    #[arg(
        short = 'j',
        long = "build-jobs",
        value_name = "N",
        allow_hyphen_values = true
    )]
    build_jobs: Option<String>,
    /// Have cargo say more.
    #[arg(short, long, action = clap::ArgAction::Count)]
    verbose: u8,
    /// Have cargo say less.
    #[arg(short, long)]
    pub(crate) quiet: bool,
}

/// Collects arguments.
#[derive(Default)]
struct Words(Vec<OsString>);

impl Words {
    fn flag(&mut self, name: &str, is_on: bool) {
        if is_on {
            self.0.push(name.into());
        }
    }

    fn values<T: Into<OsString> + Clone>(
        &mut self,
        name: &str,
        values: impl IntoIterator<Item = T>,
    ) {
        for value in values {
            self.0.push(name.into());
            self.0.push(value.into());
        }
    }
}

impl CargoArgs {
    /// Those that cargo takes before its command.
    pub(crate) fn global(&self) -> Vec<OsString> {
        let mut words = Words::default();
        words.values("--config", &self.config);
        words.0
    }

    /// Where the project is, and how far cargo may go to get what it needs. The lock file is
    /// not to change.
    pub(crate) fn resolution(&self) -> Vec<OsString> {
        let mut words = Words::default();
        words.values("--manifest-path", &self.manifest_path);
        words.flag("--offline", self.offline || self.frozen);
        words.0
    }

    pub(crate) fn features(&self) -> Vec<OsString> {
        let mut words = Words::default();
        words.values("--features", &self.features);
        words.flag("--all-features", self.all_features);
        words.flag("--no-default-features", self.no_default_features);
        words.0
    }

    /// How the targets are built.
    pub(crate) fn profile(&self) -> Vec<OsString> {
        let mut words = Words::default();
        words.flag("--release", self.release);
        words.values("--profile", &self.profile);
        words.values("--target", &self.target);
        words.values("--jobs", &self.build_jobs);
        words.0
    }

    fn packages(&self, words: &mut Words) {
        words.values("--package", &self.package);
        words.flag("--workspace", self.workspace);
        words.values("--exclude", &self.exclude);
    }

    fn chooses_targets(&self) -> bool {
        let is_any = self.lib || self.bins || self.tests || self.examples;
        is_any || !(self.bin.is_empty() && self.test.is_empty() && self.example.is_empty())
    }

    /// The targets of `cargo test`: those with tests, unless some are chosen.
    pub(crate) fn tested(&self) -> Vec<OsString> {
        let mut words = Words::default();
        self.packages(&mut words);
        words.flag("--lib", self.lib);
        words.flag("--bins", self.bins);
        words.values("--bin", &self.bin);
        words.flag("--tests", self.tests || !self.chooses_targets());
        words.values("--test", &self.test);
        words.flag("--examples", self.examples);
        words.values("--example", &self.example);
        words.0
    }

    /// What is built for [`tested`](Self::tested): without a choice cargo builds examples as well,
    /// which tests may start.
    pub(crate) fn built_for_tests(&self) -> Vec<OsString> {
        if self.chooses_targets() {
            return self.tested();
        }
        let mut words = Words::default();
        self.packages(&mut words);
        words.0
    }

    /// The examples of documentation.
    pub(crate) fn documented(&self) -> Vec<OsString> {
        let mut words = Words::default();
        self.packages(&mut words);
        words.flag("--doc", true);
        words.0
    }

    /// The target of `cargo run`.
    pub(crate) fn run(&self) -> Vec<OsString> {
        let mut words = Words::default();
        self.packages(&mut words);
        words.values("--bin", &self.bin);
        words.values("--example", &self.example);
        words.0
    }

    /// How much cargo says.
    pub(crate) fn verbosity(&self) -> Vec<OsString> {
        let mut words = Words::default();
        (0..self.verbose).for_each(|_| words.flag("--verbose", true));
        words.flag("--quiet", self.quiet);
        words.0
    }

    /// As on a command line, what builds the same program: for the line that replays a case.
    pub(crate) fn to_repeat(&self) -> Vec<String> {
        let parts = [self.resolution(), self.features(), self.profile()];
        let mut words: Vec<OsString> = parts.into_iter().flatten().collect();
        let mut packages = Words::default();
        self.packages(&mut packages);
        packages.values("--target-dir", &self.target_dir);
        packages.values("--config", &self.config);
        words.extend(packages.0);
        let words = words.into_iter();
        words
            .map(|word| word.to_string_lossy().into_owned())
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser as _;

    use crate::arguments::{Cli, Command, TestArgs};

    fn test(line: &str) -> TestArgs {
        let words = std::iter::once("cargo-retake").chain(line.split(' '));
        match Cli::try_parse_from(words).unwrap().command {
            Command::Test(args) => args,
            other => panic!("{other:?}"),
        }
    }

    fn words(list: &[OsString]) -> String {
        let words: Vec<_> = list.iter().map(|it| it.to_string_lossy()).collect();
        words.join(" ")
    }

    #[test]
    fn arguments_of_cargo_are_passed_on_as_they_are() {
        let args = test("test -p shop -p till --lib -F a,b --no-default-features -r --offline");
        assert_eq!(
            words(&args.cargo.tested()),
            "--package shop --package till --lib"
        );
        assert_eq!(
            words(&args.cargo.features()),
            "--features a,b --no-default-features"
        );
        assert_eq!(words(&args.cargo.profile()), "--release");
        assert_eq!(words(&args.cargo.resolution()), "--offline");
        assert_eq!(
            args.cargo.to_repeat().join(" "),
            "--offline --features a,b --no-default-features --release --package shop --package till"
        );
    }

    #[test]
    fn without_a_choice_all_targets_with_tests_are_built() {
        assert_eq!(words(&test("test").cargo.tested()), "--tests");
        let workspace = test("test --workspace").cargo;
        assert_eq!(words(&workspace.built_for_tests()), "--workspace");
        let one = test("test --test it").cargo;
        assert_eq!(words(&one.tested()), "--test it");
        assert_eq!(words(&one.built_for_tests()), "--test it");
        let args = test("test --frozen --config net.offline=true");
        assert_eq!(words(&args.cargo.global()), "--config net.offline=true");
        assert_eq!(words(&args.cargo.resolution()), "--offline");
    }
}
