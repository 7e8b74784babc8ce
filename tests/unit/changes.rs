//! Changes in every state, for the tests of reports.

use chrono::{DateTime, TimeZone as _, Utc};
use serde_json::json;

use crate::model::{
    After, Artifact, Baseline, Check, CheckKind, Class, Compared, Contract, Criterion, CriterionResult, Delta,
    DeltaCommit, Design, Digest, Doubt, Effect, Estimate, Kind, Opened, PairSession, Policy, Promotion,
    RecordedSnapshot, Rehearsal, Revision, RolloutStage, Snapshot, Stage, StagePlan, Strength, Tick, Trigger,
    TuneableChange, Validation, Verdict, Verdicts, WorkTree,
};
use crate::workflow::{Change, chain};

/// A title with special characters of markdown, HTML, mentions, terminals and bidirectional text.
pub(crate) const HOSTILE: &str = "x | y\n# z <script>alert(1)</script> --> `c` *b* [l](u) @octocat \u{1b}[31m\u{202e}";

pub(crate) fn at(day: u32, hour: u32) -> DateTime<Utc> {
    Utc.with_ymd_and_hms(2026, 2, day, hour, 0, 0).unwrap()
}

pub(crate) fn artifact(name: &str) -> Artifact {
    Artifact { path: format!("reports/optimizer/chg-1_{name}"), sha256: Digest::of_bytes(name.as_bytes()) }
}

pub(crate) fn revision(commit: char) -> Revision {
    Revision {
        commit: Some(commit.to_string().repeat(40)),
        tree: None,
        code: Some(Digest::of_bytes(&[commit as u8])),
        branch: Some("main".to_owned()),
        work_tree: WorkTree::Clean,
    }
}

pub(crate) fn taken(name: &str, commit: char, at: DateTime<Utc>) -> RecordedSnapshot {
    RecordedSnapshot {
        snapshot: artifact(&format!("{name}_snapshot.json")),
        kpi_artifacts: Vec::new(),
        revision: revision(commit),
        taken_at: at,
    }
}

pub(crate) fn finding(value: f64, low: f64, high: f64) -> Effect {
    Effect {
        estimate: Estimate { value, low, high, confidence: 0.95 },
        design: Design::Paired,
        n_before: 12,
        n_after: 12,
        p_value: Some(0.004),
        min_effect: 0.02,
        from_zero: false,
        unit: None,
    }
}

pub(crate) fn judged(criterion: &str, verdict: Verdict) -> CriterionResult {
    CriterionResult { criterion: criterion.to_owned(), verdict }
}

pub(crate) fn straddling() -> CriterionResult {
    let verdict = Verdict::Inconclusive {
        finding: Some(finding(0.0123, -0.0081, 0.0312)),
        because: Doubt::Straddles,
        more_runs: Some(14),
    };
    judged("timing.tests.cpu <= +2%", verdict)
}

pub(crate) fn verdicts() -> Verdicts {
    Verdicts {
        kpi: judged("timing.tests.wall <= -10%", Verdict::Pass(finding(-0.123, -0.141, -0.102))),
        guardrails: vec![judged("size.lib <= 40MiB", Verdict::Pass(exact(1_258_291.2)))],
        trigger: Some(judged("timing.tests.wall > +10%", Verdict::Fail(finding(-0.123, -0.141, -0.102)))),
    }
}

fn exact(value: f64) -> Effect {
    Effect { estimate: Estimate::exact(value), design: Design::Exact, p_value: None, ..finding(0.0, 0.0, 0.0) }
}

pub(crate) fn contract() -> Contract {
    Contract {
        hypothesis: "A shorter cooldown answers sooner".to_owned(),
        kpi: Criterion::parse("timing.tests.wall <= -10%").ok(),
        guardrails: vec![Criterion::parse("size.lib <= 40MiB").unwrap()],
        trigger: Trigger::parse("timing.tests.wall > +10%").ok(),
        rollback: "git revert <sha>".to_owned(),
        min_effect: None,
    }
}

pub(crate) fn opened(title: &str, class: Class) -> Change {
    let opened = Opened {
        change_id: "chg-1".parse().unwrap(),
        title: title.to_owned(),
        class,
        risk: String::new(),
        validation_today: String::new(),
        validation_next_days: String::new(),
        from: None,
        incident: None,
        expires: None,
        imported: None,
    };
    let event = chain::seal(None, Kind::Opened(opened), Some("Ada".to_owned()), at(1, 9));
    Change::replay([event]).unwrap()
}

fn commit() -> DeltaCommit {
    DeltaCommit {
        sha: "b".repeat(40),
        subject: "Shorten the cooldown".to_owned(),
        change_ids: vec!["chg-1".to_owned()],
        evidence_only: false,
        merge: false,
        own_files: false,
    }
}

pub(crate) fn policy() -> Policy {
    let stage = |stage, soak_hours| StagePlan { stage, soak_hours };
    Policy {
        stages: vec![stage(Stage::Canary, 24.0), stage(Stage::Full, 0.0)],
        min_monitor_days: 3,
        require_attestation: true,
        ..Policy::default()
    }
}

fn checks() -> Vec<Check> {
    vec![Check {
        name: "test".to_owned(),
        kind: CheckKind::Test,
        passed: true,
        what: "cargo test".to_owned(),
        seconds: 12.0,
        failure: None,
        first_failure: None,
    }]
}

/// A change that passed this many gates after the opening: 1 is the contract, 7 the full rollout and two monitored
/// days.
pub(crate) fn passed(gates: u8) -> Change {
    let mut change = opened("Shorten the advisory cooldown", Class::Tuneable);
    let mut add = |needed: u8, kind: Kind, day: u32| {
        if gates >= needed {
            change.record(kind, Some("Ada".to_owned()), at(day, 10));
        }
    };
    add(1, Kind::ContractSet { contract: contract() }, 1);
    add(2, Kind::BaselineTaken(Baseline { taken: taken("before", 'a', at(1, 10)), strength: Strength::Full }), 1);
    let tuneable = TuneableChange {
        key: "advisory.cooldown_s".to_owned(),
        before: Some(60.into()),
        after: Some(30.into()),
        layer: Some("tuneables.json".to_owned()),
    };
    let delta = Delta { commits: vec![commit()], tuneables: vec![tuneable], ..Delta::default() };
    let artifact_of = artifact("validation.json");
    add(3, Kind::Validated(Validation { revision: revision('b'), delta, checks: checks(), artifact: artifact_of }), 2);
    let rollback = format!("git revert {}", "b".repeat(40));
    add(4, Kind::AfterTaken(After { taken: taken("after", 'b', at(2, 10)), rollback }), 2);
    let (markdown, json) = (artifact("compare.md"), artifact("compare.json"));
    add(5, Kind::Compared(Compared { markdown, json, pair: Some(artifact("pair.json")), verdicts: verdicts() }), 2);
    let rehearsal = Rehearsal::Applies { commits: vec!["b".repeat(40)] };
    add(6, Kind::Promoted(Promotion { rehearsal, policy: policy(), note: artifact("rollback.md") }), 2);
    for (stage, day) in [(Stage::Canary, 3), (Stage::Full, 4)] {
        let taken = taken(stage.name(), 'b', at(day, 10));
        add(
            7,
            Kind::RolledOut(RolloutStage { stage, taken, verdicts: Some(verdicts()), policy: None, checked: None }),
            day,
        );
    }
    for day in 0..2 {
        let alarms = if day == 1 { vec![straddling()] } else { Vec::new() };
        let ticked = Kind::Ticked(Tick {
            utc_date: at(4 + day, 10).date_naive(),
            day,
            taken: taken(&format!("day{day}"), 'b', at(4 + day, 10)),
            report: artifact(&format!("day{day}.md")),
            alarms,
        });
        add(7, ticked, 4 + day);
    }
    change
}

/// A snapshot (version 2), parsed from JSON: a command with `runs` runs of about `seconds`, a size, a KPI, a probe and
/// a tuneable.
pub(crate) fn snapshot(label: &str, seconds: f64, runs: u32, bytes: u64, day: u32) -> Snapshot {
    let commit = if label == "before" { 'a' } else { 'b' };
    let run = |i: u32| {
        let wall = seconds * (1.0 + f64::from((i * 7) % 11) / 500.0);
        json!({ "wall_s": wall, "user_s": wall * 0.9, "system_s": wall * 0.05, "max_rss_bytes": 50_000_000, "exit_code": 0 })
    };
    let all: Vec<_> = (0..runs).map(run).collect();
    let value = json!({
        "schema": "vibeship_optimizer.snapshot.v2",
        "generated_at": at(day, 10),
        "label": label,
        "id": format!("0190-{label}"),
        "git": { "is_git": true, "branch": "main", "commit": commit.to_string().repeat(40), "dirty": false, "dirty_count": 0 },
        "revision": revision(commit),
        "machine": { "os": "linux", "arch": "x86_64", "cpu": "Example CPU", "cores": 8, "memory_bytes": 17_179_869_184_u64, "load_1m": 0.4 },
        "sizes": { "lib": { "path": "/p/lib", "bytes": bytes, "tracked_bytes": 1000, "files": 3, "tracked_files": 2 } },
        "timings": [{ "name": "tests", "cmd": "cargo test", "runs": runs, "timeout_s": 60.0, "last_rc": 0,
            "mean_s": seconds, "p95_s": seconds, "samples": all }],
        "http": [{ "url": "http://localhost:8787/health", "name": "health", "ok": true, "status": 200,
            "requests": [{ "latency_s": 0.01, "ok": true }, { "latency_s": 0.012, "ok": label == "before" }] }],
        "kpis": [{ "name": "advisory_p95_ms", "unit": "ms", "better": "lower", "sampling": "exact", "values": [seconds * 100.0] }],
        "tuneables": { "advisory.cooldown_s": { "value": seconds, "layer": "tuneables.json" } },
        "reference_s": [0.1, 0.1, 0.1],
    });
    serde_json::from_value(value).unwrap()
}

/// A paired measurement of `tests` whose head takes `ratio` times as long as the baseline.
pub(crate) fn pairs(ratio: f64, n: u32) -> PairSession {
    let run = |wall: f64| json!({ "wall_s": wall, "user_s": wall * 0.9, "system_s": wall * 0.05, "exit_code": 0 });
    let pair = |i: u32| {
        let noise = 1.0 + f64::from((i * 7) % 11) / 1000.0;
        json!({ "before": run(2.0), "after": run(2.0 * ratio * noise), "after_first": i % 2 == 1, "reference_s": 0.1 })
    };
    let value = json!({
        "schema": "vibeship_optimizer.pair.v1", "id": "0190-pair", "tool": "vibeship-optimizer 0.2.0",
        "started_at": at(2, 10), "generated_at": at(2, 11),
        "machine": { "os": "linux", "arch": "x86_64", "cpu": "Example CPU", "cores": 8 },
        "before": { "rev": "HEAD~1", "commit": "a".repeat(40), "tree": null },
        "after": { "rev": "HEAD", "commit": "b".repeat(40), "tree": null },
        "commands": [{ "name": "tests", "cmd": "cargo test", "timeout_s": 60.0, "stopped": "settled",
            "pairs": (0..n).map(pair).collect::<Vec<_>>() }],
    });
    serde_json::from_value(value).unwrap()
}
