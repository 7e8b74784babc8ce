//! Bisection for the commit that caused a slowdown: which commit to measure next, and how likely the answer is wrong.
//! Each step decides whether a commit is as slow as the bad one from at least two measurements that agree.

use std::collections::BTreeSet;

use crate::model::Outcome;
use crate::stats::looks;

/// A bisection of consecutive commits. Number 0 is the good one, the last is the bad one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Search {
    good: usize,
    bad: usize,
    skipped: BTreeSet<usize>,
    steps: usize,
}

impl Search {
    /// A search over a good commit and the `commits` after it, the last of which is bad.
    pub fn new(commits: usize) -> Self {
        Self { good: 0, bad: commits, skipped: BTreeSet::new(), steps: 0 }
    }

    /// The commit to measure next: the one nearest to the middle that is not skipped. `None` when the search is over.
    pub fn next(&self) -> Option<usize> {
        let middle = usize::midpoint(self.good, self.bad);
        let open = (self.good + 1..self.bad).filter(|at| !self.skipped.contains(at));
        open.min_by_key(|at| at.abs_diff(middle))
    }

    pub fn is(&mut self, at: usize, bad: bool) {
        self.steps += 1;
        if bad { self.bad = at } else { self.good = at }
    }

    pub fn skip(&mut self, at: usize) {
        self.skipped.insert(at);
    }

    /// The commits that may be the first bad one; a single one if it is known.
    pub fn suspects(&self) -> std::ops::RangeInclusive<usize> {
        self.good + 1..=self.bad
    }

    /// Upper bound of the probability that the wrong commit is named, over all steps and the initial measurement.
    pub fn error(&self) -> f64 {
        // A verdict against a bound is one-sided.
        let one = looks::ALPHA / 2.0;
        let steps = u32::try_from(self.steps + 1).unwrap_or(u32::MAX);
        one * one * (3.0 - 2.0 * one) * f64::from(steps)
    }
}

/// Whether a commit is slow by its verdicts: at least two agree and they are the majority; `None` if undecided.
pub fn agreed(verdicts: &[Outcome]) -> Option<bool> {
    let of = |wanted| verdicts.iter().filter(|outcome| **outcome == wanted).count();
    let (slow, fast) = (of(Outcome::Pass), of(Outcome::Fail));
    (slow != fast && slow.max(fast) >= 2).then_some(slow > fast)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_first_bad_commit_is_found_and_unmeasurable_commits_are_skipped() {
        for n in 1..=64 {
            for first in 1..=n {
                let mut search = Search::new(n);
                while let Some(at) = search.next() {
                    search.is(at, at >= first);
                }
                assert_eq!(search.suspects(), first..=first);
                assert!(search.steps <= 6 && search.error() < 0.05, "{search:?}");
            }
        }
        let mut search = Search::new(8);
        while let Some(at) = search.next() {
            if (3..=5).contains(&at) { search.skip(at) } else { search.is(at, at >= 4) }
        }
        assert_eq!(search.suspects(), 3..=6, "the first bad one is among those that cannot be measured");
    }

    #[test]
    fn two_verdicts_have_to_agree() {
        use Outcome::{Fail, Inconclusive, Pass};
        assert_eq!((agreed(&[Pass, Pass]), agreed(&[Fail, Pass, Fail])), (Some(true), Some(false)));
        assert_eq!((agreed(&[Pass, Fail]), agreed(&[Inconclusive, Fail])), (None, None));
        assert_eq!((agreed(&[Pass, Fail, Fail, Pass]), agreed(&[Pass, Fail, Inconclusive, Fail])), (None, Some(false)));
    }
}
