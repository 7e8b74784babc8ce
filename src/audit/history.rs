//! What the range check asks of git beyond the commits that it is shown. Must not judge.

use crate::audit::{Combined, CommitName, Remerged};
use crate::model::ChangeId;

/// What only git can answer, asked at the end and only for the few commits that it is about.
pub trait History {
    /// Whether `ancestor` lies before `commit` (and is not it); `None` where one of them is not known here.
    fn lies_before(&self, ancestor: &str, commit: &str) -> Option<bool>;
    /// Whether the code just before `commit` is the code of which this is the digest.
    fn code_before_is(&self, commit: &str, code: &str) -> bool;
    /// Of each pair, whether the first commit is exactly what taking the second one back gives.
    fn are_reverses(&self, pairs: &[(&str, &str)]) -> Vec<bool>;
    /// Whether two commits make the same difference; `None` where one of them is not known here.
    fn is_same_delta(&self, old: &str, new: &str) -> Option<bool>;
    /// Whether the code at `commit` is the code of which this is the digest.
    fn code_is(&self, commit: &str, code: &str) -> bool;
    /// Merges of two parents (each with them) against what merging these anew gives; `None` where that cannot be told.
    fn remerged(&self, merges: &[(&str, &str, &str)]) -> Option<Vec<Remerged>>;
    /// What of merges differs from every parent.
    fn combined(&self, merges: &[&str]) -> Vec<Combined>;
    /// The commits of a change before the range and after `baseline`, outside evidence, merges and reverts, oldest
    /// first; those that were taken back before the range are none.
    fn earlier(&self, id: &ChangeId, baseline: &str) -> Vec<CommitName>;
    /// The full hash and the change ids of a commit outside the range.
    fn look_up(&self, commit: &str) -> Option<(String, Vec<String>)>;
}
