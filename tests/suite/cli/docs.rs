//! The documents are correct: their commands parse, their links lead somewhere, their tables are complete.

use std::fs;
use std::path::{Path, PathBuf};

use regex::Regex;
use serde_json::Value;

use crate::support::{Sandbox, variants};

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn read(path: impl AsRef<Path>) -> String {
    let path = root().join(path);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display())).replace("\r\n", "\n")
}

fn documents() -> Vec<PathBuf> {
    let docs = fs::read_dir(root().join("docs")).unwrap().map(|entry| entry.unwrap().path());
    let mut all: Vec<PathBuf> = docs.filter(|path| path.extension().is_some_and(|ext| ext == "md")).collect();
    all.push(root().join("README.md"));
    all
}

#[test]
fn every_command_in_the_documents_parses() {
    let s = Sandbox::new();
    let inline = Regex::new(r"`(vibeship-optimizer [^`\n]+)`").unwrap();
    let mut seen = 0;
    for path in documents() {
        // Continued lines are one command.
        let text = fs::read_to_string(&path).unwrap().replace("\\\n", "");
        let lines = text.lines().filter(|line| line.starts_with("vibeship-optimizer ")).map(str::to_owned);
        let inlines = inline.captures_iter(&text).map(|found| found[1].to_owned());
        for command in lines.chain(inlines) {
            let words = shlex::split(&command).unwrap_or_else(|| panic!("{command} in {}", path.display()));
            let before_own_command = words.iter().position(|word| word == "--").unwrap_or(words.len());
            let mut arguments: Vec<&str> = words[1..before_own_command].iter().map(String::as_str).collect();
            // Help is printed only after everything before it was parsed.
            arguments.push("--help");
            let output = s.run(&arguments);
            assert_eq!(output.code, 0, "{} has a command that does not parse: {output}", path.display());
            seen += 1;
        }
    }
    assert!(seen > 20, "only {seen} commands were found");
}

#[test]
fn every_link_in_the_documents_leads_somewhere() {
    let link = Regex::new(r"\]\(([^)\s]+)\)").unwrap();
    for path in documents() {
        let text = fs::read_to_string(&path).unwrap();
        for found in link.captures_iter(&text) {
            let (file, anchor) = found[1].split_once('#').unwrap_or((&found[1], ""));
            if file.contains("://") {
                continue;
            }
            let target = if file.is_empty() { path.clone() } else { path.parent().unwrap().join(file) };
            assert!(target.exists(), "{}: {file} does not exist", path.display());
            let there = fs::read_to_string(&target).unwrap_or_default();
            let slug = |line: &str| {
                let kept = line.trim_start_matches('#').trim().to_lowercase();
                kept.chars()
                    .filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'))
                    .collect::<String>()
                    .replace(' ', "-")
            };
            let leads = anchor.is_empty() || there.lines().any(|line| line.starts_with('#') && slug(line) == anchor);
            assert!(leads, "{}: {file} has no heading #{anchor}", path.display());
        }
    }
}

#[test]
fn the_page_on_gates_has_every_gate_class_and_refusal() {
    let page = read("docs/gates.md");
    for (number, gate) in variants("src/model/gate.rs", "Gate").iter().enumerate() {
        assert!(page.contains(&format!("| {number} | {gate} | ")), "{gate}");
    }
    for code in variants("src/workflow/reason.rs", "Reason") {
        assert!(page.contains(&format!("| `{code}` | ")), "{code}");
    }
    for class in variants("src/model/gate.rs", "Class") {
        assert!(page.contains(&format!("| `{class}` | ")), "{class}");
    }
}

#[test]
fn the_book_is_whole_and_the_readme_lists_it() {
    let list = read("README.md").split_once("## Read on").unwrap().1.to_owned();
    for path in documents().iter().filter(|path| !path.ends_with("README.md")) {
        let name = path.file_name().unwrap().to_str().unwrap();
        assert_eq!(list.matches(&format!("(docs/{name})")).count(), 1, "{name} in README.md");
        assert!(fs::read_to_string(path).unwrap().starts_with("# "), "{name} has a title");
    }
}

#[test]
fn the_page_for_agents_has_every_next_step() {
    let page = read("docs/agents.md");
    for step in variants("src/workflow/next.rs", "Step") {
        assert!(page.contains(&format!("| `{step}` | ")), "{step}");
    }
    let shown = page.split_once("```json\n").unwrap().1.split_once("```").unwrap().0;
    let s = Sandbox::new();
    s.start("faster cache").contract().before();
    let shown = serde_json::from_str(&shown.replace("chg-20260301-090000-faster-cache", &s.id())).unwrap();
    let answer = s.run(&["status", "--format", "json"]).ok().json();
    assert!(holds(&answer, &shown), "{shown:#} is not in {answer:#}");
}

/// Whether the answer contains everything that is shown; it may have more fields.
fn holds(answer: &Value, shown: &Value) -> bool {
    match (answer, shown) {
        (Value::Object(answer), Value::Object(shown)) => {
            shown.iter().all(|(key, value)| answer.get(key).is_some_and(|answer| holds(answer, value)))
        }
        (Value::Array(answer), Value::Array(shown)) => {
            answer.len() == shown.len() && answer.iter().zip(shown).all(|(answer, shown)| holds(answer, shown))
        }
        (answer, shown) => answer == shown,
    }
}

#[cfg(unix)]
#[test]
fn the_page_on_the_first_change_runs_as_it_stands() {
    let page = read("docs/first-change.md");
    let blocks: Vec<&str> = page.split("\n```sh\n").skip(1).map(|rest| rest.split_once("\n```\n").unwrap().0).collect();
    let s = Sandbox::without_git();
    s.go_to(s.outside().join("first"));
    let program = Path::new(env!("CARGO_BIN_EXE_vibeship-optimizer")).parent().unwrap();
    let mut command = s.command("sh");
    command.arg("-ec").arg(blocks.join("\n"));
    command.env("PATH", format!("{}:{}", program.display(), std::env::var("PATH").unwrap()));
    let output = command.output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
    assert!(said.contains("next: vibeship-optimizer change promote"), "{said}");
}

#[test]
fn the_page_on_files_has_every_event_and_field() {
    let page = read("docs/format.md");
    for kind in variants("src/model/event.rs", "Kind") {
        assert!(page.contains(&format!("`{kind}`")), "event {kind}");
    }
    let source = read("src/model/snapshot.rs");
    let body = source.split_once("pub struct Snapshot {").unwrap().1.split_once("\n}").unwrap().0;
    for field in Regex::new(r"(?m)^    pub (\w+):").unwrap().captures_iter(body) {
        assert!(&field[1] == "schema" || page.contains(&format!("`{}`", &field[1])), "field {}", &field[1]);
    }
}

#[test]
fn the_map_of_the_source_is_the_tree() {
    let page = read("docs/architecture.md");
    let paths = Regex::new(r"`((?:src|tests)/[\w./]*)`").unwrap();
    for found in paths.captures_iter(&page) {
        assert!(root().join(&found[1]).exists(), "{} does not exist", &found[1]);
    }
    for entry in fs::read_dir(root().join("src")).unwrap() {
        let entry = entry.unwrap();
        let name = entry.file_name().into_string().unwrap();
        let shown = if entry.path().is_dir() { format!("`src/{name}/`") } else { format!("`src/{name}`") };
        assert!(name == "lib.rs" || page.contains(&shown), "{shown} is not on the map");
    }
}

#[test]
fn the_page_on_performance_has_every_job_that_is_timed() {
    let (page, bench) = (read("docs/performance.md"), read("examples/bench.rs"));
    let jobs = bench.split_once("const JOBS: &str = \"\\\n").unwrap().1.split_once("\n\";").unwrap().0;
    for job in jobs.lines() {
        let name = job.split(" | ").next().unwrap();
        assert!(page.contains(&format!("| {name} | ")), "{name} is not in the table");
    }
}

#[test]
fn documents_have_no_word_of_where_they_were_made() {
    for path in documents() {
        let text = fs::read_to_string(&path).unwrap();
        for word in ["TODO", "FIXME", "/root/", "/work/"] {
            assert!(!text.contains(word), "{} has {word}", path.display());
        }
    }
}

#[test]
fn the_help_that_is_kept_as_text_is_that_of_the_command_line() {
    let s = Sandbox::new();
    let kept = s.run(&["--help"]).ok().stdout;
    s.set("COLUMNS", "100");
    let made = s.run(&["--help"]).ok().stdout;
    assert_eq!(kept, made, "`COLUMNS=100 vibeship-optimizer --help >src/commands/help.txt` writes it anew");
}
