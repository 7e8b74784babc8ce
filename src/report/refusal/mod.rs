//! A refusal in words: which gate, what is missing, and the exact next command. Text and JSON come from one view.

mod anew;
pub mod detail;
pub mod hint;
pub mod message;
mod restore;
mod unmade;

use serde_json::{Value, json};

use crate::report::visible::visible_line;
use crate::report::{Around, Hint, Keys};
use crate::workflow::{Change, Missing, Refusal};

/// A refusal, ready to be shown.
#[derive(Debug, Clone, PartialEq)]
pub struct RefusalView {
    pub gate: String,
    pub message: String,
    pub details: Vec<String>,
    pub next: Vec<Hint>,
    json: Value,
}

impl RefusalView {
    /// Puts a refusal into words. `change` is the one that was refused; `None` where it could not even be opened.
    pub fn new(refusal: &Refusal, change: Option<&Change>) -> Self {
        Self::keyed(refusal, change, Keys::default(), &Around::default())
    }

    /// The same, as the project's own settings have it, and with what was found around it.
    pub fn keyed(refusal: &Refusal, change: Option<&Change>, keys: Keys<'_>, around: &Around) -> Self {
        let gate = message::gate_name(refusal.gate);
        let text = message::message(&refusal.missing);
        let details = match refusal.missing {
            Missing::Dirty { .. } => around.lying.lines(),
            _ => detail::details(&refusal.missing),
        };
        let next: Vec<Hint> = hint::hints(refusal, change, around).into_iter().map(|hint| hint.keyed(keys)).collect();
        let missing = serde_json::to_value(&refusal.missing).unwrap_or(Value::Null);
        let commands: Vec<&str> = next.iter().map(|hint| hint.command.as_str()).collect();
        let json = json!({
            "refused": true,
            "change_id": change.map(Change::id),
            "gate": refusal.gate.name(),
            "gate_number": refusal.gate.number(),
            "code": missing["code"],
            "message": text,
            "details": details,
            "not_yet": refusal.is_not_yet(),
            "next": commands,
            "hints": next,
            "missing": missing,
        });
        Self { gate, message: text, details, next, json }
    }

    /// Several lines: the sentence, the particulars, and the commands. Without a line end at the end.
    pub fn text(&self) -> String {
        let mut lines = vec![format!("refused at {}: {}", self.gate, visible_line(&self.message))];
        lines.extend(self.details.iter().map(|detail| format!("  {}", visible_line(detail))));
        lines.extend(self.next.iter().map(Hint::line));
        lines.join("\n")
    }

    /// The same as an object; `missing` holds the numbers as the gate saw them.
    pub fn json(&self) -> &Value {
        &self.json
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::model::{ArtifactFault, Class, DeltaCommit, Gate, MetricId, Part, Rehearsal, Stage};
    use crate::report::fixture;
    use crate::workflow::{Demand, DemandKind, Senseless};

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
            demand(false, DemandKind::Attestation { stale: true }),
        ]
    }

    /// Every variant, each at a gate where it occurs.
    fn every() -> Vec<(Gate, Missing)> {
        up_to_the_baseline().into_iter().chain(from_validation_on()).collect()
    }

    fn up_to_the_baseline() -> Vec<(Gate, Missing)> {
        let id = || "chg-2".parse().unwrap();
        let metric = || MetricId::new("timing.test.wall");
        vec![
            (Gate::Open, Missing::OtherOpen { ids: vec![id()] }),
            (Gate::Open, Missing::IncidentNote),
            (Gate::Open, Missing::Expiry),
            (Gate::Open, Missing::ExpiryTooLate { latest: fixture::at(8, 9), days: 7 }),
            (Gate::Open, Missing::TuneablesUnknown),
            (Gate::After, Missing::Ended { end: "rolled_back" }),
            (Gate::Decide, Missing::NotInClass { class: Class::Experiment }),
            (Gate::After, Missing::Earlier { gate: Gate::Validate }),
            (Gate::Baseline, Missing::AlreadyPassed),
            (Gate::Contract, Missing::Frozen),
            (Gate::Baseline, Missing::ContractParts { parts: vec![Part::Kpi, Part::Trigger] }),
            (
                Gate::Contract,
                Missing::UnknownMetric {
                    metric: metric(),
                    nearest: Some(MetricId::new("timing.tests.wall")),
                    more: Vec::new(),
                },
            ),
            (Gate::Contract, Missing::ContractSense { criterion: "a <= 1".to_owned(), why: Senseless::Doubled }),
            (Gate::Baseline, Missing::CommitsBeforeBaseline { commits: vec![commit()] }),
            (Gate::Baseline, Missing::Dirty { paths: 3, own: None }),
            (Gate::Validate, Missing::Dirty { paths: 1, own: None }),
            (Gate::Validate, Missing::Dirty { paths: 1, own: Some("c".repeat(40)) }),
            (Gate::After, Missing::Dirty { paths: 1, own: Some("c".repeat(40)) }),
            (Gate::Baseline, Missing::UnknownState { reason: "index is locked".to_owned() }),
            (
                Gate::Baseline,
                Missing::Unmeasured { metrics: vec![metric()], why: vec!["5 of 5 runs failed".to_owned()] },
            ),
            (Gate::Baseline, Missing::OwnSource { sources: vec!["kpi.ops (reports/optimizer/ops.json)".to_owned()] }),
        ]
    }

    fn from_validation_on() -> Vec<(Gate, Missing)> {
        let fault = |missing| ArtifactFault {
            path: "reports/optimizer/x.json".to_owned(),
            missing,
            committed: missing,
            kept: None,
        };
        vec![
            (Gate::Validate, Missing::NoDelta),
            (Gate::Validate, Missing::OnlyOutside { commits: vec!["c".repeat(40)] }),
            (Gate::Validate, Missing::NoTuneableChanged),
            (Gate::Validate, Missing::CodeBeside { files: vec!["lib.py".to_owned()] }),
            (Gate::Validate, Missing::ManyCommits { commits: vec![commit(), commit()] }),
            (Gate::Validate, Missing::ForeignCommit { commit: commit() }),
            (Gate::Validate, Missing::BaselineNotAncestor { baseline: "aaaaaaaaaaaa".to_owned() }),
            (Gate::Validate, Missing::ContractDocs { files: vec!["api/schema.json".to_owned()] }),
            (Gate::Validate, Missing::NoTests),
            (Gate::After, Missing::NotValidatedCode { validated: "bbbb".to_owned(), here: "cccc".to_owned() }),
            (Gate::Decide, Missing::OnlyIndicative),
            (Gate::Decide, Missing::Evidence { faults: vec![fault(true), fault(false)] }),
            (Gate::Decide, Missing::NotReproduced),
            (Gate::Decide, Missing::Verdicts { judged: vec![fixture::straddling()] }),
            (Gate::Decide, Missing::TriggerFired { judged: fixture::verdicts().kpi }),
            (Gate::Decide, Missing::Rollback { rehearsal: Rehearsal::Conflicts { paths: vec!["a.rs".to_owned()] } }),
            (Gate::Rollout, Missing::Reason),
            (Gate::Rollout, Missing::NoSuchStage { planned: vec![Stage::Canary, Stage::Full] }),
            (Gate::Rollout, Missing::StageOrder { next: Stage::Canary }),
            (Gate::Rollout, Missing::Soak { stage: Stage::Canary, until: fixture::at(4, 10) }),
            (Gate::Rollout, Missing::StageGuardrails { judged: vec![fixture::straddling()] }),
            (Gate::Verify, Missing::Summary),
            (Gate::Verify, Missing::Unverified { demands: demands() }),
            (Gate::Rollout, Missing::NothingToRollBack),
            (Gate::Rollout, Missing::StillInEffect { what: vec!["cccccccccccc".to_owned()] }),
            (Gate::Verify, Missing::NoAlarm),
            (Gate::Verify, Missing::NotRolledOut),
            (Gate::Verify, Missing::FollowUp),
        ]
    }

    fn shown(gate: Gate, missing: Missing) -> String {
        let change = fixture::passed(2);
        let known = (gate != Gate::Open).then_some(&change);
        RefusalView::new(&Refusal::new(gate, missing), known).text()
    }

    #[test]
    fn every_variant_has_its_sentence_and_a_command() {
        let mut codes = BTreeSet::new();
        for (gate, missing) in every() {
            let view = RefusalView::new(&Refusal::new(gate, missing.clone()), Some(&fixture::passed(2)));
            assert_ne!(view.message, "something is missing", "{missing:?}");
            assert!(!view.next.is_empty(), "{missing:?}");
            assert!(view.text().lines().next().unwrap().starts_with("refused at gate"));
            codes.insert(view.json()["code"].as_str().unwrap().to_owned());
        }
        assert_eq!(codes.len(), 46, "a variant without a test: {codes:?}");
    }

    #[test]
    #[expect(clippy::too_many_lines, reason = "the expected text is long")]
    fn the_sentences_name_the_gate_the_numbers_and_the_next_command() {
        let all: Vec<String> = every().into_iter().map(|(gate, missing)| shown(gate, missing)).collect();
        insta::assert_snapshot!(all.join("\n\n"), @r#"
        refused at gate 0 (open): another change is open and undecided: chg-2
        next: vibeship-optimizer status --change-id chg-2  # go on with that one
        or:   vibeship-optimizer change start --title "SHORT HYPOTHESIS" --parallel  # open a second, whose effects may mix

        refused at gate 0 (open): an emergency needs a note on the incident
        next: vibeship-optimizer change start --title "SHORT HYPOTHESIS" --class emergency --incident "WHAT HAPPENED" --expires 24h

        refused at gate 0 (open): an emergency needs a moment in the future at which its override expires
        next: vibeship-optimizer change start --title "SHORT HYPOTHESIS" --class emergency --incident "WHAT HAPPENED" --expires 24h

        refused at gate 0 (open): an emergency's override may hold for 7 days (enforcement.max_emergency_days), which is until 2026-02-08 09:00 UTC
        next: vibeship-optimizer change start --title "SHORT HYPOTHESIS" --class emergency --incident "WHAT HAPPENED" --expires 7d

        refused at gate 0 (open): a change of class tuneable needs `tuneables` in the config, so that changed keys can be seen
        next: vibeship-optimizer change start --title "SHORT HYPOTHESIS" --class code  # add `tuneables` to the config, or open a change of code

        refused at gate 4 (after): the change has ended: rolled back
        next: vibeship-optimizer status --change-id chg-1

        refused at gate 6 (decide): a change of class experiment does not pass this gate
        next: vibeship-optimizer status --change-id chg-1

        refused at gate 4 (after): gate 3 (validate) has not been passed
        next: vibeship-optimizer validate --change-id chg-1

        refused at gate 2 (baseline): it was passed already, and what came after stands on it
        next: vibeship-optimizer status --change-id chg-1

        refused at gate 1 (contract): the contract is frozen since the baseline
        next: vibeship-optimizer status --change-id chg-1  # go on with it
        or:   vibeship-optimizer change reject --change-id chg-1 --reason "WHY"  # start over with another contract

        refused at gate 2 (baseline): 2 parts of the contract are missing: primary KPI, rollback trigger
        next: vibeship-optimizer change contract --change-id chg-1 --kpi "METRIC <= -10%" --trigger "METRIC > +10%"

        refused at gate 1 (contract): the config measures no timing.test.wall; did you mean timing.tests.wall?
        next: vibeship-optimizer doctor --format text  # see what the config measures, or add the metric to it
        or:   vibeship-optimizer change contract --change-id chg-1 --kpi "METRIC <= -10%"  # name another metric

        refused at gate 1 (contract): a <= 1 is KPI and guardrail at once: it guards nothing
        next: vibeship-optimizer change contract --change-id chg-1 --guardrail "METRIC <= +2%"

        refused at gate 2 (baseline): 1 commit carries this change's id already, and a baseline has to come before the change
          cccccccccccc Do | something ⏎ else
        next: git branch made-too-early-chg-1 && git reset --soft cccccccccccc~1 && git stash push -u -- ':(top)' ':(top,exclude).vibeship-optimizer' ':(top,exclude)reports/optimizer' ':(top,exclude)VIBESHIP_OPTIMIZER.md'  # set the commits aside, all that came since the first included
        then: vibeship-optimizer snapshot --label before --change-id chg-1 --as before
        then: git stash pop && git add -A && git commit -m "WHAT CHANGED" --trailer "Optimizer-Change: chg-1"  # as one commit

        refused at gate 2 (baseline): 3 paths lie uncommitted outside the tool's own files
        next: git stash push -u -- ':(top)' ':(top,exclude).vibeship-optimizer' ':(top,exclude)reports/optimizer' ':(top,exclude)VIBESHIP_OPTIMIZER.md' ':(top,exclude)vibeship_optimizer.yml' ':(top,exclude)vibeship_optimizer.yaml' ':(top,exclude).gitattributes'  # set the work aside
        then: vibeship-optimizer snapshot --label before --change-id chg-1 --as before
        or:   vibeship-optimizer snapshot --label before --change-id chg-1 --as before --allow-dirty  # measure it as it is, which can never be promoted

        refused at gate 3 (validate): 1 path lies uncommitted outside the tool's own files
        next: git add -A && git commit -m "WHAT CHANGED" --trailer "Optimizer-Change: chg-1"  # commit the work as the change
        or:   git stash push -u -- ':(top)' ':(top,exclude).vibeship-optimizer' ':(top,exclude)reports/optimizer' ':(top,exclude)VIBESHIP_OPTIMIZER.md' ':(top,exclude)vibeship_optimizer.yml' ':(top,exclude)vibeship_optimizer.yaml' ':(top,exclude).gitattributes'  # set it aside
        then: vibeship-optimizer validate --change-id chg-1

        refused at gate 3 (validate): 1 path lies uncommitted outside the tool's own files
        next: git reset --soft cccccccccccc~1 && git add -A && git commit -m "WHAT CHANGED" --trailer "Optimizer-Change: chg-1"  # take the work into the change's commit
        or:   git stash push -u -- ':(top)' ':(top,exclude).vibeship-optimizer' ':(top,exclude)reports/optimizer' ':(top,exclude)VIBESHIP_OPTIMIZER.md' ':(top,exclude)vibeship_optimizer.yml' ':(top,exclude)vibeship_optimizer.yaml' ':(top,exclude).gitattributes'  # set it aside
        then: vibeship-optimizer validate --change-id chg-1

        refused at gate 4 (after): 1 path lies uncommitted outside the tool's own files
        next: git stash push -u -- ':(top)' ':(top,exclude).vibeship-optimizer' ':(top,exclude)reports/optimizer' ':(top,exclude)VIBESHIP_OPTIMIZER.md' ':(top,exclude)vibeship_optimizer.yml' ':(top,exclude)vibeship_optimizer.yaml' ':(top,exclude).gitattributes'  # set the work aside
        then: vibeship-optimizer snapshot --label after --change-id chg-1 --as after
        or:   git reset --soft cccccccccccc~1 && git add -A && git commit -m "WHAT CHANGED" --trailer "Optimizer-Change: chg-1" && vibeship-optimizer validate --change-id chg-1  # take it into the change's commit and validate that

        refused at gate 2 (baseline): git could not say whether the work tree is clean: index is locked
        next: git status  # see what git says
        then: vibeship-optimizer snapshot --label before --change-id chg-1 --as before

        refused at gate 2 (baseline): 1 metric of the contract could not be measured
          timing.test.wall: 5 of 5 runs failed
        next: vibeship-optimizer snapshot --label before --change-id chg-1 --as before  # mend what gave no value

        refused at gate 2 (baseline): what the config measures by lies among the tool's own files, whose changes count as nothing: kpi.ops (reports/optimizer/ops.json)
        next: vibeship-optimizer snapshot --label before --change-id chg-1 --as before  # move the files elsewhere, name them there in the config, commit, then

        refused at gate 3 (validate): nothing changed since the baseline: no commit, no tuneable, no file
        next: vibeship-optimizer validate --change-id chg-1  # set the tuneable to its new value, then
        or:   git add -A && git commit -m "WHAT CHANGED" --trailer "Optimizer-Change: chg-1"  # where git has its file, commit it first

        refused at gate 3 (validate): the change's commit touches files outside the project's directory alone, which are no part of what is compared: cccccccccccc
        next: vibeship-optimizer change reject --change-id chg-1 --reason "WHY"  # open it in the project that holds these files instead
        or:   git add -A && git commit -m "WHAT CHANGED" --trailer "Optimizer-Change: chg-1"  # make the change in this project

        refused at gate 3 (validate): the change is of class tuneable, and no tuneable changed its value
        next: vibeship-optimizer validate --change-id chg-1  # set the tuneable to its new value, then
        or:   git add -A && git commit -m "WHAT CHANGED" --trailer "Optimizer-Change: chg-1"  # where git has its file, commit it first

        refused at gate 3 (validate): the change is of class tuneable, and 1 file of code changed beside the tuneables
          lib.py
        next: vibeship-optimizer validate --change-id chg-1  # take the code out of the commit (`git commit --amend`), then
        or:   vibeship-optimizer change reject --change-id chg-1 --reason "WHY"  # drop it and open it anew with `--class code`, which tests it
        or:   vibeship-optimizer route --hierarchy  # where a file holds knobs alone, name it in surfaces.tuneables

        refused at gate 3 (validate): 2 commits since the baseline; a change is one commit, or effects cannot be told apart
          cccccccccccc Do | something ⏎ else
          cccccccccccc Do | something ⏎ else
        next: git reset --soft cccccccccccc~1  # make one commit of them
        then: git commit -m "WHAT CHANGED" --trailer "Optimizer-Change: chg-1"
        then: vibeship-optimizer validate --change-id chg-1

        refused at gate 3 (validate): the commit since the baseline belongs to another change (chg-2)
          cccccccccccc Do | something ⏎ else
        next: vibeship-optimizer snapshot --label before --change-id chg-1 --as before  # let it be part of the baseline
        or:   git revert --no-edit cccccccccccc && vibeship-optimizer snapshot --label before --change-id chg-1 --as before  # take it out before that

        refused at gate 3 (validate): the baseline's commit aaaaaaaaaaaa is not in the history of the present one
        next: git reset --soft aaaaaaaaaaaa && git add -A && git commit -m "WHAT CHANGED" --trailer "Optimizer-Change: chg-1"  # if its commit was amended or rewritten: put all since onto it, as one commit
        then: vibeship-optimizer validate --change-id chg-1
        or:   vibeship-optimizer change reject --change-id chg-1 --reason "WHY"  # drop it and start over on this history

        refused at gate 3 (validate): 1 file of the contracts surface changed without its docs and tests
          api/schema.json
        next: git add -A && git commit --amend --no-edit  # add docs and tests to the commit
        then: vibeship-optimizer validate --change-id chg-1

        refused at gate 3 (validate): a change of class code needs a test to run, and the config has none
        next: vibeship-optimizer onboard  # find and enter the test command
        then: vibeship-optimizer validate --change-id chg-1

        refused at gate 4 (after): the code here (cccc) is not the code that was validated (bbbb)
        next: vibeship-optimizer validate --change-id chg-1

        refused at gate 6 (decide): the baseline was taken on a dirty tree: it shows a tendency and proves nothing
        next: vibeship-optimizer change hold --change-id chg-1 --reason "WHY"  # keep it as an experiment
        or:   vibeship-optimizer change reject --change-id chg-1 --reason "WHY"  # drop it and start over on a clean tree

        refused at gate 6 (decide): 2 evidence files are not what was recorded
          reports/optimizer/x.json: missing
          reports/optimizer/x.json: altered since it was recorded
        next: git checkout HEAD -- reports/optimizer/x.json  # restore the files
        next: vibeship-optimizer compare --change-id chg-1  # no commit has them: compare anew
        then: vibeship-optimizer change promote --change-id chg-1

        refused at gate 6 (decide): the recorded verdicts do not come out of the evidence again
        next: vibeship-optimizer compare --change-id chg-1

        refused at gate 6 (decide): 1 criterion does not pass
          timing.tests.cpu <= +2% is inconclusive: +1.2 % [-0.8 %, +3.1 %] straddles ≤ +2 %; about 14 more pairs would settle it
        next: vibeship-optimizer compare --change-id chg-1  # measure more
        or:   vibeship-optimizer change hold --change-id chg-1 --reason "WHY"  # keep it as an experiment
        or:   vibeship-optimizer change reject --change-id chg-1 --reason "WHY"  # drop it

        refused at gate 6 (decide): the rollback trigger fired
          timing.tests.wall <= -10% fired: -12.3 % [-14.1 %, -10.2 %] meets ≤ -10 % (12 pairs)
        next: vibeship-optimizer change rollback --change-id chg-1 --reason "WHY"  # go back

        refused at gate 6 (decide): the rollback does not apply: `git revert` conflicts in 1 path
          a.rs
        next: vibeship-optimizer validate --change-id chg-1  # make the commit revert cleanly, then
        or:   vibeship-optimizer change hold --change-id chg-1 --reason "WHY"  # keep it as an experiment
        or:   vibeship-optimizer change reject --change-id chg-1 --reason "WHY"  # drop it

        refused at gate 7 (rollout): a reason in words is needed
        next: vibeship-optimizer change rollback --change-id chg-1 --reason "WHY"

        refused at gate 7 (rollout): the rollout's plan has no such stage; it has canary, full
        next: vibeship-optimizer change rollout canary --change-id chg-1

        refused at gate 7 (rollout): the stage canary comes first
        next: vibeship-optimizer change rollout canary --change-id chg-1

        refused at gate 7 (rollout): the stage canary has to last until 2026-02-04 10:00 UTC
        next: vibeship-optimizer status --change-id chg-1  # watch it meanwhile
        or:   vibeship-optimizer change rollback --change-id chg-1 --reason "WHY"  # go back

        refused at gate 7 (rollout): 1 guardrail is violated or cannot be judged
          timing.tests.cpu <= +2% is inconclusive: +1.2 % [-0.8 %, +3.1 %] straddles ≤ +2 %; about 14 more pairs would settle it
        next: vibeship-optimizer change rollback --change-id chg-1 --reason "WHY"  # go back

        refused at gate 8 (verify): a summary of what was observed is needed
        next: vibeship-optimizer change verify --change-id chg-1 --apply --summary "WHAT WAS OBSERVED"

        refused at gate 8 (verify): 4 of 5 demands are not met
          ✓ fully rolled out
          ✗ 3 days of monitoring, which end 2026-02-07 10:00 UTC
          ✗ measured on 2 of 3 distinct UTC days (2026-02-04, 2026-02-05)
          ✗ no open alarm (open: timing.tests.cpu <= +2% is inconclusive: +1.2 % [-0.8 %, +3.1 %] straddles ≤ +2 %; about 14 more pairs would settle it)
          ✗ a review of the present state (the attested one is stale)
        next: vibeship-optimizer monitor tick --change-id chg-1  # measure once on every UTC day
        next: vibeship-optimizer change rollback --change-id chg-1 --reason "WHY"  # either go back
        or:   vibeship-optimizer change resolve --change-id chg-1 --reason "WHY"  # if it is harmless
        next: vibeship-optimizer review bundle --change-id chg-1  # have it reviewed
        then: vibeship-optimizer review attest --change-id chg-1 --tool other --reasoning-mode human --reviewer "NAME"

        refused at gate 7 (rollout): there is nothing to roll back: no delta was ever checked
        next: vibeship-optimizer change reject --change-id chg-1 --reason "WHY"  # end it instead

        refused at gate 7 (rollout): the rollback was written down, but what it takes back is still in effect: cccccccccccc
        next: vibeship-optimizer snapshot --label after --change-id chg-1 --as after  # put the old values back, then

        refused at gate 8 (verify): no alarm is open
        next: vibeship-optimizer status --change-id chg-1

        refused at gate 8 (verify): the change is not fully rolled out, so there is nothing to monitor
        next: vibeship-optimizer change rollout full --change-id chg-1

        refused at gate 8 (verify): only an emergency is followed up, and not by itself
        next: vibeship-optimizer status --change-id chg-1
        "#);
    }

    #[test]
    fn the_json_form_has_the_code_and_the_numbers() {
        let refusal = Refusal::new(Gate::Baseline, Missing::Dirty { paths: 3, own: None });
        let view = RefusalView::new(&refusal, Some(&fixture::passed(1)));
        insta::assert_snapshot!(serde_json::to_string_pretty(view.json()).unwrap(), @r#"
        {
          "refused": true,
          "change_id": "chg-1",
          "gate": "baseline",
          "gate_number": 2,
          "code": "dirty",
          "message": "3 paths lie uncommitted outside the tool's own files",
          "details": [],
          "not_yet": false,
          "next": [
            "git stash push -u -- ':(top)' ':(top,exclude).vibeship-optimizer' ':(top,exclude)reports/optimizer' ':(top,exclude)VIBESHIP_OPTIMIZER.md' ':(top,exclude)vibeship_optimizer.yml' ':(top,exclude)vibeship_optimizer.yaml' ':(top,exclude).gitattributes'",
            "vibeship-optimizer snapshot --label before --change-id chg-1 --as before",
            "vibeship-optimizer snapshot --label before --change-id chg-1 --as before --allow-dirty"
          ],
          "hints": [
            {
              "purpose": "set the work aside",
              "command": "git stash push -u -- ':(top)' ':(top,exclude).vibeship-optimizer' ':(top,exclude)reports/optimizer' ':(top,exclude)VIBESHIP_OPTIMIZER.md' ':(top,exclude)vibeship_optimizer.yml' ':(top,exclude)vibeship_optimizer.yaml' ':(top,exclude).gitattributes'"
            },
            {
              "purpose": "then",
              "command": "vibeship-optimizer snapshot --label before --change-id chg-1 --as before"
            },
            {
              "purpose": "or measure it as it is, which can never be promoted",
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
