//! What is made from the definitions of the commands: the completions of the shells and the man pages (`completions`, which
//! is hidden), the examples in the help, and the sheet of commands for a language model.

use std::fs;
use std::path::PathBuf;

use clap::{Args, ValueEnum as _};
use clap_complete::Shell;

use crate::commands::Ctx;
use crate::error::Result;
use crate::exit::Exit;

const PROGRAM: &str = "vibeship-optimizer";

/// Command lines that work as they stand, in the order of the work.
pub(crate) const EXAMPLES: &str = include_str!("examples.txt");

/// Write the completions of the shells and the man pages
#[derive(Debug, Args)]
pub(crate) struct CompletionsArgs {
    /// Print the completions of this shell
    #[arg(value_enum, required_unless_present = "dir")]
    shell: Option<Shell>,
    /// Write those of all shells, and the man pages, to this directory
    #[arg(long, value_name = "DIR", conflicts_with = "shell")]
    dir: Option<PathBuf>,
}

/// Prints one, or writes all and prints the directory.
pub(crate) fn run(ctx: &Ctx, args: CompletionsArgs, grammar: clap::Command) -> Result<Exit> {
    if let Some(shell) = args.shell {
        ctx.ui.answer(&of(shell, grammar))?;
    } else if let Some(dir) = args.dir {
        fs::create_dir_all(&dir)?;
        for shell in Shell::value_variants() {
            let name = clap_complete::Generator::file_name(shell, PROGRAM);
            fs::write(dir.join(name), of(*shell, grammar.clone()))?;
        }
        clap_mangen::generate_to(grammar, &dir)?;
        ctx.ui.answer(&dir.display().to_string())?;
    }
    Ok(Exit::Yes)
}

fn of(shell: Shell, mut grammar: clap::Command) -> String {
    let mut bytes = Vec::new();
    clap_complete::generate(shell, &mut grammar, PROGRAM, &mut bytes);
    let text = String::from_utf8_lossy(&bytes).into_owned();
    if shell != Shell::Bash {
        return text;
    }
    // A name with a hyphen is spelled in two ways there, and nothing is completed after a command:
    // https://github.com/clap-rs/clap/issues/6421
    text.replace("vibeship__subcmd__optimizer", "vibeship__optimizer")
}

/// Each command with its examples at the end of its help.
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

/// The commands that have examples, each with what it does.
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
