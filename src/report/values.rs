//! Numbers as people read them: quantities in a unit that fits, percentages with their sign, estimates with their
//! interval, moments. Deterministic: the same number is the same text everywhere. Must not judge.

use chrono::DateTime;
use chrono::Utc;

use crate::evidence::criterion::Bound;
use crate::evidence::criterion::Criterion;
use crate::evidence::metric::MetricId;
use crate::evidence::unit::Unit;
use crate::evidence::verdict::Estimate;

/// Digits of a number that stands alone.
const DIGITS: i32 = 4;
/// The most digits behind the point.
const MAX_DECIMALS: i32 = 6;

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
    let decimals = decimals_for((estimate.high - estimate.low) / factor);
    let shown = |value: f64| with_symbol(&fixed(value / factor, decimals), &symbol);
    format!("{} [{}, {}]", shown(estimate.value), shown(estimate.low), shown(estimate.high))
}

/// A share as a percentage with its sign: `+1.2 %`.
pub fn share(value: f64) -> String {
    let percent = value * 100.0;
    let decimals = if percent.abs() < 1.0 { 2 } else { 1 };
    format!("{} %", plus(fixed(percent, decimals)))
}

/// A share as written in a bound: `+2 %`, `-12.5 %`.
pub fn bound_share(value: f64) -> String {
    format!("{} %", plus(trimmed(fixed(value * 100.0, MAX_DECIMALS))))
}

/// A share without a sign: `2 %`, for sizes of effects.
pub fn plain_share(value: f64) -> String {
    format!("{} %", trimmed(fixed(value * 100.0, 2)))
}

/// A share with its interval: `+1.2 % [-0.8 %, +3.1 %]`; an exact one alone.
pub fn share_estimate(estimate: &Estimate) -> String {
    if estimate.low == estimate.high {
        return share(estimate.value);
    }
    let decimals = decimals_for((estimate.high - estimate.low) * 100.0);
    // An end that rounds to zero still says on which side of it it lies.
    let shown = |value: f64| match fixed(value * 100.0, decimals) {
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
            format!("{op} {}", with_symbol(&value.to_string(), symbol))
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

/// A moment to the minute: `2026-02-18 12:39 UTC`.
pub fn moment(at: DateTime<Utc>) -> String {
    at.format("%Y-%m-%d %H:%M UTC").to_string()
}

/// A moment as the original's files have it: `2026-02-18T12:39:00Z`.
pub fn stamp(at: DateTime<Utc>) -> String {
    at.format("%Y-%m-%dT%H:%M:%SZ").to_string()
}

/// `1 pair`, `3 pairs`.
pub fn count(n: impl Into<u64>, one: &str, many: &str) -> String {
    let n = n.into();
    format!("{n} {}", if n == 1 { one } else { many })
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

/// A number to [`DIGITS`] digits, without zeros at its end; whole numbers keep all their digits.
fn significant(value: f64) -> String {
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
