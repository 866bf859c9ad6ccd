//! The orders of messages that a campaign has seen, and when it ends because it has seen most.

use std::sync::Mutex;

use retake_sim::explore::{Campaign, Explorer, QuietRule, SeedRun, Watch};
use retake_testkit::{actor, join, tell};

#[derive(Debug)]
enum Request {
    Read,
    Write(u32),
}

/// One client reads once, and two others, of one name, write once each.
async fn reads_and_writes() {
    let server = actor("server", 0, |_, request, value| match request {
        Request::Read => {}
        Request::Write(new) => *value = new,
    })
    .await;
    let client = |name, request: Request| {
        let to = server.clone();
        retake::spawn_named(name, async move { tell(&to, request) })
    };
    join([
        client("reader", Request::Read),
        client("writer", Request::Write(0)),
        client("writer", Request::Write(1)),
    ])
    .await;
    server.drain_and_wait(None).await.unwrap();
}

fn explorer() -> Explorer {
    Explorer::new("reads and writes").timelines(true)
}

fn json(campaign: &Campaign) -> serde_json::Value {
    serde_json::to_value(campaign).unwrap()
}

#[test]
fn orders_that_differ_by_values_alone_are_one_timeline() {
    let campaign = explorer().seeds(0..200).run(reads_and_writes);
    let figures = campaign.timelines.figures();
    // The read comes first, between the writes, or last.
    assert_eq!((figures.seeds, figures.distinct), (200, 3), "{figures:?}");
    assert!(campaign.schedules.len() > 3);
    let without = Explorer::new("reads and writes").seeds(0..200);
    let without = without.run(reads_and_writes);
    assert!(without.timelines.is_empty());
    // Nothing else differs.
    assert_eq!(without.schedules, campaign.schedules);
}

#[test]
fn parts_of_a_campaign_put_together_are_the_whole() {
    let seeds = |first, step| (first..100_u64).step_by(step);
    let run = |plain, first, step| {
        let explorer = explorer().plain_run(plain);
        let (campaign, done) =
            explorer.run_seeds(&reads_and_writes.into(), seeds(first, step), &());
        done.unwrap();
        campaign
    };
    let mut all = run(false, 2, 3);
    all.merge(run(true, 0, 3));
    all.merge(run(false, 1, 3));
    assert_eq!(json(&all), json(&run(true, 0, 1)));
}

#[test]
fn a_campaign_ends_after_the_same_seed_with_any_number_of_jobs() {
    let rule = QuietRule::new(0.1).unwrap();
    let run = |jobs| {
        let explorer = explorer().seeds(5..1000).jobs(jobs).until_quiet(rule);
        explorer.run(reads_and_writes)
    };
    let campaign = run(1);
    assert!(campaign.quiet.unwrap().is_quiet);
    assert_eq!(campaign.runs, rule.fewest_seeds(), "{campaign:?}");
    assert!(campaign.timelines.figures().next_new_max <= 0.1);
    for jobs in [2, 5] {
        assert_eq!(json(&run(jobs)), json(&campaign));
    }
    let few = explorer().seeds(0..campaign.runs - 1).until_quiet(rule);
    let few = few.run(reads_and_writes);
    assert!(!few.quiet.unwrap().is_quiet);
    assert_eq!(few.runs, campaign.runs - 1);
}

/// Keeps the timeline of each seed.
#[derive(Default)]
struct Timelines(Mutex<Vec<Option<u64>>>);

impl Watch for Timelines {
    fn ended(&self, run: &SeedRun, is_plain: bool) {
        assert!(!is_plain || run.timeline.is_none());
        if !is_plain {
            self.0.lock().unwrap().push(run.timeline);
        }
    }
}

#[test]
fn a_run_without_messages_has_no_timeline() {
    let watch = Timelines::default();
    let scenario = || async { retake::spawn(async {}).await.unwrap() };
    let rule = QuietRule::new(0.5).unwrap();
    let explorer = explorer().until_quiet(rule);
    let (campaign, _) = explorer.run_seeds(&scenario.into(), 0..100, &watch);
    assert_eq!(watch.0.into_inner().unwrap(), vec![None; 100]);
    assert!(campaign.timelines.is_empty());
    // It cannot say that it has seen most.
    assert!(!campaign.quiet.unwrap().is_quiet);
}
