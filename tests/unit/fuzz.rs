//! Fuzz tests of all parsers of untrusted input: no panic, no hang, and what is parsed survives a round trip. Each
//! parser gets as many inputs as `VIBESHIP_OPTIMIZER_FUZZ` says (by default a few hundred), from the seed in
//! `VIBESHIP_OPTIMIZER_FUZZ_SEED`:
//!
//! ```text
//! VIBESHIP_OPTIMIZER_FUZZ=10000000 cargo test --release --lib fuzz:: -- --test-threads 2
//! ```

use std::io::{Read as _, Write as _};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::time::{Duration, Instant};

use chrono::DateTime;

use crate::config::{HttpProbe, KpiProbe, file};
use crate::measure::{Place, http, number, tuneables};
use crate::model::strict_json::Json;
use crate::model::{ChangeId, Commit, Criterion, hyperfine, ingest};
use crate::store::{Record, record};

/// Longest time for one input; beyond it the parser counts as hanging.
const LONGEST: Duration = Duration::from_secs(5);
/// Tokens that reach more code than random bytes.
const TOKENS: [&str; 38] = [
    "{",
    "}",
    "[",
    "]",
    "\"",
    ",",
    ":",
    "null",
    "true",
    "-0",
    "1e999",
    "1e-999",
    "NaN",
    "0.1",
    "18446744073709551616",
    "\\u0000",
    "\\ud800",
    "\u{202e}",
    "\u{feff}",
    "\0",
    "\n",
    "\r\n",
    "  - ",
    "&a ",
    "*a",
    "!!binary ",
    "<<: *a",
    "%",
    "<=",
    "+5%",
    "~1",
    "/",
    "*",
    "\n\nOptimizer-Change: ",
    "This reverts commit ",
    "é",
    "\u{fffd}",
    "9999-12-31T23:59:60Z",
];

/// A small random number generator (xorshift64*), for inputs that are reproducible from a seed.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, below: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        let rolled = usize::try_from(self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 33).unwrap();
        rolled % below.max(1)
    }

    /// One of the seeds with a few bytes, tokens or ranges changed.
    fn input(&mut self, seeds: &[&[u8]]) -> Vec<u8> {
        let mut bytes = seeds[self.roll(seeds.len())].to_vec();
        for _ in 0..=self.roll(6) {
            let at = self.roll(bytes.len() + 1);
            let to = (at + self.roll(24)).min(bytes.len());
            match self.roll(7) {
                0 => bytes.truncate(at),
                1 => drop(bytes.drain(at..to)),
                2 => drop(bytes.splice(at..at, TOKENS[self.roll(TOKENS.len())].bytes())),
                3 => drop(bytes.splice(at..to, TOKENS[self.roll(TOKENS.len())].bytes())),
                4 => {
                    let again = bytes[at..to].repeat(1 + self.roll(40));
                    drop(bytes.splice(at..at, again));
                }
                5 => {
                    let other = seeds[self.roll(seeds.len())];
                    let from = self.roll(other.len() + 1);
                    drop(bytes.splice(at.., other[from..].iter().copied()));
                }
                _ if at < bytes.len() => bytes[at] = u8::try_from(self.roll(256)).unwrap(),
                _ => {}
            }
        }
        bytes
    }
}

fn variable(name: &str, default: u64) -> u64 {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(default)
}

/// Runs a parser on the requested number of inputs divided by `share`; panics with the first input that fails.
#[track_caller]
fn fuzz(seeds: &[&[u8]], share: u64, read: &dyn Fn(&[u8])) {
    let mut dice = Dice(variable("VIBESHIP_OPTIMIZER_FUZZ_SEED", 1).max(1));
    for number in 0..(variable("VIBESHIP_OPTIMIZER_FUZZ", 400) / share).max(20) {
        let input = dice.input(seeds);
        let begun = Instant::now();
        let survived = catch_unwind(AssertUnwindSafe(|| read(&input))).is_ok();
        let quick = begun.elapsed() < LONGEST;
        assert!(survived && quick, "input {number} ({}): {:?}", input.len(), String::from_utf8_lossy(&input));
    }
}

const RECORD: &[u8] =
    include_bytes!("../data/stores/v2/dot-vibeship-optimizer/changes/chg-20260302-100000-halve-again.json");
const LEGACY: &[u8] = include_bytes!("../data/stores/v1/dot-vibeship_optimizer/changes/chg-20260218-123900.json");
const SNAPSHOT: &[u8] =
    include_bytes!("../data/stores/v2/reports/optimizer/chg-20260302-090000-halve-the-operations_before_snapshot.json");
const OLD_SNAPSHOT: &[u8] =
    include_bytes!("../data/stores/v1/dot-vibeship_optimizer/snapshots/20260218T123900_before.json");
const CONFIG: &[u8] = include_bytes!("../data/stores/v2/vibeship_optimizer.yml");

#[test]
fn records() {
    fuzz(&[RECORD, LEGACY], 1, &|bytes| {
        let Ok(Record::Tracked(change)) = Record::parse(bytes, Path::new("x.json")) else { return };
        let Ok(Record::Tracked(again)) = Record::parse(&record::bytes(&change), Path::new("x.json")) else {
            panic!("what was read cannot be written")
        };
        assert_eq!(again, change);
    });
}

#[test]
fn snapshots_and_pairs() {
    fuzz(&[SNAPSHOT, OLD_SNAPSHOT, b"{\"schema\":\"vibeship_optimizer.pair.v1\",\"pairs\":[]}"], 1, &|bytes| {
        let _ = ingest::parse_pair(bytes);
        let Ok(snapshot) = ingest::parse_snapshot(bytes) else { return };
        let text = serde_json::to_vec(&snapshot).unwrap();
        assert_eq!(ingest::parse_snapshot(&text).unwrap(), snapshot);
    });
}

#[test]
fn configs() {
    let all = b"version: 1\ntimings: [{name: a, cmd: x, env: {A: b}}]\nkpis:\n  - {name: k, cmd: c, pointer: /a/0, better: lower}\nenforcement: {exempt: [{paths: ['**/*.md'], reason: r}]}\nsign: ssh\n";
    fuzz(&[CONFIG, all, b"a: &a [*a]\n", b"{\"version\": 1}"], 1, &|bytes| {
        let _ = file::parse(&String::from_utf8_lossy(bytes), Path::new("config.yml"));
    });
}

#[test]
fn criteria_and_ids() {
    let seeds: [&[u8]; 4] =
        [b"timing.tests.wall <= -10%", b"size.src < 40MiB", b"kpi.a b == 1e3 ms", b"chg-20260302-090000-x"];
    fuzz(&seeds, 1, &|bytes| {
        let text = String::from_utf8_lossy(bytes);
        if let Ok(criterion) = Criterion::parse(&text) {
            assert_eq!(Criterion::parse(&criterion.text).unwrap(), criterion);
        }
        if let Ok(id) = text.parse::<ChangeId>() {
            assert_eq!(id.as_str(), text);
            assert!(!text.contains(['/', '\\', '\0']) && !text.contains(".."), "{text}");
        }
    });
}

#[test]
fn messages_of_commits() {
    let seeds: [&[u8]; 2] = [
        b"Revert \"x\"\n\nThis reverts commit 0123456789abcdef.\n\nOptimizer-Change: chg-1\n",
        b"fixup! x\n\nRolls back 0123456",
    ];
    fuzz(&seeds, 1, &|bytes| {
        let message = String::from_utf8_lossy(bytes).into_owned();
        let commit =
            Commit { subject: message.lines().next().unwrap_or_default().to_owned(), message, ..Commit::default() };
        let _ = commit.fixup();
        assert!(commit.reverted().iter().all(|hash| hash.bytes().all(|digit| digit.is_ascii_hexdigit())));
    });
}

#[test]
fn numbers_and_pointers() {
    let probe =
        |pointer: &str| KpiProbe { name: "k".to_owned(), pointer: Some(pointer.to_owned()), ..KpiProbe::default() };
    let seeds: [&[u8]; 4] =
        [b"{\"a\":[{\"n\":\"x\",\"v\":\"1,5 ms\"},{\"v\":2e3}]}", b"p95: 12 ms", b"1'000", b"/a/*/v"];
    fuzz(&seeds, 1, &|bytes| {
        let text = String::from_utf8_lossy(bytes);
        let (pointer, body) =
            text.split_once('{').map_or((text.as_ref(), ""), |(pointer, _)| (pointer, &text[pointer.len()..]));
        for (probe, text) in [(probe(pointer), body.as_bytes()), (probe("/a/*/v"), bytes), (KpiProbe::default(), bytes)]
        {
            let found = number::numbers(&probe, text).unwrap_or_default();
            assert!(found.iter().all(|number| number.is_finite()), "{found:?}");
        }
        for name in ["t.json", "t.yml", "t.toml", "t.env"] {
            let _ = tuneables::flatten(name, bytes);
        }
    });
}

#[test]
fn exports_of_hyperfine() {
    let export = b"{\"results\":[{\"command\":\"x\",\"mean\":0.1,\"stddev\":0.01,\"median\":0.1,\"user\":0.1,\"system\":0.0,\"min\":0.1,\"max\":0.2,\"times\":[0.1,0.2],\"exit_codes\":[0,0]}]}";
    fuzz(&[export, SNAPSHOT], 1, &|bytes| {
        let _ = hyperfine::import("x", bytes, true);
        let _ = Json::parse(bytes).map(|json| hyperfine::snapshot("x", DateTime::UNIX_EPOCH, &json));
    });
}

#[test]
fn answers_of_servers() {
    let ok = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 12\r\n\r\n{\"ok\": true}";
    let chunked = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nc\r\n{\"ok\": true}\r\n0\r\n\r\n";
    let away = b"HTTP/1.1 302 Found\r\nLocation: file:///etc/passwd\r\nContent-Length: 0\r\n\r\n";
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let probe = HttpProbe {
        url: format!("http://{}/", listener.local_addr().unwrap()),
        timeout_s: 1.0,
        requests: 1,
        ..HttpProbe::default()
    };
    // Each input takes a connection, so only a thousandth of the usual number is run.
    fuzz(&[ok, chunked, away], 1000, &|bytes| {
        let done = &std::sync::atomic::AtomicBool::new(false);
        std::thread::scope(|scope| {
            let listener = listener.try_clone().unwrap();
            scope.spawn(move || {
                for stream in listener.incoming() {
                    if done.load(std::sync::atomic::Ordering::SeqCst) {
                        return;
                    }
                    let mut stream = stream.unwrap();
                    let _ = stream.set_read_timeout(Some(Duration::from_millis(200)));
                    let _ = stream.read(&mut [0; 1024]);
                    let _ = stream.write_all(bytes);
                }
            });
            let answer = http::probe(&probe, &Place { root: std::env::temp_dir(), env: Vec::new() }, &|| false);
            assert_eq!(answer.ok, answer.error.is_none());
            done.store(true, std::sync::atomic::Ordering::SeqCst);
            let _ = std::net::TcpStream::connect(probe.url.trim_start_matches("http://").trim_end_matches('/'));
        });
    });
}
