//! What a record proves about its change: commits, evidence files, what a review covers, and the rollback action.

use serde_json::{Value, json};

use crate::model::{Artifact, Class, DEFAULT_ROLLBACK, Delta, Digest, Kind, Strength, TuneableChange, Validation};
use crate::workflow::Change;

pub const COMMIT_PLACEHOLDER: &str = "<sha>";

impl Change {
    /// The recorded rollback action: with the commit filled in from the after snapshot on, before that as in the
    /// contract.
    pub fn recorded_rollback(&self) -> &str {
        self.after.as_ref().map_or(self.contract.rollback.as_str(), |after| after.rollback.as_str())
    }

    /// The recorded rollback action, with the current hashes (after relinking).
    pub fn rollback_action(&self) -> String {
        let recorded = self.recorded_rollback().to_owned();
        self.relinks().fold(recorded, |text, (old, new, _)| text.replace(old, new))
    }

    /// The rollback action as far as it is known: as recorded with the after snapshot; before that, filled in from the
    /// newest validation, passed or failed.
    pub fn known_rollback(&self) -> String {
        let action = self.rollback_action();
        // An earlier version allowed `<sha>` for an emergency, which has no commit to fill in.
        if self.opened.class == Class::Emergency {
            return filled_rollback(&action, &[], &Delta::default());
        }
        match self.newest_delta() {
            Some(delta) => filled_rollback(&action, &self.commits_to_revert(), delta),
            None => action,
        }
    }

    /// Whether the contract's rollback action reverts the change's commit; another action, such as clearing a flag, may
    /// leave the code in place.
    pub fn rollback_takes_it_out(&self) -> bool {
        let action = self.contract.rollback.as_str();
        action.is_empty() || action.contains(COMMIT_PLACEHOLDER) || action.contains("git revert")
    }

    pub fn newest_delta(&self) -> Option<&Delta> {
        self.events.iter().rev().find_map(|event| {
            let (Kind::Validated(Validation { delta, .. }) | Kind::ValidationFailed { delta, .. }) = &event.what else {
                return None;
            };
            Some(delta)
        })
    }

    /// The commits to revert, oldest first: those of the newest validation, passed or failed.
    pub fn commits_to_revert(&self) -> Vec<String> {
        if self.validation.is_some() {
            return self.commits();
        }
        self.newest_delta().map(hashes).unwrap_or_default()
    }

    /// Whether a commit of the change was relinked by its tree alone, so that it may contain other work as well.
    pub fn is_squashed(&self) -> bool {
        self.relinks().any(|(.., by)| by == "tree")
    }

    pub fn is_moved(&self) -> bool {
        self.relinks().next().is_some()
    }

    /// Relinked commits as (old hash, new hash, method), oldest first; the method is `pick`, `patch-id` or `tree`.
    fn relinks(&self) -> impl Iterator<Item = (&str, &str, &str)> {
        let relinked = self.events.iter().filter_map(|event| {
            let Kind::Relinked { commits, by } = &event.what else { return None };
            Some((commits, by.as_str()))
        });
        relinked.flat_map(|(commits, by)| commits.iter().map(move |(old, new)| (old.as_str(), new.as_str(), by)))
    }

    /// The change's commits, oldest first, with their current hashes (after relinking).
    pub fn commits(&self) -> Vec<String> {
        let mut commits = self.validation.as_ref().map(|validation| hashes(&validation.delta)).unwrap_or_default();
        for (old, new, _) in self.relinks() {
            commits.iter_mut().filter(|commit| *commit == old).for_each(|commit| new.clone_into(commit));
        }
        commits
    }

    /// The validated commits and all that replaced them by relinking, oldest first.
    pub fn every_commit(&self) -> Vec<String> {
        let validated = self.validation.as_ref().map(|validation| hashes(&validation.delta)).unwrap_or_default();
        validated.into_iter().chain(self.relinks().map(|(_, new, _)| new.to_owned())).collect()
    }

    /// The parent of the change's commit and that commit, if others committed since the baseline: then these two are
    /// measured in pairs, instead of the snapshots' commits.
    pub fn commit_and_parent(&self) -> Option<(&str, &str)> {
        let delta = &self.validation.as_ref()?.delta;
        Some((delta.base.as_deref()?, delta.own_commits().next()?.sha.as_str()))
    }

    /// The after snapshot and the pairs of a change that was compared on its commit and its parent.
    pub fn measured_on_commit(&self) -> Option<(&Artifact, &Artifact)> {
        self.commit_and_parent()?;
        Some((&self.after.as_ref()?.taken.snapshot, self.comparison.as_ref()?.pair.as_ref()?))
    }

    /// Whether every move is from a current commit of the change to a commit that is not one.
    pub fn can_relink(&self, moves: &[(String, String)]) -> bool {
        let mut current = self.commits();
        moves.iter().all(|(old, new)| {
            let place = current.iter().position(|commit| commit == old);
            place.is_some_and(|at| {
                old != new && !current.contains(new) && std::mem::replace(&mut current[at], new.clone()) == *old
            })
        })
    }

    /// Every evidence file of the present state, in the order of the gates. Of a day that was measured again, only the
    /// last measurement.
    pub fn artifacts(&self) -> Vec<&Artifact> {
        let is_again = |at: usize, day: u32| self.ticks[at + 1..].iter().any(|later| later.day == day);
        let days = self.ticks.iter().enumerate().filter(|(at, tick)| !is_again(*at, tick.day)).map(|(_, tick)| tick);
        let mut found: Vec<&Artifact> = Vec::new();
        found.extend(self.baseline.iter().flat_map(|baseline| baseline.taken.artifacts()));
        found.extend(self.validation.iter().map(|validation| &validation.artifact));
        found.extend(self.after.iter().flat_map(|after| after.taken.artifacts()));
        found.extend(self.comparison.iter().flat_map(|comparison| comparison.artifacts()));
        found.extend(self.promotion.iter().map(|promotion| &promotion.note));
        found.extend(self.rollout.iter().flat_map(|done| done.taken.artifacts()));
        found.extend(days.flat_map(|tick| tick.taken.artifacts().chain([&tick.report])));
        found.extend(self.attestation.iter().map(|attestation| &attestation.artifact));
        found
    }

    pub fn baseline_commit(&self) -> Option<&str> {
        self.baseline.as_ref()?.taken.revision.commit.as_deref()
    }

    /// Whether the baseline has no commit, so that no pairs can be checked out.
    pub fn has_no_commit(&self) -> bool {
        self.baseline.as_ref().is_some_and(|baseline| baseline.strength == Strength::Unversioned)
    }

    /// Whether the baseline was taken outside git. In a repository without commits there is at least a branch.
    pub fn is_outside_git(&self) -> bool {
        self.has_no_commit() && self.baseline.as_ref().is_some_and(|it| it.taken.revision.branch.is_none())
    }

    pub fn is_attested(&self) -> bool {
        self.attestation.as_ref().is_some_and(|attestation| attestation.reviewed == self.review_digest())
    }

    /// Digest over what a review covers: the contract, the delta and the comparison. An attestation of another digest
    /// is stale.
    pub fn review_digest(&self) -> Digest {
        let delta = self.validation.as_ref().map(|validation| &validation.delta);
        let verdicts = self.comparison.as_ref().map(|comparison| &comparison.verdicts);
        let report = self.comparison.as_ref().map(|comparison| &comparison.json);
        Digest::of_json(&json!({
            "change_id": self.id(),
            "contract": self.contract,
            "delta": delta,
            "verdicts": verdicts,
            "report": report,
        }))
    }
}

fn hashes(delta: &Delta) -> Vec<String> {
    delta.own_commits().map(|commit| commit.sha.clone()).collect()
}

/// Replaces `<sha>` in `action` by the delta's commit. If there is no commit, returns the old values to restore,
/// followed by the action unless it is the default.
pub(crate) fn filled_rollback(action: &str, commits: &[String], delta: &Delta) -> String {
    if !action.contains(COMMIT_PLACEHOLDER) {
        return action.to_owned();
    }
    if let Some(sha) = commits.first() {
        return action.replace(COMMIT_PLACEHOLDER, sha);
    }
    let values: Vec<String> = delta.tuneables.iter().map(old_value).collect();
    let back = if values.is_empty() {
        "put the files back as they were before the change: there is no commit to revert".to_owned()
    } else {
        format!("put the old values back: {}", values.join(", "))
    };
    if action.trim() == DEFAULT_ROLLBACK {
        back
    } else {
        format!("{back}; no commit stands for {COMMIT_PLACEHOLDER} in: {action}")
    }
}

fn old_value(changed: &TuneableChange) -> String {
    let layer = changed.layer.as_deref().map_or_else(String::new, |layer| format!(", in {layer}"));
    let now = changed.after.as_ref().map_or_else(|| "not set".to_owned(), Value::to_string);
    match &changed.before {
        Some(before) => format!("{} = {before} (now {now}{layer})", changed.key),
        None => format!("{} not set (now {now}{layer})", changed.key),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tuned(before: Option<Value>, after: Option<Value>, layer: &str) -> Delta {
        let layer = (!layer.is_empty()).then(|| layer.to_owned());
        let changed = TuneableChange { key: "cooldown".to_owned(), before, after, layer };
        Delta { tuneables: vec![changed], ..Delta::default() }
    }

    #[test]
    fn without_a_commit_the_old_values_and_their_file_are_named() {
        let delta = tuned(Some(30.into()), Some(10.into()), "tuneables.json");
        let text = filled_rollback(DEFAULT_ROLLBACK, &[], &delta);
        assert_eq!(text, "put the old values back: cooldown = 30 (now 10, in tuneables.json)");
        let new = tuned(None, Some("x".into()), "env:COOLDOWN");
        let text = filled_rollback(DEFAULT_ROLLBACK, &[], &new);
        assert_eq!(text, "put the old values back: cooldown not set (now \"x\", in env:COOLDOWN)");
        let gone = tuned(Some(30.into()), None, "");
        let text = filled_rollback(DEFAULT_ROLLBACK, &[], &gone);
        assert_eq!(text, "put the old values back: cooldown = 30 (now not set)");
    }

    #[test]
    fn a_custom_rollback_action_is_kept() {
        let delta = tuned(Some(30.into()), Some(10.into()), "");
        assert_eq!(filled_rollback("redeploy", &[], &delta), "redeploy");
        let both = filled_rollback("git revert <sha> && redeploy", &[], &delta);
        assert!(both.starts_with("put the old values back: cooldown = 30 (now 10); "), "{both}");
        assert!(both.ends_with("in: git revert <sha> && redeploy"), "{both}");
        assert!(filled_rollback(DEFAULT_ROLLBACK, &[], &Delta::default()).starts_with("put the files back"));
    }

    #[test]
    fn a_commit_is_reverted() {
        let delta = tuned(Some(30.into()), Some(10.into()), "");
        assert_eq!(filled_rollback(DEFAULT_ROLLBACK, &["abc".to_owned()], &delta), "git revert abc");
    }
}
