//! Forged evidence with matching digests in the record: contradictions within it are detected.

use serde_json::{Value, json};

use crate::enforcement::slips::{compare, compared, forge, record_path, since};
use crate::support::{CommandOutput, KEY, Sandbox};

/// Edits an evidence file of the change, and updates every digest of it.
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

/// The expected message, the file's name, and the edit.
type Edit<'a> = (&'a str, &'a str, &'a dyn Fn(&mut Value));

/// Checks that the range check reports each single edit, that it prevents promotion, and that unedited files pass.
#[track_caller]
fn each_is_found(edits: &[Edit<'_>]) {
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
fn pairs_of_other_commits_or_changes_are_found() {
    each_is_found(&[
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
fn a_comparison_cannot_define_how_it_is_judged() {
    each_is_found(&[
        ("less noise", "compare", &|file| file["settings"]["session_floor"] = json!(0.0)),
        ("less noise", "compare", &|file| file["settings"]["session_floors"] = json!({"timing.t.wall": 0.001})),
        ("less noise", "compare", &|file| file["settings"]["session_floors"] = json!({"kpi.steps": 0.05})),
        ("another effect", "compare", &|file| file["settings"]["min_effect"] = json!(0.0)),
    ]);
}

#[test]
fn files_that_contradict_the_record_are_found() {
    each_is_found(&[
        ("its verdicts", "compare", &|file| file["criteria"][0]["result"] = file["criteria"][1]["result"].clone()),
        ("its outcome", "validation", &|file| file["checks"][0]["passed"] = json!(false)),
        ("its change id", "validation", &|file| file["change_id"] = json!("chg-other")),
        ("its revision", "validation", &|file| file["revision"]["commit"] = json!("0".repeat(40))),
    ]);
    // The metric rows and caveats are checked too, not only the verdicts.
    let (sandbox, id, base) = compared();
    edit(&sandbox, &id, "compare", &|file| file["metrics"] = json!([]));
    sandbox.git(&["commit", "-qa", "--amend", "--no-edit"]);
    sandbox.run(&["check", "--range", &since(&base)]).exits(1).says(&["REPORT_DIFFERS", "compare.json"]);
}

#[test]
fn a_metric_has_to_be_read_as_the_config_defines_it() {
    each_is_found(&[
        ("though the KPI is exact", "after_snapshot", &|file| file["kpis"][0]["unit"] = json!("ms")),
        ("though the KPI is exact", "before_snapshot", &|file| file["kpis"][0]["sampling"] = json!("sampled")),
    ]);
    let (sandbox, id, base) = compared();
    for (name, place) in [("before_snapshot", "/kpis/0"), ("after_snapshot", "/kpis/0"), ("pair", "/kpis/0/kpi")] {
        edit(&sandbox, &id, name, &|file| file.pointer_mut(place).unwrap()["unit"] = json!("ms"));
    }
    sandbox.commit_evidence();
    let told = "another unit, direction or way of sampling";
    let _ = sandbox.run(&["check", "--range", &since(&base)]).exits(1).says(&["VERDICTS_DIFFER", told]);
    each_is_found(&[("the tuneable `ttl` has another value", "after_snapshot", &|file| {
        file["tuneables"]["ttl"]["value"] = json!(10);
    })]);
}

#[test]
fn a_kpi_has_one_text() {
    use vibeship_optimizer::model::{Artifact, Digest, Kind};
    let (sandbox, id, base) = compared();
    let path = format!("reports/optimizer/{id}_kpi_steps_after.txt");
    sandbox.write(&path, "100\n");
    forge(&sandbox, &id, |kinds| {
        for kind in kinds {
            let Kind::AfterTaken(after) = kind else { continue };
            let sha256 = Digest::of_bytes(b"100\n");
            after.taken.kpi_artifacts.push(Artifact { path: path.clone(), sha256 });
        }
    });
    sandbox.commit_evidence();
    let _ = sandbox.run(&["check", "--range", &since(&base)]).exits(1).says(&["has two texts that it was read from"]);
}

#[test]
fn no_file_can_replace_another() {
    use vibeship_optimizer::model::{Digest, Kind};
    let (sandbox, id, base) = compared();
    forge(&sandbox, &id, |kinds| {
        let last = kinds.last().map(|kind| kind.artifacts()[0].path.clone()).unwrap();
        for kind in kinds {
            let Kind::AfterTaken(after) = kind else { continue };
            after.taken.snapshot.path = last.clone();
            after.taken.snapshot.sha256 = Digest::of_bytes(b"nothing");
        }
    });
    sandbox.commit_evidence();
    assert!(sandbox.codes(&since(&base)).contains(&"ARTIFACT_ALTERED".to_owned()));
    let _ = sandbox.run(&["change", "promote", "--change-id", &id]).exits(1);
}

#[test]
fn a_check_has_to_have_run_the_configured_command() {
    use vibeship_optimizer::model::Kind;
    let (sandbox, id, base) = compared();
    edit(&sandbox, &id, "validation", &|file| file["checks"][0]["what"] = json!("true"));
    forge(&sandbox, &id, |kinds| {
        for kind in kinds {
            let Kind::Validated(validation) = kind else { continue };
            "true".clone_into(&mut validation.checks[0].what);
        }
    });
    sandbox.commit_evidence();
    let _ = sandbox.run(&["check", "--range", &since(&base)]).exits(1).says(&["lacks the check `test`"]);
}

#[test]
fn a_review_has_to_name_somebody() {
    let (sandbox, id, base) = compared();
    let attest = ["review", "attest", "--tool", "other", "--reasoning-mode", "human", "--reviewer", "Grace"];
    let _ = sandbox.run(&[&attest[..], &["--change-id", &id]].concat()).ok();
    sandbox.commit_evidence();
    let honest = sandbox.head();
    for nobody in ["-", "\u{200b}", "NAME", " "] {
        edit(&sandbox, &id, "attestation", &|file| file["reviewer"] = json!(nobody));
        sandbox.commit_evidence();
        let _ =
            sandbox.run(&["check", "--range", &since(&base)]).exits(1).says(&["names neither a reviewer nor a model"]);
        sandbox.git(&["reset", "-q", "--hard", &honest]);
    }
}

/// The validated commit does not exist any more, and the record describes its replacement.
#[test]
fn the_commit_that_took_the_place_of_a_lost_one_has_its_code_its_sizes_and_its_checks() {
    use vibeship_optimizer::model::{Delta, Kind};
    let sandbox = Sandbox::enforced();
    let base = sandbox.head();
    let commit = |id: &str, steps: &str| {
        sandbox.write("src/steps.txt", steps);
        sandbox.git(&["commit", "-qam", "Other steps", "--trailer", &format!("{KEY}: {id}")]);
        sandbox.head()
    };
    sandbox.git(&["checkout", "-q", "-b", "shipped"]);
    let other = sandbox.ready("other steps");
    commit(&other, "1000\n");
    sandbox.run(&["validate", "--change-id", &other]).ok();
    let record: Value = sandbox.json(record_path(&other));
    let validated = record["events"].as_array().unwrap().iter().find(|it| it["what"]["kind"] == "validated").unwrap();
    let said: Delta = serde_json::from_value(validated["what"]["delta"].clone()).unwrap();
    sandbox.git(&["checkout", "-q", "-f", "-b", "measured", &base]);
    sandbox.git(&["clean", "-qfd"]);
    let id = sandbox.ready("fewer steps");
    let lost = commit(&id, "50\n");
    compare(&sandbox, &id);
    sandbox.commit_evidence();
    sandbox.git(&["checkout", "-q", "main"]);
    let shipped = commit(&id, "1000\n");
    sandbox.git(&["checkout", "-q", "measured", "--", ".vibeship-optimizer", "reports", "VIBESHIP_OPTIMIZER.md"]);
    edit(&sandbox, &id, "validation", &|file| file["checks"][0]["what"] = json!("true"));
    forge(&sandbox, &id, |kinds| {
        for kind in kinds.iter_mut() {
            let Kind::Validated(validation) = kind else { continue };
            validation.delta.content.clone_from(&said.content);
            "true".clone_into(&mut validation.checks[0].what);
        }
        kinds.push(Kind::Relinked { commits: vec![(lost, shipped)], by: "tree".to_owned() });
    });
    sandbox.commit_evidence();
    let clone = sandbox.outside().join("clone");
    let url = format!("file://{}", sandbox.root().display());
    sandbox.git(&["clone", "-q", "--single-branch", "-b", "main", &url, &clone.display().to_string()]);
    let told = sandbox.go_to(&clone).run(&["check", "--range", &since(&base)]).exits(1);
    let _ = told.says(&["RELINK_UNPROVEN", "lacks the check `test`"]);
}

/// Commits a number of steps for a change.
fn step(sandbox: &Sandbox, id: &str, steps: &str) -> String {
    sandbox.write("src/steps.txt", steps);
    sandbox.git(&["commit", "-qam", "Other steps", "--trailer", &format!("{KEY}: {id}")]);
    sandbox.head()
}

/// Checks the main branch in a clone of it alone.
fn check_in_clone(sandbox: &Sandbox, base: &str) -> CommandOutput {
    let clone = sandbox.outside().join("clone");
    let url = format!("file://{}", sandbox.root().display());
    sandbox.git(&["clone", "-q", "--single-branch", "-b", "main", &url, &clone.display().to_string()]);
    sandbox.go_to(&clone).run(&["check", "--range", &since(base)])
}

#[test]
fn the_code_of_a_lost_commit_is_made_again_behind_the_commits_of_others() {
    use vibeship_optimizer::model::{FileChange, Kind};
    for (steps, code) in [("50\n", 0), ("1000\n", 1)] {
        let sandbox = Sandbox::enforced();
        let base = sandbox.head();
        sandbox.git(&["checkout", "-q", "-b", "measured"]);
        let id = sandbox.ready("fewer steps");
        let lost = step(&sandbox, &id, "50\n");
        compare(&sandbox, &id);
        sandbox.commit_evidence();
        sandbox.git(&["checkout", "-q", "main"]);
        sandbox.write("notes/n.md", "n\n").git(&["add", "notes"]);
        sandbox.git(&["commit", "-qm", "Notes"]);
        let shipped = step(&sandbox, &id, steps);
        let raw = sandbox.git(&["diff-tree", "-r", "--no-abbrev", "--no-commit-id", "HEAD"]);
        let words: Vec<&str> = raw.split_whitespace().collect();
        let file = FileChange {
            old_mode: words[0][1..].to_owned(),
            new_mode: words[1].to_owned(),
            old_object: words[2].to_owned(),
            new_object: words[3].to_owned(),
            ..FileChange::default()
        };
        let content = FileChange::content(std::iter::once(("src/steps.txt".to_owned(), &file)));
        sandbox.git(&["checkout", "-q", "measured", "--", ".vibeship-optimizer", "reports", "VIBESHIP_OPTIMIZER.md"]);
        forge(&sandbox, &id, |kinds| {
            for kind in kinds.iter_mut() {
                let Kind::Validated(validation) = kind else { continue };
                validation.delta.content = Some(content.clone());
            }
            kinds.push(Kind::Relinked { commits: vec![(lost, shipped)], by: "tree".to_owned() });
        });
        sandbox.commit_evidence();
        let told = check_in_clone(&sandbox, &base);
        assert_eq!(told.code, code, "{}{}", told.stdout, told.stderr);
        assert_eq!(told.stdout.contains("RELINK_UNPROVEN"), code == 1, "{}", told.stdout);
    }
}

#[test]
fn a_config_that_only_the_measured_branch_had_passes_no_gate() {
    let test = "commands: {test: git --version}\n";
    let own = "file: .vibeship-optimizer/reports/steps.txt";
    for (private, public, told) in [
        (test, "", "a code change owes a test"),
        ("cmd: 'git show :src/steps.txt'", own, "which any commit may alter as evidence"),
    ] {
        let sandbox = Sandbox::enforced();
        let config = sandbox.read("vibeship_optimizer.yml");
        sandbox.git(&["mv", "vibeship_optimizer.yml", ".vibeship-optimizer/config.yml"]);
        assert!(config.contains(private), "{config}");
        sandbox.write(".vibeship-optimizer/config.yml", config.replace(private, public));
        sandbox.git(&["commit", "-qam", "Move the config"]);
        let base = sandbox.head();
        sandbox.git(&["checkout", "-q", "-b", "measured"]);
        sandbox.write(".vibeship-optimizer/config.yml", &config);
        sandbox.git(&["commit", "-qam", "Evidence"]);
        let id = sandbox.ready("fewer steps");
        let lost = step(&sandbox, &id, "50\n");
        compare(&sandbox, &id);
        sandbox.commit_evidence();
        sandbox.git(&["checkout", "-q", "main"]);
        sandbox.git(&["cherry-pick", &lost]);
        sandbox.git(&["checkout", "-q", "measured", "--", ".vibeship-optimizer/changes", "reports"]);
        sandbox.run(&["change", "relink", "--change-id", &id]).ok();
        sandbox.commit_evidence();
        let _ = check_in_clone(&sandbox, &base).exits(1).says(&["VERDICTS_DIFFER", told]);
    }
}

/// Early versions recorded less; how old a measurement is, the base tells and not the measurement.
#[test]
fn what_early_versions_left_out_is_owed_where_the_base_is_newer() {
    let sandbox = Sandbox::enforced();
    let at = |moment: &str| {
        for name in ["VIBESHIP_OPTIMIZER_TEST_NOW", "GIT_AUTHOR_DATE", "GIT_COMMITTER_DATE"] {
            sandbox.set(name, moment);
        }
    };
    at("2026-11-10T08:00:00Z");
    sandbox.git(&["commit", "-q", "--amend", "--no-edit", "--reset-author"]);
    let old = sandbox.head();
    sandbox.git(&["checkout", "-q", "-b", "work"]);
    at("2026-11-10T09:00:00Z");
    let id = sandbox.ready("fewer steps");
    at("2026-11-10T09:01:00Z");
    step(&sandbox, &id, "80\n");
    compare(&sandbox, &id);
    edit(&sandbox, &id, "before_snapshot", &|file| {
        file["definitions"].as_object_mut().unwrap().remove("contract");
    });
    sandbox.commit_evidence();
    sandbox.git(&["checkout", "-q", "main"]);
    at("2026-12-05T09:00:00Z");
    sandbox.write("notes/n.md", "n\n").git(&["add", "notes"]);
    sandbox.git(&["commit", "-qm", "Notes"]);
    let base = sandbox.head();
    sandbox.git(&["merge", "-q", "--no-ff", "-m", "Merge work", "work"]);
    let told = "it does not say which contract it was measured for";
    let _ = sandbox.run(&["check", "--range", &since(&base)]).exits(1).says(&["VERDICTS_DIFFER", told]);
    let from_then = sandbox.run(&["check", "--range", &since(&old)]);
    assert!(!from_then.stdout.contains(told), "{}", from_then.stdout);
}
