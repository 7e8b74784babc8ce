//! The command that heals a finding, without rewriting history wherever there is one. Must not describe the finding.

use crate::audit::{Finding, What};
use crate::model::ChangeId;
use crate::report::invocation::{self, PROGRAM};

/// The command; `None` where there is none that always fits.
pub fn command(finding: &Finding, key: &str) -> Option<String> {
    let commit = finding.commit.as_ref().map_or("COMMIT", |commit| commit.id.as_str());
    let commit: String = commit.chars().take(12).collect();
    // To revert what takes a change back would bring the change back; how it is not exact has a finding of its own.
    let takes_back = finding.commit.as_ref().is_some_and(|commit| commit.subject.starts_with("Revert \""));
    match &finding.what {
        What::RevertNotExact { reverted } => {
            let reverted: String = reverted.chars().take(12).collect();
            Some(format!("git revert {commit} && git revert {reverted}  # takes back that commit and nothing else"))
        }
        What::ManyCommits { .. } | What::CommitNotValidated { .. } | What::NotReverted { .. } if takes_back => None,
        What::CommitWithoutId => Some(format!(
            "{PROGRAM} change relink {commit}  # if a change knows it by its content; else git revert {commit}, and make it again as a change"
        )),
        What::TuneablesUntracked { .. } => Some(format!(
            "{PROGRAM} change relink {commit}  # if a change knows it by its content, as after a squash; else git revert {commit} && {PROGRAM} change start --class tuneable --title \"SHORT HYPOTHESIS\""
        )),
        What::EnvOverrideUndocumented { .. } => Some(format!(
            "git revert {commit} && {PROGRAM} change start --class emergency --incident \"WHAT HAPPENED\" --expires DATE --title \"SHORT HYPOTHESIS\""
        )),
        // A trailer that is added beside the wrong one would make two of them.
        What::MalformedId { .. } => Some(format!(
            "git -c trailer.ifexists=replace commit --amend --no-edit --trailer \"{key}: chg-ID\"  # while it is the last and not pushed; else git revert {commit}"
        )),
        What::UnknownId { id } => Some(format!(
            "git add .vibeship-optimizer/changes/{id}.json && git commit -m \"Record of {id}\"  # where that file lies here; else the id is mistyped: git -c trailer.ifexists=replace commit --amend --no-edit --trailer \"{key}: chg-ID\" while it is the last and not pushed, or git revert {commit}"
        )),
        What::SeveralIds { .. } | What::ManyCommits { .. } => {
            Some(format!("git revert {commit}  # then one commit for each change"))
        }
        What::MergeBringsContent { .. } => Some(format!(
            "git revert -m 1 {commit}  # then merge again with nothing else in it, and make the rest as a change"
        )),
        What::FixupLeft { .. } => Some(format!("git rebase --autosquash {commit}~2  # before pushing")),
        _ => of_files(finding, &commit),
    }
}

/// What brings records and evidence back.
fn of_files(finding: &Finding, commit: &str) -> Option<String> {
    let path = finding.path.as_deref().map(invocation::shell_word).unwrap_or_default();
    let from = if finding.commit.is_some() { commit } else { "BASE" };
    match &finding.what {
        What::RecordRemoved => {
            // What went with it: the evidence that it names.
            Some(format!(
                "git diff -z --relative --name-only --diff-filter=D {from} HEAD -- .vibeship-optimizer reports VIBESHIP_OPTIMIZER.md | xargs -0 git checkout {from} -- && git commit -m \"Restore the record and its evidence\""
            ))
        }
        What::RecordRewritten { .. } | What::RecordBackdated { .. } => {
            Some(format!("git checkout {from} -- {path} && git commit -m \"Restore the record\""))
        }
        What::RecordMissing => Some(invocation::restore(finding.path.as_deref().unwrap_or_default())),
        What::RecordUnreadable { .. }
        | What::RecordUnlawful { .. }
        | What::RecordFromFuture { .. }
        | What::RecordBeforeCommit { .. } => {
            Some(format!("git log --oneline -- {path}  # then git checkout the last good COMMIT -- {path}"))
        }
        What::ArtifactMissing { uncommitted: true } => {
            Some(format!("git add {path} && git commit -m \"Evidence\" -- {path}"))
        }
        What::ArtifactMissing { .. } | What::ArtifactAltered { .. } => {
            Some(format!("git log --oneline --all -- {path}  # then git checkout the COMMIT that has it -- {path}"))
        }
        What::DaysUnwitnessed { .. } => Some(
            "git add .vibeship-optimizer reports && git commit -m \"Evidence\"  # on each day that is monitored"
                .to_owned(),
        ),
        What::EvidenceIgnored => Some(format!("git add --force {path}")),
        What::EvidenceSetAside => {
            let record = finding.change.as_ref().map(|id| format!(".vibeship-optimizer/changes/{id}.json"));
            Some(format!(
                "git log --oneline --all -- {}  # read {path}; where it shows nothing, remove it",
                record.unwrap_or_default()
            ))
        }
        What::EvidenceUnknown => Some(format!("git rm --cached {path}  # or restore the record that it belongs to")),
        other => finding.change.as_ref().and_then(|id| of_change(other, id, commit)),
    }
}

fn of_change(what: &What, id: &ChangeId, commit: &str) -> Option<String> {
    match what {
        What::GateNotReached { missing, .. } => Some(invocation::gate(id, *missing)),
        // A squash may hold the record and the evidence too, which a plain revert would take away.
        What::NotReverted { known: true, .. } => Some(format!("{} --apply", invocation::with_reason(id, "rollback"))),
        What::NotReverted { known: false, .. } => Some(format!("git revert {commit}")),
        What::PolicyLoosened { .. } => Some(format!(
            "{PROGRAM} change show {id}  # then revert its commit and make the change again; no record makes up for it"
        )),
        What::CommitNotValidated { .. } | What::RelinkUnproven { .. } => Some(format!(
            "{}  # or, if it is another change, git revert {commit}",
            invocation::on(id, "change relink", "")
        )),
        What::BaselineNotFirst { .. } | What::EvidenceAfterTheFact { .. } => Some(format!(
            "git revert {commit}  # then {PROGRAM} change start, snapshot --as before, and make the change again"
        )),
        What::VerdictsDiffer { .. } => Some(invocation::on(id, "compare", "")),
        What::ClassNeverPasses { .. } => {
            Some(format!("git revert {commit} && {PROGRAM} change start --title \"SHORT HYPOTHESIS\" --from {id}"))
        }
        What::WrongClass { .. } => Some(format!("git revert {commit}  # then {PROGRAM} route says where it belongs")),
        What::ContractWithoutDocs { .. } => {
            Some(format!("git revert {commit}  # then the same change with its documents and tests"))
        }
        What::EnvOverrideExpired { .. } => Some(invocation::on(id, "change follow-up", "--by chg-ID")),
        What::PromotedWithoutLiveCheck { .. } => {
            Some("add `canary` or `live` to rollout.stages in the config".to_owned())
        }
        What::RecordUnproven => Some(invocation::gate(id, crate::model::Gate::Contract)),
        _ => None,
    }
}
