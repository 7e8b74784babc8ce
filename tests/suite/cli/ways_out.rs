//! Every reason for a refusal, provoked as a user meets it; then the printed steps are followed literally, and the
//! reason is gone. Where no command can achieve that, the row says why a person has to.

use std::collections::BTreeSet;

use crate::cli::advice;
use crate::support::{CONFIG, Sandbox, alternatives, kpi, variants};

/// The way out of a refusal.
enum Way {
    /// The steps of one alternative (0 is the first) are run as printed; then the refused command is no longer refused
    /// for this reason.
    Opens(usize, Provoke),
    /// The same, but the steps replace the command, which would be refused again.
    Replaces(usize, Provoke),
    /// The same after a person has written what is asked for.
    Writes(usize, Provoke, fn(&Sandbox)),
    /// Another test follows the printed steps.
    #[expect(dead_code, reason = "that there is such a test is what counts")]
    Test(fn()),
    /// The reason why no command helps.
    Person(&'static str),
}

/// Brings a project into a state in which a command is refused, and returns that command.
type Provoke = fn(&Sandbox) -> Vec<String>;

fn words(command: &[&str]) -> Vec<String> {
    command.iter().map(ToString::to_string).collect()
}

/// A command on the change that was started last.
fn on(s: &Sandbox, command: &[&str]) -> Vec<String> {
    words(&[command, &["--change-id", &s.id()]].concat())
}

fn ready(s: &Sandbox) -> &Sandbox {
    s.start("x").contract().before()
}

fn promoted(s: &Sandbox) -> &Sandbox {
    s.compared("x").on(&["change", "promote"]).ok();
    s
}

fn commit_all(s: &Sandbox) {
    s.git(&["add", "-A"]);
    s.git(&["commit", "-q", "-m", "Evidence"]);
}

fn opening(more: &[&str]) -> Vec<String> {
    words(&[&["change", "start", "--title", "y"], more].concat())
}

const BASELINE: [&str; 3] = ["snapshot", "--as", "before"];
const AFTER: [&str; 3] = ["snapshot", "--as", "after"];
const STAGED: &str = "rollout: {stages: [{name: canary, soak_hours: 2}, {name: full}]}\n";

#[rustfmt::skip]
fn until_the_baseline() -> Vec<(&'static str, Way)> {
    use Way::{Opens, Person, Replaces, Test};
    vec![
        ("other_open", Replaces(1, |s| { s.start("x"); opening(&[]) })),
        ("incident_note", Replaces(0, |_| opening(&["--class", "emergency", "--expires", "24h"]))),
        ("expiry", Replaces(0, |_| opening(&["--class", "emergency", "--incident", "it burns"]))),
        ("expiry_too_late", Replaces(0, |_| opening(&["--class", "emergency", "--incident", "it burns", "--expires", "60d"]))),
        ("tuneables_unknown", Replaces(0, |_| opening(&["--class", "tuneable"]))),
        ("ended", Replaces(0, |s| { ready(s).on(&["change", "reject", "--reason", "no"]).ok(); on(s, &["validate"]) })),
        ("earlier", Opens(0, |s| { s.start("x").contract(); on(s, &["validate"]) })),
        ("already_passed", Replaces(0, |s| { ready(s).improve(50.0).validate(); on(s, &BASELINE) })),
        ("frozen", Opens(1, |s| { ready(s); on(s, &["change", "contract", "--kpi", "kpi.ops <= -20%"]) })),
        ("contract_parts", Opens(0, |s| { s.start("x"); on(s, &BASELINE) })),
        ("unknown_metric", Replaces(1, |s| { s.start("x").contract(); on(s, &["change", "contract", "--kpi", "kpi.op <= -10%"]) })),
        ("contract_sense", Replaces(0, |s| { s.start("x").contract(); on(s, &["change", "contract", "--guardrail", "size.src >= 0B"]) })),
        ("commits_before_baseline", Test(advice::commits_that_were_made_too_early_are_set_aside_and_come_back_as_one)),
        ("dirty", Test(advice::the_setup_is_committed_and_the_work_set_aside_by_name_from_any_directory)),
        ("unknown_state", Person("git itself has to be repaired first")),
        ("unmeasured", Person("why a command gives no value is not known")),
        ("config_uncommitted", Person("whether the edit is meant has to be decided; `cli::fixed` runs what is printed")),
        ("own_source", Person("files have to be moved, and the config with them")),
        ("not_in_git", Person("another metric has to be chosen")),
    ]
}

#[rustfmt::skip]
fn at_the_validation() -> Vec<(&'static str, Way)> {
    use Way::{Opens, Person, Test, Writes};
    vec![
        ("redefined", Opens(1, |s| {
            ready(s).improve(50.0).write("vibeship_optimizer.yml", CONFIG.replace("exit 0", "exit 00"));
            s.commit_as("x", &["--amend", "--no-edit"]);
            on(s, &["validate"])
        })),
        ("no_commit", Person("the code has to be written")),
        ("no_delta", Person("the change has to be made")),
        ("no_tuneable_changed", Person("the value has to be chosen")),
        ("only_outside", Opens(0, |s| {
            s.write("sub/vibeship_optimizer.yml", CONFIG).write("sub/ops.json", kpi(100.0)).write("sub/src/a", "a");
            s.git(&["add", "-A"]);
            s.git(&["commit", "-q", "-m", "a project of its own"]);
            ready(s.go_to("sub")).write("src/main.txt", "fast\n");
            let trailer = format!("Optimizer-Change: {}", s.id());
            s.git(&["add", ":(top)src"]);
            s.git(&["commit", "-q", "-m", "x", "--trailer", &trailer]);
            on(s, &["validate"])
        })),
        ("code_beside", Opens(0, |s| {
            s.write("t.json", "{\"ttl\": 1}\n").config_plus("tuneables: {files: [t.json]}\n");
            s.start_with("x", &["--class", "tuneable"]).contract().before();
            s.write("t.json", "{\"ttl\": 2}\n").write("src/lib.py", "1\n").commit("tune");
            on(s, &["validate"])
        })),
        ("wrong_class", Opens(0, |s| {
            s.write("t.json", "{\"ttl\": 1}\n").config_plus("tuneables: {files: [t.json]}\n");
            s.start("x").contract().before();
            s.write("t.json", "{\"ttl\": 2}\n").commit("tune");
            on(s, &["validate"])
        })),
        ("many_commits", Test(advice::several_commits_with_evidence_between_them_become_one)),
        ("foreign_commit", Opens(0, |s| {
            ready(s).tune(50.0).commit_as("x", &["--trailer", "Optimizer-Change: chg-other"]);
            on(s, &["validate"])
        })),
        ("others_committed", Opens(0, |s| {
            s.git(&["rm", "-q", "--cached", "ops.json"]);
            s.write(".gitignore", "ops.json\n").commit_as("ignore", &[]);
            s.git(&["switch", "-q", "-c", "feature"]);
            ready(s).improve(50.0).git(&["switch", "-q", "main"]);
            s.write("src/theirs.txt", "theirs").commit_as("theirs", &[]).git(&["switch", "-q", "feature"]);
            s.git(&["merge", "-q", "--no-edit", "main"]);
            on(s, &["validate"])
        })),
        ("baseline_not_ancestor", Test(advice::a_baseline_whose_commit_was_rewritten_is_taken_again_below_the_change)),
        ("contract_docs", Writes(0, |s| {
            s.config_plus("surfaces: {contracts: ['api/**']}\n");
            ready(s).write("api/schema.json", "{}\n").improve(50.0);
            on(s, &["validate"])
        }, |s| { s.write("docs/api.md", "1\n").write("tests/api.txt", "1\n"); })),
        ("no_tests", Person("what tests the project has to be said")),
    ]
}

#[rustfmt::skip]
fn until_the_decision() -> Vec<(&'static str, Way)> {
    use Way::{Opens, Person};
    vec![
        ("other_tuneables", Opens(1, |s| {
            s.write("../t.json", "{\"ttl\": 1}\n").config_plus("tuneables: {files: [../t.json]}\n");
            s.start_with("x", &["--class", "tuneable"]).contract().before();
            s.write("../t.json", "{\"ttl\": 2}\n").validate().write("../t.json", "{\"ttl\": 3}\n");
            on(s, &AFTER)
        })),
        ("not_validated_code", Opens(0, |s| {
            ready(s).improve(50.0).validate().write("src/main.txt", "x\n").commit_as("x", &["--amend", "--no-edit"]);
            on(s, &AFTER)
        })),
        ("only_indicative", Opens(0, |s| {
            s.start("x").contract().write("src/main.txt", "loose\n");
            s.on(&["snapshot", "--as", "before", "--allow-dirty"]).ok();
            s.improve(50.0).validate().after().compare();
            on(s, &["change", "promote"])
        })),
        ("not_in_class", Opens(0, |s| {
            s.start_with("x", &["--class", "experiment"]).contract().before().improve(50.0).validate().after().compare();
            on(s, &["change", "promote"])
        })),
        ("evidence", Opens(0, |s| {
            commit_all(s.compared("x"));
            std::fs::remove_file(s.path(s.evidence("before_snapshot.json"))).unwrap();
            on(s, &["change", "promote"])
        })),
        ("not_reproduced", Person("only a forged record, or one of another version, gets here")),
        ("verdicts", Opens(0, |s| {
            ready(s).improve(99.0).validate().after().compare();
            on(s, &["change", "promote"])
        })),
        ("trigger_fired", Opens(0, |s| {
            s.start("x").contract().on(&["change", "contract", "--trigger", "size.src > +50%"]).ok();
            s.before().write("src/more.txt", "abc\n").improve(50.0).validate().after().compare();
            on(s, &["change", "promote"])
        })),
        ("rollback", Person("the commit has to be made so that it can be taken back")),
        ("reason", Opens(0, |s| { ready(s); on(s, &["change", "hold", "--reason", " "]) })),
    ]
}

#[rustfmt::skip]
fn from_the_rollout_on() -> Vec<(&'static str, Way)> {
    use Way::{Opens, Person, Replaces, Test};
    vec![
        ("no_such_stage", Replaces(0, |s| { promoted(s); on(s, &["change", "rollout", "canary"]) })),
        ("stage_order", Opens(0, |s| { promoted(s.config_plus(STAGED)); on(s, &["change", "rollout", "full"]) })),
        ("soak", Opens(1, |s| {
            promoted(s.config_plus(STAGED)).on(&["change", "rollout", "canary"]).ok();
            on(s, &["change", "rollout", "full"])
        })),
        ("stage_guardrails", Opens(1, |s| {
            promoted(s).write("src/big.txt", "x".repeat(1000)).commit_as("big", &[]);
            on(s, &["change", "rollout", "full"])
        })),
        ("not_rolled_out", Opens(0, |s| { promoted(s); on(s, &["monitor", "tick"]) })),
        ("not_in_effect", Opens(1, |s| {
            s.rolled_out("x").git(&["revert", "--no-edit", "HEAD"]);
            on(s, &["monitor", "tick"])
        })),
        ("not_as_committed", Test(advice::what_undoes_a_watched_change_is_stashed_by_name_and_the_record_stays)),
        ("summary", Opens(0, |s| {
            s.rolled_out("x");
            for _ in 0..4 {
                s.later(chrono::Duration::days(1)).on(&["monitor", "tick"]).ok();
            }
            on(s, &["change", "verify", "--apply", "--summary", " "])
        })),
        ("unverified", Person("days have to pass")),
        ("still_in_effect", Test(advice::a_rollback_on_record_alone_is_not_confirmed_and_can_still_be_performed)),
        ("nothing_to_roll_back", Replaces(0, |s| { ready(s); on(s, &["change", "rollback", "--reason", "slow"]) })),
        ("no_alarm", Replaces(0, |s| { s.rolled_out("x"); on(s, &["change", "resolve", "--reason", "quiet"]) })),
        ("follow_up", Replaces(0, |s| { ready(s); on(s, &["change", "follow-up", "--by", &s.id()]) })),
    ]
}

/// Provokes the refusal, follows its advice and repeats the command; the error is what went wrong.
fn walk(code: &str, way: Way) -> Result<(), String> {
    let (alternative, provoke, asks_again, writes): (usize, Provoke, bool, fn(&Sandbox)) = match way {
        Way::Opens(alternative, provoke) => (alternative, provoke, true, |_| {}),
        Way::Replaces(alternative, provoke) => (alternative, provoke, false, |_| {}),
        Way::Writes(alternative, provoke, writes) => (alternative, provoke, true, writes),
        Way::Test(_) => return Ok(()),
        Way::Person(why) => return if why.is_empty() { Err("why a person?".to_owned()) } else { Ok(()) },
    };
    let s = Sandbox::new();
    let command = provoke(&s);
    let command: Vec<&str> = command.iter().map(String::as_str).collect();
    let code_now = || {
        let answer = s.run(&[&command[..], &["--format", "json"]].concat());
        (serde_json::from_str(&answer.stdout).unwrap_or(serde_json::Value::Null)["code"].clone(), answer)
    };
    let (found, answer) = code_now();
    if found != code {
        return Err(format!("not provoked: {answer}"));
    }
    let said = String::from_utf8(s.tool(&command).output().unwrap().stderr).unwrap();
    let steps = alternatives(&said).get(alternative).cloned().ok_or_else(|| format!("no such alternative: {said}"))?;
    writes(&s);
    s.take(&steps)?;
    let (again, answer) = code_now();
    if asks_again && again == code { Err(format!("still refused: {answer}")) } else { Ok(()) }
}

fn follow(table: Vec<(&'static str, Way)>) {
    let failed = table.into_iter().filter_map(|(code, way)| Some(format!("{code}: {}", walk(code, way).err()?)));
    let failed: Vec<String> = failed.collect();
    assert!(failed.is_empty(), "{}", failed.join("\n\n"));
}

#[test]
fn what_is_printed_at_the_first_gates_leads_on() {
    follow(until_the_baseline());
}

#[test]
fn what_is_printed_at_the_validation_leads_on() {
    follow(at_the_validation());
}

#[test]
fn what_is_printed_until_the_decision_leads_on() {
    follow(until_the_decision());
}

#[test]
fn what_is_printed_from_the_rollout_on_leads_on() {
    follow(from_the_rollout_on());
}

#[test]
fn every_reason_has_its_row() {
    let tables = [until_the_baseline(), at_the_validation(), until_the_decision(), from_the_rollout_on()];
    let rows: Vec<&str> = tables.iter().flatten().map(|(code, _)| *code).collect();
    let named: BTreeSet<String> = rows.iter().map(ToString::to_string).collect();
    assert_eq!(named, variants("src/workflow/reason.rs", "Reason").into_iter().collect());
    assert_eq!(named.len(), rows.len(), "a code twice");
}
