//! Disguised attacks: a merge that drops what it merges, a revert at another place, code under the tool's own file
//! names, an old record in place of a new one, a policy that exempts its own introduction. Each is detected, and
//! similar honest work is not.

use crate::enforcement::slips::{record_path, since, tracked};
use crate::support::{KEY, Sandbox};

fn commit(sandbox: &Sandbox, path: &str, text: &str, message: &str) -> String {
    sandbox.write(path, text);
    sandbox.git(&["add", "-A", "--", path]);
    sandbox.git(&["commit", "-qm", message]);
    sandbox.head()
}

/// Code and level of each finding.
fn levels(sandbox: &Sandbox, range: &str) -> Vec<(String, String)> {
    let out = sandbox.run(&["check", "--range", range, "--format", "json"]).stdout;
    let value: serde_json::Value = serde_json::from_str(&out).unwrap();
    let text = |value: &serde_json::Value| value.as_str().unwrap().to_owned();
    let findings = value["findings"].as_array().unwrap().iter();
    findings.map(|finding| (text(&finding["code"]), text(&finding["level"]))).collect()
}

fn pair(code: &str, level: &str) -> (String, String) {
    (code.to_owned(), level.to_owned())
}

#[test]
fn a_merge_that_drops_a_revert_is_found_and_the_reverted_commit_counts_again() {
    let sandbox = Sandbox::enforced();
    let base = sandbox.head();
    commit(&sandbox, "config/tuneables.json", "{\"ttl\": 1}\n", "Turn the knob");
    sandbox.git(&["checkout", "-q", "-b", "side"]);
    sandbox.git(&["revert", "--no-edit", "HEAD"]);
    sandbox.git(&["checkout", "-q", "main"]);
    let main = commit(&sandbox, "notes/n.md", "1\n", "Prose");
    sandbox.git(&["merge", "-q", "--no-edit", "-s", "ours", "side"]);
    let found = levels(&sandbox, &since(&base));
    assert!(found.contains(&pair("MERGE_BRINGS_CONTENT", "fail")), "{found:?}");
    assert!(found.contains(&pair("TUNEABLES_UNTRACKED", "fail")), "{found:?}");
    sandbox
        .run(&["check", "--range", &since(&base)])
        .exits(1)
        .says(&["config/tuneables.json", "differs from a clean merge"]);
    sandbox.git(&["reset", "-q", "--hard", &main]);
    sandbox.git(&["merge", "-q", "--no-edit", "side"]);
    assert_eq!(
        levels(&sandbox, &since(&base)),
        [pair("TUNEABLES_UNTRACKED", "warn"), pair("TUNEABLES_UNTRACKED", "warn")]
    );
}

#[test]
fn a_merge_that_drops_a_tracked_change_of_the_range_is_found() {
    let (sandbox, _, base) = tracked();
    sandbox.git(&["branch", "side"]);
    sandbox.git(&["reset", "-q", "--hard", "HEAD^"]);
    let main = commit(&sandbox, "notes/n.md", "1\n", "Prose");
    for strategy in [&["-s", "ours"][..], &["-s", "ort"]] {
        sandbox.git(&["reset", "-q", "--hard", &main]);
        sandbox.git(&[&["merge", "-q", "--no-edit"], strategy, &["side"]].concat());
        let expected = if strategy[1] == "ours" { vec!["MERGE_BRINGS_CONTENT"] } else { vec![] };
        assert_eq!(sandbox.codes(&since(&base)), expected, "{strategy:?}");
    }
}

#[test]
fn an_octopus_merge_that_drops_a_change_is_found() {
    let (sandbox, _, base) = tracked();
    sandbox.git(&["branch", "side"]);
    sandbox.git(&["reset", "-q", "--hard", "HEAD^"]);
    sandbox.git(&["checkout", "-q", "-b", "third"]);
    commit(&sandbox, "notes/third.md", "1\n", "Prose");
    sandbox.git(&["checkout", "-q", "main"]);
    let main = commit(&sandbox, "notes/n.md", "1\n", "Prose");
    sandbox.git(&["merge", "-q", "--no-edit", "side", "third"]);
    assert!(sandbox.codes(&since(&base)).is_empty());
    sandbox.git(&["reset", "-q", "--hard", &main]);
    sandbox.git(&["merge", "-q", "--no-edit", "-s", "ours", "side", "third"]);
    let answer = sandbox.run(&["check", "--range", &since(&base)]);
    answer.exits(1).says(&["MERGE_BRINGS_CONTENT", "src/steps.txt"]);
}

#[test]
fn attributes_in_the_range_cannot_fake_a_merge_conflict() {
    let sandbox = Sandbox::enforced();
    let long = |first: &str, last: &str| format!("{first}\n2\n3\n4\n5\n6\n7\n8\n{last}\n");
    commit(&sandbox, "notes/n.md", &long("1", "9"), "Prose");
    let base = sandbox.head();
    sandbox.git(&["checkout", "-q", "-b", "side"]);
    commit(&sandbox, "notes/n.md", &long("1", "nine"), "Prose");
    sandbox.git(&["checkout", "-q", "main"]);
    commit(&sandbox, "notes/n.md", &long("one", "9"), "Prose");
    sandbox.git(&["merge", "-q", "--no-edit", "side"]);
    sandbox.write("notes/n.md", long("evil", "nine"));
    sandbox.git(&["commit", "-qa", "--amend", "--no-edit"]);
    commit(&sandbox, "notes/.gitattributes", "* -merge\n", "Attributes");
    let found = levels(&sandbox, &since(&base));
    assert_eq!(found, [pair("MERGE_BRINGS_CONTENT", "fail")]);
}

fn blocks(one: &str, two: &str, last: &str) -> String {
    let block = |value: &str| format!("limits:\n  a: 1\n  b: 2\n  ttl: {value}\n  c: 3\n  d: 4\n  e: 5\n");
    format!("{}---\n{}---\n{last}\n", block(one), block(two))
}

#[test]
fn a_revert_at_another_place_does_not_count_and_one_beside_later_work_does() {
    let sandbox = Sandbox::enforced();
    commit(&sandbox, "src/limits.yml", &blocks("1", "9", "x"), "Set up");
    let base = sandbox.head();
    let id = sandbox.ready("fewer steps");
    let made = commit(&sandbox, "src/limits.yml", &blocks("9", "9", "x"), &format!("More\n\n{KEY}: {id}\n"));
    let message = format!("Revert\n\nThis reverts commit {made}.\n");
    commit(&sandbox, "src/limits.yml", &blocks("9", "1", "x"), &message);
    assert_eq!(sandbox.codes(&since(&base)), ["REVERT_NOT_EXACT"]);
    // Later work moves the place and changes the lines around it.
    sandbox.git(&["reset", "-q", "--hard", &made]);
    let beside = blocks("9", "9", "x").replacen("  a: 1", "  new: 1\n  a: 7", 1);
    let later = sandbox.opened_beside("other");
    sandbox.take_baseline(&later);
    commit(&sandbox, "src/limits.yml", &beside, &format!("Beside\n\n{KEY}: {later}\n"));
    sandbox.git(&["revert", "--no-edit", &made]);
    assert!(sandbox.codes(&since(&base)).is_empty());
}

#[test]
fn a_revert_under_the_id_of_another_change_is_work_of_that_change() {
    let sandbox = Sandbox::enforced();
    let old = commit(&sandbox, "config/tuneables.json", "{\"ttl\": 1}\n", "Turn the knob");
    let id = sandbox.opened("tuneable", "no baseline");
    sandbox.write("reports/optimizer/notes.md", "x\n");
    sandbox.commit_evidence();
    let base = sandbox.head();
    let message = format!("Revert\n\nThis reverts commit {old}.\n\n{KEY}: {id}\n");
    commit(&sandbox, "config/tuneables.json", "{\"ttl\": 30}\n", &message);
    assert_eq!(sandbox.codes(&since(&base)), ["GATE_NOT_REACHED"]);
    sandbox.git(&["reset", "-q", "--hard", &base]);
    sandbox.take_baseline(&id);
    commit(&sandbox, "config/tuneables.json", "{\"ttl\": 30}\n", &message);
    assert!(sandbox.codes(&since(&base)).is_empty());
}

#[test]
fn a_revert_inherits_no_id_that_has_no_record() {
    let sandbox = Sandbox::enforced();
    let message = format!("Turn the knob\n\n{KEY}: chg-20200101-000000-nobody\n");
    commit(&sandbox, "config/tuneables.json", "{\"ttl\": 1}\n", &message);
    let base = sandbox.head();
    sandbox.git(&["revert", "--no-edit", "HEAD"]);
    assert_eq!(sandbox.codes(&since(&base)), ["TUNEABLES_UNTRACKED"]);
}

#[test]
fn only_plain_files_of_known_names_are_the_tools_own_in_a_commit() {
    let sandbox = Sandbox::enforced();
    let base = sandbox.head();
    let blob = sandbox.git(&["rev-parse", "HEAD:src/steps.txt"]);
    let entries = [
        ("120000", "reports/optimizer/link.json"),
        ("160000", "reports/optimizer/module.md"),
        ("120000", ".vibeship-optimizer/changes"),
        ("160000", ".vibeship-optimizer/snapshots"),
        ("120000", "VIBESHIP_OPTIMIZER.md"),
        ("100755", "reports/optimizer/notes.md"),
        ("100644", ".vibeship-write-x.tmp"),
        ("100644", ".vibeship-optimizer/.vibeship-write-x.tmp"),
        ("100644", "reports/optimizer/.vibeship-write-x.tmp"),
        ("100644", ".vibeship-optimizer/cache/tool.py"),
    ];
    for (mode, path) in entries {
        sandbox.git(&["rm", "-rq", "--cached", "--ignore-unmatch", "--", path]);
        sandbox.git(&["update-index", "--add", "--cacheinfo", &format!("{mode},{blob},{path}")]);
        sandbox.git(&["commit", "-qm", "Evidence"]);
        let codes = sandbox.codes(&since(&base));
        assert!(codes.contains(&"COMMIT_WITHOUT_ID".to_owned()), "{mode} {path}: {codes:?}");
        sandbox.git(&["reset", "-q", "--hard", &base]);
    }
    sandbox.write("reports/optimizer/notes.md", "x\n");
    sandbox.commit_evidence();
    assert!(sandbox.codes(&since(&base)).is_empty());
}

#[test]
fn a_record_replaced_by_one_of_the_original_is_rewritten() {
    let sandbox = Sandbox::enforced();
    let base = sandbox.head();
    let id = sandbox.ready("fewer steps");
    let honest = sandbox.head();
    let old = format!(
        "{{\"schema\": \"vibeship_optimizer.change.v1\", \"change_id\": \"{id}\", \"title\": \"x\", \
         \"status\": \"verified\", \"started_at\": \"2020-01-01T00:00:00Z\"}}\n"
    );
    sandbox.write(record_path(&id), &old);
    sandbox.commit_evidence();
    let answer = sandbox.run(&["check", "--range", &since(&base)]).exits(1).says(&["RECORD_REWRITTEN"]);
    assert!(answer.stdout.contains(&format!("git checkout {} --", &honest[..12])), "{}", answer.stdout);
    assert!(sandbox.codes(&since(&honest)).contains(&"RECORD_REWRITTEN".to_owned()), "against the base too");
    sandbox.git(&["checkout", "-q", &honest, "--", &record_path(&id)]);
    sandbox.commit_evidence();
    assert!(sandbox.codes(&since(&base)).is_empty());
    // A record that always was one of the Python tool proves nothing, and was not rewritten.
    sandbox.git(&["reset", "-q", "--hard", &base]);
    sandbox.write(record_path(&id), &old);
    sandbox.write("reports/optimizer/notes.md", "x\n");
    sandbox.commit_evidence();
    sandbox.write(record_path(&id), old.replace("\"x\"", "\"y\""));
    sandbox.commit_evidence();
    assert_eq!(sandbox.codes(&since(&base)), ["RECORD_UNPROVEN"]);
}

const LOOSE: &str = "contract_docs: {docs: ['**'], tests: ['**']}\n";

/// Commits a change of the contracts surface, together with these files.
fn of_contract(sandbox: &Sandbox, files: &[(&str, &str)]) {
    let id = sandbox.opened_beside("another contract");
    sandbox.take_baseline(&id);
    for (path, text) in files.iter().chain(&[("contracts/api.txt", "2\n"), ("src/steps.txt", "80\n")]) {
        sandbox.write(path, text);
    }
    sandbox.git(&["add", "-A"]);
    sandbox.git(&["commit", "-qm", &format!("Another contract\n\n{KEY}: {id}\n")]);
}

#[test]
fn a_range_that_loosens_the_contract_docs_must_still_have_them() {
    let sandbox = Sandbox::enforced();
    let base = sandbox.head();
    let config = sandbox.read("vibeship_optimizer.yml");
    for loose in [LOOSE, "contract_docs: {docs: [], tests: []}\n"] {
        sandbox.git(&["reset", "-q", "--hard", &base]);
        of_contract(&sandbox, &[("vibeship_optimizer.yml", &format!("{config}{loose}"))]);
        assert_eq!(sandbox.codes(&since(&base)), ["CONTRACT_WITHOUT_DOCS", "POLICY_CHANGED"], "{loose}");
    }
    sandbox.git(&["reset", "-q", "--hard", &base]);
    let files =
        [("vibeship_optimizer.yml", &*format!("{config}{LOOSE}")), ("docs/api.md", "2\n"), ("tests/api.py", "2\n")];
    of_contract(&sandbox, &files);
    assert_eq!(sandbox.codes(&since(&base)), ["POLICY_CHANGED"]);
    // Once the base has it, it applies.
    let later = sandbox.head();
    of_contract(&sandbox, &[("src/more.txt", "1\n")]);
    assert!(sandbox.codes(&since(&later)).is_empty());
}

#[test]
fn the_first_config_of_a_project_applies_from_its_own_range_on() {
    let sandbox = Sandbox::enforced();
    let config = sandbox.read("vibeship_optimizer.yml");
    sandbox.git(&["rm", "-rq", "vibeship_optimizer.yml", ".vibeship-optimizer", "VIBESHIP_OPTIMIZER.md"]);
    sandbox.git(&["commit", "-qm", "Without the tool"]);
    let base = sandbox.head();
    let docs = "contract_docs: {docs: ['manual/**'], tests: ['check/**']}\n";
    sandbox.write(".vibeship-optimizer/config.yml", format!("{config}{docs}"));
    sandbox.run(&["init", "--no-prompt"]).ok();
    sandbox.git(&["add", "-A"]);
    sandbox.git(&["commit", "-qm", "Adopt the tool"]);
    assert!(sandbox.codes(&since(&base)).is_empty());
    of_contract(&sandbox, &[("manual/api.txt", "2\n"), ("check/api.txt", "2\n")]);
    assert!(sandbox.codes(&since(&base)).is_empty());
}

#[test]
fn commits_dated_in_the_future_prove_no_event_in_the_future() {
    let (sandbox, id, base) = tracked();
    crate::enforcement::slips::shift(&sandbox, &id, 3 * 24 * 60);
    sandbox.git(&["reset", "-q", "--soft", &base]);
    sandbox.git(&["add", "-A"]);
    let mut git = sandbox.command("git");
    let later = "2090-01-01T00:00:00Z";
    git.args(["commit", "-qm", &format!("Fewer steps\n\n{KEY}: {id}\n"), "--date", later])
        .env("GIT_COMMITTER_DATE", later);
    assert!(git.status().unwrap().success());
    let codes = sandbox.codes(&since(&base));
    assert!(codes.contains(&"RECORD_FROM_FUTURE".to_owned()), "{codes:?}");
}

#[test]
fn code_beside_a_tuneable_is_no_tuneable_change_and_prose_beside_it_is() {
    let sandbox = Sandbox::enforced();
    let config =
        sandbox.read("vibeship_optimizer.yml").replace("cmd: 'git show :src/steps.txt'", "file: src/steps.txt");
    commit(&sandbox, "vibeship_optimizer.yml", &config, "A KPI in a file");
    let base = sandbox.head();
    let id = sandbox.opened("tuneable", "lower");
    sandbox.take_baseline(&id);
    sandbox.write("config/tuneables.json", "{\"ttl\": 1}\n");
    sandbox.write("src/steps.txt", "80\n");
    sandbox.write("README.md", "Why.\n");
    sandbox.git(&["add", "config", "src", "README.md"]);
    sandbox.git(&["commit", "-qm", "Turn the knob", "--trailer", &format!("{KEY}: {id}")]);
    assert!(!sandbox.codes(&since(&base)).contains(&"WRONG_CLASS".to_owned()));
    sandbox.run(&["validate", "--change-id", &id]).ok();
    sandbox.write("src/app.sh", "echo 1\n");
    sandbox.git(&["add", "src"]);
    sandbox.git(&["commit", "-q", "--amend", "--no-edit"]);
    sandbox.run(&["validate", "--change-id", &id]).exits(1).says(&["src/app.sh", "--class code"]);
    assert!(sandbox.codes(&since(&base)).contains(&"WRONG_CLASS".to_owned()));
}
