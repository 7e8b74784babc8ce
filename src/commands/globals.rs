//! The options of every command. Must not act on them.

use std::path::PathBuf;

use clap::ValueEnum;

/// Options of every command
#[derive(Debug, Clone, clap::Args)]
pub struct Globals {
    /// Work on the project at this directory instead of the one around the current directory
    #[arg(long, short = 'C', global = true, value_name = "DIR", help_heading = "Global options")]
    pub root: Option<PathBuf>,
    /// Print the answer as text or as JSON [default: text on a terminal, the original's output in a pipe]
    #[arg(long, global = true, value_enum, help_heading = "Global options")]
    pub format: Option<Format>,
    /// Print nothing but the answer, warnings and errors
    #[arg(long, short, global = true, help_heading = "Global options")]
    pub quiet: bool,
}

/// How the answer is printed
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// For people
    Text,
    /// For programs
    Json,
    /// Markdown, where the answer is a report
    #[value(alias = "md")]
    Markdown,
    /// Annotations and a step summary, where the answer is a list of findings: `check`
    Github,
    /// A JUnit file, for `check` alone
    Junit,
}
