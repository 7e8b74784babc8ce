//! `validate`: checks the one change that was made: its commit, the project's checks (commands that must succeed), the
//! smoke probes. The reasons of failures are scrubbed and short, so that they can be recorded.

use std::collections::BTreeSet;
use std::path::Path;
use std::time::Instant;

use chrono::{DateTime, Utc};
use serde_json::json;

use crate::commands::{Ctx, Pending, Spinner, audit_here, collect, commit, delta, evidence, snapshot, uncommitted};
use crate::config::{Config, HttpProbe, OnFailure};
use crate::error::{CommandError, Exit, Result, failed, trouble};
use crate::git::{DiffTarget, Scope};
use crate::judge::compare;
use crate::measure::{self, Place, command, http};
use crate::model::uncommitted::pathspec;
use crate::model::{
    ChangeId, Check, CheckKind, CommandLine, Delta, DeltaCommit, Fix, Gate, How, Kind, PLACEHOLDERS, Strength,
    Validation, WorkTree, fix, moment, own, scrub, short, text,
};
use crate::os::{Interrupt, process};
use crate::report::{self, Progressed};
use crate::store::EvidenceRole;
use crate::workflow::{Change, Reason, Refusal, gates, window};

const SMOKE: &str = "smoke:";
/// The failure of a command that could not be started, in the shell's words.
const NOT_STARTED: &str = "exit code 127";
const SCHEMA: &str = "vibeship_optimizer.validation.v1";

/// Exits with 0 if every check passed, 1 if one failed or the gate refuses.
pub(crate) fn run(ctx: &Ctx, id: &ChangeId) -> Result<Exit> {
    let change = commit::load(ctx, id)?;
    audit_here::refuse_shortened(ctx, &change)?;
    let config = ctx.config()?;
    let world = collect::world(ctx, &change, Gate::Validate)?;
    commit::ask(ctx, &change, gates::may_validate(&change, &world))?;
    if delta::unaltered_baseline(ctx, &change)?.is_some_and(|it| !compare::has_general(&it.definitions)) {
        ctx.ui.warn(
            "the baseline was taken by an earlier version, which did not record how the project is built, paired and checked: that this is unchanged is not proven",
        );
    }
    made_after_baseline(ctx, &change, &world.delta)?;
    let checks = run_checks(ctx, config)?;
    let last = world.delta.own_commits().last();
    let again = last.filter(|it| may_amend(ctx, id, it)).map(|_| fix::on(id, "validate"));
    uncommitted::check_unchanged(ctx, &world.revision, &delta::revision(ctx)?, again)?;
    require_meaningful_failures(ctx, &change, &checks)?;
    let document = json!({
        "schema": SCHEMA,
        "change_id": id,
        "generated_at": ctx.now(),
        "tool": measure::TOOL,
        "revision": world.revision,
        "delta": world.delta,
        "checks": checks,
    });
    let pending = Pending { role: EvidenceRole::Validation, bytes: text::json(&document)? };
    let (revision, delta, artifact) = (world.revision.clone(), world.delta.clone(), pending.artifact(id));
    let event = if checks.iter().all(|check| check.passed) {
        Kind::Validated(Validation { revision, delta, checks: checks.clone(), artifact })
    } else {
        let rejects = config.validation.on_failure != OnFailure::Retry;
        Kind::ValidationFailed { delta, checks: checks.clone(), artifact, rejects }
    };
    let change = commit::commit(ctx, id, event, &world, &[pending])?;
    show(ctx, &change, &checks)
}

/// Fails if the change's commit is dated in the future, or before the baseline: written earlier, or by a wrong clock.
fn made_after_baseline(ctx: &Ctx, change: &Change, delta: &Delta) -> Result<()> {
    let (Some(repo), Some(baseline)) = (ctx.repo()?, &change.baseline) else { return Ok(()) };
    let Some(commit) = delta.own_commits().next().filter(|_| baseline.strength == Strength::Full) else {
        return Ok(());
    };
    let dates = repo.git().args(["show", "-s", "--no-show-signature", "--format=%ct %at", &commit.sha]).line()?;
    let committed = dates.split(' ').next().and_then(|seconds| seconds.parse().ok());
    let committed = DateTime::from_timestamp(committed.unwrap_or(0), 0).unwrap_or(DateTime::<Utc>::MIN_UTC);
    let amend = || CommandLine::git("commit --amend --no-edit --date=now").and(fix::on(change.id(), "validate"));
    let fixes = || {
        if may_amend(ctx, change.id(), commit) {
            return vec![Fix::next("date it again", amend())];
        }
        let over = "start over, and apply it again after the next baseline";
        let reject = Fix::next(over, fix::with_reason(change.id(), "reject"));
        vec![reject, Fix::then("with the same contract", fix::start_from(change.id()))]
    };
    not_from_the_future(ctx, committed, fixes)?;
    let earlier = dates.split(' ').filter_map(|seconds| seconds.parse().ok()).min();
    let made = DateTime::from_timestamp(earlier.unwrap_or(i64::MAX), 0).unwrap_or(DateTime::<Utc>::MAX_UTC);
    if window::later(made, window::CLOCK_TOLERANCE) >= baseline.taken.taken_at {
        return Ok(());
    }
    let [made, taken] = [made, baseline.taken.taken_at].map(moment);
    Err(failed(format!(
        "the commit {commit} says that it was written at {made}, before the baseline ({taken}): it was brought from elsewhere, or a clock was behind"
    ))
    .fixed_by(fixes()))
}

/// Fails if a commit is dated in the future: `check` would refuse what is recorded of it before that date.
pub(crate) fn not_from_the_future(ctx: &Ctx, made: DateTime<Utc>, fixes: impl FnOnce() -> Vec<Fix>) -> Result<()> {
    if window::earlier(made, window::CLOCK_TOLERANCE) <= ctx.now() {
        return Ok(());
    }
    let (made, now) = (moment(made), moment(ctx.now()));
    let message =
        format!("the commit says that it was made at {made}, and the clock here says {now}: one of the two is wrong");
    Err(failed(message).fixed_by(fixes()))
}

/// Whether a commit is the last one, on no remote, and not of another change; no other is ever amended.
fn may_amend(ctx: &Ctx, id: &ChangeId, commit: &DeltaCommit) -> bool {
    ctx.last_commit(&ctx.fix_context().trailer).is_some_and(|last| last.may_be_amended(&commit.sha, Some(id)))
}

/// Fails if each failed check says nothing of the change, as it could not be started or failed at the baseline, too.
fn require_meaningful_failures(ctx: &Ctx, change: &Change, checks: &[Check]) -> Result<()> {
    let failed = || checks.iter().filter(|check| !check.passed);
    let baseline = change.baseline.as_ref().filter(|_| failed().any(|check| check.kind == CheckKind::Smoke));
    let baseline = baseline.map(|it| evidence::snapshot(ctx, &it.taken.snapshot)).transpose()?;
    let at_baseline = baseline.map(|it| it.http).unwrap_or_default();
    let failed_before = |check: &Check| {
        let name = check.name.strip_prefix(SMOKE).filter(|_| check.kind == CheckKind::Smoke);
        at_baseline.iter().any(|http| !http.ok && http.name.as_deref() == name)
    };
    let why = |check: &Check| match &check.failure {
        _ if failed_before(check) => Some("it failed at the baseline, too"),
        Some(failure) if failure.starts_with(NOT_STARTED) => Some("it cannot be started"),
        Some(_) | None => None,
    };
    let one = |check: &Check| Some(format!("{} ({}): {}", check.name, check.what, why(check)?));
    // One check that says something is enough.
    let all: Vec<String> = failed().map(one).collect::<Option<_>>().unwrap_or_default();
    if all.is_empty() {
        return Ok(());
    }
    Err(trouble(format!(
        "{}; no change is judged by a check that cannot run, and nothing was recorded",
        all.join("; ")
    ))
    .hinted("install or start what is needed, or correct the config and take the baseline again")
    .fixed_by([Fix::then("", fix::on(change.id(), "validate"))]))
}

/// What was made of the change so far, and the state of the work tree; the validation reports what fails here.
pub(crate) fn made(ctx: &Ctx, change: &Change) -> (Progressed, WorkTree) {
    let Ok(world) = collect::world(ctx, change, Gate::Validate) else {
        return (Progressed::Nothing, WorkTree::default());
    };
    let own: Vec<&DeltaCommit> = world.delta.own_commits().collect();
    let without_id = own.iter().find(|commit| !commit.merge && commit.change_ids.is_empty());
    let lacks_id = without_id.is_some_and(|commit| may_amend(ctx, change.id(), commit));
    let made = match gates::may_validate(change, &world) {
        Ok(_) if lacks_id => Progressed::WithoutId,
        Ok(_) => Progressed::Whole,
        Err(Refusal { missing: Reason::NoDelta { unnamed, .. }, .. }) if unnamed.is_empty() => Progressed::Nothing,
        Err(Refusal { missing: Reason::NoCommit, .. }) => Progressed::Nothing,
        Err(Refusal { missing: Reason::Dirty { .. }, .. }) if own.is_empty() => Progressed::Nothing,
        Err(refusal) => Progressed::Refused(Box::new(refusal)),
    };
    (made, world.revision.work_tree)
}

fn show(ctx: &Ctx, change: &Change, checks: &[Check]) -> Result<Exit> {
    let passed = checks.iter().all(|check| check.passed);
    let answer = json!({ "change_id": change.id(), "passed": passed, "checks": checks });
    ctx.answer(false, &answer, &report::show::validation(change, checks))?;
    if passed {
        warn_of_commits(ctx, change);
        let elsewhere = in_other_projects(ctx, change)?;
        if !elsewhere.is_empty() {
            let files = text::joined(&elsewhere);
            ctx.ui.warn(&format!("of another project, whose check will find no record of this change: {files}"));
            ctx.advise(&[without(ctx, change, &elsewhere)]);
        }
        for file in collect::outputs_in_delta(ctx, change)? {
            ctx.ui
                .warn(&format!("{file}, which a metric is read from, was committed with the change and not measured"));
        }
        return ctx.hint_next(change);
    }
    let before = snapshot::failing_before(ctx, change, checks)?;
    if !before.is_empty() {
        let names = before.join(", ");
        ctx.ui.warn(&format!(
            "{names} failed in a clean checkout of the baseline, too: the change may not be the reason"
        ));
    }
    if change.is_open() {
        let what = "fix it and amend the commit; the config lets the change be validated again";
        ctx.advise(&[Fix::decide(How::Next, what), Fix::then("", fix::on(change.id(), "validate"))]);
    } else {
        ctx.ui.tell("The change is rejected. Roll back now:");
        report::rollback::with_record(change).lines().for_each(|line| ctx.ui.tell(&format!("  {line}")));
        if !before.is_empty() {
            ctx.hint("first fix what fails without the change, too, in a commit of its own: until then every change is rejected");
        }
        let again = Fix::or("take it up again, with its contract and its commit", fix::start_from(change.id()));
        ctx.advise(&[again]);
    }
    Ok(Exit::No)
}

/// The fix that takes files out of the change's commit, if it is the last one, and leaves them in the work tree.
fn without(ctx: &Ctx, change: &Change, files: &[String]) -> Fix {
    let mut own = change.validation.iter().flat_map(|it| it.delta.own_commits());
    if !own.next().is_some_and(|first| may_amend(ctx, change.id(), first)) {
        return Fix::decide(How::Next, "make the next change without these files");
    }
    let split = "take these files out of the commit, and validate it again";
    let paths = files.iter().map(|path| pathspec("", path));
    let reset = CommandLine::git("reset -q HEAD~1 --").words(paths);
    let again = fix::on(change.id(), "validate");
    Fix::next(split, reset.and(CommandLine::git("commit --amend --no-edit")).and(again))
}

/// The files in the change's commits that belong to another project of the repository.
fn in_other_projects(ctx: &Ctx, change: &Change) -> Result<Vec<String>> {
    let (Some(repo), Some(validation)) = (ctx.repo()?, &change.validation) else { return Ok(Vec::new()) };
    let tracked = repo.tracked(b"")?;
    let mut places: Vec<&[u8]> = tracked.iter().filter_map(|path| own::root_of_config(path)).collect();
    places.retain(|dir| !repo.prefix().starts_with(dir));
    let mut found = BTreeSet::new();
    for commit in validation.delta.own_commits().filter(|_| !places.is_empty()) {
        let files = repo.changed_files(&format!("{}~1", commit.sha), DiffTarget::Commit(&commit.sha), &Scope::ALL)?;
        let is_of = |path: &[u8]| places.iter().any(|dir| path.starts_with(dir));
        let elsewhere = files.iter().filter(|file| is_of(&file.path));
        found.extend(elsewhere.map(|file| String::from_utf8_lossy(&file.path).into_owned()));
    }
    Ok(found.into_iter().collect())
}

/// Warns of a commit without the id, and of one whose subject is the placeholder of a hint.
fn warn_of_commits(ctx: &Ctx, change: &Change) {
    let Some(validation) = &change.validation else { return };
    let own = || validation.delta.own_commits();
    let without_id = own().find(|it| !it.merge && it.change_ids.is_empty()).map(|it| {
        let amend = ctx.fix_context().with_trailer(CommandLine::git("commit --amend --no-edit"), change.id());
        let sha = short(&it.sha);
        (
            it,
            format!("the commit {sha} does not carry the change's id: only the record says that it is the change's"),
            amend,
        )
    });
    let without_words = own().filter(|it| PLACEHOLDERS.contains(&it.subject.as_str())).map(|it| {
        let (sha, subject) = (short(&it.sha), &it.subject);
        let what = format!("the subject of the commit {sha}, {subject}, only stands for your own words");
        (it, what, CommandLine::git("commit --amend"))
    });
    for (commit, what, amend) in without_id.into_iter().chain(without_words) {
        ctx.ui.warn(&what);
        if may_amend(ctx, change.id(), commit) {
            ctx.advise(&[Fix::next("", amend.and(fix::on(change.id(), "validate")))]);
        }
    }
}

/// Runs the commands, then the smoke probes: all of them, so that everything wrong is found at once.
fn run_checks(ctx: &Ctx, config: &Config) -> Result<Vec<Check>> {
    let mut bar = Spinner::new(&ctx.ui);
    let mut done = run_commands(ctx, config, ctx.project.root(), &mut bar)?;
    let interrupt = ctx.interrupt()?;
    if config.validation.smoke {
        for probe in &config.http_probes {
            bar.show(&format!("smoke: {}", probe.name));
            let name = smoke_name(probe);
            done.push(tried(ctx, &name, CheckKind::Smoke, &mut || smoke(ctx.project.root(), probe, interrupt))?);
        }
    }
    Ok(done)
}

fn smoke_name(probe: &HttpProbe) -> String {
    format!("{SMOKE}{}", probe.name)
}

/// The checks of a validation by this config: the name and, if it runs one, the command of each.
pub(crate) fn planned(config: &Config) -> impl Iterator<Item = (String, Option<String>)> {
    let smoke = config.http_probes.iter().filter(|_| config.validation.smoke).map(|probe| (smoke_name(probe), None));
    commands(config).map(|(name, _, cmd, _)| (name.to_owned(), Some(scrub(cmd)))).chain(smoke)
}

/// The commands that must succeed, in order: name, kind, command, time limit in seconds.
pub(crate) fn commands(config: &Config) -> impl Iterator<Item = (&str, CheckKind, &String, f64)> {
    let commands = &config.commands;
    let fixed = [
        ("build", CheckKind::Build, &commands.build),
        ("lint", CheckKind::Lint, &commands.lint),
        ("test", CheckKind::Test, &commands.test),
    ];
    let fixed = fixed.into_iter().filter_map(|(name, kind, cmd)| Some((name, kind, cmd.as_ref()?, commands.timeout_s)));
    fixed.chain(commands.checks.iter().map(|check| (&*check.name, CheckKind::Command, &check.cmd, check.timeout_s)))
}

/// Runs them in order in `root`, also after one that failed.
pub(crate) fn run_commands(ctx: &Ctx, config: &Config, root: &Path, bar: &mut Spinner) -> Result<Vec<Check>> {
    let interrupt = ctx.interrupt()?;
    let mut done = Vec::new();
    for (name, kind, cmd, timeout_s) in commands(config) {
        let what = scrub(cmd);
        bar.show(&format!("{name}: {what}"));
        ctx.ui.status(&format!("checking {name}: {what}"));
        let mut try_once = || (what.clone(), run_command(root, cmd, timeout_s, interrupt));
        done.push(tried(ctx, name, kind, &mut try_once)?);
    }
    Ok(done)
}

/// Runs a command in the project's root; `None` if it succeeded, else the reason with the end of its output.
pub(crate) fn run_command(root: &Path, cmd: &str, timeout_s: f64, interrupt: &Interrupt) -> Option<String> {
    let mut spec = Place { root: root.to_owned(), env: Vec::new() }.shell(cmd, command::seconds(timeout_s));
    spec.stdout = spec.stderr;
    let finished = match process::run(&spec, interrupt) {
        Ok(finished) => finished,
        Err(error) => return Some(format!("{NOT_STARTED}\n{}", scrub(&error.to_string()))),
    };
    let mut text = command::failure(finished.ended, spec.timeout)?;
    for captured in [&finished.stdout, &finished.stderr] {
        let tail = captured.tail_text(command::ERROR_BYTES);
        if !tail.trim().is_empty() {
            text.push('\n');
            text.push_str(scrub(tail.trim_end()).as_ref());
        }
    }
    Some(text)
}

pub(crate) fn smoke(root: &Path, probe: &HttpProbe, interrupt: &Interrupt) -> (String, Option<String>) {
    let place = Place { root: root.to_owned(), env: Vec::new() };
    let answer = http::probe(probe, &place, &|| interrupt.requested());
    let failure = (!answer.ok).then(|| answer.error.unwrap_or_else(|| "no answer as expected".to_owned()));
    (answer.url, failure)
}

/// Runs a check, and again if it fails: one lost packet must not end a change. `run` returns what ran, and why it failed.
pub(crate) fn tried(
    ctx: &Ctx,
    name: &str,
    kind: CheckKind,
    run: &mut dyn FnMut() -> (String, Option<String>),
) -> Result<Check> {
    let begun = Instant::now();
    let (mut what, mut failure) = run();
    stop_if_asked(ctx)?;
    let mut first_failure = None;
    if failure.is_some() {
        ctx.ui.status(&format!("{name} failed; it is run once more"));
        first_failure = std::mem::take(&mut failure);
        (what, failure) = run();
        stop_if_asked(ctx)?;
        if failure.is_some() {
            first_failure = None;
        } else {
            ctx.ui.warn(&format!("{name} is flaky: it failed, and passed when it was run once more"));
        }
    }
    let (passed, seconds) = (failure.is_none(), begun.elapsed().as_secs_f64());
    Ok(Check { name: name.to_owned(), kind, passed, what, seconds, failure, first_failure })
}

pub(crate) fn stop_if_asked(ctx: &Ctx) -> Result<()> {
    if ctx.interrupt()?.requested() { Err(interrupted()) } else { Ok(()) }
}

pub(crate) fn interrupted() -> CommandError {
    trouble("interrupted; nothing was recorded")
}
