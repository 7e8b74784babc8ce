//! Measures baseline and head in alternating pairs: the checkouts, the session, the stopping rule, the progress bar.

use std::collections::BTreeMap;
use std::path::PathBuf;

use chrono::{DateTime, Utc};

use crate::commands::{Ctx, Spinner, measure, validate};
use crate::config::{Config, HttpProbe, KpiProbe, TimingConfig};
use crate::error::Result;
use crate::git::{GitError, Repo};
use crate::judge::compare::{self, caveats, for_metric};
use crate::judge::{self, Circumstances, Settings, StoppingDecision, decisive};
use crate::measure::pair::{
    CheckoutError, Checkouts, CodeVersion, Group, PairBudget, PairProgress, PairedProject, Proof, Session, Stamps,
    TuneablesFile, Versions, stamps,
};
use crate::measure::{SystemRunner, TOOL, kpi, machine, profile, size};
use crate::model::{
    Criterion, Machine, MetricId, PairSession, PairedCommand, PairedKpi, Sampling, Size, Snapshot, Stop, pair,
};
use crate::os::clock;
use crate::report;
use crate::workflow::Change;

pub(crate) struct Ask<'a> {
    pub(crate) config: &'a Config,
    pub(crate) versions: Versions<'a>,
    pub(crate) probes: Probes<'a>,
    /// Whether the versions are a change's commit and its parent, rather than those of the snapshots.
    pub(crate) of_commit: bool,
    /// The criteria that the pairs have to settle; without any, whether the decisive times changed.
    pub(crate) criteria: Vec<Criterion>,
    pub(crate) settings: &'a Settings,
    pub(crate) budget: PairBudget,
    pub(crate) change: Option<&'a Change>,
    /// An earlier session that was inconclusive: its pairs count.
    pub(crate) prior: Option<PairSession>,
    /// Whether to profile a regression, to find the functions that take more of the time.
    pub(crate) profile: bool,
}

impl<'a> Ask<'a> {
    pub(crate) fn new(config: &'a Config, versions: Versions<'a>, settings: &'a Settings, budget: PairBudget) -> Self {
        let (probes, criteria) = (Probes::default(), Vec::new());
        Self {
            config,
            versions,
            probes,
            of_commit: false,
            criteria,
            settings,
            budget,
            change: None,
            prior: None,
            profile: false,
        }
    }

    pub(crate) fn for_change(self, change: &'a Change) -> Self {
        Self { criteria: change.contract.criteria().cloned().collect(), change: Some(change), ..self }
    }
}

#[derive(Default)]
pub(crate) struct Probes<'a> {
    pub(crate) commands: Vec<TimingConfig>,
    pub(crate) kpis: Vec<&'a KpiProbe>,
    pub(crate) http: Vec<&'a HttpProbe>,
}

impl<'a> Probes<'a> {
    pub(crate) fn of(config: &'a Config) -> Self {
        Self {
            commands: timings(config),
            kpis: config.kpis.iter().filter(|kpi| kpi.cmd.is_some()).collect(),
            http: config.http_probes.iter().filter(|probe| probe.start.is_some()).collect(),
        }
    }

    pub(crate) fn asked_by(mut self, change: &Change) -> Self {
        let named = |stem: String| change.contract.criteria().any(|it| compare::governs(&stem, &it.metric));
        self.commands.retain(|plan| named(format!("timing.{}", plan.name)));
        self.kpis.retain(|kpi| named(format!("kpi.{}", kpi.name)));
        self.http.retain(|probe| named(format!("http.{}", probe.name)));
        self
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.commands.is_empty() && self.kpis.is_empty() && self.http.is_empty()
    }
}

pub(crate) enum Pairing {
    Measured(Box<PairSession>),
    Impossible(String),
    SameCode(String),
}

/// The configured timings as they run in pairs: with at least one warm-up, which shows whether they are
/// single-threaded.
pub(crate) fn timings(config: &Config) -> Vec<TimingConfig> {
    let run = config.timings.iter().filter(|timing| timing.cmd.is_some());
    run.map(|timing| TimingConfig { warmup: timing.warmup.max(1), ..timing.clone() }).collect()
}

pub(crate) fn of_change(
    ctx: &Ctx,
    change: &Change,
    sides: (&Snapshot, &Snapshot),
    settings: &Settings,
    budget: PairBudget,
    prior: Option<PairSession>,
) -> Result<Pairing> {
    let impossible = |reason: &str| Ok(Pairing::Impossible(reason.to_owned()));
    let (Some(baseline), Some(after)) = (&change.baseline, &change.after) else {
        return impossible("the change has no snapshots");
    };
    let (before_rev, after_rev) = (&baseline.taken.revision, &after.taken.revision);
    let (Some(before_commit), Some(after_commit)) = (&before_rev.commit, &after_rev.commit) else {
        return impossible(if after_rev.branch.is_some() {
            "a side has no commit to check out"
        } else {
            "there are no commits to check out: the project is not under git"
        });
    };
    let of_commit = change.commit_and_parent();
    let (before_commit, after_commit) = of_commit.unwrap_or((before_commit, after_commit));
    if before_rev.dirty_digest().is_some() || after_rev.dirty_digest().is_some() {
        return impossible("uncommitted work was measured, and no commit holds it");
    }
    let (old, new) = (measure::kept_tuneables(ctx, sides.0)?, measure::kept_tuneables(ctx, sides.1)?);
    let file = measure::tuneables_file(ctx)?;
    if before_rev.same_code(after_rev) && (file.is_none() || old.is_none() || new.is_none()) {
        return impossible(
            "the delta is outside the repository; name the variable that points at the tuneables file under pair.tuneables_env",
        );
    }
    let file_name = file.map(|path| path.file_name().unwrap_or_default().to_string_lossy().into_owned());
    let config = ctx.config()?;
    let named = file_name.as_deref().zip(config.pair.tuneables_env.as_deref());
    let versions = Versions {
        before: CodeVersion { rev: before_commit, tuneables: old.as_deref() },
        after: CodeVersion { rev: after_commit, tuneables: new.as_deref() },
        tuneables: named.map(|(file_name, variable)| TuneablesFile { variable, file_name }),
        same_allowed: false,
    };
    let mut probes = Probes::of(config);
    if of_commit.is_some() {
        probes.kpis = config.kpis.iter().collect();
    }
    let ask = Ask::new(config, versions, settings, budget).for_change(change);
    run(ctx, Ask { probes, of_commit: of_commit.is_some(), prior, profile: true, ..ask })
}

pub(crate) fn run(ctx: &Ctx, ask: Ask<'_>) -> Result<Pairing> {
    let Some(repo) = ctx.repo()? else {
        return Ok(Pairing::Impossible("the project is not under git".to_owned()));
    };
    if ask.probes.is_empty() && !ask.of_commit {
        return Ok(Pairing::Impossible(
            "no timed command, no KPI command and no `start` of an endpoint is configured".to_owned(),
        ));
    }
    let mut runner = SystemRunner::new(ctx.interrupt()?.clone());
    let (started_at, machine) = (ctx.now(), machine::fingerprint());
    let mut bar = Spinner::new(&ctx.ui);
    let project = PairedProject { repo, config: ask.config };
    let shared: Vec<PathBuf> = ask.config.pair.share.iter().map(|path| ctx.project.root().join(path)).collect();
    let before = stamps(&shared);
    let checkouts = match Checkouts::prepare(project, ask.versions, &mut runner, &mut |step| bar.show(step)) {
        Ok(checkouts) => checkouts,
        Err(CheckoutError::Interrupted) => return Err(validate::interrupted()),
        Err(error @ CheckoutError::SameCode { .. }) => return Ok(Pairing::SameCode(error.to_string())),
        Err(CheckoutError::Git(error @ GitError::UnknownRevision { .. })) if ask.change.is_none() => {
            return Err(error.into());
        }
        Err(error) => return Ok(Pairing::Impossible(error.to_string())),
    };
    let ask = Ask { prior: ask.prior.filter(|it| can_be_continued(it, &checkouts, &machine)), ..ask };
    let mut found = new_session(&ask, &checkouts, (started_at, machine))?;
    let given = stamps(&shared);
    let altered = given.iter().filter(|(path, stamp)| before.get(*path) != Some(stamp)).map(|(path, _)| path.clone());
    let given_to_both = (shared.as_slice(), altered.collect());
    // With the same code on both sides, there are no two programs to prove.
    let proof = if ask.versions.same_allowed { None } else { Some(Proof::new(repo, given_to_both, &checkouts)?) };
    if proof.as_ref().is_some_and(|proof| !proof.sees()) {
        found.warnings.push("not proven on this system: that the two sides run different code".to_owned());
    }
    let places = (&checkouts.before.place, &checkouts.after.place);
    let mut session = Session::new(&mut runner, places, ask.config.pair.pin).proven(proof);
    let complete =
        measure(&ask, &mut session, &mut bar, &mut found) && measure_values(&ask, &mut session, &mut bar, &mut found);
    drop(session);
    let now = stamps(if found.kpis.is_empty() { &[] } else { &shared });
    discard_spoiled_kpis(&mut found, &given, &now);
    bar.finish();
    if !complete {
        return Err(validate::interrupted());
    }
    validate::stop_if_asked(ctx)?;
    found.warnings.extend(checkouts.warnings.clone());
    found.generated_at = ctx.now();
    found.id = clock::uuid_v7(found.generated_at);
    if let Err(error) = checkouts.remove() {
        ctx.ui.warn(&error.to_string());
    }
    Ok(Pairing::Measured(Box::new(found)))
}

/// Removes the values of KPIs if the runs altered a path that both sides share: one side could make the other worse.
fn discard_spoiled_kpis(session: &mut PairSession, given: &Stamps, now: &Stamps) {
    let Some((path, _)) = given.iter().find(|(path, stamp)| now.get(*path) != Some(stamp)) else { return };
    for it in &mut session.kpis {
        it.pairs.clear();
        it.kpi.error = Some(format!("the runs alter {}, which pair.share gives to both sides", path.display()));
    }
}

fn can_be_continued(session: &PairSession, checkouts: &Checkouts, machine: &Machine) -> bool {
    let (before, after) = (&checkouts.before.version, &checkouts.after.version);
    let same = session.before.tree == before.tree && session.after.tree == after.tree;
    same && machine.differences(&session.machine).is_empty()
}

fn new_session(ask: &Ask<'_>, checkouts: &Checkouts, (now, machine): (DateTime<Utc>, Machine)) -> Result<PairSession> {
    let prior = ask.prior.as_ref();
    Ok(PairSession {
        schema: pair::SCHEMA.to_owned(),
        id: String::new(),
        tool: TOOL.to_owned(),
        change_id: ask.change.map(|change| change.id().to_string()),
        started_at: prior.map_or(now, |it| it.started_at),
        generated_at: now,
        machine,
        rss_floor_bytes: None,
        before: checkouts.before.version.clone(),
        after: checkouts.after.version.clone(),
        commands: Vec::new(),
        kpis: Vec::new(),
        of_commit: ask.of_commit,
        sizes: if ask.of_commit { sizes(ask.config, checkouts)? } else { BTreeMap::new() },
        others: Vec::new(),
        continues: prior.map(|it| it.continues.iter().chain([&it.id]).cloned().collect()).unwrap_or_default(),
        warnings: Vec::new(),
    })
}

pub(crate) fn warn(ctx: &Ctx, session: &PairSession) {
    let caveats = caveats::of_first_runs(session, None);
    let caveats = caveats.iter().map(|it| report::method::caveat(it).words());
    let flaws = session.commands.iter().filter_map(|it| Some(format!("{}: {}", it.name, it.first_runs.flaw()?)));
    for warning in session.warnings.iter().cloned().chain(caveats).chain(flaws) {
        ctx.ui.warn(&warning);
    }
}

fn sizes(config: &Config, checkouts: &Checkouts) -> Result<BTreeMap<String, (Size, Size)>> {
    let mut sides = Vec::new();
    for root in [&checkouts.before.place.root, &checkouts.after.place.root] {
        let repo = Repo::open(root)?;
        let tracked = size::tracked_sizes(root, &repo, &config.size_paths)?;
        let of = |path: &String| match size::measure(root, path, Some(&tracked)) {
            size::SizeResult::Size(size, _) => Some(Size { path: path.clone(), ..size }),
            size::SizeResult::Missing | size::SizeResult::Unreadable(_) => None,
        };
        sides.push(config.size_paths.iter().map(of).collect::<Vec<_>>());
    }
    let after = sides.pop().unwrap_or_default();
    let both = sides.into_iter().flatten().zip(after).filter_map(|(before, after)| before.zip(after));
    Ok(both.map(|(before, after)| (before.path.clone(), (before, after))).collect())
}

/// Measures the commands, continuing earlier pairs; false if interrupted.
fn measure(ask: &Ask<'_>, session: &mut Session<'_>, bar: &mut Spinner, found: &mut PairSession) -> bool {
    for plan in &ask.probes.commands {
        let is_it = |it: &&PairedCommand| it.name == plan.name && it.stopped != Stop::Failed;
        let prior = ask.prior.iter().flat_map(|prior| &prior.commands).find(is_it);
        if let Some(known) = prior.filter(|prior| decide(prior, ask) == StoppingDecision::Stop) {
            found.commands.push(known.clone());
            continue;
        }
        let mut progress = |progress: PairProgress<'_>| {
            let max_pairs = ask.budget.max_pairs;
            bar.pairs(progress.so_far.pairs.len(), max_pairs, &live(&plan.name, &progress, ask));
        };
        let mut decide = |so_far: &PairedCommand| decide(so_far, ask);
        let mut measured = session.command((plan, prior.cloned()), ask.budget, &mut decide, &mut progress);
        if measured.paired.stopped == Stop::Interrupted {
            return false;
        }
        found.rss_floor_bytes = found.rss_floor_bytes.max(measured.rss_floor_bytes);
        found.warnings.extend(measured.error.map(|error| format!("{}: {error}", plan.name)));
        let change = decisive::live(&measured.paired, &known(ask, &measured.paired)).1;
        if ask.profile && matches!(change, judge::MetricChange::Regressed(_)) {
            bar.show(&format!("{}: one more pair under perf", plan.name));
            match session.grown(plan) {
                Ok(grown) => measured.paired.grown = grown,
                Err(why) => {
                    let unknown = format!("{}: which functions became slower is not known: {why}", plan.name);
                    found.warnings.push(unknown);
                }
            }
        }
        found.warnings.extend(profile::missing(plan, measured.paired.pairs.iter().map(|pair| &pair.after)));
        found.commands.push(measured.paired);
    }
    true
}

fn measure_values(ask: &Ask<'_>, session: &mut Session<'_>, bar: &mut Spinner, found: &mut PairSession) -> bool {
    let kpis = kpi::groups(ask.probes.kpis.iter().copied()).into_iter().map(Group::Kpis);
    for group in kpis.chain(ask.probes.http.iter().copied().map(Group::Http)) {
        let metrics = group.metrics();
        let names: Vec<&str> = metrics.iter().map(MetricId::as_str).collect();
        bar.show(&format!("{} in pairs", names.join(", ")));
        let known = ask.prior.iter().flat_map(|prior| &prior.kpis);
        let known = known.filter(|it| metrics.contains(&it.metric()) && it.kpi.error.is_none());
        let known: Vec<PairedKpi> = known.cloned().collect();
        let mut decide = |so_far: &PairedKpi| {
            decisive::stopping_decision_of_kpi(so_far, &ask.criteria, &circumstances(ask, &so_far.metric()))
        };
        let all = known.len() == metrics.len();
        if all && known.iter().all(|it| it.kpi.sampling == Sampling::Exact || decide(it) == StoppingDecision::Stop) {
            found.kpis.extend(known);
            continue;
        }
        let (paired, stopped) = session.kpis((&group, all.then_some(known)), ask.budget, &mut decide);
        if stopped == Stop::Interrupted {
            return false;
        }
        found.kpis.extend(paired);
    }
    true
}

fn circumstances(ask: &Ask<'_>, metric: &MetricId) -> Circumstances {
    let known = Circumstances { min_effect: ask.settings.min_effect, ..Circumstances::default() };
    for_metric(&known, ask.settings, metric)
}

fn known(ask: &Ask<'_>, paired: &PairedCommand) -> Circumstances {
    circumstances(ask, &decisive::Decisive::of_pairs(paired).metric(&paired.name))
}

fn decide(so_far: &PairedCommand, ask: &Ask<'_>) -> StoppingDecision {
    decisive::stopping_decision(so_far, &ask.criteria, &known(ask, so_far))
}

fn live(name: &str, progress: &PairProgress<'_>, ask: &Ask<'_>) -> String {
    let (_, change) = decisive::live(progress.so_far, &known(ask, progress.so_far));
    let estimate = change.finding().map(|finding| report::values::change(finding, None));
    let (pairs, most) = (progress.so_far.pairs.len(), ask.budget.max_pairs);
    let left = measure::left(progress.more, pairs, most);
    format!("{name}: pair {pairs} of at most {most}{left}  {}", estimate.unwrap_or_default())
}
