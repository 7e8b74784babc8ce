//! Attempts to evade the range check through git: messages, merges, submodules, attributes, refs, and the config. Each
//! is detected.

use crate::enforcement::slips::{forge, record_path, since, tracked};
use crate::support::{KEY, Sandbox};

fn commit(sandbox: &Sandbox, path: &str, text: &str, message: &str) {
    sandbox.write(path, text);
    sandbox.git(&["add", "-A", "--", path]);
    sandbox.git(&["commit", "-qm", message]);
}

fn named(id: &str) -> String {
    format!("More\n\n{KEY}: {id}\n")
}

#[test]
fn ids_that_only_look_like_one_do_not_count() {
    let (sandbox, id, _) = tracked();
    let base = sandbox.head();
    let homoglyph = id.replacen('c', "\u{441}", 1);
    commit(&sandbox, "src/a.txt", "1\n", &named(&homoglyph));
    assert_eq!(sandbox.codes(&since(&base)), ["MALFORMED_ID"]);
    commit(&sandbox, "src/a.txt", "2\n", &format!("More\n\n{}: {id}\n", KEY.replacen('i', "\u{456}", 1)));
    assert_eq!(sandbox.codes("HEAD^..HEAD"), ["COMMIT_WITHOUT_ID"]);
    commit(&sandbox, "src/a.txt", "3\n", &format!("More\n\n{KEY} {id}\n"));
    assert_eq!(sandbox.codes("HEAD^..HEAD"), ["COMMIT_WITHOUT_ID"]);
    // With the separator that git may be configured to write, it is a trailer.
    commit(&sandbox, "src/a.txt", "4\n", &format!("More\n\n{KEY}= {id}\n"));
    assert_eq!(sandbox.codes("HEAD^..HEAD"), ["MANY_COMMITS"]);
}

#[test]
fn a_hidden_trailer_counts_and_is_checked_against_its_change() {
    let (sandbox, id, _) = tracked();
    // After a divider, in lower case, after a sign-off: git recognizes all of these, so each is a second commit.
    let messages = [
        format!("More\n\n---\n\n{KEY}: {id}\n"),
        format!("More\n\n{}: {id}\n", KEY.to_lowercase()),
        format!("More\n\nSigned-off-by: A <a@example.org>\n{KEY}: {id}\n"),
    ];
    for (number, message) in messages.iter().enumerate() {
        let base = sandbox.head();
        commit(&sandbox, "src/a.txt", &number.to_string(), message);
        assert_eq!(sandbox.ids("HEAD"), std::slice::from_ref(&id), "{message}");
        let whole = sandbox.codes(&format!("{}~1..HEAD", first_of(&sandbox, &id)));
        assert!(whole.contains(&"MANY_COMMITS".to_owned()), "{message}: {whole:?}");
        sandbox.git(&["reset", "-q", "--hard", &base]);
    }
}

/// The first commit with the change's id.
fn first_of(sandbox: &Sandbox, id: &str) -> String {
    let out = sandbox.try_git(&["log", "--format=%H", "--reverse", &format!("--grep={KEY}: {id}")]).ok().stdout;
    out.lines().next().unwrap().to_owned()
}

#[test]
fn a_second_commit_in_a_later_range_is_not_the_validated_one() {
    let (sandbox, id, base) = tracked();
    sandbox.run(&["validate", "--change-id", &id]).ok();
    sandbox.commit_evidence();
    assert!(sandbox.codes(&since(&base)).is_empty());
    let later = sandbox.head();
    commit(&sandbox, "src/steps.txt", "1\n", &named(&id));
    assert_eq!(sandbox.codes(&since(&later)), ["MANY_COMMITS", "COMMIT_NOT_VALIDATED"]);
}

#[test]
fn a_second_commit_is_found_if_the_first_is_before_the_range() {
    let (sandbox, id, _) = tracked();
    let first = sandbox.head();
    commit(&sandbox, "src/steps.txt", "1\n", &named(&id));
    assert_eq!(sandbox.codes(&since(&first)), ["MANY_COMMITS"]);
    sandbox.run(&["check", "--range", &since(&first)]).exits(1).says(&[&first[..10]]);
    // After a revert, another commit may replace it. A cherry-pick of the same change on a branch merged later counts
    // once.
    sandbox.git(&["reset", "-q", "--hard", &first]);
    sandbox.git(&["revert", "--no-edit", "HEAD"]);
    let reverted = sandbox.head();
    commit(&sandbox, "src/steps.txt", "1\n", &named(&id));
    assert!(sandbox.codes(&since(&reverted)).is_empty());
    assert!(sandbox.codes(&since(&first)).is_empty(), "the revert lies in the range");
    sandbox.git(&["checkout", "-q", "-b", "hotfix", &format!("{first}^")]);
    commit(&sandbox, "notes/n.md", "1\n", "Prose");
    sandbox.git(&["cherry-pick", &first]);
    sandbox.git(&["checkout", "-q", "-B", "main", &first]);
    sandbox.git(&["merge", "-q", "--no-edit", "hotfix"]);
    assert!(sandbox.codes(&since(&first)).is_empty());
}

#[test]
fn several_ids_and_the_id_of_another_branch_s_change_are_found() {
    let (sandbox, id, _) = tracked();
    let base = sandbox.head();
    sandbox.git(&["checkout", "-q", "-b", "elsewhere"]);
    let other = sandbox.opened_beside("other");
    sandbox.commit_evidence();
    sandbox.git(&["checkout", "-q", "main"]);
    commit(&sandbox, "src/a.txt", "1\n", &named(&other));
    assert_eq!(sandbox.codes(&since(&base)), ["UNKNOWN_ID"]);
    commit(&sandbox, "src/a.txt", "2\n", &format!("More\n\n{KEY}: {id}\n{KEY}: {other}\n"));
    assert_eq!(sandbox.codes("HEAD^..HEAD"), ["SEVERAL_IDS", "UNKNOWN_ID", "MANY_COMMITS"]);
}

#[test]
fn a_record_under_another_id_does_not_count() {
    let (sandbox, id, _) = tracked();
    let base = sandbox.head();
    let copy = format!("{id}-2");
    sandbox.write(record_path(&copy), sandbox.read(record_path(&id)));
    sandbox.commit_evidence();
    commit(&sandbox, "src/steps.txt", "70\n", &named(&copy));
    assert_eq!(sandbox.codes(&since(&base)), ["RECORD_UNREADABLE"]);
    let text = sandbox.read(record_path(&id)).replace(&format!("\"{id}\""), &format!("\"{copy}\""));
    sandbox.write(record_path(&copy), &text);
    sandbox.commit_evidence();
    assert!(sandbox.codes(&since(&base)).contains(&"RECORD_UNREADABLE".to_owned()));
}

#[test]
fn swapped_evidence_and_a_record_forged_to_match_are_found() {
    use vibeship_optimizer::model::{After, Baseline, Kind};
    let (sandbox, id, base) = tracked();
    sandbox.run(&["validate", "--change-id", &id]).ok();
    sandbox.commit_evidence();
    sandbox.run(&["snapshot", "--label", "after", "--change-id", &id, "--as", "after"]).ok();
    sandbox.run(&["compare", "--change-id", &id]).ok();
    sandbox.commit_evidence();
    assert!(sandbox.codes(&since(&base)).is_empty());
    let honest = sandbox.head();
    let file = |label: &str| format!("reports/optimizer/{id}_{label}_snapshot.json");
    let (before, after) = (sandbox.read(file("before")), sandbox.read(file("after")));
    sandbox.write(file("before"), &after);
    sandbox.write(file("after"), &before);
    sandbox.commit_evidence();
    assert_eq!(sandbox.codes(&since(&base)), ["ARTIFACT_ALTERED", "ARTIFACT_ALTERED"]);
    // The record is forged to match.
    sandbox.git(&["reset", "-q", "--hard", &honest]);
    forge(&sandbox, &id, |kinds| {
        let artifacts: Vec<_> =
            kinds.iter().filter_map(|kind| kind.recorded_snapshot().map(|taken| taken.snapshot.clone())).collect();
        let mut swapped = artifacts.into_iter().rev();
        for kind in kinds.iter_mut() {
            if let Kind::BaselineTaken(Baseline { taken, .. }) | Kind::AfterTaken(After { taken, .. }) = kind {
                taken.snapshot = swapped.next().unwrap();
            }
        }
    });
    sandbox.commit_evidence();
    let codes = sandbox.codes(&since(&base));
    assert!(codes.contains(&"VERDICTS_DIFFER".to_owned()), "{codes:?}");
    assert!(codes.contains(&"RECORD_REWRITTEN".to_owned()), "the honest version was committed: {codes:?}");
}

#[test]
fn a_record_rewritten_or_removed_within_the_range_is_found_until_it_is_restored() {
    use vibeship_optimizer::model::Kind;
    let (sandbox, id, base) = tracked();
    let honest = sandbox.head();
    // A baseline with an unwanted result is removed and measured again, so that only the second one remains.
    forge(&sandbox, &id, |kinds| {
        kinds.retain(|kind| !matches!(kind, Kind::BaselineTaken { .. }));
    });
    sandbox.commit_evidence();
    let answer = sandbox.run(&["check", "--range", &since(&base)]).exits(1).says(&["RECORD_REWRITTEN"]);
    let first = sandbox.try_git(&["log", "--format=%h", "-1", "--abbrev=12", "--grep=Evidence", &honest]).ok().stdout;
    assert!(answer.stdout.contains(&format!("git checkout {} --", first.trim())), "{}", answer.stdout);
    sandbox.git(&["rm", "-q", &record_path(&id)]);
    sandbox.git(&["commit", "-qm", "Tidy"]);
    let codes = sandbox.codes(&since(&base));
    assert!(codes.contains(&"RECORD_REMOVED".to_owned()) && codes.contains(&"UNKNOWN_ID".to_owned()), "{codes:?}");
    sandbox.git(&["checkout", "-q", &honest, "--", &record_path(&id)]);
    sandbox.commit_evidence();
    assert!(sandbox.codes(&since(&base)).is_empty(), "everything that was ever committed is back");
}

#[test]
fn a_record_that_is_older_than_what_it_names_is_found() {
    let (sandbox, id, base) = tracked();
    sandbox.run(&["validate", "--change-id", &id]).ok();
    sandbox.commit_evidence();
    // The whole record is fabricated in one commit, with consistent times before the commit of the code.
    sandbox.git(&["reset", "-q", "--soft", &base]);
    sandbox.git(&["reset", "-q"]);
    crate::enforcement::slips::shift(&sandbox, &id, -30);
    sandbox.git(&["add", "src"]);
    sandbox.git(&["commit", "-qm", &format!("Fewer steps\n\n{KEY}: {id}\n")]);
    sandbox.commit_evidence();
    let codes = sandbox.codes(&since(&base));
    assert!(codes.contains(&"RECORD_BEFORE_COMMIT".to_owned()), "{codes:?}");
    sandbox.run(&["check"]).exits(1).says(&["RECORD_BEFORE_COMMIT"]);
}

type Loosening = Box<dyn Fn(&Sandbox)>;

fn config(from: &'static str, to: &'static str) -> impl Fn(&Sandbox) {
    move |sandbox: &Sandbox| {
        let text = sandbox.read("vibeship_optimizer.yml");
        assert!(text.contains(from), "{from}");
        sandbox.write("vibeship_optimizer.yml", text.replace(from, to));
    }
}

#[test]
fn a_config_that_is_loosened_in_the_range_does_not_cover_the_range() {
    let cases: Vec<(Loosening, &str, &str)> = vec![
        (
            Box::new(config("tuneables: {files: [config/tuneables.json]}", "tuneables: {files: []}")),
            "config/tuneables.json",
            "TUNEABLES_UNTRACKED",
        ),
        (Box::new(config("  env: ['deploy/*.env']\n", "")), "deploy/a.env", "ENV_OVERRIDE_UNDOCUMENTED"),
        (Box::new(config("['notes/**']", "['**']")), "src/steps.txt", "COMMIT_WITHOUT_ID"),
        (Box::new(config("[renovate]", "[Tester]")), "src/steps.txt", "COMMIT_WITHOUT_ID"),
        (Box::new(config("  require:", "  trailer: Signed-off-by\n  require:")), "src/steps.txt", "COMMIT_WITHOUT_ID"),
        (
            Box::new(|sandbox: &Sandbox| std::fs::remove_file(sandbox.root().join("vibeship_optimizer.yml")).unwrap()),
            "config/tuneables.json",
            "TUNEABLES_UNTRACKED",
        ),
    ];
    for (loosen, path, code) in cases {
        let sandbox = Sandbox::enforced();
        let base = sandbox.head();
        loosen(&sandbox);
        sandbox.git(&["add", "-A"]);
        sandbox.git(&["commit", "-qm", "Loosen"]);
        commit(&sandbox, path, "{\"ttl\": 9}\n", "Hidden");
        let codes = sandbox.codes(&since(&base));
        assert!(codes.contains(&code.to_owned()) && codes.contains(&"POLICY_CHANGED".to_owned()), "{path}: {codes:?}");
        let found = codes.iter().filter(|found| *found == code).count();
        assert_eq!(found, 1, "the loosening is told as what it is: {codes:?}");
    }
}

/// A side branch with a tracked change, to be merged into main, which has new commits.
fn to_merge() -> (Sandbox, String) {
    let (sandbox, _, base) = tracked();
    sandbox.git(&["checkout", "-q", "-b", "side"]);
    sandbox.git(&["checkout", "-q", "main"]);
    commit(&sandbox, "notes/x.md", "x\n", "Prose");
    sandbox.git(&["checkout", "-q", "side"]);
    commit(&sandbox, "notes/y.md", "y\n", "Prose");
    sandbox.git(&["checkout", "-q", "main"]);
    (sandbox, base)
}

#[test]
fn a_merge_with_content_of_its_own_fails() {
    for (path, text) in [("src/steps.txt", "1\n"), ("config/tuneables.json", "{\"ttl\": 1}\n"), ("src/new.rs", "x\n")] {
        let (sandbox, base) = to_merge();
        sandbox.git(&["merge", "-q", "--no-commit", "side"]);
        sandbox.write(path, text);
        sandbox.git(&["add", "-A"]);
        sandbox.git(&["commit", "-qm", "Merge side"]);
        assert_eq!(sandbox.codes(&since(&base)), ["MERGE_BRINGS_CONTENT"], "{path}");
        sandbox.run(&["check", "--range", &since(&base)]).exits(1).says(&[path]);
    }
}

#[test]
fn an_octopus_merge_with_content_of_its_own_fails() {
    let (sandbox, base) = to_merge();
    sandbox.git(&["checkout", "-q", "-b", "third", "side^"]);
    commit(&sandbox, "notes/z.md", "z\n", "Prose");
    sandbox.git(&["checkout", "-q", "main"]);
    sandbox.git(&["merge", "-q", "--no-edit", "side", "third"]);
    assert!(sandbox.codes(&since(&base)).is_empty());
    sandbox.write("src/steps.txt", "1\n");
    sandbox.git(&["commit", "-qa", "--amend", "--no-edit"]);
    assert_eq!(sandbox.codes(&since(&base)), ["MERGE_BRINGS_CONTENT"]);
    sandbox.run(&["check", "--range", &since(&base)]).exits(1).says(&["src/steps.txt"]);
}

#[test]
fn a_merge_that_drops_work_of_the_base_fails() {
    let (sandbox, _, before) = tracked();
    let base = sandbox.head();
    sandbox.git(&["checkout", "-q", "-b", "side", &before]);
    commit(&sandbox, "notes/y.md", "y\n", "Prose");
    // The merge drops main's improvement, and no commit reverts it.
    sandbox.git(&["merge", "-q", "--no-edit", "-s", "ours", "main"]);
    sandbox.git(&["checkout", "-q", "main", "--", ".vibeship-optimizer", "reports", "VIBESHIP_OPTIMIZER.md"]);
    sandbox.git(&["commit", "-q", "--amend", "--no-edit"]);
    assert_eq!(sandbox.codes(&since(&base)), ["MERGE_BRINGS_CONTENT"]);
}

#[test]
fn a_clean_merge_is_no_finding_and_a_resolved_conflict_is_a_warning() {
    let sandbox = Sandbox::enforced();
    let long = |first: &str, last: &str| format!("{first}\n2\n3\n4\n5\n6\n7\n8\n{last}\n");
    commit(&sandbox, "notes/n.md", &long("1", "9"), "Prose");
    let base = sandbox.head();
    sandbox.git(&["checkout", "-q", "-b", "side"]);
    commit(&sandbox, "notes/n.md", &long("1", "nine"), "Prose");
    sandbox.git(&["checkout", "-q", "main"]);
    commit(&sandbox, "notes/n.md", &long("one", "9"), "Prose");
    sandbox.git(&["merge", "-q", "--no-edit", "side"]);
    assert!(sandbox.codes(&since(&base)).is_empty());
    sandbox.git(&["checkout", "-q", "-b", "other", &base]);
    commit(&sandbox, "notes/n.md", &long("uno", "9"), "Prose");
    let _ = sandbox.try_git(&["merge", "-q", "main"]);
    sandbox.write("notes/n.md", long("both", "nine"));
    sandbox.git(&["commit", "-qam", "Merge main"]);
    assert_eq!(sandbox.codes(&since(&base)), ["MERGE_BRINGS_CONTENT"]);
    let text = sandbox.run(&["check", "--range", &since(&base)]).ok().stdout;
    assert!(text.contains("warn MERGE_BRINGS_CONTENT") && text.contains("contains resolved conflicts"), "{text}");
}

#[test]
fn a_change_in_a_merged_parent_or_in_another_root_is_seen() {
    let sandbox = Sandbox::enforced();
    let base = sandbox.head();
    sandbox.git(&["checkout", "-q", "-b", "side"]);
    commit(&sandbox, "config/tuneables.json", "{\"ttl\": 1}\n", "Hidden");
    commit(&sandbox, "config/tuneables.json", "{\"ttl\": 30}\n", "Hidden again");
    sandbox.git(&["checkout", "-q", "main"]);
    sandbox.git(&["merge", "-q", "--no-ff", "--no-edit", "side"]);
    assert_eq!(sandbox.codes(&since(&base)), ["TUNEABLES_UNTRACKED"; 2]);
    sandbox.git(&["reset", "-q", "--hard", &base]);
    sandbox.git(&["checkout", "-q", "--orphan", "island"]);
    sandbox.git(&["rm", "-rfq", "."]);
    commit(&sandbox, "lib/x.rs", "x\n", "Another root");
    sandbox.git(&["checkout", "-q", "main"]);
    sandbox.git(&["merge", "-q", "--no-edit", "--allow-unrelated-histories", "island"]);
    assert_eq!(sandbox.codes(&since(&base)), ["COMMIT_WITHOUT_ID"]);
}

#[test]
fn a_submodule_that_is_to_be_ignored_is_a_change_like_any_other() {
    let sandbox = Sandbox::enforced();
    sandbox.write(".gitmodules", "[submodule \"lib\"]\n\tpath = lib\n\turl = ./lib\n\tignore = all\n");
    let link = |object: &str| {
        let entry = format!("160000,{},lib", object.repeat(40));
        sandbox.git(&["update-index", "--add", "--cacheinfo", &entry]);
        sandbox.git(&["commit", "-qm", "Bump lib"]);
    };
    sandbox.git(&["add", ".gitmodules"]);
    link("a");
    let base = sandbox.head();
    link("b");
    assert_eq!(sandbox.codes(&since(&base)), ["COMMIT_WITHOUT_ID"]);
}

#[test]
fn attributes_replacements_and_grafts_hide_nothing() {
    let sandbox = Sandbox::enforced();
    commit(&sandbox, ".gitattributes", "* -diff diff=none export-ignore\n*.json binary\n", "Attributes");
    sandbox.git(&["config", "diff.none.textconv", "true"]);
    sandbox.git(&["config", "diff.none.command", "true"]);
    let base = sandbox.head();
    commit(&sandbox, "config/tuneables.json", "{\"ttl\": 1}\n", "Hidden");
    let bad = sandbox.head();
    commit(&sandbox, "notes/n.md", "1\n", "Prose");
    let seen = |sandbox: &Sandbox| assert_eq!(sandbox.codes(&since(&base)), ["TUNEABLES_UNTRACKED"]);
    seen(&sandbox);
    // The commit is replaced by an empty one, and the next one is grafted onto the base.
    let innocent =
        sandbox.try_git(&["commit-tree", &format!("{base}^{{tree}}"), "-p", &base, "-m", "Nothing"]).ok().stdout;
    sandbox.git(&["replace", &bad, innocent.trim()]);
    seen(&sandbox);
    sandbox.git(&["replace", "-d", &bad]);
    sandbox.write(".git/info/grafts", format!("{} {base}\n", sandbox.head()));
    seen(&sandbox);
}

#[test]
fn a_revert_must_restore_white_space_too() {
    let sandbox = Sandbox::enforced();
    commit(&sandbox, "config/steps.yml", "a:\n  b: 1\n", "Set up");
    let base = sandbox.head();
    let id = sandbox.ready("fewer steps");
    commit(&sandbox, "config/steps.yml", "a:\n  b: 2\n", &named(&id));
    let made = sandbox.head();
    commit(&sandbox, "config/steps.yml", "a:\nb: 1\n", &format!("Revert\n\nThis reverts commit {made}.\n"));
    assert_eq!(sandbox.codes(&since(&base)), ["REVERT_NOT_EXACT"]);
}

#[test]
fn promotion_and_verification_refuse_a_forged_record() {
    use vibeship_optimizer::model::Kind;
    let (sandbox, id, _) = tracked();
    let file = record_path(&id);
    forge(&sandbox, &id, |kinds| kinds.push(Kind::Verified { summary: "all good".to_owned() }));
    for command in [&["change", "promote"][..], &["verify"], &["change", "verify", "--apply", "--summary", "x"]] {
        let answer = sandbox.run(&[command, &["--change-id", &id]].concat());
        answer.exits(1).says(&["event 4", &file, "refuses it", "git log --stat --oneline -- "]);
    }
}

#[test]
fn a_revert_of_an_unknown_commit_is_found() {
    let sandbox = Sandbox::enforced();
    let base = sandbox.head();
    let id = sandbox.ready("fewer steps");
    let message = format!("Evil\n\nThis reverts commit deadbeefdeadbeef.\n\n{KEY}: {id}\n");
    commit(&sandbox, "src/evil.txt", "1\n", &message);
    commit(&sandbox, "src/evil.txt", "2\n", &message);
    let codes = sandbox.codes(&since(&base));
    assert!(codes.contains(&"REVERT_NOT_EXACT".to_owned()), "{codes:?}");
}

#[test]
fn a_record_of_the_python_tool_covers_no_commit_of_the_range() {
    let sandbox = Sandbox::enforced();
    let base = sandbox.head();
    let id = "chg-20200101-000000-x";
    let record = format!(
        "{{\"schema\": \"vibeship_optimizer.change.v1\", \"change_id\": \"{id}\", \"title\": \"x\", \
         \"status\": \"verified\", \"started_at\": \"2020-01-01T00:00:00Z\"}}\n"
    );
    commit(&sandbox, &record_path(id), &record, "Record");
    commit(&sandbox, "src/evil.txt", "1\n", &format!("Evil\n\n{KEY}: {id}\n"));
    let answer = sandbox.run(&["check", "--range", &format!("{base}..HEAD")]);
    answer.exits(1).says(&["RECORD_UNPROVEN"]);
}
