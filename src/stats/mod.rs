//! The statistics behind every verdict: one method per file, each citing its source and checked against published or
//! independently computed values. Works on plain numbers and knows nothing of metrics.

#![deny(clippy::disallowed_methods, clippy::disallowed_types)]

pub mod looks;
pub mod normal;
pub mod pooled;
pub mod proportion;
pub mod rank_sum;
pub mod winsorized;

pub use looks::LookPlan;
pub use pooled::Pooled;
pub use proportion::Successes;

/// The coverage of every interval that a verdict rests on.
pub const CONFIDENCE: f64 = 0.95;

/// A point estimate with a two-sided interval. All numbers are finite.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Interval {
    pub value: f64,
    pub low: f64,
    pub high: f64,
    /// The actual coverage of the interval; for exact methods at least the requested one.
    pub coverage: f64,
}

impl Interval {
    /// The interval extended by `by` at both ends.
    pub fn widened(self, by: f64) -> Self {
        Self { low: self.low - by, high: self.high + by, ..self }
    }
}

/// The median; `None` without values. Values must be finite.
pub fn median(values: &[f64]) -> Option<f64> {
    median_of_sorted(&sorted(values))
}

/// The median with an interval of at least `confidence` (in (0, 1)) from order statistics, which is valid for any
/// distribution (W. R. Thompson, "On confidence ranges for the median and other expectation distributions for
/// populations of unknown distribution form", Annals of Mathematical Statistics 7 (1936) 122–128); `None` if there are
/// too few values for that confidence (fewer than 6 for 0.95).
pub fn median_interval(values: &[f64], confidence: f64) -> Option<Interval> {
    let n = values.len();
    let tail = (1.0 - confidence) / 2.0;
    let rank = (0..n / 2).take_while(|k| proportion::fair_cdf(n, *k) <= tail).last()?;
    let sorted = sorted(values);
    Some(Interval {
        value: median_of_sorted(&sorted)?,
        low: sorted[rank],
        high: sorted[n - 1 - rank],
        coverage: 1.0 - 2.0 * proportion::fair_cdf(n, rank),
    })
}

fn sorted(values: &[f64]) -> Vec<f64> {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted
}

/// The median of values in ascending order; `None` without values.
pub(crate) fn median_of_sorted(sorted: &[f64]) -> Option<f64> {
    let upper = *sorted.get(sorted.len() / 2)?;
    if sorted.len() % 2 == 1 {
        return Some(upper);
    }
    let lower = *sorted.get(sorted.len() / 2 - 1)?;
    Some(lower + (upper - lower) / 2.0)
}

/// The largest k with P(X <= k) <= `tail`, and that probability. `probabilities` are those of X = 0, 1 and so on.
pub(crate) fn critical(probabilities: impl Iterator<Item = f64>, tail: f64) -> Option<(usize, f64)> {
    let mut cumulative = 0.0;
    let reached = probabilities.map(|probability| {
        cumulative += probability;
        cumulative
    });
    reached.take_while(|reached| *reached <= tail).enumerate().last()
}

/// Like [`critical`], for X approximated by a normal distribution with continuity correction.
pub(crate) fn critical_near(mean: f64, deviation: f64, tail: f64) -> Option<(usize, f64)> {
    let k = (mean - 0.5 + normal::quantile(tail) * deviation).floor();
    (k >= 0.0).then(|| (k as usize, normal::cdf((k + 0.5 - mean) / deviation)))
}

/// Where a decreasing function of 0 to `most` falls to `wanted`, by bisection.
pub(crate) fn falls_to(wanted: f64, most: f64, function: impl Fn(f64) -> f64) -> f64 {
    let (mut low, mut high) = (0.0, most);
    // Enough to reach neighbouring numbers.
    for _ in 0..60 {
        let middle = f64::midpoint(low, high);
        if function(middle) > wanted { low = middle } else { high = middle }
    }
    high
}

/// A count as a number. Counts of samples are far below 2^53.
pub(crate) fn real(count: usize) -> f64 {
    count as f64
}

/// The most additional runs worth suggesting.
const MOST: u32 = 100_000;

/// Estimates how many more samples (at least 1) reduce an interval's half-width from `half_width` at `n` samples to
/// `wanted`; `None` if none do or more than [`MOST`] are needed. The half-widths used here shrink with the square root
/// of n (for median and pseudo-median: E. L. Lehmann, "Elements of Large-Sample Theory", 1999, sections 2.5 and 3.4).
pub fn more_for_half_width(n: usize, half_width: f64, wanted: f64) -> Option<u32> {
    if !(half_width.is_finite() && wanted.is_finite() && wanted > 0.0) || n == 0 {
        return None;
    }
    let needed = real(n) * (half_width / wanted).powi(2);
    let more = (needed - real(n)).ceil().max(1.0);
    (more <= f64::from(MOST)).then_some(more as u32)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn half_the_width_takes_four_times_the_samples() {
        assert_eq!(more_for_half_width(10, 0.02, 0.01), Some(30));
        assert_eq!(more_for_half_width(10, 0.01, 0.02), Some(1));
    }

    #[test]
    fn what_no_number_of_samples_would_settle_has_no_answer() {
        assert_eq!(more_for_half_width(10, 0.02, 0.0), None);
        assert_eq!(more_for_half_width(10, 1.0, 1e-6), None);
        assert_eq!(more_for_half_width(10, f64::INFINITY, 0.1), None);
    }

    #[test]
    fn ranks_are_those_of_the_published_table() {
        // W. J. Conover, "Practical Nonparametric Statistics", 3rd ed., 1999, table A3 (binomial, p = 0.5), 95 %.
        for (n, low, high) in [(6_u32, 1, 6), (8, 1, 8), (9, 2, 8), (10, 2, 9), (15, 4, 12), (20, 6, 15), (25, 8, 18)] {
            let values: Vec<f64> = (1..=n).rev().map(f64::from).collect();
            let found = median_interval(&values, 0.95).unwrap();
            assert_eq!((found.low, found.high), (f64::from(low), f64::from(high)), "n = {n}");
            assert!(found.coverage >= 0.95);
        }
    }

    #[test]
    fn the_coverage_is_stated_and_too_few_have_none() {
        assert!((median_interval(&[1.0; 6], 0.95).unwrap().coverage - 0.968_75).abs() < 1e-9);
        assert_eq!(median_interval(&[1.0; 5], 0.95), None);
        assert_eq!(median(&[4.0, 1.0, 3.0, 2.0]), Some(2.5));
        assert_eq!(median(&[]), None);
    }
}
