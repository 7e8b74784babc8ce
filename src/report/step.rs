//! What comes next for a change, in words, with the exact commands.

use crate::model::text::{count, joined, moment};
use crate::model::{CommandLine, Fix, FixContext, Gate, fix};
use crate::report::{problem, rollback, verdict};
use crate::workflow::demand_fixes::{alarm, decisions, decisions_on};
use crate::workflow::{Change, Refusal, Step};

/// How far a change has got between its baseline and its validation.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Progressed {
    Nothing,
    WithoutId {
        /// Whether it is the commit that is checked out.
        last: bool,
    },
    /// All that the validation needs to begin.
    Whole,
    Refused(Box<Refusal>),
}

/// A next step, ready to be shown.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct StepView {
    /// One sentence without a capital and without a period.
    pub text: String,
    /// What to run; empty where there is nothing to do but wait.
    pub next: Vec<Fix>,
}

impl StepView {
    /// Puts the next step of `change` into words.
    pub(crate) fn new(change: &Change, step: &Step, ctx: &FixContext) -> Self {
        let id = change.id();
        let one = |command: CommandLine| vec![Fix::next("", command)];
        let (text, next) = match step {
            Step::Contract { parts } => {
                let command = ctx.contract(id, change.opened.class, parts);
                (format!("write the contract: {}", joined(parts)), one(command))
            }
            Step::Baseline => ("capture the baseline, before anything is changed".to_owned(), one(fix::baseline(id))),
            Step::Validate => return Self::validate(change, &Progressed::Nothing, ctx),
            Step::After => ("capture the state after".to_owned(), one(fix::after(id))),
            Step::Compare => ("compare before and after".to_owned(), one(ctx.gate(id, Gate::Compare))),
            Step::Promote => ("everything passes: promote it".to_owned(), one(ctx.gate(id, Gate::Decide))),
            Step::Decide { outcome } => {
                let verdicts = change.comparison.as_ref().map(|comparison| &comparison.verdicts);
                let text = format!("the comparison came out as {}: decide", verdict::word(*outcome));
                (text, verdicts.map_or_else(|| decisions(change, []), |verdicts| decisions_on(change, verdicts)))
            }
            Step::Hold => ("the experiment is measured: end it".to_owned(), one(fix::with_reason(id, "hold"))),
            Step::Rollout { stage, not_before } => {
                let when = not_before.map_or_else(String::new, |at| format!(", not before {}", moment(at)));
                (format!("begin the stage {}{when}", stage.name()), one(fix::rollout(id, *stage)))
            }
            Step::Attest => {
                let attest = Fix::then("", ctx.attest(id));
                let bundle = Fix::next("", fix::on(id, "review bundle"));
                ("have the present state reviewed".to_owned(), vec![bundle, attest])
            }
            Step::Alarms => {
                let alarms = count(change.open_alarms.len() as u64, "alarm is open", "alarms are open");
                (format!("{alarms}: go back, or resolve with a reason"), alarm(change))
            }
            Step::FollowUp => {
                let follow_up = fix::on(id, "change follow-up").words(["--by", "CHANGE-ID"]);
                ("name the promoted change that takes this override over".to_owned(), one(follow_up))
            }
            Step::Tick => ("measure today".to_owned(), one(fix::on(id, "monitor tick"))),
            Step::Wait { until } => (format!("wait until {}", moment(*until)), Vec::new()),
            Step::Verify => ("every day is in: verify it".to_owned(), one(fix::verify(id))),
            Step::ConfirmRollback => confirm_rollback(change),
            Step::Ended { end } => (format!("the change has ended: {}", end.replace('_', " ")), Vec::new()),
        };
        Self { text, next }
    }

    /// The way to the validation, by what was made of the change so far.
    pub(crate) fn validate(change: &Change, made: &Progressed, ctx: &FixContext) -> Self {
        let id = change.id();
        let validate = ctx.gate(id, Gate::Validate);
        let (text, next) = match made {
            Progressed::Nothing if change.is_outside_git() => {
                ("make the one change, and validate it".to_owned(), vec![Fix::next("", validate)])
            }
            Progressed::Nothing => {
                let commit = Fix::next("with the change's id", ctx.commit(id));
                let text = "make the one change, commit it, and validate it".to_owned();
                (text, vec![commit, Fix::then("", validate)])
            }
            Progressed::WithoutId { last: true } => {
                let amend = ctx.with_trailer(CommandLine::git("commit --amend --no-edit"), id);
                let text = "the change is committed without its id: add it, and validate it".to_owned();
                (text, vec![Fix::next("while it is not pushed", amend), Fix::then("", validate)])
            }
            Progressed::Whole | Progressed::WithoutId { last: false } => {
                ("the change is made: validate it".to_owned(), vec![Fix::next("", validate)])
            }
            Progressed::Refused(refusal) => (refusal.missing.to_string(), refusal.fixes(Some(change), ctx)),
        };
        Self { text, next }
    }

    /// The sentence and the commands. Without a line end at the end.
    pub(crate) fn lines(&self) -> String {
        let lines = std::iter::once(self.text.clone()).chain(problem::lines(&self.next));
        lines.collect::<Vec<_>>().join("\n")
    }
}

fn confirm_rollback(change: &Change) -> (String, Vec<Fix>) {
    let written_only = change.rollback.as_ref().is_some_and(|rollback| rollback.commit.is_none());
    let measure = "measure that the baseline's values are back";
    let after = fix::after(change.id());
    if written_only && change.rollback_takes_it_out() && !change.commits_to_revert().is_empty() {
        let revert = CommandLine::verbatim(rollback::action(change));
        let steps = vec![Fix::next("unless that is done", revert), Fix::then("", after)];
        return (format!("rolled back on record: revert the commit, then {measure}"), steps);
    }
    (format!("rolled back: {measure}"), vec![Fix::next("", after)])
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
        let lines: Vec<String> =
            steps.iter().map(|step| StepView::new(&change, step, &FixContext::default()).lines()).collect();
        assert!(lines.iter().all(|line| !line.is_empty()));
        insta::assert_snapshot!(lines.join("\n"), @r#"
        write the contract: guardrails
        next: vibeship-optimizer change contract --change-id chg-1 --guardrail "METRIC <= +2%"
        capture the baseline, before anything is changed
        next: vibeship-optimizer snapshot --label before --change-id chg-1 --as before
        make the one change, commit it, and validate it
        # with the change's id
        next: git add -A && git commit -m "WHAT CHANGED" --trailer "Optimizer-Change: chg-1"
        then: vibeship-optimizer validate --change-id chg-1
        capture the state after
        next: vibeship-optimizer snapshot --label after --change-id chg-1 --as after
        compare before and after
        next: vibeship-optimizer compare --change-id chg-1
        everything passes: promote it
        next: vibeship-optimizer change promote --change-id chg-1
        the comparison came out as inconclusive: decide
        # measure more
        next: vibeship-optimizer compare --change-id chg-1
        # keep it as an experiment
        or:   vibeship-optimizer change hold --change-id chg-1 --reason "WHY"
        # drop it
        or:   vibeship-optimizer change reject --change-id chg-1 --reason "WHY"
        the experiment is measured: end it
        next: vibeship-optimizer change hold --change-id chg-1 --reason "WHY"
        begin the stage full, not before 2026-02-04 10:00 UTC
        next: vibeship-optimizer change rollout full --change-id chg-1
        have the present state reviewed
        next: vibeship-optimizer review bundle --change-id chg-1
        then: vibeship-optimizer review attest --change-id chg-1 --tool other --reasoning-mode human --reviewer "NAME"
        1 alarm is open: go back, or resolve with a reason
        # go back
        next: vibeship-optimizer change rollback --change-id chg-1 --reason "WHY"
        # if it is harmless
        or:   vibeship-optimizer change resolve --change-id chg-1 --reason "WHY"
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
