//! What the environment says about tests: `RETAKE_SEEDS` and others.

use std::ops::Range;
use std::path::PathBuf;
use std::time::Duration;

use retake_traces::did_you_mean;
use retake_traces::time::parse_duration;

use crate::isolate;

/// Variables that tests read.
const SEEDS: &str = "RETAKE_SEEDS";
const SEED: &str = "RETAKE_SEED";
const STRATEGY: &str = "RETAKE_STRATEGY";
const REPLAY: &str = "RETAKE_REPLAY";
const ISOLATION: &str = "RETAKE_ISOLATION";
const TIMEOUT: &str = "RETAKE_TIMEOUT";
const MEMORY_MB: &str = "RETAKE_MEMORY_MB";
const LIVE: &str = "RETAKE_LIVE";

const OF_TESTS: [&str; 8] = [
    SEEDS, SEED, STRATEGY, REPLAY, ISOLATION, TIMEOUT, MEMORY_MB, LIVE,
];

/// Variables that Retake sets by itself. A name that is near to none of a test's, such as
/// one of a build script, is left to its reader.
const OTHERS: [&str; 3] = [isolate::VARIABLE, isolate::PADDING, isolate::PORTABLE];

/// Settings that only the attribute of a test has.
const OF_ATTRIBUTES: [&str; 5] = ["faults", "steps", "horizon", "strict", "allow_threads"];

/// How all of them begin.
const PREFIX: &str = "RETAKE_";

fn short(name: &str) -> &str {
    name.strip_prefix(PREFIX).unwrap_or(name)
}

/// What the environment asks for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Variables {
    /// These seeds.
    pub(super) seeds: Option<Range<u64>>,
    /// One seed and nothing else.
    is_one_seed: bool,
    /// This strategy, or a mix.
    pub(super) strategy: Option<String>,
    /// This case and nothing else.
    pub(super) replay: Option<PathBuf>,
    /// `process` or `shared`.
    pub(super) isolation: Option<String>,
    /// How long a run may take.
    pub(super) timeout: Option<Duration>,
    /// The largest address space of a run, in megabytes.
    pub(super) memory_mb: Option<u64>,
    /// Once and without a simulation, as any other asynchronous test.
    pub(super) is_live: bool,
}

impl Variables {
    /// What the environment of this process asks for.
    ///
    /// # Errors
    /// In words, if a variable has no sense.
    pub(super) fn read() -> Result<Self, String> {
        let named = std::env::vars_os().filter_map(|(name, value)| {
            let name = name.into_string().ok()?;
            name.starts_with(PREFIX)
                .then(|| (name, value.to_string_lossy().into_owned()))
        });
        Self::parse(named)
    }

    fn parse(named: impl Iterator<Item = (String, String)>) -> Result<Self, String> {
        let mut variables = Self::default();
        let mut seed = None;
        for (name, value) in named.filter(|(_, value)| !value.is_empty()) {
            match &*name {
                SEEDS => variables.seeds = Some(seeds(&value)?),
                SEED => seed = Some(one_seed(&value)?),
                STRATEGY => variables.strategy = Some(value),
                REPLAY => variables.replay = Some(value.into()),
                ISOLATION if ["process", "shared"].contains(&&*value) => {
                    variables.isolation = Some(value);
                }
                ISOLATION => {
                    return Err(format!(
                        "invalid {ISOLATION} `{value}`: write `process` or `shared`"
                    ));
                }
                TIMEOUT => match parse_duration(&value) {
                    Ok(timeout) if !timeout.is_zero() => variables.timeout = Some(timeout),
                    Ok(_) => return Err(format!("invalid {TIMEOUT} `{value}`: it is zero")),
                    Err(error) => return Err(format!("invalid {TIMEOUT}: {error}")),
                },
                MEMORY_MB => {
                    let megabytes = value.trim().parse();
                    variables.memory_mb = Some(megabytes.map_err(|_| {
                        format!("invalid {MEMORY_MB} `{value}`: write a number of megabytes")
                    })?);
                }
                LIVE => {
                    variables.is_live = match &*value {
                        "0" => false,
                        "1" => true,
                        _ => return Err(format!("invalid {LIVE} `{value}`: write 1, or 0")),
                    };
                }
                name if OTHERS.contains(&name) => {}
                name if OF_ATTRIBUTES.contains(&&*short(name).to_lowercase()) => {
                    let setting = short(name).to_lowercase();
                    return Err(format!(
                        "there is no environment variable {name}: write `{setting} = …` in \
                         `#[retake_sim::test(…)]`"
                    ));
                }
                name => {
                    // By what makes it differ from the others.
                    let is_near = !did_you_mean(short(name), OF_TESTS.map(short)).is_empty();
                    if is_near {
                        let hint = did_you_mean(name, OF_TESTS);
                        return Err(format!("unknown environment variable {name}{hint}"));
                    }
                }
            }
        }
        match (&variables.seeds, seed) {
            (Some(_), Some(_)) => Err(format!("set {SEEDS} or {SEED}, not both")),
            (None, Some(seed)) => Ok(Self {
                seeds: Some(seed..seed + 1),
                is_one_seed: true,
                ..variables
            }),
            _ => Ok(variables),
        }
    }

    /// Whether the plain run counts: unless one seed is asked for.
    pub(super) fn has_plain_run(&self) -> bool {
        !self.is_one_seed
    }
}

fn one_seed(text: &str) -> Result<u64, String> {
    match text.trim().parse() {
        Ok(seed) if seed < u64::MAX => Ok(seed),
        _ => Err(format!(
            "invalid {SEED} `{text}`: write one number, or {SEEDS}=0..5000 for a range"
        )),
    }
}

/// A number of seeds, or a first and a last: `200`, `17..=17`, `0..5000`.
fn seeds(text: &str) -> Result<Range<u64>, String> {
    let wrong = || format!("invalid {SEEDS} `{text}`: write a number, or a range such as 0..5000");
    let number = |text: &str| text.trim().parse::<u64>().map_err(|_| wrong());
    let range = match text.split_once("..") {
        None => 0..number(text)?,
        Some((first, last)) => match last.strip_prefix('=') {
            Some(last) => number(first)?..number(last)?.saturating_add(1),
            None => number(first)?..number(last)?,
        },
    };
    if range.is_empty() {
        return Err(wrong());
    }
    Ok(range)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(named: &[(&str, &str)]) -> Result<Variables, String> {
        let named = named.iter();
        Variables::parse(named.map(|(name, value)| ((*name).to_owned(), (*value).to_owned())))
    }

    #[test]
    fn seeds_are_a_number_or_a_range() {
        assert_eq!(seeds("200"), Ok(0..200));
        assert_eq!(seeds("17..=17"), Ok(17..18));
        assert_eq!(seeds("3..5"), Ok(3..5));
        for wrong in ["", "0", "x", "5..3", "1..x"] {
            assert!(
                seeds(wrong).unwrap_err().contains("RETAKE_SEEDS"),
                "{wrong}"
            );
        }
    }

    #[test]
    fn one_seed_is_run_alone() {
        let one = parse(&[("RETAKE_SEED", "5")]).unwrap();
        assert_eq!(one.seeds, Some(5..6));
        assert!(!one.has_plain_run());
        assert!(parse(&[("RETAKE_SEEDS", "5..6")]).unwrap().has_plain_run());
        assert!(
            parse(&[("RETAKE_SEED", "x")])
                .unwrap_err()
                .contains("RETAKE_SEED `x`")
        );
    }

    #[test]
    fn a_variable_that_has_no_sense_is_an_error_whatever_else_is_asked_for() {
        for (name, value, part) in [
            ("RETAKE_SEEDS", "abc", "invalid RETAKE_SEEDS `abc`"),
            ("RETAKE_SEEDZ", "5", "did you mean `RETAKE_SEED"),
            ("RETAKE_STRATGY", "pos", "`RETAKE_STRATEGY`"),
            ("RETAKE_REPLY", "a.json", "`RETAKE_REPLAY`"),
            ("RETAKE_ISOLATION", "thread", "write `process` or `shared`"),
            ("RETAKE_TIMEOUT", "5", "invalid RETAKE_TIMEOUT"),
            ("RETAKE_TIMEOUT", "0s", "it is zero"),
            ("RETAKE_MEMORY_MB", "1GB", "a number of megabytes"),
            ("RETAKE_MEMORY", "1", "did you mean `RETAKE_MEMORY_MB`"),
            (
                "RETAKE_STRICT",
                "1",
                "write `strict = …` in `#[retake_sim::test(…)]`",
            ),
            ("RETAKE_FAULTS", "swarm", "write `faults = …`"),
            ("RETAKE_STEPS", "5", "write `steps = …`"),
            ("RETAKE_LIVE", "yes", "invalid RETAKE_LIVE `yes`"),
        ] {
            let found = parse(&[("RETAKE_REPLAY", "a.json"), (name, value)]).unwrap_err();
            assert!(found.contains(part), "{name}: {found}");
        }
        let both = parse(&[("RETAKE_SEED", "5"), ("RETAKE_SEEDS", "5")]);
        assert!(both.unwrap_err().contains("not both"));
        for ignored in [("RETAKE_SEEDS", ""), ("RETAKE_BENCH_OUT", "5")] {
            assert_eq!(parse(&[ignored]), Ok(Variables::default()));
        }
    }
}
