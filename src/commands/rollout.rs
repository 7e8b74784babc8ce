//! `change rollout`: begin a stage of the rollout: measure, judge against the baseline, record.

use clap::builder::PossibleValue;
use clap::{Args, ValueEnum};

use crate::commands::{ChangeArg, Ctx, Measurement, checks, collect, commit, delta, evidence, measure, show};
use crate::error::CommandError;
use crate::exit::Exit;
use crate::model::scrub::scrub;
use crate::model::{CommandLine, Fix, Gate, Kind, RolloutStage, Stage, Verdicts, fix};
use crate::report::{self, verdict};
use crate::store::Role;
use crate::workflow::{Change, gates};

#[derive(Debug, Args)]
pub(crate) struct RolloutArgs {
    /// Stage to start
    #[arg(value_enum)]
    stage: Stage,
    #[command(flatten)]
    change: ChangeArg,
}

impl ValueEnum for Stage {
    fn value_variants<'a>() -> &'a [Self] {
        &Self::ALL
    }

    fn to_possible_value(&self) -> Option<PossibleValue> {
        let help = match self {
            Self::Canary => "A small share first",
            Self::Live => "A short window on everything",
            Self::Full => "Everything, for good",
        };
        Some(PossibleValue::new(self.name()).help(help))
    }
}

/// Exit 0 when the stage began, 1 when refused, 3 when the stage before still soaks.
pub(crate) fn run(ctx: &Ctx, args: RolloutArgs) -> Result<Exit, CommandError> {
    let id = args.change.choose(ctx)?;
    let change = commit::load(ctx, &id)?;
    let stage = args.stage;
    let world = collect::world(ctx, &change, Gate::Rollout)?;
    commit::ask(ctx, &change, gates::may_roll_out(&change, stage, &world, ctx.now()))?;
    // A check may have moved the code; without one, nothing ran since it was looked at.
    let revision = if stage_check(ctx, &change, stage)? { delta::revision(ctx)? } else { world.revision.clone() };
    let ask = measure::Ask { label: stage.name(), role: Some(stage.name()), change: Some(&id) };
    let measurement = measure::take(ctx, &ask, revision)?;
    let verdicts = against_baseline(ctx, &change, &measurement)?;
    let policy = Some(world.policy.clone());
    let event = |taken| Kind::RolledOut(RolloutStage { stage, taken, verdicts: verdicts.clone(), policy });
    let entered = measurement.record(ctx, &id, Role::Stage(stage.name()), Vec::new(), &world, event);
    // Refused or not: whoever rolls out has the way back before their eyes.
    ctx.ui.status(&format!("To roll back: {}", report::rollback::action(&change)));
    let change = entered?;
    for judged in verdicts.iter().flat_map(Verdicts::not_passing) {
        ctx.ui.status(&verdict::alone(&verdict::full_line(judged)));
    }
    for criterion in verdicts.iter().flat_map(Verdicts::unsettled_guards) {
        ctx.ui.warn(&format!("{}: {}", stage.name(), verdict::goes_on(criterion)));
    }
    show::state(ctx, &change)
}

/// The stage's own check command, where the config names one, must succeed. Whether one ran.
fn stage_check(ctx: &Ctx, change: &Change, stage: Stage) -> Result<bool, CommandError> {
    let config = ctx.config()?;
    let planned = config.rollout.stages.iter().find(|planned| planned.name == stage);
    let Some(cmd) = planned.and_then(|planned| planned.check.as_deref()) else { return Ok(false) };
    ctx.ui.status(&format!("checking {}: {}", stage.name(), scrub(cmd)));
    match checks::run(ctx.project.root(), cmd, config.commands.timeout_s, ctx.interrupt()?) {
        None => Ok(true),
        Some(failure) => {
            let message = format!("the check of stage {} failed: {failure}", stage.name());
            Err(CommandError::failed(message).fixed_by([
                Fix::next("fix it and try again", fix::rollout(change.id(), stage)),
                Fix::or("roll back", CommandLine::verbatim(report::rollback::action(change))),
            ]))
        }
    }
}

/// The verdicts of a measurement against the change's baseline; `None` where there is none (an emergency).
pub(crate) fn against_baseline(
    ctx: &Ctx,
    change: &Change,
    measurement: &Measurement,
) -> Result<Option<Verdicts>, CommandError> {
    if change.baseline.is_none() {
        return Ok(None);
    }
    Ok(evidence::judge_day(ctx, change, &measurement.snapshot)?.and_then(|watch| watch.verdicts()))
}
