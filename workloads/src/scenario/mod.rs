//! The scenarios: what can be run by name, one file each.

mod bad_edges;
mod canary;
mod chaos;
mod one_action;
mod steady_state;
mod worker_crash;

use std::time::Duration;

use rand::RngExt;
use retake_system::{Signal, System, SystemConfig, Verdict};

use crate::load::{Answer, Client};
use crate::report::Report;
use crate::zoo;
use retake_cli::Scenario;

/// Those of the `retake` command: of the system, canaries, and the programs of the zoo.
pub(crate) fn all() -> Vec<Scenario> {
    let mut all = vec![
        measured(
            "recovery/one_action",
            "an action whose worker is killed, then one more",
            one_action::run,
        )
        .virtual_time(one_action::VIRTUAL_TIME),
        measured(
            "recovery/worker_crash",
            "20 clients for 10 s while workers are killed",
            worker_crash::run,
        )
        .virtual_time(worker_crash::VIRTUAL_TIME),
        measured(
            "stress/steady_state",
            "20 closed-loop clients for 60 s",
            steady_state::run,
        )
        .virtual_time(steady_state::VIRTUAL_TIME),
        Scenario::new(
            "recovery/chaos",
            "a small load under faults, and what comes after",
            chaos::run,
        )
        .virtual_time(chaos::VIRTUAL_TIME),
        Scenario::new(
            "recovery/bad_edges",
            "HTTP, network and disk fail as drawn",
            bad_edges::run,
        )
        .virtual_time(bad_edges::VIRTUAL_TIME),
    ];
    all.extend(canary::all());
    all.extend(zoo::PROGRAMS.iter().flat_map(|program| {
        let variants = program.variants();
        variants.map(|variant| Scenario::new(variant.name, program.about, variant.run))
    }));
    all.extend(zoo::CONTROLS.iter().map(|control| {
        let about = "without a bug, for `explore --exhaustive`";
        Scenario::new(control.name, about, control.run).virtual_time(Duration::from_millis(1))
    }));
    all
}

/// A scenario that gives a report, and fails where one of its checks does.
fn measured<Fut>(name: &'static str, about: &'static str, run: fn() -> Fut) -> Scenario
where
    Fut: Future<Output = Report> + Send + 'static,
{
    Scenario::with_report(name, about, move |slot| {
        let run = run();
        async move {
            let report = run.await;
            if let Err(error) = slot.put(&report) {
                panic!("the report cannot be written as JSON: {error}");
            }
            let failed = report.failures();
            assert!(failed.is_empty(), "{}", failed.join("; "));
        }
    })
}

const TENANTS: u32 = 10;

/// A running system with all tenants entitled.
async fn start(config: SystemConfig) -> System {
    let system = match System::start(config).await {
        Ok(system) => system,
        Err(error) => panic!("the system does not start: {error}"),
    };
    for tenant in 0..TENANTS {
        if let Err(error) = system.entitle(&tenant_name(tenant), true).await {
            panic!("tenant {tenant} cannot be entitled: {error}");
        }
    }
    system
}

fn tenant_name(tenant: u32) -> String {
    format!("tenant-{tenant}")
}

/// One request: a signal of a random value for a random tenant.
async fn send_signal(system: System, mut client: Client) -> (Client, Answer) {
    let signal = Signal {
        id: None,
        tenant: tenant_name(client.rng.random_range(0..TENANTS)),
        metric: ["cpu", "errors", "requests"][client.rng.random_range(0..3)].to_owned(),
        value: client.rng.random_range(0.0..100.0),
        ..Signal::default()
    };
    let answer = match system.signal(signal).await {
        Ok(Verdict::Stable) => Ok("stable"),
        Ok(Verdict::Warning) => Ok("warning"),
        Ok(Verdict::Acting(_)) => Ok("acting"),
        Ok(Verdict::Refused(_)) => Ok("refused"),
        Ok(Verdict::Duplicate(_)) => Ok("duplicate"),
        Err(error) => Err(error.to_string()),
    };
    (client, answer)
}

/// Long enough for every action to have ended, one way or the other.
const SETTLE: Duration = Duration::from_secs(36);

/// Wait until nothing is in flight. It costs no time when time is virtual.
async fn settle() {
    retake::sleep(SETTLE).await;
}
