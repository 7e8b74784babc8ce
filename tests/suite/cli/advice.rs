//! What the tool advises works when it is followed to the letter.

use crate::support::{CONFIG, CommandOutput, Sandbox, kpi};

fn ready() -> Sandbox {
    let s = Sandbox::new();
    s.start("x").contract().before();
    s
}

/// Runs the first command that git gets in the advice, with the shell as a person would.
fn follow(s: &Sandbox, refused: &CommandOutput) {
    let line = refused.stderr.lines().find(|line| line.starts_with("next: git")).unwrap_or_else(|| panic!("{refused}"));
    let command = line.trim_start_matches("next: ").replace("[SHORT]", &s.git(&["rev-parse", "--short=12", "HEAD"]));
    run(s, &command);
}

fn run(s: &Sandbox, command: &str) {
    let output = s.command("sh").args(["-c", command]).output().unwrap();
    assert!(output.status.success(), "{command}: {}", String::from_utf8_lossy(&output.stderr));
}

/// Runs every command that follows one from another in the advice, as it is printed, but for the words of a person.
#[cfg(unix)]
fn follow_all(s: &Sandbox, arguments: &[&str]) {
    let id = s.id();
    let output = s.tool(arguments).args(["--change-id", &id]).output().unwrap();
    let said = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
    let commands: Vec<&str> = said
        .lines()
        .filter_map(|line| line.trim().strip_prefix("next: ").or(line.trim().strip_prefix("then: ")))
        .collect();
    assert!(!commands.is_empty(), "{said}");
    for command in commands {
        shell(s, &command.replace("WHY", "it did not work out"));
    }
}

/// As [`run`], with the tool where the shell finds it.
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
fn commits_that_were_made_too_early_are_set_aside_and_come_back_as_one() {
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
    assert_eq!(s.git(&["log", "--format=%s"]), "WHAT CHANGED\nstart");
    assert_eq!(s.git(&["rev-parse", &format!("made-too-early-{}", s.id())]), early);
    assert_eq!((s.read("ops.json"), s.read("src/new.txt")), (kpi(50.0), "new\n".to_owned()));
    assert!(s.path("src/loose.txt").is_file() && !s.path("src/main.txt").exists());
    s.validate().after().compare();
}

#[test]
#[cfg(unix)]
fn the_setup_is_committed_and_the_work_set_aside_by_name_from_any_directory() {
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
    s.git(&["stash", "pop"]);
    assert_eq!((s.read("ops.json"), s.read("src/it's new.txt")), (kpi(50.0), "new\n".to_owned()));
}

#[test]
#[cfg(unix)]
fn several_commits_with_evidence_between_them_become_one() {
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
fn the_rollback_that_is_printed_goes_through_where_own_files_are_in_the_commit() {
    for apply in [false, true] {
        let s = ready();
        s.write("ops.json", kpi(50.0));
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
fn a_rollback_on_record_alone_is_not_confirmed_and_can_still_be_performed() {
    let s = Sandbox::new();
    s.rolled_out("x");
    let told = s.on(&["change", "rollback", "--reason", "slow"]).ok();
    assert!(told.stderr.contains("revert the commit, then measure"), "{told}");
    s.refuses(&["snapshot", "--as", "after"], 7, "still_in_effect");
    assert!(!s.path(s.evidence("rollback_snapshot.json")).exists());
    let _ = s.run(&["status"]).ok().says(&["of the rolled back change", "--reason \"WHY\" --apply"]);
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
    s.write("ops.json", kpi(50.0)).commit_as("tune", &[]);
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
fn work_that_came_late_is_taken_into_the_changes_commit() {
    let s = ready();
    s.improve(60.0).write("ops.json", kpi(50.0)).write("src/new.txt", "untracked\n");
    let refused = s.on(&["validate"]).exits(1);
    follow(&s, &refused);
    s.validate();
}

#[test]
#[cfg(unix)]
fn a_baseline_that_was_amended_away_is_put_back() {
    let s = ready();
    let baseline = s.git(&["rev-parse", "--short=12", "HEAD"]);
    s.write("ops.json", kpi(50.0));
    run(&s, "git add -A && git commit -q --amend --no-edit");
    let refused = s.on(&["validate"]).exits(1);
    assert!(!refused.stderr.contains("rebase"), "{refused}");
    run(&s, &format!("git reset --soft {baseline}"));
    run(&s, &format!("git commit -q -m tune --trailer 'Optimizer-Change: {}'", s.id()));
    s.validate().after().compare();
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
        "or:   vibeship-optimizer change contract --change-id {} --kpi \"OTHER_METRIC <= -10%\" --trigger",
        s.id()
    );
    let _ = refused.says(&[&way_out]);
    let alone = s.run(&["snapshot"]).ok();
    assert!(alone.stderr.contains("KPI ops has no usable value"), "{alone}");
}

#[test]
fn a_failing_timing_is_told_with_its_code_and_its_words() {
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

/// A change that touches a file beside its KPI, promoted and rolled out, with its evidence committed.
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
fn what_undoes_a_watched_change_is_stashed_by_name_and_the_record_stays() {
    let s = in_effect();
    let _ = s.on(&["change", "note", "not committed"]).ok();
    let record = s.read(s.record());
    s.write("src/limit.txt", "2\n");
    let told = s.on(&["monitor", "tick"]).exits(1);
    let _ = told.says(&["next: git stash push -u -- ':(top)src/limit.txt'\nthen: vibeship-optimizer monitor tick"]);
    follow_all(&s, &["monitor", "tick"]);
    assert_eq!(s.read("src/limit.txt"), "3\n");
    assert!(s.read(s.record()).len() > record.len(), "the note is kept and the day was measured");
}

#[test]
#[cfg(unix)]
fn after_a_squash_merge_a_tick_finds_the_commit_again() {
    let s = in_effect();
    s.git(&["checkout", "-q", "-b", "squashed", "HEAD~2"]);
    s.git(&["merge", "-q", "--squash", "-"]);
    s.git(&["commit", "-q", "-m", "Squashed"]);
    let relink = format!("next: vibeship-optimizer change relink --change-id {}", s.id());
    let _ = s.on(&["monitor", "tick"]).exits(1).says(&[&relink]);
    follow_all(&s, &["monitor", "tick"]);
    let _ = s.on(&["monitor", "tick"]).ok();
}

#[test]
fn an_unknown_id_names_the_change_that_was_meant() {
    let s = Sandbox::new();
    s.start("lower the limit");
    let meant = format!("did you mean {}?", s.id());
    for typed in ["chg-lower-the-limi", "chg-nothing-like-it"] {
        let _ = s.run(&["change", "show", "--change-id", typed]).exits(2).says(&[&meant]);
    }
    s.start_with("raise the roof", &["--parallel"]);
    let _ = s.run(&["change", "show", "--change-id", "chg-raise-the-roof"]).exits(2).says(&[&s.id()]);
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
}
