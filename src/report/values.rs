//! Numbers as people read them: quantities in a unit that fits, percentages with their sign, estimates with their
//! interval, moments. Deterministic: the same number is the same text everywhere. Must not judge.

use chrono::{DateTime, Utc};

pub use crate::model::text::{count, moment};
use crate::model::{Bound, Criterion, Estimate, MetricId, Unit};

/// Digits of a number that stands alone.
const DIGITS: i32 = 4;
/// The most digits behind the point.
const MAX_DECIMALS: i32 = 6;
/// Numbers from this power of ten on, or below the other, are written with their power of ten: `7e300`.
const LARGE: i32 = 15;
const SMALL: i32 = -6;

/// A divisor and the symbol of the unit that it leads to.
pub type Scale = (f64, String);

/// A value in a unit: `12.34 s`, `1.5 MiB`, `0.32`.
pub fn quantity(value: f64, unit: &Unit) -> String {
    let (factor, symbol) = scale(value.abs(), unit);
    with_symbol(&significant(value / factor), &symbol)
}

/// A difference in a unit, with its sign: `+350 ms`, `-1.5 MiB`.
pub fn signed_quantity(value: f64, unit: &Unit) -> String {
    let (factor, symbol) = scale(value.abs(), unit);
    with_symbol(&plus(significant(value / factor)), &symbol)
}

/// A value in a unit with its interval: `12.3 s [11.9 s, 12.8 s]`; an exact one alone.
pub fn quantity_estimate(estimate: &Estimate, unit: &Unit) -> String {
    if estimate.low == estimate.high {
        return quantity(estimate.value, unit);
    }
    let largest = estimate.value.abs().max(estimate.low.abs()).max(estimate.high.abs());
    let (factor, symbol) = scale(largest, unit);
    let width = (estimate.high - estimate.low) / factor;
    let decimals = decimals_for(width);
    let digits = exponent(largest / factor) - exponent(width) + 1;
    let number = |value: f64| match is_extreme(largest / factor) {
        true => scientific(value, digits),
        false => fixed(value, decimals),
    };
    let shown = |value: f64| with_symbol(&number(value / factor), &symbol);
    format!("{} [{}, {}]", shown(estimate.value), shown(estimate.low), shown(estimate.high))
}

/// A share as a percentage with its sign: `+1.2 %`.
pub fn share(value: f64) -> String {
    let percent = value * 100.0;
    if exponent(percent) >= LARGE {
        return format!("{} %", plus(scientific(percent, DIGITS - 1)));
    }
    let decimals = if percent.abs() < 1.0 { 2 } else { 1 };
    format!("{} %", plus(fixed(percent, decimals)))
}

/// A share as written in a bound: `+2 %`, `-12.5 %`.
pub fn bound_share(value: f64) -> String {
    format!("{} %", plus(written(value * 100.0, MAX_DECIMALS)))
}

/// A share without a sign: `2 %`, for sizes of effects.
pub fn plain_share(value: f64) -> String {
    format!("{} %", written(value * 100.0, 2))
}

/// A share with its interval: `+1.2 % [-0.8 %, +3.1 %]`; an exact one alone.
pub fn share_estimate(estimate: &Estimate) -> String {
    if estimate.low == estimate.high {
        return share(estimate.value);
    }
    let decimals = decimals_for((estimate.high - estimate.low) * 100.0);
    let number = |percent: f64| match exponent(percent) >= LARGE {
        true => scientific(percent, DIGITS - 1),
        false => fixed(percent, decimals),
    };
    // An end that rounds to zero still says on which side of it it lies.
    let shown = |value: f64| match number(value * 100.0) {
        text if value < 0.0 && !text.starts_with('-') => format!("-{text} %"),
        text => format!("{} %", plus(text)),
    };
    format!("{} [{}, {}]", shown(estimate.value), shown(estimate.low), shown(estimate.high))
}

/// A difference of rates in points, with its interval: `-1.0 points [-3.0 points, +1.0 points]`.
pub fn points_estimate(estimate: &Estimate) -> String {
    share_estimate(estimate).replace(" %", " points")
}

/// A rate as a percentage with its interval: `98.5 % [95.1 %, 99.9 %]`.
pub fn rate_estimate(estimate: &Estimate) -> String {
    if estimate.low == estimate.high {
        return plain_share(estimate.value);
    }
    let decimals = decimals_for((estimate.high - estimate.low) * 100.0);
    let shown = |value: f64| format!("{} %", fixed(value * 100.0, decimals));
    format!("{} [{}, {}]", shown(estimate.value), shown(estimate.low), shown(estimate.high))
}

/// Whether a metric is a rate of successes, by its name.
pub fn is_rate(metric: &MetricId) -> bool {
    let name = metric.as_str();
    name.ends_with(".ok") && (name.starts_with("timing.") || name.starts_with("http."))
}

/// A criterion's operator and bound: `≤ +2 %`, `< 40 MiB`.
pub fn bound(criterion: &Criterion) -> String {
    let op = match criterion.op.symbol() {
        "<=" => "≤",
        ">=" => "≥",
        "==" => "=",
        other => other,
    };
    match &criterion.bound {
        Bound::Relative { share } if is_rate(&criterion.metric) => {
            format!("{op} {}", bound_share(*share).replace(" %", " points"))
        }
        Bound::Relative { share } => format!("{op} {}", bound_share(*share)),
        Bound::Absolute { value, unit } => {
            let symbol = unit.as_ref().map_or("", Unit::symbol);
            format!("{op} {}", with_symbol(&exactly(*value), symbol))
        }
    }
}

/// The unit of a metric's samples as its name tells it; for a KPI, whose unit is the config's own, that of `bound`.
pub fn unit_of(metric: &MetricId, bound: Option<&Bound>) -> Unit {
    let name = metric.as_str();
    let ends = |suffixes: &[&str]| suffixes.iter().any(|suffix| name.ends_with(suffix));
    if name.starts_with("timing.") || name.starts_with("http.") {
        return match () {
            () if ends(&[".wall", ".cpu", ".latency"]) => Unit::seconds(),
            () if ends(&[".max_rss"]) => Unit::bytes(),
            () => Unit::none(),
        };
    }
    if name.starts_with("size.") {
        return if ends(&[".files"]) { Unit::none() } else { Unit::bytes() };
    }
    const NAMED: [(&str, &str); 6] =
        [("_ms", "ms"), ("_us", "us"), ("_ns", "ns"), ("_s", "s"), ("_seconds", "s"), ("_bytes", "B")];
    if let Some((_, symbol)) = NAMED.iter().find(|(suffix, _)| name.ends_with(suffix)) {
        return Unit::new(symbol);
    }
    match bound {
        Some(Bound::Absolute { unit: Some(unit), .. }) if unit.is_time() || unit.is_bytes() => Unit::none(),
        Some(Bound::Absolute { unit: Some(unit), .. }) => unit.clone(),
        _ => Unit::none(),
    }
}

/// A moment as the original's files have it: `2026-02-18T12:39:00Z`.
pub fn stamp(at: DateTime<Utc>) -> String {
    at.format("%Y-%m-%dT%H:%M:%SZ").to_string()
}

/// The unit in which `magnitude` is read best, as a divisor and a symbol.
pub fn scale(magnitude: f64, unit: &Unit) -> Scale {
    let steps: &[(f64, &str)] = if unit.is_time() {
        &[(1.0, "s"), (1e-3, "ms"), (1e-6, "µs"), (1e-9, "ns")]
    } else if unit.is_bytes() {
        &[(1_073_741_824.0, "GiB"), (1_048_576.0, "MiB"), (1024.0, "KiB"), (1.0, "B")]
    } else {
        return (1.0, unit.symbol().to_owned());
    };
    let base = if unit.is_time() { Unit::seconds() } else { Unit::bytes() };
    let to_base = unit.factor_to(&base).unwrap_or(1.0);
    if magnitude == 0.0 {
        return (1.0, unit.symbol().to_owned());
    }
    let fitting = steps.iter().find(|(step, _)| magnitude * to_base >= *step).or(steps.last());
    fitting.map_or((1.0, unit.symbol().to_owned()), |(step, symbol)| (step / to_base, (*symbol).to_owned()))
}

/// A round value on an axis whose round values are `step` apart, with the digits that tell it from its neighbours.
pub fn tick(value: f64, step: f64, unit: &Unit) -> String {
    let (factor, symbol) = scale(value.abs(), unit);
    let (value, step) = (value / factor, step / factor);
    let digits = exponent(value) - exponent(step) + 1;
    let number = match is_extreme(value) {
        true => scientific(value, digits),
        false => written(value, (-exponent(step)).clamp(0, 9) + 1),
    };
    with_symbol(&number, &symbol)
}

/// Whether a number is too large or too small to be written out.
fn is_extreme(value: f64) -> bool {
    value != 0.0 && !(SMALL..LARGE).contains(&exponent(value))
}

/// A number as `7.25e300`, of so many digits.
fn scientific(value: f64, digits: i32) -> String {
    let text = format!("{value:.*e}", usize::try_from(digits.clamp(1, 9) - 1).unwrap_or(0));
    match text.split_once('e') {
        Some((_, "0")) if value == 0.0 => "0".to_owned(),
        Some((number, power)) => format!("{}e{power}", trimmed(number.to_owned())),
        None => text,
    }
}

/// A number with at most so many decimals; with its power of ten where it is too large to be written out.
fn written(value: f64, decimals: i32) -> String {
    if exponent(value) >= LARGE { scientific(value, DIGITS) } else { trimmed(fixed(value, decimals)) }
}

/// A number with all its digits, in the shorter of both ways.
fn exactly(value: f64) -> String {
    if is_extreme(value) { format!("{value:e}") } else { value.to_string() }
}

/// A number to [`DIGITS`] digits, without zeros at its end; whole numbers keep all their digits.
fn significant(value: f64) -> String {
    if is_extreme(value) {
        return scientific(value, DIGITS);
    }
    if value.fract() == 0.0 && value.abs() < 1e15 {
        return fixed(value, 0);
    }
    let decimals = (DIGITS - 1 - exponent(value)).clamp(0, 9);
    trimmed(fixed(value, decimals))
}

/// Decimals that show a width to two digits.
fn decimals_for(width: f64) -> i32 {
    if width > 0.0 { (1 - exponent(width)).clamp(0, MAX_DECIMALS) } else { 2 }
}

/// The power of ten of a number's first digit.
#[expect(clippy::cast_possible_truncation, reason = "exponents of finite numbers lie within ±324")]
fn exponent(value: f64) -> i32 {
    if value == 0.0 { 0 } else { value.abs().log10().floor() as i32 }
}

/// A number with so many decimals; never `-0`.
fn fixed(value: f64, decimals: i32) -> String {
    let text = format!("{value:.*}", usize::try_from(decimals).unwrap_or(0));
    let zero = text.bytes().all(|byte| matches!(byte, b'-' | b'0' | b'.'));
    if zero { text.trim_start_matches('-').to_owned() } else { text }
}

fn trimmed(text: String) -> String {
    if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.').to_owned() } else { text }
}

fn plus(text: String) -> String {
    if text.starts_with('-') { text } else { format!("+{text}") }
}

fn with_symbol(number: &str, symbol: &str) -> String {
    if symbol.is_empty() { number.to_owned() } else { format!("{number} {symbol}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn estimate(value: f64, low: f64, high: f64) -> Estimate {
        Estimate { value, low, high, confidence: 0.95 }
    }

    #[test]
    fn durations_and_sizes_take_the_unit_that_fits() {
        let s = |value| quantity(value, &Unit::seconds());
        assert_eq!(
            [s(72.0), s(1.234_56), s(0.35), s(0.000_25), s(2e-9), s(0.0)],
            ["72 s", "1.235 s", "350 ms", "250 µs", "2 ns", "0 s"]
        );
        let b = |value| quantity(value, &Unit::bytes());
        assert_eq!(
            [b(0.0), b(1023.0), b(1536.0), b(41_943_040.0), b(3e9)],
            ["0 B", "1023 B", "1.5 KiB", "40 MiB", "2.794 GiB"]
        );
        assert_eq!(quantity(350.0, &Unit::new("ms")), "350 ms");
        assert_eq!(quantity(3500.0, &Unit::new("ms")), "3.5 s");
        assert_eq!(quantity(0.32, &Unit::none()), "0.32");
        assert_eq!(quantity(1_234_567.0, &Unit::new("req/s")), "1234567 req/s");
        assert_eq!(signed_quantity(-1536.0, &Unit::bytes()), "-1.5 KiB");
        assert_eq!(signed_quantity(0.0, &Unit::seconds()), "+0 s");
    }

    #[test]
    fn an_interval_sets_how_many_digits_are_worth_showing() {
        assert_eq!(share_estimate(&estimate(0.0123, -0.0081, 0.0312)), "+1.2 % [-0.8 %, +3.1 %]");
        assert_eq!(share_estimate(&estimate(0.01234, 0.012, 0.0126)), "+1.234 % [+1.200 %, +1.260 %]");
        assert_eq!(share_estimate(&estimate(0.5, -0.2, 0.9)), "+50 % [-20 %, +90 %]");
        assert_eq!(share_estimate(&Estimate::exact(0.05)), "+5.0 %");
        let wall = quantity_estimate(&estimate(12.31, 11.92, 12.8), &Unit::seconds());
        assert_eq!(wall, "12.31 s [11.92 s, 12.80 s]");
    }

    #[test]
    fn numbers_that_no_eye_can_count_the_digits_of_have_a_power_of_ten() {
        let none = Unit::none();
        let of = |value: f64| quantity(value, &none);
        assert_eq!(
            [of(7e300), of(-7.254_36e-300), of(7e14), of(0.000_012)],
            ["7e300", "-7.254e-300", "700000000000000", "0.000012"]
        );
        assert_eq!(quantity_estimate(&estimate(7e300, 6.9e300, 7.12e300), &none), "7e300 [6.9e300, 7.1e300]");
        assert_eq!(quantity_estimate(&estimate(7e-300, 0.0, 8e-300), &none), "7e-300 [0, 8e-300]");
        assert_eq!(share(1e20), "+1e22 %");
        assert_eq!(bound(&Criterion::parse("a <= 7e300").unwrap()), "≤ 7e300");
        assert_eq!(quantity(7e300, &Unit::seconds()), "7e300 s");
        assert_eq!(
            [tick(7e300, 1e299, &none), tick(1.70002, 0.00001, &none), tick(0.0, 1.0, &none)],
            ["7e300", "1.70002", "0"]
        );
    }

    #[test]
    fn there_is_no_negative_zero() {
        assert_eq!(share(-0.000_001), "+0.00 %");
        assert_eq!(quantity(-0.0, &Unit::none()), "0");
    }

    #[test]
    fn bounds_read_as_written() {
        let of = |text: &str| bound(&Criterion::parse(text).unwrap());
        assert_eq!(
            [of("a <= +2%"), of("a < 40MiB"), of("a >= 0.32"), of("a == -12.5%")],
            ["≤ +2 %", "< 40 MiB", "≥ 0.32", "= -12.5 %"]
        );
    }

    #[test]
    fn a_metric_is_shown_in_its_own_unit() {
        let of = |name: &str| unit_of(&MetricId::new(name), None).symbol().to_owned();
        assert_eq!(
            [of("timing.t.wall"), of("timing.t.max_rss"), of("size.lib"), of("size.lib.files"), of("http.h.ok")],
            ["s", "B", "B", "", ""]
        );
        assert_eq!([of("http.h.latency"), of("kpi.advisory_p95_ms"), of("kpi.score")], ["s", "ms", ""]);
    }

    #[test]
    fn rates_are_percentages_and_their_differences_points() {
        let rate = estimate(0.985, 0.951, 0.999);
        assert_eq!(rate_estimate(&rate), "98.5 % [95.1 %, 99.9 %]");
        assert_eq!(points_estimate(&estimate(-0.01, -0.03, 0.01)), "-1.0 points [-3.0 points, +1.0 points]");
        assert_eq!(bound(&Criterion::parse("http.h.ok >= -1%").unwrap()), "≥ -1 points");
    }
}
