//! Durations of several parts, as in `2m1.5s` and `1:30`, of which one alone is no number.

use crate::model::Unit;

/// Whether a match is one part of a duration of several, as in `2m1.5s` and `1:30`, whose other parts are not all zero.
pub(crate) fn is_part(before: &str, after: &str, declared: &Unit) -> bool {
    let captures = |pattern: &str, text: &str| {
        let found = regex::Regex::new(pattern).ok()?.captures(text)?;
        let group = |i: usize| found.get(i).map_or("", |it| it.as_str()).to_owned();
        Some((found.get(0)?.start(), group(1), group(2)))
    };
    let is_some = |digits: &str| digits.contains(|c: char| ('1'..='9').contains(&c));
    let clock = [captures(r"((?:[0-9]+:)+)$", before), captures(r"^((?::[0-9][0-9.]*)+)", after)];
    if declared.is_time() && clock.into_iter().flatten().any(|(_, digits, _)| is_some(&digits)) {
        return true;
    }
    // As ISO 8601 writes it: `PT1M2.5S`.
    let iso = [captures(r"P([0-9.YMWDTH]*)$", before), captures(r"^[YMWDHS]([0-9.YMWDTHS]*)", after)];
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
    let Some(here) = captures(r"^\s?([a-zµ]+)", after).and_then(|(_, word, _)| seconds(&word)) else { return false };
    let next = captures(r"^\s?[a-zµ]+(?:,| and|, and)?\s?([0-9.]+)\s?([a-zµ]+)", after);
    if next.is_some_and(|(_, digits, word)| is_some(&digits) && seconds(&word).is_some_and(|unit| unit < here)) {
        return true;
    }
    let mut earlier = before;
    while let Some((start, digits, word)) = captures(r"([0-9.]+)\s?([a-zµ]+)(?:,| and|, and)?\s?$", earlier)
        && seconds(&word).is_some_and(|unit| unit > here)
    {
        if is_some(&digits) {
            return true;
        }
        earlier = &earlier[..start];
    }
    false
}
