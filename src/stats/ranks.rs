//! Midranks: tied values share the mean of the ranks that they span. Ranks are kept doubled, so that they are
//! whole numbers and null distributions can be counted instead of approximated.

/// Doubled midranks in the order of `values`, and the sizes of the groups of ties.
pub fn doubled_midranks(values: &[f64]) -> (Vec<usize>, Vec<usize>) {
    let mut order: Vec<usize> = (0..values.len()).collect();
    order.sort_by(|a, b| values[*a].total_cmp(&values[*b]));
    let mut ranks = vec![0; values.len()];
    let mut groups = Vec::new();
    let mut start = 0;
    while start < order.len() {
        let value = values[order[start]];
        let end = start + order[start..].iter().take_while(|i| values[**i] == value).count().max(1);
        // Ranks start + 1 ..= end; twice their mean is their first plus their last.
        for index in &order[start..end] {
            ranks[*index] = start + 1 + end;
        }
        groups.push(end - start);
        start = end;
    }
    (ranks, groups)
}

/// Sum of t³ − t over the groups of ties, the usual correction term.
pub fn tie_term(groups: &[usize]) -> f64 {
    groups.iter().map(|t| crate::stats::real(*t)).map(|t| t * t * t - t).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tied_values_share_the_mean_of_their_ranks() {
        let (doubled, groups) = doubled_midranks(&[3.0, 1.0, 3.0, 2.0]);
        assert_eq!(doubled, [7, 2, 7, 4]);
        assert_eq!(groups, [1, 1, 2]);
        assert!((tie_term(&groups) - 6.0).abs() < 1e-12);
    }
}
