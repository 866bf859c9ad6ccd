//! The sources of this crate, as text: for crates that make them a part of another crate.

/// Files by their paths in this crate's folder of sources, those of the crate's root excluded.
pub const SOURCES: &[(&str, &str)] = &[
    ("chacha.rs", include_str!("chacha.rs")),
    ("cycle.rs", include_str!("cycle.rs")),
    ("disk.rs", include_str!("disk.rs")),
    ("fault.rs", include_str!("fault.rs")),
    ("label.rs", include_str!("label.rs")),
    ("outcome.rs", include_str!("outcome.rs")),
    ("packet.rs", include_str!("packet.rs")),
    ("planned.rs", include_str!("planned.rs")),
    ("random.rs", include_str!("random.rs")),
    ("runnable.rs", include_str!("runnable.rs")),
    ("service.rs", include_str!("service.rs")),
    ("step.rs", include_str!("step.rs")),
    ("strategy/defer.rs", include_str!("strategy/defer.rs")),
    ("strategy/delays.rs", include_str!("strategy/delays.rs")),
    ("strategy/fifo.rs", include_str!("strategy/fifo.rs")),
    ("strategy/hold.rs", include_str!("strategy/hold.rs")),
    ("strategy/inbox.rs", include_str!("strategy/inbox.rs")),
    ("strategy/mod.rs", include_str!("strategy/mod.rs")),
    ("strategy/pct.rs", include_str!("strategy/pct.rs")),
    ("strategy/pos.rs", include_str!("strategy/pos.rs")),
    ("strategy/random.rs", include_str!("strategy/random.rs")),
    ("strategy/starve.rs", include_str!("strategy/starve.rs")),
    ("task.rs", include_str!("task.rs")),
    ("time.rs", include_str!("time.rs")),
];

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn all_strategies_are_there() {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/src/strategy");
        let files = std::fs::read_dir(folder).expect("the folder of strategies");
        let files = files.map(|file| file.expect("a file").file_name());
        let files: BTreeSet<String> = files
            .map(|file| format!("strategy/{}", file.display()))
            .collect();
        let listed = SOURCES.iter().map(|(path, _)| (*path).to_owned());
        let listed: BTreeSet<String> = listed.filter(|it| it.starts_with("strategy/")).collect();
        assert_eq!(listed, files);
    }
}
