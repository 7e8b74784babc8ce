//! The particulars of a refusal, a line each: commits, files, verdicts, demands. Must not repeat the message.

use crate::model::{ArtifactFault, DeltaCommit, MetricId, Rehearsal};
use crate::report::values::{count, moment};
use crate::report::verdict;
use crate::workflow::{Demand, DemandKind, Missing};

/// The particulars, in the order in which the refusal holds them.
pub fn details(missing: &Missing) -> Vec<String> {
    match missing {
        Missing::CommitsBeforeBaseline { commits } | Missing::ManyCommits { commits } => {
            commits.iter().map(commit).collect()
        }
        Missing::ForeignCommit { commit: foreign } => vec![commit(foreign)],
        Missing::Unmeasured { metrics, why } => {
            let reasons = why.iter().map(Some).chain(std::iter::repeat(None));
            let line = |(metric, why): (&MetricId, Option<&String>)| {
                why.map_or_else(|| metric.to_string(), |why| format!("{metric}: {why}"))
            };
            metrics.iter().zip(reasons).map(line).collect()
        }
        Missing::ContractDocs { files } | Missing::CodeBeside { files } => files.clone(),
        Missing::Evidence { faults } => faults.iter().map(fault).collect(),
        Missing::Verdicts { judged } | Missing::StageGuardrails { judged } => {
            judged.iter().map(verdict::full_line).collect()
        }
        Missing::TriggerFired { judged } => vec![format!("{} {}", judged.criterion, verdict::trigger_line(judged))],
        Missing::Rollback { rehearsal: Rehearsal::Conflicts { paths } } => paths.clone(),
        Missing::Unverified { demands } => {
            demands.iter().map(|it| format!("{} {}", if it.met { "✓" } else { "✗" }, demand(it))).collect()
        }
        _ => Vec::new(),
    }
}

/// `abc123def456 Subject`.
pub fn commit(commit: &DeltaCommit) -> String {
    format!("{} {}", commit.sha.chars().take(12).collect::<String>(), commit.subject)
}

/// `path: missing` or `path: altered since it was recorded`.
pub fn fault(fault: &ArtifactFault) -> String {
    format!("{}: {}", fault.path, if fault.missing { "missing" } else { "altered since it was recorded" })
}

/// A demand of verification in words, with where it stands.
pub fn demand(demand: &Demand) -> String {
    match &demand.kind {
        DemandKind::FullRollout => "fully rolled out".to_owned(),
        DemandKind::Window { days, closes: None } => {
            format!("{} of monitoring, counted from the full rollout", count(*days, "day", "days"))
        }
        DemandKind::Window { days, closes: Some(at) } => {
            format!("{} of monitoring, which end {}", count(*days, "day", "days"), moment(*at))
        }
        DemandKind::Ticks { need, have } => {
            let dates: Vec<String> = have.iter().map(ToString::to_string).collect();
            let shown = if dates.is_empty() { String::new() } else { format!(" ({})", dates.join(", ")) };
            if have.len() > *need as usize {
                return format!("measured on {} distinct UTC days, {need} of which are demanded{shown}", have.len());
            }
            format!("measured on {} of {need} distinct UTC days{shown}", have.len())
        }
        DemandKind::NoAlarm { open } if open.is_empty() => "no open alarm".to_owned(),
        DemandKind::NoAlarm { open } => {
            let lines: Vec<String> = open.iter().map(verdict::alarm_line).collect();
            format!("no open alarm (open: {})", lines.join("; "))
        }
        DemandKind::Attestation { stale: true } => "a review of the present state (the attested one is stale)".into(),
        DemandKind::Attestation { stale: false } => "a review of the present state, attested".to_owned(),
        DemandKind::Artifacts { faults } if faults.is_empty() => "every evidence file present and unaltered".to_owned(),
        DemandKind::Artifacts { faults } => {
            let lines: Vec<String> = faults.iter().map(fault).collect();
            format!("every evidence file present and unaltered ({})", lines.join("; "))
        }
        DemandKind::Reproduced => "the recorded verdicts come out of the evidence again".to_owned(),
        DemandKind::Clock { latest: None } => "no recorded moment lies in the future".to_owned(),
        DemandKind::Clock { latest: Some(at) } => {
            format!("no recorded moment lies in the future (one is {})", moment(*at))
        }
        DemandKind::CleanGit => "a clean work tree".to_owned(),
        DemandKind::FollowUp => "taken over by a promoted change".to_owned(),
    }
}
