//! `change start`: opens a tracked change. `route`: by four questions, where a change belongs and what it owes.

use chrono::{DateTime, Utc};
use clap::builder::BoolishValueParser;
use clap::{Args, ValueEnum as _};
use serde_json::json;

use crate::commands::{
    ContractFlags, Ctx, audit_here, check, choose, collect, commit, contract, delta, init, parse, rollout, uncommitted,
};
use crate::error::{CommandError, Exit, Result, trouble};
use crate::model::{
    ChangeId, Class, CommandLine, Contract, DEFAULT_ROLLBACK, Fix, InEffect, Kind, Opened, Proposed, SHORT_HYPOTHESIS,
    Surface, WHAT_HAPPENED, fix, short,
};
use crate::report::{self, problem};
use crate::store::Record;
use crate::workflow::route::{self, Answers, QUESTIONS, Route};
use crate::workflow::{Change, World, gates, reason};

#[derive(Debug, Args)]
pub(crate) struct StartArgs {
    /// Hypothesis in a few words [default with --from: that of the other change]
    #[arg(long, value_name = "TEXT", allow_hyphen_values = true, required_unless_present = "from")]
    title: Option<String>,
    /// Class of the change; decides which gates and evidence it needs [default: code, or that of --from]
    #[arg(long, value_enum)]
    class: Option<Class>,
    #[command(flatten)]
    contract: ContractFlags,
    /// What could go wrong
    #[arg(long, value_name = "TEXT", allow_hyphen_values = true, default_value = "", hide_default_value = true)]
    risk: String,
    /// Validation plan for today
    #[arg(long, value_name = "TEXT", allow_hyphen_values = true, default_value = "", hide_default_value = true)]
    validation_today: String,
    /// Validation plan for the next days
    #[arg(long, value_name = "TEXT", allow_hyphen_values = true, default_value = "", hide_default_value = true)]
    validation_next_days: String,
    /// Open the change although another is undecided; their effects cannot be told apart
    #[arg(long)]
    parallel: bool,
    /// Experiment that this change continues, or ended change whose contract it takes over
    #[arg(long, value_name = "ID")]
    from: Option<String>,
    /// What happened, for an emergency
    #[arg(long, value_name = "TEXT", allow_hyphen_values = true)]
    incident: Option<String>,
    /// When an emergency's override expires, as a duration (36h, 3d), a date, or a time (RFC 3339)
    #[arg(long, value_name = "WHEN")]
    expires: Option<String>,
}

pub(crate) fn run(ctx: &Ctx, args: StartArgs) -> Result<Exit> {
    check::needs_project(ctx, "change start")?;
    let from = args.from.as_deref().map(|text| predecessor(ctx, text)).transpose()?;
    let reopened = from.as_ref().filter(|from| from.opened.class != Class::Experiment);
    let title =
        parse::title(args.title.as_deref().or(from.as_ref().map(|from| from.opened.title.as_str())).unwrap_or(""))?;
    let class = args.class.or(reopened.map(|old| old.opened.class)).unwrap_or(Class::Code);
    let mut parts = args.contract.parts()?;
    if let Some(old) = reopened {
        parts = old.contract.clone().merged_with(parts);
    }
    // An emergency has no commit that the default rollback could revert.
    if parts.rollback.is_empty() && class != Class::Emergency {
        parts.rollback = DEFAULT_ROLLBACK.to_owned();
    }
    init::ensure(ctx)?;
    let world = collect::for_contract(ctx, &parts)?;
    contract::warn_of_empty_timings(ctx, &world.unknown)?;
    contract::warn_of_bounds(ctx, &parts, class)?;
    if !world.unknown.is_empty() {
        let all = reason::unknown(world.unknown.iter().map(|(metric, nearest)| (metric, nearest.as_ref())));
        return Err(trouble(all)
            .hinted("add it to the config file, or choose another metric; no change was opened")
            .fixed_by([Fix::next("see the metrics that the config measures", CommandLine::tool("doctor"))]));
    }
    let lock = ctx.lock()?;
    let mut change = open(ctx, &args, (title, class), &parts, from.as_ref())?;
    let proposed = Proposed { opened: Some(change.opened.clone()), parts: parts.clone(), ..Proposed::default() };
    commit::decide(ctx, &mut change, Kind::ContractSet { contract: parts }, &world)
        .map_err(|refusal| CommandError::refused(refusal, None).proposing(proposed))?;
    if let Some(old) = reopened {
        change.record(Kind::Noted { text: format!("reopens {}", old.id()) }, ctx.actor(), ctx.now());
    }
    commit::sign(ctx, &mut change, 0)?;
    lock.create_record(&change)?;
    commit::note_down(ctx, &lock, &change);
    drop(lock);
    audit_here::tell_hidden(ctx)?;
    let steps = from.as_ref().map(|old| steps_to_reapply(ctx, old, &change)).transpose()?.unwrap_or_default();
    show(ctx, &change, &steps)
}

fn open(
    ctx: &Ctx,
    args: &StartArgs,
    (title, class): (String, Class),
    parts: &Contract,
    from: Option<&Change>,
) -> Result<Change> {
    let now = ctx.now();
    let opened = Opened {
        change_id: free_id(ctx, now, &title)?,
        title,
        class,
        risk: parse::prose("--risk", &args.risk)?,
        validation_today: parse::prose("--validation-today", &args.validation_today)?,
        validation_next_days: parse::prose("--validation-next-days", &args.validation_next_days)?,
        from: from.filter(|from| from.opened.class == Class::Experiment).map(|from| from.id().clone()),
        incident: args.incident.as_deref().map(|text| parse::required("--incident", text)).transpose()?,
        expires: args.expires.as_deref().map(|text| parse::moment("--expires", text, now)).transpose()?,
        imported: None,
    };
    let undecided = |change: Change| (!change.is_decided()).then(|| change.id().clone());
    let open = if args.parallel { Vec::new() } else { choose::all_unfinished(ctx)? };
    let undecided = open.into_iter().filter_map(Record::into_change).filter_map(undecided).collect();
    let config = if class == Class::Emergency { collect::demanded(ctx)? } else { ctx.config()?.clone() };
    let world = World {
        undecided,
        tuneables_configured: !config.tuneables.files.is_empty() || !config.tuneables.env.is_empty(),
        max_emergency_days: Some(config.enforcement.max_emergency_days),
        ..World::default()
    };
    // The advice does not repeat the default rollback, which is added anyway.
    let rollback = args.contract.rollback.clone().unwrap_or_default();
    let parts = || Contract { rollback, ..parts.clone() };
    let proposed = || Proposed { opened: Some(opened.clone()), parts: parts(), ..Proposed::default() };
    gates::contract::may_open(&opened, &world, now)
        .map_err(|refusal| CommandError::refused(refusal, None).proposing(proposed()))?;
    commit::continued(vec![Kind::Opened(opened)], ctx.actor(), now)
}

/// The change that `--from` names. The contract of an experiment is not taken over: a candidate needs its own.
fn predecessor(ctx: &Ctx, text: &str) -> Result<Change> {
    let change = commit::load(ctx, &choose::find(ctx, text)?)?;
    commit::provable(ctx, &change)?;
    if change.opened.class == Class::Experiment || !change.is_open() {
        return Ok(change);
    }
    let id = change.id();
    Err(trouble(format!("--from: {id} is neither an experiment nor has it ended")).fixed_by([
        Fix::next("continue with it", fix::on(id, "status")),
        Fix::or("end it", fix::with_reason(id, "reject")),
    ]))
}

/// The steps from an ended change to its commit under the new one: revert it, measure the baseline, apply it again.
fn steps_to_reapply(ctx: &Ctx, old: &Change, new: &Change) -> Result<Vec<Fix>> {
    let commits = delta::commits_to_revert(ctx, old)?;
    let (Some(repo), Some(commit)) = (ctx.repo()?, commits.last().cloned()) else { return Ok(Vec::new()) };
    if repo.resolve(&commit).is_err() {
        return Ok(Vec::new());
    }
    let subject = repo.git().args(["log", "-1", "--format=%s", &commit]).line()?;
    let mut steps = Vec::new();
    if delta::commits_in_effect(ctx, commits.clone())? == InEffect::Yes {
        let out = rollout::way_out(ctx, old, Some(&format!("reopened as {}", new.id())))?;
        steps.extend(out.map(|out| Fix::next("revert its commit, for the baseline", out)));
    }
    let (context, missing) = (ctx.fix_context(), new.contract.missing());
    let made = context.with_trailer(CommandLine::git("commit -m").word(subject), new.id());
    let paths = uncommitted::paths(ctx);
    let again = commits.iter().rev().fold(made, |then, commit| paths.again(&short(commit)).and(then));
    let mut how = if steps.is_empty() { Fix::next } else { Fix::then };
    if !missing.is_empty() {
        steps.push(how("write the contract", context.contract(new.id(), new.opened.class, &missing)));
        how = Fix::then;
    }
    steps.push(how("measure without it", fix::baseline(new.id())));
    steps.push(Fix::then("apply it again, under the new id", again));
    if old.events.iter().any(|event| matches!(event.what, Kind::ValidationFailed { rejects: true, .. })) {
        let amend = CommandLine::git("commit -a --amend --no-edit");
        steps.push(Fix::then("if its checks failed for what it changes: fix that, and amend", amend));
    }
    steps.push(Fix::then("", fix::on(new.id(), "validate")));
    Ok(steps)
}

/// The steps to the baseline of a change while the commit of the ended one that it reopens is still in the tree.
pub(crate) fn steps_before_baseline(ctx: &Ctx, new: &Change) -> Result<Vec<Fix>> {
    let changes = choose::changes(ctx)?.0;
    let is_reopened = |old: &&Change| old.contract == new.contract || new.opened.from.as_ref() == Some(old.id());
    let left = rollout::left_in_tree(ctx, changes.iter().filter(is_reopened));
    left.first().map_or(Ok(Vec::new()), |(old, _)| steps_to_reapply(ctx, old, new))
}

/// Returns an id that no record has; it stays free while the lock is held.
fn free_id(ctx: &Ctx, now: DateTime<Utc>, title: &str) -> Result<ChangeId> {
    let mut attempt = 0;
    loop {
        let id = ChangeId::generate(now, title, attempt);
        if !ctx.project.record_path(&id).exists() {
            return Ok(id);
        }
        attempt += 1;
    }
}

fn show(ctx: &Ctx, change: &Change, steps: &[Fix]) -> Result<Exit> {
    let path = ctx.project.record_path(change.id()).display().to_string();
    ctx.say(true, &report::show::entry(change, &path), &format!("Opened {}", change.id()))?;
    if !steps.is_empty() {
        ctx.ui.tell(&problem::lines(steps).join("\n"));
    } else if change.contract != Contract::default() || !ctx.json(true) {
        ctx.hint_next(change)?;
    }
    if ctx.ui.can_ask() && !change.contract.missing().is_empty() {
        // Without any part, the command asks for each.
        let ask = Fix::or("be asked for each part", fix::on(change.id(), "change contract"));
        ctx.ui.tell(&problem::lines(&[ask]).join("\n"));
    }
    Ok(Exit::Yes)
}

#[derive(Debug, Args)]
pub(crate) struct RouteArgs {
    /// Whether an existing tuneable (a threshold, weight, cooldown or limit) controls it
    #[arg(long, value_name = "yes|no", value_parser = BoolishValueParser::new())]
    knob: Option<bool>,
    /// Whether documented behaviour or a contract document has to change
    #[arg(long, value_name = "yes|no", value_parser = BoolishValueParser::new())]
    contract: Option<bool>,
    /// Whether harm must be stopped right now
    #[arg(long, value_name = "yes|no", value_parser = BoolishValueParser::new())]
    urgent: Option<bool>,
    /// Whether it is only an experiment, not a candidate for production
    #[arg(long, value_name = "yes|no", value_parser = BoolishValueParser::new())]
    experiment: Option<bool>,
    /// Show the control hierarchy, highest authority first
    #[arg(long)]
    hierarchy: bool,
}

pub(crate) fn route(ctx: &Ctx, args: RouteArgs) -> Result<Exit> {
    if args.hierarchy {
        return hierarchy(ctx);
    }
    let mut answers: Answers = [args.knob, args.contract, args.urgent, args.experiment];
    loop {
        match route::route(&answers) {
            Ok(way) => return answer(ctx, way),
            Err(at) => answers[at] = Some(ask(ctx, at, &answers)?),
        }
    }
}

fn hierarchy(ctx: &Ctx) -> Result<Exit> {
    let layers = Surface::value_variants().iter().map(|surface| (surface.name(), layer(*surface)));
    let json: Vec<_> = layers.clone().map(|(name, layer)| json!({ "surface": name, "layer": layer })).collect();
    let lines: Vec<String> = (1..).zip(layers).map(|(n, (name, layer))| format!("{n}. {name}: {layer}")).collect();
    let answer = json!({ "schema": "vibeship_optimizer.hierarchy.v1", "layers": json });
    ctx.say(false, &answer, &lines.join("\n"))
}

fn ask(ctx: &Ctx, at: usize, answers: &Answers) -> Result<bool> {
    let (flag, text) = (QUESTIONS[at].flag, QUESTIONS[at].text);
    if !ctx.ui.can_ask() {
        // The first yes decides, so the questions before it were answered no.
        let whole = QUESTIONS.iter().zip(answers).flat_map(|(question, answer)| {
            let word = if *answer == Some(true) { "yes" } else { "no" };
            [question.flag, word]
        });
        return Err(trouble(format!("not answered: {text}"))
            .hinted(format!("answer it with {flag} yes or {flag} no"))
            .fixed_by([Fix::next("all at once, such as", CommandLine::tool("route").words(whole))]));
    }
    loop {
        let Some(answer) = ctx.ui.ask(&format!("{text} [y/n]"))? else {
            return Err(trouble(format!("not answered: {text}")));
        };
        match answer.trim().to_lowercase().as_str() {
            "y" | "yes" => return Ok(true),
            "n" | "no" => return Ok(false),
            _ => ctx.ui.tell("answer y or n"),
        }
    }
}

fn answer(ctx: &Ctx, way: &Route) -> Result<Exit> {
    let class = way.class.name();
    let start = CommandLine::tool("change start --class").word(class).ask("--title", SHORT_HYPOTHESIS);
    let start = match way.class {
        Class::Emergency => start.ask("--incident", WHAT_HAPPENED).words(["--expires", "DATE"]),
        Class::Tuneable | Class::Code | Class::Experiment => start,
    };
    let gates: Vec<&str> = way.class.gates().iter().map(|gate| gate.name()).collect();
    let answer = json!({
        "schema": "vibeship_optimizer.route.v1",
        "route": way.name,
        "summary": way.sentence,
        "class": way.class,
        "surface": way.surface,
        "gates": gates,
        "evidence": way.evidence.iter().map(|(name, _)| name).collect::<Vec<_>>(),
        "next": start,
    });
    let owed: String = way.evidence.iter().map(|(_, words)| format!("evidence: {words}\n")).collect();
    let text = format!("{} (class {class})\ngates: {}\n{owed}next: {start}", way.sentence, gates.join(", "));
    ctx.say(false, &answer, &text)
}

fn layer(surface: Surface) -> &'static str {
    match surface {
        Surface::Invariants => "code safety and invariants: guards, auth, hard bounds, schema checks",
        Surface::Contracts => "contract documents and architecture rules: the source of truth for precedence",
        Surface::Env => "environment overrides: emergencies, canary forcing, temporary rollback",
        Surface::Tuneables => "tuneables: the operating parameters, and the default way for what has one",
        Surface::Overlays => "benchmark and command line overlays: experiments, never a default by themselves",
    }
}
