//! The interface for programs: the status that an agent works by, and every JSON output with its published schema.

use std::fs;
use std::path::Path;

use serde_json::Value;

use crate::support::Sandbox;
use crate::support::schema::{fits, misfit};

fn yaml(text: &str) -> Value {
    serde_saphyr::from_str(text).unwrap()
}

#[test]
fn every_config_that_is_shipped_fits_its_schema_and_a_slip_does_not() {
    let s = Sandbox::without_git();
    let _ = s.run(&["init", "--no-prompt"]).ok();
    let written = s.read(".vibeship-optimizer/config.yml");
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let shipped =
        ["rust", "python", "node"].map(|name| root.join(format!("examples/projects/{name}/vibeship_optimizer.yml")));
    for text in shipped.map(|path| fs::read_to_string(path).unwrap()).iter().chain([&written]) {
        let (line, _) = text.split_once('\n').unwrap();
        let schema = line.strip_prefix("# yaml-language-server: $schema=").unwrap_or_else(|| panic!("{line}"));
        assert!(
            schema.ends_with("config.schema.json") || root.join("examples/projects/rust").join(schema).is_file(),
            "{line}"
        );
        fits("config", &yaml(text));
    }
    let beside = s.read(".vibeship-optimizer/config.schema.json");
    assert_eq!(beside, fs::read_to_string(root.join("docs/schemas/config.json")).unwrap());
    fits(
        "config",
        &yaml("timings:\ncommands: {test: make test}\npair: {min_effect: 2%}\nenforcement: {require: promoted}"),
    );
    // What the schema does not accept, the program also refuses or reports as having no effect.
    for slip in [
        "timigs: []",
        "timings: [{name: t, cmd: x, runs: often}]",
        "timings: [{name: t, cmd: x, runs: 0}]",
        "timings: [{cmd: x}]",
        "kpis: [{name: k, file: f, better: up}]",
        "kpis: [{name: k, file: f}]",
        "http_probes: [{name: h}]",
        "commands: {timeout_s: 0}",
        "pair: {max_pairs: 100000000}",
        "enforcement: {max_emergency_days: 200, exempt: [{paths: [a]}]}",
        "budget: [{metric: size.src, since: v1}]",
        "version: 2",
    ] {
        assert!(misfit("config", &yaml(slip)).is_err(), "{slip}");
        let said = s.write(".vibeship-optimizer/config.yml", slip).run(&["doctor"]);
        assert!(said.code == 2 || said.stderr.contains("has no effect"), "{slip}: {said}");
    }
}

/// Replaces the placeholders of commands by a person's words.
#[cfg(unix)]
fn said(command: &str) -> String {
    let words = [
        ("WHAT SHOULD IMPROVE, AND WHY", "half the operations, for the table is built once"),
        ("SHORT HYPOTHESIS", "halve it"),
        ("WHAT CHANGED", "tune"),
        ("WHAT WAS OBSERVED", "half the operations on each day"),
        ("\"NAME\"", "Grace"),
    ];
    words.iter().fold(command.to_owned(), |text, (from, to)| text.replace(from, to))
}

#[cfg(unix)]
#[test]
fn an_agent_walks_a_change_from_its_start_to_its_end_by_the_status_alone() {
    let s = Sandbox::new();
    s.config(&crate::support::CONFIG.replace("review: {require_attestation: false}\n", ""));
    let bin = Path::new(env!("CARGO_BIN_EXE_vibeship-optimizer")).parent().unwrap().display().to_string();
    s.set("PATH", &format!("{bin}:{}", std::env::var("PATH").unwrap()));
    let mut steps: Vec<String> = Vec::new();
    let mut now: chrono::DateTime<chrono::Utc> = "2026-03-02T09:00:00Z".parse().unwrap();
    loop {
        let status = s.run(&["status", "--format", "json"]).ok();
        let answer = status.json();
        fits("status", &answer);
        let step = answer["active"]["next"]["step"].as_str().unwrap_or("start").to_owned();
        if steps.last().is_some_and(|last| last == "verify") {
            assert_eq!((step.as_str(), answer["open"].as_array().unwrap().len()), ("start", 0), "{status}");
            break;
        }
        assert!(steps.len() < 30, "{steps:?}");
        steps.push(step.clone());
        if let Some(until) = answer["active"]["next"]["until"].as_str() {
            let until: chrono::DateTime<chrono::Utc> = until.parse().unwrap();
            s.later(until - now);
            now = until;
            continue;
        }
        if step == "validate" {
            s.tune(50.0);
        }
        let commands = answer["commands"].as_array().unwrap();
        for command in commands.iter().take_while(|it| it["how"] != "or") {
            let line = said(command["command"].as_str().unwrap());
            let output = s.command("sh").args(["-ec", &line]).output().unwrap();
            assert!(output.status.success(), "{step}: {line}: {}", String::from_utf8_lossy(&output.stderr));
        }
    }
    for step in [
        "start", "contract", "baseline", "validate", "after", "compare", "promote", "rollout", "tick", "wait", "attest",
    ] {
        assert!(steps.iter().any(|taken| taken == step), "{step} is not in {steps:?}");
    }
    let record = fs::read_dir(s.path(".vibeship-optimizer/changes")).unwrap().next().unwrap().unwrap().path();
    fits("record", &serde_json::from_str(&fs::read_to_string(record).unwrap()).unwrap());
}

#[test]
fn json_in_files_and_answers_fits_its_schema() {
    let s = Sandbox::new();
    s.config_plus(
        "timings: [{name: t, cmd: \"exit 0\", runs: 2}]\nhttp_probes: [{url: \"http://127.0.0.1:9/x\", requests: 1}]\nvalidation: {smoke: false}\n",
    );
    s.compared("halve it");
    for role in ["before", "after"] {
        fits("snapshot", &s.json(s.evidence(&format!("{role}_snapshot.json"))));
    }
    fits("compare", &s.json(s.evidence("compare.json")));
    fits("compare", &s.on(&["compare", "--format", "json"]).json());
    let alone = s.run(&["snapshot", "--label", "alone"]).ok().stdout;
    fits("snapshot", &s.json(alone.trim()));
    let _ = s.on(&["change", "reject", "--reason", "it was a trial"]).ok();
    fits("record", &s.json(s.record()));
    let status = s.run(&["status", "--format", "json"]).json();
    fits("status", &status);
    let first = &status["commands"][0];
    let takes_out = first["command"].as_str().is_some_and(|it| it.contains("change rollback"));
    assert!(takes_out && first["how"] == "next", "the commit is taken out first: {status:#}");
    s.write("src/main.txt", "other\n").commit_as("without a change", &[]);
    let check = s.run(&["check", "--range", "HEAD~2..HEAD", "--format", "json"]).exits(1).json();
    assert!(check["findings"].as_array().is_some_and(|found| found.len() > 1), "{check:#}");
    fits("check", &check);
    let _ = s.run(&["pair", "--runs", "6", "--json-out", "pair.json", "--", "exit 0"]);
    fits("pair", &s.json("pair.json"));
}
