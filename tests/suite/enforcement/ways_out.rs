//! Every finding, provoked realistically: running the printed commands fixes it. If no command can, the row says why a
//! person has to.

use std::collections::BTreeSet;

use serde_json::Value;
use vibeship_optimizer::model::Kind;

use crate::enforcement::slips::{forge_at, record_path, since, tracked};
use crate::enforcement::{daily, rendered};
use crate::support::{KEY, Sandbox, variants};

/// How a finding is fixed.
enum Way {
    /// The printed steps of one alternative (0: the first) are run, and the tool's own files committed.
    Fixes(usize, Provoke),
    /// Another test runs the printed commands.
    #[expect(dead_code, reason = "that there is such a test is what counts")]
    Test(fn()),
    /// No command helps, for this reason.
    Person(&'static str),
}

/// A project with the finding, and the base of its range; `None` for a finding in the work tree.
type Provoke = fn() -> (Sandbox, Option<String>);

fn commit(s: &Sandbox, path: &str, text: &str, message: &str) {
    s.write(path, text).git(&["add", "-A", path]);
    s.git(&["commit", "-qm", message]);
}

/// A project with one commit with this message.
fn made(path: &str, text: &str, message: &str) -> (Sandbox, Option<String>) {
    let s = Sandbox::enforced();
    let base = s.head();
    commit(&s, path, text, message);
    (s, Some(base))
}

/// A project with one commit of a change of this class that has its baseline.
fn of_class(class: &str, path: &str) -> (Sandbox, Option<String>) {
    let s = Sandbox::enforced();
    let base = s.head();
    let id = s.opened(class, "x");
    s.take_baseline(&id);
    commit(&s, path, "{\"ttl\": 1}\n", &format!("x\n\n{KEY}: {id}\n"));
    (s, Some(base))
}

fn of_head(s: Sandbox) -> (Sandbox, Option<String>) {
    let base = s.head();
    (s, Some(base))
}

/// A tracked change whose record or evidence was altered and committed.
fn spoiled(how: impl FnOnce(&Sandbox, &str)) -> (Sandbox, Option<String>) {
    let (s, id, _) = tracked();
    let base = s.head();
    how(&s, &id);
    s.commit_evidence();
    (s, Some(base))
}

#[rustfmt::skip]
#[expect(clippy::too_many_lines, reason = "one table")]
fn of_commits() -> Vec<(&'static str, Way)> {
    use Way::{Fixes, Person, Test};
    vec![
        ("COMMIT_WITHOUT_ID", Fixes(1, || made("src/steps.txt", "80\n", "x"))),
        ("TUNEABLES_UNTRACKED", Fixes(1, || made("config/tuneables.json", "{\"ttl\": 1}\n", "x"))),
        ("ENV_OVERRIDE_UNDOCUMENTED", Fixes(0, || made("deploy/a.env", "X=1\n", "x"))),
        ("MALFORMED_ID", Fixes(1, || made("src/steps.txt", "80\n", &format!("x\n\n{KEY}: ../x\n")))),
        ("UNKNOWN_ID", Fixes(2, || made("src/steps.txt", "80\n", &format!("x\n\n{KEY}: chg-nobody\n")))),
        ("SEVERAL_IDS", Fixes(0, || {
            let (s, id, _) = tracked();
            let (s, base) = of_head(s);
            let other = s.opened_beside("y");
            s.take_baseline(&other);
            commit(&s, "src/steps.txt", "70\n", &format!("x\n\n{KEY}: {id}\n{KEY}: {other}\n"));
            (s, base)
        })),
        ("MANY_COMMITS", Fixes(0, || {
            let (s, id, base) = tracked();
            commit(&s, "src/steps.txt", "70\n", &format!("x\n\n{KEY}: {id}\n"));
            (s, Some(base))
        })),
        ("FIXUP_LEFT", Fixes(0, || {
            let (s, _, base) = tracked();
            s.write("src/steps.txt", "79\n").git(&["commit", "-qa", "--no-edit", "--fixup=HEAD"]);
            (s, Some(base))
        })),
        ("MERGE_BRINGS_CONTENT", Fixes(0, || {
            let s = Sandbox::enforced();
            let base = s.head();
            s.git(&["checkout", "-q", "-b", "side"]);
            commit(&s, "notes/n.md", "1\n", "Prose");
            s.git(&["checkout", "-q", "main"]);
            s.git(&["merge", "-q", "--no-ff", "--no-commit", "side"]);
            s.write("src/steps.txt", "1\n").git(&["commit", "-qam", "Merge side"]);
            (s, Some(base))
        })),
        ("REVERT_NOT_EXACT", Fixes(0, || {
            let (s, _, base) = tracked();
            let message = format!("Revert \"Fewer steps\"\n\nThis reverts commit {}.\n", s.head());
            commit(&s, "src/steps.txt", "1000\n", &message);
            (s, Some(base))
        })),
        ("WRONG_CLASS", Fixes(0, || of_class("code", "config/tuneables.json"))),
        ("CONTRACT_WITHOUT_DOCS", Fixes(0, || of_class("code", "contracts/api.txt"))),
        ("ENV_OVERRIDE_EXPIRED", Person("which change takes it over has to be said")),
        ("BASELINE_NOT_FIRST", Person("the change has to be made again")),
        ("EVIDENCE_AFTER_THE_FACT", Person("the change has to be made again")),
        ("COMMIT_NOT_VALIDATED", Fixes(0, || {
            let (s, id, base) = tracked();
            s.run(&["validate", "--change-id", &id]).ok();
            s.commit_evidence();
            let validated = s.git(&["rev-parse", "HEAD^"]);
            s.git(&["checkout", "-q", "-b", "moved", &format!("{validated}^")]);
            commit(&s, "notes/n.md", "1\n", "Prose");
            s.git(&["cherry-pick", &validated, "main"]);
            (s, Some(base))
        })),
        ("RELINK_UNPROVEN", Person("whether it is the same change has to be seen")),
        ("CLASS_NEVER_PASSES", Person("an experiment has to become a change of another class")),
        ("GATE_NOT_REACHED", Person("only `--require` or the config provokes it; the printed command passes the gate that is missing")),
        ("NOT_REVERTED", Test(daily::the_fix_for_a_squash_reverts_the_code_and_keeps_the_record)),
        ("PROMOTED_WITHOUT_LIVE_CHECK", Person("a stage and its check have to be written")),
        ("POLICY_LOOSENED", Person("the record cannot be repaired")),
        ("BUDGET", Person("what is to be won back, or how much may be spent, has to be said")),
        ("POLICY_CHANGED", Person("whoever owns the demands has to review them")),
    ]
}

#[rustfmt::skip]
#[expect(clippy::too_many_lines, reason = "one table")]
fn of_records() -> Vec<(&'static str, Way)> {
    use Way::{Fixes, Person, Test};
    vec![
        ("RECORD_UNREADABLE", Fixes(0, || spoiled(|s, id| {
            let text = s.read(record_path(id));
            s.write(record_path(id), text.replace("-10%", "+90%"));
        }))),
        ("RECORD_UNLAWFUL", Fixes(0, || spoiled(|s, id| {
            forge_at(s, id, 0, |kinds| kinds.push(Kind::Verified { summary: "all good".to_owned() }));
        }))),
        ("RECORD_FROM_FUTURE", Fixes(0, || spoiled(|s, id| {
            forge_at(s, id, 2, |kinds| kinds.push(Kind::Noted { text: "x".to_owned() }));
        }))),
        ("RECORD_BEFORE_COMMIT", Person("which commit added the event has to be seen")),
        ("RECORD_REWRITTEN", Fixes(0, || {
            let (s, id, _) = tracked();
            let base = s.head();
            s.run(&["change", "note", "seen", "--change-id", &id]).ok();
            s.commit_evidence();
            s.git(&["checkout", &base, "--", &record_path(&id)]);
            s.commit_evidence();
            (s, Some(base))
        })),
        ("RECORD_BACKDATED", Fixes(0, || spoiled(|s, id| {
            forge_at(s, id, -2, |kinds| kinds.push(Kind::Noted { text: "x".to_owned() }));
        }))),
        ("RECORD_FORKED", Test(daily::a_day_measured_on_two_branches_that_meet_is_no_rewritten_record)),
        ("RECORD_REMOVED", Test(daily::the_fix_for_a_removed_record_restores_its_evidence_too)),
        ("RECORD_MISSING", Fixes(0, || {
            let (s, id, _) = tracked();
            std::fs::remove_file(s.path(record_path(&id))).unwrap();
            (s, None)
        })),
        ("RECORD_UNPROVEN", Person("what the Python tool wrote carries no evidence")),
        ("DAYS_UNWITNESSED", Person("the days have passed")),
        ("EVIDENCE_SET_ASIDE", Person("whether the record was put back has to be seen")),
        ("ARTIFACT_MISSING", Fixes(0, || {
            let s = Sandbox::enforced();
            let base = s.head();
            let id = s.opened("code", "x");
            s.run(&["snapshot", "--as", "before", "--change-id", &id]).ok();
            s.git(&["add", ".vibeship-optimizer"]);
            s.git(&["commit", "-qm", "Half of it"]);
            (s, Some(base))
        })),
        ("ARTIFACT_ALTERED", Fixes(0, || spoiled(|s, id| {
            let file = format!("reports/optimizer/{id}_before_snapshot.json");
            s.write(&file, s.read(&file).replacen("100", "900", 1));
        }))),
        ("VERDICTS_DIFFER", Person("only edited evidence gets here")),
        ("REPORT_DIFFERS", Test(rendered::a_section_of_the_logbook_that_was_edited_is_told)),
        ("CHANGE_NOT_HERE", Person("whether its commit is to come or was given up has to be decided")),
        ("EVENT_UNSIGNED", Person("who may sign has to be said")),
        ("REMEASURED_DIFFERENTLY", Person("another machine has to measure it")),
        ("NOT_REMEASURED", Person("what it could not be measured by has to be there")),
        ("EVIDENCE_IGNORED", Fixes(0, || {
            let (s, id, _) = tracked();
            let file = format!("reports/optimizer/{id}_before_snapshot.json");
            s.git(&["rm", "-q", "--cached", &file]);
            s.write(".git/info/exclude", "reports/\n");
            (s, None)
        })),
        ("EVIDENCE_UNKNOWN", Person("whether it belongs to a record that was lost has to be seen")),
    ]
}

fn findings(s: &Sandbox, base: Option<&str>) -> Vec<Value> {
    let range = base.map(since);
    let more = range.as_ref().map_or(Vec::new(), |range| vec!["--range", range.as_str()]);
    s.run(&[&["check", "--format", "json"], &more[..]].concat()).json()["findings"].as_array().unwrap().clone()
}

/// Provokes a finding, runs the fix, and checks again; returns what went wrong.
fn walk(code: &str, way: Way) -> Result<(), String> {
    let (alternative, provoke) = match way {
        Way::Fixes(alternative, provoke) => (alternative, provoke),
        Way::Test(_) => return Ok(()),
        Way::Person(why) => return if why.is_empty() { Err("why a person?".to_owned()) } else { Ok(()) },
    };
    let (s, base) = provoke();
    let before = findings(&s, base.as_deref());
    let found = before.iter().find(|found| found["code"] == code).ok_or_else(|| format!("not provoked: {before:?}"))?;
    let mut steps: Vec<Vec<String>> = Vec::new();
    for fix in found["fixes"].as_array().unwrap() {
        let Some(command) = fix["command"].as_str() else { continue };
        // What a user reads from the output: the commit that added it, or the last good one.
        let commit = if command.contains("rebase") { Some(s.head()) } else { base.clone() };
        let command = command.replace("DATE", "24h").replace("COMMIT", &commit.unwrap_or_default());
        match (fix["how"].as_str(), steps.last_mut()) {
            (Some("then"), Some(last)) => last.push(command),
            _ => steps.push(vec![command]),
        }
    }
    s.take(steps.get(alternative).ok_or_else(|| format!("no such alternative: {found}"))?)?;
    let _ = s.try_git(&["add", "-A", ".vibeship-optimizer", "reports", "VIBESHIP_OPTIMIZER.md"]);
    let _ = s.try_git(&["commit", "-qm", "Evidence"]);
    // A warning about the reverted commit may remain, but no new failure.
    let is_as_grave = |it: &&Value| it["code"] == code && it["level"] == found["level"];
    let is_new = |it: &&Value| it["level"] == "fail" && !before.iter().any(|old| old["code"] == it["code"]);
    match findings(&s, base.as_deref()).iter().find(|it| is_as_grave(it) || is_new(it)) {
        Some(wrong) => Err(format!("still found: {wrong}")),
        None => Ok(()),
    }
}

fn follow(table: Vec<(&'static str, Way)>) {
    let failed = table.into_iter().filter_map(|(code, way)| Some(format!("{code}: {}", walk(code, way).err()?)));
    let failed: Vec<String> = failed.collect();
    assert!(failed.is_empty(), "{}", failed.join("\n\n"));
}

#[test]
fn the_printed_fixes_for_commits_work() {
    follow(of_commits());
}

#[test]
fn the_printed_fixes_for_records_and_evidence_work() {
    follow(of_records());
}

#[test]
fn every_finding_has_its_row() {
    let tables = [of_commits(), of_records()];
    let rows: Vec<String> = tables.iter().flatten().map(|(code, _)| code.to_lowercase()).collect();
    let named: BTreeSet<String> = rows.iter().cloned().collect();
    assert_eq!(named, variants("src/audit/finding.rs", "FindingKind").into_iter().collect());
    assert_eq!(named.len(), rows.len(), "a code twice");
}
