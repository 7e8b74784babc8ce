//! The location of paired differences by signed ranks with Winsorized scores: ranks are capped at a third of their
//! number (G. E. Policello, T. P. Hettmansperger, "Adaptive robust procedures for the one-sample location problem",
//! JASA 71 (1976) 624–633). A compromise between the sign test, which ignores the size of differences, and Wilcoxon's,
//! which gives a few disturbed pairs the most weight. It is as exact as both: the null distribution of the score sum is
//! counted and valid for any symmetric distribution of the differences, which alternating the two sides ensures.
//!
//! The interval inverts the test; the estimate is where the score sum crosses its mean (J. L. Hodges, E. L. Lehmann,
//! 1963, applied to these scores: T. P. Hettmansperger, J. W. McKean, "Robust Nonparametric Statistical Methods", 2nd
//! ed., 2011, section 1.8). The choice is explained, with figures, in `docs/measurement.md`.

use crate::stats::{self, Interval, critical_near, normal, real};

/// For up to this many differences the null distribution is counted; for more, it is approximated by the normal one.
pub const EXACT_MOST: usize = 150;

/// The score of the difference with the `rank`-th smallest size (from 1) of `n`.
fn score(rank: usize, n: usize) -> usize {
    rank.min((n / 3).max(1))
}

fn all_scores(n: usize) -> usize {
    (1..=n).map(|rank| score(rank, n)).sum()
}

/// The location of finite `differences` with an interval of confidence at least 1 − `level`; `None` if there are too
/// few for that confidence.
pub fn interval(differences: &[f64], level: f64) -> Option<Interval> {
    let n = differences.len();
    let (k, tail) = critical(n, level / 2.0)?;
    let walsh = distinct_walsh_averages(differences);
    let all = all_scores(n);
    // Score sums in the gaps between adjacent Walsh averages, where no difference is zero and no two of opposite sign
    // tie: gap j is just above average j. They decrease as the centre moves up.
    let sum_above = |j: usize| match walsh.get(j + 1) {
        Some(next) => score_sum(differences, f64::midpoint(walsh[j], *next)),
        None => 0,
    };
    let gaps: Vec<usize> = (0..walsh.len()).collect();
    let first_at_most = |limit: usize| gaps.partition_point(|gap| sum_above(*gap) > limit);
    let low = *walsh.get(first_at_most(all - k - 1))?;
    let high = *walsh.get(first_at_most(k))?;
    // The sum exceeds its mean for centres below `from` and is less than its mean for centres above `to`.
    let from = *walsh.get(first_at_most(all / 2))?;
    let to = *walsh.get(first_at_most((all - 1) / 2))?;
    Some(Interval { value: f64::midpoint(from, to), low, high, coverage: 1.0 - 2.0 * tail })
}

/// Two-sided p-value of "the differences are symmetric about zero". Zero differences count half on either side; tied
/// sizes share the mean of their scores.
pub fn p_value(differences: &[f64]) -> f64 {
    let n = differences.len();
    if n == 0 {
        return 1.0;
    }
    let all = real(all_scores(n));
    let above = mean_score_sum(differences);
    // The smaller sum, rounded up towards the mean, so that ties never make a p-value too small.
    let smaller = above.min(all - above).ceil();
    if n > EXACT_MOST {
        let variance: f64 = (1..=n).map(|rank| real(score(rank, n)).powi(2) / 4.0).sum();
        return normal::two_sided(((all / 2.0 - smaller - 0.5) / variance.sqrt()).max(0.0));
    }
    let tail: f64 =
        null_distribution(n).iter().enumerate().filter(|(sum, _)| real(*sum) <= smaller).map(|(_, p)| p).sum();
    (2.0 * tail).min(1.0)
}

fn mean_score_sum(differences: &[f64]) -> f64 {
    let n = differences.len();
    let mut order: Vec<f64> = differences.to_vec();
    order.sort_by(|a, b| a.abs().total_cmp(&b.abs()));
    let mut sum = 0.0;
    let mut start = 0;
    for group in order.chunk_by(|a, b| a.abs() == b.abs()) {
        let mean = (start..start + group.len()).map(|i| real(score(i + 1, n))).sum::<f64>() / real(group.len());
        let positive = real(group.iter().filter(|d| **d > 0.0).count());
        let zero = real(group.iter().filter(|d| **d == 0.0).count());
        sum += mean * (positive + zero / 2.0);
        start += group.len();
    }
    sum
}

fn score_sum(differences: &[f64], centre: f64) -> usize {
    let mut about: Vec<f64> = differences.iter().map(|d| d - centre).collect();
    about.sort_by(|a, b| a.abs().total_cmp(&b.abs()));
    let n = about.len();
    about.iter().enumerate().filter(|(_, d)| **d > 0.0).map(|(i, _)| score(i + 1, n)).sum()
}

fn distinct_walsh_averages(values: &[f64]) -> Vec<f64> {
    let mut averages: Vec<f64> = Vec::with_capacity(values.len() * (values.len() + 1) / 2);
    for (i, a) in values.iter().enumerate() {
        averages.extend(values[i..].iter().map(|b| f64::midpoint(*a, *b)));
    }
    averages.sort_by(f64::total_cmp);
    // Averages that differ only by rounding count as one: there is no gap between them.
    let scale = averages.iter().fold(0.0_f64, |most, average| most.max(average.abs()));
    averages.dedup_by(|next, kept| *next - *kept <= 1e-13 * scale);
    averages
}

fn null_distribution(n: usize) -> Vec<f64> {
    let mut probability = vec![0.0; all_scores(n) + 1];
    probability[0] = 1.0;
    let mut reached = 0;
    for rank in 1..=n {
        let score = score(rank, n);
        reached += score;
        for sum in (0..=reached).rev() {
            let with = if sum >= score { probability[sum - score] } else { 0.0 };
            probability[sum] = f64::midpoint(probability[sum], with);
        }
    }
    probability
}

/// The largest k with P(sum <= k) <= `tail`, and that probability.
fn critical(n: usize, tail: f64) -> Option<(usize, f64)> {
    if n > EXACT_MOST {
        let deviation = (1..=n).map(|rank| real(score(rank, n)).powi(2) / 4.0).sum::<f64>().sqrt();
        return critical_near(real(all_scores(n)) / 2.0, deviation, tail);
    }
    stats::critical(null_distribution(n).into_iter(), tail)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const D: [f64; 10] = [0.8, -0.3, 1.2, 2.5, -0.1, 0.9, 1.7, 0.4, -0.6, 1.1];

    /// The p-value from an enumeration of all assignments of signs: slow, but evidently correct.
    fn p_by_enumeration(differences: &[f64]) -> f64 {
        let n = differences.len();
        let observed = score_sum(differences, 0.0);
        let sums: Vec<usize> = (0_u32..1 << n)
            .map(|signs| (0..n).filter(|i| signs >> i & 1 == 1).map(|i| score(i + 1, n)).sum())
            .collect();
        let share = |count: usize| real(count) / real(sums.len());
        let lower = share(sums.iter().filter(|sum| **sum <= observed).count());
        let upper = share(sums.iter().filter(|sum| **sum >= observed).count());
        (2.0 * lower.min(upper)).min(1.0)
    }

    #[test]
    fn the_p_value_is_that_of_all_assignments_of_signs() {
        for shift in [-1.05, -0.42, 0.013, 0.5, 2.0] {
            let moved: Vec<f64> = D.iter().map(|d| d + shift).collect();
            assert!((p_value(&moved) - p_by_enumeration(&moved)).abs() < 1e-12, "{shift}");
        }
    }

    #[test]
    fn with_three_differences_it_is_the_sign_test_and_the_median() {
        // n / 3 = 1: every score is 1, so the null distribution is binomial: P(sum = 0) = 1/8.
        assert!((p_value(&[1.0, 2.0, 9.0]) - 0.25).abs() < 1e-12);
        let found = interval(&[1.0, 9.0, 2.0], 0.25).unwrap();
        assert_eq!((found.value, found.low, found.high), (2.0, 1.0, 9.0));
    }

    #[test]
    fn an_extreme_outlier_moves_the_estimate_no_further_than_a_moderate_one() {
        let with = |last: f64| {
            interval(&[0.01, 0.012, 0.008, 0.011, 0.009, 0.013, 0.0105, 0.0095, 0.0102, last], 0.05).unwrap()
        };
        assert_eq!(with(0.5).value, with(50.0).value);
        assert!((with(50.0).value - 0.0105).abs() < 0.001);
    }

    #[test]
    fn five_differences_have_no_interval_and_equal_ones_have_one_without_width() {
        assert_eq!(interval(&D[..5], 0.05), None);
        let same = interval(&[0.02; 8], 0.05).unwrap();
        assert_eq!((same.low, same.value, same.high), (0.02, 0.02, 0.02));
        assert!((p_value(&[0.0; 8]) - 1.0).abs() < 1e-12);
        assert!((p_value(&[]) - 1.0).abs() < 1e-12);
    }

    #[test]
    fn counted_and_approximated_critical_sums_meet() {
        let relative = |n: usize| real(critical(n, 0.025).unwrap().0) / real(all_scores(n));
        assert!((relative(EXACT_MOST) - relative(EXACT_MOST + 1)).abs() < 0.003);
    }

    proptest! {
        #[test]
        fn the_interval_holds_exactly_the_centres_that_are_not_rejected(
            values in proptest::collection::vec(-1.0..1.0_f64, 6..25), centre in -0.6..0.6_f64,
        ) {
            let found = interval(&values, 0.05).unwrap();
            prop_assert!(found.low <= found.value && found.value <= found.high && found.coverage >= 0.95);
            let moved: Vec<f64> = values.iter().map(|v| v - centre).collect();
            prop_assert_eq!(p_value(&moved) <= 0.05, centre < found.low || centre > found.high);
        }

        #[test]
        fn coarse_clocks_with_many_ties_never_break_it(values in proptest::collection::vec(-2_i8..3, 6..40)) {
            let values: Vec<f64> = values.into_iter().map(|v| f64::from(v) * 0.004).collect();
            let found = interval(&values, 0.05).unwrap();
            prop_assert!(found.low <= found.value && found.value <= found.high);
            let p = p_value(&values);
            prop_assert!((0.0..=1.0).contains(&p));
        }
    }
}
