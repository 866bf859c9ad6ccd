//! What the schema says of JSON lines, and what they are.

use std::collections::{BTreeMap, BTreeSet};

use retake_inspect::export::Format;
use retake_testkit::traces::runs::shop;
use retake_traces::fault::Fault;
use retake_traces::record::{ActorEnd, EndKind, Record};
use serde_json::Value;

use crate::exports::exported;

fn schema() -> Value {
    let text = include_str!("../../../../docs/schemas/retake-export.schema.json");
    serde_json::from_str(text).unwrap()
}

/// All properties that the schema gives a record, with those of the definitions it refers to.
fn properties<'a>(schema: &'a Value, part: &'a Value, found: &mut BTreeMap<&'a str, &'a Value>) {
    for (name, property) in part["properties"].as_object().into_iter().flatten() {
        found.insert(name, property);
    }
    if let Some(path) = part["$ref"].as_str() {
        let name = path.strip_prefix("#/$defs/").unwrap();
        properties(schema, &schema["$defs"][name], found);
    }
}

#[test]
fn each_object_of_json_lines_has_only_properties_that_the_schema_names() {
    let schema = schema();
    let mut records = shop();
    let (task, how) = (1, EndKind::Killed);
    records.insert(records.len() - 1, Record::Ended(ActorEnd { task, how }));
    let mut seen = 0;
    for line in exported(&records, Format::Jsonl).lines() {
        let object: Value = serde_json::from_str(line).unwrap();
        let kind = &object["record"];
        let of_kind = |part: &&Value| {
            let record = &part["properties"]["record"];
            let one_of = record["enum"].as_array();
            record["const"] == *kind || one_of.is_some_and(|kinds| kinds.contains(kind))
        };
        let parts = schema["oneOf"].as_array().unwrap();
        let part = parts.iter().find(of_kind);
        let part = part.unwrap_or_else(|| panic!("the schema has no record {kind}"));
        let mut known = BTreeMap::new();
        properties(&schema, part, &mut known);
        for name in object.as_object().unwrap().keys() {
            assert!(known.contains_key(&**name), "{name} in {line}");
        }
        for required in part["required"].as_array().into_iter().flatten() {
            let name = required.as_str().unwrap();
            assert!(object.get(name).is_some(), "{required} in {line}");
        }
        seen += 1;
    }
    assert!(seen > 10);
}

/// Whether a value has the properties that the schema gives it, and no others.
fn fits(schema: &Value, part: &Value, value: &Value) -> bool {
    if let Some(path) = part["$ref"].as_str() {
        let name = path.strip_prefix("#/$defs/").unwrap();
        return fits(schema, &schema["$defs"][name], value);
    }
    if let Some(parts) = part["oneOf"].as_array() {
        return parts.iter().filter(|it| fits(schema, it, value)).count() == 1;
    }
    if let Some(values) = part["enum"].as_array() {
        return values.contains(value);
    }
    let Some(object) = value.as_object() else {
        let kind = match value {
            Value::Null => "null",
            Value::Bool(_) => "boolean",
            Value::Number(_) => "integer",
            _ => "string",
        };
        let kinds = part["type"].as_array();
        return part["type"] == kind || kinds.is_some_and(|kinds| kinds.contains(&kind.into()));
    };
    let names = part["required"].as_array().into_iter().flatten();
    part["type"] == "object"
        && object.len() == names.clone().count()
        && names.map(|name| name.as_str().unwrap()).all(|name| {
            let value = value.get(name);
            value.is_some_and(|it| fits(schema, &part["properties"][name], it))
        })
}

#[test]
fn each_kind_of_fault_is_in_json_lines_as_the_schema_says() {
    let schema = schema();
    let parts = schema["oneOf"].as_array().unwrap();
    let is_fault = |part: &&Value| part["properties"]["record"]["const"] == "fault";
    let part = parts.iter().find(is_fault);
    let part = &part.unwrap()["properties"]["fault"];
    let mut verbs = BTreeSet::new();
    for text in [
        "kill a in await @1s",
        "panic a in pre_start @1s",
        "fail a @1s",
        "stop a @1s",
        "drain a @1s",
        "lose a @1s",
        "duplicate a @1s",
        "delay a @1s until 2s",
        "slow a in pre_start by 5ms @1s",
        "slow a by 5ms @1s until 2s",
        "squat a @1s until 2s",
        "pause @1s until 2s",
        "late by 1ms @1s until 2s",
        "coalesce by 1ms @1s until 2s",
        "clock +5s @1s",
        "clock drift +5s @1s until 2s",
        "clock wave 5s per 60s @1s",
        "load x4 @1s",
        "load at most 4 @1s",
        "point a @1s",
        "buggify @1s",
        "heal @1s within 5s",
        "break ledger quota rate 5% @1s until 2s",
        "break * slow by 5ms @1s",
        "cut a -> b @1s until 2s",
        "reset a - * @1s",
        "lose packets 5% @1s",
        "delay packets by 5ms on a - b @1s until 2s",
        "duplicate packets 5% on a -> b @1s",
        "reorder packets 5% @1s",
        "crash disk @1s",
        "crash disk log @1s",
        "fill disk @1s until 2s",
        "fail disk log syncs @1s",
        "shorten disk writes rate 5% @1s until 2s",
        "corrupt disk reads @1s",
    ] {
        let fault: Fault = text.parse().unwrap();
        let json = serde_json::to_value(&fault.action).unwrap();
        assert!(fits(&schema, part, &json), "{text}: {json}");
        verbs.insert(fault.action.verb());
    }
    let all: BTreeSet<&str> = retake_traces::fault::kinds::verbs().collect();
    assert_eq!(verbs, all, "a kind has no line above");
}
