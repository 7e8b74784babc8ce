//! Installing and removing hooks: with other hooks, in worktrees and submodules, never outside the repository.

use std::path::Path;

use crate::support::{KEY, Sandbox};

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
    let sandbox = Sandbox::enforced();
    let dir = sandbox.root().join(".git/hooks");
    assert!(!dir.exists());
    sandbox.run(&["hooks", "install"]).ok();
    let first = std::fs::read_to_string(dir.join("commit-msg")).unwrap();
    let again = sandbox.run(&["hooks", "install"]).ok();
    assert!(again.stdout.contains("commit-msg: unchanged"), "{}", again.stdout);
    assert_eq!(std::fs::read_to_string(dir.join("commit-msg")).unwrap(), first);
    sandbox.run(&["hooks", "uninstall"]).ok();
    assert_eq!(std::fs::read_dir(&dir).unwrap().count(), 0);
    sandbox.run(&["hooks", "uninstall"]).ok();
}

#[test]
fn an_existing_hook_runs_first_can_refuse_and_is_restored() {
    let sandbox = Sandbox::enforced();
    let hook = sandbox.root().join(".git/hooks/commit-msg");
    foreign(&hook);
    let installed = sandbox.run(&["hooks", "install"]).ok();
    assert!(
        installed.stdout.contains("commit-msg: installed; the hook that was there runs first"),
        "{}",
        installed.stdout
    );
    sandbox.ready("fewer steps");
    sandbox.improve_steps();
    sandbox.git(&["commit", "-qm", "Fewer steps"]);
    let ran = std::fs::read_to_string(sandbox.home().join("ran")).unwrap();
    assert!(ran.contains("foreign .git/COMMIT_EDITMSG"), "{ran}");

    std::fs::write(sandbox.root().join(".git/hooks/commit-msg.before-vibeship-optimizer"), "#!/bin/sh\nexit 7\n")
        .unwrap();
    sandbox.write("src/steps.txt", "81\n");
    assert_ne!(sandbox.try_git(&["commit", "-qam", "x"]).code, 0, "the kept hook said no");
    foreign(&sandbox.root().join(".git/hooks/commit-msg.before-vibeship-optimizer"));
    sandbox.run(&["hooks", "uninstall"]).ok();
    assert_eq!(std::fs::read_to_string(&hook).unwrap(), FOREIGN);
    let kept = sandbox.root().join(".git/hooks/commit-msg.before-vibeship-optimizer");
    assert!(!kept.exists());
    sandbox.run(&["hooks", "install"]).ok();
    let text = std::fs::read_to_string(&hook).unwrap();
    std::fs::write(&hook, text + "echo added\n").unwrap();
    sandbox.run(&["hooks", "uninstall"]).ok();
    let back = std::fs::read_to_string(&hook).unwrap();
    assert!(back.starts_with(FOREIGN.trim_end()) && back.ends_with("\necho added\n") && !kept.exists(), "{back}");
    #[cfg(unix)]
    {
        // A hook that git ignored (not executable) does not run after ours either.
        std::fs::write(&kept, FOREIGN).unwrap();
        std::fs::rename(&kept, &hook).unwrap();
        let told = sandbox.run(&["hooks", "install"]).ok();
        let _ = told.says(&["commit-msg: installed; the hook that was there is kept, and does not run"]);
    }
}

#[test]
fn lines_that_somebody_added_around_our_part_stay() {
    let sandbox = Sandbox::hooked();
    let path = sandbox.root().join(".git/hooks/commit-msg");
    let text = std::fs::read_to_string(&path).unwrap() + "echo mine\n";
    std::fs::write(&path, text.replace("hook-run commit-msg", "hook-run old-name")).unwrap();
    let updated = sandbox.run(&["hooks", "install"]).ok();
    assert!(updated.stdout.contains("commit-msg: updated"), "{}", updated.stdout);
    let text = std::fs::read_to_string(&path).unwrap();
    assert!(text.ends_with("echo mine\n") && text.contains("hook-run commit-msg"));
    sandbox.run(&["hooks", "uninstall"]).ok();
    assert_eq!(std::fs::read_to_string(&path).unwrap(), "#!/bin/sh\necho mine\n");
}

#[test]
fn a_hook_made_by_another_program_after_ours_is_not_lost() {
    let sandbox = Sandbox::enforced();
    let hook = sandbox.root().join(".git/hooks/commit-msg");
    foreign(&hook);
    sandbox.run(&["hooks", "install"]).ok();
    foreign(&hook);
    let answer = sandbox.run(&["hooks", "install"]);
    assert_eq!(answer.code, 2);
    assert!(answer.stderr.contains("merge the two by hand"), "{}", answer.stderr);
    assert_eq!(std::fs::read_to_string(&hook).unwrap(), FOREIGN);
}

#[test]
fn a_global_hooks_directory_is_refused() {
    let sandbox = Sandbox::enforced();
    let global = sandbox.home().join("global hooks");
    std::fs::create_dir(&global).unwrap();
    sandbox.git(&["config", "--global", "core.hooksPath", global.to_str().unwrap()]);
    let answer = sandbox.run(&["hooks", "install"]);
    assert_eq!(answer.code, 2);
    assert!(
        answer.stderr.contains("is outside of it (core.hooksPath)")
            && answer
                .stderr
                .contains("\nnext: git config core.hooksPath .githooks && vibeship-optimizer hooks install"),
        "{}",
        answer.stderr
    );
    assert_eq!(std::fs::read_dir(&global).unwrap().count(), 0);
    sandbox.git(&["config", "--global", "--unset", "core.hooksPath"]);
}

#[test]
fn disabled_hooks_are_reported() {
    let sandbox = Sandbox::enforced();
    sandbox.git(&["config", "core.hooksPath", "/dev/null"]);
    let answer = sandbox.run(&["hooks", "install"]);
    assert_eq!(answer.code, 2);
    assert!(answer.stderr.contains("switched off"), "{}", answer.stderr);
}

#[test]
fn a_directory_of_the_repositorys_own_is_used_relative_or_absolute() {
    for absolute in [false, true] {
        let sandbox = Sandbox::enforced();
        let path = sandbox.root().join(".githooks");
        let setting = if absolute { path.to_str().unwrap() } else { ".githooks" };
        sandbox.git(&["config", "core.hooksPath", setting]);
        let answer = sandbox.run(&["hooks", "install"]).ok();
        assert_eq!(answer.stderr.contains("core.hooksPath is relative"), !absolute, "{}", answer.stderr);
        assert!(path.join("commit-msg").is_file());
        sandbox.write("src/steps.txt", "80\n");
        sandbox.try_git(&["commit", "-qam", "Fewer steps"]).exits(1).says(&["the commit names no change"]);
    }
}

#[test]
fn husky_directories_get_a_line_to_add_instead() {
    let sandbox = Sandbox::enforced();
    sandbox.git(&["config", "core.hooksPath", ".husky/_"]);
    let answer = sandbox.run(&["hooks", "install"]);
    assert_eq!(answer.code, 2);
    // The complete lines, as in `hooks status`.
    for hook in ["prepare-commit-msg", "commit-msg", "pre-push"] {
        let line = format!("vibeship-optimizer hook-run {hook} \"$@\"");
        assert!(answer.stderr.contains(&line) && answer.stderr.contains("next: printf"), "{}", answer.stderr);
    }
}

#[test]
fn hooks_fire_in_linked_worktrees_and_submodules() {
    let sandbox = Sandbox::hooked();
    sandbox.ready("fewer steps");
    let linked = sandbox.home().join("linked");
    sandbox.git(&["worktree", "add", "-q", "-b", "side", linked.to_str().unwrap()]);
    std::fs::write(linked.join("src/steps.txt"), "80\n").unwrap();
    sandbox
        .try_git_in(&linked, &["commit", "-qam", "Fewer steps\n\nOptimizer-Change: chg-nobody"])
        .exits(1)
        .says(&["unknown change `chg-nobody`"]);
    sandbox.git_in(&linked, &["commit", "-qam", "Fewer steps"]);

    let outer = sandbox.home().join("outer");
    std::fs::create_dir(&outer).unwrap();
    sandbox.git_in(&outer, &["init", "-q", "-b", "main", "--template=", "."]);
    sandbox.git_in(&outer, &["submodule", "add", "-q", sandbox.root().to_str().unwrap(), "inner"]);
    let inner = outer.join("inner");
    sandbox.run_in(&inner, &["hooks", "install"]).ok();
    assert!(outer.join(".git/modules/inner/hooks/commit-msg").is_file());
    std::fs::write(inner.join("src/steps.txt"), "70\n").unwrap();
    sandbox
        .try_git_in(&inner, &["commit", "-qam", "x\n\nOptimizer-Change: chg-nobody"])
        .exits(1)
        .says(&["unknown change `chg-nobody`"]);
}

#[test]
fn status_proves_that_hooks_fire_and_sees_when_they_do_not() {
    let sandbox = Sandbox::enforced();
    sandbox.run(&["hooks", "status"]).exits(1).says(&["commit-msg: missing"]);
    sandbox.run(&["hooks", "install"]).ok();
    let answer = sandbox.run(&["hooks", "status"]).ok();
    assert!(answer.stdout.contains("commit-msg: installed; git runs it"), "{}", answer.stdout);
    sandbox.git(&["config", "core.hooksPath", "nowhere"]);
    sandbox.run(&["hooks", "status"]).exits(1).says(&["commit-msg: missing", "nowhere"]);
    sandbox.git(&["config", "--unset", "core.hooksPath"]);
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        let hook = sandbox.root().join(".git/hooks/commit-msg");
        std::fs::set_permissions(&hook, std::fs::Permissions::from_mode(0o644)).unwrap();
        sandbox.run(&["hooks", "status"]).exits(1).says(&["commit-msg: not executable"]);
    }
}

#[test]
fn a_missing_program_is_looked_up_on_the_path_or_reported_with_how_to_get_it() {
    let sandbox = Sandbox::hooked();
    let hook = sandbox.root().join(".git/hooks/commit-msg");
    let text = std::fs::read_to_string(&hook).unwrap();
    let moved = text.replace(env!("CARGO_BIN_EXE_vibeship-optimizer"), "/nowhere/vibeship-optimizer");
    std::fs::write(&hook, &moved).unwrap();
    sandbox.write("src/steps.txt", "80\n");
    sandbox.try_git(&["commit", "-qam", "x"]).exits(1).says(&["not on PATH", "Install it:", "--no-verify"]);
}

#[cfg(unix)]
#[test]
fn no_setting_for_comments_or_trailers_keeps_the_id_out_of_a_message() {
    let sandbox = Sandbox::hooked();
    sandbox.write(".git/template", "\n\n# Why:\n");
    sandbox.write(".git/editor", "#!/bin/sh\nsed -i.bak '1s/^/Fewer steps\\n/' \"$1\" 2>/dev/null\n");
    let editor = sandbox.path(".git/editor").display().to_string();
    let id = sandbox.ready("fewer steps");
    sandbox.improve_steps();
    let auto = ["commit.template=.git/template", "core.commentChar=auto", "commit.verbose=true"];
    for settings in [&auto[..], &["trailer.ifMissing=doNothing"][..]] {
        let settings = settings.iter().flat_map(|setting| ["-c", setting]);
        let edit = format!("core.editor=sh '{editor}'");
        let words: Vec<&str> = settings.chain(["-c", &edit, "commit", "-q"]).collect();
        sandbox.git(&words);
        assert_eq!(sandbox.ids("HEAD"), [id.as_str()], "{words:?}");
        sandbox.git(&["reset", "-q", "--soft", "HEAD~1"]);
    }
}

#[test]
fn a_project_below_the_repositorys_root_has_its_hooks_too() {
    let sandbox = Sandbox::enforced();
    let repo = sandbox.home().join("mono");
    let project = repo.join("sub dir");
    std::fs::create_dir_all(&project).unwrap();
    sandbox.git_in(&repo, &["init", "-q", "-b", "main", "--template=", "."]);
    std::fs::write(project.join("vibeship_optimizer.yml"), "version: 1\n").unwrap();
    std::fs::write(project.join("x"), "1\n").unwrap();
    std::fs::write(repo.join("outside"), "1\n").unwrap();
    sandbox.run_in(&project, &["init", "--no-prompt"]).ok();
    sandbox.git_in(&repo, &["add", "-A"]);
    sandbox.git_in(&repo, &["commit", "-qm", "one"]);
    sandbox.run_in(&repo, &["hooks", "install"]).exits(2).says(&["there is one in sub dir", "hooks install"]);
    sandbox.run_in(&project, &["hooks", "install"]).ok();
    std::fs::write(repo.join("outside"), "2\n").unwrap();
    sandbox.git_in(&repo, &["commit", "-qam", "Elsewhere"]);
    std::fs::write(project.join("x"), "2\n").unwrap();
    sandbox.try_git_in(&repo, &["commit", "-qam", "Here"]).exits(1).says(&["the commit names no change"]);
    // Another project in the same repository has ids of its own.
    let other = repo.join("zwei ü");
    std::fs::create_dir_all(&other).unwrap();
    std::fs::write(other.join("vibeship_optimizer.yml"), "version: 1\n").unwrap();
    sandbox.run_in(&other, &["init", "--no-prompt"]).ok();
    let message = format!("There\n\n{KEY}: chg-20260302-090000-theirs\n");
    sandbox.git_in(&other, &["add", "."]);
    sandbox.git_in(&other, &["commit", "-qm", &message]);
    sandbox.git_in(&other, &["commit", "-q", "--amend", "--no-edit", "--reset-author"]);
    let swap = "next: vibeship-optimizer hooks uninstall\nthen: vibeship-optimizer hooks install";
    sandbox.run_in(&other, &["hooks", "install"]).exits(2).says(&["serve the project in sub dir;", swap]);
    sandbox.run_in(&other, &["hooks", "status"]).exits(1).says(&[swap]);
    let doctor = sandbox.run_in(&other, &["doctor"]).stdout;
    assert!(doctor.contains("HOOKS_OTHER_PROJECT") && !doctor.contains("HOOKS_OUTDATED"), "{doctor}");
    sandbox.git_in(&repo, &["add", "sub dir/x"]);
    sandbox.try_git_in(&repo, &["commit", "-qm", &message]).exits(1).says(&["unknown change"]);
}

#[test]
fn only_setup_files_may_be_committed_without_a_change() {
    let sandbox = Sandbox::hooked();
    let base = sandbox.head();
    let config = sandbox.read("vibeship_optimizer.yml").replace("require: baseline", "require: validate");
    sandbox.write("vibeship_optimizer.yml", &config);
    sandbox.write(".gitattributes", "VIBESHIP_OPTIMIZER.md merge=union\n");
    sandbox.git(&["add", "-A"]);
    sandbox.write("src/steps.txt", "80\n");
    sandbox.try_git(&["commit", "-qam", "Set up, and more"]).exits(1).says(&["the commit names no change"]);
    sandbox.git(&["reset", "-q", "src/steps.txt"]);
    sandbox.git(&["commit", "-qm", "Set up vibeship-optimizer"]);
    // In a project that is set up already, the range check asks about changed setup files.
    sandbox.run(&["check", "--range", &format!("{base}..HEAD")]).exits(1).says(&["COMMIT_WITHOUT_ID"]);
    sandbox.git(&["rm", "-q", "vibeship_optimizer.yml"]);
    sandbox.git(&["commit", "-qnm", "As before it was adopted"]);
    let base = sandbox.head();
    sandbox.write("vibeship_optimizer.yml", &config);
    sandbox.git(&["add", "vibeship_optimizer.yml"]);
    sandbox.git(&["commit", "-qm", "Set up vibeship-optimizer"]);
    let adopted = sandbox.run(&["check", "--range", &format!("{base}..HEAD")]);
    assert!(adopted.stdout.contains("the set-up of vibeship-optimizer"), "{}{}", adopted.stdout, adopted.stderr);
    assert!(!adopted.stdout.contains("COMMIT_WITHOUT_ID"), "{}", adopted.stdout);
}
