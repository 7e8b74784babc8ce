//! What is generated from the definitions of the commands: shell completions and man pages (`completions`, which is
//! hidden), examples and topics of the help, and the list of commands for a language model.

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{Args, ValueEnum as _};
use clap_complete::Shell;

use crate::commands::Ctx;
use crate::error::{Exit, Result};
use crate::model::CommandLine;
use crate::model::text::nearest;
use crate::store::Record;

const PROGRAM: &str = "vibeship-optimizer";

/// Command lines that work as they stand, in the order of the workflow.
pub(crate) const EXAMPLES: &str = include_str!("examples.txt");

const TOPICS: [&str; 3] = ["gates", "criteria", "exit-codes"];

/// Write the completions of the shells and the man pages
#[derive(Debug, Args)]
pub(crate) struct CompletionsArgs {
    /// Print the completions of this shell
    #[arg(value_enum, required_unless_present_any = ["dir", "names"])]
    shell: Option<Shell>,
    /// Write those of all shells, and the man pages, to this directory
    #[arg(long, value_name = "DIR", conflicts_with = "shell")]
    dir: Option<PathBuf>,
    /// Print the names that the shells ask for here
    #[arg(long, value_name = "WHAT", exclusive = true)]
    names: Option<Names>,
}

#[derive(Debug, Clone, Copy, clap::ValueEnum)]
enum Names {
    Ids,
    Metrics,
}

pub(crate) fn run(ctx: &Ctx, args: CompletionsArgs, grammar: clap::Command) -> Result<Exit> {
    if let Some(names) = args.names {
        let names: Vec<String> = match names {
            Names::Ids => Record::ids(&ctx.project)?.iter().map(ToString::to_string).collect(),
            Names::Metrics => ctx.measurable()?.iter().map(|spec| spec.id.to_string()).collect(),
        };
        return ctx.put(&names.join("\n"));
    }
    if let Some(shell) = args.shell {
        return ctx.put(&completion_script(shell, &grammar));
    }
    if let Some(dir) = args.dir {
        fs::create_dir_all(&dir).with_context(|| format!("cannot create {}", dir.display()))?;
        for shell in Shell::value_variants() {
            let name = clap_complete::Generator::file_name(shell, PROGRAM);
            fs::write(dir.join(name), completion_script(*shell, &grammar))?;
        }
        clap_mangen::generate_to(grammar, &dir)?;
        ctx.ui.answer(&dir.display().to_string())?;
    }
    Ok(Exit::Yes)
}

fn shown(grammar: &clap::Command) -> clap::Command {
    let about = grammar.get_about().cloned().unwrap_or_default();
    let below = grammar.get_subcommands().filter(|it| !it.is_hide_set()).cloned();
    clap::Command::new(PROGRAM).about(about).args(grammar.get_arguments().cloned()).subcommands(below)
}

fn completion_script(shell: Shell, grammar: &clap::Command) -> String {
    let (mut grammar, mut bytes) = (shown(grammar), Vec::new());
    clap_complete::generate(shell, &mut grammar, PROGRAM, &mut bytes);
    let mut text = String::from_utf8_lossy(&bytes).into_owned();
    if shell == Shell::Bash {
        // The script spells a name with a hyphen in two ways, so that nothing is completed after a command:
        // https://github.com/clap-rs/clap/issues/6421
        text = text.replace("vibeship__subcmd__optimizer", "vibeship__optimizer");
    }
    ask_for_names(shell, &text)
}

/// Makes the script complete change ids and metric names of the project where it would offer files.
#[expect(clippy::wildcard_enum_match_arm, reason = "the library's enum may grow")]
fn ask_for_names(shell: Shell, script: &str) -> String {
    let ask = |what: &str| format!("({PROGRAM} completions --names {what} 2>/dev/null)");
    let (ids, metrics) = (ask("ids"), ask("metrics"));
    let names = |option: &str| match option {
        "change-id" | "ID" | "use)" | "show)" => Some(&ids),
        "kpi" | "guardrail" | "trigger" | "CRITERION" => Some(&metrics),
        _ => None,
    };
    let line = |(case, line): (&str, &str)| {
        let asked = match shell {
            Shell::Bash if line.ends_with("(compgen -f \"${cur}\"))") => names(case.trim_matches(['-', ')']))
                .map(|names| line.replace("-f \"${cur}\"", &format!("-W \"${names}\" -- \"${{cur}}\""))),
            Shell::Bash => case
                .strip_prefix("vibeship__optimizer__subcmd__change__subcmd__")
                .and_then(names)
                .map(|names| line.replace("--help\"", &format!("--help ${names}\""))),
            Shell::Fish => line
                .strip_suffix(" -r")
                .and_then(|line| names(line.split(" -l ").nth(1)?.split(' ').next()?))
                .map(|names| format!("{line} -fa '{names}'")),
            Shell::Zsh => line.strip_suffix(":_default' \\").and_then(|line| {
                let names = names(if line.contains("'::id --") { "ID" } else { line.rsplit(':').next()? })?;
                Some(format!("{line}:{{compadd -- ${names}}}' \\"))
            }),
            _ => None,
        };
        asked.unwrap_or_else(|| line.to_owned()) + "\n"
    };
    let before = std::iter::once("").chain(script.lines().map(str::trim));
    before.zip(script.lines()).map(line).collect()
}

/// Adds suggestions to a usage error and hides hidden commands in it. A similar name is searched for in all groups of
/// commands and among the help topics, first in the group that was typed.
pub(crate) fn suggest(
    mut error: clap::Error,
    grammar: &clap::Command,
    (group, command): (Option<&clap::Command>, Option<&clap::Command>),
) -> clap::Error {
    if let Some(ContextValue::Strings(names)) = error.get(ContextKind::ValidSubcommand) {
        let shown = |name: &&String| grammar.find_subcommand(name).is_none_or(|it| !it.is_hide_set());
        let names = names.iter().filter(shown).cloned().collect();
        error.insert(ContextKind::ValidSubcommand, ContextValue::Strings(names));
    }
    if let (Some(ContextValue::String(word)), Some(command)) = (error.get(ContextKind::InvalidArg), command)
        && error.kind() == ErrorKind::UnknownArgument
        && let Some(line) = option_for(word, command)
    {
        error.insert(ContextKind::Suggested, ContextValue::StyledStrs(vec![line.into()]));
    }
    let Some(ContextValue::String(typed)) = error.get(ContextKind::InvalidSubcommand) else { return error };
    // A command of this name that is in no group is typed whole.
    let whole = |meant: String| if meant == *typed { format!("{} {meant}", grammar.get_name()) } else { meant };
    match most_similar(typed, grammar, group).map(whole) {
        Some(meant) => drop(error.insert(ContextKind::SuggestedSubcommand, ContextValue::Strings(vec![meant]))),
        None => drop(error.remove(ContextKind::SuggestedSubcommand)),
    }
    error
}

/// The command or help topic with the most similar name; the `group` that was typed takes precedence.
fn most_similar(typed: &str, grammar: &clap::Command, group: Option<&clap::Command>) -> Option<String> {
    let shown = |command: &&clap::Command| !command.is_hide_set();
    let below = |group: &clap::Command| {
        let called = |it: &clap::Command| (it.get_name().to_owned(), format!("{} {}", group.get_name(), it.get_name()));
        group.get_subcommands().filter(shown).map(called).collect::<Vec<_>>()
    };
    let commands: Vec<&clap::Command> = grammar.get_subcommands().filter(shown).collect();
    let whole = commands.iter().map(|it| (it.get_name().to_owned(), it.get_name().to_owned()));
    let topics = TOPICS.iter().map(|topic| ((*topic).to_owned(), format!("help {topic}")));
    let all = group.into_iter().flat_map(below).chain(whole);
    let all = all.chain(commands.iter().flat_map(|it| below(it))).chain(topics).collect::<Vec<_>>();
    let near = nearest(typed, all.iter().map(|(name, _)| name.as_str()), 1);
    all.iter().find(|(name, _)| near.contains(&name.as_str())).map(|(_, called)| called.clone())
}

/// The option that an unexpected argument may be meant for: one that has it as a possible value, else the command's
/// first option that takes a value.
fn option_for(word: &str, command: &clap::Command) -> Option<String> {
    let own = || command.get_opts().filter(|option| !option.is_global_set() && !option.is_hide_set());
    let has = |option: &&clap::Arg| option.get_possible_values().iter().any(|value| value.matches(word, false));
    let option = own().find(has).or_else(|| own().find(|option| option.get_action().takes_values()))?;
    let words = CommandLine::verbatim(format!("--{}", option.get_long()?)).word(word);
    (!word.starts_with('-')).then(|| format!("to give it as an option, write '{words}'"))
}

/// The text of `help TOPIC` if it is not about a command; also the version and the help, which need no grammar.
pub(crate) fn topic(arguments: &[OsString]) -> Option<String> {
    let [_, help, topic] = arguments else {
        let [program, option] = arguments else { return None };
        return match option.to_str()? {
            "--version" | "-V" => Some(concat!("vibeship-optimizer ", env!("CARGO_PKG_VERSION")).to_owned()),
            "--help" if is_help_plain(program) => Some(include_str!("help.txt").to_owned()),
            _ => None,
        };
    };
    let linked = |text: String| text.replace("(measurement.md)", "(docs/measurement.md)");
    let sections: Vec<&str> = include_str!("../../docs/gates.md").split("\n## ").collect();
    let section = |title: &str| Some(format!("## {}", sections.iter().find(|text| text.starts_with(title))?));
    let code = |(exit, meaning): &(Exit, &str)| format!("{}  {meaning}\n", exit.code());
    match topic.to_str().filter(|_| help == "help")? {
        "gates" | "gate" => sections.first().map(|text| (*text).to_owned()),
        "criteria" | "criterion" => section("Criteria").map(linked),
        "exit-codes" | "exit-code" | "exitcodes" => Some(Exit::TABLE.iter().map(code).collect()),
        _ => None,
    }
}

/// Whether the help is as in `help.txt`: for a program of this name, without a terminal, its width or its colours.
fn is_help_plain(program: &OsString) -> bool {
    let is_set = |name| std::env::var_os(name).is_some();
    Path::new(program).file_name().is_some_and(|name| name == PROGRAM)
        && terminal_size::terminal_size().is_none()
        && !["COLUMNS", "CLICOLOR_FORCE"].into_iter().any(is_set)
}

pub(crate) fn with_examples(command: clap::Command, path: &str) -> clap::Command {
    let is_own = |line: &&str| line.strip_prefix(path).is_some_and(|rest| rest.is_empty() || rest.starts_with(' '));
    let own: Vec<&str> = EXAMPLES.lines().filter(is_own).collect();
    let command = match own.as_slice() {
        [] => command,
        _ if command.has_subcommands() => command,
        lines => command.after_help(format!("Examples:\n  {}", lines.join("\n  "))),
    };
    command.mut_subcommands(|below| {
        let path = format!("{path} {}", below.get_name());
        with_examples(below, &path)
    })
}

pub(crate) fn sheet(grammar: &clap::Command) -> String {
    let mut sheet = String::new();
    for line in EXAMPLES.lines() {
        let command = line.split(' ').fold(grammar, |command, word| command.find_subcommand(word).unwrap_or(command));
        let heading = format!("- {}:\n", command.get_about().map(ToString::to_string).unwrap_or_default());
        if !sheet.contains(&heading) {
            sheet.push_str(&heading);
        }
        sheet.push_str(&format!("    {line}\n"));
    }
    sheet
}
