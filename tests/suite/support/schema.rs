//! Checks values against the published schemas: a validator for the part of JSON Schema (draft 7) that they use. It is
//! stricter than the standard: a key that the schema does not describe is an error, whatever it allows.

use std::collections::BTreeSet;
use std::path::Path;

use serde_json::Value;

/// Asserts that a value conforms to `docs/schemas/NAME.json`.
#[track_caller]
pub(crate) fn fits(name: &str, value: &Value) {
    if let Err(problem) = misfit(name, value) {
        panic!("{problem} by the schema of {name} in {value:#}");
    }
}

/// Returns the first mismatch as an error.
pub(crate) fn misfit(name: &str, value: &Value) -> Result<(), String> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("docs/schemas/{name}.json"));
    let root: Value = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    whole(&root, &root, value, "")
}

fn whole(root: &Value, schema: &Value, value: &Value, at: &str) -> Result<(), String> {
    let known = part(root, schema, value, at)?;
    let unknown = value.as_object().and_then(|object| object.keys().find(|key| !known.contains(*key)));
    unknown.map_or(Ok(()), |key| Err(format!("{at}/{key} is not described")))
}

/// The keys that a schema describes.
#[expect(clippy::too_many_lines, reason = "one keyword of the schema after another")]
fn part(root: &Value, schema: &Value, value: &Value, at: &str) -> Result<BTreeSet<String>, String> {
    let list = |key: &str| schema[key].as_array().map(Vec::as_slice).unwrap_or_default();
    let mut known = BTreeSet::new();
    let keys = value.as_object().into_iter().flatten();
    if !["type", "properties", "$ref", "allOf", "anyOf", "oneOf"].iter().any(|key| schema.get(key).is_some()) {
        known.extend(keys.clone().map(|(key, _)| key.clone()));
    }
    if let Some(place) = schema["$ref"].as_str() {
        known.append(&mut part(root, root.pointer(&place[1..]).unwrap(), value, at)?);
    }
    for each in list("allOf") {
        known.append(&mut part(root, each, value, at)?);
    }
    for choice in [list("anyOf"), list("oneOf")] {
        let (fit, not): (Vec<_>, Vec<_>) =
            choice.iter().map(|each| part(root, each, value, at)).partition(Result::is_ok);
        if fit.is_empty() && !not.is_empty() {
            return Err(not.into_iter().filter_map(Result::err).collect::<Vec<_>>().join(", "));
        }
        known.extend(fit.into_iter().flatten().flatten());
    }
    let kind = match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(number) if number.is_f64() => "number",
        Value::Number(_) => "integer",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    };
    let is = |name: &Value| name == kind || (name == "number" && kind == "integer");
    if schema.get("type").is_some_and(|name| !is(name) && !name.as_array().is_some_and(|all| all.iter().any(is))) {
        return Err(format!("{at} is {kind} and not {}", schema["type"]));
    }
    let other = schema.get("const").is_some_and(|it| it != value)
        || schema.get("enum").is_some_and(|all| !all.as_array().unwrap().contains(value));
    if other {
        return Err(format!("{at} is none of the values"));
    }
    let bound = |key: &str| Some((value.as_f64()?, schema[key].as_f64()?));
    let is_outside = bound("minimum").is_some_and(|(it, least)| it < least)
        || bound("exclusiveMinimum").is_some_and(|(it, least)| it <= least)
        || bound("maximum").is_some_and(|(it, most)| it > most);
    if is_outside {
        return Err(format!("{at} is {value}, out of its range"));
    }
    if let (Value::Object(object), Some(key)) =
        (value, list("required").iter().find(|key| value.get(key.as_str().unwrap()).is_none()))
    {
        return Err(format!("{at} has no {key}, only {:?}", object.keys()));
    }
    for (key, below) in keys {
        let described = schema["properties"].get(key).or_else(|| schema.get("additionalProperties"));
        match described {
            Some(Value::Bool(false)) => return Err(format!("{at}/{key} is not allowed")),
            Some(described) => {
                whole(root, described, below, &format!("{at}/{key}"))?;
                known.insert(key.clone());
            }
            None => {}
        }
    }
    for (number, item) in value.as_array().into_iter().flatten().enumerate() {
        if let Some(of) = schema.get("items") {
            whole(root, of, item, &format!("{at}/{number}"))?;
        }
    }
    Ok(known)
}
