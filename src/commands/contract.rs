//! `change contract`: writes the contract, from flags or by asking for each part on a terminal.

use std::collections::BTreeSet;
use std::path::Path;

use clap::Args;
use serde_json::json;

use crate::commands::{ChangeArg, Ctx, collect, commit, parse, tell};
use crate::config::{Config, TimingConfig};
use crate::error::{Exit, Result, trouble};
use crate::model::{
    Better, Bound, Class, Contract, Criterion, DEFAULT_ROLLBACK, Kind, Measurable, MetricId, MetricKind, MetricSource,
    MetricSpec, Op, Part, Proposed, Sampling, Unmeasurable,
};
use crate::report;
use crate::stats::Successes;
use crate::workflow::{Change, UnknownMetric};

#[derive(Debug, Args)]
pub(crate) struct ContractArgs {
    #[command(flatten)]
    change: ChangeArg,
    #[command(flatten)]
    parts: ContractFlags,
}

#[derive(Debug, Clone, Default, Args)]
pub(crate) struct ContractFlags {
    /// What should improve, and why
    #[arg(long, value_name = "TEXT", allow_hyphen_values = true)]
    pub hypothesis: Option<String>,
    /// Primary KPI, as METRIC OP BOUND, such as "timing.tests.wall <= -10%"
    #[arg(long, value_name = "CRITERION", allow_hyphen_values = true)]
    pub kpi: Option<String>,
    /// What must not get worse, as METRIC OP BOUND (can be repeated)
    #[arg(long, value_name = "CRITERION", allow_hyphen_values = true)]
    pub guardrail: Vec<String>,
    /// When to roll back: METRIC OP BOUND, or plain words for a person to judge
    #[arg(long, value_name = "CRITERION", allow_hyphen_values = true)]
    pub trigger: Option<String>,
    /// How to roll back; <sha> stands for the change's commit (default: git revert <sha>)
    #[arg(long, value_name = "COMMAND", allow_hyphen_values = true)]
    pub rollback: Option<String>,
    /// Smallest change that counts, such as 2% [default: the measured noise floor]
    #[arg(long, value_name = "SHARE")]
    pub min_effect: Option<String>,
}

impl ContractFlags {
    pub(crate) fn parts(&self) -> Result<Contract> {
        fn given<T>(flag: &str, text: Option<&String>, read: fn(&str, &str) -> Result<T>) -> Result<Option<T>> {
            text.map(|text| read(flag, text)).transpose()
        }
        let guardrails = self.guardrail.iter().map(|text| parse::criterion("--guardrail", text));
        Ok(Contract {
            hypothesis: given("--hypothesis", self.hypothesis.as_ref(), parse::required)?.unwrap_or_default(),
            kpi: given("--kpi", self.kpi.as_ref(), parse::criterion)?,
            guardrails: guardrails.collect::<Result<_, _>>()?,
            trigger: given("--trigger", self.trigger.as_ref(), parse::trigger)?,
            rollback: given("--rollback", self.rollback.as_ref(), parse::command)?.unwrap_or_default(),
            min_effect: given("--min-effect", self.min_effect.as_ref(), parse::share)?,
        })
    }
}

/// Writes the given parts; without any, asks for the missing ones on a terminal, or else lists them.
pub(crate) fn run(ctx: &Ctx, args: ContractArgs) -> Result<Exit> {
    let change = commit::load(ctx, &args.change.choose_early(ctx)?)?;
    let measurable = ctx.measurable()?;
    let mut parts = args.parts.parts()?;
    if parts == Contract::default() && ctx.ui.can_ask() {
        parts = ask(ctx, &change, &measurable)?;
    }
    let proposed = Proposed { parts: parts.clone(), ..Proposed::default() };
    let world = collect::for_contract(ctx, &parts)?;
    warn_of_empty_timings(ctx, &world.unknown)?;
    warn_of_bounds(ctx, &parts, change.opened.class)?;
    let change = commit::commit(ctx, change.id(), Kind::ContractSet { contract: parts }, &world, &[])
        .map_err(|error| error.proposing(proposed))?;
    show(ctx, &change)
}

fn show(ctx: &Ctx, change: &Change) -> Result<Exit> {
    let missing = change.contract.missing();
    let answer = json!({ "change_id": change.id(), "contract": change.contract, "missing": missing });
    ctx.answer(false, &answer, &report::show::contract(change))?;
    ctx.hint_next(change)?;
    Ok(if missing.is_empty() { Exit::Yes } else { Exit::No })
}

/// Metrics of a contract that the config does not measure, each with the most similar one that it does.
pub(crate) fn unknown(contract: &Contract, measurable: &Measurable) -> Result<Vec<UnknownMetric>> {
    let mut unknown = Vec::new();
    let kpi = contract.kpi.iter().map(|it| ("--kpi", it));
    let guardrails = contract.guardrails.iter().map(|it| ("--guardrail", it));
    let trigger = contract.measured_trigger().map(|it| ("--trigger", it));
    for (flag, criterion) in kpi.chain(guardrails).chain(trigger) {
        match measurable.check(criterion) {
            Ok(_) => {}
            Err(Unmeasurable::UnknownMetric { metric, nearest }) => {
                let found = (metric, nearest.into_iter().next());
                if !unknown.contains(&found) {
                    unknown.push(found);
                }
            }
            Err(error) => {
                let shown = parse::caret(&criterion.text, criterion.bound_column(), &error.to_string());
                return Err(trouble(format!("{flag}: {shown}")));
            }
        }
    }
    Ok(unknown)
}

/// Warns if an unknown metric is not a typo but belongs to a configured timing that has nothing to run or read.
pub(crate) fn warn_of_empty_timings(ctx: &Ctx, unknown: &[UnknownMetric]) -> Result<()> {
    for timing in ctx.config()?.timings.iter().filter(|timing| !timing.is_measurable()) {
        let is_of_it = |id: &MetricId| id.source() == Some(MetricSource::Timing) && id.subject() == Some(&timing.name);
        if unknown.iter().any(|(metric, _)| is_of_it(metric)) {
            ctx.ui.warn(&format!(
                "the config's timing {} has neither `cmd` nor `hyperfine`, so nothing of it is measured; give it one",
                timing.name
            ));
        }
    }
    Ok(())
}

/// Warns of bounds that can hardly be decided: relative ones without a baseline or outside pairs, absolute ones on a
/// KPI that look relative, and a success rate so high that no timing makes enough runs to prove it.
pub(crate) fn warn_of_bounds(ctx: &Ctx, parts: &Contract, class: Class) -> Result<()> {
    let config = ctx.config()?;
    for criterion in parts.criteria().filter(|it| class == Class::Emergency && it.is_relative()) {
        ctx.ui.warn(&format!(
            "{criterion} is held against a baseline, which an emergency has not: it would never be judged; bound the value itself"
        ));
    }
    for criterion in parts.criteria().filter(|it| it.metric.source() == Some(MetricSource::Kpi)) {
        let Bound::Absolute { value, unit } = &criterion.bound else { continue };
        if *value < 0.0 || unit.as_ref().is_some_and(|unit| unit.symbol() == "%") {
            let sized = value.abs();
            ctx.ui.warn(&format!(
                "{criterion} is a bound on the value itself; write -{sized}% or +{sized}% for a change against the baseline"
            ));
        }
    }
    for criterion in parts.kpi.iter().chain(&parts.guardrails) {
        warn_of_unpaired(ctx, config, criterion);
        let named = |name: &str| criterion.metric == MetricKind::Succeeded.of(name);
        let Some(timing) = config.timings.iter().find(|timing| named(&timing.name)) else { continue };
        let (Op::Ge | Op::Gt, Bound::Absolute { value, unit }) = (criterion.op, &criterion.bound) else { continue };
        let share = if unit.as_ref().is_some_and(|unit| unit.symbol() == "%") { value / 100.0 } else { *value };
        let most = timing.runs.max(if config.pair.enabled { config.pair.max_pairs } else { 0 });
        let needed = Successes::flawless_for(share);
        if let Some(needed) = needed.filter(|needed| *needed > most as usize) {
            ctx.ui.warn(&format!(
                "{criterion} takes {needed} runs without one failure to show, and the config makes {most} at most: it \
                 would stay inconclusive; `>= 100%` needs no such proof"
            ));
        }
    }
    Ok(())
}

/// Warns of a relative bound on a metric that cannot be measured in pairs.
fn warn_of_unpaired(ctx: &Ctx, config: &Config, criterion: &Criterion) {
    if !criterion.is_relative() {
        return;
    }
    if criterion.metric.source() == Some(MetricSource::Http) && !is_paired(config, &criterion.metric) {
        ctx.ui.warn(&format!(
            "{criterion} is held against the few requests of two snapshots and would most likely stay inconclusive; name the \
             command that serves it (`start` under http_probes), so that it is measured in pairs, or bound the value itself (`< 200ms`)"
        ));
    }
    let is_its = |timing: &&TimingConfig| criterion.metric.subject() == Some(&timing.name);
    let is_timing = criterion.metric.source() == Some(MetricSource::Timing);
    let results = config.timings.iter().filter(|_| is_timing).find(is_its).and_then(|it| it.hyperfine.as_deref());
    if let Some(results) = results {
        ctx.ui.warn(&format!(
            "{criterion} is held against the results in {results}, which cannot be measured in pairs, and would most likely \
             stay inconclusive; name the command itself (`cmd` in place of `hyperfine` under timings)"
        ));
    }
}

/// Whether the metric is the latency of an endpoint that pairs serve themselves.
fn is_paired(config: &Config, metric: &MetricId) -> bool {
    let mut served = config.http_probes.iter().filter(|probe| config.pair.enabled && probe.start.is_some());
    served.any(|probe| *metric == MetricKind::Latency.of(&probe.name))
}

/// Asks for each missing part until it is acceptable; an empty answer skips it.
fn ask(ctx: &Ctx, change: &Change, measurable: &Measurable) -> Result<Contract> {
    let names: Vec<&str> = measurable.iter().map(|spec| spec.id.as_str()).collect();
    ctx.ui.status(&format!("Metrics that can be used: {}", names.join(", ")));
    let mut flags = ContractFlags::default();
    let emergency = change.opened.class == Class::Emergency;
    let (relative, absolute) = examples(ctx.project.root(), ctx.config()?, measurable, &BTreeSet::new());
    let [better, guarded, fired] = if emergency { absolute } else { relative };
    for part in change.contract.missing() {
        let (question, example) = match part {
            Part::Hypothesis => ("Hypothesis (what should improve, and why):", String::new()),
            Part::Kpi => ("Primary KPI, as METRIC OP BOUND:", format!(" for example {better}")),
            Part::Guardrails => ("Guardrail, as METRIC OP BOUND:", format!(" for example {guarded}")),
            Part::Trigger => ("Rollback trigger, a criterion or words:", format!(" for example {fired}")),
            Part::Rollback if emergency => ("What takes the override out:", String::new()),
            Part::Rollback => ("Rollback action [git revert <sha>]:", String::new()),
        };
        while let Some(answer) = ctx.ui.ask(&format!("{question}{example}\n>"))? {
            let by_default = answer.is_empty() && part == Part::Rollback && !emergency;
            let answer = if by_default { DEFAULT_ROLLBACK.to_owned() } else { answer };
            if answer.is_empty() {
                break;
            }
            let mut tried = flags.clone();
            match part {
                Part::Hypothesis => tried.hypothesis = Some(answer),
                Part::Kpi => tried.kpi = Some(answer),
                Part::Guardrails => tried.guardrail.push(answer),
                Part::Trigger => tried.trigger = Some(answer),
                Part::Rollback => tried.rollback = Some(answer),
            }
            match tried.parts().and_then(|parts| known(&parts, measurable)) {
                Ok(()) => {
                    flags = tried;
                    break;
                }
                Err(error) => {
                    tell(&ctx.ui, &error, false, Some(ctx));
                }
            }
        }
    }
    flags.parts()
}

/// Examples for KPI, guardrail and trigger, first with relative, then with absolute bounds.
pub(crate) type Examples = ([String; 3], [String; 3]);

/// Examples with metrics that this config measures; without any, with a placeholder.
pub(crate) fn examples(root: &Path, config: &Config, measurable: &Measurable, unfit: &BTreeSet<MetricId>) -> Examples {
    // A latency cannot be decided without pairs, and a missing path has no size.
    let decides = |spec: &&MetricSpec| {
        let is_there = |path: &str| root.join(path).exists();
        match spec.id.source() {
            Some(MetricSource::Size) => spec.id.subject().is_some_and(is_there),
            Some(MetricSource::Http) => is_paired(config, &spec.id),
            Some(MetricSource::Timing | MetricSource::Kpi) | None => spec.sampling != Sampling::Rate,
        }
    };
    let all: Vec<&MetricSpec> = measurable.iter().filter(decides).filter(|spec| !unfit.contains(&spec.id)).collect();
    let of_kind = |kind: MetricKind| all.iter().find(|spec| spec.id.kind() == Some(kind));
    let no_size = || all.iter().find(|spec| spec.id.source() != Some(MetricSource::Size));
    let kpi = of_kind(MetricKind::Wall).or_else(|| of_kind(MetricKind::Latency)).or_else(no_size).or(all.first());
    let guardrail = all.iter().find(|spec| kpi.is_none_or(|kpi| kpi.id != spec.id));
    let line = |spec: Option<&&MetricSpec>, lower: &str, higher: &str| match spec {
        Some(spec) if spec.better == Better::Higher => format!("{} {higher}", spec.id),
        Some(spec) => format!("{} {lower}", spec.id),
        None => format!("METRIC {lower}"),
    };
    // A faster service must still answer, so that is guarded; otherwise only if there is nothing else to guard.
    let is_service = guardrail.is_none() || kpi.is_some_and(|kpi| kpi.id.source() == Some(MetricSource::Http));
    let mut answers = measurable.iter().filter(|spec| spec.sampling == Sampling::Rate && spec.better == Better::Higher);
    let guarded = match answers.find(|_| is_service) {
        Some(spec) => format!("{} >= 100%", spec.id),
        None => line(guardrail, "<= +2%", ">= -2%"),
    };
    let bound = |spec: Option<&&MetricSpec>, lower: &str, higher: &str| {
        let amount = match spec.map(|spec| &spec.unit) {
            Some(unit) if unit.is_time() => "Ns",
            Some(unit) if unit.is_bytes() => "NMB",
            Some(_) | None => "N",
        };
        format!("{} {amount}", line(spec, lower, higher))
    };
    (
        [line(kpi, "<= -10%", ">= +10%"), guarded, line(kpi, "> +10%", "< -10%")],
        [bound(kpi, "<=", ">="), bound(guardrail, "<=", ">="), bound(kpi, ">", "<")],
    )
}

fn known(parts: &Contract, measurable: &Measurable) -> Result<()> {
    let wrong = |(metric, nearest): UnknownMetric| {
        trouble(Unmeasurable::UnknownMetric { metric, nearest: nearest.into_iter().collect() })
    };
    unknown(parts, measurable)?.into_iter().next().map_or(Ok(()), |it| Err(wrong(it)))
}
