//! Faults as lines, for simulators that do not read what people write.

use std::time::Duration;

use retake_core::disk::{DiskFailureKind, DiskOperation};
use retake_core::fault::{Effect, Moment, Skew, Target, When};
use retake_core::packet::{Link, PacketChange};
use retake_core::planned::PlannedFault;
use retake_core::service::{ServiceFailure, Share};
use retake_core::step::StepKind;

const MOMENTS: [Moment; 7] = [
    Moment::Run,
    Moment::Task,
    Moment::Await,
    Moment::Start,
    Moment::Place,
    Moment::Request,
    Moment::Packet,
];
const DISK_FAILURES: [DiskFailureKind; 5] = [
    DiskFailureKind::Crash,
    DiskFailureKind::Error,
    DiskFailureKind::Full,
    DiskFailureKind::Short,
    DiskFailureKind::Corrupt,
];

fn all() -> Vec<Effect> {
    let share = Share::parse("12.5%").expect("a share");
    let (by_ns, until_ns) = (7, u64::MAX);
    let skews = [
        Skew::Step(-5),
        Skew::Drift(5),
        Skew::Wave {
            by_ns,
            period_ns: 9,
        },
    ];
    let clocks = skews.map(|skew| Effect::WallClock {
        skew,
        until_ns: None,
    });
    let changes = [
        PacketChange::Cut,
        PacketChange::Lost,
        PacketChange::Late { by_ns },
        PacketChange::Twice,
        PacketChange::Overtaken,
        PacketChange::Reset,
    ];
    let packets = changes.map(|change| Effect::ChangePackets {
        link: Some(Link::parse("a - *").expect("a link")),
        change,
        share,
        until_ns: Some(until_ns),
    });
    let failures = [
        ServiceFailure::QuotaExceeded,
        ServiceFailure::Slow(Duration::from_nanos(by_ns)),
    ];
    let services = failures.map(|failure| Effect::BreakService {
        service: Some("-".to_owned()),
        failure,
        share,
        until_ns: None,
    });
    let disks = DISK_FAILURES.map(|failure| Effect::BreakDisk {
        disk: None,
        operation: Some(DiskOperation::Sync),
        failure,
        share,
        until_ns: None,
    });
    let mut all = vec![
        Effect::Kill,
        Effect::Stop,
        Effect::Drain,
        Effect::Panic,
        Effect::Fail,
        Effect::Lose,
        Effect::Duplicate,
        Effect::Buggify,
        Effect::Delay { until_ns },
        Effect::Slow { by_ns, until_ns },
        Effect::StartLate { by_ns },
        Effect::TakeName { until_ns },
        Effect::Pause { until_ns },
        Effect::LateTimers { by_ns, until_ns },
        Effect::CoalescedTimers {
            to_ns: by_ns,
            until_ns,
        },
        Effect::Load { times: 4 },
        Effect::LimitLoad { most: 4 },
        Effect::Misbehave {
            place: "pool: twice".to_owned(),
        },
        Effect::Heal {
            within_ns: Some(by_ns),
        },
    ];
    all.extend(clocks);
    all.extend(packets);
    all.extend(services);
    all.extend(disks);
    all
}

#[test]
fn a_fault_is_read_from_its_line() {
    let callbacks = StepKind::ALL.into_iter().map(Moment::Callback);
    let mut moments: Vec<Moment> = MOMENTS.into_iter().chain(callbacks).collect();
    for (number, effect) in all().into_iter().enumerate() {
        moments.rotate_left(1);
        let targets = [
            "",
            "pay",
            "pay#2",
            "pool/*",
            "*",
            "*child",
            "*supervised",
            "a b",
        ];
        let when = match number % 2 {
            0 => When::Step(120),
            _ => When::At(Duration::from_nanos(1_500_000_001)),
        };
        let fault = PlannedFault {
            target: Target::from(targets[number % targets.len()]),
            when,
            moment: moments[0],
            effect,
        };
        let line = fault.to_line().expect("no tab in it");
        assert_eq!(PlannedFault::of_line(&line), Some(fault), "{line}");
    }
}

#[test]
fn a_wrong_line_is_none_and_a_name_with_a_tab_has_none() {
    for line in [
        "",
        "step 1",
        "step x\ta\ttask\tkill",
        "step 1\ta\ttask\tkil",
        "step 1\ta\ttusk\tkill",
        "step 1\ta\tcallback 99\tkill",
        "step 1\ta\ttask\tkill\tmore",
        "step 1\ta\ttask\tdelay",
        "step 1\t\trequest\tdisk\tlog\t=reads\terror\t5%\t-",
    ] {
        assert_eq!(PlannedFault::of_line(line), None, "{line:?}");
    }
    let fault = PlannedFault {
        target: Target::from("a\tb"),
        when: When::Step(1),
        moment: Moment::Task,
        effect: Effect::Kill,
    };
    let error = fault.to_line().expect_err("a tab");
    assert!(error.contains("has a tab"), "{error}");
}
