//! `hooks`: installs and removes the git hooks, shows whether they are installed and git runs them, and reports
//! problems. `hook-run`: what the installed hooks call; runs no configured command. It is fast feedback; `check` is the
//! authority.

use std::collections::BTreeSet;
use std::ffi::{OsStr, OsString};
use std::io::Read as _;
use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use serde_json::json;

use crate::audit::commit_msg;
use crate::commands::hook_facts::{self, Here};
use crate::commands::{
    Ctx, GitHistory, Range, audit_here, audit_range, check, demands, message_and_fixes, uncommitted,
};
use crate::error::{CommandError, Exit, Result, trouble};
use crate::git::Repo;
use crate::hooks::{self, Done, Fired, Hook, HookError, HookRow, HookTarget, HooksStatus, State, status};
use crate::model::{ChangeId, CommandLine, Fix, FixContext, Problem, Severity};
use crate::os::files;
use crate::report::{findings, problem};
use crate::store::project;

#[derive(Debug, Subcommand)]
pub(crate) enum HooksCommand {
    /// Install the hooks; an existing hook is kept and runs first
    Install,
    /// Remove the hooks and restore those that were there before
    Uninstall,
    /// Show the hooks and check that git runs them
    Status,
}

pub(crate) fn run(ctx: &Ctx, command: HooksCommand) -> Result<Exit> {
    let repo = ctx.needed_repo("hooks need")?;
    match command {
        HooksCommand::Install => {
            check::needs_project(ctx, "hooks install")?;
            let target = target(repo)?;
            match hooks::install(repo, &target) {
                Ok(done) => tell(ctx, &done)?,
                Err(error @ (HookError::Io { .. } | HookError::Git(_))) => return Err(error.into()),
                Err(error) => {
                    let here = status::examine(repo, &target)?;
                    return Err(CommandError::from(error).fixed_by(fixes(repo, &here)?));
                }
            };
            if hooks::place(repo)?.relative {
                ctx.ui.warn("core.hooksPath is relative: each checkout needs the directory, and install once in each");
            }
            audit_here::tell_hidden(ctx)?;
            Ok(Exit::Yes)
        }
        HooksCommand::Uninstall => tell(ctx, &hooks::uninstall(repo)?),
        HooksCommand::Status => show(ctx, repo),
    }
}

pub(crate) fn target(repo: &Repo) -> Result<HookTarget> {
    let program = std::env::current_exe()?.to_string_lossy().into_owned();
    Ok(HookTarget { program, project: String::from_utf8_lossy(repo.prefix()).into_owned() })
}

fn tell(ctx: &Ctx, done: &[(Hook, Done)]) -> Result<Exit> {
    let hooks: Vec<_> = done.iter().map(|(hook, done)| json!({"hook": hook.name(), "done": done})).collect();
    let lines: Vec<String> = done.iter().map(|(hook, done)| format!("{}: {done}", hook.name())).collect();
    ctx.say(false, &json!({ "hooks": hooks }), &lines.join("\n"))
}

fn show(ctx: &Ctx, repo: &Repo) -> Result<Exit> {
    let status = status::examine(repo, &target(repo)?)?;
    let good = status.works();
    let dir = status.place.dir.display().to_string();
    let stray: Vec<String> = status.stray.iter().map(|path| path.display().to_string()).collect();
    let (mut hooks, mut lines) = (Vec::new(), vec![format!("directory: {dir}")]);
    for row in &status.rows {
        let (hook, state, fires) = (row.hook.name(), row.state, row.fired.as_ref().map(ToString::to_string));
        hooks.push(json!({"hook": hook, "state": state.to_string(), "fires": fires}));
        lines.push(format!("{hook}: {state}{}", fires.map(|fires| format!("; {fires}")).unwrap_or_default()));
    }
    lines.extend(stray.iter().map(|path| format!("git does not run: {path}")));
    let answer = json!({ "ok": good, "directory": dir, "refused": status.refused, "hooks": hooks, "stray": stray });
    ctx.say(false, &answer, &lines.join("\n"))?;
    if good {
        return Ok(Exit::Yes);
    }
    if let Some(reason) = &status.refused {
        ctx.ui.warn(reason);
    }
    for found in problems(ctx)? {
        ctx.advise(&found.fixes);
    }
    Ok(Exit::No)
}

pub(crate) fn install_here(ctx: &Ctx) -> Result<()> {
    if let Some(repo) = ctx.repo()? {
        hooks::install(repo, &target(repo)?)?;
    }
    Ok(())
}

fn install_line() -> CommandLine {
    CommandLine::tool("hooks install")
}

pub(crate) fn installs(problem: &Problem) -> bool {
    problem.fixes == [Fix::next("", install_line())]
}

/// All problems with the hooks; none outside git. Mere notes have [`Severity::Info`].
pub(crate) fn problems(ctx: &Ctx) -> Result<Vec<Problem>> {
    let Some(repo) = ctx.repo()? else { return Ok(Vec::new()) };
    let target = target(repo)?;
    let here = status::examine(repo, &target)?;
    if here.is_absent() {
        return Ok(vec![absent(repo, &here, ctx.config()?.enforcement.hooks)?]);
    }
    if here.rows.iter().any(|row| row.state == State::OtherProject) {
        let message = "the hooks of this repository serve another project in it, and check no commit of this one";
        return Ok(vec![Problem::info("HOOKS_OTHER_PROJECT", message, fixes(repo, &here)?)]);
    }
    let mut found = Vec::new();
    if here.works() {
        found.extend(unproven(&here));
        found.extend(outdated(&here));
    } else {
        found.push(silent(repo, &here)?);
    }
    for other in status::elsewhere(repo, &target)?.into_iter().filter(|other| !other.works()) {
        // Joining an empty prefix would leave a slash at the end.
        let project: PathBuf = other.root.join(files::path_from_bytes(repo.prefix())).components().collect();
        // A checkout from before the project used this tool needs no hooks.
        if project.join(project::STATE_DIR).is_dir() {
            let in_checkout = CommandLine::tool("-C").word(project.to_string_lossy()).words(["hooks", "install"]);
            let checkout = other.root.display();
            let message = format!("commits in the checkout {checkout} pass no hook: {}", broken(&other));
            let fixes = vec![Fix::next("", in_checkout)];
            found.push(Problem::warn("HOOKS_SILENT", message, fixes));
        }
    }
    Ok(found)
}

/// The problem that the hooks were never installed: a note, unless the config wants them.
fn absent(repo: &Repo, status: &HooksStatus, wanted: bool) -> Result<Problem> {
    let (severity, wish) = match wanted {
        true => (Severity::Warn, ", and enforcement.hooks of the config wants them"),
        false => (Severity::Info, ""),
    };
    let refused = status.refused.as_ref().map(|why| format!("; {why}")).unwrap_or_default();
    let message = format!("the git hooks are not installed{wish}{refused}");
    Ok(Problem::of_setup(severity, "HOOKS_MISSING", message, fixes(repo, status)?))
}

fn silent(repo: &Repo, status: &HooksStatus) -> Result<Problem> {
    let dir = status.place.dir.display();
    let works = status.rows.iter().any(|row| row.hook == Hook::CommitMsg && row.works());
    let what = if works { "not every hook is here" } else { "commits here pass no hook" };
    let mut message = format!("{what}: {}; git looks in {dir}", broken(status));
    if !status.stray.is_empty() {
        let stray: Vec<String> = status.stray.iter().map(|path| path.display().to_string()).collect();
        message.push_str(&format!("; ours is where git does not look: {}", stray.join(", ")));
    }
    Ok(Problem::warn("HOOKS_SILENT", message, fixes(repo, status)?))
}

fn fixes(repo: &Repo, status: &HooksStatus) -> Result<Vec<Fix>> {
    if status.rows.iter().any(|row| row.state == State::OtherProject) {
        let out = Fix::next("let them serve this project in place of the other", CommandLine::tool("hooks uninstall"));
        return Ok(vec![out, Fix::then("", install_line())]);
    }
    let kept = status.stray.iter().find(|path| path.to_string_lossy().ends_with(hooks::KEPT));
    let foreign = status.rows.iter().any(|row| row.state == State::Foreign);
    if let (Some(kept), true) = (kept, foreign) {
        let why = "another program replaced our hook; merge this one, kept from before, into its hook";
        let (kept, aside) = (kept.to_string_lossy(), format!("{}.old", kept.display()));
        let put_aside = CommandLine::new("mv").word(kept).word(aside);
        return Ok(vec![Fix::next(why, put_aside), Fix::then("", install_line())]);
    }
    if status.place.dir.ends_with(".husky/_") {
        let add = |row: &HookRow| {
            let line = format!("vibeship-optimizer hook-run {} \"$@\"", row.hook.name());
            let file = status.root.join(".husky").join(row.hook.name());
            CommandLine::new("printf").word("%s\\n").word(line).append_to(&file.to_string_lossy())
        };
        let all = status.rows.iter().filter(|row| !row.works()).map(add).reduce(CommandLine::and);
        let purpose = "husky runs the files in .husky: add our line to them, and commit them";
        return Ok(all.map(|all| Fix::next(purpose, all)).into_iter().collect());
    }
    if status.refused.is_none() {
        return Ok(vec![Fix::next("", install_line())]);
    }
    let local = repo.local_config("core.hooksPath")?.is_some();
    let setting = if local { "config --unset core.hooksPath" } else { "config core.hooksPath .githooks" };
    Ok(vec![Fix::next("", CommandLine::git(setting).and(install_line()))])
}

fn unproven(status: &HooksStatus) -> Option<Problem> {
    let doubtful = |row: &&HookRow| matches!(row.fired, Some(Fired::No { .. } | Fired::CannotAsk));
    let (row, fired) = status.rows.iter().filter(doubtful).find_map(|row| Some((row, row.fired.as_ref()?)))?;
    let message = format!("{} is {}; {fired}", row.hook.name(), row.state);
    let fixes = vec![Fix::next("", CommandLine::tool("hooks status"))];
    Some(Problem::info("HOOKS_UNPROVEN", message, fixes))
}

fn outdated(status: &HooksStatus) -> Option<Problem> {
    let old = status.rows.iter().filter(|row| row.state == State::Outdated).map(|row| row.hook.name());
    let old: Vec<&str> = old.collect();
    let message = format!("installed for another path or version of vibeship-optimizer: {}", old.join(", "));
    let fixes = vec![Fix::next("", install_line())];
    (!old.is_empty()).then(|| Problem::info("HOOKS_OUTDATED", message, fixes))
}

fn broken(status: &HooksStatus) -> String {
    let bad = status.rows.iter().filter(|row| !row.works());
    let words = bad.map(|row| {
        let fired = row.fired.as_ref().map(|fired| format!(" ({fired})")).unwrap_or_default();
        format!("{} is {}{fired}", row.hook.name(), row.state)
    });
    words.collect::<Vec<_>>().join(", ")
}

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

pub(crate) fn run_one(ctx: &Ctx, args: HookRunArgs) -> Result<Exit> {
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
                ctx.ui.warn(&format!("the message gets no trailer: {}", message_and_fixes(&error).0));
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
fn message_file(args: &HookRunArgs) -> Result<PathBuf> {
    let missing = || trouble(format!("{} needs the message's file", args.hook.name()));
    Ok(std::path::absolute(args.arguments.first().ok_or_else(missing)?)?)
}

fn read(path: &Path) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    std::fs::File::open(path)?.take(INPUT_LIMIT).read_to_end(&mut bytes)?;
    Ok(bytes)
}

fn commit_msg(ctx: &Ctx, args: &HookRunArgs) -> Result<Exit> {
    let (message, config) = (read(&message_file(args)?)?, ctx.config()?);
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
    let (path, config) = (message_file(args)?, ctx.config()?);
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
                None => audit_range::nearest_published(repo, local)?,
            };
            Range { base, head: repo.resolve(local)? }
        } else {
            // A tag adds the commits that no remote has. References other than branches and tags are not checked, nor
            // are tags that name no commit or a history from before the project used this tool.
            let Ok(head) = repo.resolve(local) else { continue };
            let is_tag = remote_name.starts_with("refs/tags/");
            let base = if is_tag { audit_range::nearest_published(repo, &head)? } else { None };
            let Some(base) = base.filter(|base| *base != head) else { continue };
            Range { base: Some(base), head }
        };
        let outcome = audit_range::run(repo, (&range, None), None, ctx.now())?;
        if !outcome.audit.passes() {
            let fixes = ctx.fix_context_of(&outcome.audit, &outcome.key);
            ctx.ui.tell(&format!("{remote_name} is not pushed:\n{}", findings::text(&outcome.audit, &fixes)));
            exit = Exit::No;
        }
    }
    Ok(exit)
}

/// The pushed references, one per line, as git passes them on standard input. The pre-commit framework consumes that
/// and sets variables instead.
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
