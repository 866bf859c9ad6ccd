//! Faults of live processes: what `serve --fail` and `bench --fail` take.
//!
//! Of all faults these are the ones that the system's own code carries out, `break`. Their
//! times count from when the system was started.

use std::time::Duration;

use retake_sim::did_you_mean;
use retake_sim::kinds::{Action, BreakService};
use retake_sim::{Fault, When};
use retake_system::{PlannedFailure, Service};

const FORM: &str = "break ledger slow by 5ms rate 10% @20s until 30s";

/// Read a fault that a live process can have.
///
/// # Errors
/// A sentence about what is wrong with the text.
pub(crate) fn parse(text: &str) -> Result<Fault, String> {
    let fault: Fault = match text.parse() {
        Ok(fault) => fault,
        Err(_) if is_old(text) => {
            return Err(format!(
                "`{text}` is in a form that is not read any more: write a fault, such as `{FORM}`"
            ));
        }
        Err(error) => return Err(error.to_string()),
    };
    planned(&fault)?;
    Ok(fault)
}

/// `SERVICE:KIND[,rate=SHARE][,at=TIME][,for=TIME]`.
fn is_old(text: &str) -> bool {
    !text.contains('@') && text.contains(':')
}

/// What a system is to do in a live process.
///
/// # Errors
/// If it is a fault that only a simulation can inject.
pub(crate) fn planned(fault: &Fault) -> Result<PlannedFailure, String> {
    let wrong = |what: String| Err(format!("fault `{fault}`: {what}"));
    let Action::BreakService(broken) = &fault.action else {
        let verb = fault.action.verb();
        return wrong(format!(
            "`{verb}` is for simulations; a live process has `break`, such as `{FORM}`"
        ));
    };
    let BreakService {
        service,
        failure,
        share,
        until_ns,
    } = broken;
    let names = || Service::ALL.map(Service::name);
    let name = service.as_deref().unwrap_or("*");
    let Some(service) = Service::of_name(name) else {
        let near = did_you_mean(name, names());
        let names = names().join(", ");
        return wrong(format!(
            "there is no service `{name}`{near}; there are {names}"
        ));
    };
    let after = match fault.when {
        When::At(after) => after,
        When::Step(_) => {
            return wrong("a live process has no steps: write a time, such as `@20s`".to_owned());
        }
    };
    let until = until_ns.map(Duration::from_nanos);
    Ok(PlannedFailure {
        service,
        failure: *failure,
        share: *share,
        after,
        until,
    })
}

/// What is broken, and when it begins and ends.
pub(crate) fn span(fault: &Fault) -> Option<(String, Duration, Option<Duration>)> {
    let PlannedFailure {
        service,
        failure,
        after,
        until,
        ..
    } = planned(fault).ok()?;
    Some((format!("{} {failure}", service.name()), after, until))
}

/// The same fault, with times that count from this one.
#[must_use]
pub(crate) fn shifted(fault: &Fault, by: Duration) -> Fault {
    let mut fault = fault.clone();
    if let When::At(time) = fault.when {
        fault.when = When::At(time.saturating_add(by));
    }
    if let Action::BreakService(BreakService {
        until_ns: Some(until_ns),
        ..
    }) = &mut fault.action
    {
        *until_ns = until_ns.saturating_add(retake_traces::time::nanos(by));
    }
    fault
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_live_process_takes_what_its_own_code_carries_out() {
        for text in [
            "break ledger unavailable @0s",
            "break worker timeout rate 25% @0s",
            "break ingress quota @1500ms until 1520ms",
            "break clock corrupt @1s",
            "break check-in denied rate 1% @0s",
            "break ledger slow by 250ms @0s until 10s",
        ] {
            assert_eq!(parse(text).unwrap().to_string(), text);
        }
    }

    #[test]
    fn what_a_live_process_cannot_have_is_refused_by_name() {
        for (text, what) in [
            (
                "ledger:slow=5ms,rate=0.1",
                "write a fault, such as `break ledger slow by 5ms",
            ),
            ("ledger", "there is no such fault as `ledger`"),
            ("kill ledger @1s", "`kill` is for simulations"),
            ("break disk timeout @0s", "there is no service `disk`"),
            ("break ledgr timeout @0s", "did you mean `ledger`?"),
            ("break * timeout @0s", "there is no service `*`"),
            ("break ledger timout @0s", "did you mean `timeout`?"),
            (
                "break ledger timeout @step 3",
                "a live process has no steps",
            ),
            (
                "break ledger timeout @3s until 2s",
                "it ends at 2s, and begins no earlier than 3s",
            ),
        ] {
            let error = parse(text).unwrap_err();
            assert!(error.contains(what), "{text}: {error}");
        }
    }

    #[test]
    fn times_of_a_fault_can_count_from_later_on() {
        let fault = parse("break ledger timeout @1s until 2s").unwrap();
        let later = shifted(&fault, Duration::from_secs(3));
        assert_eq!(later.to_string(), "break ledger timeout @4s until 5s");
    }
}
