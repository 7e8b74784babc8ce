//! Putting hooks in and out: beside others, in worktrees and submodules, never outside the repository.

use std::path::Path;

use crate::enforcement::sandbox::Sandbox;

const FOREIGN: &str = "#!/bin/sh\necho foreign \"$@\" >> \"$HOME/ran\"\nexit ${FOREIGN_CODE:-0}\n";

fn foreign(path: &Path) {
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(path, FOREIGN).unwrap();
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o755)).unwrap();
    }
}

#[test]
fn installing_twice_changes_nothing_and_uninstalling_leaves_nothing() {
    let sandbox = Sandbox::new();
    let dir = sandbox.root().join(".git/hooks");
    assert!(!dir.exists());
    sandbox.tool(&["hooks", "install"]).passes();
    let first = std::fs::read_to_string(dir.join("commit-msg")).unwrap();
    let again = sandbox.tool(&["hooks", "install"]).passes();
    assert!(again.out.contains("commit-msg: unchanged"), "{}", again.out);
    assert_eq!(std::fs::read_to_string(dir.join("commit-msg")).unwrap(), first);
    sandbox.tool(&["hooks", "uninstall"]).passes();
    assert_eq!(std::fs::read_dir(&dir).unwrap().count(), 0);
    sandbox.tool(&["hooks", "uninstall"]).passes();
}

#[test]
fn a_hook_that_was_there_runs_first_its_no_counts_and_it_comes_back() {
    let sandbox = Sandbox::new();
    let hook = sandbox.root().join(".git/hooks/commit-msg");
    foreign(&hook);
    let installed = sandbox.tool(&["hooks", "install"]).passes();
    assert!(installed.out.contains("commit-msg: installed; the hook that was there runs first"), "{}", installed.out);
    sandbox.ready("fewer steps");
    sandbox.improve();
    sandbox.git(&["commit", "-qm", "Fewer steps"]).passes();
    let ran = std::fs::read_to_string(sandbox.home().join("ran")).unwrap();
    assert!(ran.contains("foreign .git/COMMIT_EDITMSG"), "{ran}");

    std::fs::write(sandbox.root().join(".git/hooks/commit-msg.before-vibeship-optimizer"), "#!/bin/sh\nexit 7\n")
        .unwrap();
    sandbox.write("src/steps.txt", "81\n");
    assert_ne!(sandbox.git(&["commit", "-qam", "x"]).code, 0, "the kept hook said no");
    foreign(&sandbox.root().join(".git/hooks/commit-msg.before-vibeship-optimizer"));
    sandbox.tool(&["hooks", "uninstall"]).passes();
    assert_eq!(std::fs::read_to_string(&hook).unwrap(), FOREIGN);
    assert!(!sandbox.root().join(".git/hooks/commit-msg.before-vibeship-optimizer").exists());
}

#[test]
fn lines_that_somebody_added_around_our_part_stay() {
    let sandbox = Sandbox::hooked();
    let path = sandbox.root().join(".git/hooks/commit-msg");
    let text = std::fs::read_to_string(&path).unwrap() + "echo mine\n";
    std::fs::write(&path, text.replace("hook-run commit-msg", "hook-run old-name")).unwrap();
    let updated = sandbox.tool(&["hooks", "install"]).passes();
    assert!(updated.out.contains("commit-msg: brought up to date"), "{}", updated.out);
    let text = std::fs::read_to_string(&path).unwrap();
    assert!(text.ends_with("echo mine\n") && text.contains("hook-run commit-msg"));
    sandbox.tool(&["hooks", "uninstall"]).passes();
    assert_eq!(std::fs::read_to_string(&path).unwrap(), "#!/bin/sh\necho mine\n");
}

#[test]
fn a_hook_made_by_another_program_after_ours_is_not_lost() {
    let sandbox = Sandbox::new();
    let hook = sandbox.root().join(".git/hooks/commit-msg");
    foreign(&hook);
    sandbox.tool(&["hooks", "install"]).passes();
    foreign(&hook);
    let answer = sandbox.tool(&["hooks", "install"]);
    assert_eq!(answer.code, 2);
    assert!(answer.err.contains("merge the two by hand"), "{}", answer.err);
    assert_eq!(std::fs::read_to_string(&hook).unwrap(), FOREIGN);
}

#[test]
fn a_global_hooks_directory_is_refused() {
    let sandbox = Sandbox::new();
    let global = sandbox.home().join("global hooks");
    std::fs::create_dir(&global).unwrap();
    sandbox.git(&["config", "--global", "core.hooksPath", global.to_str().unwrap()]).passes();
    let answer = sandbox.tool(&["hooks", "install"]);
    assert_eq!(answer.code, 2);
    assert!(answer.err.contains("is outside of it") && answer.err.contains("core.hooksPath"), "{}", answer.err);
    assert_eq!(std::fs::read_dir(&global).unwrap().count(), 0);
    sandbox.git(&["config", "--global", "--unset", "core.hooksPath"]).passes();
}

#[test]
fn hooks_that_are_switched_off_are_said_to_be() {
    let sandbox = Sandbox::new();
    sandbox.git(&["config", "core.hooksPath", "/dev/null"]).passes();
    let answer = sandbox.tool(&["hooks", "install"]);
    assert_eq!(answer.code, 2);
    assert!(answer.err.contains("switched off"), "{}", answer.err);
}

#[test]
fn a_directory_of_the_repositorys_own_is_used_relative_or_absolute() {
    for absolute in [false, true] {
        let sandbox = Sandbox::new();
        let path = sandbox.root().join(".githooks");
        let setting = if absolute { path.to_str().unwrap() } else { ".githooks" };
        sandbox.git(&["config", "core.hooksPath", setting]).passes();
        let answer = sandbox.tool(&["hooks", "install"]).passes();
        assert_eq!(answer.err.contains("core.hooksPath is relative"), !absolute, "{}", answer.err);
        assert!(path.join("commit-msg").is_file());
        sandbox.write("src/steps.txt", "80\n");
        sandbox.git(&["commit", "-qam", "Fewer steps"]).refused(&["the commit names no change"]);
    }
}

#[test]
fn husky_directories_get_a_line_to_add_instead() {
    let sandbox = Sandbox::new();
    sandbox.git(&["config", "core.hooksPath", ".husky/_"]).passes();
    let answer = sandbox.tool(&["hooks", "install"]);
    assert_eq!(answer.code, 2);
    assert!(answer.err.contains("vibeship-optimizer hook-run commit-msg \"$1\""), "{}", answer.err);
}

#[test]
fn hooks_fire_in_linked_worktrees_and_submodules() {
    let sandbox = Sandbox::hooked();
    sandbox.ready("fewer steps");
    let linked = sandbox.home().join("linked");
    sandbox.git(&["worktree", "add", "-q", "-b", "side", linked.to_str().unwrap()]).passes();
    std::fs::write(linked.join("src/steps.txt"), "80\n").unwrap();
    sandbox
        .git_in(&linked, &["commit", "-qam", "Fewer steps\n\nOptimizer-Change: chg-nobody"])
        .refused(&["unknown change `chg-nobody`"]);
    sandbox.git_in(&linked, &["commit", "-qam", "Fewer steps"]).passes();

    let outer = sandbox.home().join("outer");
    std::fs::create_dir(&outer).unwrap();
    sandbox.git_in(&outer, &["init", "-q", "-b", "main", "--template=", "."]).passes();
    sandbox.git_in(&outer, &["submodule", "add", "-q", sandbox.root().to_str().unwrap(), "inner"]).passes();
    let inner = outer.join("inner");
    sandbox.tool_in(&inner, &["hooks", "install"]).passes();
    assert!(outer.join(".git/modules/inner/hooks/commit-msg").is_file());
    std::fs::write(inner.join("src/steps.txt"), "70\n").unwrap();
    sandbox
        .git_in(&inner, &["commit", "-qam", "x\n\nOptimizer-Change: chg-nobody"])
        .refused(&["unknown change `chg-nobody`"]);
}

#[test]
fn status_proves_that_hooks_fire_and_sees_when_they_do_not() {
    let sandbox = Sandbox::new();
    sandbox.tool(&["hooks", "status"]).refused(&["commit-msg: missing"]);
    sandbox.tool(&["hooks", "install"]).passes();
    let answer = sandbox.tool(&["hooks", "status"]).passes();
    assert!(answer.out.contains("commit-msg: installed; git runs it"), "{}", answer.out);
    sandbox.git(&["config", "core.hooksPath", "nowhere"]).passes();
    sandbox.tool(&["hooks", "status"]).refused(&["commit-msg: missing", "nowhere"]);
    sandbox.git(&["config", "--unset", "core.hooksPath"]).passes();
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        let hook = sandbox.root().join(".git/hooks/commit-msg");
        std::fs::set_permissions(&hook, std::fs::Permissions::from_mode(0o644)).unwrap();
        sandbox.tool(&["hooks", "status"]).refused(&["commit-msg: not executable"]);
    }
}

#[test]
fn a_program_that_is_gone_is_looked_for_on_the_path_and_else_said_how_to_get() {
    let sandbox = Sandbox::hooked();
    let hook = sandbox.root().join(".git/hooks/commit-msg");
    let text = std::fs::read_to_string(&hook).unwrap();
    let moved = text.replace(env!("CARGO_BIN_EXE_vibeship-optimizer"), "/nowhere/vibeship-optimizer");
    std::fs::write(&hook, &moved).unwrap();
    sandbox.write("src/steps.txt", "80\n");
    sandbox.git(&["commit", "-qam", "x"]).refused(&["not on PATH", "Install it:", "--no-verify"]);
}

#[test]
fn a_project_below_the_repositorys_root_has_its_hooks_too() {
    let sandbox = Sandbox::new();
    let repo = sandbox.home().join("mono");
    let project = repo.join("sub dir");
    std::fs::create_dir_all(&project).unwrap();
    sandbox.git_in(&repo, &["init", "-q", "-b", "main", "--template=", "."]).passes();
    std::fs::write(project.join("vibeship_optimizer.yml"), "version: 1\n").unwrap();
    std::fs::write(project.join("x"), "1\n").unwrap();
    std::fs::write(repo.join("outside"), "1\n").unwrap();
    sandbox.tool_in(&project, &["init", "--no-prompt"]).passes();
    sandbox.git_in(&repo, &["add", "-A"]).passes();
    sandbox.git_in(&repo, &["commit", "-qm", "one"]).passes();
    sandbox.tool_in(&project, &["hooks", "install"]).passes();
    std::fs::write(repo.join("outside"), "2\n").unwrap();
    sandbox.git_in(&repo, &["commit", "-qam", "Elsewhere"]).passes();
    std::fs::write(project.join("x"), "2\n").unwrap();
    sandbox.git_in(&repo, &["commit", "-qam", "Here"]).refused(&["the commit names no change"]);
}

#[test]
fn the_files_of_the_set_up_alone_may_be_committed_without_a_change() {
    let sandbox = Sandbox::hooked();
    let base = sandbox.head();
    let config = sandbox.read("vibeship_optimizer.yml").replace("require: baseline", "require: validate");
    sandbox.write("vibeship_optimizer.yml", &config);
    sandbox.write(".gitattributes", "VIBESHIP_OPTIMIZER.md merge=union\n");
    sandbox.git(&["add", "-A"]).passes();
    sandbox.write("src/steps.txt", "80\n");
    sandbox.git(&["commit", "-qam", "Set up, and more"]).refused(&["the commit names no change"]);
    sandbox.git(&["reset", "-q", "src/steps.txt"]).passes();
    sandbox.git(&["commit", "-qm", "Set up vibeship-optimizer"]).passes();
    // What is the set-up of a project that has one already is for the range check to ask about.
    sandbox.tool(&["check", "--range", &format!("{base}..HEAD")]).refused(&["COMMIT_WITHOUT_ID"]);
    sandbox.git(&["rm", "-q", "vibeship_optimizer.yml"]).passes();
    sandbox.git(&["commit", "-qnm", "As before it was adopted"]).passes();
    let base = sandbox.head();
    sandbox.write("vibeship_optimizer.yml", &config);
    sandbox.git(&["add", "vibeship_optimizer.yml"]).passes();
    sandbox.git(&["commit", "-qm", "Set up vibeship-optimizer"]).passes();
    let adopted = sandbox.tool(&["check", "--range", &format!("{base}..HEAD")]);
    assert!(adopted.out.contains("the set-up of vibeship-optimizer"), "{}{}", adopted.out, adopted.err);
    assert!(!adopted.out.contains("COMMIT_WITHOUT_ID"), "{}", adopted.out);
}
