//! JSON read strictly: bounded size and depth, no duplicate keys, no numbers beyond the finite. Accepts a UTF-8
//! byte order mark and CRLF. Owns the syntax; must not know what the values mean.

use std::fmt;

use serde::de::{DeserializeOwned, DeserializeSeed, Error as _, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};

/// The most that is read before giving up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    pub max_bytes: usize,
    /// Deepest nesting of arrays and objects; at most 120.
    pub max_depth: usize,
}

impl Default for Limits {
    /// 64 MiB and 64 levels: far beyond any evidence, far below what exhausts memory or stack.
    fn default() -> Self {
        Self { max_bytes: 64 * 1024 * 1024, max_depth: 64 }
    }
}

/// Why bytes are no acceptable JSON. The caller adds the file's path.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum JsonError {
    #[error("it is empty")]
    Empty,
    #[error("it has {bytes} bytes, more than the {limit} that are read")]
    TooLarge { bytes: usize, limit: usize },
    #[error("it is UTF-16; save it as UTF-8 (in PowerShell: `| Out-File -Encoding utf8`)")]
    Utf16,
    #[error("line {line}, column {column}: not UTF-8")]
    NotUtf8 { line: usize, column: usize },
    /// Not JSON, nested too deeply, a key twice, or a number out of range.
    #[error("line {line}, column {column}: {message}")]
    Syntax { line: usize, column: usize, message: String },
    /// `NaN` or `Infinity`, which Python writes and JSON does not have.
    #[error(
        "line {line}, column {column}: {token} is not a finite number; measurements are refused rather than guessed"
    )]
    NotFinite { line: usize, column: usize, token: &'static str },
}

/// Reads one JSON value.
pub fn parse_json(bytes: &[u8], limits: Limits) -> Result<Value, JsonError> {
    let text = text_of(bytes, limits)?;
    let mut deserializer = serde_json::Deserializer::from_str(text);
    let strict = Strict { depth_left: limits.max_depth.min(120) };
    let value = strict.deserialize(&mut deserializer).and_then(|value| deserializer.end().map(|()| value));
    value.map_err(|error| syntax(&error, text))
}

/// Reads a `T` as strictly as [`parse_json`].
pub fn parse_as<T: DeserializeOwned>(bytes: &[u8], limits: Limits) -> Result<T, JsonError> {
    shaped(parse_json(bytes, limits)?, bytes, limits)
}

/// What [`parse_json`] read as a `T`. Only where it has another shape are the bytes read again, for the line and column.
pub fn shaped<T: DeserializeOwned>(value: Value, bytes: &[u8], limits: Limits) -> Result<T, JsonError> {
    serde_json::from_value(value).or_else(|_| {
        let text = text_of(bytes, limits)?;
        serde_json::from_str(text).map_err(|error| syntax(&error, text))
    })
}

fn text_of(bytes: &[u8], limits: Limits) -> Result<&str, JsonError> {
    if bytes.len() > limits.max_bytes {
        return Err(JsonError::TooLarge { bytes: bytes.len(), limit: limits.max_bytes });
    }
    if bytes.starts_with(&[0xFF, 0xFE]) || bytes.starts_with(&[0xFE, 0xFF]) {
        return Err(JsonError::Utf16);
    }
    let bytes = bytes.strip_prefix(&[0xEF, 0xBB, 0xBF]).unwrap_or(bytes);
    let text = std::str::from_utf8(bytes).map_err(|error| {
        let valid =
            bytes.get(..error.valid_up_to()).and_then(|head| std::str::from_utf8(head).ok()).unwrap_or_default();
        let (line, column) = place_after(valid);
        JsonError::NotUtf8 { line, column }
    })?;
    if text.trim().is_empty() {
        return Err(JsonError::Empty);
    }
    non_finite_token(text).map_or(Ok(text), Err)
}

fn place_after(head: &str) -> (usize, usize) {
    let line = head.matches('\n').count() + 1;
    let column = head.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
    (line, column)
}

/// The first `NaN` or `Infinity` outside strings, whatever else is wrong with the text.
fn non_finite_token(text: &str) -> Option<JsonError> {
    let bytes = text.as_bytes();
    let (mut at, mut in_string) = (0, false);
    while at < bytes.len() {
        match bytes[at] {
            b'\\' if in_string => at += 1,
            b'"' => in_string = !in_string,
            b'N' | b'I' if !in_string => {
                let token = ["NaN", "Infinity"].into_iter().find(|token| bytes[at..].starts_with(token.as_bytes()));
                if let (Some(token), Some(head)) = (token, text.get(..at)) {
                    let (line, column) = place_after(head);
                    return Some(JsonError::NotFinite { line, column, token });
                }
            }
            _ => {}
        }
        at += 1;
    }
    None
}

fn syntax(error: &serde_json::Error, text: &str) -> JsonError {
    let full = error.to_string();
    let place = format!(" at line {} column {}", error.line(), error.column());
    let message = plain(full.strip_suffix(&place).unwrap_or(&full));
    let message = if error.is_eof() { format!("{message} (is the file cut off?)") } else { message };
    let (line, column) = if error.line() == 0 { place_after(text) } else { (error.line(), error.column().max(1)) };
    JsonError::Syntax { line, column, message }
}

/// What is expected, in words of JSON instead of those of the program.
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

/// Builds a [`Value`] and refuses what `serde_json` would let pass.
#[derive(Clone, Copy)]
struct Strict {
    depth_left: usize,
}

impl Strict {
    fn deeper<E: serde::de::Error>(self) -> Result<Self, E> {
        let depth_left = self.depth_left.checked_sub(1).ok_or_else(|| E::custom("nested too deeply"))?;
        Ok(Self { depth_left })
    }
}

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

    fn visit_string<E>(self, value: String) -> Result<Value, E> {
        Ok(Value::String(value))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let deeper = self.deeper()?;
        let mut found = Vec::new();
        while let Some(item) = items.next_element_seed(deeper)? {
            found.push(item);
        }
        Ok(Value::Array(found))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Value, A::Error> {
        let deeper = self.deeper()?;
        let mut found = Map::new();
        while let Some(key) = entries.next_key::<String>()? {
            if found.contains_key(&key) {
                return Err(A::Error::custom(format!("the key {key:?} stands twice in one object")));
            }
            let value = entries.next_value_seed(deeper)?;
            found.insert(key, value);
        }
        Ok(Value::Object(found))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn refused(text: &str) -> String {
        parse_json(text.as_bytes(), Limits::default()).unwrap_err().to_string()
    }

    #[test]
    fn an_error_of_shape_speaks_of_json_and_not_of_the_program() {
        let wrong = |text: &str| parse_as::<Vec<u64>>(text.as_bytes(), Limits::default()).unwrap_err().to_string();
        assert_eq!(wrong("[\"x\"]"), "line 1, column 4: invalid type: string \"x\", expected a whole number");
        assert_eq!(wrong("{}"), "line 1, column 0: invalid type: map, expected a list".replace("0:", "1:"));
    }

    #[test]
    fn a_byte_order_mark_and_crlf_are_accepted() {
        let value = parse_json(b"\xEF\xBB\xBF{\r\n \"a\": 1\r\n}\r\n", Limits::default()).unwrap();
        assert_eq!(value["a"], 1);
    }

    #[test]
    fn utf_16_and_broken_utf_8_are_named() {
        assert_eq!(parse_json(&[0xFF, 0xFE, b'{', 0], Limits::default()), Err(JsonError::Utf16));
        let error = parse_json(b"{\n\"a\": \"\xFF\"}", Limits::default());
        assert_eq!(error, Err(JsonError::NotUtf8 { line: 2, column: 7 }));
    }

    #[test]
    fn a_key_that_stands_twice_is_refused_at_any_depth() {
        assert!(refused(r#"{"x": [{"a": 1, "a": 2}]}"#).contains(r#"the key "a" stands twice"#));
    }

    #[test]
    fn nan_and_infinity_are_refused_with_their_place_but_not_in_strings() {
        assert!(refused("{\n  \"a\": NaN}").starts_with("line 2, column 8: NaN is not a finite number"));
        assert!(refused("[-Infinity]").starts_with("line 1, column 3: Infinity"));
        assert!(refused("[1e999]").contains("number out of range"));
        assert!(parse_json(br#"["NaN", "\"NaN\""]"#, Limits::default()).is_ok());
    }

    #[test]
    fn size_and_depth_are_bounded() {
        let limits = Limits { max_bytes: 10, max_depth: 2 };
        assert_eq!(parse_json(&[b' '; 11], limits), Err(JsonError::TooLarge { bytes: 11, limit: 10 }));
        assert!(parse_json(b"[[1]]", limits).is_ok());
        assert!(parse_json(b"[[[1]]]", limits).unwrap_err().to_string().contains("nested too deeply"));
        assert!(parse_json("[".repeat(100_000).as_bytes(), Limits::default()).is_err());
    }

    #[test]
    fn a_file_cut_off_or_with_more_behind_it_is_refused() {
        assert!(refused(r#"{"a": 1"#).contains("is the file cut off?"));
        assert!(refused("{} {}").contains("trailing characters"));
        assert_eq!(refused(" \n"), "it is empty");
    }

    proptest! {
        #[test]
        fn no_bytes_panic(bytes in proptest::collection::vec(any::<u8>(), 0..64), text in "[\\[\\]{}\",:0-9.eE+\\-NaInfty \\\\]{0,40}") {
            let _ = parse_json(&bytes, Limits::default());
            let _ = parse_json(text.as_bytes(), Limits::default());
            let _ = parse_as::<Value>(text.as_bytes(), Limits::default());
        }
    }
}
