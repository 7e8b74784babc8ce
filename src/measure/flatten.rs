//! A tuneables file as flat keys: `a.b[0].c`. Owns the three formats and the spelling of keys.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::config::{Diagnostic, yaml};
use crate::measure::number;
use crate::model::strict_json::parse_json;

/// The keys and values of a file, whose name's ending tells the format; an empty YAML or TOML file has none. Else what
/// is wrong with it, as a sentence that goes on from the file's name.
pub(crate) fn flatten(name: &str, bytes: &[u8]) -> Result<BTreeMap<String, Value>, String> {
    let value = match name.to_ascii_lowercase().rsplit('.').next() {
        Some("json") => parse_json(bytes).map_err(|error| malformed("JSON", &error.to_string()))?,
        Some("yml" | "yaml") => {
            let at = |it: Diagnostic| format!("line {}, column {}: {}", it.line, it.column, it.message);
            yaml::parse(text(bytes, "YAML")?).map_err(|error| malformed("YAML", &at(error)))?
        }
        Some("toml") => toml_value(text(bytes, "TOML")?)?,
        _ => return Err("ends in none of .json, .yml, .yaml, .toml".to_owned()),
    };
    let mut flat = BTreeMap::new();
    match value {
        Value::Object(map) if map.is_empty() => {}
        Value::Object(_) => add("", value, &mut flat),
        Value::Null if !bytes.starts_with(b"null") => {}
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) => {
            return Err(format!("holds {} where keys and values are expected", number::kind(&value)));
        }
    }
    Ok(flat)
}

fn malformed(format: &str, message: &str) -> String {
    format!("is not valid {format}: {message}")
}

fn text<'b>(bytes: &'b [u8], format: &str) -> Result<&'b str, String> {
    std::str::from_utf8(bytes).map_err(|error| {
        let line = bytes[..error.valid_up_to()].iter().filter(|&&b| b == b'\n').count() + 1;
        malformed(format, &format!("line {line}: not UTF-8"))
    })
}

fn add(path: &str, value: Value, flat: &mut BTreeMap<String, Value>) {
    match value {
        Value::Object(map) if !map.is_empty() => {
            for (key, item) in map {
                add(&child(path, &key), item, flat);
            }
        }
        Value::Array(items) if !items.is_empty() => {
            for (i, item) in items.into_iter().enumerate() {
                add(&format!("{path}[{i}]"), item, flat);
            }
        }
        Value::Object(_) | Value::Array(_) | Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {
            flat.insert(path.to_owned(), value);
        }
    }
}

/// `path.key`; `path["key"]` where the key itself holds a character of the path's syntax.
fn child(path: &str, key: &str) -> String {
    if key.is_empty() || key.contains(['.', '[', ']', '"']) {
        format!("{path}[{}]", Value::from(key))
    } else if path.is_empty() {
        key.to_owned()
    } else {
        format!("{path}.{key}")
    }
}

fn toml_value(text: &str) -> Result<Value, String> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let table: toml::Table = text.parse().map_err(|error: toml::de::Error| {
        let before = error.span().map_or("", |span| text.get(..span.start).unwrap_or_default());
        let line = before.matches('\n').count() + 1;
        let column = before.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
        malformed("TOML", &format!("line {line}, column {column}: {}", error.message()))
    })?;
    from_toml(toml::Value::Table(table)).ok_or_else(|| malformed("TOML", "a number that is not finite"))
}

/// `None` for a number that is not finite.
fn from_toml(value: toml::Value) -> Option<Value> {
    Some(match value {
        toml::Value::String(text) => Value::String(text),
        toml::Value::Integer(number) => Value::from(number),
        toml::Value::Float(number) => Value::Number(serde_json::Number::from_f64(number)?),
        toml::Value::Boolean(flag) => Value::Bool(flag),
        toml::Value::Datetime(time) => Value::String(time.to_string()),
        toml::Value::Array(items) => Value::Array(items.into_iter().map(from_toml).collect::<Option<_>>()?),
        toml::Value::Table(table) => {
            let pairs = table.into_iter().map(|(key, item)| Some((key, from_toml(item)?)));
            Value::Object(pairs.collect::<Option<_>>()?)
        }
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn flat(name: &str, text: &str) -> Value {
        json!(flatten(name, text.as_bytes()).unwrap_or_else(|error| panic!("{name}: {error}\n{text}")))
    }

    #[test]
    fn the_same_tuneables_in_three_formats_have_the_same_keys() {
        let expected = json!({"a.b[0].c": 1, "a.b[1]": "x", "a.e": [], "f": 0.5, "g": true});
        assert_eq!(
            flat("t.json", "\u{feff}{\"a\": {\"b\": [{\"c\": 1}, \"x\"], \"e\": []}, \"f\": 0.5, \"g\": true}"),
            expected
        );
        assert_eq!(
            flat("T.YAML", "\u{feff}a:\r\n  b:\r\n    - c: 1\r\n    - x\r\n  e: []\r\nf: 0.5\r\ng: true\r\n"),
            expected
        );
        assert_eq!(flat("t.toml", "\u{feff}f = 0.5\ng = true\n[a]\nb = [{c = 1}, 'x']\ne = []\n"), expected);
    }

    #[test]
    fn keys_that_hold_dots_or_brackets_cannot_be_mistaken_for_paths() {
        let value = flat("t.json", r#"{"gpt-4.1": {"limit": 1}, "a": {"b": 2}, "a.b": 3, "": 4}"#);
        assert_eq!(value, json!({"[\"gpt-4.1\"].limit": 1, "a.b": 2, "[\"a.b\"]": 3, "[\"\"]": 4}));
    }

    #[test]
    fn malformed_files_are_refused_with_their_line() {
        for (name, text, expected) in [
            ("t.json", "{\"a\": 1,\n \"a\": 2}", "is not valid JSON: line 2"),
            ("t.json", "{\"a\": NaN}", "NaN is not a finite number"),
            ("t.json", "[1]", "holds an array where keys and values are expected"),
            ("t.json", "", "is not valid JSON"),
            ("t.json", "null", "holds null"),
            ("t.yml", "a: 1\na: 2\n", "is not valid YAML: line 2"),
            ("t.yml", "a: 1\nb: .nan\n", "is not valid YAML: line 2, column 4"),
            ("t.yml", "text", "holds a text"),
            ("t.toml", "a = 1\nb = = 2\n", "is not valid TOML: line 2"),
            ("t.toml", "a = nan", "not finite"),
            ("t.ini", "", "ends in none"),
        ] {
            let error = flatten(name, text.as_bytes()).unwrap_err();
            assert!(error.contains(expected), "{name} {text}: {error}");
        }
        assert!(flatten("t.yml", b"a: \xff").unwrap_err().contains("line 1: not UTF-8"));
        assert_eq!(
            (flat("t.yml", "# nothing\n"), flat("t.toml", ""), flat("t.json", "{}")),
            (json!({}), json!({}), json!({}))
        );
    }
}
