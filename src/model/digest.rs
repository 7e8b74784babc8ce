//! SHA-256 digests, the canonical JSON they are computed over, and references to evidence files by digest.

use std::fmt;

use serde::{Deserialize, Serialize, Serializer};
use serde_json::Value;
use sha2::{Digest as _, Sha256};

use crate::model::strict_json::parse_json;
use crate::model::text;

/// A SHA-256 digest as 64 lower-case hexadecimal digits.
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String")]
pub struct Digest(String);

impl Digest {
    pub fn of_bytes(bytes: &[u8]) -> Self {
        Self(hex(&Sha256::digest(bytes)))
    }

    /// Digest of a value's canonical JSON: no white space, and the keys of every object in byte order, so that equal
    /// values give equal bytes (as in RFC 8785, except that numbers are printed as `serde_json` prints them).
    pub fn of_json(value: &Value) -> Self {
        Self::of_json_without(value, &[])
    }

    /// Like [`Self::of_json`], but leaves out some top-level fields, such as the one that holds the digest itself.
    pub fn of_json_without(value: &Value, fields: &[&str]) -> Self {
        Self::of_bytes(&canonical(value, fields))
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }

    pub fn short(&self) -> &str {
        &self.0[..12]
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl TryFrom<String> for Digest {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let well_formed = text.len() == 64 && text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
        if well_formed {
            return Ok(Self(text));
        }
        let beginning: String = text.chars().take(80).collect();
        Err(format!("{beginning:?} is not a SHA-256 digest (64 hexadecimal digits)"))
    }
}

/// A file that proves something, and what its bytes were when it did.
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Artifact {
    /// Path from the project's root, with `/` between its parts on every platform.
    pub path: String,
    pub sha256: Digest,
}

/// Whether an evidence file is a report that can be rendered again from the other files; a rollback's note cannot.
pub fn is_page(path: &str) -> bool {
    path.ends_with(".md") && !path.ends_with("_rollback.md")
}

impl Artifact {
    /// Whether `bytes` have the recorded digest. JSON also matches after reformatting, as a formatter may have run on
    /// it.
    pub fn holds(&self, bytes: &[u8]) -> bool {
        if Digest::of_bytes(bytes) == self.sha256 {
            return true;
        }
        let is_json = self.path.ends_with(".json");
        let Some(value) = is_json.then(|| parse_json(bytes).ok()).flatten() else { return false };
        // The tool's layout, and that of its first versions.
        let ways = [text::json(&value).unwrap_or_default(), format!("{value:#}\n").into_bytes()];
        ways.iter().any(|written| Digest::of_bytes(written) == self.sha256)
    }
}

/// Path to which an evidence file is moved when its `number`th replacement takes its path.
pub fn superseded_name(path: &str, number: u32) -> String {
    let name_at = path.rfind('/').map_or(0, |at| at + 1);
    match path[name_at..].rfind('.').filter(|at| *at > 0) {
        Some(at) => format!("{}.superseded-{number}{}", &path[..name_at + at], &path[name_at + at..]),
        None => format!("{path}.superseded-{number}"),
    }
}

fn canonical(value: &Value, without: &[&str]) -> Vec<u8> {
    // Large enough for an event; glibc consolidates its free lists on each allocation of 1,024 bytes or more.
    let mut out = Vec::with_capacity(1000);
    // Writing into memory cannot fail.
    let _ = serde_json::to_writer(&mut out, &Sorted(value, without));
    out
}

/// Serializes a value with the keys of every object sorted, without the given top-level fields.
struct Sorted<'a>(&'a Value, &'a [&'a str]);

impl Serialize for Sorted<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.0 {
            Value::Object(map) => {
                let mut fields: Vec<_> = map.iter().filter(|(key, _)| !self.1.contains(&key.as_str())).collect();
                fields.sort_unstable_by_key(|(key, _)| *key);
                serializer.collect_map(fields.into_iter().map(|(key, value)| (key, Sorted(value, &[]))))
            }
            Value::Array(items) => serializer.collect_seq(items.iter().map(|item| Sorted(item, &[]))),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => self.0.serialize(serializer),
        }
    }
}

/// Hashes each field with its length, so that different lists of fields never hash alike.
#[derive(Default)]
pub(crate) struct FieldHasher(Sha256);

impl FieldHasher {
    pub(crate) fn field(&mut self, bytes: &[u8]) {
        self.0.update((bytes.len() as u64).to_le_bytes());
        self.0.update(bytes);
    }

    pub(crate) fn finish(self) -> Digest {
        Digest(hex(&self.0.finalize()))
    }
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    let digit = |half: u8| b"0123456789abcdef"[usize::from(half)];
    let mut text = Vec::with_capacity(2 * bytes.len());
    for byte in bytes {
        text.extend([digit(byte >> 4), digit(byte & 15)]);
    }
    // All of it is ASCII.
    String::from_utf8(text).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_digest_of_abc_is_the_published_one() {
        // FIPS 180-2, appendix B.1.
        let expected = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        assert_eq!(Digest::of_bytes(b"abc").as_str(), expected);
    }

    #[test]
    fn the_order_of_keys_does_not_change_the_canonical_form() {
        let a: Value = serde_json::from_str(r#"{"b":[1,{"z":null,"a":"é\n"}],"a":1.5}"#).unwrap();
        let b: Value = serde_json::from_str(r#"{"a":1.5, "b":[1,{"a":"é\n","z":null}]}"#).unwrap();
        assert_eq!(String::from_utf8(canonical(&a, &[])).unwrap(), r#"{"a":1.5,"b":[1,{"a":"é\n","z":null}]}"#);
        assert_eq!(Digest::of_json(&a), Digest::of_json(&b));
    }

    #[test]
    fn a_digest_is_64_lower_case_hex_digits() {
        assert!(Digest::try_from("ab".to_owned()).is_err());
        assert!(Digest::try_from("G".repeat(64)).is_err());
        assert!(Digest::try_from("a".repeat(64)).is_ok());
    }
}
