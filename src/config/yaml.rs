//! Parses YAML (and its subset JSON) into a tree with the line and column of every key and value.

use std::fmt;

use serde::de::{MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::Value;
use serde_saphyr::options::NonFiniteFloatPolicy;
use serde_saphyr::{Location, Spanned};

/// A value and its position.
pub(crate) type Node = Spanned<Kind>;

#[derive(Debug, Clone)]
pub(crate) enum Kind {
    Null,
    Flag(bool),
    Whole(i128),
    /// Any other number, including infinities and NaN.
    Number(f64),
    Text(String),
    List(Vec<Node>),
    /// In file order, without duplicate keys.
    Map(Vec<(Spanned<String>, Node)>),
}

/// A problem or warning at one position in the file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Diagnostic {
    /// The key path, such as `timings[0].runs`; empty for the whole file.
    pub key: String,
    pub line: u64,
    pub column: u64,
    /// What was expected, and what was found.
    pub message: String,
}

impl fmt::Display for Diagnostic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: ", self.line, self.column)?;
        if !self.key.is_empty() {
            write!(f, "{}: ", self.key)?;
        }
        f.write_str(&self.message)
    }
}

/// An error about YAML that is invalid or has no JSON equivalent.
fn wrong(at: Location, message: String) -> Diagnostic {
    Diagnostic { key: String::new(), line: at.line(), column: at.column(), message }
}

/// Parses YAML into JSON; accepts a byte order mark.
pub fn parse(text: &str) -> Result<Value, Diagnostic> {
    to_json(&tree(text)?).map_err(|at| wrong(at, "a number that is not finite, or too large".to_owned()))
}

/// Parses YAML into a tree; accepts a byte order mark.
pub(crate) fn tree(text: &str) -> Result<Node, Diagnostic> {
    let options = serde_saphyr::options! {
        strict_booleans: true,
        non_finite_float_policy: NonFiniteFloatPolicy::PassThrough,
        with_snippet: false,
        budget: serde_saphyr::budget! { max_depth: 24, max_nodes: 50_000 },
    };
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    serde_saphyr::from_str_with_options(text, options).map_err(|error| {
        if let Some(at) = text.lines().position(|line| line.starts_with("<<<<<<< ")) {
            let message = "git left a conflict in it".to_owned();
            return Diagnostic { key: String::new(), line: at as u64 + 1, column: 1, message };
        }
        let message = message(error.without_snippet());
        match error.location() {
            Some(at) => wrong(at, message),
            None => Diagnostic { key: String::new(), line: 1, column: 1, message },
        }
    })
}

/// Converts a value to JSON; the error is the position of a number that JSON cannot represent.
pub(crate) fn to_json(node: &Node) -> Result<Value, Location> {
    let too_large = node.referenced;
    Ok(match &node.value {
        Kind::Null => Value::Null,
        Kind::Flag(flag) => Value::Bool(*flag),
        Kind::Whole(number) => Value::Number(serde_json::Number::from_i128(*number).ok_or(too_large)?),
        Kind::Number(number) => Value::Number(serde_json::Number::from_f64(*number).ok_or(too_large)?),
        Kind::Text(text) => Value::String(text.clone()),
        Kind::List(items) => Value::Array(items.iter().map(to_json).collect::<Result<_, _>>()?),
        Kind::Map(entries) => {
            let pairs = entries.iter().map(|(key, node)| Ok((key.value.clone(), to_json(node)?)));
            Value::Object(pairs.collect::<Result<_, Location>>()?)
        }
    })
}

/// The description of a value after "found".
impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Null => f.write_str("nothing"),
            Self::Flag(flag) => write!(f, "{flag}"),
            Self::Whole(number) => write!(f, "the number {number}"),
            Self::Number(number) => write!(f, "the number {number:?}"),
            Self::Text(text) if text.chars().count() > 40 => {
                write!(f, "the text {:?}…", text.chars().take(40).collect::<String>())
            }
            Self::Text(text) => write!(f, "the text {text:?}"),
            Self::List(items) => write!(f, "a list of {}", items.len()),
            Self::Map(_) => f.write_str("a section (`key: value`)"),
        }
    }
}

impl<'de> Deserialize<'de> for Kind {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(KindVisitor)
    }
}

struct KindVisitor;

impl<'de> Visitor<'de> for KindVisitor {
    type Value = Kind;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_unit<E>(self) -> Result<Kind, E> {
        Ok(Kind::Null)
    }

    fn visit_bool<E>(self, flag: bool) -> Result<Kind, E> {
        Ok(Kind::Flag(flag))
    }

    fn visit_i64<E>(self, number: i64) -> Result<Kind, E> {
        Ok(Kind::Whole(number.into()))
    }

    fn visit_u64<E>(self, number: u64) -> Result<Kind, E> {
        Ok(Kind::Whole(number.into()))
    }

    fn visit_f64<E>(self, number: f64) -> Result<Kind, E> {
        Ok(Kind::Number(number))
    }

    fn visit_str<E>(self, text: &str) -> Result<Kind, E> {
        Ok(Kind::Text(text.to_owned()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Kind, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = seq.next_element()? {
            items.push(item);
        }
        Ok(Kind::List(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Kind, A::Error> {
        let mut entries = Vec::new();
        while let Some(entry) = map.next_entry()? {
            entries.push(entry);
        }
        Ok(Kind::Map(entries))
    }
}

/// Messages of the parser for a text that needs quotes.
const UNQUOTED: [&str; 3] = ["unknown anchor", "mapping values are not allowed", "unexpected character"];

/// The parser's message without the position, which is reported separately, and without advice for programmers.
#[expect(clippy::wildcard_enum_match_arm, reason = "the library's enum may grow")]
fn message(error: &serde_saphyr::Error) -> String {
    match error {
        serde_saphyr::Error::DuplicateMappingKey { key: Some(key), .. } => {
            format!("the key {key} is set twice; keep one of them")
        }
        serde_saphyr::Error::DuplicateMappingKey { key: None, .. } => "a key is set twice; keep one of them".to_owned(),
        other => {
            let text = other.to_string();
            let line = text.lines().next().unwrap_or_default();
            let end = line.rfind(" at line ").filter(|&end| line[end..].chars().any(|c| c.is_ascii_digit()));
            let message = line[..end.unwrap_or(line.len())].trim_end_matches([':', ' ']);
            // The rest is advice for callers of the parser.
            match message.split_once("multiple YAML documents") {
                Some(_) => {
                    "it holds several documents (separated by `---`), and one is read: put each into a file of its own"
                        .to_owned()
                }
                None if message.starts_with("budget breached") => "it is too large, or nested too deeply".to_owned(),
                None if UNQUOTED.iter().any(|words| message.contains(words)) => {
                    format!("{message}; put the text in quotes")
                }
                None => message.to_owned(),
            }
        }
    }
}
