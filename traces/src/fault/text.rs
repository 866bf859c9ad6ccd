//! Faults from text and as text: what all kinds have in common.
//!
//! ```text
//! VERB [TARGET] [what the kind adds] [with N siblings] @WHEN [until TIME | within TIME]
//! ```
//!
//! A verb may have two words, `lose packets 5%`. Without more it is the verb of one word, and
//! the second is its target: an actor may be called `packets`.

use std::fmt;
use std::str::FromStr;

use retake_core::time::{Exact, nanos, parse_duration};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::kinds::{self, GRAMMARS, Grammar};
use super::words::{Last, Tail, Words};
use super::{Fault, Target, When};
use crate::near::did_you_mean;

/// A fault's text does not parse, or is certainly a mistake.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("fault `{text}`: {problem}; {advice}")]
pub struct FaultError {
    text: String,
    problem: String,
    advice: String,
}

impl FaultError {
    /// What is wrong with a text whose kind is written in this form, if its kind is known.
    pub(super) fn new(text: String, problem: String, form: Option<&str>) -> Self {
        let advice = match form {
            Some(form) => {
                let part = if form.contains("PART") {
                    ", and PART is handle, pre_start, post_start, supervision or post_stop"
                } else {
                    ""
                };
                format!("write `{form}`, where WHEN is `step 120` or a time such as `1.5s`{part}")
            }
            None => {
                let verbs: Vec<&str> = kinds::verbs().collect();
                format!("there are {}: see docs/faults.md", verbs.join(", "))
            }
        };
        Self {
            text,
            problem,
            advice,
        }
    }
}

impl FromStr for Fault {
    type Err = FaultError;

    fn from_str(text: &str) -> Result<Self, FaultError> {
        let fault = parse(text)?;
        fault.check()?;
        Ok(fault)
    }
}

/// What a program has written is read as it is: [`Fault::check`] is for what people write.
impl<'de> Deserialize<'de> for Fault {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let text = String::deserialize(from)?;
        parse(&text).map_err(serde::de::Error::custom)
    }
}

impl Serialize for Fault {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(self)
    }
}

fn parse(text: &str) -> Result<Fault, FaultError> {
    // The time of a fault has no `@`; names may have one.
    let (head, tail) = match text.rsplit_once('@') {
        Some((head, tail)) => (head, Some(tail)),
        None => (text, None),
    };
    let (grammar, rest) = split_verb(head.trim())
        .map_err(|problem| FaultError::new(text.to_owned(), problem, None))?;
    parse_kind(grammar, rest, tail)
        .map_err(|problem| FaultError::new(text.to_owned(), problem, Some(grammar.form)))
}

fn parse_kind(grammar: &Grammar, rest: &str, tail: Option<&str>) -> Result<Fault, String> {
    let tail = tail.ok_or("`@` with a step or time is missing")?;
    let verb = grammar.verb;
    let (when, last) = split_when(tail)?;
    let mut words = Words { verb, rest, last };
    let siblings = words.siblings()?;
    let action = (grammar.parse)(&mut words)?;
    if let Some((word, _)) = words.last {
        return Err(format!("a {verb} has no `{word}`"));
    }
    if words.part().is_some() {
        return Err(format!("a {verb} has no `in`"));
    }
    if siblings > 0 && !action.ends_an_actor() {
        return Err(format!(
            "`{verb}` affects one task only: leave out the siblings"
        ));
    }
    let target = Target::from(words.rest);
    match (&target, action.has_target()) {
        (Target::Run, true) => return Err("the name of the target is missing".to_owned()),
        (Target::Run, false) | (_, true) => {}
        (_, false) => {
            return Err(format!("`{verb}` is about the whole run: it has no target"));
        }
    }
    Ok(Fault {
        target,
        action,
        when,
        siblings,
    })
}

/// The verb, and the rest.
fn split_verb(head: &str) -> Result<(&'static Grammar, &str), String> {
    let after = |verb: &str| match head.strip_prefix(verb)? {
        "" => Some(""),
        rest => rest.strip_prefix(' ').map(str::trim),
    };
    let of_verb = |grammar: &'static Grammar| Some((grammar, after(grammar.verb)?));
    let found = GRAMMARS.iter().filter_map(of_verb);
    let found = found.max_by_key(|(grammar, rest)| (!rest.is_empty(), grammar.verb.len()));
    found.ok_or_else(|| {
        let (word, _) = head.split_once(' ').unwrap_or((head, ""));
        let near = match &*did_you_mean(head, kinds::verbs()) {
            "" => did_you_mean(word, kinds::verbs()),
            near => near.to_owned(),
        };
        match word {
            "" => "its kind is missing".to_owned(),
            _ => format!("there is no such fault as `{word}`{near}"),
        }
    })
}

/// When, and `until` or `within` with its time.
fn split_when(tail: &str) -> Result<(When, Option<Last>), String> {
    const LAST: [&str; 2] = ["until", "within"];
    let mut words = tail.split_whitespace();
    let first = words.next().ok_or("there is no step or time after `@`")?;
    let when = match first.strip_prefix("step") {
        Some(step) => {
            let step = match step {
                "" => words.next().unwrap_or_default(),
                step => step,
            };
            match step.parse() {
                Ok(0) | Err(_) => return Err("the step must be a whole number from 1".to_owned()),
                Ok(step) => When::Step(step),
            }
        }
        None => When::At(parse_duration(first)?),
    };
    let Some(word) = words.next() else {
        return Ok((when, None));
    };
    let Some(last) = LAST.into_iter().find(|it| *it == word) else {
        let near = did_you_mean(word, LAST);
        return Err(format!("`{word}` has no meaning after the time{near}"));
    };
    let time = words
        .next()
        .ok_or_else(|| format!("there is no time after `{last}`"))?;
    let time = parse_duration(time)?;
    match words.next() {
        Some(word) => Err(format!("`{word}` has no meaning at the end")),
        None => Ok((when, Some((last, time)))),
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Tail { words, last } = self.action.tail();
        f.write_str(self.action.verb())?;
        if self.target != Target::Run {
            write!(f, " {}", self.target)?;
        }
        f.write_str(&words)?;
        match self.siblings {
            0 => {}
            1 => f.write_str(" with 1 sibling")?,
            count => write!(f, " with {count} siblings")?,
        }
        match self.when {
            When::Step(step) => write!(f, " @step {step}")?,
            When::At(time) => write!(f, " @{}", Exact(nanos(time)))?,
        }
        match last {
            Some((word, ns)) => write!(f, " {word} {}", Exact(ns)),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mistaken_fault_says_what_is_wrong() {
        for (text, expected) in [
            (
                "kill a",
                "`@` with a step or time is missing; write `kill NAME",
            ),
            ("kil a", "did you mean `kill`?"),
            ("@3s", "its kind is missing; there are kill, panic"),
            ("kill a @", "there is no step or time after `@`"),
            ("kill @3s", "name of the target is missing"),
            ("kill a @3", "lacks a unit"),
            ("kill a @3x", "no unit of time"),
            ("kill a @step 0", "whole number from 1"),
            ("kill a @step", "whole number from 1"),
            ("kill a @1s until 2s", "a kill has no `until`"),
            ("kill a in handle @1s", "`in await` only"),
            ("panic a in await @1s", "cannot be `in await`"),
            (
                "panic a in handel @1s",
                "no callback is called `handel`: did you mean `handle`?",
            ),
            ("fail a in prestart @1s", "did you mean `pre_start`"),
            ("kill a in awit @1s", "did you mean `await`?"),
            ("panic @1s", "PART is handle, pre_start"),
            ("delay a @1s", "needs `until TIME`"),
            (
                "delay a @1s untl 2s",
                "`untl` has no meaning after the time: did you mean `until`?",
            ),
            ("delay a @1s until", "no time after `until`"),
            ("delay a @1s until 2s 3s", "`3s` has no meaning at the end"),
            (
                "delay a @2s until 1s",
                "it ends at 1s, and begins no earlier than 2s",
            ),
            ("cut a -> b @2s until 2s", "it ends at 2s"),
            ("delay a in handle @1s until 2s", "has no `in`"),
            ("duplicate a in handle @1s", "has no `in`"),
            (
                "slow a @1s until 2s",
                "`by TIME` is missing; write `slow NAME [in pre_start] by TIME",
            ),
            ("slow a by 5 @1s until 2s", "`5` lacks a unit"),
            ("slow by 5ms @1s until 2s", "name of the target is missing"),
            ("slow a in handle by 1ms @1s", "`in pre_start` only"),
            ("slow a in pre_start by 1ms @1s until 2s", "has no `until`"),
            (
                "delay a with 2 siblings @1s until 2s",
                "affects one task only",
            ),
            ("kill a with many siblings @1s", "no number of siblings"),
            ("kill a with 2 @1s", "write `with 2 siblings`"),
            ("pause a @1s until 2s", "it has no target"),
            ("late a by 1ms @1s until 2s", "it has no target"),
            ("late @1s until 2s", "`by TIME` is missing"),
            ("clock 5 @1s", "lacks a unit"),
            ("clock wave 5s @1s", "`per TIME` is missing"),
            ("load x0 @1s", "from 1 to 1000"),
            ("load at most 0 @1s", "write `load at most 3`"),
            ("point @1s", "name of the place is missing"),
            ("heal @1s until 2s", "a heal has no `until`"),
            ("buggify it @1s", "`buggify` is about the whole run"),
            ("break timeout @1s", "the name of what fails is missing"),
            ("break ledger @1s", "how the service fails is missing"),
            ("break ledger timout @1s", "did you mean `timeout`?"),
            ("break ledger slow @1s", "write `slow by 50ms`"),
            ("break ledger slow 5ms @1s", "write `slow by 50ms`"),
            ("break ledger slow by 5 @1s", "`5` lacks a unit"),
            (
                "break ledger quota rate 0.1 @1s",
                "a percentage such as `5%`",
            ),
            ("break ledger quota rate 0% @1s", "from 0.0001% to 100%"),
            ("break ledger quota rate 101% @1s", "from 0.0001% to 100%"),
            (
                "break ledger quota @1s within 5s",
                "a break has no `within`",
            ),
            ("break ledger quota @1s until soon", "`soon`"),
            ("braek ledger quota @1s", "did you mean `break`?"),
            ("cut a @1s", "`a` is no link: write `A -> B`"),
            ("cut a - b @1s within 2s", "a cut has no `within`"),
            ("reset a -> b @1s until 2s", "a reset has no `until`"),
            ("lose packets 5 @1s", "`5` is no share"),
            ("lose packets on a - b @1s", "`on a - b` is no share"),
            ("lose packets 5% on a @1s", "`a` is no link"),
            (
                "lose packet 5% @1s",
                "no `lose packet`: did you mean `lose packets`?; write `lose packets 5%",
            ),
            (
                "delay pakets by 5ms @1s until 2s",
                "did you mean `delay packets`?",
            ),
            ("fail disks reads @1s", "did you mean `fail disk`?"),
            ("delay packets 5ms @1s", "`by TIME` is missing"),
            ("duplicate packets 0% @1s", "from 0.0001% to 100%"),
            ("reorder @1s", "did you mean `reorder packets`?"),
            ("loose packets 5% @1s", "did you mean `lose packets`?"),
            ("crash disk @1s until 2s", "a crash disk has no `until`"),
            ("fail disk files @1s", "write reads or syncs or writes"),
            (
                "fail disk writs @1s",
                "`writs` is no kind of operation: did you mean `writes`?",
            ),
            ("shorten disk syncs @1s", "write reads or writes"),
            ("corrupt disk writes @1s", "write reads,"),
            ("corrupt disk reads 200% @1s", "a share comes after `rate`"),
            ("fail disk reads rate 5 @1s", "`5` is no share"),
            ("crash dsk @1s", "did you mean `crash disk`?"),
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
        let mut verbs = std::collections::BTreeSet::new();
        for text in [
            "kill a/b#2 @step 7",
            "kill a@b @1s",
            "lose packet @1s",
            "kill a in await @1s",
            "kill pool/* @1s",
            "kill *supervised with 2 siblings @step 3",
            "panic a @1500000001ns",
            "panic a in pre_start @step 1",
            "fail a in supervision with 1 sibling @1s",
            "fail a in post_stop @1s",
            "panic a in post_start @1s",
            "stop a b in c @1s",
            "drain a @1s",
            "lose a @1s",
            "duplicate a @1s",
            "delay a @2us until 3s",
            "slow a by 5ms @2us until 3s",
            "slow standby by 5ms @2us until 3s",
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
            "load at most 3 @step 1",
            "buggify @1s",
            "point pool: checks in twice @step 9",
            "break ledger unavailable @step 1",
            "break ledger timeout rate 0.5% @1s",
            "break check-in quota @1s until 2s",
            "break a b denied @1s",
            "break * corrupt @1s",
            "break ledger slow by 50ms rate 10% @1s until 2s",
            "cut client -> server @1s",
            "cut client - server @1s until 2s",
            "cut * - server @step 3",
            "reset client - server @1s",
            "lose packets 5% @1s until 2s",
            "lose packets 0.1% on a -> b @1s",
            "delay packets by 5ms @1s",
            "delay packets by 5ms rate 10% on a - b @1s until 2s",
            "duplicate packets 5% @1s",
            "reorder packets 5% on * -> b @1s",
            "crash disk @1s",
            "crash disk log @step 3",
            "fill disk @1s until 2s",
            "fill disk log @1s",
            "fail disk reads rate 5% @1s",
            "fail disk log syncs @1s until 2s",
            "fail disk @1s",
            "shorten disk log writes rate 50% @1s",
            "corrupt disk reads rate 1% @1s",
            "lose packets @1s",
            "delay packets @1s until 2s",
            "heal @step 9",
            "heal @1s within 60s",
        ] {
            let fault: Fault = text.parse().unwrap();
            assert_eq!(fault.to_string(), text);
            verbs.insert(fault.action.verb());
            let again = serde_json::from_str::<Fault>(&serde_json::to_string(&fault).unwrap());
            assert_eq!(again.unwrap(), fault);
        }
        let all: std::collections::BTreeSet<&str> = kinds::verbs().collect();
        assert_eq!(verbs, all, "a kind has no example above");
    }
}
