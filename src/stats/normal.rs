//! The normal distribution: the distribution function by the complementary error function, and the quantile, which
//! inverts it.

use crate::stats::falls_to;

/// The standard score of a two-sided 95 % interval, to the digits that recorded intervals were computed with: a check
/// computes them again and demands equality.
pub const Z_95: f64 = 1.959_963_984_540_053_6;

/// P(Z <= z).
pub fn cdf(z: f64) -> f64 {
    survival(-z)
}

/// P(Z > z), without the cancellation of `1 - cdf(z)`.
pub fn survival(z: f64) -> f64 {
    0.5 * libm::erfc(z / std::f64::consts::SQRT_2)
}

/// Two-sided p-value of a standard score.
pub fn two_sided(z: f64) -> f64 {
    (2.0 * survival(z.abs())).min(1.0)
}

/// The z with P(Z <= z) = p; infinite at 0 and 1, NaN outside [0, 1].
pub fn quantile(p: f64) -> f64 {
    if !(0.0..=1.0).contains(&p) {
        return f64::NAN;
    }
    let tail = p.min(1.0 - p);
    // At 40 the tail is smaller than any positive number.
    let z = if tail > 0.0 { falls_to(tail, 40.0, survival) } else { f64::INFINITY };
    z.copysign(p - 0.5)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn close(found: f64, expected: f64) {
        assert!((found - expected).abs() <= 1e-12 * expected.abs().max(1e-3), "{found} is not {expected}");
    }

    #[test]
    fn the_distribution_function_matches_scipy() {
        // scipy 1.17.1: scipy.stats.norm.cdf(z)
        assert!((cdf(-8.5) / 9.479_534_822_203_25e-18 - 1.0).abs() < 1e-9);
        close(cdf(-1.959_963_984_540_054), 0.025);
        close(cdf(-0.3), 0.382_088_577_811_047_4);
        close(cdf(1.0), 0.841_344_746_068_542_9);
        close(cdf(4.2), 0.999_986_654_250_984_1);
        close(survival(4.2), 1.0 - 0.999_986_654_250_984_1);
    }

    #[test]
    fn the_quantile_matches_scipy_in_every_branch() {
        // scipy 1.17.1: scipy.stats.norm.ppf(p)
        let expected = [
            (1e-300, -37.047_096_299_361_2),
            (1e-12, -7.034_483_825_301_131),
            (0.001, -3.090_232_306_167_813),
            (0.025, -1.959_963_984_540_054_5),
            (0.3, -0.524_400_512_708_040_9),
            (0.5, 0.0),
            (0.9, 1.281_551_565_544_600_4),
            (0.999_999_999_9, 6.361_340_889_697_422),
        ];
        for (p, z) in expected {
            assert!((quantile(p) - z).abs() < 1e-9, "{p}: {} is not {z}", quantile(p));
        }
    }

    #[test]
    fn the_quantile_is_infinite_at_0_and_1_and_nan_beyond() {
        assert_eq!(quantile(0.0), f64::NEG_INFINITY);
        assert_eq!(quantile(1.0), f64::INFINITY);
        assert!(quantile(-0.1).is_nan() && quantile(f64::NAN).is_nan());
    }
}
