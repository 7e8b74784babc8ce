//! Environments of the tool: subdirectories, worktrees, unusual names, a git that is missing or refuses.

use crate::support::{CONFIG, Sandbox};

fn walk(s: &Sandbox) {
    s.compared("walk");
    let _ = s.on(&["change", "promote"]).ok();
    assert_eq!(s.shown()["status"], "promoted");
}

#[test]
fn the_root_is_found_from_a_subdirectory() {
    let s = Sandbox::new();
    let _ = s.run(&["init", "--no-prompt"]).ok();
    s.go_to("src/deep/down").start("x").contract().before();
    assert!(s.path(s.evidence("before_snapshot.json")).is_file());
    assert!(!s.path("src/deep/down/.vibeship-optimizer").exists());
}

#[test]
fn a_project_below_the_root_of_its_repository_is_its_own() {
    let s = Sandbox::new();
    let _ = s.go_to("sub").run(&["init", "--no-prompt", "--root", "."]).ok();
    assert!(s.path("sub/.vibeship-optimizer/config.yml").is_file());
    assert!(!s.path(".vibeship-optimizer").exists());
}

#[test]
fn evidence_comes_back_byte_for_byte_where_git_changes_how_lines_end() {
    let s = Sandbox::new();
    s.git(&["config", "core.autocrlf", "true"]);
    s.compared("x");
    assert_eq!(s.git(&["status", "--porcelain", "src"]), "");
    s.git(&["add", "-A"]);
    s.git(&["commit", "-q", "-m", "Evidence"]);
    let before = s.read(s.evidence("before_snapshot.json"));
    for dir in ["reports", ".vibeship-optimizer"] {
        std::fs::remove_dir_all(s.path(dir)).unwrap();
    }
    s.git(&["checkout", "--", "."]);
    assert_eq!(s.read(s.evidence("before_snapshot.json")), before);
    let _ = s.run(&["check"]).never_says(&["altered"]);
    let _ = s.on(&["change", "promote"]).ok();
}

#[test]
fn a_detached_head_is_no_obstacle() {
    let s = Sandbox::new();
    s.git(&["checkout", "-q", "--detach"]);
    walk(&s);
}

#[test]
fn a_linked_worktree_is_no_obstacle() {
    let s = Sandbox::new();
    s.git(&["worktree", "add", "-q", "../linked", "-b", "linked"]);
    let linked = s.outside().join("linked");
    s.go_to(&linked);
    let id = s.run(&["change", "start", "--title", "x"]).ok().json()["change_id"].as_str().unwrap().to_owned();
    assert!(linked.join(format!(".vibeship-optimizer/changes/{id}.json")).is_file());
    assert!(!s.path(".vibeship-optimizer").exists());
    let contract = [
        "change",
        "contract",
        "--hypothesis",
        "h",
        "--kpi",
        "kpi.ops <= -10%",
        "--guardrail",
        "size.src <= +1%",
        "--trigger",
        "words",
    ];
    let _ = s.run(&contract).ok();
    let _ = s.run(&["snapshot", "--as", "before"]).ok();
    std::fs::write(linked.join("ops.json"), crate::support::kpi(50.0)).unwrap();
    std::fs::write(linked.join("tuned.txt"), "50\n").unwrap();
    s.git(&["add", "tuned.txt"]);
    s.git(&["commit", "-q", "-a", "-m", "x", "--trailer", &format!("Optimizer-Change: {id}")]);
    for verb in [&["validate"][..], &["snapshot", "--as", "after"], &["compare"], &["change", "promote"]] {
        let _ = s.run(verb).ok();
    }
}

#[test]
fn names_with_spaces_quotes_and_beyond_ascii_are_measured() {
    let s = Sandbox::new();
    s.write("src/a b/it's \u{fc}ber.txt", "12345678").config(&CONFIG.replace("[src]", "[\"src/a b\", src]"));
    s.start("x");
    let snapshot = s.run(&["snapshot", "--format", "json"]).ok().json();
    assert_eq!(snapshot["snapshot"]["sizes"]["src/a b"]["bytes"], 8);
    s.contract().before().improve(50.0).validate().after().compare();
}

#[test]
#[cfg(target_os = "linux")]
fn names_that_are_not_unicode_are_measured() {
    use std::ffi::OsStr;
    use std::os::unix::ffi::OsStrExt as _;

    let s = Sandbox::new();
    let name = OsStr::from_bytes(b"src/\xff\xfe.bin");
    s.write(name, "1234").commit_as("odd", &[]);
    s.start("x").contract().before();
    s.write(name, "123").commit("shorter").validate().after().compare();
    assert_eq!(s.json(s.evidence("after_snapshot.json"))["sizes"]["src"]["bytes"], 8);
}

#[test]
fn without_git_on_the_path_a_repository_is_not_called_clean() {
    let s = Sandbox::new();
    s.start("x").contract();
    let empty = s.outside().join("tmp");
    s.set("PATH", empty.to_str().unwrap());
    insta::assert_snapshot!(s.on(&["snapshot", "--as", "before"]), @r"
    $ snapshot --as before --change-id chg-20260302-090000-x
    exit 2
    --- stderr
    error: git is not installed or not on PATH; install git 2.32 or newer
    ");
}

#[test]
fn no_repository_is_proposed_where_git_is_missing() {
    let s = Sandbox::without_git();
    s.set("PATH", "");
    let _ = s.run(&["init", "--no-prompt"]).says(&["git is not installed", "install git"]).never_says(&["git init"]);
}

#[test]
fn a_report_makes_no_project_of_a_directory_without_one() {
    let s = Sandbox::new();
    let dir = s.outside().join("elsewhere");
    std::fs::create_dir(&dir).unwrap();
    let _ = s.run_in(&dir, &["report"]).exits(2).says(&["this directory holds no project"]);
    assert_eq!(std::fs::read_dir(dir).unwrap().count(), 0);
}

#[test]
fn a_git_that_refuses_the_repository_is_an_error_with_the_fix() {
    let s = Sandbox::new();
    s.start("x").contract();
    s.set("GIT_TEST_ASSUME_DIFFERENT_OWNER", "1");
    insta::assert_snapshot!(s.on(&["snapshot", "--as", "before"]), @r"
    $ snapshot --as before --change-id chg-20260302-090000-x
    exit 2
    --- stderr
    error: git does not trust [PROJECT] because it belongs to another user; if you do, run: git config --global --add safe.directory [PROJECT]
    ");
}

#[test]
fn git_variables_in_the_environment_are_ignored() {
    let s = Sandbox::new();
    s.git(&["init", "-q", "../other"]);
    s.start("x").contract();
    s.set("GIT_DIR", s.outside().join("other/.git").to_str().unwrap()).set("GIT_INDEX_FILE", "nowhere");
    s.before();
    s.unset("GIT_DIR").unset("GIT_INDEX_FILE");
    let head = s.git(&["rev-parse", "HEAD"]);
    assert_eq!(s.json(s.evidence("before_snapshot.json"))["git"]["commit"], head);
}

#[test]
fn commands_that_only_read_write_nothing() {
    let s = Sandbox::new();
    s.rolled_out("x");
    let (before, after) = (s.evidence("before_snapshot.json"), s.evidence("after_snapshot.json"));
    let id = s.id();
    let files = s.files();
    for command in [
        &["status"][..],
        &["next"],
        &["change", "list"],
        &["change", "show"],
        &["verify"],
        &["change", "verify"],
        &["onboard", "--dry-run", "--timing-cmd", "make"],
        &["--help"],
        &["compare", "--before", &after, "--after", &before],
        &["change", "promote"],
        &["change", "show", &id, "--format", "json"],
    ] {
        let output = s.run(command);
        assert!(output.code != 2, "{output}");
        assert!(s.files() == files, "{command:?} wrote something");
    }
}

#[test]
fn status_before_init_writes_nothing() {
    let s = Sandbox::without_git();
    let files = s.files();
    let _ = s.run(&["status"]).ok();
    let _ = s.run(&["change", "list"]).ok();
    assert_eq!(s.files(), files);
}

#[test]
#[cfg(unix)]
fn a_directory_that_may_not_be_written_is_named() {
    use std::os::unix::fs::PermissionsExt as _;

    let s = Sandbox::new();
    s.start("x");
    let changes = s.path(".vibeship-optimizer/changes");
    let mode = |mode| std::fs::set_permissions(&changes, std::fs::Permissions::from_mode(mode)).unwrap();
    mode(0o555);
    let barred = std::fs::write(changes.join("probe"), "").is_err();
    if barred {
        let record = s.read(s.record());
        let _ = s.on(&["change", "note", "x"]).troubled(&["changes"]);
        assert_eq!(s.read(s.record()), record);
        let _ = s.on(&["status"]).ok();
    }
    mode(0o755);
}

#[test]
fn the_lock_is_waited_for_and_its_holder_named() {
    let s = Sandbox::new();
    s.start("x");
    let lock = std::fs::File::options().read(true).write(true).open(s.path(".vibeship-optimizer/lock")).unwrap();
    lock.lock().unwrap();
    let holder = "{\"pid\": 4242, \"command\": \"validate\", \"host\": \"box\", \"since\": \"2026-03-02T09:00:00Z\"}";
    s.write(".vibeship-optimizer/holder.json", holder).set("VIBESHIP_OPTIMIZER_LOCK_WAIT_S", "0.1");
    let waited = s.on(&["change", "note", "x"]);
    insta::assert_snapshot!(waited, @r#"
    $ change note x --change-id chg-20260302-090000-x
    exit 2
    --- stderr
    error: [PROJECT]/.vibeship-optimizer/lock is locked by process 4242 on box ("validate", since 2026-03-02T09:00:00Z); waited 0 s, try again when it is done
    "#);
    drop(lock);
    let _ = s.on(&["change", "note", "x"]).ok();
}

#[test]
fn a_closed_pipe_is_not_an_error() {
    let s = Sandbox::new();
    s.start("x");
    let mut child = s.tool(&["change", "show"]).stdout(std::process::Stdio::piped()).spawn().unwrap();
    drop(child.stdout.take());
    assert!(child.wait().unwrap().success());
}

/// Puts a script before the real git that refuses what an old git does not know.
#[cfg(unix)]
fn old_git(s: &Sandbox, version: &str, unknown: &str) {
    use std::os::unix::fs::PermissionsExt as _;

    let path = std::env::var_os("PATH").unwrap();
    let real = std::env::split_paths(&path).map(|dir| dir.join("git")).find(|git| git.is_file()).unwrap();
    let dir = s.outside().join("old");
    std::fs::create_dir_all(&dir).unwrap();
    let script = format!(
        "#!/bin/sh\ncase \"$*\" in\n*--version) echo 'git version {version}'; exit 0;;\n\
         {unknown}) echo 'error: unknown switch or unrecognized argument' >&2; exit 129;;\nesac\nexec '{}' \"$@\"\n",
        real.display()
    );
    std::fs::write(dir.join("git"), script).unwrap();
    std::fs::set_permissions(dir.join("git"), std::fs::Permissions::from_mode(0o755)).unwrap();
    let path = std::env::join_paths(std::iter::once(dir).chain(std::env::split_paths(&path))).unwrap();
    s.set("PATH", path.to_str().unwrap());
}

#[test]
#[cfg(unix)]
fn a_git_without_nul_ended_lists_of_worktrees_suffices() {
    let s = Sandbox::new();
    old_git(&s, "2.32.0", "*'worktree list'*-z*");
    let _ = s.run(&["hooks", "install"]).ok();
    let doctor = s.run(&["doctor", "--format", "json"]).json();
    assert_eq!((doctor["git"]["version"].as_str(), doctor["git"]["problem"].as_str()), (Some("2.32"), None));
}

#[test]
#[cfg(unix)]
fn a_git_that_is_too_old_is_named_with_the_one_that_is_needed() {
    let s = Sandbox::new();
    s.start("x").contract().before().improve(50.0);
    old_git(&s, "2.30.2", "*--diff-merges*");
    let _ = s.on(&["validate"]).troubled(&["git 2.30 does not know", "install git 2.32 or newer"]);
    let doctor = s.run(&["doctor", "--format", "json"]).json();
    assert_eq!(doctor["git"]["problem"], "older than 2.32");
}

#[test]
fn the_preflight_distinguishes_a_refusing_git_from_none() {
    let codes = |s: &Sandbox| -> Vec<String> {
        let found = s.run(&["preflight"]).ok().json()["findings"].clone();
        let all = found.as_array().unwrap().iter().map(|it| format!("{} {}", it["code"], it["message"]));
        all.filter(|text| text.contains("GIT_")).collect()
    };
    let s = Sandbox::new();
    s.set("GIT_TEST_ASSUME_DIFFERENT_OWNER", "1");
    let [only] = &codes(&s)[..] else { panic!("{:?}", codes(&s)) };
    assert!(only.contains("GIT_TROUBLE") && only.contains("git config --global --add safe.directory"), "{only}");
    s.unset("GIT_TEST_ASSUME_DIFFERENT_OWNER").set("PATH", "");
    let [only] = &codes(&s)[..] else { panic!("{:?}", codes(&s)) };
    assert!(only.contains("GIT_TROUBLE") && only.contains("git is not installed"), "{only}");
    let [only] = &codes(&Sandbox::without_git())[..] else { panic!() };
    assert!(only.contains("GIT_NOT_FOUND"), "{only}");
}
