//! What benchmark tools write besides their numbers, read by the tool's name: whether the runs succeeded, their unit
//! and mode, and which of several results is meant.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::config::{BenchmarkTool, KpiProbe};
use crate::measure::number::is_other;
use crate::measure::pointer::follow;
use crate::model::{Better, hyperfine};

/// Why a tool's results are not from successful runs. Without a reader, nothing is known.
pub(crate) fn usable(config: &KpiProbe, results: &Value) -> Result<(), String> {
    let select = config.select.as_deref().unwrap_or_default();
    match config.reader {
        Some(BenchmarkTool::GoogleBenchmark) => all(results, "/benchmarks", &["name"], select, &|result| {
            let said = |key: &str| result[key].as_str().filter(|text| !text.is_empty());
            let failed = result["error_occurred"] == true || said("error_message").is_some();
            let skipped = result["skipped"] == true || said("skip_message").is_some();
            let why = said("error_message").or(said("skip_message")).map(|why| format!(": {why}")).unwrap_or_default();
            match (failed, skipped) {
                (true, _) => Some(format!("it failed{why}")),
                (false, true) => Some(format!("it was skipped{why}")),
                (false, false) => None,
            }
        }),
        Some(BenchmarkTool::K6) => k6(config, results, select),
        Some(BenchmarkTool::Oha) => oha(results),
        Some(
            BenchmarkTool::Hyperfine
            | BenchmarkTool::Criterion
            | BenchmarkTool::PytestBenchmark
            | BenchmarkTool::GoBench
            | BenchmarkTool::Jmh,
        )
        | None => Ok(()),
    }
}

/// The run times of the command that `select` names, in seconds.
pub(crate) fn hyperfine(select: &str, text: &[u8]) -> Result<Vec<f64>, String> {
    let timing = hyperfine::import(select, text, false).map_err(|why| why.to_string())?;
    let failed = timing.samples.iter().find(|run| !run.succeeded());
    failed.map_or(Ok(timing.samples.iter().map(|run| run.wall_s).collect()), |run| {
        let how =
            run.exit_code.map_or("was ended by a signal".to_owned(), |code| format!("failed with exit code {code}"));
        Err(format!("{select:?}: a run of it {how}"))
    })
}

/// Checks every result with that name for a `problem`.
fn all(
    results: &Value,
    list: &str,
    keys: &[&str],
    select: &str,
    problem: &dyn Fn(&Value) -> Option<String>,
) -> Result<(), String> {
    let all = results.pointer(list).and_then(Value::as_array).into_iter().flatten();
    let mut named = all.filter(|result| keys.iter().any(|key| result[*key] == select));
    named.find_map(problem).map_or(Ok(()), |why| Err(format!("{select:?}: {why}")))
}

/// A rate in k6's summary, in either of its formats.
fn k6_share(results: &Value, metric: &str) -> Option<f64> {
    let metric = results.get("metrics")?.get(metric)?;
    [metric.pointer("/values/rate"), metric.get("value"), metric.get("rate")]
        .into_iter()
        .flatten()
        .find_map(Value::as_f64)
}

fn k6(config: &KpiProbe, results: &Value, select: &str) -> Result<(), String> {
    if let Some(failed) = k6_share(results, "http_req_failed").filter(|share| *share > 0.0) {
        return Err(format!("{:.3} % of the requests failed (http_req_failed)", failed * 100.0));
    }
    if let Some(passed) = k6_share(results, "checks").filter(|share| *share < 1.0) {
        return Err(format!("{:.3} % of the checks failed", (1.0 - passed) * 100.0));
    }
    let dropped = &results["metrics"]["dropped_iterations"];
    let dropped = dropped.pointer("/values/count").or(dropped.get("count")).and_then(Value::as_f64);
    if let Some(dropped) = dropped.filter(|dropped| *dropped > 0.0) {
        return Err(format!(
            "{dropped} iterations were not begun (dropped_iterations): the load was less than was asked for"
        ));
    }
    let metrics = results["metrics"].as_object().into_iter().flatten();
    let thresholds = metrics.flat_map(|(_, metric)| metric["thresholds"].as_object().into_iter().flatten());
    // The older format says whether the threshold was crossed.
    let crossed = |(_, it): &(&String, &Value)| it["ok"] == false || **it == true;
    if let Some((threshold, _)) = thresholds.into_iter().find(crossed) {
        return Err(format!("the threshold {threshold} was crossed"));
    }
    match results.pointer(&format!("/metrics/{}/contains", select.replace('/', "~1"))).and_then(Value::as_str) {
        Some(kind) if (kind == "time") != config.unit.is_time() => {
            Err(format!("the metric {select} is {kind:?}, and the config says `unit: {}`", config.unit))
        }
        Some(_) | None => Ok(()),
    }
}

fn oha(results: &Value) -> Result<(), String> {
    if let Some(share) = results.pointer("/summary/successRate").and_then(Value::as_f64).filter(|share| *share < 1.0) {
        return Err(format!("{:.3} % of the requests failed (successRate)", (1.0 - share) * 100.0));
    }
    let codes = results["statusCodeDistribution"].as_object().into_iter().flatten();
    let wrong = codes.map(|(code, _)| code).find(|code| !code.starts_with(['2', '3']));
    wrong.map_or(Ok(()), |code| Err(format!("requests were answered with status {code}")))
}

/// Whether `place` leads to a single benchmark: samples of two with the same name must not be mixed.
pub(crate) fn one(config: &KpiProbe, results: &Value, place: &str) -> Result<(), String> {
    if config.reader != Some(BenchmarkTool::PytestBenchmark) {
        return Ok(());
    }
    let benchmark = place.match_indices('/').nth(2).map_or(place, |(end, _)| &place[..end]);
    let found = follow(results, benchmark).unwrap_or_default();
    let names: Vec<&str> = found.iter().filter_map(|it| it.value.get("fullname")?.as_str()).collect();
    if found.len() > 1 { Err(several(config, &names)) } else { Ok(()) }
}

fn several(config: &KpiProbe, names: &[&str]) -> String {
    let select = config.select.as_deref().unwrap_or_default();
    format!("`select: {select}` names {} benchmarks; say which: {}", names.len(), names.join(", "))
}

/// Whether the output of `go test -bench` is from one benchmark that completed.
pub(crate) fn completed(config: &KpiProbe, text: &str) -> Result<(), String> {
    let (Some(BenchmarkTool::GoBench), Some(select)) = (config.reader, config.select.as_deref()) else { return Ok(()) };
    let failed = |line: &&str| {
        line.trim_start().starts_with("--- FAIL")
            || *line == "FAIL"
            || ["FAIL\t", "panic:"].iter().any(|it| line.starts_with(it))
    };
    if let Some(line) = text.lines().find(failed) {
        return Err(format!("go test failed: {:?}", line.trim()));
    }
    let (mut package, mut packages, mut names) = ("", BTreeSet::new(), BTreeSet::new());
    for line in text.lines() {
        package = line.strip_prefix("pkg: ").unwrap_or(package);
        let name = line.split_whitespace().next().filter(|_| line.contains(" ns/op")).unwrap_or_default();
        let cores = name.strip_prefix(select).map(|rest| rest.strip_prefix('-').unwrap_or(rest));
        if cores.is_some_and(|cores| cores.bytes().all(|byte| byte.is_ascii_digit())) {
            packages.insert(package);
            names.insert(name);
        }
    }
    match (packages.len(), names.len()) {
        (0 | 1, 0 | 1) => Ok(()),
        (0 | 1, _) => Err(several(config, &names.into_iter().collect::<Vec<_>>())),
        (n, _) => Err(format!("`select: {select}` is in {n} packages: run the benchmarks of one")),
    }
}

/// The score of the single JMH result that `select` names: `METHOD`, or if it has several results, `METHOD mode=MODE
/// PARAM=VALUE …`.
pub(crate) fn jmh<'v>(config: &KpiProbe, results: &'v Value, select: &str) -> Result<&'v Value, String> {
    let mut words = select.split_whitespace();
    let method = words.next().unwrap_or_default();
    let wanted: Vec<(&str, &str)> = words.filter_map(|word| word.split_once('=')).collect();
    let of = |result: &Value, key: &str| match key {
        "mode" | "threads" => result[key].as_str().map_or_else(|| result[key].to_string(), str::to_owned),
        key => result["params"][key].as_str().unwrap_or_default().to_owned(),
    };
    let mut found: Vec<&Value> = follow(results, &format!("/benchmark={method}"))?.iter().map(|it| it.value).collect();
    let threads: BTreeSet<String> = found.iter().map(|result| of(result, "threads")).collect();
    found.retain(|result| wanted.iter().all(|(key, value)| of(result, key) == *value));
    let named = |result: &&Value| {
        let params = result["params"].as_object().into_iter().flatten();
        let params = params.map(|(key, value)| format!(" {key}={}", value.as_str().unwrap_or_default()));
        let threads = if threads.len() > 1 { format!(" threads={}", of(result, "threads")) } else { String::new() };
        format!("`{method} mode={}{threads}{}`", of(result, "mode"), params.collect::<String>())
    };
    let [result] = found[..] else {
        let all = follow(results, &format!("/benchmark={method}"))?;
        let all: Vec<String> = all.iter().map(|it| named(&it.value)).collect();
        let how_many = if found.is_empty() { "no result".to_owned() } else { format!("{} results", found.len()) };
        return Err(format!("`select: {select}` names {how_many}; say which: {}", all.join(", ")));
    };
    let score = &result["primaryMetric"];
    let unit = score["scoreUnit"].as_str().unwrap_or_default();
    let (found, declared) = (unit.split('/').next().unwrap_or_default(), config.unit.symbol());
    // Time per operation or operations per time: another spelling is another quantity.
    let kind = declared.split('/').next().unwrap_or_default();
    if is_other(unit, &config.unit) || (found == "ops") != (kind == "ops") {
        return Err(format!("{} is measured in {unit}, but the config says `unit: {declared}`", named(&result)));
    }
    if result["mode"] == "thrpt" && config.better == Better::Lower {
        return Err(format!("{} counts operations, of which more are better: say `better: higher`", named(&result)));
    }
    Ok(score)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::measure::number::numbers;
    use crate::model::Unit;

    fn read(reader: BenchmarkTool, select: &str, unit: Option<&str>, text: &str) -> Result<Vec<f64>, String> {
        let mut kpi = KpiProbe { reader: Some(reader), select: Some(select.to_owned()), ..KpiProbe::default() };
        kpi.unit = Unit::new(unit.unwrap_or_default());
        if kpi.unit.symbol().starts_with("ops") {
            kpi.better = Better::Higher;
        }
        match reader.complete(&mut kpi, unit.is_some()) {
            Some((key, why)) => Err(format!("{key} {why}")),
            None => numbers(&kpi, text.as_bytes()),
        }
    }

    #[test]
    #[expect(clippy::too_many_lines, reason = "one table")]
    fn what_failed_is_no_number() {
        for (reader, select, text, why) in [
            (
                BenchmarkTool::Hyperfine,
                "a",
                r#"{"results":[{"command":"a","times":[1,2],"exit_codes":[0,3]}]}"#,
                "exit code 3",
            ),
            (
                BenchmarkTool::Hyperfine,
                "a",
                r#"{"results":[{"command":"a","times":[1],"exit_codes":[null]}]}"#,
                "by a signal",
            ),
            (
                BenchmarkTool::Hyperfine,
                "n",
                r#"{"results":[{"command":"a","name":"n","measurements":[{"time_wall_clock":{"value":1,"unit":"second"},"exit_code":1}]}]}"#,
                "exit code 1",
            ),
            (
                BenchmarkTool::GoogleBenchmark,
                "BM",
                r#"{"benchmarks":[{"name":"BM","real_time":0,"error_occurred":true,"error_message":"no file"}]}"#,
                "it failed: no file",
            ),
            (
                BenchmarkTool::GoogleBenchmark,
                "BM",
                r#"{"benchmarks":[{"name":"BM","real_time":0,"skipped":true}]}"#,
                "skipped",
            ),
            (
                BenchmarkTool::K6,
                "http_req_duration",
                r#"{"metrics":{"http_req_duration":{"avg":4},"http_req_failed":{"value":0.25}}}"#,
                "25.000 % of the requests failed",
            ),
            (
                BenchmarkTool::K6,
                "http_req_duration",
                r#"{"metrics":{"http_req_duration":{"values":{"avg":4}},"checks":{"values":{"rate":0.5}}}}"#,
                "50.000 % of the checks failed",
            ),
            (
                BenchmarkTool::K6,
                "data_sent",
                r#"{"metrics":{"data_sent":{"contains":"data","values":{"avg":4}}}}"#,
                "unit is needed: data_sent may be a time",
            ),
            (
                BenchmarkTool::K6,
                "http_req_duration",
                r#"{"metrics":{"http_req_duration":{"avg":4},"dropped_iterations":{"count":7,"rate":1}}}"#,
                "7 iterations were not begun",
            ),
            (
                BenchmarkTool::Hyperfine,
                "b",
                r#"{"results":[{"command":"a","times":[1,1]}]}"#,
                "the one that is meant: \"a\"",
            ),
            (
                BenchmarkTool::Oha,
                "average",
                r#"{"summary":{"average":0.02,"successRate":0.5}}"#,
                "50.000 % of the requests failed",
            ),
            (
                BenchmarkTool::Oha,
                "average",
                r#"{"summary":{"average":0.02,"successRate":1},"statusCodeDistribution":{"500":9}}"#,
                "status 500",
            ),
            (
                BenchmarkTool::GoBench,
                "BenchmarkA",
                "BenchmarkA-8\t10\t331 ns/op\n--- FAIL: BenchmarkA\nFAIL\n",
                "go test failed",
            ),
            (BenchmarkTool::GoBench, "BenchmarkA", "BenchmarkA-8\t10\t331 ns/op\npanic: boom\n", "go test failed"),
            (
                BenchmarkTool::GoBench,
                "BenchmarkA",
                "BenchmarkA\t10\t331 ns/op\nBenchmarkA-4\t10\t99 ns/op\n",
                "names 2 benchmarks; say which: BenchmarkA, BenchmarkA-4",
            ),
            (
                BenchmarkTool::GoBench,
                "BenchmarkA",
                "pkg: x\nBenchmarkA\t10\t331 ns/op\npkg: y\nBenchmarkA\t10\t99 ns/op\n",
                "is in 2 packages",
            ),
            (
                BenchmarkTool::PytestBenchmark,
                "t",
                r#"{"benchmarks":[{"name":"t","fullname":"a::t","stats":{"data":[1]}},{"name":"t","fullname":"b::t","stats":{"data":[9]}}]}"#,
                "names 2 benchmarks; say which: a::t, b::t",
            ),
            (
                BenchmarkTool::Hyperfine,
                "a",
                r#"{"results":[{"command":"a","times":[1,1]},{"command":"a","times":[5,5]}]}"#,
                "give each a --command-name",
            ),
            (
                BenchmarkTool::K6,
                "http_req_duration",
                r#"{"metrics":{"http_req_duration":{"avg":4,"thresholds":{"p(95)<5":{"ok":false}}}}}"#,
                "the threshold p(95)<5 was crossed",
            ),
        ] {
            let error = read(reader, select, None, text).unwrap_err();
            assert!(error.contains(why), "{text}: {error}");
        }
        assert_eq!(
            read(BenchmarkTool::Oha, "requestsPerSec", None, r#"{"summary":{"requestsPerSec":90}}"#).unwrap_err(),
            "unit is needed: requestsPerSec is no time"
        );
    }

    #[test]
    fn a_result_of_jmh_is_named_with_its_mode_and_its_parameters() {
        let result = |mode: &str, unit: &str, size: u32, raw: u32| {
            format!(
                r#"{{"benchmark":"p.C.m","mode":"{mode}","params":{{"size":"{size}"}},"primaryMetric":{{"score":1,"scoreUnit":"{unit}","rawData":[[{raw},2]]}}}}"#
            )
        };
        let text = format!(
            "[{},{},{}]",
            result("avgt", "ns/op", 10, 1),
            result("avgt", "ns/op", 99, 8),
            result("thrpt", "ops/s", 10, 5)
        );
        let jmh = |select: &str, unit: &str| read(BenchmarkTool::Jmh, select, Some(unit), &text);
        assert_eq!(jmh("p.C.m mode=avgt size=99", "ns/op"), Ok(vec![8.0, 2.0]));
        assert_eq!(jmh("p.C.m mode=thrpt", "ops/s"), Ok(vec![5.0, 2.0]));
        let error = jmh("p.C.m", "ns/op").unwrap_err();
        assert!(error.contains("names 3 results; say which: `p.C.m mode=avgt size=10`, "), "{error}");
        for unit in ["us/op", "ops/s", "s"] {
            let error = jmh("p.C.m mode=avgt size=10", unit).unwrap_err();
            assert!(error.contains("is measured in ns/op"), "{unit}: {error}");
        }
        let needed = read(BenchmarkTool::Jmh, "p.C.m", None, &text).unwrap_err();
        assert!(needed.contains("unit is needed"), "{needed}");
    }
}
