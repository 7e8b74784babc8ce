//! The command line: global options, the commands, and usage errors.

use std::ffi::OsString;
use std::io;

use clap::error::ErrorKind;
use clap::{CommandFactory as _, FromArgMatches as _, Parser, Subcommand};

use crate::commands::{self, Ctx, Globals};
use crate::error::{CommandError, Result, trouble};
use crate::exit::Exit;
use crate::ui::Ui;

/// Make every tuning change prove itself: contract, baseline, validation, comparison, rollout, monitoring, VERIFIED
#[derive(Debug, Parser)]
#[command(name = "vibeship-optimizer", version, max_term_width = 100, infer_long_args = true, after_help = AFTER_HELP)]
struct Cli {
    #[command(flatten)]
    globals: Globals,
    #[command(subcommand)]
    command: Command,
}

const AFTER_HELP: &str = "\
Exit codes: 0 yes (done, or it holds); 1 no (refused, failed, regressed, not verified);
2 trouble (usage, input, the system); 3 not yet (inconclusive, or the window is still open).

Start with `vibeship-optimizer init`, then `vibeship-optimizer status` always names the next step.
More help: `help gates`, `help criteria`, `help exit-codes`.";

#[derive(Debug, Subcommand)]
#[command(defer = true)]
enum Command {
    /// Set up a project: state directory, config and logbook
    Init(commands::init::InitArgs),
    /// Detect the project's test command and fill empty commands of the config
    Onboard(commands::init::OnboardArgs),
    /// Open, describe, decide, roll out and verify a tracked change
    #[command(subcommand)]
    Change(ChangeCommand),
    /// Measure the project as it is now
    Snapshot(commands::snapshot::SnapshotArgs),
    /// Check the change that was made: one commit, passing tests and smoke probes
    Validate(commands::ChangeArg),
    /// Compare before and after, for a change or for any two snapshot files
    Compare(commands::compare::CompareArgs),
    /// Measure two revisions in alternating pairs, without a change
    Pair(commands::pair::PairArgs),
    /// Find the commit that made a command slower
    Bisect(commands::bisect::BisectArgs),
    /// Measure this machine's noise and check that a known slowdown is detected
    Calibrate(commands::calibrate::CalibrateArgs),
    /// Measure how often verdicts are wrong on this machine
    Selftest(commands::calibrate::SelftestArgs),
    /// Run a busy-loop for a known amount of work
    #[command(hide = true)]
    Spin,
    /// Write the completions of the shells and the man pages
    #[command(hide = true)]
    Completions(commands::completions::CompletionsArgs),
    /// Show where each change stands and what comes next
    #[command(visible_alias = "next")]
    Status(commands::status::StatusArgs),
    /// Check whether a change can be verified; mark it verified with `--apply`
    Verify(commands::decide::VerifyArgs),
    /// Check commits and records against the workflow
    Check(commands::check::CheckArgs),
    /// Install, remove or check the git hooks
    #[command(subcommand)]
    Hooks(commands::hooks::HooksCommand),
    /// Find out where a change belongs, which evidence it needs, and how to open it
    Route(commands::start::RouteArgs),
    /// Run one of the installed hooks
    #[command(hide = true)]
    HookRun(commands::hooks::HookRunArgs),
    /// Measure rolled out changes day by day
    #[command(subcommand)]
    Monitor(commands::monitor::MonitorCommand),
    /// Describe the project and list the questions to answer before tuning it
    Analyze(commands::preflight::AnalyzeArgs),
    /// Find what is missing in the project's setup; fix it with `--apply`
    Doctor(commands::doctor::DoctorArgs),
    /// Write prompts and context for a language model
    #[command(subcommand)]
    Llm(commands::preflight::LlmCommand),
    /// Let an OpenClaw agent run the daily tick
    #[command(subcommand)]
    Openclaw(commands::autopilot::OpenclawCommand),
    /// Check for problems that would invalidate measurements
    Preflight(commands::preflight::PreflightArgs),
    /// Do whatever is due, for cron and other timers
    #[command(subcommand)]
    Autopilot(commands::autopilot::AutopilotCommand),
    /// Show all changes on one page: HTML by default, markdown with `--format markdown`
    Report(commands::review::ReportArgs),
    /// Go through the checklists that begin and end a day
    #[command(subcommand)]
    Day(commands::day::DayCommand),
    /// Bundle a change for review and attest that it was reviewed
    #[command(subcommand)]
    Review(commands::review::ReviewCommand),
}

#[derive(Debug, Subcommand)]
#[command(defer = true)]
enum ChangeCommand {
    /// Open a tracked change
    Start(commands::start::StartArgs),
    /// Write its contract: hypothesis, KPI, guardrails, rollback trigger and action
    Contract(commands::contract::ContractArgs),
    /// List all changes
    List(commands::status::ListArgs),
    /// Show one change with all its evidence
    Show(commands::status::ShowArgs),
    /// Select the change that commands work on by default
    Use(commands::choose::UseArgs),
    /// Add a note to a change's record
    Note(commands::decide::NoteArgs),
    /// Promote a change whose evidence is complete
    Promote(commands::ChangeArg),
    /// Keep a change as an experiment
    Hold(commands::decide::DecisionArgs),
    /// Reject a change
    Reject(commands::decide::DecisionArgs),
    /// Start a stage of the rollout
    Rollout(commands::rollout::RolloutArgs),
    /// Take a change back
    Rollback(commands::rollout::RollbackArgs),
    /// Resolve a change's open alarms
    Resolve(commands::decide::DecisionArgs),
    /// Name the change that replaces an emergency's override
    FollowUp(commands::decide::FollowUpArgs),
    /// Check whether a change can be verified; mark it verified with `--apply`
    Verify(commands::decide::VerifyArgs),
    /// Find a change's commit again after a squash or rebase
    Relink(commands::relink::RelinkArgs),
    /// Print the trailer that ties a commit or a pull request to a change
    Trailer(commands::ChangeArg),
}

/// The commands and flags with their examples, for help, completions and man pages.
fn grammar() -> clap::Command {
    commands::completions::with_examples(Cli::command(), "vibeship-optimizer")
}

pub fn run(arguments: impl IntoIterator<Item = OsString>) -> Exit {
    let mut arguments: Vec<OsString> = arguments.into_iter().collect();
    if let Some(text) = commands::completions::topic(&arguments) {
        return answered(Ui::default().answer(&text));
    }
    let cli = match parse(&mut arguments) {
        Ok(cli) => cli,
        Err(error) => return usage(error, &arguments),
    };
    let unsupported_format = unsupported_format(&cli.globals, &cli.command);
    let ui = Ui { quiet: cli.globals.quiet };
    let json = cli.globals.is_json();
    let ctx = match Ctx::new(cli.globals, ui) {
        Ok(ctx) => ctx,
        Err(error) => return commands::tell(&ui, &error, json, None),
    };
    let outcome = unsupported_format.map_or_else(|| dispatch(&ctx, cli.command), Err);
    let exit = outcome.unwrap_or_else(|error| commands::tell(&ui, &error, json, Some(&ctx)));
    // The end of the program frees a large index faster.
    std::mem::forget(ctx);
    exit
}

/// The error if a command does not have the requested format, which another one has.
fn unsupported_format(globals: &Globals, command: &Command) -> Option<CommandError> {
    let (only, said) = globals.format?.only_for()?;
    let fits = matches!((only, command), ("check", Command::Check(_)) | ("report", Command::Report(_)));
    let refused = || trouble(format!("--format {said}"));
    (!fits).then(|| refused().hinted("for programs, every command has --format json"))
}

fn parse(arguments: &mut Vec<OsString>) -> Result<Cli, clap::Error> {
    // The help of the whole program has no examples.
    let asks_for_help =
        arguments.len() > 2 && arguments.iter().any(|word| word == "--help" || word == "-h" || word == "help");
    let mut grammar = if asks_for_help { grammar() } else { Cli::command() };
    let (command, begin) = named(&grammar, arguments);
    let all = grammar.get_arguments().chain(command.iter().flat_map(clap::Command::get_arguments));
    let options: Vec<&clap::Arg> = all.filter(|arg| !arg.is_positional()).collect();
    leave_empty_out(&options, arguments, begin);
    if let Some((flag, next)) = forgotten_text(&options, &arguments[begin..]) {
        let said = format!(
            "{flag} is followed by the option {next} and not by its text\n\n  tip: to give {next} as the text, write {flag}={next}"
        );
        return Err(grammar.error(ErrorKind::InvalidValue, said));
    }
    let matches = grammar.try_get_matches_from_mut(arguments.iter())?;
    let cli = Cli::from_arg_matches(&matches).map_err(|error| error.format(&mut grammar))?;
    // Dropping the grammar takes longer than reading a record.
    std::mem::forget(grammar);
    Ok(cli)
}

/// The command that the arguments name, if any, and where its own arguments begin. Only this command's options are
/// built: building those of every command takes longer than most commands do.
fn named(grammar: &clap::Command, arguments: &[OsString]) -> (Option<clap::Command>, usize) {
    let (mut command, mut begin) = (grammar, 0);
    while let Some((at, below)) =
        arguments[begin..].iter().enumerate().find_map(|(at, word)| Some((at, command.find_subcommand(word)?)))
    {
        (command, begin) = (below, begin + at + 1);
    }
    let mut named = (begin > 0).then(|| command.clone());
    if let Some(command) = named.as_mut().filter(|command| !command.has_subcommands()) {
        command.build();
    }
    (named, begin)
}

fn longs(arg: &clap::Arg) -> impl Iterator<Item = String> {
    let longs = arg.get_long().into_iter().chain(arg.get_all_aliases().unwrap_or_default());
    longs.map(|long| format!("--{long}")).collect::<Vec<_>>().into_iter()
}

/// Removes options with empty values, which scripts for the Python tool use to omit an option. Required options stay,
/// and so do those whose empty value is a mistake: titles, criteria, ranges, gates and reviewers.
fn leave_empty_out(options: &[&clap::Arg], arguments: &mut Vec<OsString>, begin: usize) {
    let may_be_empty = |arg: &&&clap::Arg| {
        let kept = |name: &clap::builder::Str| ["CRITERION", "PERSON", "BASE..HEAD", "GATE"].contains(&name.as_str());
        let kept = arg.get_long() == Some("title") || arg.get_value_names().is_some_and(|names| names.iter().any(kept));
        arg.get_action().takes_values() && !arg.is_required_set() && !kept
    };
    let names: Vec<String> = options.iter().filter(may_be_empty).flat_map(|arg| longs(arg)).collect();
    let means = |word: &OsString| {
        let word = word.to_str().unwrap_or_default();
        word.len() > 2 && names.iter().any(|name| name.starts_with(word))
    };
    let end = arguments.iter().position(|word| word == "--").unwrap_or(arguments.len());
    for at in (begin..end).rev() {
        let is_empty = arguments.get(at + 1).is_some_and(|value| value.is_empty());
        if is_empty && at + 1 < end && means(&arguments[at]) {
            arguments.drain(at..at + 2);
        } else if arguments[at].to_str().and_then(|word| word.strip_suffix('=')).is_some_and(|word| means(&word.into()))
        {
            arguments.remove(at);
        }
    }
}

/// Returns an option whose text was forgotten, and the option that follows in its place.
fn forgotten_text(options: &[&clap::Arg], arguments: &[OsString]) -> Option<(String, String)> {
    let mut known = vec!["--".to_owned(), "--help".to_owned(), "-h".to_owned()];
    for arg in options {
        known.extend(longs(arg).chain(arg.get_short().map(|short| format!("-{short}"))));
    }
    let flags: Vec<String> =
        options.iter().filter(|arg| arg.is_allow_hyphen_values_set()).flat_map(|arg| longs(arg)).collect();
    let is_option = |text: &str| known.iter().any(|option| text.split('=').next() == Some(option));
    let followed = |pair: &&[OsString]| {
        flags.iter().any(|flag| pair[0] == flag.as_str()) && pair[1].to_str().is_some_and(is_option)
    };
    let pair = arguments.windows(2).find(followed)?;
    Some((pair[0].to_string_lossy().into_owned(), pair[1].to_string_lossy().into_owned()))
}

fn dispatch(ctx: &Ctx, command: Command) -> Result<Exit> {
    match command {
        Command::Init(args) => commands::init::run(ctx, args),
        Command::Onboard(args) => commands::init::onboard(ctx, args),
        Command::Change(command) => dispatch_change(ctx, command),
        Command::Snapshot(args) => commands::snapshot::run(ctx, args),
        Command::Validate(args) => commands::validate::run(ctx, &args.choose_early(ctx)?),
        Command::Compare(args) => commands::compare::run(ctx, args),
        Command::Pair(args) => commands::pair::run(ctx, args),
        Command::Bisect(args) => commands::bisect::run(ctx, args),
        Command::Calibrate(args) => commands::calibrate::run(ctx, args),
        Command::Selftest(args) => commands::calibrate::selftest(ctx, args),
        Command::Spin => commands::calibrate::spin(),
        Command::Completions(args) => commands::completions::run(ctx, args, grammar()),
        Command::Status(args) => commands::status::run(ctx, args),
        Command::Verify(args) => commands::decide::verify(ctx, args),
        Command::Check(args) => commands::check::run(ctx, args),
        Command::Hooks(command) => commands::hooks::run(ctx, command),
        Command::Route(args) => commands::start::route(ctx, args),
        Command::HookRun(args) => commands::hooks::run_one(ctx, args),
        Command::Monitor(command) => commands::monitor::run(ctx, command),
        Command::Analyze(args) => commands::preflight::analyze(ctx, args),
        Command::Doctor(args) => commands::doctor::run(ctx, args),
        Command::Llm(command) => commands::preflight::llm(ctx, command, &commands::completions::sheet(&Cli::command())),
        Command::Openclaw(command) => commands::autopilot::openclaw(ctx, command),
        Command::Preflight(args) => commands::preflight::run(ctx, args),
        Command::Autopilot(command) => commands::autopilot::run(ctx, command),
        Command::Report(args) => commands::review::report(ctx, args),
        Command::Day(command) => commands::day::run(ctx, command),
        Command::Review(command) => commands::review::run(ctx, command),
    }
}

fn dispatch_change(ctx: &Ctx, command: ChangeCommand) -> Result<Exit> {
    match command {
        ChangeCommand::Start(args) => commands::start::run(ctx, args),
        ChangeCommand::Contract(args) => commands::contract::run(ctx, args),
        ChangeCommand::List(args) => commands::status::list(ctx, args),
        ChangeCommand::Show(args) => commands::status::show_change(ctx, args),
        ChangeCommand::Use(args) => commands::choose::run_use(ctx, args),
        ChangeCommand::Note(args) => commands::decide::note(ctx, args),
        ChangeCommand::Promote(args) => commands::decide::promote(ctx, &args.choose_early(ctx)?),
        ChangeCommand::Hold(args) => commands::decide::hold(ctx, args),
        ChangeCommand::Reject(args) => commands::decide::reject(ctx, args),
        ChangeCommand::Rollout(args) => commands::rollout::run(ctx, args),
        ChangeCommand::Resolve(args) => commands::decide::resolve(ctx, args),
        ChangeCommand::FollowUp(args) => commands::decide::follow_up(ctx, args),
        ChangeCommand::Rollback(args) => commands::rollout::roll_back(ctx, args),
        ChangeCommand::Verify(args) => commands::decide::verify(ctx, args),
        ChangeCommand::Relink(args) => commands::relink::run(ctx, args),
        ChangeCommand::Trailer(args) => commands::status::trailer(ctx, args),
    }
}

/// Handles help and version, which are answers, and all usage errors.
fn usage(error: clap::Error, arguments: &[OsString]) -> Exit {
    if matches!(error.kind(), ErrorKind::DisplayHelp | ErrorKind::DisplayVersion) {
        return answered(error.print());
    }
    let mut grammar = Cli::command();
    let (group, _) = named(&grammar, arguments);
    grammar.build();
    let (command, _) = named(&grammar, arguments);
    let error = commands::completions::suggest(error, &grammar, (group.as_ref(), command.as_ref()));
    if asks_for(arguments, "json") {
        let usage = command.unwrap_or(grammar).render_usage().to_string();
        let _ = Ui::default().answer(&format!("{:#}", usage_json(&error, usage.trim_start_matches("Usage: "))));
    }
    let is_asked = |format: &str| asks_for(arguments, format);
    for report in commands::check::reports_of_trouble(is_asked, &usage_message(&error)) {
        let _ = Ui::default().answer(&report);
    }
    let _ = error.print();
    Exit::Trouble
}

/// The exit code after printing help or version; a broken pipe is not an error.
fn answered(printed: io::Result<()>) -> Exit {
    let Some(error) = printed.err().filter(|it| it.kind() != io::ErrorKind::BrokenPipe) else { return Exit::Yes };
    Ui::default().error(&error.to_string());
    Exit::Trouble
}

/// Whether a format was requested in a command line that could not be parsed.
fn asks_for(arguments: &[OsString], format: &str) -> bool {
    let options: Vec<&OsString> = arguments.iter().take_while(|word| *word != "--").collect();
    options.iter().any(|word| *word == format!("--format={format}").as_str())
        || options.windows(2).any(|pair| pair[0] == "--format" && pair[1] == format)
}

fn usage_message(error: &clap::Error) -> String {
    let said = error.to_string();
    let message = ["\n\nUsage: ", "\n\nFor more information"]
        .iter()
        .fold(said.as_str(), |text, end| text.split(end).next().unwrap_or_default());
    // If a command is missing, clap prints its help instead of a message.
    let missing = error.kind() == ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand;
    if missing { "no command is named" } else { message.trim_start_matches("error: ").trim_end() }.to_owned()
}

/// `usage` is the usage line of the command that the arguments name, or of the program.
fn usage_json(error: &clap::Error, usage: &str) -> serde_json::Value {
    let message = usage_message(error);
    let called: Vec<&str> = usage.split(' ').take_while(|word| !word.starts_with(['[', '<', '-'])).collect();
    let next = format!("{} --help", called.join(" "));
    let fixes = [serde_json::json!({ "how": "next", "action": "run", "command": next })];
    let kind = snake_case(&format!("{:?}", error.kind()));
    serde_json::json!({
        "error": message, "kind": kind, "message": message, "usage": usage, "hints": [], "next": [next], "fixes": fixes,
    })
}

fn snake_case(name: &str) -> String {
    let mut text = String::new();
    for c in name.chars() {
        if c.is_uppercase() && !text.is_empty() {
            text.push('_');
        }
        text.extend(c.to_lowercase());
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(arguments: &[&str]) -> Result<Cli, String> {
        let all = [&["vibeship-optimizer"], arguments].concat();
        parse(&mut all.iter().map(OsString::from).collect::<Vec<_>>()).map_err(|error| error.to_string())
    }

    #[test]
    fn text_may_begin_with_a_dash() {
        for arguments in [
            &["change", "start", "--title", "-O3 for the hot loop"][..],
            &["change", "start", "--title", "-O3", "--hypothesis", "-O3 is faster", "--risk", "--none"],
            &["change", "start", "--title=--hypothesis"],
            &["change", "contract", "--kpi", "- 1", "--guardrail", "-x", "--trigger", "-x", "--rollback", "-x"],
            &["change", "note", "-O3 it is"],
            &["change", "reject", "--reason", "-O2 is enough", "--change-id", "chg-1"],
            &["change", "rollback", "--reason", "--fast was slow"],
            &["verify", "--summary", "-5% it is"],
            &["snapshot", "--label", "-O3"],
            &["day", "close", "--decide", "-x=hold:y"],
            &["review", "attest", "--reasoning-mode", "x", "--tool", "codex", "--notes", "-1"],
        ] {
            if let Err(error) = said(arguments) {
                panic!("{arguments:?}: {error}");
            }
        }
    }

    #[test]
    fn a_forgotten_text_does_not_take_the_next_option() {
        for arguments in [
            &["change", "start", "--title", "--hypothesis", "x"][..],
            &["change", "start", "--title", "--hypothesis=x"],
            &["change", "start", "--title", "x", "--risk", "--format", "json"],
            &["change", "start", "--title", "--"],
            &["-C", ".", "change", "reject", "--reason", "-C", "x"],
            &["change", "hold", "--reason", "--change-id", "chg-1"],
        ] {
            let error = said(arguments).expect_err("taken");
            assert!(error.contains("and not by its text"), "{arguments:?}: {error}");
        }
        assert!(said(&["change", "start", "--title"]).is_err());
        assert!(said(&["change", "start", "--title", "x", "--bogus"]).is_err(), "an unknown option is still one");
    }

    #[test]
    fn empty_values_count_as_not_given_and_flags_may_be_cut_short() {
        for arguments in [
            &["snapshot", "--lab", "x", "--change-id", "", "--as", ""][..],
            &["snapshot", "--label", ""],
            &["compare", "--bef=a", "--aft=b", "--out", "", "--json-out="],
            &["monitor", "start", "--change-id", "chg-1", "--base", ""],
            &["-C", ".", "change", "start", "--title", "x", "--risk", "", "--format="],
        ] {
            if let Err(error) = said(arguments) {
                panic!("{arguments:?}: {error}");
            }
        }
        let Command::Pair(pair) = said(&["pair", "--", "--out", ""]).unwrap().command else { panic!("no pair") };
        assert!(format!("{pair:?}").contains(r#"["--out", ""]"#), "{pair:?}");
    }

    #[test]
    fn the_command_line_is_consistent_and_every_example_is_one_of_it_on_one_line() {
        grammar().debug_assert();
        for line in commands::completions::EXAMPLES.lines() {
            let words = shlex::split(line).expect("quotes are closed");
            let read = parse(&mut words.iter().map(OsString::from).collect::<Vec<_>>());
            assert!(read.is_ok() && line.len() < 98, "{line}: {:?}", read.err());
        }
        let mut start = grammar();
        let help =
            start.find_subcommand_mut("change").and_then(|it| it.find_subcommand_mut("start")).unwrap().render_help();
        assert!(help.to_string().contains("Examples:\n  vibeship-optimizer change start --title"), "{help}");
    }

    #[test]
    fn help_lines_are_imperative_without_a_final_period() {
        fn check(command: &clap::Command) {
            let lines = command.get_about().into_iter().chain(command.get_arguments().filter_map(clap::Arg::get_help));
            for line in lines.map(ToString::to_string) {
                assert!(!line.ends_with('.'), "{}: {line}", command.get_name());
                assert!(line.starts_with(|c: char| c.is_uppercase()), "{}: {line}", command.get_name());
            }
            command.get_subcommands().for_each(check);
        }
        let mut grammar = Cli::command();
        grammar.build();
        check(&grammar);
    }
}
