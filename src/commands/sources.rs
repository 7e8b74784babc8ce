//! Checks measurements against their sources: KPIs against their text, sizes and tuneables against git; and the caveats about
//! numbers that the change's own commit implies.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use crate::audit::evidence::Fetch;
use crate::audit::members;
use crate::commands::{Ctx, GitHistory, choose, collect, delta, demands, evidence, validate};
use crate::config::Config;
use crate::error::Result;
use crate::git::DiffTarget;
use crate::judge::Caveat;
use crate::measure::{self, number};
use crate::model::{
    Artifact, Class, Kpi, MetricId, MetricSource, RecordedSnapshot, Size, Snapshot, WorkTree, count, ingest, scrub,
    short,
};
use crate::os::files;
use crate::stats::median;
use crate::store::EvidenceRole;
use crate::workflow::Change;

/// The first problem: a check that the validation left out, or a measurement that differs from its source.
pub(crate) fn problem(
    (config, history): (Option<&Config>, Option<&GitHistory<'_>>),
    change: &Change,
    fetch: &Fetch<'_>,
) -> Result<Option<String>> {
    if let Some(history) = history {
        let of_pairs = || of_pairs(history, change, fetch);
        if let Some(problem) = of_validation(history, change)?.map_or_else(of_pairs, |it| Ok(Some(it)))? {
            return Ok(Some(problem));
        }
    }
    let current = change.artifacts();
    let taken = change.events.iter().filter_map(|event| event.what.recorded_snapshot());
    for taken in taken.filter(|taken| current.contains(&&taken.snapshot)) {
        let Some(Ok(snapshot)) = fetch(&taken.snapshot).map(|bytes| ingest::parse_snapshot(&bytes)) else { continue };
        let mut problem = kpi_problem((config, history), change, taken, &snapshot, fetch)?;
        if let Some(history) = history {
            problem = problem.map_or_else(|| size_problem(history, change, &snapshot), |it| Ok(Some(it)))?;
            problem = problem.map_or_else(|| tuneables_problem(history, &snapshot), |it| Ok(Some(it)))?;
        }
        if let Some(problem) = problem {
            return Ok(Some(format!("{}: {problem}", taken.snapshot.path)));
        }
    }
    Ok(None)
}

/// A problem by the config of the validated commit: a check that was not run, or a change of nothing but results.
fn of_validation(history: &GitHistory<'_>, change: &Change) -> Result<Option<String>> {
    let Some(validation) = &change.validation else { return Ok(None) };
    let named = validation.revision.commit.as_deref();
    let Some(commit) = named.and_then(|commit| here(history, change, commit)) else { return Ok(None) };
    let Some(config) = history.config(&commit)? else {
        return Ok(Some(format!(
            "commit {} has no config, which names the checks that it had to pass",
            short(&commit)
        )));
    };
    let mut checks: BTreeMap<String, Option<String>> = validate::planned(&config).collect();
    // For a replacement of a lost commit, only checks that existed before it count.
    if change.is_moved() && named.is_some_and(|named| history.known(named).is_none()) {
        let before = change.baseline_commit().and_then(|baseline| history.known(baseline));
        let before = history.config(&before.unwrap_or_else(|| format!("{commit}^1")))?;
        let before: BTreeMap<_, _> = before.iter().flat_map(validate::planned).collect();
        checks.retain(|name, cmd| before.get(name) == Some(cmd));
    }
    let ran = |name: &str, cmd: &Option<String>| {
        let is_it = |what: &str| cmd.as_ref().is_none_or(|cmd| scrub(what) == *cmd);
        validation.checks.iter().any(|check| check.name == name && is_it(&check.what))
    };
    if let Some((name, _)) = checks.iter().find(|(name, cmd)| !ran(name, cmd)) {
        return Ok(Some(format!("the validation lacks the check `{name}` as the config of its commit has it")));
    }
    if change.opened.class == Class::Code && config.commands.test.is_none() {
        return Ok(Some("a code change owes a test, and the config of its commit has no `commands.test`".to_owned()));
    }
    let as_written = |path: &str| BTreeSet::from([files::normal(Path::new(path))]);
    let mut own = collect::sources_among_own(&config, as_written);
    if let Some(source) = own.find(|source| delta::concerns(change, &source.key)) {
        return Ok(Some(format!(
            "{} is read from {}, which any commit may alter as evidence",
            source.key, source.path
        )));
    }
    let delta = &validation.delta;
    let results = collect::results(&config, &change.contract);
    let results: BTreeSet<PathBuf> = results.map(|file| files::normal(Path::new(file))).collect();
    let is_result = |file: &String| results.contains(Path::new(file));
    let beside = demands::beside_results(&config, &delta.files, is_result)?;
    let only_results = delta.files.iter().all(|file| is_result(file) || beside.contains(file));
    let is_nothing = delta.tuneables.is_empty() && !delta.files.is_empty() && only_results;
    Ok(is_nothing.then(|| "the change alters no code, only files that its metrics are read from".to_owned()))
}

/// A size in the pairs that differs from git.
fn of_pairs(history: &GitHistory<'_>, change: &Change, fetch: &Fetch<'_>) -> Result<Option<String>> {
    let pair = change.comparison.as_ref().and_then(|compared| fetch(compared.pair.as_ref()?));
    let Some(Ok(pair)) = pair.map(|bytes| ingest::parse_pair(&bytes)) else { return Ok(None) };
    for pair in std::iter::once(&pair).chain(&pair.others) {
        for (side, is_after) in [(&pair.before, false), (&pair.after, true)] {
            let sizes = pair.sizes.iter().map(|(path, both)| (path, if is_after { &both.1 } else { &both.0 }));
            let Some(commit) = side.commit.as_deref() else { continue };
            if let Some(problem) = other_sizes(history, change, commit, sizes)? {
                return Ok(Some(format!("the pairs: {problem}")));
            }
        }
    }
    Ok(None)
}

/// A commit of the change's measurements and checks or, if it is lost, its replacement.
fn here(history: &GitHistory<'_>, change: &Change, commit: &str) -> Option<String> {
    history.known(commit).or_else(|| history.known(&change.commits().pop()?))
}

fn kpi_problem(
    (config, history): (Option<&Config>, Option<&GitHistory<'_>>),
    change: &Change,
    taken: &RecordedSnapshot,
    snapshot: &Snapshot,
    fetch: &Fetch<'_>,
) -> Result<Option<String>> {
    let commit = snapshot.revision.as_ref().and_then(|revision| revision.commit.as_deref());
    // The config of the measurement's commit: a later one may read another number, or none.
    let mut there = None;
    for kpi in &snapshot.kpis {
        let key = format!("kpi.{}", kpi.name);
        let (fixed, is_fixed) = (snapshot.definitions.get(&key), !snapshot.definitions.is_empty());
        if is_fixed && fixed.is_none() {
            return Ok(Some(format!("KPI {} has values, and no definition as every KPI has", kpi.name)));
        }
        // Baselines of early versions fix no definitions.
        let defines = |config: &&Config| !is_fixed || config.definitions().get(&key) == fixed;
        let mut known = config.filter(defines);
        if let (None, Some(history), Some(commit)) = (known, history, commit.filter(|_| is_fixed)) {
            let here = here(history, change, commit);
            if there.is_none() {
                there = here.as_deref().map(|commit| history.config(commit)).transpose()?.flatten();
            }
            known = there.as_ref().filter(defines);
            if known.is_none() && here.is_some() {
                return Ok(Some(format!("KPI {} is not defined so in the config of its commit", kpi.name)));
            }
        }
        let probe = known.and_then(|config| config.kpis.iter().find(|it| it.name == kpi.name));
        let spec = probe.map(measure::kpi::unmeasured);
        if spec.is_some_and(|it| (&it.unit, it.better, it.sampling) != (&kpi.unit, kpi.better, kpi.sampling)) {
            let what = "another unit, direction or way of sampling than its definition";
            return Ok(Some(format!("KPI {} has {what}", kpi.name)));
        }
        let kept = kept_in(change, taken, snapshot.role.as_deref().unwrap_or_default(), kpi);
        if kpi.raw.is_none() && kept.is_none() && !kpi.values.is_empty() {
            return Ok(Some(format!("KPI {} has values, and not the text that they were read from", kpi.name)));
        }
        if kpi.raw.is_some() && kept.is_some() {
            return Ok(Some(format!("KPI {} has two texts that it was read from", kpi.name)));
        }
        let text = kpi.raw.clone().map(String::into_bytes).or_else(|| fetch(kept?));
        let (Some(probe), Some(text), Some(value)) = (probe, text, kpi.values.last()) else { continue };
        let read = number::numbers(probe, &text).ok().and_then(|numbers| median(&numbers));
        if read != Some(*value) {
            return Ok(Some(format!("KPI {} differs from its raw output", kpi.name)));
        }
    }
    Ok(None)
}

/// The file with the text of a KPI's last value, if the text is not stored beside the value.
fn kept_in<'t>(change: &Change, taken: &'t RecordedSnapshot, role: &str, kpi: &Kpi) -> Option<&'t Artifact> {
    let name = EvidenceRole::Kpi { name: &kpi.name, role, extension: "x" }.file_name(change.id());
    taken.kpi_artifacts.iter().find(|file| file.path.contains(name.trim_end_matches('x')))
}

/// The commit that was measured, unless there was other work.
fn clean_commit(snapshot: &Snapshot) -> Option<&str> {
    snapshot.revision.as_ref().filter(|it| it.work_tree == WorkTree::Clean)?.commit.as_deref()
}

/// A size that differs from git's in the snapshot's commit or, after the change, in a replacement on the same code.
fn size_problem(history: &GitHistory<'_>, change: &Change, snapshot: &Snapshot) -> Result<Option<String>> {
    let Some(commit) = clean_commit(snapshot) else { return Ok(None) };
    let is_after = change.after.as_ref().is_some_and(|after| after.taken.revision.commit.as_deref() == Some(commit));
    let moved = || here(history, change, commit).filter(|it| members::is_on_the_baseline(change, it, history));
    let is_lost = change.is_moved() && history.known(commit).is_none();
    let commit = if is_lost { moved().filter(|_| is_after) } else { Some(commit.to_owned()) };
    let Some(commit) = commit else { return Ok(None) };
    other_sizes(history, change, &commit, snapshot.sizes.iter())
}

fn other_sizes<'s>(
    history: &GitHistory<'_>,
    change: &Change,
    commit: &str,
    sizes: impl Iterator<Item = (&'s String, &'s Size)>,
) -> Result<Option<String>> {
    let named = change.contract.criteria().filter(|it| it.metric.source() == Some(MetricSource::Size));
    let named: BTreeSet<&str> = named.filter_map(|it| it.metric.subject()).collect();
    for (path, size) in sizes.filter(|(path, _)| named.contains(path.as_str())) {
        let recorded = size.tracked_bytes.zip(size.tracked_files);
        let Some((bytes, files)) = history.repo.size_unless(commit, path, recorded)? else { continue };
        let (held, commit) = (count(files, "file", "files"), short(commit));
        return Ok(Some(format!("size.{path} is {bytes} B in {held} in commit {commit}, and not what it says")));
    }
    Ok(None)
}

fn tuneables_problem(history: &GitHistory<'_>, snapshot: &Snapshot) -> Result<Option<String>> {
    let commit = clean_commit(snapshot).filter(|_| !snapshot.tuneables.is_empty());
    let Some(commit) = commit.and_then(|commit| history.known(commit)) else { return Ok(None) };
    let _reader = history.repo.batch()?;
    for file in snapshot.tuneable_files.iter().filter(|file| !file.path.starts_with(['~', '/'])) {
        let Some(bytes) = history.file(&commit, &file.path)? else { continue };
        let Ok(held) = measure::tuneables::values(&file.path, &bytes) else { continue };
        let mut own = snapshot.tuneables.iter().filter(|(_, tuneable)| tuneable.layer == file.path);
        if let Some((key, _)) = own.find(|(key, tuneable)| held.get(*key) != Some(&tuneable.value)) {
            let commit = short(&commit);
            return Ok(Some(format!("the tuneable `{key}` has another value in {} of commit {commit}", file.path)));
        }
    }
    Ok(None)
}

/// How many commits to search for one that the change undoes, including the change's own.
const RESTORES: &str = "-12";
/// A larger file is data, not a result.
const LARGEST_RESULT: u64 = 1 << 20;

/// The caveats of a comparison that do not come from its numbers. Comparisons that continue one another count once.
pub(crate) fn caveats(ctx: &Ctx, change: &Change, continued: usize) -> Result<Vec<Caveat>> {
    let files = committed_numbers(ctx, change)?;
    let continued = u32::try_from(continued).unwrap_or_default();
    let times = change.comparisons_since_baseline().saturating_add(1).saturating_sub(continued);
    let outputs = (!files.is_empty()).then_some(Caveat::OutputCommitted { files });
    let tests = without_code(ctx, change)?;
    let repeated = (times > 1).then_some(Caveat::Repeated { times });
    Ok(outputs.into_iter().chain(tests).chain(restored(ctx, change)?).chain(repeated).collect())
}

fn without_code(ctx: &Ctx, change: &Change) -> Result<Option<Caveat>> {
    let Some(delta) = change.newest_delta().filter(|it| it.tuneables.is_empty() && !it.files.is_empty()) else {
        return Ok(None);
    };
    let has_code = !demands::code(ctx.config()?, &delta.files)?.is_empty();
    Ok((!has_code).then(|| Caveat::NoCode { files: delta.files.clone() }))
}

/// Files of the change that a metric is read from, and files in which its commit replaces a KPI's old value by the new one or
/// adds the line that the KPI's command printed.
fn committed_numbers(ctx: &Ctx, change: &Change) -> Result<Vec<String>> {
    let (Some(repo), Some(delta), Some(commit)) = (ctx.repo()?, change.newest_delta(), change.commits().pop()) else {
        return Ok(Vec::new());
    };
    let (Some(baseline), Some(after)) = (&change.baseline, &change.after) else { return Ok(Vec::new()) };
    let taken = &after.taken;
    let before = evidence::snapshot(ctx, &baseline.taken.snapshot)?;
    let after = evidence::snapshot(ctx, &taken.snapshot)?;
    let is_judged = |kpi: &&Kpi| change.contract.criteria().any(|it| it.metric == MetricId::kpi(&kpi.name));
    let fetch = evidence::fetch(ctx);
    let of = |kpi: &Kpi| {
        let now = after.kpis.iter().find(|it| it.name == kpi.name)?;
        let kept = || fetch(kept_in(change, taken, "after", now)?);
        let printed = now.raw.clone().map(String::into_bytes).or_else(kept).unwrap_or_default();
        Some((*kpi.values.last()?, *now.values.last()?, lines_with(&printed, *now.values.last()?)))
    };
    let values: Vec<(f64, f64, Vec<String>)> = before.kpis.iter().filter(is_judged).filter_map(of).collect();
    let outputs = collect::outputs_in_delta(ctx, change)?;
    let mut batch = repo.batch()?;
    let (there, mut found) = (repo.as_of(&commit)?, Vec::new());
    for file in &delta.files {
        let path = there.full(file);
        let mut text = |commit: &str| batch.read_path(commit, &path, LARGEST_RESULT).ok().flatten().unwrap_or_default();
        let (old, new) = (text(&format!("{commit}^")), text(&commit));
        let more = |value: f64, one: &[u8], other: &[u8]| lines_with(one, value).len() > lines_with(other, value).len();
        let is_put = |(from, to, printed): &(f64, f64, Vec<String>)| {
            let (olds, news) = (lines_with(&old, *to), lines_with(&new, *to));
            let is_new = |line: &String| {
                let count = |lines: &[String]| lines.iter().filter(|it| *it == line).count();
                count(&news) > count(&olds)
            };
            more(*from, &old, &new) && news.len() > olds.len() || printed.iter().any(is_new)
        };
        if outputs.contains(file) || values.iter().any(is_put) {
            found.push(file.clone());
        }
    }
    Ok(found)
}

/// The commit that a change undoes by restoring all of its files to their state before that commit.
fn restored(ctx: &Ctx, change: &Change) -> Result<Option<Caveat>> {
    let (Some(repo), Some(commit), Some(delta)) =
        (ctx.repo()?, change.commits().last().cloned(), change.newest_delta())
    else {
        return Ok(None);
    };
    let there = repo.as_of(&commit)?;
    let paths = delta.files.iter().map(|path| there.full_path(path));
    let args = ["log", "-z", "--raw", "--no-abbrev", "--no-renames", "--format=%H", RESTORES, &commit, "--"];
    let output = repo.git().args(args).args(paths).long().text()?;
    // Newest first: each file before the commits so far, and after the change.
    let (mut now, mut then) = (BTreeMap::new(), BTreeMap::new());
    let mut tokens = output.split(['\0', '\n']).filter(|token| !token.is_empty());
    let mut undone = "";
    while let Some(token) = tokens.next() {
        let Some(raw) = token.strip_prefix(':') else {
            let is_undone = undone != commit && !undone.is_empty() && now == then;
            if is_undone && !is_own_rollback(ctx, change, undone)? {
                break;
            }
            undone = token;
            continue;
        };
        let (objects, path): (Vec<&str>, _) = (raw.split(' ').collect(), tokens.next().unwrap_or_default());
        let [_, _, old, new, ..] = objects[..] else { continue };
        now.entry(path).or_insert(new);
        then.insert(path, old);
    }
    let restores = !now.is_empty() && now == then && undone != commit && !is_own_rollback(ctx, change, undone)?;
    let earlier = || repo.resolve(&format!("{undone}^")).ok();
    Ok(earlier().filter(|_| restores).map(|earlier| Caveat::Restores { undone: undone.to_owned(), earlier }))
}

/// Whether a commit is the rollback of an earlier change that this one repeats, and left its files as before that.
fn is_own_rollback(ctx: &Ctx, change: &Change, commit: &str) -> Result<bool> {
    let (Some(repo), Some(delta)) = (ctx.repo()?, change.newest_delta()) else { return Ok(false) };
    let is_taken_up = |old: &Change| {
        let rolled_back = old.rollback.as_ref().and_then(|it| it.commit.as_deref());
        rolled_back == Some(commit)
            && (old.contract == change.contract || change.opened.from.as_ref() == Some(old.id()))
    };
    for old in choose::changes(ctx)?.0.iter().filter(|old| is_taken_up(old)) {
        let [own] = &old.commits_to_revert()[..] else { continue };
        let before = repo.resolve(&format!("{own}^"))?;
        let differing = repo.changed_files(&before, DiffTarget::Commit(commit), &repo.project())?;
        let paths: Vec<Vec<u8>> = delta.files.iter().map(|path| repo.full(path)).collect();
        if !differing.iter().any(|file| paths.contains(&file.path)) {
            return Ok(true);
        }
    }
    Ok(false)
}

/// The lines of a text that contain a number, once for each occurrence.
fn lines_with(text: &[u8], value: f64) -> Vec<String> {
    let is_it = |word: &&str| word.parse().is_ok_and(|number: f64| number.to_bits() == value.to_bits());
    let plain = |c: char| !(c.is_ascii_digit() || matches!(c, '.' | '-'));
    // Including a power of ten.
    let scientific = |c: char| plain(c) && !matches!(c, 'e' | 'E' | '+');
    let text = String::from_utf8_lossy(text);
    let of = |line: &str| {
        let powers = line.split(scientific).filter(|word| word.contains(['e', 'E']));
        let times = line.split(plain).chain(powers).filter(is_it).count();
        std::iter::repeat_n(line.trim().to_owned(), times).collect::<Vec<_>>()
    };
    text.lines().flat_map(of).collect()
}
