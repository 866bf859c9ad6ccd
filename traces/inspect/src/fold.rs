//! Repetitions of a story as one line each.
//!
//! A client that polls, a timer that ticks and a supervisor that restarts for ever repeat a
//! few lines many times. [`fold`] shows the first round of them and counts the others.

use crate::story::{Line, seconds, shorten};
use retake_traces::counted;
use retake_traces::event::Occurrence;
use retake_traces::record::StepKind;

/// The longest round, in lines, and the fewest rounds that are folded.
const ROUND_MAX: usize = 8;
const ROUNDS_MIN: usize = 3;

/// A part of a story.
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(
    clippy::large_enum_variant,
    reason = "nearly all passages are lines, and they are few"
)]
pub enum Passage {
    /// One line.
    Line(Line),
    /// Further rounds of the lines before it.
    Repeated {
        /// The last of these rounds.
        round: Vec<Line>,
        /// How many rounds follow the first, which is shown.
        times: usize,
    },
    /// So many lines that are not shown.
    LeftOut(usize),
}

impl Passage {
    /// Lines that it has or is short for.
    #[must_use]
    pub fn count(&self) -> usize {
        match self {
            Self::Line(_) => 1,
            Self::Repeated { round, times } => round.len() * times,
            Self::LeftOut(count) => *count,
        }
    }

    /// The line, if it is one.
    #[must_use]
    pub fn lines(&self) -> &[Line] {
        match self {
            Self::Line(line) => std::slice::from_ref(line),
            Self::Repeated { .. } | Self::LeftOut(_) => &[],
        }
    }

    /// As one line of at most `width` characters; 0 means no limit.
    #[must_use]
    pub fn to_text(&self, width: usize) -> String {
        match self {
            Self::Line(line) => line.to_text(width),
            Self::LeftOut(count) => format!("  ({} left out)", counted(*count, "line")),
            Self::Repeated { round, times } => {
                let until = round.last().map_or(0, |line| line.now_ns);
                let of_step = round.last().map_or(0, |line| line.step);
                let until = format!("until {} s, step {of_step}", short_seconds(until));
                let what = match &round[..] {
                    [line] => format!("({times} more times {until}: {})", act(line)),
                    lines => {
                        let lines: Vec<String> = lines.iter().map(act).collect();
                        format!("({times} more times {until}: {})", lines.join(", "))
                    }
                };
                shorten(&format!("  {what}"), width)
            }
        }
    }
}

/// Who does what.
fn act(line: &Line) -> String {
    if line.who.is_empty() {
        return line.what();
    }
    format!("`{}` {}", line.who, line.what())
}

/// Seconds without the zeros at their end.
fn short_seconds(ns: u64) -> String {
    let text = seconds(ns);
    let text = text.trim_end_matches('0');
    text.trim_end_matches('.').to_owned()
}

/// What lines of one kind have in common: numbers count up. Those of tasks and actors that
/// start have a name in common; all others are of one task.
fn shape(line: &Line) -> String {
    let starts = match line.occurrence {
        Occurrence::Step(step) => matches!(step.kind, StepKind::Task | StepKind::PostStart),
        Occurrence::Task(_) => true,
        _ => false,
    };
    let (mut shape, text) = match starts {
        true => (String::new(), act(line)),
        false => (format!("{} ", line.who), line.what()),
    };
    for c in text.chars() {
        match c {
            '0'..='9' if shape.ends_with('0') => {}
            '0'..='9' => shape.push('0'),
            c => shape.push(c),
        }
    }
    shape
}

/// Fold what repeats: three rounds or more of up to eight lines. Lines that `keep` is true
/// for stay lines of their own.
#[must_use]
pub fn fold(lines: Vec<Line>, keep: impl Fn(&Line) -> bool) -> Vec<Passage> {
    let shapes = lines.iter().enumerate();
    let shapes: Vec<String> = shapes
        .map(|(place, line)| match keep(line) {
            // Like no other.
            true => format!("\0{place}"),
            false => shape(line),
        })
        .collect();
    let mut passages = Vec::new();
    let mut rest = lines.into_iter();
    let mut place = 0;
    while place < shapes.len() {
        let (round, times) = rounds(&shapes[place..]);
        passages.extend(rest.by_ref().take(round).map(Passage::Line));
        if times > 1 {
            let skipped = round * (times - 2);
            let last = rest.by_ref().skip(skipped).take(round).collect();
            passages.push(Passage::Repeated {
                round: last,
                times: times - 1,
            });
        }
        place += round * times;
    }
    passages
}

/// The length of the round that these lines begin with, and how often it comes in a row: the
/// shortest round that covers the most.
fn rounds(shapes: &[String]) -> (usize, usize) {
    let mut best = (1, 1);
    for round in 1..=ROUND_MAX.min(shapes.len() / ROUNDS_MIN) {
        let first = &shapes[..round];
        let same = shapes.chunks_exact(round);
        let times = same.take_while(|chunk| *chunk == first).count();
        if times >= ROUNDS_MIN && times * round > best.0 * best.1 {
            best = (round, times);
        }
    }
    best
}

/// The lines as one passage: as further rounds, where they are nothing else, or as lines that
/// are left out.
#[must_use]
pub fn left_out(lines: &[&Line]) -> Passage {
    let shapes: Vec<String> = lines.iter().map(|line| shape(line)).collect();
    let (round, times) = rounds(&shapes);
    if times == 1 || round * times < lines.len() {
        return Passage::LeftOut(lines.len());
    }
    let last = lines[lines.len() - round..].iter();
    Passage::Repeated {
        round: last.map(|line| (*line).clone()).collect(),
        times,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use retake_traces::event::WholeEvent;
    use retake_traces::record::{Choice, Step};

    fn line(step: u64, who: &str, text: &str) -> Line {
        Line::from(WholeEvent {
            step,
            now_ns: step * 1_000_000,
            task: Some(0),
            who: who.into(),
            occurrence: Occurrence::Step(Step {
                elapsed_ns: 0,
                task: 0,
                kind: StepKind::Handle,
                message: 0,
                choice: Choice::Fifo,
            }),
            detail: Some(text.to_owned()),
            cause: None,
            child: None,
            state: None,
        })
    }

    fn told(lines: &[(&str, &str)]) -> Vec<String> {
        let lines = lines.iter().enumerate();
        let lines = lines.map(|(place, (who, text))| line(place as u64 + 1, who, text));
        let passages = fold(lines.collect(), |_| false);
        passages.iter().map(|it| it.to_text(100)).collect()
    }

    #[test]
    fn a_tick_that_repeats_is_one_line_with_its_end() {
        let mut lines = vec![("client", "Start")];
        lines.resize(24, ("client", "Tick"));
        lines.push(("server", "Get"));
        let told = told(&lines);
        assert_eq!(told.len(), 4, "{told:#?}");
        assert_eq!(
            told[2],
            "  (22 more times until 0.024 s, step 24: `client` handles Tick)"
        );
    }

    #[test]
    fn a_loop_of_several_steps_is_folded_and_numbers_in_it_may_count_up() {
        let texts: Vec<String> = (0..7).map(|number| format!("Retry({number})")).collect();
        let mut lines = Vec::new();
        for text in &texts {
            lines.extend([("a", text.as_str()), ("b", "Refuse")]);
        }
        let told = told(&lines);
        assert_eq!(told.len(), 3, "{told:#?}");
        assert_eq!(
            told[2],
            "  (6 more times until 0.014 s, step 14: `a` handles Retry(6), `b` handles Refuse)"
        );
    }

    #[test]
    fn what_is_left_out_and_repeats_is_named() {
        let ticks = |who: [&'static str; 2]| -> Vec<Line> {
            (1..=8)
                .map(|step| line(step, who[step as usize % 2], "Tick"))
                .collect()
        };
        let text = |lines: Vec<Line>| left_out(&lines.iter().collect::<Vec<_>>()).to_text(100);
        let one = "  (8 more times until 0.008 s, step 8: `a` handles Tick)";
        assert_eq!(text(ticks(["a", "a"])), one);
        let two = "  (4 more times until 0.008 s, step 8: `b` handles Tick, `a` handles Tick)";
        assert_eq!(text(ticks(["a", "b"])), two);
        let mut others = ticks(["a", "a"]);
        others.push(line(9, "a", "Stop"));
        assert_eq!(text(others), "  (9 lines left out)");
    }

    #[test]
    fn what_must_be_seen_is_not_folded_and_neither_are_different_actors() {
        let lines = |who: fn(u64) -> &'static str| -> Vec<Line> {
            (1..=6).map(|step| line(step, who(step), "Vote")).collect()
        };
        let kept = fold(lines(|_| "a"), |line| line.step == 3);
        assert!(
            kept.iter()
                .any(|it| it.lines().iter().any(|it| it.step == 3))
        );
        let each = fold(
            lines(|step| ["a-1", "a-2", "a-3"][step as usize % 3]),
            |_| false,
        );
        assert_eq!(each.len(), 6, "{each:?}");
    }

    #[test]
    fn what_comes_twice_is_shown_twice_and_nothing_is_lost() {
        let lines = [("a", "X"), ("a", "X"), ("b", "Y"), ("a", "X")];
        assert_eq!(told(&lines).len(), 4);
        let lines: Vec<Line> = (0..50)
            .map(|step| line(step, "a", ["X", "Y", "Z"][(step % 7 % 3) as usize]))
            .collect();
        let passages = fold(lines, |_| false);
        assert_eq!(passages.iter().map(Passage::count).sum::<usize>(), 50);
    }
}
