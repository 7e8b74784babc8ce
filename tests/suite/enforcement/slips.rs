//! Attempts to evade the workflow, each detected by the range check.

#[cfg(unix)]
use std::path::Path;

use crate::support::{KEY, Sandbox};

pub(crate) fn since(base: &str) -> String {
    format!("{base}..HEAD")
}

/// A tracked, committed change, and the base before it.
pub(crate) fn tracked() -> (Sandbox, String, String) {
    let sandbox = Sandbox::enforced();
    let base = sandbox.head();
    let id = sandbox.ready("fewer steps");
    sandbox.improve_steps();
    sandbox.git(&["commit", "-qm", &format!("Fewer steps\n\n{KEY}: {id}\n")]);
    assert!(sandbox.codes(&since(&base)).is_empty());
    (sandbox, id, base)
}

/// Takes a committed change through its gates up to the comparison.
pub(crate) fn compare(sandbox: &Sandbox, id: &str) {
    for args in [
        &["validate", "--change-id", id][..],
        &["snapshot", "--label", "after", "--change-id", id, "--as", "after"],
        &["compare", "--change-id", id],
    ] {
        sandbox.run(args).ok();
    }
}

/// A committed change that is compared in pairs, and the base before it.
pub(crate) fn compared() -> (Sandbox, String, String) {
    let (sandbox, id, base) = tracked();
    compare(&sandbox, &id);
    sandbox.commit_evidence();
    (sandbox, id, base)
}

pub(crate) fn record_path(id: &str) -> String {
    format!(".vibeship-optimizer/changes/{id}.json")
}

/// Rewrites the record as somebody with this tool's sources can: edits events and recomputes every digest.
pub(crate) fn forge(sandbox: &Sandbox, id: &str, edit: impl FnOnce(&mut Vec<vibeship_optimizer::model::Kind>)) {
    forge_at(sandbox, id, 0, edit);
}

/// Like [`forge`], with added events this many days after the last one.
pub(crate) fn forge_at(
    sandbox: &Sandbox,
    id: &str,
    days: i64,
    edit: impl FnOnce(&mut Vec<vibeship_optimizer::model::Kind>),
) {
    use vibeship_optimizer::model::{Event, Kind};
    use vibeship_optimizer::store::record;
    use vibeship_optimizer::workflow::{Change, chain};
    let value: serde_json::Value = serde_json::from_str(&sandbox.read(record_path(id))).unwrap();
    let events: Vec<Event> = serde_json::from_value(value["events"].clone()).unwrap();
    let mut kinds: Vec<Kind> = events.iter().map(|event| event.what.clone()).collect();
    edit(&mut kinds);
    let mut sealed: Vec<Event> = Vec::new();
    for (index, kind) in kinds.into_iter().enumerate() {
        let old = events.get(index).or(events.last()).unwrap();
        let later = if index < events.len() { 0 } else { days };
        sealed.push(chain::seal(sealed.last(), kind, old.actor.clone(), old.at + chrono::Duration::days(later)));
    }
    let bytes = record::bytes(&Change::replay(sealed).unwrap());
    sandbox.write(record_path(id), String::from_utf8(bytes).unwrap());
}

/// Shifts every time in the record by this many minutes.
pub(crate) fn shift(sandbox: &Sandbox, id: &str, minutes: i64) {
    use vibeship_optimizer::model::Event;
    use vibeship_optimizer::store::record;
    use vibeship_optimizer::workflow::{Change, chain};
    let value: serde_json::Value = serde_json::from_str(&sandbox.read(record_path(id))).unwrap();
    let events: Vec<Event> = serde_json::from_value(value["events"].clone()).unwrap();
    let mut sealed: Vec<Event> = Vec::new();
    for event in events {
        let at = event.at + chrono::Duration::minutes(minutes);
        sealed.push(chain::seal(sealed.last(), event.what, event.actor, at));
    }
    let bytes = record::bytes(&Change::replay(sealed).unwrap());
    sandbox.write(record_path(id), String::from_utf8(bytes).unwrap());
}

#[test]
fn a_trailer_quoted_in_the_body_does_not_count() {
    let (sandbox, id, _) = tracked();
    let base = sandbox.head();
    sandbox.write("src/steps.txt", "70\n");
    let message = format!("More\n\n{KEY}: {id}\nis what the last commit said.\n\nThis one says nothing.\n");
    sandbox.git(&["commit", "-qam", &message]);
    assert_eq!(sandbox.codes(&since(&base)), ["COMMIT_WITHOUT_ID"]);
}

#[test]
fn an_edited_record_is_found() {
    let (sandbox, id, base) = tracked();
    let text = sandbox.read(record_path(&id));
    sandbox.write(record_path(&id), text.replace("-10%", "+90%"));
    sandbox.commit_evidence();
    assert_eq!(sandbox.codes(&since(&base)), ["RECORD_UNREADABLE"]);
}

#[test]
fn a_record_rewritten_with_a_recomputed_chain_is_found_against_the_base() {
    use vibeship_optimizer::model::Kind;
    let (sandbox, id, _) = tracked();
    let base = sandbox.head();
    forge(&sandbox, &id, |kinds| {
        for kind in kinds {
            if let Kind::ContractSet { contract } = kind {
                contract.hypothesis = "anything".to_owned();
            }
        }
    });
    sandbox.commit_evidence();
    assert_eq!(sandbox.codes(&since(&base)), ["RECORD_REWRITTEN", "VERDICTS_DIFFER"]);
}

#[test]
fn a_record_forged_within_the_range_is_found() {
    use vibeship_optimizer::model::Kind;
    let (sandbox, id, base) = tracked();
    forge(&sandbox, &id, |kinds| kinds.push(Kind::Verified { summary: "all good".to_owned() }));
    sandbox.commit_evidence();
    assert_eq!(sandbox.codes(&since(&base)), ["RECORD_UNLAWFUL"]);
}

#[test]
fn a_removed_record_is_found() {
    let (sandbox, id, _) = tracked();
    let base = sandbox.head();
    sandbox.git(&["rm", "-q", &record_path(&id)]);
    sandbox.git(&["commit", "-qm", "Tidy"]);
    assert_eq!(sandbox.codes(&since(&base)), ["RECORD_REMOVED"]);
}

#[test]
fn altered_and_missing_evidence_is_found_in_the_tree() {
    let (sandbox, id, base) = tracked();
    let file = format!("reports/optimizer/{id}_before_snapshot.json");
    let text = sandbox.read(&file);
    sandbox.write(&file, text.replacen("100", "900", 1));
    sandbox.commit_evidence();
    assert!(sandbox.codes(&since(&base)).contains(&"ARTIFACT_ALTERED".to_owned()));
    sandbox.git(&["rm", "-q", &file]);
    sandbox.git(&["commit", "-qm", "Tidy"]);
    assert!(sandbox.codes(&since(&base)).contains(&"ARTIFACT_MISSING".to_owned()));
}

#[test]
fn evidence_made_after_the_fact_is_found() {
    let sandbox = Sandbox::enforced();
    let base = sandbox.head();
    sandbox.improve_steps();
    sandbox.git(&["commit", "-qm", "Fewer steps"]);
    let made = sandbox.head();
    std::thread::sleep(std::time::Duration::from_millis(1100));
    // The baseline is measured later, on the code before the change, as if it had come first.
    sandbox.git(&["checkout", "-q", "-b", "late", &base]);
    let id = sandbox.ready("fewer steps");
    sandbox.git(&["cherry-pick", &made]);
    sandbox.git(&["commit", "-q", "--amend", "-m", &format!("Fewer steps\n\n{KEY}: {id}\n")]);
    assert_eq!(sandbox.codes(&since(&base)), ["EVIDENCE_AFTER_THE_FACT"]);
    // A baseline that is committed after the change does not precede it.
    sandbox.git(&["checkout", "-q", "-b", "later", &made]);
    sandbox.git(&["commit", "-q", "--amend", "-m", &format!("Fewer steps\n\n{KEY}: {id}\n")]);
    sandbox.git(&["checkout", "late", "--", ".vibeship-optimizer", "reports"]);
    sandbox.commit_evidence();
    let codes = sandbox.codes(&since(&base));
    assert!(
        codes.contains(&"EVIDENCE_AFTER_THE_FACT".to_owned()) || codes.contains(&"BASELINE_NOT_FIRST".to_owned()),
        "{codes:?}"
    );
}

#[test]
fn a_clock_that_was_set_back_by_less_than_ten_minutes_is_no_evidence_after_the_fact() {
    for (minutes, codes) in [(4, Vec::new()), (11, vec!["EVIDENCE_AFTER_THE_FACT"])] {
        let sandbox = Sandbox::enforced();
        let base = sandbox.head();
        let id = sandbox.ready("fewer steps");
        sandbox.improve_steps();
        let at = (chrono::Utc::now() - chrono::Duration::minutes(minutes)).to_rfc3339();
        let message = format!("Fewer steps\n\n{KEY}: {id}\n");
        sandbox.git_at(&at, &["commit", "-qm", &message]);
        assert_eq!(sandbox.codes(&since(&base)), codes, "{minutes} minutes");
    }
}

#[test]
fn a_baseline_on_other_code_is_not_first() {
    let sandbox = Sandbox::enforced();
    let base = sandbox.head();
    sandbox.git(&["checkout", "-q", "-b", "elsewhere"]);
    sandbox.write("notes/n.md", "1\n");
    sandbox.git(&["add", "notes"]);
    sandbox.git(&["commit", "-qm", "Prose"]);
    let id = sandbox.ready("fewer steps");
    sandbox.git(&["checkout", "-q", "-b", "here", &base]);
    sandbox.improve_steps();
    sandbox.git(&["commit", "-qm", &format!("Fewer steps\n\n{KEY}: {id}\n")]);
    sandbox.git(&["checkout", "elsewhere", "--", ".vibeship-optimizer", "reports"]);
    sandbox.commit_evidence();
    assert_eq!(sandbox.codes(&since(&base)), ["BASELINE_NOT_FIRST"]);
}

#[test]
fn events_of_the_future_and_events_put_into_the_past_are_found() {
    use vibeship_optimizer::model::Kind;
    let note = || Kind::Noted { text: "x".to_owned() };
    for (days, code) in [(2, "RECORD_FROM_FUTURE"), (-2, "RECORD_BACKDATED")] {
        let (sandbox, id, _) = tracked();
        let base = sandbox.head();
        forge_at(&sandbox, &id, days, |kinds| kinds.push(note()));
        sandbox.commit_evidence();
        assert_eq!(sandbox.codes(&since(&base)), [code]);
    }
}

#[test]
fn another_commit_than_the_validated_one_is_found_and_relinking_it_needs_proof() {
    let (sandbox, id, base) = tracked();
    sandbox.run(&["validate", "--change-id", &id]).ok();
    sandbox.commit_evidence();
    assert!(sandbox.codes(&since(&base)).is_empty());
    let validated = sandbox.git(&["rev-parse", "HEAD^"]);
    // The same change on another base, with a new hash after a rebase.
    sandbox.git(&["checkout", "-q", "-b", "moved", &format!("{validated}^")]);
    sandbox.write("notes/n.md", "1\n");
    sandbox.git(&["add", "notes"]);
    sandbox.git(&["commit", "-qm", "Prose"]);
    sandbox.git(&["cherry-pick", &validated, "main"]);
    assert_eq!(sandbox.codes(&since(&base)), ["COMMIT_NOT_VALIDATED"]);
    let answer = sandbox.run(&["change", "relink", "--change-id", &id]).ok();
    assert!(answer.stdout.contains("by pick"), "{}", answer.stdout);
    sandbox.commit_evidence();
    assert!(sandbox.codes(&since(&base)).is_empty());
    let nothing = sandbox.run(&["change", "relink", "--change-id", &id]).ok();
    assert!(nothing.stdout.contains("nothing relinked"), "{}", nothing.stdout);
}

#[test]
fn an_id_lost_in_a_squash_is_found_again() {
    let (sandbox, id, base) = tracked();
    sandbox.run(&["validate", "--change-id", &id]).ok();
    sandbox.commit_evidence();
    sandbox.git(&["checkout", "-q", "-b", "squashed", &base]);
    sandbox.git(&["merge", "-q", "--squash", "main"]);
    sandbox.git(&["commit", "-qm", "Squashed (#1)"]);
    assert_eq!(sandbox.codes(&since(&base)), ["COMMIT_WITHOUT_ID"]);
    sandbox.run(&["change", "relink"]).ok();
    sandbox.commit_evidence();
    assert!(sandbox.codes(&since(&base)).is_empty());
}

#[test]
fn a_relink_that_is_not_the_same_change_is_unproven() {
    use vibeship_optimizer::model::Kind;
    let (sandbox, id, base) = tracked();
    sandbox.run(&["validate", "--change-id", &id]).ok();
    sandbox.commit_evidence();
    let old = sandbox.git(&["rev-parse", "HEAD^"]);
    sandbox.write("src/steps.txt", "1\n");
    sandbox.git(&["commit", "-qam", "Something else"]);
    let new = sandbox.head();
    forge(&sandbox, &id, |kinds| kinds.push(Kind::Relinked { commits: vec![(old, new)], by: "patch-id".to_owned() }));
    sandbox.commit_evidence();
    let codes = sandbox.codes(&since(&base));
    assert!(codes.contains(&"RELINK_UNPROVEN".to_owned()), "{codes:?}");
}

/// The baseline's code was never in the history of main, which already has half of the change.
#[test]
fn a_commit_with_a_part_of_the_validated_change_is_not_the_validated_one() {
    use vibeship_optimizer::model::Kind;
    let sandbox = Sandbox::enforced();
    let base = sandbox.head();
    sandbox.git(&["checkout", "-q", "-b", "slow"]);
    sandbox.write("src/steps.txt", "900\n");
    sandbox.git(&["commit", "-qam", "Slower, for nobody to see"]);
    let id = sandbox.ready("fewer steps");
    sandbox.write("src/steps.txt", "100\n");
    sandbox.write("more.txt", "more\n");
    sandbox.git(&["add", "src", "more.txt"]);
    sandbox.git(&["commit", "-qm", &format!("Fewer steps\n\n{KEY}: {id}\n")]);
    let validated = sandbox.head();
    compare(&sandbox, &id);
    sandbox.run(&["change", "promote", "--change-id", &id]).ok();
    sandbox.commit_evidence();
    sandbox.git(&["checkout", "-q", "main"]);
    sandbox.git(&["checkout", "-q", "slow", "--", ".vibeship-optimizer", "reports", "VIBESHIP_OPTIMIZER.md"]);
    sandbox.commit_evidence();
    sandbox.write("more.txt", "more\n");
    sandbox.git(&["add", "src", "more.txt"]);
    sandbox.git(&["commit", "-qm", &format!("A part of it\n\n{KEY}: {id}\n")]);
    let part = sandbox.head();
    sandbox.run(&["change", "relink", "--change-id", &id]).exits(1);
    forge(&sandbox, &id, |kinds| {
        kinds.push(Kind::Relinked { commits: vec![(validated, part)], by: "pick".to_owned() })
    });
    sandbox.commit_evidence();
    assert!(sandbox.codes(&since(&base)).contains(&"RELINK_UNPROVEN".to_owned()), "the validated commit is here");
    let clone = sandbox.outside().join("clone");
    let url = format!("file://{}", sandbox.root().display());
    sandbox.git(&["clone", "-q", "--single-branch", "-b", "main", &url, &clone.display().to_string()]);
    sandbox.go_to(&clone);
    assert!(sandbox.codes(&since(&base)).contains(&"RELINK_UNPROVEN".to_owned()), "a clone of main alone");
}

/// Git applies a change to another file after a rename, or to a similar file.
#[test]
fn a_cherry_pick_onto_another_file_is_not_the_validated_commit() {
    let sandbox = Sandbox::enforced();
    let lines: String = (0..40).map(|n| format!("line {n}\n")).collect();
    sandbox.write("src/test.conf", format!("{lines}w = 8\n"));
    sandbox.git(&["add", "src"]);
    sandbox.git(&["commit", "-qm", "Settings"]);
    let base = sandbox.head();
    let id = sandbox.ready("fewer steps");
    sandbox.write("src/test.conf", format!("{lines}w = 16\n"));
    sandbox.improve_steps();
    sandbox.git(&["commit", "-qm", &format!("Fewer steps\n\n{KEY}: {id}\n")]);
    let validated = sandbox.head();
    sandbox.run(&["validate", "--change-id", &id]).ok();
    sandbox.commit_evidence();
    sandbox.git(&["checkout", "-q", "-b", "moved", &base]);
    sandbox.git(&["mv", "src/test.conf", "src/production.conf"]);
    sandbox.git(&["commit", "-qm", "Moved on"]);
    sandbox.git(&["cherry-pick", &validated]);
    sandbox.git(&["checkout", "-q", "main", "--", ".vibeship-optimizer", "reports", "VIBESHIP_OPTIMIZER.md"]);
    sandbox.run(&["change", "relink", "--change-id", &id]).exits(1).never_says(&["is now"]);
}

#[test]
fn a_chain_of_relinks_is_held_against_the_validated_commit() {
    use vibeship_optimizer::model::Kind;
    let (sandbox, id, base) = tracked();
    sandbox.run(&["validate", "--change-id", &id]).ok();
    sandbox.commit_evidence();
    let validated = sandbox.git(&["rev-parse", "HEAD^"]);
    let after = sandbox.head();
    sandbox.write("src/steps.txt", "1\n");
    sandbox.git(&["commit", "-qam", "Something else"]);
    let other = sandbox.head();
    let nowhere = format!("{:0>40}", 1);
    let moved = |old: &str, new: &str| Kind::Relinked {
        commits: vec![(old.to_owned(), new.to_owned())],
        by: "patch-id".to_owned(),
    };
    let honest = sandbox.read(record_path(&id));
    for chain in [
        vec![moved(&validated, &nowhere), moved(&nowhere, &other), moved(&other, &other)],
        vec![moved(&validated, &nowhere), moved(&nowhere, &other)],
        vec![moved(&other, &other)],
    ] {
        sandbox.write(record_path(&id), &honest);
        forge(&sandbox, &id, |kinds| kinds.extend(chain.clone()));
        sandbox.commit_evidence();
        let codes = sandbox.codes(&since(&after));
        assert!(codes.contains(&"RELINK_UNPROVEN".to_owned()), "{codes:?}");
        assert_eq!(codes.contains(&"RECORD_UNLAWFUL".to_owned()), chain.len() != 2, "{codes:?}");
    }
    // Honest relinking, twice.
    sandbox.git(&["checkout", "-q", "-B", "main", &after]);
    for branch in ["once", "twice"] {
        sandbox.git(&["checkout", "-q", "-b", branch, &format!("{validated}^")]);
        sandbox.write("notes/n.md", branch);
        sandbox.git(&["add", "notes"]);
        sandbox.git(&["commit", "-qm", "Prose"]);
        sandbox.git(&["cherry-pick", &validated, "main"]);
        if branch == "twice" {
            sandbox.git(&["checkout", "-q", "once", "--", ".vibeship-optimizer"]);
        }
        sandbox.run(&["change", "relink", "--change-id", &id]).ok();
        sandbox.commit_evidence();
        assert!(sandbox.codes(&since(&base)).is_empty(), "{branch}");
    }
}

#[test]
fn commits_in_a_record_are_checked_against_git() {
    use vibeship_optimizer::model::{Digest, Kind, Validation};
    let (sandbox, id, base) = tracked();
    sandbox.run(&["validate", "--change-id", &id]).ok();
    sandbox.commit_evidence();
    assert!(sandbox.codes(&since(&base)).is_empty());
    let honest = sandbox.head();
    for (part, words) in [("tree", "its tree is not"), ("code", "its code is not"), ("files", "files of its delta")] {
        forge(&sandbox, &id, |kinds| {
            let Some(Kind::Validated(Validation { revision, delta, .. })) = kinds.last_mut() else {
                panic!("it was validated last")
            };
            match part {
                "tree" => revision.tree = Some("0".repeat(40)),
                "code" => revision.code = Some(Digest::of_bytes(b"other")),
                _ => delta.files = vec!["docs/n.md".to_owned()],
            }
        });
        sandbox.commit_evidence();
        let codes = sandbox.codes(&since(&base));
        assert!(codes.contains(&"VERDICTS_DIFFER".to_owned()), "{part}: {codes:?}");
        sandbox.run(&["check", "--range", &since(&base)]).exits(1).says(&[words]);
        sandbox.git(&["reset", "-q", "--hard", &honest]);
    }
}

#[test]
fn promoted_verdicts_are_computed_again_from_the_tree() {
    let (sandbox, id, base) = tracked();
    sandbox.run(&["validate", "--change-id", &id]).ok();
    sandbox.commit_evidence();
    sandbox.run(&["snapshot", "--label", "after", "--change-id", &id, "--as", "after"]).ok();
    sandbox.run(&["compare", "--change-id", &id]).ok();
    sandbox.commit_evidence();
    assert!(sandbox.codes(&since(&base)).is_empty());
    sandbox.run(&["change", "promote", "--change-id", &id]).ok();
    sandbox.commit_evidence();
    assert!(sandbox.codes_with(&since(&base), &["--require", "promoted"]).is_empty());
}

#[test]
fn the_trailer_command_prints_what_a_pull_request_needs() {
    let (sandbox, id, _) = tracked();
    let answer = sandbox.run(&["change", "trailer", "--change-id", &id]).ok();
    assert_eq!(answer.stdout, format!("{KEY}: {id}\n"));
}

#[test]
#[cfg(unix)]
fn work_staged_before_the_baseline_is_stashed_without_the_record() {
    let sandbox = Sandbox::hooked();
    let id = sandbox.opened("code", "fewer steps");
    sandbox.improve_steps();
    sandbox.git(&["add", "-A"]);
    let refused = sandbox.try_git(&["commit", "-m", "Fewer steps", "--trailer", &format!("Optimizer-Change: {id}")]);
    assert_ne!(refused.code, 0);
    let steps = refused.stderr.lines().filter_map(|line| line.strip_prefix("next: ").or(line.strip_prefix("then: ")));
    for step in steps {
        let step = step.split("  # ").next().unwrap();
        let here = Path::new(env!("CARGO_BIN_EXE_vibeship-optimizer")).parent().unwrap().display().to_string();
        let step = format!("PATH={here}:$PATH; {step}");
        let ran = sandbox.command("sh").args(["-c", &step]).output().unwrap();
        assert!(ran.status.success(), "{step}: {}", String::from_utf8_lossy(&ran.stderr));
    }
    assert_eq!(sandbox.read("src/steps.txt"), "80\n");
    assert_eq!(sandbox.ids("HEAD"), [id]);
    assert!(sandbox.try_git(&["stash", "list"]).stdout.is_empty());
}
