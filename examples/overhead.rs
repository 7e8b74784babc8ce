//! Compares the tool's cost of starting, watching and reaping one run with that of a bare `posix_spawn` + `wait4` loop
//! in C. Run it through `examples/overhead.sh`, which builds the two C programs.

use std::error::Error;
use std::io::Write as _;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use vibeship_optimizer::os::process::{self, Invocation, Output};
use vibeship_optimizer::os::{Interrupt, Spec};

const USAGE: &str = "usage: overhead STATIC_TRUE BARE_LOOP [BLOCKS] [RUNS_PER_BLOCK]";

fn main() -> Result<(), Box<dyn Error>> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let [program, bare, rest @ ..] = args.as_slice() else { return Err(USAGE.into()) };
    let blocks: u32 = rest.first().map_or(Ok(20), |n| n.parse())?;
    let runs: u32 = rest.get(1).map_or(Ok(100), |n| n.parse())?;
    let interrupt = Interrupt::install()?;
    let spec = spec(Path::new(program))?;
    let (mut reported, mut whole, mut bares) = (Vec::new(), Vec::new(), Vec::new());
    for block in 0..blocks {
        // The blocks alternate in the order ABBA, so that a drift favours neither side.
        for ours in if block % 2 == 0 { [true, false] } else { [false, true] } {
            if ours {
                let (measured, elapsed) = tool_block(&spec, runs, &interrupt)?;
                reported.push(measured);
                whole.push(elapsed);
            } else {
                bares.push(bare_block(bare, program, runs)?);
            }
        }
    }
    let bare = median(&mut bares.clone());
    let mut out = std::io::stdout().lock();
    writeln!(out, "bare posix_spawn + wait4   {bare:8.1} us per run (median of {blocks} blocks of {runs})")?;
    for (name, values) in [("reported by the tool", reported), ("whole call of the tool", whole)] {
        let mut ratios: Vec<f64> = values.iter().zip(&bares).map(|(ours, bare)| ours / bare).collect();
        writeln!(out, "{name:26} {:8.1} us per run, {:.3} x bare", median(&mut values.clone()), median(&mut ratios))?;
    }
    Ok(())
}

fn spec(program: &Path) -> Result<Spec, Box<dyn Error>> {
    let line = program.to_str().ok_or("the path of the program is not UTF-8")?;
    Ok(Spec {
        invocation: Invocation::Shell(line.to_owned()),
        // The current directory, as for timings in the project's root: PWD then needs no change.
        cwd: std::env::current_dir()?,
        env: Vec::new(),
        timeout: Duration::from_secs(10),
        stdout: Output::Discard,
        stderr: Output::Keep { head_bytes: 0, tail_bytes: 4096 },
        alone: false,
        stays: false,
    })
}

/// Returns the medians of a block, in microseconds per run: of the reported wall time, and of the whole call.
fn tool_block(spec: &Spec, runs: u32, interrupt: &Interrupt) -> Result<(f64, f64), Box<dyn Error>> {
    let mut walls = Vec::new();
    let mut calls = Vec::new();
    for _ in 0..runs {
        let started = Instant::now();
        let finished = process::run(spec, interrupt)?;
        calls.push(started.elapsed().as_secs_f64() * 1e6);
        if !finished.success() {
            return Err(format!("the program ended with {:?}", finished.ended).into());
        }
        walls.push(finished.wall.as_secs_f64() * 1e6);
    }
    Ok((median(&mut walls), median(&mut calls)))
}

fn bare_block(bare: &str, program: &str, runs: u32) -> Result<f64, Box<dyn Error>> {
    let output = Command::new(bare).args([program, &runs.to_string()]).output()?;
    if !output.status.success() {
        return Err("the bare loop failed".into());
    }
    Ok(String::from_utf8(output.stdout)?.trim().parse()?)
}

fn median(values: &mut [f64]) -> f64 {
    values.sort_by(f64::total_cmp);
    let middle = values.len() / 2;
    if values.len() % 2 == 1 { values[middle] } else { f64::midpoint(values[middle - 1], values[middle]) }
}
