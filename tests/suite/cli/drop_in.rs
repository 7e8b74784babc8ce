//! Smaller commands of the Python tool: analyze, doctor, preflight, llm, openclaw.

use serde_json::json;

use crate::support::{CONFIG, Sandbox};

#[test]
fn reports_are_written_where_they_are_asked_for() {
    let sandbox = Sandbox::new();
    let analysis = sandbox.run(&["analyze"]).ok().json();
    assert_eq!(analysis["schema"], "vibeship_optimizer.analyze.v1");
    let wrote = sandbox.run(&["analyze", "--out", "a.json"]).ok().json();
    assert_eq!((&wrote["wrote"], &sandbox.json("a.json")["schema"]), (&json!("a.json"), &analysis["schema"]));
    let wrote = sandbox.run(&["preflight", "--out", "p.json"]).ok().json();
    assert_eq!(wrote["wrote"], "p.json");
    assert!(["info", "warn", "fail"].contains(&wrote["worst_level"].as_str().unwrap()));
    let found = sandbox.json("p.json");
    assert_eq!(found["finding_count"].as_u64().unwrap() as usize, found["findings"].as_array().unwrap().len());
    for command in ["analyze", "preflight"] {
        assert_eq!(sandbox.run(&[command, "--out", "vibeship_optimizer.yml"]).code, 2, "never over the config");
    }
    assert_eq!(sandbox.run(&["preflight", "--change-id", "chg-nobody"]).code, 2);
}

#[test]
fn preflight_names_what_a_bare_project_lacks_and_reviews_that_do_not_count() {
    let codes = |s: &Sandbox| -> Vec<String> {
        let found = s.run(&["preflight"]).ok().json()["findings"].clone();
        found.as_array().unwrap().iter().map(|it| it["code"].as_str().unwrap().to_owned()).collect()
    };
    let bare = Sandbox::without_git();
    let rest = ["TIMINGS_EMPTY", "SIZE_PATHS_EMPTY", "HTTP_PROBES_EMPTY", "NO_SNAPSHOTS"];
    assert_eq!(codes(&bare), [&["CONFIG_MISSING", "GIT_NOT_FOUND"], &rest[..]].concat());
    let empty = Sandbox::without_git();
    std::fs::remove_dir_all(empty.path("src")).unwrap();
    let _ = empty.run(&["preflight", "--format", "text"]).says(&["- PATH"]).never_says(&["- src"]);
    bare.git(&["init", "-q"]);
    assert_eq!(codes(&bare), [&["CONFIG_MISSING", "GIT_NO_COMMIT"], &rest[..]].concat());
    let s = Sandbox::new();
    s.config_plus("timings: [{name: tests}]\n").write("src/__pycache__/x.pyc", "1").commit_as("Build output", &[]);
    assert_eq!(codes(&s)[..2], ["TIMINGS_NO_CMDS", "BLOAT_DIR_PRESENT"]);
    let s = Sandbox::new();
    s.start("halve it").contract().before().improve(50.0).validate().after().compare();
    let of_review = |s: &Sandbox| codes(s).into_iter().filter(|code| code.starts_with("REVIEW")).collect::<Vec<_>>();
    assert_eq!(of_review(&s), ["REVIEW_ATTESTATION_RECOMMENDED"]);
    let review = |wanted: &str| s.write("vibeship_optimizer.yml", CONFIG.replace("require_attestation: false", wanted));
    review("require_attestation: true");
    assert_eq!(of_review(&s), ["REVIEW_ATTESTATION_MISSING"]);
    assert_eq!(s.run(&["preflight"]).json()["worst_level"], "warn", "nothing that is measured rests on a review");
    let _ = s.on(&["review", "attest", "--tool", "codex", "--reviewer", "Bob"]).ok();
    assert_eq!(of_review(&s), [""; 0]);
    review("enforce_recommended_modes: true, allowed_modes: {codex: [xhigh]}");
    assert_eq!(of_review(&s), ["REVIEW_MODE_NOT_ALLOWED"]);
}

#[test]
fn the_doctor_finds_what_is_missing_and_puts_it_right() {
    let sandbox = Sandbox::new();
    sandbox.start("halve it");
    sandbox.write("VIBESHIP_OPTIMIZER.md", "# Mine\n");
    std::fs::remove_file(sandbox.path(".vibeship-optimizer/.gitignore")).unwrap();
    let files = sandbox.files();
    let found = sandbox.run(&["doctor"]).exits(1).json();
    let codes: Vec<&str> = found["actions"].as_array().unwrap().iter().map(|it| it["code"].as_str().unwrap()).collect();
    assert_eq!(codes, ["STATE_GITIGNORE", "LOGBOOK_RENDER"]);
    assert!(found["measures"].as_array().unwrap().iter().any(|it| it["metric"] == "kpi.ops"), "{found}");
    assert_eq!(sandbox.files(), files, "without --apply nothing is written");
    let done = sandbox.run(&["doctor", "--apply"]).ok().json();
    assert_eq!(done["actions"][0]["changed"], true);
    let logbook = sandbox.read("VIBESHIP_OPTIMIZER.md");
    assert!(logbook.starts_with("# Mine\n") && logbook.contains(&sandbox.id()), "{logbook}");
    assert_eq!(sandbox.run(&["doctor"]).ok().json()["actions"], json!([]));
}

#[test]
fn the_doctor_sets_a_project_up() {
    let sandbox = Sandbox::without_git();
    let found = sandbox.run(&["doctor"]).exits(1).json();
    assert_eq!(found["actions"][0]["code"], "INIT");
    let _ = sandbox.run(&["doctor", "--apply"]).ok();
    assert!(sandbox.path(".vibeship-optimizer/config.yml").exists());
}

#[test]
fn a_bundle_for_a_model_holds_no_value_of_the_config() {
    let sandbox = Sandbox::new();
    sandbox
        .config_plus("http_probes: [{name: api, url: \"http://127.0.0.1:9/?api_key=abcdef123456\", timeout_s: 1}]\n");
    sandbox.start("halve it").contract();
    let prompt = sandbox.run(&["llm", "prompt", "--format", "text"]).ok().stdout;
    assert!(prompt.contains("vibeship-optimizer compare\n"), "{prompt}");
    let bundle = sandbox.on(&["llm", "bundle", "--format", "json"]).ok();
    assert!(!bundle.stdout.contains("abcdef123456") && !bundle.stdout.contains("exit 0"), "{bundle}");
    let bundle = bundle.json();
    assert_eq!(bundle["change"]["change_id"], sandbox.id());
    assert_eq!(bundle["config"]["kpis"], json!(["ops"]));
    let _ = sandbox.run(&["llm", "bundle", "--format", "md", "--out", "bundle.md"]).ok();
    assert!(sandbox.read("bundle.md").starts_with("# What is known of this project"));
}

#[test]
fn an_agent_s_job_is_shown_and_added_without_a_shell() {
    let sandbox = Sandbox::new();
    let shown = sandbox.run(&["openclaw", "cron-setup", "--name", "it's $(mine)", "--no-deliver"]).ok().json();
    assert_eq!(shown["spec"]["schedule"]["expr"], "0 7 * * *");
    let command = shown["command"].as_str().unwrap();
    assert!(command.starts_with("openclaw cron add --name ") && command.ends_with("--no-deliver"), "{command}");
    let beside = sandbox.run(&["openclaw", "cron-setup", "--project-root", "src/.."]).ok().json();
    assert_eq!(beside["spec"]["project_root"], shown["spec"]["project_root"]);
    let missing = sandbox.set("PATH", "").run(&["openclaw", "cron-setup", "--apply"]).exits(2);
    assert!(missing.stderr.contains("on PATH"), "{missing}");
}

#[test]
#[cfg(unix)]
fn the_job_is_added_with_its_arguments_as_they_are() {
    use std::os::unix::fs::PermissionsExt as _;
    let sandbox = Sandbox::new();
    let script = sandbox.outside().join("bin/openclaw");
    std::fs::create_dir_all(script.parent().unwrap()).unwrap();
    std::fs::write(&script, "#!/bin/sh\nprintf '%s\\n' \"$@\" > \"$HOME/argv\"\n").unwrap();
    std::fs::set_permissions(&script, std::fs::Permissions::from_mode(0o755)).unwrap();
    let path = format!("{}:{}", script.parent().unwrap().display(), std::env::var("PATH").unwrap());
    let _ = sandbox.set("PATH", &path).run(&["openclaw", "cron-setup", "--name", "a; $(touch pwned)", "--apply"]).ok();
    let argv = std::fs::read_to_string(sandbox.outside().join("home/argv")).unwrap();
    assert!(argv.starts_with("cron\nadd\n--name\na; $(touch pwned)\n"), "{argv}");
    assert!(!sandbox.path("pwned").exists());
}

#[test]
fn the_examples_for_timers_run_commands_that_exist() {
    let examples = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("examples");
    let sandbox = Sandbox::new();
    for file in ["systemd/vibeship-optimizer@.service", "cron/vibeship-optimizer.cron", "github-action/monitor.yml"] {
        let text = std::fs::read_to_string(examples.join(file)).unwrap();
        let line = text.lines().find(|line| line.contains("vibeship-optimizer autopilot")).unwrap();
        let (_, rest) = line.split_once("vibeship-optimizer autopilot").unwrap();
        let rest = rest.split(['|', '>']).next().unwrap();
        let words: Vec<&str> = std::iter::once("autopilot").chain(rest.split_whitespace()).collect();
        assert_eq!(sandbox.run(&words).ok().json()["schema"], "vibeship_optimizer.autopilot_tick.v1", "{file}");
    }
    let timer = std::fs::read_to_string(examples.join("systemd/vibeship-optimizer@.timer")).unwrap();
    assert!(timer.contains("OnCalendar=*-*-* 07:00:00 UTC") && timer.contains("Persistent=true"));
}

#[test]
fn build_output_that_git_ignores_is_no_finding() {
    let s = Sandbox::new();
    let found = |s: &Sandbox| s.run(&["preflight", "--format", "text"]).stdout.contains("BLOAT_DIR_PRESENT");
    s.write("node_modules/x.js", "1");
    assert!(found(&s));
    s.write(".gitignore", "node_modules/\n").commit_as("Ignore it", &[]);
    assert!(!found(&s));
}
