//! The rollback action of a change with what stands for its commit filled in; where there is no commit, what to put
//! back instead, in words. Must not carry anything out.

use serde_json::Value;

use crate::model::contract::DEFAULT_ROLLBACK;
use crate::model::{Class, Delta, Kind, TuneableChange};
use crate::workflow::Change;

/// Stands for the change's commit.
pub const PLACE: &str = "<sha>";

/// `action` with the delta's commit in the place of `<sha>`. An action that needs a commit where there is none is
/// replaced by the old values to put back; what else it asks for is kept beside.
pub fn filled(action: &str, commits: &[String], delta: &Delta) -> String {
    if !action.contains(PLACE) {
        return action.to_owned();
    }
    if let Some(sha) = commits.first() {
        return action.replace(PLACE, sha);
    }
    let values: Vec<String> = delta.tuneables.iter().map(old_value).collect();
    let back = if values.is_empty() {
        "put the files back as they were before the change: there is no commit to revert".to_owned()
    } else {
        format!("put the old values back: {}", values.join(", "))
    };
    if action.trim() == DEFAULT_ROLLBACK { back } else { format!("{back}; no commit stands for {PLACE} in: {action}") }
}

/// The action as far as it is known by now: as it was recorded with the state after; before that, with what the newest
/// validation saw, passed or not.
pub fn known(change: &Change) -> String {
    let action = change.rollback_action();
    // An earlier version let an emergency have an action on a commit that nothing fills in.
    if change.opened.class == Class::Emergency {
        return filled(&action, &[], &Delta::default());
    }
    match seen(change) {
        Some((delta, commits)) => filled(&action, &commits, delta),
        None => action,
    }
}

/// The commits to take back, oldest first: those of the newest validation, passed or not.
pub fn commits(change: &Change) -> Vec<String> {
    seen(change).map(|(_, commits)| commits).unwrap_or_default()
}

/// Whether the contract's action takes the change itself out; another one, such as a flag that is cleared, may leave it
/// where it is.
pub fn takes_out(change: &Change) -> bool {
    let action = change.contract.rollback.as_str();
    action.is_empty() || action.contains(PLACE) || action.contains("git revert")
}

/// What changed, as the newest validation saw it, passed or not.
pub fn delta(change: &Change) -> Option<&Delta> {
    seen(change).map(|(delta, _)| delta)
}

/// What the newest validation saw, with its commits by the hashes that are valid now.
fn seen(change: &Change) -> Option<(&Delta, Vec<String>)> {
    change.events.iter().rev().find_map(|event| match &event.what {
        Kind::Validated { delta, .. } => Some((delta, change.commits())),
        Kind::ValidationFailed { delta, .. } => {
            Some((delta, delta.own_commits().map(|commit| commit.sha.clone()).collect()))
        }
        _ => None,
    })
}

/// `cooldown = 30 (now 10, in tuneables.json)`.
fn old_value(changed: &TuneableChange) -> String {
    let layer = changed.layer.as_deref().map_or_else(String::new, |layer| format!(", in {layer}"));
    let now = changed.after.as_ref().map_or_else(|| "not set".to_owned(), shown);
    match &changed.before {
        Some(before) => format!("{} = {} (now {now}{layer})", changed.key, shown(before)),
        None => format!("{} not set (now {now}{layer})", changed.key),
    }
}

fn shown(value: &Value) -> String {
    value.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::DeltaCommit;

    fn tuned(before: Option<Value>, after: Option<Value>, layer: &str) -> Delta {
        let layer = (!layer.is_empty()).then(|| layer.to_owned());
        let changed = TuneableChange { key: "cooldown".to_owned(), before, after, layer };
        Delta { tuneables: vec![changed], ..Delta::default() }
    }

    #[test]
    fn without_a_commit_the_old_values_and_their_file_are_named() {
        let delta = tuned(Some(30.into()), Some(10.into()), "tuneables.json");
        let text = filled(DEFAULT_ROLLBACK, &[], &delta);
        assert_eq!(text, "put the old values back: cooldown = 30 (now 10, in tuneables.json)");
        let new = tuned(None, Some("x".into()), "env:COOLDOWN");
        let text = filled(DEFAULT_ROLLBACK, &[], &new);
        assert_eq!(text, "put the old values back: cooldown not set (now \"x\", in env:COOLDOWN)");
        let gone = tuned(Some(30.into()), None, "");
        assert_eq!(filled(DEFAULT_ROLLBACK, &[], &gone), "put the old values back: cooldown = 30 (now not set)");
    }

    #[test]
    fn an_action_of_its_own_is_kept() {
        let delta = tuned(Some(30.into()), Some(10.into()), "");
        assert_eq!(filled("redeploy", &[], &delta), "redeploy");
        let both = filled("git revert <sha> && redeploy", &[], &delta);
        assert!(both.starts_with("put the old values back: cooldown = 30 (now 10); "), "{both}");
        assert!(both.ends_with("in: git revert <sha> && redeploy"), "{both}");
        assert!(filled(DEFAULT_ROLLBACK, &[], &Delta::default()).starts_with("put the files back"));
    }

    #[test]
    fn a_commit_is_reverted() {
        let commit = DeltaCommit {
            sha: "abc".to_owned(),
            subject: String::new(),
            change_ids: Vec::new(),
            evidence_only: false,
            merge: false,
            own_files: false,
        };
        let delta = Delta { commits: vec![commit], ..tuned(Some(30.into()), Some(10.into()), "") };
        assert_eq!(filled(DEFAULT_ROLLBACK, &["abc".to_owned()], &delta), "git revert abc");
    }
}
