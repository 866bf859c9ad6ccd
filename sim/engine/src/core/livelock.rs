//! Livelocks: steps that repeat at one instant while nothing new happens.
//!
//! A burst is no livelock: a hundred thousand actors may start at one instant, or handle
//! the messages of a loop. So what counts is how long nothing new has happened: every step
//! was one that its task had taken before at this instant, by its callback and the kind of
//! its message. Steps that only resume, as those of `loop { yield_now().await }`, are called
//! a livelock soon. Where messages are handled it takes longer, since a mailbox may have to
//! be emptied, or a loop of calls may have an end.

use retake_traces::record::StepKind;

use super::Core;
use crate::identity::LabelId;
use crate::outcome::Outcome;

/// Steps that are kept, to tell which tasks took turns before the end.
const KEPT: usize = 1_000;
/// So many times as many steps as of other livelocks, where messages are handled.
const WITH_MESSAGES: u64 = 25;
/// Each task that takes part has taken so many of the steps on average: many tasks that go
/// on a few times each are a burst.
const TURNS_EACH: u64 = 50;
/// So many times as many steps at one instant are a livelock even if there is something new
/// all the time, such as a task that is started.
const WITH_NEWS: u64 = 1_000;
/// Steps of a livelock whose texts are recorded.
const SAMPLED: usize = 200;
/// Longest loop that is recognised, in steps.
const LOOP_MAX: usize = 24;
/// Tasks that are named.
const NAMED_MAX: usize = 5;

/// What a step contributes to recognising a livelock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct TurnKey {
    label: LabelId,
    kind: StepKind,
    message: u16,
}

/// What is known of the turns that tasks take.
#[derive(Debug, Default)]
pub(crate) struct Turns {
    /// The last steps, as a ring.
    recent: Vec<TurnKey>,
    next: usize,
    /// The step at which something new happened last.
    new_at: u64,
    /// How often something new has happened, to tell tasks that took part since.
    window: u32,
    /// How many tasks did.
    took_part: u64,
    /// The last step that began a callback.
    began_at: u64,
    /// How often virtual time has moved.
    instant: u32,
    /// Of a livelock: its steps with their texts.
    sample: Option<Vec<String>>,
}

impl Turns {
    pub(crate) fn time_moved(&mut self, steps: u64) {
        self.instant = self.instant.wrapping_add(1);
        self.is_new_at(steps);
    }

    fn is_new_at(&mut self, step: u64) {
        self.new_at = step;
        self.window = self.window.wrapping_add(1);
        self.took_part = 0;
        self.sample = None;
    }

    /// Steps since something new happened.
    #[inline]
    pub(super) fn since_new(&self, steps: u64) -> u64 {
        steps - self.new_at
    }

    /// A livelock is being looked at: texts of messages are wanted.
    pub(crate) fn wants_texts(&self) -> bool {
        self.sample.is_some()
    }

    fn keep(&mut self, taken: TurnKey) {
        if self.recent.len() < KEPT {
            self.recent.push(taken);
        } else {
            self.recent[self.next] = taken;
        }
        self.next = (self.next + 1) % KEPT;
    }

    /// The last steps, the oldest first.
    fn in_order(&self) -> impl Iterator<Item = &TurnKey> {
        let start = if self.recent.len() < KEPT {
            0
        } else {
            self.next
        };
        self.recent[start..].iter().chain(&self.recent[..start])
    }
}

impl Core {
    /// A step begins.
    #[inline]
    pub(super) fn note_turn(&mut self, slot: u32, kind: StepKind, message: u16) {
        let Some(task) = self.tasks.get_mut(slot) else {
            return;
        };
        let turns = &mut self.turns;
        let steps = self.stats.steps;
        let bit = 1_u32 << ((kind as u32 * 5 + u32::from(message)) % 32);
        let deeds = &mut task.deeds;
        if deeds.instant != turns.instant {
            deeds.instant = turns.instant;
            deeds.kinds = 0;
        }
        if deeds.kinds & bit == 0 {
            deeds.kinds |= bit;
            turns.is_new_at(steps);
        }
        if deeds.window != turns.window {
            deeds.window = turns.window;
            turns.took_part += 1;
        }
        if kind != StepKind::Resume {
            turns.began_at = steps;
        }
        let label = task.label;
        turns.keep(TurnKey {
            label,
            kind,
            message,
        });
        if turns.sample.is_some() {
            self.sample_turn(slot, kind, message);
        }
    }

    #[cold]
    fn sample_turn(&mut self, slot: u32, kind: StepKind, message: u16) {
        let Some(task) = self.tasks.get(slot) else {
            return;
        };
        let text = task.about.as_ref().and_then(|about| about.text.clone());
        let label = task.label;
        let text = text.filter(|_| matches!(kind, StepKind::Handle | StepKind::Supervision));
        let text = text.map(|text| self.clean(text));
        let line = self.turn(label, kind, message, text);
        if let Some(sample) = &mut self.turns.sample {
            sample.push(line);
        }
    }

    /// What a task did in a step, in words.
    fn turn(&self, label: LabelId, kind: StepKind, message: u16, text: Option<String>) -> String {
        let who = self.labels.text(label);
        let what = kind.verb();
        match (kind, text) {
            (_, Some(text)) => format!("{who} {what} {text}"),
            (StepKind::Handle, None) => format!("{who} {what} message {message}"),
            _ => format!("{who} {what}"),
        }
    }

    /// Whether steps have gone on at one instant for long.
    #[inline]
    pub(super) fn may_be_livelock(&self) -> bool {
        let limit = self.config.livelock_steps;
        let steps = self.stats.steps;
        self.turns.since_new(steps) >= limit
            || steps - self.step_of_last_move >= limit.saturating_mul(WITH_NEWS)
    }

    /// More steps than usual have been taken at one instant: end the run if it is a livelock.
    pub(super) fn look_for_livelock(&mut self) {
        let limit = self.config.livelock_steps;
        let steps = self.stats.steps;
        let turns = &self.turns;
        let since_new = turns.since_new(steps);
        let since_began = steps - turns.began_at.max(turns.new_at);
        let is_shared = since_new / turns.took_part.max(1) < TURNS_EACH;
        let goes_on = since_began >= limit;
        let exchanges = since_new >= limit.saturating_mul(WITH_MESSAGES);
        let at_one_instant = steps - self.step_of_last_move >= limit.saturating_mul(WITH_NEWS);
        let is_livelock = !is_shared && (goes_on || exchanges);
        if at_one_instant {
            // Something is new all the time, so no loop would be seen to its end.
            let lines: Vec<String> = self
                .turns
                .in_order()
                .map(|it| self.turn(it.label, it.kind, it.message, None))
                .collect();
            return self.finish(Outcome::Livelock {
                busy: self.busy(),
                repeats: repeated(&lines),
            });
        }
        let is_sampled = match &mut self.turns.sample {
            None if is_livelock => {
                self.turns.sample = Some(Vec::new());
                false
            }
            None => return,
            Some(sample) => sample.len() >= SAMPLED,
        };
        if is_sampled {
            let sample = self.turns.sample.take().unwrap_or_default();
            self.finish(Outcome::Livelock {
                busy: self.busy(),
                repeats: repeated(&sample),
            });
        }
    }

    /// The tasks that took most of the last steps, with their share in percent.
    pub(crate) fn busy(&self) -> Vec<(String, u32)> {
        let mut counts: Vec<(LabelId, u32)> = Vec::new();
        for taken in self.turns.in_order() {
            match counts.iter_mut().find(|(label, _)| *label == taken.label) {
                Some((_, count)) => *count += 1,
                None => counts.push((taken.label, 1)),
            }
        }
        let total = self.turns.recent.len().max(1) as u32;
        let mut busy: Vec<(String, u32)> = counts
            .into_iter()
            .map(|(label, count)| (self.labels.text(label), count * 100 / total))
            .collect();
        busy.sort_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
        busy.truncate(NAMED_MAX);
        busy
    }
}

/// The steps that repeat at the end, as one round of the loop; empty if there is no loop.
fn repeated(steps: &[String]) -> Vec<String> {
    // Numbers count the rounds.
    let plain: Vec<String> = steps.iter().map(|step| without_numbers(step)).collect();
    for length in 1..=LOOP_MAX.min(plain.len() / 4) {
        let tail = &plain[plain.len() - 4 * length..];
        if tail[length..]
            .iter()
            .zip(tail)
            .all(|(step, before)| step == before)
        {
            return steps[steps.len() - length..].to_vec();
        }
    }
    Vec::new()
}

fn without_numbers(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '0'..='9' if plain.ends_with('#') => {}
            '0'..='9' => plain.push('#'),
            c => plain.push(c),
        }
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::repeated;

    #[test]
    fn the_shortest_loop_is_found_whatever_it_counts() {
        let round = |number: u32| {
            [
                "waiter resumes".to_owned(),
                format!("server handles Try({number})"),
            ]
        };
        let steps: Vec<String> = (8..13).flat_map(round).collect();
        assert_eq!(
            repeated(&steps),
            ["waiter resumes", "server handles Try(12)"]
        );
        assert!(repeated(&steps[..3]).is_empty());
        let odd = ["a", "b", "a", "a", "b", "b", "a"].map(str::to_owned);
        assert!(repeated(&odd).is_empty());
    }
}
