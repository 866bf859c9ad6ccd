//! What a header says of a run is read as it was written.

use std::sync::Arc;

use retake_testkit::Folder;
use retake_testkit::traces::small::step;
use retake_traces::record::Choice;
use retake_traces::strategy::Hold;
use retake_traces::{Header, Layers, RunConfig, Schedule, Strategy, TraceReader, Watch};

fn unusual(strategy: Strategy) -> Header {
    Header {
        program: "test 1".into(),
        scenario: "two".into(),
        config: RunConfig {
            seed: u64::MAX,
            strategy,
            faults: vec!["kill pool @2ms".parse().unwrap()],
            only_planned_faults: true,
            strict: true,
            allow_threads: true,
            horizon_ns: 1,
            step_limit: 2,
            livelock_steps: 3,
            watch: Some(Watch::Lossless),
        },
        layers: Layers::STORY,
        versions: vec![("ractor".into(), "1".into())],
        code: "00ff".into(),
        reasons: vec!["passes".into()],
        decisive: vec![7],
    }
}

fn written_and_read(header: &Header) -> Header {
    let folder = Folder::new();
    let path = folder.write_trace("a.retake", header, &[]);
    TraceReader::open(path).unwrap().header().clone()
}

#[test]
fn a_header_keeps_all_settings_and_any_strategy() {
    let hold = Hold {
        step: (1, 2),
        until: (u32::MAX, 4),
    };
    let parsed = "fifo random pct:depth=5 pos starve delays inbox";
    let parsed = parsed.split(' ').map(|text| text.parse().unwrap());
    let steps = (0..9).map(|task| Ok(step(task, 0, Choice::Deviation)));
    let schedule = Schedule::read(steps).unwrap();
    let others = [
        Strategy::holds(&[hold]),
        Strategy::Replay(Arc::new(schedule)),
        Strategy::Deviations(Arc::from([(7, 1)])),
        Strategy::Live,
        Strategy::Custom("mine".into()),
    ];
    for strategy in parsed.chain(others) {
        let header = unusual(strategy);
        assert_eq!(written_and_read(&header), header);
    }
}

#[test]
fn a_schedule_that_is_too_long_for_a_header_is_named_in_it() {
    let deviations: Vec<(u64, u32)> = vec![(u64::MAX, u32::MAX); 400_000];
    let header = unusual(Strategy::Deviations(deviations.into()));
    let read = written_and_read(&header);
    let named = unusual(Strategy::Custom("deviations".into()));
    assert_eq!(read, named);
}
