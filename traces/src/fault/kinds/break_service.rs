use bincode::{Decode, Encode};
use retake_core::fault::{Effect, Moment};
use retake_core::service::{ServiceFailure, Share};
use retake_core::time::{Exact, nanos, parse_duration};
use serde::Serialize;

use super::{Kind, and_until};
use crate::fault::recipe::{Dice, Recipe};
use crate::fault::words::{ANY, Tail, Words, name_of};
use crate::fault::{Fault, Target};
use crate::near::did_you_mean;

/// Requests of a service (`retake::service`) fail.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, Serialize)]
pub struct BreakService {
    /// The name of the service; none means the first one that is asked.
    pub service: Option<String>,
    /// How they fail.
    pub failure: ServiceFailure,
    /// How many of them; which ones, the seed draws.
    pub share: Share,
    /// Until this time, in nanoseconds of virtual time since the start of the run; without
    /// it, to the end of the run.
    pub until_ns: Option<u64>,
}

impl Kind for BreakService {
    const VERB: &'static str = "break";
    const FORM: &'static str = "break SERVICE KIND [rate 10%] @WHEN [until TIME]";
    // Whether a system survives a service that fails is for its scenario to say.
    const RECIPES: &'static [Recipe] = &[Recipe::unusual("service", draw)];

    fn parse(words: &mut Words<'_>) -> Result<Self, String> {
        let until_ns = words.last("until").map(nanos);
        let share = words.rate()?;
        let rest = words.take_rest();
        let (service, failure) = if let Some((service, time)) = rest.rsplit_once(" slow by ") {
            (service, ServiceFailure::Slow(parse_duration(time.trim())?))
        } else {
            let (service, word) = rest.rsplit_once(' ').unwrap_or(match rest {
                word if ServiceFailure::words().any(|it| it == word) => ("", word),
                service => (service, ""),
            });
            let failure = ServiceFailure::of_word(word).ok_or_else(|| unknown(rest, word))?;
            (service, failure)
        };
        Ok(Self {
            service: name_of(service)?,
            failure,
            share,
            until_ns,
        })
    }

    fn tail(&self) -> Tail {
        let service = self.service.as_deref().unwrap_or(ANY);
        let how = match self.failure {
            ServiceFailure::Slow(time) => format!("slow by {}", Exact(nanos(time))),
            other => other.word().to_owned(),
        };
        Tail::new(format!(" {service} {how}"))
            .rate(self.share)
            .maybe_until(self.until_ns)
    }

    fn moment(&self) -> Moment {
        Moment::Request
    }

    fn effect(&self) -> Effect {
        let Self {
            service,
            failure,
            share,
            until_ns,
        } = self.clone();
        Effect::BreakService {
            service,
            failure,
            share,
            until_ns,
        }
    }

    fn describe(&self) -> String {
        let service = self.service.as_deref().unwrap_or("the next service");
        let requests = match self.share {
            share if share.is_all() => "its requests".to_owned(),
            share => format!("{share} of its requests"),
        };
        let failure = self.failure;
        let until = and_until(self.until_ns);
        format!("{service} is broken: {requests} end as {failure}{until}")
    }
}

fn unknown(text: &str, word: &str) -> String {
    const SLOW: &str = "slow";
    if text.split(' ').any(|it| it == SLOW) {
        return "`slow` needs its time: write `slow by 50ms`".to_owned();
    }
    let words = "unavailable, timeout, quota, denied, corrupt or `slow by TIME`";
    if word.is_empty() {
        return format!("how the service fails is missing: write {words}");
    }
    let near = did_you_mean(word, ServiceFailure::words());
    format!("a service does not fail as `{word}`{near}; write {words}")
}

/// Break the service that is asked next, for a while.
fn draw(dice: &mut Dice<'_>) -> Vec<Fault> {
    let failure = match dice.below(6) {
        0 => ServiceFailure::Unavailable,
        1 => ServiceFailure::Timeout,
        2 => ServiceFailure::QuotaExceeded,
        3 => ServiceFailure::PermissionDenied,
        4 => ServiceFailure::Corrupt,
        _ => ServiceFailure::Slow(std::time::Duration::from_nanos(dice.by_ns)),
    };
    let broken = BreakService {
        service: None,
        failure,
        share: dice.share(),
        until_ns: None,
    };
    vec![Fault::new(Target::Run, broken).at_step(dice.at)]
}
