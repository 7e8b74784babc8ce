//! The single values of a section, typed: text, names, numbers, switches, choices. Must not know any particular section.

use std::ops::RangeInclusive;

use serde_json::Value;

use crate::config::{Kind, Section};
use crate::model::Better;

/// A week: the longest deadline that is taken for meant.
pub(crate) const MAX_TIMEOUT_S: f64 = 604_800.0;
/// The most runs that are taken for meant.
pub(crate) const MAX_RUNS: u32 = 100_000;
/// The longest name, in characters.
const MAX_NAME: usize = 100;

impl Section<'_> {
    /// Text; numbers and the like are a problem, for what they would read as is a guess.
    pub(crate) fn text(&self, key: &str) -> Option<String> {
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
    pub(crate) fn required_text(&self, key: &str) -> String {
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
    pub(crate) fn name(&self, key: &str) -> String {
        let name = self.required_text(key);
        self.check_name(key, &name);
        name
    }

    /// A name that may be absent.
    pub(crate) fn optional_name(&self, key: &str) -> Option<String> {
        self.has(key).then(|| self.name(key))
    }

    /// A path, which must not be empty.
    pub(crate) fn path(&self, key: &str) -> Option<String> {
        self.has(key).then(|| self.required_text(key)).filter(|path| !path.is_empty())
    }

    /// A JSON pointer (RFC 6901).
    pub(crate) fn pointer(&self, key: &str) -> Option<String> {
        let pointer = self.text(key)?;
        if !pointer.is_empty() && !pointer.starts_with('/') {
            let guess = pointer.trim_start_matches('$').trim_start_matches('.').replace('.', "/");
            self.problem(key, &format!("expected a JSON pointer, which begins with `/`, such as `/{guess}`"));
        }
        Some(pointer)
    }

    /// Any JSON value.
    pub(crate) fn value(&self, key: &str) -> Option<Value> {
        let (_, node) = self.entries.iter().find(|(k, _)| k.text == key)?;
        let value = node.to_json();
        if value.is_err() {
            self.problem(key, "holds a number that JSON cannot hold");
        }
        value.ok()
    }

    /// The name of an environment variable.
    pub(crate) fn variable_name(&self, key: &str) -> Option<String> {
        let name = self.path(key)?;
        if name.contains(['=', '\0']) || name.contains(char::is_whitespace) {
            self.problem(key, &format!("{name:?} is no possible name of a variable"));
        }
        Some(name)
    }

    /// `true` or `false`; YAML 1.1's `yes`, `no`, `on`, `off` too, which the original understood.
    pub(crate) fn flag(&self, key: &str) -> Option<bool> {
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
    pub(crate) fn count(&self, key: &str, range: RangeInclusive<u32>) -> Option<u32> {
        let kind = &self.get(key)?.kind;
        let number = match kind {
            Kind::Whole(number) => u32::try_from(*number).ok(),
            _ => None,
        };
        let found = number.filter(|number| range.contains(number));
        if found.is_none() {
            let wanted = match (range.start(), range.end()) {
                (first, last) if first == last => format!("the number {first}"),
                (first, last) => format!("a whole number from {first} to {last}"),
            };
            self.expected(key, &wanted, kind);
        }
        found
    }

    /// A number within a range.
    pub(crate) fn number(&self, key: &str, range: RangeInclusive<f64>) -> Option<f64> {
        let kind = &self.get(key)?.kind;
        let found = number_of(kind).filter(|number| range.contains(number));
        if found.is_none() {
            self.expected(key, &format!("a number from {} to {}", range.start(), range.end()), kind);
        }
        found
    }

    /// A number above 0.
    pub(crate) fn positive(&self, key: &str, max: f64) -> Option<f64> {
        let kind = &self.get(key)?.kind;
        let found = number_of(kind).filter(|&number| number > 0.0 && number <= max);
        if found.is_none() {
            self.expected(key, &format!("a number above 0, at most {max}"), kind);
        }
        found
    }

    /// A share: `2%` or `0.02`.
    pub(crate) fn share(&self, key: &str, range: RangeInclusive<f64>) -> Option<f64> {
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
    pub(crate) fn choice<T: Copy>(&self, key: &str, choices: &[(&str, T)]) -> Option<T> {
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
    pub(crate) fn better(&self, key: &str) -> Option<Better> {
        self.choice(key, &[("lower", Better::Lower), ("higher", Better::Higher)])
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
