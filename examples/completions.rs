//! Writes the completions of all shells and the man pages into a directory, for packages:
//! `cargo run --release --example completions -- DIR`

#![expect(clippy::print_stdout, reason = "it says what it wrote")]

use std::path::PathBuf;
use std::{env, fs, io};

use clap::ValueEnum as _;
use clap_complete::Shell;

fn main() -> io::Result<()> {
    let dir = env::args_os().nth(1).map_or_else(|| PathBuf::from("target/completions"), PathBuf::from);
    fs::create_dir_all(&dir)?;
    for shell in Shell::value_variants() {
        let file =
            clap_complete::generate_to(*shell, &mut vibeship_optimizer::cli::grammar(), "vibeship-optimizer", &dir)?;
        println!("{}", file.display());
    }
    clap_mangen::generate_to(vibeship_optimizer::cli::grammar(), &dir)?;
    println!("{}", dir.join("vibeship-optimizer.1").display());
    Ok(())
}
