//! What exports look like, and what has to hold of them.

use std::collections::BTreeMap;

use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::trace::v1::Span;
use proptest::prelude::*;
use retake_inspect::export::{ExportError, Format, Selection, export, shiviz};
use retake_inspect::story;
use retake_testkit::Folder;
use retake_testkit::traces::runs::{any_run, detail, end, event, header, shop, state, step, task};
use retake_traces::record::{Record, StepKind, TaskKind};
use serde_json::Value;

type Exported = Result<String, ExportError>;

fn try_export(records: &[Record], format: Format, selection: &Selection) -> Exported {
    let folder = Folder::new();
    let path = folder.write_trace("a", &header(), records);
    let mut out = Vec::new();
    export(&path, selection, &mut *format.exporter(), &mut out)?;
    Ok(String::from_utf8(out).unwrap())
}

pub(crate) fn exported(records: &[Record], format: Format) -> String {
    try_export(records, format, &Selection::default()).unwrap()
}

/// A run of one actor with these records.
fn of_one_actor(records: impl IntoIterator<Item = Record>) -> Vec<Record> {
    let mut all = vec![task(0, TaskKind::Actor, "a", None)];
    all.extend(records);
    let elapsed_ns = |it: &Record| match it {
        Record::Step(step) => Some(step.elapsed_ns),
        _ => None,
    };
    let times: Vec<u64> = all.iter().filter_map(elapsed_ns).collect();
    all.push(end("passed", times.len() as u64, times.iter().sum()));
    all
}

fn part(from: u64, to: u64, actors: &[&str]) -> Selection {
    Selection {
        from,
        to,
        actors: actors.iter().map(ToString::to_string).collect(),
    }
}

#[test]
fn each_format_is_the_same_twice_and_as_it_was() {
    for format in Format::ALL {
        let text = exported(&shop(), format);
        assert_eq!(text, exported(&shop(), format));
        insta::assert_snapshot!(format.name(), text);
    }
}

#[test]
fn a_format_that_does_not_exist_is_refused_with_those_that_do() {
    let error = "dot".parse::<Format>().unwrap_err();
    assert_eq!(
        error,
        "there is no such format; write one of perfetto, mermaid, shiviz, otlp, jsonl"
    );
    for format in Format::ALL {
        assert_eq!(format.name().parse(), Ok(format));
    }
}

#[test]
fn an_empty_run_is_exported_too() {
    for format in Format::ALL {
        exported(&[end("passed", 0, 0)], format);
        let selection = part(1_000, u64::MAX, &["nobody"]);
        try_export(&shop(), format, &selection).unwrap();
    }
}

#[test]
fn a_diagram_that_nobody_could_read_is_refused_before_anything_is_written() {
    let message = |number: u32| [step(0, 0, StepKind::Handle), detail(&format!("M{number}"))];
    let records = of_one_actor((0..301).flat_map(message));
    let error = try_export(&records, Format::Mermaid, &Selection::default()).unwrap_err();
    assert_eq!(
        error.to_string(),
        "the diagram would have more than 300 messages; nobody could read it: \
         choose a part with --from and --to, or some actors with --actor"
    );
    let text = try_export(&records, Format::Mermaid, &part(2, 301, &[])).unwrap();
    // The heading, the participant and a note of what avoids the failure.
    assert_eq!(text.lines().count(), 3 + 300);
}

/// The events of a Perfetto export.
fn trace_events(text: &str) -> Vec<Value> {
    let value: Value = serde_json::from_str(text).unwrap();
    value["traceEvents"].as_array().unwrap().clone()
}

fn of_phase<'a>(events: &'a [Value], phase: &'static str) -> impl Iterator<Item = &'a Value> {
    events.iter().filter(move |event| event["ph"] == phase)
}

/// Nanoseconds of a time in microseconds.
fn ns(value: &Value) -> u64 {
    (value.as_f64().unwrap() * 1_000.0).round() as u64
}

/// What a viewer makes of events: slices that do not overlap within a thread, arrows
/// that have both ends and each end within a slice, counters that do not go back in time.
fn check_trace_events(events: &[Value]) -> Result<usize, TestCaseError> {
    let of = |phase| of_phase(events, phase);
    let mut slices: BTreeMap<u64, Vec<(u64, u64)>> = BTreeMap::new();
    for slice in of("X") {
        let thread = slices.entry(slice["tid"].as_u64().unwrap()).or_default();
        let start = ns(&slice["ts"]);
        let length = ns(&slice["dur"]);
        prop_assert!(length >= 1, "{slice}");
        if let Some((start_before, length_before)) = thread.last() {
            prop_assert!(start_before + length_before <= start, "{slice}");
        }
        thread.push((start, length));
    }
    let enclosed = |event: &Value| {
        let time = ns(&event["ts"]);
        let thread = slices.get(&event["tid"].as_u64().unwrap());
        let mut slices = thread.into_iter().flatten();
        slices.any(|(start, length)| (*start..start + length).contains(&time))
    };
    let id = |event: &Value| event["id"].as_u64().unwrap();
    let ends: BTreeMap<u64, &Value> = of("f").map(|event| (id(event), event)).collect();
    prop_assert_eq!(of("s").count(), ends.len());
    for start in of("s") {
        let end = ends[&id(start)];
        prop_assert!(enclosed(start) && enclosed(end), "{} {}", start, end);
        prop_assert!(ns(&start["ts"]) < ns(&end["ts"]), "{} {}", start, end);
    }
    let mut last: BTreeMap<&str, u64> = BTreeMap::new();
    for counter in of("C") {
        let time = ns(&counter["ts"]);
        let before = last.insert(counter["name"].as_str().unwrap(), time);
        prop_assert!(before.is_none_or(|before| before <= time), "{counter}");
    }
    for event in events {
        let known = ["M", "X", "s", "f", "i", "C"].contains(&event["ph"].as_str().unwrap());
        prop_assert!(known && event["pid"] == 1, "{event}");
    }
    Ok(ends.len())
}

#[test]
fn an_arrow_leads_from_the_step_that_sent_to_the_one_that_handles() {
    let events = trace_events(&exported(&shop(), Format::Perfetto));
    assert_eq!(check_trace_events(&events).unwrap(), 4);
    let find = |phase, id: u64| {
        let event = of_phase(&events, phase).find(|it| it["id"] == id);
        event.unwrap()
    };
    // Step 3 is the client's, task 2; step 5 is the pool's, task 1.
    assert_eq!(find("s", 5)["tid"], 3);
    assert_eq!(find("f", 5)["tid"], 2);
    let slice = events.iter().find(|event| event["args"]["step"] == 5);
    let slice = slice.unwrap();
    assert_eq!(slice["name"], "CheckOut");
    assert_eq!(slice["args"]["waited"], "0.001001500 s");
}

#[test]
fn a_counter_shows_how_many_messages_wait() {
    let events = trace_events(&exported(&shop(), Format::Perfetto));
    let depths = of_phase(&events, "C").map(|event| event["args"]["messages"].as_u64().unwrap());
    let depths: Vec<u64> = depths.collect();
    // Three were sent in step 3.
    assert_eq!(depths, [2, 3, 2, 1, 0]);
}

#[test]
fn steps_of_one_instant_stand_side_by_side_before_the_next_instant() {
    let instant = |instant: u64| {
        let later = if instant > 0 { 100 } else { 0 };
        let elapsed_ns = std::iter::once(later).chain([0; 9]);
        elapsed_ns.map(|elapsed_ns| step(0, elapsed_ns, StepKind::Handle))
    };
    let records = of_one_actor((0..3).flat_map(instant));
    let events = trace_events(&exported(&records, Format::Perfetto));
    let starts: Vec<u64> = of_phase(&events, "X")
        .map(|event| ns(&event["ts"]))
        .collect();
    let expected: Vec<u64> = (0..20).map(|it| it * 10).collect();
    assert_eq!(starts[..20], expected);
    check_trace_events(&events).unwrap();
}

#[test]
fn a_part_of_a_run_knows_its_tasks_and_draws_no_arrow_from_outside() {
    let events = |part: Selection| {
        let text = try_export(&shop(), Format::Perfetto, &part).unwrap();
        let events = trace_events(&text);
        assert_eq!(check_trace_events(&events).unwrap(), 0);
        events
    };
    let some = events(part(5, 7, &[]));
    let named = |name: &str| some.iter().any(|event| event["args"]["name"] == name);
    assert!(named("pool") && !named("pool#2"), "{some:?}");
    // Both incarnations.
    let of_pool = events(part(0, 9, &["pool"]));
    assert_eq!(of_phase(&of_pool, "X").count(), 6);
}

/// The spans of an OTLP export, as the official types read them.
fn spans(text: &str) -> Vec<Span> {
    let mut spans = Vec::new();
    for line in text.lines() {
        let request: ExportTraceServiceRequest = serde_json::from_str(line).unwrap();
        for resource in request.resource_spans {
            assert!(resource.resource.is_some());
            for scope in resource.scope_spans {
                spans.extend(scope.spans);
            }
        }
    }
    spans
}

/// Ids are there and unique, and every id that is named is that of a span.
fn check_spans(spans: &[Span]) -> Result<(), TestCaseError> {
    let by_id: BTreeMap<&[u8], &Span> = spans.iter().map(|span| (&*span.span_id, span)).collect();
    prop_assert_eq!(by_id.len(), spans.len());
    let roots = spans.iter().filter(|span| span.parent_span_id.is_empty());
    prop_assert_eq!(roots.count(), 1);
    for span in spans {
        prop_assert_eq!(span.trace_id.len(), 16);
        prop_assert_eq!(span.span_id.len(), 8);
        prop_assert!(span.start_time_unix_nano <= span.end_time_unix_nano);
        prop_assert!(span.start_time_unix_nano >= 1_577_836_800_000_000_000);
        let mut above = span;
        let mut left = spans.len();
        while !above.parent_span_id.is_empty() {
            prop_assert!(by_id.contains_key(&*above.parent_span_id), "{}", above.name);
            above = by_id[&*above.parent_span_id];
            prop_assert!(left > 0, "the parents of {} are a circle", span.name);
            left -= 1;
        }
        for link in &span.links {
            prop_assert!(by_id.contains_key(&*link.span_id));
        }
    }
    Ok(())
}

#[test]
fn the_official_types_read_spans_whose_parents_are_the_senders() {
    let spans = spans(&exported(&shop(), Format::Otlp));
    check_spans(&spans).unwrap();
    let find = |name: &str| spans.iter().find(|span| span.name == name).unwrap();
    let client = find("client \"one\"; <b>#2 begins");
    let (first, check_in) = (find("pool CheckOut"), find("pool CheckIn"));
    assert_eq!(first.parent_span_id, client.span_id);
    assert_eq!(check_in.parent_span_id, client.span_id);
    // It awaited for a quarter of a millisecond and panicked.
    let length = check_in.end_time_unix_nano - check_in.start_time_unix_nano;
    assert_eq!(length, 250_000);
    let status = check_in.status.clone().unwrap();
    assert_eq!((status.code, &*status.message), (2, "no worker"));
    let names: Vec<&str> = check_in.events.iter().map(|event| &*event.name).collect();
    assert_eq!(names, ["resumes", "FAULT: killed", "exception"]);
    assert_eq!(first.events[0].name, "lent: worker #1\\nto a");
    // Started by the scenario in the step that heard of the failure.
    let heard = find("scenario supervises ActorFailed");
    assert_eq!(find("pool#2 started").parent_span_id, heard.span_id);
    assert_eq!(heard.parent_span_id, check_in.span_id);
    assert_eq!(find("run").status.clone().unwrap().code, 2);
}

#[test]
fn many_spans_are_several_requests() {
    let steps = (0..12_000).map(|_| step(0, 0, StepKind::Handle));
    let text = exported(&of_one_actor(steps), Format::Otlp);
    assert_eq!(text.lines().count(), 3);
    assert_eq!(spans(&text).len(), 12_001);
}

#[test]
fn a_handler_that_logs_without_end_says_how_many_lines_are_left_out() {
    let lines = (0..1_000).map(|number| event(&format!("line {number}")));
    let handler = std::iter::once(step(0, 0, StepKind::Handle));
    let records = of_one_actor(handler.chain(lines));
    let spans = spans(&exported(&records, Format::Otlp));
    assert_eq!(spans[0].events.len(), 128);
    assert_eq!(spans[0].dropped_events_count, 1_000 - 128);
}

type Clock = BTreeMap<String, u64>;

/// Task and clock of each event of a `ShiViz` log.
fn log(text: &str) -> Vec<(String, Clock)> {
    let mut lines = text.lines();
    assert_eq!(lines.next(), Some(shiviz::PARSER));
    assert_eq!(lines.next(), Some(""));
    let lines: Vec<&str> = lines.collect();
    assert!(lines.len().is_multiple_of(2));
    let event = |event: &[&str]| {
        let (host, clock) = event[0].split_once(' ').unwrap();
        (host.to_owned(), serde_json::from_str(clock).unwrap())
    };
    lines.chunks(2).map(event).collect()
}

/// `ShiViz`'s rules: own counts from 1 without a gap, no event that is not there.
fn check_log(log: &[(String, Clock)]) -> Result<(), TestCaseError> {
    let mut counts: BTreeMap<&str, u64> = BTreeMap::new();
    for (host, clock) in log {
        let count = counts.entry(host).or_default();
        *count += 1;
        prop_assert_eq!(clock.get(host), Some(&*count));
        for (other, seen) in clock {
            // Here even: none that comes later.
            prop_assert!(*seen >= 1 && counts.get(&**other) >= Some(seen), "{other}");
        }
    }
    Ok(())
}

/// True if the first is before the second by their clocks.
fn is_before(left: &Clock, right: &Clock) -> bool {
    let mut counts = left.iter();
    left != right && counts.all(|(host, count)| right.get(host).is_some_and(|it| count <= it))
}

/// By step: the steps that it depends on directly.
fn dependences(records: &[Record]) -> Vec<(u32, Vec<usize>)> {
    let mut last: BTreeMap<u32, usize> = BTreeMap::new();
    let mut steps: Vec<(u32, Vec<usize>)> = Vec::new();
    for record in records {
        match record {
            Record::Step(step) => {
                let before = last.insert(step.task, steps.len());
                steps.push((step.task, before.into_iter().collect()));
            }
            Record::Cause(cause) => steps.last_mut().unwrap().1.push(*cause as usize - 1),
            Record::Task(task) => {
                let parent = task.parent.and_then(|parent| last.get(&parent).copied());
                last.extend(parent.map(|parent| (task.id, parent)));
            }
            _ => {}
        }
    }
    steps
}

#[test]
fn clocks_know_what_a_task_that_was_started_could_know() {
    let log = log(&exported(&shop(), Format::Shiviz));
    check_log(&log).unwrap();
    let clock_of = |host: &str| &log.iter().find(|(it, _)| it == host).unwrap().1;
    let restarted = clock_of("pool#2");
    // The scenario started it when it had heard of the death.
    assert!(restarted["pool"] >= 5, "{restarted:?}");
    assert_eq!(clock_of("client%20\"one\";%20<b>#2")["scenario"], 1);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn clocks_say_happened_before_exactly_where_causes_lead(records in any_run()) {
        let log = log(&exported(&records, Format::Shiviz));
        check_log(&log)?;
        let steps = dependences(&records);
        prop_assert_eq!(steps.len(), log.len());
        // Everything that a step depends on.
        let mut past: Vec<Vec<bool>> = Vec::new();
        for (_, direct) in &steps {
            let mut all = vec![false; steps.len()];
            for before in direct {
                all[*before] = true;
                for (place, is_past) in past[*before].iter().enumerate() {
                    all[place] |= is_past;
                }
            }
            past.push(all);
        }
        for (later, before) in past.iter().enumerate() {
            for (earlier, is_past) in before.iter().enumerate() {
                let by_clocks = is_before(&log[earlier].1, &log[later].1);
                prop_assert_eq!(by_clocks, *is_past, "{} and {}", earlier + 1, later + 1);
            }
        }
    }

    #[test]
    fn what_is_left_out_of_a_log_still_carries_causes(records in any_run(), from in 0..20_u64) {
        let whole = log(&exported(&records, Format::Shiviz));
        let steps = dependences(&records);
        let selection = part(from, u64::MAX, &["actor-1", "actor-2"]);
        let text = try_export(&records, Format::Shiviz, &selection).unwrap();
        let some = log(&text);
        check_log(&some)?;
        let kept: Vec<usize> = (0..steps.len())
            .filter(|step| *step as u64 + 1 >= from && [1, 2].contains(&steps[*step].0))
            .collect();
        prop_assert_eq!(kept.len(), some.len());
        for (a, first) in kept.iter().enumerate() {
            for (b, second) in kept.iter().enumerate() {
                prop_assert_eq!(
                    is_before(&some[a].1, &some[b].1),
                    is_before(&whole[*first].1, &whole[*second].1)
                );
            }
        }
    }

    #[test]
    fn every_message_has_its_arrow_and_its_parent(records in any_run()) {
        let messages = records.iter().filter(|it| matches!(it, Record::Cause(_))).count();
        let events = trace_events(&exported(&records, Format::Perfetto));
        prop_assert_eq!(check_trace_events(&events)?, messages);
        let spans = spans(&exported(&records, Format::Otlp));
        check_spans(&spans)?;
        let consumed = spans.iter().filter(|span| span.kind == 5).count();
        prop_assert_eq!(consumed, messages);
    }

    #[test]
    fn json_lines_tell_all_lines_of_the_story(records in any_run()) {
        let text = exported(&records, Format::Jsonl);
        let objects: Vec<Value> = text.lines().map(|it| serde_json::from_str(it).unwrap()).collect();
        let lines = story::lines(&records);
        prop_assert_eq!(objects.len(), 1 + lines.len());
        prop_assert_eq!(&objects[0]["seed"], header().config.seed);
        for (object, line) in objects[1..].iter().zip(&lines) {
            prop_assert_eq!(&object["step"], line.step);
            prop_assert_eq!(&object["time_ns"], line.now_ns);
            if line.is_step() {
                prop_assert_eq!(&object["cause"], &serde_json::json!(line.cause));
            }
        }
    }
}

#[test]
fn a_span_has_what_was_logged_whatever_it_begins_with() {
    let mut records = shop();
    let logged = records.iter_mut().find(|it| matches!(it, Record::Event(_)));
    *logged.unwrap() = event("| | failed: not at all");
    let spans = exported(&records, Format::Otlp);
    let name = r#""name":"| | failed: not at all""#;
    assert!(spans.contains(name), "{spans}");
}

#[test]
fn a_state_is_with_its_step_however_many_steps_share_an_instant() {
    let expected: Vec<String> = (0..3_000).map(|number| number.to_string()).collect();
    let steps = expected
        .iter()
        .flat_map(|text| [step(0, 0, StepKind::Handle), state(0, text, false)]);
    let events = trace_events(&exported(&of_one_actor(steps), Format::Perfetto));
    let states = events
        .iter()
        .filter_map(|event| event["args"]["state"].as_str());
    assert_eq!(states.collect::<Vec<_>>(), expected);
}
