//! A finding in one sentence. Must not give advice; that is `heal`.

use chrono::{DateTime, Utc};

use crate::audit::{Finding, What};
use crate::report::values;

/// The sentence.
pub fn message(finding: &Finding) -> String {
    match &finding.what {
        What::CommitWithoutId => "the commit names no change".to_owned(),
        What::TuneablesUntracked { paths } => format!("tuneables changed without a change: {}", list(paths)),
        What::EnvOverrideUndocumented { paths } => {
            format!("overrides by environment changed without a change: {}", list(paths))
        }
        What::MalformedId { value } => format!("{:?} in the trailer is no change id", cut(value)),
        What::UnknownId { id } => format!("the commit names {id}, which has no record in this tree"),
        What::SeveralIds { ids } => {
            format!("the commit names {} changes ({}); one change, one commit", ids.len(), list(ids))
        }
        What::ManyCommits { commits } => {
            let names: Vec<String> = commits.iter().map(|commit| short(&commit.id)).collect();
            format!("{} commits name the same change ({}); one change, one commit", commits.len(), list(&names))
        }
        What::FixupLeft { marker } => format!("a {marker} commit was not squashed"),
        What::MergeBringsContent { paths, new_file: true, .. } => {
            format!("the merge adds files that none of its parents has: {}", list(paths))
        }
        What::MergeBringsContent { paths, new_file: false, conflict } => match conflict {
            None => format!("the merge holds content that none of its parents has: {}", list(paths)),
            Some(true) => format!("the merge decides conflicts its own way: {}", list(paths)),
            Some(false) => format!("the merge is not what merging its parents gives: {}", list(paths)),
        },
        What::RevertNotExact { reverted } => {
            format!("the commit says that it reverts {}, but it is not the reverse of it", short(reverted))
        }
        What::WrongClass { class, surface, paths } => {
            let touched = surface.map_or("code".to_owned(), |surface| format!("the {} surface", surface.name()));
            format!("a change of class {} touches {touched}: {}", class.name(), list(paths))
        }
        What::ContractWithoutDocs { paths, docs, tests } => {
            let missing = match (docs, tests) {
                (false, false) => "documents and tests",
                (false, true) => "documents",
                _ => "tests",
            };
            format!("a contract changed without its {missing}: {}", list(paths))
        }
        What::PolicyChanged { what } => {
            let parts: Vec<String> = what.iter().map(|part| (*part).to_owned()).collect();
            format!("the demands themselves changed in this range: {}", list(&parts))
        }
        other => of_record(other),
    }
}

fn of_record(what: &What) -> String {
    match what {
        What::EnvOverrideExpired { expired } => {
            format!("the emergency's override expired on {} and still holds", at(*expired))
        }
        What::PromotedWithoutLiveCheck { .. } => {
            "the winner of a benchmark was promoted with no stage that checks its guardrails live".to_owned()
        }
        What::RecordUnreadable { problem } => format!("the record cannot be trusted: {problem}"),
        What::RecordUnlawful { seq, gate: Some(gate) } => {
            format!("event {seq} of the record is one that gate {} ({}) refuses", gate.number(), gate.name())
        }
        What::RecordUnlawful { seq, gate: None } => {
            format!("event {seq} of the record is not what its gate records")
        }
        What::RecordRewritten { seq } => {
            format!("the record was rewritten: event {seq} is not the one that was there before")
        }
        What::RecordRemoved => "the record was removed".to_owned(),
        What::RecordMissing => "the record is gone here, and the commit checked out has it".to_owned(),
        What::RecordFromFuture { seq, at: moment } => {
            format!("event {seq} claims {}, which lies after the commit that holds it", at(*moment))
        }
        What::RecordBackdated { seq, at: moment, committed } => {
            format!("event {seq} claims {}, but the record was committed without it at {}", at(*moment), at(*committed))
        }
        What::RecordBeforeCommit { seq, at: moment, commit, made } => format!(
            "event {seq} claims {}, but names the commit {}, which was made at {}",
            at(*moment),
            short(commit),
            at(*made)
        ),
        What::DaysUnwitnessed { days, committed } => {
            let days: Vec<String> = days.iter().map(ToString::to_string).collect();
            format!(
                "git is no witness of {}: {} first committed at {}",
                list(&days),
                if days.len() == 1 { "it was" } else { "they were" },
                at(*committed)
            )
        }
        What::RecordUnproven => "a record of the original tool proves nothing".to_owned(),
        What::ClassNeverPasses { class, gate } => format!(
            "gate {} ({}) is demanded, which a change of class {} never passes",
            gate.number(),
            gate.name(),
            class.name()
        ),
        What::GateNotReached { missing, end } => {
            let ended = end.map_or(String::new(), |end| format!(" and is {end}"));
            format!("the change has not passed gate {} ({}){ended}", missing.number(), missing.name())
        }
        What::NotReverted { end, .. } => {
            format!("the change was {}, but its commit was not reverted", end.replace('_', " "))
        }
        other => of_evidence(other),
    }
}

fn of_evidence(what: &What) -> String {
    match what {
        What::PolicyLoosened { what } => {
            let parts: Vec<String> = what.iter().map(|part| (*part).to_owned()).collect();
            format!(
                "the change went past what the config demands where it was validated and still does: {}",
                list(&parts)
            )
        }
        What::BaselineNotFirst { baseline } => {
            format!("the baseline (at {baseline}) does not lie before the commit")
        }
        What::EvidenceAfterTheFact { measured, written } => {
            format!("the baseline was measured at {}, after the commit was written at {}", at(*measured), at(*written))
        }
        What::CommitNotValidated { validated } => {
            let names: Vec<String> = validated.iter().map(|commit| short(commit)).collect();
            format!("the commit is not the one that was validated ({})", list(&names))
        }
        What::RelinkUnproven { old } => {
            format!("the record says that this commit took the place of {}, but it is not the same change", short(old))
        }
        What::ArtifactMissing { uncommitted: false } => "recorded evidence is missing".to_owned(),
        What::ArtifactMissing { uncommitted: true } => "recorded evidence lies here and was not committed".to_owned(),
        What::ArtifactAltered { recorded, found } => {
            format!("evidence was altered: its digest is {}…, recorded was {}…", found.short(), recorded.short())
        }
        What::VerdictsDiffer { problem } => format!("recorded verdicts do not follow from the evidence: {problem}"),
        What::EvidenceIgnored => "recorded evidence is ignored by git, so no clone will have it".to_owned(),
        What::EvidenceSetAside => {
            "this was measured for the change and set aside, and no event of its record knows it: a run was killed, or \
             the record was put back"
                .to_owned()
        }
        What::EvidenceUnknown => "no record knows this evidence file".to_owned(),
        // Every other finding has its sentence above; the code says it where one is forgotten.
        other => other.code(),
    }
}

/// The beginning of a text that anybody may have written.
fn cut(text: &str) -> String {
    const SHOWN: usize = 100;
    let mut shown: String = text.chars().take(SHOWN).collect();
    if text.chars().nth(SHOWN).is_some() {
        shown.push('…');
    }
    shown
}

/// The first digits of a hash.
pub fn short(hash: &str) -> String {
    hash.chars().take(10).collect()
}

fn at(moment: DateTime<Utc>) -> String {
    values::moment(moment)
}

/// The first few of a list, and how many more there are.
fn list(items: &[String]) -> String {
    const SHOWN: usize = 4;
    let mut text = items.iter().take(SHOWN).map(String::as_str).collect::<Vec<_>>().join(", ");
    if items.len() > SHOWN {
        text.push_str(&format!(" and {} more", items.len() - SHOWN));
    }
    text
}
