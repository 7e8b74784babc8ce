//! Collects the facts that gates ask for: fills a `World` from git, config and files, apart from what a single command
//! knows. Nothing may be measured from the tool's own files, whose changes do not count, or from bytes that git would
//! not check out.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use crate::audit::Unwitnessed;
use crate::commands::{Ctx, contract, delta, demands, evidence, monitor, record_check, relink, uncommitted};
use crate::config::{Config, KpiProbe, Review, Source, StageConfig};
use crate::error::{Result, failed};
use crate::git::{GitError, Repo};
use crate::judge::compare;

use crate::model::{
    Artifact, ArtifactFault, Class, Contract, Gate, InEffect, Kind, MetricId, MetricSource, Policy, StagePlan, own,
};
use crate::os::files;
use crate::store::Record;
use crate::workflow::{Change, End, World, replay, watch, window};

/// The facts that `gate` needs for `change` before anything is measured; the policy comes with the demands.
pub(crate) fn world(ctx: &Ctx, change: &Change, gate: Gate) -> Result<World> {
    let mut world = World::default();
    require_no_conflict(ctx, change)?;
    match gate {
        // The gate of opening is asked before the change exists.
        Gate::Open => {}
        Gate::Contract => return for_contract(ctx, &change.contract),
        Gate::Baseline => {
            world.revision = delta::revision(ctx)?;
            world.unknown = contract::unknown(&change.contract, &ctx.measurable()?)?;
            world.commits_with_id = delta::commits_with_id(ctx, change, world.revision.commit.as_deref())?;
            if let Some(first) = world.commits_with_id.first() {
                world.at_tip = delta::is_rewritable(ctx, change, &first.sha)?;
            }
            world.uncommitted_config = uncommitted::config(ctx, change)?;
            world.own_sources = own_sources(ctx)?;
            world.not_in_git = not_in_git(ctx, &change.contract)?;
        }
        Gate::Validate => {
            delta::since_baseline(ctx, change, &mut world)?;
            world.one_id_each = true;
            if world.delta.base.is_some() {
                world.unattributed = unattributed(ctx, change)?;
            }
            world.outputs = outputs(ctx, change)?;
            if world.delta.tuneables.is_empty() {
                let beside =
                    demands::beside_results(ctx.config()?, &world.delta.files, |it| world.outputs.contains(it))?;
                world.outputs.extend(beside);
            }
            world.redefined = delta::redefined(ctx, change)?;
            world.has_tests = ctx.config()?.commands.test.is_some();
        }
        Gate::After => {
            world.revision = delta::revision(ctx)?;
            world.tuneables = delta::tuneables(ctx, change)?;
            world.redefined = delta::redefined(ctx, change)?;
            if let (false, Some(first)) = (world.revision.nothing_uncommitted(), change.commits().first()) {
                world.at_tip = delta::is_rewritable(ctx, change, first)?;
            }
        }
        Gate::Compare => {
            world.redefined = delta::redefined(ctx, change)?;
            world.faults = faults_of_both_sides(ctx, change)?;
            world.in_effect = if relink::is_gone(ctx, change)? { InEffect::Absent } else { InEffect::Yes };
        }
        Gate::Decide => {
            (world.faults, world.reproduced) = proof(ctx, change)?;
            // The rehearsal reports a change that was reverted already.
            world.in_effect = if relink::is_gone(ctx, change)? { InEffect::Absent } else { InEffect::Yes };
        }
        Gate::Rollout => {
            world.faults = evidence::faults(ctx, change)?;
            world.revision = delta::revision(ctx)?;
            world.in_effect = delta::in_effect(ctx, change)?;
            world.tuneables = delta::tuneables(ctx, change)?;
        }
        Gate::Verify => return for_verification(ctx, change, 0, false),
    }
    Ok(world)
}

pub(crate) fn for_contract(ctx: &Ctx, parts: &Contract) -> Result<World> {
    let measurable = ctx.measurable()?;
    let better = measurable.iter().map(|spec| (spec.id.clone(), spec.better)).collect();
    Ok(World { unknown: contract::unknown(parts, &measurable)?, better, ..World::default() })
}

/// The facts for verification; flags may raise the config's demands on days and a clean work tree.
pub(crate) fn for_verification(ctx: &Ctx, change: &Change, days: u32, clean: bool) -> Result<World> {
    let demanded = demanded(ctx)?;
    let mut policy = policy_of(&demanded);
    policy.min_monitor_days = policy.min_monitor_days.max(days);
    let (faults, reproduced) = proof(ctx, change)?;
    let clean_wanted = clean || window::demanded(change, &policy).require_clean_git == Some(true);
    let clean_git = if clean_wanted { Some(delta::revision(ctx)?.nothing_uncommitted()) } else { None };
    let follow_up_promoted = follow_up_promoted(ctx, change)?;
    let review_objection = review_objection(ctx, change)?;
    let review_counts = review_objection.is_none();
    let kpi_lost = evidence::days(ctx, change).ok().and_then(|days| watch::lost(change, &days));
    let world = World { policy, faults, reproduced, review_counts, review_objection, kpi_lost, ..World::default() };
    let world = effect(ctx, change, World { clean_git, follow_up_promoted, ..world })?;
    // A change that is not in effect is refused for that reason.
    let is_here = world.in_effect == InEffect::Yes && world.taken_back.is_empty();
    let Some(history) = ctx.history()?.filter(|_| is_here) else { return Ok(world) };
    let brought_back = history.back_since("HEAD", change, ("HEAD", ctx.now()));
    let mut days = monitor::unwitnessed(&history, (&demands::here(ctx.config()?)?, "HEAD"), change);
    Ok(World { brought_back, elsewhere: days.remove(&Unwitnessed::Elsewhere).unwrap_or_default(), ..world })
}

pub(crate) fn require_no_conflict(ctx: &Ctx, change: &Change) -> Result<()> {
    let merging = uncommitted::merging(ctx, Some(change));
    if merging.is_empty() { Ok(()) } else { Err(failed("the tool's own files are in conflict").fixed_by(merging)) }
}

pub(crate) fn effect(ctx: &Ctx, change: &Change, world: World) -> Result<World> {
    require_no_conflict(ctx, change)?;
    let (in_effect, undone) = (delta::in_effect(ctx, change)?, uncommitted::of_change(ctx, change)?);
    let taken_back = uncommitted::taken_back(ctx, change)?;
    Ok(World { in_effect, taken_back, undone, tuneables: delta::tuneables(ctx, change)?, ..world })
}

/// The files that this config reads the contract's metrics from.
pub(crate) fn results<'c>(config: &'c Config, contract: &Contract) -> impl Iterator<Item = &'c str> {
    let named = |stem: &str| contract.criteria().any(|it| compare::governs(stem, &it.metric));
    config.results().filter(move |(stem, _)| named(stem)).map(|(_, file)| file)
}

/// The same, including the links that lead to them.
fn outputs(ctx: &Ctx, change: &Change) -> Result<Vec<String>> {
    let files = results(ctx.config()?, &change.contract);
    let paths = files.flat_map(|file| within(ctx.project.root(), file));
    Ok(paths.map(|path| ctx.project.relative(&path)).collect())
}

/// Those of them that the change alters: their numbers were committed rather than measured.
pub(crate) fn outputs_in_delta(ctx: &Ctx, change: &Change) -> Result<Vec<String>> {
    let Some(delta) = change.newest_delta() else { return Ok(Vec::new()) };
    Ok(outputs(ctx, change)?.into_iter().filter(|file| delta.files.contains(file)).collect())
}

/// Metrics of the contract that cannot be measured on a chosen commit: of a service, imported, or not in git.
fn unattributed(ctx: &Ctx, change: &Change) -> Result<Vec<MetricId>> {
    let config = ctx.config()?;
    let tracked = delta::tracked(ctx)?.unwrap_or_default();
    let in_git = |file: &str| tracked.contains(file.strip_prefix("./").unwrap_or(file).as_bytes());
    let on_commit = |metric: &MetricId| match metric.source() {
        Some(MetricSource::Size) => true,
        Some(MetricSource::Timing) => {
            config.timings.iter().any(|timing| metric.subject() == Some(&timing.name) && timing.cmd.is_some())
        }
        Some(MetricSource::Http) => false,
        Some(MetricSource::Kpi) | None => {
            let of_metric = |kpi: &&KpiProbe| MetricId::kpi(&kpi.name) == *metric;
            let kpi = config.kpis.iter().find(of_metric);
            kpi.is_some_and(|kpi| kpi.cmd.is_some() || kpi.file.as_deref().is_some_and(in_git))
        }
    };
    let metrics = change.contract.criteria().map(|criterion| &criterion.metric);
    Ok(metrics.filter(|metric| !on_commit(metric)).cloned().collect())
}

/// Altered or missing evidence, from which nothing can be recomputed; else whether the verdicts can be reproduced.
pub(crate) fn proof(ctx: &Ctx, change: &Change) -> Result<(Vec<ArtifactFault>, bool)> {
    let faults = evidence::faults(ctx, change)?;
    let reproduced = faults.is_empty() && evidence::reproduced(ctx, change)?;
    Ok((faults, reproduced))
}

/// A comparison rests on the snapshots; a missing report of an earlier comparison does not matter.
fn faults_of_both_sides(ctx: &Ctx, change: &Change) -> Result<Vec<ArtifactFault>> {
    let before = change.baseline.iter().map(|baseline| &baseline.taken.snapshot);
    let after = change.after.iter().map(|after| &after.taken.snapshot);
    let files: Vec<&Artifact> = before.chain(after).collect();
    evidence::faults_in(ctx, &files)
}

/// Whether the change that took an emergency over was opened after it, is in effect, and was promoted with valid evidence.
fn follow_up_promoted(ctx: &Ctx, change: &Change) -> Result<bool> {
    let Some(id) = &change.follow_up else { return Ok(false) };
    let Record::Tracked(by) = Record::read(&ctx.project, id)? else { return Ok(false) };
    let later = by.opened_at >= change.opened_at;
    let proper = later && matches!(by.opened.class, Class::Tuneable | Class::Code);
    let stands = matches!(by.end, None | Some(End::Verified { .. }));
    if !proper || by.promotion.is_none() || !stands || replay::check(&by.events).is_err() {
        return Ok(false);
    }
    let policy = demands::here(ctx.config()?)?;
    if ctx.history()?.is_some_and(|history| !record_check::takes_over(&history, "HEAD", change.id(), &by, &policy)) {
        return Ok(false);
    }
    let (faults, reproduced) = proof(ctx, &by)?;
    Ok(faults.is_empty() && reproduced)
}

/// The reason why the attested review does not count under a config in force since the baseline.
fn review_objection(ctx: &Ctx, change: &Change) -> Result<Option<String>> {
    if change.attestation.is_none() {
        return Ok(None);
    }
    let author = author(ctx, change)?;
    Ok(objection(&configs_in_force(ctx, change)?, change, author.as_deref()).map(|(_, why)| why))
}

/// The reason why the attested review does not count under one of these configs, with the config's key.
pub(crate) fn objection(configs: &[Config], change: &Change, author: Option<&str>) -> Option<(&'static str, String)> {
    let (attestation, actor) = change.events.iter().rev().find_map(|event| {
        let Kind::Attested { attestation } = &event.what else { return None };
        Some((attestation, event.actor.as_deref()))
    })?;
    let (tool, mode) = (&attestation.tool, &attestation.reasoning_mode);
    let by_mode = configs.iter().find_map(|config| mode_objection(&config.review, tool, mode));
    let by_person = || Some(("review.other_person", person_objection(configs, actor, author)?));
    by_mode.map(|why| ("review.allowed_modes", why)).or_else(by_person)
}

/// The reason why a review attested by git's user `actor` does not count, if a config demands another person than the author.
pub(crate) fn person_objection(configs: &[Config], actor: Option<&str>, author: Option<&str>) -> Option<String> {
    let demanded = configs.iter().any(|config| config.review.other_person);
    let actor = actor.filter(|actor| !actor.trim().is_empty());
    let other = matches!((actor, author), (Some(actor), Some(author)) if address(actor) != address(author));
    let who = actor.unwrap_or("nobody");
    (demanded && !other).then(|| format!("review.other_person: git's user, {who}, is the author of the change"))
}

pub(crate) fn mode_objection(review: &Review, tool: &str, mode: &str) -> Option<String> {
    let forbidden = review.enforce_recommended_modes && !review.allows(tool, mode);
    let modes = review.modes(tool).unwrap_or_default().join(", ");
    forbidden.then(|| format!("the config does not allow the reasoning mode {mode:?} for {tool}; it allows: {modes}"))
}

/// The config in the work tree, the committed one, and all that were committed since the change's baseline.
pub(crate) fn configs_in_force(ctx: &Ctx, change: &Change) -> Result<Vec<Config>> {
    let mut found = vec![ctx.config()?.clone()];
    let Some(history) = ctx.history()? else { return Ok(found) };
    let repo = history.repo;
    let mut commits = vec!["HEAD".to_owned()];
    if let Some(base) = change.baseline_commit().filter(|base| repo.resolve(base).is_ok()) {
        let paths = ctx.project.config_places().map(|path| ctx.project.relative(&path));
        let call = repo.git().args(["log", "--format=%H", &format!("{base}..HEAD"), "--"]).args(paths);
        commits.extend(call.long().text()?.lines().map(str::to_owned));
        commits.push(base.to_owned());
    }
    // An unreadable config is reported where it is in force.
    found.extend(commits.iter().filter_map(|commit| history.config(commit).ok().flatten()));
    Ok(found)
}

/// The author of the change's commit or, without a commit, the person who opened it.
pub(crate) fn author(ctx: &Ctx, change: &Change) -> Result<Option<String>> {
    let opened = change.events.first().and_then(|event| event.actor.clone());
    let (Some(repo), Some(commit)) = (ctx.repo()?, change.commits().last().cloned()) else { return Ok(opened) };
    if repo.resolve(&commit).is_err() {
        return Ok(opened);
    }
    let call = repo.git().args(["log", "-1", "--no-mailmap", "--format=%an <%ae>", &commit]);
    Ok(Some(call.line()?))
}

fn address(person: &str) -> &str {
    person.split_once('<').map_or(person, |(_, address)| address.trim_end_matches('>')).trim()
}

pub(crate) fn policy_of(config: &Config) -> Policy {
    let plan = |stage: &StageConfig| StagePlan { stage: stage.name, soak_hours: stage.soak_hours };
    Policy {
        stages: config.rollout.stages.iter().map(plan).collect(),
        min_monitor_days: config.verification.min_monitor_days,
        require_attestation: config.review.require_attestation,
        rehearse_checks: Some(config.validation.rehearse_checks),
        require_clean_git: Some(config.verification.require_clean_git),
    }
}

/// The config here with the stricter demands of the committed one: an uncommitted edit could be undone unseen.
pub(crate) fn demanded(ctx: &Ctx) -> Result<Config> {
    let (here, history) = (ctx.config()?, ctx.history()?);
    let Some(Ok(Some(committed))) = history.map(|it| it.config("HEAD")) else { return Ok(here.clone()) };
    let both = here.clone().tightened_by(&committed);
    if both != *here {
        ctx.ui.warn("the committed config demands more than the uncommitted one here: both apply");
    }
    Ok(both)
}

fn own_sources(ctx: &Ctx) -> Result<Vec<String>> {
    let root = ctx.project.root();
    let found = sources_among_own(ctx.config()?, |path| within(root, path));
    Ok(found.map(|source| format!("{} ({})", source.key, source.path)).collect())
}

/// The sources of a config among the tool's own files; `places` gives the paths that one can refer to.
pub(crate) fn sources_among_own<'p>(
    config: &Config,
    places: impl Fn(&str) -> BTreeSet<PathBuf> + 'p,
) -> impl Iterator<Item = Source> + 'p {
    let is_own = move |source: &Source| {
        // Commands may check directories of own files; a shared path includes everything below it.
        let whole = source.key == "pair.share";
        places(&source.path).iter().any(|path| is_among(&files::path_bytes(path), whole))
    };
    config.sources().into_iter().filter(is_own)
}

fn is_among(path: &[u8], whole: bool) -> bool {
    let holds = |dir: &[u8]| {
        let within = |name: &[u8]| [dir, name].concat();
        own::is_own(&within(b"/x.json")) || own::is_own(&within(b"/changes/x.json")) || own::is_left(&within(b"/x"))
    };
    let parent = path.iter().rposition(|byte| *byte == b'/').map_or(&b""[..], |at| &path[..at]);
    let is_pattern = path.iter().any(|byte| matches!(byte, b'*' | b'?' | b'['));
    let is_own = own::is_own_or_left(path);
    is_own && (whole || !holds(path)) || is_pattern && !parent.is_empty() && holds(parent)
}

/// The paths below the root that a path can refer to: as written, the links on its way, and their targets.
fn within(root: &Path, path: &str) -> BTreeSet<PathBuf> {
    let full = files::normal(&root.join(path));
    let links = full.ancestors().skip(1).filter(|above| above.starts_with(root) && above.is_symlink());
    let all = links.map(Path::to_path_buf).chain([full.clone()]).chain(files::canonical(&full).ok());
    let below = all.filter_map(|path| path.strip_prefix(root).ok().map(Path::to_path_buf));
    below.filter(|path| path.components().count() > 0).collect()
}

/// Paths of a contract's sizes that are outside the project or ignored by git, each with the reason.
fn not_in_git(ctx: &Ctx, contract: &Contract) -> Result<Vec<String>> {
    let Some(repo) = ctx.repo()? else { return Ok(Vec::new()) };
    let root = ctx.project.root();
    let sizes = contract.criteria().filter(|criterion| criterion.metric.source() == Some(MetricSource::Size));
    let (mut found, mut inside) = (BTreeSet::new(), BTreeMap::new());
    for path in sizes.filter_map(|criterion| criterion.metric.subject()) {
        let typed = files::normal(&root.join(path));
        // The target of a link is measured.
        let real = files::canonical(&typed).ok().zip(files::canonical(root).ok());
        let real = real.map(|(real, root)| real.strip_prefix(&root).ok().map(Path::to_path_buf));
        for below in [Some(typed.strip_prefix(root).ok().map(Path::to_path_buf)), real].into_iter().flatten() {
            let Some(below) = below else {
                found.insert(format!("{path} (outside the project)"));
                continue;
            };
            let parts: Vec<_> = below.iter().map(OsStr::to_string_lossy).collect();
            inside.insert(parts.join("/"), path);
        }
    }
    inside.remove("");
    let ignored = repo.ignored(&inside.keys().map(String::as_str).collect::<Vec<_>>())?;
    found.extend(ignored.iter().filter_map(|below| Some(format!("{} (ignored)", inside.get(*below)?))));
    Ok(found.into_iter().collect())
}

/// The reason why a source differs from what git would check out although git reports it as unchanged, if it does.
pub(crate) fn hidden_by_filter(ctx: &Ctx, repo: &Repo) -> Result<Option<String>, GitError> {
    // An invalid config is reported elsewhere.
    let Ok(config) = ctx.config() else { return Ok(None) };
    let root = ctx.project.root();
    let paths: BTreeSet<PathBuf> = config.sources().iter().flat_map(|source| within(root, &source.path)).collect();
    let is_file = |path: &PathBuf| root.join(path).symlink_metadata().is_ok_and(|meta| meta.is_file());
    let prefix = files::path_from_bytes(repo.prefix());
    let named: Vec<PathBuf> = paths.into_iter().filter(is_file).map(|path| prefix.join(path)).collect();
    let found = repo.hidden_by_filter(&named)?;
    let shown: Vec<String> = found.iter().map(|path| String::from_utf8_lossy(path).into_owned()).collect();
    Ok((!shown.is_empty()).then(|| {
        format!(
            "it calls {} unchanged, but would not check it out as it is there (a filter in .gitattributes hides the difference; commit it without the filter, or `git checkout` the file)",
            shown.join(", ")
        )
    }))
}
