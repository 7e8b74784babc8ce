//! `day close`: the evening's list: the day's evidence, a decision with its reason on every open change, and whether the
//! next delta may be queued. A day does not end with a change that nobody decided about.

use clap::Args;
use serde_json::json;

use crate::commands::monitor::tick;
use crate::commands::{Ctx, choose, commit, failure, parse};
use crate::error::CommandError;
use crate::exit::Exit;
use crate::model::{ChangeId, CommandLine, Fix, Kind};
use crate::report::{self, Decision, Evening};
use crate::store::Record;
use crate::workflow::Change;

/// What can be decided; `undecided` is one too, if it has a reason.
const DECISIONS: [&str; 4] = ["promote", "hold", "rollback", "undecided"];

/// Measure what is due and write down a decision on every open change at the end of a day
#[derive(Debug, Args)]
pub struct CloseArgs {
    /// A decision: ID=promote|hold|rollback|undecided:REASON; once for each open change
    #[arg(long = "decide", value_name = "ID=DECISION:REASON")]
    decisions: Vec<String>,
    /// Leave the measurements of the day alone
    #[arg(long)]
    no_tick: bool,
}

/// Exit 1 when a change stays without a decision (nothing is decided then), or while an alarm is open.
pub fn run(ctx: &Ctx, args: CloseArgs) -> Result<Exit, CommandError> {
    let given = args.decisions.iter().map(|text| decision(text)).collect::<Result<Vec<Decision>, _>>()?;
    let open = open_changes(ctx)?;
    let all = complete(ctx, &open, given)?;
    if !args.no_tick {
        let ticked = tick::tick(ctx, None, false)?;
        ticked.iter().for_each(|done| tick::tell(ctx, done));
    }
    for decision in &all {
        let (word, reason) = (decision.word.to_owned(), decision.reason.clone());
        let event = Kind::DayDecided { utc_date: ctx.now().date_naive(), decision: word, reason };
        commit::record(ctx, &decision.id, event)?;
    }
    let open = open_changes(ctx)?;
    let evening = Evening { now: ctx.now(), changes: &open, decisions: &all };
    if ctx.json(false) {
        let decided = |decision: &Decision| json!({ "change_id": decision.id, "decision": decision.word, "reason": decision.reason });
        let answer = json!({
            "schema": "vibeship_optimizer.day_close.v1",
            "generated_at": evening.now,
            "utc_date": evening.now.date_naive(),
            "decisions": all.iter().map(decided).collect::<Vec<_>>(),
            "stable": evening.is_stable(),
        });
        ctx.ui.answer(&failure::pretty(&answer))?;
    } else {
        ctx.show(&report::daily::evening(&evening))?;
    }
    let alarmed = open.iter().any(|change| !change.open_alarms.is_empty());
    Ok(if alarmed { Exit::No } else { Exit::Yes })
}

fn open_changes(ctx: &Ctx) -> Result<Vec<Change>, CommandError> {
    let (records, damaged) = choose::records(ctx)?;
    if damaged > 0 {
        return Err(CommandError::trouble("a day cannot be closed over a damaged record"));
    }
    let open = records.into_iter().filter_map(|record| match record {
        Record::Tracked(change) if change.is_open() => Some(*change),
        _ => None,
    });
    Ok(open.collect())
}

/// `ID=DECISION:REASON`.
fn decision(text: &str) -> Result<Decision, CommandError> {
    let wrong = |what: &str| {
        CommandError::trouble(format!("--decide {text:?}: {what}"))
            .hinted("write it as ID=promote|hold|rollback|undecided:REASON")
    };
    let (id, rest) = text.split_once('=').ok_or_else(|| wrong("there is no `=`"))?;
    let (word, reason) = rest.split_once(':').unwrap_or((rest, ""));
    let id: ChangeId = id.trim().parse()?;
    let known = DECISIONS.into_iter().find(|known| *known == word.trim());
    let word = known.ok_or_else(|| wrong("the decision is none of promote, hold, rollback and undecided"))?;
    let reason = parse::prose("--decide", reason)?;
    if reason.is_empty() {
        return Err(wrong("a decision has a reason"));
    }
    Ok(Decision { id, word, reason })
}

/// A decision for every open change: those given, those of today, and what a person at the terminal answers.
fn complete(ctx: &Ctx, open: &[Change], mut given: Vec<Decision>) -> Result<Vec<Decision>, CommandError> {
    for (i, decision) in given.iter().enumerate() {
        if !open.iter().any(|change| *change.id() == decision.id) {
            return Err(CommandError::trouble(format!("--decide: {} is not an open change", decision.id)));
        }
        if given[..i].iter().any(|earlier| earlier.id == decision.id) {
            return Err(CommandError::trouble(format!("--decide: {} is decided twice", decision.id)));
        }
    }
    let mut missing = Vec::new();
    for change in open {
        if given.iter().any(|decision| decision.id == *change.id()) || decided_today(ctx, change) {
            continue;
        }
        match ask(ctx, change)? {
            Some(decision) => given.push(decision),
            None => missing.push(change.id().clone()),
        }
    }
    if missing.is_empty() {
        return Ok(given);
    }
    let names: Vec<&str> = missing.iter().map(ChangeId::as_str).collect();
    let close = missing.iter().fold(CommandLine::tool("day close"), |line, id| {
        line.words(["--decide".to_owned(), format!("{id}=undecided:WHY")])
    });
    Err(CommandError::failed(format!("the day is not closed: nothing is decided about {}", names.join(", ")))
        .hinted("a decision is promote, hold, rollback, or undecided with the reason why")
        .fixed_by([Fix::next("", close)]))
}

fn decided_today(ctx: &Ctx, change: &Change) -> bool {
    let today = ctx.now().date_naive();
    change.events.iter().any(|event| matches!(&event.what, Kind::DayDecided { utc_date, .. } if *utc_date == today))
}

/// Asks the person at the terminal; `None` where there is none, or no answer.
fn ask(ctx: &Ctx, change: &Change) -> Result<Option<Decision>, CommandError> {
    if !ctx.ui.can_ask() {
        return Ok(None);
    }
    let title = report::visible::visible_line(&change.opened.title);
    loop {
        let question = format!("{} ({title}): promote, hold, rollback or undecided?", change.id());
        let Some(word) = ctx.ui.ask(&question)?.filter(|word| !word.is_empty()) else { return Ok(None) };
        let Some(reason) = ctx.ui.ask("Why?")?.filter(|reason| !reason.is_empty()) else { return Ok(None) };
        match decision(&format!("{}={word}:{reason}", change.id())) {
            Ok(decision) => return Ok(Some(decision)),
            Err(CommandError::Trouble { error, .. }) => ctx.ui.error(&error.to_string()),
            Err(other) => return Err(other),
        }
    }
}
