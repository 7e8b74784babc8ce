//! Sentences of refusals that take more than a line.

use crate::judge::compare;
use crate::model::Rehearsal;
use crate::model::text::{count, joined};

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
