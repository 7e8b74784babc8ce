//! Advice leads on even if steps were done in another order, or things are not where they were.

use crate::support::{CONFIG, Sandbox};

/// A project whose change waits for the first of two stages.
fn promoted() -> Sandbox {
    let s = Sandbox::new();
    s.config(&format!("{CONFIG}rollout: {{stages: [{{name: canary}}, {{name: full}}]}}\n")).compared("x");
    let _ = s.on(&["change", "promote"]).ok();
    s
}

fn committed(s: &Sandbox, subject: &str) {
    s.git(&["add", "-A"]);
    s.git(&["commit", "-qm", subject]);
}

#[test]
fn a_stage_refused_for_uncommitted_work_is_next_after_the_commit() {
    let s = promoted();
    s.write("src/more.txt", "x");
    let canary = format!("then: vibeship-optimizer change rollout canary --change-id {}", s.id());
    let _ = s.on(&["change", "rollout", "canary"]).exits(1).says(&[&canary]);
    std::fs::remove_file(s.path("src/more.txt")).unwrap();
    let _ = s.on(&["change", "rollout", "canary"]).ok();
    s.write("src/more.txt", "x");
    let _ = s.on(&["change", "rollout", "full"]).exits(1).says(&["then: vibeship-optimizer change rollout full"]);
}

#[test]
fn advice_on_a_missing_rollout_begins_with_the_gate_that_refuses() {
    let s = Sandbox::new();
    s.start("x").contract();
    let _ =
        s.on(&["autopilot", "tick"]).says(&["not fully rolled out; run vibeship-optimizer snapshot --label before"]);
    let s = promoted();
    let _ = s.on(&["autopilot", "tick"]).says(&["not fully rolled out; run vibeship-optimizer change rollout canary"]);
}

#[test]
#[cfg(unix)]
fn a_config_change_alone_leads_to_a_new_baseline() {
    let s = Sandbox::new();
    let config = CONFIG.replace("file: ops.json", "cmd: cat ops.json");
    let set = |share: &str| s.config(&config.replace("pair: {enabled: false}", &format!("pair: {share}")));
    set("{share: [nope]}").start("x").contract();
    let again = "remove it from the config and take the baseline again";
    let _ = s.on(&["snapshot", "--as", "before"]).ok().says(&[again]).never_says(&["name what they need"]);
    set("{}");
    let next = format!("next: vibeship-optimizer snapshot --label before --change-id {} --as before", s.id());
    let _ = s.on(&["status"]).ok().says(&[&next]).never_says(&["reject"]);
    let _ = s.on(&["validate"]).exits(1).says(&[&next]).never_says(&["reject"]);
    let _ = s.on(&["snapshot", "--as", "before"]).ok();
    s.improve(50.0);
    // Once something would be lost, a person has to choose.
    s.config(&CONFIG.replace("exit 0", "true"));
    let _ = s.on(&["validate"]).exits(1).says(&["reject"]);
}

#[test]
#[cfg(unix)]
fn output_that_nobody_reads_keeps_its_exit_code() {
    let s = Sandbox::new();
    s.start("x");
    s.write("src/a.txt", "x").commit_as("No id", &[]);
    let bin = env!("CARGO_BIN_EXE_vibeship-optimizer");
    // The pipe has no reader from the beginning.
    let closed = |line: &str| {
        let script = format!("exec 3>&1; {{ sleep 0.3; {bin} {line}; echo $? >&3; }} 3>code | true; wait; cat code");
        let told = s.command("sh").args(["-c", &script]).output().unwrap();
        String::from_utf8_lossy(&told.stdout).trim().to_owned()
    };
    assert_eq!(closed("check --range HEAD~1..HEAD"), "1");
    assert_eq!(closed("change verify"), "1");
    assert_eq!(closed("change show nonsense --format json"), "2");
    assert_eq!(closed("change list"), "0");
    assert_eq!(closed("--help"), "0");
}

#[test]
#[cfg(target_os = "linux")]
fn help_that_cannot_be_written_is_an_error() {
    let s = Sandbox::new();
    for line in ["--help", "--version", "help gates"] {
        let script = format!("{} {line} > /dev/full", env!("CARGO_BIN_EXE_vibeship-optimizer"));
        let told = s.command("sh").args(["-c", &script]).output().unwrap();
        assert_eq!(told.status.code(), Some(2), "{line}");
        assert!(String::from_utf8_lossy(&told.stderr).contains("No space left"), "{line}");
    }
}

#[test]
fn a_record_in_another_branch_stash_or_worktree_is_found() {
    let s = Sandbox::new();
    s.git(&["switch", "-qc", "feat"]);
    s.start("on a branch");
    committed(&s, "Open it");
    let feat = s.id();
    s.git(&["switch", "-q", "main"]);
    s.later(chrono::Duration::minutes(5));
    s.start("put aside");
    let aside = s.id();
    let _ = s.run(&["change", "show", &feat]).exits(2).says(&["on the branch feat", "next: git switch feat"]);
    s.git(&["stash", "push", "-qu"]);
    let _ = s.run(&["change", "show", &aside]).exits(2).says(&["next: git stash pop 'stash@{0}'"]);
    s.later(chrono::Duration::minutes(5));
    s.start("here");
    let told = s.run(&["snapshot", "--as", "before", "--change-id", &feat]).exits(2).never_says(&["did you mean"]);
    let _ = told.never_says(&["change list"]);
    let nobody = "chg-20260101-000000-nobody";
    let _ = s.run(&["change", "show", nobody]).exits(2).says(&["unknown change"]).never_says(&["did you mean"]);
    let slip = s.id().replace("-09", "-08");
    let _ = s.run(&["change", "show", &slip]).exits(2).says(&[&format!("did you mean {}?", s.id())]);
    let clone = s.outside().join("clone");
    s.git(&["clone", "-q", ".", &clone.to_string_lossy()]);
    let _ = s.run_in(&clone, &["change", "show", &feat]).exits(2).says(&["next: git switch --track origin/feat"]);
    let tree = s.outside().join("tree");
    s.git(&["worktree", "add", "-q", &tree.to_string_lossy(), "feat"]);
    let _ = s.run(&["change", "show", &feat]).exits(2).says(&["in the worktree ", "next: cd "]);
}

#[test]
fn a_stash_that_took_the_record_along_is_named_before_any_revert() {
    let s = Sandbox::new();
    s.start("x").contract().before().improve(50.0).git(&["stash", "push", "-qu"]);
    let _ = s.run(&["status"]).says(&["its record is in stash@{0}", "git stash pop"]).never_says(&["git revert"]);
    let validate = s.run(&["validate"]).exits(2).says(&["git stash pop"]);
    let _ = validate.never_says(&["git revert", "change start"]);
    s.git(&["stash", "pop", "-q"]);
    committed(&s, "Evidence");
    s.set("GIT_SEQUENCE_EDITOR", "sed -i 1s/pick/edit/").git(&["rebase", "-q", "-i", "HEAD~2"]);
    let _ = s.run(&["status"]).says(&["a rebase is in progress", "rebase --continue"]).never_says(&["git revert"]);
}

#[test]
fn no_change_is_opened_if_it_is_unknown_whether_another_is_open() {
    let s = Sandbox::new();
    s.start("first");
    committed(&s, "Open it");
    let (record, text) = (s.record(), s.read(s.record()));
    let second = ["change", "start", "--title", "second"];
    std::fs::remove_file(s.path(&record)).unwrap();
    let restore = format!("next: git restore --source=HEAD --staged --worktree -- {record}");
    let _ = s.run(&second).exits(2).says(&["not known whether another change is open", &restore]);
    let _ = s.run(&["snapshot", "--as", "before"]).exits(2).says(&[&restore]).never_says(&["change start"]);
    let list = s.run(&["change", "list", "--format", "text"]).exits(2).says(&["1 record cannot be read", &restore]);
    let _ = list.never_says(&["no change yet"]);
    s.write(&record, format!("{text}<<<<<<< HEAD\n"));
    let _ = s.run(&second).exits(2).says(&["git left a conflict in it", "change relink"]);
    let list = s.run(&["change", "list", "--format", "text"]).exits(2).says(&["1 record cannot be read"]);
    let _ = list.never_says(&["no change yet"]);
    assert_eq!(std::fs::read_dir(s.path(".vibeship-optimizer/changes")).unwrap().count(), 1);
    s.write(&record, text);
    let _ = s.run(&second).exits(1).says(&["another change is open"]);
}

#[test]
fn a_rolled_out_change_ends_by_a_rollback_which_a_daily_decision_prints() {
    let s = Sandbox::new();
    s.rolled_out("x");
    let back = format!("vibeship-optimizer change rollback --change-id {} --reason \"WHY\" --apply", s.id());
    let or = format!("or:   {back}");
    let _ = s.on(&["change", "contract", "--kpi", "kpi.ops <= -2%"]).exits(1).says(&[&or]).never_says(&["reject"]);
    for end in ["hold", "reject"] {
        let _ = s.on(&["change", end, "--reason", "no"]).exits(1).says(&[&or]);
    }
    let decide = format!("{}=rollback:errors doubled", s.id());
    let decided = back.replace("WHY", "errors doubled");
    let _ = s.run(&["day", "close", "--decide", &decide]).ok().says(&[&decided]).never_says(&["wait until"]);
    let _ = s.run(&["status"]).ok().says(&[&decided, "roll it back, as was decided"]);
    let answer = s.run(&["status", "--format", "json"]).ok().json();
    assert_eq!(answer["commands"][0]["command"], decided.as_str(), "{answer}");
    // The later decision counts.
    s.later(chrono::Duration::days(1));
    let decide = format!("{}=undecided:it was the network", s.id());
    let _ = s.run(&["day", "close", "--decide", &decide]).ok();
    let _ = s.run(&["status"]).ok().never_says(&["as was decided"]);
}

#[cfg(unix)]
#[test]
fn one_command_restores_every_missing_file() {
    let s = Sandbox::new();
    s.rolled_out("x");
    committed(&s, "Evidence");
    std::fs::remove_dir_all(s.path("reports")).unwrap();
    let told = s.on(&["monitor", "tick"]).exits(2).says(&["git checkout HEAD -- reports/optimizer/"]);
    let restore = told.stderr.lines().find_map(|line| line.strip_prefix("next: ")).unwrap().to_owned();
    s.take(&[restore]).unwrap();
    let _ = s.on(&["monitor", "tick"]).ok().never_says(&["warning"]);
    let _ = s.run(&["check"]).ok();
}

#[test]
#[cfg(unix)]
fn doctor_reports_a_git_that_is_too_old() {
    use std::os::unix::fs::PermissionsExt as _;
    let s = Sandbox::new();
    let _ = s.run(&["doctor", "--apply"]).ok();
    let old = s.outside().join("bin/git");
    let git = "case \"$*\" in *--version*) echo git version 2.25.1;; *) PATH=\"$REST\" exec git \"$@\";; esac";
    s.write("../bin/git", format!("#!/bin/sh\n{git}\n"));
    std::fs::set_permissions(&old, std::fs::Permissions::from_mode(0o755)).unwrap();
    let path = std::env::var("PATH").unwrap();
    s.set("REST", &path).set("PATH", &format!("{}:{path}", old.parent().unwrap().display()));
    let _ = s.run(&["doctor", "--format", "text"]).exits(1).says(&["git 2.25 is too old", "install git 2.32 or newer"]);
}

#[test]
fn enforcement_since_has_to_name_a_commit() {
    let s = Sandbox::new();
    s.config(&format!("{CONFIG}enforcement: {{since: {}}}\n", "f".repeat(40)));
    let _ = s.run(&["doctor", "--apply"]);
    let said = ["enforcement.since of the config names no commit here", "git log --oneline --reverse"];
    let _ = s.run(&["doctor", "--format", "text"]).exits(1).says(&said);
    let first = s.git(&["rev-list", "--max-parents=0", "HEAD"]);
    s.config(&format!("{CONFIG}enforcement: {{since: \"{first}\"}}\n"));
    let _ = s.run(&["doctor", "--format", "text"]).ok();
}

#[test]
fn values_that_yaml_misreads_need_quotes_and_a_conflict_is_named() {
    let s = Sandbox::new();
    for text in ["size_paths: [*.py]", "commands: {test: @x}", "commands:\n  test: echo a: b"] {
        s.config(&format!("version: 1\n{text}\n"));
        let _ = s.run(&["doctor"]).exits(2).says(&["put the text in quotes"]);
    }
    s.config("version: 1\n<<<<<<< HEAD\nsize_paths: [a]\n=======\nsize_paths: [b]\n>>>>>>> side\n");
    let _ = s.run(&["status"]).exits(2).says(&["vibeship_optimizer.yml:2:1: ", "git left a conflict in it"]);
    s.config("version: 1.0\n");
    let _ = s.run(&["status"]).exits(2).says(&["expected the whole number 1, found the number 1.0"]);
    s.config(&format!("size_paths: [{}]\n", "a, ".repeat(60_000)));
    let _ = s.run(&["status"]).exits(2).says(&["it is too large, or nested too deeply"]).never_says(&["Nodes"]);
}

#[test]
fn the_second_step_of_status_is_possible_after_the_first() {
    let s = Sandbox::new();
    s.compared("x");
    let told = s.run(&["status"]).ok();
    assert_eq!(told.to_string().matches("next: ").count(), 1, "{told}");
    let _ = told.says(&["next: vibeship-optimizer change promote", "then: git add "]);
}

#[test]
fn what_was_typed_is_in_the_command_that_is_printed() {
    let s = Sandbox::new();
    s.write("src/a.txt", "x").commit_as("More", &[]);
    let pair = s.run(&["pair", "--before", "main~1", "--after", "main"]).exits(2);
    let _ = pair.says(&["next: vibeship-optimizer pair --before main~1 --after main -- COMMAND"]);
    let bisect = s.run(&["bisect", "--good", "main~1", "--bad", "main"]).exits(2);
    let _ = bisect.says(&["next: vibeship-optimizer bisect --good main~1 --bad main -- COMMAND"]);
    let same = s.run(&["pair", "--before", "main", "--after", "HEAD", "--", "true"]).exits(2);
    let _ = same.says(&["both revisions are the commit "]).never_says(&[&s.git(&["rev-parse", "HEAD"])]);
}

#[test]
fn a_refused_verification_has_its_commands_in_json_too() {
    let s = Sandbox::new();
    s.rolled_out("x");
    let answer = s.on(&["verify", "--format", "json"]).exits(3).json();
    let tick = format!("vibeship-optimizer monitor tick --change-id {}", s.id());
    assert_eq!(answer["next"][0], tick.as_str(), "{answer}");
    assert_eq!(answer["fixes"][0]["command"], tick.as_str(), "{answer}");
    let usage = s.run(&["change", "hold", "--format", "json"]).exits(2).json();
    assert_eq!(usage["fixes"][0]["command"], usage["next"][0], "{usage}");
}

#[test]
fn a_title_given_instead_of_an_id_is_answered_with_the_id() {
    let s = Sandbox::new();
    s.start("fewer rounds").contract().before();
    let _ = s.run(&["hooks", "install"]).ok();
    s.write("src/a.txt", "x").git(&["add", "src"]);
    let refused = s.try_git(&["commit", "-qm", "x", "--trailer", "Optimizer-Change: fewer-rounds"]).exits(1);
    let _ = refused.says(&["invalid change id \"fewer-rounds\"; did you mean `chg-20260302-090000-fewer-rounds`?"]);
    s.start_with("too early", &["--parallel"]);
    let attest = ["review", "attest", "--tool", "other", "--reasoning-mode", "human", "--reviewer", "Ada"];
    let _ = s.on(&attest).exits(1).never_says(&["warning: the author reviewed"]);
}

#[test]
fn doctor_names_what_the_config_cannot_measure() {
    let s = Sandbox::new();
    let paths = CONFIG.replace("size_paths: [src]", "size_paths: [src, \"*.py\", \"src\\\\a.py\"]");
    s.config(&paths.replace("pair: {enabled: false}", "pair: {share: [nope]}\ntuneables: {files: [flags.json]}"));
    let said = s.run(&["doctor", "--format", "text"]).says(&[
        "size_paths names *.py, which does not exist; patterns are not read",
        "which does not exist; write the path with /",
        "pair.share names nope, which does not exist",
        "tuneables.files names flags.json, which does not exist",
    ]);
    let _ = said.never_says(&["names src,", "not under git"]);
    let outside = Sandbox::without_git();
    let _ = outside.run(&["doctor", "--format", "text"]).says(&["the project is not under git", "git init"]);
}

#[test]
#[cfg(target_os = "linux")]
fn a_peak_memory_below_the_tools_own_cannot_be_measured_and_needs_another_contract() {
    let s = Sandbox::new();
    s.config_plus("timings: [{name: main, cmd: \"true\", runs: 3}]\n").start("x").contract();
    let _ = s.on(&["change", "contract", "--kpi", "timing.main.max_rss <= -10%"]).ok();
    let refused =
        s.on(&["snapshot", "--as", "before"]).exits(1).says(&["peak memory of main is below this tool's own"]);
    let next = refused.stderr.lines().find(|line| line.starts_with("next: ")).unwrap();
    assert!(next.starts_with("next: vibeship-optimizer change contract"), "{refused}");
}

#[test]
fn a_word_given_without_its_option_is_answered_with_the_option() {
    let s = Sandbox::new();
    for (line, tip) in [
        (&["check", "main..HEAD"][..], "write '--range main..HEAD'"),
        (&["change", "start", "my title"], "write '--title \"my title\"'"),
        (&["snapshot", "before"], "write '--as before'"),
        (&["validate", "chg-1"], "write '--change-id chg-1'"),
    ] {
        let _ = s.run(line).exits(2).says(&["tip: ", tip]);
    }
    for line in [&["check", "--rang", "x"][..], &["change", "rollout", "ful"]] {
        let _ = s.run(line).exits(2).never_says(&["to give it as an option"]);
    }
    let _ = s.run(&["change", "delete"]).exits(2).never_says(&["similar"]);
    let _ = s.run(&["hooks", "check"]).exits(2).says(&["'vibeship-optimizer check'"]);
    let _ = s.run(&["report", "--format", "github"]).exits(2).says(&["github is for `check`"]);
}
