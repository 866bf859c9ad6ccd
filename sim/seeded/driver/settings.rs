//! What a run is made from: two environment variables.

use std::collections::BTreeMap;

use super::core::planned::PlannedFault;
use super::core::strategy::Hold;

/// Turns the simulation on: a whole number.
const SEED: &str = "RETAKE_SEED";
/// All other settings: `name=value` of a line each.
const SETTINGS: &str = "RETAKE_SEEDED";

#[derive(Clone, Debug)]
pub(super) struct Settings {
    pub(super) seed: u64,
    pub(super) strategy: String,
    pub(super) holds: Vec<Hold>,
    pub(super) faults: Vec<PlannedFault>,
    pub(super) step_limit: u64,
    pub(super) horizon_ns: u64,
    /// What a step takes of virtual time.
    pub(super) step_ns: u64,
    /// One in so many messages is taken and handled only after others have run, where the
    /// runtime has several threads; 0 for never.
    pub(super) preempt: u64,
    pub(super) records: bool,
    pub(super) wants_holds: bool,
    /// Places are looked up in the program where a run ends because nothing can run.
    pub(super) backtraces: bool,
    /// Where the run is recorded.
    pub(super) answer: Option<String>,
}

impl Settings {
    /// Those of this process; none where it runs as any other program does.
    ///
    /// The variables are removed, so that programs which this one starts are not simulated.
    pub(super) fn take() -> Option<Self> {
        let seed = std::env::var(SEED).ok()?;
        let text = std::env::var(SETTINGS).unwrap_or_default();
        std::env::remove_var(SEED);
        std::env::remove_var(SETTINGS);
        match Self::read(&seed, &text) {
            Ok(settings) => Some(settings),
            Err(problem) => {
                eprintln!("error: {problem}");
                std::process::exit(2);
            }
        }
    }

    fn read(seed: &str, text: &str) -> Result<Self, String> {
        let mut settings = Self {
            seed: seed
                .parse()
                .map_err(|_| format!("invalid {SEED} `{seed}`: not a whole number"))?,
            strategy: "random".to_owned(),
            holds: Vec::new(),
            faults: Vec::new(),
            step_limit: 20_000_000,
            horizon_ns: 24 * 3_600_000_000_000,
            step_ns: 1_000,
            preempt: 16,
            records: false,
            wants_holds: false,
            backtraces: std::env::var("RUST_BACKTRACE").is_ok_and(|it| it != "0"),
            answer: None,
        };
        for line in text.lines().filter(|line| !line.is_empty()) {
            let wrong = |what: &str| format!("invalid line `{line}` of {SETTINGS}: {what}");
            let (name, value) = line.split_once('=').ok_or_else(|| wrong("missing `=`"))?;
            let number = || {
                value
                    .parse::<u64>()
                    .map_err(|_| wrong("not a whole number"))
            };
            match name {
                "strategy" => settings.strategy = value.to_owned(),
                "hold" => settings
                    .holds
                    .push(hold(value).ok_or_else(|| wrong("not four numbers"))?),
                "fault" => settings
                    .faults
                    .push(PlannedFault::of_line(value).ok_or_else(|| wrong("not a fault"))?),
                "step_limit" => settings.step_limit = number()?,
                "horizon_ns" => settings.horizon_ns = number()?,
                "step_ns" => settings.step_ns = number()?,
                "preempt" => settings.preempt = number()?,
                "records" => settings.records = number()? != 0,
                "wants_holds" => settings.wants_holds = number()? != 0,
                "answer" => settings.answer = Some(value.to_owned()),
                _ => return Err(wrong("there is no such setting")),
            }
        }
        Ok(settings)
    }
}

fn hold(text: &str) -> Option<Hold> {
    let mut numbers = text.split(' ').map(|number| number.parse::<u32>().ok());
    let mut next = || numbers.next().flatten();
    Some(Hold {
        step: (next()?, next()?),
        until: (next()?, next()?),
    })
}

/// A strategy's name and its settings: `pct:depth=3,steps=10000`.
pub(super) fn parts(strategy: &str) -> (&str, BTreeMap<&str, u64>) {
    let (name, rest) = strategy.split_once(':').unwrap_or((strategy, ""));
    let settings = rest
        .split(',')
        .filter_map(|setting| setting.split_once('='));
    let settings = settings.filter_map(|(key, value)| Some((key, value.parse().ok()?)));
    (name, settings.collect())
}
