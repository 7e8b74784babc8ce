//! `hook-run`: what the installed hooks hand over to. Runs no configured command. Fast feedback; `check` is the
//! authority.

use std::ffi::OsString;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use clap::Args;

use crate::audit::{Source, message};
use crate::commands::{Ctx, Prepared, Range, audit_range, failure, uncommitted};
use crate::error::CommandError;
use crate::exit::Exit;
use crate::git::Repo;
use crate::hooks::{Hook, shim};
use crate::model::FixContext;
use crate::report::{findings, problem};

/// The largest message that is read.
const MESSAGE_LIMIT: u64 = 16 * 1024 * 1024;
/// The longest list of pushed references that is read.
const PUSH_LIMIT: u64 = 16 * 1024 * 1024;

/// Run one of the installed hooks
#[derive(Debug, Args)]
pub struct HookRunArgs {
    /// Which
    #[arg(value_name = "HOOK", value_parser = hook)]
    hook: Hook,
    /// What git gives the hook
    #[arg(value_name = "ARGUMENT", trailing_var_arg = true, allow_hyphen_values = true)]
    arguments: Vec<OsString>,
}

fn hook(name: &str) -> Result<Hook, String> {
    let names = Hook::ALL.map(Hook::name).join(", ");
    Hook::named(name).ok_or_else(|| format!("no hook of ours; they are {names}"))
}

/// Answers 0 to let git go on and 1 to stop it.
pub fn run(ctx: &Ctx, args: HookRunArgs) -> Result<Exit, CommandError> {
    if let Some(mark) = std::env::var_os(shim::PROBE).filter(|mark| !mark.is_empty()) {
        std::fs::write(mark, args.hook.name())?;
        return Ok(Exit::Yes);
    }
    // A checkout from before the project used this tool has nothing to be held to.
    if !ctx.project.is_initialized() {
        return Ok(Exit::Yes);
    }
    if args.hook == Hook::PrepareCommitMsg {
        // Git runs it for a revert too, and in spite of --no-verify: it only helps, and stops nothing.
        if let Err(error) = prepare_commit_msg(ctx, &args) {
            failure::tell(&ctx.ui, &error, false, Some(ctx));
            ctx.ui.warn("the message gets no trailer");
        }
        return Ok(Exit::Yes);
    }
    let Some(repo) = ctx.repo()? else { return Ok(Exit::Yes) };
    match args.hook {
        Hook::CommitMsg => commit_msg(ctx, repo, &file(&args)?),
        Hook::PrepareCommitMsg => Ok(Exit::Yes),
        Hook::PrePush => pre_push(ctx, repo),
    }
}

fn prepare_commit_msg(ctx: &Ctx, args: &HookRunArgs) -> Result<(), CommandError> {
    let Some(repo) = ctx.repo()? else { return Ok(()) };
    // The pre-commit framework gives the source in a variable.
    let source = args.arguments.get(1).cloned().or_else(|| std::env::var_os("PRE_COMMIT_COMMIT_MSG_SOURCE"));
    prepare(ctx, repo, &file(args)?, source.as_ref())
}

/// The message's file: relative to where git runs the hook, which is where this runs.
fn file(args: &HookRunArgs) -> Result<PathBuf, CommandError> {
    let missing = || CommandError::trouble(format!("{} needs the message's file", args.hook.name()));
    Ok(std::path::absolute(args.arguments.first().ok_or_else(missing)?)?)
}

fn read(path: &Path) -> Result<Vec<u8>, CommandError> {
    let mut bytes = Vec::new();
    std::fs::File::open(path)?.take(MESSAGE_LIMIT).read_to_end(&mut bytes)?;
    Ok(bytes)
}

fn commit_msg(ctx: &Ctx, repo: &Repo, path: &Path) -> Result<Exit, CommandError> {
    let prepared = Prepared::of(ctx, repo, &read(path)?)?;
    match message::check(&prepared.facts(), &prepared.policy) {
        Ok(_) => Ok(Exit::Yes),
        Err(objection) => {
            // The pre-commit framework stashes what is not staged while hooks run.
            let hides = std::env::var_os("PRE_COMMIT").is_some_and(|value| !value.is_empty());
            let hidden = hides.then(|| uncommitted::stage(ctx));
            let fixes =
                FixContext { trailer: prepared.key.clone(), uncommitted: uncommitted::paths(ctx), ..ctx.fix_context() };
            ctx.ui.tell(&problem::commit_refused(&objection.to_string(), &objection.fixes(&fixes, hidden)));
            Ok(Exit::No)
        }
    }
}

fn prepare(ctx: &Ctx, repo: &Repo, path: &Path, source: Option<&OsString>) -> Result<(), CommandError> {
    let prepared = Prepared::of(ctx, repo, &read(path)?)?;
    let source = match source.and_then(|word| word.to_str()) {
        None | Some("") => Source::Editor,
        Some("template") => Source::Template,
        Some("merge") => Source::Merge,
        Some("squash") => Source::Squash,
        Some("commit") => Source::Commit,
        Some(_) => Source::Message,
    };
    let Some(id) = message::to_add(&prepared.facts(), source, &prepared.policy) else { return Ok(()) };
    let trailer = format!("{}: {id}", prepared.key);
    // Without an editor git keeps lines that begin with `#`: they are text, and the trailer comes after them.
    let no_editor = std::env::var_os("GIT_EDITOR").is_some_and(|editor| editor == ":");
    let comments: &[&str] = if no_editor { &["-c", "core.commentChar=\u{1}"] } else { &[] };
    let args = ["interpret-trailers", "--in-place", "--no-divider", "--if-exists", "doNothing", "--trailer", &trailer];
    repo.git().without_literal_paths().args(comments).args(args).arg(path).ok()?;
    leave_room(path)
}

/// Git puts one blank line above a trailer that stands alone. With a second, as `git commit -s` leaves it, a subject
/// that is written on the first line is not glued to the trailer.
fn leave_room(path: &Path) -> Result<(), CommandError> {
    let bytes = read(path)?;
    if bytes.starts_with(b"\n") && !bytes.starts_with(b"\n\n") {
        std::fs::write(path, [b"\n", bytes.as_slice()].concat())?;
    }
    Ok(())
}

/// Checks what each pushed reference adds to the remote.
fn pre_push(ctx: &Ctx, repo: &Repo) -> Result<Exit, CommandError> {
    let text = pushed(repo)?;
    let mut exit = Exit::Yes;
    for line in text.lines() {
        let [_, local, remote_name, remote] = line.split_whitespace().collect::<Vec<_>>()[..] else { continue };
        let is_nothing = |hash: &str| hash.bytes().all(|digit| digit == b'0');
        let is_tag = remote_name.starts_with("refs/tags/");
        // Deleting adds nothing, and what is neither branch nor tag is nobody's history.
        if is_nothing(local) || !(is_tag || remote_name.starts_with("refs/heads/")) {
            continue;
        }
        if is_tag {
            exit = if tag(ctx, repo, local, remote_name)? { exit } else { Exit::No };
            continue;
        }
        let base = if is_nothing(remote) { None } else { repo.resolve(remote).ok() };
        let base = base
            .map_or_else(|| nearest_published(repo, local), |base| repo.merge_base(&base, local).map_err(Into::into))?;
        let range = Range { base, head: repo.resolve(local)? };
        exit = if may_be_pushed(ctx, repo, &range, remote_name)? { exit } else { Exit::No };
    }
    Ok(exit)
}

fn may_be_pushed(ctx: &Ctx, repo: &Repo, range: &Range, remote_name: &str) -> Result<bool, CommandError> {
    let outcome = audit_range::run(repo, range, None, ctx.now())?;
    if !outcome.audit.passes() {
        ctx.ui.tell(&format!(
            "{remote_name} is not pushed:\n{}",
            findings::text(&outcome.audit, &FixContext { trailer: outcome.key.clone(), ..ctx.fix_context() })
        ));
    }
    Ok(outcome.audit.passes())
}

/// A tag brings the commits that no remote has; most bring none. One that names no commit, or a history from before
/// the project used this tool, has nothing to be held to.
fn tag(ctx: &Ctx, repo: &Repo, local: &str, remote_name: &str) -> Result<bool, CommandError> {
    let Ok(head) = repo.resolve(local) else { return Ok(true) };
    match nearest_published(repo, &head)? {
        Some(base) if base != head => may_be_pushed(ctx, repo, &Range { base: Some(base), head }, remote_name),
        _ => Ok(true),
    }
}

/// What is pushed, a line a reference, as git says it on standard input. The pre-commit framework takes that for
/// itself and says it in variables.
fn pushed(repo: &Repo) -> Result<String, CommandError> {
    let variable = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
    if let Some(to) = variable("PRE_COMMIT_TO_REF") {
        let from = variable("PRE_COMMIT_FROM_REF").and_then(|from| repo.resolve(&from).ok());
        let from = from.unwrap_or_else(|| "0".repeat(40));
        let remote = variable("PRE_COMMIT_REMOTE_BRANCH").unwrap_or_else(|| "refs/heads/main".to_owned());
        return Ok(format!("HEAD {} {remote} {from}\n", repo.resolve(&to)?));
    }
    let mut text = String::new();
    std::io::stdin().take(PUSH_LIMIT).read_to_string(&mut text)?;
    Ok(text)
}

/// The newest commit of `local` that some remote has; without one, that with which the project began to use this
/// tool: what came before could not know of it.
fn nearest_published(repo: &Repo, local: &str) -> Result<Option<String>, CommandError> {
    let call = repo.git().args(["rev-list", "--topo-order", "--boundary", local, "--not", "--remotes"]);
    let listed = String::from_utf8_lossy(&call.long().ok()?).into_owned();
    if let Some(boundary) = listed.lines().find_map(|line| line.strip_prefix('-')) {
        return Ok(Some(boundary.to_owned()));
    }
    if listed.is_empty() {
        return Ok(Some(local.to_owned()));
    }
    let state =
        String::from_utf8_lossy(&[repo.prefix(), crate::store::project::STATE_DIR.as_bytes()].concat()).into_owned();
    let call = repo.git().args(["log", "--format=%H", "--reverse", "--diff-filter=A", local, "--"]).arg(state);
    let adopted = String::from_utf8_lossy(&call.long().ok()?).lines().next().map(str::to_owned);
    Ok(adopted)
}
