//! The range check beyond single commits: surfaces, exemptions, gates, formats, records.

use crate::support::{KEY, Sandbox};

fn since(base: &str) -> String {
    format!("{base}..HEAD")
}

fn commit(sandbox: &Sandbox, path: &str, text: &str, message: &str) {
    sandbox.write(path, text);
    sandbox.git(&["add", "-A", path]);
    sandbox.git(&["commit", "-qm", message]);
}

#[test]
fn each_untracked_change_of_the_tuneables_is_found_with_its_commit_and_path() {
    let sandbox = Sandbox::enforced();
    let base = sandbox.head();
    for number in 0..5 {
        commit(&sandbox, "config/tuneables.json", &format!("{{\"ttl\": {number}}}\n"), "Turn the knob");
        commit(&sandbox, "notes/n.md", &format!("{number}\n"), "Prose");
    }
    assert_eq!(sandbox.codes(&since(&base)), ["TUNEABLES_UNTRACKED"; 5]);
    let text = sandbox.run(&["check", "--range", &since(&base)]).exits(1).says(&["config/tuneables.json"]).stdout;
    assert_eq!(text.matches("prose changes nothing that runs").count(), 5, "exemptions are listed: {text}");
}

#[test]
fn exemptions_hold_for_all_paths_or_bots_and_not_if_the_range_itself_brings_them() {
    let sandbox = Sandbox::enforced();
    let base = sandbox.head();
    commit(&sandbox, "notes/n.md", "1\n", "Prose");
    sandbox.write("lock.json", "1\n");
    sandbox.git(&["add", "-A"]);
    sandbox.git(&["commit", "-qm", "Update", "--author=renovate <bot+renovate@example.org>"]);
    assert!(sandbox.codes(&since(&base)).is_empty());
    // A link with an exempt name may refer to code.
    let prose = sandbox.head();
    let blob = sandbox.git(&["rev-parse", &format!("{prose}:notes/n.md")]);
    sandbox.git(&["update-index", "--add", "--cacheinfo", &format!("120000,{blob},notes/link")]);
    sandbox.git(&["commit", "-qm", "A link"]);
    assert_eq!(sandbox.codes(&since(&prose)), ["COMMIT_WITHOUT_ID"]);
    sandbox.git(&["reset", "-q", "--hard", &prose]);
    sandbox.write("notes/n.md", "2\n");
    commit(&sandbox, "src/steps.txt", "90\n", "Mixed");
    assert_eq!(sandbox.codes(&since(&base)), ["COMMIT_WITHOUT_ID"]);
    let before = sandbox.head();
    let config = sandbox.read("vibeship_optimizer.yml").replace("['notes/**']", "['**']");
    commit(&sandbox, "vibeship_optimizer.yml", &config, "Exempt everything");
    commit(&sandbox, "src/steps.txt", "80\n", "Hidden");
    let codes = sandbox.codes(&since(&before));
    assert_eq!(codes, ["COMMIT_WITHOUT_ID", "POLICY_CHANGED"]);
    let told = sandbox.run(&["check", "--range", &since(&before)]).exits(1).stdout;
    assert!(
        told.contains("only the head's config exempts it")
            && told.contains("merge the commit that changed the config first"),
        "{told}"
    );
    assert!(!told.contains("git revert"), "what it needs is there already: {told}");
}

#[test]
fn surfaces_are_checked_against_the_class() {
    let sandbox = Sandbox::enforced();
    let base = sandbox.head();
    let id = sandbox.ready("a contract");
    commit(&sandbox, "contracts/api.txt", "v2\n", &format!("Change the contract\n\n{KEY}: {id}\n"));
    assert_eq!(sandbox.codes(&since(&base)), ["CONTRACT_WITHOUT_DOCS"]);
    sandbox.git(&["reset", "-q", "--hard", "HEAD^"]);
    for path in ["contracts/api.txt", "docs/api.md", "tests/api.rs"] {
        sandbox.write(path, "v2\n");
    }
    sandbox.git(&["add", "contracts", "docs", "tests"]);
    sandbox.git(&["commit", "-qm", &format!("Change the contract\n\n{KEY}: {id}\n")]);
    assert!(sandbox.codes(&since(&base)).is_empty());
    sandbox.git(&["reset", "-q", "--hard", "HEAD^"]);
    commit(&sandbox, "config/tuneables.json", "{\"ttl\": 1}\n", &format!("Knob\n\n{KEY}: {id}\n"));
    assert_eq!(sandbox.codes(&since(&base)), ["WRONG_CLASS"]);
    commit(&sandbox, "deploy/prod.env", "X=1\n", "Override");
    assert_eq!(sandbox.codes("HEAD^..HEAD"), ["ENV_OVERRIDE_UNDOCUMENTED"]);
}

#[test]
fn an_experiment_touches_nothing_that_runs() {
    let sandbox = Sandbox::enforced();
    let base = sandbox.head();
    let id = sandbox.opened("experiment", "try it");
    sandbox.take_baseline(&id);
    commit(&sandbox, "config/tuneables.json", "{\"ttl\": 1}\n", &format!("Try\n\n{KEY}: {id}\n"));
    assert_eq!(sandbox.codes(&since(&base)), ["WRONG_CLASS"]);
}

#[test]
fn the_required_gate_is_demanded_and_the_flag_may_name_another() {
    let sandbox = Sandbox::enforced();
    let base = sandbox.head();
    let id = sandbox.ready("fewer steps");
    commit(&sandbox, "src/steps.txt", "80\n", &format!("Fewer steps\n\n{KEY}: {id}\n"));
    assert!(sandbox.codes(&since(&base)).is_empty());
    assert_eq!(sandbox.codes_with(&since(&base), &["--require", "promoted"]), ["GATE_NOT_REACHED"]);
    let text = sandbox.run(&["check", "--range", &since(&base), "--require", "promoted"]);
    text.exits(1).says(&["gate 3 (validate)", &format!("next: vibeship-optimizer validate --change-id {id}")]);
}

#[test]
fn a_rejected_change_whose_commit_stays_is_found_until_it_is_reverted() {
    let sandbox = Sandbox::enforced();
    let base = sandbox.head();
    let id = sandbox.ready("fewer steps");
    commit(&sandbox, "src/steps.txt", "80\n", &format!("Fewer steps\n\n{KEY}: {id}\n"));
    sandbox.run(&["change", "reject", "--change-id", &id, "--reason", "no"]).ok();
    sandbox.commit_evidence();
    assert_eq!(sandbox.codes(&since(&base)), ["NOT_REVERTED"]);
    sandbox.git(&["revert", "--no-edit", "HEAD^"]);
    assert!(sandbox.codes(&since(&base)).is_empty());
}

#[test]
fn the_formats_say_the_same() {
    let sandbox = Sandbox::enforced();
    let base = sandbox.head();
    commit(&sandbox, "src/steps.txt", "80\n", "100% <faster>: a, b");
    let ask = |format: &str| sandbox.run(&["check", "--range", &since(&base), "--format", format]);
    let github = ask("github").exits(1).says(&["::error file=src/steps.txt,title=COMMIT_WITHOUT_ID::"]);
    assert!(github.stdout.contains("100%25 <faster>: a, b"), "{}", github.stdout);
    let junit = ask("junit").exits(1).says(&["<failure type=\"COMMIT_WITHOUT_ID\"", "100% &lt;faster&gt;"]);
    let _ = junit.says(&["tests=\"1\" failures=\"1\""]).never_says(&["name=\"1 finding"]);
    ask("markdown").exits(1).says(&["COMMIT_WITHOUT_ID", "|"]);
    let summary = sandbox.home().join("summary.md");
    sandbox
        .run(&["check", "--range", &since(&base), "--summary", summary.to_str().unwrap()])
        .exits(1)
        .says(&["fail COMMIT_WITHOUT_ID"]);
    assert!(std::fs::read_to_string(&summary).unwrap().contains("The check fails"));
    let unknown = ["check", "--range", "gone..HEAD", "--format", "markdown", "--summary", summary.to_str().unwrap()];
    sandbox.run(&unknown).exits(2).says(&["## The check cannot tell", "names no commit", "next: git fetch"]);
    assert!(std::fs::read_to_string(&summary).unwrap().contains("The check cannot tell"));
    #[cfg(target_os = "linux")]
    sandbox
        .run(&["check", "--range", &since(&base), "--summary", "/dev/full"])
        .exits(1)
        .says(&["the summary was not written"]);
}

#[test]
fn a_shallow_clone_is_answered_where_it_is_deep_enough_and_told_what_to_fetch_elsewhere() {
    let sandbox = Sandbox::enforced();
    commit(&sandbox, "notes/n.md", "1\n", "Prose");
    commit(&sandbox, "src/steps.txt", "80\n", "Fewer steps");
    let clone = sandbox.home().join("clone");
    let url = format!("file://{}", sandbox.root().display());
    sandbox.git(&["clone", "-q", "--depth", "1", &url, clone.to_str().unwrap()]);
    let answer = sandbox.run_in(&clone, &["check", "--range", "HEAD~1..HEAD"]).exits(2);
    let _ = answer.says(&["next: git fetch --unshallow"]);
    // The base as a full hash, as GitHub gives it, of a commit that the clone does not have.
    let base = sandbox.try_git(&["rev-parse", "HEAD~1"]).stdout;
    let answer = sandbox.run_in(&clone, &["check", "--range", &format!("{}..HEAD", base.trim())]);
    assert_eq!(answer.code, 2);
    assert!(answer.stderr.contains("next: git fetch --unshallow"), "{}", answer.stderr);
    sandbox.git_in(&clone, &["fetch", "-q", "--depth", "3"]);
    let _ = sandbox.run_in(&clone, &["check", "--range", "HEAD~1..HEAD"]).exits(1).says(&["COMMIT_WITHOUT_ID"]);
    let _ = sandbox
        .run_in(&clone, &["check", "--range", "..HEAD"])
        .exits(2)
        .says(&["the range has no base, so every commit is checked"]);
    sandbox.git_in(&clone, &["fetch", "-q", "--unshallow"]);
    let _ = sandbox.run_in(&clone, &["check", "--range", "HEAD~2..HEAD"]).exits(1).says(&["in 2 commits"]);
}

#[test]
fn a_base_that_was_not_fetched_is_fetched_as_printed_and_a_new_branch_has_none() {
    let sandbox = Sandbox::enforced();
    sandbox.git(&["checkout", "-q", "-b", "side"]);
    commit(&sandbox, "src/steps.txt", "80\n", "Fewer steps");
    let clone = sandbox.home().join("clone");
    let url = format!("file://{}", sandbox.root().display());
    sandbox.git(&["clone", "-q", "--single-branch", "-b", "side", &url, clone.to_str().unwrap()]);
    let check = |range: &str| sandbox.run_in(&clone, &["check", "--range", range]);
    let fetch = "fetch origin +main:refs/remotes/origin/main";
    let _ = check("origin/main..HEAD").exits(2).says(&[&format!("next: git {fetch}")]);
    // Without the default branch, everything since the setup is checked.
    let zeros = format!("{}..HEAD", "0".repeat(40));
    let _ = check(&zeros).exits(1).says(&["COMMIT_WITHOUT_ID"]);
    sandbox.git_in(&clone, &fetch.split(' ').collect::<Vec<_>>());
    for range in ["origin/main..HEAD", "main..HEAD", &zeros] {
        let _ = check(range).exits(1).says(&["COMMIT_WITHOUT_ID", "in 1 commit"]);
    }
    sandbox.git_in(&clone, &["checkout", "-q", "-b", "new"]);
    let _ = check("@{u}..HEAD").exits(2).says(&["next: git push -u origin HEAD", "check --range BASE..HEAD"]);
}

#[test]
fn by_default_the_range_is_what_the_upstream_lacks() {
    let sandbox = Sandbox::enforced();
    let clone = sandbox.home().join("clone");
    sandbox.git(&["clone", "-q", sandbox.root().to_str().unwrap(), clone.to_str().unwrap()]);
    assert!(sandbox.run_in(&clone, &["check", "--range"]).ok().stdout.contains("0 commits"));
    std::fs::write(clone.join("src/steps.txt"), "80\n").unwrap();
    sandbox.git_in(&clone, &["commit", "-qam", "Fewer steps"]);
    sandbox.run_in(&clone, &["check", "--range"]).exits(1).says(&["COMMIT_WITHOUT_ID", "in 1 commit"]);
}

#[test]
fn the_work_tree_does_not_matter_to_a_range() {
    let sandbox = Sandbox::enforced();
    let base = sandbox.head();
    let id = sandbox.ready("fewer steps");
    commit(&sandbox, "src/steps.txt", "80\n", &format!("Fewer steps\n\n{KEY}: {id}\n"));
    std::fs::remove_dir_all(sandbox.root().join(".vibeship-optimizer/changes")).unwrap();
    std::fs::remove_dir_all(sandbox.root().join("reports")).unwrap();
    assert!(sandbox.codes(&since(&base)).is_empty());
}

#[test]
fn a_check_of_the_work_tree_finds_missing_and_unknown_evidence() {
    let sandbox = Sandbox::enforced();
    let id = sandbox.ready("fewer steps");
    sandbox.run(&["check"]).ok();
    let file = format!("reports/optimizer/{id}_before_snapshot.json");
    sandbox.write("reports/optimizer/chg-nobody_before_snapshot.json", "{}");
    let answer = sandbox.run(&["check"]).ok();
    assert!(answer.stdout.contains("warn EVIDENCE_UNKNOWN"), "{}", answer.stdout);
    let text = sandbox.read(&file);
    sandbox.write(&file, text.replace("\"label\"", "\"Label\""));
    sandbox.run(&["check"]).exits(1).says(&["ARTIFACT_ALTERED", &file]);
    std::fs::remove_file(sandbox.root().join(&file)).unwrap();
    sandbox.run(&["check"]).exits(1).says(&["ARTIFACT_MISSING", &format!("git checkout HEAD -- {file}")]);
}

#[test]
fn findings_about_commits_reverted_in_the_same_range_only_warn() {
    let sandbox = Sandbox::enforced();
    let base = sandbox.head();
    let levels = || -> Vec<(String, String)> {
        let out = sandbox.run(&["check", "--range", &since(&base), "--format", "json"]).stdout;
        let value: serde_json::Value = serde_json::from_str(&out).unwrap();
        let text = |value: &serde_json::Value| value.as_str().unwrap().to_owned();
        let pair = |it: &serde_json::Value| (text(&it["code"]), text(&it["level"]));
        value["findings"].as_array().unwrap().iter().map(pair).collect()
    };
    let pair = |code: &str, level: &str| (code.to_owned(), level.to_owned());
    commit(&sandbox, "config/tuneables.json", "{\"ttl\": 1}\n", "Turn the knob");
    assert_eq!(levels(), [pair("TUNEABLES_UNTRACKED", "fail")]);
    sandbox.git(&["revert", "--no-edit", "HEAD"]);
    assert_eq!(levels(), [pair("TUNEABLES_UNTRACKED", "warn"), pair("TUNEABLES_UNTRACKED", "warn")]);
    let text = sandbox.run(&["check", "--range", &since(&base)]).ok().stdout;
    assert!(text.contains("taken back in the same range") && !text.contains("next:"), "{text}");
    // Another revert brings it back, and with it the finding.
    sandbox.git(&["revert", "--no-edit", "HEAD"]);
    assert!(levels().contains(&pair("TUNEABLES_UNTRACKED", "fail")), "{:?}", levels());
    // The base already has the commit, so reverting it is a change like any other.
    assert_eq!(sandbox.codes("HEAD^..HEAD"), ["TUNEABLES_UNTRACKED"]);
    sandbox.git(&["reset", "-q", "--hard", &base]);
    // A merge with content of its own is fixed in the same way.
    sandbox.git(&["checkout", "-q", "-b", "side"]);
    commit(&sandbox, "notes/n.md", "1\n", "Prose");
    sandbox.git(&["checkout", "-q", "main"]);
    sandbox.git(&["merge", "-q", "--no-ff", "--no-commit", "side"]);
    sandbox.write("src/steps.txt", "1\n");
    sandbox.git(&["commit", "-qam", "Merge side"]);
    assert_eq!(levels(), [pair("MERGE_BRINGS_CONTENT", "fail")]);
    sandbox.git(&["revert", "--no-edit", "-m", "1", "HEAD"]);
    assert_eq!(levels(), [pair("MERGE_BRINGS_CONTENT", "warn"), pair("COMMIT_WITHOUT_ID", "warn")]);
}

#[test]
fn an_experiment_satisfies_no_gate_that_it_never_passes() {
    let sandbox = Sandbox::enforced();
    let base = sandbox.head();
    let id = sandbox.opened("experiment", "try it");
    sandbox.take_baseline(&id);
    commit(&sandbox, "src/steps.txt", "80\n", &format!("Try\n\n{KEY}: {id}\n"));
    sandbox.run(&["validate", "--change-id", &id]).ok();
    sandbox.run(&["snapshot", "--label", "after", "--change-id", &id, "--as", "after"]).ok();
    sandbox.run(&["compare", "--change-id", &id]).ok();
    sandbox.commit_evidence();
    assert!(sandbox.codes_with(&since(&base), &["--require", "compare"]).is_empty());
    for gate in ["promoted", "rollout", "verified"] {
        assert_eq!(sandbox.codes_with(&since(&base), &["--require", gate]), ["CLASS_NEVER_PASSES"], "{gate}");
    }
    let text = sandbox.run(&["check", "--range", &since(&base), "--require", "promoted"]);
    text.exits(1).says(&["a change of class experiment never passes", &format!("--from {id}")]);
}

#[test]
fn an_emergency_replaces_a_promotion_only_for_the_longest_allowed_time() {
    let sandbox = Sandbox::enforced();
    let base = sandbox.head();
    // A temporarily committed config allows two months.
    let config = sandbox.read("vibeship_optimizer.yml");
    let loose = config.replace("  require:", "  max_emergency_days: 90\n  require:");
    commit(&sandbox, "vibeship_optimizer.yml", &loose, "Loosen");
    let id = sandbox.emergency("stop it", "60d");
    sandbox.git(&["reset", "-q", "--hard", &base]);
    sandbox.write("reports/optimizer/notes.md", "none yet\n");
    commit(&sandbox, "src/steps.txt", "80\n", &format!("Stop it\n\n{KEY}: {id}\n"));
    sandbox.commit_evidence();
    let promoted = || sandbox.codes_with(&since(&base), &["--require", "promoted"]);
    assert_eq!(promoted(), [""; 0]);
    let later = (chrono::Utc::now() + chrono::Duration::days(8)).to_rfc3339();
    sandbox.git_at(&later, &["commit", "-q", "--allow-empty", "-m", "Later"]);
    assert_eq!(promoted(), ["ENV_OVERRIDE_EXPIRED"]);
    assert_eq!(sandbox.codes(&since(&base)), ["ENV_OVERRIDE_EXPIRED"], "whatever gate is demanded");
    // A change that cannot be promoted cannot be a follow-up.
    let experiment = sandbox.opened_as("experiment", "try it");
    sandbox.run(&["change", "follow-up", "--change-id", &id, "--by", &experiment]).exits(1).says(&["of class code"]);
    let proper = sandbox.opened_as("code", "for good");
    sandbox.run(&["change", "follow-up", "--change-id", &id, "--by", &proper]).ok();
    sandbox.commit_evidence_at(&later);
    assert!(promoted().contains(&"ENV_OVERRIDE_EXPIRED".to_owned()), "one that was opened and no more");
    // Nor does one count that is opened after the expiry, or this could go on forever.
    sandbox.set("VIBESHIP_OPTIMIZER_TEST_NOW", &later);
    let late = sandbox.opened_as("code", "later");
    sandbox.take_baseline(&late);
    sandbox.run(&["change", "follow-up", "--change-id", &id, "--by", &late]).ok();
    sandbox.commit_evidence_at(&later);
    assert!(promoted().contains(&"ENV_OVERRIDE_EXPIRED".to_owned()), "one of a later week");
}

#[test]
fn an_emergency_rolled_back_on_record_alone_is_found_with_the_command_to_revert_it() {
    let sandbox = Sandbox::enforced();
    let base = sandbox.head();
    let id = sandbox.emergency("stop it", "1h");
    commit(&sandbox, "src/steps.txt", "80\n", &format!("Stop it\n\n{KEY}: {id}\n"));
    sandbox.run(&["change", "rollout", "full", "--change-id", &id]).ok();
    sandbox.commit_evidence();
    let rollback = ["change", "rollback", "--change-id", &id, "--reason", "load is normal"];
    let out = format!("next: vibeship-optimizer change rollback --change-id {id} --reason \"load is normal\" --apply");
    let _ = sandbox.run(&rollback).ok().says(&["its commit is still in the tree", &out]);
    let _ = sandbox
        .run(&["status"])
        .ok()
        .says(&[&format!("change rollback --change-id {id} --reason \"load is normal\" --apply")]);
    // Also if a later push brings the record of the rollback.
    let pushed = sandbox.head();
    sandbox.commit_evidence();
    assert_eq!(sandbox.codes(&since(&pushed)), ["NOT_REVERTED"]);
    sandbox.run(&[&rollback[..], &["--apply"]].concat()).ok();
    sandbox.commit_evidence();
    assert!(sandbox.codes(&since(&base)).is_empty() && sandbox.codes(&since(&pushed)).is_empty());
}

#[test]
fn an_emergency_may_be_followed_up_by_a_change_in_progress() {
    let sandbox = Sandbox::enforced();
    let base = sandbox.head();
    let id = sandbox.emergency("stop it", "1h");
    sandbox.write("reports/optimizer/notes.md", "none yet\n");
    commit(&sandbox, "src/steps.txt", "80\n", &format!("Stop it\n\n{KEY}: {id}\n"));
    let proper = sandbox.opened_as("code", "for good");
    sandbox.run(&["change", "follow-up", "--change-id", &id, "--by", &proper]).ok();
    sandbox.commit_evidence();
    let expired_after = |hours: i64| {
        let later = (chrono::Utc::now() + chrono::Duration::hours(hours)).to_rfc3339();
        sandbox.git_at(&later, &["commit", "-q", "--allow-empty", "-m", "Later"]);
        let [codes, promoted] = [&[][..], &["--require", "promoted"]]
            .map(|more| sandbox.codes_with(&since(&base), more).contains(&"ENV_OVERRIDE_EXPIRED".to_owned()));
        sandbox.git(&["reset", "-q", "--hard", "HEAD^"]);
        assert_eq!(codes, promoted, "whatever gate is demanded");
        promoted
    };
    assert!(expired_after(2), "the other change has not even a baseline");
    sandbox.take_baseline(&proper);
    assert!(!expired_after(2));
    assert!(expired_after(24 * 8), "it lies about for longer than an override may");
    // A follow-up whose commit was reverted does not count, whatever its record says.
    commit(&sandbox, "src/steps.txt", "70\n", &format!("For good\n\n{KEY}: {proper}\n"));
    sandbox.run(&["validate", "--change-id", &proper]).ok();
    sandbox.commit_evidence();
    assert!(!expired_after(2));
    sandbox.git(&["revert", "--no-edit", "HEAD~1"]);
    assert!(expired_after(2));
}

#[test]
fn a_range_that_can_contain_nothing_is_an_error() {
    let sandbox = Sandbox::enforced();
    commit(&sandbox, "src/steps.txt", "80\n", "No id");
    for range in ["HEAD", "main", "HEAD..HEAD^", "HEAD...HEAD^"] {
        let answer = sandbox.run(&["check", "--range", range]);
        assert_eq!(answer.code, 2, "{range}: {}{}", answer.stdout, answer.stderr);
        assert!(answer.stderr.contains("BASE..HEAD"), "{range}: {}", answer.stderr);
    }
    let nothing = sandbox.run(&["check", "--range", "HEAD..HEAD"]).ok();
    let _ = nothing.says(&["every commit of the head is in the base", "nothing to check"]).never_says(&["no problems"]);
    assert_eq!(sandbox.codes("HEAD^"), ["COMMIT_WITHOUT_ID"], "one commit is the base of what HEAD has since");
}

#[test]
fn the_tool_s_own_rollback_is_a_revert_to_the_check() {
    for ended in [false, true] {
        let sandbox = Sandbox::enforced();
        let base = sandbox.head();
        let id = sandbox.ready("fewer steps");
        commit(&sandbox, "src/steps.txt", "80\n", &format!("Fewer steps\n\n{KEY}: {id}\n"));
        sandbox.run(&["validate", "--change-id", &id]).ok();
        if ended {
            sandbox.run(&["change", "reject", "--change-id", &id, "--reason", "no"]).ok();
        }
        let back = ["change", "rollback", "--change-id", &id, "--reason", "it hurt", "--apply"];
        sandbox.run(&back).ok();
        assert_eq!(sandbox.read("src/steps.txt"), "100\n");
        sandbox.commit_evidence();
        assert!(sandbox.codes(&since(&base)).is_empty());
        assert!(sandbox.codes("HEAD~2..HEAD").is_empty(), "also when what is reverted lies before the range");
    }
}

#[test]
fn a_rollback_of_several_commits_reverts_each_in_a_separate_commit() {
    let sandbox = Sandbox::enforced();
    let base = sandbox.head();
    let id = sandbox.ready("fewer steps");
    commit(&sandbox, "src/steps.txt", "90\n", &format!("Fewer steps\n\n{KEY}: {id}\n"));
    commit(&sandbox, "src/steps.txt", "80\n", &format!("Fewer still\n\n{KEY}: {id}\n"));
    sandbox.run(&["change", "reject", "--change-id", &id, "--reason", "two commits"]).ok();
    sandbox.run(&["change", "rollback", "--change-id", &id, "--reason", "it hurt", "--apply"]).ok();
    assert_eq!(sandbox.read("src/steps.txt"), "100\n");
    sandbox.commit_evidence();
    assert_eq!(sandbox.codes(&since(&base)), Vec::<String>::new());
}

#[test]
fn a_rollback_of_an_older_version_is_a_revert_too() {
    let sandbox = Sandbox::enforced();
    let base = sandbox.head();
    let id = sandbox.ready("fewer steps");
    commit(&sandbox, "src/steps.txt", "80\n", &format!("Fewer steps\n\n{KEY}: {id}\n"));
    let message = format!("Revert \"fewer steps\"\n\nRolls back {}: it hurt\n\n{KEY}: {id}\n", sandbox.head());
    commit(&sandbox, "src/steps.txt", "100\n", &message);
    assert!(sandbox.codes(&since(&base)).is_empty());
}

#[test]
fn no_fix_brings_a_reverted_change_back() {
    let sandbox = Sandbox::enforced();
    let base = sandbox.head();
    let id = sandbox.ready("fewer steps");
    commit(&sandbox, "src/steps.txt", "80\n", &format!("Fewer steps\n\n{KEY}: {id}\n"));
    let first = sandbox.head();
    let message = format!("Revert \"Fewer steps\"\n\nThis reverts commit {first}.\n\n{KEY}: {id}\n");
    commit(&sandbox, "src/steps.txt", "101\n", &message);
    let (revert, first) = (&sandbox.head()[..12], &first[..12]);
    let text = sandbox.run(&["check", "--range", &since(&base)]);
    let fix = format!("next: git revert {revert} && git revert {first}\n");
    let text = text.exits(1).says(&["REVERT_NOT_EXACT", "MANY_COMMITS", &fix]).stdout;
    assert_eq!(text.matches(&format!("git revert {revert}")).count(), 1, "{text}");
}

#[test]
fn a_rollback_that_cannot_be_made_says_why_first_and_how_it_can() {
    let sandbox = Sandbox::enforced();
    let id = sandbox.ready("fewer steps");
    commit(&sandbox, "src/steps.txt", "80\n", &format!("Fewer steps\n\n{KEY}: {id}\n"));
    sandbox.run(&["validate", "--change-id", &id]).ok();
    let head = sandbox.head();
    let back = ["change", "rollback", "--change-id", &id, "--reason", "it hurt", "--apply"];
    let again = format!("vibeship-optimizer change rollback --change-id {id} --reason \"it hurt\" --apply");
    sandbox.write("src/steps.txt", "mine\n");
    let dirty = sandbox.run(&back);
    assert_eq!(dirty.code, 2, "{}", dirty.stderr);
    assert!(!dirty.stderr.contains("graft"), "{}", dirty.stderr);
    assert!(dirty.stderr.lines().take(3).any(|line| line.contains("local changes")), "{}", dirty.stderr);
    assert!(dirty.stderr.contains("src/steps.txt") && dirty.stderr.contains(&again), "{}", dirty.stderr);
    sandbox.git(&["checkout", "-q", "--", "src"]);
    let settings = "[user]\n\tuseConfigOnly = true\n";
    std::fs::write(sandbox.home().join("gitconfig"), settings).unwrap();
    let nobody = sandbox.run(&back);
    assert_eq!(nobody.code, 2, "{}", nobody.stderr);
    let first = nobody.stderr.lines().next().unwrap_or_default();
    assert!(first.contains("git does not know who"), "{}", nobody.stderr);
    assert!(nobody.stderr.contains("git config user.name") && nobody.stderr.contains(&again), "{}", nobody.stderr);
    assert_eq!(sandbox.head(), head);
}

#[test]
fn a_check_that_cannot_be_made_leaves_a_report_for_ci() {
    let s = Sandbox::enforced();
    let check = |format: &str| s.run(&["check", "--range", "nosuch..HEAD", "--format", format]).exits(2);
    let answer = check("junit").says(&["next: git fetch"]);
    assert!(answer.stdout.contains("<error message=") && answer.stdout.contains("errors=\"1\""), "{answer}");
    assert!(check("github").stdout.starts_with("::error title=check::"));
    // The exit code depends on the findings, even if the summary cannot be written.
    let base = s.head();
    commit(&s, "src/a.rs", "1\n", "Code");
    s.set("GITHUB_STEP_SUMMARY", "/no/such/dir/s.md");
    let answer = s.run(&["check", "--range", &since(&base), "--format", "github"]).exits(1);
    assert!(answer.stderr.contains("cannot write /no/such/dir/s.md"), "{answer}");
}

#[test]
fn a_range_check_without_a_project_says_so_and_fails() {
    let sandbox = Sandbox::without_git();
    sandbox.git(&["init", "-q"]);
    let none = sandbox.run(&["check", "--range", "HEAD^..HEAD"]).exits(2);
    let _ = none.says(&["there is no commit yet", "git commit -m Start"]).never_says(&["git fetch"]);
    sandbox.commit_as("one", &[]).write("src/main.txt", "two\n").commit_as("two", &[]);
    let never = sandbox.run(&["check", "--range", "HEAD^..HEAD"]).exits(2);
    let _ = never.says(&["no project was ever set up here", "next: vibeship-optimizer init"]).never_says(&["since:"]);
    // A project that was set up and whose config is deleted is checked as before.
    sandbox.write("vibeship_optimizer.yml", "version: 1\n").commit_as("three", &[]);
    std::fs::remove_file(sandbox.path("vibeship_optimizer.yml")).unwrap();
    sandbox.write("src/main.txt", "four\n").commit_as("four", &[]);
    let _ = sandbox.run(&["check", "--range", "HEAD^..HEAD"]).exits(1).says(&["COMMIT_WITHOUT_ID"]);
}
