//! `init` and `onboard`: what they create, and that they change nothing that exists.

use crate::support::{CONFIG, Sandbox};

fn config_of(files: &[(&str, &str)]) -> String {
    let s = Sandbox::without_git();
    for (name, text) in files {
        s.write(name, text);
    }
    let _ = s.run(&["init", "--no-prompt"]).ok();
    let _ = s.run(&["status"]).ok().never_says(&["warning"]);
    s.read(".vibeship-optimizer/config.yml")
}

#[test]
fn outside_git_init_says_what_is_missing() {
    let _ = Sandbox::without_git().run(&["init"]).ok().says(&["the project is not under git", "next: git init"]);
    let _ = Sandbox::new().run(&["init"]).ok().never_says(&["git init"]);
}

#[test]
fn a_second_init_changes_nothing() {
    let s = Sandbox::without_git();
    let first = s.run(&["init", "--no-prompt"]).ok();
    let files = s.files();
    let second = s.run(&["init", "--no-prompt"]).ok();
    assert_eq!(first.stdout, second.stdout);
    assert_eq!(s.files(), files);
}

#[test]
fn the_test_command_is_guessed_from_the_project() {
    let cases: [(&[(&str, &str)], &str); 5] = [
        (&[("Cargo.toml", "[package]\nname = \"x\"\nversion = \"0.1.0\"\n")], "cargo test"),
        (&[("go.mod", "module x\n")], "go test -count=1 ./..."),
        (&[("package.json", "\u{feff}{\"scripts\": {\"test\": \"jest\"}}"), ("pnpm-lock.yaml", "")], "pnpm test"),
        (&[("package.json", "{\"scripts\": {\"test\": \"jest\"}}")], "npm test"),
        (&[("pyproject.toml", "[tool.pytest.ini_options]\n")], "python -m pytest -q"),
    ];
    for (files, command) in cases {
        let config = config_of(files);
        assert!(config.contains(&format!("  test: \"{command}\"")), "{command} is not in\n{config}");
        assert!(config.contains(&format!("    cmd: \"{command}\"")), "{command} is not timed in\n{config}");
    }
}

#[test]
fn a_command_that_is_not_installed_is_reported_before_it_runs() {
    let s = Sandbox::new();
    s.config("version: 1\ncommands: {test: no-such-runner -q}\ntimings: [{name: t, cmd: no-such-runner -q}]\n");
    let told = "no-such-runner is not installed here: the check test, the timing t cannot start";
    for command in [&["init", "--no-prompt"][..], &["preflight"], &["doctor", "--format", "text"]] {
        let _ = s.run(command).says(&[told, "onboard --force --test-cmd"]);
    }
    s.config("version: 1\ncommands: {test: sh no-such-file.sh}\ntimings: [{name: t, cmd: \"cd src && git status\"}]\n");
    let _ = s.run(&["preflight"]).ok().never_says(&["COMMAND_NOT_FOUND"]);
}

#[test]
fn where_no_test_is_found_its_command_is_asked_for_before_anything_else() {
    let s = Sandbox::without_git();
    let _ = s
        .run(&["init"])
        .ok()
        .says(&["next: vibeship-optimizer onboard --timing-cmd \"COMMAND\"", "then: vibeship-optimizer change start"]);
    let _ = s.run(&["onboard", "--timing-cmd", "sh x.sh"]).ok();
    let _ = s.run(&["init"]).ok().says(&["next: vibeship-optimizer change start"]);
}

#[test]
fn the_placeholder_of_npm_is_no_test() {
    let text = "{\"scripts\": {\"test\": \"echo \\\"Error: no test specified\\\" && exit 1\"}}";
    let config = config_of(&[("package.json", text)]);
    assert!(config.contains("  test: \"\""), "{config}");
}

#[test]
fn onboard_fills_in_what_is_empty_and_keeps_the_rest_of_the_file() {
    let s = Sandbox::without_git();
    let text = "version: 1 # mine\ncommands:\n  test: \"\"   # later\n  lint: make lint\ntimings:\n  - {name: t, cmd: \"\", runs: 4}\n";
    s.write("vibeship_optimizer.yml", text);
    let dry = s.run(&["onboard", "--timing-cmd", "make test", "--dry-run"]).ok();
    assert_eq!(s.read("vibeship_optimizer.yml"), text, "{dry}");
    let _ = s.run(&["onboard", "--timing-cmd", "make test"]).ok();
    let now = s.read("vibeship_optimizer.yml");
    assert!(
        now.contains("make test")
            && now.contains("# mine")
            && now.contains("# later")
            && now.contains("lint: make lint"),
        "{now}"
    );
    let other = s.run(&["onboard", "--timing-cmd", "make other"]).ok();
    let _ = other.says(&["next: vibeship-optimizer onboard --force --timing-cmd \"make other\""]);
    assert_eq!(s.read("vibeship_optimizer.yml"), now, "what is there stays without --force");
    let _ = s.run(&["onboard", "--timing-cmd", "make other", "--force"]).ok();
    assert!(s.read("vibeship_optimizer.yml").contains("make other"));
    s.write("vibeship_optimizer.yml", "version: 1\ncommands: {test: make check}\n");
    let timed = "next: vibeship-optimizer onboard --timing-cmd \"COMMAND\"";
    let _ = s.run(&["preflight", "--format", "text"]).says(&["TIMINGS_EMPTY", timed]);
    let _ = s.run(&["onboard", "--timing-cmd", "make check"]).ok().says(&["- TIMINGS_CMD_SET: make check"]);
}

#[test]
fn a_timed_command_does_not_replace_the_test() {
    let s = Sandbox::without_git();
    s.write("package.json", "{\"scripts\": {\"test\": \"jest\"}}");
    let _ = s.run(&["init", "--no-prompt"]).ok();
    let force = "next: vibeship-optimizer onboard --force --timing-cmd \"node bench.js\"";
    let _ = s.run(&["onboard", "--timing-cmd", "node bench.js"]).ok().says(&[force]);
    let replaced = s.run(&["onboard", "--force", "--timing-cmd", "node bench.js"]).ok();
    let _ = replaced.says(&["- TIMINGS_CMD_SET: node bench.js"]).never_says(&["COMMANDS_TEST_SET"]);
    let config = s.read(".vibeship-optimizer/config.yml");
    assert!(config.contains("  test: \"npm test\"") && config.contains("    cmd: \"node bench.js\""), "{config}");
    // A benchmark does not replace a missing test command.
    s.write("vibeship_optimizer.yml", "version: 1\ncommands: {test: \"\"}\n");
    let _ = s.run(&["onboard", "--timing-cmd", "node bench.js"]).ok().never_says(&["COMMANDS_TEST_SET"]);
    let _ = s.run(&["doctor", "--format", "text"]).says(&["next: vibeship-optimizer onboard --test-cmd \"COMMAND\""]);
    let _ = s.run(&["onboard", "--test-cmd", "npm test"]).ok().says(&["- COMMANDS_TEST_SET: npm test"]);
}

#[test]
fn a_change_sets_the_project_up_if_nobody_has() {
    let s = Sandbox::without_git();
    s.start("first");
    assert!(s.path(".vibeship-optimizer/config.yml").is_file() && s.path("VIBESHIP_OPTIMIZER.md").is_file());
}

#[test]
fn what_belongs_to_one_checkout_is_ignored_by_git() {
    let s = Sandbox::new();
    s.start("x");
    let _ = s.run(&["change", "use", &s.id()]).ok();
    let status = s.git(&["status", "--porcelain", "--untracked-files=all"]);
    assert!(status.contains("changes/") && !status.contains("lock") && !status.contains("active"), "{status}");
}

#[test]
fn a_dry_run_and_a_command_that_cannot_do_anything_set_nothing_up() {
    let s = Sandbox::without_git();
    s.write("go.mod", "module x\n");
    let before = s.files();
    let _ =
        s.run(&["onboard", "--dry-run"]).ok().says(&["Would apply:", "- COMMANDS_TEST_SET: go test -count=1 ./..."]);
    assert_eq!(s.files(), before);
    let s = Sandbox::without_git();
    let before = s.files();
    let _ = s.run(&["onboard", "--dry-run"]).ok().says(&["No config changes applied", "no test command was found"]);
    let _ = s.run(&["snapshot", "--as", "before"]).exits(2);
    let _ = s.run(&["calibrate"]).exits(2);
    assert_eq!(s.files(), before);
    assert!(!s.path(".vibeship-optimizer").exists());
}

#[test]
fn a_setup_that_proves_nothing_is_not_called_complete() {
    let s = Sandbox::without_git();
    s.write(".vibeship-optimizer/config.yml", "timings: []\n");
    let doctor = s.run(&["doctor", "--apply", "--format", "text"]);
    let _ = doctor.says(&["NO_TEST", "NO_TIMING"]).never_says(&["everything is set up"]);
    s.write(".vibeship-optimizer/config.yml", "timings: [{name: t, cmd: exit 0, runs: 1}]\n");
    let _ = s.run(&["doctor", "--format", "text"]).says(&["ONE_RUN", "the timing t has one run"]);
    s.set("PATH", "");
    let _ = s.run(&["openclaw", "cron-setup", "--apply"]).exits(2);
}

#[test]
#[cfg(target_os = "linux")]
fn an_unmeasurable_peak_memory_is_reported_if_a_criterion_uses_it() {
    let s = Sandbox::new();
    s.config_plus("timings: [{name: t, cmd: \"true\", runs: 2, warmup: 0}]\n");
    s.start("x").contract();
    let taken = s.on(&["snapshot", "--as", "before"]).ok().never_says(&["peak memory"]);
    assert!(taken.stdout.contains("before_snapshot.json"));
    let shown = s.run(&["change", "start", "--title", "y", "--parallel"]).ok();
    let _ = shown.says(&["--kpi \"timing.t.wall <= -10%\" --guardrail \""]).never_says(&["METRIC"]);
}

#[test]
fn ignored_files_of_the_tool_are_reported_with_the_lines_that_keep_them() {
    let s = Sandbox::new();
    s.write(".gitignore", ".*\n!.gitignore\nreports/\n").commit_as("ignore", &[]);
    let told =
        ["git ignores .vibeship-optimizer, reports/optimizer", "vibeship-optimizer doctor --apply", "!/.vibeship"];
    for command in
        [&["init", "--no-prompt"][..], &["hooks", "install"], &["preflight"], &["doctor", "--format", "text"]]
    {
        let _ = s.run(command).says(&told[..1]);
    }
    s.start("x").contract();
    let _ = s.on(&["snapshot", "--as", "before"]).ok().says(&told);
    let _ = s.run(&["doctor", "--apply"]).never_says(&["\"changed\": false"]);
    let _ = s.run(&["preflight"]).ok().never_says(&["STATE_IGNORED"]);
    s.write("reports/mine.txt", "mine");
    s.git(&["add", ".gitignore", ".vibeship-optimizer", "reports/optimizer", "VIBESHIP_OPTIMIZER.md"]);
    let kept = s.git(&["diff", "--cached", "--name-only"]);
    assert!(kept.contains(&s.record()) && kept.contains(&s.evidence("before_snapshot.json")), "{kept}");
    assert!(!kept.contains("/lock") && s.git(&["status", "--porcelain", "reports/mine.txt"]).is_empty(), "{kept}");
}

#[test]
fn a_gitignore_below_the_root_that_hides_reports_gets_the_lines_itself() {
    let s = Sandbox::new();
    s.write("reports/.gitignore", "*\n");
    s.git(&["add", "-f", "reports/.gitignore"]);
    s.git(&["commit", "-q", "-m", "ignore"]);
    let _ = s.run(&["init", "--no-prompt"]).says(&["git ignores reports/optimizer", "reports/.gitignore"]);
    let _ = s.run(&["doctor", "--apply"]);
    assert_eq!(s.read("reports/.gitignore"), "*\n!/optimizer/\n!/optimizer/**\n");
    let _ = s.run(&["preflight"]).ok().never_says(&["STATE_IGNORED"]);
    let s = Sandbox::new();
    s.write(".gitignore", "*.svg\n").commit_as("ignore", &[]);
    let _ = s.run(&["init", "--no-prompt"]).says(&["git ignores reports/optimizer"]);
}

/// Nothing that was committed before the tool was set up has to be reverted.
#[test]
fn work_older_than_a_set_up_by_hand_owes_nothing_with_the_line_that_is_printed() {
    let s = Sandbox::without_git();
    s.git(&["init", "-q"]);
    s.write("src/a", "1").commit_as("base", &[]);
    let base = s.git(&["rev-parse", "HEAD"]);
    s.write("src/a", "2").commit_as("old", &[]);
    let old = s.git(&["rev-parse", "HEAD"]);
    s.write("vibeship_optimizer.yml", CONFIG);
    let _ = s.run(&["init", "--no-prompt"]).ok().says(&["under enforcement:", "since: [SHORT]"]);
    s.git(&["add", "-A"]);
    s.git(&["commit", "-qm", "Set up"]);
    let range = format!("{base}..HEAD");
    let told = s.run(&["check", "--range", &range]).exits(1);
    let told = told.says(&["COMMIT_WITHOUT_ID", "since: [SHORT]"]);
    assert!(told.stdout.find("since:") < told.stdout.find("git revert"), "{told}");
    let _ = s.run(&["change", "relink", &old]).exits(1).says(&["since: [SHORT]"]).never_says(&["git revert"]);
    s.write("vibeship_optimizer.yml", format!("{CONFIG}enforcement: {{since: {old}}}\n"));
    s.git(&["commit", "-qam", "Begin here"]);
    let _ = s.run(&["check", "--range", &range]).ok();
}
