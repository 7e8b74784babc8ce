//! The demands of verification, each met or not, and how to meet it.

use crate::model::FixContext;
use crate::report::{Doc, Text, Tone, mark, problem, refusal, values};
use crate::workflow::{Change, Demand};

/// The list. `applied` tells what became of `--apply`; `None` where it was not asked for.
pub(crate) fn document(change: &Change, demands: &[Demand], applied: Option<bool>, ctx: &FixContext) -> Doc {
    let mut doc = Doc::new();
    doc.heading(2, format!("{} ({})", change.opened.title, change.id().as_str()));
    doc.list(demands.iter().map(|demand| item(demand, change, ctx)));
    let open: Vec<&Demand> = demands.iter().filter(|demand| !demand.met).collect();
    let waiting = !open.is_empty() && open.iter().all(|demand| demand.kind.comes_with_time());
    let text = match (applied, open.len()) {
        (Some(true), _) => mark(Tone::Good, "VERIFIED"),
        (_, 0) => mark(Tone::Good, "every demand is met").plain("; verify it with --apply --summary"),
        (_, _) if waiting => mark(Tone::Unsure, "not yet").plain(": nothing is wrong, only time is missing"),
        (_, n) => {
            let demands = values::count(n as u64, "demand is not met", "demands are not met");
            mark(Tone::Bad, "not verified").plain(format!(": {demands}"))
        }
    };
    doc.paragraph(text);
    doc
}

/// A demand, and under it the commands that meet it.
fn item(demand: &Demand, change: &Change, ctx: &FixContext) -> Text {
    let (tone, word) = match demand.met {
        true => (Tone::Good, "met"),
        false if demand.kind.comes_with_time() => (Tone::Unsure, "not yet"),
        false => (Tone::Bad, "not met"),
    };
    let text = mark(tone, word).plain(format!(": {}", refusal::demand(demand)));
    if demand.met {
        return text;
    }
    problem::with_steps(text, &demand.fixes(change, ctx))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::{Terminal, fixture, terminal};
    use crate::workflow::{World, window};

    fn world() -> World {
        World { policy: fixture::policy(), reproduced: true, ..World::default() }
    }

    #[test]
    fn every_demand_says_how_it_is_met() {
        let change = fixture::passed(7);
        let demands = window::demands(&change, &world(), fixture::at(5, 12));
        let text = terminal::render(&document(&change, &demands, None, &FixContext::default()), Terminal::plain());
        insta::assert_snapshot!(text, @r#"
        Shorten the advisory cooldown (chg-1)

        - ✓ met: fully rolled out
        - ? not yet: 3 days of monitoring, which end 2026-02-07 10:00 UTC
        - ? not yet: measured on 2 of 3 distinct UTC days (2026-02-04, 2026-02-05)
          measure once on every UTC day
          next: vibeship-optimizer monitor tick --change-id chg-1
        - ✗ not met: no open alarm (open: timing.tests.cpu <= +2% is inconclusive: +1.2 % [-0.8 %, +3.1 %] straddles ≤ +2 %; about 14 more pairs would settle it)
          go back
          next: vibeship-optimizer change rollback --change-id chg-1 --reason "WHY"
          if it is harmless
          or:   vibeship-optimizer change resolve --change-id chg-1 --reason "WHY"
        - ✓ met: every evidence file present and unaltered
        - ✓ met: the recorded verdicts come out of the evidence again
        - ✓ met: no recorded time is in the future
        - ✗ not met: a review of the present state, attested
          have it reviewed
          next: vibeship-optimizer review bundle --change-id chg-1
          then: vibeship-optimizer review attest --change-id chg-1 --tool other --reasoning-mode human --reviewer "NAME"

        ✗ not verified: 4 demands are not met
        "#);
    }

    #[test]
    fn waiting_is_no_failure() {
        let mut demands = window::demands(&fixture::passed(7), &world(), fixture::at(5, 12));
        demands.retain(|demand| demand.met || demand.kind.comes_with_time());
        let text =
            terminal::render(&document(&fixture::passed(7), &demands, None, &FixContext::default()), Terminal::plain());
        assert!(text.contains("? not yet: nothing is wrong"), "{text}");
    }
}
