//! A config file as a tree in which every key and value knows its line and column. Owns the reading of YAML
//! (and of JSON, which YAML contains); must not know what the keys mean.

use std::fmt;

use serde::de::{MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::Value;
use serde_saphyr::Spanned;
use serde_saphyr::options::NonFiniteFloatPolicy;

/// A place in the file, both counted from 1; 0 where it is unknown.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct At {
    /// Line.
    pub(crate) line: u64,
    /// Column, in characters.
    pub(crate) column: u64,
}

/// A value and its place.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Node {
    /// Where it begins.
    pub(crate) at: At,
    /// What it is.
    pub(crate) kind: Kind,
}

/// A key of a map and its place.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Key {
    /// Where it begins.
    pub(crate) at: At,
    /// The key.
    pub(crate) text: String,
}

/// What a value is.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Kind {
    /// Nothing, or `null`.
    Null,
    /// `true` or `false`.
    Flag(bool),
    /// A whole number.
    Whole(i128),
    /// Any other number, infinities and NaN included.
    Number(f64),
    /// Text.
    Text(String),
    /// A list.
    List(Vec<Node>),
    /// A map, in file order.
    Map(Vec<(Key, Node)>),
}

/// Why a text is no tree, and where.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct SyntaxError {
    /// Where reading stopped.
    pub(crate) at: At,
    /// What is wrong there.
    pub(crate) message: String,
}

/// The tree of a YAML or JSON text without a byte order mark.
pub(crate) fn parse(text: &str) -> Result<Node, SyntaxError> {
    let options = serde_saphyr::options! {
        strict_booleans: true,
        non_finite_float_policy: NonFiniteFloatPolicy::PassThrough,
        with_snippet: false,
        budget: serde_saphyr::budget! { max_depth: 24, max_nodes: 50_000 },
    };
    match serde_saphyr::from_str_with_options::<Spanned<Kind>>(text, options) {
        Ok(spanned) => Ok(spanned.into()),
        Err(error) => {
            let at = error.location().map_or_else(At::default, At::from);
            Err(SyntaxError { at, message: message(error.without_snippet()) })
        }
    }
}

impl Kind {
    /// What it is, for "found …".
    pub(crate) fn describe(&self) -> String {
        match self {
            Self::Null => "nothing".to_owned(),
            Self::Flag(flag) => flag.to_string(),
            Self::Whole(number) => format!("the number {number}"),
            Self::Number(number) => format!("the number {number}"),
            Self::Text(text) if text.chars().count() > 40 => {
                format!("the text {:?}…", text.chars().take(40).collect::<String>())
            }
            Self::Text(text) => format!("the text {text:?}"),
            Self::List(items) => format!("a list of {}", items.len()),
            Self::Map(_) => "a section (`key: value`)".to_owned(),
        }
    }
}

impl Node {
    /// The value as JSON; the place of the number where there is one that JSON cannot hold.
    pub(crate) fn to_json(&self) -> Result<Value, At> {
        Ok(match &self.kind {
            Kind::Null => Value::Null,
            Kind::Flag(flag) => Value::Bool(*flag),
            Kind::Whole(number) => match (i64::try_from(*number), u64::try_from(*number)) {
                (Ok(number), _) => Value::from(number),
                (_, Ok(number)) => Value::from(number),
                _ => return Err(self.at),
            },
            Kind::Number(number) => Value::Number(serde_json::Number::from_f64(*number).ok_or(self.at)?),
            Kind::Text(text) => Value::String(text.clone()),
            Kind::List(items) => Value::Array(items.iter().map(Self::to_json).collect::<Result<_, At>>()?),
            Kind::Map(entries) => {
                let pairs = entries.iter().map(|(key, node)| Ok((key.text.clone(), node.to_json()?)));
                Value::Object(pairs.collect::<Result<_, At>>()?)
            }
        })
    }
}

impl From<serde_saphyr::Location> for At {
    fn from(location: serde_saphyr::Location) -> Self {
        Self { line: location.line(), column: location.column() }
    }
}

impl From<Spanned<Kind>> for Node {
    fn from(spanned: Spanned<Kind>) -> Self {
        Self { at: At::from(spanned.referenced), kind: spanned.value }
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

    fn visit_none<E>(self) -> Result<Kind, E> {
        Ok(Kind::Null)
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Kind, D::Error> {
        Kind::deserialize(deserializer)
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

    fn visit_i128<E>(self, number: i128) -> Result<Kind, E> {
        Ok(Kind::Whole(number))
    }

    fn visit_f64<E>(self, number: f64) -> Result<Kind, E> {
        Ok(Kind::Number(number))
    }

    fn visit_str<E>(self, text: &str) -> Result<Kind, E> {
        Ok(Kind::Text(text.to_owned()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Kind, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = seq.next_element::<Spanned<Kind>>()? {
            items.push(item.into());
        }
        Ok(Kind::List(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Kind, A::Error> {
        let mut entries = Vec::new();
        while let Some(key) = map.next_key::<Spanned<String>>()? {
            let value = map.next_value::<Spanned<Kind>>()?;
            entries.push((Key { at: At::from(key.referenced), text: key.value }, value.into()));
        }
        Ok(Kind::Map(entries))
    }
}

/// The parser's message; what it advises to whoever calls it is nothing to whoever writes the file.
fn message(error: &serde_saphyr::Error) -> String {
    match error {
        serde_saphyr::Error::DuplicateMappingKey { key: Some(key), .. } => {
            format!("the key {key} stands twice here; keep one of them")
        }
        serde_saphyr::Error::DuplicateMappingKey { key: None, .. } => "a key stands twice here; keep one".to_owned(),
        other => without_place(&other.to_string()),
    }
}

/// The parser's message without the place, which is reported apart.
fn without_place(message: &str) -> String {
    let message = message.lines().next().unwrap_or_default();
    let end = message.rfind(" at line ").filter(|&end| message[end..].chars().any(|c| c.is_ascii_digit()));
    message[..end.unwrap_or(message.len())].trim_end_matches([':', ' ']).to_owned()
}
