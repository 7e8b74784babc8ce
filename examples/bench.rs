//! Times the commands and compares each with its floor, in one round-robin run; `bench.sh` makes the workloads and
//! starts it. The floors that are programs are subcommands of this one: `bench` without arguments does nothing, which
//! is the floor of a program start.

#![expect(clippy::print_stdout, clippy::print_stderr, reason = "it reports to a terminal")]

use std::collections::BTreeMap;
use std::error::Error;
use std::fs;
use std::hint::black_box;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Mutex;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use vibeship_optimizer::judge::{Settings, compare};
use vibeship_optimizer::model::scrub::scrub;
use vibeship_optimizer::model::strict_json::parse_json;
use vibeship_optimizer::model::{Contract, Digest, Event, ingest};
use vibeship_optimizer::os::process::{self, Invocation, Output};
use vibeship_optimizer::os::{Interrupt, Spec};
use vibeship_optimizer::stats::{rank_sum, winsorized};
use vibeship_optimizer::workflow::{chain, replay};

/// One job per line: name, goal (a multiple of the floor, or a time), floor, working directory and command. BENCH
/// stands for this program, TOOL for the one under test. A command after ` && ` runs afterwards, untimed.
const JOBS: &str = "\
an empty program | | | ended | BENCH
--version | 1.5 | an empty program | ended | TOOL --version
--help | 1.5 | an empty program | ended | TOOL --help
commit-msg hook, 10,000 ended records | 2.5 | an empty program | ended | TOOL hook-run commit-msg ../message
commit-msg hook, 500 open records | 2.5 | an empty program | open | TOOL hook-run commit-msg ../message-open
git commit without hooks | | | ended | git -c core.hooksPath=/dev/null commit -q --allow-empty -F ../message && git update-ref HEAD HEAD~1
git commit with the hooks | 1.5 | git commit without hooks | ended | git commit -q --allow-empty -F ../message && git update-ref HEAD HEAD~1
each of 10,000 records parsed once | | | ended | BENCH parse .vibeship-optimizer/changes
change list, 10,000 records | 1.5 | each of 10,000 records parsed once | ended | TOOL change list
status, 10,000 records | 1.5 | each of 10,000 records parsed once | ended | TOOL status
check, 10,000 records | 10 | each of 10,000 records parsed once | ended | TOOL check
change start, 500 open records | 15 ms | | open | TOOL change start --parallel --title another
two snapshots parsed once | | | ended | BENCH parse ../snapshots
compare --out, 1,950 timings and 2,000 sizes each | 3 | two snapshots parsed once | ended | TOOL compare --before ../snapshots/before.json --after ../snapshots/after.json --out ../report.md
a walk over 200,000 files, on every core | | | files | BENCH walk build
snapshot with the sizes of 200,000 ignored files | 1.1 | a walk over 200,000 files, on every core | files | TOOL snapshot --label sizes
git status, 20,000 files | | | tracked | git status --porcelain=v2 --branch
snapshot, 20,000 tracked files | 1.3 | git status, 20,000 files | tracked | TOOL snapshot --label facts
git log --name-only, 10,000 commits | | | commits | git log --name-only --format=%H
check --range, 10,000 commits | 1.0 | git log --name-only, 10,000 commits | commits | TOOL check --range start..HEAD
git log --name-only, 983 commits | | | commits | git log --name-only --format=%H HEAD~983..HEAD
check --range, 983 commits | 1.2 | git log --name-only, 983 commits | commits | TOOL check --range HEAD~983..HEAD
300 bare runs of an empty program | | | commits | BENCH bare 300
300 timed runs of an empty program | 1.05 | 300 bare runs of an empty program | commits | BENCH timed 300
two checkouts and 22 runs of 20 ms | | | commits | BENCH pairs 11
pair, ten pairs of 20 ms | 1.5 | two checkouts and 22 runs of 20 ms | commits | TOOL pair --runs 10 --max-time 1 --same -- BENCH busy
";

type Answer = Result<(), Box<dyn Error>>;

fn main() -> Answer {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match words[..] {
        [] => Ok(()),
        ["parse", dir] => parse(Path::new(dir)),
        ["walk", dir] => walk(PathBuf::from(dir)),
        ["bare", runs] => bare(runs.parse()?),
        ["timed", runs] => timed(runs.parse()?),
        ["busy"] => busy(),
        ["pairs", count] => pairs(count.parse()?),
        ["records", template, dir, count] => records(Path::new(template), Path::new(dir), count.parse()?),
        ["files", dir, count] => files(Path::new(dir), count.parse()?),
        ["commits", count] => commits(count.parse()?),
        ["snapshots", template, dir] => snapshots(Path::new(template), Path::new(dir)),
        ["table", tool, dir, rounds] => table(tool, Path::new(dir), rounds.parse()?),
        ["pure", record, before, after] => pure([record, before, after]),
        _ => Err("see bench.sh".into()),
    }
}

/// One line of `JOBS`, with its times in milliseconds.
struct Job<'a> {
    name: &'a str,
    goal: &'a str,
    floor: &'a str,
    dir: &'a str,
    command: Vec<&'a str>,
    after: Vec<&'a str>,
    took: Vec<f64>,
}

fn jobs() -> Vec<Job<'static>> {
    let job = |line: &'static str| {
        let [name, goal, floor, dir, command] = line.split('|').map(str::trim).collect::<Vec<_>>()[..] else {
            return None;
        };
        let (command, after) = command.split_once(" && ").unwrap_or((command, ""));
        let words = |text: &'static str| text.split(' ').filter(|word| !word.is_empty()).collect();
        Some(Job { name, goal, floor, dir, command: words(command), after: words(after), took: Vec::new() })
    };
    JOBS.lines().filter_map(job).collect()
}

/// Runs the jobs in turn, `rounds` times, so that a busy moment of the machine affects them all, and prints the table
/// of medians. A first round, which warms the caches, is not counted.
fn table(tool: &str, dir: &Path, rounds: usize) -> Answer {
    let own = std::env::current_exe()?.to_string_lossy().into_owned();
    let run = |words: &[&str], at: &str| {
        let word = |word: &&str| match *word {
            "TOOL" => tool.to_owned(),
            "BENCH" => own.clone(),
            other => other.to_owned(),
        };
        let words: Vec<String> = words.iter().map(word).collect();
        let mut command = Command::new(&words[0]);
        command.args(&words[1..]).current_dir(dir.join(at));
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).status()
    };
    let mut jobs = jobs();
    for round in 0..=rounds {
        for job in &mut jobs {
            let start = Instant::now();
            let status = run(&job.command, job.dir)?;
            let took = start.elapsed().as_secs_f64() * 1e3;
            if round == 0 && status.code().is_none_or(|code| code == 2) {
                eprintln!("{}: {:?} ended with {status}", job.name, job.command.join(" "));
            }
            if round > 0 {
                job.took.push(took);
            }
            if !job.after.is_empty() {
                run(&job.after, job.dir)?;
            }
        }
    }
    let medians: BTreeMap<&str, f64> = jobs.iter_mut().map(|job| (job.name, median(&mut job.took))).collect();
    println!("| job | median | times its floor | goal | |\n|---|---|---|---|---|");
    for job in &jobs {
        let took = medians[job.name];
        let ratio = medians.get(job.floor).map(|floor| took / floor);
        let goal = job.goal.trim_end_matches(" ms").parse::<f64>().ok();
        let met = goal.map(|goal| if ratio.unwrap_or(took) <= goal { "met" } else { "not met" });
        let ratio = ratio.map(|ratio| format!("{ratio:.2}")).unwrap_or_default();
        println!("| {} | {took:.2} ms | {ratio} | {} | {} |", job.name, job.goal, met.unwrap_or_default());
    }
    Ok(())
}

/// Prints the time of one call of each pure function: the median over rounds, each of enough calls to take 5 ms.
fn pure(files: [&str; 3]) -> Answer {
    const ROUNDS: usize = 21;
    const FILLED: Duration = Duration::from_millis(5);
    let [record, before, after] = files.map(fs::read);
    let (record, before, after) = (record?, before?, after?);
    let value: Value = serde_json::from_slice(&record)?;
    let raw = value["events"].as_array().cloned().unwrap_or_default();
    let events = raw.iter().cloned().map(serde_json::from_value).collect::<Result<Vec<Event>, _>>()?;
    let (old, new) = (ingest::parse_snapshot(&before)?, ingest::parse_snapshot(&after)?);
    let samples: Vec<f64> = numbers().take(60).map(|n| f64::from((n % 1000) as u32)).collect();
    let (first, second) = samples.split_at(30);
    let (contract, settings) = (Contract::default(), Settings::default());
    let parts: [(&str, &dyn Fn()); 8] = [
        ("a record's JSON read strictly", &|| kept(parse_json(&record))),
        ("the chain of its events", &|| kept(chain::verify(&raw))),
        ("its events through the gates", &|| kept(replay::check(&events))),
        ("a snapshot read, of 1,950 timings and 2,000 sizes", &|| kept(ingest::parse_snapshot(&before))),
        ("two of them compared", &|| kept(compare::compare(&old, &new, None, &contract, &settings))),
        ("the interval of 60 pairs", &|| kept(winsorized::interval(&samples, 0.05))),
        ("the rank sum of 30 and 30 runs", &|| kept(rank_sum::p_value(first, second))),
        ("a record searched for secrets", &|| kept(scrub(&String::from_utf8_lossy(&record)))),
    ];
    println!("| pure part | one call |\n|---|---|");
    for (name, call) in parts {
        let timed = |calls: u32| {
            let start = Instant::now();
            (0..calls).for_each(|_| call());
            start.elapsed()
        };
        let calls = (1..24).map(|power| 1 << power).find(|calls| timed(*calls) > FILLED).unwrap_or(1);
        let mut took: Vec<f64> = (0..ROUNDS).map(|_| timed(calls).as_secs_f64() * 1e6 / f64::from(calls)).collect();
        println!("| {name} | {:.1} µs |", median(&mut took));
    }
    Ok(())
}

/// Keeps the compiler from optimising an unused result away.
fn kept<T>(result: T) {
    let _ = black_box(result);
}

fn median(values: &mut [f64]) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}

fn parse(dir: &Path) -> Answer {
    let mut events = 0;
    for entry in fs::read_dir(dir)? {
        let record: Value = serde_json::from_slice(&fs::read(entry?.path())?)?;
        events += record["events"].as_array().map_or(0, Vec::len);
    }
    println!("{events} events");
    Ok(())
}

/// Adds up the sizes of all files below a directory, with one thread per core.
fn walk(dir: PathBuf) -> Answer {
    let threads = std::thread::available_parallelism()?.get();
    let (open, busy) = (Mutex::new(vec![dir]), Mutex::new(0_usize));
    let look = || {
        let mut bytes = 0;
        loop {
            let next = {
                let (mut open, mut busy) = (open.lock().ok()?, busy.lock().ok()?);
                let next = open.pop();
                *busy += usize::from(next.is_some());
                if next.is_none() && *busy == 0 {
                    return Some(bytes);
                }
                next
            };
            let Some(next) = next else {
                std::thread::yield_now();
                continue;
            };
            let mut below = Vec::new();
            for entry in fs::read_dir(next).ok()?.flatten() {
                if entry.file_type().ok()?.is_dir() {
                    below.push(entry.path());
                } else {
                    bytes += entry.metadata().ok()?.len();
                }
            }
            open.lock().ok()?.extend(below);
            *busy.lock().ok()? -= 1;
        }
    };
    let bytes: u64 = std::thread::scope(|scope| {
        let all: Vec<_> = (0..threads).map(|_| scope.spawn(look)).collect();
        all.into_iter().filter_map(|thread| thread.join().ok().flatten()).sum()
    });
    println!("{bytes} bytes");
    Ok(())
}

fn bare(runs: u32) -> Answer {
    let own = std::env::current_exe()?;
    for _ in 0..runs {
        let mut command = Command::new(&own);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).status()?;
    }
    Ok(())
}

/// Makes the runs of `bare` the way the tool starts and times a command.
fn timed(runs: u32) -> Answer {
    let interrupt = Interrupt::install()?;
    let spec = Spec {
        invocation: Invocation::Shell(std::env::current_exe()?.to_string_lossy().into_owned()),
        cwd: std::env::current_dir()?,
        env: Vec::new(),
        timeout: Duration::from_secs(10),
        stdout: Output::Discard,
        stderr: Output::Keep { head_bytes: 0, tail_bytes: 4096 },
        alone: false,
        stays: false,
    };
    for _ in 0..runs {
        process::run(&spec, &interrupt)?;
    }
    Ok(())
}

fn busy() -> Answer {
    let start = Instant::now();
    while start.elapsed() < Duration::from_millis(20) {
        std::hint::spin_loop();
    }
    Ok(())
}

/// Does the work that no paired measurement can avoid: two checkouts, and `count` runs in each.
fn pairs(count: u32) -> Answer {
    let own = std::env::current_exe()?;
    let place = std::env::temp_dir().join(format!("bench-pairs-{}", std::process::id()));
    let sides = ["one", "two"].map(|side| place.join(side));
    for side in &sides {
        Command::new("git").args(["worktree", "add", "-q", "--detach"]).arg(side).status()?;
    }
    for _ in 0..count {
        for side in &sides {
            Command::new(&own).arg("busy").current_dir(side).status()?;
        }
    }
    for side in &sides {
        Command::new("git").args(["worktree", "remove", "--force"]).arg(side).status()?;
    }
    Ok(())
}

/// Writes `count` copies of a record under other ids, each with its own hash chain.
fn records(template: &Path, dir: &Path, count: u32) -> Answer {
    let text = fs::read_to_string(template)?;
    let old = template.file_stem().and_then(|stem| stem.to_str()).ok_or("a record is named after its id")?;
    for n in 1..=count {
        let id = format!("chg-20250101-000000-{}-{n}", old.rsplit('-').next().unwrap_or_default());
        let mut record: Value = serde_json::from_str(&text.replace(old, &id))?;
        let mut last = Value::Null;
        for event in record["events"].as_array_mut().into_iter().flatten() {
            if !last.is_null() {
                event["prev"] = last;
            }
            last = json!(Digest::of_json_without(event, &["digest"]));
            event["digest"] = last.clone();
        }
        fs::write(dir.join(format!("{id}.json")), format!("{record:#}\n"))?;
    }
    Ok(())
}

/// Returns pseudorandom numbers with a fixed seed (Marsaglia's xorshift).
fn numbers() -> impl Iterator<Item = u64> {
    std::iter::successors(Some(88_172_645_463_325_252_u64), |last| {
        let x = last ^ (last << 13);
        let x = x ^ (x >> 7);
        Some(x ^ (x << 17))
    })
}

fn files(dir: &Path, count: usize) -> Answer {
    for (n, size) in numbers().take(count).enumerate() {
        let below = dir.join(format!("{}/{}", n / 10_000, n / 100 % 100));
        if n % 100 == 0 {
            fs::create_dir_all(&below)?;
        }
        fs::write(below.join(n.to_string()), vec![b'x'; usize::try_from(size % 200)?])?;
    }
    Ok(())
}

/// Prints `count` commits on the branch `main`, for `git fast-import`.
fn commits(count: u64) -> Answer {
    for (n, number) in (1..=count).zip(numbers()) {
        println!("commit refs/heads/main\ncommitter B <b@example.org> {} +0000", 1_700_000_000 + n * 60);
        println!("data 6\nNote\n\n");
        if n == 1 {
            println!("from refs/heads/main^0");
        }
        println!("M 644 inline notes/{}/{}\ndata <<EOF\n{n}\nEOF\n", number % 10, number % 100);
    }
    Ok(())
}

/// Writes two snapshots with 1,950 timings and 2,000 sizes each, from a template that has one of each.
fn snapshots(template: &Path, dir: &Path) -> Answer {
    let template: Value = serde_json::from_slice(&fs::read(template)?)?;
    let mut numbers = numbers();
    for name in ["before", "after"] {
        let mut snapshot = template.clone();
        let (timing, size) = (template["timings"][0].clone(), template["sizes"]["src"].clone());
        let timings = (0..1950).map(|n| {
            let mut timing = timing.clone();
            timing["name"] = json!(format!("timing-{n}"));
            timing
        });
        snapshot["timings"] = timings.collect();
        for n in 0..2000 {
            let mut size = size.clone();
            size["bytes"] = json!(numbers.next().unwrap_or_default() % 100_000);
            snapshot["sizes"][format!("size-{n}")] = size;
        }
        fs::write(dir.join(format!("{name}.json")), format!("{snapshot:#}\n"))?;
    }
    Ok(())
}
