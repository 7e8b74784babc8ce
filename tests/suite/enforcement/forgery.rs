//! Forgeries by people who know how the range check works: reverts that remove nothing, ids borrowed from merges, ids
//! used for any commit. Each is detected, and the similar honest case passes.

use chrono::{Duration, SecondsFormat, Utc};

use crate::enforcement::forged::edit;
use crate::enforcement::slips::{self, forge, forge_at, record_path, since, tracked};
use crate::support::{KEY, Sandbox};

fn commit(sandbox: &Sandbox, path: &str, text: &str, message: &str) -> String {
    sandbox.write(path, text);
    sandbox.git(&["add", "-A", "--", path]);
    sandbox.git(&["commit", "-qm", message]);
    sandbox.head()
}

fn named(id: &str) -> String {
    format!("Change it\n\n{KEY}: {id}\n")
}

/// Advances the clock by this many days and a minute; returns the new time.
fn in_days(sandbox: &Sandbox, days: i64) -> String {
    let then = Utc::now() + Duration::days(days) + Duration::minutes(1);
    let then = then.to_rfc3339_opts(SecondsFormat::Secs, true);
    sandbox.set("VIBESHIP_OPTIMIZER_TEST_NOW", &then);
    then
}

#[track_caller]
fn reverted(sandbox: &Sandbox, commit: &str) -> String {
    sandbox.git(&["revert", "--no-edit", commit]);
    sandbox.head()
}

/// Codes of the failing findings.
#[track_caller]
fn fails(sandbox: &Sandbox, range: &str, more: &[&str]) -> Vec<String> {
    let out = sandbox.run(&[&["check", "--range", range, "--format", "json"], more].concat()).stdout;
    let value: serde_json::Value = serde_json::from_str(&out).unwrap();
    let failing = value["findings"].as_array().unwrap().iter().filter(|finding| finding["level"] == "fail");
    failing.map(|finding| finding["code"].as_str().unwrap().to_owned()).collect()
}

/// A promoted change, with everything committed.
fn promoted() -> (Sandbox, String, String) {
    let (sandbox, id, base) = tracked();
    slips::compare(&sandbox, &id);
    sandbox.run(&["change", "promote", "--change-id", &id]).ok();
    sandbox.commit_evidence();
    (sandbox, id, base)
}

#[test]
fn a_revert_of_a_revert_is_work_of_the_change_again_in_whatever_push() {
    let sandbox = Sandbox::enforced();
    let start = sandbox.head();
    let id = sandbox.opened("code", "nothing proven");
    sandbox.write("reports/optimizer/notes.md", "x\n");
    sandbox.commit_evidence();
    let evil = commit(&sandbox, "src/evil.sh", "evil\n", &named(&id));
    let back = reverted(&sandbox, &evil);
    assert_eq!(sandbox.codes(&since(&start)), [""; 0], "nothing is left of it");
    let again = reverted(&sandbox, &back);
    assert_eq!(sandbox.codes(&since(&back)), ["GATE_NOT_REACHED"], "in a push of its own");
    assert_eq!(sandbox.codes(&since(&start)), ["GATE_NOT_REACHED"], "in one push");
    let out = reverted(&sandbox, &again);
    assert_eq!(sandbox.codes(&since(&start)), [""; 0]);
    reverted(&sandbox, &out);
    assert_eq!(sandbox.codes(&since(&out)), ["GATE_NOT_REACHED"], "however often");
    // An ended change cannot be brought back this way either.
    let (sandbox, id, _) = tracked();
    let made = sandbox.head();
    sandbox.run(&["change", "reject", "--change-id", &id, "--reason", "no"]).ok();
    sandbox.commit_evidence();
    let back = reverted(&sandbox, &made);
    reverted(&sandbox, &back);
    assert_eq!(sandbox.codes(&since(&back)), ["NOT_REVERTED"]);
}

#[test]
fn a_promoted_change_may_be_taken_out_and_brought_back() {
    let (sandbox, _, base) = promoted();
    let made = sandbox.git(&["rev-parse", "HEAD^"]);
    let back = reverted(&sandbox, &made);
    reverted(&sandbox, &back);
    for from in [&base, &back] {
        assert_eq!(sandbox.codes_with(&since(from), &["--require", "promoted"]), [""; 0]);
    }
}

#[test]
fn a_revert_only_reverts_commits_in_its_own_history() {
    for ids in [true, false] {
        let sandbox = Sandbox::enforced();
        let id = sandbox.opened("code", "nothing proven");
        sandbox.write("reports/optimizer/notes.md", "x\n");
        sandbox.commit_evidence();
        let base = sandbox.head();
        let message = if ids { named(&id) } else { "Change it".to_owned() };
        let evil = commit(&sandbox, "src/limit.txt", "50\n", &message);
        sandbox.git(&["checkout", "-q", "-b", "side", &base]);
        let twin = commit(&sandbox, "src/limit.txt", "50\n", &format!("Again: {message}"));
        sandbox.git(&["rm", "-q", "src/limit.txt"]);
        let both = format!("Back\n\nThis reverts commit {twin}.\n\nThis reverts commit {evil}.\n");
        sandbox.git(&["commit", "-qm", &both]);
        sandbox.git(&["checkout", "-q", "main"]);
        sandbox.git(&["merge", "-q", "--no-ff", "-m", "Merge side", "side"]);
        let found = fails(&sandbox, &since(&base), &[]);
        assert!(found.contains(&"REVERT_NOT_EXACT".to_owned()), "{found:?}");
        let stands = if ids { "GATE_NOT_REACHED" } else { "COMMIT_WITHOUT_ID" };
        assert!(found.contains(&stands.to_owned()), "{found:?}");
        sandbox.run(&["check", "--range", &since(&base)]).exits(1).says(&["which is not in its history"]);
    }
}

#[test]
fn new_code_is_no_revert_of_a_commit_that_nobody_merged() {
    let (sandbox, id, _) = promoted();
    let base = sandbox.head();
    sandbox.git(&["checkout", "-q", "-b", "other"]);
    commit(&sandbox, "src/evil.sh", "evil\n", "In");
    sandbox.git(&["rm", "-q", "src/evil.sh"]);
    sandbox.git(&["commit", "-qm", &named(&id)]);
    let out = sandbox.head();
    sandbox.git(&["checkout", "-q", "main"]);
    reverted(&sandbox, &out);
    assert!(fails(&sandbox, &since(&base), &[]).contains(&"REVERT_NOT_EXACT".to_owned()));
}

#[test]
fn a_revert_inherits_no_id_from_a_merges_message() {
    let (sandbox, id, start) = promoted();
    let base = sandbox.head();
    sandbox.git(&["checkout", "-q", "-b", "old", &start]);
    sandbox.git(&["commit", "-q", "--allow-empty", "-m", "Nothing"]);
    sandbox.git(&["merge", "-q", "--no-ff", "-m", &named(&id), "main"]);
    let merge = sandbox.head();
    sandbox.git(&["revert", "-n", "-m", "1", &merge]);
    let own = [".vibeship-optimizer", "reports/optimizer", "VIBESHIP_OPTIMIZER.md"];
    sandbox.git(&[&["checkout", "HEAD", "--"][..], &own].concat());
    let back = format!("Back\n\nThis reverts commit {merge}, reversing\nchanges.\n");
    sandbox.git(&["commit", "-qm", &back]);
    assert_eq!(fails(&sandbox, &since(&base), &[]), ["COMMIT_WITHOUT_ID"]);
}

#[test]
fn reverting_an_honest_merge_inherits_the_ids_of_its_commits() {
    let sandbox = Sandbox::enforced();
    let base = sandbox.head();
    sandbox.git(&["checkout", "-q", "-b", "side"]);
    let id = sandbox.ready("fewer steps");
    commit(&sandbox, "src/steps.txt", "80\n", &named(&id));
    commit(&sandbox, "notes/n.md", "1\n", "Prose");
    sandbox.git(&["checkout", "-q", "main"]);
    sandbox.git(&["merge", "-q", "--no-ff", "--no-edit", "side"]);
    let merged = sandbox.head();
    sandbox.git(&["revert", "--no-edit", "-n", "-m", "1", "HEAD"]);
    sandbox.git(&["checkout", "-q", "HEAD", "--", ".vibeship-optimizer", "reports", "VIBESHIP_OPTIMIZER.md"]);
    sandbox.git(&["commit", "-qm", &format!("Back\n\nThis reverts commit {merged}, reversing\nit.\n")]);
    for from in [&base, &merged] {
        assert_eq!(sandbox.codes(&since(from)), [""; 0]);
    }
    // If it is brought back, it has to pass the required gate.
    reverted(&sandbox, "HEAD");
    assert_eq!(sandbox.codes_with("HEAD^..HEAD", &["--require", "promoted"]), ["GATE_NOT_REACHED"]);
}

#[test]
fn reverting_a_merge_brings_back_what_a_revert_in_it_took_out() {
    let sandbox = Sandbox::enforced();
    let start = sandbox.head();
    let id = sandbox.opened("code", "nothing proven");
    sandbox.write("reports/optimizer/notes.md", "x\n");
    sandbox.commit_evidence();
    let evil = commit(&sandbox, "src/evil.sh", "evil\n", &named(&id));
    sandbox.git(&["checkout", "-q", "-b", "side"]);
    reverted(&sandbox, &evil);
    let made = commit(&sandbox, "src/w.sh", "w\n", &named(&id));
    reverted(&sandbox, &made);
    sandbox.git(&["checkout", "-q", "main"]);
    sandbox.git(&["merge", "-q", "--no-ff", "-m", "Merge", "side"]);
    let merge = sandbox.head();
    assert_eq!(sandbox.codes(&since(&start)), [""; 0], "nothing is left of it");
    sandbox.git(&["revert", "--no-edit", "-m", "1", &merge]);
    assert!(fails(&sandbox, &since(&start), &[]).contains(&"GATE_NOT_REACHED".to_owned()), "in one push");
    assert!(fails(&sandbox, &since(&merge), &[]).contains(&"GATE_NOT_REACHED".to_owned()), "in a push of its own");
}

/// A rollback may involve resolving a conflict; a second revert of the same commit may not.
#[test]
fn a_rolled_back_commit_cannot_be_reverted_again_with_other_content() {
    let (sandbox, id, _) = promoted();
    let work = sandbox.git(&["log", "-1", "--format=%H", "--", "src/steps.txt"]);
    sandbox.run(&["change", "rollback", "--change-id", &id, "--reason", "it hurt", "--apply"]).ok();
    sandbox.commit_evidence();
    commit(&sandbox, "src/steps.txt", "60\n", "Others' work\n");
    let base = sandbox.head();
    commit(&sandbox, "src/steps.txt", "evil\n", &format!("Again\n\nThis reverts commit {work}.\n"));
    assert!(fails(&sandbox, &since(&base), &[]).contains(&"REVERT_NOT_EXACT".to_owned()));
}

#[test]
fn an_emergency_has_one_commit_and_none_after_its_end() {
    let sandbox = Sandbox::enforced();
    let id = sandbox.emergency("stop it", "2d");
    sandbox.write("reports/optimizer/notes.md", "x\n");
    commit(&sandbox, "src/stop.txt", "1\n", &named(&id));
    sandbox.commit_evidence();
    let base = sandbox.head();
    commit(&sandbox, "src/evil.sh", "evil\n", &named(&id));
    assert_eq!(sandbox.codes_with(&since(&base), &["--require", "promoted"]), ["MANY_COMMITS"]);
    // If it is held, its work stays in effect and so does its expiry.
    sandbox.git(&["reset", "-q", "--hard", &base]);
    sandbox.run(&["change", "hold", "--change-id", &id, "--reason", "over"]).ok();
    sandbox.commit_evidence();
    in_days(&sandbox, 3);
    sandbox.run(&["check"]).exits(1).says(&["ENV_OVERRIDE_EXPIRED"]);
    reverted(&sandbox, "HEAD~2");
    sandbox.run(&["check"]).never_says(&["ENV_OVERRIDE_EXPIRED"]);
    // Reverting that revert restores the override.
    let base = sandbox.head();
    reverted(&sandbox, "HEAD");
    assert!(fails(&sandbox, &since(&base), &[]).contains(&"ENV_OVERRIDE_EXPIRED".to_owned()));
    // An ended emergency whose override was a switch: no commit can be part of it any more.
    let sandbox = Sandbox::enforced();
    let id = sandbox.emergency("stop it", "2d");
    sandbox.write("reports/optimizer/notes.md", "x\n");
    sandbox.run(&["change", "hold", "--change-id", &id, "--reason", "over"]).ok();
    sandbox.commit_evidence();
    let base = sandbox.head();
    commit(&sandbox, "src/evil.sh", "evil\n", &named(&id));
    assert_eq!(sandbox.codes_with(&since(&base), &["--require", "promoted"]), ["COMMIT_NOT_VALIDATED"]);
    sandbox.run(&["check", "--range", &since(&base)]).exits(1).says(&["made after the change was held"]);
}

#[test]
fn a_validation_without_a_commit_is_bound_to_the_code() {
    // The tuneable is in a file that git ignores.
    let sandbox = Sandbox::enforced();
    let config = sandbox
        .read("vibeship_optimizer.yml")
        .replace("[config/tuneables.json]", "[config/tuneables.json, local.json]");
    sandbox.write("vibeship_optimizer.yml", &config);
    sandbox.write(".gitignore", "local.json\n");
    sandbox.write("local.json", "{\"cache\": 1}\n");
    sandbox.git(&["add", "-A"]);
    sandbox.git(&["commit", "-qm", "Read a local file"]);
    let id = sandbox.opened("tuneable", "a larger cache");
    sandbox.take_baseline(&id);
    sandbox.write("local.json", "{\"cache\": 2}\n");
    sandbox.run(&["validate", "--change-id", &id]).ok();
    sandbox.commit_evidence();
    let base = sandbox.head();
    commit(&sandbox, "config/tuneables.json", "{\"ttl\": 9}\n", &named(&id));
    assert_eq!(sandbox.codes(&since(&base)), ["COMMIT_NOT_VALIDATED"]);
    assert!(sandbox.read(record_path(&id)).contains("validated"));
}

/// A file with two similar sections.
fn sections(test: &str, production: &str) -> String {
    let section = |name: &str, workers: &str| {
        let filler = "a = 1\nb = 2\nc = 3\n";
        format!("[{name}]\n{filler}{filler}workers = {workers}\n{filler}{filler}")
    };
    section("test", test) + &section("production", production)
}

#[test]
fn the_same_lines_at_another_place_are_another_change() {
    let sandbox = Sandbox::enforced();
    sandbox.git(&["checkout", "-q", "-b", "work"]);
    sandbox.write("src/pool.ini", sections("8", "8"));
    sandbox.git(&["add", "src"]);
    sandbox.git(&["commit", "-qm", "Set up"]);
    let base = sandbox.head();
    let id = sandbox.ready("more workers");
    let made = commit(&sandbox, "src/pool.ini", &sections("16", "8"), &named(&id));
    // A second commit makes the same edit at another place; only a baseline is required.
    commit(&sandbox, "src/pool.ini", &sections("16", "16"), &named(&id));
    assert_eq!(sandbox.codes(&since(&made)), ["MANY_COMMITS"]);
    sandbox.git(&["reset", "-q", "--hard", &made]);
    sandbox.run(&["validate", "--change-id", &id]).ok();
    sandbox.commit_evidence();
    let honest = sandbox.head();
    sandbox.git(&["checkout", "-q", "-b", "moved", &format!("{made}^")]);
    commit(&sandbox, "notes/n.md", "1\n", "Prose");
    let other = commit(&sandbox, "src/pool.ini", &sections("8", "16"), &named(&id));
    sandbox.git(&["checkout", "-q", &honest, "--", ".vibeship-optimizer", "reports"]);
    sandbox.commit_evidence();
    assert_eq!(sandbox.run(&["change", "relink", "--change-id", &id]).code, 1, "it is another place");
    let moved = vibeship_optimizer::model::Kind::Relinked { commits: vec![(made, other)], by: "patch-id".to_owned() };
    forge(&sandbox, &id, |kinds| kinds.push(moved));
    sandbox.commit_evidence();
    assert!(sandbox.codes(&since(&base)).contains(&"RELINK_UNPROVEN".to_owned()));
}

#[test]
fn a_squash_with_files_that_need_no_change_is_found_again_and_one_with_more_is_not() {
    for (beside, relinked) in [("notes/n.md", true), ("src/evil.sh", false)] {
        let (sandbox, id, base) = tracked();
        sandbox.run(&["validate", "--change-id", &id]).ok();
        sandbox.commit_evidence();
        commit(&sandbox, beside, "1\n", "Beside");
        sandbox.git(&["checkout", "-q", "-b", "squashed", &base]);
        commit(&sandbox, "notes/moved.md", "1\n", "Main moved on");
        sandbox.git(&["merge", "-q", "--squash", "main"]);
        sandbox.git(&["commit", "-qm", "Squashed (#1)"]);
        let answer = sandbox.run(&["change", "relink", "--change-id", &id]);
        assert_eq!(answer.code == 0, relinked, "{beside}: {}{}", answer.stdout, answer.stderr);
        if relinked {
            sandbox.commit_evidence();
            assert_eq!(sandbox.codes(&since(&base)), [""; 0]);
        }
    }
}

/// A project with the config in the state directory, as `init` does, and a test that the change fails.
fn with_own_config() -> (Sandbox, String) {
    let sandbox = Sandbox::enforced();
    let config =
        sandbox.read("vibeship_optimizer.yml").replace("test: git --version", "test: git cat-file -e HEAD:no-such");
    sandbox.git(&["mv", "vibeship_optimizer.yml", ".vibeship-optimizer/config.yml"]);
    sandbox.write(".vibeship-optimizer/config.yml", &config);
    sandbox.git(&["commit", "-qam", "Move the config"]);
    let base = sandbox.head();
    (sandbox, base)
}

fn reconfigure(sandbox: &Sandbox, from: &str, to: &str) {
    let config = sandbox.read(".vibeship-optimizer/config.yml");
    assert!(config.contains(from), "{config}");
    sandbox.write(".vibeship-optimizer/config.yml", config.replace(from, to));
    sandbox.git(&["commit", "-qam", "Evidence"]);
}

#[test]
fn a_change_is_not_judged_by_a_config_that_its_own_range_changed() {
    for (from, to, key) in [
        ("git cat-file -e HEAD:no-such", "git --version", "commands.test"),
        ("show :src/steps.txt", "show :src/other.txt", "kpis.steps.cmd"),
    ] {
        let (sandbox, base) = with_own_config();
        sandbox.write("src/other.txt", "100\n");
        sandbox.git(&["add", "src"]);
        reconfigure(&sandbox, from, to);
        let id = sandbox.ready("fewer steps");
        sandbox.write("src/steps.txt", "80\n");
        sandbox.git(&["add", "src"]);
        sandbox.git(&["commit", "-qm", &named(&id)]);
        assert!(fails(&sandbox, &since(&base), &[]).contains(&"POLICY_CHANGED".to_owned()), "{key}");
        let said = sandbox.run(&["check", "--range", &since(&base)]).exits(1).says(&[key, "was ", "now "]);
        assert!(
            said.stdout.contains("warn POLICY_CHANGED") && said.stdout.contains("fail POLICY_CHANGED"),
            "{}",
            said.stdout
        );
    }
    // A separate config commit before or after is only a warning; an additional metric weakens nothing.
    let (sandbox, base) = with_own_config();
    reconfigure(&sandbox, "git cat-file -e HEAD:no-such", "git --version");
    assert_eq!(fails(&sandbox, &since(&base), &[]), [""; 0]);
    let base = sandbox.head();
    reconfigure(&sandbox, "kpis:\n", "kpis:\n  - {name: more, file: src/steps.txt, better: lower}\n");
    let id = sandbox.ready("fewer steps");
    commit(&sandbox, "src/steps.txt", "80\n", &named(&id));
    reconfigure(&sandbox, "name: more", "name: most");
    assert_eq!(sandbox.codes(&since(&base)), ["POLICY_CHANGED"]);
}

#[test]
fn an_ambiguous_name_is_refused_as_a_base() {
    let sandbox = Sandbox::enforced();
    let clone = sandbox.home().join("clone");
    sandbox.git(&["clone", "-q", sandbox.root().to_str().unwrap(), clone.to_str().unwrap()]);
    std::fs::write(clone.join("src/steps.txt"), "80\n").unwrap();
    sandbox.git_in(&clone, &["commit", "-qam", "No id"]);
    let check = |base: &str| sandbox.run_in(&clone, &["check", "--range", &format!("{base}..HEAD")]);
    check("origin/main").exits(1).says(&["COMMIT_WITHOUT_ID"]);
    let base = sandbox.head();
    sandbox.git_in(&clone, &["tag", "origin/main"]);
    sandbox.git_in(&clone, &["branch", &base[..8]]);
    for (name, meanings) in [
        ("origin/main", ["refs/tags/origin/main", "refs/remotes/origin/main"]),
        (&base[..8], [&*format!("refs/heads/{}", &base[..8]), &*format!("commit {base}")]),
    ] {
        let answer = check(name);
        assert_eq!(answer.code, 2, "{}{}", answer.stdout, answer.stderr);
        assert!(meanings.iter().all(|meaning| answer.stderr.contains(meaning)), "{}", answer.stderr);
    }
    sandbox.git_in(&clone, &["tag", "HEAD", &base]);
    let head = sandbox.git_in(&clone, &["rev-parse", "-q", "HEAD"]);
    check(&base).exits(2).says(&["refs/tags/HEAD or commit ", head.trim()]);
    sandbox.git_in(&clone, &["tag", "-d", "HEAD"]);
    check("refs/remotes/origin/main").exits(1).says(&["COMMIT_WITHOUT_ID"]);
    check(&base).exits(1).says(&["COMMIT_WITHOUT_ID"]);
}

#[test]
fn the_check_refuses_an_ambiguous_project() {
    let sandbox = Sandbox::enforced();
    let base = sandbox.head();
    let in_api = |more: &[&str]| {
        sandbox.run_in(&sandbox.root().join("api"), &[&["check", "--range", &since(&base)][..], more].concat())
    };
    commit(&sandbox, "api/vibeship_optimizer.yml", "version: 1\n", "Mine");
    let answer = in_api(&[]);
    assert_eq!(answer.code, 2, "{}{}", answer.stdout, answer.stderr);
    assert!(answer.stderr.contains("work tree/ and ") && answer.stderr.contains("work tree/api/"), "{}", answer.stderr);
    assert_ne!(in_api(&["-C", "."]).code, 2, "named, it is clear");
    sandbox.git(&["reset", "-q", "--hard", &base]);
    commit(&sandbox, ".vibeship_optimizer/config.yml", "version: 1\n", "Mine");
    commit(&sandbox, ".vibeship-optimizer/config.yml", "version: 1\n", "Mine");
    // The work tree has only one of them, the range has both.
    std::fs::remove_dir_all(sandbox.root().join(".vibeship_optimizer")).unwrap();
    let answer = sandbox.run(&["check", "--range", &since(&base)]);
    assert_eq!(answer.code, 2, "{}{}", answer.stdout, answer.stderr);
    assert!(answer.stderr.contains(".vibeship-optimizer and .vibeship_optimizer"), "{}", answer.stderr);
    // A project that moves to the root brings its own requirements; those of its old place apply as well.
    sandbox.git(&["reset", "-q", "--hard", &base]);
    std::fs::create_dir_all(sandbox.root().join("app")).unwrap();
    let parts = [".vibeship-optimizer", "VIBESHIP_OPTIMIZER.md", "vibeship_optimizer.yml"];
    parts.iter().chain(&["src"]).for_each(|part| drop(sandbox.git(&["mv", part, &format!("app/{part}")])));
    sandbox.git(&["commit", "-qm", "Move down"]);
    let base = sandbox.head();
    parts.iter().for_each(|part| drop(sandbox.git(&["mv", &format!("app/{part}"), part])));
    let loose = "version: 1\nenforcement: {exempt: [{paths: ['**'], reason: x}]}\n";
    sandbox.write("vibeship_optimizer.yml", loose).write("app/src/evil.sh", "evil\n");
    sandbox.git(&["add", "-A"]);
    sandbox.git(&["commit", "-qm", "Move up"]);
    let answer = sandbox.run_in(&sandbox.root().join("app"), &["check", "--range", &since(&base)]);
    let _ = answer.exits(1).says(&["fail TUNEABLES_UNTRACKED", "Move up", "POLICY_CHANGED"]);
}

#[test]
fn data_that_a_change_adds_under_the_tools_names_is_reported() {
    let sandbox = Sandbox::enforced();
    let base = sandbox.head();
    let id = sandbox.ready("fewer steps");
    sandbox.improve_steps();
    sandbox.write(".vibeship-optimizer/reports/p.txt", "1\n");
    sandbox.git(&["add", "-A"]);
    sandbox.git(&["commit", "-qm", &named(&id)]);
    assert_eq!(sandbox.codes(&since(&base)), ["EVIDENCE_UNKNOWN"]);
}

#[test]
fn a_check_without_an_answer_from_git_is_an_error() {
    let (sandbox, _, _) = promoted();
    sandbox.run(&["check"]).ok();
    sandbox.write(".git/HEAD", "ref: refs/heads/../../x\n");
    assert_eq!(sandbox.run(&["check"]).code, 2);
}

#[test]
fn evidence_that_the_range_removes_is_found_for_every_change() {
    let (sandbox, id, _) = promoted();
    let base = sandbox.head();
    sandbox.git(&["rm", "-q", &format!("reports/optimizer/{id}_before_snapshot.json")]);
    sandbox.git(&["commit", "-qm", "Tidy up"]);
    assert!(fails(&sandbox, &since(&base), &[]).contains(&"ARTIFACT_MISSING".to_owned()));
}

#[test]
fn a_trailer_under_its_old_name_counts_in_the_range_that_renames_it() {
    let (sandbox, id, _) = tracked();
    let base = sandbox.head();
    let config = sandbox.read("vibeship_optimizer.yml").replace("  require:", "  trailer: Tuning\n  require:");
    commit(&sandbox, "vibeship_optimizer.yml", &config, "Another key");
    commit(&sandbox, "src/steps.txt", "1\n", &format!("More\n\nTuning: {id}\n"));
    let found = fails(&sandbox, &since(&base), &[]);
    assert!(found.contains(&"MANY_COMMITS".to_owned()), "{found:?}");
}

#[test]
fn a_commit_from_before_the_key_was_renamed_stays_one_of_its_change() {
    let sandbox = Sandbox::enforced();
    let id = sandbox.emergency("stop it", "2d");
    commit(&sandbox, "src/stop.sh", "stop\n", &named(&id));
    sandbox.write("reports/optimizer/notes.md", "x\n");
    sandbox.commit_evidence();
    let config = sandbox.read("vibeship_optimizer.yml").replace("  require:", "  trailer: Tuning\n  require:");
    commit(&sandbox, "vibeship_optimizer.yml", &config, "Another key");
    commit(&sandbox, "notes/n.md", "n\n", &format!("Notes on {id}"));
    let base = sandbox.head();
    commit(&sandbox, "src/more.sh", "more\n", &format!("More\n\nTuning: {id}\n"));
    assert_eq!(sandbox.codes_with(&since(&base), &["--require", "promoted"]), ["MANY_COMMITS"]);
}

#[test]
fn commits_before_the_setup_are_not_checked_and_no_range_can_claim_to_be_older() {
    let sandbox = Sandbox::enforced();
    sandbox.git(&["rm", "-q", "vibeship_optimizer.yml"]);
    sandbox.git(&["rm", "-rq", ".vibeship-optimizer", "VIBESHIP_OPTIMIZER.md"]);
    let old = commit(&sandbox, "src/steps.txt", "90\n", "From before the tool");
    sandbox.run(&["init", "--no-prompt"]).ok();
    assert!(sandbox.read(".vibeship-optimizer/config.yml").contains(&format!("since: {old}")));
    sandbox.git(&["add", "-A"]);
    sandbox.git(&["commit", "-qm", "Adopt the tool"]);
    commit(&sandbox, "README.md", "What it is.\n", "Prose");
    commit(&sandbox, ".github/workflows/ci.yml", "on: push\n", "CI");
    for range in ["..HEAD", &since(&old)] {
        assert_eq!(sandbox.codes(range), [""; 0], "{range}");
    }
    let base = sandbox.head();
    let evil = commit(&sandbox, "src/steps.txt", "1\n", "No id");
    let config = sandbox.read(".vibeship-optimizer/config.yml").replace(&old, &evil);
    sandbox.write(".vibeship-optimizer/config.yml", &config);
    sandbox.git(&["commit", "-qam", "Evidence"]);
    assert_eq!(sandbox.codes(&since(&base)), ["COMMIT_WITHOUT_ID", "POLICY_CHANGED"]);
}

/// A change with baseline and after snapshot, with everything committed.
fn measured() -> (Sandbox, String, String) {
    let sandbox = Sandbox::enforced();
    let base = sandbox.head();
    let id = sandbox.ready("fewer steps");
    commit(&sandbox, "src/steps.txt", "80\n", &named(&id));
    sandbox.run(&["validate", "--change-id", &id]).ok();
    sandbox.run(&["snapshot", "--as", "after", "--change-id", &id]).ok();
    sandbox.commit_evidence();
    assert_eq!(sandbox.codes(&since(&base)), [""; 0]);
    (sandbox, id, base)
}

#[test]
fn numbers_have_to_follow_from_their_raw_text_and_sizes_from_git() {
    let (sandbox, id, base) = measured();
    let honest = sandbox.head();
    // Whichever definitions are removed from the file as well.
    let differs = "KPI steps differs from its raw output";
    for (definitions, told) in [
        ("all", differs),
        ("config", differs),
        ("none", differs),
        ("raw", "KPI steps has values, and not the text"),
        ("kpi.steps", "KPI steps has values, and no definition"),
    ] {
        edit(&sandbox, &id, "after_snapshot", &|snapshot| {
            snapshot["kpis"][0]["values"] = serde_json::json!([20.0]);
            snapshot["kpis"][0]["raw"] = if definitions == "raw" { serde_json::Value::Null } else { "***\n".into() };
            snapshot["definitions"].as_object_mut().unwrap().retain(|key, _| match definitions {
                "all" | "config" | "raw" => true,
                "none" => false,
                left_out => key != left_out,
            });
        });
        // A config that now extracts another number does not help.
        if definitions == "config" {
            let config = sandbox.read("vibeship_optimizer.yml").replace("name: steps,", "name: steps, regex: '(.+)',");
            sandbox.write("vibeship_optimizer.yml", config);
            sandbox.git(&["add", "vibeship_optimizer.yml"]);
        }
        sandbox.commit_evidence();
        sandbox.run(&["check", "--range", &since(&base)]).exits(1).says(&["VERDICTS_DIFFER", told]);
        sandbox.git(&["reset", "-q", "--hard", &honest]);
    }
    // A size must agree with git's, and may not omit it.
    for said in [serde_json::json!(400), serde_json::Value::Null] {
        edit(&sandbox, &id, "before_snapshot", &|snapshot| {
            let size = &mut snapshot["sizes"]["src"];
            size["bytes"] = serde_json::json!(400);
            size["tracked_bytes"] = said.clone();
        });
        sandbox.commit_evidence();
        let size = "size.src is 4 B in 1 file in commit";
        sandbox.run(&["check", "--range", &since(&base)]).exits(1).says(&["VERDICTS_DIFFER", size]);
        sandbox.run(&["compare", "--change-id", &id]).ok();
        sandbox.run(&["change", "promote", "--change-id", &id]).exits(1).says(&[size]);
        sandbox.git(&["reset", "-q", "--hard", &honest]);
    }
}

#[test]
fn omissions_in_a_baseline_or_a_validation_are_found() {
    use vibeship_optimizer::model::Kind;
    let (sandbox, id, base) = measured();
    let honest = sandbox.head();
    for (left_out, told) in [("commands.test", "POLICY_CHANGED"), ("contract", "does not say which contract")] {
        edit(&sandbox, &id, "before_snapshot", &|snapshot| {
            snapshot["definitions"].as_object_mut().unwrap().retain(|key, _| key != left_out);
        });
        sandbox.commit_evidence();
        sandbox.run(&["check", "--range", &since(&base)]).exits(1).says(&[told]);
        sandbox.git(&["reset", "-q", "--hard", &honest]);
    }
    // A validation may not omit checks that its config requires.
    edit(&sandbox, &id, "validation", &|validation| validation["checks"] = serde_json::json!([]));
    forge(&sandbox, &id, |kinds| {
        let validations = kinds.iter_mut().filter_map(|kind| match kind {
            Kind::Validated(validation) => Some(validation),
            _ => None,
        });
        validations.for_each(|validation| validation.checks.clear());
    });
    sandbox.commit_evidence();
    let lacks = "the validation lacks the check `test`";
    sandbox.run(&["check", "--range", &since(&base)]).exits(1).says(&["VERDICTS_DIFFER", lacks]);
    sandbox.git(&["reset", "-q", "--hard", &honest]);
    forge(&sandbox, &id, |kinds| {
        for kind in kinds {
            if let Kind::ContractSet { contract } = kind {
                contract.hypothesis = "anything".to_owned();
            }
        }
    });
    sandbox.commit_evidence();
    sandbox
        .run(&["check", "--range", &since(&base)])
        .exits(1)
        .says(&["VERDICTS_DIFFER", "measured for another contract"]);
}

#[test]
fn an_octopus_merge_cannot_bring_back_what_its_parents_removed() {
    let sandbox = Sandbox::enforced();
    let start = sandbox.head();
    let evil = commit(&sandbox, "src/evil.sh", "evil\n", "In");
    let back = reverted(&sandbox, &evil);
    let made = |args: &[&str]| sandbox.git(args);
    let other = made(&["commit-tree", &format!("{start}^{{tree}}"), "-p", &start, "-m", "Nothing"]);
    let merged =
        |tree: &str| made(&["commit-tree", tree, "-p", &other, "-p", &evil, "-p", &back, "-m", "Merge branches"]);
    let honest = merged(&format!("{back}^{{tree}}"));
    sandbox.git(&["reset", "-q", "--hard", &honest]);
    assert_eq!(fails(&sandbox, &since(&back), &[]), [""; 0]);
    let forged = merged(&format!("{evil}^{{tree}}"));
    sandbox.git(&["reset", "-q", "--hard", &forged]);
    assert_eq!(fails(&sandbox, &since(&back), &[]), ["MERGE_BRINGS_CONTENT"]);
}

#[test]
fn the_config_may_be_committed_by_itself_but_not_removed() {
    let sandbox = Sandbox::enforced();
    let start = sandbox.head();
    let text = sandbox.read("vibeship_optimizer.yml");
    commit(&sandbox, "vibeship_optimizer.yml", &format!("{text}\n# A remark.\n"), "Set up vibeship-optimizer");
    assert_eq!(fails(&sandbox, &since(&start), &[]), [""; 0]);
    sandbox.git(&["rm", "-q", "vibeship_optimizer.yml"]);
    sandbox.git(&["commit", "-qm", "Evidence"]);
    assert_eq!(fails(&sandbox, &since(&start), &[]), ["POLICY_CHANGED"]);
}

#[test]
fn a_removed_config_still_applies_when_it_comes_back() {
    let (sandbox, _, _) = tracked();
    let config = sandbox.read("vibeship_optimizer.yml");
    let start = sandbox.head();
    sandbox.git(&["rm", "-q", "vibeship_optimizer.yml"]);
    sandbox.git(&["commit", "-qm", "Without demands"]);
    assert_eq!(fails(&sandbox, &since(&start), &[]), ["POLICY_CHANGED"]);
    // Pushed in spite of that; the next push brings a config with broader exemptions.
    let base = sandbox.head();
    let softer = config.replace("notes/**", "**");
    commit(&sandbox, "vibeship_optimizer.yml", &softer, "Demands again");
    commit(&sandbox, "src/steps.txt", "1\n", "No id");
    assert_eq!(fails(&sandbox, &since(&base), &[]), ["COMMIT_WITHOUT_ID"]);
}

#[test]
fn a_promoted_record_needs_its_change_in_the_history() {
    let (sandbox, id, base) = promoted();
    let own = [".vibeship-optimizer", "reports", "VIBESHIP_OPTIMIZER.md"];
    // The evidence without the code, and the code removed later.
    sandbox.git(&["checkout", "-q", "-b", "other", &base]);
    sandbox.git(&[&["checkout", "main", "--"][..], &own].concat());
    sandbox.commit_evidence();
    assert_eq!(sandbox.codes(&since(&base)), ["CHANGE_NOT_HERE"]);
    sandbox.run(&["check", "--range", &since(&base)]).exits(1).says(&[&id, "change relink"]);
    // Together with the code it passes.
    sandbox.git(&["merge", "-q", "--no-edit", "main"]);
    assert_eq!(sandbox.codes_with(&since(&base), &["--require", "promoted"]), [""; 0]);
    let whole = sandbox.head();
    sandbox.run(&["change", "note", "on main", "--change-id", &id]).ok();
    sandbox.commit_evidence();
    assert_eq!(sandbox.codes(&since(&whole)), [""; 0]);
    // Squashed and not relinked yet: the finding is about the commit with the id.
    sandbox.git(&["checkout", "-q", "-b", "squashed", &base]);
    sandbox.git(&["merge", "-q", "--squash", "main"]);
    sandbox.git(&["commit", "-qm", &named(&id)]);
    assert_eq!(sandbox.codes(&since(&base)), ["COMMIT_NOT_VALIDATED"]);
    let squashed = sandbox.head();
    sandbox.run(&["change", "note", "later", "--change-id", &id]).ok();
    sandbox.commit_evidence();
    assert_eq!(sandbox.codes(&since(&squashed)), [""; 0]);
}

#[test]
fn evidence_measured_with_a_temporary_config_is_found() {
    let (sandbox, strict) = with_own_config();
    reconfigure(&sandbox, "git cat-file -e HEAD:no-such", "git --version");
    let loose = sandbox.head();
    reverted(&sandbox, &loose);
    assert_eq!(sandbox.codes(&since(&strict)), [""; 0]);
    let base = sandbox.head();
    sandbox.git(&["checkout", "-q", "-b", "work", &loose]);
    let id = sandbox.ready("fewer steps");
    commit(&sandbox, "src/steps.txt", "80\n", &named(&id));
    slips::compare(&sandbox, &id);
    sandbox.run(&["change", "promote", "--change-id", &id]).ok();
    sandbox.commit_evidence();
    sandbox.git(&["checkout", "-q", "main"]);
    sandbox.git(&["merge", "-q", "--no-ff", "-m", "Merge work", "work"]);
    assert_eq!(fails(&sandbox, &since(&base), &[]), ["POLICY_CHANGED"]);
    sandbox
        .run(&["check", "--range", &since(&base)])
        .exits(1)
        .says(&["commands.test (was \"git cat-file", "now \"git --version"]);
}

#[test]
fn work_that_criss_cross_merges_bring_back_is_not_reverted() {
    let sandbox = Sandbox::enforced();
    let start = sandbox.head();
    let id = sandbox.opened("code", "nothing proven");
    sandbox.write("reports/optimizer/notes.md", "x\n");
    sandbox.commit_evidence();
    let base = sandbox.head();
    let side = |name: &str| {
        sandbox.git(&["checkout", "-q", "-b", name, &base]);
        sandbox.write("src/evil.sh", "evil\n").write("notes/n.md", "n\n");
        sandbox.git(&["add", "-A", "src", "notes"]);
        sandbox.git(&["commit", "-qm", &format!("In {name}\n\n{KEY}: {id}\n")]);
        let made = sandbox.head();
        reverted(&sandbox, &made);
        commit(&sandbox, "notes/n.md", "more\n", "Prose");
        sandbox.git(&["rm", "-q", "notes/n.md"]);
        sandbox.git(&["commit", "-qm", "Less prose"]);
        made
    };
    let (first, second) = (side("p"), side("q"));
    for (on, with) in [("p", second.as_str()), ("q", &first), ("p", "q")] {
        sandbox.git(&["checkout", "-q", on]);
        sandbox.git(&["merge", "-q", "--no-ff", "--no-edit", with]);
    }
    assert_eq!(sandbox.read("src/evil.sh"), "evil\n");
    commit(&sandbox, "src/evil.sh", "evil\nand more\n", "Later work, which may be honest");
    assert!(fails(&sandbox, &since(&start), &[]).contains(&"GATE_NOT_REACHED".to_owned()));
}

#[test]
fn merges_cannot_bring_back_what_an_earlier_push_removed() {
    let sandbox = Sandbox::enforced();
    let start = sandbox.head();
    let id = sandbox.opened("code", "nothing proven");
    sandbox.write("reports/optimizer/notes.md", "x\n");
    sandbox.commit_evidence();
    let base = sandbox.head();
    let side = |name: &str| {
        sandbox.git(&["checkout", "-q", "-b", name, &base]);
        let made = commit(&sandbox, "src/evil.sh", "evil\n", &format!("In {name}\n\n{KEY}: {id}\n"));
        reverted(&sandbox, &made);
        made
    };
    let (first, second) = (side("p"), side("q"));
    let merge = |on: &str, with: &str| {
        sandbox.git(&["checkout", "-q", on]);
        sandbox.git(&["merge", "-q", "--no-ff", "--no-edit", with]);
    };
    merge("main", "p");
    merge("main", "q");
    let pushed = sandbox.head();
    assert_eq!(sandbox.codes(&since(&start)), [""; 0], "nothing is left of it");
    for (on, with) in [("p", second.as_str()), ("q", &first), ("p", "q")] {
        merge(on, with);
    }
    // The branch has two merge bases with main.
    assert_eq!(fails(&sandbox, &format!("{pushed}..p"), &[]), ["MERGE_BRINGS_CONTENT"]);
    // Commits that are made and reverted besides the merges do not explain the file.
    let tidied = commit(&sandbox, "src/evil.sh", "other\n", "Tidy");
    reverted(&sandbox, &tidied);
    merge("main", "p");
    assert_eq!(sandbox.read("src/evil.sh"), "evil\n");
    assert_eq!(fails(&sandbox, &since(&pushed), &[]), ["COMMIT_WITHOUT_ID", "MERGE_BRINGS_CONTENT"]);
    assert_eq!(fails(&sandbox, &since(&start), &[]), ["MANY_COMMITS", "GATE_NOT_REACHED"], "in one push");
    // An honest merge applies work to a file that was moved, and includes new work of the base.
    let text: String = (0..40).map(|line| format!("line {line}\n")).collect();
    let of_bot = |text: &str| {
        sandbox.write("src/long.md", text).git(&["add", "src"]);
        sandbox.git(&["commit", "-qm", "Prose", "--author=renovate[bot] <renovate@example.org>"]);
    };
    of_bot(&text);
    sandbox.git(&["checkout", "-q", "-b", "topic"]);
    of_bot(&text.replace("line 7\n", "line seven\n"));
    sandbox.git(&["checkout", "-q", "main"]);
    sandbox.git(&["mv", "src/long.md", "src/moved.md"]);
    sandbox.git(&["commit", "-qm", "Move it"]);
    let moved = sandbox.head();
    merge("main", "topic");
    assert_eq!(sandbox.codes(&since(&moved)), [""; 0]);
    merge("topic", "main");
    assert_eq!(sandbox.codes(&since("main")), [""; 0]);
}

#[test]
fn a_review_is_checked_against_the_config_at_the_base() {
    let sandbox = Sandbox::enforced();
    let config = sandbox.read("vibeship_optimizer.yml");
    let reviewed = |demands: &str| {
        sandbox.write("vibeship_optimizer.yml", config.replace("{require_attestation: false}", demands));
        sandbox.git(&["commit", "-qam", "Reviews"]);
        sandbox.head()
    };
    let strict = reviewed("{other_person: true}");
    let loose = reviewed("{other_person: false}");
    reverted(&sandbox, &loose);
    let base = sandbox.head();
    assert_eq!(sandbox.codes(&since(&strict)), [""; 0]);
    sandbox.git(&["checkout", "-q", "-b", "work", &loose]);
    let id = sandbox.ready("fewer steps");
    sandbox.improve_steps();
    sandbox.git(&["commit", "-qm", &named(&id)]);
    slips::compare(&sandbox, &id);
    for args in [
        &["change", "promote"][..],
        &["change", "rollout", "full"],
        &["review", "attest", "--tool", "other", "--reasoning-mode", "human", "--reviewer", "Somebody"],
    ] {
        sandbox.run(&[args, &["--change-id", &id]].concat()).ok();
    }
    for day in 1..=3 {
        in_days(&sandbox, day);
        sandbox.run(&["monitor", "tick", "--change-id", &id]).ok();
    }
    sandbox.run(&["change", "verify", "--apply", "--change-id", &id, "--summary", "fewer"]).ok();
    sandbox.commit_evidence_at(&in_days(&sandbox, 3));
    sandbox.git(&["checkout", "-q", "main"]);
    sandbox.git(&["merge", "-q", "--no-ff", "-m", "Merge work", "work"]);
    sandbox.run(&["check", "--range", &since(&base)]).exits(1).says(&["review.other_person"]);
    edit(&sandbox, &id, "attestation", &|file| file["reviewer"] = "".into());
    sandbox.commit_evidence_at(&in_days(&sandbox, 3));
    sandbox.run(&["check", "--range", &since(&base)]).exits(1).says(&["it names neither a reviewer nor a model"]);
}

#[test]
fn a_reverted_change_is_neither_relinked_nor_verified() {
    use vibeship_optimizer::model::Kind;
    let (sandbox, id, base) = promoted();
    let change = sandbox.git(&["log", "-1", "--format=%H", "--", "src/steps.txt"]);
    let on = |args: &[&str]| sandbox.run(&[args, &["--change-id", &id]].concat()).ok();
    let _ = on(&["change", "rollout", "full"]);
    sandbox.commit_evidence();
    let honest = sandbox.head();
    let back = reverted(&sandbox, &change);
    assert_eq!(sandbox.codes(&since(&honest)), [""; 0]);
    let moved = Kind::Relinked { commits: vec![(change.clone(), base.clone())], by: "tree".to_owned() };
    forge(&sandbox, &id, |kinds| kinds.push(moved));
    sandbox.commit_evidence();
    assert!(fails(&sandbox, &since(&back), &[]).contains(&"RELINK_UNPROVEN".to_owned()));
    // Three days without alarms, on a branch from before the revert.
    sandbox.git(&["reset", "-q", "--hard", &honest]);
    let _ = on(&["review", "attest", "--tool", "other", "--reasoning-mode", "human", "--reviewer", "Somebody"]);
    for day in 1..=3 {
        in_days(&sandbox, day);
        let _ = on(&["monitor", "tick"]);
    }
    let last = in_days(&sandbox, 3);
    sandbox.commit_evidence_at(&last);
    sandbox.git(&["checkout", "-q", "-b", "work"]);
    sandbox.git(&["checkout", "-q", "main"]);
    sandbox.git_at(&last, &["revert", "--no-edit", &change]);
    let back = sandbox.head();
    sandbox.git(&["checkout", "-q", "work"]);
    in_days(&sandbox, 4);
    let _ = on(&["monitor", "tick"]);
    let _ = on(&["change", "verify", "--apply", "--summary", "fewer"]);
    let last = in_days(&sandbox, 4);
    sandbox.commit_evidence_at(&last);
    sandbox.git(&["checkout", "-q", "main"]);
    sandbox.git_at(&last, &["merge", "-q", "--no-ff", "-m", "Merge work", "work"]);
    let told = "the change was verified, though it had been taken back before";
    for range in [since(&back), since(&base)] {
        sandbox.run(&["check", "--range", &range]).exits(1).says(&[told]);
    }
}

#[test]
fn a_change_moves_to_no_commit_that_nobody_has() {
    use vibeship_optimizer::model::Kind;
    let (sandbox, id, base) = promoted();
    let change = sandbox.git(&["log", "-1", "--format=%H", "--", "src/steps.txt"]);
    let on = |args: &[&str]| sandbox.run(&[args, &["--change-id", &id]].concat()).ok();
    let _ = on(&["change", "rollout", "full"]);
    sandbox.commit_evidence();
    let honest = sandbox.head();
    let nobody = "d".repeat(40);
    let moved = |from: &str, to: &str| Kind::Relinked {
        commits: vec![(from.to_owned(), to.to_owned())],
        by: "pick".to_owned(),
    };
    // A second rebase replaced what the first had made.
    forge(&sandbox, &id, |kinds| kinds.extend([moved(&change, &nobody), moved(&nobody, &change)]));
    sandbox.commit_evidence();
    assert_eq!(fails(&sandbox, &since(&base), &[]), [""; 0]);
    sandbox.git(&["reset", "-q", "--hard", &honest]);
    reverted(&sandbox, &change);
    forge(&sandbox, &id, |kinds| kinds.push(moved(&change, &nobody)));
    sandbox.commit_evidence();
    assert!(fails(&sandbox, &since(&base), &[]).contains(&"CHANGE_NOT_HERE".to_owned()));
    // Rolled back in the record alone.
    sandbox.git(&["reset", "-q", "--hard", &honest]);
    let _ = on(&["change", "rollback", "--reason", "slower"]);
    forge(&sandbox, &id, |kinds| kinds.push(moved(&change, &nobody)));
    sandbox.commit_evidence();
    assert!(fails(&sandbox, &since(&honest), &[]).contains(&"NOT_REVERTED".to_owned()));
}

/// On every day that a branch from before the revert measures, main is without the change.
#[test]
fn days_count_from_when_a_change_was_brought_back() {
    use vibeship_optimizer::model::Kind;
    let (sandbox, id, base) = promoted();
    let change = sandbox.git(&["log", "-1", "--format=%H", "--", "src/steps.txt"]);
    let on = |args: &[&str]| sandbox.run(&[args, &["--change-id", &id]].concat());
    let _ = on(&["change", "rollout", "full"]).ok();
    sandbox.commit_evidence();
    sandbox.git(&["branch", "side"]);
    let back = reverted(&sandbox, &change);
    watch_on_side(&sandbox, &id);
    let out = sandbox.head();
    // Whatever date the commit claims.
    for claimed in [4, 0, 9] {
        sandbox.git(&["reset", "-q", "--hard", &out]);
        sandbox.git_at(&in_days(&sandbox, claimed), &["revert", "--no-edit", &back]);
        in_days(&sandbox, 5);
        let _ = on(&["change", "verify", "--apply", "--summary", "fewer"]).exits(3).says(&["measured on "]);
        forge_at(&sandbox, &id, 2, |kinds| kinds.push(Kind::Verified { summary: "fewer".to_owned() }));
        sandbox.commit_evidence_at(&in_days(&sandbox, 6));
        let told = "was not watched long enough since";
        sandbox.run(&["check", "--range", &since(&base)]).exits(1).says(&["VERDICTS_DIFFER", told]);
    }
}

/// Measures three days on the branch `side`, and merges each into `main`.
fn watch_on_side(sandbox: &Sandbox, id: &str) {
    for day in 1..=3 {
        let now = in_days(sandbox, day);
        sandbox.git(&["checkout", "-q", "side"]);
        let _ = sandbox.run(&["monitor", "tick", "--change-id", id]).ok();
        sandbox.commit_evidence_at(&now);
        sandbox.git(&["checkout", "-q", "main"]);
        sandbox.git_at(&now, &["merge", "-q", "--no-edit", "side"]);
    }
}

/// A change that is rolled out in full, with everything committed.
fn rolled_out() -> (Sandbox, String, String) {
    let (sandbox, id, base) = promoted();
    sandbox.run(&["change", "rollout", "full", "--change-id", &id]).ok();
    sandbox.commit_evidence();
    (sandbox, id, base)
}

/// What takes the change out of main names no revert.
#[test]
fn days_count_only_while_the_change_is_there_whatever_took_it_out() {
    use vibeship_optimizer::model::Kind;
    let (sandbox, id, base) = rolled_out();
    let on = |args: &[&str]| sandbox.run(&[args, &["--change-id", &id]].concat());
    sandbox.git(&["branch", "side"]);
    let out = commit(&sandbox, "src/steps.txt", "100\n", "Other numbers");
    watch_on_side(&sandbox, &id);
    let watched = sandbox.head();
    let verified = |kinds: &mut Vec<Kind>| kinds.push(Kind::Verified { summary: "fewer".to_owned() });
    for comes_back_first in [true, false] {
        sandbox.git(&["reset", "-q", "--hard", &watched]);
        let back = |day| sandbox.git_at(&in_days(&sandbox, day), &["revert", "--no-edit", &out]);
        if comes_back_first {
            back(4);
            in_days(&sandbox, 5);
            let _ = on(&["change", "verify", "--apply", "--summary", "fewer"]).exits(3).says(&["measured on 0 of 3"]);
        }
        forge_at(&sandbox, &id, 2, verified);
        sandbox.commit_evidence_at(&in_days(&sandbox, 6));
        if !comes_back_first {
            back(7);
        }
        let told = "was not watched long enough since";
        sandbox.run(&["check", "--range", &since(&base)]).exits(1).says(&["VERDICTS_DIFFER", told]);
    }
}

#[test]
fn a_day_counts_if_the_history_has_its_commit_or_its_code() {
    use vibeship_optimizer::model::Kind;
    // Of two commits that nobody else has, only the second has other code.
    for message in ["Nothing", "Helper"] {
        let (sandbox, id, base) = rolled_out();
        let on = |args: &[&str]| sandbox.run(&[args, &["--change-id", &id]].concat());
        for day in 1..=3 {
            let now = in_days(&sandbox, day);
            sandbox.git(&["checkout", "-q", "--detach"]);
            match message {
                "Helper" => drop(commit(&sandbox, "lib/helper.txt", "it helps\n", message)),
                _ => drop(sandbox.git(&["commit", "-q", "--allow-empty", "-m", message])),
            }
            let _ = on(&["monitor", "tick"]).ok();
            sandbox.git(&["checkout", "-q", "main"]);
            sandbox.commit_evidence_at(&now);
        }
        let now = in_days(&sandbox, 4);
        let verify = on(&["change", "verify", "--apply", "--summary", "fewer"]);
        if message == "Nothing" {
            let _ = verify.ok();
            sandbox.commit_evidence_at(&now);
            assert_eq!(sandbox.codes(&since(&base)), [""; 0]);
            continue;
        }
        let _ = verify.exits(3).says(&["measured on 0 of 3", "not in this history"]);
        forge_at(&sandbox, &id, 1, |kinds| kinds.push(Kind::Verified { summary: "fewer".to_owned() }));
        sandbox.commit_evidence_at(&now);
        let told = "this history does not have what was measured";
        sandbox.run(&["check", "--range", &since(&base)]).exits(1).says(&["VERDICTS_DIFFER", told, "DAYS_UNWITNESSED"]);
        // Days that do not count are made up for.
        sandbox.git(&["reset", "-q", "--hard", "HEAD^"]);
        for day in 5..=9 {
            in_days(&sandbox, day);
            let _ = on(&["monitor", "tick"]).ok();
            sandbox.commit_evidence_at(&in_days(&sandbox, day));
        }
        let _ = on(&["change", "verify"]).ok();
    }
}

#[test]
fn a_day_of_uncommitted_work_or_of_old_code_is_told_and_fails_where_witnesses_are_demanded() {
    for demanded in [false, true] {
        let (sandbox, id, _) = rolled_out();
        let on = |args: &[&str]| sandbox.run(&[args, &["--change-id", &id]].concat());
        let config = sandbox.read("vibeship_optimizer.yml");
        if demanded {
            let strict = config.replace("require: baseline", "require: baseline\n  witness_within_days: 2");
            sandbox.write("vibeship_optimizer.yml", strict);
            sandbox.git(&["commit", "-qam", "Witnesses"]);
        }
        let base = sandbox.head();
        let told = |dirty: &str| {
            let checked = sandbox.run(&["check", "--range", &since(&base)]);
            let checked = if demanded { checked.exits(1) } else { checked.ok() };
            let _ = checked.says(&["DAYS_UNWITNESSED", dirty]);
            let _ = on(&["change", "verify"]).says(&[dirty]);
        };
        let now = in_days(&sandbox, 1);
        sandbox.write("src/helper.txt", "it helps\n");
        let _ = on(&["monitor", "tick"]).ok();
        std::fs::remove_file(sandbox.path("src/helper.txt")).unwrap();
        sandbox.commit_evidence_at(&now);
        told("measured with uncommitted work");
        // Main has had other code for two days.
        sandbox.git(&["reset", "-q", "--hard", &base]);
        sandbox.git(&["branch", "side"]);
        sandbox.write("src/lock.txt", "1\n").git(&["add", "src"]);
        let bot = "--author=renovate[bot] <renovate@example.org>";
        sandbox.git(&["commit", "-qm", "Update", bot]);
        commit(&sandbox, "notes/n.md", "exempt\n", "A note");
        sandbox.git(&["checkout", "-q", "side"]);
        let now = in_days(&sandbox, 2);
        let _ = on(&["monitor", "tick"]).ok();
        sandbox.commit_evidence_at(&now);
        sandbox.git(&["checkout", "-q", "main"]);
        sandbox.git_at(&now, &["merge", "-q", "--no-edit", "side"]);
        assert_eq!(sandbox.codes(&since(&base)), [""; 0], "what is exempt alters nothing");
        sandbox.git(&["reset", "-q", "--hard", "HEAD^"]);
        let id = sandbox.opened_beside("another");
        sandbox.write("reports/optimizer/notes.md", "x\n");
        sandbox.commit_evidence();
        commit(&sandbox, "src/other.txt", "other\n", &named(&id));
        sandbox.git_at(&now, &["merge", "-q", "--no-edit", "side"]);
        let checked = sandbox.run(&["check", "--range", &since(&base)]);
        let _ = checked.says(&["DAYS_UNWITNESSED", "measured at a commit that lacks code"]);
    }
}

#[test]
fn measurements_of_a_change_need_its_commit_in_their_history() {
    use vibeship_optimizer::model::Kind;
    let (sandbox, id, base) = promoted();
    let of_baseline = sandbox.json(format!("reports/optimizer/{id}_before_snapshot.json"))["revision"].clone();
    edit(&sandbox, &id, "after_snapshot", &|file| file["revision"] = of_baseline.clone());
    forge(&sandbox, &id, |kinds| {
        for kind in kinds {
            let Kind::AfterTaken(after) = kind else { continue };
            after.taken.revision = serde_json::from_value(of_baseline.clone()).unwrap();
        }
    });
    sandbox.commit_evidence();
    let told = "where the change is not in effect";
    sandbox.run(&["check", "--range", &since(&base)]).exits(1).says(&["VERDICTS_DIFFER", told]);
}

#[test]
fn an_emergency_is_taken_over_with_all_of_its_files() {
    let sandbox = Sandbox::enforced();
    let base = sandbox.head();
    let id = sandbox.emergency("stop it", "2d");
    commit(&sandbox, "src/stop.txt", "stop\n", &named(&id));
    let _ = sandbox.run(&["change", "rollout", "full", "--change-id", &id]).ok();
    sandbox.commit_evidence();
    let by = sandbox.opened_beside("fewer steps");
    sandbox.take_baseline(&by);
    sandbox.improve_steps();
    sandbox.git(&["commit", "-qm", &named(&by)]);
    slips::compare(&sandbox, &by);
    for args in
        [&["change", "promote", "--change-id", &by][..], &["change", "follow-up", "--change-id", &id, "--by", &by]]
    {
        sandbox.run(args).ok();
    }
    for day in 1..=3 {
        in_days(&sandbox, day);
        sandbox.run(&["monitor", "tick", "--change-id", &id]).ok();
    }
    sandbox.commit_evidence_at(&in_days(&sandbox, 3));
    in_days(&sandbox, 4);
    let verify = ["change", "verify", "--apply", "--change-id", &id, "--summary", "over"];
    sandbox.run(&verify).exits(1).says(&["no promoted change that is in effect takes it over"]);
    forge_at(&sandbox, &id, 1, |kinds| {
        kinds.push(vibeship_optimizer::model::Kind::Verified { summary: "over".to_owned() });
    });
    sandbox.commit_evidence_at(&in_days(&sandbox, 4));
    sandbox.run(&["check", "--range", &since(&base)]).exits(1).says(&["no promoted change takes the override over"]);
}

#[test]
fn an_empty_range_and_a_follow_up_older_than_its_emergency_are_refused() {
    let sandbox = Sandbox::enforced();
    assert_eq!(sandbox.run(&["check", "--range", ""]).code, 2);
    let old = sandbox.ready("older");
    let id = sandbox.emergency("stop it", "2d");
    sandbox.run(&["change", "follow-up", "--change-id", &id, "--by", &old]).exits(1).says(&["opened after it"]);
}

/// Git follows a move: an edit of a page, or of evidence, becomes one of the code.
#[test]
fn an_edit_that_needed_no_change_is_not_carried_into_code() {
    let lines = |first: &str| format!("{first}{}", "a line of prose\n".repeat(30));
    for (path, code) in [("notes/run.md", true), ("reports/optimizer/run.md", true), ("src/run.md", false)] {
        let sandbox = Sandbox::enforced();
        commit(&sandbox, path, &lines(""), "A page");
        let base = sandbox.head();
        sandbox.git(&["checkout", "-q", "-b", "side"]);
        let edit = commit(&sandbox, path, &lines("evil\n"), "Reword it");
        sandbox.git(&["checkout", "-q", "main"]);
        std::fs::create_dir_all(sandbox.path("src")).unwrap();
        sandbox.git(&["mv", path, "src/run.sh"]);
        sandbox.git(&["commit", "-qm", "Move it"]);
        let moved = sandbox.head();
        sandbox.git(&["merge", "-q", "--no-edit", "side"]);
        assert!(sandbox.read("src/run.sh").starts_with("evil"));
        for range in [since(&base), since(&moved)] {
            assert_eq!(fails(&sandbox, &range, &[]).contains(&"MERGE_BRINGS_CONTENT".to_owned()), code, "{path}");
        }
        // The same by the revert of an edit.
        sandbox.git(&["reset", "-q", "--hard", &edit]);
        let base = sandbox.head();
        let edit = commit(&sandbox, path, &lines(""), "Reword it again");
        sandbox.git(&["mv", path, "src/run.sh"]);
        sandbox.git(&["commit", "-qm", "Move it"]);
        reverted(&sandbox, &edit);
        assert!(sandbox.read("src/run.sh").starts_with("evil"));
        let of_revert = sandbox.head();
        let out = sandbox.run(&["check", "--range", &since(&base), "--format", "json"]).stdout;
        let value: serde_json::Value = serde_json::from_str(&out).unwrap();
        let findings = value["findings"].as_array().unwrap();
        let found =
            findings.iter().find(|it| it["code"] == "COMMIT_WITHOUT_ID" && it["commit"]["id"] == of_revert.as_str());
        assert_eq!(found.unwrap()["level"], "fail", "{path}: {out}");
    }
}

/// A commit only counts as reverted if its work is gone from the head. A conflict between an edit and a deletion is
/// resolved by whoever merges.
#[test]
fn work_that_is_still_present_was_not_reverted() {
    let sandbox = Sandbox::enforced();
    let base = sandbox.head();
    sandbox.write("src/dummy.txt", "1\n").write("src/evil.sh", "evil\n");
    sandbox.git(&["add", "src"]);
    sandbox.git(&["commit", "-qm", "Both"]);
    let both = sandbox.head();
    sandbox.git(&["rm", "-q", "src/evil.sh"]);
    sandbox.git(&["commit", "-qm", "Less"]);
    let less = sandbox.head();
    reverted(&sandbox, &both);
    assert_eq!(fails(&sandbox, &since(&base), &[]), ["COMMIT_WITHOUT_ID"; 2], "less is not taken back yet");
    reverted(&sandbox, &less);
    assert_eq!(sandbox.read("src/evil.sh"), "evil\n");
    assert_eq!(fails(&sandbox, &since(&base), &[]), ["COMMIT_WITHOUT_ID"]);
    sandbox.git(&["reset", "-q", "--hard", &base]);
    let evil = commit(&sandbox, "src/evil.sh", "evil\n", "In");
    sandbox.git(&["checkout", "-q", "-b", "side"]);
    sandbox.git(&["checkout", "-q", "main"]);
    let out = reverted(&sandbox, &evil);
    assert_eq!(fails(&sandbox, &since(&base), &[]), [""; 0]);
    sandbox.git(&["checkout", "-q", "side"]);
    let edit = commit(&sandbox, "src/evil.sh", "evil\nmore\n", "Edit");
    assert_ne!(sandbox.try_git(&["merge", "-q", "--no-edit", "main"]).code, 0);
    sandbox.git(&["add", "src/evil.sh"]);
    sandbox.git(&["commit", "-q", "--no-edit"]);
    reverted(&sandbox, &edit);
    assert!(!fails(&sandbox, &since(&out), &[]).is_empty());
}

/// A revert that finds a part of the work removed already leaves it to whoever takes that removal back.
#[test]
fn a_commit_is_taken_back_by_a_revert_of_all_of_it() {
    let (sandbox, id, _) = tracked();
    sandbox.run(&["change", "hold", "--change-id", &id, "--reason", "done"]).ok();
    sandbox.commit_evidence();
    let text: String = (0..40).map(|line| format!("echo {line}\n")).collect();
    let less = |message: &str| commit(&sandbox, "src/app.sh", &format!("{text}more\n"), message);
    let base = commit(&sandbox, "src/app.sh", &text, "Set up");
    let evil = commit(&sandbox, "src/app.sh", &format!("evil\n{text}more\n"), "In");
    let back = reverted(&sandbox, &evil);
    assert_eq!(fails(&sandbox, &since(&base), &[]), [""; 0]);
    // A revert of the revert is taken back in part.
    let again = reverted(&sandbox, &back);
    let out = less("Less");
    reverted(&sandbox, &again);
    reverted(&sandbox, &out);
    assert_eq!(sandbox.read("src/app.sh"), format!("evil\n{text}"));
    assert_eq!(fails(&sandbox, &since(&base), &[]), ["COMMIT_WITHOUT_ID"]);
    // The commit itself is.
    sandbox.git(&["reset", "-q", "--hard", &evil]);
    let out = less("Less");
    reverted(&sandbox, &evil);
    reverted(&sandbox, &out);
    assert_eq!(sandbox.read("src/app.sh"), format!("evil\n{text}"));
    assert_eq!(fails(&sandbox, &since(&base), &[]), ["COMMIT_WITHOUT_ID"]);
    // A change removes the rest, and its revert in a later push would bring that back.
    sandbox.git(&["reset", "-q", "--hard", &evil]);
    let other = sandbox.ready("less");
    less(&named(&other));
    reverted(&sandbox, &evil);
    assert_eq!(sandbox.read("src/app.sh"), text);
    assert_eq!(fails(&sandbox, &since(&base), &[]), ["COMMIT_WITHOUT_ID"]);
}

#[test]
fn a_change_of_which_another_removed_a_part_is_taken_back_by_a_revert_of_the_rest() {
    let sandbox = Sandbox::enforced();
    let base = sandbox.head();
    let id = sandbox.ready("fewer steps");
    sandbox.improve_steps();
    let made = commit(&sandbox, "src/extra.txt", "1\n", &named(&id));
    let other = sandbox.opened_beside("less");
    sandbox.take_baseline(&other);
    sandbox.git(&["rm", "-q", "src/extra.txt"]);
    sandbox.git(&["commit", "-qm", &named(&other)]);
    reverted(&sandbox, &made);
    sandbox.run(&["change", "reject", "--change-id", &id, "--reason", "no"]).ok();
    sandbox.commit_evidence();
    assert_eq!(sandbox.codes(&since(&base)), [""; 0]);
}

/// A conflict is decided by whoever merges, between its markers, and only where both sides have work that stays.
#[test]
fn a_conflict_lets_nothing_else_into_the_file() {
    let sandbox = Sandbox::enforced();
    let text: String = (0..60).map(|line| format!("echo {line}\n")).collect();
    let line = |new: &str| text.replace("echo 30\n", new);
    let base = commit(&sandbox, "src/app.sh", &text, "Set up");
    let id = sandbox.ready("less");
    let other = sandbox.opened_beside("more");
    sandbox.take_baseline(&other);
    sandbox.git(&["branch", "side"]);
    commit(&sandbox, "src/app.sh", &line(""), &named(&id));
    sandbox.git(&["checkout", "-q", "side"]);
    let merged = |message: &str, resolved: &str| {
        sandbox.git(&["reset", "-q", "--hard", "side"]);
        let made = commit(&sandbox, "src/app.sh", &line("echo thirty\n"), message);
        assert_ne!(sandbox.try_git(&["merge", "-q", "main"]).code, 0);
        sandbox.write("src/app.sh", resolved);
        sandbox.git(&["add", "src"]);
        sandbox.git(&["commit", "-q", "--no-edit"]);
        made
    };
    sandbox.git(&["checkout", "-q", "-b", "work"]);
    merged(&named(&other), &line("echo 30 times\n"));
    assert_eq!(fails(&sandbox, &since(&base), &[]), [""; 0]);
    merged(&named(&other), &format!("evil\n{}", line("echo 30 times\n")));
    assert_eq!(fails(&sandbox, &since(&base), &[]), ["MERGE_BRINGS_CONTENT"]);
    let tried = merged("Try", &line("evil\n"));
    sandbox.git(&["checkout", "-q", "-b", "back", &tried]);
    reverted(&sandbox, &tried);
    sandbox.git(&["checkout", "-q", "work"]);
    assert_ne!(sandbox.try_git(&["merge", "-q", "back"]).code, 0);
    sandbox.write("src/app.sh", line("evil\n"));
    sandbox.git(&["commit", "-qam", "Merge back"]);
    assert_eq!(sandbox.read("src/app.sh"), line("evil\n"));
    assert_eq!(fails(&sandbox, &since(&base), &[]), ["MERGE_BRINGS_CONTENT"; 2]);
    sandbox
        .run(&["check", "--range", &since(&base)])
        .exits(1)
        .says(&["resolves conflicts with work that was taken back"]);
}

#[test]
fn the_revert_of_a_rolled_back_change_adds_nothing_to_a_file_that_it_keeps() {
    let sandbox = Sandbox::enforced();
    let id = sandbox.ready("fewer steps");
    sandbox.improve_steps();
    let work = commit(&sandbox, "lib/new.sh", "echo 1\necho 2\n", &named(&id));
    slips::compare(&sandbox, &id);
    for args in [&["change", "promote"][..], &["change", "rollout", "full"], &["change", "rollback", "--reason", "no"]]
    {
        sandbox.run(&[args, &["--change-id", &id]].concat()).ok();
    }
    sandbox.commit_evidence();
    let base = sandbox.head();
    let tried = commit(&sandbox, "lib/new.sh", "echo 1\necho 2\necho 3\n", "Try");
    let back = |resolve: &dyn Fn()| {
        sandbox.git(&["reset", "-q", "--hard", &tried]);
        assert_ne!(sandbox.try_git(&["revert", "--no-edit", &work]).code, 0);
        resolve();
        sandbox.git(&["commit", "-qm", &format!("Back\n\nThis reverts commit {work}.\n")]);
    };
    back(&|| drop(sandbox.git(&["rm", "-qf", "lib/new.sh"])));
    assert_eq!(fails(&sandbox, &since(&tried), &[]), [""; 0]);
    back(&|| {
        sandbox.write("lib/new.sh", "evil\necho 2\necho 3\n");
        sandbox.git(&["add", "lib"]);
    });
    reverted(&sandbox, &tried);
    assert_eq!(fails(&sandbox, &since(&base), &[]), ["REVERT_NOT_EXACT"]);
}

#[test]
fn nothing_is_measured_with_a_commit_that_is_taken_back_afterwards() {
    let sandbox = Sandbox::enforced();
    let base = sandbox.head();
    let slow = commit(&sandbox, "src/slow.txt", "1\n", "Slow it");
    let id = sandbox.ready("fewer steps");
    sandbox.improve_steps();
    sandbox.git(&["commit", "-qm", &named(&id)]);
    reverted(&sandbox, &slow);
    assert_eq!(fails(&sandbox, &since(&base), &[]), ["COMMIT_WITHOUT_ID"]);
    let told = format!("it was taken back, but {id} was measured with it");
    sandbox.run(&["check", "--range", &since(&base)]).exits(1).says(&[&told]);
    sandbox.run(&["change", "hold", "--change-id", &id, "--reason", "measured on a slowed base"]).ok();
    sandbox.commit_evidence();
    assert_eq!(fails(&sandbox, &since(&base), &[]), [""; 0]);
    // Taken back before, it is no part of what is measured.
    let base = sandbox.head();
    let slow = commit(&sandbox, "src/slow.txt", "1\n", "Slow it");
    reverted(&sandbox, &slow);
    let id = sandbox.ready("fewer still");
    commit(&sandbox, "src/steps.txt", "60\n", &named(&id));
    assert_eq!(fails(&sandbox, &since(&base), &[]), [""; 0]);
}

#[test]
fn one_commit_is_the_work_of_one_change() {
    let (sandbox, id, base) = promoted();
    let other = format!("{}-2", &id[..id.len() - 2]);
    let evidence = sandbox.git(&["ls-files", "reports", ".vibeship-optimizer/changes"]);
    for path in evidence.lines().filter(|path| path.contains(&id)) {
        sandbox.write(path.replace(&id, &other), sandbox.read(path).replace(&id, &other));
    }
    let record = sandbox.read(record_path(&other));
    let digests = sandbox.git(&["ls-files", "reports"]);
    let record = digests.lines().filter(|path| path.contains(&id)).fold(record, |record, path| {
        let digest = |text: String| vibeship_optimizer::model::Digest::of_bytes(text.as_bytes()).as_str().to_owned();
        record.replace(&digest(sandbox.read(path)), &digest(sandbox.read(path.replace(&id, &other))))
    });
    sandbox.write(record_path(&other), record);
    forge(&sandbox, &other, |_| {});
    sandbox.commit_evidence();
    assert!(fails(&sandbox, &since(&base), &[]).contains(&"SEVERAL_IDS".to_owned()));
    assert!(fails(&sandbox, "HEAD^..HEAD", &[]).contains(&"SEVERAL_IDS".to_owned()), "in a push of its own");
    let told = format!("its id is that of another measurement, of {id}");
    let _ = sandbox.run(&["check", "--range", "HEAD^..HEAD"]).exits(1).says(&["VERDICTS_DIFFER", &told]);
}

#[test]
fn a_day_counts_as_committed_no_earlier_than_the_commits_before_it() {
    let sandbox = Sandbox::enforced();
    let config = sandbox.read("vibeship_optimizer.yml");
    sandbox.write(
        "vibeship_optimizer.yml",
        config.replace("require: baseline", "require: baseline\n  witness_within_days: 2"),
    );
    sandbox.git(&["commit", "-qam", "Witnesses"]);
    let base = sandbox.head();
    let id = sandbox.ready("fewer steps");
    sandbox.improve_steps();
    sandbox.git(&["commit", "-qm", &named(&id)]);
    slips::compare(&sandbox, &id);
    let on = |args: &[&str]| sandbox.run(&[args, &["--change-id", &id]].concat()).ok();
    let _ = on(&["change", "promote"]);
    let _ = on(&["change", "rollout", "full"]);
    sandbox.commit_evidence();
    let honest = sandbox.head();
    let in_time = in_days(&sandbox, 1);
    let _ = on(&["monitor", "tick"]);
    sandbox.commit_evidence_at(&in_time);
    assert_eq!(sandbox.codes(&since(&base)), [""; 0]);
    sandbox.git(&["reset", "-q", "--soft", &honest]);
    sandbox.git(&["stash", "-q"]);
    let late = in_days(&sandbox, 8);
    sandbox.write("notes/n.md", "n\n").git(&["add", "notes"]);
    sandbox.git_at(&late, &["commit", "-qm", "Notes of others"]);
    sandbox.git(&["stash", "pop", "-q"]);
    sandbox.commit_evidence_at(&in_time);
    in_days(&sandbox, 9);
    assert!(fails(&sandbox, &since(&base), &[]).contains(&"DAYS_UNWITNESSED".to_owned()));
}

#[test]
fn the_validated_code_is_that_of_the_changes_commit() {
    use vibeship_optimizer::model::Kind;
    for (has_base, keeps_config) in [(false, true), (true, true), (false, false)] {
        let (sandbox, id, base) = slips::compared();
        let [measured, made, before] = ["HEAD", "HEAD^", "HEAD~2"].map(|name| sandbox.git(&["rev-parse", name]));
        sandbox.git(&["checkout", "-q", "-b", "other", &before]);
        if !keeps_config {
            sandbox.git(&["rm", "-q", "vibeship_optimizer.yml"]);
        }
        let other = commit(&sandbox, "src/steps.txt", "100\nanything\n", &named(&id));
        if !keeps_config {
            sandbox.git(&["checkout", "-q", &before, "--", "vibeship_optimizer.yml"]);
            sandbox.git(&["commit", "-qm", "The config again"]);
        }
        sandbox.git(&["checkout", "-q", &measured, "--", ".vibeship-optimizer", "reports", "VIBESHIP_OPTIMIZER.md"]);
        forge(&sandbox, &id, |kinds| {
            for kind in kinds {
                let Kind::Validated(validation) = kind else { continue };
                validation.delta.base = has_base.then(|| before.clone());
                let own = validation.delta.commits.iter_mut().find(|commit| commit.sha == made).unwrap();
                own.sha.clone_from(&other);
            }
        });
        sandbox.commit_evidence();
        let told = "the validated code is not the one of its commit";
        sandbox.run(&["check", "--range", &since(&base)]).exits(1).says(&["VERDICTS_DIFFER", told]);
    }
}

/// The validated commit is rewritten, as somebody does who adds evidence to it.
#[test]
fn a_change_gets_no_credit_for_what_others_committed_since_its_baseline() {
    use vibeship_optimizer::model::Kind;
    let sandbox = Sandbox::enforced();
    let base = sandbox.head();
    let id = sandbox.ready("fewer steps");
    let other = sandbox.opened_beside("another");
    commit(&sandbox, "src/other.txt", "other\n", &named(&other));
    commit(&sandbox, "src/steps.txt", "80\n", &named(&id));
    sandbox.commit_evidence();
    slips::compare(&sandbox, &id);
    sandbox.git(&["add", "-A", ".vibeship-optimizer", "reports", "VIBESHIP_OPTIMIZER.md"]);
    sandbox.git(&["commit", "-q", "--amend", "--no-edit"]);
    assert_eq!(fails(&sandbox, &since(&base), &[]), ["GATE_NOT_REACHED"], "of the other change");
    forge(&sandbox, &id, |kinds| {
        for kind in kinds {
            let Kind::Validated(validation) = kind else { continue };
            validation.delta.base = None;
            validation.delta.files = vec!["src/other.txt".to_owned(), "src/steps.txt".to_owned()];
        }
    });
    sandbox.commit_evidence();
    let told = "others committed before commit";
    sandbox.run(&["check", "--range", &since(&base)]).exits(1).says(&["VERDICTS_DIFFER", told]);
}

#[test]
fn as_many_days_are_monitored_as_the_config_demands_whatever_the_record_says() {
    use vibeship_optimizer::model::Kind;
    let sandbox = Sandbox::enforced();
    let config = sandbox.read("vibeship_optimizer.yml");
    sandbox.write("vibeship_optimizer.yml", format!("{config}verification: {{min_monitor_days: 4}}\n"));
    sandbox.git(&["commit", "-qam", "Four days"]);
    let base = sandbox.head();
    let id = sandbox.ready("fewer steps");
    commit(&sandbox, "src/steps.txt", "80\n", &named(&id));
    slips::compare(&sandbox, &id);
    let on = |args: &[&str]| sandbox.run(&[args, &["--change-id", &id]].concat()).ok();
    let _ = on(&["change", "promote"]);
    let _ = on(&["change", "rollout", "full"]);
    let tick = |day: i64| {
        let now = in_days(&sandbox, day);
        let _ = on(&["monitor", "tick"]);
        sandbox.commit_evidence_at(&now);
    };
    (1..=3).for_each(tick);
    let watched = sandbox.head();
    forge_at(&sandbox, &id, 2, |kinds| {
        for kind in kinds.iter_mut() {
            if let Kind::Promoted(promotion) = kind {
                promotion.policy.min_monitor_days = 3;
            }
        }
        kinds.push(Kind::Verified { summary: "fewer".to_owned() });
    });
    sandbox.commit_evidence_at(&in_days(&sandbox, 6));
    let told = "verification.min_monitor_days";
    sandbox.run(&["check", "--range", &since(&base)]).exits(1).says(&["POLICY_LOOSENED", told]);
    sandbox.git(&["reset", "-q", "--hard", &watched]);
    tick(4);
    let now = in_days(&sandbox, 5);
    let _ = on(&["change", "verify", "--apply", "--summary", "fewer"]);
    sandbox.commit_evidence_at(&now);
    assert_eq!(fails(&sandbox, &since(&base), &[]), [""; 0]);
}
