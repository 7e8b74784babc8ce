//! Bad input of every kind: exit code 2, a message that names the place and the fix, nothing written, never a panic.

use crate::support::{CONFIG, Sandbox};

#[test]
fn titles_are_one_line_of_reasonable_length() {
    let s = Sandbox::new();
    insta::assert_snapshot!(s.run(&["change", "start", "--title", ""]), @r#"
    $ change start --title 
    exit 2
    --- stderr
    error: the title is empty
    hint: give the hypothesis in a few words: --title "cache parsed rules"
    "#);
    let long = s.run(&["change", "start", "--title", &"x".repeat(10_000)]);
    let _ = long.troubled(&["the title has 10000 characters; at most 200 are allowed", "--hypothesis"]);
    insta::assert_snapshot!(s.run(&["change", "start", "--title", "a\nb"]), @r"
    $ change start --title a
    b
    exit 2
    --- stderr
    error: the title holds the control character '\n'; it has to be one line of text
    ");
    insta::assert_snapshot!(s.run(&["change", "start", "--title", "a\u{1b}[31mb"]), @r"
    $ change start --title a[31mb
    exit 2
    --- stderr
    error: the title holds the control character '\u{1b}'; it has to be one line of text
    ");
    assert!(!s.path(".vibeship-optimizer").exists(), "nothing was made for a title that is refused");
}

#[test]
fn ids_that_could_leave_their_directory_are_refused_by_every_command() {
    let s = Sandbox::new();
    s.start("x");
    let files = s.files();
    for id in ["../../x", "chg-../x", "chg-a/b", "chg-a\\b", "chg-a\nb", "chg-é", &"c".repeat(500)] {
        for verb in [&["validate"][..], &["compare"], &["change", "verify"], &["snapshot", "--as", "before"]] {
            let mut arguments = verb.to_vec();
            arguments.extend(["--change-id", id]);
            let _ = s.run(&arguments).troubled(&["change "]);
        }
        let _ = s.run(&["change", "use", id]).troubled(&["change "]);
    }
    let _ = s.run(&["validate", "--change-id", "-rf"]).exits(2);
    let _ = s.run(&["change", "show", "--", "-chg-x"]).troubled(&["unknown change `-chg-x`"]);
    assert_eq!(s.files(), files);
}

#[test]
fn invalid_snapshot_files_are_refused_by_name() {
    let s = Sandbox::new();
    let good = s.run(&["snapshot", "--format", "json"]).ok().json()["path"].as_str().unwrap().to_owned();
    let text = s.read(&good);
    let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
    let cases: [(&str, String); 12] = [
        ("empty", String::new()),
        ("truncated", text[..text.len() / 2].to_owned()),
        ("not-json", "version: 1\n".to_owned()),
        ("an-array", "[]".to_owned()),
        ("another-schema", "{\"schema\": \"vibeship_optimizer.monitor.v1\"}".to_owned()),
        ("no-schema", "{}".to_owned()),
        ("wrong-types", "{\"schema\": \"vibeship_optimizer.snapshot.v1\", \"timings\": 4}".to_owned()),
        ("deep", deep),
        ("nan", text.replace("100.0", "NaN").replace("\"schema\"", "\"x\": NaN, \"schema\"")),
        ("huge-number", text.replacen('{', "{\"x\": 1e999, ", 1)),
        ("duplicate", text.replacen('{', "{\"schema\": \"vibeship_optimizer.snapshot.v1\", ", 1)),
        ("future", text.replace("snapshot.v2", "snapshot.v99")),
    ];
    for (name, content) in cases {
        let file = format!("{name}.json");
        s.write(&file, content);
        let _ = s.run(&["compare", "--before", &file, "--after", &good]).troubled(&[&file]);
        let _ = s.run(&["compare", "--before", &good, "--after", &file]).troubled(&[&file]);
    }
}

#[test]
fn a_negative_time_and_a_duplicate_timing_are_refused() {
    let s = Sandbox::new();
    let old = |timings: &str| {
        format!(
            "{{\"schema\": \"vibeship_optimizer.snapshot.v1\", \"generated_at\": \"2026-02-15T13:20:34Z\", \
             \"label\": \"x\", \"git\": {{}}, \"sizes\": {{}}, \"http\": [], \"timings\": [{timings}]}}"
        )
    };
    let timing = |name: &str, seconds: &str| {
        format!(
            "{{\"name\": \"{name}\", \"cmd\": \"x\", \"runs\": 1, \"last_rc\": 0, \"mean_s\": {seconds}, \
             \"p95_s\": {seconds}, \"all_s\": [{seconds}]}}"
        )
    };
    s.write("good.json", old(&timing("t", "1.5")));
    let _ = s.run(&["compare", "--before", "good.json", "--after", "good.json"]).ok();
    s.write("negative.json", old(&timing("t", "-1.5")));
    let _ = s.run(&["compare", "--before", "negative.json", "--after", "good.json"]).troubled(&["negative.json"]);
    s.write("twice.json", old(&format!("{}, {}", timing("t", "1"), timing("t", "2"))));
    let _ = s.run(&["compare", "--before", "twice.json", "--after", "good.json"]).troubled(&["twice.json"]);
}

#[test]
fn a_byte_order_mark_and_windows_line_ends_are_accepted() {
    let s = Sandbox::new();
    s.write("vibeship_optimizer.yml", format!("\u{feff}{}", CONFIG.replace('\n', "\r\n"))).commit_as("windows", &[]);
    let path = s.run(&["snapshot", "--format", "json"]).ok().never_says(&["warning"]).json()["path"].clone();
    let text = s.read(path.as_str().unwrap());
    s.write("bom.json", format!("\u{feff}{}", text.replace('\n', "\r\n")));
    let _ = s.run(&["compare", "--before", "bom.json", "--after", "bom.json"]).ok();
}

#[test]
fn an_invalid_config_is_an_error_with_its_line_and_never_the_defaults() {
    let s = Sandbox::new();
    for (text, place) in [
        ("version: 1\ntimings: [\n", "vibeship_optimizer.yml"),
        ("version: 1\ntimings:\n  - {name: t, cmd: x, runs: many}\n", "3"),
        ("version: 1\npair: {min_pairs: 3}\n", "min_pairs"),
        ("version: 9\n", "version"),
        ("- a\n- b\n", "vibeship_optimizer.yml"),
        ("version: 1\nversion: 1\n", "version"),
    ] {
        s.write("vibeship_optimizer.yml", text);
        for command in [&["snapshot"][..], &["status"], &["change", "start", "--title", "x"]] {
            let _ = s.run(command).troubled(&["vibeship_optimizer.yml", place]);
        }
    }
    s.write("vibeship_optimizer.yml", [0xff, 0xfe, 0x00]);
    let _ = s.run(&["status"]).troubled(&["vibeship_optimizer.yml"]);
}

#[test]
fn an_unknown_key_is_a_warning_with_the_nearest_known_name() {
    let s = Sandbox::new();
    s.config_plus("size_path: [lib]\n");
    let output = s.run(&["snapshot"]).ok();
    assert!(output.stderr.contains("size_paths") && output.stderr.contains("vibeship_optimizer.yml:8:1"), "{output}");
}

#[test]
fn records_that_are_damaged_are_named_and_do_not_hide_the_others() {
    let s = Sandbox::new();
    s.start("good");
    s.write(".vibeship-optimizer/changes/chg-bad.json", "{");
    let listed = s.run(&["change", "list"]).exits(2);
    assert_eq!(listed.json().as_array().map(Vec::len), Some(1), "{listed}");
    let _ = listed.says(&["chg-bad.json"]);
    let _ = s.run(&["change", "show", "chg-bad"]).troubled(&["chg-bad"]);
}

#[test]
fn a_root_that_is_no_directory_is_named() {
    let s = Sandbox::new();
    let _ = s.run(&["status", "--root", "nowhere"]).troubled(&["nowhere"]);
    let _ = s.run(&["status", "--root", "ops.json"]).troubled(&["ops.json"]);
}

#[test]
fn a_bad_waiting_time_for_the_lock_is_named() {
    let s = Sandbox::new();
    s.set("VIBESHIP_OPTIMIZER_LOCK_WAIT_S", "soon");
    let _ = s.run(&["init", "--no-prompt"]).troubled(&["soon"]);
}

#[test]
fn usage_errors_end_with_two() {
    let s = Sandbox::new();
    for arguments in [
        &["frobnicate"][..],
        &[],
        &["change", "start"],
        &["snapshot", "--as", "during"],
        &["change", "rollout", "half"],
    ] {
        let output = s.run(arguments).exits(2);
        assert_eq!(output.stdout, "", "{output}");
    }
}

#[test]
#[cfg(unix)]
fn arguments_that_are_not_unicode_are_no_panic() {
    use std::ffi::OsStr;
    use std::os::unix::ffi::OsStrExt as _;

    let s = Sandbox::new();
    let bad = OsStr::from_bytes(b"a\xffb");
    let start = ["change", "start", "--title"].map(OsStr::new);
    let _ = s.run_os(&[start[0], start[1], start[2], bad]).exits(2).never_says(&["panicked"]);
    let _ = s
        .run_os(&[OsStr::new("compare"), OsStr::new("--before"), bad, OsStr::new("--after"), bad])
        .troubled(&["does not exist"]);
    s.set("VIBESHIP_OPTIMIZER_NO_PROMPT", "1");
}

#[test]
fn a_damaged_record_is_reported_once_and_may_be_of_an_open_change() {
    let s = Sandbox::new();
    let _ = s.run(&["init", "--no-prompt"]).ok();
    s.write(".vibeship-optimizer/changes/chg-bad.json", "{");
    let status = s.run(&["status"]).exits(2).never_says(&["No change is open", "no change is open"]);
    assert_eq!(status.stderr.matches("chg-bad.json").count(), 1, "{status}");
    let _ = s.run(&["validate"]).exits(2).says(&["not known whether a change is open"]);
}

#[test]
fn characters_that_are_not_seen_are_refused_wherever_people_write() {
    let s = Sandbox::new();
    let _ = s.run(&["change", "start", "--title", "a\u{202e}b"]).troubled(&["invisible character '\\u{202e}'"]);
    assert!(!s.path(".vibeship-optimizer").exists());
    s.start("x");
    let _ = s.on(&["change", "note", "a\u{200b}b"]).troubled(&["invisible character '\\u{200b}'; leave it out"]);
    let _ = s.on(&["verify", "--summary", "a\u{2066}b"]).troubled(&["invisible character"]);
    let _ = s.on(&["change", "note", "日本語, שלום"]).ok();
}

#[test]
fn a_label_that_cannot_name_a_file_leads_to_one_that_can() {
    let s = Sandbox::new();
    let _ = s.run(&["init", "--no-prompt"]).ok();
    let files = s.files();
    for label in ["../../x", "a/b", "a\\b", "a\nb"] {
        let _ = s.run(&["snapshot", "--label", label]).troubled(&["--label", "such as --label before-cache"]);
    }
    assert_eq!(s.files(), files);
    let foreign =
        s.run(&["snapshot", "--label", "日本"]).ok().says(&["warning: --label", "such as --label before-cache"]);
    let path = foreign.stdout.trim().trim_start_matches("[PROJECT]/").to_owned();
    assert_eq!(s.json(path)["label"], "日本", "{foreign}");
    let _ = s.run(&["snapshot", "--label", "vor-日本"]).ok().never_says(&["warning: --label"]);
}

#[test]
fn yaml_errors_are_worded_for_the_author_of_the_file() {
    let s = Sandbox::new();
    s.write("vibeship_optimizer.yml", "version: 1\nversion: 1\n");
    let twice = s.run(&["status"]).troubled(&["vibeship_optimizer.yml:2:1", "the key version is set twice"]);
    let _ = twice.never_says(&["Policy", "Options"]);
    s.write("vibeship_optimizer.yml", "# nothing yet\n");
    let _ = s.run(&["status"]).ok().says(&["vibeship_optimizer.yml:1:1: the file says nothing"]);
}

#[test]
fn a_damaged_calibration_is_named_before_anything_is_measured() {
    let s = Sandbox::new();
    s.config_plus("timings: [{name: t, cmd: git --version, runs: 1}]\n");
    let calibrated = s.run(&["calibrate", "--pairs", "10"]);
    assert_ne!(calibrated.code, 2, "{calibrated}");
    let dir = s.path(".vibeship-optimizer/calibration");
    let file = std::fs::read_dir(dir).unwrap().next().unwrap().unwrap().path();
    let text = std::fs::read_to_string(&file).unwrap();
    std::fs::write(&file, format!("\u{feff}{}", text.replace('\n', "\r\n"))).unwrap();
    let _ = s.run(&["calibrate", "--pairs", "10"]).never_says(&["error"]);
    let twice = text.replacen('{', "{\"schema\": \"a\", ", 1);
    let other = text.replace("calibration.v1", "calibration.v9");
    let deep = "[".repeat(100_000);
    for bad in ["", &text[..text.len() / 2], "[]", &twice, &other, &deep] {
        std::fs::write(&file, bad).unwrap();
        let refused =
            s.run(&["calibrate", "--pairs", "10"]).troubled(&["calibration/", "remove the file", "calibrate again"]);
        assert!(!refused.stderr.contains("calibrating"), "{refused}");
        assert_eq!(std::fs::read_to_string(&file).unwrap(), bad);
    }
}

#[test]
#[cfg(unix)]
fn a_pipe_in_place_of_a_file_is_neither_waited_for_nor_ignored() {
    let s = Sandbox::new();
    s.compared("x");
    for path in ["vibeship_optimizer.yml", &s.record(), &s.evidence("before_snapshot.json")] {
        let kept = s.read(path);
        std::fs::remove_file(s.path(path)).unwrap();
        assert!(s.command("mkfifo").arg(s.path(path)).status().unwrap().success());
        let name = path.rsplit('/').next().unwrap();
        let _ = s.on(&["compare"]).troubled(&[name, "not a file"]);
        let _ = s.run(&["snapshot"]).never_says(&["no test command"]);
        std::fs::remove_file(s.path(path)).unwrap();
        s.write(path, kept);
    }
    assert!(!s.path(".vibeship-optimizer/config.yml").exists());
}

#[test]
fn an_error_of_input_ends_with_a_command_that_can_be_run_as_it_stands() {
    let s = Sandbox::new();
    s.start("x");
    let cases: [(&[&str], &str); 8] = [
        (&["check", "--range", "nowhere..HEAD"], "git fetch --all --tags"),
        (&["change", "start", "--parallel", "--title", "y", "--kpi", "kpi.opps <= -10%"], "vibeship-optimizer doctor"),
        (&["change", "contract", "--kpi", "kpi.ops less 3"], "vibeship-optimizer help criteria"),
        (&["compare", "--before", "no.json", "--after", "no.json"], "vibeship-optimizer snapshot"),
        (&["status", "--change-id", "chg-nobody"], "vibeship-optimizer change list"),
        (&["day", "close", "--decide", "chg-nobody=hold:why"], "vibeship-optimizer change list"),
        (&["change", "use", "chg-20260302-090000-y"], "vibeship-optimizer change list"),
        (&["snapshot", "--as", "between"], "vibeship-optimizer snapshot --help"),
    ];
    for (arguments, command) in cases {
        let answer = s.run(&[arguments, &["--format", "json"]].concat());
        let next = answer.json()["next"][0].clone();
        assert_eq!((answer.code, next.as_str()), (2, Some(command)), "{answer}");
        let words: Vec<&str> = command.split(' ').collect();
        match words.as_slice() {
            ["git", rest @ ..] => drop(s.git(rest)),
            [_, rest @ ..] => assert_ne!(s.run(rest).code, 2, "{command}"),
            [] => {}
        }
    }
    let outside = Sandbox::without_git();
    let _ = outside.run(&["hooks", "status"]).troubled(&["hooks need a git repository", "next: git init"]);
}

#[test]
fn a_command_typed_without_its_group_is_suggested_with_it() {
    let s = Sandbox::new();
    let _ = s.run(&["promote"]).troubled(&["'change promote'"]);
    let _ = s.run(&["tick"]).troubled(&["'monitor tick'"]);
    // Advice names the config's metrics, even if the command did not need to read the config.
    s.start("x");
    let _ = s.on(&["compare"]).exits(1).says(&["--kpi \"kpi.ops <= -10%\""]).never_says(&["METRIC"]);
}
