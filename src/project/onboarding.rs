//! What `onboard` did or would do, as data.

use serde::Serialize;

use crate::config::{Filled, Guess};

/// Schema name of the JSON.
pub const SCHEMA: &str = "vibeship_optimizer.onboard.v1";

/// An onboarding.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Onboarding {
    pub schema: &'static str,
    /// Whether the config has a timing command now, or would have one.
    pub ok: bool,
    pub project_root: String,
    pub config_path: String,
    pub dry_run: bool,
    /// The command that was given, or else guessed.
    pub timing_cmd: Option<String>,
    pub other_cmds: Vec<String>,
    pub changes: Vec<Filling>,
    pub next_steps: Vec<String>,
}

/// One value that was filled in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Filling {
    pub key: String,
    /// What stood there before; empty when nothing did.
    pub before: String,
    pub after: String,
}

/// Where an onboarding takes place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place<'a> {
    pub project_root: &'a str,
    pub config_path: &'a str,
}

/// The command to measure: the one that was given, or else the one that was guessed.
pub fn timing_cmd(given: Option<&str>, guess: &Guess) -> Option<String> {
    given.map(str::trim).filter(|cmd| !cmd.is_empty()).map(str::to_owned).or_else(|| guess.test.clone())
}

/// The account of an onboarding that filled `timing_cmd` into the config. `has_timing` says whether the config
/// measures a command afterwards.
pub fn account(
    place: Place<'_>,
    timing_cmd: Option<&str>,
    guess: &Guess,
    filled: &[Filled],
    has_timing: bool,
    dry_run: bool,
) -> Onboarding {
    let after = timing_cmd.unwrap_or_default();
    let filling = |f: &Filled| Filling { key: f.key.to_owned(), before: f.before.clone(), after: after.to_owned() };
    Onboarding {
        schema: SCHEMA,
        ok: has_timing,
        project_root: place.project_root.to_owned(),
        config_path: place.config_path.to_owned(),
        dry_run,
        timing_cmd: timing_cmd.map(str::to_owned),
        other_cmds: guess.others.iter().filter(|other| other.as_str() != after).cloned().collect(),
        changes: filled.iter().map(filling).collect(),
        next_steps: next_steps(has_timing),
    }
}

fn next_steps(has_timing: bool) -> Vec<String> {
    let first: &[&str] = if has_timing { &[] } else { &["vibeship-optimizer onboard --timing-cmd \"<command>\""] };
    let rest = [
        "vibeship-optimizer preflight",
        "vibeship-optimizer change start --title \"<short hypothesis>\"",
        "vibeship-optimizer change contract",
        "vibeship-optimizer status",
    ];
    first.iter().chain(&rest).map(|&step| step.to_owned()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_given_command_comes_before_a_guessed_one_and_the_others_are_told() {
        let guess =
            Guess { test: Some("npm test".to_owned()), others: vec!["cargo test".to_owned()], ..Guess::default() };
        assert_eq!(timing_cmd(Some(" "), &guess).as_deref(), Some("npm test"));
        let cmd = timing_cmd(Some("cargo test"), &guess);
        let filled = [Filled { key: "commands.test", before: String::new() }];
        let place = Place { project_root: "/p", config_path: "/p/c.yml" };
        let account = account(place, cmd.as_deref(), &guess, &filled, true, false);
        assert_eq!(account.changes[0].after, "cargo test");
        assert_eq!(account.other_cmds, Vec::<String>::new());
        assert!(account.ok);
    }

    #[test]
    fn without_any_command_the_next_step_is_to_give_one() {
        let place = Place { project_root: "/p", config_path: "/p/c.yml" };
        let account = account(place, None, &Guess::default(), &[], false, true);
        assert!(!account.ok && account.next_steps[0].contains("--timing-cmd"));
    }
}
