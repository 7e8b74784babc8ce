//! A change's section of the logbook, rendered from its record alone, so that the text does not depend on the day. The
//! store writes the markers around the section.

use std::collections::BTreeSet;

use crate::model::text::joined;
use crate::model::{Check, DeltaCommit, Event, Kind, RecordedSnapshot, Strength, TuneableChange, Verdicts};
use crate::report::pipeline::Station;
use crate::report::{Doc, Table, Text, Tone, code, compare, mark, markdown, pipeline, show, values, verdict};
use crate::workflow::state::RolledBack;
use crate::workflow::{Change, End, view_v1};

/// The beginning of a new logbook.
pub(crate) const HEADING: &str = "# Optimization logbook\n\n\
    Every change that vibeship-optimizer tracks has a section here, rendered from its record and brought up to date\n\
    by the tool. Text outside the sections is yours and is never touched.\n";

pub(crate) fn section(change: &Change) -> String {
    markdown::render(&document(change))
}

pub(crate) fn document(change: &Change) -> Doc {
    let mut doc = Doc::new();
    doc.heading(2, change.opened.title.as_str());
    header(&mut doc, change);
    doc.tasks(gates(change));
    contract_and_delta(&mut doc, change);
    if let Some(comparison) = &change.comparison {
        doc.heading(3, "Verdicts");
        doc.table(verdict::table(verdict::rows(&comparison.verdicts), false));
    }
    doc.section(3, "Decision", |doc| decision(doc, change));
    days(&mut doc, change);
    evidence(&mut doc, change);
    notes(&mut doc, change);
    doc
}

pub(crate) fn status_mark(change: &Change) -> Text {
    let tone = match &change.end {
        Some(end) => end.into(),
        None if !change.open_alarms.is_empty() => Tone::Bad,
        None => Tone::Now,
    };
    let alarmed = if change.open_alarms.is_empty() { "" } else { ", alarm open" };
    mark(tone, format!("{}{alarmed}", view_v1::status(change).replace('_', " ")))
}

fn header(doc: &mut Doc, change: &Change) {
    let opened = &change.opened;
    let by = change.events.first().and_then(|event| event.actor.as_deref());
    let by = by.map(|actor| format!(" by {actor}")).unwrap_or_default();
    doc.field("Change", code(change.id().as_str()));
    doc.field("Class", opened.class.name());
    doc.field("Status", status_mark(change));
    doc.field("Opened", format!("{}{by}", values::moment(change.opened_at)));
    let given = |text: &str| (!text.trim().is_empty()).then(|| Text::from(text));
    let others = [
        ("Risk", given(&opened.risk)),
        ("Validation today", given(&opened.validation_today)),
        ("Validation in the next days", given(&opened.validation_next_days)),
        ("Incident", opened.incident.as_deref().and_then(given)),
        ("From experiment", opened.from.as_ref().map(|id| code(id.as_str()))),
        ("Override expires", opened.expires.map(|at| values::moment(at).into())),
        ("Taken over by", change.follow_up.as_ref().map(|id| code(id.as_str()))),
        ("Continues record", opened.imported.as_ref().map(|digest| code(digest.short()))),
    ];
    for (name, text) in others {
        if let Some(text) = text {
            doc.field(name, text);
        }
    }
}

fn gates(change: &Change) -> Vec<(bool, Text)> {
    let task = |it: Station| {
        let (name, at) = (it.name(), it.at.map(|at| format!(" {}", values::moment(at))).unwrap_or_default());
        let text = match it.word {
            "next" => Text::new().strong(name).plain(", next"),
            "ahead" => name.into(),
            "done" if at.is_empty() => name.into(),
            "done" => format!("{name},{at}").into(),
            word => format!("{name}, {word}{at}").into(),
        };
        (it.is_done(), text)
    };
    pipeline::stations(change).into_iter().map(task).collect()
}

fn contract_and_delta(doc: &mut Doc, change: &Change) {
    doc.heading(3, "Contract");
    show::contract_fields(doc, change);
    let check = |it: &Check| show::passed(it.passed).plain(" ").code(it.name.as_str());
    if let Some((_, checks, _)) = pipeline::failed_validation(change) {
        doc.heading(3, "Validation");
        doc.list(checks.iter().map(check));
    }
    let Some(validation) = &change.validation else { return };
    doc.heading(3, "Delta");
    let commit = |it: &DeltaCommit| code(values::short(&it.sha)).plain(format!(" {}", it.subject));
    doc.list(validation.delta.own_commits().map(commit));
    let tuneable = |it: &TuneableChange| {
        let layer = it.layer.as_deref().map_or_else(Text::new, code);
        [code(it.key.as_str()), compare::setting(it.before.as_ref()), compare::setting(it.after.as_ref()), layer]
    };
    let tuneables = validation.delta.tuneables.iter().map(tuneable);
    doc.table(Table::new("llll", ["Tuneable", "Before", "After", "Layer"], tuneables));
    doc.list(validation.checks.iter().map(check));
}

fn decision(doc: &mut Doc, change: &Change) {
    if let Some(promotion) = &change.promotion {
        doc.field("Promoted", values::moment(promotion.at));
    }
    for done in &change.rollout {
        let mut text = Text::from(values::moment(done.at));
        for judged in done.verdicts.iter().flat_map(Verdicts::inconclusive_guards) {
            text = text.plain("; ").mark(Tone::Unsure, "undecided").plain(" ").code(judged.criterion.as_str());
        }
        doc.field(&format!("Rollout {}", done.stage.name()), text);
    }
    match &change.end {
        Some(End::Held { reason }) => doc.field("Held, because", reason.as_str()),
        Some(End::Rejected { reason }) => doc.field("Rejected, because", reason.as_str()),
        Some(End::Verified { summary, at }) => {
            doc.field("Verified", values::moment(*at));
            doc.field("Observed", summary.as_str());
        }
        Some(End::RolledBack) | None => {}
    }
    if let Some(rollback) = &change.rollback {
        doc.field("Rolled back", values::moment(rollback.at));
        doc.field("Because", rollback.reason.as_str());
        if let Some(sha) = &rollback.commit {
            doc.field("Reverted by", code(sha.as_str()));
        }
        doc.field("Confirmed", confirmed(rollback));
    }
}

fn confirmed(rollback: &RolledBack) -> Text {
    match &rollback.confirmed {
        None => mark(Tone::Unsure, "not measured yet"),
        Some((_, not_back)) if not_back.is_empty() => mark(Tone::Good, "the baseline's values are back"),
        Some((_, not_back)) => {
            let lines: Vec<String> = not_back.iter().map(verdict::full_line).collect();
            mark(Tone::Bad, "not back").plain(format!(": {}", lines.join("; ")))
        }
    }
}

fn days(doc: &mut Doc, change: &Change) {
    let rows = change.ticks.iter().map(|tick| {
        let alarms = if tick.alarms.is_empty() {
            mark(Tone::Good, "none")
        } else {
            let lines: Vec<String> = tick.alarms.iter().map(verdict::alarm_line).collect();
            mark(Tone::Bad, "alarm").plain(format!(" {}", lines.join("; ")))
        };
        [tick.day.to_string().into(), tick.utc_date.to_string().into(), alarms]
    });
    doc.section(3, "Monitored days", |doc| doc.table(Table::new("rll", ["Day", "UTC date", "Alarms"], rows)));
}

fn evidence(doc: &mut Doc, change: &Change) {
    let mut seen = BTreeSet::new();
    let failed = pipeline::failed_validation(change).map(|(_, _, artifact)| artifact);
    // Two measurements with identical output share a file.
    let all = change.artifacts().into_iter().chain(failed).filter(|it| seen.insert((&it.path, it.sha256.as_str())));
    let rows = all.map(|it| [Text::new().link(&it.path), code(it.sha256.short())]);
    let table = Table::new("ll", ["Evidence", "SHA-256, first 12 digits"], rows);
    if table.rows.is_empty() {
        return;
    }
    doc.heading(3, "Evidence");
    if let Some(baseline) = &change.baseline {
        doc.paragraph(strength(baseline.strength, &baseline.taken));
    }
    doc.table(table);
}

fn strength(strength: Strength, taken: &RecordedSnapshot) -> Text {
    let text = match strength {
        Strength::Full => "Bound to commits of a clean tree; the baseline is ",
        Strength::Unversioned => "Bound to a digest of the files, since there is no commit; the baseline is ",
        Strength::Indicative => {
            "Taken on a dirty tree: indicative only, the change cannot be promoted; the baseline is "
        }
    };
    Text::from(text).code(taken.revision.short()).plain(".")
}

fn notes(doc: &mut Doc, change: &Change) {
    let item = |event: &Event| Some(format!("{}: {}", values::moment(event.at), note(&event.what)?).into());
    doc.section(3, "Notes", |doc| doc.list(change.events.iter().filter_map(item)));
}

/// The text for events that no other part of the section shows.
fn note(event: &Kind) -> Option<String> {
    Some(match event {
        Kind::Noted { text } => text.clone(),
        Kind::MonitorStarted { days } => format!("to be measured on {days} days"),
        Kind::AlarmResolved { reason } => format!("alarms resolved: {reason}"),
        Kind::DayDecided { utc_date, decision, reason } => {
            format!("decision of {utc_date}: {decision}, because {reason}")
        }
        Kind::ValidationFailed { checks, .. } => {
            format!("validation failed: {}", joined(checks.iter().filter(|it| !it.passed).map(|it| &it.name)))
        }
        Kind::Relinked { commits, by } => {
            format!("{} found again by {by}", values::count(commits.len() as u64, "commit", "commits"))
        }
        Kind::Attested { attestation } => {
            format!("review attested: {}, {}", attestation.tool, attestation.reasoning_mode)
        }
        Kind::Opened(_)
        | Kind::ContractSet { .. }
        | Kind::BaselineTaken { .. }
        | Kind::Validated { .. }
        | Kind::AfterTaken { .. }
        | Kind::Compared { .. }
        | Kind::Promoted { .. }
        | Kind::Held { .. }
        | Kind::Rejected { .. }
        | Kind::RolledOut { .. }
        | Kind::Ticked { .. }
        | Kind::FollowedUp { .. }
        | Kind::RolledBack { .. }
        | Kind::RollbackConfirmed { .. }
        | Kind::Verified { .. } => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Class;
    use crate::report::fixture;

    #[test]
    #[expect(clippy::too_many_lines, reason = "the expected text is long")]
    fn the_section_of_a_monitored_change_is_complete() {
        let mut change = fixture::passed(7);
        change.record(Kind::Noted { text: "looks\n- good".to_owned() }, None, fixture::at(6, 9));
        insta::assert_snapshot!(section(&change), @r"
        ## Shorten the advisory cooldown

        - **Change:** `chg-1`
        - **Class:** tuneable
        - **Status:** ✗ **monitoring, alarm open**
        - **Opened:** 2026-02-01 09:00 UTC by Ada

        - [x] 0 open, 2026-02-01 09:00 UTC
        - [x] 1 contract, 2026-02-01 10:00 UTC
        - [x] 2 baseline, 2026-02-01 10:00 UTC
        - [x] 3 validate, 2026-02-02 10:00 UTC
        - [x] 4 after, 2026-02-02 10:00 UTC
        - [x] 5 compare, 2026-02-02 10:00 UTC
        - [x] 6 decide, 2026-02-02 10:00 UTC
        - [x] 7 rollout, 2026-02-04 10:00 UTC
        - [ ] **8 verify**, next

        ### Contract

        - **Hypothesis:** A shorter cooldown answers sooner
        - **Primary KPI:** `timing.tests.wall <= -10%`
        - **Guardrails:** `size.lib <= 40MiB`
        - **Rollback trigger:** `timing.tests.wall > +10%`
        - **Rollback:** `git revert bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb`

        ### Delta

        - `bbbbbbbbbbbb` Shorten the cooldown

        | Tuneable | Before | After | Layer |
        | --- | --- | --- | --- |
        | `advisory.cooldown_s` | `60` | `30` | `tuneables.json` |

        - ✓ **passed** `test`

        ### Verdicts

        |  | Criterion | Verdict | Why |
        | --- | --- | --- | --- |
        | KPI | `timing.tests.wall <= -10%` | ✓ **pass** | -12.3 % \[-14.1 %, -10.2 %\] meets ≤ -10 % (12 pairs) |
        | guardrail | `size.lib <= 40MiB` | ✓ **pass** | 1.2 MiB meets ≤ 40 MiB (exact) |
        | trigger | `timing.tests.wall > +10%` | ✓ **not fired** | -12.3 % \[-14.1 %, -10.2 %\] does not meet \> +10 % (12 pairs) |

        ### Decision

        - **Promoted:** 2026-02-02 10:00 UTC
        - **Rollout canary:** 2026-02-03 10:00 UTC
        - **Rollout full:** 2026-02-04 10:00 UTC

        ### Monitored days

        | Day | UTC date | Alarms |
        | ---: | --- | --- |
        | 0 | 2026-02-04 | ✓ **none** |
        | 1 | 2026-02-05 | ✗ **alarm** timing.tests.cpu \<= +2% is inconclusive: +1.2 % \[-0.8 %, +3.1 %\] straddles ≤ +2 %; about 14 more pairs would settle it |

        ### Evidence

        Bound to commits of a clean tree; the baseline is `aaaaaaaaaaaa`.

        | Evidence | SHA-256, first 12 digits |
        | --- | --- |
        | [reports/optimizer/chg-1\_before\_snapshot.json](reports/optimizer/chg-1_before_snapshot.json) | `8fc9b7cec2d0` |
        | [reports/optimizer/chg-1\_validation.json](reports/optimizer/chg-1_validation.json) | `b98b7325ea56` |
        | [reports/optimizer/chg-1\_after\_snapshot.json](reports/optimizer/chg-1_after_snapshot.json) | `94388d847a3d` |
        | [reports/optimizer/chg-1\_compare.md](reports/optimizer/chg-1_compare.md) | `8bcd0bd5766e` |
        | [reports/optimizer/chg-1\_compare.json](reports/optimizer/chg-1_compare.json) | `1da759160e97` |
        | [reports/optimizer/chg-1\_pair.json](reports/optimizer/chg-1_pair.json) | `d2a143d2214a` |
        | [reports/optimizer/chg-1\_rollback.md](reports/optimizer/chg-1_rollback.md) | `63f3f7257b2a` |
        | [reports/optimizer/chg-1\_canary\_snapshot.json](reports/optimizer/chg-1_canary_snapshot.json) | `4f17a9d3f036` |
        | [reports/optimizer/chg-1\_full\_snapshot.json](reports/optimizer/chg-1_full_snapshot.json) | `8ca380523f53` |
        | [reports/optimizer/chg-1\_day0\_snapshot.json](reports/optimizer/chg-1_day0_snapshot.json) | `cfc7c5b51f63` |
        | [reports/optimizer/chg-1\_day0.md](reports/optimizer/chg-1_day0.md) | `09a8fd636ad6` |
        | [reports/optimizer/chg-1\_day1\_snapshot.json](reports/optimizer/chg-1_day1_snapshot.json) | `30b9ba6a627e` |
        | [reports/optimizer/chg-1\_day1.md](reports/optimizer/chg-1_day1.md) | `e3ec6409338d` |

        ### Notes

        - 2026-02-06 09:00 UTC: looks<br>- good
        ");
    }

    #[test]
    fn a_hostile_title_is_only_a_title() {
        let text = section(&fixture::opened(fixture::HOSTILE, Class::Code));
        insta::assert_snapshot!(text.lines().next().unwrap(), @r"## x \| y<br>\# z \<script\>alert(1)\</script\> --\> \`c\` \*b\* \[l\](u) @<!-- -->octocat \\u{1b}\[31m\\u{202e}");
        assert_eq!(text.lines().filter(|line| line.starts_with('#')).count(), 2, "{text}");
        assert!(!text.contains("-->") || !text.replace("@<!-- -->", "").contains("-->"));
    }

    #[test]
    fn ends_name_their_reasons() {
        let mut change = fixture::passed(5);
        change.record(Kind::Rejected { reason: "slower at night".to_owned() }, None, fixture::at(3, 9));
        let text = section(&change);
        assert!(text.contains("- **Status:** ✗ **rejected**"), "{text}");
        assert!(text.contains("- **Rejected, because:** slower at night"), "{text}");
        assert!(text.contains("- [ ] 6 decide, rejected"), "{text}");
        let mut held = fixture::passed(5);
        held.record(Kind::Held { reason: "not now".to_owned() }, None, fixture::at(3, 9));
        assert!(section(&held).contains("- [ ] 6 decide, held"));
    }

    #[test]
    fn a_failed_validation_is_shown_with_its_checks_and_its_evidence() {
        let mut change = fixture::passed(2);
        let check = Check {
            name: "test".to_owned(),
            kind: crate::model::CheckKind::Test,
            passed: false,
            what: "cargo test".to_owned(),
            seconds: 1.0,
            failure: Some("exit code 1".to_owned()),
            first_failure: None,
        };
        let artifact = fixture::artifact("validation.json");
        let failed = Kind::ValidationFailed {
            delta: crate::model::Delta::default(),
            checks: vec![check],
            artifact,
            rejects: true,
        };
        change.record(failed, None, fixture::at(3, 9));
        let text = section(&change);
        for told in ["- [ ] 3 validate, failed 2026-02-03 09:00 UTC", "- ✗ **failed** `test`", "validation.json"] {
            assert!(text.contains(told), "{told}: {text}");
        }
    }
}
