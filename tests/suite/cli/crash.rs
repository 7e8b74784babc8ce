//! Writers that are killed at any moment: what is on disk can always be read and nothing that was told is lost.

use std::process::Stdio;
use std::time::Duration;

use crate::support::Sandbox;

#[test]
fn a_record_and_its_logbook_survive_kills_at_any_moment() {
    let s = Sandbox::new();
    s.start("x");
    let user = "\nmy own text\n";
    let logbook = s.read("VIBESHIP_OPTIMIZER.md");
    s.write("VIBESHIP_OPTIMIZER.md", format!("{logbook}{user}"));
    let mut told = Vec::new();
    // Kills spread over the whole life of a command, whatever the machine's speed.
    let begun = std::time::Instant::now();
    let _ = s.on(&["change", "note", "calibration"]).ok();
    let life = begun.elapsed();
    for round in 0..40u32 {
        let note = format!("note-{round}-end");
        let mut child = s.tool(&["change", "note", &note]).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        std::thread::sleep(life.mul_f64(f64::from(round) / 40.0 * 1.2).min(Duration::from_secs(2)));
        let _ = child.kill();
        if child.wait().unwrap().success() {
            told.push(note);
        }
        let record = s.json(s.record());
        assert_eq!(record["change_id"], s.id(), "round {round}");
        assert!(s.read("VIBESHIP_OPTIMIZER.md").ends_with(user), "round {round}");
    }
    let shown = s.shown().to_string();
    for note in &told {
        assert!(shown.contains(note), "{note} was told and is lost");
    }
    let _ = s.on(&["change", "note", "last"]).ok();
    let logbook = s.read("VIBESHIP_OPTIMIZER.md");
    assert_eq!(logbook.matches("<!-- vibeship-optimizer:").count(), 2, "{logbook}");
    let left =
        s.files().into_keys().filter(|path| path.extension().is_some_and(|extension| extension == "tmp")).count();
    assert_eq!(left, 0, "the next writer removes what killed ones left");
}

#[test]
fn a_killed_snapshot_leaves_the_change_where_it_was_or_one_step_on() {
    let s = Sandbox::new();
    s.start("x").contract();
    let begun = std::time::Instant::now();
    let _ = s.run(&["snapshot"]).ok();
    let life = begun.elapsed();
    for round in 0..12u32 {
        let mut child = s
            .tool(&["snapshot", "--as", "before", "--change-id", &s.id()])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        std::thread::sleep(life.mul_f64(f64::from(round) / 10.0));
        let _ = child.kill();
        let _ = child.wait();
        let status = s.shown()["status"].clone();
        assert!(status == "planned" || status == "baselined" || status == "baseline", "round {round}: {status}");
    }
    s.before().improve(50.0).validate().after().compare();
    let _ = s.on(&["change", "promote"]).ok();
}
