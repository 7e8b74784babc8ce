//! Where output may be written, and which links are followed: nothing that must be kept is ever replaced, and nothing
//! is written outside the project.

use chrono::Duration;

use crate::support::{CONFIG, Sandbox, kpi};

#[test]
fn output_that_would_replace_what_is_kept_is_refused_by_every_command() {
    let s = Sandbox::new();
    s.compared("x");
    s.git(&["add", "-A"]);
    s.git(&["commit", "-q", "-m", "evidence"]);
    let (record, evidence) = (s.record(), s.evidence("before_snapshot.json"));
    let kept = [
        "src/main.txt",
        "src/../ops.json",
        "vibeship_optimizer.yml",
        "vibeship_optimizer.yaml",
        ".git/config",
        ".git/hooks/pre-commit",
        "VIBESHIP_OPTIMIZER.md",
        &record,
        &evidence,
        "src",
    ];
    let files = s.files();
    let git = s.read(".git/config");
    for out in kept {
        for command in [
            &["compare", "--before", &evidence, "--after", &evidence, "--out"][..],
            &["compare", "--before", &evidence, "--after", &evidence, "--json-out"],
            &["pair", "--json-out"],
            &["snapshot", "--export-hyperfine"],
            &["preflight", "--out"],
            &["analyze", "--out"],
            &["report", "--out"],
            &["llm", "bundle", "--out"],
            &["review", "bundle", "--change-id", &s.id(), "--out"],
            &["check", "--summary"],
        ] {
            let _ = s
                .run(&[command, &[out]].concat())
                .troubled(&[out, if out == "src" { "name a file" } else { "choose another path" }]);
        }
    }
    assert_eq!(s.files(), files);
    assert_eq!(s.read(".git/config"), git);
    assert!(!s.path(".git/hooks/pre-commit").exists());
}

#[test]
fn a_sparse_checkout_without_the_tools_files_is_refused_and_nothing_is_created() {
    let s = Sandbox::new();
    s.start("x").contract();
    s.git(&["add", "-A"]);
    s.git(&["commit", "-q", "-m", "evidence"]);
    s.write("../message", "Halve it\n");
    let message = s.outside().join("message").to_string_lossy().into_owned();
    let commands: [&[&str]; 7] = [
        &["init"],
        &["change", "start", "--title", "y"],
        &["change", "list"],
        &["status"],
        &["snapshot", "--label", "y"],
        &["preflight"],
        &["hook-run", "commit-msg", &message],
    ];
    let cases: [(&[&str], &[&str]); 2] = [
        (&["set", "--cone", "src"], &[".vibeship-optimizer"]),
        (&["set", "--no-cone", "/src/"], &[".vibeship-optimizer", "VIBESHIP_OPTIMIZER.md", "vibeship_optimizer.yml"]),
    ];
    for (set, left_out) in cases {
        s.git(&[&["sparse-checkout"], set].concat());
        let fix = format!("git sparse-checkout add {}", left_out.join(" "));
        for command in commands {
            let _ = s.run(command).troubled(&["this sparse checkout leaves it out", &fix]);
        }
        assert_eq!(s.git(&["status", "--porcelain"]), "", "nothing was made");
        s.git(&[&["sparse-checkout", "add"], left_out].concat());
        let _ = s.run(&["change", "list"]).ok().says(&[&s.id()]);
        s.git(&["sparse-checkout", "disable"]);
    }
}

#[test]
fn a_config_that_git_tracks_and_that_is_gone_is_restored_and_never_made_anew() {
    let s = Sandbox::new();
    s.start("x").contract();
    s.git(&["add", "-A"]);
    s.git(&["commit", "-q", "-m", "evidence"]);
    let config = "vibeship_optimizer.yml";
    let restore = format!("git checkout --ignore-skip-worktree-bits -- ':(top){config}'");
    for hidden in [false, true] {
        if hidden {
            s.git(&["update-index", "--skip-worktree", config]);
        }
        std::fs::remove_file(s.path(config)).unwrap();
        for command in [&["init"][..], &["snapshot", "--label", "y"], &["preflight"]] {
            let _ = s.run(command).troubled(&["is tracked by git, and missing here", &restore]);
        }
        assert!(!s.path(".vibeship-optimizer/config.yml").exists());
        s.git(&["checkout", "--ignore-skip-worktree-bits", "--", &format!(":(top){config}")]);
        let _ = s.run(&["snapshot", "--label", "y"]).ok();
    }
}

#[test]
fn a_report_that_git_tracks_may_be_written_again() {
    let s = Sandbox::new();
    s.compared("x");
    let evidence = s.evidence("before_snapshot.json");
    let id = s.id();
    let write = || {
        let compare = ["compare", "--before", &evidence, "--after", &evidence];
        let _ = s.run(&[&compare[..], &["--out", "docs/c.md", "--json-out", "docs/c.json"]].concat()).ok();
        let _ = s.run(&["snapshot", "--export-hyperfine", "docs/h.json"]).ok();
        let _ = s.run(&["report", "--out", "docs/page.html"]).ok();
        let _ = s.run(&["report", "--format", "markdown", "--out", "docs/page.md"]).ok();
        let _ = s.run(&["llm", "bundle", "--format", "markdown", "--out", "docs/l.md"]).ok();
        let _ = s.run(&["llm", "bundle", "--format", "json", "--out", "docs/l.json"]).ok();
        let _ = s.run(&["review", "bundle", "--change-id", &id, "--out", "docs/r.md"]).ok();
        let summary = s.run(&["check", "--summary", "docs/s.md"]);
        assert_ne!(summary.code, 2, "{summary}");
        let preflight = s.run(&["preflight", "--out", "docs/p.json"]);
        assert_ne!(preflight.code, 2, "{preflight}");
        let _ = s.run(&["analyze", "--out", "docs/a.json"]).ok();
    };
    write();
    s.git(&["add", "-A"]);
    s.git(&["commit", "-q", "-m", "reports"]);
    write();
}

#[test]
#[cfg(unix)]
fn a_link_out_of_the_project_is_neither_read_nor_written_through() {
    use std::os::unix::fs::symlink;

    let s = Sandbox::new();
    s.start("x").contract();
    let elsewhere = s.outside().join("elsewhere");
    std::fs::create_dir(&elsewhere).unwrap();
    symlink(&elsewhere, s.path("reports")).unwrap();
    s.git(&["add", "reports"]);
    s.git(&["commit", "-q", "-m", "link"]);
    let record = s.read(s.record());
    let says = ["reports", "leads out of the project", "remove the link"];
    let _ = s.on(&["snapshot", "--as", "before"]).troubled(&says);
    assert_eq!(s.read(s.record()), record);
    std::fs::remove_file(s.path("reports")).unwrap();

    let logbook = s.path("VIBESHIP_OPTIMIZER.md");
    std::fs::rename(&logbook, elsewhere.join("log.md")).unwrap();
    symlink(elsewhere.join("log.md"), &logbook).unwrap();
    let before = std::fs::read(elsewhere.join("log.md")).unwrap();
    let _ = s.on(&["change", "note", "n"]).says(&["VIBESHIP_OPTIMIZER.md", "leads out of the project"]);
    assert_eq!(std::fs::read(elsewhere.join("log.md")).unwrap(), before);
    std::fs::remove_file(&logbook).unwrap();

    std::fs::rename(s.path(s.record()), elsewhere.join("record.json")).unwrap();
    symlink(elsewhere.join("record.json"), s.path(s.record())).unwrap();
    let _ = s.on(&["change", "show"]).troubled(&["leads out of the project"]);
    std::fs::remove_file(s.path(s.record())).unwrap();

    std::fs::rename(s.path(".vibeship-optimizer"), elsewhere.join("state")).unwrap();
    symlink(elsewhere.join("state"), s.path(".vibeship-optimizer")).unwrap();
    let _ = s.run(&["change", "start", "--title", "y"]).troubled(&[".vibeship-optimizer", "leads out of the project"]);
    let _ = s.run(&["change", "list"]).exits(2).says(&["leads out of the project"]);
    let names: Vec<_> = std::fs::read_dir(elsewhere.join("state/changes")).unwrap().collect();
    assert!(names.is_empty(), "{names:?}");
}

#[test]
#[cfg(unix)]
fn a_link_that_stays_in_the_project_is_followed() {
    let s = Sandbox::new();
    std::fs::create_dir_all(s.path("evidence/optimizer")).unwrap();
    std::os::unix::fs::symlink("evidence", s.path("reports")).unwrap();
    s.git(&["add", "reports"]);
    s.git(&["commit", "-q", "-m", "link"]);
    s.start("x").contract().before();
    assert!(s.path(format!("evidence/optimizer/{}_before_snapshot.json", s.id())).exists());
}

/// A project in a subdirectory of a repository that also contains `lib/n`.
fn in_a_repository_of_many() -> Sandbox {
    let s = Sandbox::new();
    std::fs::remove_dir_all(s.path(".git")).unwrap();
    s.set("GIT_CEILING_DIRECTORIES", "/nowhere");
    s.write("../lib/n", "1\n").write("../.gitignore", "/home/\n/tmp/\n");
    s.git(&["-C", "..", "init", "-q", "-b", "main"]);
    s.git(&["-C", "..", "add", "-A"]);
    s.git(&["commit", "-q", "-m", "all"]);
    s
}

#[test]
fn uncommitted_work_beside_the_project_is_reported_wherever_it_may_have_been_measured() {
    let s = in_a_repository_of_many();
    let told = "uncommitted outside the project's directory: lib/n";
    s.start("x").contract();
    let _ = s.run(&["snapshot"]).ok().never_says(&["uncommitted outside"]);
    s.write("../lib/n", "2\n").write("../other/.vibeship-optimizer/changes/a.json", "{}");
    let _ = s.run(&["preflight"]).ok().says(&["GIT_DIRTY_OUTSIDE", told]);
    let _ = s.on(&["snapshot", "--as", "before"]).ok().says(&[told]);
    assert_eq!(s.json(s.evidence("before_snapshot.json"))["git"]["dirty_outside"], serde_json::json!(["lib/n"]));
    let _ = s.improve(50.0).validate().after().on(&["compare"]).ok();
    assert!(s.read(s.evidence("compare.md")).contains("lib/n had uncommitted changes in the baseline"));
}

#[test]
fn a_range_is_checked_in_the_nearest_project_unless_it_is_a_new_one() {
    let s = in_a_repository_of_many();
    let nested = s.path("pkg");
    s.write("pkg/vibeship_optimizer.yml", "version: 1\n").git(&["add", "-A"]);
    s.git(&["commit", "-q", "-m", "A project of its own"]);
    // Whoever adds the nested project would choose what is checked; both can be checked.
    let told = s.run_in(&nested, &["check", "--range", "HEAD~1..HEAD"]).troubled(&["not clear which project"]);
    let steps: Vec<&str> = told.stderr.lines().filter(|line| line.contains("check --range HEAD~1..HEAD -C ")).collect();
    assert_eq!(steps.len(), 2, "{told}");
    s.write("lib.txt", "1\n").git(&["add", "-A"]);
    s.git(&["commit", "-q", "-m", "A file of the outer one"]);
    let _ = s.run_in(&nested, &["check", "--range", "HEAD~1..HEAD"]).ok();
    let _ = s.run(&["check", "--range", "HEAD~1..HEAD"]).exits(1).says(&["COMMIT_WITHOUT_ID"]);
}

#[test]
fn a_commit_of_files_beside_the_project_is_reported_as_no_change_of_it() {
    let s = in_a_repository_of_many();
    s.start("x").contract().before();
    s.write("../lib/n", "2\n");
    let trailer = format!("Optimizer-Change: {}", s.id());
    s.git(&["commit", "-q", "-m", "faster", "--trailer", &trailer, "--", "../lib/n"]);
    s.refuses(&["validate"], 3, "only_outside");
    // If a commit has work of both projects, the other project's check is mentioned before it fails.
    s.write("../lib/vibeship_optimizer.yml", "version: 1\n")
        .write("ops.json", kpi(50.0))
        .write("src/main.txt", "fewer\n");
    s.git(&["add", "../lib", "ops.json", "src"]);
    s.git(&["commit", "-q", "--amend", "--no-edit"]);
    let _ = s.on(&["validate"]).ok().says(&["no record of this change: lib/n", "take these files out of the commit"]);
}

#[test]
fn without_a_project_here_the_one_in_the_repository_is_named() {
    let s = Sandbox::without_git();
    s.git(&["init", "-q"]);
    s.write("svc/vibeship_optimizer.yml", "version: 1\n").commit_as("A service", &[]);
    for command in ["check", "status", "monitor tick", "change start", "day open", "autopilot tick", "hooks install"] {
        let title: &[&str] = if command == "change start" { &["--title", "x"] } else { &[] };
        let arguments: Vec<&str> = command.split(' ').chain(title.iter().copied()).collect();
        let there = format!("vibeship-optimizer -C svc {command}");
        let told = ["this directory holds no project; there is one in svc", &there, "vibeship-optimizer init"];
        let _ = s.run(&arguments).exits(2).says(&told);
    }
    let _ = s.run(&["-C", "svc", "status"]).ok();
    let _ = s.run(&["init", "--no-prompt"]).ok();
    let _ = s.run(&["status"]).ok();
}

/// Writes a record, logbook and evidence of another project, as its own commands would.
fn write_of_another(s: &Sandbox) -> [&'static str; 3] {
    let files = [
        "../web/.vibeship-optimizer/changes/chg-1.json",
        "../web/VIBESHIP_OPTIMIZER.md",
        "../web/reports/optimizer/chg-1_before_snapshot.json",
    ];
    for file in files {
        s.write(file, "{}\n");
    }
    files
}

#[test]
fn the_commit_that_is_printed_takes_files_of_no_other_project() {
    let s = in_a_repository_of_many();
    s.start("x").contract();
    let _ = write_of_another(&s);
    let told = s.on(&["snapshot", "--as", "before"]).ok();
    let prefix = s.git(&["rev-parse", "--show-prefix"]);
    let add = format!("next: git add -A -- ':(top){prefix}' && git commit ");
    let _ = told.says(&[&add]);
    s.write("ops.json", kpi(50.0)).write("src/main.txt", "fewer\n");
    s.git(&["add", "-A", "--", &format!(":(top){prefix}")]);
    let staged = s.git(&["diff", "--cached", "--name-only"]);
    assert!(staged.contains("src/main.txt") && !staged.contains("web/"), "{staged}");
}

#[test]
fn a_rollback_leaves_the_record_and_the_evidence_of_other_projects() {
    let s = in_a_repository_of_many();
    s.write("../web/vibeship_optimizer.yml", "version: 1\n").git(&["add", "../web"]);
    s.git(&["commit", "-q", "-m", "Another project"]);
    s.start("x").contract().before();
    let of_another = write_of_another(&s);
    s.write("../web/src/.vibeship-optimizer/changes/none.json", "of no project\n");
    s.write("ops.json", kpi(50.0)).write("src/main.txt", "fewer\n").git(&["add", "-A", "../web", "."]);
    s.git(&["commit", "-q", "-m", "faster", "--trailer", &format!("Optimizer-Change: {}", s.id())]);
    let out = s.on(&["validate"]).ok().says(&["of another project", "next: git reset -q HEAD~1 -- ':(top)web/"]);
    assert!(out.stderr.contains("git commit --amend --no-edit && vibeship-optimizer validate"), "{out}");
    s.after().compare();
    let _ = s.on(&["change", "promote"]).ok();
    let _ = s.on(&["change", "rollout", "full"]).ok();
    // The other project has continued since.
    s.write(of_another[0], "{\"more\": 1}\n").git(&["add", "../web"]);
    s.git(&["commit", "-q", "-m", "Evidence of the other project"]);
    let _ = s.on(&["change", "rollback", "--reason", "slower", "--apply"]).ok();
    assert_eq!(s.read(of_another[0]), "{\"more\": 1}\n");
    assert!(of_another.iter().all(|file| s.path(file).exists()));
    assert!(!s.path("../web/src/.vibeship-optimizer/changes/none.json").exists(), "it is of no project");
    let _ = s.on(&["snapshot", "--as", "after"]).ok();
    let _ = s.run(&["status"]).never_says(&["still in the tree"]);
}

/// Moves the project to a directory of the repository, and makes it the current directory.
fn move_to(s: &Sandbox, dir: &str) {
    let names = ["src", "ops.json", "vibeship_optimizer.yml", ".vibeship-optimizer", "reports"];
    let to = s.path(dir);
    std::fs::create_dir_all(&to).unwrap();
    let to = to.to_string_lossy();
    s.git(&[&["mv"], &names[..], &["VIBESHIP_OPTIMIZER.md", &to]].concat());
    s.git(&["commit", "-q", "-m", &format!("Move to {dir}")]);
    s.go_to(dir);
}

#[test]
fn older_commits_of_a_moved_project_are_read_at_its_old_place() {
    let s = Sandbox::new();
    s.start("x").contract().before().write("ops.json", kpi(50.0)).write("src/main.txt", "fewer\n");
    // The command that is printed after a baseline also commits the tool's own files.
    s.git(&["add", "-A"]);
    s.git(&["commit", "-q", "-m", "tune", "--trailer", &format!("Optimizer-Change: {}", s.id())]);
    s.validate().after().compare();
    s.git(&["add", "-A"]);
    s.git(&["commit", "-q", "-m", "Evidence"]);
    move_to(&s, "app");
    // Sizes, code and config are compared with those at the old place in the commits.
    let _ = s.on(&["change", "promote"]).ok();
    let _ = s.on(&["change", "rollout", "full"]).ok();
    s.git(&["commit", "-q", "-a", "-m", "Evidence"]);
    s.git(&["add", "-A"]);
    s.git(&["commit", "-q", "-m", "Evidence"]);
    move_to(&s, "svc/one");
    s.later(Duration::days(1));
    let _ = s.on(&["monitor", "tick"]).ok();
    let range = ["check", "--range", ":/start..HEAD", "--require", "promoted"];
    let _ = s.run(&range).ok().says(&["no problems found in 6 commits and 1 record"]);
    let _ = s.run_in(&s.path("svc"), &range).exits(2).says(&["-C one check --range :/start..HEAD --require decide"]);
    let _ = s.on(&["change", "rollback", "--reason", "slower", "--apply"]).ok();
    assert_eq!(s.git(&["show", "--format=", "--name-only"]), "svc/one/ops.json\nsvc/one/src/main.txt");
}

#[test]
fn a_project_merged_as_a_subtree_is_not_content_of_the_merge() {
    let s = Sandbox::new();
    s.rolled_out("x");
    s.git(&["add", "-A"]);
    s.git(&["commit", "-q", "-m", "Evidence"]);
    s.git(&["checkout", "-q", "--orphan", "mono"]);
    s.git(&["rm", "-rfq", "."]);
    s.write("lib", "1\n").commit_as("Of many", &[]);
    s.git(&["merge", "-q", "-s", "ours", "--no-commit", "--allow-unrelated-histories", "main"]);
    s.git(&["read-tree", "--prefix=svc/", "-u", "main"]);
    s.git(&["commit", "-q", "-m", "Bring it in"]);
    s.go_to("svc").later(Duration::days(1));
    let _ = s.on(&["monitor", "tick"]).ok();
    let _ = s.run(&["check", "--range", "HEAD^1..HEAD"]).never_says(&["MERGE_BRINGS_CONTENT", "VERDICTS_DIFFER"]);
    // Content that only the merge adds is found, and no printed command removes the import.
    s.git(&["checkout", "-q", "."]);
    s.write("svc/src/new.txt", "more\n").git(&["add", "src"]);
    s.git(&["commit", "-q", "--amend", "--no-edit"]);
    let told = s.run(&["check", "--range", "HEAD^1..HEAD"]).exits(1).says(&["MERGE_BRINGS_CONTENT"]);
    let _ = told.says(&["next: git merge-base "]);
}

#[test]
fn the_commits_of_a_project_within_this_one_are_told_to_be_exempt() {
    let s = Sandbox::new();
    s.write("plug/vibeship_optimizer.yml", CONFIG)
        .write("plug/ops.json", kpi(100.0))
        .commit_as("A project within", &[]);
    let _ = s.run_in(&s.path("plug"), &["change", "start", "--title", "inner"]).ok();
    let id = std::fs::read_dir(s.path("plug/.vibeship-optimizer/changes")).unwrap().next().unwrap().unwrap();
    let id = id.path().file_stem().unwrap().to_string_lossy().into_owned();
    s.git(&["add", "-A"]);
    s.git(&["commit", "-q", "-m", "inner", "--trailer", &format!("Optimizer-Change: {id}")]);
    let _ = s.run_in(&s.path("plug"), &["change", "note", "seen"]).ok();
    s.git(&["commit", "-q", "-a", "-m", "Evidence"]);
    let told = s.run(&["check", "--range", "HEAD~2..HEAD"]).exits(1).says(&["UNKNOWN_ID", "COMMIT_WITHOUT_ID"]);
    let told = told.says(&["if plug/ is a project of its own", "paths: [\"plug/**\"]"]);
    let _ = told.never_says(&["git revert"]);
}
