//! What a gate misses, in one sentence, with the numbers. Must not say what to do about it; that is `hint`.

use crate::judge::compare::definition;
use crate::model::{ChangeId, Gate, MetricId, Part, Rehearsal, Stage};
use crate::report::values::{count, moment};
use crate::workflow::{Missing, Senseless};

/// One sentence without a capital and without a period.
pub fn message(missing: &Missing) -> String {
    before_the_delta(missing)
        .or_else(|| of_the_delta(missing))
        .or_else(|| of_the_evidence(missing))
        .unwrap_or_else(|| after_the_decision(missing))
}

/// A part of the contract in words.
pub fn part(part: Part) -> &'static str {
    match part {
        Part::Hypothesis => "hypothesis",
        Part::Kpi => "primary KPI",
        Part::Guardrails => "guardrails",
        Part::Trigger => "rollback trigger",
        Part::Rollback => "rollback action",
    }
}

/// A gate with its number: `gate 2 (baseline)`.
pub fn gate_name(gate: Gate) -> String {
    format!("gate {} ({})", gate.number(), gate.name())
}

fn before_the_delta(missing: &Missing) -> Option<String> {
    let text = match missing {
        Missing::OtherOpen { ids } => {
            let what = if ids.len() == 1 { "another change is" } else { "other changes are" };
            format!("{what} open and undecided: {}", joined(ids.iter().map(ChangeId::as_str)))
        }
        Missing::IncidentNote => "an emergency needs a note on the incident".to_owned(),
        Missing::Expiry => "an emergency needs a moment in the future at which its override expires".to_owned(),
        Missing::ExpiryTooLate { latest, days } => format!(
            "an emergency's override may hold for {} (enforcement.max_emergency_days), which is until {}",
            count(u64::from(*days), "day", "days"),
            moment(*latest)
        ),
        Missing::TuneablesUnknown => {
            "a change of class tuneable needs `tuneables` in the config, so that changed keys can be seen".to_owned()
        }
        Missing::Ended { end } => format!("the change has ended: {}", end.replace('_', " ")),
        Missing::NotInClass { class } => format!("a change of class {} does not pass this gate", class.name()),
        Missing::Earlier { gate } => format!("{} has not been passed", gate_name(*gate)),
        Missing::AlreadyPassed => "it was passed already, and what came after stands on it".to_owned(),
        Missing::Frozen => "the contract is frozen since the baseline".to_owned(),
        Missing::ContractParts { parts } => {
            let what = if parts.len() == 1 { "part of the contract is" } else { "parts of the contract are" };
            format!("{} {what} missing: {}", parts.len(), joined(parts.iter().map(|it| part(*it))))
        }
        Missing::UnknownMetric { .. } => {
            let one = |(metric, nearest): (&MetricId, Option<&MetricId>)| {
                let nearest = nearest.map(|near| format!("; did you mean {near}?")).unwrap_or_default();
                format!("no {metric}{nearest}")
            };
            format!("the config measures {}", missing.unknown_metrics().map(one).collect::<Vec<_>>().join(", and "))
        }
        Missing::ContractSense { criterion, why } => format!("{criterion} {}", senseless(*why)),
        Missing::CommitsBeforeBaseline { commits } => format!(
            "{} this change's id already, and a baseline has to come before the change",
            count(commits.len() as u64, "commit carries", "commits carry")
        ),
        _ => return None,
    };
    Some(text)
}

fn senseless(why: Senseless) -> &'static str {
    match why {
        Senseless::Doubled => "is KPI and guardrail at once: it guards nothing",
        Senseless::FiresOnGood => "as the rollback trigger fires where nothing got worse",
        Senseless::NoImprovement => "as the KPI holds without any improvement: it demands nothing",
        Senseless::LooserThanKpi => "holds wherever the KPI does: it guards nothing",
        Senseless::CannotFail => "holds whatever is measured: it guards nothing",
        Senseless::CannotHold { .. } => "can never hold, whatever is measured",
        Senseless::CannotFire => "as the rollback trigger can never fire",
        Senseless::NoCommit => {
            "names a commit, and an emergency has none that could stand there: say what takes it out"
        }
        Senseless::NoShare => "is no share between 0 % and 100 %",
    }
}

fn of_the_delta(missing: &Missing) -> Option<String> {
    let text = match missing {
        Missing::Dirty { paths, .. } => {
            format!("{} outside the tool's own files", count(*paths, "path lies uncommitted", "paths lie uncommitted"))
        }
        Missing::UnknownState { reason } => format!("git could not say whether the work tree is clean: {reason}"),
        Missing::Unmeasured { metrics, .. } => {
            format!("{} of the contract could not be measured", count(metrics.len() as u64, "metric", "metrics"))
        }
        Missing::OwnSource { sources } => format!(
            "what the config measures by lies among the tool's own files, whose changes count as nothing: {}",
            joined(sources.iter().map(String::as_str))
        ),
        Missing::NoDelta => "nothing changed since the baseline: no commit, no tuneable, no file".to_owned(),
        Missing::OnlyOutside { commits } => format!(
            "{} files outside the project's directory alone, which are no part of what is compared: {}",
            if commits.len() == 1 { "the change's commit touches" } else { "the change's commits touch" },
            commits.iter().map(|sha| sha.chars().take(12).collect::<String>()).collect::<Vec<_>>().join(", ")
        ),
        Missing::NoTuneableChanged => "the change is of class tuneable, and no tuneable changed its value".to_owned(),
        Missing::CodeBeside { files } => format!(
            "the change is of class tuneable, and {} changed beside the tuneables",
            count(files.len() as u64, "file of code", "files of code")
        ),
        Missing::ManyCommits { commits } => format!(
            "{} commits since the baseline; a change is one commit, or effects cannot be told apart",
            commits.len()
        ),
        Missing::ForeignCommit { commit } => {
            let ids = joined(commit.change_ids.iter().map(String::as_str));
            format!("the commit since the baseline belongs to another change ({ids})")
        }
        Missing::BaselineNotAncestor { baseline } => {
            format!("the baseline's commit {baseline} is not in the history of the present one")
        }
        Missing::ContractDocs { files } => format!(
            "{} changed without its docs and tests",
            count(files.len() as u64, "file of the contracts surface", "files of the contracts surface")
        ),
        Missing::Redefined { what } => redefined(what),
        Missing::NoCommit => "a change of class code is a commit, and there is none since the baseline".to_owned(),
        Missing::OtherTuneables { keys } => format!(
            "{} the value that was validated: {}",
            if keys.len() == 1 { "a tuneable does not have" } else { "tuneables do not have" },
            joined(keys.iter().map(String::as_str))
        ),
        Missing::NotInEffect { reverted: true } => "the change was taken back by a later commit".to_owned(),
        Missing::NotInEffect { reverted: false } => {
            "the change's commit is not in the history of what is checked out".to_owned()
        }
        Missing::NoTests => "a change of class code needs a test to run, and the config has none".to_owned(),
        Missing::NotValidatedCode { validated, here } => {
            format!("the code here ({here}) is not the code that was validated ({validated})")
        }
        _ => return None,
    };
    Some(text)
}

fn of_the_evidence(missing: &Missing) -> Option<String> {
    let text = match missing {
        Missing::OnlyIndicative => {
            "the baseline was taken on a dirty tree: it shows a tendency and proves nothing".to_owned()
        }
        Missing::Evidence { faults } => {
            format!("{} not what was recorded", count(faults.len() as u64, "evidence file is", "evidence files are"))
        }
        Missing::NotReproduced => "the recorded verdicts do not come out of the evidence again".to_owned(),
        Missing::Verdicts { judged } => {
            format!("{} not pass", count(judged.len() as u64, "criterion does", "criteria do"))
        }
        Missing::TriggerFired { .. } => "the rollback trigger fired".to_owned(),
        Missing::Rollback { rehearsal } => rehearsed(rehearsal),
        Missing::Reason => "a reason in words is needed".to_owned(),
        _ => return None,
    };
    Some(text)
}

fn after_the_decision(missing: &Missing) -> String {
    match missing {
        Missing::NoSuchStage { planned } => {
            format!(
                "the rollout's plan has no such stage; it has {}",
                joined(planned.iter().map(|it| Stage::name(*it)))
            )
        }
        Missing::StageOrder { next } => format!("the stage {} comes first", next.name()),
        Missing::Soak { stage, until } => format!("the stage {} has to last until {}", stage.name(), moment(*until)),
        Missing::StageGuardrails { judged } => {
            format!("{} violated or cannot be judged", count(judged.len() as u64, "guardrail is", "guardrails are"))
        }
        Missing::Summary => "a summary of what was observed is needed".to_owned(),
        Missing::Unverified { demands } => {
            let open = demands.iter().filter(|demand| !demand.met).count();
            format!("{open} of {} demands {} not met", demands.len(), if open == 1 { "is" } else { "are" })
        }
        Missing::NothingToRollBack => "there is nothing to roll back: no delta was ever checked".to_owned(),
        Missing::StillInEffect { what } => format!(
            "the rollback was written down, but what it takes back is still in effect: {}",
            joined(what.iter().map(String::as_str))
        ),
        Missing::NoAlarm => "no alarm is open".to_owned(),
        Missing::NotRolledOut => "the change is not fully rolled out, so there is nothing to monitor".to_owned(),
        Missing::FollowUp => "only an emergency is followed up, and not by itself".to_owned(),
        // The groups above have the rest; a test holds every variant to a sentence of its own.
        _ => "something is missing".to_owned(),
    }
}

fn redefined(what: &[String]) -> String {
    let (general, measured): (Vec<&str>, Vec<&str>) =
        what.iter().map(String::as_str).partition(|key| definition::is_general(key));
    let measured = (!measured.is_empty()).then(|| {
        let names = measured.join(", ");
        format!("the config measures {names} in another way than the baseline did, so the two cannot be compared")
    });
    let general = (!general.is_empty()).then(|| {
        let (keys, are) = (general.join(", "), if general.len() == 1 { "is" } else { "are" });
        format!("{keys} of the config {are} not as at the baseline, which fixed how the change is built and checked")
    });
    measured.into_iter().chain(general).collect::<Vec<_>>().join("; ")
}

fn rehearsed(rehearsal: &Rehearsal) -> String {
    match rehearsal {
        Rehearsal::Applies { .. } => "the rollback applies".to_owned(),
        Rehearsal::NotApplicable => "there is no commit to revert".to_owned(),
        Rehearsal::Conflicts { paths } => format!(
            "the rollback does not apply: `git revert` conflicts in {}",
            count(paths.len() as u64, "path", "paths")
        ),
        Rehearsal::ChecksFail { names } => {
            let names = joined(names.iter().map(String::as_str));
            format!(
                "the rollback applies, but in a bare checkout of its result, without what git does not track, checks fail: {names}"
            )
        }
    }
}

fn joined<'a>(words: impl Iterator<Item = &'a str>) -> String {
    words.collect::<Vec<_>>().join(", ")
}
