//! `validate`: check the one change that was made: its commit, the project's checks, the smoke probes.

use std::time::Instant;

use clap::Args;
use serde_json::json;

use crate::change::command::Command;
use crate::change::command::ValidateFacts;
use crate::change::facts::Check;
use crate::change::facts::CheckKind;
use crate::change::gate::Gate;
use crate::change::id::ChangeId;
use crate::change::rollback_text;
use crate::change::state::Change;
use crate::commands::Ctx;
use crate::commands::choose;
use crate::commands::commit;
use crate::commands::commit::Pending;
use crate::commands::delta;
use crate::commands::failure;
use crate::commands::progress::Bar;
use crate::config::Config;
use crate::config::validation::OnFailure;
use crate::error::CommandError;
use crate::evidence::scrub::scrub;
use crate::exit::Exit;
use crate::probe;
use crate::probe::check;
use crate::report;
use crate::report::invocation;
use crate::report::invocation::Hint;
use crate::store::artifact::Role;

/// Schema name of validation files.
const SCHEMA: &str = "vibeship_optimizer.validation.v1";

/// Check the one change that was made: its commit, the tests, the smoke probes
#[derive(Debug, Args)]
pub struct ValidateArgs {
    /// The change [default: VIBESHIP_CHANGE_ID, the only open change, or the one chosen with `change use`]
    #[arg(long, value_name = "ID")]
    change_id: Option<String>,
}

/// Exit 0 when every check passed, 1 when one failed or the gate refuses.
pub fn run(ctx: &Ctx, args: ValidateArgs) -> Result<Exit, CommandError> {
    let id = choose::change(ctx, args.change_id.as_deref())?;
    validate(ctx, &id)
}

/// The whole gate, also for `next --run`.
pub(super) fn validate(ctx: &Ctx, id: &ChangeId) -> Result<Exit, CommandError> {
    let change = commit::load(ctx, id)?;
    let config = ctx.config()?;
    let since = delta::since_baseline(ctx, &change)?;
    let mut facts = ValidateFacts {
        revision: since.revision,
        descends: since.descends,
        delta: since.delta,
        redefined: delta::redefined(ctx, &change)?,
        has_tests: config.commands.test.is_some(),
        retry: config.validation.on_failure == OnFailure::Retry,
        outcome: None,
    };
    commit::ask(ctx, &change, &Command::Validate(facts.clone()))?;
    let checks = run_checks(ctx, config)?;
    if !delta::revision(ctx)?.same_code(&facts.revision) {
        return Err(CommandError::trouble("the project's files changed while the checks ran; nothing was recorded")
            .hinted("if a check writes files, let git ignore them: git status shows which"));
    }
    let document = json!({
        "schema": SCHEMA,
        "change_id": id,
        "generated_at": ctx.now(),
        "tool": probe::TOOL,
        "revision": facts.revision,
        "delta": facts.delta,
        "checks": checks,
    });
    let pending = Pending { role: Role::Validation, bytes: format!("{document:#}\n").into_bytes() };
    facts.outcome = Some((checks.clone(), pending.artifact(id)?));
    let change = commit::commit(ctx, id, &Command::Validate(facts), &[pending])?;
    show(ctx, &change, &checks)
}

fn show(ctx: &Ctx, change: &Change, checks: &[Check]) -> Result<Exit, CommandError> {
    let passed = checks.iter().all(|check| check.passed);
    if ctx.json(false) {
        let answer = json!({ "change_id": change.id(), "passed": passed, "checks": checks });
        ctx.ui.answer(&failure::pretty(&answer))?;
    } else {
        ctx.show(&report::validation::document(change, checks))?;
    }
    if passed {
        warn_of_no_id(ctx, change);
        ctx.ui.hint(&ctx.next(change)?.lines());
        return Ok(Exit::Yes);
    }
    if change.is_open() {
        ctx.ui.hint("the config says to retry: fix it, amend the commit, and validate again");
    } else {
        ctx.ui.tell("The change is rejected. Roll back now:");
        ctx.ui.tell(&format!("  {}", rollback_text::known(change)));
    }
    Ok(Exit::No)
}

/// `check` demands the id in the commit; here it can still be added. The amended commit is another one, so it is
/// validated again.
fn warn_of_no_id(ctx: &Ctx, change: &Change) {
    let Some(validation) = &change.validation else { return };
    let mut own = validation.delta.own_commits().filter(|commit| !commit.merge);
    let Some(commit) = own.find(|commit| commit.change_ids.is_empty()) else { return };
    let sha: String = commit.sha.chars().take(12).collect();
    ctx.ui.warn(&format!("the commit {sha} does not carry the change's id, which `check` will demand"));
    if validation.revision.commit.as_ref() == Some(&commit.sha) {
        let id = change.id();
        let amend = format!("git commit --amend --no-edit {}", invocation::trailer(id));
        let again = invocation::gate(id, Gate::Validate);
        let add = Hint::to("while it is not pushed", format!("{amend} && {again}")).keyed(ctx.trailer());
        ctx.ui.hint(&add.line());
    }
}

/// Every configured check in order: build, lint, test, checks of the config's own, smoke probes. All are run, so
/// that one look shows everything that is wrong.
fn run_checks(ctx: &Ctx, config: &Config) -> Result<Vec<Check>, CommandError> {
    let commands = &config.commands;
    let mut planned: Vec<(String, CheckKind, String, f64)> = Vec::new();
    let fixed = [
        ("build", CheckKind::Build, &commands.build),
        ("lint", CheckKind::Lint, &commands.lint),
        ("test", CheckKind::Test, &commands.test),
    ];
    for (name, kind, cmd) in fixed {
        planned.extend(cmd.iter().map(|cmd| (name.to_owned(), kind, cmd.clone(), commands.timeout_s)));
    }
    let own = commands.checks.iter();
    planned.extend(own.map(|check| (check.name.clone(), CheckKind::Command, check.cmd.clone(), check.timeout_s)));
    let interrupt = ctx.interrupt()?;
    let mut bar = Bar::new(&ctx.ui);
    let mut done = Vec::new();
    for (name, kind, cmd, timeout_s) in planned {
        let what = scrub(&cmd);
        bar.show(&format!("{name}: {what}"));
        ctx.ui.status(&format!("checking {name}: {what}"));
        let begun = Instant::now();
        let failure = check::command(ctx.project.root(), &cmd, timeout_s, interrupt);
        done.push(Check {
            name,
            kind,
            passed: failure.is_none(),
            what,
            seconds: begun.elapsed().as_secs_f64(),
            failure,
        });
        stop_if_asked(ctx)?;
    }
    if config.validation.smoke {
        for probe in &config.http_probes {
            bar.show(&format!("smoke: {}", probe.name));
            let begun = Instant::now();
            let (what, failure) = check::smoke(probe, interrupt);
            let name = format!("smoke:{}", probe.name);
            let seconds = begun.elapsed().as_secs_f64();
            done.push(Check { name, kind: CheckKind::Smoke, passed: failure.is_none(), what, seconds, failure });
            stop_if_asked(ctx)?;
        }
    }
    Ok(done)
}

fn stop_if_asked(ctx: &Ctx) -> Result<(), CommandError> {
    if ctx.interrupt()?.requested() {
        return Err(CommandError::trouble("interrupted; nothing was recorded"));
    }
    Ok(())
}
