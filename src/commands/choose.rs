//! Selects the change that a command works on: by the flag, the variable, `change use`, or as the only open one.

use clap::Args;
use serde_json::json;

use crate::audit::Finding;
use crate::commands::{Ctx, audit_here, commit};
use crate::error::{CommandError, Exit, Result, failed, trouble};
use crate::model::{ChangeId, Class, CommandLine, Fix, fix, joined, nearest};
use crate::os::files;
use crate::store::{Record, RecordError, atomic, guard};
use crate::workflow::{Change, End, Step, next};

pub(crate) const VARIABLE: &str = "VIBESHIP_CHANGE_ID";

/// The minimum length of a part of an id that is accepted for it; a shorter one is likely a typo.
const LEAST_PART: usize = 3;

#[derive(Debug, Args)]
pub(crate) struct ChangeArg {
    /// Change to work on [default: VIBESHIP_CHANGE_ID, the one selected with `change use`, or the only open change]
    #[arg(long, value_name = "ID")]
    change_id: Option<String>,
}

impl ChangeArg {
    pub(crate) fn choose(&self, ctx: &Ctx) -> Result<ChangeId> {
        change(ctx, self.typed(), false)
    }

    pub(crate) fn load(&self, ctx: &Ctx) -> Result<Change> {
        commit::load(ctx, &self.choose(ctx)?)
    }

    /// The change of a step after the rollout: before other open ones, the only one ready to attest or verify.
    pub(crate) fn choose_monitored(&self, ctx: &Ctx) -> Result<ChangeId> {
        let (policy, now) = (ctx.policy()?, ctx.now());
        if named(ctx, self.typed())?.is_none() && active(ctx)?.is_none() {
            let changes = unfinished(ctx)?.0.into_iter().filter_map(Record::into_change);
            let ready =
                changes.filter(|change| matches!(next::next(change, &policy, now), Step::Verify | Step::Attest));
            if let [only] = ready.collect::<Vec<_>>().as_slice() {
                return Ok(only.id().clone());
            }
        }
        change(ctx, self.typed(), true)
    }

    /// The change of a step before the rollout.
    pub(crate) fn choose_early(&self, ctx: &Ctx) -> Result<ChangeId> {
        before_rollout(ctx, self.typed())
    }

    pub(crate) fn typed(&self) -> Option<&str> {
        self.change_id.as_deref()
    }
}

/// If no change is named, those whose rollout is complete, or is not, as `rolled_out` says, take precedence over
/// others.
pub(crate) fn change(ctx: &Ctx, typed: Option<&str>, rolled_out: bool) -> Result<ChangeId> {
    if let Some(id) = named(ctx, typed)? {
        return Ok(id);
    }
    let (records, damaged) = unfinished(ctx)?;
    among(ctx, &records, damaged, rolled_out)
}

/// The change of a step before the rollout; a change that is already rolled out must be named or selected.
pub(crate) fn before_rollout(ctx: &Ctx, typed: Option<&str>) -> Result<ChangeId> {
    let id = change(ctx, typed, false)?;
    if named(ctx, typed)?.is_some() || active(ctx)?.as_ref() == Some(&id) {
        return Ok(id);
    }
    let found = commit::load(ctx, &id)?;
    if found.fully_rolled_out_at().is_none() || found.opened.class == Class::Emergency {
        return Ok(id);
    }
    let ended = changes(ctx)?.0.into_iter().filter(|it| matches!(it.end, Some(End::Rejected { .. })));
    let later = ended.filter(|it| it.latest_at >= found.opened_at).max_by_key(|it| it.latest_at);
    let again =
        later.map(|it| Fix::or(format!("take {} up again, which was rejected", it.id()), fix::start_from(it.id())));
    Err(failed(format!("no change is open before its rollout; {id} is rolled out, and watched"))
        .fixed_by(std::iter::once(Fix::next("open a change", fix::start())).chain(again)))
}

pub(crate) fn named(ctx: &Ctx, typed: Option<&str>) -> Result<Option<ChangeId>> {
    if let Some(text) = typed {
        return find(ctx, text).map(Some);
    }
    let variable = std::env::var_os(VARIABLE).filter(|text| !text.is_empty());
    let found = variable.map(|text| find(ctx, &text.to_string_lossy())).transpose();
    found.map_err(|error| error.hinted(format!("it is the value of {VARIABLE}: unset it or give --change-id")))
}

/// The selected or only open change among these records, while `damaged` further ones are unreadable. Changes whose
/// rollout is complete, or is not, as `rolled_out` says, take precedence over others.
pub(crate) fn among(ctx: &Ctx, records: &[Record], damaged: usize, rolled_out: bool) -> Result<ChangeId> {
    let tracked: Vec<&Change> = open_changes(records).collect();
    let likely = tracked.iter().filter(|change| change.fully_rolled_out_at().is_some() == rolled_out);
    let likely = likely.map(|change| change.id()).collect();
    let tracked = tracked.iter().map(|change| change.id()).collect();
    let planned = records.iter().filter_map(|record| match record {
        Record::Legacy(legacy) if legacy.is_planned() => Some(&legacy.id),
        Record::Tracked(_) | Record::Legacy(_) => None,
    });
    let open: [Vec<&ChangeId>; 3] = [likely, tracked, planned.collect()];
    let chosen = active(ctx)?;
    if let Some(chosen) = chosen.iter().find(|chosen| open.iter().flatten().any(|id| id == chosen)) {
        return Ok(chosen.clone());
    }
    // Planned changes count only if nothing else is open.
    match (open.into_iter().find(|ids| !ids.is_empty()).unwrap_or_default().as_slice(), chosen) {
        ([only], chosen) => {
            if let Some(chosen) = chosen {
                ctx.ui.status(&format!("selected change {chosen} is no longer open; using {only}"));
            }
            Ok((*only).clone())
        }
        ([], _) if damaged > 0 => Err(trouble("it is not known whether a change is open")
            .fixed_by([Fix::next("see what is wrong with the records", CommandLine::tool("check"))])
            .hinted("or name a change with --change-id")),
        ([], _) => Err(removed_record(ctx, "")?.unwrap_or_else(|| {
            let list = Fix::or("see the ended ones", CommandLine::tool("change list"));
            trouble("no change is open")
                .hinted("an ended one can be named with --change-id")
                .fixed_by([Fix::next("", fix::start()), list])
        })),
        (several, _) => Err(trouble(format!("{} changes are open: {}", several.len(), joined(several)))
            .hinted("name one with --change-id, or select one")
            .fixed_by(Fix::one_of(several.iter().copied().map(fix::choose)))),
    }
}

/// The error for a change with this text in its id whose record is missing, with the fixes that restore or fetch it.
fn removed_record(ctx: &Ctx, part: &str) -> Result<Option<CommandError>> {
    let is_meant = |lost: &Finding| lost.change.as_ref().is_some_and(|id| id.as_str().contains(part));
    let mut first = audit_here::gone(ctx)?.into_iter().chain(audit_here::removed(ctx)?).find(is_meant);
    if first.is_none() {
        first = audit_here::unknown_at_head(ctx)?.filter(is_meant);
    }
    Ok(first.map(|lost| trouble(lost.named()).fixed_by(audit_here::lost_fixes(ctx, &lost))))
}

/// The change that a person names: by its id, or by a unique beginning or part of it.
pub(crate) fn find(ctx: &Ctx, text: &str) -> Result<ChangeId> {
    let parsed = text.parse::<ChangeId>();
    let whole = parsed.as_ref().ok().cloned();
    if let Ok(id) = &parsed
        && ctx.project.record_path(id).exists()
    {
        return Ok(id.clone());
    }
    let mut ids = Record::ids(&ctx.project)?;
    // People also type the words of a title.
    let part = text.trim().to_lowercase().replace(' ', "-");
    let slug = part.trim_start_matches("chg-");
    let is_enough = slug.len() >= LEAST_PART;
    let begins = |id: &ChangeId| is_enough && id.as_str().starts_with(&part);
    let holds = |id: &ChangeId| is_enough && id.as_str().to_lowercase().contains(slug);
    let mut found: Vec<&ChangeId> = ids.iter().filter(|id| begins(id)).collect();
    if found.len() != 1 {
        found = ids.iter().filter(|id| holds(id)).collect();
    }
    let list = Fix::next("see the changes", CommandLine::tool("change list"));
    if let [only] = found[..] {
        return Ok(only.clone());
    }
    if !found.is_empty() {
        return Err(trouble(format!("`{text}` is ambiguous: {}", joined(&found))).fixed_by([list]));
    }
    let near: Vec<String> = nearest(text, ids.iter().map(ChangeId::as_str), 3).into_iter().map(str::to_owned).collect();
    if ids.len() > 1 {
        ids.retain(|id| near.iter().any(|near| near == id.as_str()));
    }
    ids.retain(|id| parsed.as_ref().ok().is_none_or(|typed| may_be_meant(typed, id)));
    let error = match parsed {
        Err(error) if !ChangeId::could_hold(text) => CommandError::from(error),
        Ok(_) | Err(_) => {
            let path = ctx.project.changes_dir().join(format!("{text}.json"));
            CommandError::from(RecordError::Unknown { path, id: text.to_owned() })
        }
    };
    let least = format!("at least {LEAST_PART} characters of an id or a title are taken for it");
    let error = if is_enough { error } else { error.hinted(least) };
    let error = removed_record(ctx, slug)?.unwrap_or(error);
    if let Some((place, go)) = whole.and_then(|id| elsewhere(ctx, &id)) {
        return Err(trouble(format!("the record of {text} is not here, but {place}")).fixed_by([Fix::next("", go)]));
    }
    let error = if ids.is_empty() { error } else { error.hinted(format!("did you mean {}?", joined(&ids))) };
    Err(error.fixed_by([list]))
}

/// Whether a mistyped id may mean a known one; an id with both another time and another title is not a typo of it.
fn may_be_meant(typed: &ChangeId, known: &ChangeId) -> bool {
    let (Some(typed), Some(known)) = (typed.time_and_slug(), known.time_and_slug()) else { return true };
    typed.0 == known.0 || !nearest(typed.1, [known.1], 1).is_empty()
}

/// If there are more branches, the oldest are not searched.
const MOST: &str = "--count=200";

/// Where a record that is missing here is instead (in another worktree, on another branch, in a stash), and the command that
/// leads there; `None` if it is unknown or git fails.
pub(crate) fn elsewhere(ctx: &Ctx, id: &ChangeId) -> Option<(String, CommandLine)> {
    let repo = ctx.repo().ok()??;
    let path = repo.full(&ctx.project.relative(&ctx.project.record_path(id)));
    let mut others = repo.worktrees().unwrap_or_default().into_iter().filter(|root| root != repo.root());
    if let Some(root) = others.find(|root| root.join(files::path_from_bytes(&path)).is_file()) {
        let root = root.display().to_string();
        return Some((format!("in the worktree {root}"), CommandLine::new("cd").word(&root)));
    }
    // All reads of objects below share one reader.
    let _reader = repo.batch().ok()?;
    let read = |at: &str| repo.batch()?.read_path(at, &path, u64::MAX);
    let holds = |at: &str| matches!(read(at), Ok(Some(_)));
    let listed = ["for-each-ref", "--sort=-committerdate", MOST, "--format=%(refname:lstrip=2)"];
    let branches = |below: &str| repo.git().args(listed).arg(below).text().ok();
    let locals = branches("refs/heads")?;
    if let Some(name) = locals.lines().find(|name| holds(&format!("refs/heads/{name}"))) {
        return Some((format!("on the branch {name}"), CommandLine::git("switch").word(name)));
    }
    let stashes = repo.git().args(["stash", "list", "--format=%gd"]).text().ok()?;
    // Untracked files are in the stash's third parent.
    if let Some(at) = stashes.lines().find(|at| holds(at) || holds(&format!("{at}^3"))) {
        return Some((format!("in {at}"), CommandLine::git("stash pop").word(at)));
    }
    let remotes = branches("refs/remotes")?;
    let name = remotes.lines().find(|name| holds(&format!("refs/remotes/{name}")))?;
    let local = name.split_once('/').map_or(name, |(_, local)| local);
    let go = match locals.lines().any(|it| it == local) {
        true => CommandLine::git("switch").word(local).and(CommandLine::git("merge").word(name)),
        false => CommandLine::git("switch --track").word(name),
    };
    Some((format!("on {name}"), go))
}

pub(crate) fn active(ctx: &Ctx) -> Result<Option<ChangeId>> {
    let path = ctx.project.active_path();
    let Some(bytes) = atomic::read(&path, 4096)? else { return Ok(None) };
    let text = String::from_utf8_lossy(&bytes);
    text.trim().parse().map(Some).map_err(|error| {
        trouble(format!("{}: {error}", path.display()))
            .fixed_by([Fix::next("choose again", CommandLine::tool("change use CHANGE-ID"))])
    })
}

/// Returns what `keep` makes of every record, to save memory, and the number of damaged ones, which are reported.
pub(crate) fn records_as<T: Send>(ctx: &Ctx, keep: impl Fn(Record) -> Option<T> + Sync) -> Result<(Vec<T>, usize)> {
    reporting_damaged(ctx, Record::read_all(&ctx.project, |record| record.map(&keep).transpose())?)
}

/// The records that may still be worked on, and the number of damaged ones, which are reported.
pub(crate) fn unfinished(ctx: &Ctx) -> Result<(Vec<Record>, usize)> {
    reporting_damaged(ctx, Record::read_unfinished(&ctx.project)?)
}

/// The same, but fails if a record is damaged or missing: then it is not known what is open.
pub(crate) fn all_unfinished(ctx: &Ctx) -> Result<Vec<Record>> {
    let (records, damaged) = unfinished(ctx)?;
    let lost = if damaged > 0 { audit_here::lost(ctx)? } else { audit_here::gone(ctx)? };
    if lost.is_empty() {
        return Ok(records);
    }
    // Damaged records were reported when they were read.
    let names: Vec<String> = if damaged > 0 { Vec::new() } else { lost.iter().map(Finding::named).collect() };
    let named = if names.is_empty() { String::new() } else { format!(": {}", names.join("; ")) };
    let fixes = ctx.fix_context();
    Err(trouble(format!("it is not known whether another change is open{named}"))
        .fixed_by(lost.iter().flat_map(|lost| lost.fixes(&fixes))))
}

/// Returns what could be read and the number of the others, which are reported.
fn reporting_damaged<T>(ctx: &Ctx, read: Vec<Result<T, RecordError>>) -> Result<(Vec<T>, usize)> {
    if !ctx.project.changes_dir().exists() {
        ctx.refuse_sparse_checkout()?;
    }
    let all = read.len();
    let reported = |record: Result<T, RecordError>| record.inspect_err(|error| ctx.error_once(&error.to_string())).ok();
    let good: Vec<T> = read.into_iter().filter_map(reported).collect();
    let damaged = all - good.len();
    Ok((good, damaged))
}

/// All changes tracked by this tool, and the number of damaged records, which are reported.
pub(crate) fn changes(ctx: &Ctx) -> Result<(Vec<Change>, usize)> {
    records_as(ctx, Record::into_change)
}

pub(crate) fn open_changes(records: &[Record]) -> impl Iterator<Item = &Change> {
    records.iter().filter_map(Record::change).filter(|change| change.is_open())
}

/// The change whose state after is to be measured.
pub(crate) fn to_measure_after(ctx: &Ctx, typed: Option<&str>) -> Result<ChangeId> {
    rolled_back(ctx, typed, fix::after)?.map_or_else(|| before_rollout(ctx, typed), Ok)
}

/// The named change or, if none is open, the only rolled back and unmeasured one; of several, `each` is printed.
pub(crate) fn rolled_back(
    ctx: &Ctx,
    typed: Option<&str>,
    each: fn(&ChangeId) -> CommandLine,
) -> Result<Option<ChangeId>> {
    if let Some(id) = named(ctx, typed)? {
        return Ok(Some(id));
    }
    let (records, _) = unfinished(ctx)?;
    let is_none_open = open_changes(&records).next().is_none();
    let waiting = records.iter().filter(|_| is_none_open).filter_map(awaits_confirmation);
    match waiting.map(Change::id).collect::<Vec<_>>().as_slice() {
        [] => Ok(None),
        [only] => Ok(Some((*only).clone())),
        several => {
            let message = format!("{} changes that were rolled back wait for a measurement", several.len());
            Err(trouble(message).fixed_by(Fix::one_of(several.iter().copied().map(each))))
        }
    }
}

pub(crate) fn awaits_confirmation(record: &Record) -> Option<&Change> {
    record.change().filter(|change| next::awaits_confirmation(change))
}

#[derive(Debug, Args)]
pub(crate) struct UseArgs {
    /// Change to select
    #[arg(value_name = "ID", required_unless_present_any = ["clear", "change_id"])]
    id: Option<String>,
    /// Change to select, as an option
    #[arg(long, value_name = "ID", conflicts_with = "id")]
    change_id: Option<String>,
    /// Clear the selection
    #[arg(long, conflicts_with_all = ["id", "change_id"])]
    clear: bool,
}

/// Writes the selection to this checkout's state, which is not committed.
pub(crate) fn run_use(ctx: &Ctx, args: UseArgs) -> Result<Exit> {
    let path = ctx.project.active_path();
    let Some(text) = args.id.or(args.change_id) else {
        let _lock = ctx.lock()?;
        match std::fs::remove_file(&path) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error.into()),
            Ok(()) | Err(_) => ctx.ui.status("No change is chosen."),
        }
        let answer = json!({ "change_id": null });
        return if ctx.json(false) { ctx.print(&answer) } else { Ok(Exit::Yes) };
    };
    let change = commit::load(ctx, &find(ctx, &text)?)?;
    let id = change.id();
    // Commands ignore a selected change that has ended and would silently work on another one.
    if let Some(end) = &change.end {
        return Err(failed(format!("cannot select {id}: it has ended ({})", end.name())).fixed_by([
            Fix::next("see which are open", CommandLine::tool("change list")),
            Fix::or("name the ended one where it is meant", fix::on(id, "change show")),
        ]));
    }
    let _lock = ctx.lock()?;
    guard::write(&ctx.project, &path, format!("{id}\n").as_bytes())?;
    ctx.say(false, &json!({ "change_id": id }), id.as_str())
}
