//! All changes in a list, and one in full: its logbook section and its chain of events.

use serde_json::Value;

use crate::model::Trigger;
use crate::model::text::joined;
use crate::report::visible::visible_line;
use crate::report::{Doc, Table, Text, Tone, code, codes, logbook, mark, values};
use crate::workflow::Change;

/// The whole change.
pub(crate) fn document(change: &Change) -> Doc {
    let mut doc = logbook::document(change);
    doc.append(events(change));
    doc
}

/// The chain of events.
fn events(change: &Change) -> Doc {
    let mut doc = Doc::new();
    doc.heading(3, "Events");
    let mut table = Table::new("rllll", ["", "Recorded", "What", "By", "Digest"]);
    for event in &change.events {
        let kind = serde_json::to_value(&event.what).ok();
        let kind = kind.as_ref().and_then(|value| value["kind"].as_str()).unwrap_or("event").replace('_', " ");
        table.row([
            event.seq.to_string().into(),
            values::stamp(event.at).into(),
            kind.into(),
            event.actor.clone().into(),
            code(event.digest.short()),
        ]);
    }
    doc.table(table);
    doc
}

/// The contract alone, and what it still misses.
pub(crate) fn contract(change: &Change) -> Doc {
    let mut doc = Doc::new();
    doc.heading(2, format!("Contract of {}", change.opened.title));
    contract_fields(&mut doc, change);
    let missing = joined(change.contract.missing());
    doc.paragraph(if change.baseline.is_some() {
        mark(Tone::Good, "frozen").plain(" since the baseline")
    } else if missing.is_empty() {
        mark(Tone::Good, "complete").plain("; the baseline freezes it")
    } else {
        mark(Tone::Unsure, "incomplete").plain(format!(": {missing} missing"))
    });
    doc
}

/// The parts of a contract, each with its text or as missing.
pub(crate) fn contract_fields(doc: &mut Doc, change: &Change) {
    let contract = &change.contract;
    let given = |text: &str| !text.trim().is_empty();
    let trigger = |trigger: &Trigger| match trigger {
        Trigger::Measured(criterion) => code(criterion.text.as_str()),
        Trigger::Words(words) => Text::from(words.as_str()).plain(" (a person decides)"),
    };
    let guardrails = codes(contract.guardrails.iter().map(|guardrail| guardrail.text.as_str()));
    let parts = [
        ("Hypothesis", given(&contract.hypothesis).then(|| contract.hypothesis.as_str().into())),
        ("Primary KPI", contract.kpi.as_ref().map(|kpi| code(kpi.text.as_str()))),
        ("Guardrails", (!contract.guardrails.is_empty()).then_some(guardrails)),
        ("Rollback trigger", contract.trigger.as_ref().map(trigger)),
        ("Rollback", Some(change.rollback_action()).filter(|text| given(text)).map(code)),
    ];
    for (name, text) in parts {
        doc.field(name, text.unwrap_or_else(|| mark(Tone::Quiet, "missing")));
    }
    if let Some(share) = contract.min_effect {
        doc.field("Least effect that counts", values::plain_share(share));
    }
}

/// Whether a check passed.
pub(crate) fn passed(passed: bool) -> Text {
    if passed { mark(Tone::Good, "passed") } else { mark(Tone::Bad, "failed") }
}

/// All changes, a line each, from the entries that the JSON answer has (see `v1`).
pub(crate) fn list(entries: &[Value]) -> Doc {
    let mut table = Table::new("llll", ["Change", "State", "Opened", "Title"]);
    for entry in entries {
        let text = |key: &str| entry[key].as_str().unwrap_or_default();
        let status = text("status");
        let tone = match status {
            "verified" => Tone::Good,
            "rejected" | "rolled_back" => Tone::Bad,
            "held" => Tone::Quiet,
            _ => Tone::Now,
        };
        table.row([
            code(text("change_id")),
            mark(tone, status.replace('_', " ")),
            text("started_at").into(),
            visible_line(text("title")).into(),
        ]);
    }
    let mut doc = Doc::new();
    doc.table_or(table, "There is no change yet.");
    doc
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Class;
    use crate::report::{Terminal, fixture, terminal, v1};

    #[test]
    fn the_chain_of_events_is_shown() {
        let text = terminal::render(&document(&fixture::passed(2)), Terminal::plain());
        let events = text.split("Events\n\n").nth(1).unwrap();
        insta::assert_snapshot!(events, @r"
           Recorded              What            By   Digest
        1  2026-02-01T09:00:00Z  opened          Ada  e0ca420aa1be
        2  2026-02-01T10:00:00Z  contract set    Ada  43e91cbfdc4e
        3  2026-02-01T10:00:00Z  baseline taken  Ada  e932459ccccc
        ");
    }

    #[test]
    fn a_contract_says_what_it_misses() {
        let show = |change: &Change| terminal::render(&contract(change), Terminal::plain());
        let text = show(&fixture::opened("t", Class::Code));
        assert!(text.contains("Guardrails        · missing"), "{text}");
        assert!(text.contains("? incomplete: hypothesis, primary KPI, guardrails, rollback trigger, rollback action"));
        assert!(show(&fixture::passed(1)).contains("✓ complete"));
        assert!(show(&fixture::passed(2)).contains("✓ frozen since the baseline"));
    }

    #[test]
    fn every_change_has_a_line() {
        let hostile = v1::raw_entry("chg-2", fixture::HOSTILE, "verified", "2026-02-18T12:39:00Z", "p");
        let doc = list(&[v1::entry(&fixture::passed(3), "p"), hostile]);
        insta::assert_snapshot!(terminal::render(&doc, Terminal::plain()), @r"
        Change  State        Opened                Title
        chg-1   ▸ validated  2026-02-01T09:00:00Z  Shorten the advisory cooldown
        chg-2   ✓ verified   2026-02-18T12:39:00Z  x | y ⏎ # z <script>alert(1)</script> --> `c` *b* [l](u) @octocat \u{1b}[31m\u{202e}
        ");
    }
}
