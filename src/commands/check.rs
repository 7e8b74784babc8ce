//! `check`: checks commits and records against the workflow. Over a range it is the authority, from git's objects; without
//! one it audits the work tree. `--remeasure` compares the verdicts with another measurement.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use clap::builder::{PossibleValuesParser, TypedValueParser as _};
use clap::{Args, ValueEnum as _};

use crate::audit::{Finding, FindingKind};
use crate::commands::audit_range::{self, Checked, Concerned};
use crate::commands::{Ctx, Range, audit_here, choose, commit, evidence, in_text, range, uncommitted};
use crate::error::{Exit, Result, trouble};
use crate::git::Repo;
use crate::model::{CommandLine, Fix, FixContext, Gate, Severity, joined, own};
use crate::os::files;
use crate::report::{Format, findings, markdown};
use crate::store::{atomic, guard, project};
use crate::workflow::{Change, End};

#[derive(Debug, Args)]
pub(crate) struct CheckArgs {
    /// Check the commits of this range, reading only git objects [default without a value: commits that are not upstream yet]
    #[arg(long, value_name = "BASE..HEAD", num_args = 0..=1, default_missing_value = range::UNPUBLISHED)]
    range: Option<String>,
    /// Require each change to have passed this gate [default: from the config at both ends of the range]
    #[arg(long, value_name = "GATE", value_parser = PossibleValuesParser::new(Gate::by_name().map(|(name, _)| name)).try_map(|name| gate(&name)))]
    require: Option<Gate>,
    /// Fail where an event of the range's records is not signed by somebody who may, by git's configuration
    #[arg(long, requires = "range")]
    require_signed: bool,
    /// Measure the range's changes, or this one, again on this machine, and fail where that contradicts the recorded verdicts
    #[arg(long, value_name = "ID", num_args = 0..=1, default_missing_value = "")]
    remeasure: Option<String>,
    /// Also write the findings as markdown to this file [default with --format github: the step summary]
    #[arg(long, value_name = "FILE")]
    summary: Option<PathBuf>,
}

/// The reports of a usage error, in those formats of `check` that `is_asked` for: some services treat a report without tests
/// as a success.
pub(crate) fn reports_of_trouble(is_asked: impl Fn(&str) -> bool, message: &str) -> Vec<String> {
    let of_check = |format: &&Format| format.only_for().is_some_and(|(command, _)| command == "check");
    let name = |format: &Format| format.to_possible_value().is_some_and(|value| is_asked(value.get_name()));
    let asked = Format::value_variants().iter().filter(of_check).filter(|format| name(format));
    asked.filter_map(|format| findings::trouble(Some(*format), message)).collect()
}

fn gate(name: &str) -> Result<Gate, String> {
    Gate::by_name().find(|(known, _)| *known == name).map(|(_, gate)| gate).ok_or_else(|| "no gate".to_owned())
}

pub(crate) fn run(ctx: &Ctx, args: CheckArgs) -> Result<Exit> {
    if let Some(path) = &args.summary {
        guard::guard_out_path(&ctx.project, path, &[])?;
    }
    if args.range.is_none() && args.remeasure.as_deref() == Some("") {
        let remeasure = Fix::next("", CommandLine::tool("check --range BASE..HEAD --remeasure"));
        return Err(trouble("--remeasure needs a range or the id of a change").fixed_by([remeasure]));
    }
    let checked = || {
        let mut outcome =
            args.range.as_deref().map_or_else(|| here(ctx), |text| over_range(ctx, text, args.require))?;
        if args.require_signed {
            unsigned(ctx, &mut outcome)?;
        }
        if let Some(id) = &args.remeasure {
            remeasure(ctx, &mut outcome, id)?;
        }
        Ok(outcome)
    };
    let outcome: Checked = match checked() {
        Ok(outcome) => outcome,
        Err(error) => {
            // Some services treat a report without tests as a success.
            let message = in_text(&error);
            if let Some(report) = findings::trouble(ctx.globals.format, &message) {
                ctx.ui.answer(&report)?;
            }
            summarize(ctx, &args, || findings::trouble(Some(Format::Markdown), &message).unwrap_or_default());
            return Err(error);
        }
    };
    let (audit, repo) = (&outcome.audit, ctx.repo().ok().flatten());
    // GitHub expects paths from the repository's root.
    let prefix = String::from_utf8_lossy(repo.map(Repo::prefix).unwrap_or_default());
    let fixes = fixes(ctx, &outcome);
    ctx.ui.answer(&findings::render(ctx.globals.format, audit, &fixes, &prefix))?;
    summarize(ctx, &args, || markdown::render(&findings::document(audit, &fixes)));
    Ok(if audit.passes() { Exit::Yes } else { Exit::No })
}

/// Adds a finding for the first event of each record that has to be signed and lacks a valid signature.
fn unsigned(ctx: &Ctx, outcome: &mut Checked) -> Result<()> {
    let Some(repo) = ctx.repo()? else { return Ok(()) };
    let mut signed = outcome.changes.iter().flat_map(|it| &it.change.events).filter_map(|it| it.signature.as_ref());
    let by_ssh = signed.any(|signature| signature.contains("BEGIN SSH SIGNATURE"));
    if by_ssh && repo.config("gpg.ssh.allowedSignersFile")?.is_none() {
        let file = CommandLine::git("config gpg.ssh.allowedSignersFile").placeholder("FILE");
        return Err(trouble("git does not know here who may sign: gpg.ssh.allowedSignersFile is not set")
            .fixed_by([Fix::next("name the file that lists them, each as a line `ADDRESS KEY`", file)]));
    }
    for Concerned { change, to_sign, .. } in &outcome.changes {
        for event in change.events.iter().filter(|event| to_sign.contains(&event.seq)) {
            let signature = event.signature.as_deref().unwrap_or_default();
            if !repo.is_signed(signature, event.digest.as_str(), event.at)? {
                let path = ctx.project.relative(&ctx.project.record_path(change.id()));
                let finding = Finding::fail(FindingKind::EventUnsigned { seq: event.seq });
                outcome.audit.findings.push(finding.of_change(change.id()).at(path));
                break;
            }
        }
    }
    Ok(())
}

/// Measures the named change again, or without a name those of the range, where there is a verdict to contradict.
fn remeasure(ctx: &Ctx, outcome: &mut Checked, id: &str) -> Result<()> {
    let changes = match id {
        "" => outcome.changes.iter().filter(|it| it.is_new).map(|it| it.change.clone()).collect(),
        id => vec![commit::load(ctx, &choose::find(ctx, id)?)?],
    };
    let is_out = |change: &Change| matches!(change.end, Some(End::Rejected { .. } | End::RolledBack));
    for change in changes.iter().filter(|change| change.comparison.is_some() && !is_out(change)) {
        let path = ctx.project.relative(&ctx.project.record_path(change.id()));
        let found = evidence::remeasured(ctx, change)?;
        if found.is_empty() {
            ctx.ui.status(&format!("{}: measured again, its verdicts hold", change.id()));
        }
        outcome.audit.findings.extend(found.into_iter().map(|it| it.of_change(change.id()).at(&path)));
    }
    Ok(())
}

fn here(ctx: &Ctx) -> Result<Checked> {
    needs_project(ctx, "check")?;
    ctx.refuse_sparse_checkout()?;
    let key = ctx.config()?.enforcement.trailer.clone();
    Ok(Checked { audit: audit_here::run(ctx)?, key, configured: true, is_project: true, changes: Vec::new() })
}

fn over_range(ctx: &Ctx, text: &str, require: Option<Gate>) -> Result<Checked> {
    let known = range::known_ends(ctx, text)?;
    let repo = ctx.needed_repo("a range needs")?;
    // All reads of objects below share one reader.
    let _reader = repo.batch()?;
    let (range, begun) = range::typed(repo, text, &known)?;
    if range.base.is_none() {
        ctx.ui.status("the range has no base, so every commit is checked");
    }
    let demand = require.map(|gate| format!(" --require {}", gate.name())).unwrap_or_default();
    let command = format!("check --range {text}{demand}");
    one_project(ctx, repo, &range, &command)?;
    if range.base.as_ref() == Some(&range.head) {
        ctx.ui.tell("every commit of the head is in the base");
    }
    needs_project(ctx, &command)?;
    let outcome = audit_range::run(repo, (&range, begun), require, ctx.now())?;
    if let (0, Some(base)) = (outcome.audit.commits, range.base.as_ref().filter(|base| **base != range.head))
        && repo.is_ancestor(&range.head, base)?
    {
        return Err(range::wrong(text, range::REVERSED));
    }
    if !outcome.is_project && ctx.project.config_path().is_none() {
        let why = "no project was ever set up here, so nothing says what its commits owe";
        return Err(trouble(why).fixed_by([Fix::next("set one up", CommandLine::tool("init"))]));
    }
    let new = outcome.changes.iter().filter(|it| it.is_new).count();
    if new > 1 {
        ctx.hint(format!("the range holds {new} changes: merge or rebase it, and do not squash it into one commit"));
    }
    if !outcome.configured && ctx.project.config_path().is_some() {
        ctx.ui.warn("the head of the range has no config, so the defaults apply; commit the config that is here");
    }
    Ok(outcome)
}

/// Refuses a directory without a project in a repository that has one elsewhere: a check would find nothing and pass.
pub(crate) fn needs_project(ctx: &Ctx, command: &str) -> Result<()> {
    if ctx.project.is_initialized() {
        return Ok(());
    }
    let Some(repo) = ctx.repo()? else { return Ok(()) };
    let tracked = repo.tracked(b"")?;
    let mut dirs: BTreeSet<&[u8]> = tracked.iter().filter_map(|path| own::root_of_config(path)).collect();
    // A config of this directory that is not checked out is reported as such.
    dirs.remove(repo.prefix());
    if dirs.is_empty() {
        return Ok(());
    }
    let here = std::env::current_dir().and_then(|here| files::canonical(&here)).unwrap_or_default();
    let shown = |dir: &&[u8]| {
        let place: PathBuf = repo.root().join(files::path_from_bytes(dir)).components().collect();
        let below = place.strip_prefix(&here).ok().filter(|below| !below.as_os_str().is_empty());
        below.unwrap_or(&place).display().to_string()
    };
    let places: Vec<String> = dirs.iter().map(shown).collect();
    let there = |dir: &String| CommandLine::tool("-C").word(dir).words(command.split(' '));
    let init = Fix::or("make one here", CommandLine::tool("init"));
    Err(trouble(format!("this directory holds no project; there is one in {}", joined(&places)))
        .fixed_by(Fix::one_of(places.iter().map(there)).into_iter().chain([init])))
}

/// Refuses two state directories that both hold state, and a nearest project that differs between base and head:
/// whoever adds a project would choose what is checked.
fn one_project(ctx: &Ctx, repo: &Repo, range: &Range, command: &str) -> Result<()> {
    let check = |dir: &Path| CommandLine::tool(command).word("-C").word(dir.to_string_lossy());
    let unclear =
        |places: &[String]| trouble(format!("it is not clear which project is meant: {}", places.join(" and ")));
    let prefix = String::from_utf8_lossy(repo.prefix()).into_owned();
    let mut around: Vec<&str> = prefix.rmatch_indices('/').map(|(at, _)| &prefix[..=at]).chain([""]).collect();
    if ctx.globals.root.is_some() {
        around.retain(|dir| *dir == prefix);
    }
    // If there was no project at the base, one from elsewhere may have moved here, with its own demands.
    let base = range.base.as_deref();
    let moved = base.map(|base| repo.projects_left(base, &range.head)).transpose()?.unwrap_or_default();
    let is_followed = base.map(|base| repo.as_of(base)).transpose()?.is_some_and(|it| it.prefix() != repo.prefix());
    if !moved.is_empty() && !is_followed && ctx.globals.root.is_none() {
        let here = Fix::next("to check this one", check(ctx.project.root()));
        let moved: Vec<String> =
            moved.iter().map(|dir| repo.root().join(files::path_from_bytes(dir)).display().to_string()).collect();
        return Err(unclear(&moved).fixed_by([here]));
    }
    let mut nearest = BTreeSet::new();
    for commit in range.base.iter().filter(|_| !is_followed).chain([&range.head]) {
        for dir in &around {
            let names = project::config_names().iter().chain(project::record_dirs());
            let paths: Vec<String> = names.map(|name| format!("{dir}{name}")).collect();
            let asked: Vec<&[u8]> = paths.iter().map(String::as_bytes).collect();
            let entries = repo.tree_entries(commit, &asked)?;
            let below = |path: &[u8]| {
                String::from_utf8_lossy(path.strip_prefix(dir.as_bytes())?)
                    .split_once('/')
                    .map(|(name, _)| format!("{dir}{name}"))
            };
            let states: BTreeSet<String> = entries.iter().filter_map(|entry| below(&entry.path)).collect();
            if states.len() > 1 {
                let states: Vec<String> = states.into_iter().collect();
                return Err(
                    unclear(&states).hinted("move what you need into one of them, and remove the other from git")
                );
            }
            if !entries.is_empty() {
                nearest.insert(*dir);
                break;
            }
        }
    }
    if nearest.len() < 2 {
        return Ok(());
    }
    let places: Vec<String> = nearest.iter().map(|dir| repo.root().join(dir).display().to_string()).collect();
    Err(unclear(&places).fixed_by(Fix::one_of(places.iter().map(|place| check(Path::new(place))))))
}

fn fixes(ctx: &Ctx, outcome: &Checked) -> FixContext {
    let failed = outcome.audit.findings.iter().any(|found| found.level == Severity::Fail);
    let unsaved = if failed { uncommitted::unsaved(ctx) } else { Vec::new() };
    FixContext { unsaved, ..ctx.fix_context_of(&outcome.audit, &outcome.key) }
}

/// Writes the summary. A failure is only a warning: the findings were already reported.
fn summarize(ctx: &Ctx, args: &CheckArgs, markdown: impl FnOnce() -> String) {
    let step = std::env::var_os("GITHUB_STEP_SUMMARY").filter(|path| !path.is_empty());
    let step = step.filter(|_| ctx.globals.format == Some(Format::Github)).map(PathBuf::from);
    let written = match (&args.summary, &step) {
        (Some(path), _) => {
            let markdown = findings::cut_summary(markdown(), 0);
            atomic::write_free(path, markdown.as_bytes()).map_err(|error| error.to_string())
        }
        (None, Some(path)) => {
            append(path, markdown()).map_err(|error| format!("cannot write {}: {error}", path.display()))
        }
        (None, None) => return,
    };
    if let Err(error) = written {
        ctx.ui.warn(&format!("the summary was not written: {error}"));
    }
}

/// Appends, since other tools of the step write to the same file.
fn append(path: &Path, markdown: String) -> std::io::Result<()> {
    use std::io::Write as _;
    let mut file = std::fs::OpenOptions::new().create(true).append(true).open(path)?;
    let taken = file.metadata()?.len();
    file.write_all(findings::cut_summary(markdown, taken).as_bytes())
}
