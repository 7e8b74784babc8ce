//! A change's section of the logbook, rendered wholly from its record: the same record gives the same text on any
//! day. Must not read a clock, nor write the markers around the section.

use std::collections::BTreeSet;

use crate::model::{Judged, Kind, Strength, Taken, Verdicts};
use crate::report::refusal::detail;
use crate::report::{Align, Doc, Progress, Table, Task, Text, Tone, markdown, pipeline, show, values, verdict};
use crate::workflow::{Change, End, view_v1};

/// The text that opens a new logbook.
pub const HEADING: &str = "# Optimization logbook\n\n\
    Every change that vibeship-optimizer tracks has a section here, rendered from its record and brought up to date\n\
    by the tool. Text outside the sections is yours and is never touched.\n";

/// The section of a change as markdown.
pub fn section(change: &Change) -> String {
    markdown::render(&document(change))
}

/// The section of a change as a document.
pub fn document(change: &Change) -> Doc {
    let mut doc = Doc::new();
    doc.heading(2, change.opened.title.as_str());
    doc.fields(header(change));
    doc.tasks(gates(change));
    contract(&mut doc, change);
    delta(&mut doc, change);
    if let Some(comparison) = &change.comparison {
        doc.heading(3, "Verdicts");
        doc.table(verdicts(&comparison.verdicts));
    }
    decision(&mut doc, change);
    days(&mut doc, change);
    evidence(&mut doc, change);
    notes(&mut doc, change);
    doc
}

/// The parts that a page shows folded away below its own: everything but title, gates, verdicts and days.
pub fn folded(change: &Change) -> Doc {
    let mut doc = Doc::new();
    doc.fields(header(change));
    contract(&mut doc, change);
    delta(&mut doc, change);
    decision(&mut doc, change);
    evidence(&mut doc, change);
    notes(&mut doc, change);
    doc
}

/// The state of a change as a mark.
pub fn status_mark(change: &Change) -> Text {
    let tone = match &change.end {
        Some(End::Verified { .. }) => Tone::Good,
        Some(End::Rejected { .. } | End::RolledBack) => Tone::Bad,
        Some(End::Held { .. }) => Tone::Quiet,
        None if !change.open_alarms.is_empty() => Tone::Bad,
        None => Tone::Now,
    };
    let alarmed = if change.open_alarms.is_empty() { "" } else { ", alarm open" };
    Text::new().mark(tone, format!("{}{alarmed}", view_v1::status(change).replace('_', " ")))
}

fn field(name: &str, text: impl Into<Text>) -> (String, Text) {
    (name.to_owned(), text.into())
}

fn header(change: &Change) -> Vec<(String, Text)> {
    let opened = &change.opened;
    let by = change.events.first().and_then(|event| event.actor.as_deref());
    let by = by.map(|actor| format!(" by {actor}")).unwrap_or_default();
    let mut fields = vec![
        field("Change", Text::new().code(change.id().as_str())),
        field("Class", opened.class.name()),
        field("Status", status_mark(change)),
        field("Opened", format!("{}{by}", values::moment(change.opened_at))),
    ];
    let texts = [
        ("Risk", opened.risk.as_str()),
        ("Validation today", &opened.validation_today),
        ("Validation in the next days", &opened.validation_next_days),
        ("Incident", opened.incident.as_deref().unwrap_or_default()),
    ];
    fields.extend(texts.into_iter().filter(|(_, text)| !text.trim().is_empty()).map(|(name, text)| field(name, text)));
    fields.extend(opened.from.iter().map(|id| field("From experiment", Text::new().code(id.as_str()))));
    fields.extend(opened.expires.map(|at| field("Override expires", values::moment(at))));
    fields.extend(change.follow_up.iter().map(|id| field("Taken over by", Text::new().code(id.as_str()))));
    fields.extend(opened.imported.iter().map(|digest| field("Continues record", Text::new().code(digest.short()))));
    fields
}

fn gates(change: &Change) -> Vec<Task> {
    let station = |it: pipeline::Station| {
        let name = format!("{} {}", it.gate.number(), it.gate.name());
        let text = match (it.progress, it.at) {
            (Progress::Done, Some(at)) => Text::from(name).plain(format!(", {}", values::moment(at))),
            (Progress::Here, _) => Text::new().strong(name).plain(", next"),
            (Progress::Stopped, _) => Text::from(name).plain(", not reached"),
            _ => Text::from(name),
        };
        Task { done: it.progress == Progress::Done, text }
    };
    pipeline::stations(change).into_iter().map(station).collect()
}

fn contract(doc: &mut Doc, change: &Change) {
    doc.heading(3, "Contract");
    doc.fields(show::contract_fields(change));
}

fn delta(doc: &mut Doc, change: &Change) {
    let Some(validation) = &change.validation else { return };
    doc.heading(3, "Delta");
    let commit = |it: &crate::model::DeltaCommit| {
        Text::new().code(it.sha.chars().take(12).collect::<String>()).plain(format!(" {}", it.subject))
    };
    let delta = &validation.delta;
    doc.list(delta.own_commits().map(commit).collect());
    let mut tuneables = Table::new([
        ("Tuneable", Align::Left),
        ("Before", Align::Left),
        ("After", Align::Left),
        ("Layer", Align::Left),
    ]);
    for tuneable in &delta.tuneables {
        tuneables.row(tuneable_row(tuneable));
    }
    doc.table(tuneables);
    let check = |it: &crate::model::Check| {
        let tone = if it.passed { Tone::Good } else { Tone::Bad };
        let word = if it.passed { "passed" } else { "failed" };
        Text::new().mark(tone, word).plain(" ").code(it.name.as_str())
    };
    doc.list(validation.checks.iter().map(check).collect());
}

/// A changed tuneable as a row: key, old, new, layer.
pub fn tuneable_row(tuneable: &crate::model::TuneableChange) -> Vec<Text> {
    let value = |value: &Option<serde_json::Value>| match value {
        Some(serde_json::Value::String(text)) => Text::new().code(text.as_str()),
        Some(value) => Text::new().code(value.to_string()),
        None => Text::from("not set"),
    };
    let layer = tuneable.layer.as_deref().map_or_else(Text::new, |layer| Text::new().code(layer));
    vec![Text::new().code(tuneable.key.as_str()), value(&tuneable.before), value(&tuneable.after), layer]
}

/// The verdicts on a contract as a table.
pub fn verdicts(verdicts: &Verdicts) -> Table {
    let mut table =
        Table::new([("", Align::Left), ("Criterion", Align::Left), ("Verdict", Align::Left), ("Why", Align::Left)]);
    let row = |role: &str, judged: &Judged| {
        let outcome = judged.verdict.outcome();
        vec![
            Text::from(role),
            Text::new().code(judged.criterion.as_str()),
            Text::new().mark(outcome.into(), verdict::word(outcome)),
            Text::from(verdict::reason(judged)),
        ]
    };
    table.row(row("KPI", &verdicts.kpi));
    for judged in &verdicts.guardrails {
        table.row(row("guardrail", judged));
    }
    if let Some(judged) = &verdicts.trigger {
        table.row(trigger_row(judged));
    }
    table
}

/// A trigger's row: that its criterion holds is bad.
fn trigger_row(judged: &Judged) -> Vec<Text> {
    let (tone, word) = verdict::trigger_mark(judged.verdict.outcome());
    vec![
        Text::from("trigger"),
        Text::new().code(judged.criterion.as_str()),
        Text::new().mark(tone, word),
        Text::from(verdict::trigger_reason(judged)),
    ]
}

fn decision(doc: &mut Doc, change: &Change) {
    let mut fields = Vec::new();
    if let Some(promotion) = &change.promotion {
        fields.push(field("Promoted", values::moment(promotion.at)));
    }
    for done in &change.rollout {
        let mut text = Text::from(values::moment(done.at));
        for judged in done.verdicts.iter().flat_map(Verdicts::unsettled_guards) {
            text = text.plain("; ").mark(Tone::Unsure, "undecided").plain(" ").code(judged.criterion.as_str());
        }
        fields.push(field(&format!("Rollout {}", done.stage.name()), text));
    }
    match &change.end {
        Some(End::Held { reason }) => fields.push(field("Held, because", reason.as_str())),
        Some(End::Rejected { reason }) => fields.push(field("Rejected, because", reason.as_str())),
        Some(End::Verified { summary, at }) => {
            fields.push(field("Verified", values::moment(*at)));
            fields.push(field("Observed", summary.as_str()));
        }
        _ => {}
    }
    if let Some(rollback) = &change.rollback {
        fields.push(field("Rolled back", values::moment(rollback.at)));
        fields.push(field("Because", rollback.reason.as_str()));
        fields.extend(rollback.commit.iter().map(|sha| field("Reverted by", Text::new().code(sha.as_str()))));
        let confirmed = match &rollback.confirmed {
            None => Text::new().mark(Tone::Unsure, "not measured yet"),
            Some((_, not_back)) if not_back.is_empty() => {
                Text::new().mark(Tone::Good, "the baseline's values are back")
            }
            Some((_, not_back)) => {
                let lines: Vec<String> = not_back.iter().map(verdict::full_line).collect();
                Text::new().mark(Tone::Bad, "not back").plain(format!(": {}", lines.join("; ")))
            }
        };
        fields.push(field("Confirmed", confirmed));
    }
    if !fields.is_empty() {
        doc.heading(3, "Decision");
        doc.fields(fields);
    }
}

fn days(doc: &mut Doc, change: &Change) {
    let mut table = Table::new([("Day", Align::Right), ("UTC date", Align::Left), ("Alarms", Align::Left)]);
    for tick in &change.ticks {
        let alarms = if tick.alarms.is_empty() {
            Text::new().mark(Tone::Good, "none")
        } else {
            let lines: Vec<String> = tick.alarms.iter().map(verdict::alarm_line).collect();
            Text::new().mark(Tone::Bad, "alarm").plain(format!(" {}", lines.join("; ")))
        };
        table.row([tick.day.to_string().into(), tick.utc_date.to_string().into(), alarms]);
    }
    if !change.ticks.is_empty() {
        doc.heading(3, "Monitored days");
        doc.table(table);
    }
}

fn evidence(doc: &mut Doc, change: &Change) {
    let mut table = Table::new([("Evidence", Align::Left), ("SHA-256, first 12 digits", Align::Left)]);
    let mut seen = BTreeSet::new();
    for artifact in change.artifacts() {
        let path = change.lies_at(artifact);
        // What was measured twice with the same outcome is one file.
        if seen.insert((path.clone(), artifact.sha256.as_str())) {
            table.row([Text::new().link(path.as_str(), path.as_str()), Text::new().code(artifact.sha256.short())]);
        }
    }
    if table.rows.is_empty() {
        return;
    }
    doc.heading(3, "Evidence");
    if let Some(baseline) = &change.baseline {
        doc.paragraph(strength(baseline.strength, &baseline.taken));
    }
    doc.table(table);
}

fn strength(strength: Strength, taken: &Taken) -> Text {
    let text = match strength {
        Strength::Full => "Bound to commits of a clean tree; the baseline is ",
        Strength::Unversioned => "Bound to a digest of the files, since there is no commit; the baseline is ",
        Strength::Indicative => "Taken on a dirty tree: it shows a tendency and proves nothing; the baseline is ",
    };
    Text::from(text).code(taken.revision.short()).plain(".")
}

fn notes(doc: &mut Doc, change: &Change) {
    let mut items = Vec::new();
    for event in &change.events {
        let text = match &event.what {
            Kind::Noted { text } => Text::from(text.as_str()),
            Kind::MonitorStarted { days } => Text::from(format!("to be measured on {days} days")),
            Kind::AlarmResolved { reason } => Text::from(format!("alarms resolved: {reason}")),
            Kind::DayDecided { utc_date, decision, reason } => {
                Text::from(format!("decision of {utc_date}: {decision}, because {reason}"))
            }
            Kind::ValidationFailed { checks, .. } => {
                let failed: Vec<&str> = checks.iter().filter(|it| !it.passed).map(|it| it.name.as_str()).collect();
                Text::from(format!("validation failed: {}", failed.join(", ")))
            }
            Kind::Relinked { commits, by } => {
                Text::from(format!("{} found again by {by}", values::count(commits.len() as u64, "commit", "commits")))
            }
            Kind::Attested { attestation } => {
                Text::from(format!("review attested: {}, {}", attestation.tool, attestation.reasoning_mode))
            }
            _ => continue,
        };
        items.push(Text::from(format!("{}: ", values::moment(event.at))).text(text));
    }
    if !items.is_empty() {
        doc.heading(3, "Notes");
        doc.list(items);
    }
}

/// Every commit of a delta in one line each, for other reports.
pub fn commit_lines(change: &Change) -> Vec<String> {
    let delta = change.validation.iter().flat_map(|validation| validation.delta.own_commits());
    delta.map(detail::commit).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Class;
    use crate::report::fixture;

    #[test]
    #[expect(clippy::too_many_lines, reason = "the expected text is long")]
    fn a_whole_life_is_told() {
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
        assert!(text.contains("- [ ] 6 decide, not reached"), "{text}");
    }
}
