//! Ctrl-C during runs: the running command is ended, the checkouts of both sides are removed, and nothing is recorded
//! or half written.

use std::path::PathBuf;
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process, test_kill_process};

use crate::support::{CONFIG, Sandbox};

/// Waits until something becomes true; fails the test after a minute.
#[track_caller]
fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !holds() {
        assert!(begun.elapsed() < Duration::from_secs(60), "{what}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// A command that writes its process id and then runs for a long time.
fn slow(s: &Sandbox) -> (String, PathBuf) {
    let told = s.outside().join("running");
    (format!("echo $$ > '{0}.new' && mv '{0}.new' '{0}' && sleep 100 # ", told.display()), told)
}

fn spawn(s: &Sandbox, arguments: &[&str]) -> Child {
    s.tool(arguments).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
}

/// Interrupts the tool once its command runs. Returns its exit code and standard error.
fn interrupt(child: Child, told: &PathBuf) -> (Option<i32>, String) {
    ask(child, told, Signal::INT)
}

fn ask(child: Child, told: &PathBuf, signal: Signal) -> (Option<i32>, String) {
    until("the command never ran", || told.exists());
    let running: i32 = std::fs::read_to_string(told).unwrap().trim().parse().unwrap();
    kill_process(Pid::from_child(&child), signal).unwrap();
    let output = child.wait_with_output().unwrap();
    let running = Pid::from_raw(running).unwrap();
    until("the command goes on", || test_kill_process(running).is_err());
    (output.status.code(), String::from_utf8(output.stderr).unwrap())
}

fn nothing_is_left(s: &Sandbox) {
    assert_eq!(s.git(&["worktree", "list"]).lines().count(), 1);
    let left: Vec<_> = std::fs::read_dir(s.outside().join("tmp")).unwrap().map(|entry| entry.unwrap().path()).collect();
    assert!(left.is_empty(), "{left:?}");
    let half = s.files().into_keys().find(|path| path.extension().is_some_and(|extension| extension == "tmp"));
    assert_eq!(half, None);
}

#[test]
fn an_interrupted_pair_leaves_nothing_behind() {
    let s = Sandbox::new();
    let (slow, told) = slow(&s);
    s.write("a", "1").commit_as("other", &[]);
    let files = s.files();
    let child = spawn(&s, &["pair", "--json-out", "p.json", "--", &slow]);
    let (code, said) = interrupt(child, &told);
    assert_eq!(code, Some(2), "{said}");
    assert!(said.contains("interrupted"), "{said}");
    assert_eq!(s.files(), files, "neither p.json nor anything else was written");
    nothing_is_left(&s);
}

#[test]
fn a_pair_that_is_asked_to_quit_leaves_nothing_behind() {
    let s = Sandbox::new();
    let (slow, told) = slow(&s);
    s.write("a", "1").commit_as("other", &[]);
    let (code, said) = ask(spawn(&s, &["pair", "--", &slow]), &told, Signal::QUIT);
    assert_eq!(code, Some(2), "{said}");
    nothing_is_left(&s);
}

#[test]
fn an_interrupted_comparison_or_snapshot_records_nothing() {
    let s = Sandbox::new();
    let (slow, told) = slow(&s);
    let config = CONFIG.replace("pair: {enabled: false}", "pair: {min_pairs: 6, max_pairs: 6}");
    // Fast until the change exists, so that only the comparison takes long.
    let wait = s.outside().join("wait");
    let cmd = format!("test -e '{}' || exit 0; {slow}", wait.display());
    s.config(&format!("{config}timings:\n  - {{name: t, cmd: \"{cmd}\", runs: 2}}\n"));
    s.start("x").contract().before().improve(50.0).validate().after();
    std::fs::write(&wait, "").unwrap();
    let id = s.id();
    for arguments in [&["compare", "--change-id", &id][..], &["snapshot"]] {
        let files = s.files();
        let (code, said) = interrupt(spawn(&s, arguments), &told);
        assert_eq!(code, Some(2), "{arguments:?}: {said}");
        assert!(said.contains("interrupted"), "{arguments:?}: {said}");
        assert_eq!(s.files(), files, "{arguments:?} wrote something");
        nothing_is_left(&s);
        std::fs::remove_file(&told).unwrap();
    }
    std::fs::remove_file(&wait).unwrap();
    s.compare();
}
