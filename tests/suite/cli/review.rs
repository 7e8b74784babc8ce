//! Review bundles and attestations.

use crate::support::Sandbox;

const REVIEWED: &str = "\
version: 1
commands: {test: \"exit 0\"}
kpis:
  - {name: ops, file: ops.json, pointer: /ops, better: lower, exact: true}
size_paths: [src]
pair: {enabled: false}
review: {require_attestation: true, allowed_modes: {claude: [high]}}
";

#[test]
fn a_bundle_holds_the_record_and_the_change_s_own_diff_without_secrets() {
    let sandbox = Sandbox::new();
    sandbox.start("halve `it` <script>").contract().before();
    sandbox.write("src/main.txt", "password = \"hunter2hunter2\"\n```\n# not a heading\n").improve(50.0);
    sandbox.validate().after().compare();
    sandbox.write("src/later.txt", "not part of it\n").commit_as("another", &[]);
    let wrote = sandbox.on(&["review", "bundle"]).ok().json();
    let path = format!(".vibeship-optimizer/review_bundles/{}.md", sandbox.id());
    assert_eq!(wrote["wrote"], format!("[PROJECT]/{path}"));
    let bundle = sandbox.read(&path);
    assert!(bundle.contains("-slow") && bundle.contains("kpi.ops <= -10%"), "{bundle}");
    assert!(!bundle.contains("hunter2") && bundle.contains("***"), "{bundle}");
    assert!(!bundle.contains("not part of it"), "{bundle}");
    assert!(!bundle.contains("<script>"), "{bundle}");
    assert!(bundle.contains("````"), "the fence is longer than any in the diff: {bundle}");
}

#[test]
fn a_long_diff_is_cut() {
    let sandbox = Sandbox::new();
    sandbox.start("halve it").contract().before();
    sandbox.write("src/main.txt", "a line of text\n".repeat(30_000)).improve(50.0);
    sandbox.validate();
    let _ = sandbox.on(&["review", "bundle", "--out", "../bundle.md"]).ok();
    let bundle = sandbox.read("../bundle.md");
    assert!(bundle.contains("The diff was cut here"), "{}", bundle.len());
    assert!(bundle.chars().count() < 140_000, "{}", bundle.chars().count());
}

#[test]
fn an_attestation_is_bound_to_what_was_reviewed() {
    let sandbox = Sandbox::new();
    sandbox.config(REVIEWED);
    sandbox.start("halve it").contract().before();
    let attest = ["review", "attest", "--tool", "claude", "--reasoning-mode", "high", "--reviewer", "Ada"];
    sandbox.refuses(&attest, 8, "earlier");
    sandbox.improve(50.0).validate().after().compare();
    let wrote = sandbox.on(&attest).ok().json();
    let path = format!(".vibeship-optimizer/attestations/review_{}.json", sandbox.id());
    assert_eq!(wrote["wrote"], format!("[PROJECT]/{path}"));
    let file = sandbox.json(&path);
    assert_eq!(file["schema"], "vibeship_optimizer.review_attestation.v1");
    assert_eq!(sandbox.shown()["review_attestation"], path);
    let demand = |sandbox: &Sandbox| {
        let _ = sandbox.on(&["change", "promote"]).ok();
        let _ = sandbox.on(&["change", "rollout", "full"]).ok();
        let answer = sandbox.on(&["change", "verify"]).json();
        let demands = answer["demands"].as_array().unwrap().clone();
        demands.into_iter().find(|it| it["kind"]["demand"] == "attestation").unwrap()
    };
    // Compared again after the review: the attested numbers are not the present ones.
    sandbox.compare();
    sandbox.later(chrono::Duration::minutes(1));
    sandbox.after().compare();
    let stale = demand(&sandbox);
    assert_eq!((&stale["met"], &stale["kind"]["stale"]), (&false.into(), &true.into()), "{stale}");
    let _ = sandbox.on(&attest).ok();
    let answer = sandbox.on(&["change", "verify"]).json();
    let met = answer["demands"]
        .as_array()
        .unwrap()
        .iter()
        .any(|it| it["kind"]["demand"] == "attestation" && it["met"] == true);
    assert!(met, "{answer}");
    // An attestation that differs from the record does not count.
    let altered = sandbox.read(&path).replace("Ada", "Eve");
    sandbox.write(&path, altered);
    assert_eq!(sandbox.on(&["change", "verify"]).code, 1);
}

#[test]
fn the_hint_names_a_review_that_the_config_allows() {
    let sandbox = Sandbox::new();
    let modes = "{other: [], claude: [\"very high\"]}";
    sandbox.config(&REVIEWED.replace("{claude: [high]}", modes)).rolled_out("halve it");
    let advice = "review attest --change-id chg-20260302-090000-halve-it --tool claude --reasoning-mode \"very high\" --reviewer \"NAME\"";
    let _ = sandbox.on(&["verify", "--format", "text"]).exits(1).says(&[advice]);
    let _ = sandbox.on(&["verify", "--apply", "--summary", "x", "--format", "text"]).exits(1).says(&[advice]);
    let allowed = ["review", "attest", "--tool", "claude", "--reasoning-mode", "very high"];
    let _ = sandbox.on(&[&allowed[..], &["--reviewer", "NAME"]].concat()).troubled(&["only stands for your own words"]);
    let _ = sandbox.on(&allowed).ok();
}

#[test]
fn a_mode_that_the_config_does_not_allow_attests_nothing() {
    let sandbox = Sandbox::new();
    sandbox.config(REVIEWED).compared("halve it");
    let record = sandbox.read(sandbox.record());
    let output = sandbox.on(&["review", "attest", "--tool", "claude", "--reasoning-mode", "low"]).exits(1);
    assert!(output.stderr.contains("allows: high"), "{output}");
    assert_eq!(sandbox.read(sandbox.record()), record);
    let _ = sandbox.on(&["review", "attest", "--tool", "other", "--reasoning-mode", "human"]).ok();
    assert_eq!(sandbox.on(&["review", "attest", "--tool", "gpt", "--reasoning-mode", "high"]).code, 2);
}

#[test]
fn a_review_needs_a_reviewer_and_one_by_the_author_is_reported() {
    let s = Sandbox::new();
    s.config(REVIEWED).compared("halve it");
    let attest = ["review", "attest", "--tool", "other", "--reasoning-mode", "human"];
    for unseen in ["\u{2800}", "\u{3164}", "\u{ad}"] {
        let _ = s.on(&[&attest[..], &["--reviewer", unseen]].concat()).troubled(&["the invisible character"]);
    }
    for nobody in ["", "  ", "-"] {
        let refused = s.on(&[&attest[..], &["--reviewer", nobody]].concat()).exits(1);
        let _ = refused.says(&["give the reviewer", "next: vibeship-optimizer review attest"]);
    }
    let _ = s.on(&attest).ok().says(&["the author reviewed their own change"]);
    let _ = s.on(&[&attest[..], &["--reviewer", "Bob"]].concat()).ok().never_says(&["the author reviewed"]);
}

fn review_demand(s: &Sandbox) -> serde_json::Value {
    let answer = s.on(&["verify"]).json();
    let demands = answer["demands"].as_array().unwrap().clone();
    demands.into_iter().find(|it| it["kind"]["demand"] == "attestation").unwrap()
}

#[test]
fn a_config_can_demand_another_person_than_the_author() {
    let s = Sandbox::new();
    s.config(&REVIEWED.replace("true, ", "true, other_person: true, ")).rolled_out("halve it");
    let attest = ["review", "attest", "--tool", "other", "--reasoning-mode", "human", "--reviewer", "Bob"];
    let _ = s.on(&attest).exits(1).says(&["is the author of the change", "in their own clone"]);
    assert_eq!(review_demand(&s)["met"], false, "Ada typed it");
    s.set("GIT_AUTHOR_NAME", "Bob").set("GIT_AUTHOR_EMAIL", "bob@example.org");
    let _ = s.on(&attest).ok();
    assert_eq!(review_demand(&s)["met"], true);
}

#[test]
fn a_mode_counts_only_by_every_config_since_the_baseline() {
    let s = Sandbox::new();
    s.config(REVIEWED).rolled_out("halve it");
    let low = ["review", "attest", "--tool", "claude", "--reasoning-mode", "low", "--reviewer", "Bob"];
    // Neither an uncommitted edit nor a committed one makes it count.
    let loose = REVIEWED.replace("[high]", "[high, low]");
    s.write("vibeship_optimizer.yml", &loose);
    let _ = s.on(&low).exits(1).says(&["does not allow"]);
    s.commit_as("loosen", &[]);
    let _ = s.on(&low).exits(1).says(&["does not allow"]);
    // A stricter config also applies to earlier attestations.
    let _ = s.on(&["review", "attest", "--tool", "claude", "--reasoning-mode", "high", "--reviewer", "Bob"]).ok();
    assert_eq!(review_demand(&s)["met"], true);
    s.config(&REVIEWED.replace("[high]", "[xhigh]"));
    assert_eq!(review_demand(&s)["met"], false);
}

#[test]
fn a_review_by_a_person_alone_claims_no_tool() {
    let s = Sandbox::new();
    s.compared("x");
    let tool = |s: &Sandbox| {
        let file = s.json(format!(".vibeship-optimizer/attestations/review_{}.json", s.id()));
        format!("{} {}", file["tool"].as_str().unwrap(), file["reasoning_mode"].as_str().unwrap())
    };
    let _ =
        s.on(&["review", "attest", "--reviewer", "Bob"]).ok().says(&["tool other, reasoning mode human, reviewer Bob"]);
    assert_eq!(tool(&s), "other human");
    // The Python tool's default, which is reported.
    let again = s.on(&["review", "attest"]).ok();
    let _ = again
        .says(&["tool codex, reasoning mode high, reviewer Ada", "it replaces an earlier attestation: tool other"]);
}
