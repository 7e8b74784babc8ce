//! A gate that stays shut. Owns what a refusal means as a whole, and what helps where no change could even be opened.

use serde::Serialize;

use crate::judge::compare;
use crate::model::text::{count, joined};
use crate::model::{Class, CommandLine, Fix, FixContext, Gate, Outcome, Rehearsal, fix};
use crate::workflow::fixes::Fixes;
use crate::workflow::proposed::{open, other_criterion};
use crate::workflow::{Change, Reason};

#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Refusal {
    pub gate: Gate,
    pub missing: Reason,
}

impl Refusal {
    pub fn new(gate: Gate, missing: Reason) -> Self {
        Self { gate, missing }
    }

    /// Whether the change is not, or not as it was validated, in what is checked out.
    pub fn is_of_effect(&self) -> bool {
        matches!(
            self.missing,
            Reason::NotInEffect { .. } | Reason::NotAsCommitted { .. } | Reason::OtherTuneables { .. }
        )
    }

    /// Whether waiting or more measuring may open the gate: nothing is wrong yet.
    pub fn is_not_yet(&self) -> bool {
        if let Reason::Unverified { demands } = &self.missing {
            // What a person has to do may be done at once: waiting does not bring it.
            return demands.iter().filter(|demand| !demand.met).all(|demand| demand.kind.comes_with_time());
        }
        if let Reason::Verdicts { judged } = &self.missing {
            return judged.iter().all(|judged| judged.verdict.outcome() == Outcome::Inconclusive);
        }
        matches!(self.missing, Reason::Soak { .. })
    }

    /// What to do; empty only where waiting is all that helps. `change` is `None` where it could not even be opened.
    pub fn fixes(&self, change: Option<&Change>, ctx: &FixContext) -> Vec<Fix> {
        match change {
            Some(change) => self.missing.fixes(&Fixes { gate: self.gate, change, ctx }),
            None => opening(&self.missing, ctx),
        }
    }
}

/// What helps where no change is open yet: the opening once more, with what it lacks.
#[expect(clippy::wildcard_enum_match_arm, reason = "opening is refused for no other reason")]
fn opening(reason: &Reason, ctx: &FixContext) -> Vec<Fix> {
    match reason {
        Reason::OtherOpen { ids } => {
            let go_on = ids.iter().map(|id| Fix::next("continue with that one", fix::on(id, "status")));
            let second = open(ctx, None, None).word("--parallel");
            go_on.chain([Fix::or("open a second one; their effects may mix", second)]).collect()
        }
        Reason::IncidentNote | Reason::Expiry => vec![Fix::next("", open(ctx, Some(Class::Emergency), Some("24h")))],
        Reason::ExpiryTooLate { days, .. } => {
            vec![Fix::next("", open(ctx, Some(Class::Emergency), Some(&format!("{days}d"))))]
        }
        Reason::TuneablesUnknown => {
            vec![Fix::next("add tuneables to the config, or open a change of code", open(ctx, Some(Class::Code), None))]
        }
        Reason::ContractSense { criterion, why } => {
            vec![Fix::next("with another criterion", other_criterion(None, criterion, *why, ctx))]
        }
        _ => vec![Fix::next("", CommandLine::tool("status"))],
    }
}

pub(crate) fn no_delta(outputs: &[String]) -> String {
    if outputs.is_empty() {
        return "nothing has changed since the baseline: no commit, tuneable or file of this change".to_owned();
    }
    format!(
        "the change alters only the file that its KPI is read from ({}), not the code that produces it",
        joined(outputs)
    )
}

pub(crate) fn redefined(what: &[String]) -> String {
    let (general, measured): (Vec<&String>, Vec<&String>) = what.iter().partition(|key| compare::is_general(key));
    let measured = (!measured.is_empty()).then(|| {
        let names = joined(measured);
        format!("the config measures {names} in another way than the baseline did, so the two cannot be compared")
    });
    let general = (!general.is_empty()).then(|| {
        let are = if general.len() == 1 { "is" } else { "are" };
        let keys = joined(general);
        format!("{keys} of the config {are} not as at the baseline, which fixed how the change is built and checked")
    });
    measured.into_iter().chain(general).collect::<Vec<_>>().join("; ")
}

pub(crate) fn rehearsed(rehearsal: &Rehearsal) -> String {
    match rehearsal {
        Rehearsal::Applies { .. } => "the rollback applies".to_owned(),
        Rehearsal::NotApplicable => "there is no commit to revert".to_owned(),
        Rehearsal::Conflicts { paths } => {
            let paths = count(paths.len() as u64, "path", "paths");
            format!("the rollback does not apply: `git revert` conflicts in {paths}")
        }
        Rehearsal::ChecksFail { names } => format!(
            "the rollback applies, but in a clean checkout of its result, which holds only what git tracks, checks fail: {}",
            joined(names)
        ),
    }
}
