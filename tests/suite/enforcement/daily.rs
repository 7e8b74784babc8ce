//! Everyday situations of a team: editors, several open changes, missing programs.

use chrono::Duration;

use crate::support::{KEY, Sandbox};

/// A change that is ready for its commit, with the improvement staged and the hooks installed.
fn staged() -> (Sandbox, String) {
    let sandbox = Sandbox::hooked();
    let id = sandbox.ready("fewer steps");
    sandbox.improve_steps();
    (sandbox, id)
}

/// An editor that inserts this line at the top of the buffer.
fn typing_first(sandbox: &Sandbox, line: &str) -> String {
    let editor = sandbox.home().join("editor.sh");
    let text = format!("#!/bin/sh\n{{ printf '%s' '{line}'; cat \"$1\"; }} > \"$1.new\" && mv \"$1.new\" \"$1\"\n");
    std::fs::write(&editor, text).unwrap();
    format!("core.editor=sh '{}'", editor.display())
}

#[test]
fn a_subject_typed_on_the_first_line_of_the_editor_is_no_part_of_the_trailer() {
    let (sandbox, id) = staged();
    let editor = typing_first(&sandbox, "Fewer steps");
    sandbox.git(&["-c", &editor, "commit", "-q"]);
    assert_eq!(sandbox.ids("HEAD"), [id.as_str()]);
    let message = sandbox.try_git(&["log", "-1", "--format=%B"]).ok().stdout;
    assert_eq!(message.trim_end(), format!("Fewer steps\n\n{KEY}: {id}"));
}

#[test]
fn a_trailer_that_git_writes_with_another_separator_is_one() {
    let sandbox = Sandbox::hooked();
    let base = sandbox.head();
    let id = sandbox.ready("fewer steps");
    sandbox.git(&["config", "trailer.separators", "=:"]);
    sandbox.improve_steps();
    sandbox.git(&["commit", "-qm", "Fewer steps", "--trailer", &format!("Optimizer-Change: {id}")]);
    assert!(sandbox.git(&["log", "-1", "--format=%B"]).contains(&format!("Optimizer-Change= {id}")));
    sandbox.run(&["validate"]).ok();
    sandbox.git(&["config", "--unset", "trailer.separators"]);
    sandbox.git(&["add", "-A"]);
    sandbox.git(&["commit", "-qm", "Evidence"]);
    sandbox.run(&["check", "--range", &format!("{base}..HEAD"), "--require", "validate"]).ok();
}

#[test]
fn an_amended_commit_keeps_its_id_and_what_needs_none_gets_none() {
    let sandbox = Sandbox::hooked();
    let base = sandbox.head();
    let id = sandbox.ready("fewer steps");
    sandbox.write(".gitignore", "*.pyc\n");
    sandbox.write("notes/x.md", "x\n");
    sandbox.git(&["add", ".gitignore", "notes"]);
    sandbox.git(&["commit", "-qm", "Ignore caches, and a note"]);
    assert!(sandbox.ids("HEAD").is_empty());
    sandbox.improve_steps();
    sandbox.git(&["commit", "-qm", "Fewer steps"]);
    sandbox.git(&["commit", "-q", "--amend", "-m", "Far fewer steps"]);
    assert_eq!(sandbox.ids("HEAD"), [id.as_str()], "of an unvalidated change");
    sandbox.run(&["validate"]).ok();
    sandbox.git(&["commit", "-q", "--amend", "-m", "Fewer steps, again"]);
    assert_eq!(sandbox.ids("HEAD"), [id.as_str()], "of a validated one");
    let editor = sandbox.outside().join("editor.sh");
    std::fs::write(&editor, "#!/bin/sh\necho 'No steps' > \"$1\"\n").unwrap();
    let editor = format!("core.editor=sh '{}'", editor.display());
    let dropped = sandbox.try_git(&["-c", &editor, "commit", "-q", "--amend"]);
    let dropped = dropped.exits(1).says(&["carries", "its new message does not", "git commit --amend -m"]);
    assert!(dropped.stderr.contains(&id), "{}", dropped.stderr);
    assert_eq!(sandbox.ids("HEAD"), [id.as_str()]);
    assert!(!sandbox.codes(&format!("{base}..HEAD")).contains(&"COMMIT_WITHOUT_ID".to_owned()));
}

/// A change that is promoted and still monitored.
fn promoted(sandbox: &Sandbox) -> String {
    let id = sandbox.ready("fewer steps");
    sandbox.improve_steps();
    sandbox.git(&["commit", "-qm", &format!("Fewer steps\n\n{KEY}: {id}")]);
    sandbox.run(&["validate", "--change-id", &id]).ok();
    sandbox.run(&["snapshot", "--label", "after", "--change-id", &id, "--as", "after"]).ok();
    sandbox.run(&["compare", "--change-id", &id]).ok();
    sandbox.run(&["change", "promote", "--change-id", &id]).ok();
    sandbox.commit_evidence();
    id
}

#[test]
fn beside_a_monitored_change_a_commit_gets_the_id_of_the_waiting_one() {
    let sandbox = Sandbox::hooked();
    let first = promoted(&sandbox);
    let second = sandbox.opened_beside("fewer still");
    sandbox.take_baseline(&second);
    sandbox.write("src/steps.txt", "60\n");
    sandbox.git(&["commit", "-qam", "Fewer still"]);
    assert_eq!(sandbox.ids("HEAD"), [second.as_str()]);
    sandbox.write("src/steps.txt", "50\n");
    sandbox.try_git(&["commit", "-qam", "Fewer again"]).exits(1).says(&[
        "every open change already has its commit",
        &first,
        &second,
        "change start",
    ]);
}

#[test]
fn a_commit_that_several_changes_wait_for_is_refused_with_their_names() {
    let (sandbox, first) = staged();
    let second = sandbox.opened_beside("another");
    let answer = sandbox.try_git(&["commit", "-qm", "Fewer steps"]);
    answer.exits(1).says(&["several are open", &first, &second, "change use chg-"]);
}

#[test]
fn without_the_program_or_with_a_broken_config_a_commit_past_the_hooks_and_a_revert_are_made() {
    let sandbox = Sandbox::hooked();
    sandbox.write("notes/x.md", "x\n");
    sandbox.git(&["add", "notes"]);
    sandbox.git(&["commit", "-qm", "A note"]);
    sandbox.write("vibeship_optimizer.yml", "version: 1\nkpis: nonsense\n");
    sandbox.write("notes/y.md", "y\n");
    sandbox.git(&["add", "notes"]);
    let refused = sandbox.try_git(&["commit", "-qm", "Another"]);
    assert_ne!(refused.code, 0, "commit-msg refuses what it cannot judge");
    assert_eq!(refused.stderr.matches("next: ").count(), 1, "what helps is told once: {refused}");
    let answer = sandbox.try_git(&["commit", "-q", "--no-verify", "-m", "Another"]).ok();
    assert!(answer.stderr.contains("the message gets no trailer"), "{}", answer.stderr);
    for name in ["prepare-commit-msg", "commit-msg"] {
        let hook = sandbox.root().join(".git/hooks").join(name);
        let text = std::fs::read_to_string(&hook).unwrap();
        let moved = text.replace(env!("CARGO_BIN_EXE_vibeship-optimizer"), "/nowhere/vibeship-optimizer");
        std::fs::write(&hook, moved).unwrap();
    }
    let answer = sandbox.try_git(&["revert", "--no-edit", "HEAD"]).ok();
    assert!(answer.stderr.contains("The message gets no trailer."), "{}", answer.stderr);
}

/// A promoted change whose only commit on main is a relinked squash without its id; also returns the old commit.
fn relinked() -> (Sandbox, String, String, String) {
    let sandbox = Sandbox::enforced();
    let base = sandbox.head();
    let id = sandbox.ready("fewer steps");
    sandbox.improve_steps();
    sandbox.git(&["commit", "-qm", &format!("Fewer steps\n\n{KEY}: {id}")]);
    let old = sandbox.head();
    sandbox.run(&["validate", "--change-id", &id]).ok();
    sandbox.run(&["snapshot", "--label", "after", "--change-id", &id, "--as", "after"]).ok();
    sandbox.run(&["compare", "--change-id", &id]).ok();
    sandbox.run(&["change", "promote", "--change-id", &id]).ok();
    sandbox.commit_evidence();
    sandbox.git(&["checkout", "-q", "-b", "squashed", &base]);
    sandbox.git(&["merge", "-q", "--squash", "main"]);
    sandbox.git(&["commit", "-qm", "Squashed (#1)"]);
    sandbox.run(&["change", "relink"]).ok();
    sandbox.commit_evidence();
    (sandbox, id, old, base)
}

#[test]
fn a_squash_of_setup_change_and_evidence_counts_as_the_change() {
    let sandbox = Sandbox::enforced();
    let config = sandbox.read("vibeship_optimizer.yml");
    sandbox.git(&["rm", "-rq", ".vibeship-optimizer", "VIBESHIP_OPTIMIZER.md", "vibeship_optimizer.yml"]);
    sandbox.git(&["commit", "-qm", "Before it was adopted"]);
    sandbox.git(&["checkout", "-qb", "work"]);
    sandbox.write("vibeship_optimizer.yml", &config);
    sandbox.write(".gitignore", "*.pyc\n");
    sandbox.run(&["init", "--no-prompt"]).ok();
    sandbox.git(&["add", "-A"]);
    sandbox.git(&["commit", "-qm", "Set up vibeship-optimizer"]);
    let id = promoted(&sandbox);
    sandbox.git(&["checkout", "-q", "main"]);
    sandbox.write("other.txt", "another's\n");
    sandbox.git(&["add", "other.txt"]);
    sandbox.git(&["commit", "-qm", "Another's"]);
    let base = sandbox.head();
    for (more, code) in [("", 0), ("one more\n", 1)] {
        sandbox.git(&["reset", "-q", "--hard", &base]);
        sandbox.git(&["merge", "-q", "--squash", "work"]);
        if !more.is_empty() {
            sandbox.write("src/more.txt", more);
            sandbox.git(&["add", "src"]);
        }
        sandbox.git(&["commit", "-qm", "Squashed (#1)"]);
        let relinked = sandbox.run(&["change", "relink", "--change-id", &id]);
        assert_eq!(relinked.code, code, "{}{}", relinked.stdout, relinked.stderr);
        if code == 0 {
            sandbox.commit_evidence();
            let range = format!("{base}..HEAD");
            assert!(sandbox.codes_with(&range, &["--require", "decide"]).is_empty());
            // A clone of only main, as in CI, does not have the squashed commit.
            let clone = sandbox.outside().join("clone");
            let url = format!("file://{}", sandbox.root().display());
            sandbox.git(&["clone", "-q", "--single-branch", "-b", "main", &url, &clone.display().to_string()]);
            sandbox.go_to(&clone).run(&["check", "--range", &range, "--require", "decide"]).ok();
            sandbox.go_to(".");
        }
    }
}

#[test]
fn after_a_relink_no_rollback_names_the_commit_that_is_gone() {
    let (sandbox, id, old, _) = relinked();
    let record = sandbox.read(format!(".vibeship-optimizer/changes/{id}.json"));
    let record: serde_json::Value = serde_json::from_str(&record).unwrap();
    assert_eq!(record["rollback"], format!("git revert {}", record["commit"].as_str().unwrap()));
    assert_ne!(record["commit"], old.as_str());
    let rolled = sandbox.run(&["change", "rollout", "--change-id", &id, "full"]);
    assert_eq!(rolled.code, 0, "{}{}", rolled.stdout, rolled.stderr);
    assert!(!format!("{}{}", rolled.stdout, rolled.stderr).contains(&old), "{}{}", rolled.stdout, rolled.stderr);
    let back = sandbox.run(&["change", "rollback", "--change-id", &id, "--reason", "it hurt"]).ok();
    assert!(
        !format!("{}{}", back.stdout, back.stderr).contains(&format!("git revert {old}")),
        "{}{}",
        back.stdout,
        back.stderr
    );
    let shown = sandbox.run(&["change", "show", &id]).ok();
    assert!(!shown.stdout.contains(&format!("git revert {old}")), "{}", shown.stdout);
}

#[test]
fn a_revert_of_the_commit_that_was_squashed_takes_the_change_out() {
    let (sandbox, id, old, base) = relinked();
    sandbox.git(&["revert", "--no-edit", &old]);
    sandbox.run(&["change", "rollback", "--change-id", &id, "--reason", "it hurt"]).ok();
    sandbox.commit_evidence();
    let codes = sandbox.codes(&format!("{base}..HEAD"));
    assert!(!codes.contains(&"NOT_REVERTED".to_owned()), "{codes:?}");
}

#[test]
fn a_rollback_takes_out_what_a_revert_of_a_revert_brought_back() {
    let sandbox = Sandbox::enforced();
    let base = sandbox.head();
    let id = promoted(&sandbox);
    sandbox.run(&["change", "rollout", "--change-id", &id, "full"]).ok();
    sandbox.commit_evidence();
    let named = format!("Optimizer-Change: {id}");
    let commit = sandbox.git(&["log", "--format=%H", "-1", "--grep", &named]).trim().to_owned();
    sandbox.git(&["revert", "--no-edit", &commit]);
    sandbox.git(&["revert", "--no-edit", "HEAD"]);
    sandbox.run(&["change", "rollback", "--change-id", &id, "--reason", "it hurt", "--apply"]).ok();
    sandbox.commit_evidence();
    let codes = sandbox.codes(&format!("{base}..HEAD"));
    assert!(!codes.contains(&"NOT_REVERTED".to_owned()), "{codes:?}");
    sandbox.git(&["revert", "--no-edit", "HEAD~1"]);
    assert!(sandbox.codes(&format!("{base}..HEAD")).contains(&"NOT_REVERTED".to_owned()));
}

#[test]
fn a_rollout_after_a_squash_is_told_to_find_the_commit_again() {
    let sandbox = Sandbox::hooked();
    let base = sandbox.head();
    let id = promoted(&sandbox);
    sandbox.git(&["checkout", "-q", "-b", "squashed", &base]);
    sandbox.git(&["merge", "-q", "--squash", "main"]);
    sandbox.git(&["commit", "-q", "--no-verify", "-m", "Squashed (#1)"]);
    let relink = format!("vibeship-optimizer change relink --change-id {id}");
    sandbox.run(&["change", "rollout", "--change-id", &id, "full"]).exits(1).says(&[&relink]);
    sandbox.run(&["status"]).ok().says(&[&relink]);
    // A merge that brings the original commit is in progress.
    sandbox.git(&["merge", "-q", "--no-commit", "--no-ff", "main"]);
    sandbox.run(&["change", "relink"]).ok().says(&["nothing relinked"]);
    sandbox.git(&["merge", "--abort"]);
    sandbox.run(&["change", "relink", "--change-id", &id]).ok();
    sandbox.run(&["change", "rollout", "--change-id", &id, "full"]).ok();
}

#[test]
fn the_branch_of_a_squashed_change_may_be_merged_later() {
    let sandbox = Sandbox::enforced();
    let base = sandbox.head();
    sandbox.git(&["checkout", "-q", "-b", "feature"]);
    let id = promoted(&sandbox);
    sandbox.git(&["checkout", "-q", "main"]);
    sandbox.git(&["merge", "-q", "--squash", "feature"]);
    sandbox.git(&["commit", "-q", "-m", &format!("Fewer steps (#1)\n\n{KEY}: {id}")]);
    sandbox.run(&["change", "relink", "--change-id", &id]).ok();
    sandbox.commit_evidence();
    let pushed = sandbox.head();
    sandbox.git(&["merge", "-q", "--no-ff", "--no-edit", "-X", "ours", "feature"]);
    for range in [format!("{base}..HEAD"), format!("{pushed}..HEAD"), "HEAD~1..HEAD".to_owned()] {
        assert_eq!(sandbox.codes_with(&range, &["--require", "promoted"]), [""; 0], "{range}");
    }
}

#[test]
fn the_bot_that_the_config_names_is_exempt_under_its_forges_name_too() {
    let sandbox = Sandbox::enforced();
    let base = sandbox.head();
    sandbox.write("src/lock.txt", "1\n");
    sandbox.git(&["add", "src"]);
    let author = "--author=renovate[bot] <29139614+renovate[bot]@users.noreply.example.org>";
    sandbox.git(&["commit", "-qm", "Update", author]);
    assert_eq!(sandbox.codes(&format!("{base}..HEAD")), [""; 0]);
    sandbox.write("src/lock.txt", "2\n");
    sandbox.git(&["commit", "-qam", "Update", "--author=renovatex[bot] <x@example.org>"]);
    assert_eq!(sandbox.codes(&format!("{base}..HEAD")), ["COMMIT_WITHOUT_ID"]);
}

#[test]
fn an_author_is_exempt_by_name_or_by_address_alone() {
    let sandbox = Sandbox::enforced();
    let config = sandbox.read("vibeship_optimizer.yml");
    let authors = "{authors: ['Robot', '*@bots.example.org'], reason: robots}";
    sandbox.write(
        "vibeship_optimizer.yml",
        config.replace("{bots: [renovate]", &format!("{authors}\n    - {{bots: [renovate]")),
    );
    sandbox.git(&["commit", "-qam", "Exempt robots"]);
    let base = sandbox.head();
    for author in ["Robot <r@example.org>", "any <any@bots.example.org>", "Robotic <r@example.org>"] {
        sandbox.write("src/lock.txt", author);
        sandbox.git(&["add", "src"]);
        sandbox.git(&["commit", "-qm", "Update", &format!("--author={author}")]);
    }
    assert_eq!(sandbox.codes(&format!("{base}..HEAD")), ["COMMIT_WITHOUT_ID"]);
}

#[test]
fn the_fix_for_a_malformed_or_mistyped_id_leaves_one_correct_trailer() {
    let sandbox = Sandbox::enforced();
    let base = sandbox.head();
    let id = sandbox.ready("fewer steps");
    for (wrong, code) in [("chg_Wrong!", "MALFORMED_ID"), ("chg-nobody", "UNKNOWN_ID")] {
        sandbox.write("src/steps.txt", "80\n");
        sandbox.git(&["commit", "-qam", &format!("Fewer --- steps\n\n---\nbody\n\n{KEY}: {wrong}")]);
        let text = sandbox.run(&["check", "--range", &format!("{base}..HEAD")]);
        let fix = "git -c trailer.ifexists=replace commit --amend --no-edit --trailer";
        let text = text.exits(1).says(&[code, fix]);
        assert!(!text.stdout.contains(" git commit --amend"), "{}", text.stdout);
        let trailer = format!("{KEY}: {id}");
        let amend = ["-c", "trailer.ifexists=replace", "commit", "-q", "--amend", "--no-edit", "--trailer", &trailer];
        sandbox.git(&amend);
        assert_eq!(sandbox.ids("HEAD"), [id.as_str()]);
        assert_eq!(sandbox.codes(&format!("{base}..HEAD")), [""; 0]);
        sandbox.git(&["reset", "-q", "--hard", "HEAD^"]);
    }
}

/// The first fix of the finding with this code.
#[cfg(unix)]
fn fix(sandbox: &Sandbox, base: &str, code: &str) -> String {
    let out = sandbox.run(&["check", "--range", &format!("{base}..HEAD"), "--format", "json"]).stdout;
    let value: serde_json::Value = serde_json::from_str(&out).unwrap();
    let found = value["findings"].as_array().unwrap().iter().find(|finding| finding["code"] == code);
    found.unwrap_or_else(|| panic!("no {code} in {out}"))["heal"].as_str().unwrap().to_owned()
}

/// Runs a command as a user who copies the line.
#[cfg(unix)]
fn carry_out(sandbox: &Sandbox, command: &str) {
    let program = std::path::Path::new(env!("CARGO_BIN_EXE_vibeship-optimizer"));
    let line = command
        .replace("\"WHY\"", "'it hurt'")
        .replace("vibeship-optimizer change", &format!("'{}' change", program.display()));
    let output = sandbox.command("sh").args(["-c", &line]).output().unwrap();
    assert!(output.status.success(), "{line}: {}", String::from_utf8_lossy(&output.stderr));
}

#[cfg(unix)]
#[test]
pub(crate) fn the_fix_for_a_squash_reverts_the_code_and_keeps_the_record() {
    let (sandbox, id, _, base) = relinked();
    sandbox.run(&["change", "rollback", "--change-id", &id, "--reason", "it hurt"]).ok();
    sandbox.commit_evidence();
    carry_out(&sandbox, &fix(&sandbox, &base, "NOT_REVERTED"));
    sandbox.commit_evidence();
    assert_eq!(sandbox.read("src/steps.txt"), "100\n");
    let codes = sandbox.codes(&format!("{base}..HEAD"));
    assert!(!codes.iter().any(|code| code == "NOT_REVERTED" || code == "RECORD_REMOVED"), "{codes:?}");
    // A commit that was never validated may contain record and baseline in the same way.
    let sandbox = Sandbox::enforced();
    let base = sandbox.head();
    let id = sandbox.ready("fewer steps");
    sandbox.write("src/steps.txt", "80\n");
    sandbox.git(&["add", "-A"]);
    sandbox.git(&["commit", "-qm", &format!("Fewer steps\n\nOptimizer-Change: {id}")]);
    sandbox.run(&["change", "reject", "--change-id", &id, "--reason", "no"]).ok();
    sandbox.commit_evidence();
    carry_out(&sandbox, &fix(&sandbox, &base, "NOT_REVERTED"));
    sandbox.commit_evidence();
    assert_eq!(sandbox.read("src/steps.txt"), "100\n");
    assert_eq!(sandbox.codes(&format!("{base}..HEAD")), [""; 0]);
}

#[cfg(unix)]
#[test]
fn the_printed_command_reverts_a_rolled_back_change_that_was_brought_back() {
    let sandbox = Sandbox::enforced();
    let base = sandbox.head();
    let id = promoted(&sandbox);
    sandbox.run(&["change", "rollback", "--change-id", &id, "--reason", "it hurt", "--apply"]).ok();
    sandbox.git(&["revert", "--no-edit", "HEAD"]);
    sandbox.commit_evidence();
    carry_out(&sandbox, &fix(&sandbox, &base, "NOT_REVERTED"));
    assert_eq!(sandbox.read("src/steps.txt"), "100\n");
    let codes = sandbox.codes(&format!("{base}..HEAD"));
    assert!(!codes.iter().any(|code| code == "NOT_REVERTED"), "{codes:?}");
}

#[cfg(unix)]
#[test]
pub(crate) fn the_fix_for_a_removed_record_restores_its_evidence_too() {
    let sandbox = Sandbox::enforced();
    sandbox.ready("fewer steps");
    let base = sandbox.head();
    sandbox.git(&["rm", "-rq", ".vibeship-optimizer/changes", "reports"]);
    sandbox.git(&["commit", "-qm", "Tidy up"]);
    let fix = fix(&sandbox, &base, "RECORD_REMOVED");
    carry_out(&sandbox, &fix.replace("BASE", &base));
    assert_eq!(sandbox.codes(&format!("{base}..HEAD")), [""; 0]);
}

#[test]
fn if_a_hook_manager_hides_the_record_the_advice_is_to_stage_it() {
    let sandbox = Sandbox::hooked();
    let id = sandbox.opened("code", "fewer steps");
    sandbox.improve_steps();
    let mut git = sandbox.command("git");
    let output = git.env("PRE_COMMIT", "1").args(["commit", "-qm", "Fewer steps"]).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("next: git add .vibeship-optimizer"), "{said}");
    assert!(said.contains("stage the record first") && said.contains(&id) && !said.contains("git stash"), "{said}");
}

#[test]
fn pushing_a_tag_does_not_evade_the_check() {
    let sandbox = Sandbox::hooked();
    let remote = sandbox.home().join("remote.git");
    sandbox.git(&["init", "-q", "--bare", remote.to_str().unwrap()]);
    sandbox.git(&["remote", "add", "origin", remote.to_str().unwrap()]);
    sandbox.git(&["push", "-q", "-u", "origin", "main"]);
    sandbox.git(&["tag", "-m", "One", "v1"]);
    sandbox.git(&["push", "-q", "origin", "v1"]);
    sandbox.write("src/steps.txt", "1\n");
    sandbox.git(&["commit", "-q", "--no-verify", "-am", "Slips past"]);
    sandbox.git(&["tag", "-m", "Two", "v2"]);
    sandbox
        .try_git(&["push", "-q", "origin", "v2"])
        .exits(1)
        .says(&["refs/tags/v2 is not pushed", "COMMIT_WITHOUT_ID"]);
    sandbox.git(&["push", "-q", "origin", ":v1"]);
}

#[test]
fn an_override_that_expired_is_found_before_anything_is_committed_after_it() {
    use vibeship_optimizer::model::Kind;
    let sandbox = Sandbox::enforced();
    let base = sandbox.head();
    let id = sandbox.emergency("stop it", "2d");
    let ago = |minutes: i64| chrono::Utc::now() - chrono::Duration::minutes(minutes);
    crate::enforcement::slips::forge(&sandbox, &id, |kinds| {
        for kind in kinds {
            if let Kind::Opened(opened) = kind {
                opened.expires = Some(ago(60));
            }
        }
    });
    crate::enforcement::slips::shift(&sandbox, &id, -180);
    sandbox.write("reports/optimizer/notes.md", "none yet\n");
    sandbox.commit_evidence_at(&ago(120).to_rfc3339());
    for require in ["baseline", "promoted"] {
        let codes = sandbox.codes_with(&format!("{base}..HEAD"), &["--require", require]);
        assert_eq!(codes, ["ENV_OVERRIDE_EXPIRED"], "{require}");
    }
    let status = sandbox.run(&["status", "--change-id", &id]);
    assert!(status.stdout.contains("expired 20") && status.stdout.contains("takes it over"), "{}", status.stdout);
}

#[test]
fn a_line_of_the_message_that_begins_with_a_hash_stays_above_the_trailer() {
    let (sandbox, id) = staged();
    sandbox.git(&["commit", "-qm", "Fixes it\n#123 is related"]);
    let message = sandbox.try_git(&["log", "-1", "--format=%B"]).ok().stdout;
    assert_eq!(message.trim_end(), format!("Fixes it\n#123 is related\n\n{KEY}: {id}"));
    assert_eq!(sandbox.ids("HEAD"), [id.as_str()]);
}

#[test]
fn with_several_ids_the_open_one_is_advised() {
    let sandbox = Sandbox::hooked();
    let ended = sandbox.opened("code", "a first idea");
    sandbox.run(&["change", "reject", "--change-id", &ended, "--reason", "no good"]).ok();
    let open = sandbox.ready("fewer steps");
    sandbox.improve_steps();
    let message = format!("Fewer\n\n{KEY}: {ended}\n{KEY}: {open}");
    sandbox
        .try_git(&["commit", "-qm", &message])
        .exits(1)
        .says(&[&format!("next: git commit -m \"WHAT CHANGED\" --trailer \"{KEY}: {open}")]);
}

#[test]
fn relinking_a_commit_of_no_change_says_so() {
    let sandbox = Sandbox::enforced();
    sandbox.write("src/steps.txt", "1\n");
    sandbox.git(&["commit", "-qam", "Nobody's"]);
    sandbox.run(&["change", "relink", "HEAD"]).exits(1).says(&[
        "matches no change whose commit is missing",
        "git revert",
        "change start",
    ]);
}

#[test]
fn route_without_answers_names_all_flags_at_once() {
    let sandbox = Sandbox::enforced();
    let answer = sandbox.run(&["route", "--urgent", "yes"]);
    assert!(answer.stderr.contains("route --knob no --contract no --urgent yes --experiment no"), "{}", answer.stderr);
}

/// A change in its monitoring window, and a branch from there.
fn monitored() -> (Sandbox, String) {
    let sandbox = Sandbox::enforced();
    let base = sandbox.head();
    let id = sandbox.ready("fewer steps");
    sandbox.improve_steps();
    sandbox.git(&["commit", "-qm", &format!("Fewer steps\n\n{KEY}: {id}")]);
    for args in [
        &["validate", "--change-id", &id][..],
        &["snapshot", "--label", "after", "--change-id", &id, "--as", "after"],
        &["compare", "--change-id", &id],
        &["change", "promote", "--change-id", &id],
        &["change", "rollout", "full", "--change-id", &id],
    ] {
        sandbox.run(args).ok();
    }
    sandbox.commit_evidence();
    sandbox.git(&["branch", "server"]);
    (sandbox, format!("{base}..HEAD"))
}

/// Like [`monitored`], with a measurement on each branch, this far apart.
fn measured_twice(apart: Duration) -> (Sandbox, String) {
    let (sandbox, range) = monitored();
    sandbox.run(&["monitor", "tick"]).ok();
    sandbox.commit_evidence();
    sandbox.git(&["checkout", "-q", "server"]);
    if apart > Duration::zero() {
        let then = (chrono::Utc::now() + apart).to_rfc3339();
        for clock in ["VIBESHIP_OPTIMIZER_TEST_NOW", "GIT_AUTHOR_DATE", "GIT_COMMITTER_DATE"] {
            sandbox.set(clock, &then);
        }
    }
    sandbox.run(&["monitor", "tick"]).ok();
    sandbox.commit_evidence();
    (sandbox, range)
}

#[cfg(unix)]
#[test]
fn a_decision_survives_another_clones_day_and_a_person_picks_one_of_two() {
    let record = |sandbox: &Sandbox| {
        let mut records = std::fs::read_dir(sandbox.path(".vibeship-optimizer/changes")).unwrap();
        sandbox.read(records.next().unwrap().unwrap().path())
    };
    let on_both = |there: &[&str]| {
        let (sandbox, _) = monitored();
        sandbox.run(&["change", "rollback", "--reason", "it hurt"]).ok();
        sandbox.commit_evidence();
        sandbox.git(&["checkout", "-q", "server"]);
        sandbox.run(there).ok();
        sandbox.commit_evidence();
        sandbox
    };
    let step = |stderr: &str| stderr.lines().find_map(|line| line.strip_prefix("next: ")).unwrap().to_owned();
    for (here, onto) in [("server", "main"), ("main", "server")] {
        let sandbox = on_both(&["monitor", "tick"]);
        sandbox.git(&["checkout", "-q", here]);
        assert_ne!(sandbox.try_git(&["rebase", "-q", onto]).code, 0, "both continued the record");
        let joined = sandbox.run(&["change", "relink"]).ok();
        assert!(
            joined.stdout.contains("one side's record is kept (0); left out, as it has ended: 1"),
            "{}",
            joined.stdout
        );
        carry_out(&sandbox, &step(&joined.stderr));
        assert!(record(&sandbox).contains("\"kind\": \"rolled_back\""), "{onto}");
        sandbox.run(&["check"]).ok();
        // Nothing can be recorded any more, and nothing has to be.
        let range = format!("{onto}..HEAD");
        let _ = sandbox.run(&["check", "--range", &range]).never_says(&["RECORD_REWRITTEN", "RECORD_FORKED"]);
    }
    let sandbox = on_both(&["change", "rollback", "--reason", "it hurts there, too"]);
    assert_ne!(sandbox.try_git(&["rebase", "-q", "main"]).code, 0, "both continued the record");
    let told = sandbox.run(&["change", "relink"]).exits(1).says(&["both sides of the conflict decided", "rolled_back"]);
    carry_out(&sandbox, &step(&told.stderr));
    assert!(record(&sandbox).contains("\"kind\": \"rolled_back\""));
    sandbox.run(&["check"]).ok();
    // After a merge neither choice would pass, as both are in its history.
    #[cfg(unix)]
    {
        use crate::support::alternatives;
        for (choice, branch) in [(0, "server"), (1, "main")] {
            let sandbox = on_both(&["change", "rollback", "--reason", "it hurts there, too"]);
            let onto = sandbox.git(&["rev-parse", if choice == 0 { "main" } else { "server" }]);
            assert_ne!(sandbox.try_git(&["merge", "-q", "main"]).code, 0, "both continued the record");
            let told = sandbox.run(&["change", "relink"]).exits(1).says(&["a merge would bring both"]);
            let steps = &alternatives(&told.stderr)[choice];
            sandbox.take(&steps[..1]).expect_err("the rebase stops at the record");
            let told = sandbox.run(&["change", "relink"]).exits(1);
            sandbox.take(&alternatives(&told.stderr)[0]).unwrap();
            assert_eq!(sandbox.git(&["branch", "--show-current"]), branch);
            let told = sandbox.run(&["check", "--range", &format!("{onto}..HEAD")]);
            let _ = told.never_says(&["RECORD_", "ARTIFACT_"]);
        }
    }
}

#[test]
pub(super) fn a_day_measured_on_two_branches_that_meet_is_no_rewritten_record() {
    let (sandbox, range) = measured_twice(Duration::zero());
    assert_ne!(sandbox.try_git(&["merge", "main"]).code, 0, "both continued the record");
    sandbox.git(&["checkout", "--theirs", "--", "."]);
    sandbox.git(&["add", "-A"]);
    sandbox.git(&["commit", "-qm", "Merge main"]);
    let checked = sandbox.run(&["check", "--range", &range]).ok();
    assert!(checked.stdout.contains("RECORD_FORKED"), "{}", checked.stdout);
}

#[cfg(unix)]
#[test]
fn another_day_that_another_clone_measured_is_joined_after_a_merge_and_is_not_backdated() {
    let (sandbox, range) = measured_twice(Duration::days(1));
    assert_ne!(sandbox.try_git(&["merge", "-q", "main"]).code, 0, "both continued the record");
    let joined = sandbox.run(&["change", "relink"]).ok();
    let next = joined.stderr.lines().find_map(|line| line.strip_prefix("next: ")).unwrap();
    carry_out(&sandbox, next);
    let checked = sandbox.run(&["check", "--range", &range]).ok();
    assert!(!checked.stdout.contains("RECORD_") && !checked.stdout.contains("DAYS_"), "{}", checked.stdout);
}

#[cfg(unix)]
#[test]
fn days_measured_by_two_clones_are_joined_however_a_rebase_ended() {
    // With the conflict in the record, or resolved by taking either side.
    for taken in ["", "--ours", "--theirs"] {
        let (sandbox, range) = measured_twice(Duration::zero());
        assert_ne!(sandbox.try_git(&["rebase", "-q", "main"]).code, 0, "both continued the record");
        if taken.is_empty() {
            let told = sandbox.run(&["monitor", "tick"]);
            assert!(
                told.stderr.contains("git left a conflict") && told.stderr.contains("change relink"),
                "{}",
                told.stderr
            );
        } else {
            sandbox.git(&["checkout", taken, "--", "."]);
            sandbox.git(&["add", "-A"]);
            sandbox.git(&["rebase", "--continue"]);
        }
        let joined = sandbox.run(&["change", "relink"]).ok();
        let next = joined.stderr.lines().find_map(|line| line.strip_prefix("next: "));
        if let Some(next) = next {
            assert!(next.contains(if taken.is_empty() { "rebase --continue" } else { "commit -m" }), "{next}");
            carry_out(&sandbox, next);
        }
        let checked = sandbox.run(&["check", "--range", &range]).ok();
        assert!(
            !checked.stdout.contains("RECORD_") && !checked.stdout.contains("ARTIFACT_"),
            "{taken}: {}",
            checked.stdout
        );
        let mut records = std::fs::read_dir(sandbox.path(".vibeship-optimizer/changes")).unwrap();
        let record = sandbox.read(records.next().unwrap().unwrap().path());
        let days = record.matches("\"kind\": \"ticked\"").count();
        assert_eq!(days, if taken == "--ours" { 1 } else { 2 }, "{taken}");
        sandbox.run(&["check"]).ok();
    }
}

#[test]
fn a_day_replaced_by_another_measurement_without_a_merge_is_a_rewritten_record() {
    let (sandbox, range) = measured_twice(Duration::zero());
    sandbox.git(&["checkout", "main", "--", ".vibeship-optimizer", "reports"]);
    sandbox.commit_evidence();
    sandbox.run(&["check", "--range", &range]).exits(1).says(&["RECORD_REWRITTEN"]);
}

#[test]
#[cfg(unix)]
fn a_commit_picked_from_another_branch_becomes_a_change_of_this_one() {
    use crate::enforcement::slips::{self, since};
    use crate::support::alternatives;
    let (sandbox, _, base) = slips::tracked();
    let measured = sandbox.head();
    sandbox.git(&["switch", "-qc", "release", &base]);
    sandbox.git(&["cherry-pick", &measured]);
    let told = sandbox.run(&["check", "--range", &since(&base)]).exits(1).says(&["picked from another branch"]);
    let ways = alternatives(&told.stdout);
    let way = ways.iter().find(|way| way[0].contains("change start")).unwrap();
    let (out, _) = way[0].split_once(" && ").unwrap();
    sandbox.take(&[out.to_owned()]).unwrap();
    let id = sandbox.ready("backport");
    sandbox.take(&[way[1].replace("CHANGE-ID", &id)]).unwrap();
    slips::compare(&sandbox, &id);
    sandbox.run(&["change", "promote", "--change-id", &id]).ok();
    sandbox.commit_evidence();
    sandbox.run(&["check", "--range", &since(&base), "--require", "promoted"]).ok();
}
