//! Translates the config into the demands of an audit: compiled globs, exemptions and surfaces. Also the use of the
//! config's budgets: each promoted change may get worse within its own guardrail, and ten of them add up.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::Context as _;
use globset::GlobSet;
use serde_json::Value;

use crate::audit::{
    CheckPolicy, CommitDeadline, Exemption, Finding, FindingKind, History as _, KeyChange, Severity, Surfaces,
    policy as demanded,
};
use crate::commands::{GitHistory, collect};
use crate::config::{Config, RegressionBudget, globs};
use crate::error::{Result, trouble};
use crate::git::Repo;
use crate::model::uncommitted::hook_files;
use crate::model::{
    Better, ChangeId, Class, CommandLine, Event, Fix, Gate, How, Kind, MetricId, MetricSpec, RolloutStage, Surface,
    fix, scrub,
};
use crate::store::project;
use crate::workflow::{Change, End};

/// The default time limit for committing monitored days, in days: committing a day's evidence on the next day is
/// normal, committing a whole window at once is not.
const WITNESS_DAYS: u32 = 2;

/// The demands of the config at the head and of one before: what either guards is guarded, what both exempt is exempt, and
/// the later gate is demanded unless `require` names one. If `is_first`, the commits may include the set-up.
pub(crate) fn policy(
    head: &Config,
    before: Option<&Config>,
    is_first: bool,
    require: Option<Gate>,
) -> Result<CheckPolicy> {
    let both = || std::iter::once(head).chain(before).map(|config| &config.enforcement);
    let days = both().filter_map(|it| it.witness_within_days).min();
    let configured = both().map(|it| it.require).max().unwrap_or(head.enforcement.require);
    Ok(CheckPolicy {
        require: require.unwrap_or(configured),
        exempt: exemptions(head, is_first)?,
        exempt_before: before.map(|it| exemptions(it, is_first)).transpose()?,
        surfaces: surfaces(head, before)?,
        deadline: CommitDeadline { days: days.unwrap_or(WITNESS_DAYS), demanded: days.is_some() },
        max_emergency_days: both().map(|it| it.max_emergency_days).min().unwrap_or_default(),
    })
}

pub(crate) fn here(config: &Config) -> Result<CheckPolicy> {
    policy(config, None, true, None)
}

/// The keys of a config whose demands a change did not meet in these of its events: a config that was loosened and
/// restored in between shows in what it let pass.
pub(crate) fn went_past(
    config: &Config,
    history: &GitHistory<'_>,
    change: &Change,
    brought: &[Event],
) -> Vec<&'static str> {
    const STAGES: &str = "rollout.stages";
    let is_new = |is: fn(&Kind) -> bool| brought.iter().any(|event| is(&event.what));
    let mut keys = Vec::new();
    if is_new(|what| matches!(what, Kind::Promoted(_) | Kind::RolledOut(_) | Kind::Verified { .. })) {
        keys.extend(demanded::missed(change, &[collect::policy_of(config)]));
        keys.extend(review_missed(history, config, change));
    }
    let unchecked = |event: &Event| {
        let Kind::RolledOut(RolloutStage { stage, checked, .. }) = &event.what else { return false };
        let checked = checked.as_deref().unwrap_or_default();
        let planned = config.rollout.stages.iter().find(|planned| planned.name == *stage);
        planned.and_then(|planned| planned.check.as_deref()).is_some_and(|check| scrub(check) != checked)
    };
    if brought.iter().any(unchecked) && !keys.contains(&STAGES) {
        keys.push(STAGES);
    }
    keys
}

/// The key of the base config's demand on reviews that the review of a verified change does not meet.
fn review_missed(history: &GitHistory<'_>, before: &Config, change: &Change) -> Option<&'static str> {
    if !before.review.require_attestation || !matches!(change.end, Some(End::Verified { .. })) {
        return None;
    }
    let commit = change.commits().last().and_then(|commit| history.commit(commit));
    let author = commit.map(|it| format!("{} <{}>", it.author_name, it.author_email));
    let author = author.or_else(|| change.events.first()?.actor.clone());
    collect::objection(std::slice::from_ref(before), change, author.as_deref()).map(|(key, _)| key)
}

pub(crate) fn differences(old: &Value, new: &Value) -> Vec<KeyChange> {
    let (old, new) = (leaves(old), leaves(new));
    let keys: BTreeSet<&String> = old.keys().chain(new.keys()).collect();
    let differing = keys.into_iter().filter(|key| old.get(*key) != new.get(*key));
    let change = |key: &String| KeyChange { key: key.clone(), old: old.get(key).cloned(), new: new.get(key).cloned() };
    differing.filter(|key| !key.starts_with("project.")).map(change).collect()
}

/// The key of the config for the stem of a definition, such as `timings.x` for `timing.x`.
pub(crate) fn key_of(stem: &str) -> String {
    let sections = [("timing.", "timings."), ("kpi.", "kpis."), ("http.", "http_probes.")];
    let section = sections.iter().find_map(|(short, key)| Some(format!("{key}{}", stem.strip_prefix(short)?)));
    section.unwrap_or_else(|| stem.to_owned())
}

/// All values of a config by key; entries of a list are keyed by their names if all have one.
fn leaves(config: &Value) -> BTreeMap<String, String> {
    fn add(key: &str, value: &Value, found: &mut BTreeMap<String, String>) {
        let mut below = |name: &str, value: &Value| {
            add(&if key.is_empty() { name.to_owned() } else { format!("{key}.{name}") }, value, found);
        };
        let name = |entry: &Value| entry["name"].as_str().map(str::to_owned);
        if let Some(map) = value.as_object() {
            map.iter().for_each(|(name, value)| below(name, value));
        } else if let Some(list) =
            value.as_array().filter(|list| !list.is_empty() && list.iter().all(|it| name(it).is_some()))
        {
            list.iter().for_each(|entry| below(&name(entry).unwrap_or_default(), entry));
        } else if !value.is_null() {
            found.insert(key.to_owned(), value.to_string());
        }
    }
    let mut found = BTreeMap::new();
    add("", config, &mut found);
    found
}

/// The exemption of commits with only files of the set-up: nothing can be measured before they are committed. Later, the
/// config, hooks and `.gitignore` files still need no change, and changes of the config are reported.
fn set_up(is_first: bool) -> Result<Exemption> {
    let names = project::config_names();
    let mut patterns: Vec<String> = names.iter().map(|name| globset::escape(name)).collect();
    patterns.push("**/.gitignore".to_owned());
    patterns.extend(hook_files());
    patterns.extend(is_first.then(|| ".gitattributes".to_owned()));
    let reason = "the set-up of vibeship-optimizer".to_owned();
    Ok(Exemption { paths: Some(globs(&patterns)?), authors: None, bots: Vec::new(), reason })
}

fn exemptions(config: &Config, is_first: bool) -> Result<Vec<Exemption>> {
    let optional = |patterns: &[String]| -> Result<Option<GlobSet>> {
        if patterns.is_empty() { Ok(None) } else { Ok(Some(globs(patterns)?)) }
    };
    let of = |exempt: &crate::config::ExemptionConfig| -> Result<Exemption> {
        Ok(Exemption {
            paths: optional(&exempt.paths)?,
            authors: optional(&exempt.authors)?,
            bots: exempt.bots.clone(),
            reason: exempt.reason.clone(),
        })
    };
    config.enforcement.exempt.iter().map(of).chain([set_up(is_first)]).collect()
}

fn surfaces(head: &Config, before: Option<&Config>) -> Result<Surfaces> {
    let configs: Vec<&Config> = std::iter::once(head).chain(before.filter(|it| *it != head)).collect();
    let all = |list: fn(&Config) -> &Vec<String>| {
        let patterns = configs.iter().flat_map(|config| list(config).iter());
        globs(patterns)
    };
    // Each config's set has to match on its own.
    let each = |list: fn(&Config) -> &Vec<String>| -> Result<Vec<GlobSet>> {
        configs.iter().map(|config| Ok(globs(list(config))?)).collect()
    };
    // The files that hold tuneables belong to their surface without being listed again.
    let mut tuneables: Vec<String> = Vec::new();
    for config in &configs {
        tuneables.extend(config.surfaces.tuneables.iter().cloned());
        let files = config.tuneables.files.iter().map(|file| file.strip_prefix("./").unwrap_or(file));
        tuneables.extend(files.map(globset::escape));
    }
    Ok(Surfaces {
        by_surface: [
            all(|config| &config.surfaces.invariants)?,
            all(|config| &config.surfaces.contracts)?,
            all(|config| &config.surfaces.env)?,
            globs(&tuneables)?,
            all(|config| &config.surfaces.overlays)?,
        ],
        docs: each(|config| &config.contract_docs.docs)?,
        tests: each(|config| &config.contract_docs.tests)?,
        non_code: configs.iter().map(|config| non_code_globs(config)).collect::<Result<_, _>>()?,
    })
}

/// Files that are neither tuneables nor code: documents, tests, prose, results that metrics are read from, the config.
pub(crate) fn non_code_globs(config: &Config) -> Result<GlobSet> {
    let mut patterns: Vec<String> = ["**/*.md", "**/*.rst", "**/*.adoc"].map(str::to_owned).to_vec();
    patterns.extend(project::ROOT_CONFIGS.map(globset::escape));
    patterns.extend(config.contract_docs.docs.iter().chain(&config.contract_docs.tests).cloned());
    let files = config.results().map(|(_, file)| file.strip_prefix("./").unwrap_or(file));
    patterns.extend(files.map(globset::escape));
    Ok(globs(&patterns)?)
}

/// The first surface that a change of this class must not touch and these files are on, with the files on it.
pub(crate) fn not_of(config: &Config, class: Class, files: &[String]) -> Result<Option<(Surface, Vec<String>)>> {
    let files: Vec<&str> = files.iter().map(String::as_str).collect();
    Ok(surfaces(config, None)?.not_of(class, &files).into_iter().next())
}

pub(crate) fn code(config: &Config, files: &[String]) -> Result<Vec<String>> {
    let surfaces = surfaces(config, None)?;
    Ok(files.iter().filter(|file| surfaces.is_code(file)).cloned().collect())
}

/// The files of a change that are no change by themselves, because they are not code and one of them is a result.
pub(crate) fn beside_results(
    config: &Config,
    files: &[String],
    is_result: impl Fn(&String) -> bool,
) -> Result<Vec<String>> {
    if !files.iter().any(is_result) {
        return Ok(Vec::new());
    }
    let code = code(config, files)?;
    Ok(files.iter().filter(|file| !code.contains(file)).cloned().collect())
}

/// The findings on what the changes in the history of `head` use of each budget of either config.
pub(crate) fn budgets<'a>(
    repo: &Repo,
    (config, before): (&Config, Option<&Config>),
    changes: impl Iterator<Item = &'a Change> + Clone,
    head: &str,
) -> Result<Vec<Finding>> {
    let mut found = Vec::new();
    let is_new = |(_, budget): &(&Config, &RegressionBudget)| !config.budget.contains(budget);
    let before = before.into_iter().flat_map(|it| it.budget.iter().map(move |budget| (it, budget))).filter(is_new);
    for (config, budget) in config.budget.iter().map(|budget| (config, budget)).chain(before) {
        let measurable = config.measurable();
        let metric = MetricId::new(&budget.metric);
        let Some(spec) = measurable.iter().find(|spec| spec.id == metric) else { continue };
        let of = || format!("budget of {metric}");
        let since = repo.resolve_only(&budget.since).context(of())?;
        let head = &repo.resolve(head)?;
        if is_moving_name(repo, &budget.since)? {
            let said = format!("{}: since: {} moves, so that nothing would add up", of(), budget.since);
            return Err(trouble(said).hinted("name a tag, or the hash of a commit"));
        }
        repo.needs_whole(Some(&since), head).context(of())?;
        let commits = repo.git().args(["rev-list", head, &format!("^{since}")]).long().ok()?;
        let commits: BTreeSet<&str> = std::str::from_utf8(&commits).unwrap_or_default().lines().collect();
        let is_since = |change: &&Change| change.commits().iter().any(|commit| commits.contains(commit.as_str()));
        // A change whose rollback was only recorded still counts.
        let is_in = |change: &&Change| {
            change.rollback.is_none() || GitHistory::new(repo, "").is_in_effect(head, &change.commits())
        };
        let in_effect: Vec<&Change> = changes.clone().filter(is_since).filter(is_in).collect();
        found.extend(budget_finding(budget, spec, &in_effect));
    }
    Ok(found)
}

/// Whether a name can refer to another commit later: it is neither a tag nor a hash, nor relative to one.
fn is_moving_name(repo: &Repo, name: &str) -> Result<bool> {
    let base = name.split(['~', '^', '@']).next().unwrap_or_default();
    let full = repo.git().args(["rev-parse", "--symbolic-full-name", "--verify", "--quiet", base]).output()?;
    let is_hash = full.stdout.is_empty() && base.bytes().all(|byte| byte.is_ascii_hexdigit());
    Ok(!full.stdout.starts_with(b"refs/tags/") && (base.is_empty() || !is_hash))
}

/// The finding on a budget; `None` if nothing of it is used. `in_effect` are the changes with commits since it began.
fn budget_finding(budget: &RegressionBudget, spec: &MetricSpec, in_effect: &[&Change]) -> Option<Finding> {
    let mut costs: Vec<(f64, &ChangeId)> = Vec::new();
    let mut unjudged = 0;
    for change in in_effect.iter().filter(|change| change.promotion.is_some()) {
        match cost(spec, change) {
            Some(cost) => costs.push((cost, change.id())),
            None => unjudged += 1,
        }
    }
    // Improvements make up for regressions.
    let spent = costs.iter().map(|(cost, _)| 1.0 + cost).product::<f64>() - 1.0;
    costs.retain(|(cost, _)| *cost != 0.0);
    if costs.is_empty() {
        return None;
    }
    costs.sort_by(|one, other| other.0.total_cmp(&one.0));
    let finding = Finding::warn(FindingKind::Budget {
        metric: spec.id.clone(),
        since: budget.since.clone(),
        spent,
        at_most: budget.at_most,
        changes: costs.into_iter().map(|(_, id)| id.clone()).collect(),
        unjudged,
    });
    let level = if spent > budget.at_most { Severity::Fail } else { Severity::Info };
    Some(Finding { level, ..finding })
}

/// The share by which a change made the metric worse, according to its verdicts.
fn cost(spec: &MetricSpec, change: &Change) -> Option<f64> {
    let verdicts = &change.comparison.as_ref()?.verdicts;
    let share = verdicts.all().find_map(|judged| {
        let criterion = judged.parsed()?;
        let of_it = criterion.metric == spec.id && criterion.is_relative();
        judged.verdict.finding()?.share().filter(|_| of_it)
    })?;
    Some(match spec.better {
        Better::Lower => share.value,
        Better::Higher => 1.0 / (1.0 + share.value) - 1.0,
    })
}

/// The message that `enforcement.since` names no commit here, with the fixes.
pub(crate) fn unknown_since(repo: &Repo, since: &str) -> Result<Option<(String, Vec<Fix>)>> {
    if repo.commit_by_hash(since)?.is_some() {
        return Ok(None);
    }
    let see = CommandLine::git("log --oneline --reverse");
    let name = Fix::edit(How::Then, "name it there", "the config", "enforcement", "since: COMMIT");
    let find = vec![Fix::next("find the last commit before the set-up", see), name];
    let fixes = if repo.is_shallow() { vec![fix::unshallow()] } else { find };
    Ok(Some((format!("enforcement.since of the config names no commit here: {since}"), fixes)))
}
