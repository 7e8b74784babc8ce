//! Following a JSON pointer (RFC 6901), with an account of how far it led where it leads nowhere.

use serde_json::Value;

use crate::model::nearest::nearest;

/// More names than this in a message help nobody.
const SHOWN: usize = 5;

/// The value that `pointer` leads to, or where it stops and what is there instead.
pub(crate) fn follow<'v>(value: &'v Value, pointer: &str) -> Result<&'v Value, String> {
    if pointer.is_empty() {
        return Ok(value);
    }
    let nowhere = |reached: &str, problem: String| {
        let place = if reached.is_empty() { "the whole value" } else { reached };
        Err(format!("{pointer} leads nowhere: {place} {problem}"))
    };
    let Some(tokens) = pointer.strip_prefix('/') else {
        return nowhere("", "is all there is: a pointer begins with `/`".to_owned());
    };
    let (mut here, mut reached) = (value, 0);
    for token in tokens.split('/') {
        let key = token.replace("~1", "/").replace("~0", "~");
        let next = match here {
            Value::Object(map) => map.get(&key),
            Value::Array(items) if is_index(&key) => key.parse::<usize>().ok().and_then(|index| items.get(index)),
            Value::Array(_) | Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => None,
        };
        match next {
            Some(next) => here = next,
            None => return nowhere(&pointer[..reached], instead(here, &key)),
        }
        reached += 1 + token.len();
    }
    Ok(here)
}

/// What kind of value it is, with its article.
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
        Value::Array(items) => format!("is an array of {}, which has no {key:?}", items.len()),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {
            format!("is {}, which has nothing below it", kind(here))
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn pointers_follow_the_examples_of_rfc_6901() {
        let value = json!({"foo": ["bar", "baz"], "": 0, "a/b": 1, "m~n": 8, " ": 7});
        for (pointer, expected) in
            [("/foo/0", json!("bar")), ("/", json!(0)), ("/a~1b", json!(1)), ("/m~0n", json!(8)), ("/ ", json!(7))]
        {
            assert_eq!(follow(&value, pointer), Ok(&expected), "{pointer}");
        }
        assert_eq!(follow(&value, ""), Ok(&value));
        assert!(follow(&value, "/foo/01").is_err() && follow(&value, "/foo/-").is_err());
    }

    #[test]
    fn a_pointer_that_leads_nowhere_says_how_far_it_came() {
        let value = json!({"latency": {"p50": 1, "p95": 2}, "runs": [1, 2]});
        for (pointer, expected) in [
            ("/latency/p59", "/latency/p59 leads nowhere: /latency has no \"p59\"; did you mean p50 or p95?"),
            ("/zebra/x", "/zebra/x leads nowhere: the whole value has no \"zebra\"; it has latency, runs"),
            ("/runs/2", "/runs/2 leads nowhere: /runs is an array of 2, which has no \"2\""),
            ("/latency/p50/x", "/latency/p50/x leads nowhere: /latency/p50 is a number, which has nothing below it"),
        ] {
            assert_eq!(follow(&value, pointer).unwrap_err(), expected);
        }
    }
}
