//! Writes the completions of all shells and the man pages into a directory, for packages:
//! `cargo run --release --example completions -- DIR`

use std::path::Path;
use std::{env, fs, io};

use clap::ValueEnum as _;
use clap_complete::Shell;
use vibeship_optimizer::cli::grammar;

fn main() -> io::Result<()> {
    let dir = env::args_os().nth(1).unwrap_or_else(|| "target/completions".into());
    write(Path::new(&dir))
}

/// Writes them all.
pub(crate) fn write(dir: &Path) -> io::Result<()> {
    fs::create_dir_all(dir)?;
    for shell in Shell::value_variants() {
        let file = clap_complete::generate_to(*shell, &mut grammar(), "vibeship-optimizer", dir)?;
        if *shell == Shell::Bash {
            // A name with a hyphen is spelled in two ways there, and nothing is completed after a command:
            // https://github.com/clap-rs/clap/issues/6421
            let text = fs::read_to_string(&file)?;
            fs::write(&file, text.replace("vibeship__subcmd__optimizer", "vibeship__optimizer"))?;
        }
    }
    clap_mangen::generate_to(grammar(), dir)
}
