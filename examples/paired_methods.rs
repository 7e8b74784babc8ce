//! Which estimator should judge alternating pairs? Measures false alarms, power and error of several estimators on
//! simulated noise or, if a file is given, on real pairs: `cargo run --release --example paired_methods [PAIRS.csv]`.
//!
//! Each line of the file is one pair of runs of the same program:
//! `session,after_first,before_wall_s,before_cpu_s,after_wall_s,after_cpu_s`.
//! A slowdown is simulated by multiplying the times of the second side, so that every method sees the same noise.

use std::collections::BTreeMap;
use std::io::Write as _;

use vibeship_optimizer::model::{Design, Effect, Estimate};
use vibeship_optimizer::stats::looks::ALPHA;
use vibeship_optimizer::stats::{Interval, LookPlan, median, median_interval, winsorized};

/// One pair: the logarithm of both times, and whether the second side (`after`) ran first.
#[derive(Clone, Copy)]
struct Pair {
    before: f64,
    after: f64,
    after_first: bool,
}

/// Estimates the location of the log-ratios and its confidence interval at a significance level.
type Method = fn(&[Pair], f64) -> Option<Interval>;

const METHODS: [(&str, Method); 7] = [
    ("median", |pairs, level| median_interval(&ratios(pairs), 1.0 - level)),
    ("Hodges-Lehmann", |pairs, level| hodges_lehmann(&ratios(pairs), 1.0 - level)),
    ("Winsorized ranks", |pairs, level| winsorized::interval(&ratios(pairs), level)),
    ("ABBA quads, H-L", |pairs, level| hodges_lehmann(&quads(pairs), 1.0 - level)),
    ("ABBA quads, Wins.", |pairs, level| winsorized::interval(&quads(pairs), level)),
    ("drift-corrected W.", |pairs, level| winsorized::interval(&corrected(pairs), level)),
    ("trimmed mean, t", trimmed_t),
];

/// Returns the median of the Walsh averages with the interval that inverts Wilcoxon's signed-rank test (M. Hollander,
/// D. A. Wolfe, E. Chicken, "Nonparametric Statistical Methods", 3rd ed., 2014, sections 3.2 and 3.3); the null
/// distribution is exact.
fn hodges_lehmann(values: &[f64], confidence: f64) -> Option<Interval> {
    let n = values.len();
    let mut probability = vec![0.0_f64; n * (n + 1) / 2 + 1];
    probability[0] = 1.0;
    for rank in 1..=n {
        for sum in (0..probability.len()).rev() {
            let with = if sum >= rank { probability[sum - rank] } else { 0.0 };
            probability[sum] = f64::midpoint(probability[sum], with);
        }
    }
    let cumulative = probability.iter().scan(0.0, |sum, p| {
        *sum += p;
        Some(*sum)
    });
    let (k, tail) = cumulative.take_while(|sum| *sum <= (1.0 - confidence) / 2.0).enumerate().last()?;
    let mut averages: Vec<f64> =
        (0..n).flat_map(|i| values[i..].iter().map(move |b| f64::midpoint(values[i], *b))).collect();
    averages.sort_by(f64::total_cmp);
    let value = median(&averages)?;
    let (low, high) = (averages[k], averages[averages.len() - 1 - k]);
    Some(Interval { value, low, high, coverage: 1.0 - 2.0 * tail })
}

fn ratios(pairs: &[Pair]) -> Vec<f64> {
    pairs.iter().map(|pair| pair.after - pair.before).collect()
}

fn quads(pairs: &[Pair]) -> Vec<f64> {
    ratios(pairs).chunks_exact(2).map(|two| f64::midpoint(two[0], two[1])).collect()
}

/// Returns the log-ratios minus the drift within each pair, estimated from the mean levels of the neighbouring pairs.
fn corrected(pairs: &[Pair]) -> Vec<f64> {
    let level = |i: usize| f64::midpoint(pairs[i].before, pairs[i].after);
    let correct = |(i, pair): (usize, &Pair)| {
        let (from, to) = (i.saturating_sub(1), (i + 1).min(pairs.len() - 1));
        let steps = f64::from(u8::try_from(2 * (to - from)).unwrap_or(4)).max(1.0);
        let slope = (level(to) - level(from)) / steps;
        pair.after - pair.before - if pair.after_first { -slope } else { slope }
    };
    pairs.iter().enumerate().map(correct).collect()
}

/// Returns the mean of the middle 80 % with the interval of J. W. Tukey and D. H. McLaughlin (Sankhya A 25, 1963,
/// 331-352).
fn trimmed_t(pairs: &[Pair], _level: f64) -> Option<Interval> {
    let mut values = ratios(pairs);
    values.sort_by(f64::total_cmp);
    let n = values.len();
    // Student's t at 0.975 for 7 and 15 degrees of freedom.
    let (cut, t) = match n {
        10 => (1, 2.364_624),
        20 => (2, 2.131_450),
        _ => return None,
    };
    let real = |count: usize| f64::from(u32::try_from(count).unwrap_or(u32::MAX));
    let kept = &values[cut..n - cut];
    let value = kept.iter().sum::<f64>() / real(kept.len());
    let winsorized: Vec<f64> = values.iter().map(|v| v.clamp(kept[0], kept[kept.len() - 1])).collect();
    let mean = winsorized.iter().sum::<f64>() / real(n);
    let squares: f64 = winsorized.iter().map(|v| (v - mean).powi(2)).sum();
    let reach = t * (squares / (real(kept.len()) * real(kept.len() - 1))).sqrt();
    Some(Interval { value, low: value - reach, high: value + reach, coverage: 0.95 })
}

/// Xorshift64*, so that the results are the same everywhere.
struct Random(u64);

impl Random {
    fn unit(&mut self) -> f64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        let bits = u32::try_from(self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 32).unwrap_or(0);
        (f64::from(bits) + 0.5) / 4_294_967_296.0
    }

    fn normal(&mut self) -> f64 {
        (-2.0 * self.unit().ln()).sqrt() * (2.0 * std::f64::consts::PI * self.unit()).cos()
    }

    fn exponential(&mut self) -> f64 {
        -self.unit().ln()
    }
}

/// The noise of the logarithm of a run's time: scatter, spikes, and steps in the machine's speed that last for some
/// runs.
struct Noise {
    name: &'static str,
    scatter: f64,
    spike_share: f64,
    spike_mean: f64,
    step_share: f64,
    step_size: f64,
}

const NOISES: [Noise; 3] = [
    Noise { name: "quiet", scatter: 0.005, spike_share: 0.04, spike_mean: 0.05, step_share: 0.03, step_size: 0.02 },
    Noise {
        name: "one core loaded",
        scatter: 0.006,
        spike_share: 0.10,
        spike_mean: 0.08,
        step_share: 0.08,
        step_size: 0.05,
    },
    Noise {
        name: "both cores loaded",
        scatter: 0.007,
        spike_share: 0.15,
        spike_mean: 0.15,
        step_share: 0.10,
        step_size: 0.08,
    },
];

fn simulated(noise: &Noise, random: &mut Random, pairs: usize) -> Vec<Pair> {
    let mut speed = noise.step_size * random.normal();
    let mut run = || {
        if random.unit() < noise.step_share {
            speed = noise.step_size * random.normal();
        }
        let spike = if random.unit() < noise.spike_share { noise.spike_mean * random.exponential() } else { 0.0 };
        speed + spike + noise.scatter * random.normal()
    };
    (0..pairs)
        .map(|i| {
            let (first, second) = (run(), run());
            let after_first = i % 2 == 1;
            let (before, after) = if after_first { (second, first) } else { (first, second) };
            Pair { before, after, after_first }
        })
        .collect()
}

fn slowed(pairs: &[Pair], share: f64) -> Vec<Pair> {
    pairs.iter().map(|pair| Pair { after: pair.after + share.ln_1p(), ..*pair }).collect()
}

/// Returns the finding that the tool would report, with a minimum effect of 1 %.
fn finding(found: &Interval) -> Effect {
    let [value, low, high] = [found.value, found.low, found.high].map(f64::exp_m1);
    let estimate = Estimate { value, low, high, confidence: 0.95 };
    Effect {
        estimate,
        design: Design::Paired,
        n_before: 0,
        n_after: 0,
        p_value: None,
        min_effect: 0.01,
        from_zero: false,
        unit: None,
    }
}

fn counts(found: &Interval) -> bool {
    finding(found).counts()
}

fn percent(hits: usize, of: usize) -> f64 {
    100.0 * f64::from(u32::try_from(hits).unwrap_or(0)) / f64::from(u32::try_from(of.max(1)).unwrap_or(1))
}

/// Formats one row: false alarms of any size, false alarms beyond the minimum effect, wrong directions, power at +2, +5
/// and +10 % (also beyond the minimum effect), and the 90th percentile of the ratio's error.
fn row(trials: &[Vec<Pair>], decide: &dyn Fn(&[Pair]) -> Option<Interval>) -> String {
    let decided = |share: f64, wanted: fn(&Interval) -> bool| {
        let hits =
            trials.iter().filter(|trial| decide(&slowed(trial, share)).is_some_and(|found| wanted(&found))).count();
        percent(hits, trials.len())
    };
    let alarms = decided(0.0, |found| found.low > 0.0 || found.high < 0.0);
    let with_least = decided(0.0, counts);
    let wrong = decided(0.02, |found| found.high < 0.0 && counts(found));
    let power: Vec<String> = [0.02, 0.05, 0.10]
        .into_iter()
        .map(|share| format!("{:3.0}", decided(share, |found| found.low > 0.0 && counts(found))))
        .collect();
    let mut errors: Vec<f64> = trials.iter().filter_map(|trial| Some(decide(trial)?.value.exp_m1().abs())).collect();
    errors.sort_by(f64::total_cmp);
    let error = errors.get(errors.len() * 9 / 10).copied().unwrap_or(f64::NAN);
    format!("{alarms:5.1} {with_least:5.1} {wrong:5.1}   {}   {:5.2}", power.join(" "), 100.0 * error)
}

/// Applies the stopping rule of `pair`: returns the interval at the first look that confirms or rules out a change
/// beyond the minimum effect, else at the last look.
fn stopping(pairs: &[Pair], levels: &[(usize, f64)]) -> Option<Interval> {
    let mut last = None;
    for (n, level) in levels {
        last = winsorized::interval(&ratios(&pairs[..*n]), *level);
        if last.is_some_and(|found| finding(&found).counts() || finding(&found).is_ruled_out()) {
            break;
        }
    }
    last
}

fn table(out: &mut impl std::io::Write, name: &str, trials: &[Vec<Pair>]) -> Result<(), Box<dyn std::error::Error>> {
    writeln!(out, "\n{name}, {} trials of 20 pairs", trials.len())?;
    writeln!(out, "{:<28} alarm  >=1% wrong    +2  +5 +10   error %", "")?;
    for pairs in [10, 20] {
        let cut: Vec<Vec<Pair>> = trials.iter().map(|trial| trial[..pairs].to_vec()).collect();
        for (label, method) in METHODS {
            writeln!(out, "{:<28}{}", format!("{pairs} {label}"), row(&cut, &|trial| method(trial, ALPHA)))?;
        }
        let plan = LookPlan::new(10, u32::try_from(pairs)?);
        let looks = (1..=pairs).filter(|n| plan.is_look(*n));
        let levels: Vec<(usize, f64)> = looks.filter_map(|n| Some((n, plan.level(n)?))).collect();
        writeln!(
            out,
            "{:<28}{}",
            format!("{pairs} with the stopping rule"),
            row(&cut, &|trial| stopping(trial, &levels))
        )?;
    }
    Ok(())
}

/// Trials by metric name.
type Trials = BTreeMap<&'static str, Vec<Vec<Pair>>>;

fn recorded(path: &str) -> Result<Trials, Box<dyn std::error::Error>> {
    let text = std::fs::read_to_string(path)?;
    let mut sessions: BTreeMap<String, Vec<(bool, [f64; 4])>> = BTreeMap::new();
    for line in text.lines().filter(|line| !line.trim().is_empty()) {
        let parts: Vec<&str> = line.split(',').map(str::trim).collect();
        let [session, first, a, b, c, d] = parts[..] else { return Err(format!("not six fields: {line}").into()) };
        let times = [a.parse::<f64>()?, b.parse()?, c.parse()?, d.parse()?];
        sessions.entry(session.to_owned()).or_default().push((first == "1", times));
    }
    let trials = |before: usize, after: usize| {
        let pair = |(after_first, times): &(bool, [f64; 4])| Pair {
            before: times[before].ln(),
            after: times[after].ln(),
            after_first: *after_first,
        };
        let windows = sessions.values().flat_map(|session| session.chunks_exact(20));
        windows.map(|window| window.iter().map(pair).collect()).collect()
    };
    Ok(BTreeMap::from([("wall time", trials(0, 2)), ("CPU time", trials(1, 3))]))
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut out = std::io::stdout().lock();
    if let Some(path) = std::env::args().nth(1) {
        for (metric, trials) in recorded(&path)? {
            table(&mut out, &format!("{path}: {metric}"), &trials)?;
        }
        return Ok(());
    }
    for noise in NOISES {
        let mut random = Random(0x9E37_79B9_7F4A_7C15);
        let trials: Vec<Vec<Pair>> = (0..2000).map(|_| simulated(&noise, &mut random, 20)).collect();
        table(&mut out, noise.name, &trials)?;
    }
    out.flush()?;
    Ok(())
}
