//! `status` (`next`): shows where the changes stand and what comes next; with `--run`, performs the steps that need no
//! person. Also `change list`, `change show` and `change trailer`.

use std::collections::BTreeSet;

use clap::Args;
use serde_json::{Value, json};

use crate::commands::{
    ChangeArg, Ctx, RoleArg, SnapshotArgs, audit_here, check, choose, collect, commit, compare, delta, evidence,
    fix_context, message_and_fixes, monitor, relink, rollout, snapshot, start, tick, uncommitted, validate,
};
use crate::error::{Exit, Result, failed};
use crate::model::{Artifact, ChangeId, Fix, FixContext, Gate, InEffect, fix, moment};
use crate::report::{self, Progressed, StatusAnswer, StatusLine, StatusView, StepView, problem};
use crate::store::Record;
use crate::workflow::demand_fixes::restore;
use crate::workflow::{Change, Reason, Step, World, gates, next, view_v1};

#[derive(Debug, Args)]
pub(crate) struct StatusArgs {
    #[command(flatten)]
    change: ChangeArg,
    /// Run every next step that needs no decision of a person
    #[arg(long)]
    run: bool,
}

/// Shows all open changes if it is not clear which one is meant.
pub(crate) fn run(ctx: &Ctx, args: StatusArgs) -> Result<Exit> {
    check::needs_project(ctx, "status")?;
    let ran = args.run.then(|| run_next(ctx, &args.change)).transpose()?.flatten();
    if let Some(exit) = ran {
        return Ok(exit);
    }
    let (records, damaged) = records_to_report(ctx)?;
    let tracked = || records.iter().filter_map(Record::change);
    let open: Vec<&Change> = choose::open_changes(&records).collect();
    let meant = match choose::named(ctx, args.change.typed())? {
        Some(id) => Some(id),
        None => choose::active(ctx).map(|_| choose::among(ctx, &records, damaged, false).ok())?,
    };
    // A record of the Python tool that cannot be continued is reported as such.
    let shown = meant.map(|id| commit::load(ctx, &id)).transpose()?.filter(|it| commit::provable(ctx, it).is_ok());
    let left = rollout::left_in_tree(ctx, tracked());
    let missing = audit_here::gone(ctx).unwrap_or_default();
    for path in missing.iter().filter_map(|gone| gone.path.as_ref()) {
        ctx.ui.error(&format!("{path} is missing here, and the commit checked out has it"));
        ctx.ui.tell(&problem::lines(&[Fix::next("bring it back", fix::restore(path))]).join("\n"));
    }
    let damaged = damaged + missing.len();
    let is_shown = |change: &&Change| shown.as_ref().is_some_and(|shown| shown.id() == change.id());
    let unproven = |record: &Record| match record {
        Record::Legacy(it) if shown.as_ref().is_none_or(|shown| *shown.id() != it.id) => {
            Some((it.sentence(), it.fixes()))
        }
        Record::Legacy(_) | Record::Tracked(_) => None,
    };
    let unproven: Vec<(String, Vec<Fix>)> = records.iter().filter_map(unproven).collect();
    if let Some(monitor) = monitor::legacy(ctx)? {
        ctx.ui.warn(&monitor::legacy_text(ctx, &monitor));
    }
    // A change that was reopened is in effect as part of another one.
    let is_taken_up = |old: &&Change| tracked().any(|new| new.opened.from.as_ref() == Some(old.id()));
    let waiting = records.iter().filter_map(choose::awaits_confirmation).filter(|change| !is_shown(change));
    let waiting = waiting.filter(|change| !is_taken_up(change));
    let to_confirm: Vec<&Change> = waiting.collect();
    let rest = StatusView {
        left: &left,
        to_confirm: &to_confirm,
        unproven: &unproven,
        damaged,
        now: ctx.now(),
        ..StatusView::default()
    };
    if shown.is_none() && open.is_empty() {
        let mut lost = audit_here::removed(ctx).unwrap_or_default();
        lost.extend(audit_here::unknown_at_head(ctx).ok().flatten());
        tick::tell_lost(ctx, &lost);
    }
    // After the end of a change, no other step mentions its uncommitted evidence.
    let newest = || tracked().max_by_key(|change| change.latest_at);
    let evidence = shown.as_ref().or_else(newest).map(|change| uncommitted::steps(ctx, change)).unwrap_or_default();
    show(ctx, shown.as_ref(), &open, StatusView { evidence: &evidence, ..rest })?;
    if shown.as_ref().is_none_or(|change| change.baseline.is_none()) {
        audit_here::tell_hidden(ctx)?;
    }
    if shown.is_none() {
        ctx.advise(&uncommitted::merging(ctx, None).into_iter().chain(evidence).collect::<Vec<_>>());
    }
    Ok(if damaged == 0 { Exit::Yes } else { Exit::Trouble })
}

/// Performs the steps of the change that is meant; if several are open, none is named or selected and all are watched, a day of
/// all of them. `None` if none is open, named or selected, so that only a person can decide what to do.
fn run_next(ctx: &Ctx, change: &ChangeArg) -> Result<Option<Exit>> {
    if choose::named(ctx, change.typed())?.is_none() {
        let (selected, (records, damaged)) = (choose::active(ctx)?, choose::unfinished(ctx)?);
        let open: Vec<&Change> = choose::open_changes(&records).collect();
        if selected.is_none() && damaged == 0 && open.is_empty() {
            return Ok(None);
        }
        let is_selected = selected.is_some_and(|id| open.iter().any(|change| *change.id() == id));
        let are_watched = open.len() > 1 && open.iter().all(|change| change.fully_rolled_out_at().is_some());
        if damaged == 0 && !is_selected && are_watched {
            return tick::run(ctx, tick::TickArgs { change_id: None, force: false }).map(Some);
        }
    }
    advance(ctx, &change.choose(ctx)?).map(Some)
}

/// The records to report on, and the number of damaged ones. Ended changes are many: they are dropped while reading,
/// and the newest are read again.
fn records_to_report(ctx: &Ctx) -> Result<(Vec<Record>, usize)> {
    let of_ended = |change: &Change| (change.latest_at, rollout::may_be_left(change), change.id().clone());
    let kept = |record: Record| match record.change().filter(|it| !it.is_open() && !next::awaits_confirmation(it)) {
        Some(change) => Some(Err(of_ended(change))),
        None => Some(Ok(record)),
    };
    let (all, damaged) = choose::records_as(ctx, kept)?;
    let mut ended = Vec::new();
    let mut records: Vec<Record> = all.into_iter().filter_map(|it| it.map_err(|it| ended.push(it)).ok()).collect();
    ended.sort_by_key(|(at, ..)| std::cmp::Reverse(*at));
    let left = ended.iter().filter(|(_, may_be_left, _)| *may_be_left).take(rollout::LOOKED_AT);
    let again: BTreeSet<&ChangeId> = left.chain(ended.first()).map(|(.., id)| id).collect();
    records.extend(again.into_iter().filter_map(|id| Record::read(&ctx.project, id).ok()));
    Ok((records, damaged))
}

/// `rest` is everything beside the selected change and the other open ones.
fn show(ctx: &Ctx, shown: Option<&Change>, open: &[&Change], rest: StatusView<'_>) -> Result<Exit> {
    let policy = ctx.policy()?;
    let step = |change: &Change| next::next(change, &policy, ctx.now());
    let others = open.iter().filter(|change| shown.is_none_or(|shown| shown.id() != change.id()));
    let others: Vec<(&Change, Step)> = others.map(|change| (*change, step(change))).collect();
    let json = ctx.json(false);
    let watched = shown.filter(|change| change.is_open() && !json);
    let unjudged = watched.map(|change| evidence::unjudged(ctx, change)).transpose()?;
    let active = shown.map(|change| (change, view(ctx, change, &step(change))));
    let active = active.as_ref().map(|(change, next)| (*change, next));
    let mut evidence = rest.evidence.to_vec();
    evidence.retain(|it| active.is_none_or(|(_, next)| !next.next.contains(it)));
    let status = StatusView { active, others: &others, unjudged: unjudged.as_ref(), evidence: &evidence, ..rest };
    if !json {
        return ctx.show(&report::status::document(&status));
    }
    let line = |change: &Change| {
        let next = step(change);
        let commands = problem::commands(&view(ctx, change, &next).next);
        StatusLine {
            change_id: change.id().clone(),
            title: change.opened.title.clone(),
            status: view_v1::status(change),
            next,
            commands,
        }
    };
    let lines = |changes: &[&Change]| changes.iter().map(|change| line(change)).collect();
    ctx.print(&json!(StatusAnswer {
        active: shown.map(line),
        open: lines(open),
        left_in_tree: rest.left.iter().map(|(change, _)| change.id().clone()).collect(),
        to_confirm: lines(rest.to_confirm),
        unproven: rest.unproven.iter().map(|(sentence, _)| sentence.clone()).collect(),
        damaged_records: rest.damaged,
        commands: problem::commands(&report::status::commands(&status)),
    }))
}

/// What has to be settled before any step of a change, if anything.
fn settled_first(ctx: &Ctx, change: &Change, step: &Step, fixes: &FixContext) -> Option<StepView> {
    let merging = uncommitted::merging(ctx, Some(change));
    if !merging.is_empty() {
        return Some(StepView { text: "settle the conflict in the tool's own files".to_owned(), next: merging });
    }
    if *step == Step::ConfirmRollback && delta::is_out(ctx, change) {
        return Some(StepView::rolled_back(change, true));
    }
    if let Some((text, next)) = commit::clock_behind(ctx, change).filter(|_| change.is_open()) {
        return Some(StepView { text, next });
    }
    // No later gate passes without its evidence. Only a file that is missing is worth reading the others.
    let is_missing = |it: &&Artifact| !ctx.project.root().join(&it.path).exists();
    if change.is_open() && change.artifacts().iter().any(is_missing) {
        let faults = evidence::faults(ctx, change).unwrap_or_default();
        let next = restore(&faults, change, fixes, None);
        return Some(StepView { text: Reason::Evidence { faults }.to_string(), next });
    }
    change.decided_rollback().map(|_| StepView::new(change, step, fixes))
}

/// The next step, without asking for what is already in the repository.
pub(crate) fn view(ctx: &Ctx, change: &Change, step: &Step) -> StepView {
    let mut fixes = ctx.fix_context();
    if let Some(first) = settled_first(ctx, change, step, &fixes) {
        return first;
    }
    if *step == Step::Alarms {
        fixes.causes = fix_context::causes(ctx, change, &change.open_alarms).unwrap_or_default();
    }
    let refused = |refusal, fixes| StepView::validate(change, &Progressed::Refused(Box::new(refusal)), fixes);
    if *step == Step::Validate {
        let (made, seen) = validate::made(ctx, change);
        if matches!(made, Progressed::Refused(_) | Progressed::Nothing) {
            fixes.uncommitted = uncommitted::paths_in(ctx, &seen);
            fixes.uncommitted.last = ctx.last_commit(&fixes.trailer);
        }
        return StepView::validate(change, &made, &fixes);
    }
    if *step == Step::Baseline
        && let Some(next) = start::steps_before_baseline(ctx, change).ok().filter(|steps| !steps.is_empty())
    {
        return StepView { text: "revert the commit that is to be applied again, then measure".to_owned(), next };
    }
    let watched = change.fully_rolled_out_at().is_some();
    if let Some(expires) = change.expired_override(ctx.now()).filter(|_| watched) {
        let text = format!("the override expired at {}: take it out, or have a change take it over", moment(expires));
        let follow_up = fix::on(change.id(), "change follow-up").words(["--by", "CHANGE-ID"]);
        let rollback = Fix::next("take it out", fix::with_reason(change.id(), "rollback"));
        return StepView { text, next: vec![rollback, Fix::or("name the change that takes it over", follow_up)] };
    }
    // A change that was reverted or is not in this checkout cannot be measured on any day.
    let is_watched = matches!(step, Step::Tick | Step::Wait { .. } | Step::Attest | Step::Verify);
    if is_watched && change.fully_rolled_out_at().is_some() {
        match collect::effect(ctx, change, World::default()).map(|world| gates::may_tick(change, &world)) {
            Ok(Ok(())) => {}
            Ok(Err(refusal)) => {
                fixes.uncommitted = uncommitted::paths(ctx);
                return refused(refusal, &fixes);
            }
            // Why it is unknown whether the change can be measured today.
            Err(error) => {
                let ((text, fixes), tick) =
                    (message_and_fixes(&error), Fix::then("", fix::on(change.id(), "monitor tick")));
                return StepView { text, next: fixes.into_iter().chain([tick]).collect() };
            }
        }
    }
    let measures = matches!(step, Step::After | Step::Compare | Step::Promote);
    let in_effect = match matches!(step, Step::Rollout { .. }) {
        true => delta::in_effect(ctx, change).unwrap_or(InEffect::Yes),
        false if measures && relink::is_gone(ctx, change).unwrap_or(false) => InEffect::Absent,
        false => InEffect::Yes,
    };
    let gate = if measures { Gate::Decide } else { Gate::Rollout };
    match gates::in_effect(gate, &World { in_effect, ..World::default() }) {
        Err(refusal) => refused(refusal, &fixes),
        Ok(()) => StepView::new(change, step, &fixes),
    }
}

fn advance(ctx: &Ctx, id: &ChangeId) -> Result<Exit> {
    let mut done = 0;
    ctx.runs_on.set(true);
    loop {
        let change = commit::load(ctx, id)?;
        commit::provable(ctx, &change)?;
        let step = next::next(&change, &ctx.policy()?, ctx.now());
        let exit = match step {
            Step::Baseline if !start::steps_before_baseline(ctx, &change)?.is_empty() => {
                let what = "the commit of the change that this one reopens is still in the tree";
                return Err(failed(what).fixed_by(start::steps_before_baseline(ctx, &change)?));
            }
            Step::Baseline => snapshot::of_change(ctx, &change, RoleArg::Before, &SnapshotArgs::default())?,
            // The commit does not exist yet: a person has to make it, and there is nothing to refuse.
            Step::Validate if done > 0 && matches!(validate::made(ctx, &change).0, Progressed::Nothing) => {
                return standing(ctx, &change);
            }
            Step::Validate => validate::run(ctx, id)?,
            Step::After => snapshot::of_change(ctx, &change, RoleArg::After, &SnapshotArgs::default())?,
            Step::Tick => {
                let ticked = tick::tick(ctx, Some(id.as_str()), false)?;
                ticked.iter().for_each(|done| tick::tell(ctx, done));
                let exit = tick::exit(&ticked);
                // The next day has to come before anything else can be measured.
                return if exit == Exit::Yes { state(ctx, &commit::load(ctx, id)?) } else { Ok(exit) };
            }
            Step::Compare => compare::of_change(ctx, &change, &compare::CompareArgs::default())?,
            Step::Contract { .. }
            | Step::Promote
            | Step::Decide { .. }
            | Step::Hold
            | Step::Rollout { .. }
            | Step::Attest
            | Step::FollowUp
            | Step::Alarms
            | Step::Wait { .. }
            | Step::Verify
            | Step::ConfirmRollback
            | Step::Ended { .. } => {
                // The gate passed last has reported the next step.
                return if done > 0 { standing(ctx, &change) } else { state(ctx, &change) };
            }
        };
        if exit != Exit::Yes {
            return Ok(exit);
        }
        done += 1;
    }
}

#[derive(Debug, Args)]
pub(crate) struct ShowArgs {
    /// Change [default: VIBESHIP_CHANGE_ID, the one selected with `change use`, or the only open change]
    #[arg(value_name = "ID")]
    id: Option<String>,
    /// Change to show, as an option
    #[arg(long, value_name = "ID", conflicts_with = "id")]
    change_id: Option<String>,
}

pub(crate) fn show_change(ctx: &Ctx, args: ShowArgs) -> Result<Exit> {
    let id = choose::change(ctx, args.id.or(args.change_id).as_deref(), false)?;
    let change = match Record::read(&ctx.project, &id)? {
        Record::Tracked(change) => change,
        Record::Legacy(legacy) => {
            let mut fields = legacy.fields.clone();
            fields.insert("legacy".to_owned(), json!(true));
            fields.insert("message".to_owned(), json!(legacy.sentence()));
            fields.insert("commands".to_owned(), json!(problem::commands(&legacy.fixes())));
            let doc = report::show::legacy(&legacy.fields, &legacy.sentence(), &legacy.fixes());
            return ctx.answer(false, &Value::Object(fields), &doc);
        }
    };
    let mut fields = view_v1::fields(&change);
    fields.insert("contract".to_owned(), json!(change.contract));
    fields.insert("next".to_owned(), json!(next::next(&change, &ctx.policy()?, ctx.now())));
    fields.insert("events".to_owned(), json!(change.events));
    ctx.answer(false, &Value::Object(fields), &report::show::document(&change))
}

/// The answer of commands that move a change: its id and state, and the next step.
pub(crate) fn state(ctx: &Ctx, change: &Change) -> Result<Exit> {
    standing(ctx, change)?;
    ctx.hint_next(change)
}

/// Prints id and state alone, if the next step has been reported.
pub(crate) fn standing(ctx: &Ctx, change: &Change) -> Result<Exit> {
    let (step, status) = (next::next(change, &ctx.policy()?, ctx.now()), view_v1::status(change));
    let answer = json!({ "change_id": change.id(), "status": status, "next": step });
    ctx.say(false, &answer, &format!("{} {status}", change.id()))
}

#[derive(Debug, Args)]
pub(crate) struct ListArgs {
    /// List only open changes
    #[arg(long)]
    open: bool,
}

/// Damaged records are reported on standard error and make the exit code 2, but do not hide the others.
pub(crate) fn list(ctx: &Ctx, args: ListArgs) -> Result<Exit> {
    check::needs_project(ctx, "change list")?;
    let project = &ctx.project;
    let line = |record: Record| {
        let path = project.record_path(record.id()).display().to_string();
        let is_listed = match &record {
            Record::Tracked(change) => change.is_open(),
            Record::Legacy(legacy) => legacy.status != "verified",
        };
        (is_listed || !args.open).then(|| match record {
            Record::Tracked(change) => report::show::entry(&change, &path),
            Record::Legacy(legacy) => {
                let (id, started) = (legacy.id.as_str(), &legacy.started_at);
                let mut entry = report::show::raw_entry(id, &legacy.title, &legacy.status, started, &path);
                entry["legacy"] = json!(true);
                entry
            }
        })
    };
    let (lines, damaged) = choose::records_as(ctx, line)?;
    // Only an empty list could hide that records are missing.
    let gone = if lines.is_empty() { audit_here::gone(ctx).unwrap_or_default() } else { Vec::new() };
    let damaged = damaged + gone.len();
    if ctx.json(true) {
        ctx.print(&Value::Array(lines))?;
    } else {
        ctx.show(&report::show::list(&lines, damaged))?;
    }
    tick::tell_lost(ctx, &gone);
    Ok(if damaged == 0 { Exit::Yes } else { Exit::Trouble })
}

/// Prints the line alone, so that scripts can put it into a message.
pub(crate) fn trailer(ctx: &Ctx, change: ChangeArg) -> Result<Exit> {
    let change = change.load(ctx)?;
    let key = &ctx.config()?.enforcement.trailer;
    let line = format!("{key}: {}", change.id());
    ctx.say(false, &json!({ "key": key, "value": change.id(), "line": line }), &line)?;
    if !ctx.json(false) {
        ctx.hint("put it last in the message or the pull request's text, after an empty line");
    }
    Ok(Exit::Yes)
}
