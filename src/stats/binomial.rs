//! The binomial distribution: with success probability 1/2, which order statistics and sign tests rest on, and its
//! upper tail for any other.

use crate::stats::real;

/// P(B <= k) for B ~ Binomial(n, 1/2).
pub fn fair_cdf(n: usize, k: usize) -> f64 {
    if k >= n {
        return 1.0;
    }
    let ln_half = real(n) * std::f64::consts::LN_2;
    (0..=k).map(|i| (ln_choose(n, i) - ln_half).exp()).sum()
}

/// P(B >= k) for B ~ Binomial(n, p), 0 < p < 1.
pub fn upper_tail(n: usize, k: usize, p: f64) -> f64 {
    if k == 0 {
        return 1.0;
    }
    (k..=n).map(|i| (ln_choose(n, i) + real(i) * p.ln() + real(n - i) * (-p).ln_1p()).exp()).sum::<f64>().min(1.0)
}

/// The natural logarithm of n choose k.
pub fn ln_choose(n: usize, k: usize) -> f64 {
    if k > n {
        return f64::NEG_INFINITY;
    }
    libm::lgamma(real(n) + 1.0) - libm::lgamma(real(k) + 1.0) - libm::lgamma(real(n - k) + 1.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_distribution_function_is_scipys() {
        // scipy 1.17.1: scipy.stats.binom.cdf(k, n, 0.5)
        for (n, k, expected) in
            [(6, 0, 0.015_625), (20, 5, 0.020_694_732_666_015_625), (101, 40, 0.023_022_033_464_671_392), (3, 3, 1.0)]
        {
            assert!((fair_cdf(n, k) - expected).abs() < 1e-9, "{n} {k}: {}", fair_cdf(n, k));
        }
    }

    #[test]
    fn the_upper_tail_is_the_sum_of_exact_fractions() {
        // By rational arithmetic: the sum of C(n, i) p^i (1 - p)^(n - i) from k to n.
        for (n, k, p, expected) in [
            (20, 4, 0.05, 0.01590152601976356),
            (20, 5, 0.05, 0.0025739403346522814),
            (100, 11, 0.05, 0.0114724100674847),
            (7, 0, 1.0 / 3.0, 1.0),
            (1000, 60, 0.05, 0.08673217838486096),
        ] {
            assert!((upper_tail(n, k, p) - expected).abs() < 1e-11, "{n} {k}: {}", upper_tail(n, k, p));
        }
    }
}
