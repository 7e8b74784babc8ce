//! The exit codes are an interface: the source, the help and the README say the same.

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
