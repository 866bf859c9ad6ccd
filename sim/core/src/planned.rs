//! Faults of a run as lines of text, for simulators that do not read what people write.
//!
//! The grammar for people is in `retake-traces`. A simulator needs the target of a fault, its time, its
//! moment and its effect. Here they are one line.

use std::time::Duration;

use crate::disk::{DiskFailureKind, DiskOperation};
use crate::fault::{Effect, Moment, Skew, Target, When};
use crate::packet::{Link, PacketChange};
use crate::service::{ServiceFailure, Share};
use crate::step::StepKind;
use crate::time::nanos;

/// Between the fields of a line. No field has it.
const TAB: char = '\t';
/// A field that is not given.
const NONE: &str = "-";
/// In front of a text that is given.
const SOME: &str = "=";

/// What a simulator needs to know of a fault.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PlannedFault {
    /// What it affects.
    pub target: Target,
    /// When its time comes.
    pub when: When,
    /// What has to happen then before it has its effect.
    pub moment: Moment,
    /// What it does.
    pub effect: Effect,
}

impl PlannedFault {
    /// It as a line.
    ///
    /// # Errors
    /// If a name in it has a tab or the end of a line.
    pub fn to_line(&self) -> Result<String, String> {
        let when = match self.when {
            When::Step(step) => format!("step {step}"),
            When::At(time) => format!("at {}", nanos(time)),
        };
        let mut fields = vec![when, self.target.to_string(), moment_text(self.moment)];
        fields.extend(effect_fields(&self.effect));
        match fields.iter().find(|field| field.contains([TAB, '\n'])) {
            Some(field) => Err(format!(
                "{field:?} has a tab or a line end, which no name in a fault may have"
            )),
            None => Ok(fields.join("\t")),
        }
    }

    /// What such a line says; none of one that is wrong.
    #[must_use]
    pub fn of_line(line: &str) -> Option<Self> {
        let mut fields = line.split(TAB);
        let (word, number) = fields.next()?.split_once(' ')?;
        let number = number.parse().ok()?;
        let when = match word {
            "step" => When::Step(number),
            "at" => When::At(Duration::from_nanos(number)),
            _ => return None,
        };
        let target = Target::from(fields.next()?);
        let moment = moment_of(fields.next()?)?;
        let effect = effect_of(&mut fields)?;
        fields.next().is_none().then_some(Self {
            target,
            when,
            moment,
            effect,
        })
    }
}

const MOMENTS: [(&str, Moment); 7] = [
    ("run", Moment::Run),
    ("task", Moment::Task),
    ("await", Moment::Await),
    ("start", Moment::Start),
    ("place", Moment::Place),
    ("request", Moment::Request),
    ("packet", Moment::Packet),
];

fn moment_text(moment: Moment) -> String {
    if let Moment::Callback(kind) = moment {
        return format!("callback {}", kind as u8);
    }
    let found = MOMENTS.iter().find(|(_, it)| *it == moment);
    found.map_or_else(String::new, |(word, _)| (*word).to_owned())
}

fn moment_of(text: &str) -> Option<Moment> {
    if let Some(number) = text.strip_prefix("callback ") {
        let kind = StepKind::ALL.get(number.parse::<usize>().ok()?)?;
        return Some(Moment::Callback(*kind));
    }
    let found = MOMENTS.iter().find(|(word, _)| *word == text);
    found.map(|(_, moment)| *moment)
}

fn given(text: Option<&str>) -> String {
    text.map_or_else(|| NONE.to_owned(), |text| format!("{SOME}{text}"))
}

fn given_ns(ns: Option<u64>) -> String {
    ns.map_or_else(|| NONE.to_owned(), |ns| ns.to_string())
}

fn effect_fields(effect: &Effect) -> Vec<String> {
    let mut fields = Vec::new();
    let word = match effect {
        Effect::Kill => "kill",
        Effect::Stop => "stop",
        Effect::Drain => "drain",
        Effect::Panic => "panic",
        Effect::Fail => "fail",
        Effect::Lose => "lose",
        Effect::Duplicate => "duplicate",
        Effect::Buggify => "buggify",
        Effect::Delay { until_ns } => numbers(&mut fields, "delay", &[*until_ns]),
        Effect::Slow { by_ns, until_ns } => numbers(&mut fields, "slow", &[*by_ns, *until_ns]),
        Effect::StartLate { by_ns } => numbers(&mut fields, "start late", &[*by_ns]),
        Effect::TakeName { until_ns } => numbers(&mut fields, "take name", &[*until_ns]),
        Effect::Pause { until_ns } => numbers(&mut fields, "pause", &[*until_ns]),
        Effect::LateTimers { by_ns, until_ns } => {
            numbers(&mut fields, "late", &[*by_ns, *until_ns])
        }
        Effect::CoalescedTimers { to_ns, until_ns } => {
            numbers(&mut fields, "coalesce", &[*to_ns, *until_ns])
        }
        Effect::Load { times } => numbers(&mut fields, "load", &[u64::from(*times)]),
        Effect::LimitLoad { most } => numbers(&mut fields, "limit load", &[u64::from(*most)]),
        Effect::WallClock { skew, until_ns } => {
            let word = match skew {
                Skew::Step(by) => signed(&mut fields, "clock step", *by),
                Skew::Drift(by) => signed(&mut fields, "clock drift", *by),
                Skew::Wave { by_ns, period_ns } => {
                    numbers(&mut fields, "clock wave", &[*by_ns, *period_ns])
                }
            };
            fields.push(given_ns(*until_ns));
            word
        }
        Effect::Misbehave { place } => {
            fields.push(place.clone());
            "misbehave"
        }
        Effect::BreakService {
            service,
            failure,
            share,
            until_ns,
        } => {
            let slow = match failure {
                ServiceFailure::Slow(time) => Some(nanos(*time)),
                _ => None,
            };
            fields.extend([
                given(service.as_deref()),
                failure.word().to_owned(),
                given_ns(slow),
                share.to_string(),
                given_ns(*until_ns),
            ]);
            "service"
        }
        Effect::ChangePackets {
            link,
            change,
            share,
            until_ns,
        } => {
            let by = match change {
                PacketChange::Late { by_ns } => Some(*by_ns),
                _ => None,
            };
            let link = link.as_ref().map(ToString::to_string);
            fields.extend([
                given(link.as_deref()),
                change.word().to_owned(),
                given_ns(by),
                share.to_string(),
                given_ns(*until_ns),
            ]);
            "packets"
        }
        Effect::BreakDisk {
            disk,
            operation,
            failure,
            share,
            until_ns,
        } => {
            fields.extend([
                given(disk.as_deref()),
                given(operation.map(DiskOperation::word)),
                failure.word().to_owned(),
                share.to_string(),
                given_ns(*until_ns),
            ]);
            "disk"
        }
        Effect::Heal { within_ns } => {
            fields.push(given_ns(*within_ns));
            "heal"
        }
    };
    fields.insert(0, word.to_owned());
    fields
}

fn numbers(fields: &mut Vec<String>, word: &'static str, numbers: &[u64]) -> &'static str {
    fields.extend(numbers.iter().map(ToString::to_string));
    word
}

fn signed(fields: &mut Vec<String>, word: &'static str, number: i64) -> &'static str {
    fields.push(number.to_string());
    word
}

/// The fields of a line that follow the word of its effect.
struct Fields<'a, I>(&'a mut I);

impl<'a, I: Iterator<Item = &'a str>> Fields<'_, I> {
    fn text(&mut self) -> Option<&'a str> {
        self.0.next()
    }

    fn number<T: std::str::FromStr>(&mut self) -> Option<T> {
        self.text()?.parse().ok()
    }

    fn given(&mut self) -> Option<Option<&'a str>> {
        match self.text()? {
            NONE => Some(None),
            text => text.strip_prefix(SOME).map(Some),
        }
    }

    fn given_ns(&mut self) -> Option<Option<u64>> {
        match self.text()? {
            NONE => Some(None),
            text => text.parse().ok().map(Some),
        }
    }

    fn share(&mut self) -> Option<Share> {
        Share::parse(self.text()?).ok()
    }
}

fn effect_of<'a>(fields: &mut impl Iterator<Item = &'a str>) -> Option<Effect> {
    let mut fields = Fields(fields);
    let word = fields.text()?;
    Some(match word {
        "kill" => Effect::Kill,
        "stop" => Effect::Stop,
        "drain" => Effect::Drain,
        "panic" => Effect::Panic,
        "fail" => Effect::Fail,
        "lose" => Effect::Lose,
        "duplicate" => Effect::Duplicate,
        "buggify" => Effect::Buggify,
        "delay" => Effect::Delay {
            until_ns: fields.number()?,
        },
        "slow" => Effect::Slow {
            by_ns: fields.number()?,
            until_ns: fields.number()?,
        },
        "start late" => Effect::StartLate {
            by_ns: fields.number()?,
        },
        "take name" => Effect::TakeName {
            until_ns: fields.number()?,
        },
        "pause" => Effect::Pause {
            until_ns: fields.number()?,
        },
        "late" => Effect::LateTimers {
            by_ns: fields.number()?,
            until_ns: fields.number()?,
        },
        "coalesce" => Effect::CoalescedTimers {
            to_ns: fields.number()?,
            until_ns: fields.number()?,
        },
        "load" => Effect::Load {
            times: fields.number()?,
        },
        "limit load" => Effect::LimitLoad {
            most: fields.number()?,
        },
        "clock step" | "clock drift" | "clock wave" => {
            let skew = match word {
                "clock step" => Skew::Step(fields.number()?),
                "clock drift" => Skew::Drift(fields.number()?),
                _ => Skew::Wave {
                    by_ns: fields.number()?,
                    period_ns: fields.number()?,
                },
            };
            let until_ns = fields.given_ns()?;
            Effect::WallClock { skew, until_ns }
        }
        "misbehave" => Effect::Misbehave {
            place: fields.text()?.to_owned(),
        },
        "heal" => Effect::Heal {
            within_ns: fields.given_ns()?,
        },
        _ => return request_of(word, &mut fields),
    })
}

/// What affects requests or packets.
fn request_of<'a, I: Iterator<Item = &'a str>>(
    word: &str,
    fields: &mut Fields<'_, I>,
) -> Option<Effect> {
    let named = fields.given()?;
    Some(match word {
        "service" => {
            let (word, slow) = (fields.text()?, fields.given_ns()?);
            let failure = match slow {
                Some(ns) => ServiceFailure::Slow(Duration::from_nanos(ns)),
                None => ServiceFailure::of_word(word)?,
            };
            Effect::BreakService {
                service: named.map(str::to_owned),
                failure,
                share: fields.share()?,
                until_ns: fields.given_ns()?,
            }
        }
        "packets" => {
            let (word, by) = (fields.text()?, fields.given_ns()?);
            let change = match word {
                "cut" => PacketChange::Cut,
                "lost" => PacketChange::Lost,
                "late" => PacketChange::Late { by_ns: by? },
                "twice" => PacketChange::Twice,
                "overtaken" => PacketChange::Overtaken,
                "reset" => PacketChange::Reset,
                _ => return None,
            };
            let link = match named {
                Some(link) => Some(Link::parse(link).ok()?),
                None => None,
            };
            Effect::ChangePackets {
                link,
                change,
                share: fields.share()?,
                until_ns: fields.given_ns()?,
            }
        }
        "disk" => {
            let operation = match fields.given()? {
                Some(word) => Some(DiskOperation::of_word(word)?),
                None => None,
            };
            let failure = DiskFailureKind::of_word(fields.text()?)?;
            Effect::BreakDisk {
                disk: named.map(str::to_owned),
                operation,
                failure,
                share: fields.share()?,
                until_ns: fields.given_ns()?,
            }
        }
        _ => return None,
    })
}
