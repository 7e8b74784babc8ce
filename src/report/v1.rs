//! The original's JSON answers, field by field, for scripts that read them. Must add no field where the original's
//! reader expects a fixed set, and leave none out.

use serde_json::{Value, json};

use crate::model::{ChangeId, Fix, FixContext};
use crate::report::{RefusalView, refusal, values};
use crate::workflow::{Change, Demand, DemandKind, Refusal, view_v1};

/// One change as `change start` and `change list` answer it. `path` is the record's.
pub(crate) fn entry(change: &Change, path: &str) -> Value {
    let (id, opened) = (change.id().as_str(), &change.opened);
    raw_entry(id, &opened.title, view_v1::status(change), &values::stamp(change.opened_at), path)
}

/// The same for a record of the original that this tool has not taken over.
pub(crate) fn raw_entry(change_id: &str, title: &str, status: &str, started_at: &str, path: &str) -> Value {
    json!({ "change_id": change_id, "title": title, "status": status, "started_at": started_at, "path": path })
}

/// The dry run of `change verify`: every unmet demand is a failure, with what meets it.
pub(crate) fn verify_dry_run(change: &Change, demands: &[Demand], warnings: &[String]) -> Value {
    let failures: Vec<String> = demands.iter().filter(|demand| !demand.met).map(|it| failure(it, change)).collect();
    json!({ "change_id": change.id(), "ok": failures.is_empty(), "failures": failures, "warnings": warnings })
}

/// The answer of `change verify --apply`; `applied` tells whether the change was verified by it.
pub(crate) fn verify_apply(change: &Change, demands: &[Demand], warnings: &[String], applied: bool) -> Value {
    let mut answer = json!({ "schema": "vibeship_optimizer.verify_apply.v1" });
    if let (Some(answer), Value::Object(rest)) = (answer.as_object_mut(), verify_dry_run(change, demands, warnings)) {
        answer.extend(rest);
        answer.insert("applied".to_owned(), json!(applied));
    }
    answer
}

/// The answer of `change verify` where something before its demands is the reason.
pub(crate) fn verify_failed(change_id: &ChangeId, reason: &str) -> Value {
    json!({ "change_id": change_id, "ok": false, "failures": [reason], "warnings": [] })
}

/// The answer of `change verify` where a gate before it is the reason: that comes first among the failures.
pub(crate) fn verify_refused(
    change: &Change,
    refused: &Refusal,
    demands: &[Demand],
    apply: bool,
    ctx: &FixContext,
) -> Value {
    let mut answer = match apply {
        false => verify_dry_run(change, demands, &[]),
        true => verify_apply(change, demands, &[], false),
    };
    let view = RefusalView::new(refused, Some(change), ctx);
    let next = view.problem.fixes.iter().find_map(Fix::command);
    let next = next.map_or_else(String::new, |command| format!("; run {command}"));
    let reason = format!("{}{next}", view.sentence());
    // What would meet the demands is refused just so, until the reason is gone.
    let unmet = demands.iter().filter(|demand| !demand.met).map(|it| format!("not met: {}", refusal::demand(it)));
    answer["failures"] = std::iter::once(reason).chain(unmet).collect();
    answer["ok"] = Value::Bool(false);
    answer
}

fn failure(demand: &Demand, change: &Change) -> String {
    let fixes = demand.fixes(change, &FixContext::default());
    let commands: Vec<String> = fixes.iter().filter_map(Fix::command).map(ToString::to_string).collect();
    let words = original_words(&demand.kind).map(|words| format!("{words}; ")).unwrap_or_default();
    let run = if commands.is_empty() { String::new() } else { format!("; run {}", commands.join(", then ")) };
    format!("{words}not met: {}{run}", refusal::demand(demand))
}

/// What the original calls an unmet demand: jobs that it set up keep quiet while this is all that is missing.
fn original_words(kind: &DemandKind) -> Option<String> {
    match kind {
        DemandKind::Ticks { need, have } => {
            Some(format!("insufficient monitor ticks: have {} need {need}", have.len()))
        }
        DemandKind::Window { days, .. } => {
            Some(format!("insufficient monitor ticks: the window of {days} days is open"))
        }
        DemandKind::Attestation { .. } => {
            Some("review attestation missing (review.require_attestation=true)".to_owned())
        }
        DemandKind::CleanGit => Some("git working tree is dirty (require_clean_git=true)".to_owned()),
        DemandKind::FullRollout
        | DemandKind::NoAlarm { .. }
        | DemandKind::Artifacts { .. }
        | DemandKind::Reproduced
        | DemandKind::Clock { .. }
        | DemandKind::FollowUp => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::fixture;

    #[test]
    fn an_entry_has_the_fields_of_the_original() {
        insta::assert_snapshot!(entry(&fixture::passed(3), ".vibeship-optimizer/changes/chg-1.json"), @r#"{"change_id":"chg-1","title":"Shorten the advisory cooldown","status":"validated","started_at":"2026-02-01T09:00:00Z","path":".vibeship-optimizer/changes/chg-1.json"}"#);
    }

    #[test]
    fn an_unmet_demand_is_a_failure_with_what_meets_it() {
        let demands = [
            Demand { met: true, kind: DemandKind::FullRollout },
            Demand { met: false, kind: DemandKind::Ticks { need: 3, have: Vec::new() } },
        ];
        let change = fixture::passed(7);
        insta::assert_snapshot!(verify_apply(&change, &demands, &["w".to_owned()], false), @r#"{"schema":"vibeship_optimizer.verify_apply.v1","change_id":"chg-1","ok":false,"failures":["insufficient monitor ticks: have 0 need 3; not met: measured on 0 of 3 distinct UTC days; run vibeship-optimizer monitor tick --change-id chg-1"],"warnings":["w"],"applied":false}"#);
        assert_eq!(verify_dry_run(&change, &demands[..1], &[])["ok"], true);
    }
}
