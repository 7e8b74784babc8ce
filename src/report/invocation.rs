//! The exact commands that reports tell people to run. Owns their wording and quoting; must not know when which
//! one is due.

use crate::model::Class;
use crate::model::contract::DEFAULT_ROLLBACK;
use crate::workflow::Change;
use serde::Serialize;

use crate::model::{ChangeId, Gate, Part, Stage};

/// The program's name in commands.
pub const PROGRAM: &str = "vibeship-optimizer";

/// The trailer's key in commands, unless the project has one of its own.
pub const TRAILER: &str = "Optimizer-Change";

/// The review in commands, unless the project allows none such.
const REVIEW: (&str, &str) = ("other", "human");

/// What stands for the criteria of a contract where it is not known what the config measures.
const SHAPES: [&str; 3] = ["--kpi \"METRIC <= -10%\"", "--guardrail \"METRIC <= +2%\"", "--trigger \"METRIC > +10%\""];

/// What a project's own settings make of commands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Keys<'a> {
    /// The key of the trailer in commits.
    pub trailer: &'a str,
    /// A tool and a reasoning mode that may have reviewed.
    pub review: (&'a str, &'a str),
    /// A KPI, a guardrail and a trigger that the config could measure.
    pub criteria: Option<&'a [String; 3]>,
}

impl Default for Keys<'_> {
    fn default() -> Self {
        Self { trailer: TRAILER, review: REVIEW, criteria: None }
    }
}

/// What stands for a person's own words in commands. It is no such words itself.
pub const PLACEHOLDERS: [&str; 8] = [
    "WHY",
    "NAME",
    "MODE",
    "WHAT CHANGED",
    "WHAT HAPPENED",
    "WHAT WAS OBSERVED",
    "SHORT HYPOTHESIS",
    "WHAT SHOULD IMPROVE, AND WHY",
];

/// A command to run, and when it is not simply the next one, what for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Hint {
    /// What it is for, such as `or keep it as an experiment`; empty for the obvious next command.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub purpose: String,
    pub command: String,
}

impl Hint {
    /// The obvious next command.
    pub fn next(command: String) -> Self {
        Self { purpose: String::new(), command }
    }

    /// Another possibility, with what it is for.
    pub fn to(purpose: &str, command: String) -> Self {
        Self { purpose: purpose.to_owned(), command }
    }

    /// With the project's own key in the trailer that the command gives a commit, and a review that counts.
    #[must_use]
    pub fn keyed(mut self, keys: Keys<'_>) -> Self {
        let trailer = |key: &str| format!("--trailer \"{key}: ");
        self.command = self.command.replace(&trailer(TRAILER), &trailer(keys.trailer));
        self.command = self.command.replace(&reviewed(REVIEW), &reviewed(keys.review));
        for (shape, criterion) in SHAPES.iter().zip(keys.criteria.into_iter().flatten()) {
            let flag = shape.split(' ').next().unwrap_or_default();
            self.command = self.command.replace(shape, &format!("{flag} \"{criterion}\""));
        }
        self
    }

    /// `next: COMMAND`, with what it is for as a shell's comment; `then:` for what follows the one before, `or:` for
    /// an alternative.
    pub fn line(&self) -> String {
        let (label, purpose) = match self.purpose.as_str() {
            "then" => ("then:", ""),
            purpose => {
                match (purpose.strip_prefix("or ").or(purpose.strip_prefix("or, ")), purpose.strip_prefix("then, ")) {
                    (Some(rest), _) => ("or:  ", rest),
                    (None, Some(rest)) => ("then:", rest),
                    (None, None) => ("next:", purpose),
                }
            }
        };
        let comment = if purpose.is_empty() { String::new() } else { format!("  # {purpose}") };
        format!("{label} {}{comment}", self.command)
    }
}

/// `vibeship-optimizer WORDS --change-id ID REST`.
pub fn on(id: &ChangeId, words: &str, rest: &str) -> String {
    let gap = if rest.is_empty() { "" } else { " " };
    format!("{PROGRAM} {words} --change-id {}{gap}{rest}", id.as_str())
}

/// The baseline.
pub fn baseline(id: &ChangeId) -> String {
    format!("{PROGRAM} snapshot --label before --change-id {} --as before", id.as_str())
}

/// The state after.
pub fn after(id: &ChangeId) -> String {
    format!("{PROGRAM} snapshot --label after --change-id {} --as after", id.as_str())
}

/// Writes these parts of the contract.
pub fn contract(id: &ChangeId, parts: &[Part]) -> String {
    let flags: Vec<&str> = parts
        .iter()
        .map(|part| match part {
            Part::Hypothesis => "--hypothesis \"WHAT SHOULD IMPROVE, AND WHY\"",
            Part::Kpi => SHAPES[0],
            Part::Guardrails => SHAPES[1],
            Part::Trigger => SHAPES[2],
            Part::Rollback => "--rollback \"git revert <sha>\"",
        })
        .collect();
    on(id, "change contract", &flags.join(" "))
}

/// The same for `change`: an emergency's way back is no commit's.
pub fn contract_of(change: &Change, parts: &[Part]) -> String {
    let command = contract(change.id(), parts);
    if change.opened.class == Class::Emergency {
        return command.replace(DEFAULT_ROLLBACK, "WHAT TAKES THE OVERRIDE OUT");
    }
    command
}

/// Measures more for a comparison: more pairs; without commits that pairs could be of, the state after once more.
pub fn more(change: &Change) -> String {
    let compare = gate(change.id(), Gate::Compare);
    if change.has_no_commit() { format!("{} && {compare}", after(change.id())) } else { compare }
}

/// A path as one word of a shell's command.
pub fn shell_word(path: &str) -> String {
    let plain = path.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-' | b'/' | b'+' | b','));
    if plain && !path.starts_with('-') { path.to_owned() } else { format!("'{}'", path.replace('\'', "'\\''")) }
}

/// Brings a file back as the commit checked out has it.
pub fn restore(path: &str) -> String {
    format!("git restore --source=HEAD --staged --worktree -- {}", shell_word(path))
}

/// Begins a stage.
pub fn rollout(id: &ChangeId, stage: Stage) -> String {
    on(id, &format!("change rollout {}", stage.name()), "")
}

/// Ends or resolves with a reason: `hold`, `reject`, `rollback`, `resolve`.
pub fn with_reason(id: &ChangeId, verb: &str) -> String {
    on(id, &format!("change {verb}"), "--reason \"WHY\"")
}

/// Verifies.
pub fn verify(id: &ChangeId) -> String {
    on(id, "change verify", "--apply --summary \"WHAT WAS OBSERVED\"")
}

/// Attests a review.
pub fn attest(id: &ChangeId) -> String {
    on(id, "review attest", &format!("{} --reviewer \"NAME\"", reviewed(REVIEW)))
}

fn reviewed((tool, mode): (&str, &str)) -> String {
    format!("--tool {tool} --reasoning-mode {}", shell_word(mode))
}

/// Commits everything that lies uncommitted as the change.
pub fn commit(id: &ChangeId) -> String {
    format!("git add -A && git commit -m \"WHAT CHANGED\" {}", trailer(id))
}

/// The flag of `git commit` that gives a commit the change's id; [`Hint::keyed`] knows it again.
pub fn trailer(id: &ChangeId) -> String {
    format!("--trailer \"{TRAILER}: {}\"", id.as_str())
}

/// The command that passes a gate; for the contract, all of its parts.
pub fn gate(id: &ChangeId, gate: Gate) -> String {
    const PARTS: [Part; 5] = [Part::Hypothesis, Part::Kpi, Part::Guardrails, Part::Trigger, Part::Rollback];
    match gate {
        Gate::Open => format!("{PROGRAM} change start --title \"SHORT HYPOTHESIS\""),
        Gate::Contract => contract(id, &PARTS),
        Gate::Baseline => baseline(id),
        Gate::Validate => on(id, "validate", ""),
        Gate::After => after(id),
        Gate::Compare => on(id, "compare", ""),
        Gate::Decide => on(id, "change promote", ""),
        Gate::Rollout => rollout(id, Stage::Full),
        Gate::Verify => verify(id),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::fixture;

    #[test]
    fn the_project_s_own_key_stands_in_the_trailer() {
        let change = fixture::passed(2);
        let tuning = Keys { trailer: "Tuning", review: ("claude", "very high"), criteria: None };
        let hint = Hint::to("commit it", commit(change.id())).keyed(tuning);
        assert_eq!(hint.command, "git add -A && git commit -m \"WHAT CHANGED\" --trailer \"Tuning: chg-1\"");
        assert_eq!(hint.clone().keyed(Keys::default()), hint);
        let hint = Hint::next(attest(change.id())).keyed(tuning);
        assert!(hint.command.contains("--tool claude --reasoning-mode 'very high' --reviewer \"NAME\""), "{hint:?}");
    }
}
