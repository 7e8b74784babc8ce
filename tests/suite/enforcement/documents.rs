//! Checks docs and examples: every code and every table row exists, and every example works.

use std::collections::BTreeSet;
use std::path::Path;

use crate::support::Sandbox;

const DOCUMENT: &str = include_str!("../../../docs/enforcement.md");

fn words_in_backticks(line: &str) -> impl Iterator<Item = &str> {
    line.split('`').skip(1).step_by(2)
}

#[test]
fn every_row_of_the_hook_table_is_a_test_and_every_test_a_row() {
    let source = include_str!("table.rs");
    let tests: BTreeSet<&str> =
        source.split("#[test]\nfn ").skip(1).map(|rest| rest.split_once('(').unwrap().0).collect();
    let section = DOCUMENT.split_once("## What the hooks see").unwrap().1.split_once("\n## ").unwrap().0;
    let rows: BTreeSet<&str> = section
        .lines()
        .filter(|line| line.starts_with("| "))
        .filter_map(|line| words_in_backticks(line).last())
        .collect();
    assert_eq!(rows, tests);
}

#[test]
fn every_code_is_documented_and_every_documented_code_exists() {
    let source = include_str!("../../../src/audit/finding.rs");
    let body = source.split_once("enum FindingKind {").unwrap().1.split_once("\n}\n").unwrap().0;
    let variants =
        body.lines().filter_map(|line| line.strip_prefix("    ")).filter(|line| line.starts_with(char::is_uppercase));
    let codes: BTreeSet<String> =
        variants.filter_map(|line| Some(upper_snake(line.split([' ', ',']).next()?))).collect();
    let section = DOCUMENT.split_once("| code | level |").unwrap().1.split_once("\n\n").unwrap().0;
    let documented: BTreeSet<String> =
        section.lines().skip(2).filter_map(|line| Some(line.split('|').nth(1)?.trim().to_owned())).collect();
    assert_eq!(documented, codes);
}

fn upper_snake(name: &str) -> String {
    let mut out = String::new();
    for c in name.chars() {
        if c.is_uppercase() && !out.is_empty() {
            out.push('_');
        }
        out.extend(c.to_uppercase());
    }
    out
}

#[test]
fn documents_link_to_files_that_exist() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs");
    for target in DOCUMENT.split("](").skip(1).filter_map(|rest| rest.split_once(')')).map(|(target, _)| target) {
        assert!(target.starts_with("http") || root.join(target).exists(), "{target}");
    }
}

/// Installs a hook with the shell lines of an example, with the program on the path.
fn with_example(sandbox: &Sandbox, hook: &str, lines: &str) {
    let dir = sandbox.root().join(".git/hooks");
    std::fs::create_dir_all(&dir).unwrap();
    let program = Path::new(env!("CARGO_BIN_EXE_vibeship-optimizer")).parent().unwrap();
    let text = format!("#!/bin/sh -e\nPATH=\"{}:$PATH\"\n{lines}\n", program.display());
    let path = dir.join(hook);
    std::fs::write(&path, text).unwrap();
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
    }
}

fn holds_commits(sandbox: &Sandbox) {
    sandbox.write("src/steps.txt", "80\n");
    sandbox.try_git(&["commit", "-qam", "Fewer steps"]).exits(1).says(&["the commit names no change"]);
    sandbox.git(&["checkout", "-q", "--", "src"]);
    sandbox.git(&["reset", "-q", "--hard"]);
    let id = sandbox.ready("fewer steps");
    sandbox.improve_steps();
    sandbox.git(&["commit", "-qm", "Fewer steps"]);
    assert_eq!(sandbox.ids("HEAD"), [id]);
    let status = sandbox.run(&["hooks", "status"]).ok();
    assert!(
        status.stdout.contains("commit-msg: another program's hook that calls ours; git runs it"),
        "{}",
        status.stdout
    );
}

#[test]
fn the_husky_example_holds_commits() {
    let sandbox = Sandbox::enforced();
    let examples = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/husky");
    for hook in ["prepare-commit-msg", "commit-msg", "pre-push"] {
        with_example(&sandbox, hook, &std::fs::read_to_string(examples.join(hook)).unwrap());
    }
    holds_commits(&sandbox);
}

#[test]
fn the_lefthook_example_holds_commits() {
    let sandbox = Sandbox::enforced();
    let text = include_str!("../../../examples/lefthook.yml");
    for hook in ["prepare-commit-msg", "commit-msg", "pre-push"] {
        let section = text.split_once(&format!("\n{hook}:\n")).unwrap().1;
        let run = section.lines().find_map(|line| line.trim().strip_prefix("run: ")).unwrap();
        // The replacements that lefthook makes in its templates.
        with_example(&sandbox, hook, &run.replace("{0}", "\"$@\"").replace("\"{1}\"", "\"$1\""));
    }
    holds_commits(&sandbox);
}

#[test]
fn the_pre_commit_entries_hold_commits_with_the_arguments_that_framework_gives() {
    let sandbox = Sandbox::enforced();
    let text = include_str!("../../../.pre-commit-hooks.yaml");
    for hook in ["prepare-commit-msg", "commit-msg", "pre-push"] {
        let section = text.split_once(&format!("\n- id: vibeship-optimizer-{hook}\n")).unwrap().1;
        let entry = section.lines().find_map(|line| line.trim().strip_prefix("entry: ")).unwrap();
        let call = match hook {
            "prepare-commit-msg" => format!("PRE_COMMIT_COMMIT_MSG_SOURCE=\"$2\" {entry} \"$1\""),
            "commit-msg" => format!("{entry} \"$1\""),
            _ => format!(
                "read l s r o || true\nexport PRE_COMMIT_TO_REF=\"$s\" PRE_COMMIT_FROM_REF=\"$o\" PRE_COMMIT_REMOTE_BRANCH=\"$r\"\n{entry} < /dev/null"
            ),
        };
        with_example(&sandbox, hook, &call);
    }
    let remote = sandbox.home().join("remote.git");
    sandbox.git(&["init", "-q", "--bare", remote.to_str().unwrap()]);
    sandbox.git(&["push", "-q", remote.to_str().unwrap(), "main"]);
    sandbox.improve_steps();
    sandbox.git(&["commit", "-qnm", "Fewer steps"]);
    sandbox.try_git(&["push", "-q", remote.to_str().unwrap(), "main"]).exits(1).says(&["COMMIT_WITHOUT_ID"]);
    sandbox.git(&["reset", "-q", "--hard", "HEAD^"]);
    holds_commits(&sandbox);
}

#[test]
fn the_ci_examples_run_the_check_as_it_is() {
    for text in [
        include_str!("../../../examples/github-action/plain.yml"),
        include_str!("../../../examples/gitlab-ci/check.yml"),
    ] {
        let line = text.lines().find(|line| line.contains("vibeship-optimizer check")).unwrap();
        let words = line.split_once("vibeship-optimizer ").unwrap().1.split(" > ").next().unwrap();
        let sandbox = Sandbox::enforced();
        let base = sandbox.head();
        sandbox.improve_steps();
        sandbox.git(&["commit", "-qm", "Fewer steps"]);
        let words = words.replace("$BASE", &base).replace("$CI_MERGE_REQUEST_DIFF_BASE_SHA", &base);
        let words = words.replace("$HEAD", "HEAD").replace("$CI_COMMIT_SHA", "HEAD").replace('"', "");
        let words: Vec<&str> = words.split_whitespace().collect();
        sandbox.run(&words).exits(1).says(&["COMMIT_WITHOUT_ID"]);
    }
}
