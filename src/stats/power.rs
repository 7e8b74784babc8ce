//! How many more samples would settle a question at the present noise. The half-width of every interval used here
//! shrinks with the square root of the number of samples (for the median and the pseudo-median: E. L. Lehmann,
//! "Elements of Large-Sample Theory", 1999, sections 2.5 and 3.4), so the number needed follows from the width now.

use crate::stats::real;

/// Beyond this, the answer is not a number of runs but "not in this way".
pub const MOST: u32 = 100_000;

/// About how many more samples bring the half-width of an interval from `half_width` at `n` samples down to
/// `wanted`; at least 1. `None` where nothing would (`wanted` not above zero) or more than [`MOST`] would be needed.
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
