//! Numbers in texts, read whole or not at all: a match that is part of a longer number, or is followed by another unit
//! than the declared one, is an error with its position.

use regex::Captures;
use serde_json::Value;

use crate::config::{Extract, KpiProbe, Matches};
use crate::measure::pointer::{PointerMatch, follow, kind};
use crate::measure::{duration, results};
use crate::model::{Unit, parse_json};

/// Separators of digit groups that have no other meaning.
const GROUPING: [char; 8] = ['\'', '\u{2019}', '_', '\u{a0}', '\u{202f}', '\u{2009}', '\u{66b}', '\u{66c}'];
/// Multipliers that may directly follow a number.
const MULTIPLIERS: [char; 6] = ['k', 'K', 'M', 'G', 'T', 'm'];
/// How many bytes on each side of a number are examined.
const NEAR: usize = 1024;
/// Multipliers that may also follow after a space, since they are no units.
const LARGE: [char; 3] = ['M', 'G', 'T'];

/// The numbers in a text, at least one; or why there are none, as a sentence that continues the text's name.
pub(crate) fn numbers(config: &KpiProbe, text: &[u8]) -> Result<Vec<f64>, String> {
    match config.extract() {
        Extract::Whole => {
            let text = plain(text);
            let text = text.trim_start_matches('\u{feff}').trim();
            let found = || if text.is_empty() { "nothing".to_owned() } else { shown(text) };
            number(text).map(|number| vec![number]).ok_or_else(|| not_a_number(&found()))
        }
        Extract::Pointer(pointer) => pointed_in(&parsed(text)?, &pointer, &config.unit),
        Extract::Pointers(places) => {
            let value = parsed(text)?;
            results::usable(config, &value).map_err(|why| format!(": {why}"))?;
            let place = places.iter().find(|place| follow(&value, place).is_ok()).or(places.first());
            let Some(place) = place else { return Ok(Vec::new()) };
            results::one(config, &value, place).map_err(|why| format!(": {why}"))?;
            pointed_in(&value, place, &config.unit)
        }
        Extract::Hyperfine(select) => results::hyperfine(&select, text).map_err(|why| format!(": {why}")),
        Extract::Jmh(select) => {
            let value = parsed(text)?;
            let score = results::jmh(config, &value, &select).map_err(|why| format!(": {why}"))?;
            pointed_in(score, "/rawData/*", &config.unit)
        }
        Extract::Criterion => {
            let value = parsed(text)?;
            let all = |place: &str| pointed_in(&value, place, &Unit::none());
            let (times, iterations) = (all("/times")?, all("/iters")?);
            Ok(times.iter().zip(&iterations).filter(|(_, n)| **n > 0.0).map(|(time, n)| time / n).collect())
        }
        Extract::Regex(pattern) => {
            let text = plain(text);
            results::completed(config, &text).map_err(|why| format!(": {why}"))?;
            matched(&pattern, config, &text)
        }
    }
}

/// Text without terminal escape sequences, which may contain digits.
pub(crate) fn plain(text: &[u8]) -> String {
    anstream::adapter::strip_str(&String::from_utf8_lossy(text)).to_string()
}

pub(crate) fn parsed(text: &[u8]) -> Result<Value, String> {
    parse_json(text).map_err(|error| format!(" is not valid JSON: {error}"))
}

fn pointed_in(value: &Value, pointer: &str, declared: &Unit) -> Result<Vec<f64>, String> {
    let found = follow(value, pointer).map_err(|nowhere| format!(": {nowhere}"))?;
    let lists = found.iter().map(|found| pointed(found, pointer, declared));
    Ok(lists.collect::<Result<Vec<_>, _>>()?.concat())
}

/// The number that a pointer leads to, or the numbers of an array.
fn pointed(found: &PointerMatch<'_>, pointer: &str, declared: &Unit) -> Result<Vec<f64>, String> {
    let finite = |value: &Value| value.as_f64().filter(|number| number.is_finite());
    // A unit further up may belong to other values.
    let object = found.within.iter().rposition(|value| value.is_object()).unwrap_or_default();
    if let Some(unit) = unit_of(&found.within[object..], pointer, declared).filter(|unit| is_other(unit, declared)) {
        return Err(format!(": {pointer} has unit {unit} in the file, but {}", says(declared, unit)));
    }
    let value = found.value;
    if let Some(items) = value.as_array().filter(|items| !items.is_empty()) {
        let number = |(i, item)| finite(item).ok_or_else(|| not_a_number(&format!("{pointer}/{i}, {},", kind(item))));
        return items.iter().enumerate().map(number).collect();
    }
    finite(value).map(|number| vec![number]).ok_or_else(|| {
        let what = if value.is_array() { "an empty array" } else { kind(value) };
        let scalar = value.is_string() || value.is_boolean();
        let text = if scalar { format!(" ({})", shown(&value.to_string())) } else { String::new() };
        not_a_number(&format!("what {pointer} leads to, {what}{text},"))
    })
}

/// The unit that a JSON file gives for a value: the nearest one in `within`.
pub(crate) fn unit_of<'v>(within: &[&'v Value], pointer: &str, declared: &Unit) -> Option<&'v str> {
    // google-benchmark writes `time_unit` next to counts, too.
    let is_time = declared.is_time() || pointer.ends_with("time");
    let is_unit = |key: &str| match key.to_ascii_lowercase().as_str() {
        "unit" | "units" | "uom" => true,
        "time_unit" => is_time,
        "scoreunit" => !is_time,
        _ => false,
    };
    within.iter().rev().find_map(|&value| match (value.as_object(), value.as_array().map(Vec::as_slice)) {
        (Some(map), _) => map.iter().find(|(key, _)| is_unit(key)).and_then(|(_, unit)| unit.as_str()),
        // For example `[1.2, "ms"]`.
        (None, Some([number, unit])) if number.is_number() => unit.as_str(),
        (None, _) => None,
    })
}

/// The numbers that a regular expression captures; `matches` says which ones if they differ.
fn matched(pattern: &str, config: &KpiProbe, text: &str) -> Result<Vec<f64>, String> {
    let no_match = || match &config.select {
        Some(name) => format!(": no line in it is a result of `select: {name}`"),
        None => format!(": nothing matches the regex {pattern:?}"),
    };
    let regex = regex::Regex::new(pattern).map_err(|_| no_match())?;
    let mut all: Vec<Captures<'_>> = regex.captures_iter(text).filter(|found| found.get(1).is_some()).collect();
    if config.matches == Matches::Last {
        all.drain(..all.len().saturating_sub(1));
    }
    let found: Result<Vec<f64>, String> = all.iter().map(|found| whole(text, found, pattern, &config.unit)).collect();
    let found = found?;
    let first = *found.first().ok_or_else(no_match)?;
    match found.iter().find(|other| **other != first) {
        Some(other) if config.matches == Matches::One => Err(format!(
            ": the regex {pattern:?} matches {} times, with {first} and {other} among them: say `matches: all` (samples) or \
             `matches: last`, or make the regex match one",
            found.len()
        )),
        Some(_) => Ok(found),
        // A repeated number counts once, unless the numbers are samples.
        None if config.matches == Matches::All => Ok(found),
        None => Ok(vec![first]),
    }
}

/// The number that a match captures, if it is the whole number and in the declared unit.
fn whole(text: &str, found: &Captures<'_>, pattern: &str, declared: &Unit) -> Result<f64, String> {
    let (Some(all), Some(group)) = (found.get(0), found.get(1)) else { return Err(not_a_number("the match")) };
    let trimmed = group.as_str().trim();
    let start = group.start() + (group.as_str().len() - group.as_str().trim_start().len());
    let end = start + trimmed.len();
    // On the same line, since other lines belong to other numbers, and near, since a line may hold many.
    let near = text.floor_char_boundary(start.saturating_sub(NEAR))..text.ceil_char_boundary(end.saturating_add(NEAR));
    let before = text[near.start..start].rsplit('\n').next().unwrap_or_default();
    let after = text[end..near.end].split('\n').next().unwrap_or_default();
    let place = || {
        let line = text[..start].matches('\n').count() + 1;
        let column = text[..start].rsplit('\n').next().map_or(0, |before| before.chars().count()) + 1;
        format!(" line {line}, column {column}")
    };
    let value =
        number(trimmed).ok_or_else(|| format!("{}: the match {} is not a finite number", place(), shown(trimmed)))?;
    // The author of the regex knows what it matches around the group.
    let (seen_before, seen_after) = (all.start() < start, all.end() > end);
    let is_duration = duration::is_part(before, after, declared);
    if is_duration || begins_within(before, trimmed, seen_before) || ends_within(trimmed, after, seen_after) {
        let around =
            |c: char| c.is_alphanumeric() || "+-.,:/^*×·".contains(c) || GROUPING.contains(&c) || c == '\u{2212}';
        let from =
            before.char_indices().rev().take_while(|(_, c)| around(*c)).last().map_or(before.len(), |(at, _)| at);
        let to = after.find(|c: char| !around(c)).unwrap_or(after.len());
        let joined = [&before[from..], trimmed, &after[..to]].concat();
        // The parts of a duration may be separated by spaces.
        let joined = if joined == trimmed { [before, trimmed, after].concat().trim().to_owned() } else { joined };
        return Err(format!(
            "{}: the match {} is only a part of the number {}: extend the regex to the whole number, or to the separator",
            place(),
            shown(trimmed),
            shown(&joined)
        ));
    }
    let wrong =
        |how: &str, unit: &str| format!("{}: {} {how} `{unit}`, and {}", place(), shown(trimmed), says(declared, unit));
    if let Some(unit) = unit_after(after, declared) {
        return Err(wrong("is followed by", &unit));
    }
    let (around, own) = (all.as_str(), group.start() - all.start());
    let parts = [&around[..own], &around[own + group.len()..]];
    match parts.into_iter().find_map(|part| unit_beside(part, pattern, declared)) {
        Some(unit) => Err(wrong("stands beside", &unit)),
        None => Ok(value),
    }
}

/// What the config says about a KPI's unit when the numbers have another one.
fn says(declared: &Unit, found: &str) -> String {
    match is_bare(declared) {
        true if found.chars().all(char::is_alphanumeric) => format!("the config names no unit: add `unit: {found}`"),
        true => format!("the config names no unit: add `unit: {}`", Value::from(found)),
        false => format!("is taken as {declared}: say `unit: {found}` in the config"),
    }
}

fn is_bare(unit: &Unit) -> bool {
    matches!(unit.symbol(), "" | "1")
}

fn digit(c: Option<char>) -> bool {
    c.is_some_and(|c| c.is_ascii_digit())
}

/// Whether the text before a match is part of its number, including a sign.
fn begins_within(before: &str, number: &str, seen: bool) -> bool {
    let mut back = before.chars().rev();
    let (last, before_last) = (back.next(), back.next());
    match last {
        Some(c) if c.is_numeric() || c == '.' => true,
        Some('-' | '\u{2212}') => before_last.is_none_or(|c| c.is_whitespace() || ":=([,".contains(c)),
        Some(',' | ':' | '/') => !seen && digit(before_last),
        Some(c) if GROUPING.contains(&c) => digit(before_last),
        Some(' ') => {
            let group =
                before.trim_end_matches(' ').rsplit(|c: char| !c.is_ascii_digit()).next().unwrap_or_default().len();
            !seen && digit(before_last) && group <= 3 && leading_digits(number) == 3
        }
        _ => false,
    }
}

/// Whether the text after a match continues its number.
fn ends_within(number: &str, after: &str, seen: bool) -> bool {
    let mut ahead = after.chars();
    let (first, second) = (ahead.next(), ahead.next());
    let has_exponent = |text: &str| {
        let digits = text.trim_start_matches(['e', 'E', 'd', 'D']);
        digits.len() + 1 == text.len() && leading_digits(digits.strip_prefix(['+', '-']).unwrap_or(digits)) > 0
    };
    let is_zero = number.trim_start_matches('-') == "0";
    // Hexadecimal digits: no unit contains a digit.
    let word = &after[..after.find(|c: char| !c.is_ascii_alphanumeric()).unwrap_or(after.len())];
    let is_hex = word.bytes().all(|byte| byte.is_ascii_hexdigit()) && word.bytes().any(|byte| byte.is_ascii_digit());
    match first {
        Some(c) if c.is_numeric() => true,
        _ if is_hex || has_exponent(after) || is_power(after) => true,
        Some('.') => digit(second),
        Some(',' | ':' | '/') => !seen && digit(second),
        Some('x' | 'X' | 'b' | 'B' | 'o' | 'O') => is_zero && second.is_some_and(|c| c.is_ascii_hexdigit()),
        Some(c) if GROUPING.contains(&c) => digit(second),
        Some(' ') => {
            let goes_on =
                leading_digits(&after[1..]) == 3 && number.len() <= 3 && leading_digits(number) == number.len();
            !seen && goes_on || after[1..].starts_with(['E', 'D']) && has_exponent(&after[1..])
        }
        _ => false,
    }
}

/// Whether a text starts with a power, or with a factor that is a power of ten: `^6`, `**10`, `×10³`, ` x 10^3`.
fn is_power(text: &str) -> bool {
    let raised =
        |text: &str| text.strip_prefix("**").or(text.strip_prefix('^')).is_some_and(|it| leading_digits(it) > 0);
    let times = text.trim_start_matches(' ').strip_prefix(['×', '·', '⋅', '*', 'x', 'X']);
    let ten = times.and_then(|rest| rest.trim_start_matches(' ').strip_prefix("10"));
    raised(text)
        || ten.is_some_and(|rest| raised(rest) || rest.starts_with(|c: char| c.is_numeric() || "⁻^*".contains(c)))
}

fn leading_digits(text: &str) -> usize {
    text.bytes().take_while(u8::is_ascii_digit).count()
}

/// Whether this character may be part of a unit, apart from the `/`.
pub(crate) fn of_unit(c: char) -> bool {
    c.is_alphabetic() || matches!(c, '%' | '‰')
}

/// The unit or multiplier after a number, also in brackets, if it is not the declared one.
fn unit_after(after: &str, declared: &Unit) -> Option<String> {
    let rest = after.trim_start_matches([' ', '\t']);
    let adjoins = rest.len() == after.len();
    // It may be the only text in the next column of a table.
    let column = rest.strip_prefix(['|', ',', ';']).and_then(|next| next.split(['|', ',', ';', '\t']).next());
    let rest = column.map_or(rest, str::trim).trim_end_matches('\r');
    let rest = rest.strip_prefix(['[', '(', '<']).unwrap_or(rest);
    let end = rest.find(|c: char| !of_unit(c) && c != '/').unwrap_or(rest.len());
    if column.is_some() && end < rest.len() {
        return None;
    }
    let (word, next) = (&rest[..end], rest[end..].trim_start_matches([' ', ':', '=']));
    if let Some(multiplier) = word.chars().next().filter(|c| MULTIPLIERS.contains(c) && word.len() == 1) {
        let fits = declared.symbol().starts_with(multiplier) || declared.symbol().starts_with('k') && multiplier == 'K';
        let of_unit = !declared.symbol().is_empty() && next.starts_with(declared.symbol());
        return (!fits && (adjoins || of_unit || LARGE.contains(&multiplier))).then(|| word.to_owned());
    }
    // In `5 min 3 max 9`, `min` is the minimum.
    let is_unit = !word.is_empty() && (adjoins || word != "min" || !digit(next.chars().next()));
    (is_unit && is_other(word, declared)).then(|| word.to_owned())
}

/// Another unit of the declared kind that the regex matched next to the number without naming it, as in `p50 (ms):
/// 1.2`. A unit that belongs to another number does not count.
fn unit_beside(part: &str, pattern: &str, declared: &Unit) -> Option<String> {
    let mut rest = part;
    let mut earlier = ' ';
    while let Some(at) = rest.find(of_unit) {
        let word = &rest[at..];
        let word = &word[..word.find(|c: char| !of_unit(c)).unwrap_or(word.len())];
        let last = rest[..at].chars().next_back().unwrap_or(earlier);
        let counted = rest[..at].trim_end().ends_with(|c: char| c.is_ascii_digit()) && !earlier.is_alphabetic();
        let unit = Unit::spelled(word);
        let alone = !matches!(last, '.' | '-' | '\'') && (word.chars().count() > 1 || "([<_".contains(last));
        let same_kind = is_bare(declared) || unit.factor_to(&Unit::spelled(declared.symbol())).is_some();
        if alone && !counted && word != "min" && same_kind && is_other(word, declared) && !pattern.contains(word) {
            return Some(word.to_owned());
        }
        earlier = word.chars().next_back().unwrap_or(' ');
        rest = &rest[at + word.len()..];
    }
    None
}

/// Whether a unit means something else than the declared one: if both are known, or one is a multiple of the other; for
/// `a/b`, part by part. A known unit differs from no unit.
pub(crate) fn is_other(found: &str, declared: &Unit) -> bool {
    let known = |unit: &Unit| !unit.symbol().is_empty() && unit.is_known();
    if is_bare(declared) {
        return known(&Unit::spelled(found.split('/').next().unwrap_or_default()));
    }
    let parts = found.split('/').zip(declared.symbol().split('/'));
    parts.into_iter().any(|(found, declared)| {
        let (unit, declared) = (Unit::spelled(found), Unit::spelled(declared));
        match known(&unit) && known(&declared) {
            true => unit.factor_to(&declared) != Some(1.0),
            false => {
                let ((multiple, of), (declared_multiple, declared_of)) = (multiple(found), multiple(declared.symbol()));
                of == declared_of && multiple.replace('K', "k") != declared_multiple.replace('K', "k")
            }
        }
    })
}

fn multiple(unit: &str) -> (&str, &str) {
    let prefix = ["Ki", "Mi", "Gi"].iter().find(|prefix| unit.starts_with(**prefix)).map_or(1, |prefix| prefix.len());
    let of = unit.get(prefix..).filter(|of| !of.is_empty() && unit.starts_with(MULTIPLIERS));
    of.map_or(("", unit), |of| (&unit[..prefix], of))
}

fn not_a_number(found: &str) -> String {
    format!(": {found} is not a finite number")
}

fn number(text: &str) -> Option<f64> {
    // Rust also parses "inf" and "nan".
    text.parse::<f64>().ok().filter(|number| number.is_finite())
}

fn shown(text: &str) -> String {
    let cut: String = text.chars().take(60).collect();
    if cut.len() < text.len() { format!("{cut:?}…") } else { format!("{cut:?}") }
}

#[cfg(test)]
mod tests {
    use crate::config::BenchmarkTool;

    use super::*;

    fn read(config: &KpiProbe, text: &str) -> Result<Vec<f64>, String> {
        numbers(config, text.as_bytes())
    }

    fn whole_text() -> KpiProbe {
        KpiProbe { unit: Unit::new("ms"), ..KpiProbe::default() }
    }

    fn pointer(pointer: &str) -> KpiProbe {
        KpiProbe { pointer: Some(pointer.to_owned()), ..whole_text() }
    }

    fn regex(regex: &str) -> KpiProbe {
        KpiProbe { regex: Some(regex.to_owned()), ..whole_text() }
    }

    #[test]
    fn a_number_is_found_by_pointer_by_match_or_is_the_whole_text() {
        for (how, text, expected) in [
            (whole_text(), "\u{feff} 12.5\r\n", vec![12.5]),
            (pointer(""), "-3", vec![-3.0]),
            (pointer("/a/0/b"), "{\"a\": [{\"b\": 7}]}", vec![7.0]),
            (pointer("/a"), "{\"a\": [7, 8.5]}", vec![7.0, 8.5]),
            (pointer("/a/*/b"), "{\"a\": [{\"b\": 7}, {\"b\": 9, \"unit\": \"ms\"}]}", vec![7.0, 9.0]),
            (regex("p95=([0-9.]+)"), "p95=2.5ms", vec![2.5]),
            (regex("p95=([0-9.]+)"), "p95=2.5 p95=2.5", vec![2.5]),
            (KpiProbe { matches: Matches::All, ..regex("f ([0-9.]+)") }, "f 3\nf 3\nf 4 ms/op\n", vec![3.0, 3.0, 4.0]),
            (KpiProbe { matches: Matches::Last, ..regex("f ([0-9.]+)") }, "f 1,5\nf 3\nf 4\n", vec![4.0]),
            (regex("f,([0-9.]+),"), "f,331,12", vec![331.0]),
            (regex("f,[0-9]+,([0-9.]+)"), "f,331,12", vec![12.0]),
            (regex("t ([-0-9.e]+)"), "t -1.5e-3", vec![-1.5e-3]),
            (regex("avg ([0-9.]+)"), "avg 12.5, min 3. took", vec![12.5]),
            (regex("([0-9.]+) ms"), "Fib-8   1000   331 ms/op", vec![331.0]),
        ] {
            assert_eq!(read(&how, text), Ok(expected), "{text}");
        }
        for (how, text, expected) in [
            (whole_text(), "12.5ms", ": \"12.5ms\" is not a finite number"),
            (whole_text(), "", ": nothing is not a finite number"),
            (whole_text(), "nan", ": \"nan\" is not a finite number"),
            (whole_text(), "1,234", ": \"1,234\" is not a finite number"),
            (pointer("/a"), "{\"a\": NaN}", " is not valid JSON: line 1, column 7: NaN is not a finite number"),
            (pointer("/a"), "{\"a\": }", " is not valid JSON: line 1, column 7"),
            (pointer("/a"), "{\"a\": \"3\"}", "what /a leads to, a text (\"\\\"3\\\"\"), is not a finite number"),
            (pointer("/a"), "{\"a\": {}}", "what /a leads to, an object, is not a finite number"),
            (pointer("/a"), "{\"a\": []}", "what /a leads to, an empty array, is not a finite number"),
            (pointer("/a"), "{\"a\": [1, null]}", "/a/1, null, is not a finite number"),
            (pointer("/a"), "{\"a\": 3, \"unit\": \"s\"}", "/a has unit s in the file, but is taken as ms: say `unit:"),
            (
                pointer("/a"),
                "{\"a\": 3, \"Units\": \"us\"}",
                "/a has unit us in the file, but is taken as ms: say `unit:",
            ),
            (pointer("/ab"), "{\"a\": 1}", ": /ab was not found: the whole value has no \"ab\""),
            (regex("q=(.*)"), "p=1", ": nothing matches the regex \"q=(.*)\""),
            (regex("q=(.*)"), "q=inf", " line 1, column 3: the match \"inf\" is not a finite number"),
            (regex("f ([0-9.]+)"), "f 3\nf 4", "matches 2 times, with 3 and 4 among them: say `matches: all`"),
        ] {
            let error = read(&how, text).unwrap_err();
            assert!(error.contains(expected), "{text}: {error}");
        }
    }

    #[test]
    fn benchmark_tools_are_read_by_their_names() {
        let read = |reader: BenchmarkTool, name: &str, text: &str| {
            let mut kpi = KpiProbe { reader: Some(reader), select: Some(name.to_owned()), ..KpiProbe::default() };
            assert_eq!(reader.complete(&mut kpi, false), None);
            (numbers(&kpi, text.as_bytes()).unwrap(), kpi.unit.symbol().to_owned())
        };
        // Actual output of the tools.
        let hyperfine = include_str!("../../tests/data/benchmarks/hyperfine.json");
        assert_eq!(
            read(BenchmarkTool::Hyperfine, "true", hyperfine).0,
            [0.017036847, 0.026952950000000003, 0.021182961, 0.022603254]
        );
        assert_eq!(read(BenchmarkTool::Hyperfine, "count up", hyperfine).1, "s");
        let pytest = include_str!("../../tests/data/benchmarks/pytest-benchmark.json");
        for name in ["test_sort", "test_x.py::test_sort"] {
            assert_eq!(read(BenchmarkTool::PytestBenchmark, name, pytest).0.len(), 4, "{name}");
        }
        let google = include_str!("../../tests/data/benchmarks/google-benchmark.json");
        let (values, unit) = read(BenchmarkTool::GoogleBenchmark, "BM_Fill/64", google);
        assert!(values.len() == 3 && (values[0] - 97.77).abs() < 0.01 && unit == "ns", "{values:?}");
        let go = include_str!("../../tests/data/benchmarks/go-bench.txt");
        assert_eq!(read(BenchmarkTool::GoBench, "BenchmarkFib", go).0, [4759.0, 7160.0, 5718.0]);
        assert_eq!(read(BenchmarkTool::GoBench, "BenchmarkSizes/n=5", go).0, [613.4, 766.3, 751.3]);
        let second = r#"{"results":[{"command":"x","name":"n","measurements":[{"time_wall_clock":{"value":0.5,"unit":"second"}}]}]}"#;
        assert_eq!(read(BenchmarkTool::Hyperfine, "n", second).0, [0.5]);
        let criterion = include_str!("../../tests/data/benchmarks/criterion-sample.json");
        let (values, unit) = read(BenchmarkTool::Criterion, "sum/add::up/100", criterion);
        assert!(
            values.len() == 10 && (values[1] - 56_485_778.0 / 496_360.0).abs() < 1e-9 && unit == "ns",
            "{values:?}"
        );
        let exported = include_str!("../../tests/data/benchmarks/k6-summary-export.json");
        assert_eq!(read(BenchmarkTool::K6, "http_req_duration", exported), (vec![4.2532618499999995], "ms".to_owned()));
        let handled = include_str!("../../tests/data/benchmarks/k6-handle-summary.json");
        assert_eq!(read(BenchmarkTool::K6, "iteration_duration", handled).0, [4.34027925]);
        let oha = include_str!("../../tests/data/benchmarks/oha.json");
        assert_eq!(read(BenchmarkTool::Oha, "average", oha), (vec![0.007141769119999998], "s".to_owned()));
        assert_eq!(read(BenchmarkTool::Oha, "p95", oha), (vec![0.024162248], "s".to_owned()));
        let mut kpi = KpiProbe {
            reader: Some(BenchmarkTool::Criterion),
            select: Some("sum/add::up/100".to_owned()),
            ..KpiProbe::default()
        };
        assert_eq!(
            (BenchmarkTool::Criterion.complete(&mut kpi, false), kpi.file.as_deref()),
            (None, Some("target/criterion/sum/add__up/100/new/sample.json"))
        );
    }

    #[test]
    fn a_part_of_a_number_is_no_number() {
        for (pattern, text, number) in [
            ("t: ([0-9.]+)", "x\nt: 0,35 s", "0,35"),
            ("t: ([0-9.]+)", "t: 1,234 req/s", "1,234"),
            ("([0-9.]+) req", "t: 1,234 req/s", "1,234"),
            ("t: ([0-9.]+)", "t: 1'234'567", "1'234'567"),
            ("t: ([0-9.]+)", "t: 1\u{202f}234", "1\u{202f}234"),
            ("t: ([0-9.]+)", "t: 1 234 req/s", "t: 1 234 req/s"),
            ("t: ([0-9]+)", "t: 12.5", "12.5"),
            ("t.*([0-9.]+)", "t: 12.5", "12.5"),
            ("t: ([0-9.]+)", "t: 1.5e-3", "1.5e-3"),
            ("t.*?([0-9.]+)", "t: -1.5", "-1.5"),
            ("t: ([0-9]+)", "t: 0x1F", "0x1F"),
            ("t: ([0-9]{2})", "t: 123", "123"),
            ("t: ([0-9]+)", "t: 1:30", "1:30"),
            ("t: [0-9]+:([0-9]+)", "t: 1:30", "1:30"),
            ("t: ([0-9.]+)", "t: 2m1.5s", "2m1.5s"),
            ("([0-9.]+)s", "t: 1h0m1.5s", "1h0m1.5s"),
            ("t: ([0-9.]+)", "t: 1 s 30 ms", "t: 1 s 30 ms"),
            ("t: ([0-9]+)", "t: 1/3", "1/3"),
            ("([0-9.]+)S", "t: PT1M2.5S", "PT1M2.5S"),
            ("([0-9.]+) seconds", "1 minute, 2.5 seconds", "1 minute, 2.5 seconds"),
            ("t: ([0-9.]+)", "t: 9.9×10²", "9.9×10²"),
            ("t: ([0-9.]+)", "t: 9.9 x 10^2", "t: 9.9 x 10^2"),
            ("t: ([0-9.]+)", "t: 1.5D+03", "1.5D+03"),
            ("t: ([0-9.]+)", "t: 1.5 E3", "t: 1.5 E3"),
            ("t: ([0-9.]+)", "t: 2**10", "2**10"),
            ("t: ([0-9.]+)", "t: 12½", "12½"),
            ("t: ([0-9.]+)", "t: 0b101", "0b101"),
            ("t: ([0-9]+)", "t: 1f4a", "1f4a"),
        ] {
            let error = read(&regex(pattern), text).unwrap_err();
            let whole = format!("is only a part of the number {number:?}");
            assert!(error.contains(&whole) && error.contains("column"), "{pattern} on {text}: {error}");
        }
    }

    #[test]
    fn a_number_in_another_unit_is_not_the_declared_one() {
        for (text, unit) in [
            ("t: 5 s", "s"),
            ("t: 5us", "us"),
            ("t: 5 seconds", "seconds"),
            ("t: 5k", "k"),
            ("t: 5 MB", "MB"),
            ("t: 5 min", "min"),
            ("t: 5  us", "us"),
            ("t: 5\ts", "s"),
            ("t: 5 [us]", "us"),
            ("t: 5 micros", "micros"),
        ] {
            let error = read(&regex("t: ([0-9.]+)"), text).unwrap_err();
            assert!(
                error.contains(&format!("followed by `{unit}`, and is taken as ms: say `unit:")),
                "{text}: {error}"
            );
        }
        for text in [
            "t: 5 ms",
            "t: 5ms/op",
            "t: 5 milliseconds",
            "t: 5",
            "t: 5 req",
            "t: 5 min 3 max 9",
            "t: 5m",
            "t: 5 ms 7 ms",
            "t: 0:0:5",
        ] {
            assert_eq!(read(&regex("t: (?:0:)*([0-9.]+)"), text), Ok(vec![5.0]), "{text}");
        }
        let rate = |unit: &str| KpiProbe { unit: Unit::new(unit), ..regex("t: ([0-9.]+)") };
        for (unit, text) in
            [("ops/s", "t: 5 Kops/s"), ("kops/s", "t: 5 ops/s"), ("ops/s", "t: 5 ops/min"), ("ops/s", "t: 5 k ops/s")]
        {
            assert!(read(&rate(unit), text).unwrap_err().contains("followed by"), "{text}");
        }
        assert_eq!(read(&rate("ops/s"), "t: 5 ops/s"), Ok(vec![5.0]));
        for (unit, text) in [("", "t: 5us"), ("1", "t: 5 %"), ("%", "t: 5 ‰"), ("kbps", "t: 5 Mbps")] {
            let read = read(&rate(unit), text);
            assert!(read.as_ref().is_err_and(|why| why.contains("is followed by")), "{text}: {read:?}");
        }
        let columns = [("", "t: 5 | us |"), ("", "t: 5,us"), ("ms", "t: 5\tus"), ("", "t: 5;us;9")];
        let large = [("", "t: 5 G"), ("M", "t: 5 G"), ("B", "t: 5Gi"), ("MiB", "t: 5Gi"), ("d", "t: 5 weeks")];
        for (unit, text) in columns.into_iter().chain(large) {
            assert!(read(&rate(unit), text).is_err_and(|why| why.contains("is followed by")), "{text}");
        }
        for (unit, text) in [("", "t: 5,s=3"), ("M", "t: 5 M"), ("MiB", "t: 5Mi"), ("ms", "t: \u{1b}[32m5\u{1b}[0m ms")]
        {
            assert_eq!(read(&rate(unit), text), Ok(vec![5.0]), "{text}");
        }
        assert!(read(&rate(""), "t: 5us").unwrap_err().ends_with("and the config names no unit: add `unit: us`"));
        assert!(read(&rate(""), "t: 5%").unwrap_err().ends_with("add `unit: \"%\"`"));
        let heading = |unit: &str| KpiProbe { unit: Unit::new(unit), ..regex(r"p50.*[:\t]\s*([0-9.]+)") };
        for (unit, text) in [("us", "p50 (ms): 5"), ("us", "p50\tms\t5"), ("", "p50_ms: 5")] {
            assert!(read(&heading(unit), text).unwrap_err().contains("stands beside `ms`"), "{text}");
        }
        for text in ["p50 (ms): 5", "p50 after 3 s: 5", "p50 min: 5", "p50 of it's: 5", "p50 in MB-s: 5"] {
            assert_eq!(read(&heading("ms"), text), Ok(vec![5.0]), "{text}");
        }
    }
    #[test]
    fn a_unit_in_json_is_the_declared_one() {
        let bare = |at: &str| KpiProbe { unit: Unit::none(), ..pointer(at) };
        for (at, text) in [
            ("/real_time", r#"{"real_time": 1, "time_unit": "us"}"#),
            ("/data/0", r#"{"unit": "us", "data": [1]}"#),
            ("/v/0", r#"{"v": [1, "us"]}"#),
        ] {
            assert!(read(&bare(at), text).is_err_and(|why| why.contains("has unit us in the file")), "{text}");
        }
        assert_eq!(read(&bare("/iterations"), r#"{"iterations": 1, "time_unit": "us"}"#), Ok(vec![1.0]));
    }
}
