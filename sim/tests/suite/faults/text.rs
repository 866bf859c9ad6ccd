//! What a swarm, a case file or a person writes is read again as the same fault.

use std::time::Duration;

use proptest::prelude::{ProptestConfig, any, prop_assert_eq, proptest};
use proptest::strategy::Strategy as _;
use retake::{DiskOperation, ServiceFailure, Share};
use retake_sim::fault::Link;
use retake_sim::kinds::{
    Action, BreakService, CorruptDisk, CrashDisk, Cut, DelayPackets, DuplicatePackets, FailDisk,
    FillDisk, LosePackets, Operations, Packets, ReorderPackets, Reset, ShortenDisk,
};
use retake_sim::{Fault, Target};

fn link() -> impl proptest::strategy::Strategy<Value = Link> {
    let host = || proptest::option::of("[a-z][a-z0-9-]{0,8}");
    (host(), host(), any::<bool>())
        .prop_map(|(from, to, is_both_ways)| Link {
            from,
            to,
            is_both_ways,
        })
        .prop_filter("two hosts", |link| {
            link.from.is_none() || link.from != link.to
        })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_000))]
    #[test]
    fn a_fault_of_a_service_a_disk_or_a_network_parses_from_what_it_prints(
        kind in 0..17_usize,
        name in proptest::option::of("[a-z][a-z0-9/-]{0,12}( [a-z0-9]{1,5})?"),
        disk in proptest::option::of("[a-z][a-z0-9-]{0,8}( [a-z0-9]{1,5})?"),
        which in 0..3_usize,
        link in link(),
        on in proptest::option::of(link()),
        by_ns in 1..10_000_000_000_u64,
        millionths in 1..=1_000_000_u32,
        until_ns in proptest::option::of(1..100_000_000_000_u64),
        at_ns in 0..100_000_000_000_u64,
    ) {
        // It does not end before it begins.
        let until_ns = until_ns.map(|ns| at_ns + ns);
        let share = Share::of_millionths(millionths).unwrap();
        let (read, write) = (DiskOperation::Read, DiskOperation::Write);
        let of = |operation| Operations { disk: disk.clone(), operation, share, until_ns };
        let packets = Packets { share, link: on, until_ns };
        let service = |failure| BreakService { service: name, failure, share, until_ns }.into();
        let action: Action = match kind {
            0 => CrashDisk { disk }.into(),
            1 => FillDisk { disk, until_ns }.into(),
            2 => FailDisk(of([read, write, DiskOperation::Sync][which])).into(),
            3 => ShortenDisk(of([read, write, read][which])).into(),
            4 => CorruptDisk(of(read)).into(),
            5 => Cut { link, until_ns }.into(),
            6 => Reset { link }.into(),
            7 => LosePackets(packets).into(),
            8 => DelayPackets { by_ns, packets }.into(),
            9 => DuplicatePackets(packets).into(),
            10 => ReorderPackets(packets).into(),
            11 => service(ServiceFailure::Unavailable),
            12 => service(ServiceFailure::Timeout),
            13 => service(ServiceFailure::QuotaExceeded),
            14 => service(ServiceFailure::PermissionDenied),
            15 => service(ServiceFailure::Corrupt),
            _ => service(ServiceFailure::Slow(Duration::from_nanos(by_ns))),
        };
        let fault = Fault::new(Target::Run, action).at(Duration::from_nanos(at_ns));
        prop_assert_eq!(fault.to_string().parse::<Fault>(), Ok(fault));
    }
}
