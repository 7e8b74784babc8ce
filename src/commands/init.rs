//! `init`: sets up the project (state directory, config, logbook); idempotent, keeps what exists. `onboard`: fills
//! empty test and timing commands of the config with detected ones.

use clap::Args;
use serde_json::{Value, json};

use crate::commands::{Ctx, audit_here, doctor, message_and_fixes, preflight};
use crate::config::{Edited, Guess, TimingConfig, file, template};
use crate::error::{Exit, Result, trouble};
use crate::git::Repo;
use crate::model::{CommandLine, Fix, How, fix};
use crate::os::files;
use crate::project;
use crate::report;
use crate::store::{Exclusive, atomic, guard, logbook};

#[derive(Debug, Args)]
pub(crate) struct InitArgs {
    /// Fill empty test and timing commands of an existing config with detected ones
    #[arg(long)]
    onboard: bool,
    /// Never prompt, even on a terminal
    #[arg(long, env = "VIBESHIP_OPTIMIZER_NO_PROMPT", value_parser = clap::builder::FalseyValueParser::new())]
    no_prompt: bool,
}

pub(crate) fn run(ctx: &Ctx, args: InitArgs) -> Result<Exit> {
    let by_hand = ctx.project.config_path().is_some() && !ctx.project.state_dir().is_dir();
    let lock = ctx.lock()?;
    let (config, logbook) = set_up(ctx, &lock)?;
    let text = format!("Initialized: {config}\nInitialized: {logbook}");
    ctx.say(false, &json!({ "config": config, "logbook": logbook }), &text)?;
    drop(lock);
    hint_own_root(ctx);
    if args.onboard {
        self::onboard(ctx, OnboardArgs::default())?;
    }
    let untracked = match ctx.repo() {
        Ok(repo) => repo.is_none().then(preflight::not_under_git),
        Err(error) => {
            ctx.ui.warn(&message_and_fixes(&error).0);
            None
        }
    };
    for problem in untracked.into_iter().chain(doctor::cannot_start(ctx)?) {
        ctx.ui.warn(&problem.message);
        ctx.advise(&problem.fixes);
    }
    audit_here::tell_hidden(ctx)?;
    let head = ctx.repo().ok().flatten().map(Repo::head).transpose()?.and_then(|head| head.at);
    if let (Some(at), true, None) = (head, by_hand, &ctx.config()?.enforcement.since) {
        ctx.advise(&[fix::since(How::Next, &at.commit)]);
    }
    if ctx.config()?.enforcement.exempt.is_empty() && matches!(ctx.repo(), Ok(Some(_))) {
        let line =
            "- {paths: [\"**/*.md\", \"docs/**\", \"LICENSE\", \".github/**\"], reason: they change nothing that runs}";
        let file = ctx.project.relative(&ctx.project.config_path().unwrap_or_default());
        let purpose = "commits of documents, licences and CI files need a change, too; to exempt them";
        ctx.advise(&[Fix::edit(How::Next, purpose, &file, "enforcement.exempt", line)]);
    }
    let name = Fix::next("name what tests and times it", name_commands());
    let start = Fix::next("open a change", fix::start());
    let config = ctx.config()?;
    let times = config.timings.iter().any(TimingConfig::is_measurable);
    let measures = times || !config.kpis.is_empty() || !config.http_probes.is_empty();
    // The onboarding has reported it.
    let name = Some(name).filter(|_| !measures && !args.onboard);
    let how = if measures { How::Next } else { How::Then };
    ctx.advise(&name.into_iter().chain([Fix { how, ..start }]).collect::<Vec<_>>());
    Ok(Exit::Yes)
}

/// Sets the project up if it is not yet, for commands that need a state directory.
pub(crate) fn ensure(ctx: &Ctx) -> Result<()> {
    if ctx.project.is_initialized() && ctx.project.config_path().is_some() {
        return Ok(());
    }
    let lock = ctx.lock()?;
    let (config, _) = set_up(ctx, &lock)?;
    ctx.ui.status(&format!("Initialized: {config}"));
    hint_own_root(ctx);
    Ok(())
}

/// Hints at how to set up the current directory as a project of its own, if the project is another directory.
fn hint_own_root(ctx: &Ctx) {
    let (root, here) = (ctx.project.root(), std::env::current_dir().ok());
    if here.and_then(|here| files::canonical(&here).ok()) != files::canonical(root).ok() && ctx.globals.root.is_none() {
        let alone = CommandLine::tool("init -C .");
        ctx.advise(&[Fix::or(format!("the project is {}; for this directory alone", root.display()), alone)]);
    }
}

fn set_up(ctx: &Ctx, lock: &Exclusive) -> Result<(String, String)> {
    if logbook::adopt_legacy(lock)? {
        ctx.ui.status("Renamed OPTIMIZATION_CHECKER.md to VIBESHIP_OPTIMIZER.md.");
    }
    let existing = ctx.project.config_path();
    let config = match existing {
        Some(path) => path,
        None => {
            ctx.refuse_absent_config()?;
            let path = ctx.project.default_config_path();
            let head = ctx.repo().ok().flatten().and_then(|repo| repo.resolve("HEAD").ok());
            let guess = Guess { since: head, ..project::guess(ctx.project.root()) };
            atomic::create_new(&path, template::template(&guess).as_bytes())?;
            match &guess.test {
                Some(test) => ctx.ui.status(&format!("The config times and tests with `{test}`; edit it as you like.")),
                None => {
                    ctx.ui.warn("no test command was found; name one under `commands.test` and `timings` in the config")
                }
            }
            path
        }
    };
    // Another version of the tool may have written its own schema.
    let schema = ctx.project.state_dir().join("config.schema.json");
    if atomic::read(&schema, 1 << 20)?.as_deref() != Some(template::SCHEMA.as_bytes()) {
        guard::write(&ctx.project, &schema, template::SCHEMA.as_bytes())?;
    }
    let logbook = logbook::create(lock, report::logbook::HEADING)?;
    Ok((config.display().to_string(), logbook.display().to_string()))
}

const ONBOARD_SCHEMA: &str = "vibeship_optimizer.onboard.v1";

#[derive(Debug, Default, Args)]
pub(crate) struct OnboardArgs {
    /// Command to time [default without --test-cmd: the test command]
    #[arg(long, value_name = "CMD", allow_hyphen_values = true)]
    timing_cmd: Option<String>,
    /// Command that tests the project [default without --timing-cmd: detected from the project's files]
    #[arg(long, value_name = "CMD", allow_hyphen_values = true)]
    test_cmd: Option<String>,
    /// Replace existing commands
    #[arg(long)]
    force: bool,
    /// Show what would change without changing anything
    #[arg(long)]
    dry_run: bool,
}

/// Fills in commands, or shows what would be filled in. Exits with 0 even if none was found, as the Python tool does.
pub(crate) fn onboard(ctx: &Ctx, args: OnboardArgs) -> Result<Exit> {
    if !args.dry_run {
        ensure(ctx)?;
    }
    let guess = project::guess(ctx.project.root());
    let named = [args.test_cmd.as_deref(), args.timing_cmd.as_deref()];
    // A command named for one of the two says nothing about the other.
    let cmds = if named == [None; 2] { [guess.test.as_deref(); 2] } else { named };
    let is_found = cmds != [None; 2];
    let changes = if is_found { fill(ctx, cmds, args.force, args.dry_run)?.changes } else { Vec::new() };
    let config = ctx.project.config_path_or_default();
    let one =
        |it: &template::Filled| json!({ "code": code(it.key), "value": it.cmd, "key": it.key, "before": it.before });
    let applied: Vec<Value> = changes.iter().map(one).collect();
    // The first steps, in the order of the gates.
    let steps = ["change contract", "snapshot --as before", "validate", "snapshot --as after", "compare"];
    let steps = std::iter::once(fix::start()).chain(steps.map(CommandLine::tool));
    let next: Vec<String> = steps.map(|step| step.to_string()).collect();
    let head = if args.dry_run { "Would apply:" } else { "Applied:" };
    let mut lines = vec![format!("Onboarding complete. Config: {}", config.display())];
    lines.push(if applied.is_empty() { "No config changes applied.".to_owned() } else { head.to_owned() });
    lines.extend(changes.iter().map(|it| format!("- {}: {}", code(it.key), it.cmd)));
    lines.push("Next steps:".to_owned());
    lines.extend(next.iter().map(|step| format!("- {step}")));
    let answer = json!({
        "schema": ONBOARD_SCHEMA,
        "ok": true,
        "project_root": ctx.project.root(),
        "config_path": config,
        "dry_run": args.dry_run,
        "changes": applied,
        "changed": applied,
        "timing_cmd": cmds[1],
        "test_cmd": cmds[0],
        "others": guess.others,
        "size_paths": guess.size_paths,
        "next_steps": next,
    });
    ctx.say(false, &answer, &lines.join("\n"))?;
    for other in &guess.others {
        ctx.hint(format!("the project could also be tested with: {other}"));
    }
    if named != [None; 2] && applied.is_empty() && !args.force {
        let flags = ["--test-cmd", "--timing-cmd"].into_iter().zip(named);
        let flags = flags.filter_map(|(flag, cmd)| Some([flag, cmd?])).flatten();
        let force = CommandLine::tool("onboard --force").words(flags);
        ctx.advise(&[Fix::next("the config has another command; to replace it", force)]);
    }
    if !is_found {
        ctx.ui.warn("no test command was found in this project");
        ctx.advise(&[Fix::next("name it", name_commands())]);
    }
    Ok(Exit::Yes)
}

fn name_commands() -> CommandLine {
    CommandLine::tool("onboard").ask("--timing-cmd", "COMMAND").ask("--test-cmd", "COMMAND")
}

fn code(key: &str) -> &'static str {
    if key == "commands.test" { "COMMANDS_TEST_SET" } else { "TIMINGS_CMD_SET" }
}

/// Fills the detected test command into empty keys of an existing config, for `doctor --apply`.
pub(crate) fn fill_guess(ctx: &Ctx) -> Result<()> {
    if let Some(cmd) = project::guess(ctx.project.root()).test {
        for change in fill(ctx, [Some(&cmd); 2], false, false)?.changes {
            ctx.ui.status(&format!("Set {} to: {cmd}", change.key));
        }
    }
    Ok(())
}

/// Whether a detected command can be filled in; what only a person can fill in does not count.
pub(crate) fn would_fill(ctx: &Ctx) -> bool {
    let test = project::guess(ctx.project.root()).test.filter(|_| ctx.project.config_path().is_some());
    test.is_some_and(|test| fill(ctx, [Some(&test); 2], false, true).is_ok_and(|edited| !edited.changes.is_empty()))
}

fn fill(ctx: &Ctx, cmds: [Option<&str>; 2], force: bool, dry_run: bool) -> Result<Edited> {
    // A dry run must not even write the lock file.
    let _lock = if dry_run { None } else { Some(ctx.lock()?) };
    let (path, text) = match ctx.project.config_path() {
        Some(path) => {
            let bytes = atomic::read(&path, file::MAX_BYTES)?.unwrap_or_default();
            let wrong = |_| trouble(format!("{} is not UTF-8", path.display()));
            let text = String::from_utf8(bytes).map_err(wrong)?;
            (path, text)
        }
        None if dry_run => (ctx.project.default_config_path(), template::template(&Guess::default())),
        None => {
            return Err(
                trouble("there is no config file").fixed_by([Fix::next("write one", CommandLine::tool("init"))])
            );
        }
    };
    let edited = template::fill(&text, &path, cmds, force)?;
    if !dry_run && !edited.changes.is_empty() {
        guard::write(&ctx.project, &path, edited.text.as_bytes())?;
    }
    Ok(edited)
}
