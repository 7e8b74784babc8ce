//! JSON pointers (RFC 6901), with an error that says how far a pointer led.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::model::nearest;

/// The maximum number of names that are listed in a message.
const SHOWN: usize = 5;

/// A value that a pointer leads to, and the values that contain it, outermost first.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct PointerMatch<'v> {
    pub(crate) value: &'v Value,
    pub(crate) within: Vec<&'v Value>,
}

/// The values that `pointer` leads to, at least one; or where it stops and what is there instead. Extends the RFC:
/// unless it is a key, `*` means every item, and `FIELD=VALUE` the items of an array with this field.
pub(crate) fn follow<'v>(value: &'v Value, pointer: &str) -> Result<Vec<PointerMatch<'v>>, String> {
    let mut here = vec![PointerMatch { value, within: Vec::new() }];
    if pointer.is_empty() {
        return Ok(here);
    }
    let nowhere = |reached: &str, problem: String| {
        let place = if reached.is_empty() { "the whole value" } else { reached };
        Err(format!("{pointer} was not found: {place} {problem}"))
    };
    let Some(tokens) = pointer.strip_prefix('/') else {
        return nowhere("", "is all there is: a pointer begins with `/`".to_owned());
    };
    let mut reached = 0;
    for token in tokens.split('/') {
        let key = token.replace("~1", "/").replace("~0", "~");
        let mut next = Vec::new();
        for PointerMatch { value, within } in here {
            let below = below(value, &key);
            if below.is_empty() {
                return nowhere(&pointer[..reached], instead(value, &key));
            }
            let within = [within, vec![value]].concat();
            next.extend(below.into_iter().map(|below| PointerMatch { value: below, within: within.clone() }));
        }
        here = next;
        reached += 1 + token.len();
    }
    Ok(here)
}

/// The values in `value` that one step of a pointer matches.
fn below<'v>(value: &'v Value, key: &str) -> Vec<&'v Value> {
    match value {
        Value::Object(map) => match map.get(key) {
            Some(found) => vec![found],
            None if key == "*" => map.values().collect(),
            None => Vec::new(),
        },
        Value::Array(items) if key == "*" => items.iter().collect(),
        Value::Array(items) if is_index(key) => {
            key.parse::<usize>().ok().and_then(|index| items.get(index)).into_iter().collect()
        }
        Value::Array(items) => key.split_once('=').map_or_else(Vec::new, |(field, wanted)| {
            let has = |item: &&Value| match item.get(field) {
                Some(Value::String(text)) => text == wanted,
                Some(other) => format!("{other}") == wanted,
                None => false,
            };
            items.iter().filter(has).collect()
        }),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => Vec::new(),
    }
}

/// The kind of a value, with its article.
pub(crate) fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number",
        Value::String(_) => "a text",
        Value::Array(_) => "an array",
        Value::Object(_) => "an object",
    }
}

fn is_index(key: &str) -> bool {
    key == "0" || (!key.starts_with('0') && !key.is_empty() && key.bytes().all(|b| b.is_ascii_digit()))
}

fn instead(here: &Value, key: &str) -> String {
    match here {
        Value::Object(map) if map.is_empty() => "is an empty object".to_owned(),
        Value::Object(map) => {
            let close = nearest(key, map.keys().map(String::as_str), SHOWN);
            if !close.is_empty() {
                return format!("has no {key:?}; did you mean {}?", close.join(" or "));
            }
            let names: Vec<&str> = map.keys().take(SHOWN).map(String::as_str).collect();
            let more = if map.len() > SHOWN { ", …" } else { "" };
            format!("has no {key:?}; it has {}{more}", names.join(", "))
        }
        Value::Array(items) => match key.split_once('=') {
            Some((field, wanted)) => {
                let known: BTreeSet<&str> = items.iter().filter_map(|item| item.get(field)?.as_str()).collect();
                let close = nearest(wanted, known, SHOWN);
                let hint =
                    if close.is_empty() { String::new() } else { format!("; did you mean {}?", close.join(" or ")) };
                format!("is an array of {}, none with {field} {wanted:?}{hint}", items.len())
            }
            None => format!("is an array of {}, which has no {key:?}", items.len()),
        },
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {
            format!("is {}, which has nothing below it", kind(here))
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn values(value: &Value, pointer: &str) -> Vec<Value> {
        follow(value, pointer).unwrap().into_iter().map(|found| found.value.clone()).collect()
    }

    #[test]
    fn a_star_is_every_item_and_a_field_picks_some() {
        let value = json!({"b": [{"n": "parse", "ns": 1}, {"n": "y", "ns": 2}, {"n": "parse", "ns": 3}], "*": 9, "o": {"p": 4, "q": 5}});
        assert_eq!(values(&value, "/b/*/ns"), [json!(1), json!(2), json!(3)]);
        assert_eq!(values(&value, "/b/n=parse/ns"), [json!(1), json!(3)]);
        assert_eq!(values(&value, "/b/ns=2/n"), [json!("y")]);
        assert_eq!((values(&value, "/*"), values(&value, "/o/*")), (vec![json!(9)], vec![json!(4), json!(5)]));
        let nowhere = follow(&value, "/b/n=prase/ns").unwrap_err();
        assert_eq!(
            nowhere,
            "/b/n=prase/ns was not found: /b is an array of 3, none with n \"prase\"; did you mean parse?"
        );
    }

    #[test]
    fn pointers_follow_the_examples_of_rfc_6901() {
        let value = json!({"foo": ["bar", "baz"], "": 0, "a/b": 1, "m~n": 8, " ": 7});
        for (pointer, expected) in
            [("/foo/0", json!("bar")), ("/", json!(0)), ("/a~1b", json!(1)), ("/m~0n", json!(8)), ("/ ", json!(7))]
        {
            assert_eq!(values(&value, pointer), [expected], "{pointer}");
        }
        assert_eq!(values(&value, ""), std::slice::from_ref(&value));
        assert!(follow(&value, "/foo/01").is_err() && follow(&value, "/foo/-").is_err());
    }

    #[test]
    fn a_pointer_that_leads_nowhere_says_how_far_it_came() {
        let value = json!({"latency": {"p50": 1, "p95": 2}, "runs": [1, 2]});
        for (pointer, expected) in [
            ("/latency/p59", "/latency/p59 was not found: /latency has no \"p59\"; did you mean p50 or p95?"),
            ("/zebra/x", "/zebra/x was not found: the whole value has no \"zebra\"; it has latency, runs"),
            ("/runs/2", "/runs/2 was not found: /runs is an array of 2, which has no \"2\""),
            ("/latency/p50/x", "/latency/p50/x was not found: /latency/p50 is a number, which has nothing below it"),
        ] {
            assert_eq!(follow(&value, pointer).unwrap_err(), expected);
        }
    }
}
