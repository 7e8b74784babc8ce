//! The hash chain: recorded events verify, and every single edit is detected at its place.

use chrono::Duration;
use serde_json::Value;
use vibeship_optimizer::model::{Class, Event};
use vibeship_optimizer::workflow::{Broken, Change, chain};

use crate::support::made_up::*;

fn record() -> Vec<Value> {
    let world = at::verify(Class::Code).does(ask::attest).does(ask::verify).does(ask::rollback);
    world.change.events.iter().map(chain::to_value).collect()
}

/// JSON pointers to every member, item and leaf of a value.
fn places(value: &Value, at: &str, found: &mut Vec<String>) {
    match value {
        Value::Object(fields) => {
            for (key, inner) in fields {
                let place = format!("{at}/{}", key.replace('~', "~0").replace('/', "~1"));
                found.push(place.clone());
                places(inner, &place, found);
            }
        }
        Value::Array(items) => {
            for (index, inner) in items.iter().enumerate() {
                let place = format!("{at}/{index}");
                found.push(place.clone());
                places(inner, &place, found);
            }
        }
        _ => {}
    }
}

/// A minimally different value.
fn nudged(value: &Value) -> Value {
    match value {
        Value::Null => Value::from(0),
        Value::Bool(old) => Value::from(!old),
        Value::Number(old) => match old.as_i64() {
            Some(old) => Value::from(old + 1),
            None => Value::from(old.as_f64().unwrap_or_default() + 0.0001),
        },
        Value::String(old) => Value::from(format!("{old} ")),
        Value::Array(old) => Value::Array(old.iter().cloned().chain([Value::Null]).collect()),
        Value::Object(old) => {
            let mut fields = old.clone();
            fields.insert("added".to_owned(), Value::Null);
            Value::Object(fields)
        }
    }
}

#[test]
fn a_record_verifies_and_survives_a_round_trip_to_disk() {
    let world = at::verify(Class::Code).does(ask::verify);
    let text = world.text();
    let raw: Vec<Value> = serde_json::from_str(&text).unwrap();
    chain::verify(&raw).unwrap();
    let events: Vec<Event> = serde_json::from_str(&text).unwrap();
    assert_eq!(Change::replay(events).unwrap(), world.change);
}

#[test]
fn an_edit_of_any_field_of_any_event_is_found_at_that_event() {
    let honest = record();
    chain::verify(&honest).unwrap();
    let mut edits = 0;
    for index in 0..honest.len() {
        let mut found = Vec::new();
        places(&honest[index], "", &mut found);
        for place in found {
            let mut forged = honest.clone();
            let value = forged[index].pointer_mut(&place).unwrap();
            *value = nudged(value);
            let seq = index as u64 + 1;
            match chain::verify(&forged) {
                Err(Broken::Altered(at) | Broken::Link(at)) => assert_eq!(at, seq, "{place}"),
                Err(Broken::Sequence { expected, .. }) => assert_eq!(expected, seq, "{place}"),
                other => panic!("an edit of {place} in event {seq} gave {other:?}"),
            }
            edits += 1;
        }
    }
    assert!(edits > 500, "{edits} edits");
}

#[test]
fn a_removed_field_is_found_at_its_event() {
    let honest = record();
    for index in 0..honest.len() {
        let keys: Vec<String> = honest[index].as_object().unwrap().keys().cloned().collect();
        for key in keys {
            // For the first event, an absent `prev` means the same as `null`, but the digest differs.
            let mut forged = honest.clone();
            forged[index].as_object_mut().unwrap().remove(&key);
            assert!(chain::verify(&forged).is_err(), "{key} of event {}", index + 1);
        }
    }
}

#[test]
fn a_removed_event_is_found_where_it_is_missing() {
    let honest = record();
    // Removing the last event leaves no trace in the chain; git shows that a record only grows.
    for index in 0..honest.len() - 1 {
        let mut forged = honest.clone();
        forged.remove(index);
        let (expected, found) = (index as u64 + 1, index as u64 + 2);
        assert_eq!(chain::verify(&forged), Err(Broken::Sequence { expected, found }));
        for (at, event) in forged.iter_mut().enumerate() {
            event["seq"] = Value::from(at as u64 + 1);
        }
        assert!(
            matches!(chain::verify(&forged), Err(Broken::Link(at) | Broken::Altered(at)) if at == expected),
            "renumbered after removing {expected}"
        );
    }
}

#[test]
fn reordered_and_doubled_events_are_found_at_the_first_that_is_out_of_place() {
    let honest = record();
    for index in 0..honest.len() - 1 {
        let mut swapped = honest.clone();
        swapped.swap(index, index + 1);
        let expected = index as u64 + 1;
        assert!(matches!(chain::verify(&swapped), Err(Broken::Sequence { expected: at, .. }) if at == expected));
        let mut doubled = honest.clone();
        doubled.insert(index, honest[index].clone());
        let found = expected;
        assert_eq!(chain::verify(&doubled), Err(Broken::Sequence { expected: expected + 1, found }));
    }
}

#[test]
fn an_event_of_another_record_does_not_fit_in() {
    let honest = record();
    let other = Script::open(Class::Tuneable).does(ask::contract).does(ask::baseline);
    let mut spliced = honest.clone();
    spliced[2] = chain::to_value(&other.change.events[2]);
    assert_eq!(chain::verify(&spliced), Err(Broken::Link(3)));
}

#[test]
fn what_is_no_record_is_an_error_and_never_a_panic() {
    assert_eq!(chain::verify(&[]), Err(Broken::Empty));
    for value in [Value::Null, Value::from(3), Value::from("x"), serde_json::json!([]), serde_json::json!({})] {
        assert!(chain::verify(&[value]).is_err());
    }
}

#[test]
fn times_are_sealed_with_the_precision_on_disk() {
    let mut world = Script::open(Class::Code);
    world.now = start() + Duration::nanoseconds(1_234_567_891);
    let world = world.does(ask::contract);
    let text = world.text();
    let raw: Vec<Value> = serde_json::from_str(&text).unwrap();
    chain::verify(&raw).unwrap();
    assert!(text.contains("2026-03-01T09:01:01.234567Z"), "{text}");
}
