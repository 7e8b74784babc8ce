//! What the baseline fixes in addition to the contract: how a change is built, paired and checked.

use vibeship_optimizer::model::{Baseline, Digest, Event, Kind};
use vibeship_optimizer::store::record;
use vibeship_optimizer::workflow::{Change, chain};

use crate::enforcement::slips::forge;
use crate::support::{CONFIG, Sandbox};

/// Makes the baseline's snapshot, and the record, as an earlier version would have written them.
fn unfixed(s: &Sandbox) {
    let mut snapshot = s.json(s.evidence("before_snapshot.json"));
    let general = |key: &String| {
        ["commands.", "pair.", "validation.", "surfaces.", "contract_docs."].iter().any(|stem| key.starts_with(stem))
    };
    snapshot["definitions"].as_object_mut().unwrap().retain(|key, _| !general(key));
    let text = format!("{snapshot:#}\n");
    let events: Vec<Event> = serde_json::from_value(s.json(s.record())["events"].clone()).unwrap();
    let mut sealed: Vec<Event> = Vec::new();
    for mut event in events {
        if let Kind::BaselineTaken(Baseline { taken, .. }) = &mut event.what {
            taken.snapshot.sha256 = Digest::of_bytes(text.as_bytes());
        }
        sealed.push(chain::seal(sealed.last(), event.what, event.actor, event.at));
    }
    s.write(s.evidence("before_snapshot.json"), text);
    s.write(s.record(), record::bytes(&Change::replay(sealed).unwrap()));
}

#[test]
fn a_test_command_made_easier_after_the_baseline_is_refused_by_its_key() {
    let s = Sandbox::new();
    s.config(&CONFIG.replace("exit 0", "exit 3"));
    s.start("easy").contract().before().improve(50.0);
    s.write("vibeship_optimizer.yml", CONFIG).commit_as("easier", &["--amend", "--no-edit"]);
    insta::assert_snapshot!(s.on(&["validate"]), @r#"
    $ validate --change-id chg-20260302-090000-easy
    exit 1
    --- stderr
    refused at gate 3 (validate): commands.test of the config is not as at the baseline, which fixed how the change is built and checked
    # see what changed
    next: git diff [SHORT] -- .vibeship-optimizer/config.yml vibeship_optimizer.yml
    # put it back, then
    then: vibeship-optimizer validate --change-id chg-20260302-090000-easy
    # drop the change, commit the new config, and start over: the next baseline fixes it
    or:   vibeship-optimizer change reject --change-id chg-20260302-090000-easy --reason "WHY"
    "#);
    s.write("vibeship_optimizer.yml", CONFIG.replace("exit 0", "exit 3"))
        .commit_as("as it was", &["--amend", "--no-edit"]);
    let _ = s.on(&["validate"]).exits(1).says(&["exit"]);
}

#[test]
fn a_test_command_that_is_committed_before_the_baseline_is_used_and_one_more_check_is_welcome() {
    let s = Sandbox::new();
    s.config(&CONFIG.replace("exit 0", "git --version"));
    s.start("another test").contract().before().improve(50.0);
    let more = "commands: {test: git --version, checks: [{name: more, cmd: git --version}]}";
    s.write("vibeship_optimizer.yml", CONFIG.replace("commands: {test: \"exit 0\"}", more));
    s.commit_as("tune", &["--amend", "--no-edit"]).validate();
    let checks: Vec<String> = s.json(s.evidence("validation.json"))["checks"]
        .as_array()
        .unwrap()
        .iter()
        .map(|check| check["name"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(checks, ["test", "more"]);
}

#[test]
fn pairs_that_are_prepared_or_switched_in_another_way_than_at_the_baseline_are_not_compared() {
    let s = Sandbox::new();
    let paired = |pair: &str| {
        CONFIG.replace("pair: {enabled: false}", pair).replace("commands: {", "commands: {build: git --version, ")
    };
    let own = ".vibeship-optimizer/config.yml";
    s.git(&["rm", "-q", "vibeship_optimizer.yml"]);
    s.write(own, paired("pair: {share: [node_modules]}")).commit_as("configure", &[]);
    s.start("pairs").contract().before().improve(50.0).validate().after();
    for (config, key) in [
        (paired("pair: {enabled: false, share: [node_modules]}"), "pair.enabled"),
        (paired("pair: {prepare: git --help, share: [node_modules]}"), "pair.prepare"),
        (paired("pair: {share: [node_modules, src]}"), "pair.share"),
        (paired("pair: {share: [node_modules], min_effect: 0%}"), "pair.min_effect"),
        (
            paired("pair: {share: [node_modules]}").replace("build: git --version", "build: git --help"),
            "commands.build",
        ),
    ] {
        s.write(own, config);
        s.refuses(&["compare"], 5, "redefined");
        let answer = s.on(&["compare", "--format", "json"]).json();
        assert!(answer["message"].as_str().unwrap().contains(key), "{key}: {answer}");
    }
    s.write(own, paired("pair: {share: [node_modules], max_pairs: 12}")).compare();
}

#[test]
fn a_baseline_of_an_earlier_version_goes_on_and_says_what_it_did_not_fix() {
    let s = Sandbox::new();
    s.start("old").contract().before();
    unfixed(&s);
    s.improve(50.0);
    let _ = s.on(&["validate"]).ok().says(&["the baseline was taken by an earlier version"]);
}

#[test]
fn stages_removed_only_for_the_promotion_are_still_required() {
    let s = Sandbox::new();
    let strict = format!("{CONFIG}rollout: {{stages: [{{name: canary, soak_hours: 2}}, {{name: full}}]}}\n");
    s.config(&strict).compared("staged");
    s.write("vibeship_optimizer.yml", CONFIG);
    let _ = s.on(&["change", "promote"]).ok().says(&["the committed config demands more"]);
    s.write("vibeship_optimizer.yml", &strict);
    s.refuses(&["change", "rollout", "full"], 7, "stage_order");
    let _ = s.on(&["change", "rollout", "canary"]).ok();
    s.refuses(&["change", "rollout", "full"], 7, "soak");
    s.later(chrono::Duration::hours(3));
    let _ = s.on(&["change", "rollout", "full"]).ok();
    let _ = s.on(&["change", "show", "--format", "json"]).ok();
}

#[test]
fn an_uncommitted_edit_cannot_loosen_the_demands() {
    let s = Sandbox::new();
    // The config is where `init` puts it, so that an edit leaves the work tree clean.
    let own = ".vibeship-optimizer/config.yml";
    let stages = "rollout: {stages: [{name: full, check: 'sh -c \"test -e $HOME/passed\"'}]}\n";
    let rest = "enforcement: {max_emergency_days: 1}\nverification: {require_clean_git: true}\n";
    let strict = format!("{CONFIG}{stages}{rest}");
    s.git(&["rm", "-q", "vibeship_optimizer.yml"]);
    s.write(own, &strict).git(&["add", "-A"]);
    s.git(&["commit", "-q", "-m", "configure"]);
    s.write(own, CONFIG);
    let started = ["change", "start", "--title", "x", "--class", "emergency", "--incident", "down", "--expires", "7d"];
    let _ = s.run(&started).exits(1).says(&["the committed config demands more", "for 1 day "]);
    s.write(own, &strict).compared("strict");
    let _ = s.on(&["change", "promote"]).ok();
    s.write(own, CONFIG);
    let _ = s.on(&["change", "rollout", "full"]).exits(1).says(&["the check of stage full failed"]);
    std::fs::write(s.home().join("passed"), "").unwrap();
    let _ = s.on(&["change", "rollout", "full"]).ok();
    s.write("junk", "1\n");
    let _ = s.on(&["change", "verify"]).exits(1).says(&["git working tree is dirty"]);
}

#[test]
fn a_stage_that_was_committed_away_and_back_is_owed_at_the_rollout_and_a_lasting_edit_holds() {
    let s = Sandbox::new();
    let strict = format!("{CONFIG}rollout: {{stages: [{{name: canary}}, {{name: full}}]}}\n");
    s.config(&strict).compared("staged");
    s.config(CONFIG);
    let _ = s.on(&["change", "promote"]).ok().never_says(&["demands more"]);
    let lasting = s.git(&["rev-parse", "HEAD"]);
    s.config(&strict);
    s.refuses(&["change", "rollout", "full"], 7, "stage_order");
    let _ = s.on(&["change", "rollout", "canary"]).ok();
    s.git(&["reset", "-q", "--hard", &lasting]);
    let _ = s.on(&["change", "rollout", "full"]).ok();
    // A stage that began stays valid, whatever the config says later.
    let _ = s.run(&["check"]).ok();
}

#[test]
fn a_rollout_past_the_stages_that_the_commits_demand_is_found_in_the_range() {
    let s = Sandbox::new();
    let base = s.git(&["rev-parse", "HEAD"]);
    let strict = format!(
        "{CONFIG}rollout: {{stages: [{{name: canary}}, {{name: full}}]}}\nvalidation: {{rehearse_checks: true}}\n"
    );
    let found = |s: &Sandbox| {
        s.git(&["add", "-A"]);
        s.git(&["commit", "-q", "--allow-empty", "-m", "Evidence"]);
        let answer = s.run(&["check", "--range", &format!("{base}..HEAD"), "--format", "json"]).json();
        let findings = answer["findings"].as_array().unwrap().clone();
        findings.iter().filter(|found| found["code"] == "POLICY_LOOSENED").count()
    };
    s.config(&strict).compared("staged");
    s.config(CONFIG);
    let _ = s.on(&["change", "promote"]).ok();
    let _ = s.on(&["change", "rollout", "full"]).ok();
    assert_eq!(found(&s), 0, "a config that stays as it is may be another");
    s.config(&strict);
    assert_eq!(found(&s), 1);
    let told = "rollout.stages, validation.rehearse_checks";
    let _ = s.run(&["check", "--range", &format!("{base}..HEAD")]).says(&[told]);
    // Removing the missing demand from the record does not help either.
    s.git(&["reset", "-q", "--soft", "HEAD~2"]);
    forge(&s, &s.id(), |kinds| {
        for kind in kinds {
            if let Kind::Promoted(promotion) = kind {
                promotion.policy.rehearse_checks = None;
            }
        }
    });
    assert_eq!(found(&s), 1);
    let _ = s.run(&["check", "--range", &format!("{base}..HEAD")]).says(&[told]);
}

#[test]
fn a_config_that_the_changes_own_commit_loosens_is_found_in_whatever_push_brings_the_rollout() {
    let s = Sandbox::new();
    let strict = format!("{CONFIG}rollout: {{stages: [{{name: canary}}, {{name: full}}]}}\n");
    s.config(&strict).start("loosened").contract().before();
    s.write("vibeship_optimizer.yml", CONFIG).improve(50.0).validate().after().compare();
    assert!(s.git(&["show", "--name-only", "--format=", "HEAD"]).contains("vibeship_optimizer.yml"));
    let pushed = s.git(&["rev-parse", "HEAD"]);
    let _ = s.on(&["change", "promote"]).ok();
    let _ = s.on(&["change", "rollout", "full"]).ok();
    s.write("vibeship_optimizer.yml", &strict);
    s.git(&["add", "-A"]);
    s.git(&["commit", "-q", "-m", "Evidence"]);
    let _ = s.run(&["check", "--range", &format!("{pushed}..HEAD")]).exits(1).says(&["POLICY_LOOSENED"]);
}

#[test]
fn a_stage_unchecked_on_a_branch_from_a_loosened_config_is_found() {
    let staged = |check: &str| format!("{CONFIG}rollout: {{stages: [{{name: full{check}}}]}}\n");
    let s = Sandbox::new();
    s.config(&staged(", check: exit 0")).config(&staged(""));
    let loosened = s.git(&["rev-parse", "HEAD"]);
    s.config(&staged(", check: exit 0"));
    let base = s.git(&["rev-parse", "HEAD"]);
    for (from, code, is_left_out) in [(&loosened, 1, false), (&loosened, 1, true), (&base, 0, false)] {
        s.git(&["checkout", "-q", "-B", "side", from]);
        s.rolled_out("x");
        if is_left_out {
            forge(&s, &s.id(), |kinds| {
                for kind in kinds {
                    if let Kind::RolledOut(begun) = kind {
                        begun.checked = None;
                    }
                }
            });
        }
        s.git(&["add", "-A"]);
        s.git(&["commit", "-q", "-m", "Evidence"]);
        s.git(&["checkout", "-q", "-B", "both", &base]);
        s.git(&["merge", "-q", "--no-ff", "-m", "Merge side", "side"]);
        let found = s.run(&["check", "--range", &format!("{base}..HEAD"), "--format", "json"]);
        assert_eq!((found.code, found.stdout.contains("rollout.stages.full.check")), (code, code == 1), "{found}");
    }
}

#[test]
fn contracts_and_what_they_owe_are_fixed_by_the_baseline_and_one_surface_more_is_welcome() {
    let s = Sandbox::new();
    let own = ".vibeship-optimizer/config.yml";
    let with = |rest: &str| format!("{CONFIG}{rest}");
    let strict = with("surfaces: {contracts: ['api/**']}\n");
    s.git(&["rm", "-q", "vibeship_optimizer.yml"]);
    s.write(own, &strict).commit_as("configure", &[]);
    s.start("api").contract().before().write("api/schema.json", "{}\n").improve(50.0);
    s.refuses(&["validate"], 3, "contract_docs");
    for (config, key) in [
        (CONFIG.to_owned(), "surfaces.contracts.api/**"),
        (format!("{strict}contract_docs: {{docs: ['**'], tests: ['**']}}\n"), "contract_docs.docs"),
        (format!("{strict}contract_docs: {{docs: [], tests: []}}\n"), "contract_docs.tests"),
    ] {
        s.write(own, config);
        s.refuses(&["validate"], 3, "redefined");
        let answer = s.on(&["validate", "--format", "json"]).json();
        assert!(answer["message"].as_str().unwrap().contains(key), "{key}: {answer}");
    }
    s.write(own, with("surfaces: {contracts: ['api/**', 'proto/**']}\n"));
    s.write("docs/api.txt", "1\n").write("tests/api.txt", "1\n").commit_as("tune", &["--amend", "--no-edit"]);
    s.validate();
}

#[test]
fn an_uncommitted_config_takes_no_baseline() {
    let s = Sandbox::new();
    s.start("x").contract();
    s.git(&["mv", "vibeship_optimizer.yml", ".vibeship-optimizer/config.yml"]);
    s.commit_as("move the config", &[]);
    s.write(".vibeship-optimizer/config.yml", CONFIG.replace("exit 0", "exit  0"));
    let before = ["snapshot", "--label", "b", "--as", "before"];
    let refused = s.refuses(&before, 2, "config_uncommitted").on(&before).exits(1);
    let refused = refused.says(&["commands.test", "git add -f .vibeship-optimizer/config.yml"]);
    assert!(!refused.stderr.is_empty());
    s.git(&["commit", "-qm", "Set up the measurement", "--", ".vibeship-optimizer/config.yml"]);
    // A config that takes precedence and is ignored by git.
    s.write(".git/info/exclude", "vibeship_optimizer.yml\n").write("vibeship_optimizer.yml", CONFIG);
    s.refuses(&before, 2, "config_uncommitted");
    std::fs::remove_file(s.path("vibeship_optimizer.yml")).unwrap();
    let _ = s.on(&before).ok();
}
