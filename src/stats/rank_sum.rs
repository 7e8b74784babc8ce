//! The rank-sum test of two independent samples (H. B. Mann, D. R. Whitney, "On a test of whether one of two random
//! variables is stochastically larger than the other", Annals of Mathematical Statistics 18 (1947) 50–60) and the
//! Hodges–Lehmann interval for the shift between them (Annals of Mathematical Statistics 34 (1963) 598–611).
//!
//! For up to [`EXACT_MOST`] values the p-value is exact, including ties: the distribution of the rank sum is counted
//! over all ways of choosing the second sample from the pooled midranks. For more values, it is the normal
//! approximation with corrections for ties and continuity.

use crate::stats::proportion::ln_choose;
use crate::stats::{self, Interval, critical_near, median_of_sorted, normal, real};

/// The most values, in both samples together, for which the null distribution is counted.
const EXACT_MOST: usize = 60;

/// Two-sided p-value of "`second` tends to be neither larger nor smaller than `first`"; `None` if either is empty.
pub fn p_value(first: &[f64], second: &[f64]) -> Option<f64> {
    let (m, n) = (first.len(), second.len());
    if m == 0 || n == 0 {
        return None;
    }
    let pooled: Vec<f64> = first.iter().chain(second).copied().collect();
    let (ranks, groups) = doubled_midranks(&pooled);
    let doubled_sum: usize = ranks[m..].iter().sum();
    if m + n <= EXACT_MOST {
        return Some(exact_p(&ranks, n, doubled_sum));
    }
    let u = real(doubled_sum) / 2.0 - real(n) * (real(n) + 1.0) / 2.0;
    Some(approximate_p(u, m, n, tie_term(&groups)))
}

fn exact_p(ranks: &[usize], chosen: usize, observed: usize) -> f64 {
    let ways = ways_by_sum(ranks, chosen);
    let all: f64 = ways.iter().sum();
    let lower: f64 = ways.iter().take(observed + 1).sum();
    let upper: f64 = ways.iter().skip(observed).sum();
    (2.0 * lower.min(upper) / all).min(1.0)
}

/// How many ways there are to choose `chosen` of the ranks, for each sum. At most 60 choose 30, about 1.2e17, whose
/// rounding in a double does not matter for a p-value.
fn ways_by_sum(ranks: &[usize], chosen: usize) -> Vec<f64> {
    let total: usize = ranks.iter().sum();
    let mut ways = vec![vec![0.0; total + 1]; chosen + 1];
    ways[0][0] = 1.0;
    for (taken, rank) in ranks.iter().enumerate() {
        for count in (1..=chosen.min(taken + 1)).rev() {
            let (fewer, more) = ways.split_at_mut(count);
            for (to, from) in more[0][*rank..].iter_mut().zip(&fewer[count - 1]) {
                *to += from;
            }
        }
    }
    ways.pop().unwrap_or_default()
}

fn approximate_p(u: f64, m: usize, n: usize, ties: f64) -> f64 {
    let (m, n) = (real(m), real(n));
    let all = m + n;
    let variance = m * n / 12.0 * (all + 1.0 - ties / (all * (all - 1.0)));
    if variance <= 0.0 {
        return 1.0;
    }
    normal::two_sided(((u - m * n / 2.0).abs() - 0.5) / variance.sqrt()).min(1.0)
}

/// The median of all differences `second - first` with an interval of at least `confidence` (in (0, 1)) for the shift;
/// `None` if there are too few values for that confidence.
pub fn shift(first: &[f64], second: &[f64], confidence: f64) -> Option<Interval> {
    let (k, tail) = critical(first.len(), second.len(), (1.0 - confidence) / 2.0)?;
    let mut differences: Vec<f64> = first.iter().flat_map(|a| second.iter().map(move |b| b - a)).collect();
    differences.sort_by(f64::total_cmp);
    let low = *differences.get(k)?;
    let high = *differences.get(differences.len().checked_sub(k + 1)?)?;
    Some(Interval { value: median_of_sorted(&differences)?, low, high, coverage: 1.0 - 2.0 * tail })
}

/// The largest k with P(U <= k) <= `tail`, and that probability.
fn critical(m: usize, n: usize, tail: f64) -> Option<(usize, f64)> {
    if m == 0 || n == 0 {
        return None;
    }
    if m + n > EXACT_MOST {
        let (a, b) = (real(m), real(n));
        return critical_near(a * b / 2.0, (a * b * (a + b + 1.0) / 12.0).sqrt(), tail);
    }
    let ranks: Vec<usize> = (1..=m + n).collect();
    let all = ln_choose(m + n, n).exp();
    let least = n * (n + 1) / 2;
    stats::critical(ways_by_sum(&ranks, n).iter().skip(least).map(|ways| ways / all), tail)
}

/// Midranks (tied values share the mean of their ranks) in the order of `values`, doubled so that they are integers and
/// null distributions can be counted instead of approximated; and the sizes of the groups of ties.
fn doubled_midranks(values: &[f64]) -> (Vec<usize>, Vec<usize>) {
    let mut order: Vec<usize> = (0..values.len()).collect();
    order.sort_by(|a, b| values[*a].total_cmp(&values[*b]));
    let mut ranks = vec![0; values.len()];
    let mut groups = Vec::new();
    let mut start = 0;
    for group in order.chunk_by(|a, b| values[*a] == values[*b]) {
        // Ranks start + 1 ..= start + len; twice their mean is their first plus their last.
        group.iter().for_each(|index| ranks[*index] = 2 * start + 1 + group.len());
        groups.push(group.len());
        start += group.len();
    }
    (ranks, groups)
}

/// Sum of t³ − t over the groups of ties, the usual correction term.
fn tie_term(groups: &[usize]) -> f64 {
    groups.iter().map(|t| real(*t)).map(|t| t * t * t - t).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: [f64; 7] = [1.1, 2.2, 0.4, 3.1, 2.9, 1.7, 0.8];
    const B: [f64; 8] = [2.5, 3.3, 1.9, 4.8, 3.6, 2.05, 5.1, 4.4];

    fn close(found: f64, expected: f64) {
        assert!((found - expected).abs() < 1e-9, "{found} is not {expected}");
    }

    #[test]
    fn the_exact_test_matches_scipy() {
        // scipy 1.17.1: scipy.stats.mannwhitneyu(B, A, method="exact")
        close(p_value(&A, &B).unwrap(), 0.020_512_820_512_820_513);
    }

    #[test]
    fn ties_are_counted_exactly() {
        // scipy 1.17.1: mannwhitneyu(second, first, method=PermutationMethod(n_resamples=inf))
        let found = p_value(&[1.0, 2.0, 2.0, 3.0, 4.0, 4.0], &[2.0, 3.0, 4.0, 5.0, 5.0, 6.0, 6.0]).unwrap();
        close(found, 0.069_930_069_930_069_93);
    }

    #[test]
    fn beyond_the_exact_range_the_corrected_approximation_matches_scipy() {
        // scipy 1.17.1: a = [int(((i*37) % 101)/4) for i in range(40)], b = [int(((i*53) % 97)/4 + 2) for i in range(45)],
        // mannwhitneyu(b, a, method="asymptotic", use_continuity=True)
        let a: Vec<f64> = (0..40).map(|i| f64::from((i * 37) % 101 / 4)).collect();
        let b: Vec<f64> = (0..45).map(|i| f64::from((i * 53) % 97 / 4 + 2)).collect();
        close(p_value(&a, &b).unwrap(), 0.621_574_873_947_092_1);
    }

    #[test]
    fn critical_values_are_those_of_the_published_table() {
        // Mann & Whitney's U, two-sided 0.05 (Conover 1999, table A7): (4,4) 0, (5,5) 2, (7,8) 10, (10,10) 23, (20,20) 127.
        for (m, n, k) in [(4, 4, 0), (5, 5, 2), (7, 8, 10), (10, 10, 23), (20, 20, 127)] {
            assert_eq!(critical(m, n, 0.025).map(|(k, _)| k), Some(k), "{m}, {n}");
        }
        assert_eq!(critical(3, 3, 0.025), None);
    }

    #[test]
    fn the_shift_is_the_median_of_all_differences() {
        // numpy: d = sorted(y - x for x in A for y in B): median, d[10], d[-11]; P(U <= 10) = 0.020046620046620046
        let found = shift(&A, &B, 0.95).unwrap();
        close(found.value, 1.675);
        close(found.low, 0.3);
        close(found.high, 3.2);
        close(found.coverage, 1.0 - 2.0 * 0.020_046_620_046_620_046);
    }

    #[test]
    fn an_empty_side_has_no_test() {
        assert_eq!(p_value(&[], &B), None);
        assert_eq!(shift(&A, &[], 0.95), None);
    }

    #[test]
    fn tied_values_share_the_mean_of_their_ranks() {
        let (doubled, groups) = doubled_midranks(&[3.0, 1.0, 3.0, 2.0]);
        assert_eq!(doubled, [7, 2, 7, 4]);
        assert_eq!(groups, [1, 1, 2]);
        assert!((tie_term(&groups) - 6.0).abs() < 1e-12);
    }
}
