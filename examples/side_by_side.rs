//! Compares this tool's verdicts with those of a test on hyperfine's timings, on programs whose true slowdown is known,
//! in the same minutes: on a quiet machine, and beside one and two loads that switch on and off.
//!   cargo run --release --example side_by_side -- [TRIALS] [CSV]
//! A trial of 40 pairs takes about 40 seconds; it also counts as two trials of 20 pairs and four of 10. Leaves out
//! hyperfine if it is not installed. Writes every pair to CSV, one per line:
//! condition,slowdown,trial,after_first,before_wall_s,before_cpu_s,after_wall_s,after_cpu_s

use std::collections::BTreeMap;
use std::error::Error;
use std::ffi::OsString;
use std::fmt::Write as _;
use std::fs;
use std::io::Write as _;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use vibeship_optimizer::config::{Pin, TimingConfig};
use vibeship_optimizer::judge::noise::selftest;
use vibeship_optimizer::judge::{SelftestRow, StoppingDecision};
use vibeship_optimizer::measure::pair::{PairBudget, Session};
use vibeship_optimizer::measure::{Place, SystemRunner};
use vibeship_optimizer::model::{PairedCommand, Run};
use vibeship_optimizer::os::Interrupt;

const WORK: &str = "SIDE_BY_SIDE_STEPS";
const CONDITIONS: [(&str, usize); 3] = [("quiet", 0), ("n1", 1), ("n2", 2)];
const SLOWDOWNS: [f64; 5] = [0.0, 0.01, 0.02, 0.05, 0.10];
const PAIRS: u32 = 40;
const HYPERFINE_RUNS: &str = "10";

type Cell = (usize, usize);

fn main() -> Result<(), Box<dyn Error>> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    match args.first().map(String::as_str) {
        Some("burn") => {
            let steps = match args.get(1) {
                Some(steps) => steps.parse()?,
                None => std::env::var(WORK)?.parse()?,
            };
            std::hint::black_box(burn(steps));
            Ok(())
        }
        Some("load") => load(args.get(1).map_or(Ok(1), |seed| seed.parse())?),
        trials => measure(trials.map_or(Ok(30), str::parse)?, args.get(1).map(Path::new)),
    }
}

fn burn(steps: u64) -> u64 {
    let mut x = 88_172_645_463_325_252_u64;
    for _ in 0..steps {
        x ^= x << 13;
        x ^= x >> 7;
        x ^= x << 17;
    }
    x
}

/// Computes and sleeps in turn, 0.05 to 1 s each, until it is killed.
fn load(seed: u64) -> Result<(), Box<dyn Error>> {
    let mut x = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut next = || {
        x = burn(1) ^ x.rotate_left(17).wrapping_mul(0x2545_f491_4f6c_dd1d);
        Duration::from_millis(50 + x % 950)
    };
    loop {
        let (busy, rest) = (next(), next());
        let started = Instant::now();
        while started.elapsed() < busy {
            std::hint::black_box(burn(10_000));
        }
        std::thread::sleep(rest);
    }
}

/// Load processes, which are killed on drop.
struct Loads(Vec<Child>);

impl Loads {
    fn start(exe: &Path, cores: usize, trial: u32) -> Result<Self, Box<dyn Error>> {
        let mut loads = Self(Vec::new());
        for core in 0..cores {
            let seed = u64::from(trial) * 7 + core as u64 + 1;
            loads.0.push(Command::new(exe).args(["load", &seed.to_string()]).stdin(Stdio::null()).spawn()?);
        }
        Ok(loads)
    }
}

impl Drop for Loads {
    fn drop(&mut self) {
        for child in &mut self.0 {
            // Fails only if the load has already ended.
            let _gone = child.kill().and_then(|()| child.wait());
        }
    }
}

#[derive(Default)]
struct Welch {
    trials: u32,
    slower: u32,
    faster: u32,
}

fn measure(trials: u32, csv: Option<&Path>) -> Result<(), Box<dyn Error>> {
    let exe = std::env::current_exe()?;
    let interrupt = Interrupt::install()?;
    let steps = steps_for(0.020);
    let hyperfine = Command::new("hyperfine").arg("--version").output().ok();
    let mut ours: BTreeMap<Cell, PairedCommand> = BTreeMap::new();
    let mut theirs: BTreeMap<Cell, Welch> = BTreeMap::new();
    let mut lines = String::new();
    for trial in 0..trials {
        for (c, (name, cores)) in CONDITIONS.iter().enumerate() {
            for (s, slowdown) in SLOWDOWNS.iter().enumerate() {
                let arms = (steps, (steps as f64 * (1.0 + slowdown)) as u64);
                let _loads = Loads::start(&exe, *cores, trial)?;
                let paired = pairs(&exe, arms, &interrupt)?;
                for pair in &paired.pairs {
                    let [bw, bc, aw, ac] = [wall(&pair.before), cpu(&pair.before), wall(&pair.after), cpu(&pair.after)];
                    let first = u8::from(pair.after_first);
                    writeln!(lines, "{name},{slowdown},{trial},{first},{bw:.9},{bc:.9},{aw:.9},{ac:.9}")?;
                }
                match ours.get_mut(&(c, s)) {
                    Some(all) => all.pairs.extend(paired.pairs),
                    None => drop(ours.insert((c, s), paired)),
                }
                if hyperfine.is_some() {
                    let t = welch(&hyperfine_times(&exe, arms)?);
                    let found = theirs.entry((c, s)).or_default();
                    found.trials += 1;
                    found.slower += u32::from(t > 0.0);
                    found.faster += u32::from(t < 0.0);
                }
            }
        }
        writeln!(std::io::stderr(), "trial {} of {trials}", trial + 1)?;
    }
    if let Some(file) = csv {
        fs::write(file, lines)?;
    }
    print(&ours, &theirs)
}

fn pairs(exe: &Path, arms: (u64, u64), interrupt: &Interrupt) -> Result<PairedCommand, Box<dyn Error>> {
    let place = |steps: u64| Place {
        root: std::env::temp_dir(),
        env: vec![(WORK.into(), Some(OsString::from(steps.to_string())))],
    };
    let cmd = format!("'{}' burn", exe.to_str().ok_or("the path of this program is not UTF-8")?);
    let plan = TimingConfig::once("burn".to_owned(), cmd, 60.0);
    let (before, after) = (place(arms.0), place(arms.1));
    let mut runner = SystemRunner::new(interrupt.clone());
    let pin = if std::env::var_os("SIDE_BY_SIDE_FREE").is_some() { Pin::Never } else { Pin::Auto };
    let mut session = Session::new(&mut runner, (&before, &after), pin);
    let budget = PairBudget { min_pairs: PAIRS, max_pairs: PAIRS, max_time: Duration::MAX };
    let measured =
        session.command((&plan, None), budget, &mut |_| StoppingDecision::Continue { more: None }, &mut |_| {});
    if measured.paired.pairs.len() < PAIRS as usize {
        return Err(measured.error.unwrap_or_else(|| "interrupted".to_owned()).into());
    }
    Ok(measured.paired)
}

fn wall(run: &Run) -> f64 {
    run.wall_s
}

fn cpu(run: &Run) -> f64 {
    run.user_s.unwrap_or(0.0) + run.system_s.unwrap_or(0.0)
}

/// Returns the wall times that hyperfine measures for both programs, one after the other.
fn hyperfine_times(exe: &Path, arms: (u64, u64)) -> Result<[Vec<f64>; 2], Box<dyn Error>> {
    let file = std::env::temp_dir().join(format!("side_by_side-{}.json", std::process::id()));
    let exe = exe.to_str().ok_or("the path of this program is not UTF-8")?;
    let done = Command::new("hyperfine")
        .args(["-N", "--warmup", "1", "--runs", HYPERFINE_RUNS, "--export-json"])
        .arg(&file)
        .args([format!("'{exe}' burn {}", arms.0), format!("'{exe}' burn {}", arms.1)])
        .output()?;
    if !done.status.success() {
        return Err(String::from_utf8_lossy(&done.stderr).into());
    }
    let read: serde_json::Value = serde_json::from_slice(&fs::read(&file)?)?;
    fs::remove_file(&file)?;
    let times = |i: usize| -> Vec<f64> {
        let values = read["results"][i]["times"].as_array();
        values.into_iter().flatten().filter_map(serde_json::Value::as_f64).collect()
    };
    Ok([times(0), times(1)])
}

/// Returns Welch's t if it is significant at 5 % (two-sided), else 0.
fn welch([a, b]: &[Vec<f64>; 2]) -> f64 {
    let moments = |x: &[f64]| {
        let n = x.len() as f64;
        let mean = x.iter().sum::<f64>() / n;
        (mean, x.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / (n - 1.0) / n, n)
    };
    let ((ma, va, na), (mb, vb, nb)) = (moments(a), moments(b));
    let t = (mb - ma) / (va + vb).sqrt();
    let freedom = (va + vb).powi(2) / (va.powi(2) / (na - 1.0) + vb.powi(2) / (nb - 1.0));
    if t_tail(t.abs(), freedom) < 0.025 { t } else { 0.0 }
}

/// Returns the upper tail of Student's t distribution, by the midpoint rule over its unnormalised density.
fn t_tail(t: f64, freedom: f64) -> f64 {
    let density = |x: f64| (1.0 + x * x / freedom).powf(-f64::midpoint(freedom, 1.0));
    let sum = |from: f64, to: f64| -> f64 {
        let step = (to - from) / 20_000.0;
        (0..20_000).map(|i| density((f64::from(i) + 0.5).mul_add(step, from)) * step).sum()
    };
    let upper = sum(t, t.max(10.0) * 40.0);
    upper / (2.0 * (sum(0.0, t) + upper))
}

/// Returns the number of steps that take the given time on this machine, by the fastest of 20 tries.
fn steps_for(seconds: f64) -> u64 {
    let tries = (0..20).map(|_| {
        let started = Instant::now();
        std::hint::black_box(burn(1_000_000));
        started.elapsed().as_secs_f64()
    });
    (seconds / tries.fold(f64::INFINITY, f64::min) * 1e6) as u64
}

fn print(ours: &BTreeMap<Cell, PairedCommand>, theirs: &BTreeMap<Cell, Welch>) -> Result<(), Box<dyn Error>> {
    let mut out = std::io::stdout().lock();
    writeln!(out, "| | method | trials | alarms, any size | alarms | +1 % | +2 % | +5 % | +10 % | error |")?;
    writeln!(out, "|---|---|---|---|---|---|---|---|---|---|")?;
    let mut wrong_way = 0;
    for (c, (condition, _)) in CONDITIONS.iter().enumerate() {
        let mut name = *condition;
        for pairs in [10, 20, PAIRS] {
            let rows: Vec<Vec<SelftestRow>> = (0..SLOWDOWNS.len())
                .filter_map(|s| {
                    // With a minimum effect of 1 %, a slowdown of 1 % could hardly be confirmed.
                    let min_effect = if SLOWDOWNS[s] == 0.01 { 0.005 } else { 0.01 };
                    ours.get(&(c, s)).map(|paired| selftest(paired, SLOWDOWNS[s], pairs, min_effect))
                })
                .collect();
            for (metric, time) in [("cpu", "CPU time"), ("wall", "wall time")] {
                let of: Option<Vec<&SelftestRow>> =
                    rows.iter().map(|rows| rows.iter().find(|row| row.metric.as_str().ends_with(metric))).collect();
                let Some([none, one, two, five, ten]) = of.as_deref() else { continue };
                let slower =
                    |row: &SelftestRow| 100.0 * f64::from(row.tally.slower) / f64::from(row.tally.trials.max(1));
                writeln!(
                    out,
                    "| {name} | at most {pairs} pairs, {time} | {} | {:.1} % | {:.1} % | {:.0} % | {:.0} % | {:.0} % | {:.0} % | {:.2} % |",
                    none.tally.trials,
                    100.0 * none.without_min_effect.share_changed(),
                    100.0 * none.tally.share_changed(),
                    slower(one),
                    slower(two),
                    slower(five),
                    slower(ten),
                    100.0 * two.error_90.unwrap_or(f64::NAN),
                )?;
                wrong_way += one.tally.faster + two.tally.faster + five.tally.faster + ten.tally.faster;
                name = "";
            }
        }
        let of: Option<Vec<&Welch>> = (0..SLOWDOWNS.len()).map(|s| theirs.get(&(c, s))).collect();
        if let Some([none, one, two, five, ten]) = of.as_deref() {
            let share = |n: u32, of: &Welch| 100.0 * f64::from(n) / f64::from(of.trials);
            writeln!(
                out,
                "| | hyperfine, 10 + 10, Welch's t, wall time | {} | {:.1} % | – | {:.0} % | {:.0} % | {:.0} % | {:.0} % | – |",
                none.trials,
                share(none.slower + none.faster, none),
                share(one.slower, one),
                share(two.slower, two),
                share(five.slower, five),
                share(ten.slower, ten),
            )?;
            wrong_way += one.faster + two.faster + five.faster + ten.faster;
        }
    }
    writeln!(out, "\nverdicts in the wrong direction: {wrong_way}")?;
    let five = ours.get(&(0, 3)).map(|paired| paired.pairs.as_slice()).unwrap_or_default();
    let wall_s: f64 = five.iter().map(|pair| pair.before.wall_s + pair.after.wall_s).sum();
    let beside_s: f64 = five.iter().filter_map(|pair| pair.reference_s).sum();
    let each = (wall_s + 2.0 * beside_s) / five.len().max(1) as f64;
    writeln!(out, "ten pairs of +5 % in quiet, with the reference workload: {:.2} s", 10.0 * each)?;
    Ok(())
}
