//! Faults from text.

use std::str::FromStr;
use std::time::Duration;

use retake_traces::record::StepKind;

use crate::near::did_you_mean;

use super::{Fault, FaultAction, Skew, When};

/// Parse a duration such as `1.5s`, `20ms`, `7us` or `3ns`.
///
/// # Errors
/// A sentence about what is wrong with the text.
pub fn parse_duration(text: &str) -> Result<Duration, String> {
    let split = text
        .find(|c: char| !c.is_ascii_digit() && c != '.')
        .ok_or_else(|| format!("`{text}` lacks a unit: write ns, us, ms, s, m or h"))?;
    let (number, unit) = text.split_at(split);
    let unit_ns: u64 = match unit {
        "ns" => 1,
        "us" | "µs" => 1_000,
        "ms" => 1_000_000,
        "s" => 1_000_000_000,
        "m" | "min" => 60_000_000_000,
        "h" => 3_600_000_000_000,
        _ => {
            return Err(format!(
                "`{unit}` is no unit of time: write ns, us, ms, s, m or h"
            ));
        }
    };
    let wrong = || format!("`{number}` is not a number");
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    let whole: u64 = whole.parse().map_err(|_| wrong())?;
    if !fraction.bytes().all(|byte| byte.is_ascii_digit()) || fraction.len() > 9 {
        return Err(wrong());
    }
    let scale = 10_u64.pow(fraction.len() as u32);
    let fraction: u64 = if fraction.is_empty() {
        0
    } else {
        fraction.parse().map_err(|_| wrong())?
    };
    let fraction_ns = u128::from(fraction) * u128::from(unit_ns) / u128::from(scale);
    whole
        .checked_mul(unit_ns)
        .and_then(|ns| ns.checked_add(u64::try_from(fraction_ns).ok()?))
        .map(Duration::from_nanos)
        .ok_or_else(|| format!("`{text}` is too long a time"))
}

/// Callbacks, as faults name them.
pub(super) const PARTS: [(&str, StepKind); 5] = [
    ("handle", StepKind::Handle),
    ("pre_start", StepKind::PreStart),
    ("post_start", StepKind::PostStart),
    ("supervision", StepKind::Supervision),
    ("post_stop", StepKind::PostStop),
];

/// A fault's text does not parse.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "fault `{text}`: {problem}; write `kill NAME @step 120`, `panic NAME in pre_start @1.5s` or \
     `delay NAME @2s until 3s`, and see docs/faults.md for all of them"
)]
pub struct FaultError {
    text: String,
    problem: String,
}

impl TryFrom<String> for Fault {
    type Error = FaultError;

    fn try_from(text: String) -> Result<Self, FaultError> {
        text.parse()
    }
}

impl FromStr for Fault {
    type Err = FaultError;

    fn from_str(text: &str) -> Result<Self, FaultError> {
        parse(text).map_err(|problem| FaultError {
            text: text.to_owned(),
            problem,
        })
    }
}

/// Verbs that take no target.
const ABOUT_THE_RUN: [&str; 7] = [
    "pause", "late", "coalesce", "clock", "load", "buggify", "heal",
];

/// Verbs that take one.
const OF_A_TARGET: [&str; 10] = [
    "kill", "panic", "fail", "slow", "stop", "drain", "lose", "point", "delay", "squat",
];

fn parse(text: &str) -> Result<Fault, String> {
    let (head, tail) = text
        .split_once('@')
        .ok_or("`@` with a step or time is missing")?;
    let (verb, rest) = head.trim().split_once(' ').unwrap_or((head.trim(), ""));
    let mut rest = rest.trim();
    let (when, last) = split_when(tail)?;
    let siblings = match rest.rsplit_once(" with ") {
        Some((before, count)) if count.ends_with("sibling") || count.ends_with("siblings") => {
            let count = count.split(' ').next().unwrap_or_default();
            rest = before.trim();
            count
                .parse()
                .map_err(|_| format!("`{count}` is no number of siblings"))?
        }
        _ => 0,
    };
    let (target, action) = if ABOUT_THE_RUN.contains(&verb) {
        (String::new(), about_the_run(verb, rest, last)?)
    } else {
        of_target(verb, rest, last)?
    };
    if siblings > 0 && !action.ends_an_actor() {
        return Err(format!(
            "`{verb}` affects one task only: leave out the siblings"
        ));
    }
    Ok(Fault {
        target,
        action,
        when,
        siblings,
    })
}

/// `until` or `within` with its time, which ends a fault's text.
type Last = Option<(&'static str, Duration)>;

fn split_when(tail: &str) -> Result<(When, Last), String> {
    let mut tail = tail.trim();
    let mut last = None;
    for word in ["until", "within"] {
        if let Some((when, time)) = tail.split_once(&format!(" {word} ")) {
            last = Some((word, parse_duration(time.trim())?));
            tail = when.trim();
        }
    }
    let when = match tail.strip_prefix("step") {
        Some(step) => match step.trim().parse() {
            Ok(0) | Err(_) => return Err("the step must be a whole number from 1".to_owned()),
            Ok(step) => When::Step(step),
        },
        None => When::At(parse_duration(tail)?),
    };
    Ok((when, last))
}

/// The time after `until`.
fn until(verb: &str, last: Last) -> Result<Duration, String> {
    match last {
        Some(("until", time)) => Ok(time),
        _ => Err(format!("a {verb} needs `until TIME`")),
    }
}

fn nothing_after(verb: &str, last: Last) -> Result<(), String> {
    match last {
        Some((word, _)) => Err(format!("a {verb} has no `{word}`")),
        None => Ok(()),
    }
}

fn signed(text: &str) -> Result<i64, String> {
    let (sign, time) = match text.strip_prefix('-') {
        Some(time) => (-1, time),
        None => (1, text.strip_prefix('+').unwrap_or(text)),
    };
    let ns = parse_duration(time)?.as_nanos();
    let ns = i64::try_from(ns).map_err(|_| format!("`{text}` is too long a time"))?;
    Ok(sign * ns)
}

fn by(verb: &str, text: &str) -> Result<Duration, String> {
    let time = text
        .strip_prefix("by ")
        .ok_or_else(|| format!("write `{verb} by TIME`"))?;
    parse_duration(time.trim())
}

fn about_the_run(verb: &str, rest: &str, last: Last) -> Result<FaultAction, String> {
    let needs_nothing = || match rest {
        "" => Ok(()),
        _ => Err(format!("`{verb}` is about the whole run: it has no target")),
    };
    Ok(match verb {
        "pause" => {
            needs_nothing()?;
            FaultAction::Pause {
                until: until(verb, last)?,
            }
        }
        "late" => FaultAction::Late {
            by: by(verb, rest)?,
            until: until(verb, last)?,
        },
        "coalesce" => FaultAction::Coalesce {
            to: by(verb, rest)?,
            until: until(verb, last)?,
        },
        "clock" => {
            let until = match last {
                Some(("until", time)) => Some(time),
                Some((word, _)) => return Err(format!("a clock has no `{word}`")),
                None => None,
            };
            let skew = if let Some(by) = rest.strip_prefix("drift ") {
                Skew::Drift(signed(by.trim())?)
            } else if let Some(wave) = rest.strip_prefix("wave ") {
                let (by, period) = wave
                    .split_once(" per ")
                    .ok_or("write `clock wave TIME per TIME`")?;
                Skew::Wave {
                    by: parse_duration(by.trim())?,
                    period: parse_duration(period.trim())?,
                }
            } else {
                Skew::Step(signed(rest)?)
            };
            FaultAction::Clock { skew, until }
        }
        "load" => {
            nothing_after(verb, last)?;
            let times = rest.strip_prefix('x').and_then(|it| it.parse().ok());
            match times {
                Some(times @ 1..=1000) => FaultAction::Load { times },
                _ => return Err("write `load x4`, from 1 to 1000 times".to_owned()),
            }
        }
        "buggify" => {
            needs_nothing()?;
            nothing_after(verb, last)?;
            FaultAction::Buggify
        }
        _ => {
            needs_nothing()?;
            let within = match last {
                Some(("within", time)) => Some(time),
                Some((word, _)) => return Err(format!("a heal has no `{word}`")),
                None => None,
            };
            FaultAction::Heal { within }
        }
    })
}

/// A name, and what follows it after `in`: a callback, or none for `await`.
fn split_part(target: &str) -> (&str, Option<Option<StepKind>>) {
    let Some((before, word)) = target.rsplit_once(" in ") else {
        return (target, None);
    };
    let known = PARTS.iter().find(|(name, _)| *name == word);
    match (known, word) {
        (Some((_, kind)), _) => (before.trim(), Some(Some(*kind))),
        (None, "await") => (before.trim(), Some(None)),
        // A part of the name.
        (None, _) => (target, None),
    }
}

fn of_target(verb: &str, rest: &str, last: Last) -> Result<(String, FaultAction), String> {
    let mut target = rest;
    let by = match (verb, rest.rsplit_once(" by ")) {
        ("slow", Some((before, time))) => {
            target = before.trim();
            Some(parse_duration(time.trim())?)
        }
        _ => None,
    };
    let (target, part) = split_part(target);
    // An unknown verb is refused below, whatever comes after it.
    if target.is_empty() && OF_A_TARGET.contains(&verb) {
        return Err("the name of the target is missing".to_owned());
    }
    let no_such = |part: &str| format!("a {verb} cannot be `in {part}`");
    let callback = match part {
        None => Ok(StepKind::Handle),
        Some(Some(kind)) => Ok(kind),
        Some(None) => Err(no_such("await")),
    };
    let action = match verb {
        "kill" => {
            nothing_after(verb, last)?;
            FaultAction::Kill {
                awaiting: match part {
                    None => false,
                    Some(None) => true,
                    Some(Some(_)) => return Err("a kill may be `in await` only".to_owned()),
                },
            }
        }
        "panic" => {
            nothing_after(verb, last)?;
            FaultAction::Panic(callback?)
        }
        "fail" => {
            nothing_after(verb, last)?;
            FaultAction::Fail(callback?)
        }
        "slow" => {
            let by = by.ok_or("write `slow NAME by TIME`")?;
            match part {
                Some(Some(StepKind::PreStart)) => {
                    nothing_after(verb, last)?;
                    FaultAction::SlowStart { by }
                }
                None => FaultAction::Slow {
                    by,
                    until: until(verb, last)?,
                },
                Some(_) => return Err("a slow may be `in pre_start` only".to_owned()),
            }
        }
        _ if part.is_some() => return Err(format!("a {verb} has no `in`")),
        "stop" | "drain" | "lose" | "point" => {
            nothing_after(verb, last)?;
            match verb {
                "stop" => FaultAction::Stop,
                "drain" => FaultAction::Drain,
                "lose" => FaultAction::Lose,
                _ => FaultAction::Point,
            }
        }
        "delay" => FaultAction::Delay {
            until: until(verb, last)?,
        },
        "squat" => FaultAction::Squat {
            until: until(verb, last)?,
        },
        _ => {
            let verbs = ABOUT_THE_RUN.into_iter().chain(OF_A_TARGET);
            let near = did_you_mean(verb, verbs);
            return Err(format!("there is no such fault as `{verb}`{near}"));
        }
    };
    Ok((target.to_owned(), action))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mistaken_fault_says_what_is_wrong() {
        for (text, expected) in [
            ("kill a", "`@` with a step or time is missing"),
            ("kill @3s", "name of the target is missing"),
            ("kill a @3", "lacks a unit"),
            ("kill a @3x", "no unit of time"),
            ("kill a @step 0", "whole number from 1"),
            ("kill a @1s until 2s", "a kill has no `until`"),
            ("kill a in handle @1s", "`in await` only"),
            ("panic a in await @1s", "cannot be `in await`"),
            ("delay a @1s", "needs `until TIME`"),
            ("delay a in handle @1s until 2s", "has no `in`"),
            ("slow a @1s until 2s", "write `slow NAME by TIME`"),
            ("slow a in handle by 1ms @1s", "`in pre_start` only"),
            (
                "delay a with 2 siblings @1s until 2s",
                "affects one task only",
            ),
            ("kill a with many siblings @1s", "no number of siblings"),
            ("pause a @1s until 2s", "it has no target"),
            ("clock 5 @1s", "lacks a unit"),
            ("clock wave 5s @1s", "write `clock wave TIME per TIME`"),
            ("load x0 @1s", "from 1 to 1000"),
            ("heal @1s until 2s", "a heal has no `until`"),
            ("buggify it @1s", "`buggify` is about the whole run"),
            ("freeze a @1s", "no such fault"),
            (
                "panik a @1s",
                "no such fault as `panik`: did you mean `panic`?",
            ),
            ("buggyfy @1s", "did you mean `buggify`?"),
            ("kill a @99999999999h", "too long a time"),
        ] {
            let error = text.parse::<Fault>().unwrap_err().to_string();
            assert!(error.contains(expected), "{text}: {error}");
        }
    }

    #[test]
    fn a_fault_parses_from_what_it_prints() {
        for text in [
            "kill a/b#2 @step 7",
            "kill a in await @1s",
            "kill *supervised with 2 siblings @step 3",
            "panic a @1500000001ns",
            "panic a in pre_start @step 1",
            "fail a in supervision with 1 sibling @1s",
            "fail a in post_stop @1s",
            "panic a in post_start @1s",
            "stop a b in c @1s",
            "drain a @1s",
            "lose a @1s",
            "delay a @2us until 3s",
            "slow a by 5ms @2us until 3s",
            "slow a in pre_start by 5ms @2us",
            "squat a @1s until 2s",
            "pause @1s until 2s",
            "late by 1ms @1s until 2s",
            "coalesce by 1ms @1s until 2s",
            "clock +5s @1s",
            "clock -5s @1s until 9s",
            "clock drift +10ms @1s",
            "clock wave 2s per 60s @1s",
            "load x4 @step 1",
            "buggify @1s",
            "point pool: checks in twice @step 9",
            "heal @step 9",
            "heal @1s within 60s",
        ] {
            let fault: Fault = text.parse().unwrap();
            assert_eq!(fault.to_string(), text);
        }
    }
}
