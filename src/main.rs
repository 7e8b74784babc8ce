//! Parses, dispatches, maps to an exit code.

use std::process::ExitCode;

fn main() -> ExitCode {
    vibeship_optimizer::cli::run(std::env::args_os()).into()
}
