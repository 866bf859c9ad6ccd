//! What the timelines of a campaign say, for people.

use retake_sim::explore::{Quiet, QuietRule, TimelineFigures};
use retake_traces::counted;

/// Seeds below which the course of the campaign is not shown.
const COURSE_SEEDS_MIN: u64 = 64;

/// How many timelines were seen, and how many may not have been.
pub(super) fn timelines_in_words(figures: &TimelineFigures) -> String {
    let TimelineFigures {
        seeds,
        distinct,
        once,
        twice,
        curve,
        ..
    } = figures;
    let mut text = format!(
        "timelines: {distinct} distinct in {}",
        counted(*seeds, "seed")
    );
    if let [.., (few, of_few), (many, of_many), _] = curve[..]
        && *seeds >= COURSE_SEEDS_MIN
    {
        text += &format!(" ({of_few} in {few}, {of_many} in {many})");
    }
    if figures.next_new_max < 1.0 {
        text += &format!(
            "; the next seed shows a new one with probability at most {} (estimate: {})",
            percent(figures.next_new_max, f64::ceil),
            percent(figures.next_new, f64::round)
        );
    }
    if once + twice > 0 {
        text += &format!("; {once} seen once, {twice} twice");
    }
    if figures.unseen_min >= 0.5 {
        text += &format!(", an estimated {:.0} or more never", figures.unseen_min);
    }
    text
}

/// Whether a campaign of so many seeds is quiet that was to end then.
pub(super) fn quiet_in_words(quiet: Quiet, runs: u64, figures: Option<&TimelineFigures>) -> String {
    let not_yet = if quiet.is_quiet { "" } else { "not yet " };
    let after = format!("{not_yet}quiet after {}", counted(runs, "seed"));
    let Some(figures) = figures else {
        return format!("{after}: no actor has handled a message, so there is no timeline");
    };
    let most = percent(figures.next_new_max, f64::ceil);
    let text =
        format!("{after}: the next seed shows a new timeline with probability at most {most}");
    if quiet.is_quiet {
        return text;
    }
    let wanted = percent(quiet.probability, f64::round);
    let fewest = QuietRule::new(quiet.probability).map(QuietRule::fewest_seeds);
    let fewest = fewest.ok().filter(|fewest| runs < *fewest);
    let needs = fewest.map_or_else(String::new, |it| {
        format!(", which takes {it} seeds or more")
    });
    format!("{text}, not {wanted}{needs}")
}

/// A probability in percent, with two digits or all whole ones.
fn percent(probability: f64, round: fn(f64) -> f64) -> String {
    let percent = 100.0 * probability;
    let (mut decimals, mut scale) = (0, 1.0);
    while decimals < 6 && percent > 0.0 && percent * scale < 9.95 {
        decimals += 1;
        scale *= 10.0;
    }
    // Without the error of the multiplication, which would be rounded up.
    let rounded = round(percent * scale - 1e-9) / scale + 0.0;
    let text = format!("{rounded:.decimals$}");
    match text.split_once('.') {
        Some((whole, rest)) if rest.bytes().all(|digit| digit == b'0') => format!("{whole} %"),
        _ => format!("{text} %"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn probabilities_have_two_digits_and_bounds_are_rounded_up() {
        for (probability, up, nearest) in [
            (0.0, "0 %", "0 %"),
            (1.0, "100 %", "100 %"),
            (0.01, "1 %", "1 %"),
            (0.0412, "4.2 %", "4.1 %"),
            (0.0999, "10 %", "10 %"),
            (0.123, "13 %", "12 %"),
            (0.009_21, "0.93 %", "0.92 %"),
            (0.000_014, "0.0014 %", "0.0014 %"),
        ] {
            assert_eq!(percent(probability, f64::ceil), up, "{probability}");
            assert_eq!(percent(probability, f64::round), nearest, "{probability}");
        }
    }
}
