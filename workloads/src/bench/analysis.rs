//! Which part of the system held requests up: from where their time went, and compared with a
//! baseline from what takes longer now.

use super::measure::{Measurement, Stage};
use super::runner::Results;
use crate::report::human_ns;

/// The part in which the requests of a benchmark spent most of their time.
#[derive(Clone, Debug, PartialEq)]
pub struct Bottleneck<'a> {
    /// The benchmark.
    pub id: &'a str,
    /// The part.
    pub stage: &'a Stage,
    /// Its share of the time that clients waited, from 0 to 1.
    pub share: f64,
    /// Time that a request took on average, in nanoseconds.
    pub each_ns: f64,
}

/// The bottleneck of each benchmark that knows where its time went.
#[must_use]
pub fn bottlenecks(results: &Results) -> Vec<Bottleneck<'_>> {
    let found = results.rows.iter().filter_map(|row| {
        let (stage, share) = bottleneck(&row.measured)?;
        Some(Bottleneck {
            id: &row.id,
            stage,
            share,
            each_ns: waited_ns(&row.measured) as f64 / stage.count.max(1) as f64,
        })
    });
    found.collect()
}

/// Time that clients waited, in nanoseconds.
#[must_use]
pub fn waited_ns(measured: &Measurement) -> u64 {
    let on_the_way = measured.stages.iter().filter(|stage| !stage.is_behind);
    on_the_way.map(|stage| stage.total_ns).sum()
}

/// The part in which clients waited longest, and its share of all their waiting.
#[must_use]
pub fn bottleneck(measured: &Measurement) -> Option<(&Stage, f64)> {
    let total = waited_ns(measured);
    let on_the_way = measured.stages.iter().filter(|stage| !stage.is_behind);
    let longest = on_the_way.max_by_key(|stage| stage.total_ns)?;
    (total > 0).then(|| (longest, longest.total_ns as f64 / total as f64))
}

/// The deepest part that takes longer than before, in words. Parts are in the order of a
/// request's way, so what lies above it may only be waiting for it. What has grown by less
/// than a tenth of what another has is no reason for that.
#[must_use]
pub fn grown(before: &Measurement, after: &Measurement) -> Option<String> {
    /// Less is within what loads differ by.
    const FACTOR: f64 = 1.2;
    const LEAST_NS: f64 = 1_000.0;
    const SHARE: f64 = 0.1;
    let grown = after.stages.iter().rev().filter_map(|new| {
        let old = before.stages.iter().find(|old| old.name == new.name)?;
        let (old, each_ns) = (old.each_ns(), new.each_ns());
        let has_grown = each_ns > FACTOR * old && each_ns > old + LEAST_NS;
        has_grown.then_some((&new.name, old, each_ns))
    });
    let grown: Vec<_> = grown.collect();
    let most = grown
        .iter()
        .map(|(_, old, new)| new - old)
        .fold(0.0, f64::max);
    let deepest = grown.iter().find(|(_, old, new)| new - old >= SHARE * most);
    deepest.map(|(name, old, new)| {
        let show = |ns: f64| human_ns(ns.round() as u64);
        format!(
            "it takes longer in: {name}, {} -> {} a request",
            show(*old),
            show(*new)
        )
    })
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    /// Microseconds of each of two requests in HTTP, governor, ledger, and behind.
    fn measured(us: [u64; 4]) -> Measurement {
        let mut measured = Measurement::new();
        for (name, us) in ["HTTP", "governor", "ledger", "work"].into_iter().zip(us) {
            measured.stage(name, Duration::from_micros(2 * us), 2);
        }
        measured.stages[3].is_behind = true;
        measured
    }

    #[test]
    fn the_bottleneck_is_where_clients_wait_longest() {
        let of_ledger = measured([10, 20, 70, 500]);
        let (stage, share) = bottleneck(&of_ledger).unwrap();
        assert_eq!((stage.name.as_str(), share), ("ledger", 0.7));
        assert_eq!(waited_ns(&of_ledger), 200_000);
        assert_eq!(bottleneck(&measured([0; 4])), None);
        assert_eq!(bottleneck(&Measurement::new()), None);
    }

    #[test]
    fn what_has_grown_is_the_deepest_part_that_takes_longer() {
        let before = measured([10, 20, 70, 500]);
        for (after, what) in [
            ([10, 20, 70, 500], None),
            ([11, 22, 77, 550], None),
            ([40, 20, 70, 500], Some("HTTP, 10.0 µs -> 40.0 µs")),
            ([10, 900, 300, 500], Some("ledger, 70.0 µs -> 300.0 µs")),
            ([10, 900, 300, 5_000], Some("work, 500.0 µs -> 5.00 ms")),
            // Of the work too little to be the reason.
            ([10, 20, 9_070, 650], Some("ledger, 70.0 µs -> 9.07 ms")),
        ] {
            let grown = grown(&before, &measured(after));
            let expected = what.map(|what| format!("it takes longer in: {what} a request"));
            assert_eq!(grown, expected);
        }
    }
}
