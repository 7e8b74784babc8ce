//! The text next to a KPI's number.

use serde_json::{Map, Value};

use crate::config::{Extract, KpiProbe};
use crate::measure::number::{of_unit, parsed, plain, unit_of};
use crate::measure::pointer::follow;
use crate::model::Unit;
use crate::model::scrub::scrub;

/// How many words are kept on each side of a number.
const BESIDE: usize = 2;
const LONGEST_WORD: usize = 60;
/// Keys of numbers that say how much work was done.
const COUNTED: [&str; 12] = [
    "n",
    "count",
    "errors",
    "failed",
    "failures",
    "items",
    "iterations",
    "passed",
    "requests",
    "rows",
    "samples",
    "skipped",
];

/// The context of a number: a difference in it means that other work was measured.
#[derive(Debug, Clone, PartialEq, Default)]
pub(crate) struct Beside {
    /// The words around the number, which is written as `#`: `heap # Mi`. In JSON, the unit given there. Different
    /// words may mean a different unit.
    pub(crate) words: String,
    /// The whole numbers on its line, each with the word that follows: `120 passed`. In JSON the texts and counts in
    /// the same object: `name parse`, `errors 0`.
    pub(crate) counts: Vec<String>,
}

impl Beside {
    pub(crate) fn scrubbed(&self) -> Self {
        Self { words: scrub(&self.words), counts: self.counts.iter().map(|count| scrub(count)).collect() }
    }
}

/// The context of the last number that a regular expression captures, or of the one that a pointer finds.
pub(crate) fn beside(config: &KpiProbe, text: &[u8]) -> Option<Beside> {
    let pattern = match config.extract() {
        Extract::Regex(pattern) => pattern,
        Extract::Pointer(pointer) => {
            let value = parsed(text).ok()?;
            let found = follow(&value, &pointer).ok()?;
            let within = &found.first()?.within;
            let unit = unit_of(within, &pointer, &config.unit);
            let words = unit.map(|unit| format!("# {unit}")).unwrap_or_default();
            return Some(Beside {
                words,
                counts: within.iter().rev().find_map(|it| it.as_object()).map_or_else(Vec::new, members),
            });
        }
        Extract::Whole | Extract::Pointers(_) | Extract::Hyperfine(_) | Extract::Jmh(_) | Extract::Criterion => {
            return None;
        }
    };
    let text = plain(text);
    let group = regex::Regex::new(&pattern).ok()?.captures_iter(&text).last()?.get(1)?;
    let before = text[..group.start()].rsplit('\n').next().unwrap_or_default();
    let after = text[group.end()..].split('\n').next().unwrap_or_default();
    let words = |part: &str| -> Vec<String> {
        part.split(|c: char| !of_unit(c)).filter(|word| !word.is_empty()).map(str::to_owned).collect()
    };
    let counts = [before, after].into_iter().flat_map(counts).collect();
    let (before, mut after) = (words(before), words(after));
    // Singular and plural are the same unit: one file, two files.
    if let Some(counted) = after.first_mut().filter(|word| word.len() > 3) {
        counted.truncate(counted.trim_end_matches('s').len());
    }
    let number = ["#".to_owned()];
    let near = before[before.len().saturating_sub(BESIDE)..].iter().chain(&number).chain(after.iter().take(BESIDE));
    Some(Beside { words: near.map(String::as_str).collect::<Vec<_>>().join(" "), counts })
}

/// Describes the texts and counts in an object. Leaves out other numbers, since a time may be equal by chance, and
/// paths, which differ between the sides.
fn members(object: &Map<String, Value>) -> Vec<String> {
    let is_word =
        |text: &str| text.len() <= LONGEST_WORD && !text.contains(|c: char| c.is_ascii_digit() || "/\\".contains(c));
    let described = |key: &str, value: &Value| match value {
        Value::String(text) if is_word(text) => Some(format!("{key} {text}")),
        Value::Number(number) if COUNTED.contains(&key.to_ascii_lowercase().as_str()) => {
            Some(format!("{key} {number}"))
        }
        Value::String(_) | Value::Number(_) | Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => None,
    };
    object.iter().map(|(key, value)| described(key, value).unwrap_or_default()).collect()
}

fn counts(part: &str) -> Vec<String> {
    let trimmed = |word: &str| word.trim_matches(|c: char| c.is_ascii_punctuation()).to_owned();
    let words: Vec<String> = part.split_whitespace().map(trimmed).collect();
    let is_count = |word: &str| !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_digit());
    let is_measured = |at: usize| words.get(at + 1).is_some_and(|next| Unit::spelled(next).is_known());
    let all = words.iter().enumerate().filter(|(at, word)| is_count(word) && !is_measured(*at));
    all.map(|(at, word)| words.get(at + 1).map_or_else(|| word.clone(), |next| format!("{word} {next}"))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn regex(regex: &str) -> KpiProbe {
        KpiProbe { regex: Some(regex.to_owned()), ..KpiProbe::default() }
    }

    fn pointer(pointer: &str) -> KpiProbe {
        KpiProbe { pointer: Some(pointer.to_owned()), ..KpiProbe::default() }
    }

    #[test]
    fn the_words_beside_a_number_its_unit_in_json_and_counts_are_known() {
        let near = |pattern: &str, text: &str| beside(&regex(pattern), text.as_bytes()).unwrap().words;
        assert_eq!(near("heap ([0-9.]+)", "x\nthe heap 900Mi of 2 files now"), "the heap # Mi of");
        assert_eq!(near("time: ([0-9.]+)", "time: 900, unit: us"), "time # unit us");
        assert_eq!(near("([0-9]+)$", "1\n2"), "#");
        assert_eq!(near("([0-9]+) f", "1 file"), near("([0-9]+) f", "2 files"));
        assert_eq!(beside(&pointer("/p"), b"{\"p\": 1}").unwrap().words, "");
        assert_eq!(beside(&pointer("/p/0"), br#"{"p": [1], "unit": "crates"}"#).unwrap().words, "# crates");
        assert_eq!(beside(&pointer("/p/mean"), br#"{"p": {"mean": 1}, "unit": "us"}"#).unwrap().words, "# us");
        let json = br#"{"p": {"name": "sort", "n": 3, "ms": 4, "at": "10:30", "v": 1}}"#;
        assert_eq!(beside(&pointer("/p/v"), json).unwrap().counts, ["name sort", "n 3", "", "", ""]);
        let line = b"9 of old\n[x1] 120 passed, (2 skipped) of 30 ms in 3.5 s at 10:15, v2.1 /tmp/7";
        assert_eq!(beside(&regex("in ([0-9.]+) s"), line).unwrap().counts, ["120 passed", "2 skipped"]);
    }
}
