//! What comes next for a change, in words, with the exact commands. Must not work out what that is.

use crate::model::Gate;
use crate::report::refusal::{hint, message};
use crate::report::{Around, Hint, Keys, Uncommitted, invocation, rollback, values, verdict};
use crate::workflow::{Change, Refusal, Step};

/// What was made of a change between its baseline and its validation.
#[derive(Debug, Clone, PartialEq)]
pub enum Made {
    Nothing,
    WithoutId {
        /// Whether it is the one checked out.
        last: bool,
    },
    /// All that the validation needs to begin.
    Whole,
    Refused(Box<Refusal>),
}

/// A next step, ready to be shown.
#[derive(Debug, Clone, PartialEq)]
pub struct StepView {
    /// One sentence without a capital and without a period.
    pub text: String,
    /// What to run; empty where there is nothing to do but wait.
    pub next: Vec<Hint>,
}

impl StepView {
    /// Puts the next step of `change` into words.
    pub fn new(change: &Change, step: &Step) -> Self {
        let id = change.id();
        let gate = |gate| vec![Hint::next(invocation::gate(id, gate))];
        let (text, next) = match step {
            Step::Contract { parts } => {
                let names: Vec<&str> = parts.iter().map(|part| message::part(*part)).collect();
                let command = invocation::contract_of(change, parts);
                (format!("write the contract: {}", names.join(", ")), vec![Hint::next(command)])
            }
            Step::Baseline => ("capture the baseline, before anything is changed".to_owned(), gate(Gate::Baseline)),
            Step::Validate => return Self::validate(change, &Made::Nothing, &Uncommitted::default()),
            Step::After => ("capture the state after".to_owned(), gate(Gate::After)),
            Step::Compare => ("compare before and after".to_owned(), gate(Gate::Compare)),
            Step::Promote => ("everything passes: promote it".to_owned(), gate(Gate::Decide)),
            Step::Decide { outcome } => {
                (format!("the comparison came out as {}: decide", verdict::word(*outcome)), decisions(change))
            }
            Step::Hold => {
                let hold = vec![Hint::next(invocation::with_reason(id, "hold"))];
                ("the experiment is measured: end it".to_owned(), hold)
            }
            Step::Rollout { stage, not_before } => {
                let name = stage.name();
                let text = not_before.map_or_else(
                    || format!("begin the stage {name}"),
                    |at| format!("begin the stage {name}, not before {}", values::moment(at)),
                );
                (text, vec![Hint::next(invocation::rollout(id, *stage))])
            }
            step => after_rollout(change, step),
        };
        Self { text, next }
    }

    /// The way to the validation, by what was made of the change so far.
    pub fn validate(change: &Change, made: &Made, lying: &Uncommitted) -> Self {
        let id = change.id();
        let validate = Hint::to("then", invocation::gate(id, Gate::Validate));
        let (text, next) = match made {
            Made::Nothing if change.is_outside_git() => {
                ("make the one change, and validate it".to_owned(), vec![Hint::next(validate.command)])
            }
            Made::Nothing => {
                let commit = Hint::to("with the change's id", invocation::commit(id));
                ("make the one change, commit it, and validate it".to_owned(), vec![commit, validate])
            }
            Made::WithoutId { last: true } => {
                let amend = format!("git commit --amend --no-edit {}", invocation::trailer(id));
                let text = "the change is committed without its id: add it, and validate it".to_owned();
                (text, vec![Hint::to("while it is not pushed", amend), validate])
            }
            Made::Whole | Made::WithoutId { last: false } => {
                ("the change is made: validate it".to_owned(), vec![Hint::next(validate.command)])
            }
            Made::Refused(refusal) => {
                let around = Around { lying: lying.clone(), given: Vec::new() };
                (message::message(&refusal.missing), hint::hints(refusal, Some(change), &around))
            }
        };
        Self { text, next }
    }

    /// As the project's own settings have it.
    #[must_use]
    pub fn keyed(mut self, keys: Keys<'_>) -> Self {
        self.next = self.next.into_iter().map(|hint| hint.keyed(keys)).collect();
        self
    }

    /// The sentence and the commands, a line each. Without a line end at the end.
    pub fn lines(&self) -> String {
        let lines = std::iter::once(self.text.clone()).chain(self.next.iter().map(Hint::line));
        lines.collect::<Vec<_>>().join("\n")
    }
}

fn decisions(change: &Change) -> Vec<Hint> {
    let id = change.id();
    vec![
        Hint::to("drop it", invocation::with_reason(id, "reject")),
        Hint::to("or keep it as an experiment", invocation::with_reason(id, "hold")),
        Hint::to("or measure more", invocation::more(change)),
    ]
}

fn after_rollout(change: &Change, step: &Step) -> (String, Vec<Hint>) {
    let id = change.id();
    match step {
        Step::Attest => (
            "have the present state reviewed".to_owned(),
            vec![Hint::next(invocation::on(id, "review bundle", "")), Hint::to("then", invocation::attest(id))],
        ),
        Step::Alarms => {
            let n = values::count(change.open_alarms.len() as u64, "alarm is open", "alarms are open");
            let go_back = Hint::to("either go back", invocation::with_reason(id, "rollback"));
            let harmless = Hint::to("or, if it is harmless", invocation::with_reason(id, "resolve"));
            (format!("{n}: go back, or resolve with a reason"), vec![go_back, harmless])
        }
        Step::FollowUp => (
            "name the promoted change that takes this override over".to_owned(),
            vec![Hint::next(invocation::on(id, "change follow-up", "--by CHANGE-ID"))],
        ),
        Step::Tick => ("measure today".to_owned(), vec![Hint::next(invocation::on(id, "monitor tick", ""))]),
        Step::Wait { until } => (format!("wait until {}", values::moment(*until)), Vec::new()),
        Step::Verify => ("every day is in: verify it".to_owned(), vec![Hint::next(invocation::verify(id))]),
        Step::ConfirmRollback => {
            let written_only = change.rollback.as_ref().is_some_and(|rollback| rollback.commit.is_none());
            let measure = "measure that the baseline's values are back";
            if written_only && change.rollback_takes_it_out() && !change.commits_to_revert().is_empty() {
                let revert = Hint::to("unless that is done", rollback::action(change));
                let then = Hint::to("then", invocation::after(id));
                return (format!("rolled back on record: revert the commit, then {measure}"), vec![revert, then]);
            }
            (format!("rolled back: {measure}"), vec![Hint::next(invocation::after(id))])
        }
        Step::Ended { end } => (format!("the change has ended: {}", end.replace('_', " ")), Vec::new()),
        // The steps up to the rollout are the caller's.
        _ => (String::new(), Vec::new()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Outcome, Part, Stage};
    use crate::report::fixture;

    #[test]
    #[expect(clippy::too_many_lines, reason = "one table of every step")]
    fn every_step_says_what_to_do_and_how() {
        let steps = [
            Step::Contract { parts: vec![Part::Guardrails] },
            Step::Baseline,
            Step::Validate,
            Step::After,
            Step::Compare,
            Step::Promote,
            Step::Decide { outcome: Outcome::Inconclusive },
            Step::Hold,
            Step::Rollout { stage: Stage::Full, not_before: Some(fixture::at(4, 10)) },
            Step::Attest,
            Step::Alarms,
            Step::FollowUp,
            Step::Tick,
            Step::Wait { until: fixture::at(7, 10) },
            Step::Verify,
            Step::ConfirmRollback,
            Step::Ended { end: "rolled_back" },
        ];
        let change = fixture::passed(7);
        let lines: Vec<String> = steps.iter().map(|step| StepView::new(&change, step).lines()).collect();
        assert!(lines.iter().all(|line| !line.is_empty()));
        insta::assert_snapshot!(lines.join("\n"), @r#"
        write the contract: guardrails
        next: vibeship-optimizer change contract --change-id chg-1 --guardrail "METRIC <= +2%"
        capture the baseline, before anything is changed
        next: vibeship-optimizer snapshot --label before --change-id chg-1 --as before
        make the one change, commit it, and validate it
        next: git add -A && git commit -m "WHAT CHANGED" --trailer "Optimizer-Change: chg-1"  # with the change's id
        then: vibeship-optimizer validate --change-id chg-1
        capture the state after
        next: vibeship-optimizer snapshot --label after --change-id chg-1 --as after
        compare before and after
        next: vibeship-optimizer compare --change-id chg-1
        everything passes: promote it
        next: vibeship-optimizer change promote --change-id chg-1
        the comparison came out as inconclusive: decide
        next: vibeship-optimizer change reject --change-id chg-1 --reason "WHY"  # drop it
        or:   vibeship-optimizer change hold --change-id chg-1 --reason "WHY"  # keep it as an experiment
        or:   vibeship-optimizer compare --change-id chg-1  # measure more
        the experiment is measured: end it
        next: vibeship-optimizer change hold --change-id chg-1 --reason "WHY"
        begin the stage full, not before 2026-02-04 10:00 UTC
        next: vibeship-optimizer change rollout full --change-id chg-1
        have the present state reviewed
        next: vibeship-optimizer review bundle --change-id chg-1
        then: vibeship-optimizer review attest --change-id chg-1 --tool other --reasoning-mode human --reviewer "NAME"
        1 alarm is open: go back, or resolve with a reason
        next: vibeship-optimizer change rollback --change-id chg-1 --reason "WHY"  # either go back
        or:   vibeship-optimizer change resolve --change-id chg-1 --reason "WHY"  # if it is harmless
        name the promoted change that takes this override over
        next: vibeship-optimizer change follow-up --change-id chg-1 --by CHANGE-ID
        measure today
        next: vibeship-optimizer monitor tick --change-id chg-1
        wait until 2026-02-07 10:00 UTC
        every day is in: verify it
        next: vibeship-optimizer change verify --change-id chg-1 --apply --summary "WHAT WAS OBSERVED"
        rolled back: measure that the baseline's values are back
        next: vibeship-optimizer snapshot --label after --change-id chg-1 --as after
        the change has ended: rolled back
        "#);
    }
}
