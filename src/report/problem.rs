//! Renders problems, refusals and their fixes as lines of text and as JSON, for every part of the tool.

use serde::Serialize;
use serde_json::{Value, json};

use crate::model::fix::code;
use crate::model::{Action, Fix, FixContext, How, Problem, Rehearsal, Severity, Subject};
use crate::report::visible::visible_line;
use crate::report::{Doc, Text, Tone, mark, verdict};
use crate::workflow::{Change, Demand, Reason, Refusal};

/// Label of what the user has to do or decide without a command.
const HINT: &str = "hint: ";
/// Label of the purpose, on a line above its command, so that the command's line can be copied.
const PURPOSE: &str = "# ";
/// Label of a line to write into a file.
const EDIT: &str = "#   ";

/// The lines of the steps, each as its label and its text.
fn shown(steps: &[Fix]) -> Vec<(&'static str, String)> {
    let mut lines = Vec::new();
    let mut has_command = false;
    for step in steps {
        let (head, joint, label) = match (&step.action, step.how) {
            // A command's label says how it joins the one before.
            (Action::Run { .. }, How::Or) => (PURPOSE, "", "or:   "),
            (Action::Run { .. }, How::Then) if has_command => (PURPOSE, "", "then: "),
            (Action::Run { .. }, How::Then | How::Next) => (PURPOSE, "", "next: "),
            (Action::Edit { .. }, how) => (PURPOSE, how.joint(), EDIT),
            (Action::Decide, how) => (HINT, how.joint(), EDIT),
        };
        let (purpose, below) = parts(step, joint);
        lines.extend((!purpose.is_empty()).then_some((head, purpose)));
        lines.extend(below.iter().flat_map(|below| below.lines()).map(|line| (label, line.to_owned())));
        has_command |= matches!(step.action, Action::Run { .. });
    }
    lines
}

pub(crate) fn lines(steps: &[Fix]) -> Vec<String> {
    shown(steps).into_iter().map(|(label, text)| format!("{label}{text}")).collect()
}

/// A step's purpose, preceded by `joint`, and the command or the lines below it.
pub(crate) fn parts(step: &Fix, joint: &str) -> (String, Option<String>) {
    let purpose = visible_line(&step.purpose);
    let joined = if purpose.is_empty() { purpose } else { format!("{joint}{purpose}") };
    match &step.action {
        Action::Run { command } => (joined, Some(visible_line(&command.to_string()))),
        Action::Edit { file, key, line } => {
            let lines: Vec<String> = line.lines().map(visible_line).collect();
            (format!("{joined}: in {}, under {key}:", visible_line(file)), Some(lines.join("\n")))
        }
        Action::Decide => (joined, None),
    }
}

/// Adds the steps to a document, unless there are none.
pub(crate) fn add(doc: &mut Doc, steps: &[Fix]) {
    if !steps.is_empty() {
        doc.code(lines(steps).join("\n"));
    }
}

/// The message of a hook that refuses a commit: sentence and steps, without a trailing newline.
pub(crate) fn commit_refused(sentence: &str, fixes: &[Fix]) -> String {
    message_lines(&format!("commit refused: {sentence}"), &[], fixes).join("\n")
}

/// A command among steps, with what it is for.
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[derive(Debug, Serialize)]
pub(crate) struct StepCommand {
    #[serde(skip_serializing_if = "String::is_empty")]
    purpose: String,
    how: How,
    command: String,
}

pub(crate) fn commands(steps: &[Fix]) -> Vec<StepCommand> {
    let command = |step: &Fix| {
        let command = step.command()?.to_string();
        Some(StepCommand { purpose: step.purpose.clone(), how: step.how, command })
    };
    steps.iter().filter_map(command).collect()
}

pub(crate) fn place(subject: &Subject) -> String {
    let commit = subject.commit.as_ref().map(|commit| {
        let (id, subject) = (commit.id.chars().take(10), commit.subject.chars().take(72));
        id.chain(" ".chars()).chain(subject).collect::<String>()
    });
    let change = subject.change.as_ref().map(ToString::to_string);
    let parts: Vec<String> = [commit, change, subject.path.clone()].into_iter().flatten().collect();
    visible_line(&parts.join(" · "))
}

/// A block of text: severity, code and place; the message; the details; the steps.
pub(crate) fn block(problem: &Problem) -> Vec<String> {
    let head = format!("{:<4} {}  {}", problem.severity.name(), problem.code, place(&problem.subject));
    let rest = message_lines(&problem.message, &problem.details, &problem.fixes);
    std::iter::once(head.trim_end().to_owned()).chain(rest.iter().map(|line| format!("     {line}"))).collect()
}

/// The message, the details and the steps, one line each.
fn message_lines(message: &str, details: &[String], fixes: &[Fix]) -> Vec<String> {
    let details = details.iter().map(|detail| format!("  {}", visible_line(detail)));
    std::iter::once(visible_line(message)).chain(details).chain(lines(fixes)).collect()
}

/// The first fix, in one line.
pub(crate) fn first(fixes: &[Fix]) -> Option<String> {
    let line = |fix: &Fix| match &fix.action {
        Action::Run { command } => command.to_string(),
        Action::Edit { key, line, .. } => format!("{}: {key}: {line}", fix.purpose),
        Action::Decide => fix.purpose.clone(),
    };
    fixes.first().map(|fix| visible_line(&line(fix)))
}

pub(crate) fn item(tone: Tone, word: &str, problem: &Problem) -> Text {
    let text = mark(tone, word).plain(" ").code(problem.code.as_str());
    with_steps(text.plain(format!(": {}", visible_line(&problem.message))), &problem.fixes)
}

/// Appends the steps to `text`, one line each.
pub(crate) fn with_steps(text: Text, fixes: &[Fix]) -> Text {
    shown(fixes).into_iter().fold(text, |text, (label, line)| match label {
        PURPOSE | HINT => text.plain(format!("\n{line}")),
        EDIT => text.plain("\n").code(line),
        label => text.plain(format!("\n{label}")).code(line),
    })
}

pub(crate) fn tone(severity: Severity) -> Tone {
    match severity {
        Severity::Fail => Tone::Bad,
        Severity::Warn => Tone::Unsure,
        Severity::Info => Tone::Quiet,
    }
}

/// A problem of the project's setup as JSON.
pub(crate) fn json(problem: &Problem) -> Value {
    let mut value = json!({
        "code": problem.code,
        "level": problem.severity,
        "message": problem.message,
        "hint": first(&problem.fixes).unwrap_or_default(),
        "fixes": problem.fixes,
    });
    if let Some(change) = &problem.subject.change {
        value["change_id"] = json!(change);
    }
    value
}

/// Converts a refusal to a problem. `change` is `None` if opening was refused.
pub(crate) fn refused(refusal: &Refusal, change: Option<&Change>, ctx: &FixContext) -> Problem {
    Problem {
        code: code(&refusal.missing),
        severity: Severity::Fail,
        subject: Subject { change: change.map(|change| change.id().clone()), ..Subject::default() },
        message: format!("refused at {}: {}", refusal.gate, refusal.missing),
        details: details(&refusal.missing, ctx),
        fixes: refusal.fixes(change, ctx),
    }
}

/// The text of a refusal, without a trailing newline.
pub(crate) fn refusal_text(refused: &Problem) -> String {
    message_lines(&refused.message, &refused.details, &refused.fixes).join("\n")
}

/// A refusal as JSON; `missing` has the values that the gate checked.
pub(crate) fn refusal_json(refusal: &Refusal, refused: &Problem) -> Value {
    json!({
        "refused": true,
        "change_id": refused.subject.change,
        "gate": refusal.gate.name(),
        "gate_number": refusal.gate.number(),
        "code": refused.code,
        "message": refusal.missing.to_string(),
        "details": refused.details,
        "not_yet": refusal.is_not_yet(),
        "next": refused.fixes.iter().filter_map(Fix::command).collect::<Vec<_>>(),
        "hints": commands(&refused.fixes),
        "fixes": refused.fixes,
        "missing": refusal.missing,
    })
}

/// The details of a reason, one line each, in its order.
fn details(reason: &Reason, ctx: &FixContext) -> Vec<String> {
    if let Reason::Dirty { .. } = reason {
        ctx.uncommitted.lines()
    } else if let Reason::CommitsBeforeBaseline { commits, .. } | Reason::ManyCommits { commits, .. } = reason {
        commits.iter().map(ToString::to_string).collect()
    } else if let Reason::ForeignCommit { commit, .. } = reason {
        vec![commit.to_string()]
    } else if let Reason::Unmeasured { metrics, why } = reason {
        let why = |at: usize| why.get(at).map(|why| format!(": {why}")).unwrap_or_default();
        metrics.iter().enumerate().map(|(at, metric)| format!("{metric}{}", why(at))).collect()
    } else if let Reason::ContractDocs { files, .. }
    | Reason::CodeBeside { files, .. }
    | Reason::WrongClass { files, .. } = reason
    {
        files.clone()
    } else if let Reason::Rollback { rehearsal: Rehearsal::Conflicts { paths } } = reason {
        paths.clone()
    } else if let Reason::Evidence { faults } = reason {
        faults.iter().map(ToString::to_string).collect()
    } else if let Reason::Verdicts { judged } | Reason::StageGuardrails { judged } = reason {
        judged.iter().map(verdict::full_line).collect()
    } else if let Reason::TriggerFired { judged } = reason {
        vec![format!("{} {}", judged.criterion, verdict::trigger_line(judged))]
    } else if let Reason::Unverified { demands } = reason {
        demands.iter().map(|it| format!("{} {}", if it.met { "✓" } else { "✗" }, demand(it))).collect()
    } else {
        Vec::new()
    }
}

/// A demand of verification and its state, in words.
pub(crate) fn demand(demand: &Demand) -> String {
    demand.words(&verdict::alarm_line)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{
        ArtifactFault, Class, CriterionResult, DeltaCommit, Gate, MetricId, Part, Rehearsal, Stage, Surface,
    };
    use crate::model::{CommandLine, CommitName};
    use crate::report::{enums, fixture};
    use crate::workflow::{DemandKind, VacuousCriterion};
    use std::collections::BTreeSet;

    #[test]
    fn a_purpose_stands_above_its_command_and_steps_come_in_their_order() {
        let problem = Problem {
            code: "COMMIT_WITHOUT_ID".to_owned(),
            severity: Severity::Fail,
            subject: Subject {
                commit: Some(CommitName { id: "c".repeat(40), subject: "Do\u{1b} it".to_owned() }),
                path: Some("a\nb".to_owned()),
                ..Subject::default()
            },
            message: "the commit names no change".to_owned(),
            details: vec!["one".to_owned()],
            fixes: vec![
                Fix::decide(How::Next, "make the change"),
                Fix::then("find its change", CommandLine::tool("change relink")),
                Fix::then("", CommandLine::git("log -1")),
                Fix::or("take it out", CommandLine::git("revert").word("a\nb")),
                Fix::edit(How::Or, "exempt it", "c.yml", "enforcement.exempt", "- {paths: [x]}"),
            ],
        };
        insta::assert_snapshot!(block(&problem).join("\n"), @r"
        fail COMMIT_WITHOUT_ID  cccccccccc Do\u{1b} it · a ⏎ b
             the commit names no change
               one
             hint: make the change
             # find its change
             next: vibeship-optimizer change relink
             then: git log -1
             # take it out
             or:   git revert 'a ⏎ b'
             # or exempt it: in c.yml, under enforcement.exempt:
             #   - {paths: [x]}
        ");
        insta::assert_snapshot!(json!(commands(&problem.fixes)).to_string(), @r#"[{"purpose":"find its change","how":"then","command":"vibeship-optimizer change relink"},{"how":"then","command":"git log -1"},{"purpose":"take it out","how":"or","command":"git revert 'a\nb'"}]"#);
        insta::assert_snapshot!(serde_json::to_string(&problem.fixes[4]).unwrap(), @r#"{"how":"or","purpose":"exempt it","action":"edit","file":"c.yml","key":"enforcement.exempt","line":"- {paths: [x]}"}"#);
    }

    fn commit() -> DeltaCommit {
        DeltaCommit {
            sha: "c".repeat(40),
            subject: "Do | something\nelse".to_owned(),
            change_ids: vec!["chg-2".to_owned()],
            evidence_only: false,
            merge: false,
            own_files: false,
        }
    }

    fn demands() -> Vec<Demand> {
        let day = |day| fixture::at(day, 0).date_naive();
        let demand = |met, kind| Demand { met, kind };
        vec![
            demand(true, DemandKind::FullRollout),
            demand(false, DemandKind::Window { days: 3, closes: Some(fixture::at(7, 10)) }),
            demand(false, DemandKind::Ticks { need: 3, have: vec![day(4), day(5)] }),
            demand(false, DemandKind::NoAlarm { open: vec![fixture::straddling()] }),
            demand(false, DemandKind::Attestation { stale: true, objection: None }),
        ]
    }

    /// Every variant, each at a gate where it occurs.
    fn every() -> Vec<(Gate, Reason)> {
        up_to_the_baseline().into_iter().chain(from_validation_on()).collect()
    }

    fn up_to_the_baseline() -> Vec<(Gate, Reason)> {
        let id = || "chg-2".parse().unwrap();
        let metric = || MetricId::new("timing.test.wall");
        vec![
            (Gate::Open, Reason::OtherOpen { ids: vec![id()] }),
            (Gate::Open, Reason::IncidentNote),
            (Gate::Open, Reason::Expiry),
            (Gate::Open, Reason::ExpiryTooLate { latest: fixture::at(8, 9), days: 7 }),
            (Gate::Open, Reason::TuneablesUnknown),
            (Gate::After, Reason::Ended { end: "rolled_back" }),
            (Gate::Decide, Reason::NotInClass { class: Class::Experiment }),
            (Gate::After, Reason::Earlier { gate: Gate::Validate }),
            (Gate::Baseline, Reason::AlreadyPassed),
            (Gate::Contract, Reason::Frozen),
            (Gate::Baseline, Reason::ContractParts { parts: vec![Part::Kpi, Part::Trigger] }),
            (
                Gate::Contract,
                Reason::UnknownMetric {
                    metric: metric(),
                    nearest: Some(MetricId::new("timing.tests.wall")),
                    more: Vec::new(),
                },
            ),
            (
                Gate::Contract,
                Reason::ContractSense { criterion: "a <= 1".to_owned(), why: VacuousCriterion::LooserThanKpi },
            ),
            (Gate::Baseline, Reason::CommitsBeforeBaseline { commits: vec![commit()], at_tip: true }),
            (Gate::Baseline, Reason::Dirty { paths: 3, own: None, at_tip: false }),
            (Gate::Validate, Reason::Dirty { paths: 1, own: None, at_tip: false }),
            (Gate::Validate, Reason::Dirty { paths: 1, own: Some("c".repeat(40)), at_tip: true }),
            (Gate::After, Reason::Dirty { paths: 1, own: Some("c".repeat(40)), at_tip: true }),
            (Gate::Baseline, Reason::UnknownState { reason: "index is locked".to_owned() }),
            (
                Gate::Baseline,
                Reason::Unmeasured { metrics: vec![metric()], why: vec!["5 of 5 runs failed".to_owned()] },
            ),
            (Gate::Baseline, Reason::OwnSource { sources: vec!["kpi.ops (reports/optimizer/ops.json)".to_owned()] }),
        ]
    }

    fn from_validation_on() -> Vec<(Gate, Reason)> {
        let latency = "http.api.latency <= +2%".to_owned();
        let mut of_requests = CriterionResult { criterion: latency, ..fixture::straddling() };
        if let crate::model::Verdict::Inconclusive { finding: Some(finding), .. } = &mut of_requests.verdict {
            finding.design = crate::model::Design::Unpaired;
        }
        let fault = |missing| ArtifactFault {
            path: "reports/optimizer/x.json".to_owned(),
            missing,
            committed: missing,
            commit: missing.then(|| "HEAD".to_owned()),
            kept: None,
        };
        vec![
            (Gate::Baseline, Reason::NotInGit { paths: vec!["dist (ignored)".to_owned()] }),
            (Gate::Validate, Reason::NoDelta { outputs: Vec::new(), unnamed: Vec::new() }),
            (Gate::Validate, Reason::NoDelta { outputs: vec!["out/ops.txt".to_owned()], unnamed: Vec::new() }),
            (Gate::Validate, Reason::OnlyOutside { commits: vec!["c".repeat(40)] }),
            (Gate::Validate, Reason::NoTuneableChanged),
            (Gate::Validate, Reason::CodeBeside { files: vec!["lib.py".to_owned()], own: Some(commit().sha) }),
            (
                Gate::Validate,
                Reason::WrongClass {
                    class: Class::Code,
                    surface: Surface::Tuneables,
                    files: vec!["t.json".to_owned()],
                },
            ),
            (Gate::Validate, Reason::ManyCommits { commits: vec![commit(), commit()], at_tip: true }),
            (Gate::Validate, Reason::OthersCommitted { metrics: vec![MetricId::new("http.a.ok")] }),
            (Gate::Validate, Reason::ForeignCommit { commit: commit(), shared: false, at_tip: true }),
            (
                Gate::Validate,
                Reason::BaselineNotAncestor {
                    baseline: "aaaaaaaaaaaa".to_owned(),
                    commits: vec![commit()],
                    at_tip: true,
                },
            ),
            (
                Gate::Validate,
                Reason::ContractDocs {
                    files: vec!["api/schema.json".to_owned()],
                    owed: vec!["docs (docs/**)".to_owned()],
                    own: Some(commit().sha),
                },
            ),
            (Gate::Validate, Reason::NoTests),
            (Gate::After, Reason::NotValidatedCode { validated: "bbbb".to_owned(), here: "cccc".to_owned() }),
            (Gate::Decide, Reason::OnlyIndicative),
            (Gate::Decide, Reason::Evidence { faults: vec![fault(true), fault(false)] }),
            (Gate::Decide, Reason::NotReproduced),
            (Gate::Decide, Reason::Verdicts { judged: vec![fixture::straddling()] }),
            (Gate::Decide, Reason::Verdicts { judged: vec![of_requests] }),
            (Gate::Decide, Reason::TriggerFired { judged: fixture::verdicts().kpi }),
            (Gate::Decide, Reason::Rollback { rehearsal: Rehearsal::Conflicts { paths: vec!["a.rs".to_owned()] } }),
            (Gate::Rollout, Reason::Reason { verb: "rollback" }),
            (Gate::Rollout, Reason::NoSuchStage { planned: vec![Stage::Canary, Stage::Full] }),
            (Gate::Rollout, Reason::StageOrder { next: Stage::Canary }),
            (Gate::Rollout, Reason::Soak { stage: Stage::Canary, until: fixture::at(4, 10) }),
            (Gate::Rollout, Reason::StageGuardrails { judged: vec![fixture::straddling()] }),
            (Gate::Verify, Reason::Summary),
            (Gate::Verify, Reason::Unverified { demands: demands() }),
            (Gate::Rollout, Reason::NothingToRollBack),
            (Gate::Rollout, Reason::StillInEffect { what: vec!["cccccccccccc".to_owned()] }),
            (Gate::Verify, Reason::NoAlarm),
            (Gate::Verify, Reason::NotRolledOut),
            (Gate::Verify, Reason::FollowUp),
            (
                Gate::Baseline,
                Reason::ConfigUncommitted {
                    path: "vibeship_optimizer.yml".to_owned(),
                    what: vec!["kpis.ops".to_owned()],
                },
            ),
            (Gate::After, Reason::Redefined { what: vec!["timing.tests".to_owned()], alone: true }),
            (Gate::Validate, Reason::NoCommit),
            (Gate::After, Reason::OtherTuneables { keys: vec!["limit".to_owned()] }),
            (Gate::Verify, Reason::NotInEffect { reverted: true, files: Vec::new() }),
            (Gate::Verify, Reason::NotAsCommitted { files: vec!["lib.py".to_owned()] }),
        ]
    }

    fn shown(gate: Gate, missing: Reason) -> String {
        let change = fixture::passed(2);
        let known = (gate != Gate::Open).then_some(&change);
        let mut ctx = FixContext::default();
        ctx.uncommitted.last = Some(crate::model::uncommitted::LastCommit { sha: commit().sha, held_by: None });
        refusal_text(&refused(&Refusal::new(gate, missing), known, &ctx))
    }

    #[test]
    fn every_variant_has_its_sentence_and_a_command() {
        let mut codes = BTreeSet::new();
        for (gate, missing) in every() {
            let (refusal, change) = (Refusal::new(gate, missing.clone()), fixture::passed(2));
            let refused = refused(&refusal, Some(&change), &FixContext::default());
            assert!(!refused.fixes.is_empty(), "{missing:?}");
            assert!(refusal_text(&refused).lines().next().unwrap().starts_with("refused at gate"));
            codes.insert(refused.code.to_string());
        }
        assert_eq!(codes, enums::variants("src/workflow/reason.rs", "Reason").into_iter().collect());
    }

    #[test]
    #[expect(clippy::too_many_lines, reason = "the expected text is long")]
    fn the_sentences_name_the_gate_the_numbers_and_the_next_command() {
        let all: Vec<String> = every().into_iter().map(|(gate, missing)| shown(gate, missing)).collect();
        insta::assert_snapshot!(all.join("\n\n"), @r#"
        refused at gate 0 (open): another change is open and undecided: chg-2
        # continue with that one
        next: vibeship-optimizer status --change-id chg-2
        # open a second one; their effects may mix
        or:   vibeship-optimizer change start --title "SHORT HYPOTHESIS" --parallel

        refused at gate 0 (open): an emergency needs a note on the incident
        next: vibeship-optimizer change start --title "SHORT HYPOTHESIS" --class emergency --incident "WHAT HAPPENED" --expires 24h

        refused at gate 0 (open): an emergency needs a moment in the future at which its override expires
        next: vibeship-optimizer change start --title "SHORT HYPOTHESIS" --class emergency --incident "WHAT HAPPENED" --expires 24h

        refused at gate 0 (open): an emergency's override may hold for 7 days (enforcement.max_emergency_days), which is until 2026-02-08 09:00 UTC
        next: vibeship-optimizer change start --title "SHORT HYPOTHESIS" --class emergency --incident "WHAT HAPPENED" --expires 7d

        refused at gate 0 (open): a change of class tuneable needs `tuneables` in the config, so that changed keys can be seen
        # add tuneables to the config, or open a change of code
        next: vibeship-optimizer change start --title "SHORT HYPOTHESIS" --class code

        refused at gate 4 (after): the change has ended: rolled back
        next: vibeship-optimizer status --change-id chg-1

        refused at gate 6 (decide): a change of class experiment does not pass this gate
        next: vibeship-optimizer status --change-id chg-1

        refused at gate 4 (after): gate 3 (validate) has not been passed
        next: vibeship-optimizer validate --change-id chg-1

        refused at gate 2 (baseline): it was passed already, and later steps rest on it
        next: vibeship-optimizer status --change-id chg-1

        refused at gate 1 (contract): the contract is frozen since the baseline
        # continue with it
        next: vibeship-optimizer status --change-id chg-1
        # start over with another contract
        or:   vibeship-optimizer change reject --change-id chg-1 --reason "WHY"

        refused at gate 2 (baseline): 2 parts of the contract are missing: primary KPI, rollback trigger
        next: vibeship-optimizer change contract --change-id chg-1 --kpi "METRIC <= -10%" --trigger "METRIC > +10%"

        refused at gate 1 (contract): unknown metric `timing.test.wall`; did you mean `timing.tests.wall`?
        # see what the config measures, or add the metric to it
        next: vibeship-optimizer doctor --format text
        # name another metric
        or:   vibeship-optimizer change contract --change-id chg-1 --kpi "METRIC <= -10%"

        refused at gate 1 (contract): a <= 1 holds wherever the KPI does: it guards nothing
        next: vibeship-optimizer change contract --change-id chg-1 --guardrail "METRIC <= +2%"

        refused at gate 2 (baseline): 1 commit carries this change's id already, and a baseline has to come before the change
          cccccccccccc Do | something ⏎ else
        # save the commits on a branch and stash the change
        next: git branch made-too-early-chg-1 && git reset --soft cccccccccccc~1 && git stash push -u -- ':(top)' ':(top,exclude).vibeship-optimizer' ':(top,exclude)reports/optimizer' ':(top,exclude)VIBESHIP_OPTIMIZER.md'
        # measure without it
        then: vibeship-optimizer snapshot --label before --change-id chg-1 --as before
        # bring it back as one commit
        then: git stash pop && git add -A && git commit --reset-author -C cccccccccccc --trailer "Optimizer-Change: chg-1"

        refused at gate 2 (baseline): 3 uncommitted files outside the tool's own files
        # stash the work
        next: git stash push -u -- ':(top)' ':(top,exclude).vibeship-optimizer' ':(top,exclude)reports/optimizer' ':(top,exclude)VIBESHIP_OPTIMIZER.md' ':(top,exclude)vibeship_optimizer.yml' ':(top,exclude)vibeship_optimizer.yaml' ':(top,exclude).gitignore'
        then: vibeship-optimizer snapshot --label before --change-id chg-1 --as before
        # bring the work back
        then: git stash pop
        # measure it as it is, which can never be promoted
        or:   vibeship-optimizer snapshot --label before --change-id chg-1 --as before --allow-dirty

        refused at gate 3 (validate): 1 uncommitted file outside the tool's own files
        # commit the work as the change
        next: git add -A && git commit -m "WHAT CHANGED" --trailer "Optimizer-Change: chg-1"
        # stash it
        or:   git stash push -u -- ':(top)' ':(top,exclude).vibeship-optimizer' ':(top,exclude)reports/optimizer' ':(top,exclude)VIBESHIP_OPTIMIZER.md' ':(top,exclude)vibeship_optimizer.yml' ':(top,exclude)vibeship_optimizer.yaml' ':(top,exclude).gitignore'
        then: vibeship-optimizer validate --change-id chg-1
        hint: once it is compared, `git stash pop` brings the work back

        refused at gate 3 (validate): 1 uncommitted file outside the tool's own files
        # take the work into the commit of the change
        next: git reset --soft cccccccccccc~1 && git add -A && git commit -m "WHAT CHANGED" --trailer "Optimizer-Change: chg-1"
        # stash it
        or:   git stash push -u -- ':(top)' ':(top,exclude).vibeship-optimizer' ':(top,exclude)reports/optimizer' ':(top,exclude)VIBESHIP_OPTIMIZER.md' ':(top,exclude)vibeship_optimizer.yml' ':(top,exclude)vibeship_optimizer.yaml' ':(top,exclude).gitignore'
        then: vibeship-optimizer validate --change-id chg-1
        hint: once it is compared, `git stash pop` brings the work back

        refused at gate 4 (after): 1 uncommitted file outside the tool's own files
        # stash the work
        next: git stash push -u -- ':(top)' ':(top,exclude).vibeship-optimizer' ':(top,exclude)reports/optimizer' ':(top,exclude)VIBESHIP_OPTIMIZER.md' ':(top,exclude)vibeship_optimizer.yml' ':(top,exclude)vibeship_optimizer.yaml' ':(top,exclude).gitignore'
        then: vibeship-optimizer snapshot --label after --change-id chg-1 --as after
        hint: once it is compared, `git stash pop` brings the work back
        # take it into the commit of the change and validate that
        or:   git reset --soft cccccccccccc~1 && git add -A && git commit -m "WHAT CHANGED" --trailer "Optimizer-Change: chg-1" && vibeship-optimizer validate --change-id chg-1

        refused at gate 2 (baseline): git could not say whether the work tree is clean: index is locked
        # see what git says
        next: git status
        then: vibeship-optimizer snapshot --label before --change-id chg-1 --as before

        refused at gate 2 (baseline): 1 metric of the contract could not be measured
          timing.test.wall: 5 of 5 runs failed
        # fix what gave no value, then
        next: vibeship-optimizer snapshot --label before --change-id chg-1 --as before

        refused at gate 2 (baseline): the config measures from the tool's own files, whose changes do not count: kpi.ops (reports/optimizer/ops.json)
        # move the files elsewhere, name them there in the config, commit, then
        next: vibeship-optimizer snapshot --label before --change-id chg-1 --as before

        refused at gate 2 (baseline): the contract names sizes of paths that git does not track, so a commit cannot change them: dist (ignored)
        # write the contract on metrics that have a value
        next: vibeship-optimizer change contract --change-id chg-1 --guardrail "METRIC <= +2%"
        # to measure build output, define a KPI whose cmd builds it; then
        or:   vibeship-optimizer snapshot --label before --change-id chg-1 --as before

        refused at gate 3 (validate): nothing has changed since the baseline: no commit, tuneable or file of this change
        # set the tuneable to its new value, then
        next: vibeship-optimizer validate --change-id chg-1
        # where git has its file, commit it first
        or:   git add -A && git commit -m "WHAT CHANGED" --trailer "Optimizer-Change: chg-1"

        refused at gate 3 (validate): the change alters only the file that its numbers are read from (out/ops.txt), not the code that produces them
        # set the tuneable to its new value, then
        next: vibeship-optimizer validate --change-id chg-1
        # where git has its file, commit it first
        or:   git add -A && git commit -m "WHAT CHANGED" --trailer "Optimizer-Change: chg-1"

        refused at gate 3 (validate): the change's commit touches only files outside the project's directory, which are not compared: cccccccccccc
        # open it in the project that holds these files
        next: vibeship-optimizer change reject --change-id chg-1 --reason "WHY"
        # make the change in this project
        or:   git add -A && git commit -m "WHAT CHANGED" --trailer "Optimizer-Change: chg-1"

        refused at gate 3 (validate): the change is of class tuneable, and no tuneable changed its value
        # set the tuneable to its new value, then
        next: vibeship-optimizer validate --change-id chg-1
        # where git has its file, commit it first
        or:   git add -A && git commit -m "WHAT CHANGED" --trailer "Optimizer-Change: chg-1"

        refused at gate 3 (validate): the change is of class tuneable, and 1 file of code changed beside the tuneables
          lib.py
        # take the code out, and keep it on a branch
        next: git branch code-beside-chg-1 && git restore --source=HEAD~1 --staged --worktree -- lib.py && git commit --amend --no-edit
        then: vibeship-optimizer validate --change-id chg-1
        # drop it and open it again with --class code, which tests it
        or:   vibeship-optimizer change reject --change-id chg-1 --reason "WHY"
        # where a file holds tuneables alone, name it in surfaces.tuneables
        or:   vibeship-optimizer route --hierarchy

        refused at gate 3 (validate): the change is of class code, and touches the tuneables surface
          t.json
        # drop it
        next: vibeship-optimizer change reject --change-id chg-1 --reason "WHY"
        # take it up again in the class that owns these files
        then: vibeship-optimizer change start --from chg-1 --class tuneable

        refused at gate 3 (validate): 2 commits since the baseline; a change is one commit, or effects cannot be told apart
          cccccccccccc Do | something ⏎ else
          cccccccccccc Do | something ⏎ else
        # make one commit of them
        next: git reset --soft cccccccccccc~1 && git commit -C cccccccccccc --trailer "Optimizer-Change: chg-1"
        then: vibeship-optimizer validate --change-id chg-1

        refused at gate 3 (validate): others committed since the baseline, and their effect on http.a.ok cannot be told from the change's
        # start over on what is there now
        next: vibeship-optimizer change reject --change-id chg-1 --reason "WHY"
        # with the same contract
        then: vibeship-optimizer change start --from chg-1

        refused at gate 3 (validate): the commit since the baseline belongs to another change (chg-2)
          cccccccccccc Do | something ⏎ else
        # if its id is mistyped
        next: git -c trailer.ifexists=replace commit --amend --no-edit --trailer "Optimizer-Change: chg-1" && vibeship-optimizer validate --change-id chg-1
        # retake the baseline with it included
        or:   vibeship-optimizer snapshot --label before --change-id chg-1 --as before
        # revert it, retake the baseline, and make it again with the right id
        or:   git revert --no-edit cccccccccccc && vibeship-optimizer snapshot --label before --change-id chg-1 --as before

        refused at gate 3 (validate): the baseline's commit aaaaaaaaaaaa is not in the history of the present one
        # save the commits on a branch and stash the change
        next: git branch made-too-early-chg-1 && git reset --soft cccccccccccc~1 && git stash push -u -- ':(top)' ':(top,exclude).vibeship-optimizer' ':(top,exclude)reports/optimizer' ':(top,exclude)VIBESHIP_OPTIMIZER.md'
        # measure without it
        then: vibeship-optimizer snapshot --label before --change-id chg-1 --as before
        # bring it back as one commit
        then: git stash pop && git add -A && git commit --reset-author -C cccccccccccc --trailer "Optimizer-Change: chg-1"

        refused at gate 3 (validate): 1 file of the contracts surface changed without its docs (docs/**)
          api/schema.json
        # change docs (docs/**) too, and add that to the commit
        next: git add -A && git commit --amend --no-edit
        then: vibeship-optimizer validate --change-id chg-1

        refused at gate 3 (validate): a change of class code needs a test to run, and the config has none
        # find and enter the test command
        next: vibeship-optimizer onboard
        then: vibeship-optimizer validate --change-id chg-1

        refused at gate 4 (after): the code here (cccc) is not the code that was validated (bbbb)
        next: vibeship-optimizer validate --change-id chg-1

        refused at gate 6 (decide): the baseline was taken on a dirty tree: it is indicative only, so the change cannot be promoted
        # keep it as an experiment
        next: vibeship-optimizer change hold --change-id chg-1 --reason "WHY"
        # drop it and start over on a clean tree
        or:   vibeship-optimizer change reject --change-id chg-1 --reason "WHY"

        refused at gate 6 (decide): 2 evidence files are not what was recorded
          reports/optimizer/x.json: missing
          reports/optimizer/x.json: altered since it was recorded
        # restore the files
        next: git checkout HEAD -- reports/optimizer/x.json
        # no commit has them: compare again
        next: vibeship-optimizer compare --change-id chg-1
        then: vibeship-optimizer change promote --change-id chg-1

        refused at gate 6 (decide): the recorded verdicts cannot be reproduced from the evidence
        next: vibeship-optimizer compare --change-id chg-1

        refused at gate 6 (decide): 1 criterion does not pass
          timing.tests.cpu <= +2% is inconclusive: +1.2 % [-0.8 %, +3.1 %] straddles ≤ +2 %; about 14 more pairs would settle it
        # measure on, to 40 pairs
        next: vibeship-optimizer compare --change-id chg-1 --pairs 40
        # keep it as an experiment
        or:   vibeship-optimizer change hold --change-id chg-1 --reason "WHY"
        # drop it
        or:   vibeship-optimizer change reject --change-id chg-1 --reason "WHY"

        refused at gate 6 (decide): 1 criterion does not pass
          http.api.latency <= +2% is inconclusive: +1.2 % [-0.8 %, +3.1 %] straddles ≤ +2 %; about 14 more runs a side would settle it
        # keep it as an experiment
        next: vibeship-optimizer change hold --change-id chg-1 --reason "WHY"
        # drop it
        or:   vibeship-optimizer change reject --change-id chg-1 --reason "WHY"
        # with the command that serves it (start of the probe in the config), or with more requests, take it up again
        then: vibeship-optimizer change start --from chg-1

        refused at gate 6 (decide): the rollback trigger fired
          timing.tests.wall <= -10% fired: -12.3 % [-14.1 %, -10.2 %] meets ≤ -10 % (12 pairs)
        # go back
        next: vibeship-optimizer change rollback --change-id chg-1 --reason "WHY"

        refused at gate 6 (decide): the rollback does not apply: `git revert` conflicts in 1 path
          a.rs
        # see which later commits build on it: it can be promoted once these are taken back
        next: git log --oneline -- ':(top)a.rs'
        # keep it as an experiment
        or:   vibeship-optimizer change hold --change-id chg-1 --reason "WHY"
        # drop it
        or:   vibeship-optimizer change reject --change-id chg-1 --reason "WHY"

        refused at gate 7 (rollout): a reason in words is needed
        next: vibeship-optimizer change rollback --change-id chg-1 --reason "WHY"

        refused at gate 7 (rollout): the rollout's plan has no such stage; it has canary, full
        next: vibeship-optimizer change rollout canary --change-id chg-1

        refused at gate 7 (rollout): the stage canary comes first
        next: vibeship-optimizer change rollout canary --change-id chg-1

        refused at gate 7 (rollout): the stage canary has to last until 2026-02-04 10:00 UTC
        # watch it meanwhile
        next: vibeship-optimizer status --change-id chg-1
        # go back
        or:   vibeship-optimizer change rollback --change-id chg-1 --reason "WHY"

        refused at gate 7 (rollout): 1 guardrail is violated or cannot be judged
          timing.tests.cpu <= +2% is inconclusive: +1.2 % [-0.8 %, +3.1 %] straddles ≤ +2 %; about 14 more pairs would settle it
        # go back
        next: vibeship-optimizer change rollback --change-id chg-1 --reason "WHY"

        refused at gate 8 (verify): a summary of what was observed is needed
        next: vibeship-optimizer change verify --change-id chg-1 --apply --summary "WHAT WAS OBSERVED"

        refused at gate 8 (verify): 4 of 5 demands are not met
          ✓ fully rolled out
          ✗ 3 days of monitoring end 2026-02-07 10:00 UTC
          ✗ measured on 2 of 3 distinct UTC days (2026-02-04, 2026-02-05)
          ✗ open alarm: timing.tests.cpu <= +2% is inconclusive: +1.2 % [-0.8 %, +3.1 %] straddles ≤ +2 %; about 14 more pairs would settle it
          ✗ the attested review is of an earlier state
        # measure once on every UTC day
        next: vibeship-optimizer monitor tick --change-id chg-1
        # go back
        next: vibeship-optimizer change rollback --change-id chg-1 --reason "WHY"
        # if it is harmless
        or:   vibeship-optimizer change resolve --change-id chg-1 --reason "WHY"
        # have it reviewed
        next: vibeship-optimizer review bundle --change-id chg-1
        then: vibeship-optimizer review attest --change-id chg-1 --tool other --reasoning-mode human --reviewer "NAME"

        refused at gate 7 (rollout): there is nothing to roll back: no delta was ever checked
        # end it instead
        next: vibeship-optimizer change reject --change-id chg-1 --reason "WHY"

        refused at gate 7 (rollout): the rollback was recorded, but what it takes back is still in effect: cccccccccccc
        # put the old values back, then
        next: vibeship-optimizer snapshot --label after --change-id chg-1 --as after

        refused at gate 8 (verify): no alarm is open
        next: vibeship-optimizer status --change-id chg-1

        refused at gate 8 (verify): the change is not fully rolled out, so there is nothing to monitor
        next: vibeship-optimizer validate --change-id chg-1

        refused at gate 8 (verify): only an emergency is followed up, by a change of class code or tuneable that was opened after it
        next: vibeship-optimizer status --change-id chg-1

        refused at gate 2 (baseline): vibeship_optimizer.yml differs from the committed config and is uncommitted: kpis.ops
        # commit it by itself
        next: git add -f vibeship_optimizer.yml && git commit -m "Set up the measurement" -- vibeship_optimizer.yml
        then: vibeship-optimizer snapshot --label before --change-id chg-1 --as before

        refused at gate 4 (after): the config measures timing.tests in another way than the baseline did, so the two cannot be compared
        # nothing of the change is made yet: take the baseline again, by the new config
        next: vibeship-optimizer snapshot --label before --change-id chg-1 --as before

        refused at gate 3 (validate): a change of class code needs a commit, and there is none since the baseline
        # set the tuneable to its new value, then
        next: vibeship-optimizer validate --change-id chg-1
        # where git has its file, commit it first
        or:   git add -A && git commit -m "WHAT CHANGED" --trailer "Optimizer-Change: chg-1"

        refused at gate 4 (after): a tuneable does not have the value that was validated: limit
        # set them to what was validated, or unset the variable that overrides them, then
        next: vibeship-optimizer snapshot --label after --change-id chg-1 --as after
        # validate the new values
        or:   vibeship-optimizer validate --change-id chg-1

        refused at gate 8 (verify): a later commit took the change back
        # record that it was taken out
        next: vibeship-optimizer change rollback --change-id chg-1 --reason "WHY"
        then: vibeship-optimizer monitor tick --change-id chg-1

        refused at gate 8 (verify): what is committed is not in effect: files of the change differ from it: lib.py
        # stash the work
        next: git stash push -u -- ':(top)lib.py'
        then: vibeship-optimizer monitor tick --change-id chg-1
        # bring the work back
        then: git stash pop
        # if it was taken out
        or:   vibeship-optimizer change rollback --change-id chg-1 --reason "WHY"
        "#);
    }

    #[test]
    #[expect(clippy::too_many_lines, reason = "the expected text is long")]
    fn the_json_form_has_the_code_and_the_numbers() {
        let refusal = Refusal::new(Gate::Baseline, Reason::Dirty { paths: 3, own: None, at_tip: false });
        let change = fixture::passed(1);
        let refused = refused(&refusal, Some(&change), &FixContext::default());
        insta::assert_snapshot!(serde_json::to_string_pretty(&refusal_json(&refusal, &refused)).unwrap(), @r#"
        {
          "refused": true,
          "change_id": "chg-1",
          "gate": "baseline",
          "gate_number": 2,
          "code": "dirty",
          "message": "3 uncommitted files outside the tool's own files",
          "details": [],
          "not_yet": false,
          "next": [
            "git stash push -u -- ':(top)' ':(top,exclude).vibeship-optimizer' ':(top,exclude)reports/optimizer' ':(top,exclude)VIBESHIP_OPTIMIZER.md' ':(top,exclude)vibeship_optimizer.yml' ':(top,exclude)vibeship_optimizer.yaml' ':(top,exclude).gitignore'",
            "vibeship-optimizer snapshot --label before --change-id chg-1 --as before",
            "git stash pop",
            "vibeship-optimizer snapshot --label before --change-id chg-1 --as before --allow-dirty"
          ],
          "hints": [
            {
              "purpose": "stash the work",
              "how": "next",
              "command": "git stash push -u -- ':(top)' ':(top,exclude).vibeship-optimizer' ':(top,exclude)reports/optimizer' ':(top,exclude)VIBESHIP_OPTIMIZER.md' ':(top,exclude)vibeship_optimizer.yml' ':(top,exclude)vibeship_optimizer.yaml' ':(top,exclude).gitignore'"
            },
            {
              "how": "then",
              "command": "vibeship-optimizer snapshot --label before --change-id chg-1 --as before"
            },
            {
              "purpose": "bring the work back",
              "how": "then",
              "command": "git stash pop"
            },
            {
              "purpose": "measure it as it is, which can never be promoted",
              "how": "or",
              "command": "vibeship-optimizer snapshot --label before --change-id chg-1 --as before --allow-dirty"
            }
          ],
          "fixes": [
            {
              "how": "next",
              "purpose": "stash the work",
              "action": "run",
              "command": "git stash push -u -- ':(top)' ':(top,exclude).vibeship-optimizer' ':(top,exclude)reports/optimizer' ':(top,exclude)VIBESHIP_OPTIMIZER.md' ':(top,exclude)vibeship_optimizer.yml' ':(top,exclude)vibeship_optimizer.yaml' ':(top,exclude).gitignore'"
            },
            {
              "how": "then",
              "action": "run",
              "command": "vibeship-optimizer snapshot --label before --change-id chg-1 --as before"
            },
            {
              "how": "then",
              "purpose": "bring the work back",
              "action": "run",
              "command": "git stash pop"
            },
            {
              "how": "or",
              "purpose": "measure it as it is, which can never be promoted",
              "action": "run",
              "command": "vibeship-optimizer snapshot --label before --change-id chg-1 --as before --allow-dirty"
            }
          ],
          "missing": {
            "code": "dirty",
            "paths": 3,
            "own": null
          }
        }
        "#);
    }
}
