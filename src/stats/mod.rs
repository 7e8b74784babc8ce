//! The statistics behind every verdict: one method per file, each citing its source and checked against
//! published or independently computed values. Plain numbers in, plain numbers out; must not know what a metric is.

#![deny(clippy::disallowed_methods, clippy::disallowed_types)]

pub mod looks;
pub mod median;
pub mod normal;
pub mod pooled;
pub mod proportion;
pub mod rank_sum;
pub mod winsorized;

pub use looks::Plan;
pub use pooled::Pooled;
pub use proportion::Successes;

/// A point estimate with a two-sided interval. All numbers are finite.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Interval {
    pub value: f64,
    pub low: f64,
    pub high: f64,
    /// The coverage that the interval has in fact, at least what was asked for where the method is exact.
    pub coverage: f64,
}

impl Interval {
    /// The interval moved out by `by` at both ends.
    pub fn widened(self, by: f64) -> Self {
        Self { low: self.low - by, high: self.high + by, ..self }
    }
}

/// The values in ascending order. Callers hold finite values only.
pub(crate) fn sorted(values: &[f64]) -> Vec<f64> {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted
}

/// The median of values in ascending order; `None` of nothing.
pub(crate) fn median_of_sorted(sorted: &[f64]) -> Option<f64> {
    let upper = *sorted.get(sorted.len() / 2)?;
    if sorted.len() % 2 == 1 {
        return Some(upper);
    }
    let lower = *sorted.get(sorted.len() / 2 - 1)?;
    Some(lower + (upper - lower) / 2.0)
}

/// The largest k that falls into a tail of counted `probabilities` (of 0, 1 and so on), and what that tail holds.
pub(crate) fn critical(probabilities: impl Iterator<Item = f64>, tail: f64) -> Option<(usize, f64)> {
    let mut cumulative = 0.0;
    let reached = probabilities.map(|probability| {
        cumulative += probability;
        cumulative
    });
    reached.take_while(|reached| *reached <= tail).enumerate().last()
}

/// The same where the distribution is nearly normal.
pub(crate) fn critical_near(mean: f64, deviation: f64, tail: f64) -> Option<(usize, f64)> {
    let k = (mean - 0.5 + normal::quantile(tail) * deviation).floor();
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "k lies between 0 and the mean")]
    (k >= 0.0).then(|| (k as usize, normal::cdf((k + 0.5 - mean) / deviation)))
}

/// A count as a number. Counts of samples lie far below 2^53.
#[expect(clippy::cast_precision_loss, reason = "counts of samples lie far below 2^53")]
pub(crate) fn real(count: usize) -> f64 {
    count as f64
}

/// Beyond this, the answer is not a number of runs but "not in this way".
const MOST: u32 = 100_000;

/// About how many more samples bring the half-width of an interval from `half_width` at `n` samples down to
/// `wanted`; at least 1. Every half-width used here shrinks with the square root of the number of samples (for the median
/// and the pseudo-median: E. L. Lehmann, "Elements of Large-Sample Theory", 1999, sections 2.5 and 3.4). `None` where nothing would (`wanted` not above zero) or more than [`MOST`] would be needed.
pub fn more_for_half_width(n: usize, half_width: f64, wanted: f64) -> Option<u32> {
    if !(half_width.is_finite() && wanted.is_finite() && wanted > 0.0) || n == 0 {
        return None;
    }
    let needed = real(n) * (half_width / wanted).powi(2);
    let more = (needed - real(n)).ceil().max(1.0);
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "1..=MOST")]
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
}
