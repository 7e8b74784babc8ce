//! The state of the changes and the next steps: the pipeline of the active change with its commands, and a line for
//! each other open change.

use chrono::{DateTime, Utc};
use serde::Serialize;

use crate::model::{ChangeId, CommandLine, Fix, FixContext, Gate, How, fix, text::count, text::joined, text::moment};
use crate::report::{
    Doc, StepCommand, Table, Text, Tone, code, day, logbook, mark, pipeline, problem, rollback, values, verdict,
    visible::visible_line,
};
use crate::workflow::{
    Change, End, Refusal, Step, Unjudged,
    demand_fixes::{alarm, decisions, take_out},
};

#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct StatusView<'a> {
    /// The active change, with its next step; `None` if it is ambiguous.
    pub(crate) active: Option<(&'a Change, &'a StepView)>,
    pub(crate) others: &'a [(&'a Change, Step)],
    /// Rejected, held or rolled back changes whose commit is still in effect.
    pub(crate) left: &'a [(&'a Change, CommandLine)],
    /// Rolled back changes that were not measured since.
    pub(crate) to_confirm: &'a [&'a Change],
    /// Records of the Python tool, each with a sentence and its fixes.
    pub(crate) unproven: &'a [(String, Vec<Fix>)],
    /// What no monitored day of the active change could judge.
    pub(crate) unjudged: Option<&'a Unjudged>,
    /// The fixes that commit the active change's uncommitted evidence.
    pub(crate) evidence: &'a [Fix],
    pub(crate) damaged: usize,
    pub(crate) now: DateTime<Utc>,
}

/// The answer as JSON.
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[derive(Serialize)]
pub(crate) struct StatusAnswer {
    /// The change that is clearly meant.
    pub(crate) active: Option<StatusLine>,
    /// Every open change, the active one among them.
    pub(crate) open: Vec<StatusLine>,
    /// Rejected, held or rolled back changes whose commit is still in the tree.
    pub(crate) left_in_tree: Vec<ChangeId>,
    /// Changes that were rolled back and not measured since.
    pub(crate) to_confirm: Vec<StatusLine>,
    /// Records of the Python tool, a sentence each.
    pub(crate) unproven: Vec<String>,
    pub(crate) damaged_records: usize,
    /// What to run next, whichever change it is about.
    pub(crate) commands: Vec<StepCommand>,
}

/// A change, its next step, and the commands of it.
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[derive(Serialize)]
pub(crate) struct StatusLine {
    pub(crate) change_id: ChangeId,
    pub(crate) title: String,
    pub(crate) status: &'static str,
    pub(crate) next: Step,
    pub(crate) commands: Vec<StepCommand>,
}

/// The next steps for the active change and for ended changes that are still in effect or unconfirmed; without an
/// active change, for the project.
pub(crate) fn commands(view: &StatusView<'_>) -> Vec<Fix> {
    let mut steps = view.active.map(|(_, next)| next.next.clone()).unwrap_or_default();
    let taken_out = |(change, out): &(&Change, CommandLine)| {
        Fix::then(format!("take the commit of {} out of the tree", change.id()), out.clone())
    };
    let measured =
        |change: &&Change| Fix::then("measure that the values of the baseline are back", fix::after(change.id()));
    steps.extend(view.left.iter().map(taken_out).chain(view.to_confirm.iter().map(measured)));
    if view.active.is_none() {
        steps.extend(without_active(view));
    }
    steps.extend(view.evidence.iter().cloned());
    if let Some(first) = steps.first_mut() {
        first.how = How::Next;
    }
    steps
}

/// The next steps without an active change: which one to select, or how to open one.
fn without_active(view: &StatusView<'_>) -> Vec<Fix> {
    match view.others {
        [] if view.damaged > 0 => vec![Fix::next("", CommandLine::tool("check"))],
        [] => vec![Fix::next("", fix::start())],
        others if others.iter().all(|(change, _)| change.fully_rolled_out_at().is_some()) => {
            let is_due = others.iter().any(|(_, step)| *step == Step::Tick);
            let tick = is_due.then(|| Fix::next("measure today, for all of them", CommandLine::tool("monitor tick")));
            let one = others.iter().map(|(change, _)| Fix::or("", fix::choose(change.id())));
            tick.into_iter().chain(one).collect()
        }
        others => Fix::one_of(others.iter().map(|(change, _)| fix::choose(change.id()))),
    }
}

fn left_in_tree(doc: &mut Doc, view: &StatusView<'_>) {
    for (change, out) in view.left {
        let commits = change.commits_to_revert();
        let commits = joined(commits.iter().map(|sha| values::short(sha)));
        let end = change.end.as_ref().map_or("ended", End::words);
        let text = mark(Tone::Bad, "still in the tree").plain(": ");
        // A change that was never validated has no recorded commit, only one with its trailer.
        let text = if commits.is_empty() { text.plain("the commit") } else { text.code(commits) };
        let text = text.plain(format!(" of the {end} change ")).code(change.id().as_str());
        doc.paragraph(text.plain(". To take it out:"));
        doc.code(out.to_string());
    }
}

/// The active change with its next step, the other open ones, and ended ones that are still in effect.
pub(crate) fn document(view: &StatusView<'_>) -> Doc {
    let mut doc = Doc::new();
    // Without an active change, removing what ended changes left behind comes first.
    if view.active.is_none() {
        left_in_tree(&mut doc, view);
    }
    match view.active {
        Some((change, next)) => one(&mut doc, view, change, next),
        None if !view.others.is_empty() => {}
        None if view.damaged > 0 => {
            let records = values::count(view.damaged as u64, "record", "records");
            doc.paragraph(format!("{records} cannot be read, so it is not known whether a change is open."));
            doc.code(CommandLine::tool("check").to_string());
        }
        None => {
            doc.paragraph("No change is open.");
            doc.code(fix::start().to_string());
        }
    }
    if view.active.is_some() {
        left_in_tree(&mut doc, view);
    }
    for change in view.to_confirm {
        let text = mark(Tone::Unsure, "rolled back").plain(": ").code(change.id().as_str());
        doc.paragraph(text.plain(". To measure that the baseline's values are back:"));
        doc.code(fix::after(change.id()).to_string());
    }
    others(&mut doc, view);
    doc.list(view.unproven.iter().map(|(sentence, fixes)| {
        problem::with_steps(mark(Tone::Unsure, "unproven").plain(format!(": {}", visible_line(sentence))), fixes)
    }));
    doc
}

fn others(doc: &mut Doc, view: &StatusView<'_>) {
    if view.others.is_empty() {
        return;
    }
    doc.heading(2, if view.active.is_some() { "Other open changes" } else { "Open changes" });
    doc.table(open_changes(view.others));
    if view.active.is_none() {
        doc.paragraph("Commands mean the one that is chosen, or named with --change-id.");
        problem::add(doc, &without_active(view));
    }
}

/// Open changes with their next steps, one line each.
pub(crate) fn open_changes(changes: &[(&Change, Step)]) -> Table {
    let rows = changes.iter().map(|(change, step)| {
        let (id, title) = (code(change.id().as_str()), visible_line(&change.opened.title).into());
        let next = StepView::new(change, step, &FixContext::default()).text.into();
        [id, title, logbook::status_mark(change), next]
    });
    Table::new("llll", ["Change", "Title", "State", "Next"], rows)
}

fn one(doc: &mut Doc, view: &StatusView<'_>, change: &Change, next: &StepView) {
    doc.heading(1, change.opened.title.as_str());
    doc.field("change", code(change.id().as_str()).plain(format!(" ({})", change.opened.class.name())));
    doc.field("state", logbook::status_mark(change));
    doc.field("gates", pipeline::line(change));
    if let Some(comparison) = &change.comparison {
        let (outcome, why) = verdict::overall(&comparison.verdicts);
        doc.field("verdict", Text::from(outcome).plain(why));
    }
    if let Some(expires) = change.opened.expires {
        let until = match change.expired_override(view.now) {
            Some(at) => mark(Tone::Bad, "expired").plain(format!(" {}", values::moment(at))),
            None => Text::from(format!("holds until {}", values::moment(expires))),
        };
        doc.field(
            "override",
            match &change.follow_up {
                Some(by) => until.plain("; taken over by ").code(by.as_str()),
                None => until.plain("; no change takes it over yet"),
            },
        );
    }
    if let Some(text) = days(change, view.now) {
        doc.field("days", text);
    }
    for line in view.unjudged.map(day::unjudged).unwrap_or_default() {
        doc.field("doubt", mark(Tone::Unsure, line));
    }
    for judged in &change.open_alarms {
        doc.field("alarm", mark(Tone::Bad, verdict::alarm_line(judged)));
    }
    doc.field("next", Text::new().strong(next.text.as_str()));
    problem::add(doc, &next.next.iter().chain(view.evidence).cloned().collect::<Vec<_>>());
}

/// The monitored days: when the window closes and which days have a measurement.
fn days(change: &Change, now: DateTime<Utc>) -> Option<Text> {
    let from = change.fully_rolled_out_at()?;
    let text = Text::from(format!("since {}: ", values::moment(from)));
    if change.ticks.is_empty() {
        return Some(text.plain("none measured yet"));
    }
    let days = pipeline::days(change, now).into_iter().filter(|(.., word)| matches!(*word, "measured" | "alarm"));
    Some(days.enumerate().fold(text, |text, (i, (date, tone, _))| {
        text.plain(if i == 0 { "" } else { ", " }).mark(tone, date.to_string())
    }))
}

/// The progress of a change between its baseline and its validation.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Progressed {
    Nothing,
    /// The commit, which may still be amended, does not carry the id.
    WithoutId,
    /// Everything that validation needs.
    Whole,
    Refused(Box<Refusal>),
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) struct StepView {
    /// One sentence without an initial capital and without a period.
    pub text: String,
    /// The commands; empty if all the user can do is wait.
    pub next: Vec<Fix>,
}

impl StepView {
    pub(crate) fn new(change: &Change, step: &Step, ctx: &FixContext) -> Self {
        let id = change.id();
        let one = |command: CommandLine| vec![Fix::next("", command)];
        if let Some(reason) = change.decided_rollback() {
            return Self { text: "roll it back, as was decided".to_owned(), next: one(take_out(change, Some(reason))) };
        }
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
            Step::Decide { .. } if change.is_indicative() => {
                let (hold, reject) = (fix::with_reason(id, "hold"), fix::with_reason(id, "reject"));
                let steps = vec![Fix::next("keep it as an experiment", hold), Fix::or("drop it", reject)];
                ("the baseline was taken with uncommitted work, so it cannot be promoted: decide".to_owned(), steps)
            }
            Step::Decide { outcome } => {
                let verdicts = change.comparison.as_ref().map(|comparison| &comparison.verdicts);
                let text = format!("the comparison came out as {}: decide", outcome.name());
                let steps = decisions(change, verdicts.iter().flat_map(|it| it.not_passing()), ctx);
                (text, steps)
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
                (format!("{alarms}: go back, or resolve with a reason"), alarm(change, &ctx.causes))
            }
            Step::FollowUp => {
                let follow_up = fix::on(id, "change follow-up").words(["--by", "CHANGE-ID"]);
                ("name the promoted change that takes this override over".to_owned(), one(follow_up))
            }
            Step::Tick => ("measure today".to_owned(), one(fix::on(id, "monitor tick"))),
            Step::Wait { until } => (format!("wait until {}", moment(*until)), Vec::new()),
            Step::Verify => ("every day is in: verify it".to_owned(), one(fix::verify(id))),
            Step::ConfirmRollback => return Self::rolled_back(change, false),
            Step::Ended { end } => (format!("the change has ended: {}", end.replace('_', " ")), Vec::new()),
        };
        Self { text, next }
    }

    /// The steps to the validation, given the progress so far.
    pub(crate) fn validate(change: &Change, made: &Progressed, ctx: &FixContext) -> Self {
        let id = change.id();
        let validate = ctx.gate(id, Gate::Validate);
        let (text, next) = match made {
            Progressed::Nothing if change.is_outside_git() => {
                ("make the one change, and validate it".to_owned(), vec![Fix::next("", validate)])
            }
            Progressed::Nothing => {
                let commit = Fix::next("with the id of the change", ctx.commit(id));
                let (text, validate) = ("make the one change, commit it, and validate it", Fix::then("", validate));
                let steps = match ctx.uncommitted.operation {
                    Some(operation) => operation.end_first(validate),
                    None => vec![commit, validate],
                };
                (text.to_owned(), steps)
            }
            Progressed::WithoutId => {
                let amend = ctx.with_trailer(CommandLine::git("commit --amend --no-edit"), id);
                let text = "the change is committed without its id: add it, and validate it".to_owned();
                (text, vec![Fix::next("", amend), Fix::then("", validate)])
            }
            Progressed::Whole => ("the change is made: validate it".to_owned(), vec![Fix::next("", validate)]),
            Progressed::Refused(refusal) => (refusal.missing.to_string(), refusal.fixes(Some(change), ctx)),
        };
        Self { text, next }
    }

    /// `is_out` says whether the commit is known to be reverted.
    pub(crate) fn rolled_back(change: &Change, is_out: bool) -> Self {
        let written_only = change.rollback.as_ref().is_some_and(|rollback| rollback.commit.is_none()) && !is_out;
        let measure = "measure that the values of the baseline are back";
        let after = fix::after(change.id());
        if written_only && change.rollback_takes_it_out() && !change.commits_to_revert().is_empty() {
            let revert = CommandLine::verbatim(rollback::action(change));
            let next = vec![Fix::next("unless that is done", revert), Fix::then("", after)];
            return Self { text: format!("rolled back on record: revert the commit, then {measure}"), next };
        }
        Self { text: format!("rolled back: {measure}"), next: vec![Fix::next("", after)] }
    }

    pub(crate) fn steps(&self) -> Vec<Fix> {
        std::iter::once(Fix::decide(How::Next, &self.text)).chain(self.next.iter().cloned()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Class, Outcome, Part, Stage};
    use crate::report::{Terminal, fixture, terminal};
    use crate::workflow::next;

    fn step(change: &Change) -> Step {
        next::next(change, &fixture::policy(), fixture::at(5, 12))
    }

    #[test]
    fn the_active_change_has_its_pipeline_and_the_others_a_line() {
        let (active, other) = (fixture::passed(5), fixture::opened(fixture::HOSTILE, Class::Code));
        let others = [(&other, step(&other))];
        let view = StatusView {
            active: Some((&active, &StepView::new(&active, &step(&active), &FixContext::default()))),
            others: &others,
            ..StatusView::default()
        };
        let doc = document(&view);
        insta::assert_snapshot!(terminal::render(&doc, Terminal { width: Some(100), color: false }), @r"
        Shorten the advisory cooldown

        change   chg-1 (tuneable)
        state    ▸ compared
        gates    ✓ open → ✓ contract → ✓ baseline → ✓ validate → ✓ after → ✓ compare → ▸ decide (next) →
                 · rollout → · verify
        verdict  ✓ pass: KPI and every guardrail hold
        next     everything passes: promote it

            next: vibeship-optimizer change promote --change-id chg-1

        Other open changes

        Change  Title                                     State      Next
        chg-1   x | y ⏎ # z <script>alert(1)</script>     ▸ planned  write the contract: hypothesis, primary
                --> `c` *b* [l](u) @octocat                          KPI, guardrails, rollback trigger,
                \u{1b}[31m\u{202e}                                   rollback action
        ");
    }

    #[test]
    fn alarms_and_days_are_shown() {
        let active = fixture::passed(7);
        let doc = document(&StatusView {
            active: Some((&active, &StepView::new(&active, &step(&active), &FixContext::default()))),
            ..StatusView::default()
        });
        insta::assert_snapshot!(terminal::render(&doc, Terminal::default()), @r#"
        Shorten the advisory cooldown

        change   chg-1 (tuneable)
        state    ✗ monitoring, alarm open
        gates    ✓ open → ✓ contract → ✓ baseline → ✓ validate → ✓ after → ✓ compare → ✓ decide → ✓ rollout → ▸ verify (next)
        verdict  ✓ pass: KPI and every guardrail hold
        days     since 2026-02-04 10:00 UTC: ✓ 2026-02-04, ✗ 2026-02-05
        alarm    ✗ timing.tests.cpu <= +2% is inconclusive: +1.2 % [-0.8 %, +3.1 %] straddles ≤ +2 %; about 14 more pairs would settle it
        next     1 alarm is open: go back, or resolve with a reason

            # go back
            next: vibeship-optimizer change rollback --change-id chg-1 --reason "WHY" --apply
            # if it is harmless
            or:   vibeship-optimizer change resolve --change-id chg-1 --reason "WHY"
        "#);
    }

    #[test]
    fn without_an_open_change_it_says_how_to_start_one() {
        let text = terminal::render(&document(&StatusView::default()), Terminal::default());
        assert_eq!(text, "No change is open.\n\n    vibeship-optimizer change start --title \"SHORT HYPOTHESIS\"\n");
    }

    #[test]
    fn a_record_that_cannot_be_read_may_be_of_an_open_change() {
        let text =
            terminal::render(&document(&StatusView { damaged: 1, ..StatusView::default() }), Terminal::default());
        assert!(text.starts_with("1 record cannot be read"), "{text}");
        assert!(!text.contains("No change is open"), "{text}");
    }

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
        let lines: Vec<String> = steps
            .iter()
            .map(|step| StepView::new(&change, step, &FixContext::default()).steps())
            .map(|steps| problem::lines(&steps).join("\n"))
            .collect();
        assert!(lines.iter().all(|line| !line.is_empty()));
        insta::assert_snapshot!(lines.join("\n"), @r#"
        hint: write the contract: guardrails
        next: vibeship-optimizer change contract --change-id chg-1 --guardrail "METRIC <= +2%"
        hint: capture the baseline, before anything is changed
        next: vibeship-optimizer snapshot --label before --change-id chg-1 --as before
        hint: make the one change, commit it, and validate it
        # with the id of the change
        next: git add -A && git commit -m "WHAT CHANGED" --trailer "Optimizer-Change: chg-1"
        then: vibeship-optimizer validate --change-id chg-1
        hint: capture the state after
        next: vibeship-optimizer snapshot --label after --change-id chg-1 --as after
        hint: compare before and after
        next: vibeship-optimizer compare --change-id chg-1
        hint: everything passes: promote it
        next: vibeship-optimizer change promote --change-id chg-1
        hint: the comparison came out as inconclusive: decide
        # measure more
        next: vibeship-optimizer compare --change-id chg-1
        # keep it as an experiment
        or:   vibeship-optimizer change hold --change-id chg-1 --reason "WHY"
        # drop it
        or:   vibeship-optimizer change reject --change-id chg-1 --reason "WHY"
        hint: the experiment is measured: end it
        next: vibeship-optimizer change hold --change-id chg-1 --reason "WHY"
        hint: begin the stage full, not before 2026-02-04 10:00 UTC
        next: vibeship-optimizer change rollout full --change-id chg-1
        hint: have the present state reviewed
        next: vibeship-optimizer review bundle --change-id chg-1
        then: vibeship-optimizer review attest --change-id chg-1 --tool other --reasoning-mode human --reviewer "NAME"
        hint: 1 alarm is open: go back, or resolve with a reason
        # go back
        next: vibeship-optimizer change rollback --change-id chg-1 --reason "WHY" --apply
        # if it is harmless
        or:   vibeship-optimizer change resolve --change-id chg-1 --reason "WHY"
        hint: name the promoted change that takes this override over
        next: vibeship-optimizer change follow-up --change-id chg-1 --by CHANGE-ID
        hint: measure today
        next: vibeship-optimizer monitor tick --change-id chg-1
        hint: wait until 2026-02-07 10:00 UTC
        hint: every day is in: verify it
        next: vibeship-optimizer change verify --change-id chg-1 --apply --summary "WHAT WAS OBSERVED"
        hint: rolled back: measure that the values of the baseline are back
        next: vibeship-optimizer snapshot --label after --change-id chg-1 --as after
        hint: the change has ended: rolled back
        "#);
    }
}
