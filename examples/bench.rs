//! What the commands cost whose work could grow with the records, beside their floors. `bench.sh` makes the project and
//! starts it. Without arguments it does nothing: the floor of a program. With `parse DIR` it opens and parses every
//! record there, one after the other: the floor of reading them.

#![expect(clippy::print_stdout, clippy::print_stderr, reason = "it reports to a terminal")]

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Instant;

/// Of a command: its name, its arguments, which floor it is held against, and how many times of it it may take.
type Job<'a> = (&'a str, &'a [&'a str], usize, f64);

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match words[..] {
        [] => {}
        ["parse", dir] => parse(Path::new(dir)),
        [tool, message, rounds] => compare(tool, message, rounds.parse().unwrap_or(10)),
        _ => eprintln!("usage: bench TOOL MESSAGE ROUNDS"),
    }
}

fn parse(dir: &Path) {
    let mut events = 0;
    for entry in std::fs::read_dir(dir).into_iter().flatten().flatten() {
        let bytes = std::fs::read(entry.path()).unwrap_or_default();
        let record: serde_json::Value = serde_json::from_slice(&bytes).unwrap_or_default();
        events += record["events"].as_array().map_or(0, Vec::len);
    }
    println!("{events} events");
}

/// Each in turn, so that a busy moment of the machine meets all.
fn compare(tool: &str, message: &str, rounds: usize) {
    let own = std::env::current_exe().map(|path| path.to_string_lossy().into_owned()).unwrap_or_default();
    let jobs: [(&str, Job<'_>); 6] = [
        (&own, ("an empty program", &[], 0, 1.0)),
        (&own, ("a loop that parses each record", &["parse", ".vibeship-optimizer/changes"], 1, 1.0)),
        (tool, ("hook-run commit-msg", &["hook-run", "commit-msg", message], 0, 2.5)),
        (tool, ("change list", &["change", "list"], 1, 1.5)),
        (tool, ("status", &["status"], 1, 1.5)),
        (tool, ("check", &["check"], 1, 10.0)),
    ];
    let mut took: [Vec<f64>; 6] = Default::default();
    for _ in 0..rounds {
        for ((program, (_, arguments, ..)), took) in jobs.iter().zip(&mut took) {
            let mut command = Command::new(program);
            command.args(*arguments).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
            let start = Instant::now();
            let _ = command.status();
            took.push(start.elapsed().as_secs_f64() * 1e3);
        }
    }
    let medians = took.map(|mut took| {
        took.sort_by(f64::total_cmp);
        took[took.len() / 2]
    });
    for ((_, (name, _, floor, goal)), median) in jobs.iter().zip(medians) {
        println!("{name:32} {median:10.2} ms {:8.2} x its floor, goal {goal}", median / medians[*floor]);
    }
}
