//! Gate 3: the delta is one commit (or changed tuneables), made after the baseline, and every check passes.

use crate::model::{CheckKind, Class, DeltaCommit, Gate, Kind, Strength};
use crate::workflow::{Baseline, Change, Missing, Refusal, ValidateFacts, gates};

/// Checks the delta, then takes the checks' outcome. A failed check rejects the change unless the config says to
/// retry. Validating again is allowed until the change is decided: it forgets what was measured after.
pub fn decide(change: &Change, facts: &ValidateFacts) -> Result<Vec<Kind>, Refusal> {
    let gate = Gate::Validate;
    gates::enter(change, gate)?;
    let refuse = |missing| Err(Refusal::new(gate, missing));
    if change.promotion.is_some() {
        return refuse(Missing::AlreadyPassed);
    }
    let Some(baseline) = &change.baseline else {
        return refuse(Missing::Earlier { gate: Gate::Baseline });
    };
    delta_is_sound(change, baseline, facts)?;
    if change.opened.class == Class::Code && !facts.has_tests {
        return refuse(Missing::NoTests);
    }
    let Some((checks, artifact)) = facts.outcome.clone() else { return Ok(Vec::new()) };
    if change.opened.class == Class::Code && !checks.iter().any(|check| check.kind == CheckKind::Test) {
        return refuse(Missing::NoTests);
    }
    let delta = facts.delta.clone();
    if checks.iter().all(|check| check.passed) {
        return Ok(vec![Kind::Validated { revision: facts.revision.clone(), delta, checks, artifact }]);
    }
    Ok(vec![Kind::ValidationFailed { delta, checks, artifact, rejects: !facts.retry }])
}

fn delta_is_sound(change: &Change, baseline: &Baseline, facts: &ValidateFacts) -> Result<(), Refusal> {
    let refuse = |missing| Err(Refusal::new(Gate::Validate, missing));
    if baseline.strength != Strength::Indicative {
        let own = facts.delta.own_commits().next().map(|commit| commit.sha.as_str());
        gates::settled(Gate::Validate, &facts.revision, own)?;
    }
    // Not knowing is no ancestry: a repository that went out of sight after the baseline proves nothing.
    if baseline.strength == Strength::Full && facts.descends != Some(true) {
        let baseline = baseline.taken.revision.short();
        return refuse(Missing::BaselineNotAncestor { baseline });
    }
    gates::same_definitions(Gate::Validate, &facts.redefined)?;
    let own: Vec<DeltaCommit> = facts.delta.own_commits().cloned().collect();
    let same_code = baseline.taken.revision.same_code(&facts.revision);
    // An empty commit is no change, and on commits a change is one commit or tuneables outside them.
    let no_commit = own.is_empty() && baseline.strength == Strength::Full;
    if facts.delta.tuneables.is_empty() && (same_code || no_commit) {
        if !facts.delta.outside.is_empty() {
            return refuse(Missing::OnlyOutside { commits: facts.delta.outside.clone() });
        }
        return refuse(Missing::NoDelta);
    }
    if own.is_empty() && change.opened.class == Class::Code && baseline.strength == Strength::Full {
        return refuse(Missing::NoCommit);
    }
    if own.len() > 1 {
        return refuse(Missing::ManyCommits { commits: own });
    }
    let id = change.id().as_str();
    if let Some(commit) = own.iter().find(|c| !c.change_ids.is_empty() && !c.change_ids.iter().any(|i| i == id)) {
        return refuse(Missing::ForeignCommit { commit: commit.clone() });
    }
    if change.opened.class == Class::Tuneable && facts.delta.tuneables.is_empty() {
        return refuse(Missing::NoTuneableChanged);
    }
    if change.opened.class == Class::Tuneable && !facts.delta.code.is_empty() {
        return refuse(Missing::CodeBeside { files: facts.delta.code.clone() });
    }
    if !facts.delta.contract_surface.is_empty() && !facts.delta.contract_docs {
        return refuse(Missing::ContractDocs { files: facts.delta.contract_surface.clone() });
    }
    Ok(())
}
