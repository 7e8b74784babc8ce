//! Honest work together with others: reverts and edits by colleagues, hooks that a repository tracks, clones that lack
//! history, and records with more events than in any commit. Printed commands are run as they stand.

use std::fs;

use crate::support::{Sandbox, alternatives, kpi};

/// Runs the first alternative that a command on the change advises.
fn follow(s: &Sandbox, command: &[&str]) {
    let answer = s.tool(command).output().unwrap();
    let said = String::from_utf8([answer.stdout, answer.stderr].concat()).unwrap();
    let steps = alternatives(&said).into_iter().next().unwrap_or_else(|| panic!("{said}"));
    s.take(&steps).unwrap_or_else(|error| panic!("{error}\nof: {said}"));
}

fn commit_evidence(s: &Sandbox) {
    s.git(&["add", "-A"]);
    s.git(&["commit", "-q", "-m", "Evidence"]);
}

#[test]
fn a_record_with_uncommitted_events_is_to_be_committed() {
    let s = Sandbox::new();
    s.start("x").contract().before().tune(50.0);
    s.git(&["add", "-A"]);
    s.git(&["commit", "-q", "-m", "tune", "--trailer", &format!("Optimizer-Change: {}", s.id())]);
    s.validate();
    let check = ["check", "--range", "HEAD~1..HEAD", "--require", "validate"];
    s.run(&check).exits(1).says(&["GATE_NOT_REACHED", "its record is further here"]);
    follow(&s, &check);
    let _ = s.run(&["check", "--range", "HEAD~2..HEAD", "--require", "validate"]).ok();
}

/// The change and its evidence as one commit on another branch, as a forge squashes a pull request.
pub(crate) fn squash(s: &Sandbox) -> String {
    s.git(&["checkout", "-q", "-b", "squashed", "HEAD~2"]);
    s.git(&["merge", "-q", "--squash", "-"]);
    s.git(&["commit", "-q", "-m", "Squashed"]);
    s.git(&["rev-parse", "HEAD"])
}

#[test]
fn a_squash_that_was_found_again_is_not_reverted_while_its_record_is_uncommitted() {
    let s = Sandbox::new();
    s.rolled_out("x");
    commit_evidence(&s);
    let squash = squash(&s);
    follow(&s, &["monitor", "tick"]);
    let _ = s.run(&["change", "relink", &squash]).ok().says(&["is recorded as the commit of", "git add"]);
    s.run(&["check", "--range", "HEAD~1..HEAD"]).exits(1).never_says(&["git revert"]);
    follow(&s, &["check", "--range", "HEAD~1..HEAD"]);
    let _ = s.run(&["check", "--range", "HEAD~2..HEAD"]).ok();
}

#[test]
fn a_commit_that_no_clone_has_any_more_is_found_again_before_it_is_rolled_back() {
    let s = Sandbox::new();
    s.rolled_out("x");
    commit_evidence(&s);
    let squash = squash(&s);
    s.git(&["branch", "-q", "-D", "main"]);
    s.git(&["reflog", "expire", "--expire=now", "--all"]);
    s.git(&["gc", "-q", "--prune=now"]);
    let _ = s.run(&["change", "rollback", "--reason", "x", "--apply"]).ok();
    assert!(s.git(&["log", "-1", "--format=%b"]).contains(&format!("This reverts commit {squash}.")));
    commit_evidence(&s);
    let _ = s.run(&["check", "--range", "HEAD~3..HEAD"]).ok();
}

#[test]
fn a_commit_that_was_amended_after_the_rollout_is_rolled_back_and_taken_up_as_it_is_now() {
    let s = Sandbox::new();
    s.rolled_out("x").write("src/main.txt", "another word\n").git(&["add", "src"]);
    s.git(&["commit", "-q", "--amend", "--no-edit"]);
    let amended = s.git(&["rev-parse", "HEAD"]);
    commit_evidence(&s);
    let _ = s.on(&["change", "rollback", "--reason", "x", "--apply"]).ok();
    assert!(s.git(&["log", "-1", "--format=%b"]).contains(&format!("This reverts commit {amended}.")));
    let _ = s.run(&["change", "start", "--from", &s.id()]).ok().says(&["apply it again", "git commit -m tune"]);
    commit_evidence(&s);
    let _ = s.run(&["check", "--range", "HEAD~4..HEAD"]).ok();
}

#[test]
fn reviews_from_two_clones_are_both_kept() {
    let s = Sandbox::new();
    s.rolled_out("x");
    let answer = s.run(&["status", "--format", "json"]).ok().json();
    assert!(answer["commands"].to_string().contains("Evidence of "), "{answer}");
    commit_evidence(&s);
    s.git(&["branch", "there"]);
    let attest = |by: &str| {
        s.on(&["review", "attest", "--tool", "other", "--reasoning-mode", "human", "--reviewer", by]).ok();
        commit_evidence(&s);
    };
    attest("Bob");
    s.git(&["checkout", "-q", "there"]);
    attest("Eve");
    assert_ne!(s.try_git(&["merge", "-q", "main"]).code, 0, "both continued the record");
    follow(&s, &["change", "relink"]);
    let _ = s.run(&["check", "--range", "main..HEAD"]).ok().never_says(&["RECORD_"]);
    assert_eq!(s.read(s.record()).matches("\"attested\"").count(), 2);
}

#[test]
fn a_day_from_another_clone_counts_although_it_is_appended_after_later_days() {
    let s = Sandbox::new();
    s.rolled_out("x");
    commit_evidence(&s);
    s.git(&["branch", "there"]);
    let measure = |days: i64| {
        s.later(chrono::Duration::days(days));
        let _ = s.run(&["monitor", "tick"]).ok();
        commit_evidence(&s);
    };
    measure(1);
    s.git(&["checkout", "-q", "there"]);
    measure(1);
    assert_ne!(s.try_git(&["merge", "-q", "main"]).code, 0, "both continued the record");
    follow(&s, &["change", "relink"]);
    let status = s.run(&["monitor", "status", "--format", "text"]).ok();
    let _ = status.says(&["2 of 5: 2026-03-03, 2026-03-04"]);
    measure(1);
    let _ = s.on(&["change", "verify", "--apply", "--summary", "it held"]).ok();
    let _ = s.run(&["check", "--range", "main..HEAD"]).ok();
}

/// The range check refuses what was recorded of a commit before that commit's date, when it is too late to fix it.
#[test]
fn a_commit_by_a_clock_that_is_ahead_is_reported_before_anything_is_measured() {
    let s = Sandbox::new();
    s.start("x").contract();
    s.later(chrono::Duration::hours(3)).write("notes.txt", "1\n").commit_as("ahead", &[]);
    s.later(chrono::Duration::hours(-3));
    let _ = s.on(&["snapshot", "--as", "before"]).exits(1).says(&["one of the two is wrong"]);
    follow(&s, &["snapshot", "--as", "before"]);
    s.later(chrono::Duration::hours(3)).tune(50.0).commit("tune").later(chrono::Duration::hours(-3));
    s.on(&["validate"]).exits(1).says(&["git commit --amend --no-edit --date=now"]);
}

#[test]
fn a_rename_that_is_not_committed_yet_is_committed_as_printed() {
    let s = Sandbox::new();
    s.write("a.txt", "1\n").commit_as("a", &[]).start("x").contract();
    s.git(&["mv", "a.txt", "b.txt"]);
    let refused = s.tool(&["snapshot", "--as", "before"]).output().unwrap();
    let said = String::from_utf8(refused.stderr).unwrap();
    assert!(!said.contains("info/exclude"), "{said}");
    let commit = alternatives(&said).into_iter().find(|steps| steps[0].contains("git commit")).unwrap();
    s.take(&commit).unwrap_or_else(|error| panic!("{error}\n{said}"));
    assert!(s.git(&["status", "--porcelain", "a.txt", "b.txt"]).is_empty());
}

/// A plain revert of a commit that also added its record conflicts in the record.
#[test]
fn a_revert_in_progress_that_takes_the_record_back_is_given_up_before_anything_is_decided() {
    let s = Sandbox::new();
    s.start("x").contract().before().tune(50.0);
    s.git(&["add", "-A"]);
    s.git(&["commit", "-q", "-m", "tune", "--trailer", &format!("Optimizer-Change: {}", s.id())]);
    s.validate().after().compare();
    commit_evidence(&s);
    assert_ne!(s.try_git(&["revert", "--no-edit", "HEAD~1"]).code, 0);
    let _ = s.on(&["change", "promote"]).exits(1).says(&["next: git revert --abort", "then: ", "change reject"]);
    follow(&s, &["status"]);
    assert!(s.git(&["status", "--porcelain", "src"]).is_empty() && s.shown()["status"] == "rejected");
}

#[test]
fn files_that_git_is_only_told_to_add_are_stashed_as_printed() {
    let s = Sandbox::new();
    s.start("x").contract().write("src/new.txt", "1\n");
    s.git(&["add", "-N", "src/new.txt"]);
    follow(&s, &["snapshot", "--as", "before"]);
    assert!(s.shown()["events"].to_string().contains("baseline_taken") && s.path("src/new.txt").exists());
}

/// Hooks that a repository tracks are files of the set-up.
#[test]
fn hooks_in_a_tracked_directory_are_committed_before_the_baseline() {
    for dir in [".githooks", ".husky"] {
        let s = Sandbox::new();
        s.write(format!("{dir}/pre-commit"), "#!/bin/sh\n").commit_as("hooks", &[]);
        s.git(&["config", "core.hooksPath", dir]);
        s.run(&["hooks", "install"]).ok();
        s.start("x").contract();
        let refused = s.on(&["snapshot", "--as", "before"]).exits(1);
        let _ = refused.says(&["Set up vibeship-optimizer"]).never_says(&["git stash"]);
        follow(&s, &["snapshot", "--as", "before"]);
        assert!(s.git(&["show", "--stat", "--format=%s"]).contains("commit-msg"), "{dir}");
        s.write("ops.json", kpi(50.0)).write("tuned.txt", "1");
        s.git(&["add", "-A"]);
        s.git(&["commit", "-q", "-m", "tune"]);
        s.validate().after().compare();
        let _ = s.run(&["check", "--range", "HEAD~2..HEAD"]).never_says(&["COMMIT_WITHOUT_ID"]);
    }
}

/// A hook manager's file does not affect measurements, and measuring with it does not make it part of the change.
#[test]
fn the_file_of_a_hook_manager_is_a_file_of_the_set_up() {
    for file in ["lefthook.yml", ".pre-commit-config.yaml"] {
        let s = Sandbox::new();
        s.run(&["hooks", "install"]).ok();
        s.start("x").contract();
        s.write(file, "commit-msg:\n").git(&["add", file]);
        let refused = s.on(&["snapshot", "--as", "before"]).exits(1);
        let _ = refused.says(&["Set up vibeship-optimizer"]).never_says(&["git stash"]);
        let committed = s.try_git(&["commit", "-m", "Hooks by a manager"]);
        assert_eq!(committed.code, 0, "{file}: {committed}");
        let _ = s.run(&["check", "--range", "HEAD~1..HEAD"]).ok().never_says(&["COMMIT_WITHOUT_ID"]);
        s.write("src/main.txt", "also\n").git(&["add", "src"]);
        assert_ne!(s.try_git(&["commit", "-m", "Code"]).code, 0, "{file}");
    }
}

/// The advice contains nothing that the tool's own hook refuses.
#[test]
fn where_hooks_hold_commits_no_work_is_committed_before_the_baseline() {
    let s = Sandbox::new();
    s.run(&["hooks", "install"]).ok();
    s.start("x").contract().write("src/loose.txt", "work");
    let _ = s.on(&["snapshot", "--as", "before"]).exits(1).never_says(&["commit it first"]);
}

#[test]
fn what_a_colleague_reverted_is_recorded_as_taken_out() {
    let s = Sandbox::new();
    s.rolled_out("x").git(&["revert", "--no-edit", "HEAD"]);
    let rollback = format!("next: vibeship-optimizer change rollback --change-id {}", s.id());
    let _ = s.run(&["status"]).ok().says(&[&rollback]).never_says(&["measure today"]);
    follow(&s, &["status"]);
    let _ = s.run(&["status"]).ok().says(&["--as after"]).never_says(&["git revert"]);
    follow(&s, &["status"]);
    let _ = s.run(&["status"]).ok().says(&["No change is open"]).never_says(&["still in the tree"]);
}

#[test]
fn what_is_reverted_already_is_not_told_to_be_reverted_when_its_rollback_is_recorded() {
    let s = Sandbox::new();
    s.rolled_out("x").git(&["revert", "--no-edit", "HEAD"]);
    let recorded = s.on(&["change", "rollback", "--reason", "by hand"]).ok();
    let _ = recorded.says(&["--as after"]).never_says(&["git revert", "Roll back now"]);
}

#[test]
fn in_a_merge_with_a_conflict_a_watched_change_is_measured_after_it_and_not_verified() {
    let s = Sandbox::new();
    s.git(&["branch", "other"]);
    s.rolled_out("x");
    commit_evidence(&s);
    s.git(&["switch", "-q", "other"]);
    s.write("tuned.txt", "70\n").commit_as("Bob's", &[]).git(&["switch", "-q", "main"]);
    assert_ne!(s.try_git(&["merge", "-q", "other"]).code, 0);
    let tick = format!("then: vibeship-optimizer monitor tick --change-id {}", s.id());
    for command in [&["status"][..], &["monitor", "tick"]] {
        let _ = s.run(command).says(&["git commit --no-edit", &tick]).never_says(&["change verify"]);
    }
}

#[test]
fn what_was_amended_after_the_validation_leads_to_the_step_that_is_due() {
    let s = Sandbox::new();
    s.start("x").contract().before().improve(50.0).validate();
    s.write("src/main.txt", "note\n").git(&["commit", "-q", "-a", "--amend", "--no-edit"]);
    let _ = s
        .run(&["status"])
        .says(&["check out the branch", "or:   vibeship-optimizer snapshot"])
        .never_says(&["promote"]);
}

#[test]
fn a_revert_in_conflict_is_named_with_both_ways_on() {
    let s = Sandbox::new();
    s.start("x").contract().before().tune(50.0);
    s.git(&["add", "-A"]);
    s.git(&["commit", "-q", "-m", "tune", "--trailer", &format!("Optimizer-Change: {}", s.id())]);
    s.validate().after().compare().on(&["change", "promote"]).ok();
    s.on(&["change", "rollout", "full"]).ok();
    commit_evidence(&s);
    assert_ne!(s.try_git(&["revert", "--no-edit", "HEAD~1"]).code, 0);
    for command in [&["status"][..], &["monitor", "tick"], &["change", "rollback", "--reason", "r", "--apply"]] {
        let told = s.run(command).says(&["a revert is in progress", "git revert --abort", "change rollback"]);
        let _ = told.never_says(&["stash", "--continue"]);
    }
}

#[test]
fn a_rollback_that_later_work_stands_in_the_way_of_names_it() {
    let s = Sandbox::new();
    s.start("x").contract().before().improve(50.0).validate().after().compare();
    s.write("tuned.txt", "theirs\n").git(&["add", "tuned.txt"]);
    s.git(&["-c", "user.email=bo@example.org", "commit", "-q", "-m", "Their work"]);
    let refused = s.on(&["change", "promote"]).exits(1);
    let log = "next: git log --oneline [SHORT].. -- ':(top)tuned.txt'";
    let _ = refused.says(&["which later commits build on it", log, "change hold"]).never_says(&["validate", "reset"]);
}

#[test]
fn the_winner_of_an_experiment_is_brought_in_under_its_own_change() {
    let s = Sandbox::new();
    s.start_with("try", &["--class", "experiment"]).contract().before().improve(50.0).validate().after().compare();
    let experiment = s.id();
    let _ = s.on(&["change", "hold", "--reason", "it wins"]).ok().says(&["its commit is still in the tree"]);
    let said = String::from_utf8(s.tool(&["change", "start", "--from", &experiment]).output().unwrap().stderr).unwrap();
    for step in ["revert its commit", "write the contract", "apply it again"] {
        assert!(said.contains(step), "{said}");
    }
    s.take(&alternatives(&said)[0]).unwrap_or_else(|error| panic!("{error}\n{said}"));
    let _ = s.run(&["snapshot", "--as", "after"]).ok();
}

#[test]
fn a_shallow_clone_is_told_to_fetch_and_a_forced_day_stays_one() {
    let s = Sandbox::new();
    s.rolled_out("x");
    commit_evidence(&s);
    s.git(&["commit", "-q", "--allow-empty", "-m", "later"]);
    let (origin, clone) = (format!("file://{}", s.root().display()), s.outside().join("shallow"));
    s.git(&["clone", "-q", "--depth", "1", &origin, &clone.to_string_lossy()]);
    let _ = s
        .run_in(&clone, &["monitor", "tick"])
        .exits(2)
        .says(&["git fetch --unshallow", "then: vibeship-optimizer monitor tick"])
        .never_says(&["relink"]);
    let _ = s.run_in(&clone, &["status"]).says(&["git fetch --unshallow"]).never_says(&["measure today"]);
    let back = s.run_in(&clone, &["change", "rollback", "--reason", "x", "--apply"]).exits(2);
    let _ = back.says(&["git fetch --unshallow"]).never_says(&["stash"]);
    s.git_in(&clone, &["fetch", "-q", "--unshallow"]);
    let _ = s.run_in(&clone, &["monitor", "tick"]).ok();
    s.git(&["revert", "--no-edit", "HEAD~2"]);
    let _ = s.on(&["monitor", "tick", "--force"]).exits(1).says(&["then: vibeship-optimizer monitor tick", "--force"]);
}

#[test]
fn a_range_is_checked_in_the_project_and_not_above_it() {
    let s = Sandbox::new();
    fs::create_dir(s.path("pkg a")).unwrap();
    for file in ["vibeship_optimizer.yml", "ops.json", "src"] {
        s.git(&["mv", file, "pkg a/"]);
    }
    s.git(&["commit", "-q", "-m", "A package"]);
    let told = s.run(&["check", "--range", "HEAD~1..HEAD"]).troubled(&["there is one in pkg a"]);
    let steps = alternatives(&told.stderr).into_iter().next().unwrap();
    assert_eq!(steps, ["vibeship-optimizer -C \"pkg a\" check --range HEAD~1..HEAD"]);
}

#[test]
fn the_last_event_of_a_change_is_committed_too() {
    let s = Sandbox::new();
    s.rolled_out("x");
    commit_evidence(&s);
    let _ = s.on(&["change", "rollback", "--reason", "slow", "--apply"]).ok();
    s.git(&["add", "-A"]);
    s.git(&["commit", "-q", "--allow-empty", "-m", "Evidence"]);
    let _ = s.on(&["snapshot", "--as", "after"]).ok().says(&["# commit the evidence"]);
    let s = Sandbox::new();
    s.start("x").contract().before();
    let _ = s.on(&["change", "reject", "--reason", "no"]).ok().says(&["# commit the evidence"]);
}

#[test]
fn leftovers_of_a_rejected_change_come_first_and_are_reported_at_the_next_baseline() {
    let s = Sandbox::new();
    s.start("x").contract().before().improve(50.0).on(&["change", "reject", "--reason", "no"]).ok();
    let status = s.run(&["status", "--format", "text"]).ok();
    assert!(status.stdout.find("still in the tree") < status.stdout.find("No change is open"), "{status}");
    s.start("y").contract();
    let _ = s
        .on(&["snapshot", "--as", "before"])
        .ok()
        .says(&["of the rejected change", "the baseline is measured with it"]);
}

/// The doctor changes a file that git tracks, and says so with the commit command.
#[test]
fn what_the_doctor_writes_is_committed_as_the_set_up() {
    let s = Sandbox::new();
    s.write(".gitignore", "reports/\n*.json\n!ops.json\n").commit_as("ignore", &[]);
    s.start("x").contract();
    follow(&s, &["doctor", "--apply"]);
    assert_eq!(s.git(&["log", "-1", "--format=%s"]), "Set up vibeship-optimizer");
    s.before().improve(50.0).validate().after().compare();
    let kept = fs::read_to_string(s.path(".gitignore")).unwrap();
    assert!(kept.starts_with("reports/\n"), "{kept}");
}

#[test]
fn a_revert_that_removed_the_record_is_reported_with_what_restores_it() {
    let s = Sandbox::new();
    s.rolled_out("x");
    s.git(&["add", "-A"]);
    s.git(&["commit", "-q", "--amend", "--no-edit"]);
    s.git(&["revert", "--no-edit", "HEAD"]);
    let id = s.id();
    for command in [&["status"][..], &["monitor", "tick"], &["validate"], &["change", "show", &id], &["check"]] {
        let _ = s.run(command).says(&["the record was removed", &id, "git checkout"]);
    }
    follow(&s, &["monitor", "tick"]);
    // The record has the hash that the commit had before the record was added to it.
    let _ = s.on(&["change", "relink"]).ok();
    follow(&s, &["monitor", "tick"]);
    let _ = s.run(&["status"]).ok().says(&["No change is open"]).never_says(&["the record was removed"]);
}

#[test]
fn a_validated_commit_is_the_changes_without_its_id_too() {
    let s = Sandbox::new();
    s.start("x").contract().before().tune(50.0).commit_as("Forgot it", &[]);
    s.validate().after().compare();
    let _ = s.on(&["change", "promote"]).ok();
    commit_evidence(&s);
    let _ = s.run(&["check", "--range", "HEAD~2..HEAD", "--require", "promoted"]).ok();
    s.tune(40.0).commit_as("Forgot it again", &[]);
    let _ = s.run(&["check", "--range", "HEAD~3..HEAD"]).exits(1).says(&["COMMIT_WITHOUT_ID"]);
}

/// Commits on a pushed branch are still the author's own.
#[test]
fn two_commits_on_a_pushed_branch_are_not_one_change() {
    let s = Sandbox::new();
    s.git(&["switch", "-q", "-c", "feature"]);
    s.start("x").contract().before().improve(50.0).write("src/main.txt", "lower still\n").commit_as("Lower", &[]);
    s.git(&["update-ref", "refs/remotes/origin/feature", "HEAD"]);
    s.refuses(&["validate"], 3, "many_commits");
}

#[test]
fn two_branches_that_meet_keep_both_sections_of_the_logbook() {
    let s = Sandbox::new();
    let mut ids = Vec::new();
    for name in ["one", "two"] {
        s.git(&["switch", "-q", "-c", name, "main"]);
        s.start(name).contract();
        ids.push(s.id());
        commit_evidence(&s);
    }
    assert_ne!(s.try_git(&["merge", "-q", "one"]).code, 0);
    let _ = s.run(&["status"]).says(&["a merge is in progress"]);
    follow(&s, &["status", "--change-id", &ids[1]]);
    let logbook = s.read("VIBESHIP_OPTIMIZER.md");
    assert!(ids.iter().all(|id| logbook.matches(&format!("begin {id}")).count() == 1), "{logbook}");
    assert_eq!(s.git(&["status", "--porcelain"]), "");
    let _ = s.run(&["check"]).ok().never_says(&["REPORT_DIFFERS"]);
}

#[test]
fn what_was_amended_after_the_promotion_is_named_with_what_differs_and_the_way_out() {
    let s = Sandbox::new();
    s.compared("x");
    let _ = s.on(&["change", "promote"]).ok();
    s.write("src/main.txt", "note\n").git(&["commit", "-q", "-a", "--amend", "--no-edit"]);
    let relink = format!("vibeship-optimizer change relink --change-id {}", s.id());
    let _ = s.on(&["status"]).says(&["not in the history", &relink]);
    let _ = s.on(&["change", "relink"]).exits(1).says(&["git diff [SHORT] [SHORT]", "change start --from"]);
}

#[test]
fn a_start_that_is_refused_for_a_criterion_is_printed_with_another() {
    let s = Sandbox::new();
    let all = ["--hypothesis", "h", "--kpi", "kpi.ops <= +0%", "--guardrail", "size.src <= +2%", "--trigger", "slow"];
    let _ = s.run(&[&["change", "start", "--title", "x"], &all[..]].concat()).exits(1).never_says(&["<= +0%\""]);
    follow(&s, &[&["change", "start", "--title", "x"], &all[..]].concat());
}

#[test]
fn evidence_that_was_reverted_by_mistake_is_restored_and_not_measured_again() {
    let s = Sandbox::new();
    s.start("x").contract().before().improve(50.0);
    s.git(&["add", "-A"]);
    s.git(&["commit", "-q", "-m", "Baseline"]);
    s.validate().after().compare();
    let _ = s.on(&["change", "promote"]).ok();
    s.git(&["add", "-A"]);
    s.git(&["commit", "-q", "-m", "Evidence"]);
    let evidence = s.git(&["rev-parse", "--short=12", "HEAD"]);
    s.git(&["revert", "--no-edit", "HEAD"]);
    let told = "commit [SHORT] has a longer record of this change";
    let restore = format!(
        "next: git checkout [SHORT] -- .vibeship-optimizer/changes/{id}.json 'reports/optimizer/{id}_*'",
        id = s.id()
    );
    let _ = s.on(&["validate"]).exits(1).says(&[told, &restore, "then: vibeship-optimizer doctor --apply"]);
    s.git(&["checkout", &evidence, "--", &s.record(), &format!("reports/optimizer/{}_*", s.id())]);
    let _ = s.run(&["doctor", "--apply"]).ok();
    s.git(&["add", "-A"]);
    s.git(&["commit", "-q", "-m", "Restore the record"]);
    let _ = s.run(&["check"]).ok().says(&["no problems found"]);
    let _ = s.on(&["change", "rollout", "full"]).ok();
}

#[test]
fn a_commit_whose_record_lies_in_another_checkout_is_named() {
    let s = Sandbox::new();
    s.start("x").contract().before().improve(50.0);
    s.git(&["clean", "-qfdx", ".vibeship-optimizer/changes"]);
    let named = format!("the commit names {}, which has no record here", s.id());
    let told = [named.as_str(), "# commit its record where the change was opened"];
    let _ = s.run(&["status"]).says(&told);
    let _ = s.run(&["validate"]).exits(2).says(&told);
}

/// Two changes in one commit prove nothing; what brought their records is taken back without these.
#[test]
fn a_squash_of_two_changes_is_taken_back_and_the_records_stay() {
    let s = Sandbox::new();
    s.git(&["checkout", "-q", "-b", "feat"]);
    for (title, ops) in [("one", 50.0), ("two", 40.0)] {
        s.start(title).contract().before().improve(ops).validate().after().compare();
        let _ = s.on(&["change", "promote"]).ok();
        let _ = s.on(&["change", "rollout", "full"]).ok();
        commit_evidence(&s);
        s.later(chrono::Duration::hours(1));
    }
    s.git(&["checkout", "-q", "main"]);
    s.git(&["merge", "-q", "--squash", "feat"]);
    s.git(&["commit", "-q", "-m", "Two things (#3)"]);
    s.git(&["branch", "-q", "-D", "feat"]);
    let records = s.git(&["ls-files", ".vibeship-optimizer", "reports"]);
    let check = ["check", "--range", "HEAD~1..HEAD"];
    let said = String::from_utf8(s.tool(&check).output().unwrap().stdout).unwrap();
    let undo = alternatives(&said).into_iter().find(|steps| steps[0].contains("git apply"));
    s.take(&undo.unwrap_or_else(|| panic!("{said}"))).unwrap();
    assert_eq!((s.read("ops.json"), s.git(&["ls-files", ".vibeship-optimizer", "reports"])), (kpi(100.0), records));
    s.git(&["reset", "-q", "--hard", "HEAD~1"]);
    for _ in 0..2 {
        let said = s.tool(&["change", "relink"]).output().unwrap().stderr;
        s.take(&alternatives(&String::from_utf8(said).unwrap())[0][..1]).unwrap();
    }
    let left = s.run(&["change", "relink"]).ok().says(&["nothing relinked"]);
    let _ = left.never_says(&["no match found"]);
    commit_evidence(&s);
    let _ = s.run(&["check", "--range", "HEAD~3..HEAD"]).ok();
}

/// What differs from the state before the change is then the work of others.
#[test]
fn a_change_that_was_taken_out_is_taken_up_again_without_undoing_what_others_made_since() {
    let s = Sandbox::new();
    s.start("x").contract().before().tune(50.0).commit("tune");
    let old = s.validate().id();
    let _ = s.on(&["change", "hold", "--reason", "later"]).ok();
    let _ = s.on(&["change", "rollback", "--reason", "out", "--apply"]).ok();
    commit_evidence(&s);
    s.write("ops.json", kpi(95.0)).commit_as("theirs", &[]);
    let started = s.run(&["change", "start", "--from", &old]).ok();
    let _ = started.says(&["measure without it"]).never_says(&["revert its commit", "git revert"]);
}

/// Records that a change was reverted, and measures that.
fn recorded(s: &Sandbox) {
    let _ = s.on(&["change", "rollback", "--reason", "it hurt"]).ok();
    let _ = s.on(&["snapshot", "--as", "after"]).ok();
    commit_evidence(s);
}

#[test]
fn a_revert_by_a_forge_that_names_no_commit_is_known_by_its_content() {
    let s = Sandbox::new();
    s.rolled_out("x");
    let made = s.git(&["rev-parse", "HEAD"]);
    commit_evidence(&s);
    let base = s.git(&["rev-parse", "HEAD"]);
    let revert = |more: &str| {
        s.git(&["revert", "--no-commit", &made]);
        s.write("src/main.txt", more).git(&["add", "src"]);
        s.git(&["commit", "-q", "-m", "Revert \"Lower (#8)\" (#9)\n\nReverts acme/limits#8"]);
    };
    revert("more\n");
    let _ = s.run(&["check", "--range", &format!("{base}..HEAD")]).exits(1).says(&["COMMIT_WITHOUT_ID"]);
    s.git(&["reset", "-q", "--hard", &base]);
    revert("slow\n");
    recorded(&s);
    let _ = s.run(&["check", "--range", &format!("{base}..HEAD")]).ok();
    let _ = s.run(&["check", "--range", &format!("{made}~1..HEAD")]).ok();
}

#[test]
fn the_revert_of_a_merge_takes_back_what_it_brought() {
    let s = Sandbox::new();
    let base = s.git(&["rev-parse", "HEAD"]);
    s.git(&["checkout", "-q", "-b", "feat"]);
    s.start("x").contract().before().tune(50.0).commit("tune").validate().after().compare();
    let _ = s.on(&["change", "promote"]).ok();
    s.git(&["checkout", "-q", "main"]);
    s.git(&["merge", "-q", "--no-ff", "-m", "Merge pull request #3", "feat"]);
    let _ = s.on(&["change", "rollout", "full"]).ok();
    commit_evidence(&s);
    s.git(&["revert", "--no-edit", "-m", "1", "HEAD~1"]);
    recorded(&s);
    let _ = s.run(&["check", "--range", &format!("{base}..HEAD")]).ok();
    s.git(&["revert", "--no-edit", "HEAD~1"]);
    let _ = s.run(&["check", "--range", &format!("{base}..HEAD")]).exits(1).says(&["NOT_REVERTED"]);
}

#[test]
fn work_that_another_change_brings_in_again_by_a_revert_of_the_revert_is_its_own() {
    let s = Sandbox::new();
    let base = s.git(&["rev-parse", "HEAD"]);
    s.rolled_out("one");
    commit_evidence(&s);
    let _ = s.on(&["change", "rollback", "--reason", "x", "--apply"]).ok();
    let revert = s.git(&["rev-parse", "HEAD"]);
    let _ = s.on(&["snapshot", "--as", "after"]).ok();
    commit_evidence(&s);
    s.later(chrono::Duration::hours(1)).start("two").contract().before();
    commit_evidence(&s);
    s.git(&["revert", "--no-edit", &revert]);
    let check = ["check", "--range", &format!("{base}..HEAD"), "--require", "promoted"];
    let _ = s.run(&check).exits(1).says(&["NOT_REVERTED"]);
    s.git(&["commit", "-q", "--amend", "--no-edit", "--trailer", &format!("Optimizer-Change: {}", s.id())]);
    let _ = s.run(&check).exits(1).says(&["GATE_NOT_REACHED"]);
    s.validate().after().compare();
    let _ = s.on(&["change", "promote"]).ok();
    commit_evidence(&s);
    let _ = s.run(&check).ok();
}

#[test]
fn a_change_that_comes_back_after_its_rollback_was_measured_is_told() {
    let s = Sandbox::new();
    s.rolled_out("x");
    commit_evidence(&s);
    let _ = s.on(&["change", "rollback", "--reason", "no", "--apply"]).ok();
    let rollback = s.git(&["rev-parse", "HEAD"]);
    let _ = s.on(&["snapshot", "--as", "after"]).ok();
    commit_evidence(&s);
    let _ = s.run(&["status"]).ok().never_says(&["still in the tree"]);
    s.git(&["revert", "--no-edit", &rollback]);
    let _ = s.run(&["status"]).ok().says(&["still in the tree", "git revert --no-edit [SHORT]"]);
    s.git(&["revert", "--no-edit", "HEAD"]);
    let _ = s.run(&["status"]).ok().never_says(&["still in the tree"]);
}

#[test]
fn a_commit_without_an_id_on_a_merged_branch_is_named_where_the_change_has_none() {
    for merge in ["--no-ff", "--ff-only"] {
        let s = Sandbox::new();
        s.start("x").contract().before().git(&["switch", "-qc", "topic"]);
        s.tune(50.0).commit_as("Forgot it", &[]).git(&["switch", "-q", "main"]);
        s.git(&["merge", "-q", "--no-edit", merge, "topic"]);
        let _ = s.run(&["status"]).ok().says(&["without an id: [SHORT] Forgot it"]);
        follow(&s, &["validate"]);
        s.after().compare();
    }
}

#[test]
fn evidence_that_is_nowhere_leads_to_the_end_of_the_change() {
    let s = Sandbox::new();
    s.compared("x");
    fs::remove_file(s.path(s.evidence("compare.md"))).unwrap();
    let _ = s.run(&["doctor", "--apply", "--format", "text"]).ok().never_says(&["next: vibeship-optimizer doctor"]);
    let _ = s.on(&["change", "promote"]).ok();
    fs::remove_dir_all(s.path("reports")).unwrap();
    let status = s.run(&["status"]).ok().says(&["evidence files are not what was recorded", "change rollback"]);
    let _ = status.never_says(&["change rollout full"]);
    let doctor = s.run(&["doctor", "--apply", "--format", "text"]).exits(2).says(&["it cannot be made again"]);
    let _ = doctor.never_says(&["next: vibeship-optimizer doctor"]);
    follow(&s, &["status"]);
    let _ = s.on(&["status"]).ok().says(&["--as after"]).never_says(&["end it"]);
}

#[test]
fn evidence_is_not_committed_with_what_a_cherry_pick_applies() {
    let s = Sandbox::new();
    s.compared("x").write("theirs.txt", "theirs\n").git(&["add", "theirs.txt"]);
    s.git(&["commit", "-q", "-m", "Theirs"]);
    assert_ne!(s.try_git(&["cherry-pick", "HEAD"]).code, 0, "it is empty");
    let told =
        s.on(&["change", "promote"]).ok().says(&["a cherry-pick is in progress", "or:   git cherry-pick --abort"]);
    let _ = told.never_says(&["VIBESHIP_OPTIMIZER.md && git -c core.editor=true cherry-pick --continue"]);
}

#[test]
fn a_squash_in_conflict_is_told_to_put_the_records_together() {
    let s = Sandbox::new();
    for branch in ["one", "two"] {
        s.git(&["switch", "-qc", branch, "main"]);
        s.start(branch).contract().before().later(chrono::Duration::minutes(1));
        commit_evidence(&s);
    }
    s.git(&["switch", "-q", "main"]);
    s.git(&["merge", "-q", "one"]);
    assert_ne!(s.try_git(&["merge", "--squash", "two"]).code, 0, "the logbook conflicts");
    let _ = s.run(&["status"]).ok().says(&["a squash is in progress", "change relink && git add"]);
    let _ =
        s.run(&["change", "relink"]).ok().says(&["then commit what the squash staged"]).never_says(&["take it out"]);
    assert!(!s.read("VIBESHIP_OPTIMIZER.md").contains("<<<<"));
}

#[test]
fn a_rollback_that_was_written_down_is_made_without_naming_the_change() {
    let s = Sandbox::new();
    s.rolled_out("x");
    commit_evidence(&s);
    let _ = s.run(&["change", "rollback", "--reason", "no"]).ok();
    let _ = s.run(&["change", "rollback", "--reason", "no", "--apply"]).ok().says(&["reverted by commit"]);
}

/// `git revert` of such a commit conflicts in the record.
#[test]
fn where_the_commit_holds_the_record_every_page_prints_the_rollback_that_keeps_it() {
    let s = Sandbox::new();
    s.start("x").contract().before().tune(50.0).git(&["add", "-A"]);
    s.git(&["commit", "-q", "-m", "tune", "--trailer", &format!("Optimizer-Change: {}", s.id())]);
    s.validate().after().compare();
    let _ = s.on(&["change", "show", "--format", "text"]).ok().says(&["--reason \"WHY\" --apply"]);
    assert!(!s.read("VIBESHIP_OPTIMIZER.md").contains("git revert"));
}
