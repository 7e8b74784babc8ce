//! Evidence that was edited together with every digest in the record: it has to agree with itself all the same.

use serde_json::{Value, json};

use crate::enforcement::slips::{compared, record_path, since};
use crate::support::Sandbox;

/// Edits an evidence file of the change, and every digest of it.
pub(crate) fn edit(sandbox: &Sandbox, id: &str, name: &str, how: &dyn Fn(&mut Value)) {
    use vibeship_optimizer::model::{Digest, Event};
    use vibeship_optimizer::store::record;
    use vibeship_optimizer::workflow::{Change, chain};
    let path = match name {
        "attestation" => format!(".vibeship-optimizer/attestations/review_{id}.json"),
        name => format!("reports/optimizer/{id}_{name}.json"),
    };
    let old = sandbox.read(&path);
    let mut value: Value = serde_json::from_str(&old).unwrap();
    how(&mut value);
    let new = format!("{value:#}\n");
    sandbox.write(&path, &new);
    let digest = |text: &str| Digest::of_bytes(text.as_bytes()).as_str().to_owned();
    let record = sandbox.read(record_path(id)).replace(&digest(&old), &digest(&new));
    let record: Value = serde_json::from_str(&record).unwrap();
    let mut sealed: Vec<Event> = Vec::new();
    for event in record["events"].as_array().unwrap() {
        let event: Event = serde_json::from_value(event.clone()).unwrap();
        sealed.push(chain::seal(sealed.last(), event.what, event.actor, event.at));
    }
    let bytes = record::bytes(&Change::replay(sealed).unwrap());
    sandbox.write(record_path(id), String::from_utf8(bytes).unwrap());
}

/// What is said of an edit, the file's name, and the edit.
type Edit<'a> = (&'a str, &'a str, &'a dyn Fn(&mut Value));

/// Each edit alone is told by the range check and bars the promotion; the same files untouched are whole.
#[track_caller]
fn each_is_told(edits: &[Edit<'_>]) {
    let (sandbox, id, base) = compared();
    let honest = sandbox.head();
    assert_eq!(sandbox.codes(&since(&base)), [""; 0]);
    for (words, name, how) in edits {
        edit(&sandbox, &id, name, how);
        sandbox.commit_evidence();
        assert!(sandbox.codes(&since(&base)).contains(&"VERDICTS_DIFFER".to_owned()), "{words}");
        sandbox.run(&["change", "promote", "--change-id", &id]).exits(1).says(&[words]);
        sandbox.git(&["reset", "-q", "--hard", &honest]);
    }
    sandbox.run(&["change", "promote", "--change-id", &id]).ok();
}

#[test]
fn pairs_of_something_else_do_not_stand_for_a_comparison() {
    each_is_told(&[
        ("another change", "pair", &|pair| pair["change_id"] = json!("chg-other")),
        ("other commits", "pair", &|pair| pair["before"]["commit"] = pair["after"]["commit"].clone()),
        ("not measured between", "pair", &|pair| pair["started_at"] = json!("2020-01-01T00:00:00Z")),
        ("not measured between", "pair", &|pair| pair["generated_at"] = json!("2099-01-01T00:00:00Z")),
        ("changes otherwise in the pairs", "pair", &|pair| {
            for values in pair["kpis"][0]["pairs"].as_array_mut().unwrap() {
                *values = json!([100.0, 50.0]);
            }
        }),
    ]);
}

#[test]
fn a_comparison_does_not_bring_its_own_measure() {
    each_is_told(&[
        ("less noise", "compare", &|file| file["settings"]["session_floor"] = json!(0.0)),
        ("less noise", "compare", &|file| file["settings"]["session_floors"] = json!({"timing.t.wall": 0.001})),
        ("less noise", "compare", &|file| file["settings"]["session_floors"] = json!({"kpi.steps": 0.05})),
        ("another effect", "compare", &|file| file["settings"]["min_effect"] = json!(0.0)),
    ]);
}

#[test]
fn the_files_say_what_the_record_says() {
    each_is_told(&[
        ("its verdicts", "compare", &|file| file["criteria"][0]["result"] = file["criteria"][1]["result"].clone()),
        ("its outcome", "validation", &|file| file["checks"][0]["passed"] = json!(false)),
        ("its change id", "validation", &|file| file["change_id"] = json!("chg-other")),
        ("its revision", "validation", &|file| file["revision"]["commit"] = json!("0".repeat(40))),
    ]);
    // Nor do the rows and the objections beside the verdicts.
    let (sandbox, id, base) = compared();
    edit(&sandbox, &id, "compare", &|file| file["metrics"] = json!([]));
    sandbox.git(&["commit", "-qa", "--amend", "--no-edit"]);
    sandbox.run(&["check", "--range", &since(&base)]).exits(1).says(&["REPORT_DIFFERS", "compare.json"]);
}
