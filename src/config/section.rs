//! One section of the config tree, its lists and its subsections: every wrong type becomes a problem with its key path
//! and line, every unknown key a warning. Must not know any particular section.

use std::collections::BTreeMap;

use crate::config::{At, Key, Kind, Node, Notes, glob};
use crate::model::nearest::nearest;

/// One section: a map whose keys are known.
pub(crate) struct Section<'a> {
    notes: &'a Notes,
    path: String,
    at: At,
    pub(crate) entries: &'a [(Key, Node)],
}

impl<'a> Section<'a> {
    /// The section that `node` is; an empty one where it is null, and, noted as a problem, where it is no map.
    pub(crate) fn open(notes: &'a Notes, path: String, node: &'a Node, known: &[&str]) -> Self {
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
    pub(crate) fn problem(&self, key: &str, message: &str) {
        self.notes.problem(&self.child(key), self.place(key), message.to_owned());
    }

    /// Notes a problem with the section itself.
    pub(crate) fn problem_here(&self, message: &str) {
        self.notes.problem(&self.path, self.at, message.to_owned());
    }

    /// Notes a warning about the value of `key`.
    pub(crate) fn warn(&self, key: &str, message: &str) {
        self.notes.warn(&self.child(key), self.place(key), message.to_owned());
    }

    /// Whether `key` has a value other than null.
    pub(crate) fn has(&self, key: &str) -> bool {
        self.get(key).is_some()
    }

    /// The section under `key`, read by `read`; an absent one is read as empty.
    pub(crate) fn section<T>(&self, key: &str, known: &[&str], read: fn(&Section<'_>) -> T) -> T {
        static ABSENT: Node = Node { at: At { line: 0, column: 0 }, kind: Kind::Null };
        read(&Section::open(self.notes, self.child(key), self.get(key).unwrap_or(&ABSENT), known))
    }

    /// The sections in the map under `key`, by name.
    pub(crate) fn sections<T>(
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
    pub(crate) fn list<T>(&self, key: &str, known: &[&str], read: fn(&Section<'_>) -> T) -> Vec<T> {
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

    /// A list of texts, none empty and none twice.
    pub(crate) fn texts(&self, key: &str) -> Option<Vec<String>> {
        self.get(key)?;
        Some(self.texts_at(&self.child(key), self.items_of(key, "a list of texts")))
    }

    /// Lists of texts by name.
    pub(crate) fn text_lists(&self, key: &str) -> BTreeMap<String, Vec<String>> {
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
    pub(crate) fn globs(&self, key: &str) -> Option<Vec<String>> {
        let globs = self.texts(key)?;
        for pattern in &globs {
            if let Err(error) = glob::one(pattern) {
                self.problem(key, &format!("{pattern:?} is no glob: {}", error.kind()));
            }
        }
        Some(globs)
    }

    /// Texts by name, as variables and headers are; whole numbers are taken as written.
    pub(crate) fn variables(&self, key: &str) -> BTreeMap<String, String> {
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

    /// The value of `key`, unless it is null.
    pub(crate) fn get(&self, key: &str) -> Option<&'a Node> {
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

    /// Notes that something else was expected as the value of `key`.
    pub(crate) fn expected(&self, key: &str, what: &str, found: &Kind) {
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
}
