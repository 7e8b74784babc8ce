//! `doctor` proves that git runs the hooks: each way in which hooks can fail to run is reported with its fix.

use std::path::Path;

use crate::support::{CommandOutput, Sandbox};

/// What `doctor` reports on the hooks: exit code, codes of the actions, codes of the notes, and the whole output.
fn doctor_in(sandbox: &Sandbox, dir: &Path, more: &[&str]) -> (i32, Vec<String>, Vec<String>, String) {
    let CommandOutput { code, stdout: out, stderr: err, .. } =
        sandbox.run_in(dir, &[&["doctor", "--format", "json"], more].concat());
    let value: serde_json::Value = serde_json::from_str(&out).unwrap_or_else(|_| panic!("{out}{err}"));
    let codes = |key: &str| -> Vec<String> {
        let list = value[key].as_array().unwrap().iter().map(|it| it["code"].as_str().unwrap().to_owned());
        list.filter(|code| code.starts_with("HOOKS")).collect()
    };
    (code, codes("actions"), codes("warnings"), out)
}

fn doctor(sandbox: &Sandbox) -> (i32, Vec<String>, Vec<String>, String) {
    doctor_in(sandbox, sandbox.root(), &[])
}

/// Checks that the hooks do not run, that `doctor` says so with these words, and that a commit without a change passes.
#[track_caller]
fn is_silent(sandbox: &Sandbox, words: &[&str]) {
    let (code, actions, _, out) = doctor(sandbox);
    assert_eq!((code, actions.as_slice()), (1, ["HOOKS_SILENT".to_owned()].as_slice()), "{out}");
    for word in words {
        assert!(out.contains(word), "no {word:?} in {out}");
    }
    assert_eq!(sandbox.run(&["hooks", "status"]).code, 1);
    sandbox.write("src/steps.txt", "81\n");
    sandbox.git(&["commit", "-qam", "Unseen"]);
    sandbox.git(&["reset", "-q", "--hard", "HEAD^"]);
}

/// Checks that `doctor --apply` repairs the hooks.
#[track_caller]
fn is_repaired_by_applying(sandbox: &Sandbox) {
    let (code, _, _, out) = doctor_in(sandbox, sandbox.root(), &["--apply"]);
    assert_eq!(code, 0, "{out}");
    holds(sandbox);
}

#[track_caller]
fn holds(sandbox: &Sandbox) {
    let (code, actions, warnings, out) = doctor(sandbox);
    assert_eq!((code, actions.len(), warnings.len()), (0, 0, 0), "{out}");
    sandbox.write("src/steps.txt", "82\n");
    sandbox.try_git(&["commit", "-qam", "Seen"]).exits(1).says(&["the commit names no change"]);
    sandbox.git(&["checkout", "-q", "--", "src"]);
}

#[cfg(unix)]
fn mode(path: &Path, mode: u32) {
    use std::os::unix::fs::PermissionsExt as _;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
}

fn hook_file(path: &Path, text: &str) {
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(path, text).unwrap();
    #[cfg(unix)]
    mode(path, 0o755);
}

#[test]
fn missing_hooks_are_a_note_and_a_problem_if_the_config_requires_them() {
    let sandbox = Sandbox::enforced();
    let (code, actions, warnings, out) = doctor(&sandbox);
    assert_eq!((code, actions.len(), warnings), (0, 0, vec!["HOOKS_MISSING".to_owned()]), "{out}");
    assert!(out.contains("vibeship-optimizer hooks install"), "{out}");
    let (_, _, warnings, _) = doctor_in(&sandbox, sandbox.root(), &["--apply"]);
    assert_eq!(warnings, ["HOOKS_MISSING"], "nobody asked for them");
    assert!(!sandbox.root().join(".git/hooks").exists());
    let config = sandbox.read("vibeship_optimizer.yml").replace("  require:", "  hooks: true\n  require:");
    sandbox.write("vibeship_optimizer.yml", &config);
    let (code, actions, _, out) = doctor(&sandbox);
    assert_eq!((code, actions), (1, vec!["HOOKS_MISSING".to_owned()]), "{out}");
    sandbox.git(&["commit", "-qam", "Want the hooks"]);
    is_repaired_by_applying(&sandbox);
}

#[test]
fn a_hooks_path_to_another_directory_is_found() {
    for (setting, words) in [
        ("nowhere", ["commit-msg is missing", "nowhere"]),
        (".githooks", ["commit-msg is missing", ".git/hooks/commit-msg"]),
    ] {
        let sandbox = Sandbox::hooked();
        holds(&sandbox);
        sandbox.git(&["config", "core.hooksPath", setting]);
        is_silent(&sandbox, &words);
        is_repaired_by_applying(&sandbox);
    }
    let sandbox = Sandbox::hooked();
    let global = sandbox.home().join("global hooks");
    std::fs::create_dir(&global).unwrap();
    sandbox.git(&["config", "--global", "core.hooksPath", global.to_str().unwrap()]);
    is_silent(&sandbox, &["global hooks", "git config core.hooksPath .githooks && vibeship-optimizer hooks install"]);
    sandbox.git(&["config", "core.hooksPath", ".githooks"]);
    sandbox.run(&["hooks", "install"]).ok();
    holds(&sandbox);
    sandbox.git(&["config", "core.hooksPath", "/dev/null"]);
    is_silent(&sandbox, &["git config --unset core.hooksPath"]);
}

#[cfg(unix)]
#[test]
fn a_hook_that_cannot_be_executed_is_found() {
    let sandbox = Sandbox::hooked();
    mode(&sandbox.root().join(".git/hooks/commit-msg"), 0o644);
    is_silent(&sandbox, &["commit-msg is not executable"]);
    is_repaired_by_applying(&sandbox);
    // Executable, but with an interpreter that does not exist.
    let hook = sandbox.root().join(".git/hooks/commit-msg");
    let text = std::fs::read_to_string(&hook).unwrap().replace("#!/bin/sh", "#!/nowhere/sh");
    std::fs::write(&hook, text).unwrap();
    let (code, actions, _, out) = doctor(&sandbox);
    assert_eq!((code, actions), (1, vec!["HOOKS_SILENT".to_owned()]), "{out}");
    assert!(out.contains("git does not run it"), "{out}");
}

#[test]
fn a_hook_replaced_by_another_program_is_found() {
    let sandbox = Sandbox::hooked();
    let hook = sandbox.root().join(".git/hooks/commit-msg");
    std::fs::rename(&hook, hook.with_file_name("commit-msg.old")).unwrap();
    hook_file(&hook, "#!/bin/sh\nexit 0\n");
    is_silent(&sandbox, &["commit-msg is another program's hook, without ours", "commit-msg.old"]);
    is_repaired_by_applying(&sandbox);
    // Replaced while an earlier hook is kept: the user has to decide which of the two to use.
    hook_file(&hook, "#!/bin/sh\nexit 0\n");
    is_silent(&sandbox, &["another program replaced our hook", "commit-msg.before-vibeship-optimizer"]);
    let (code, ..) = doctor_in(&sandbox, sandbox.root(), &["--apply"]);
    assert_eq!(code, 1);
    std::fs::remove_file(hook.with_file_name("commit-msg.before-vibeship-optimizer")).unwrap();
    is_repaired_by_applying(&sandbox);
}

#[test]
fn a_checkout_without_the_directory_of_a_relative_hooks_path_is_found() {
    let sandbox = Sandbox::enforced();
    sandbox.git(&["config", "core.hooksPath", ".githooks"]);
    sandbox.run(&["hooks", "install"]).ok();
    holds(&sandbox);
    let linked = sandbox.home().join("linked tree");
    sandbox.git(&["worktree", "add", "-q", "-b", "side", linked.to_str().unwrap()]);
    let (code, actions, _, out) = doctor(&sandbox);
    assert_eq!((code, actions), (1, vec!["HOOKS_SILENT".to_owned()]), "{out}");
    assert!(out.contains("linked tree' hooks install"), "{out}");
    let (code, actions, _, out) = doctor_in(&sandbox, &linked, &[]);
    assert_eq!((code, actions), (1, vec!["HOOKS_SILENT".to_owned()]), "{out}");
    let (code, _, _, out) = doctor_in(&sandbox, &linked, &["--apply"]);
    assert_eq!(code, 0, "{out}");
    holds(&sandbox);
}

#[cfg(unix)]
#[test]
fn a_hook_manager_counts_if_git_runs_it_and_it_calls_our_hook() {
    let sandbox = Sandbox::enforced();
    // A hook of another program that does not call ours does not count.
    hook_file(&sandbox.root().join(".git/hooks/commit-msg"), "#!/bin/sh\nexit 0\n");
    let status = sandbox.run(&["hooks", "status"]);
    assert!(status.stdout.contains("commit-msg: another program's hook, without ours"), "{}", status.stdout);
    // Lefthook's hook names only lefthook; only running it shows that it calls ours.
    let runner = sandbox.home().join("lefthook-runner");
    std::os::unix::fs::symlink(env!("CARGO_BIN_EXE_vibeship-optimizer"), &runner).unwrap();
    for hook in ["prepare-commit-msg", "commit-msg", "pre-push"] {
        let call = format!("exec '{}' hook-run {hook} \"$@\"", runner.display());
        let text = format!("#!/bin/sh\nif [ \"$LEFTHOOK\" = \"0\" ]; then exit 0; fi\n{call}\n");
        hook_file(&sandbox.root().join(".git/hooks").join(hook), &text);
    }
    let status = sandbox.run(&["hooks", "status"]).ok();
    assert!(
        status.stdout.contains("commit-msg: another program's hook that calls ours; git runs it"),
        "{}",
        status.stdout
    );
    assert!(
        status.stdout.contains("pre-push: another program's hook that calls ours; not tested"),
        "{}",
        status.stdout
    );
    holds(&sandbox);
    // A hook that calls ours and ignores its exit code stops nothing.
    let text = format!("#!/bin/sh\n'{}' hook-run commit-msg \"$@\" || true\n", runner.display());
    hook_file(&sandbox.root().join(".git/hooks/commit-msg"), &text);
    let _ = sandbox.run(&["hooks", "status"]).exits(1).says(&["goes on when it refuses"]);
}
