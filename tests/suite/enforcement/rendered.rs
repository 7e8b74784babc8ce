//! Edited reports: the check renders them again from the record and the raw evidence, and finds the difference.

use crate::enforcement::slips::{compared, record_path, since};
use crate::support::Sandbox;

/// Edits a report, and every digest of it in a resealed hash chain.
fn rewrite(sandbox: &Sandbox, id: &str, page: &str, from: &str, to: &str) {
    use vibeship_optimizer::model::{Digest, Event};
    use vibeship_optimizer::store::record;
    use vibeship_optimizer::workflow::{Change, chain};
    let old = sandbox.read(page);
    let new = old.replacen(from, to, 1);
    assert_ne!(old, new, "{old}");
    sandbox.write(page, &new);
    let digest = |text: &str| Digest::of_bytes(text.as_bytes()).as_str().to_owned();
    let text = sandbox.read(record_path(id)).replace(&digest(&old), &digest(&new));
    let value: serde_json::Value = serde_json::from_str(&text).unwrap();
    let mut sealed: Vec<Event> = Vec::new();
    for event in value["events"].as_array().unwrap() {
        let event: Event = serde_json::from_value(event.clone()).unwrap();
        sealed.push(chain::seal(sealed.last(), event.what, event.actor, event.at));
    }
    let bytes = record::bytes(&Change::replay(sealed).unwrap());
    sandbox.write(record_path(id), String::from_utf8(bytes).unwrap());
    // Drops the commit of the honest record, and renders the logbook from the forged one.
    sandbox.git(&["reset", "-q", "--soft", "HEAD^"]);
    let _ = sandbox.run(&["doctor", "--apply"]);
    sandbox.commit_evidence();
}

#[test]
fn a_report_that_says_more_than_the_evidence_is_found() {
    let (sandbox, id, base) = compared();
    let range = since(&base);
    assert_eq!(sandbox.codes(&range), [""; 0]);
    assert_eq!(sandbox.run(&["check"]).code, 0);
    let page = format!("reports/optimizer/{id}_compare.md");
    rewrite(&sandbox, &id, &page, "-20", "-90");
    assert_eq!(sandbox.codes(&range), ["REPORT_DIFFERS"]);
    sandbox.run(&["check"]).exits(1).says(&["REPORT_DIFFERS", &page]);
}

#[test]
fn files_that_no_event_names_are_found_and_a_rollback_note_is_rendered_again() {
    let (sandbox, id, base) = compared();
    let range = since(&base);
    let honest = sandbox.head();
    for name in ["day9.md", "compare.svg", "rollback.md", "day3_snapshot.json"] {
        sandbox.write(format!("reports/optimizer/{id}_{name}"), "<svg>Verified!</svg>\n");
        sandbox.commit_evidence();
        for range in [&range, &since(&honest)] {
            let told = sandbox.run(&["check", "--range", range]).ok();
            assert!(told.stdout.contains("EVIDENCE_UNKNOWN") && told.stdout.contains(name), "{}", told.stdout);
        }
        sandbox.git(&["reset", "-q", "--hard", &honest]);
    }
    sandbox.run(&["change", "promote", "--change-id", &id]).ok();
    sandbox.commit_evidence();
    assert_eq!(sandbox.codes(&range), [""; 0]);
    rewrite(&sandbox, &id, &format!("reports/optimizer/{id}_rollback.md"), "How to take back", "Never take back");
    assert_eq!(sandbox.codes(&range), ["REPORT_DIFFERS"]);
}

#[test]
pub(crate) fn a_section_of_the_logbook_that_was_edited_is_told() {
    let (sandbox, id, base) = compared();
    let range = since(&base);
    let logbook = sandbox.read("VIBESHIP_OPTIMIZER.md");
    // Users may write text around the sections.
    sandbox.write("VIBESHIP_OPTIMIZER.md", format!("{logbook}\nverified by me\n"));
    sandbox.commit_evidence();
    assert_eq!(sandbox.codes(&range), [""; 0]);
    sandbox.write("VIBESHIP_OPTIMIZER.md", logbook.replacen("- **Status:**", "- **Status:** ✓ **VERIFIED**", 1));
    sandbox.commit_evidence();
    assert_eq!(sandbox.codes(&range), ["REPORT_DIFFERS"]);
    let answer = sandbox.run(&["check", "--range", &range]).ok();
    assert!(answer.stdout.contains("doctor --apply") && answer.stdout.contains(&id), "{}", answer.stdout);
    let _ = sandbox.run(&["doctor", "--apply"]);
    sandbox.commit_evidence();
    assert_eq!(sandbox.codes(&range), [""; 0]);
    // Also in a separate range: a duplicate section, one without a record, and a removed one.
    let honest = sandbox.head();
    let section = |id: &str| {
        let mark = |word: &str| format!("<!-- vibeship-optimizer:{word} {id} -->\n");
        format!("{logbook}\n{}Verified!\n{}", mark("begin"), mark("end"))
    };
    for text in [section(&id), section("chg-none"), String::new()] {
        sandbox.write("VIBESHIP_OPTIMIZER.md", text);
        sandbox.commit_evidence();
        assert_eq!(sandbox.codes(&since(&honest)), ["REPORT_DIFFERS"]);
        sandbox.git(&["reset", "-q", "--hard", &honest]);
    }
}

#[test]
fn data_among_the_evidence_that_no_change_can_have_written_is_code() {
    let (sandbox, id, base) = compared();
    let range = since(&base);
    sandbox.write("reports/optimizer/limits.json", "{\"workers\": 64}\n");
    sandbox.commit_evidence();
    assert_eq!(sandbox.codes(&range), ["COMMIT_WITHOUT_ID"]);
    sandbox.git(&["rm", "-q", "reports/optimizer/limits.json"]);
    sandbox.git(&["commit", "-q", "--amend", "--allow-empty", "-m", "Nothing"]);
    // Files with the change's name that a killed run left are evidence.
    sandbox.write(format!("reports/optimizer/{id}_pair.superseded-1.json"), "{}\n");
    sandbox.write(format!("reports/optimizer/{id}_note.md"), "prose\n");
    sandbox.commit_evidence();
    assert_eq!(sandbox.codes(&range), [""; 0]);
}
