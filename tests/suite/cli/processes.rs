//! The countable costs of commands: the git processes that they start and the files that they open. Users wait for
//! these, most of all where starting a process is slow.

use std::fs;
#[cfg(target_os = "linux")]
use std::time::SystemTime;

use chrono::Duration;

#[cfg(target_os = "linux")]
use crate::support::set_changed;
use crate::support::{CONFIG, Sandbox};

/// The git processes that a command on the change starts, including git's helpers.
fn started(s: &Sandbox, arguments: &[&str]) -> Vec<String> {
    let id = s.id();
    started_plainly(s, &[arguments, &["--change-id", &id]].concat())
}

/// The same for a command that takes no change id.
fn started_plainly(s: &Sandbox, arguments: &[&str]) -> Vec<String> {
    let trace = s.outside().join("trace");
    let _ = fs::remove_file(&trace);
    s.set("GIT_TRACE", &trace.to_string_lossy());
    let _ = s.run(arguments).ok();
    s.unset("GIT_TRACE");
    let said = fs::read_to_string(&trace).unwrap_or_default();
    let call = |line: &str| {
        let at = ["trace: built-in: ", "trace: exec: "].into_iter().find_map(|word| line.find(word))?;
        Some(line[at..].to_owned())
    };
    said.lines().filter_map(call).collect()
}

#[test]
fn no_command_asks_git_more_than_it_needs_to_know() {
    let s = Sandbox::new();
    s.start("x").contract();
    let limits = |s: &Sandbox, commands: &[(&[&str], usize)]| {
        for (arguments, limit) in commands {
            let all = started(s, arguments);
            let count = all.len();
            assert!(count <= *limit, "{arguments:?} started {count} processes of git, more than {limit}: {all:#?}");
        }
    };
    // One of them, `check-attr`, checks that the measured files are as git stores them. Attributes may also be in files
    // of the user and the system, so reading the project's own does not avoid it. Two more give the stored sizes of the
    // measured files.
    limits(&s, &[(&["snapshot", "--as", "before"], 15)]);
    s.improve(50.0);
    limits(&s, &[(&["validate"], 14), (&["snapshot", "--as", "after"], 14), (&["compare"], 7)]);
    // Two give the stored size for the contract, in the commits of the snapshots; one gives the checks in the config of
    // the validated commit.
    limits(&s, &[(&["change", "show"], 0), (&["change", "promote"], 13), (&["change", "rollout", "full"], 19)]);
    s.later(Duration::days(1));
    limits(&s, &[(&["monitor", "tick"], 22), (&["review", "bundle"], 11)]);
    assert!(!started(&s, &["change", "note", "x"]).is_empty(), "the count counts");
}

/// Adds records of changes that ended long ago. Their content is never needed below, so records of the Python tool will
/// do.
fn ended(s: &Sandbox, count: usize) {
    for n in 0..count {
        let id = format!("chg-20250101-000000-old-{n}");
        let record = format!(
            "{{\"schema\": \"vibeship_optimizer.change.v1\", \"change_id\": \"{id}\", \"status\": \"verified\"}}"
        );
        s.write(format!(".vibeship-optimizer/changes/{id}.json"), record);
    }
}

/// The path of a message with the change's id, for the hook.
fn message(s: &Sandbox) -> String {
    s.write("../message", format!("Halve it\n\nOptimizer-Change: {}\n", s.id()));
    s.outside().join("message").to_string_lossy().into_owned()
}

#[test]
fn what_a_command_asks_git_does_not_grow_with_the_records() {
    let s = Sandbox::new();
    s.start("x").contract().before();
    let message = message(&s);
    let commands: [&[&str]; 5] =
        [&["hook-run", "commit-msg", &message], &["change", "list"], &["status"], &["check"], &["preflight"]];
    let counts = |s: &Sandbox| commands.map(|arguments| started_plainly(s, arguments).len());
    // Examining the changes that were found takes one call, however many they are.
    ended(&s, 1);
    let one = counts(&s);
    assert_eq!(one[..2], [0, 0], "the hook and the list ask git nothing");
    let looks = started_plainly(&s, &["status"]).into_iter().filter(|call| call.contains("git status")).count();
    assert_eq!(looks, 1, "the work tree is looked at once");
    for more in [10, 1000] {
        ended(&s, more);
        assert_eq!(counts(&s), one, "with {more} more records");
    }
}

#[test]
fn changes_that_ended_are_not_read_to_find_the_open_one() {
    let s = Sandbox::new();
    s.start("old").contract().before();
    let _ = s.on(&["change", "reject", "--reason", "no"]).ok();
    let old = s.record();
    s.start("new").contract().before();
    // Written in place, so that the directory's time does not change.
    let record = s.read(&old);
    fs::write(s.path(&old), "not a record").unwrap();
    let _ = s.run(&["change", "show"]).ok().says(&[&s.id()]).never_says(&["error: "]);
    let _ = s.run(&["hook-run", "commit-msg", &message(&s)]).ok().never_says(&["error: "]);
    let _ = s.run(&["change", "list"]).exits(2).says(&["error: "]);

    // Records that were added, removed or replaced since are read.
    fs::remove_file(s.path(&old)).unwrap();
    s.write(&old, "not a record");
    let _ = s.run(&["change", "show"]).ok().says(&[&s.id(), "error: "]);
    s.write(&old, record);
    for list in ["", "{}", "{\"time\": null, \"names\": [\"../../x.json\"]}"] {
        s.write(".vibeship-optimizer/cache/unsettled.json", list);
        let _ = s.run(&["change", "show"]).ok().says(&[&s.id()]).never_says(&["error: "]);
    }
}

/// A command that commits a change to the code.
#[cfg(unix)]
const MOVING: &str = "date +%s%N >> src/main.txt\ngit add src\ngit commit -q -m moved\n";

#[cfg(unix)]
#[test]
fn a_commit_made_while_the_code_is_looked_at_is_seen_however_often_git_was_asked_before() {
    let s = Sandbox::new();
    s.write("move.sh", MOVING).config(&CONFIG.replace("exit 0", "sh move.sh"));
    s.start("x").contract().before().improve(50.0);
    let record = s.read(s.record());
    let _ = s.on(&["validate"]).exits(1).says(&["(a commit was made), so nothing was recorded"]);
    assert_eq!(s.read(s.record()), record);

    let s = Sandbox::new();
    s.write("move.sh", MOVING);
    s.config_plus("timings: [{name: moving, cmd: sh move.sh, runs: 1, warmup: 0}]\n");
    s.start("x").contract();
    let record = s.read(s.record());
    let _ = s.on(&["snapshot", "--as", "before"]).exits(1).says(&["(a commit was made), so nothing was recorded"]);
    assert_eq!(s.read(s.record()), record);
}

#[test]
fn what_a_command_asks_git_does_not_grow_with_commits_or_metrics() {
    let s = Sandbox::new();
    let dirs = |count: usize| (0..count).map(|n| format!("d{n}")).collect::<Vec<_>>();
    for dir in dirs(1000) {
        s.write(format!("{dir}/x"), "x");
    }
    let rules = "enforcement: {exempt: [{paths: [\"notes/**\"], reason: prose}]}\n";
    let config =
        |count: usize| CONFIG.replace("size_paths: [src]", &format!("size_paths: [{}]", dirs(count).join(", ")));
    let mut calls = Vec::new();
    let counts = [2, 1, 10, 1000].map(|count| {
        s.config(&format!("{}{rules}", config(count)));
        let snapshot = started_plainly(&s, &["snapshot", "--label", "x"]);
        let taken = fs::read_dir(s.path(".vibeship-optimizer/snapshots")).unwrap().map(|entry| entry.unwrap().path());
        let taken = taken.max().unwrap().to_string_lossy().into_owned();
        let compare =
            started_plainly(&s, &["compare", "--before", &taken, "--after", &taken, "--out", "out/report.md"]);
        let written = fs::read_dir(s.path("out")).unwrap().count();
        s.later(Duration::minutes(1));
        let count = (snapshot.len(), compare.len(), written);
        calls.push(snapshot);
        count
    });
    // The first run finds no earlier report.
    assert_eq!(counts[1..], [counts[1]; 3], "with 1, 10 and 1,000 metrics: {calls:#?}");
    let looks = calls[1].iter().filter(|call| call.contains("git status")).count();
    assert_eq!(looks, 1, "where nothing is run, git looks once: {calls:#?}");
    assert!(counts[0].2 <= 2, "a report and its picture");

    s.git(&["tag", "start"]);
    let mut said = Vec::new();
    for count in [1, 10, 1000] {
        s.history(count, |n| Some(format!("notes/{count}-{n}")));
        said.push(started_plainly(&s, &["check", "--range", "start..HEAD"]).len());
    }
    // One opens the repository and resolves both ends, one reads objects, and one lists the commits.
    assert_eq!(said, [3, 3, 3], "over 1, 11 and 1,011 commits");
    #[cfg(target_os = "linux")]
    {
        let (reads, _) = io_and_made_canonical(&s, "syscr: ", &["check", "--range", "start..HEAD"]);
        assert!(reads < 1000, "commits are not handed over one by one: {reads} reads");
    }
}

#[test]
fn each_change_in_a_range_costs_the_check_the_same_number_of_git_processes() {
    let s = Sandbox::new();
    s.git(&["tag", "start"]);
    let brought = |title: &str, ops: f64| {
        s.start(title).contract().before().improve(ops).validate().after().compare();
        let _ = s.on(&["change", "promote"]).ok();
        s.commit_evidence();
        s.later(Duration::hours(1));
        started_plainly(&s, &["check", "--range", "start..HEAD"])
    };
    let calls = [brought("one", 50.0), brought("two", 25.0), brought("three", 12.0)];
    let counts = calls.each_ref().map(Vec::len);
    let _ = s.run(&["check", "--range", "start..HEAD", "--require", "promoted"]).ok();
    let each = counts[1] - counts[0];
    assert_eq!(counts[2] - counts[1], each, "{calls:#?}");
    assert!(each <= 10 && counts[0] <= 15, "{counts:?}: {calls:#?}");
}

/// The files in a directory that a command opens, once per opening, as the system reports them.
#[cfg(target_os = "linux")]
fn opened(s: &Sandbox, dir: &str, arguments: &[&str]) -> Vec<String> {
    use rustix::fs::inotify::{CreateFlags, ReadFlags, Reader, WatchFlags, add_watch, init};
    let watch = init(CreateFlags::NONBLOCK | CreateFlags::CLOEXEC).unwrap();
    // Also watching for closing keeps the system from merging two openings of a file into one event.
    add_watch(&watch, s.path(dir), WatchFlags::OPEN | WatchFlags::CLOSE).unwrap();
    let _ = s.run(arguments).ok();
    let mut buffer = [const { std::mem::MaybeUninit::uninit() }; 4096];
    let mut events = Reader::new(watch, &mut buffer);
    let mut names = Vec::new();
    while let Ok(event) = events.next() {
        let name = event.file_name().map(|name| name.to_string_lossy().into_owned());
        names.extend(name.filter(|_| event.events().contains(ReadFlags::OPEN)));
    }
    names
}

#[cfg(target_os = "linux")]
#[test]
fn a_record_is_opened_where_it_is_asked_for_and_then_once() {
    const DIR: &str = ".vibeship-optimizer/changes";
    let s = Sandbox::new();
    s.start("x").contract().before();
    let (message, own) = (message(&s), format!("{}.json", s.id()));
    for count in [1, 10, 1000] {
        ended(&s, count);
        // The list of open changes is only saved once no further record can have the same time.
        set_changed(&s.path(DIR), SystemTime::now() - std::time::Duration::from_secs(60));
        let _ = s.run(&["change", "show"]).ok();
        let hook = opened(&s, DIR, &["hook-run", "commit-msg", &message]);
        assert_eq!(hook, std::slice::from_ref(&own), "the hook opens the record that is named, of {count}");
        for command in ["list", "show"] {
            let mut names = opened(&s, DIR, &["change", command]);
            let all = names.len();
            names.sort();
            names.dedup();
            let limit = if command == "list" { names.len() } else { 2 };
            assert!(all <= limit, "change {command} opens {all} files for {} records", names.len());
            assert_eq!(names.len(), if command == "list" { count + 1 } else { 1 }, "change {command} of {count}");
        }
        let status = opened(&s, DIR, &["status"]).len();
        assert!(status <= count + 8, "status opens {status} files of {count} ended records");
    }
}

/// The system's counter for a command, and how many paths it makes canonical.
#[cfg(target_os = "linux")]
fn io_and_made_canonical(s: &Sandbox, counted: &str, arguments: &[&str]) -> (u64, usize) {
    let trace = s.outside().join("canonical");
    let _ = fs::remove_file(&trace);
    let script = "\"$@\" >/dev/null 2>&1; cat /proc/$$/io";
    let mut shell = s.command("sh");
    shell.args(["-c", script, "sh", env!("CARGO_BIN_EXE_vibeship-optimizer")]).args(arguments);
    let said = shell.env("VIBESHIP_OPTIMIZER_TEST_CANONICAL", &trace).output().unwrap();
    let said = String::from_utf8(said.stdout).unwrap();
    // The counter of the shell includes its ended children.
    let read = said.lines().find_map(|line| line.strip_prefix(counted)).unwrap().parse().unwrap();
    (read, fs::read_to_string(&trace).unwrap_or_default().lines().count())
}

#[cfg(target_os = "linux")]
#[test]
fn what_a_command_reads_is_what_it_is_asked_about_read_once() {
    const DIR: &str = ".vibeship-optimizer/changes";
    let s = Sandbox::new();
    s.start("x").contract().before();
    let message = message(&s);
    let size = |s: &Sandbox| -> u64 {
        fs::read_dir(s.path(DIR)).unwrap().map(|entry| entry.unwrap().metadata().unwrap().len()).sum()
    };
    let mut found = Vec::new();
    for count in [1, 10, 1000] {
        ended(&s, count);
        set_changed(&s.path(DIR), SystemTime::now() - std::time::Duration::from_secs(60));
        let _ = s.run(&["change", "show"]).ok();
        let [hook, list, status] = [&["hook-run", "commit-msg", &message][..], &["change", "list"], &["status"]]
            .map(|arguments| io_and_made_canonical(&s, "rchar: ", arguments));
        found.push((hook, list.0 - size(&s), list.1, status.1));
    }
    let near = |one: u64, other: u64| one.abs_diff(other) < 4096;
    assert!(found.windows(2).all(|two| near(two[0].0.0, two[1].0.0)), "the hook reads as many bytes: {found:?}");
    assert!(found.windows(2).all(|two| near(two[0].1, two[1].1)), "the list reads each record once: {found:?}");
    let canonical = |it: &((u64, usize), u64, usize, usize)| [it.0.1, it.2, it.3];
    assert!(
        found.iter().all(|it| canonical(it) == canonical(&found[0])),
        "as many paths are made canonical: {found:?}"
    );
    assert!(found[0].0.1 > 0 && found[0].0.1 < 8, "they are counted: {found:?}");
}
