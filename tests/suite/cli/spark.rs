//! Public evidence of the Python tool: read as it is and judged honestly. Skipped if the files are not available.

use std::fs;
use std::path::{Path, PathBuf};

use crate::support::Sandbox;

fn data() -> Option<PathBuf> {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/data/spark");
    dir.is_dir().then_some(dir)
}

fn pairs(dir: &Path) -> Vec<(PathBuf, PathBuf)> {
    let names = fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let stems = names.filter_map(|name| name.strip_suffix("_before_snapshot.json").map(str::to_owned));
    stems
        .map(|stem| ["before", "after"].map(|side| dir.join(format!("{stem}_{side}_snapshot.json"))))
        .map(Into::into)
        .collect()
}

#[test]
fn every_pair_is_compared_and_one_run_each_decides_nothing() {
    let Some(dir) = data() else { return };
    let s = Sandbox::new();
    let pairs = pairs(&dir);
    assert_eq!(pairs.len(), 3);
    for (before, after) in pairs {
        let sides = ["compare", "--before", before.to_str().unwrap(), "--after", after.to_str().unwrap()];
        let json = s.run(&[&sides[..], &["--format", "json"]].concat()).ok().json();
        for row in json["metrics"].as_array().expect("metrics") {
            if row["metric"].as_str().is_some_and(|metric| metric.starts_with("timing.")) {
                let text = row.to_string();
                assert!(text.contains("inconclusive") || text.contains("invalid"), "one run decides nothing: {row}");
            }
        }
        let report = s.run(&sides).ok();
        assert!(report.stdout.contains("one run") || report.stdout.contains("single"), "{report}");
        assert_eq!(s.run(&[&sides[..], &["--exit-code"]].concat()).code, 3);
    }
}

#[test]
fn growth_by_build_litter_is_shown_with_its_caveat() {
    let Some(dir) = data() else { return };
    let s = Sandbox::new();
    let side = |side: &str| dir.join(format!("chg-20260215-132034_{side}_snapshot.json")).to_str().unwrap().to_owned();
    let report = s.run(&["compare", "--before", &side("before"), "--after", &side("after")]).ok();
    let _ = report.says(&["| `lib` |", "+119.7 %", "how much of it git tracks was not recorded"]);
}

#[test]
fn the_config_of_the_originals_user_is_read_without_a_warning() {
    let Some(dir) = data() else { return };
    let s = Sandbox::new();
    s.write("vibeship_optimizer.yml", fs::read(dir.join("vibeship_optimizer.yml")).unwrap());
    let output = s.run(&["status"]).ok();
    assert!(!output.stderr.contains("warning"), "{output}");
}
