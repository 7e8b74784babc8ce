//! The tool's advice works when it is followed literally.

#[cfg(unix)]
use crate::cli::colleagues;
#[cfg(unix)]
use crate::support::CommandOutput;
use crate::support::{CONFIG, Sandbox, kpi};

fn ready() -> Sandbox {
    let s = Sandbox::new();
    s.start("x").contract().before();
    s
}

/// Runs the first git command of the advice in a shell, as a person would.
#[cfg(unix)]
fn follow(s: &Sandbox, refused: &CommandOutput) {
    let line = refused.stderr.lines().find(|line| line.starts_with("next: git")).unwrap_or_else(|| panic!("{refused}"));
    let command = line.trim_start_matches("next: ").replace("[SHORT]", &s.git(&["rev-parse", "--short=12", "HEAD"]));
    run(s, &command);
}

#[cfg(unix)]
fn run(s: &Sandbox, command: &str) {
    let output = s.command("sh").args(["-c", command]).output().unwrap();
    assert!(output.status.success(), "{command}: {}", String::from_utf8_lossy(&output.stderr));
}

/// Runs each command of the advice in order, as printed, except for placeholders.
#[cfg(unix)]
fn follow_all(s: &Sandbox, arguments: &[&str]) {
    let id = s.id();
    let output = s.tool(arguments).args(["--change-id", &id]).output().unwrap();
    follow_lines(s, &String::from_utf8([output.stdout, output.stderr].concat()).unwrap());
}

#[cfg(unix)]
fn follow_lines(s: &Sandbox, said: &str) {
    let commands: Vec<&str> = said
        .lines()
        .filter_map(|line| line.trim().strip_prefix("next: ").or(line.trim().strip_prefix("then: ")))
        .collect();
    assert!(!commands.is_empty(), "{said}");
    for command in commands {
        shell(s, &command.replace("WHY", "it did not work out"));
    }
}

/// Like [`run`], with the tool on the shell's path.
#[cfg(unix)]
fn shell(s: &Sandbox, command: &str) {
    let bin = std::path::Path::new(env!("CARGO_BIN_EXE_vibeship-optimizer")).parent().unwrap().display().to_string();
    run(s, &format!("PATH={bin}:$PATH; {command}"));
}

#[cfg(unix)]
fn commit_everything(s: &Sandbox, subject: &str) {
    s.git(&["add", "-A"]);
    s.git(&["commit", "-q", "-m", subject, "--trailer", &format!("Optimizer-Change: {}", s.id())]);
}

#[test]
#[cfg(unix)]
pub(crate) fn commits_that_were_made_too_early_are_set_aside_and_come_back_as_one() {
    let s = Sandbox::new();
    s.start("x").contract();
    s.write("ops.json", kpi(80.0));
    commit_everything(&s, "one");
    s.write("src/new.txt", "new\n");
    commit_everything(&s, "two");
    s.write("ops.json", kpi(50.0)).write("src/loose.txt", "not committed\n");
    s.git(&["rm", "-q", "src/main.txt"]);
    s.write("src/loose.txt", "not committed\n");
    let early = s.git(&["rev-parse", "HEAD"]);
    follow_all(&s, &["snapshot", "--as", "before"]);
    let before = s.json(s.evidence("before_snapshot.json"));
    assert_eq!(before["kpis"][0]["values"][0], 100.0, "{before}");
    assert_eq!(s.git(&["log", "--format=%s"]), "one\nstart");
    assert_eq!(s.git(&["rev-parse", &format!("made-too-early-{}", s.id())]), early);
    assert_eq!((s.read("ops.json"), s.read("src/new.txt")), (kpi(50.0), "new\n".to_owned()));
    assert!(s.path("src/loose.txt").is_file() && !s.path("src/main.txt").exists());
    s.validate().after().compare();
}

#[test]
#[cfg(unix)]
pub(crate) fn the_setup_is_committed_and_the_work_set_aside_by_name_from_any_directory() {
    let s = Sandbox::new();
    s.start("x").contract();
    let config = format!("{CONFIG}# tuned\n");
    s.write("vibeship_optimizer.yml", &config).write(".gitattributes", "VIBESHIP_OPTIMIZER.md merge=union\n");
    s.write("ops.json", kpi(50.0)).write("src/it's new.txt", "new\n");
    let id = s.id();
    let refused = s.on(&["snapshot", "--as", "before"]).exits(1);
    let refused = refused.says(&["  .gitattributes\n  ops.json\n  src/it's new.txt\n  vibeship_optimizer.yml\n"]);
    for line in refused.stderr.lines().filter_map(|line| line.strip_prefix("next: ").or(line.strip_prefix("then: "))) {
        shell(&s, &format!("cd src && {line}"));
    }
    assert_eq!(s.read("vibeship_optimizer.yml"), config);
    assert_eq!(s.git(&["log", "-1", "--format=%s"]), "Set up vibeship-optimizer");
    assert_eq!(s.json(s.evidence("before_snapshot.json"))["kpis"][0]["values"][0], 100.0, "{id}");
    assert_eq!((s.read("ops.json"), s.read("src/it's new.txt")), (kpi(50.0), "new\n".to_owned()));
}

#[test]
#[cfg(unix)]
pub(crate) fn several_commits_with_evidence_between_them_become_one() {
    let s = ready();
    s.improve(60.0);
    s.git(&["add", "-A"]);
    s.git(&["commit", "-q", "-m", "evidence"]);
    s.improve(50.0);
    follow_all(&s, &["validate"]);
    s.after().compare();
}

#[test]
#[cfg(unix)]
fn a_commit_that_names_two_changes_is_made_to_name_one() {
    for pushed in [false, true] {
        let s = ready();
        s.tune(50.0).git(&["add", "ops.json", "tuned.txt"]);
        let trailers =
            ["--trailer", &format!("Optimizer-Change: {}", s.id()), "--trailer", "Optimizer-Change: chg-other"];
        s.git(&[&["commit", "-q", "-m", "Fewer operations"][..], &trailers[..]].concat());
        if pushed {
            s.git(&["update-ref", "refs/remotes/origin/main", "HEAD"]);
        }
        let _ = s.on(&["validate"]).exits(1).says(&["refused at gate 3 (validate)", "names several changes"]);
        follow_all(&s, &["validate"]);
        let message = s.git(&["log", "-1", "--format=%B"]);
        assert!(message.contains(&s.id()) && !message.contains("chg-other"), "{message}");
        s.after().compare();
    }
}

#[test]
#[cfg(unix)]
fn the_rollback_that_is_printed_goes_through_where_own_files_are_in_the_commit() {
    for apply in [false, true] {
        let s = ready();
        s.tune(50.0);
        commit_everything(&s, "tune");
        s.validate().after().compare();
        let _ = s.on(&["change", "promote"]).ok();
        let rolled_out = s.on(&["change", "rollout", "full"]).ok();
        let line = rolled_out.stderr.lines().find_map(|line| line.strip_prefix("To roll back: ")).unwrap();
        assert!(s.read(s.evidence("rollback.md")).contains(line), "{line}");
        if apply {
            shell(&s, &line.replace("WHY", "slow"));
        } else {
            follow_all(&s, &["change", "rollback", "--reason", "slow"]);
        }
        assert_eq!(s.read("ops.json"), kpi(100.0));
        let _ = s.on(&["snapshot", "--as", "after"]).ok();
    }
}

#[test]
#[cfg(unix)]
pub(crate) fn a_rollback_on_record_alone_is_not_confirmed_and_can_still_be_performed() {
    let s = Sandbox::new();
    s.rolled_out("x");
    let told = s.on(&["change", "rollback", "--reason", "slow"]).ok();
    assert!(told.stderr.contains("revert the commit, then measure"), "{told}");
    s.refuses(&["snapshot", "--as", "after"], 7, "still_in_effect");
    assert!(!s.path(s.evidence("rollback_snapshot.json")).exists());
    // The reason that was given is not asked for again.
    let _ = s.run(&["status"]).ok().says(&["of the rolled back change", "--reason slow --apply"]);
    follow_all(&s, &["snapshot", "--as", "after"]);
    assert_eq!(s.read("ops.json"), kpi(100.0));
    let _ = s.run(&["status"]).ok().never_says(&["still in the tree"]);
}

#[test]
#[cfg(unix)]
fn a_rollback_by_hand_is_confirmed_even_where_the_code_went_on() {
    let s = Sandbox::new();
    s.rolled_out("x");
    let _ = s.on(&["change", "rollback", "--reason", "slow"]).ok();
    s.write("ops.json", kpi(100.0)).commit_as("put it back", &[]);
    s.write("ops.json", kpi(90.0)).commit_as("go on", &[]);
    let _ = s.on(&["snapshot", "--as", "after"]).ok();
}

#[test]
fn status_sees_what_is_committed_already() {
    let s = ready();
    let validate = format!("next: vibeship-optimizer validate --change-id {}", s.id());
    let made = |s: &Sandbox| s.on(&["status"]).ok();
    let _ = made(&s).says(&["make the one change, commit it, and validate it"]);
    s.tune(50.0).commit_as("tune", &[]);
    let _ = made(&s)
        .says(&["without its id", &format!("git commit --amend --no-edit --trailer \"Optimizer-Change: {}\"", s.id())]);
    s.git(&["commit", "-q", "--amend", "--no-edit", "--trailer", &format!("Optimizer-Change: {}", s.id())]);
    let _ = made(&s).says(&["the change is made: validate it", &validate]).never_says(&["git commit"]);
    let json = s.on(&["status", "--format", "json"]).ok().json();
    assert_eq!(json["active"]["commands"][0]["command"], validate.trim_start_matches("next: "));
    s.improve(40.0);
    let _ = made(&s).says(&["2 commits since the baseline", "git reset --soft"]);
}

#[test]
#[cfg(unix)]
fn work_that_was_never_committed_becomes_the_changes_commit() {
    let s = ready();
    s.write("ops.json", kpi(50.0)).write("src/new.txt", "untracked\n");
    follow(&s, &s.on(&["validate"]).exits(1));
    assert_eq!(s.git(&["log", "--format=%s", "-2"]), "WHAT CHANGED\nstart", "the baseline's commit is not amended");
    let _ = s.on(&["validate"]).ok().says(&["WHAT CHANGED, only stands for your own words"]);
    s.after().compare();
}

#[test]
#[cfg(unix)]
fn late_work_is_added_to_the_changes_commit() {
    let s = ready();
    s.improve(60.0).write("ops.json", kpi(50.0)).write("src/new.txt", "untracked\n");
    let refused = s.on(&["validate"]).exits(1);
    follow(&s, &refused);
    s.validate();
    // Output of a linker does not count as work, whatever its name.
    s.write("prog", "\x7fELF\x02\x01").write("src/prog.txt", "ELF");
    let _ = s.on(&["snapshot", "--as", "after"]).exits(1).says(&["next: printf '%s\\n' /prog >> "]);
}

#[test]
#[cfg(unix)]
pub(crate) fn a_baseline_whose_commit_was_rewritten_is_taken_again_below_the_change() {
    let s = Sandbox::new();
    s.git(&["commit", "-q", "--allow-empty", "-m", "first"]);
    s.start("x").contract().before().improve(50.0);
    let change = s.git(&["rev-parse", "HEAD"]);
    s.git(&["reset", "-q", "--hard", "HEAD~1"]);
    s.git(&["commit", "-q", "--amend", "--allow-empty", "-m", "begin"]);
    s.git(&["cherry-pick", &change]);
    follow_all(&s, &["validate"]);
    s.validate().after().compare();
    assert_eq!(s.git(&["log", "--format=%s", "-2"]), "tune\nbegin");
}

/// A change on its own branch, while a colleague adds to the guarded sizes.
#[cfg(unix)]
fn beside_a_colleague() -> Sandbox {
    let s = Sandbox::new();
    s.git(&["switch", "-q", "-c", "feature"]);
    s.start("x").contract().before().improve(50.0).git(&["switch", "-q", "main"]);
    s.write("src/theirs.txt", "x".repeat(100_000)).commit_as("theirs", &[]).git(&["switch", "-q", "feature"]);
    s
}

/// A change's delta is its own commit, however main has moved: the work of others is not part of it and does not count
/// for it.
#[test]
#[cfg(unix)]
fn commits_of_others_are_not_part_of_the_change() {
    for moves in [
        "git rebase -q main",
        "git merge -q --no-edit main",
        "git merge -q --no-edit main && git push -q ../remote.git HEAD:feature",
        "git switch -q main && git merge -q --no-edit feature && git switch -q feature && git merge -q --ff-only main",
    ] {
        let s = beside_a_colleague();
        s.git(&["init", "-q", "--bare", "../remote.git"]);
        run(&s, moves);
        let head = s.git(&["rev-parse", "HEAD"]);
        s.validate().after();
        let compared = s.on(&["compare"]).ok();
        assert!(compared.stdout.contains("Others committed since the baseline"), "{moves}: {compared}");
        // The guarded size grew by far more than allowed, but not because of the change.
        let json = s.json(s.evidence("compare.json"));
        assert_eq!(json["criteria"][1]["result"]["verdict"], "pass", "{moves}: {json}");
        let _ = s.on(&["change", "promote"]).ok();
        let _ = s.on(&["change", "rollout", "full"]).ok();
        let _ = s.run(&["check"]).ok();
        assert_eq!(s.git(&["rev-parse", "HEAD"]), head, "{moves}: no commit is made over");
    }
}

#[test]
#[cfg(unix)]
fn several_commits_below_the_work_of_others_are_reverted_and_not_squashed() {
    let s = beside_a_colleague();
    s.git(&["merge", "-q", "--no-edit", "main"]);
    s.improve(40.0);
    let refused = s.on(&["validate"]).exits(1);
    assert!(!refused.stderr.contains("reset --soft"), "{refused}");
    follow_all(&s, &["validate"]);
    s.after().compare();
}

#[test]
fn a_colleagues_work_alone_is_not_the_change() {
    let s = Sandbox::new();
    s.start("x").contract().before();
    s.git(&["switch", "-q", "-c", "theirs"]);
    s.write("src/theirs.txt", "x").commit_as("theirs", &[]).git(&["switch", "-q", "main"]);
    s.git(&["merge", "-q", "--ff-only", "theirs"]);
    s.refuses(&["validate"], 3, "no_delta");
}

#[cfg(unix)]
#[test]
fn a_metric_of_an_untracked_file_is_not_attributed_to_one_commit_among_others() {
    let s = beside_a_colleague();
    s.git(&["rm", "-q", "--cached", "ops.json"]);
    s.write(".gitignore", "ops.json\n").git(&["add", ".gitignore"]);
    s.git(&["commit", "-q", "--amend", "--no-edit"]);
    s.git(&["merge", "-q", "--no-edit", "main"]);
    s.refuses(&["validate"], 3, "others_committed");
}

#[test]
fn what_could_not_be_measured_says_why() {
    let s = Sandbox::new();
    s.config(&CONFIG.replace("file: ops.json", "file: nowhere.json"));
    s.start("x").contract();
    let refused = s.on(&["snapshot", "--as", "before"]).exits(1);
    assert_eq!(refused.stderr.matches("  kpi.ops: ").count(), 1, "{refused}");
    assert!(refused.stderr.contains("nowhere.json"), "{refused}");
    let way_out = format!(
        "or:   vibeship-optimizer change contract --change-id {} --kpi \"size.src.files <= -10%\" --trigger",
        s.id()
    );
    let _ = refused.says(&[&way_out]);
    let alone = s.run(&["snapshot"]).ok();
    assert!(alone.stderr.contains("KPI ops has no usable value"), "{alone}");
}

#[test]
fn a_failing_timing_is_reported_with_its_exit_code_and_output() {
    let s = Sandbox::new();
    s.config_plus("timings: [{name: t, cmd: 'echo no such flag >&2; exit 3', runs: 1}]\n");
    let alone = s.run(&["snapshot"]).ok();
    assert!(
        alone
            .stderr
            .contains("timing t has no usable value: 1 of 1 run failed, the last with exit code 3: no such flag"),
        "{alone}"
    );
}

/// A change that also touches a file other than the KPI's, promoted and rolled out, with its evidence committed.
#[cfg(unix)]
fn in_effect() -> Sandbox {
    let s = ready();
    s.write("src/limit.txt", "3\n").improve(50.0).validate().after().compare();
    let _ = s.on(&["change", "promote"]).ok();
    let _ = s.on(&["change", "rollout", "full"]).ok();
    s.git(&["add", "-A"]);
    s.git(&["commit", "-q", "-m", "evidence"]);
    s
}

#[test]
#[cfg(unix)]
pub(crate) fn what_undoes_a_watched_change_is_stashed_by_name_and_the_record_stays() {
    let s = in_effect();
    let _ = s.on(&["change", "note", "not committed"]).ok();
    let record = s.read(s.record());
    s.write("src/limit.txt", "2\n");
    let told = s.on(&["monitor", "tick"]).exits(1);
    let _ = told.says(&["next: git stash push -u -- ':(top)src/limit.txt'\nthen: vibeship-optimizer monitor tick"]);
    follow_all(&s, &["monitor", "tick"]);
    assert_eq!(s.read("src/limit.txt"), "2\n", "the work is brought back");
    assert!(s.read(s.record()).len() > record.len(), "the note is kept and the day was measured");

    // In whichever way it is undone.
    let undo: [&[&str]; 2] =
        [&["mv", "src/limit.txt", "src/max.txt"], &["update-index", "--skip-worktree", "src/limit.txt"]];
    for arguments in undo {
        s.git(&["reset", "-q", "--hard"]);
        s.later(chrono::Duration::days(1));
        s.git(arguments);
        if s.path("src/limit.txt").exists() {
            s.write("src/limit.txt", "2\n");
        }
        s.refuses(&["monitor", "tick"], 8, "not_as_committed");
        follow_all(&s, &["monitor", "tick"]);
        assert!(!s.git(&["status", "--porcelain", "src"]).is_empty(), "the work is brought back");
    }
}

#[test]
#[cfg(unix)]
fn after_a_squash_merge_a_tick_finds_the_commit_again() {
    let s = in_effect();
    colleagues::squash(&s);
    let relink = format!("next: vibeship-optimizer change relink --change-id {}", s.id());
    let _ = s.on(&["monitor", "tick"]).exits(1).says(&[&relink]);
    follow_all(&s, &["monitor", "tick"]);
    let _ = s.on(&["monitor", "tick"]).ok();
}

#[test]
fn a_change_of_tests_alone_may_have_changed_the_work_that_is_measured() {
    let s = Sandbox::new();
    s.config(&CONFIG.replace("file: ops.json, pointer: /ops", "cmd: wc -c < tests/load.txt"));
    s.write("tests/load.txt", "the whole load\n").commit_as("load", &[]);
    s.start("x").contract().before().write("tests/load.txt", "half\n").commit("fewer rounds").validate().after();
    let _ = s.on(&["compare"]).ok();
    assert!(s.read(s.evidence("compare.md")).contains("alters tests and documents alone: `tests/load.txt`"));
}

#[test]
fn an_unknown_id_names_the_change_that_was_meant() {
    let s = Sandbox::new();
    s.start("lower the limit");
    let meant = format!("did you mean {}?", s.id());
    let _ = s.run(&["change", "show", "--change-id", "chg-nothing-like-it"]).exits(2).says(&[&meant]);
    s.start_with("raise the roof", &["--parallel"]);
    let _ = s.run(&["change", "show", "--change-id", "chg-raise-the-rof"]).exits(2).says(&["change list"]);
}

#[test]
fn a_commit_that_tunes_nothing_is_told_how_to_be_exempt() {
    let s = Sandbox::new();
    let base = s.git(&["rev-parse", "HEAD"]);
    s.write("notes.txt", "prose\n").commit_as("Prose", &[]);
    let checked = s.run(&["check", "--range", &format!("{base}..HEAD")]).exits(1);
    let _ = checked.says(&["COMMIT_WITHOUT_ID", "under enforcement.exempt", "next: vibeship-optimizer change relink"]);
}

#[test]
fn a_refused_contract_is_printed_whole_but_for_what_was_wrong() {
    let s = Sandbox::new();
    s.start("x");
    let all =
        ["--hypothesis", "fewer", "--kpi", "kpi.ops <= -10%", "--guardrail", "size.src >= 0B", "--trigger", "slow"];
    let refused = s.on(&[&["change", "contract"], &all[..]].concat()).exits(1);
    let _ =
        refused.says(&["--hypothesis fewer --kpi \"kpi.ops <= -10%\" --trigger slow --guardrail \"size.src <= +2%\""]);
    // The proposed guardrail is never on the given KPI's metric.
    let kpi = ["--kpi", "size.src <= -10%", "--guardrail", "size.src <= +2%", "--trigger", "slow"];
    let refused = s.on(&[&["change", "contract", "--hypothesis", "x"], &kpi[..]].concat()).exits(1);
    let next = refused.stderr.lines().find_map(|line| line.strip_prefix("next: vibeship-optimizer ")).unwrap();
    assert!(next.contains("--guardrail \"kpi.ops <= +2%\""), "{next}");
}

/// Files that a check writes are not part of the change: they are named, with the line that keeps them out of the
/// commit.
#[test]
#[cfg(unix)]
fn files_that_checks_and_measured_commands_leave_are_named_and_ignored_by_one_line() {
    let s = Sandbox::new();
    let check = "mkdir -p lib/__pycache__ && echo x > lib/__pycache__/a.pyc && echo x >> '#log!'";
    let timing = "timings: [{name: t, cmd: 'mkdir -p out && echo x > out/t.bin', runs: 1}]\n";
    s.config(&(CONFIG.replace("exit 0", check) + timing));
    s.start("x").contract();
    let told = s.on(&["snapshot", "--as", "before"]).ok();
    assert_eq!(told.stderr.matches("does not ignore: out/t.bin").count(), 1, "{told}");
    let line = |told: &CommandOutput| {
        let line =
            told.stderr.lines().find_map(|line| line.strip_prefix("next: printf")).unwrap_or_else(|| panic!("{told}"));
        line.replace("[PROJECT]", &s.root().display().to_string())
    };
    let told = s.on(&["snapshot", "--as", "before"]).exits(1).says(&["let git ignore it"]);
    let ignore =
        told.stderr.lines().find(|line| line.contains("printf")).unwrap().trim_start_matches(['o', 'r', ':', ' ']);
    run(&s, &ignore.replace("[PROJECT]", &s.root().display().to_string()));
    s.before().improve(50.0);
    let told = s.on(&["validate"]).ok().says(&["does not ignore: #log!, lib/__pycache__/a.pyc"]);
    run(&s, &format!("printf{}", line(&told)));
    s.after().compare();
    assert_eq!(s.git(&["status", "--porcelain", "--", "lib", "out", "#log!"]), "");
}

#[test]
#[cfg(unix)]
fn what_a_check_writes_into_a_tracked_file_is_kept_or_brought_back_and_never_taken_out_of_git() {
    let s = Sandbox::new();
    s.config(&CONFIG.replace("exit 0", "sed -i.orig 's/ *$//' src/main.txt && rm src/main.txt.orig"));
    s.start("x").contract().before().write("src/main.txt", "fewer  \n").improve(50.0);
    let told = s.on(&["validate"]).exits(1).says(&[
        "(src/main.txt), so nothing was recorded",
        "next: git add -- src/main.txt && git commit --amend --no-edit && vibeship-optimizer validate",
        "or:   git checkout -- src/main.txt",
    ]);
    follow_lines(&s, &told.never_says(&["rm -q --cached"]).stderr);
    assert_eq!(s.git(&["show", "HEAD:src/main.txt"]), "fewer");
    s.after().compare();
}

#[test]
#[cfg(unix)]
fn many_files_that_commands_leave_are_ignored_by_one_line_too() {
    let s = Sandbox::new();
    s.config(&CONFIG.replace("exit 0", "for i in 1 2 3 4 5 6 7 8 9; do echo x > out_$i.txt; done"));
    s.start("x").contract().before().improve(50.0);
    let _ = s.on(&["validate"]).ok().says(&["and 4 paths more", "printf '%s\\n' /out_1.txt /out_2.txt"]);
}

#[test]
#[cfg(unix)]
fn an_edit_of_the_config_in_the_midst_of_a_change_is_stashed_by_name() {
    let s = ready();
    let edited = CONFIG.replace("exit 0", "true");
    s.improve(50.0).write("vibeship_optimizer.yml", &edited);
    let stash = "next: git stash push -u -- ':(top)vibeship_optimizer.yml'";
    let _ = s.on(&["validate"]).exits(1).says(&[stash]).never_says(&["git reset"]);
    follow_all(&s, &["validate"]);
    s.after().compare();
    let _ = s.on(&["change", "promote"]).ok();
    s.write("vibeship_optimizer.yml", &edited);
    let _ = s.on(&["change", "rollout", "full"]).exits(1).says(&[stash]);
    follow_all(&s, &["change", "rollout", "full"]);
    assert!(s.shown()["events"].to_string().contains("rolled_out"));
}

#[test]
fn a_clock_that_was_set_back_is_asked_about_before_anything_is_measured_by_it() {
    let s = ready();
    s.improve(50.0).later(chrono::Duration::minutes(-20));
    let record = s.read(s.record());
    let _ = s.on(&["validate"]).exits(1).says(&["the clock says", "set this machine's clock right"]);
    assert_eq!(s.read(s.record()), record);
    let _ = s.later(chrono::Duration::minutes(15)).on(&["validate"]).ok();
}

/// One lost packet costs one command, and the commands that it prints.
#[test]
#[cfg(unix)]
fn a_rejected_change_is_taken_up_again_with_its_contract_and_its_commit() {
    for validated in [true, false] {
        let s = Sandbox::new();
        s.config(&CONFIG.replace("exit 0", "exit ${RC:-0}"));
        s.start("x").contract().before().tune(50.0);
        commit_everything(&s, "tune it");
        if validated {
            let told = s.set("RC", "7").on(&["validate"]).exits(1);
            let _ = told.says(&[&format!("or:   vibeship-optimizer change start --from {}", s.id())]);
        } else {
            let told = s.on(&["change", "reject", "--reason", "flaky"]).ok();
            let _ = told.says(&["its commit is still in the tree"]);
            let _ = s.run(&["status"]).ok().says(&["still in the tree"]);
        }
        let old = s.id();
        let told = s.unset("RC").tool(&["change", "start", "--from", &old]).output().unwrap();
        // The baseline would be measured with that commit, so all advice first reverts it.
        let first = format!("next: vibeship-optimizer change rollback --change-id {old}");
        let _ = s.run(&["status"]).ok().says(&[&first]);
        let _ = s.run(&["next", "--run"]).exits(1).says(&[&first]);
        follow_lines(&s, &String::from_utf8(told.stderr).unwrap());
        let _ = s.run(&["snapshot", "--as", "after"]).ok();
        let _ = s.run(&["compare"]).ok();
        let _ = s.run(&["change", "promote"]).ok();
        assert_eq!(s.git(&["log", "--format=%s", "-3"]), "tune it\nRevert \"x\"\ntune it");
        let _ = s.run(&["change", "show", "--change-id", "x-2"]).ok().says(&["half the operations"]);
    }
}

#[test]
#[cfg(unix)]
fn a_change_that_was_rejected_for_its_two_commits_is_taken_up_again_as_one() {
    let s = Sandbox::new();
    s.start("x").contract().before().improve(50.0);
    s.write("src/more.txt", "x").commit("more");
    let _ = s.on(&["validate"]).exits(1).says(&["2 commits"]);
    let _ = s.on(&["change", "reject", "--reason", "two commits"]).ok();
    let told = s.tool(&["change", "start", "--from", &s.id()]).output().unwrap();
    follow_lines(&s, &String::from_utf8(told.stderr).unwrap());
    assert_eq!(s.git(&["diff", "--name-only", "HEAD~1", "HEAD", "--", "src", "ops.json"]), "ops.json\nsrc/more.txt");
    let _ = s.run(&["change", "show"]).ok().says(&["validated"]);
}

#[test]
fn the_winner_of_an_experiment_without_a_stage_before_everyone_is_told_so() {
    let s = Sandbox::new();
    s.start_with("try", &["--class", "experiment"]).contract().before();
    let experiment = s.id();
    s.on(&["change", "hold", "--reason", "it wins"]).ok();
    s.start_with("x", &["--class", "code", "--from", &experiment]).contract().before().improve(50.0);
    s.validate().after().compare().on(&["change", "promote"]).ok();
    s.run(&["check"]).ok().says(&["PROMOTED_WITHOUT_LIVE_CHECK"]);
}

#[test]
fn an_open_change_is_not_taken_up_again() {
    let s = ready();
    let _ = s.run(&["change", "start", "--from", &s.id()]).troubled(&["nor has it ended", "change reject"]);
}

#[test]
fn a_number_that_is_written_down_is_no_change() {
    let s = ready();
    s.write("ops.json", kpi(50.0)).commit("tune").refuses(&["validate"], 3, "no_delta");
    let s = ready();
    let _ = s.improve(50.0).on(&["validate"]).ok().says(&["ops.json, which a metric is read from, was committed"]);
    // Adding prose to it does not make it a change.
    let s = ready();
    s.write("ops.json", kpi(50.0)).write("README.md", "Faster.\n").git(&["add", "README.md"]);
    s.commit("tune").refuses(&["validate"], 3, "no_delta");
    // The same applies to an export of times.
    let times =
        |seconds: f64| format!("{{\"results\": [{{\"command\": \"x\", \"times\": [{seconds}, {seconds}]}}]}}\n");
    let s = Sandbox::new();
    s.config(&CONFIG.replace("kpis:", "timings: [{name: x, hyperfine: src/times.json}]\nkpis:"));
    s.write("src/times.json", times(2.0)).commit_as("set up", &[]);
    let _ = s.start("x").contract().on(&["change", "contract", "--kpi", "timing.x.wall <= -10%"]).ok();
    s.before();
    s.write("src/times.json", times(1.0)).commit("tune").refuses(&["validate"], 3, "no_delta");
    // However the config spells the path, and wherever links lead.
    for (name, link, altered) in [
        ("src//ops.json", None, "src/ops.json"),
        ("src/../src/ops.json", None, "src/ops.json"),
        #[cfg(unix)]
        ("now/ops.json", Some(("src", "now")), "src/ops.json"),
    ] {
        let s = Sandbox::new();
        s.config(&CONFIG.replace("file: ops.json", &format!("file: {name}"))).write(altered, kpi(100.0));
        #[cfg(unix)]
        if let Some((to, from)) = link {
            std::os::unix::fs::symlink(to, s.path(from)).unwrap();
        }
        let _: Option<(&str, &str)> = link;
        s.commit_as("set up", &[]).start("x").contract().before();
        s.write(altered, kpi(50.0)).commit("tune").refuses(&["validate"], 3, "no_delta");
    }
}

#[test]
fn a_number_that_a_command_only_repeats_is_reported_in_the_comparison() {
    // Replacing the old number, spelled differently, and next to it.
    for new in [kpi(50.0), "{\"ops\": 5e1}\n".to_owned(), format!("{}{}", kpi(50.0), kpi(100.0))] {
        let s = Sandbox::new();
        s.config(&CONFIG.replace("file: ops.json", "cmd: sh read.sh")).write("read.sh", "head -1 src/result.json\n");
        s.write("src/result.json", kpi(100.0)).commit_as("set up", &[]).start("x").contract().before();
        s.write("src/result.json", new).write("src/main.txt", "faster\n").commit("tune").validate().after();
        let _ = s.on(&["compare"]).ok();
        let report = s.read(s.evidence("compare.md"));
        assert!(report.contains("`src/result.json`, where a metric's number is written, was committed"), "{report}");
    }
}

#[test]
fn sizes_that_git_does_not_hold_are_no_metrics_of_a_contract() {
    for path in ["dist", "../home"] {
        let s = Sandbox::new();
        s.config(&CONFIG.replace("[src]", &format!("[src, {path}]")))
            .write(".gitignore", "dist/\n")
            .write("dist/a", "1");
        s.git(&["add", ".gitignore"]);
        s.git(&["commit", "-q", "-m", "ignore", "--", ".gitignore", "vibeship_optimizer.yml"]);
        s.start("x").contract();
        let _ = s.on(&["change", "contract", "--guardrail", &format!("size.{path} <= +1%")]).ok();
        s.refuses(&["snapshot", "--as", "before"], 2, "not_in_git");
    }
}

#[test]
fn what_git_ignores_within_a_size_decides_nothing() {
    let s = Sandbox::new();
    s.write(".gitignore", "cache/\n").write("src/cache/big", "x".repeat(50_000));
    s.git(&["add", ".gitignore"]);
    s.git(&["commit", "-q", "-m", "ignore"]);
    s.start("x");
    let demands = ["--hypothesis", "h", "--kpi", "size.src <= -10%", "--guardrail", "size.src.files <= +50%"];
    let _ = s.on(&[&["change", "contract"][..], &demands, &["--trigger", "in words"]].concat()).ok();
    s.before().write("src/main.txt", "the same, and a remark").write("src/cache/big", "").commit("remark");
    s.validate().after();
    let told = s.on(&["compare", "--exit-code", "--format", "text"]).exits(1);
    let _ = told.says(&["violates ≤ -10 %"]).never_says(&["meets ≤ -10 %"]);
    s.refuses(&["change", "promote"], 6, "verdicts");
}

#[test]
fn a_baseline_that_cannot_promote_says_so_at_once() {
    let s = Sandbox::new();
    s.start("x").contract().write("src/main.txt", "loose");
    let _ = s.on(&["snapshot", "--as", "before", "--allow-dirty"]).ok().says(&["cannot be promoted"]);
    let said = s.tune(50.0).commit("tune").validate().after().compare().on(&["status"]).ok();
    let _ = said.says(&["it cannot be promoted: decide", "change hold"]).never_says(&["measure more"]);
}

#[test]
fn a_bots_commit_on_the_same_branch_is_not_the_change() {
    let s = ready();
    s.improve(50.0).write("src/lock.txt", "2\n").git(&["add", "src"]);
    s.git(&["-c", "user.name=bot", "-c", "user.email=bot@example.org", "commit", "-q", "-m", "bump"]);
    s.validate().after().compare();
}

#[test]
#[cfg(unix)]
fn caches_and_what_is_built_are_neither_set_aside_nor_committed() {
    let s = Sandbox::new();
    s.config(&CONFIG.replace("exit 0", "./prog")).start("x").contract();
    s.write("lib/__pycache__/a.pyc", "x").write("prog", "exit 0").write("src/new.txt", "work");
    let told = s.on(&["snapshot", "--as", "before"]).exits(1);
    let _ =
        told.says(&["next: printf '%s\\n' /prog __pycache__/ >> [PROJECT]/.git/info/exclude"]).never_says(&["stash"]);
}

/// Only a run shows which files a script reads: files stashed for the baseline are restored if it fails without them.
#[test]
#[cfg(unix)]
fn a_stashed_file_that_a_script_needs_is_brought_back() {
    let s = Sandbox::new();
    let script = CONFIG.replace("file: ops.json, ", "").replace(", exact: true", ", cmd: sh src/read.sh, exact: true");
    s.write("src/read.sh", "cat local.json\n").config(&script);
    s.start("x").contract().write("local.json", kpi(100.0));
    let refused = s.on(&["snapshot", "--as", "before"]).exits(1).says(&["or:   printf '%s\\n' /local.json >> "]);
    run(&s, "git stash push -u -- ':(top)local.json'");
    let _ = s.on(&["snapshot", "--as", "before"]).exits(1).says(&["or:   git stash pop"]).never_says(&["OTHER_METRIC"]);
    drop(refused);
}

/// They are neither stashed and then added by `git add -A`, nor committed by name.
#[test]
#[cfg(unix)]
fn printed_commands_commit_no_secrets_and_no_local_files() {
    let s = Sandbox::new();
    let local = [".env", "debug.log", ".DS_Store", "dist/app.js", "py/pyvenv.cfg"];
    s.start("x").contract().write(".env.example", "TOKEN=\n");
    let told = s.on(&["snapshot", "--as", "before"]).exits(1).says(&["stash push -u -- ':(top).env.example'"]);
    drop(told);
    s.commit_as("example", &[]);
    let leave = || local.iter().fold(&s, |s, path| s.write(path, "x"));
    leave();
    let all = "printf '%s\\n' /.DS_Store /.env /debug.log /dist/ /py/ >> [PROJECT]/.git/info/exclude";
    let told = s.on(&["snapshot", "--as", "before"]).exits(1).never_says(&["stash", "git add"]);
    let _ = told.says(&[&format!("next: {all}")]);
    local.iter().for_each(|path| std::fs::remove_file(s.root().join(path)).unwrap());
    s.before();
    leave();
    let told = s.on(&["status"]).ok().says(&[&format!("next: {all} && git add -A && git commit")]);
    drop(told);
}

#[test]
#[cfg(unix)]
fn the_command_to_ignore_a_stray_file_does_not_ignore_the_evidence_beside_it() {
    let s = Sandbox::new();
    s.start("x").contract().write("reports/a.md", "x");
    let told = s.on(&["snapshot", "--as", "before"]).exits(1);
    let _ = told.says(&["printf '%s\\n' /reports/a.md >> [PROJECT]/.git/info/exclude"]);
}

/// At its prompt, zsh does not know comments, but lines printed above a command are pasted with it.
#[test]
#[cfg(unix)]
fn printed_steps_work_when_pasted_into_zsh_as_a_block() {
    use std::io::Write as _;

    let s = Sandbox::new();
    let Ok(mut zsh) = s.command("zsh").args(["-f", "-i", "-s"]).stdin(std::process::Stdio::piped()).spawn() else {
        let _ = writeln!(std::io::stderr(), "skipped: zsh is not installed");
        return;
    };
    s.start("it's \"x\" & `y`").contract();
    let told = s.on(&["snapshot", "--as", "before"]).ok();
    s.tune(50.0);
    let bin = std::path::Path::new(env!("CARGO_BIN_EXE_vibeship-optimizer")).parent().unwrap().display().to_string();
    let lines = told.stderr.lines().map(|line| line.trim_start_matches("next: ").trim_start_matches("then: "));
    let lines: Vec<&str> =
        lines.filter(|line| line.starts_with("# ") || line.contains("git ") || line.contains("opt")).collect();
    assert!(lines.len() > 2 && lines[0].starts_with("# "), "{told}");
    writeln!(zsh.stdin.take().unwrap(), "path=('{bin}' $path)\n{}", lines.join("\n")).unwrap();
    assert!(zsh.wait_with_output().is_ok());
    s.after().compare();
}
