//! Text fragments (counted nouns, timestamps, lists, short hashes), and JSON laid out for reading.

use chrono::{DateTime, SecondsFormat, Utc};
use serde::Serialize;
use serde_json::Value;

/// `1 pair`, `3 pairs`.
pub fn count(n: impl Into<u64>, one: &str, many: &str) -> String {
    let n = n.into();
    format!("{n} {}", if n == 1 { one } else { many })
}

pub fn moment(at: DateTime<Utc>) -> String {
    at.format("%Y-%m-%d %H:%M UTC").to_string()
}

/// RFC 3339 in whole seconds, with `Z`, as the Python tool writes it.
pub fn stamp(at: DateTime<Utc>) -> String {
    at.to_rfc3339_opts(SecondsFormat::Secs, true)
}

pub fn joined<T: ToString>(items: impl IntoIterator<Item = T>) -> String {
    items.into_iter().map(|item| item.to_string()).collect::<Vec<_>>().join(", ")
}

/// The first four items and the number of the others.
pub fn few<T: ToString>(items: &[T]) -> String {
    first(items, 4)
}

pub fn first<T: ToString>(items: &[T], shown: usize) -> String {
    let more = items.len().saturating_sub(shown);
    let rest = if more > 0 { format!(" and {more} more") } else { String::new() };
    format!("{}{rest}", joined(items.iter().take(shown).map(ToString::to_string)))
}

/// The first `length` characters, for texts of unlimited length.
pub fn cut(text: &str, length: usize) -> String {
    let mut shown: String = text.chars().take(length).collect();
    if text.chars().nth(length).is_some() {
        shown.push('…');
    }
    shown
}

/// An abbreviated commit hash of 12 digits, which git commands accept.
pub fn short(hash: &str) -> String {
    hash.chars().take(12).collect()
}

/// The last `most` characters of a program's output, cut between words. If these name no error, the last line above
/// that does precedes them, as a stack trace may separate the two.
pub fn excerpt(text: &str, most: usize) -> String {
    let skip = text.chars().count().saturating_sub(most);
    let Some((cut, _)) = text.char_indices().nth(skip).filter(|_| skip > 0) else { return text.to_owned() };
    let (above, end) = text.split_at(cut);
    let names_an_error = |line: &&str| ["rror: ", "rror[", "panicked at"].iter().any(|words| line.contains(words));
    let error = above.lines().rfind(names_an_error).filter(|_| !end.lines().any(|line| names_an_error(&line)));
    // A Rust panic gives its reason on the line after its location.
    let reason = |place: &str| above.lines().skip_while(|line| *line != place).nth(1).filter(|_| place.ends_with(':'));
    let error =
        error.map(|line| [Some(line.trim()), reason(line)].into_iter().flatten().collect::<Vec<_>>().join("\n"));
    if let Some(error) = error.filter(|error| error.chars().count() < most / 2) {
        return format!("{error}\n{}", excerpt(end, most - error.chars().count() - 1));
    }
    end.split_once(char::is_whitespace).map_or(end, |(_, whole)| whole.trim_start()).to_owned()
}

/// The candidates nearest to `name`, best first, at most `most`, without those too different to be a typo.
/// Ties keep the order of the candidates, so that the result is deterministic.
pub fn nearest<'a>(name: &str, candidates: impl IntoIterator<Item = &'a str>, most: usize) -> Vec<&'a str> {
    // The limit keeps the quadratic distance cheap; no real name is that long.
    let folded = |name: &str| name.to_lowercase().chars().take(256).collect::<String>();
    let wanted = folded(name);
    let near = |candidate: &'a str| {
        let other = folded(candidate);
        let distance = strsim::osa_distance(&wanted, &other);
        let contained = wanted.len() >= 3 && other.contains(&wanted);
        let allowed = wanted.chars().count().max(other.chars().count()).div_ceil(3);
        (distance <= allowed || contained).then_some((distance, candidate))
    };
    let mut found: Vec<(usize, &str)> = candidates.into_iter().filter_map(near).collect();
    found.sort_by_key(|(distance, _)| *distance);
    found.into_iter().take(most).map(|(_, candidate)| candidate).collect()
}

/// Lower-case words joined by `-`; everything but letters, digits and `_` is dropped.
pub fn slug(text: &str) -> String {
    let dashed = |c: char| if c.is_ascii_alphanumeric() || c == '_' { c.to_ascii_lowercase() } else { '-' };
    let dashed: String = text.chars().map(dashed).collect();
    dashed.split('-').filter(|part| !part.is_empty()).collect::<Vec<_>>().join("-")
}

/// JSON for reading and for line-based diffs: a value that fits on a line is on one. Evidence is mostly rows of
/// samples.
pub fn json(value: &impl Serialize) -> serde_json::Result<Vec<u8>> {
    let mut text = String::new();
    lay_out(&serde_json::to_value(value)?, 0, &mut text);
    text.push('\n');
    Ok(text.into_bytes())
}

/// Longest line in bytes, without its indentation.
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

    #[test]
    fn an_excerpt_has_whole_words_and_the_line_of_the_error() {
        assert_eq!(excerpt("a short one", 20), "a short one");
        assert_eq!(excerpt("alpha beta gamma", 10), "gamma");
        assert_eq!(excerpt("0123456789", 4), "6789");
        let trace = format!("Error: no module 'left'\n{}end", "    at load (loader.js:1)\n".repeat(9));
        assert_eq!(excerpt(&trace, 60), "Error: no module 'left'\nat load (loader.js:1)\nend");
        let panic = format!("thread 'main' panicked at a.rs:5:9:\nno input\n{}end", "  10: main\n".repeat(20));
        assert_eq!(excerpt(&panic, 100).lines().nth(1), Some("no input"));
    }

    #[test]
    fn a_typo_finds_its_name_and_nonsense_finds_nothing() {
        let names = ["timing.tests.wall", "timing.tests.cpu", "size.lib", "kpi.p95_ms"];
        assert_eq!(nearest("timing.test.wall", names, 1), ["timing.tests.wall"]);
        assert_eq!(nearest("p95", names, 3), ["kpi.p95_ms"]);
        assert!(nearest("something else altogether", names, 3).is_empty());
    }
}
