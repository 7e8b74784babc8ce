//! Sentences of reasons that one format string does not give.

use crate::judge::compare;
use crate::model::text::{count, joined};
use crate::model::{MetricId, Rehearsal};
use crate::workflow::Demand;

pub(crate) fn unknown<'a>(metrics: impl Iterator<Item = (&'a MetricId, Option<&'a MetricId>)>) -> String {
    let one = |(metric, nearest): (&MetricId, Option<&MetricId>)| {
        let nearest = nearest.map(|nearest| format!("; did you mean `{nearest}`?")).unwrap_or_default();
        format!("unknown metric `{metric}`{nearest}")
    };
    metrics.map(one).collect::<Vec<_>>().join(", and ")
}

pub(crate) fn not_in_effect(reverted: bool, files: &[String]) -> String {
    match (reverted, files) {
        (false, _) => "the change's commit is not in the history of what is checked out".to_owned(),
        (true, []) => "a later commit took the change back".to_owned(),
        (true, files) => format!("a later commit took back part of the change: {}", joined(files)),
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

pub(crate) fn unmet(demands: &[Demand]) -> String {
    let open = demands.iter().filter(|demand| !demand.met).count();
    format!("{open} of {} demands {} not met", demands.len(), if open == 1 { "is" } else { "are" })
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
