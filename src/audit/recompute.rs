//! Recorded verdicts held against the raw evidence: the same files must give them again. Must not read files; the
//! caller hands over their bytes.

use crate::audit::{monitored, session, settings, validation};
use crate::judge::{Comparison, compare};
use crate::model::{Artifact, Judged, Verdict, Verdicts, ingest};
use crate::workflow::Change;

/// What is wrong with a change's measurements and verdicts; `None` when all of them come out again. Missing and
/// altered files are for others to report: `fetch` gives `None` for them.
pub fn problem(change: &Change, fetch: &dyn Fn(&Artifact) -> Option<Vec<u8>>) -> Option<String> {
    monitored::problem(change, fetch)
        .or_else(|| validation_problem(change, fetch))
        .or_else(|| comparison_problem(change, fetch))
}

fn validation_problem(change: &Change, fetch: &dyn Fn(&Artifact) -> Option<Vec<u8>>) -> Option<String> {
    let recorded = change.validation.as_ref()?;
    validation::problem(change, recorded, &fetch(&recorded.artifact)?)
}

fn comparison_problem(change: &Change, fetch: &dyn Fn(&Artifact) -> Option<Vec<u8>>) -> Option<String> {
    let (baseline, after, recorded) = (change.baseline.as_ref()?, change.after.as_ref()?, change.comparison.as_ref()?);
    let (before, after) = (fetch(&baseline.taken.snapshot)?, fetch(&after.taken.snapshot)?);
    let (before, after) = (ingest::parse_snapshot(&before).ok()?, ingest::parse_snapshot(&after).ok()?);
    let pair = match &recorded.pair {
        None => None,
        Some(artifact) => match ingest::parse_pair(&fetch(artifact)?) {
            Ok(pair) => Some(pair),
            Err(error) => return Some(format!("{}: {error}", artifact.path)),
        },
    };
    let file = fetch(&recorded.json)?;
    let stored: Comparison = match serde_json::from_slice(&file) {
        Ok(stored) => stored,
        Err(error) => return Some(format!("{}: {error}", recorded.json.path)),
    };
    let bound = pair.as_ref().zip(recorded.pair.as_ref()).and_then(|(pair, artifact)| {
        Some(format!("{}: {}", artifact.path, session::problem(change, (&before, &after), pair)?))
    });
    let bound = bound.or_else(|| {
        let said = stored.verdicts().is_some_and(|said| first_difference(&recorded.verdicts, &said).is_none());
        let other = (!said).then(|| "its verdicts are not those of the record".to_owned());
        let wrong = settings::problem(&change.contract, &before, &stored.settings).or(other)?;
        Some(format!("{}: {wrong}", recorded.json.path))
    });
    if bound.is_some() {
        return bound;
    }
    let again = compare::compare(&before, &after, pair.as_ref(), &change.contract, &stored.settings);
    let Some(again) = again.verdicts() else { return Some("the contract has no KPI to judge".to_owned()) };
    first_difference(&recorded.verdicts, &again)
}

fn first_difference(recorded: &Verdicts, again: &Verdicts) -> Option<String> {
    let list = |verdicts: &Verdicts| -> Vec<Judged> {
        let (kpi, trigger) = (verdicts.kpi.clone(), verdicts.trigger.clone());
        std::iter::once(kpi).chain(verdicts.guardrails.clone()).chain(trigger).collect()
    };
    let (recorded, again) = (list(recorded), list(again));
    if recorded.len() != again.len() {
        return Some("the record judges other criteria than the contract has".to_owned());
    }
    let pairs = recorded.iter().zip(&again).find(|(one, other)| !same(one, other));
    pairs.map(|pair| match pair {
        (one, other) if one.verdict.outcome() != other.verdict.outcome() => {
            format!("`{}` was recorded as {}, the evidence gives {}", one.criterion, word(one), word(other))
        }
        (one, _) => format!("the numbers of `{}` are not those that the evidence gives", one.criterion),
    })
}

/// Whether two verdicts rest on the same numbers. How many more runs would help is advice, and advice may improve.
fn same(one: &Judged, other: &Judged) -> bool {
    let evidence = |judged: &Judged| match judged.verdict.clone() {
        Verdict::Inconclusive { finding, because, .. } => Verdict::Inconclusive { finding, because, more_runs: None },
        verdict => verdict,
    };
    one.criterion == other.criterion && evidence(one) == evidence(other)
}

fn word(judged: &Judged) -> String {
    format!("{:?}", judged.verdict.outcome()).to_lowercase()
}
