//! The exit codes are a public interface: source, help and README agree.

use std::fs;
use std::path::Path;

use vibeship_optimizer::exit::Exit;

use crate::support::Sandbox;

#[test]
fn the_table_is_the_same_in_the_source_the_help_and_the_readme() {
    let table: Vec<(u8, &str)> = Exit::TABLE.iter().map(|(exit, meaning)| (exit.code(), *meaning)).collect();
    let expected = [
        (0, "yes: done, or it holds"),
        (1, "no: refused, failed, regressed, or not verified"),
        (2, "trouble: usage, input, or the system"),
        (3, "not yet: inconclusive, or the window is still open"),
    ];
    assert_eq!(table, expected);
    let help = Sandbox::new().run(&["--help"]).ok();
    let help = help.stdout.split_whitespace().collect::<Vec<_>>().join(" ");
    for (code, meaning) in [(0, "yes"), (1, "no"), (2, "trouble"), (3, "not yet")] {
        assert!(help.contains(&format!("{code} {meaning} (")), "{help}");
    }
    let readme = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("README.md")).unwrap();
    for (code, meaning) in expected {
        assert!(readme.contains(&format!("| {code} | {meaning} |")), "{code} {meaning}");
    }
}

#[test]
fn each_code_is_given_for_what_it_means() {
    let s = Sandbox::new();
    let _ = s.run(&["--help"]).exits(0);
    let _ = s.run(&["--version"]).exits(0);
    let _ = s.run(&["--nonsense"]).exits(2);
    s.start("x");
    let _ = s.run(&["validate"]).exits(1);
    let _ = s.run(&["validate", "--change-id", "nonsense"]).exits(2);
    s.contract().before().improve(50.0).validate().after().compare();
    let _ = s.run(&["change", "promote"]).exits(0);
    let _ = s.run(&["change", "rollout", "full"]).exits(0);
    let _ = s.run(&["verify"]).exits(3);
}

#[test]
fn where_json_is_asked_for_every_usage_error_and_every_answer_is_one_document() {
    let s = Sandbox::new();
    let wrong: [(&[&str], &str); 6] = [
        (&["change", "hold"], "missing_required_argument"),
        (&["change", "start"], "missing_required_argument"),
        (&["change", "rollout", "bogus"], "invalid_value"),
        (&["calibrate", "--pairs", "1"], "value_validation"),
        (&["change"], "display_help_on_missing_argument_or_subcommand"),
        (&["--nonsense"], "unknown_argument"),
    ];
    for (arguments, kind) in wrong {
        let said = s.run(&[arguments, &["--format", "json"]].concat()).exits(2).json();
        // For a missing subcommand, clap has two kinds.
        let kinds = [kind, "missing_subcommand"];
        assert!(kinds.contains(&said["kind"].as_str().unwrap()), "{said}");
        assert!(!said["message"].as_str().unwrap().contains("error:"), "{said}");
        assert!(said["usage"].as_str().unwrap().starts_with("vibeship-optimizer"), "{said}");
    }
    let hierarchy = s.run(&["--format=json", "route", "--hierarchy"]).ok().json();
    assert!(hierarchy["layers"].as_array().unwrap().len() > 3, "{hierarchy}");
    s.start("x");
    let id = s.id();
    assert_eq!(s.run(&["change", "use", &id, "--format", "json"]).ok().json()["change_id"], id.as_str());
    assert!(s.run(&["change", "use", "--clear", "--format", "json"]).ok().json()["change_id"].is_null());
    let _ = s.run(&["--format=json", "change", "use", "--change-id"]).exits(2).json();
    let _ = s.run(&["change", "hold", "--reason=--format=json"]).exits(0);
}

#[test]
fn a_format_that_a_command_lacks_is_reported_and_hidden_commands_stay_hidden() {
    let s = Sandbox::new();
    let _ = s.run(&["preflight", "--format", "junit"]).troubled(&["is for `check`", "--format json"]);
    let _ = s.run(&[]).exits(2).says(&["snapshot"]).never_says(&["spin", "hook-run"]);
    let _ = s.run(&["--quiet"]).exits(2).says(&["snapshot"]).never_says(&["spin", "hook-run"]);
}
