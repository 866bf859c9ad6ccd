//! Who and when: names of actors and places in time, as a person writes them.

use retake_inspect::Timeline;
use retake_sim::parse_duration;
use retake_traces::TraceError;
use retake_traces::{counted, label};

use crate::status::Error;

/// Names that an error suggests.
const SUGGESTED_MAX: usize = 6;

/// The task of this name. Without the number of an incarnation it is the last one that
/// has started by `step`, or else the first.
pub(super) fn find_task(timeline: &Timeline, name: &str, step: u64) -> Result<u32, String> {
    let is_meant = |label: &str| {
        let (base, incarnation) = label::parts(label);
        label::is_meant(base, incarnation, name)
    };
    let tasks = timeline.tasks();
    let mut meant = tasks.iter().filter(|life| is_meant(&life.label));
    let first = meant.clone().next();
    let last = meant.rfind(|life| life.started <= step);
    match last.or(first) {
        Some(life) => Ok(life.id),
        None => Err(unknown(timeline, name)),
    }
}

fn unknown(timeline: &Timeline, name: &str) -> String {
    let labels: Vec<&str> = timeline.tasks().iter().map(|life| &*life.label).collect();
    let lower = name.to_lowercase();
    let mut near: Vec<&str> = labels
        .iter()
        .filter(|label| label.to_lowercase().contains(&lower))
        .take(SUGGESTED_MAX)
        .copied()
        .collect();
    if near.is_empty() {
        // A comparison with very many names takes its time.
        let some = &labels[..labels.len().min(10_000)];
        near = similar::get_close_matches(name, some, SUGGESTED_MAX, 0.6);
    }
    let (intro, shown) = if near.is_empty() {
        let first = labels.iter().take(SUGGESTED_MAX).copied().collect();
        ("some of those there are", first)
    } else {
        ("near it are", near)
    };
    let shown: Vec<String> = shown.iter().map(|name| format!("`{name}`")).collect();
    format!(
        "there is no actor or task `{name}`; {intro} {}",
        shown.join(", ")
    )
}

/// A step by its number, `failure`, `start`, `end`, or a virtual time such as `1.5s`.
pub(super) fn find_step(timeline: &mut Timeline, text: &str) -> Result<u64, Error> {
    step_of(timeline, text)?.map_err(Error::Usage)
}

/// The same; the inner error is the person's, the outer the file's.
pub(super) fn step_of(
    timeline: &mut Timeline,
    text: &str,
) -> Result<Result<u64, String>, TraceError> {
    let steps = timeline.steps();
    if let Ok(step) = text.parse::<u64>() {
        return Ok(if step <= steps {
            Ok(step)
        } else {
            Err(format!(
                "there is no step {step}: the run has {}",
                counted(steps, "step")
            ))
        });
    }
    match text {
        "failure" => Ok(timeline
            .failure_step()
            .ok_or_else(|| "the run passed: there is no failure to go to".to_owned())),
        "start" => Ok(Ok(0)),
        "end" => Ok(Ok(steps)),
        time => match parse_duration(time) {
            Ok(time) => {
                let now_ns = retake_traces::time::nanos(time);
                if now_ns > timeline.end().now_ns {
                    let end_s = timeline.end().now_ns as f64 / 1e9;
                    return Ok(Err(format!("the run ends after {end_s} s")));
                }
                timeline.step_at(now_ns).map(Ok)
            }
            Err(_) => Ok(Err(format!(
                "`{time}` is no place in the run: write a step's number, `failure`, `start`, `end` or a \
                 virtual time such as 1.5s"
            ))),
        },
    }
}
