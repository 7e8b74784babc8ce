//! `change start`: open a tracked change.

use clap::builder::PossibleValue;
use clap::{Args, ValueEnum};

use crate::commands::{ContractFlags, Ctx, choose, collect, commit, contract, failure, init, parse};
use crate::error::CommandError;
use crate::exit::Exit;
use crate::model::contract::DEFAULT_ROLLBACK;
use crate::model::{ChangeId, Class, Contract, Fix, Kind, MetricId, Opened, Proposed, fix};
use crate::report::{self, problem};
use crate::store::{Exclusive, Record, RecordError, StoreError};
use crate::workflow::{Change, UnknownMetric, World, gates};

/// Open a tracked change
#[derive(Debug, Args)]
pub(crate) struct StartArgs {
    /// Hypothesis in a few words
    #[arg(long, value_name = "TEXT")]
    title: String,
    /// Class of the change; decides which gates and evidence it needs
    #[arg(long, value_enum, default_value_t = Class::Code)]
    class: Class,
    #[command(flatten)]
    contract: ContractFlags,
    /// What could go wrong
    #[arg(long, value_name = "TEXT", default_value = "", hide_default_value = true)]
    risk: String,
    /// Validation plan for today
    #[arg(long, value_name = "TEXT", default_value = "", hide_default_value = true)]
    validation_today: String,
    /// Validation plan for the next days
    #[arg(long, value_name = "TEXT", default_value = "", hide_default_value = true)]
    validation_next_days: String,
    /// Open the change although another is undecided; their effects cannot be told apart
    #[arg(long)]
    parallel: bool,
    /// Experiment that this change continues
    #[arg(long, value_name = "ID")]
    from: Option<String>,
    /// What happened, for an emergency
    #[arg(long, value_name = "TEXT")]
    incident: Option<String>,
    /// When an emergency's override expires, as a duration (36h, 3d), a date, or a time (RFC 3339)
    #[arg(long, value_name = "WHEN")]
    expires: Option<String>,
}

impl ValueEnum for Class {
    fn value_variants<'a>() -> &'a [Self] {
        &Self::ALL
    }

    fn to_possible_value(&self) -> Option<PossibleValue> {
        let help = match self {
            Self::Tuneable => "A threshold, weight, cooldown or limit that already exists",
            Self::Code => "Code, with tests, and docs where a contract changes",
            Self::Emergency => "A temporary override that stops harm now and must be replaced",
            Self::Experiment => "Benchmark only; never promoted",
        };
        Some(PossibleValue::new(self.name()).help(help))
    }
}

/// Opens the change, with whatever parts of the contract were given.
pub(crate) fn run(ctx: &Ctx, args: StartArgs) -> Result<Exit, CommandError> {
    let title = parse::title(&args.title)?;
    let mut parts = args.contract.parts()?;
    // An emergency has no commit that the default could take back.
    if parts.rollback.is_empty() && args.class != Class::Emergency {
        parts.rollback = DEFAULT_ROLLBACK.to_owned();
    }
    init::ensure(ctx)?;
    let world = collect::for_contract(ctx, &parts)?;
    contract::warn_of_empty_timings(ctx, &world.unknown)?;
    contract::warn_of_rates(ctx, &parts)?;
    if !world.unknown.is_empty() {
        let near = |near: &MetricId| format!("; did you mean `{near}`?");
        let one = |(metric, nearest): &UnknownMetric| {
            format!("unknown metric `{metric}`{}", nearest.as_ref().map(near).unwrap_or_default())
        };
        let all = world.unknown.iter().map(one).collect::<Vec<_>>().join(", and ");
        return Err(CommandError::trouble(all)
            .hinted("add it to the config file, or choose another metric; no change was opened"));
    }
    let lock = ctx.lock()?;
    let mut change = open(ctx, &args, title, &parts)?;
    let proposed = Proposed { opened: Some(change.opened.clone()), parts: parts.clone() };
    let event = gates::completed(&change, Kind::ContractSet { contract: parts });
    gates::check(&change, &event, &world, ctx.now())
        .map_err(|refusal| CommandError::refused(refusal, None).proposing(proposed))?;
    if gates::says_something(&change, &event) {
        change.record(event, ctx.actor(), ctx.now());
    }
    let change = create(&lock, change)?;
    commit::note_down(ctx, &lock, &change);
    drop(lock);
    show(ctx, &change)
}

fn open(ctx: &Ctx, args: &StartArgs, title: String, parts: &Contract) -> Result<Change, CommandError> {
    let now = ctx.now();
    let opened = Opened {
        change_id: ChangeId::generate(now, &title, 0),
        title,
        class: args.class,
        risk: parse::prose("--risk", &args.risk)?,
        validation_today: parse::prose("--validation-today", &args.validation_today)?,
        validation_next_days: parse::prose("--validation-next-days", &args.validation_next_days)?,
        from: args.from.as_deref().map(|text| experiment(ctx, text)).transpose()?,
        incident: args.incident.as_deref().map(|text| parse::required("--incident", text)).transpose()?,
        expires: args.expires.as_deref().map(|text| parse::moment("--expires", text, now)).transpose()?,
        imported: None,
    };
    let undecided = if args.parallel { Vec::new() } else { undecided(ctx)? };
    let config = ctx.config()?;
    let world = World {
        undecided,
        tuneables_configured: !config.tuneables.files.is_empty() || !config.tuneables.env.is_empty(),
        max_emergency_days: Some(config.enforcement.max_emergency_days),
        ..World::default()
    };
    // The default way back is not repeated: it comes by itself.
    let rollback = args.contract.rollback.clone().unwrap_or_default();
    let proposed = || Proposed { opened: Some(opened.clone()), parts: Contract { rollback, ..parts.clone() } };
    gates::open::check(&opened, &world, now)
        .map_err(|refusal| CommandError::refused(refusal, None).proposing(proposed()))?;
    commit::begun(Kind::Opened(opened), ctx.actor(), now)
}

/// The experiment that `--from` names; its contract is not taken over, since new evidence needs a contract of its own.
fn experiment(ctx: &Ctx, text: &str) -> Result<ChangeId, CommandError> {
    let id: ChangeId = text.parse()?;
    match Record::read(&ctx.project, &id) {
        Ok(Record::Tracked(change)) if change.opened.class == Class::Experiment => Ok(id),
        Ok(_) => Err(CommandError::trouble(format!("--from: {id} is not an experiment"))),
        Err(RecordError::Unknown { .. }) => Err(CommandError::trouble(format!("--from: unknown change `{id}`"))),
        Err(error) => Err(error.into()),
    }
}

/// The changes about which it is not decided yet; damaged records are told.
fn undecided(ctx: &Ctx) -> Result<Vec<ChangeId>, CommandError> {
    let (records, _) = choose::unsettled(ctx)?;
    let changes = records.into_iter().filter_map(Record::into_change).filter(|change| !change.is_decided());
    Ok(changes.map(|change| change.id().clone()).collect())
}

/// Writes the record; when the id is taken, under the next one.
fn create(lock: &Exclusive, mut change: Change) -> Result<Change, CommandError> {
    let mut attempt = 0;
    loop {
        match lock.create_record(&change) {
            Ok(()) => return Ok(change),
            Err(RecordError::Store(StoreError::Exists { .. })) if attempt < 1000 => {
                attempt += 1;
                let id = ChangeId::generate(change.opened_at, &change.opened.title, attempt);
                change = commit::renamed(&change, id)?;
            }
            Err(error) => return Err(error.into()),
        }
    }
}

fn show(ctx: &Ctx, change: &Change) -> Result<Exit, CommandError> {
    let path = ctx.project.record_path(change.id().as_str())?;
    if ctx.json(true) {
        ctx.ui.answer(&failure::pretty(&report::v1::entry(change, &path.display().to_string())))?;
    } else {
        ctx.ui.answer(&format!("Opened {}", change.id()))?;
    }
    let missing = if change.contract == Contract::default() { Vec::new() } else { change.contract.missing() };
    if !missing.is_empty() || !ctx.json(true) {
        ctx.ui.hint(&ctx.next(change)?.lines());
    }
    if ctx.ui.can_ask() && !change.contract.missing().is_empty() {
        // Without a part it asks for each.
        let ask = Fix::or("be asked for each part", fix::on(change.id(), "change contract"));
        ctx.ui.tell(&problem::lines(&[ask]).join("\n"));
    }
    Ok(Exit::Yes)
}
