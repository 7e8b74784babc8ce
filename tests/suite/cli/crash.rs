//! Writers are killed at any moment: the files can always be read, and nothing that was reported as written is lost.

use std::process::Stdio;
use std::time::Duration;

use crate::support::Sandbox;

#[test]
fn a_record_and_its_logbook_survive_kills_at_any_moment() {
    let s = Sandbox::new();
    s.start("x");
    let user = "\nmy own text\n";
    let logbook = s.read("VIBESHIP_OPTIMIZER.md");
    s.write("VIBESHIP_OPTIMIZER.md", format!("{logbook}{user}"));
    let mut told = Vec::new();
    // The kills are spread over the command's whole run time, whatever the machine's speed.
    let begun = std::time::Instant::now();
    let _ = s.on(&["change", "note", "calibration"]).ok();
    let life = begun.elapsed();
    for round in 0..40u32 {
        let note = format!("note-{round}-end");
        let mut child = s.tool(&["change", "note", &note]).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        std::thread::sleep(life.mul_f64(f64::from(round) / 40.0 * 1.2).min(Duration::from_secs(2)));
        let _ = child.kill();
        if child.wait().unwrap().success() {
            told.push(note);
        }
        let record = s.json(s.record());
        assert_eq!(record["change_id"], s.id(), "round {round}");
        assert!(s.read("VIBESHIP_OPTIMIZER.md").ends_with(user), "round {round}");
    }
    let shown = s.shown().to_string();
    for note in &told {
        assert!(shown.contains(note), "{note} was told and is lost");
    }
    let _ = s.on(&["change", "note", "last"]).ok();
    let logbook = s.read("VIBESHIP_OPTIMIZER.md");
    assert_eq!(logbook.matches("<!-- vibeship-optimizer:").count(), 2, "{logbook}");
    let left =
        s.files().into_keys().filter(|path| path.extension().is_some_and(|extension| extension == "tmp")).count();
    assert_eq!(left, 0, "the next writer removes what killed ones left");
}

/// Kills as many processes as `VIBESHIP_OPTIMIZER_KILLS` says (default 10,000, about ten a second):
/// `cargo test --release --test suite kills_at_random -- --ignored`
#[test]
#[ignore = "takes long; run it by hand"]
fn kills_at_random_lose_nothing() {
    let kills: u32 =
        std::env::var("VIBESHIP_OPTIMIZER_KILLS").ok().and_then(|text| text.parse().ok()).unwrap_or(10_000);
    let mut dice = 0x9E37_79B9_7F4A_7C15_u64;
    let mut roll = |below: u64| {
        dice = dice.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (dice >> 33) % below
    };
    let mut done = 0;
    while done < kills {
        let s = Sandbox::new();
        s.rolled_out("x");
        let mut told = Vec::new();
        for round in 0..200.min(kills - done) {
            let (note, id) = (format!("note-{done}-{round}-end"), s.id());
            let about = ["--change-id", id.as_str()];
            let attest = ["review", "attest", "--tool", "other", "--reasoning-mode", "human", "--reviewer", "Ada"];
            let command = match roll(8) {
                0 => vec!["change", "start", "--title", "y", "--parallel"],
                1 => vec!["snapshot", "--label", "z"],
                2 => [&attest[..], &about].concat(),
                3 => [&["monitor", "tick", "--force"][..], &about].concat(),
                4 => vec!["doctor", "--apply"],
                5 if round > 150 => [&["change", "rollback", "--reason", "r", "--apply"][..], &about].concat(),
                _ => [&["change", "note", note.as_str()][..], &about].concat(),
            };
            let mut child = s.tool(&command).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
            std::thread::sleep(Duration::from_millis(roll(120)));
            let _ = child.kill();
            if child.wait().unwrap().success() && command[1] == "note" {
                told.push(note.clone());
            }
            let record = s.read(s.record());
            assert!(serde_json::from_str::<serde_json::Value>(&record).is_ok(), "{command:?}: {record}");
            assert!(told.iter().all(|note| record.contains(note)), "{command:?} lost a note");
            let list = s.run(&["change", "list"]);
            assert_eq!(list.code, 0, "after {command:?}: {list}");
        }
        done += 200;
        // The work can continue from what is left.
        let _ = s.run(&["doctor", "--apply"]);
        let _ = s.on(&["change", "note", "last"]).ok();
        let check = s.run(&["check", "--format", "json"]).json();
        let failing = check["findings"].as_array().unwrap().iter().filter(|finding| finding["level"] == "fail");
        let found: Vec<String> = failing.map(|it| format!("{}: {}", it["code"], it["path"])).collect();
        let files =
            s.tool(&["--version"]).get_current_dir().map(|dir| std::fs::read_dir(dir.join("reports/optimizer")));
        let names: Vec<_> = files.into_iter().flatten().flatten().flatten().map(|it| it.file_name()).collect();
        assert!(found.is_empty(), "{found:?} among {names:?}");
        // A git process that outlived the tool may have added its checkout meanwhile; the next command removes it.
        let is_left = || s.git(&["worktree", "list"]).contains("vibeship-tree-");
        for _ in (0..20).take_while(|_| is_left()) {
            std::thread::sleep(Duration::from_millis(500));
            let _ = s.run(&["doctor", "--apply"]);
        }
        assert!(!is_left(), "checkouts are left");
    }
}

#[test]
fn a_killed_snapshot_leaves_the_change_where_it_was_or_one_step_on() {
    let s = Sandbox::new();
    s.start("x").contract();
    let begun = std::time::Instant::now();
    let _ = s.run(&["snapshot"]).ok();
    let life = begun.elapsed();
    for round in 0..12u32 {
        let mut child = s
            .tool(&["snapshot", "--as", "before", "--change-id", &s.id()])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        std::thread::sleep(life.mul_f64(f64::from(round) / 10.0));
        let _ = child.kill();
        let _ = child.wait();
        let status = s.shown()["status"].clone();
        assert!(status == "planned" || status == "baselined" || status == "baseline", "round {round}: {status}");
    }
    s.before().improve(50.0).validate().after().compare();
    let _ = s.on(&["change", "promote"]).ok();
}

#[test]
fn a_damaged_record_is_never_passed_over() {
    let s = Sandbox::new();
    s.start("x").contract().before();
    let record = s.read(s.record());
    let damage = |s: &Sandbox, name: &str, text: &str| {
        s.write(format!(".vibeship-optimizer/changes/{name}.json"), text);
    };
    for (name, text) in [(s.id().as_str(), &record[..300]), ("chg-20250101-000000-y", "{}"), ("no-id", &record)] {
        damage(&s, name, text);
        for command in [
            "change list",
            "status",
            "check",
            "monitor status",
            "monitor tick",
            "doctor",
            "doctor --apply",
            "day open",
            "preflight",
        ] {
            let output = s.run(&command.split(' ').collect::<Vec<_>>());
            assert_ne!(output.code, 0, "{output}");
            let _ = output.says(&[name]);
        }
        std::fs::remove_file(s.path(format!(".vibeship-optimizer/changes/{name}.json"))).unwrap();
        s.write(s.record(), &record);
    }
    let _ = s.run(&["status"]).ok();
    let evidence = s.evidence("before_snapshot.json");
    std::fs::remove_file(s.path(&evidence)).unwrap();
    for command in [&["preflight"][..], &["doctor"], &["doctor", "--apply"]] {
        let _ = s.run(command).exits(2).says(&[&evidence]);
    }
}

#[test]
fn whatever_is_in_the_way_of_writing_is_named_with_the_fix() {
    let s = Sandbox::new();
    std::fs::create_dir(s.path("VIBESHIP_OPTIMIZER.md")).unwrap();
    let _ = s.run(&["init"]).troubled(&["VIBESHIP_OPTIMIZER.md is not a file; move it away"]);
    s.start("x");
    let _ = s.on(&["change", "note", "y"]).ok().says(&["the logbook was not updated", "doctor --apply"]);
    std::fs::remove_dir(s.path("VIBESHIP_OPTIMIZER.md")).unwrap();
    let _ = s.run(&["doctor", "--apply"]);
    assert!(s.read("VIBESHIP_OPTIMIZER.md").contains(&s.id()));

    let s = Sandbox::new();
    s.write(".vibeship-optimizer", "mine");
    for command in [&["init"][..], &["change", "start", "--title", "x"], &["status"], &["change", "list"], &["doctor"]]
    {
        let _ = s.run(command).troubled(&[".vibeship-optimizer is not a directory; move it away"]);
    }
    assert_eq!(s.read(".vibeship-optimizer"), "mine");
}

#[cfg(unix)]
#[test]
fn a_file_size_limit_is_reported_and_nothing_is_lost() {
    let s = Sandbox::new();
    s.start("x");
    let record = s.read(s.record());
    let note = "long ".repeat(1000);
    let tool = s.tool(&["change", "note", &note]);
    let mut limited = s.command("sh");
    limited.args(["-c", "ulimit -f 4; exec \"$@\"", "sh"]).arg(tool.get_program()).args(tool.get_args());
    let output = limited.output().unwrap();
    assert_eq!(output.status.code(), Some(2), "{output:?}");
    assert!(String::from_utf8_lossy(&output.stderr).contains("error: cannot write"), "{output:?}");
    assert_eq!(s.read(s.record()), record);
    let _ = s.on(&["change", "note", &note]).ok();
}

#[cfg(unix)]
#[test]
fn a_process_that_ends_before_any_step_of_writing_leaves_the_old_or_the_new() {
    let s = Sandbox::new();
    s.start("x").contract();
    let commands: [&[&str]; 4] = [
        &["change", "note", "y"],
        &["snapshot", "--label", "b", "--as", "before"],
        &["change", "start", "--title", "z", "--parallel"],
        &["doctor", "--apply"],
    ];
    for command in commands {
        let about: &[&str] =
            if command[1] == "start" || command[0] == "doctor" { &[] } else { &["--change-id", &s.id()] };
        let command = [command, about].concat();
        // The files of a killed snapshot are kept, so the next one has more steps.
        let ended = (0..24).take_while(|step| {
            s.set("VIBESHIP_OPTIMIZER_TEST_LAST_STEP", &step.to_string());
            let output = s.run(&command);
            s.unset("VIBESHIP_OPTIMIZER_TEST_LAST_STEP");
            assert!(output.code == -1 || output.code == 0 || command[0] == "doctor", "step {step}: {output}");
            let _ = s.run(&["change", "list"]).ok();
            output.code == -1
        });
        let ended = ended.count();
        assert!(ended >= 4 || command[0] == "doctor", "{command:?} has {ended} steps");
        let _ = s.run(&command);
    }
    s.improve(50.0).validate().after().compare();
    // Temporary files of a writer without the lock may still be in use, and are removed when they are a day old.
    let is_left = |path: &std::path::Path| path.to_string_lossy().contains(".vibeship-write-");
    assert_eq!(s.files().into_keys().filter(|path| is_left(path)).count(), 0, "the next writer removes what was left");
}

#[test]
fn thirty_two_processes_at_once_lose_nothing() {
    let crowd = |s: &Sandbox, commands: &[&[&str]]| {
        let start = |n: usize| {
            let mut tool = s.tool(commands[n % commands.len()]);
            tool.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
        };
        let started: Vec<_> = (0..32).map(start).collect();
        for (n, child) in started.into_iter().enumerate() {
            let output = child.wait_with_output().unwrap();
            assert_eq!(output.status.code(), Some(0), "{:?}: {output:?}", commands[n % commands.len()]);
        }
    };
    crowd(&Sandbox::new(), &[&["init"]]);
    let s = Sandbox::new();
    s.rolled_out("watched");
    crowd(&s, &[&["monitor", "tick"], &["change", "list"]]);
    assert_eq!(s.read(s.record()).matches("\"ticked\"").count(), 1, "one day, however many measure it");
    assert_eq!(s.run(&["check"]).code, 0);
    let s = Sandbox::new();
    crowd(&s, &[&["change", "start", "--title", "x", "--parallel"]]);
    assert_eq!(s.run(&["change", "list", "--format", "json"]).ok().json().as_array().map(Vec::len), Some(32));
    let s = Sandbox::new();
    s.compared("y");
    s.write("../message", format!("Halve it\n\nOptimizer-Change: {}\n", s.id()));
    let (id, message) = (s.id(), s.outside().join("message").to_string_lossy().into_owned());
    let attest = ["review", "attest", "--tool", "other", "--reasoning-mode", "human", "--reviewer", "Ada"];
    crowd(
        &s,
        &[
            &["change", "note", "crowd-note", "--change-id", &id],
            &["change", "list"],
            &[&attest[..], &["--change-id", &id]].concat(),
            &["status"],
            &["hook-run", "commit-msg", &message],
            &["preflight"],
            &["change", "start", "--title", "x", "--parallel"],
            &["check"],
        ],
    );
    assert_eq!(s.read(s.record()).matches("crowd-note").count(), 4);
    assert_eq!(s.run(&["change", "list", "--format", "json"]).ok().json().as_array().map(Vec::len), Some(5));
}
