//! Measuring in pairs: `pair`, `compare` of a change, `calibrate`, `selftest`. The programs differ by far more than any
//! noise.

use serde_json::Value;

use crate::support::{CONFIG, Sandbox};

const FAST: &str = "300";
const SLOW: &str = "9000";

fn work(rounds: &str) -> String {
    format!("i=0; while [ $i -lt {rounds} ]; do i=$((i+1)); done\n")
}

/// A repository whose last commit changes the duration of its program from `before` to `after`.
fn repository(before: &str, after: &str) -> Sandbox {
    let s = Sandbox::new();
    s.write("work.sh", work(before)).commit_as("one", &[]);
    s.write("work.sh", work(after)).commit_as("other", &[]);
    s
}

fn no_worktree_is_left(s: &Sandbox) {
    assert_eq!(s.git(&["worktree", "list"]).lines().count(), 1);
}

#[test]
fn a_slowdown_is_a_no_and_a_speed_up_a_yes() {
    let s = repository(FAST, SLOW);
    let asked = ["--runs", "10", "--", "sh", "work.sh"];
    let slower = s.run(&[&["pair"], &asked[..]].concat()).exits(1).says(&["regressed", "is decided by"]);
    assert!(slower.stdout.contains("HEAD~1"), "{slower}");
    let _ = s.run(&[&["pair", "--before", "HEAD", "--after", "HEAD~1"], &asked[..]].concat()).ok().says(&["improved"]);
    no_worktree_is_left(&s);
}

#[test]
fn calibrate_is_only_advised_for_commands_that_the_config_times() {
    let s = repository(FAST, SLOW);
    let pair = |command: &[&str]| s.run(&[&["pair", "--runs", "6", "--"], command].concat());
    let _ = pair(&["sh", "work.sh"]).says(&["is decided by"]).never_says(&["vibeship-optimizer calibrate"]);
    s.config_plus("timings: [{name: work, cmd: sh work.sh}]\n");
    let _ = pair(&["sh work.sh"]).says(&["measure it once with vibeship-optimizer calibrate"]);
}

#[test]
fn the_pairs_are_written_in_the_order_a_b_b_a_and_on_one_core_each() {
    let s = repository(FAST, SLOW);
    let _ = s.run(&["pair", "--runs", "10", "--json-out", "p.json", "--", "sh", "work.sh"]).exits(1);
    let session = s.json("p.json");
    assert_eq!(session["schema"], "vibeship_optimizer.pair.v1");
    let pairs = session["commands"][0]["pairs"].as_array().unwrap();
    let first: Vec<bool> = pairs.iter().map(|pair| pair["after_first"].as_bool().unwrap()).collect();
    assert_eq!(first, [false, true, false, true, false, true, false, true, false, true]);
    assert_ne!(session["before"]["tree"], session["after"]["tree"]);
    // If the system reports what a run's first thread does, this one is known to be single-threaded and is pinned.
    if pairs.iter().all(|pair| pair["before"]["queued_s"].is_number()) {
        assert!(pairs.iter().all(|pair| pair["core"].is_number()), "{session:#}");
    }
}

#[test]
fn a_command_of_several_processes_is_not_pinned() {
    let s = repository(FAST, SLOW);
    let line = "sh work.sh; sh work.sh; true";
    let _ = s.run(&["pair", "--runs", "6", "--json-out", "p.json", "--", line]).exits(1);
    let pairs = s.json("p.json")["commands"][0]["pairs"].clone();
    assert!(pairs.as_array().unwrap().iter().all(|pair| pair["core"] == Value::Null), "{pairs:#}");
}

#[test]
fn one_version_has_nothing_to_be_compared_with_and_too_few_pairs_decide_nothing() {
    let s = repository(FAST, SLOW);
    let one = ["pair", "--before", "HEAD", "--after", "HEAD", "--", "sh", "work.sh"];
    let _ = s.run(&one).troubled(&["same"]);
    let _ = s.run(&["pair", "--runs", "5", "--", "sh", "work.sh"]).troubled(&["--runs 5", "fewer than 6"]);
    let steps = ["\"nowhere\" names no commit", "next: git fetch --all --tags", "or:   git log --oneline --all"];
    let _ = s.run(&["pair", "--before", "nowhere", "--", "sh", "work.sh"]).troubled(&steps);
    let _ = s.run(&["pair"]).troubled(&["no timed command", "vibeship-optimizer pair -- COMMAND"]);
    no_worktree_is_left(&s);
}

#[test]
fn a_command_that_fails_in_one_version_has_no_verdict_but_a_no() {
    let s = Sandbox::new();
    s.write("work.sh", "exit 0\n").commit_as("one", &[]);
    s.write("work.sh", "echo broken >&2; exit 3\n").commit_as("other", &[]);
    let _ = s.run(&["pair", "--", "sh", "work.sh"]).exits(1).says(&["invalid", "broken"]);
    no_worktree_is_left(&s);
}

#[test]
fn a_change_is_compared_in_pairs_and_the_report_says_how() {
    let s = Sandbox::new();
    s.write("work.sh", work(SLOW));
    let timed = "timings: [{name: work, cmd: sh work.sh, runs: 3}]\npair: {enabled: true, max_pairs: 10}\n";
    s.config(&CONFIG.replace("pair: {enabled: false}\n", timed));
    let demands =
        ["--hypothesis", "fewer rounds", "--kpi", "timing.work.wall <= -20%", "--guardrail", "size.src <= +1%"];
    let ends = ["--trigger", "timing.work.wall > +5%"];
    s.start_with("fewer rounds", &[&demands[..], &ends[..]].concat()).before();
    s.write("work.sh", work(FAST)).commit("fewer rounds").validate().after();
    let _ = s.on(&["compare", "--exit-code"]).ok();
    let report = s.read(s.evidence("compare.md"));
    for said in ["In alternating pairs in one session", "pass", "improved", "ready without a core"] {
        assert!(report.contains(said), "{said}: {report}");
    }
    let _ = s.on(&["compare", "--out", "copy.md", "--json-out", "copy.json"]).ok();
    let copy = s.read("copy.md");
    let picture = copy.split("](").nth(1).and_then(|rest| rest.split(')').next()).unwrap();
    assert!(picture.starts_with("reports/optimizer/") && s.path(picture).is_file(), "{copy}");
    let loose = s.git(&["status", "--porcelain", "--", ":(exclude)reports", ":(exclude).vibeship-optimizer"]);
    assert!(!loose.contains(".svg"), "{loose}");
    let own = s.evidence("compare.md");
    let _ = s.on(&["compare", "--out", &own, "--json-out", "own.json"]).ok();
    for made in ["copy.md", "copy.json", "own.json"] {
        std::fs::remove_file(s.path(made)).unwrap();
    }
    let session = s.json(s.evidence("pair.json"));
    assert_eq!(session["change_id"], s.id().as_str());
    assert_eq!(session["commands"][0]["pairs"].as_array().unwrap().len(), 10);
    assert!(s.path(s.evidence("compare.json")).is_file());
    s.config(&CONFIG.replace("pair: {enabled: false}\n", &timed.replace("max_pairs", "max_time_s: 0.01, max_pairs")));
    let _ = s.on(&["compare", "--pairs", "12"]).ok();
    let pairs = s.json(s.evidence("pair.json"))["commands"][0]["pairs"].as_array().unwrap().len();
    assert!(pairs >= 6, "whoever names a number of pairs is not stopped by the config's time: {pairs}");
    no_worktree_is_left(&s);
    let _ = s.on(&["change", "promote"]).ok();
}

#[test]
fn a_calibration_holds_floors_of_pairs_and_of_sessions_for_the_command_as_it_is() {
    let s = Sandbox::new();
    s.write("work.sh", work(SLOW));
    s.config_plus("timings: [{name: work, cmd: sh work.sh, runs: 3}]\n");
    let asked =
        ["calibrate", "--pairs", "10", "--inject", "100%", "--sessions", "3", "--pause", "0", "--format", "json"];
    let found = s.run(&asked).ok().json();
    let command = &found["commands"][0];
    assert_eq!((command["pairs"].as_u64(), command["sessions"].as_u64()), (Some(10), Some(3)));
    for floors in ["floors", "session_floors"] {
        assert!(command[floors]["timing.work.wall"].as_f64().unwrap() >= 0.0, "{found:#}");
    }
    assert_eq!(command["injected"]["seen"]["change"], "regressed", "{found:#}");
    let path = |label: &str| {
        let answer = s.run(&["snapshot", "--label", label, "--format", "json"]).ok().json();
        answer["path"].as_str().unwrap().to_owned()
    };
    let (before, after) = (path("a"), path("b"));
    let settings = |s: &Sandbox| {
        s.run(&["compare", "--before", &before, "--after", &after, "--format", "json"]).ok().json()["settings"].clone()
    };
    let used = settings(&s);
    assert!(used["session_floors"]["timing.work.wall"].as_f64().unwrap() >= 0.02, "{used:#}");
    s.config_plus("timings: [{name: work, cmd: sh work.sh again, runs: 3}]\n");
    assert_eq!(settings(&s)["session_floors"], Value::Null, "another command is not calibrated");
    let _ = s.run(&["calibrate", "--sessions", "2"]).troubled(&["--sessions 2", "at least 3"]);
}

#[test]
fn a_selftest_reports_how_it_judged_its_own_slowdowns() {
    let s = Sandbox::new();
    let few = ["selftest", "--trials", "1", "--pairs", "10", "--duration-ms", "10", "--slowdown", "100%"];
    let output = s.run(&[&few[..], &["--format", "json"]].concat());
    let found = output.json();
    assert_eq!(found["schema"], "vibeship_optimizer.selftest.v1");
    let rows = found["rows"].as_array().unwrap();
    let metrics: Vec<&str> = rows.iter().map(|row| row["metric"].as_str().unwrap()).collect();
    assert_eq!(metrics, ["timing.spin.wall", "timing.spin.cpu", "timing.spin.wall", "timing.spin.cpu"]);
    // Other programs of this machine may hide a difference in wall time.
    assert_eq!((&rows[3]["slowdown"], &rows[3]["tally"]["slower"]), (&1.0.into(), &1.into()), "{found:#}");
}

#[cfg(target_os = "linux")]
#[test]
fn two_sides_that_run_the_code_of_the_checkout_are_no_comparison() {
    let s = repository(SLOW, FAST);
    let root = s.root().display().to_string();
    std::os::unix::fs::symlink(s.root(), s.outside().join("link")).unwrap();
    let link = s.outside().join("link").display().to_string();
    let beside = s.outside().join("beside").display().to_string();
    s.git(&["worktree", "add", "-q", "--detach", &beside]);
    let timings = [
        ("beside", format!("sh '{beside}/work.sh'"), String::new()),
        ("by_path", format!("sh '{root}/work.sh'"), String::new()),
        ("by_cd", format!("cd '{root}' && sh work.sh"), String::new()),
        ("by_cwd", "sh work.sh".to_owned(), format!(", cwd: '{root}'")),
        ("by_env", "sh \"$SOURCES/work.sh\"".to_owned(), format!(", env: {{SOURCES: '{root}'}}")),
        ("by_link", format!("sh '{link}/work.sh'"), String::new()),
        ("own", "sh work.sh; cat ops.json".to_owned(), String::new()),
    ];
    let line = |(name, cmd, rest): &(&str, String, String)| {
        format!("  - {{name: {name}, cmd: {}{rest}}}\n", Value::from(cmd.as_str()))
    };
    let kpi = format!("kpis:\n  - {{name: by_kpi, cmd: \"cd '{root}' && sh work.sh; echo 1\", better: lower}}\n");
    s.config(&format!("version: 1\ntimings:\n{}{kpi}", timings.iter().map(line).collect::<String>()));
    let told = s.run(&["pair", "--runs", "6"]);
    // The one valid command may seem to have regressed by chance, which is 1.
    assert!([1, 2].contains(&told.code), "{told}");
    for row in told.stdout.lines().filter(|line| line.starts_with("timing.by_") || line.starts_with("kpi.by_")) {
        assert!(row.contains("invalid: a side opened work.sh of your own checkout"), "{row}\n{told}");
    }
    assert_eq!(told.stdout.matches("a side opened work.sh").count(), 6, "{told}");
    let is_beside = |line: &&str| line.starts_with("timing.beside.") && line.contains("invalid: a side opened");
    assert!(told.stdout.lines().any(|line| is_beside(&line)), "another work tree: {told}");
    s.git(&["worktree", "remove", "--force", &beside]);
    let own = |line: &&str| line.starts_with("timing.own.") && !line.contains("invalid");
    assert!(told.stdout.lines().any(|line| own(&line)), "{told}");
    no_worktree_is_left(&s);
}

#[cfg(target_os = "linux")]
#[test]
fn two_sides_that_run_a_copy_from_elsewhere_are_reported() {
    let s = repository(SLOW, FAST);
    let (root, first) = (s.root().display().to_string(), s.git(&["rev-parse", "HEAD~1"]));
    let pair = ["pair", "--before", first.trim(), "--runs", "6"];
    let copy = s.outside().join("installed.sh");
    std::fs::write(&copy, work(FAST)).unwrap();
    s.write("built/work.sh", work(FAST)).write(".gitignore", "built\n").commit_as("ignored", &[]);
    let at_head = format!("  - {{name: built, cmd: \"sh '{root}/built/work.sh'\"}}\n");
    let timings = format!(
        "  - {{name: installed, cmd: \"sh '{}'\"}}\n{at_head}  - {{name: own, cmd: sh work.sh}}\n",
        copy.display()
    );
    s.config(&format!("version: 1\ntimings:\n{timings}"));
    let told = s.run(&pair);
    let _ = told.never_says(&["own opened"]).says(&[
        "installed opened no file on either side",
        "invalid: a side opened built/work.sh of your own checkout",
    ]);
    // One side creates the program that both run.
    let kept = s.outside().join("kept.sh").display().to_string();
    let cmd = format!("[ -e '{kept}' ] || cp work.sh '{kept}'; sh '{kept}'");
    s.config(&format!("version: 1\ntimings:\n  - {{name: kept, cmd: {}}}\n", Value::from(cmd)));
    let _ = s.run(&pair).says(&["kept opened work.sh, which the change makes different, on one side only"]);
    // If both preparations build at the same place, both sides run the last build; also behind a wrapper that is the
    // same on both.
    s.write("bench.sh", "sh \"$1\"\n").git(&["add", "bench.sh"]);
    s.git(&["commit", "-qm", "wrapper"]);
    s.git(&["checkout", "-q", "-b", "wrapped", first.trim()]);
    s.git(&["checkout", "main", "--", "bench.sh"]);
    s.git(&["commit", "-qm", "slow, with it"]);
    s.git(&["checkout", "-q", "main"]);
    let common = s.outside().join("common.sh").display().to_string();
    let made = |share: &str, to: &str| {
        s.config(&format!(
            "version: 1\npair: {{{share}prepare: \"cp work.sh '{to}'\"}}\ntimings:\n  - {{name: made, cmd: \"sh bench.sh '{to}'\"}}\n"
        ));
        s.run(&["pair", "--before", "wrapped", "--runs", "6"])
    };
    let _ = made("", &common).says(&["made opened no file on either side"]);
    let _ = made("", "made.sh").never_says(&["made opened"]);
    s.write("built/made.sh", "old\n");
    let _ = made("share: [built], ", "built/made.sh").exits(2).says(&["invalid", "a side opened built/made.sh"]);
    // The preparation opens a file that differs, but the program that runs is elsewhere.
    s.config(&format!(
        "version: 1\npair: {{prepare: cp work.sh made.sh}}\ntimings:\n{timings}  - {{name: made, cmd: sh made.sh}}\n"
    ));
    let told = s.run(&pair);
    let _ = told.never_says(&["made opened"]).says(&["installed opened no file on either side"]);
}

#[test]
fn a_command_that_does_less_once_it_has_run_is_reported() {
    let s = Sandbox::new();
    let built = |rounds: &str| format!("test -e built && exit 0\n{}touch built\n", work(rounds));
    s.write("work.sh", built(FAST)).commit_as("one", &[]);
    s.write("work.sh", built("90000")).commit_as("other", &[]);
    let words = ["warning: sh took ", "in its first run before the change", "switch its cache off"];
    let _ = s.run(&["pair", "--runs", "6", "--", "sh", "work.sh"]).says(&words);
    s.write("work.sh", work("90000")).commit_as("plain", &[]);
    s.write("work.sh", built("90000")).commit_as("kept", &[]);
    let _ = s.run(&["pair", "--runs", "6", "--", "sh", "work.sh"]).ok().says(&words);
}

#[test]
fn other_words_beside_a_number_and_fewer_numbers_are_reported() {
    let s = Sandbox::new();
    s.config(
        "version: 1\nkpis:\n  - {name: power, cmd: sh work.sh, regex: 'uses ([0-9.]+)', better: lower, exact: true}\n  \
         - {name: cases, cmd: sh cases.sh, regex: 'took ([0-9.]+)', matches: all, better: lower}\n  \
         - {name: agg, cmd: sh agg.sh, pointer: /v, better: lower}\n  \
         - {name: passed, cmd: sh passed.sh, regex: 'in ([0-9]+) s', unit: s, better: lower}\n",
    );
    let agg = |name: &str| format!("echo '{{\"agg\": \"{name}\", \"run\": \"'$$'\", \"v\": 3}}'\n");
    s.write("agg.sh", agg("mean"));
    s.write("passed.sh", "echo 120 passed in $(date +%N | tail -c 3) s, seed $$\n");
    let cases = |times: &[&str]| times.iter().map(|time| format!("echo it took {time}\n")).collect::<String>();
    s.write("cases.sh", cases(&["9", "8", "300"]));
    s.write("work.sh", "echo it uses 900 mW\n").commit_as("one", &[]);
    let before = s.run(&["snapshot", "--label", "a"]).ok().stdout.trim().to_owned();
    s.write("cases.sh", cases(&["9", "8"]));
    s.write("agg.sh", agg("min"));
    s.write("passed.sh", "echo 1 passed in $(date +%N | tail -c 2) s, seed $$\n");
    s.write("work.sh", "echo it uses 1.2 W\n").commit_as("other", &[]);
    let told = [
        "power was read from other output: it uses # mW before, it uses # W after",
        "cases was read from other output: 3 numbers, the last in it took # before, 2 numbers, the last in it took # after",
    ];
    let fewer = "passed was read from other output: 120 passed before, 1 passed after";
    let other = "agg was read from other output: agg mean before, agg min after";
    let _ = s.run(&["pair", "--runs", "6"]).says(&told).says(&[fewer, other]).never_says(&["seed"]);
    let after = s.run(&["snapshot", "--label", "b"]).ok().stdout.trim().to_owned();
    let _ = s.run(&["compare", "--before", &before, "--after", &after, "--format", "text"]).says(&told);
}

#[test]
#[cfg(target_os = "linux")]
fn a_side_that_leaves_its_work_to_the_background_is_reported() {
    let s = Sandbox::new();
    s.write("work.sh", format!("{}echo done\n", work("60000"))).commit_as("one", &[]);
    let plain = s.git(&["rev-parse", "HEAD"]);
    let pair = ["pair", "--before", &plain, "--runs", "6", "--", "sh", "work.sh"];
    for (left, name) in [("(", "in its group"), ("setsid sh -c '", "in a session of its own")] {
        let end = if left == "(" { ")" } else { "'" };
        s.write("work.sh", format!("{left}{}{end} >/dev/null 2>&1 &\necho done\n", work("60000").replace('\'', "")));
        s.commit_as(name, &[]);
        let _ = s.run(&pair).says(&["leaves processes running"]);
    }
    s.write("work.sh", format!("{}echo done\n", work("50000"))).commit_as("plain", &[]);
    let _ = s.run(&pair).never_says(&["leaves processes"]);
}

#[test]
fn a_side_that_ends_at_once_and_shows_no_work_is_told() {
    let s = Sandbox::new();
    let all = [("quiet", "sh work.sh > out.txt"), ("errors", "sh work.sh >&2"), ("hidden", "sh work.sh || true")];
    let line = |(name, cmd): &(&str, &str)| format!("  - {{name: {name}, cmd: {}}}\n", Value::from(*cmd));
    s.config(&format!("version: 1\ntimings:\n{}", all.iter().map(line).collect::<String>()));
    s.write("work.sh", format!("{}echo done >&2\n", work("60000"))).commit_as("one", &[]);
    s.write("work.sh", "exit 0\n").commit_as("other", &[]);
    let told = s.run(&["pair", "--runs", "6"]).ok().says(&["printed nothing that shows that both did the same work"]);
    let _ = told.says(&["warning: quiet took ", "warning: errors took ", "warning: hidden took "]);
}

#[test]
fn a_side_that_does_no_work_is_not_faster_and_other_words_are_told() {
    let s = Sandbox::new();
    s.write("work.sh", format!("{}echo done $i\n", work(SLOW))).commit_as("one", &[]);
    s.write("work.sh", "echo no input >&2\n").commit_as("other", &[]);
    let idle = ["invalid", "printed nothing and ended at once"];
    let _ = s.run(&["pair", "--runs", "6", "--", "sh", "work.sh"]).exits(2).says(&idle);
    s.write("work.sh", format!("{}echo done\n", work(FAST))).commit_as("third", &[]);
    let other = ["improved", "warning: sh printed something else", "10 bytes before, 5 after"];
    let _ = s.run(&["pair", "--before", "HEAD~2", "--runs", "6", "--", "sh", "work.sh"]).ok().says(&other);
}

#[test]
fn what_a_bare_checkout_misses_is_told_at_the_baseline_and_may_be_added_before_the_first_pair() {
    let s = Sandbox::new();
    s.write(".gitignore", "deps\n")
        .write("deps/lib.sh", "true\n")
        .write("work.sh", format!(". ./deps/lib.sh\n{}", work(SLOW)));
    let timed =
        "timings: [{name: work, cmd: sh work.sh, runs: 3}]\npair: {enabled: true, max_pairs: 6, min_pairs: 6}\n";
    let config = CONFIG.replace("pair: {enabled: false}\n", timed);
    s.config(&config);
    let demands = ["--hypothesis", "h", "--kpi", "timing.work.wall <= -20%", "--guardrail", "size.src <= +1%"];
    s.start_with("x", &[&demands[..], &["--trigger", "timing.work.wall > +5%"]].concat());
    let told = s.on(&["snapshot", "--as", "before"]).ok();
    let _ = told.says(&[
        "timing work fails in a clean checkout",
        "deps/lib.sh",
        "under pair:",
        "share: [deps]",
        "prepare: COMMAND",
    ]);
    s.config(&config.replace("min_pairs: 6}", "min_pairs: 6, share: [deps]}"));
    s.write("work.sh", format!(". ./deps/lib.sh\n{}", work(FAST))).commit("fewer rounds").validate().after();
    let _ = s.on(&["compare", "--exit-code"]).ok();
    s.config(&config.replace("min_pairs: 6}", "min_pairs: 6, share: [deps, src]}"));
    let _ = s.on(&["compare"]).exits(1).says(&["pair.share"]);
    s.config(&config);
    let _ = s
        .run(&["pair", "--share", "deps", "--runs", "6", "--before", "HEAD~2", "--", "sh", "work.sh"])
        .says(&["timing.sh"]);
    let _ = s
        .run(&["pair", "--runs", "6", "--before", "HEAD~2", "--", "sh", "work.sh"])
        .says(&["--share PATH", "--prepare COMMAND"]);
}

#[cfg(unix)]
#[test]
fn a_shared_path_that_one_side_alters_gives_no_kpi() {
    let s = Sandbox::new();
    s.write(".gitignore", "data\n").write("data/v", "300\n").write("bench.sh", "cat data/v\n");
    let kpi = "kpis: [{name: ops, cmd: sh bench.sh, better: lower, runs: 3}]\nsize_paths: [src]\n";
    let pair = "pair: {share: [data], min_pairs: 6, max_pairs: 6}\nreview: {require_attestation: false}\n";
    s.config(&format!("version: 1\ncommands: {{test: git --version}}\n{kpi}{pair}"));
    s.start("x").contract().before();
    s.write("bench.sh", "echo 200\necho 400 > data/v\n").commit("less").validate().after();
    let _ = s.on(&["compare"]).says(&["invalid", "the runs alter", "data/v, which pair.share gives to both sides"]);
}

/// A change that makes a program faster, measured up to its state after; and its two commits.
fn faster() -> (Sandbox, [String; 2]) {
    let s = Sandbox::new();
    let program = |steps: u32| format!("i=0; while [ $i -lt {steps} ]; do i=$((i+1)); done; . ./more.sh\n");
    let config = "version: 1\ncommands: {test: \"exit 0\"}\ntimings: [{name: w, cmd: sh w.sh, runs: 2}]\nsize_paths: [src]\n\
                  review: {require_attestation: false}\n";
    s.config(config).write("w.sh", program(20_000)).write("more.sh", "true\n").commit_as("program", &[]);
    s.start("faster");
    let contract = ["--hypothesis", "less", "--kpi", "timing.w.cpu <= -10%", "--guardrail", "size.src <= +0%"];
    let _ = s.on(&[&["change", "contract", "--trigger", "timing.w.cpu > +10%"], &contract[..]].concat()).ok();
    s.before().write("w.sh", program(1000)).commit("faster").validate().after();
    let commit = |file: &str| s.json(s.evidence(file))["revision"]["commit"].as_str().unwrap().to_owned();
    let commits = [commit("before_snapshot.json"), commit("after_snapshot.json")];
    (s, commits)
}

/// Replaces the machine in a file of pairs by another one.
#[cfg(unix)]
fn elsewhere(file: &str) {
    let mut pair: serde_json::Value = serde_json::from_slice(&std::fs::read(file).unwrap()).unwrap();
    pair["machine"]["host_digest"] = "0".repeat(64).into();
    std::fs::write(file, pair.to_string()).unwrap();
}

#[cfg(unix)]
#[test]
fn pairs_of_two_machines_are_judged_together() {
    let (s, [before, after]) = faster();
    for file in ["a.json", "b.json"] {
        let out = s.outside().join(file).display().to_string();
        let _ = s.run(&["pair", "--before", &before, "--after", &after, "--runs", "6", "--json-out", &out]).ok();
    }
    let [a, b] = ["a.json", "b.json"].map(|file| s.outside().join(file).display().to_string());
    let _ = s.run(&["compare", "--machines", &a, &b]).troubled(&["is of the same machine as another file"]);
    elsewhere(&b);
    let _ = s.run(&["compare", "--machines", &a, &b]).ok().says(&["Measured on 2 machines", "improved"]);
    let _ = s.run(&["compare", "--machines", &a, &a]).troubled(&["holds a measurement that was given already"]);
    let _ = s.on(&["compare", "--machines", &a, &b, "--exit-code"]).ok().says(&["Measured on 2 machines"]);
    let pair = s.json(s.evidence("pair.json"));
    assert_eq!((pair["others"].as_array().unwrap().len(), &pair["change_id"]), (1, &s.id().into()));
    // The verdicts are reproduced from the files.
    let _ = s.run(&["check"]).ok();
    s.write("w.sh", "true\n").commit_as("more", &[]);
    let _ = s.run(&["pair", "--before", &before, "--runs", "6", "--json-out", &b]);
    elsewhere(&b);
    let _ = s.on(&["compare", "--machines", &a, &b]).troubled(&["measured other commits than the first file"]);
}

#[cfg(target_os = "linux")]
#[test]
fn an_endpoint_is_served_on_each_side_and_nothing_is_left_running() {
    let s = Sandbox::new();
    if s.command("python3").arg("--version").output().is_err() {
        return;
    }
    let server = |seconds: f64, body: &str| {
        format!(
            "import http.server, os, time\nclass H(http.server.BaseHTTPRequestHandler):\n    def log_message(self, *a): pass\n    \
             def do_GET(self):\n        time.sleep({seconds})\n        self.send_response(200)\n        \
             self.send_header('Content-Length', '{}')\n        self.end_headers()\n        self.wfile.write(b'{body}')\n\
             http.server.HTTPServer(('127.0.0.1', int(os.environ['PORT'])), H).serve_forever()\n",
            body.len()
        )
    };
    let pids = s.outside().join("pids");
    let config = |start: &str| {
        format!(
            "version: 1\nhttp_probes:\n  - {{name: api, url: \"http://api.example:1/x\", requests: 2, start: '{start}'}}\n"
        )
    };
    let start = format!("echo $$ >> \"{}\"; exec python3 serve.py", pids.display());
    s.config(&config(&start)).write("serve.py", server(0.001, "found")).commit_as("quick", &[]);
    s.write("serve.py", server(0.02, "found")).commit_as("slow", &[]);
    let _ = s.run(&["pair", "--runs", "6", "--json-out", "p.json"]).exits(1).says(&["http.api.latency", "regressed"]);
    assert_eq!(s.json("p.json")["kpis"][0]["http"], true);
    let answer = s.run(&["snapshot", "--label", "x", "--format", "json"]).ok().json();
    let probe = &answer["snapshot"]["http"][0];
    assert_eq!((&probe["ok"], &probe["url"]), (&true.into(), &"http://api.example:1/x".into()), "{probe:#}");
    let started = std::fs::read_to_string(&pids).unwrap();
    assert_eq!(started.lines().count(), 3);
    for pid in started.lines() {
        assert!(!std::path::Path::new("/proc").join(pid).exists(), "{pid} is left running");
    }
    s.write("serve.py", server(0.01, "")).commit_as("answers nothing", &[]);
    let _ = s.run(&["pair", "--runs", "6"]).says(&["api printed something else", "5 bytes before, 0 after"]);
    s.config(&config("echo no database >&2; exit 3"));
    let answer = s.run(&["snapshot", "--label", "y", "--format", "json"]).ok().json();
    let why = answer["snapshot"]["http"][0]["error"].as_str().unwrap();
    assert!(why.contains("ended before it answered at $PORT: no database"), "{why}");
    no_worktree_is_left(&s);
}

#[cfg(unix)]
#[test]
fn a_regression_names_the_functions_that_take_more_of_the_time_or_says_in_one_line_why_not() {
    let s = repository(FAST, SLOW);
    let asked = ["pair", "--runs", "6", "--json-out", "p.json", "--", "sh", "work.sh"];
    let told = s.run(&asked).exits(1);
    let unknown = "which functions became slower is not known";
    let grown = s.json("p.json")["commands"][0]["grown"].clone();
    let all = format!("{}{}", told.stdout, told.stderr);
    match grown.as_array() {
        Some(grown) => {
            let name = grown[0]["function"].as_str().unwrap();
            assert!(all.contains("a larger share of its time is spent in") && all.contains(name), "{told}");
        }
        None => assert!(all.contains(unknown), "{told}"),
    }
    std::fs::remove_file(s.path("p.json")).unwrap();
    // A directory with every needed program except perf.
    let bin = s.outside().join("bin");
    std::fs::create_dir(&bin).unwrap();
    for program in ["git", "sh"] {
        let path = std::env::var_os("PATH").unwrap();
        let found = std::env::split_paths(&path).map(|dir| dir.join(program)).find(|path| path.exists()).unwrap();
        std::os::unix::fs::symlink(found, bin.join(program)).unwrap();
    }
    let without = s.set("PATH", bin.to_str().unwrap()).run(&asked).exits(1);
    let all = format!("{}{}", without.stdout, without.stderr);
    let lines: Vec<&str> = all.lines().filter(|line| line.contains("perf") || line.contains(unknown)).collect();
    assert_eq!(lines, [format!("warning: sh: {unknown}: perf is not installed")], "{without}");
    let _ = s
        .run(&["pair", "--before", "HEAD", "--after", "HEAD~1", "--runs", "6", "--", "sh", "work.sh"])
        .never_says(&["perf"]);
}

#[test]
fn counts_of_instructions_decide_in_three_pairs() {
    let s = repository("300", "302");
    if s.command("valgrind").arg("--version").output().is_err() {
        return;
    }
    s.config("version: 1\ntimings: [{name: w, cmd: sh work.sh, runs: 3, instructions: cachegrind}]\n");
    let asked = ["pair", "--before", "HEAD~2", "--runs", "3", "--min-effect", "0.1%", "--format", "json"];
    let found = s.run(&asked).exits(3).json();
    let row = found["results"].as_array().unwrap().iter().find(|row| row["metric"] == "timing.w.instructions").unwrap();
    assert_eq!((&row["change"]["change"], &row["pairs"]), (&"regressed".into(), &3.into()), "{row:#}");
    let _ = s.run(&["pair", "--runs", "2"]).troubled(&["--runs 2", "fewer than 3"]);
}

#[cfg(unix)]
#[test]
fn a_day_is_measured_in_pairs_with_the_rebuilt_baseline() {
    let (s, _) = faster();
    for step in [&["compare"][..], &["change", "promote"], &["change", "rollout", "full"]] {
        let _ = s.on(step).ok();
    }
    let _ = s.run(&["monitor", "tick"]).ok();
    let day = s.json(s.evidence("day0_snapshot.json"));
    let pairs = &day["pair"]["commands"][0];
    assert!(pairs["name"] == "w" && pairs["pairs"].as_array().unwrap().len() >= 6, "{day:#}");
    assert!(s.read(s.evidence("day0.md")).contains("pairs"), "the report says how the day was judged");
    // Somebody else makes it slower than it ever was, which the day's pairs show.
    s.git(&["add", "-A"]);
    s.git(&["commit", "-qm", "evidence"]);
    s.write("more.sh", work("60000")).commit_as("other", &[]);
    s.later(chrono::Duration::hours(24));
    let _ = s.run(&["monitor", "tick"]).exits(1).says(&["alarm: trigger", "timing.w.cpu > +10%", "pairs"]);
    let _ = s.run(&["check"]).ok();
    no_worktree_is_left(&s);
}

#[cfg(unix)]
#[test]
fn bisect_finds_the_commit_that_made_it_slower_around_one_that_does_not_build() {
    let s = Sandbox::new();
    for number in 0..=8 {
        let build = if number == 4 { "exit 1\n" } else { "exit 0\n" };
        let rounds = if number >= 6 { SLOW } else { FAST };
        s.write("build.sh", build).write("work.sh", format!("# {number}\n{}", work(rounds)));
        s.commit_as(&format!("commit {number}"), &[]);
    }
    let asked = ["--prepare", "sh build.sh", "--runs", "20", "--", "sh", "work.sh"];
    let found = s.run(&[&["bisect", "--good", "HEAD~8"], &asked[..]].concat()).ok();
    let _ = found.says(&["commit 6", "made it slower", "with a probability of at most 0."]);
    let _ = s
        .run(&[&["bisect", "--good", "HEAD~8", "--bad", "HEAD~5", "--min-effect", "50%"], &asked[..]].concat())
        .exits(1)
        .says(&["is not slower"]);
    let same = ["bisect", "--good", "HEAD~8", "--bad", "HEAD~7", "--min-effect", "50%", "--format", "json"];
    let answer = s.run(&[&same[..], &asked[..]].concat()).exits(1).json();
    assert_eq!(answer["schema"], "vibeship_optimizer.bisect.v1", "{answer}");
    no_worktree_is_left(&s);
}

/// Measuring more continues the undecided comparison: its pairs count, and the error rate is not spent twice.
#[test]
fn an_undecided_comparison_is_continued_and_its_pairs_count() {
    let s = Sandbox::new();
    let noisy =
        "n=$(cat $HOME/n 2>/dev/null || echo 0); echo $((n+1)) > $HOME/n; echo $((100 + n * 7 % 11 - $(cat less)))";
    let kpis = format!("kpis:\n  - {{name: noise, cmd: '{noisy}', better: lower, runs: 2}}\n");
    let config = "version: 1\ncommands: {test: \"exit 0\"}\nsize_paths: [src]\npair: {min_pairs: 6, max_pairs: 6}\n";
    s.write("less", "0").config(&format!("{config}{kpis}review: {{require_attestation: false}}\n"));
    let contract = ["--hypothesis", "less", "--kpi", "kpi.noise <= -3%", "--guardrail", "size.src <= +1%"];
    s.start_with("less", &[&contract[..], &["--trigger", "kpi.noise > +50%"]].concat()).before();
    s.write("less", "3").commit("less").validate().after();
    let told = s.on(&["compare", "--exit-code"]).exits(3).says(&["measure on, to", "--pairs"]);
    assert!(told.stderr.find("measure on") < told.stderr.find("change reject"), "{told}");
    let first = s.json(s.evidence("pair.json"));
    let _ = s.on(&["compare", "--pairs", "6"]).troubled(&["that many are already measured", "--pairs 12"]);
    let _ = s.on(&["compare", "--pairs", "10"]).ok().says(&["in 2 sessions"]).never_says(&["This is comparison"]);
    let second = s.json(s.evidence("pair.json"));
    let pairs = |session: &Value| session["kpis"][0]["pairs"].as_array().unwrap().clone();
    assert_eq!((pairs(&first).len(), pairs(&second).len()), (6, 10));
    assert_eq!(pairs(&second)[..6], pairs(&first)[..]);
    assert_eq!(second["continues"], serde_json::json!([first["id"]]));
    let _ = s.run(&["check"]).ok();
}
