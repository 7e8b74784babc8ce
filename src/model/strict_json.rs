//! Strict JSON parsing: no duplicate keys, no non-finite numbers, no deep nesting (serde_json's limit of 128 levels).
//! Accepts a UTF-8 byte order mark and CRLF. The caller limits the size of the file.

use std::fmt;

use serde::de::{DeserializeOwned, DeserializeSeed, Error as _, MapAccess, SeqAccess, Visitor};
use serde_json::map::Entry;
use serde_json::{Map, Number, Value};

/// Why bytes are not acceptable JSON. The caller adds the file's path.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum JsonError {
    #[error("it is empty")]
    Empty,
    #[error("it is UTF-16; save it as UTF-8 (in PowerShell: `| Out-File -Encoding utf8`)")]
    Utf16,
    #[error("line {line}: git left a conflict in it")]
    Conflict { line: usize },
    #[error("line {line}, column {column}: not UTF-8")]
    NotUtf8 { line: usize, column: usize },
    /// Not JSON, nested too deeply, a duplicate key, or a number out of range.
    #[error("line {line}, column {column}: {message}")]
    Syntax { line: usize, column: usize, message: String },
    /// `NaN` or `Infinity`, which Python writes and JSON does not have.
    #[error(
        "line {line}, column {column}: {token} is not a finite number; measurements are refused rather than guessed"
    )]
    NotFinite { line: usize, column: usize, token: &'static str },
}

pub struct Json<'a> {
    text: &'a str,
    pub value: Value,
}

impl<'a> Json<'a> {
    pub fn parse(bytes: &'a [u8]) -> Result<Self, JsonError> {
        let text = text_of(bytes)?;
        let mut deserializer = serde_json::Deserializer::from_str(text);
        let value = Strict.deserialize(&mut deserializer).and_then(|value| deserializer.end().map(|()| value));
        value.map(|value| Self { text, value }).map_err(|error| syntax(&error, text))
    }

    pub fn read<T: DeserializeOwned>(&self) -> Result<T, JsonError> {
        // On failure the text is parsed again, because only that error has a line and a column.
        T::deserialize(&self.value)
            .or_else(|_| serde_json::from_str(self.text).map_err(|error| syntax(&error, self.text)))
    }
}

pub fn parse_json(bytes: &[u8]) -> Result<Value, JsonError> {
    Json::parse(bytes).map(|json| json.value)
}

fn text_of(bytes: &[u8]) -> Result<&str, JsonError> {
    if bytes.starts_with(&[0xFF, 0xFE]) || bytes.starts_with(&[0xFE, 0xFF]) {
        return Err(JsonError::Utf16);
    }
    let bytes = bytes.strip_prefix(&[0xEF, 0xBB, 0xBF]).unwrap_or(bytes);
    let text = std::str::from_utf8(bytes).map_err(|error| {
        let valid = String::from_utf8_lossy(&bytes[..error.valid_up_to()]);
        let (line, column) = place_after(&valid);
        JsonError::NotUtf8 { line, column }
    })?;
    if text.trim().is_empty() {
        return Err(JsonError::Empty);
    }
    // No line of valid JSON begins like this.
    let conflict = || text.lines().position(|line| line.starts_with("<<<<<<< "));
    let conflict = text.contains("<<<<<<< ").then(conflict).flatten();
    conflict.map_or(Ok(text), |at| Err(JsonError::Conflict { line: at + 1 }))
}

fn place_after(head: &str) -> (usize, usize) {
    let line = head.matches('\n').count() + 1;
    let column = head.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
    (line, column)
}

fn syntax(error: &serde_json::Error, text: &str) -> JsonError {
    let (line, column) = if error.line() == 0 { place_after(text) } else { (error.line(), error.column().max(1)) };
    let rest = text.split('\n').nth(line - 1).and_then(|line| line.get(column - 1..)).unwrap_or_default();
    if let Some(token) = ["NaN", "Infinity"].into_iter().find(|token| rest.starts_with(token)) {
        return JsonError::NotFinite { line, column, token };
    }
    let full = error.to_string();
    let place = format!(" at line {} column {}", error.line(), error.column());
    let message = plain(full.strip_suffix(&place).unwrap_or(&full));
    let message = if error.is_eof() { format!("{message} (is the file cut off?)") } else { message };
    JsonError::Syntax { line, column, message }
}

/// Replaces Rust types in serde's "expected" clause by the names of JSON types.
fn plain(message: &str) -> String {
    let Some((head, expected)) = message.rsplit_once("expected ") else { return message.to_owned() };
    let word = match expected.split(' ').next().unwrap_or_default() {
        "struct" | "map" | "internally" | "adjacently" => "an object",
        "a" if expected == "a map" => "an object",
        "u8" | "u16" | "u32" | "u64" | "usize" | "i32" | "i64" | "nonzero" => "a whole number",
        "f32" | "f64" => "a number",
        "a" if expected == "a sequence" => "a list",
        "option" => "a value or null",
        _ => return message.to_owned(),
    };
    format!("{head}expected {word}")
}

/// Builds a [`Value`] and refuses duplicate keys and non-finite numbers, which `serde_json` does not.
#[derive(Clone, Copy)]
struct Strict;

impl<'de> DeserializeSeed<'de> for Strict {
    type Value = Value;

    fn deserialize<D: serde::Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Strict {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(Value::from(value))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(Value::from(value))
    }

    fn visit_f64<E: serde::de::Error>(self, value: f64) -> Result<Value, E> {
        Number::from_f64(value).map(Value::Number).ok_or_else(|| E::custom("not a finite number"))
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(Value::from(value))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let mut found = Vec::new();
        while let Some(item) = items.next_element_seed(self)? {
            found.push(item);
        }
        Ok(Value::Array(found))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Value, A::Error> {
        let mut found = Map::with_capacity(8);
        while let Some(key) = entries.next_key::<String>()? {
            match found.entry(key) {
                Entry::Vacant(place) => {
                    place.insert(entries.next_value_seed(self)?);
                }
                Entry::Occupied(place) => {
                    return Err(A::Error::custom(format!("the key {:?} stands twice in one object", place.key())));
                }
            }
        }
        Ok(Value::Object(found))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn refused(text: &str) -> String {
        parse_json(text.as_bytes()).unwrap_err().to_string()
    }

    #[test]
    fn type_errors_name_json_types_and_not_rust_types() {
        let wrong = |text: &str| Json::parse(text.as_bytes()).unwrap().read::<Vec<u64>>().unwrap_err().to_string();
        assert_eq!(wrong("[\"x\"]"), "line 1, column 4: invalid type: string \"x\", expected a whole number");
        assert_eq!(wrong("{}"), "line 1, column 0: invalid type: map, expected a list".replace("0:", "1:"));
    }

    #[test]
    fn a_byte_order_mark_and_crlf_are_accepted() {
        let value = parse_json(b"\xEF\xBB\xBF{\r\n \"a\": 1\r\n}\r\n").unwrap();
        assert_eq!(value["a"], 1);
    }

    #[test]
    fn utf_16_and_broken_utf_8_are_named() {
        assert_eq!(parse_json(&[0xFF, 0xFE, b'{', 0]), Err(JsonError::Utf16));
        let error = parse_json(b"{\n\"a\": \"\xFF\"}");
        assert_eq!(error, Err(JsonError::NotUtf8 { line: 2, column: 7 }));
    }

    #[test]
    fn a_duplicate_key_is_refused_at_any_depth() {
        assert!(refused(r#"{"x": [{"a": 1, "a": 2}]}"#).contains(r#"the key "a" stands twice"#));
    }

    #[test]
    fn nan_and_infinity_are_refused_with_their_place_but_not_in_strings() {
        assert!(refused("{\n  \"a\": NaN}").starts_with("line 2, column 8: NaN is not a finite number"));
        assert!(refused("[-Infinity]").starts_with("line 1, column 3: Infinity"));
        assert!(refused("[1e999]").contains("number out of range"));
        assert!(parse_json(br#"["NaN", "\"NaN\""]"#).is_ok());
    }

    #[test]
    fn depth_is_bounded() {
        assert!(parse_json(format!("{}{}", "[".repeat(100), "]".repeat(100)).as_bytes()).is_ok());
        assert!(parse_json("[".repeat(100_000).as_bytes()).unwrap_err().to_string().contains("recursion limit"));
    }

    #[test]
    fn a_truncated_file_and_trailing_content_are_refused() {
        assert!(refused(r#"{"a": 1"#).contains("is the file cut off?"));
        assert!(refused("{} {}").contains("trailing characters"));
        assert_eq!(refused(" \n"), "it is empty");
    }

    proptest! {
        #[test]
        fn no_bytes_panic(bytes in proptest::collection::vec(any::<u8>(), 0..64), text in "[\\[\\]{}\",:0-9.eE+\\-NaInfty \\\\]{0,40}") {
            let _ = parse_json(&bytes);
            let _ = parse_json(text.as_bytes());
            let _ = Json::parse(text.as_bytes()).map(|json| json.read::<Vec<f64>>());
        }
    }
}
