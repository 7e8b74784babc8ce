//! Typed access to one section of the config tree: every wrong type, range or name becomes a problem with its
//! key path and line, every unknown key a warning. Must not know any particular section.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fmt;
use std::ops::RangeInclusive;

use serde_json::Value;

use crate::config::node::At;
use crate::config::node::Key;
use crate::config::node::Kind;
use crate::config::node::Node;
use crate::evidence::metric::Better;
use crate::evidence::nearest::nearest;

/// A week: the longest deadline that is taken for meant.
pub(super) const MAX_TIMEOUT_S: f64 = 604_800.0;
/// The most runs that are taken for meant.
pub(super) const MAX_RUNS: u32 = 100_000;
/// The longest name, in characters.
const MAX_NAME: usize = 100;

/// Something wrong, or doubtful, at one place of the file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// The key path, such as `timings[0].runs`; empty for the file as a whole.
    pub key: String,
    /// Line, from 1.
    pub line: u64,
    /// Column, from 1.
    pub column: u64,
    /// What was expected, and what stands there.
    pub message: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: ", self.line, self.column)?;
        if !self.key.is_empty() {
            write!(f, "{}: ", self.key)?;
        }
        f.write_str(&self.message)
    }
}

/// What reading found wrong so far.
#[derive(Debug, Default)]
pub(super) struct Notes {
    problems: RefCell<Vec<Problem>>,
    warnings: RefCell<Vec<Problem>>,
}

/// One section: a map whose keys are known.
pub(super) struct Section<'a> {
    notes: &'a Notes,
    path: String,
    at: At,
    entries: &'a [(Key, Node)],
}

impl Notes {
    /// The problems in file order, and the warnings in file order.
    pub(super) fn into_parts(self) -> (Vec<Problem>, Vec<Problem>) {
        let sorted = |cell: RefCell<Vec<Problem>>| {
            let mut list = cell.into_inner();
            list.sort_by_key(|problem| (problem.line, problem.column));
            list
        };
        (sorted(self.problems), sorted(self.warnings))
    }

    fn problem(&self, path: &str, at: At, message: String) {
        self.problems.borrow_mut().push(Problem { key: path.to_owned(), line: at.line, column: at.column, message });
    }

    fn warn(&self, path: &str, at: At, message: String) {
        self.warnings.borrow_mut().push(Problem { key: path.to_owned(), line: at.line, column: at.column, message });
    }
}

impl<'a> Section<'a> {
    /// The section that `node` is; an empty one where it is null, and, noted as a problem, where it is no map.
    pub(super) fn open(notes: &'a Notes, path: String, node: &'a Node, known: &[&str]) -> Self {
        let entries: &[(Key, Node)] = match &node.kind {
            Kind::Map(entries) => entries,
            Kind::Null => &[],
            other => {
                notes.problem(&path, node.at, format!("expected a section (`key: value`), found {}", other.describe()));
                &[]
            }
        };
        let section = Self { notes, path, at: node.at, entries };
        for (key, _) in entries.iter().filter(|(key, _)| !known.contains(&key.text.as_str())) {
            let folded = key.text.replace('-', "_");
            let hint = match nearest(&folded, known.iter().copied(), 1).first() {
                Some(name) => format!("; did you mean `{name}`?"),
                None => format!("; known here: {}", known.join(", ")),
            };
            notes.warn(&section.child(&key.text), key.at, format!("is not a known key and has no effect{hint}"));
        }
        section
    }

    /// Notes a problem with the value of `key`.
    pub(super) fn problem(&self, key: &str, message: &str) {
        self.notes.problem(&self.child(key), self.place(key), message.to_owned());
    }

    /// Notes a problem with the section itself.
    pub(super) fn problem_here(&self, message: &str) {
        self.notes.problem(&self.path, self.at, message.to_owned());
    }

    /// Notes a warning about the value of `key`.
    pub(super) fn warn(&self, key: &str, message: &str) {
        self.notes.warn(&self.child(key), self.place(key), message.to_owned());
    }

    /// Whether `key` has a value other than null.
    pub(super) fn has(&self, key: &str) -> bool {
        self.get(key).is_some()
    }

    /// The section under `key`, read by `read`; an absent one is read as empty.
    pub(super) fn section<T>(&self, key: &str, known: &[&str], read: fn(&Section<'_>) -> T) -> T {
        static ABSENT: Node = Node { at: At { line: 0, column: 0 }, kind: Kind::Null };
        read(&Section::open(self.notes, self.child(key), self.get(key).unwrap_or(&ABSENT), known))
    }

    /// The sections in the map under `key`, by name.
    pub(super) fn sections<T>(
        &self,
        key: &str,
        known: &[&str],
        read: impl Fn(&Section<'_>) -> T,
    ) -> BTreeMap<String, T> {
        let path = self.child(key);
        let entries = self.entries_of(key).iter();
        entries
            .map(|(name, node)| {
                let section = Section::open(self.notes, format!("{path}.{}", name.text), node, known);
                (name.text.clone(), read(&section))
            })
            .collect()
    }

    /// The sections in the list under `key`. Two of the same `name` are a problem.
    pub(super) fn list<T>(&self, key: &str, known: &[&str], read: fn(&Section<'_>) -> T) -> Vec<T> {
        let path = self.child(key);
        let mut names: BTreeMap<String, u64> = BTreeMap::new();
        let mut items = Vec::new();
        for (i, node) in self.items_of(key, "a list of sections (`- key: value`)").iter().enumerate() {
            let section = Section::open(self.notes, format!("{path}[{i}]"), node, known);
            if let Some(Node { kind: Kind::Text(name), at }) = section.get("name") {
                if let Some(line) = names.get(name) {
                    section
                        .problem("name", &format!("{name:?} is taken by the entry at line {line}; names are unique"));
                }
                names.entry(name.clone()).or_insert(at.line);
            }
            items.push(read(&section));
        }
        items
    }

    /// Text; numbers and the like are a problem, for what they would read as is a guess.
    pub(super) fn text(&self, key: &str) -> Option<String> {
        let node = self.get(key)?;
        match &node.kind {
            Kind::Text(text) if text.contains('\0') => {
                self.problem(key, "holds a NUL character");
                None
            }
            Kind::Text(text) => Some(text.clone()),
            other => {
                self.expected(key, "text (put it in quotes)", other);
                None
            }
        }
    }

    /// Text that must be there and not empty; empty after a problem.
    pub(super) fn required_text(&self, key: &str) -> String {
        if !self.has(key) {
            self.problem_here(&format!("has no `{key}`"));
            return String::new();
        }
        let text = self.text(key);
        if text.as_ref().is_some_and(|text| text.trim().is_empty()) {
            self.problem(key, "is empty");
        }
        text.unwrap_or_default()
    }

    /// A name that must be there; empty after a problem.
    pub(super) fn name(&self, key: &str) -> String {
        let name = self.required_text(key);
        self.check_name(key, &name);
        name
    }

    /// A name that may be absent.
    pub(super) fn optional_name(&self, key: &str) -> Option<String> {
        self.has(key).then(|| self.name(key))
    }

    /// A path, which must not be empty.
    pub(super) fn path(&self, key: &str) -> Option<String> {
        self.has(key).then(|| self.required_text(key)).filter(|path| !path.is_empty())
    }

    /// A JSON pointer (RFC 6901).
    pub(super) fn pointer(&self, key: &str) -> Option<String> {
        let pointer = self.text(key)?;
        if !pointer.is_empty() && !pointer.starts_with('/') {
            let guess = pointer.trim_start_matches('$').trim_start_matches('.').replace('.', "/");
            self.problem(key, &format!("expected a JSON pointer, which begins with `/`, such as `/{guess}`"));
        }
        Some(pointer)
    }

    /// Any JSON value.
    pub(super) fn value(&self, key: &str) -> Option<Value> {
        let (_, node) = self.entries.iter().find(|(k, _)| k.text == key)?;
        let value = node.to_json();
        if value.is_err() {
            self.problem(key, "holds a number that JSON cannot hold");
        }
        value.ok()
    }

    /// A list of texts, none empty and none twice.
    pub(super) fn texts(&self, key: &str) -> Option<Vec<String>> {
        self.get(key)?;
        Some(self.texts_at(&self.child(key), self.items_of(key, "a list of texts")))
    }

    /// Lists of texts by name.
    pub(super) fn text_lists(&self, key: &str) -> BTreeMap<String, Vec<String>> {
        let path = self.child(key);
        let mut lists = BTreeMap::new();
        for (name, node) in self.entries_of(key) {
            let path = format!("{path}.{}", name.text);
            let items = match &node.kind {
                Kind::List(items) => self.texts_at(&path, items),
                other => {
                    let message = format!("expected a list of texts, found {}", other.describe());
                    self.notes.problem(&path, node.at, message);
                    continue;
                }
            };
            lists.insert(name.text.clone(), items);
        }
        lists
    }

    /// A list of globs, each of which is well formed.
    pub(super) fn globs(&self, key: &str) -> Option<Vec<String>> {
        let globs = self.texts(key)?;
        for glob in &globs {
            if let Err(error) = globset::GlobBuilder::new(glob).literal_separator(true).build() {
                self.problem(key, &format!("{glob:?} is no glob: {}", error.kind()));
            }
        }
        Some(globs)
    }

    /// Texts by name, as variables and headers are; whole numbers are taken as written.
    pub(super) fn variables(&self, key: &str) -> BTreeMap<String, String> {
        let path = self.child(key);
        let mut variables = BTreeMap::new();
        for (name, node) in self.entries_of(key) {
            let path = format!("{path}.{}", name.text);
            if name.text.is_empty() || name.text.contains(['=', '\0', '\n', '\r']) {
                self.notes.problem(&path, name.at, "is no possible name of a variable".to_owned());
            }
            match &node.kind {
                Kind::Text(text) if !text.contains('\0') => {
                    variables.insert(name.text.clone(), text.clone());
                }
                Kind::Whole(number) => {
                    variables.insert(name.text.clone(), number.to_string());
                }
                other => {
                    let message = format!("expected text (put it in quotes), found {}", other.describe());
                    self.notes.problem(&path, node.at, message);
                }
            }
        }
        variables
    }

    /// The name of an environment variable.
    pub(super) fn variable_name(&self, key: &str) -> Option<String> {
        let name = self.path(key)?;
        if name.contains(['=', '\0']) || name.contains(char::is_whitespace) {
            self.problem(key, &format!("{name:?} is no possible name of a variable"));
        }
        Some(name)
    }

    /// `true` or `false`; YAML 1.1's `yes`, `no`, `on`, `off` too, which the original understood.
    pub(super) fn flag(&self, key: &str) -> Option<bool> {
        match &self.get(key)?.kind {
            Kind::Flag(flag) => Some(*flag),
            Kind::Text(text) if matches!(text.to_ascii_lowercase().as_str(), "yes" | "on") => Some(true),
            Kind::Text(text) if matches!(text.to_ascii_lowercase().as_str(), "no" | "off") => Some(false),
            other => {
                self.expected(key, "true or false", other);
                None
            }
        }
    }

    /// A whole number within a range.
    pub(super) fn count(&self, key: &str, range: RangeInclusive<u32>) -> Option<u32> {
        let kind = &self.get(key)?.kind;
        let number = match kind {
            Kind::Whole(number) => u32::try_from(*number).ok(),
            _ => None,
        };
        let found = number.filter(|number| range.contains(number));
        if found.is_none() {
            self.expected(key, &format!("a whole number from {} to {}", range.start(), range.end()), kind);
        }
        found
    }

    /// A number within a range.
    pub(super) fn number(&self, key: &str, range: RangeInclusive<f64>) -> Option<f64> {
        let kind = &self.get(key)?.kind;
        let found = number_of(kind).filter(|number| range.contains(number));
        if found.is_none() {
            self.expected(key, &format!("a number from {} to {}", range.start(), range.end()), kind);
        }
        found
    }

    /// A number above 0.
    pub(super) fn positive(&self, key: &str, max: f64) -> Option<f64> {
        let kind = &self.get(key)?.kind;
        let found = number_of(kind).filter(|&number| number > 0.0 && number <= max);
        if found.is_none() {
            self.expected(key, &format!("a number above 0, at most {max}"), kind);
        }
        found
    }

    /// A share: `2%` or `0.02`.
    pub(super) fn share(&self, key: &str, range: RangeInclusive<f64>) -> Option<f64> {
        let kind = &self.get(key)?.kind;
        let share = match kind {
            Kind::Text(text) => {
                text.trim().strip_suffix('%').and_then(|p| p.trim().parse::<f64>().ok()).map(|p| p / 100.0)
            }
            other => number_of(other),
        };
        let found = share.filter(|share| range.contains(share));
        if found.is_none() {
            let (low, high) = (range.start() * 100.0, range.end() * 100.0);
            self.expected(key, &format!("a share from {low}% to {high}%, such as `2%` or `0.02`"), kind);
        }
        found
    }

    /// One of the named choices.
    pub(super) fn choice<T: Copy>(&self, key: &str, choices: &[(&str, T)]) -> Option<T> {
        let kind = &self.get(key)?.kind;
        let found = match kind {
            Kind::Text(text) => {
                choices.iter().find(|(name, _)| name.eq_ignore_ascii_case(text)).map(|(_, value)| *value)
            }
            _ => None,
        };
        if found.is_none() {
            let names: Vec<&str> = choices.iter().map(|(name, _)| *name).collect();
            self.expected(key, &format!("one of {}", names.join(", ")), kind);
        }
        found
    }

    /// `lower` or `higher`.
    pub(super) fn better(&self, key: &str) -> Option<Better> {
        self.choice(key, &[("lower", Better::Lower), ("higher", Better::Higher)])
    }

    fn get(&self, key: &str) -> Option<&'a Node> {
        let (_, node) = self.entries.iter().find(|(k, _)| k.text == key)?;
        (node.kind != Kind::Null).then_some(node)
    }

    fn place(&self, key: &str) -> At {
        let entry = self.entries.iter().find(|(k, _)| k.text == key);
        entry.map_or(self.at, |(k, node)| if node.at.line > 0 { node.at } else { k.at })
    }

    fn child(&self, key: &str) -> String {
        if self.path.is_empty() { key.to_owned() } else { format!("{}.{key}", self.path) }
    }

    fn expected(&self, key: &str, what: &str, found: &Kind) {
        self.problem(key, &format!("expected {what}, found {}", found.describe()));
    }

    fn items_of(&self, key: &str, what: &str) -> &'a [Node] {
        match self.get(key).map(|node| &node.kind) {
            None => &[],
            Some(Kind::List(items)) => items,
            Some(other) => {
                self.expected(key, what, other);
                &[]
            }
        }
    }

    fn entries_of(&self, key: &str) -> &'a [(Key, Node)] {
        match self.get(key).map(|node| &node.kind) {
            None => &[],
            Some(Kind::Map(entries)) => entries,
            Some(other) => {
                self.expected(key, "a section (`key: value`)", other);
                &[]
            }
        }
    }

    fn texts_at(&self, path: &str, items: &[Node]) -> Vec<String> {
        let mut texts: Vec<String> = Vec::with_capacity(items.len());
        for (i, node) in items.iter().enumerate() {
            let path = format!("{path}[{i}]");
            match &node.kind {
                Kind::Text(text) if text.trim().is_empty() => self.notes.problem(&path, node.at, "is empty".to_owned()),
                Kind::Text(text) if text.contains('\0') => {
                    self.notes.problem(&path, node.at, "holds a NUL character".to_owned());
                }
                Kind::Text(text) if texts.contains(text) => {
                    self.notes.problem(&path, node.at, format!("{text:?} stands twice in the list"));
                }
                Kind::Text(text) => texts.push(text.clone()),
                other => {
                    let message = format!("expected text (put it in quotes), found {}", other.describe());
                    self.notes.problem(&path, node.at, message);
                }
            }
        }
        texts
    }

    fn check_name(&self, key: &str, name: &str) {
        if name.chars().count() > MAX_NAME {
            self.problem(key, &format!("is longer than {MAX_NAME} characters"));
        } else if name.contains(char::is_control) {
            self.problem(key, "holds a control character");
        } else if name.contains(['<', '>']) {
            self.warn(key, &format!("{name:?} holds `<` or `>`, so no criterion can name it"));
        }
    }
}

fn number_of(kind: &Kind) -> Option<f64> {
    match kind {
        #[expect(clippy::cast_precision_loss, reason = "limits are far below 2^53, and ranges are checked after")]
        Kind::Whole(number) => Some(*number as f64),
        Kind::Number(number) => Some(*number).filter(|number| number.is_finite()),
        _ => None,
    }
}
