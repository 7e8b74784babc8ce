//! Pieces of sentences (counted nouns, moments, lists, short hashes), and JSON laid out for people.

use chrono::{DateTime, Utc};
use serde::Serialize;
use serde_json::Value;

/// `1 pair`, `3 pairs`.
pub fn count(n: impl Into<u64>, one: &str, many: &str) -> String {
    let n = n.into();
    format!("{n} {}", if n == 1 { one } else { many })
}

/// A moment to the minute.
pub fn moment(at: DateTime<Utc>) -> String {
    at.format("%Y-%m-%d %H:%M UTC").to_string()
}

/// All of them.
pub fn joined<T: ToString>(items: impl IntoIterator<Item = T>) -> String {
    items.into_iter().map(|item| item.to_string()).collect::<Vec<_>>().join(", ")
}

/// The first few, and how many more there are.
pub fn few<T: ToString>(items: &[T]) -> String {
    const SHOWN: usize = 4;
    let more = items.len().saturating_sub(SHOWN);
    let rest = if more > 0 { format!(" and {more} more") } else { String::new() };
    format!("{}{rest}", joined(items.iter().take(SHOWN).map(ToString::to_string)))
}

/// The beginning of a text that anybody may have written.
pub fn cut(text: &str, length: usize) -> String {
    let mut shown: String = text.chars().take(length).collect();
    if text.chars().nth(length).is_some() {
        shown.push('…');
    }
    shown
}

/// As many digits of a commit's hash as commands take.
pub fn short(hash: &str) -> String {
    hash.chars().take(12).collect()
}

/// The candidates nearest to `name`, best first, at most `most`; none that shares too little with it to be a slip.
/// Ties keep the candidates' own order, so that the same input gives the same answer.
pub fn nearest<'a>(name: &str, candidates: impl IntoIterator<Item = &'a str>, most: usize) -> Vec<&'a str> {
    let wanted = folded(name);
    let mut found: Vec<(usize, &str)> = candidates
        .into_iter()
        .filter_map(|candidate| {
            let other = folded(candidate);
            let distance = edit_distance(&wanted, &other);
            let contained = wanted.len() >= 3 && candidate.to_lowercase().contains(&name.to_lowercase());
            let allowed = wanted.len().max(other.len()).div_ceil(3);
            (distance <= allowed || contained).then_some((distance, candidate))
        })
        .collect();
    found.sort_by_key(|(distance, _)| *distance);
    found.into_iter().take(most).map(|(_, candidate)| candidate).collect()
}

fn folded(name: &str) -> Vec<char> {
    // A name of that length is no slip of the pen; the bound keeps the quadratic distance cheap.
    name.to_lowercase().chars().take(256).collect()
}

/// Optimal string alignment distance: insertions, deletions, substitutions and swaps of neighbours
/// (L. Boytsov, "Indexing methods for approximate dictionary searching", ACM JEA 16, 2011, section 2.2).
pub fn edit_distance(a: &[char], b: &[char]) -> usize {
    let mut before_last: Vec<usize> = Vec::new();
    let mut last: Vec<usize> = (0..=b.len()).collect();
    for i in 1..=a.len() {
        let mut row = vec![i; b.len() + 1];
        for j in 1..=b.len() {
            let substituted = last[j - 1] + usize::from(a[i - 1] != b[j - 1]);
            row[j] = substituted.min(last[j] + 1).min(row[j - 1] + 1);
            if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                row[j] = row[j].min(before_last[j - 2] + 1);
            }
        }
        before_last = last;
        last = row;
    }
    last[b.len()]
}

/// JSON to be read by people and compared by line: what fits on a line is on one. Evidence is mostly rows of samples.
pub fn json(value: &impl Serialize) -> serde_json::Result<Vec<u8>> {
    let mut text = String::new();
    lay_out(&serde_json::to_value(value)?, 0, &mut text);
    text.push('\n');
    Ok(text.into_bytes())
}

/// The longest line of values; what is nested deeper is indented beyond it.
const LINE: usize = 110;

fn lay_out(value: &Value, depth: usize, text: &mut String) {
    let row = on_a_line(value);
    let entries: Vec<(Option<&String>, &Value)> = match value {
        Value::Object(fields) if row.len() > LINE => fields.iter().map(|(name, it)| (Some(name), it)).collect(),
        Value::Array(items) if row.len() > LINE => items.iter().map(|it| (None, it)).collect(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) | Value::Object(_) => {
            return text.push_str(&row);
        }
    };
    let (open, close) = if value.is_object() { ('{', '}') } else { ('[', ']') };
    text.push(open);
    for (at, (name, value)) in entries.into_iter().enumerate() {
        text.push_str(if at == 0 { "\n" } else { ",\n" });
        text.extend(std::iter::repeat_n(' ', depth + 1));
        if let Some(name) = name {
            text.push_str(&format!("{}: ", Value::from(name.as_str())));
        }
        lay_out(value, depth + 1, text);
    }
    text.push('\n');
    text.extend(std::iter::repeat_n(' ', depth));
    text.push(close);
}

fn on_a_line(value: &Value) -> String {
    match value {
        Value::Object(fields) => {
            let field =
                |(name, value): (&String, &Value)| format!("{}: {}", Value::from(name.as_str()), on_a_line(value));
            format!("{{{}}}", fields.iter().map(field).collect::<Vec<_>>().join(", "))
        }
        Value::Array(items) => format!("[{}]", items.iter().map(on_a_line).collect::<Vec<_>>().join(", ")),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => value.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn distance(a: &str, b: &str) -> usize {
        edit_distance(&a.chars().collect::<Vec<_>>(), &b.chars().collect::<Vec<_>>())
    }

    #[test]
    fn distances_are_the_known_ones() {
        assert_eq!(distance("kitten", "sitting"), 3);
        assert_eq!(distance("wall", "wlal"), 1);
        assert_eq!(distance("", "abc"), 3);
        assert_eq!(distance("é", "e"), 1);
    }

    #[test]
    fn a_slip_finds_its_name_and_nonsense_finds_nothing() {
        let names = ["timing.tests.wall", "timing.tests.cpu", "size.lib", "kpi.p95_ms"];
        assert_eq!(nearest("timing.test.wall", names, 1), ["timing.tests.wall"]);
        assert_eq!(nearest("p95", names, 3), ["kpi.p95_ms"]);
        assert!(nearest("something else altogether", names, 3).is_empty());
    }
}
