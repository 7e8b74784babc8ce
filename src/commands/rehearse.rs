//! Tries what a change's contract measures in a clean checkout of the baseline: what a side of a pair will lack is reported before
//! the change is made.

use crate::commands::pairing::Probes;
use crate::commands::{Bar, Ctx, uncommitted, validate};
use crate::error::Result;
use crate::git::Repo;
use crate::measure::pair::{CheckoutError, Checkouts, Project};
use crate::measure::{Runner, SystemRunner, command, http, kpi};
use crate::model::scrub::scrub;
use crate::model::{Check, Fix, How, PairSession, PairedCommand, own};
use crate::workflow::Change;

const SHOWN: usize = 5;

/// Runs what the contract measures in pairs once in a clean checkout of the baseline: what is missing there is reported before
/// the change is made, and not when it is compared.
pub(crate) fn rehearse(ctx: &Ctx, change: &Change) -> Result<()> {
    let (config, Some(repo)) = (ctx.config()?, ctx.repo()?) else { return Ok(()) };
    let probes = Probes::of(config).asked_by(change);
    let baseline = change.baseline_commit().filter(|_| config.pair.enabled && !probes.is_empty());
    let Some(commit) = baseline else { return Ok(()) };
    let mut runner = SystemRunner::new(ctx.interrupt()?.clone());
    let mut bar = Bar::new(&ctx.ui);
    let project = Project { repo, config };
    let (mut failures, mut built) = (Vec::new(), Vec::new());
    match Checkouts::one(project, commit, &mut runner, &mut |step| bar.show(step)) {
        Ok((place, scratch)) => {
            for plan in &probes.commands {
                bar.show(&format!("trying {} in a clean checkout", plan.name));
                let said = match command::run_once(&mut runner, plan, &command::spec(plan, &place)) {
                    Ok(finished) if finished.success() => continue,
                    Ok(finished) => command::error_tail(&finished),
                    Err(error) => error.to_string(),
                };
                failures.push(format!("timing {} fails in a clean checkout: {}", plan.name, scrub(&said)));
            }
            for group in &kpi::groups(probes.kpis) {
                let samples = kpi::samples(&mut runner, &place, group);
                let errors = group.iter().zip(samples).filter_map(|(kpi, sample)| Some((kpi, sample.err()?)));
                failures.extend(errors.map(|(kpi, why)| format!("KPI {} fails in a clean checkout: {why}", kpi.name)));
            }
            for probe in probes.http {
                bar.show(&format!("serving {} from a clean checkout", probe.name));
                let answer = http::probe(probe, &place, &|| runner.stopped());
                let why = answer.error.map(|why| format!("{} fails in a clean checkout: {why}", probe.name));
                failures.extend(why);
            }
            built = ignored(repo)?.into_iter().filter(|path| place.root.join(path).exists()).collect();
            drop(scratch);
        }
        Err(CheckoutError::Interrupted) => return Err(validate::interrupted()),
        Err(error) => failures.push(error.to_string()),
    }
    bar.finish();
    validate::stop_if_asked(ctx)?;
    if failures.is_empty() {
        return Ok(());
    }
    for failure in failures {
        ctx.ui.warn(&failure);
    }
    tell_needs(ctx, repo, &built)
}

/// Which of the checks that failed, each by its name, fail in a clean checkout of the baseline, too: then the change may
/// not be the reason. Where there can be none, nothing is said.
pub(crate) fn failing_before(ctx: &Ctx, change: &Change, checks: &[Check]) -> Result<Vec<String>> {
    let failed = |name: &str| checks.iter().any(|check| !check.passed && check.name == name);
    let (config, Some(repo), Some(commit)) = (ctx.config()?, ctx.repo()?, change.baseline_commit()) else {
        return Ok(Vec::new());
    };
    let (mut bar, interrupt) = (Bar::new(&ctx.ui), ctx.interrupt()?);
    let mut runner = SystemRunner::new(interrupt.clone());
    let made = Checkouts::one(Project { repo, config }, commit, &mut runner, &mut |step| bar.show(step));
    let Ok((place, _scratch)) = made else { return Ok(Vec::new()) };
    let mut found = Vec::new();
    for (name, _, cmd, timeout_s) in validate::commands(config) {
        // What comes before may build what a failed one needs.
        bar.show(&format!("{name}, without the change"));
        let fails = validate::run_command(&place.root, cmd, timeout_s, interrupt).is_some();
        found.extend((fails && failed(name)).then(|| name.to_owned()));
    }
    validate::stop_if_asked(ctx)?;
    Ok(found)
}

/// What git ignores in the project, except what the tool itself leaves.
fn ignored(repo: &Repo) -> Result<Vec<String>> {
    let ignored = repo.ignored_here()?.into_iter().map(|path| path.trim_end_matches('/').to_owned());
    Ok(ignored.filter(|path| !own::is_own_or_left(path.as_bytes())).collect())
}

/// Names the keys of the config that bring what a clean checkout lacks. What is `built` there is not to be shared: both
/// sides would run the build of the last one.
fn tell_needs(ctx: &Ctx, repo: &Repo, built: &[String]) -> Result<()> {
    let builds = ctx.config()?.pair.prepare.is_some() || ctx.config()?.commands.build.is_some();
    let is_built = |path: &String| built.contains(path) || builds && uncommitted::is_built(path);
    let mut ignored = ignored(repo)?;
    ignored.retain(|path| !is_built(path));
    ignored.truncate(SHOWN);
    let file = ctx.project.config_path().map_or_else(|| "the config".to_owned(), |path| ctx.project.relative(&path));
    let share = format!("share: [{}]", ignored.join(", "));
    let submodules = "prepare: git submodule update --init --recursive";
    let edits = [
        ("link what git ignores", share.as_str(), !ignored.is_empty()),
        ("check out the submodules", submodules, repo.root().join(".gitmodules").exists()),
        ("build on each side", "prepare: COMMAND", !builds),
    ];
    let edits = edits.into_iter().filter(|(.., applies)| *applies).enumerate();
    let how = |i: usize| if i == 0 { How::Next } else { How::Or };
    let what = "each side of a pair runs in a clean checkout; before `compare`, name what they need";
    let mut steps = vec![Fix::decide(How::Next, what)];
    steps.extend(edits.map(|(i, (purpose, line, _))| Fix::edit(how(i), purpose, &file, "pair", line)));
    ctx.advise(&steps);
    Ok(())
}

/// Where a timed command ran in neither checkout: what may be missing there.
pub(crate) fn tell_if_none_ran(ctx: &Ctx, session: &PairSession) -> Result<()> {
    let fails =
        |command: &PairedCommand| !command.pairs.iter().any(|pair| pair.before.succeeded() && pair.after.succeeded());
    match ctx.repo()?.filter(|_| session.commands.iter().any(fails)) {
        Some(repo) => tell_needs(ctx, repo, &[]),
        None => Ok(()),
    }
}
