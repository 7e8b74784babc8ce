//! `hook-run`: what the installed hooks call. Runs no configured command: fast feedback; `check` is the authority.

use std::collections::BTreeSet;
use std::ffi::{OsStr, OsString};
use std::io::Read as _;
use std::path::{Path, PathBuf};

use clap::Args;

use crate::audit::commit_msg;
use crate::commands::hook_facts::{self, Here};
use crate::commands::{Ctx, GitHistory, Range, audit_range, demands, said, uncommitted};
use crate::error::{Exit, Result, trouble};
use crate::git::Repo;
use crate::hooks::{self, Hook};
use crate::model::{ChangeId, FixContext};
use crate::report::{findings, problem};
use crate::store::project;

const INPUT_LIMIT: u64 = 16 * 1024 * 1024;

#[derive(Debug, Args)]
pub(crate) struct HookRunArgs {
    /// Hook to run
    #[arg(value_name = "HOOK", value_parser = hook)]
    hook: Hook,
    /// Arguments that git passes to the hook
    #[arg(value_name = "ARGUMENT", trailing_var_arg = true, allow_hyphen_values = true)]
    arguments: Vec<OsString>,
}

fn hook(name: &str) -> Result<Hook, String> {
    let found = Hook::ALL.into_iter().find(|hook| hook.name() == name);
    found.ok_or_else(|| format!("unknown hook; the hooks are {}", Hook::ALL.map(Hook::name).join(", ")))
}

pub(crate) fn run(ctx: &Ctx, args: HookRunArgs) -> Result<Exit> {
    if let Some(mark) = std::env::var_os(hooks::PROBE).filter(|mark| !mark.is_empty()) {
        std::fs::write(mark, args.hook.name())?;
        // The probe also finds out whether git stops when a hook refuses.
        return Ok(if args.hook == Hook::PrepareCommitMsg { Exit::Yes } else { Exit::No });
    }
    if args.hook == Hook::CommitMsg && !ctx.project.changes_dir().exists() {
        ctx.refuse_sparse_checkout()?;
    }
    // A checkout from before the project used this tool has nothing to check against.
    if !ctx.project.is_initialized() {
        return Ok(Exit::Yes);
    }
    match args.hook {
        Hook::CommitMsg => commit_msg(ctx, &args),
        Hook::PrepareCommitMsg => {
            // Git also runs this hook for reverts and despite --no-verify: it only helps and never refuses.
            if let Err(error) = prepare_commit_msg(ctx, &args) {
                // What helps is told by the hook that refuses.
                ctx.ui.warn(&format!("the message gets no trailer: {}", said(&error).0));
            }
            Ok(Exit::Yes)
        }
        Hook::PrePush => match ctx.repo()? {
            Some(repo) => pre_push(ctx, repo),
            None => Ok(Exit::Yes),
        },
    }
}

/// The message file; a relative path refers to the current directory, where git runs the hook.
fn file(args: &HookRunArgs) -> Result<PathBuf> {
    let missing = || trouble(format!("{} needs the message's file", args.hook.name()));
    Ok(std::path::absolute(args.arguments.first().ok_or_else(missing)?)?)
}

fn read(path: &Path) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    std::fs::File::open(path)?.take(INPUT_LIMIT).read_to_end(&mut bytes)?;
    Ok(bytes)
}

fn commit_msg(ctx: &Ctx, args: &HookRunArgs) -> Result<Exit> {
    let (message, config) = (read(&file(args)?)?, ctx.config()?);
    if hook_facts::is_plainly_ready(ctx, &message, &config.enforcement.trailer) {
        return Ok(Exit::Yes);
    }
    // The very first commit needs no id: a baseline can only begin with it.
    let Some(repo) = ctx.repo()?.filter(|repo| repo.head().is_ok_and(|head| head.at.is_some())) else {
        return Ok(Exit::Yes);
    };
    let history = GitHistory::new(repo, &config.enforcement.trailer);
    let facts = hook_facts::message(ctx, &history, &message)?;
    let here = Here::new(ctx, &history, &facts.commit.message);
    let decision = commit_msg::check(&facts, &demands::here(config)?, &here);
    history.failure()?;
    let Err(objection) = decision else { return Ok(Exit::Yes) };
    if hook_facts::is_beside(ctx, repo, &facts.commit.message)? {
        return Ok(Exit::Yes);
    }
    // The pre-commit framework stashes what is not staged while hooks run.
    let hides = std::env::var_os("PRE_COMMIT").is_some_and(|value| !value.is_empty());
    let hidden = hides.then(|| uncommitted::stage(ctx));
    let fixes = FixContext { uncommitted: uncommitted::paths(ctx), ..ctx.fix_context() };
    ctx.ui.tell(&problem::commit_refused(&objection.to_string(), &objection.fixes(&fixes, hidden)));
    Ok(Exit::No)
}

fn prepare_commit_msg(ctx: &Ctx, args: &HookRunArgs) -> Result<()> {
    let (path, config) = (file(args)?, ctx.config()?);
    let message = read(&path)?;
    if hook_facts::is_plainly_ready(ctx, &message, &config.enforcement.trailer) || Here::is_nothing_open(ctx)? {
        return Ok(());
    }
    let Some(repo) = ctx.repo()? else { return Ok(()) };
    // The pre-commit framework passes the source in a variable.
    let source = args.arguments.get(1).cloned().or_else(|| std::env::var_os("PRE_COMMIT_COMMIT_MSG_SOURCE"));
    let is_taken_over = matches!(source.as_deref().and_then(OsStr::to_str), Some("merge" | "commit"));
    let history = GitHistory::new(repo, &config.enforcement.trailer);
    let facts = hook_facts::message(ctx, &history, &message)?;
    let here = Here::new(ctx, &history, &facts.commit.message);
    // Git indents the messages of the commits that it squashes, so that their trailers are none of the new one.
    let of_squashed = format!("    {}: ", history.key);
    let squashed = facts.commit.message.lines().filter_map(|line| line.strip_prefix(&of_squashed));
    let squashed: BTreeSet<ChangeId> = squashed.filter_map(|id| id.trim().parse().ok()).collect();
    let id = match squashed.first().filter(|_| source.as_deref() == Some(OsStr::new("squash"))) {
        Some(id) => Some(id.clone()).filter(|_| squashed.len() == 1),
        None => commit_msg::to_add(&facts, is_taken_over, &demands::here(config)?, &here),
    };
    history.failure()?;
    let Some(id) = id else { return Ok(()) };
    let trailer = format!("{}: {id}", history.key);
    // Without an editor, git keeps lines that begin with `#` as text, and the trailer belongs after them.
    let no_editor = std::env::var_os("GIT_EDITOR").is_some_and(|editor| editor == ":");
    let comment = hook_facts::scissors(&message).1.or(no_editor.then(|| "core.commentChar=\u{1}".to_owned()));
    let comments = hook_facts::comments(comment.as_deref());
    // The user's own settings for trailers must not leave this one out.
    let rules = ["--if-exists", "doNothing", "--if-missing", "add", "--trailer", &trailer];
    let call = repo.git().without_literal_paths().args(comments).args(["interpret-trailers", "--in-place"]);
    call.arg("--no-divider").args(rules).arg(&path).ok()?;
    // Git puts one blank line above a trailer that stands alone. With a second one, as after `git commit -s`, a subject
    // that is then typed on the first line is not joined to the trailer.
    let bytes = read(&path)?;
    if bytes.starts_with(b"\n") && !bytes.starts_with(b"\n\n") {
        std::fs::write(path, [b"\n", bytes.as_slice()].concat())?;
    }
    Ok(())
}

fn pre_push(ctx: &Ctx, repo: &Repo) -> Result<Exit> {
    let mut exit = Exit::Yes;
    for line in pushed(repo)?.lines() {
        let [_, local, remote_name, remote] = line.split_whitespace().collect::<Vec<_>>()[..] else { continue };
        let is_nothing = |hash: &str| hash.bytes().all(|digit| digit == b'0');
        // Deleting a reference adds no commits.
        if is_nothing(local) {
            continue;
        }
        let range = if remote_name.starts_with("refs/heads/") {
            let base = if is_nothing(remote) { None } else { repo.resolve(remote).ok() };
            let base = match base {
                Some(base) => repo.merge_base(&base, local)?,
                None => nearest_published(repo, local)?,
            };
            Range { base, head: repo.resolve(local)? }
        } else {
            // A tag adds the commits that no remote has. References other than branches and tags are not checked, nor
            // are tags that name no commit or a history from before the project used this tool.
            let Ok(head) = repo.resolve(local) else { continue };
            let is_tag = remote_name.starts_with("refs/tags/");
            let base = if is_tag { nearest_published(repo, &head)? } else { None };
            let Some(base) = base.filter(|base| *base != head) else { continue };
            Range { base: Some(base), head }
        };
        let outcome = audit_range::run(repo, &range, None, ctx.now())?;
        if !outcome.audit.passes() {
            let fixes = ctx.fix_context_of(&outcome.audit, &outcome.key);
            ctx.ui.tell(&format!("{remote_name} is not pushed:\n{}", findings::text(&outcome.audit, &fixes)));
            exit = Exit::No;
        }
    }
    Ok(exit)
}

/// The pushed references, one per line, from git on standard input or from the pre-commit framework's variables.
fn pushed(repo: &Repo) -> Result<String> {
    let variable = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
    if let Some(to) = variable("PRE_COMMIT_TO_REF") {
        let from = variable("PRE_COMMIT_FROM_REF").and_then(|from| repo.resolve(&from).ok());
        let from = from.unwrap_or_else(|| "0".repeat(40));
        let remote = variable("PRE_COMMIT_REMOTE_BRANCH").unwrap_or_else(|| "refs/heads/main".to_owned());
        return Ok(format!("HEAD {} {remote} {from}\n", repo.resolve(&to)?));
    }
    let mut text = String::new();
    std::io::stdin().take(INPUT_LIMIT).read_to_string(&mut text)?;
    Ok(text)
}

/// The newest commit of `local` that a remote has; without one, the commit that introduced this tool.
fn nearest_published(repo: &Repo, local: &str) -> Result<Option<String>> {
    let call = repo.git().args(["rev-list", "--topo-order", "--boundary", local, "--not", "--remotes"]);
    let listed = call.long().text()?;
    if listed.is_empty() {
        return Ok(Some(local.to_owned()));
    }
    if let Some(boundary) = listed.lines().find_map(|line| line.strip_prefix('-')) {
        return Ok(Some(boundary.to_owned()));
    }
    adopted(repo, local)
}

/// The commit that introduced this tool to the project: earlier ones could not follow its workflow.
pub(crate) fn adopted(repo: &Repo, head: &str) -> Result<Option<String>> {
    repo.needs_whole(None, head)?;
    let call = repo.git().args(["log", "--format=%H", "--reverse", "--diff-filter=A", head, "--"]);
    let adopted = call.arg(repo.full_path(project::STATE_DIR)).long().text()?;
    Ok(adopted.lines().next().map(str::to_owned))
}
