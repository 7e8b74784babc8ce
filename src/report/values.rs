//! Formats numbers for display: quantities in a suitable unit, signed percentages, estimates with their interval,
//! times. Used everywhere, so that the same number always has the same text.

pub(crate) use crate::model::text::{count, moment, short, stamp};
use crate::model::{Bound, Criterion, Effect, Estimate, Unit};

/// Significant digits of a number without an interval.
const DIGITS: i32 = 4;
/// Most digits after the decimal point.
const MAX_DECIMALS: i32 = 6;
/// Numbers from this power of ten on, or below the other, are in scientific notation: `7e300`.
const LARGE: i32 = 15;
const SMALL: i32 = -6;

/// A value in a unit: `12.34 s`, `1.5 MiB`, `0.32`.
pub(crate) fn quantity(value: f64, unit: &Unit) -> String {
    let (factor, symbol) = scale(value.abs(), unit);
    with_symbol(&significant(value / factor), &symbol)
}

/// A difference in a unit, with its sign: `+350 ms`, `-1.5 MiB`.
pub(crate) fn signed_quantity(value: f64, unit: &Unit) -> String {
    plus(quantity(value, unit))
}

/// A value in a unit with its interval: `12.3 s [11.9 s, 12.8 s]`; an exact value without one. Has enough digits to
/// distinguish it from `bound`.
pub(crate) fn quantity_estimate(estimate: &Estimate, unit: &Unit, bound: Option<f64>) -> String {
    let largest = estimate.value.abs().max(estimate.low.abs()).max(estimate.high.abs());
    let (factor, symbol) = scale(largest, unit);
    let width = (estimate.high - estimate.low) / factor;
    let digits = exponent(largest / factor) - exponent(width) + 1;
    let decimals = decimals_apart(decimals_for(width), estimate, bound, 1.0 / factor);
    let number = |value: f64| match is_extreme(largest / factor) {
        true => scientific(value, digits),
        false => fixed(value, decimals),
    };
    let exact = |value: f64| match quantity(value, unit) {
        text if bound.is_some_and(|bound| bound != value && quantity(bound, unit) == text) => {
            with_symbol(&(value / factor).to_string(), &symbol)
        }
        text => text,
    };
    with_interval(estimate, exact, |value| with_symbol(&number(value / factor), &symbol))
}

/// A share as a percentage with its sign: `+1.2 %`.
pub(crate) fn share(value: f64) -> String {
    percentage(value * 100.0, share_decimals(value))
}

fn share_decimals(value: f64) -> i32 {
    if value.abs() < 0.01 { 2 } else { 1 }
}

/// A share as in a bound: `+2 %`, `-12.5 %`.
fn bound_share(value: f64) -> String {
    format!("{} %", plus(written(value * 100.0, MAX_DECIMALS)))
}

/// A share without a sign: `2 %`, for effect sizes.
pub(crate) fn plain_share(value: f64) -> String {
    format!("{} %", written(value * 100.0, 2))
}

/// A share with its interval: `+1.2 % [-0.8 %, +3.1 %]`; an exact value without one. Has enough digits to distinguish
/// it from `bound`.
pub(crate) fn share_estimate(estimate: &Estimate, bound: Option<f64>) -> String {
    let decimals = |least: i32| decimals_apart(least, estimate, bound, 100.0);
    let exact = |value: f64| percentage(value * 100.0, decimals(share_decimals(value)));
    let decimals = decimals(decimals_for((estimate.high - estimate.low) * 100.0));
    // A negative value that rounds to zero keeps its sign.
    let shown = |value: f64| match percentage(value * 100.0, decimals) {
        text if value < 0.0 => text.replacen('+', "-", 1),
        text => text,
    };
    with_interval(estimate, exact, shown)
}

/// A change relative to the baseline: a share or, if the baseline is zero, the difference.
pub(crate) fn change(finding: &Effect, bound: Option<f64>) -> String {
    if !finding.from_zero {
        return share_estimate(&finding.estimate, bound);
    }
    let unit = finding.unit.clone().unwrap_or(Unit::none());
    let number = |value: f64| signed_quantity(value, &unit);
    format!("{} from zero", with_interval(&finding.estimate, number, number))
}

/// A difference of rates in percentage points, with its interval: `-1.0 points [-3.0 points, +1.0 points]`.
pub(crate) fn points_estimate(estimate: &Estimate, bound: Option<f64>) -> String {
    share_estimate(estimate, bound).replace(" %", " points")
}

/// A rate as a percentage with its interval: `98.5 % [95.1 %, 99.9 %]`.
pub(crate) fn rate_estimate(estimate: &Estimate) -> String {
    let decimals = decimals_for((estimate.high - estimate.low) * 100.0);
    with_interval(estimate, plain_share, |value| format!("{} %", fixed(value * 100.0, decimals)))
}

fn with_interval(
    Estimate { value, low, high, .. }: &Estimate,
    exact: impl Fn(f64) -> String,
    shown: impl Fn(f64) -> String,
) -> String {
    if low == high { exact(*value) } else { format!("{} [{}, {}]", shown(*value), shown(*low), shown(*high)) }
}

/// A criterion's operator and bound: `≤ +2 %`, `< 40 MiB`.
pub(crate) fn bound(criterion: &Criterion) -> String {
    let op = match criterion.op.symbol() {
        "<=" => "≤",
        ">=" => "≥",
        "==" => "=",
        other => other,
    };
    match &criterion.bound {
        Bound::Relative { share } if criterion.metric.is_rate() => {
            format!("{op} {}", bound_share(*share).replace(" %", " points"))
        }
        Bound::Relative { share } => format!("{op} {}", bound_share(*share)),
        Bound::Absolute { value, unit } => {
            // With all digits, in the shorter notation.
            let number = if is_extreme(*value) { format!("{value:e}") } else { value.to_string() };
            format!("{op} {}", with_symbol(&number, unit.as_ref().map_or("", Unit::symbol)))
        }
    }
}

/// The most readable unit for `magnitude`, as a divisor and a symbol.
pub(crate) fn scale(magnitude: f64, unit: &Unit) -> (f64, String) {
    let (base, steps): (Unit, &[(f64, &str)]) = if unit.is_time() {
        (Unit::seconds(), &[(1.0, "s"), (1e-3, "ms"), (1e-6, "µs"), (1e-9, "ns")])
    } else {
        (Unit::bytes(), &[(1_073_741_824.0, "GiB"), (1_048_576.0, "MiB"), (1024.0, "KiB"), (1.0, "B")])
    };
    let to_base = unit.factor_to(&base).filter(|_| magnitude != 0.0);
    let fitting = to_base.and_then(|to_base| {
        let step = steps.iter().find(|(step, _)| magnitude * to_base >= *step).or(steps.last())?;
        Some((step.0 / to_base, step.1.to_owned()))
    });
    fitting.unwrap_or_else(|| (1.0, unit.symbol().to_owned()))
}

/// The label of a tick on an axis with this `step`, with enough digits to distinguish it from its neighbours.
pub(crate) fn tick(value: f64, step: f64, unit: &Unit) -> String {
    let (factor, symbol) = scale(value.abs(), unit);
    let (value, step) = (value / factor, step / factor);
    let number = match is_extreme(value) {
        true => scientific(value, exponent(value) - exponent(step) + 1),
        false => written(value, (-exponent(step)).clamp(0, 9) + 1),
    };
    with_symbol(&number, &symbol)
}

fn is_extreme(value: f64) -> bool {
    value != 0.0 && !(SMALL..LARGE).contains(&exponent(value))
}

/// A number in scientific notation with this many significant digits: `7.25e300`.
fn scientific(value: f64, digits: i32) -> String {
    let text = format!("{value:.*e}", usize::try_from(digits.clamp(1, 9) - 1).unwrap_or(0));
    match text.split_once('e') {
        Some((_, "0")) if value == 0.0 => "0".to_owned(),
        Some((number, power)) => format!("{}e{power}", trimmed(number.to_owned())),
        None => text,
    }
}

/// A number with at most this many decimals; a very large one in scientific notation.
fn written(value: f64, decimals: i32) -> String {
    if exponent(value) >= LARGE { scientific(value, DIGITS) } else { trimmed(fixed(value, decimals)) }
}

/// A signed percentage with this many decimals.
fn percentage(percent: f64, decimals: i32) -> String {
    let is_large = exponent(percent) >= LARGE;
    format!("{} %", plus(if is_large { scientific(percent, DIGITS - 1) } else { fixed(percent, decimals) }))
}

/// A number with [`DIGITS`] significant digits, without trailing zeros; whole numbers keep all digits.
fn significant(value: f64) -> String {
    match is_extreme(value) {
        true => scientific(value, DIGITS),
        false if value.fract() == 0.0 => fixed(value, 0),
        false => trimmed(fixed(value, (DIGITS - 1 - exponent(value)).clamp(0, 9))),
    }
}

/// The decimals that show a width with two significant digits.
fn decimals_for(width: f64) -> i32 {
    if width > 0.0 { (1 - exponent(width)).clamp(0, MAX_DECIMALS) } else { 2 }
}

/// The fewest decimals, `least` or more, with which no number of the estimate looks equal to a bound that it differs
/// from; both are multiplied by `factor`.
fn decimals_apart(least: i32, estimate: &Estimate, bound: Option<f64>, factor: f64) -> i32 {
    let Some(bound) = bound else { return least };
    let is_lost =
        |value: f64, decimals| value != bound && fixed(value * factor, decimals) == fixed(bound * factor, decimals);
    let is_apart =
        |decimals: &i32| ![estimate.value, estimate.low, estimate.high].iter().any(|it| is_lost(*it, *decimals));
    (least..=MAX_DECIMALS).find(is_apart).unwrap_or(least)
}

/// The power of ten of the first digit.
fn exponent(value: f64) -> i32 {
    if value == 0.0 { 0 } else { value.abs().log10().floor() as i32 }
}

/// A number with this many decimals; never `-0`.
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
    // A count may have the unit `1`.
    if matches!(symbol, "" | "1") { number.to_owned() } else { format!("{number} {symbol}") }
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
        assert_eq!(quantity(9.0, &Unit::new("1")), "9");
        assert_eq!(quantity(0.32, &Unit::none()), "0.32");
        assert_eq!(quantity(1_234_567.0, &Unit::new("req/s")), "1234567 req/s");
        assert_eq!(signed_quantity(-1536.0, &Unit::bytes()), "-1.5 KiB");
        assert_eq!(signed_quantity(0.0, &Unit::seconds()), "+0 s");
    }

    #[test]
    fn an_interval_sets_how_many_digits_are_worth_showing() {
        assert_eq!(share_estimate(&estimate(0.0123, -0.0081, 0.0312), None), "+1.2 % [-0.8 %, +3.1 %]");
        assert_eq!(share_estimate(&estimate(0.01234, 0.012, 0.0126), None), "+1.234 % [+1.200 %, +1.260 %]");
        assert_eq!(share_estimate(&estimate(0.5, -0.2, 0.9), None), "+50 % [-20 %, +90 %]");
        assert_eq!(share_estimate(&Estimate::exact(0.05), None), "+5.0 %");
        let wall = quantity_estimate(&estimate(12.31, 11.92, 12.8), &Unit::seconds(), None);
        assert_eq!(wall, "12.31 s [11.92 s, 12.80 s]");
    }

    #[test]
    fn a_value_different_from_the_bound_never_looks_equal_to_it() {
        let beside = |value, low, high, bound| share_estimate(&estimate(value, low, high), Some(bound));
        assert_eq!(beside(0.031, 0.0204, 0.042, 0.02), "+3.10 % [+2.04 %, +4.20 %]");
        assert_eq!(beside(0.031, 0.02, 0.042, 0.02), "+3.1 % [+2.0 %, +4.2 %]");
        assert_eq!(share_estimate(&Estimate::exact(0.0204), Some(0.02)), "+2.04 %");
        assert_eq!(share_estimate(&Estimate::exact(0.1 + 0.2), Some(0.3)), "+30.0 %");
        let wall = |value, low, high| quantity_estimate(&estimate(value, low, high), &Unit::seconds(), Some(12.0));
        assert_eq!(wall(12.31, 12.004, 12.8), "12.310 s [12.004 s, 12.800 s]");
        let exact = |value| quantity_estimate(&Estimate::exact(value), &Unit::none(), Some(400.0));
        assert_eq!([exact(400.01), exact(400.0), exact(399.0)], ["400.01", "400", "399"]);
    }

    #[test]
    fn very_large_and_very_small_numbers_are_in_scientific_notation() {
        let none = Unit::none();
        let of = |value: f64| quantity(value, &none);
        assert_eq!(
            [of(7e300), of(-7.254_36e-300), of(7e14), of(0.000_012)],
            ["7e300", "-7.254e-300", "700000000000000", "0.000012"]
        );
        assert_eq!(quantity_estimate(&estimate(7e300, 6.9e300, 7.12e300), &none, None), "7e300 [6.9e300, 7.1e300]");
        assert_eq!(quantity_estimate(&estimate(7e-300, 0.0, 8e-300), &none, None), "7e-300 [0, 8e-300]");
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
    fn rates_are_percentages_and_their_differences_points() {
        let rate = estimate(0.985, 0.951, 0.999);
        assert_eq!(rate_estimate(&rate), "98.5 % [95.1 %, 99.9 %]");
        assert_eq!(points_estimate(&estimate(-0.01, -0.03, 0.01), None), "-1.0 points [-3.0 points, +1.0 points]");
        assert_eq!(bound(&Criterion::parse("http.h.ok >= -1%").unwrap()), "≥ -1 points");
    }
}
