//! Names near a mistyped one.

use similar::TextDiff;

/// Names that are suggested.
const SUGGESTED_MAX: usize = 3;
/// How much of two names must be the same, from 0 to 1.
const LIKENESS_MIN: f32 = 0.6;
/// Names that are compared, at most.
const COMPARED_MAX: usize = 10_000;

/// A suggestion for a name that is not known: `: did you mean `random`?`, or nothing where no name
/// is near. A name is near if the mistyped one is a part of it, or like it or like a part
/// between slashes.
///
/// ```
/// use retake_traces::did_you_mean;
/// let names = ["recovery/chaos", "zoo/raft/buggy", "zoo/raft/fixed"];
/// assert_eq!(did_you_mean("recovry/chaos", names), ": did you mean `recovery/chaos`?");
/// assert_eq!(did_you_mean("raft", names), ": did you mean `zoo/raft/buggy` or `zoo/raft/fixed`?");
/// assert_eq!(did_you_mean("x", names), "");
/// ```
#[must_use]
pub fn did_you_mean<'a>(word: &str, names: impl IntoIterator<Item = &'a str>) -> String {
    let lower = word.to_lowercase();
    let mut near: Vec<(f32, &str)> = names
        .into_iter()
        .take(COMPARED_MAX)
        .map(|name| (likeness(&lower, &name.to_lowercase()), name))
        .filter(|(likeness, _)| *likeness >= LIKENESS_MIN)
        .collect();
    // The nearest first; names that are as near stay in their order.
    near.sort_by(|(one, _), (other, _)| other.total_cmp(one));
    let best = near.first().map_or(0.0, |(likeness, _)| *likeness);
    // Those that are much less near are not meant.
    near.retain(|(likeness, _)| best - likeness < 0.15);
    let names: Vec<String> = near
        .iter()
        .take(SUGGESTED_MAX)
        .map(|(_, name)| format!("`{name}`"))
        .collect();
    match names.as_slice() {
        [] => String::new(),
        [name] => format!(": did you mean {name}?"),
        [first @ .., last] => format!(": did you mean {} or {last}?", first.join(", ")),
    }
}

/// How near two names are, from 0 to 1.
fn likeness(word: &str, name: &str) -> f32 {
    /// Shorter ones are a part of too many names.
    const PART_MIN: usize = 3;
    if word.len() >= PART_MIN && name.contains(word) {
        return 0.9;
    }
    let of = |name: &str| TextDiff::from_chars(word, name).ratio();
    let parts = name.split('/').map(|part| 0.95 * of(part));
    parts.fold(of(name), f32::max)
}

/// Names that are listed.
const LISTED_MAX: usize = 8;

/// The names that are near this one, or else those that there are, if they are few.
#[must_use]
pub fn one_of<'a>(name: &str, names: impl Iterator<Item = &'a str>) -> String {
    let names: Vec<&str> = names.collect();
    let near = did_you_mean(name, names.iter().copied());
    if !near.is_empty() || names.is_empty() {
        return near;
    }
    let listed: Vec<String> = names
        .iter()
        .take(LISTED_MAX)
        .map(|it| format!("`{it}`"))
        .collect();
    match names.len().saturating_sub(LISTED_MAX) {
        0 => format!(": there is {}", listed.join(", ")),
        more => format!(": there is {} and {more} more", listed.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn usual_mistakes_are_recognized_and_others_are_not() {
        let names = ["fifo", "random", "pct", "pos", "starve", "defer"];
        for (word, name) in [
            ("rnadom", "random"),
            ("Random", "random"),
            ("randm", "random"),
            ("starv", "starve"),
            ("deffer", "defer"),
            ("fif", "fifo"),
        ] {
            let text = did_you_mean(word, names);
            assert_eq!(text, format!(": did you mean `{name}`?"), "{word}");
        }
        for word in ["", "x", "chaos", "a name of another kind"] {
            assert_eq!(did_you_mean(word, names), "", "{word}");
        }
    }
}
