//! One section of the config file: its rules that several sections share, each with the place of what breaks it.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::RangeInclusive;

use crate::config::glob;
use crate::config::reader::Notes;

/// A week: the longest deadline that is taken for meant.
const MAX_TIMEOUT_S: f64 = 604_800.0;
/// The longest name, in characters.
const MAX_NAME: usize = 100;

/// One section of the file, by its path, and the rules that several sections share.
pub(crate) struct Section<'n, 't> {
    pub(crate) path: String,
    pub(crate) notes: &'n mut Notes<'t>,
}

impl<'t> Section<'_, 't> {
    pub(crate) fn child(&self, key: &str) -> String {
        if self.path.is_empty() { key.to_owned() } else { format!("{}.{key}", self.path) }
    }

    pub(crate) fn section(&mut self, key: &str) -> Section<'_, 't> {
        Section { path: self.child(key), notes: self.notes }
    }

    pub(crate) fn has(&self, key: &str) -> bool {
        self.notes.has(&self.child(key))
    }

    pub(crate) fn problem(&mut self, key: &str, message: &str) {
        self.notes.problem(&self.child(key), message.to_owned());
    }

    pub(crate) fn problem_here(&mut self, message: &str) {
        self.notes.problem(&self.path, message.to_owned());
    }

    pub(crate) fn warn(&mut self, key: &str, message: String) {
        self.notes.warn(&self.child(key), message);
    }

    /// Reports that something else was expected under `key`, unless the value `fits`.
    pub(crate) fn demand(&mut self, key: &str, fits: bool, what: &str) {
        let path = self.child(key);
        if !fits || self.notes.is_unreadable(&path) {
            self.notes.expected(&path, what);
        }
    }

    /// Checks each item of the list under `key`; there is none where the file has no such list.
    pub(crate) fn each<T>(&mut self, key: &str, items: &[T], check: impl Fn(&T, Section<'_, 't>)) {
        self.demand(key, true, "a list of sections (`- key: value`)");
        if self.has(key) && !self.notes.is_unreadable(&self.child(key)) {
            for (i, item) in items.iter().enumerate() {
                check(item, self.section(&format!("{key}[{i}]")));
            }
        }
    }

    pub(crate) fn unique<'a>(&mut self, list: &str, names: impl Iterator<Item = &'a String>) {
        let mut lines: BTreeMap<&str, u64> = BTreeMap::new();
        for (i, name) in names.enumerate().filter(|(_, name)| !name.is_empty()) {
            let key = format!("{list}[{i}].name");
            match lines.get(name.as_str()) {
                Some(line) => {
                    self.problem(&key, &format!("{name:?} is taken by the entry at line {line}; names are unique"));
                }
                None => drop(lines.insert(name, self.notes.line(&self.child(&key)))),
            }
        }
    }

    pub(crate) fn whole(&mut self, key: &str, value: impl Into<u64>, range: RangeInclusive<u64>) {
        let wanted = match (range.start(), range.end()) {
            (first, last) if first == last => format!("the whole number {first}"),
            (first, last) => format!("a whole number from {first} to {last}"),
        };
        self.demand(key, range.contains(&value.into()), &wanted);
    }

    /// A deadline in seconds.
    pub(crate) fn positive(&mut self, key: &str, value: f64) {
        let fits = value > 0.0 && value <= MAX_TIMEOUT_S;
        self.demand(key, fits, &format!("a number above 0, at most {MAX_TIMEOUT_S}"));
    }

    /// Text that must be there and not be blank.
    pub(crate) fn required(&mut self, key: &str, text: &str) {
        if !self.has(key) {
            self.problem_here(&format!("has no `{key}`"));
        } else if text.trim().is_empty() {
            self.problem(key, "is empty");
        }
    }

    pub(crate) fn name(&mut self, name: &str) {
        self.required("name", name);
        if name.chars().count() > MAX_NAME {
            self.problem("name", &format!("is longer than {MAX_NAME} characters"));
        } else if name.contains(char::is_control) {
            self.problem("name", "holds a control character");
        } else if name.contains(['<', '>']) {
            self.warn("name", format!("{name:?} holds `<` or `>`, so no criterion can name it"));
        }
    }

    pub(crate) fn pointer(&mut self, pointer: &str) {
        if !pointer.is_empty() && !pointer.starts_with('/') {
            let guess = pointer.trim_start_matches('$').trim_start_matches('.').replace('.', "/");
            let message = format!("expected a JSON pointer, which begins with `/`, such as `/{guess}`");
            self.problem("pointer", &message);
        }
    }

    /// A list of texts, none blank and none twice.
    pub(crate) fn texts(&mut self, key: &str, texts: &[String]) {
        self.demand(key, true, "a list of texts");
        let mut before = BTreeSet::new();
        for (i, text) in texts.iter().enumerate() {
            if text.trim().is_empty() {
                self.problem(&format!("{key}[{i}]"), "is empty");
            } else if !before.insert(text) {
                self.problem(&format!("{key}[{i}]"), &format!("{text:?} is in the list twice"));
            }
        }
    }

    /// A list of globs, each of which is well formed.
    pub(crate) fn globs(&mut self, key: &str, globs: &[String]) {
        self.texts(key, globs);
        for (i, pattern) in globs.iter().enumerate() {
            let invalid = glob(pattern).err().map(|error| format!("is not a valid glob: {}", error.kind()));
            let negated = || "begins with `!`, and a list has no exceptions: name what is meant".to_owned();
            let invalid = invalid.or_else(|| pattern.starts_with('!').then(negated));
            if let Some(why) = invalid {
                self.problem(&format!("{key}[{i}]"), &format!("{pattern:?} {why}"));
            }
        }
    }

    /// Values by the name of a variable or header.
    pub(crate) fn variables(&mut self, key: &str, variables: &BTreeMap<String, String>) {
        for name in variables.keys() {
            if name.is_empty() || name.contains(['=', '\0', '\n', '\r']) {
                self.problem(&format!("{key}.{name}"), "is not a possible name of a variable");
            }
        }
    }
}
