//! One change in full: its logbook section and its chain of events. Must not read files.

use crate::model::Trigger;
use crate::report::refusal::message;
use crate::report::{Align, Doc, Table, Text, Tone, logbook, values};
use crate::workflow::Change;

/// The whole change.
pub fn document(change: &Change) -> Doc {
    let mut doc = logbook::document(change);
    doc.append(events(change));
    doc
}

/// The chain of events.
pub fn events(change: &Change) -> Doc {
    let mut doc = Doc::new();
    doc.heading(3, "Events");
    let mut table = Table::new([
        ("", Align::Right),
        ("Recorded", Align::Left),
        ("What", Align::Left),
        ("By", Align::Left),
        ("Digest", Align::Left),
    ]);
    for event in &change.events {
        let kind = serde_json::to_value(&event.what).ok();
        let kind = kind.as_ref().and_then(|value| value["kind"].as_str()).unwrap_or("event").replace('_', " ");
        table.row([
            event.seq.to_string().into(),
            values::stamp(event.at).into(),
            kind.into(),
            event.actor.as_deref().unwrap_or("–").into(),
            Text::new().code(event.digest.short()),
        ]);
    }
    doc.table(table);
    doc
}

/// The contract alone, and what it still misses.
pub fn contract(change: &Change) -> Doc {
    let contract = &change.contract;
    let mut doc = Doc::new();
    doc.heading(2, format!("Contract of {}", change.opened.title));
    doc.fields(contract_fields(change));
    let missing: Vec<&str> = contract.missing().into_iter().map(message::part).collect();
    doc.paragraph(if change.baseline.is_some() {
        Text::new().mark(Tone::Good, "frozen").plain(" since the baseline")
    } else if missing.is_empty() {
        Text::new().mark(Tone::Good, "complete").plain("; the baseline freezes it")
    } else {
        Text::new().mark(Tone::Unsure, "incomplete").plain(format!(": {} missing", missing.join(", ")))
    });
    doc
}

/// The parts of a contract, each with its text or as missing.
pub fn contract_fields(change: &Change) -> Vec<(String, Text)> {
    let contract = &change.contract;
    let words = |text: &str| Some(text).filter(|text| !text.trim().is_empty()).map(Text::from);
    let kpi = contract.kpi.as_ref().map(|kpi| Text::new().code(kpi.text.as_str()));
    let guardrails = contract.guardrails.iter().enumerate().fold(Text::new(), |text, (i, guardrail)| {
        text.plain(if i == 0 { "" } else { ", " }).code(guardrail.text.as_str())
    });
    let trigger = contract.trigger.as_ref().map(|trigger| match trigger {
        Trigger::Measured(criterion) => Text::new().code(criterion.text.as_str()),
        Trigger::Words(words) => Text::from(words.as_str()).plain(" (a person decides)"),
    });
    let rollback = Some(change.rollback_action()).filter(|text| !text.trim().is_empty());
    let parts = [
        ("Hypothesis", words(&contract.hypothesis)),
        ("Primary KPI", kpi),
        ("Guardrails", Some(guardrails).filter(|_| !contract.guardrails.is_empty())),
        ("Rollback trigger", trigger),
        ("Rollback", rollback.map(|action| Text::new().code(action))),
    ];
    let missing = || Text::new().mark(Tone::Quiet, "missing");
    let mut fields: Vec<(String, Text)> =
        parts.into_iter().map(|(name, text)| (name.to_owned(), text.unwrap_or_else(missing))).collect();
    if let Some(share) = contract.min_effect {
        fields.push(("Least effect that counts".to_owned(), values::plain_share(share).into()));
    }
    fields
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Class;
    use crate::report::{Terminal, fixture, terminal};

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
}
