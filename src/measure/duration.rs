//! Durations with several parts, such as `2m1.5s` and `1:30`; a single part is no complete number.

use std::sync::LazyLock;

use regex::Regex;

use crate::model::Unit;

/// Compiled once, since a text may hold many numbers.
type Pattern = LazyLock<Option<Regex>>;
static CLOCK_BEFORE: Pattern = LazyLock::new(|| Regex::new(r"((?:[0-9]+:)+)$").ok());
static CLOCK_AFTER: Pattern = LazyLock::new(|| Regex::new(r"^((?::[0-9][0-9.]*)+)").ok());
static ISO_BEFORE: Pattern = LazyLock::new(|| Regex::new(r"P([0-9.YMWDTH]*)$").ok());
static ISO_AFTER: Pattern = LazyLock::new(|| Regex::new(r"^[YMWDHS]([0-9.YMWDTHS]*)").ok());
static HERE: Pattern = LazyLock::new(|| Regex::new(r"^\s?([a-zµ]+)").ok());
static NEXT: Pattern = LazyLock::new(|| Regex::new(r"^\s?[a-zµ]+(?:,| and|, and)?\s?([0-9.]+)\s?([a-zµ]+)").ok());
static EARLIER: Pattern = LazyLock::new(|| Regex::new(r"([0-9.]+)\s?([a-zµ]+)(?:,| and|, and)?\s?$").ok());

/// Whether a match is only one part of a duration such as `2m1.5s` or `1:30`, whose other parts are not all zero.
pub(crate) fn is_part(before: &str, after: &str, declared: &Unit) -> bool {
    let captures = |pattern: &Pattern, text: &str| {
        let found = pattern.as_ref()?.captures(text)?;
        let group = |i: usize| found.get(i).map_or("", |it| it.as_str()).to_owned();
        Some((found.get(0)?.start(), group(1), group(2)))
    };
    let is_some = |digits: &str| digits.contains(|c: char| ('1'..='9').contains(&c));
    let clock = [captures(&CLOCK_BEFORE, before), captures(&CLOCK_AFTER, after)];
    if declared.is_time() && clock.into_iter().flatten().any(|(_, digits, _)| is_some(&digits)) {
        return true;
    }
    // ISO 8601: `PT1M2.5S`.
    let iso = [captures(&ISO_BEFORE, before), captures(&ISO_AFTER, after)];
    if let [Some((_, earlier, _)), Some((_, later, _))] = iso
        && (is_some(&earlier) || is_some(&later))
    {
        return true;
    }
    let seconds = |word: &str| match word {
        "hr" | "hrs" => Some(3600.0),
        "m" | "mins" => Some(60.0),
        word => Unit::spelled(word).factor_to(&Unit::seconds()),
    };
    let Some(here) = captures(&HERE, after).and_then(|(_, word, _)| seconds(&word)) else { return false };
    let next = captures(&NEXT, after);
    if next.is_some_and(|(_, digits, word)| is_some(&digits) && seconds(&word).is_some_and(|unit| unit < here)) {
        return true;
    }
    let mut earlier = before;
    while let Some((start, digits, word)) = captures(&EARLIER, earlier)
        && seconds(&word).is_some_and(|unit| unit > here)
    {
        if is_some(&digits) {
            return true;
        }
        earlier = &earlier[..start];
    }
    false
}
