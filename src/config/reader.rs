//! Deserializes a YAML tree into the config: a serde deserializer that warns about unknown keys, knows the position of
//! every value, and continues after a value of the wrong type, so that all errors are reported at once.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use serde::de::value::StrDeserializer;
use serde::de::{DeserializeSeed, Deserializer, IntoDeserializer, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, forward_to_deserialize_any};
use serde_json::Value;
use serde_saphyr::{Location, Spanned};

use crate::config::Config;
use crate::config::yaml::{Diagnostic, Kind, Node, to_json};
use crate::model::Gate;
use crate::model::text::{joined, nearest};

/// The most values of a wrong type that are reported; each takes another pass over the tree.
const MAX_UNREADABLE: usize = 50;
/// The only key for which `null` is a value; elsewhere it means no value.
const NULL_IS_A_VALUE: &str = "equals";
/// The only key for which an empty text is a value: the whole document.
const EMPTY_IS_A_VALUE: &str = "pointer";

/// Names of keys in other tools.
const OTHER_WORDS: [(&str, &str); 4] =
    [("cleanup", "conclude"), ("command", "cmd"), ("pattern", "regex"), ("setup", "prepare")];

/// The result of reading: every value by its key path, with problems and warnings.
#[derive(Default)]
pub(crate) struct Notes<'t> {
    values: BTreeMap<String, &'t Node>,
    /// The paths of values of a wrong type, which are skipped.
    unreadable: BTreeSet<String>,
    problems: Vec<Diagnostic>,
    warnings: Vec<Diagnostic>,
}

/// Reads the config from a tree as far as possible; `None` if the tree is not a section.
pub(crate) fn read(tree: &Node) -> (Option<Config>, Notes<'_>) {
    let mut notes = Notes::default();
    for _ in 0..MAX_UNREADABLE {
        notes.warnings.clear();
        notes.values.clear();
        notes.values.insert(String::new(), tree);
        match Config::deserialize(Reader { node: tree, path: String::new(), in_map: false, notes: &mut notes }) {
            Ok(config) => return (Some(config), notes),
            Err(error) => {
                let path = error.path.unwrap_or_default();
                notes.expected(&path, &error.expected);
                if path.is_empty() {
                    break;
                }
                notes.unreadable.insert(path);
            }
        }
    }
    (None, notes)
}

impl Notes<'_> {
    /// Whether there is a value, readable or not.
    pub(crate) fn has(&self, path: &str) -> bool {
        self.values.contains_key(path)
    }

    /// Reports a problem with the value at `path`, or at its section if it is missing.
    pub(crate) fn problem(&mut self, path: &str, message: String) {
        if !self.is_unreadable(path) {
            let problem = self.at(path, message);
            self.problems.push(problem);
        }
    }

    /// Whether the value at `path` has a wrong type, so that the config has the default.
    pub(crate) fn is_unreadable(&self, path: &str) -> bool {
        self.unreadable.contains(path)
    }

    /// Reports that something else was expected at `path`; replaces the message about its type.
    pub(crate) fn expected(&mut self, path: &str, what: &str) {
        let found = self.values.get(path).map_or(&Kind::Null, |node| &node.value);
        let problem = self.at(path, format!("expected {what}, found {found}"));
        self.problems.retain(|other| other.key != path);
        self.problems.push(problem);
    }

    pub(crate) fn warn(&mut self, path: &str, message: String) {
        let warning = self.at(path, message);
        self.warnings.push(warning);
    }

    pub(crate) fn line(&self, path: &str) -> u64 {
        self.at(path, String::new()).line
    }

    /// The problems and the warnings, each in file order.
    pub(crate) fn into_parts(mut self) -> (Vec<Diagnostic>, Vec<Diagnostic>) {
        for list in [&mut self.problems, &mut self.warnings] {
            list.sort_by_key(|diagnostic| (diagnostic.line, diagnostic.column));
        }
        (self.problems, self.warnings)
    }

    fn at(&self, path: &str, message: String) -> Diagnostic {
        let parent = path.rfind(['.', '[']).map_or("", |end| &path[..end]);
        let node = [path, parent, ""].iter().find_map(|path| self.values.get(*path));
        let (line, column) = node.map_or((0, 0), |node| (node.referenced.line(), node.referenced.column()));
        Diagnostic { key: path.to_owned(), line, column, message }
    }

    fn unknown(&mut self, section: &str, key: &Spanned<String>, known: &[&str]) {
        // Used by editors, and for YAML anchors.
        if section.is_empty() && (key.value == "$schema" || key.value.starts_with("x-")) {
            return;
        }
        let folded = key.value.replace('-', "_");
        let alias = OTHER_WORDS.iter().find(|(other, ours)| folded == *other && known.contains(ours));
        let near = nearest(&folded, known.iter().copied(), 1).first().copied();
        let hint = match alias.map(|(_, ours)| *ours).or(near) {
            Some(name) => format!("; did you mean `{name}`?"),
            None => format!("; known here: {}", known.join(", ")),
        };
        self.warnings.push(Diagnostic {
            key: child(section, &key.value),
            line: key.referenced.line(),
            column: key.referenced.column(),
            message: format!("is not a known key and has no effect{hint}"),
        });
    }
}

fn child(section: &str, key: &str) -> String {
    if section.is_empty() { key.to_owned() } else { format!("{section}.{key}") }
}

/// What was expected in place of a value, and the path of that value once it is known.
#[derive(Debug, thiserror::Error)]
#[error("expected {expected}")]
struct Mismatch {
    expected: String,
    path: Option<String>,
}

impl Mismatch {
    fn new(expected: &str) -> Self {
        Self { expected: expected.to_owned(), path: None }
    }

    fn at(mut self, path: String) -> Self {
        self.path.get_or_insert(path);
        self
    }
}

impl serde::de::Error for Mismatch {
    fn custom<T: fmt::Display>(expected: T) -> Self {
        Self::new(&expected.to_string())
    }
}

const SECTION: &str = "a section (`key: value`)";
const TEXT: &str = "text (put it in quotes)";

struct Reader<'n, 't> {
    node: &'t Node,
    path: String,
    /// Whether it is a value in a map of names to texts, where integers are read as texts.
    in_map: bool,
    notes: &'n mut Notes<'t>,
}

impl<'t> Reader<'_, 't> {
    fn text(&self) -> Option<&'t str> {
        if let Kind::Text(text) = &self.node.value { Some(text) } else { None }
    }

    /// The entries of a map, or of a section with `known` keys.
    fn entries<V: Visitor<'t>>(self, known: Option<&'static [&'static str]>, visitor: V) -> Result<V::Value, Mismatch> {
        let entries: &[(Spanned<String>, Node)] = match &self.node.value {
            Kind::Map(entries) => entries,
            Kind::Null => &[],
            Kind::Flag(_) | Kind::Whole(_) | Kind::Number(_) | Kind::Text(_) | Kind::List(_) => {
                return Err(Mismatch::new(SECTION));
            }
        };
        visitor.visit_map(Entries { rest: entries.iter(), value: None, path: self.path, known, notes: self.notes })
    }
}

impl<'t> Deserializer<'t> for Reader<'_, 't> {
    type Error = Mismatch;

    /// For numbers, `check` says what is expected.
    fn deserialize_any<V: Visitor<'t>>(self, visitor: V) -> Result<V::Value, Mismatch> {
        let value = to_json(self.node).map_err(|_| Mismatch::new("a number that JSON can hold"))?;
        value.deserialize_any(visitor).map_err(serde::de::Error::custom)
    }

    /// A blank text counts as absent for an optional value.
    fn deserialize_option<V: Visitor<'t>>(self, visitor: V) -> Result<V::Value, Mismatch> {
        let blank = self.text().is_some_and(|text| text.trim().is_empty());
        if blank && !self.path.ends_with(EMPTY_IS_A_VALUE) { visitor.visit_none() } else { visitor.visit_some(self) }
    }

    /// Also accepts YAML 1.1's `yes`, `no`, `on`, `off`, as the Python tool did.
    fn deserialize_bool<V: Visitor<'t>>(self, visitor: V) -> Result<V::Value, Mismatch> {
        if let Kind::Flag(flag) = self.node.value {
            return visitor.visit_bool(flag);
        }
        match self.text().map(str::to_ascii_lowercase).as_deref() {
            Some("yes" | "on") => visitor.visit_bool(true),
            Some("no" | "off") => visitor.visit_bool(false),
            Some(_) | None => Err(Mismatch::new("true or false")),
        }
    }

    /// Numbers and other types are refused: converting them to text would be a guess.
    fn deserialize_str<V: Visitor<'t>>(self, visitor: V) -> Result<V::Value, Mismatch> {
        match &self.node.value {
            Kind::Text(text) if text.contains('\0') => Err(Mismatch::new("text without a NUL character")),
            Kind::Text(text) => visitor.visit_borrowed_str(text),
            Kind::Whole(number) if self.in_map => visitor.visit_string(number.to_string()),
            Kind::Null if self.notes.unreadable.contains(&self.path) => visitor.visit_str(""),
            Kind::Null | Kind::Flag(_) | Kind::Whole(_) | Kind::Number(_) | Kind::List(_) | Kind::Map(_) => {
                Err(Mismatch::new(TEXT))
            }
        }
    }

    fn deserialize_string<V: Visitor<'t>>(self, visitor: V) -> Result<V::Value, Mismatch> {
        self.deserialize_str(visitor)
    }

    fn deserialize_seq<V: Visitor<'t>>(self, visitor: V) -> Result<V::Value, Mismatch> {
        let Kind::List(items) = &self.node.value else { return Err(Mismatch::new("a list")) };
        visitor.visit_seq(Items { items: items.iter().enumerate(), path: self.path, notes: self.notes })
    }

    fn deserialize_map<V: Visitor<'t>>(self, visitor: V) -> Result<V::Value, Mismatch> {
        self.entries(None, visitor)
    }

    fn deserialize_struct<V: Visitor<'t>>(
        self,
        _name: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Mismatch> {
        if let Kind::Map(entries) = &self.node.value {
            for (key, _) in entries.iter().filter(|(key, _)| !fields.contains(&key.value.as_str())) {
                self.notes.unknown(&self.path, key, fields);
            }
        }
        self.entries(Some(fields), visitor)
    }

    fn deserialize_enum<V: Visitor<'t>>(
        self,
        _name: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Mismatch> {
        let chosen = self.text().and_then(|text| variants.iter().find(|variant| variant.eq_ignore_ascii_case(text)));
        let chosen = chosen.ok_or_else(|| Mismatch::new(&format!("one of {}", variants.join(", "))))?;
        visitor.visit_enum(IntoDeserializer::<Mismatch>::into_deserializer(*chosen))
    }

    forward_to_deserialize_any! { <V: Visitor<'t>>
        i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char bytes byte_buf unit unit_struct newtype_struct tuple
        tuple_struct identifier ignored_any
    }
}

/// The entries of a section or of a map.
struct Entries<'n, 't> {
    rest: std::slice::Iter<'t, (Spanned<String>, Node)>,
    value: Option<(String, &'t Node)>,
    path: String,
    /// The keys of a section; others are skipped. `None` for a map, which may have any keys.
    known: Option<&'static [&'static str]>,
    notes: &'n mut Notes<'t>,
}

impl<'t> MapAccess<'t> for Entries<'_, 't> {
    type Error = Mismatch;

    fn next_key_seed<K: DeserializeSeed<'t>>(&mut self, seed: K) -> Result<Option<K::Value>, Mismatch> {
        for (key, node) in self.rest.by_ref() {
            let absent = matches!(node.value, Kind::Null) && key.value != NULL_IS_A_VALUE;
            if self.known.is_some_and(|known| absent || !known.contains(&key.value.as_str())) {
                continue;
            }
            let path = child(&self.path, &key.value);
            self.notes.values.insert(path.clone(), node);
            if !self.notes.unreadable.contains(&path) {
                self.value = Some((path, node));
                return seed.deserialize(StrDeserializer::new(&key.value)).map(Some);
            }
        }
        Ok(None)
    }

    fn next_value_seed<S: DeserializeSeed<'t>>(&mut self, seed: S) -> Result<S::Value, Mismatch> {
        let Some((path, node)) = self.value.take() else { return Err(Mismatch::new("a key")) };
        let reader = Reader { node, path: path.clone(), in_map: self.known.is_none(), notes: self.notes };
        seed.deserialize(reader).map_err(|error| error.at(path))
    }
}

/// The items of a list. Unreadable ones become null, so that later ones keep their index.
struct Items<'n, 't> {
    items: std::iter::Enumerate<std::slice::Iter<'t, Node>>,
    path: String,
    notes: &'n mut Notes<'t>,
}

impl<'t> SeqAccess<'t> for Items<'_, 't> {
    type Error = Mismatch;

    fn next_element_seed<S: DeserializeSeed<'t>>(&mut self, seed: S) -> Result<Option<S::Value>, Mismatch> {
        static NOTHING: Node = Node::new(Kind::Null, Location::UNKNOWN, Location::UNKNOWN);
        let Some((i, mut node)) = self.items.next() else { return Ok(None) };
        let path = format!("{}[{i}]", self.path);
        self.notes.values.insert(path.clone(), node);
        if self.notes.unreadable.contains(&path) {
            node = &NOTHING;
        }
        let reader = Reader { node, path: path.clone(), in_map: false, notes: self.notes };
        seed.deserialize(reader).map(Some).map_err(|error| error.at(path))
    }
}

/// Any JSON value, including `null`.
pub(crate) fn any_value<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Value>, D::Error> {
    Value::deserialize(deserializer).map(Some)
}

/// A share: `2%` or `0.02`.
pub(crate) fn share<'de, D: Deserializer<'de>>(deserializer: D) -> Result<f64, D::Error> {
    let share = match Value::deserialize(deserializer)? {
        // `1` could also mean 1 %.
        Value::Number(number) => number.as_f64().filter(|share| *share < 1.0),
        Value::String(text) => {
            let percent = text.trim().strip_suffix('%').and_then(|percent| percent.trim().parse::<f64>().ok());
            percent.map(|percent| percent / 100.0)
        }
        Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => None,
    };
    share
        .filter(|share| (0.0..=1.0).contains(share))
        .ok_or_else(|| serde::de::Error::custom("a share from 0% to 100%, such as `2%` or `0.02`"))
}

pub(crate) fn gate<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Gate, D::Error> {
    let text = String::deserialize(deserializer)?;
    let found = Gate::by_name().find(|(name, _)| name.eq_ignore_ascii_case(&text));
    let names = || joined(Gate::by_name().map(|(name, _)| name));
    found.map(|(_, gate)| gate).ok_or_else(|| serde::de::Error::custom(format!("one of {}", names())))
}
