//! A test for each row of the table in docs/enforcement.md: how the hooks treat git's commands, and what the range
//! check finds in the same commits.

use crate::support::{KEY, Sandbox};

/// A change that is ready for its commit, with the improvement staged.
fn staged() -> (Sandbox, String, String) {
    let sandbox = Sandbox::hooked();
    let base = sandbox.head();
    let id = sandbox.ready("fewer steps");
    sandbox.improve_steps();
    (sandbox, id, base)
}

fn since(base: &str) -> String {
    format!("{base}..HEAD")
}

#[test]
fn commit_gets_the_trailer_of_the_open_change_and_passes() {
    let (sandbox, id, base) = staged();
    sandbox.git(&["commit", "-qm", "Fewer steps"]);
    assert_eq!(sandbox.ids("HEAD"), [id]);
    assert!(sandbox.codes(&since(&base)).is_empty());
}

#[test]
fn commit_without_an_open_change_is_refused_with_the_way_on() {
    let sandbox = Sandbox::hooked();
    sandbox.improve_steps();
    sandbox
        .try_git(&["commit", "-qm", "Fewer steps"])
        .exits(1)
        .says(&["the commit names no change", "vibeship-optimizer change start"]);
}

#[test]
fn commit_for_an_unknown_an_ended_or_an_unready_change_is_refused_with_the_next_command() {
    let sandbox = Sandbox::hooked();
    let id = sandbox.opened("code", "fewer steps");
    sandbox.improve_steps();
    let named = |id: &str| format!("Fewer steps\n\n{KEY}: {id}\n");
    sandbox.try_git(&["commit", "-qm", &named("chg-nobody")]).exits(1).says(&["unknown change `chg-nobody`"]);
    sandbox.try_git(&["commit", "-qm", &named("../x")]).exits(1).says(&["invalid change id \"../x\""]);
    sandbox
        .try_git(&["commit", "-qm", &named(&id)])
        .exits(1)
        .says(&["has not passed gate 2 (baseline)", "snapshot --label before"]);
    sandbox.run(&["change", "reject", "--change-id", &id, "--reason", "no"]).ok();
    sandbox.try_git(&["commit", "-qm", &named(&id)]).exits(1).says(&["has ended (rejected)", "change start"]);
}

#[test]
fn commit_all_is_judged_by_what_it_commits() {
    let (sandbox, id, base) = staged();
    sandbox.git(&["reset", "-q"]);
    sandbox.git(&["commit", "-qam", "Fewer steps"]);
    assert_eq!(sandbox.ids("HEAD"), [id]);
    assert!(sandbox.codes(&since(&base)).is_empty());
}

#[test]
fn partial_commit_is_judged_by_the_paths_it_commits() {
    let (sandbox, id, _) = staged();
    sandbox.write("VIBESHIP_OPTIMIZER.md", "# mine\n");
    sandbox.git(&["commit", "-qm", "Own files", "--", "VIBESHIP_OPTIMIZER.md"]);
    assert!(sandbox.ids("HEAD").is_empty(), "the tool's own files are no change");
    sandbox.git(&["commit", "-qm", "Fewer steps", "--", "src"]);
    assert_eq!(sandbox.ids("HEAD"), [id]);
}

#[test]
fn no_verify_passes_the_hook_and_not_the_check() {
    let sandbox = Sandbox::hooked();
    let base = sandbox.head();
    sandbox.improve_steps();
    sandbox.git(&["commit", "-qnm", "Fewer steps"]);
    assert_eq!(sandbox.codes(&since(&base)), ["COMMIT_WITHOUT_ID"]);
}

#[test]
fn amend_keeps_the_trailer_and_can_be_made_again() {
    let (sandbox, id, base) = staged();
    sandbox.git(&["commit", "-qm", "Fewer steps"]);
    sandbox.write("src/steps.txt", "79\n");
    sandbox.git(&["commit", "-qa", "--amend", "--no-edit"]);
    assert_eq!(sandbox.ids("HEAD"), [id]);
    assert!(sandbox.codes(&since(&base)).is_empty());
}

#[test]
fn a_second_commit_of_a_change_is_refused_and_found() {
    let (sandbox, id, base) = staged();
    sandbox.git(&["commit", "-qm", "Fewer steps"]);
    sandbox.write("notes/x.md", "x\n");
    sandbox.git(&["add", "-A"]);
    sandbox.git(&["commit", "-qm", "Exempt"]);
    sandbox.write("src/steps.txt", "70\n");
    let message = format!("More\n\n{KEY}: {id}\n");
    sandbox.try_git(&["commit", "-qam", &message]).exits(1).says(&["has its one commit already", "--fixup"]);
    sandbox.git(&["commit", "-qnam", &message]);
    assert_eq!(sandbox.codes(&since(&base)), ["MANY_COMMITS"]);
}

#[test]
fn a_second_commit_right_after_the_first_is_refused_with_and_without_the_trailer() {
    let (sandbox, id, _) = staged();
    sandbox.git(&["commit", "-qm", "Fewer steps"]);
    let first = sandbox.head();
    sandbox.write("src/more.txt", "x\n");
    sandbox.git(&["add", "src"]);
    let said = ["has its one commit already", "vibeship-optimizer change start", "--fixup", "enforcement.exempt"];
    sandbox.try_git(&["commit", "-qm", "More"]).exits(1).says(&said);
    let message = format!("More\n\n{KEY}: {id}\n");
    sandbox.try_git(&["commit", "-qm", &message]).exits(1).says(&said);
    assert_eq!(sandbox.head(), first);
    // Amending replaces the commit, which is recognized by an older author date or the same message.
    let date = ["commit", "-q", "--amend", "--date=2020-01-01T00:00:00Z", "--no-edit"];
    sandbox.git(&date);
    sandbox.write("src/more.txt", "y\n");
    sandbox.git(&["commit", "-qa", "--amend", "-m", "Other words"]);
    assert_eq!(sandbox.ids("HEAD"), std::slice::from_ref(&id));
    sandbox.write("src/more.txt", "z\n");
    sandbox.git(&["commit", "-qa", "--amend", "--reset-author", "--no-edit"]);
    assert_eq!(sandbox.ids("HEAD"), [id]);
}

#[test]
fn a_promoted_change_takes_no_second_commit_and_its_trailer_is_not_advised() {
    let (sandbox, id, _) = staged();
    sandbox.git(&["commit", "-qm", "Fewer steps"]);
    sandbox.run(&["validate", "--change-id", &id]).ok();
    sandbox.run(&["snapshot", "--as", "after", "--change-id", &id]).ok();
    sandbox.run(&["compare", "--change-id", &id]).ok();
    sandbox.run(&["change", "promote", "--change-id", &id]).ok();
    sandbox.write("src/more.txt", "x\n");
    sandbox.git(&["add", "src"]);
    let refused = sandbox.try_git(&["commit", "-qm", "More"]).exits(1).says(&["vibeship-optimizer change start"]);
    assert!(!refused.stderr.contains(&format!("--trailer \"{KEY}: {id}")), "{}", refused.stderr);
    let message = format!("More\n\n{KEY}: {id}\n");
    sandbox.try_git(&["commit", "-qm", &message]).exits(1).says(&["has its one commit already"]);
}

#[test]
fn merge_passes_and_one_that_smuggles_a_file_in_is_found() {
    let (sandbox, _, base) = staged();
    sandbox.git(&["checkout", "-q", "-b", "side"]);
    sandbox.git(&["commit", "-qm", "Fewer steps"]);
    sandbox.git(&["checkout", "-q", "main"]);
    sandbox.write("notes/x.md", "x\n");
    sandbox.git(&["add", "notes"]);
    sandbox.git(&["commit", "-qm", "Exempt"]);
    sandbox.git(&["merge", "-q", "--no-edit", "side"]);
    assert!(sandbox.codes(&since(&base)).is_empty());
    sandbox.write("src/smuggled.rs", "fn main() {}\n");
    sandbox.git(&["add", "src"]);
    sandbox.git(&["commit", "-qn", "--amend", "--no-edit"]);
    assert_eq!(sandbox.codes(&since(&base)), ["MERGE_BRINGS_CONTENT"]);
}

#[test]
fn squashed_merge_gets_the_trailer_when_it_is_committed() {
    let (sandbox, id, base) = staged();
    sandbox.git(&["checkout", "-q", "-b", "side"]);
    sandbox.git(&["commit", "-qm", "Fewer steps"]);
    sandbox.git(&["checkout", "-q", "main"]);
    sandbox.git(&["merge", "-q", "--squash", "side"]);
    sandbox.git(&["commit", "-q", "--no-edit"]);
    assert_eq!(sandbox.ids("HEAD"), [id]);
    assert!(sandbox.codes(&since(&base)).is_empty());
}

#[test]
fn squash_of_a_promoted_change_gets_its_id_from_the_message() {
    let (sandbox, id, _) = staged();
    sandbox.git(&["checkout", "-q", "-b", "side"]);
    sandbox.git(&["commit", "-qm", "Fewer steps"]);
    for step in [&["validate"][..], &["snapshot", "--as", "after"], &["compare"], &["change", "promote"]] {
        let _ = sandbox.run(&[step, &["--change-id", &id]].concat()).ok();
    }
    sandbox.commit_evidence();
    sandbox.git(&["checkout", "-q", "main"]);
    sandbox.git(&["merge", "-q", "--squash", "side"]);
    sandbox.git(&["commit", "-q", "--no-edit"]);
    assert_eq!(sandbox.ids("HEAD"), [id]);
}

#[test]
fn revert_inherits_the_id_of_what_it_reverts() {
    let (sandbox, _, base) = staged();
    sandbox.git(&["commit", "-qm", "Fewer steps"]);
    sandbox.git(&["revert", "--no-edit", "HEAD"]);
    assert!(sandbox.ids("HEAD").is_empty());
    assert!(sandbox.codes(&since(&base)).is_empty());
    assert!(sandbox.codes("HEAD^..HEAD").is_empty(), "also when what is reverted lies before the range");
    sandbox.git(&["revert", "--no-edit", "HEAD"]);
    assert!(sandbox.codes(&since(&base)).is_empty(), "a revert of the revert brings the one commit back");
}

#[test]
fn revert_that_does_something_else_is_found() {
    let (sandbox, _, base) = staged();
    sandbox.git(&["commit", "-qm", "Fewer steps"]);
    sandbox.git(&["revert", "--no-commit", "HEAD"]);
    sandbox.write("src/steps.txt", "1000\n");
    sandbox.git(&["add", "-A"]);
    let message = format!("Revert\n\nThis reverts commit {}.\n", sandbox.head());
    sandbox.git(&["commit", "-qm", &message]);
    assert_eq!(sandbox.codes(&since(&base)), ["REVERT_NOT_EXACT"]);
}

#[test]
fn fixup_and_squash_pass_locally_and_are_refused_in_a_range() {
    let (sandbox, _, base) = staged();
    sandbox.git(&["commit", "-qm", "Fewer steps"]);
    for (steps, flag) in [("79\n", "--fixup=HEAD"), ("78\n", "--squash=HEAD")] {
        sandbox.write("src/steps.txt", steps);
        sandbox.git(&["commit", "-qa", "--no-edit", flag]);
    }
    assert_eq!(sandbox.codes(&since(&base)), ["FIXUP_LEFT", "FIXUP_LEFT"]);
    sandbox.git(&["rebase", "-q", "-i", "--autosquash", &base]);
    assert!(sandbox.codes(&since(&base)).is_empty());
}

#[test]
fn cherry_pick_runs_no_hook_and_the_check_sees_it() {
    let sandbox = Sandbox::hooked();
    let base = sandbox.head();
    sandbox.git(&["checkout", "-q", "-b", "side"]);
    sandbox.improve_steps();
    sandbox.git(&["commit", "-qnm", "Fewer steps"]);
    sandbox.git(&["checkout", "-q", "main"]);
    sandbox.git(&["cherry-pick", "side"]);
    assert_eq!(sandbox.codes(&since(&base)), ["COMMIT_WITHOUT_ID"]);
}

#[test]
fn cherry_pick_keeps_the_trailer() {
    let (sandbox, id, base) = staged();
    sandbox.git(&["checkout", "-q", "-b", "side"]);
    sandbox.git(&["commit", "-qm", "Fewer steps"]);
    sandbox.git(&["checkout", "-q", "main"]);
    sandbox.git(&["cherry-pick", "side"]);
    assert_eq!(sandbox.ids("HEAD"), [id]);
    assert!(sandbox.codes(&since(&base)).is_empty());
}

#[test]
fn rebase_runs_no_commit_msg_and_the_check_sees_what_it_made() {
    let (sandbox, id, base) = staged();
    sandbox.git(&["checkout", "-q", "-b", "side"]);
    sandbox.git(&["commit", "-qm", "Fewer steps"]);
    sandbox.git(&["checkout", "-q", "main"]);
    sandbox.write("notes/x.md", "x\n");
    sandbox.git(&["add", "notes"]);
    sandbox.git(&["commit", "-qm", "Exempt"]);
    sandbox.git(&["rebase", "-q", "main", "side"]);
    assert_eq!(sandbox.ids("HEAD"), [id]);
    assert!(sandbox.codes(&since(&base)).is_empty());
}

#[test]
fn reword_passes_and_a_trailer_lost_in_it_is_found() {
    let (sandbox, _, base) = staged();
    sandbox.git(&["commit", "-qm", "Fewer steps"]);
    let editor = sandbox.home().join("editor.sh");
    std::fs::write(&editor, "#!/bin/sh\nprintf 'Reworded\\n' > \"$1\"\n").unwrap();
    let reword = "sequence.editor=sed -i.bak -e 's/^pick/reword/'";
    let editor = format!("core.editor=sh '{}'", editor.display());
    sandbox.git(&["-c", reword, "-c", &editor, "rebase", "-q", "-i", "HEAD^"]);
    assert_eq!(sandbox.codes(&since(&base)), ["COMMIT_WITHOUT_ID"]);
}

#[test]
fn mailed_patches_run_no_hook_and_the_check_sees_them() {
    let sandbox = Sandbox::hooked();
    let base = sandbox.head();
    sandbox.improve_steps();
    sandbox.git(&["commit", "-qnm", "Fewer steps"]);
    let patch = sandbox.try_git(&["format-patch", "-1", "--stdout"]).ok().stdout;
    sandbox.git(&["reset", "-q", "--hard", &base]);
    std::fs::write(sandbox.home().join("x.patch"), patch).unwrap();
    sandbox.git(&["am", "-q", sandbox.home().join("x.patch").to_str().unwrap()]);
    assert_eq!(sandbox.codes(&since(&base)), ["COMMIT_WITHOUT_ID"]);
}

#[test]
fn commits_made_without_git_commit_are_seen_by_the_check() {
    let sandbox = Sandbox::hooked();
    let base = sandbox.head();
    sandbox.improve_steps();
    let tree = sandbox.git(&["write-tree"]);
    let made = sandbox.git(&["commit-tree", &tree, "-p", "HEAD", "-m", "Fewer steps"]);
    sandbox.git(&["reset", "-q", "--hard", &made]);
    assert_eq!(sandbox.codes(&since(&base)), ["COMMIT_WITHOUT_ID"]);
}

#[test]
fn push_is_stopped_by_what_the_check_finds() {
    let sandbox = Sandbox::hooked();
    let remote = sandbox.home().join("remote.git");
    sandbox.git(&["init", "-q", "--bare", remote.to_str().unwrap()]);
    sandbox.git(&["remote", "add", "origin", remote.to_str().unwrap()]);
    sandbox.git(&["push", "-q", "-u", "origin", "main"]);
    sandbox.improve_steps();
    sandbox.git(&["commit", "-qnm", "Fewer steps"]);
    sandbox.try_git(&["push", "-q"]).exits(1).says(&["refs/heads/main is not pushed", "COMMIT_WITHOUT_ID"]);
    sandbox.try_git(&["push", "-q", "origin", "HEAD:refs/heads/new"]).exits(1).says(&["COMMIT_WITHOUT_ID"]);
    sandbox.git(&["reset", "-q", "--hard", "HEAD^"]);
    sandbox.ready("fewer steps");
    sandbox.improve_steps();
    sandbox.git(&["commit", "-qm", "Fewer steps"]);
    sandbox.git(&["push", "-q"]);
}

#[test]
fn an_editor_left_empty_makes_no_commit_of_a_trailer_alone() {
    let (sandbox, _, _) = staged();
    let answer = sandbox.try_git(&["commit", "-q"]);
    assert_ne!(answer.code, 0, "{}", answer.stderr);
}
