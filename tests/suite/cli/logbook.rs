//! The logbook: the tool's sections and the user's text.

use crate::support::Sandbox;

#[test]
fn text_around_the_sections_is_never_touched() {
    let s = Sandbox::new();
    s.start("x");
    let logbook = s.read("VIBESHIP_OPTIMIZER.md");
    let (before, after) = ("# Mine\r\n\r\n<!-- note -->\n\ttabs  \n\n", "\n\n## Later\n\n* odd   spacing\n\n\n");
    s.write("VIBESHIP_OPTIMIZER.md", format!("{before}{logbook}{after}")).contract().before();
    let now = s.read("VIBESHIP_OPTIMIZER.md");
    assert!(now.starts_with(before) && now.ends_with(after), "{now}");
    assert!(now.contains("- [x] 2 baseline"), "the section moved on");
}

#[test]
fn a_text_of_a_user_that_quotes_the_markers_stays() {
    let s = Sandbox::new();
    s.start("x");
    let id = s.id();
    let quote = format!("\nThe tool writes `<!-- vibeship-optimizer:begin {id} -->` and more.\n");
    let logbook = s.read("VIBESHIP_OPTIMIZER.md");
    s.write("VIBESHIP_OPTIMIZER.md", format!("{logbook}{quote}")).contract();
    assert!(s.read("VIBESHIP_OPTIMIZER.md").ends_with(&quote));
}

#[test]
fn titles_and_notes_are_shown_as_text_and_never_as_structure() {
    let s = Sandbox::new();
    let title = "<script>alert(1)</script> **bold** [x](javascript:y) | ` <!-- vibeship-optimizer:end chg-x -->";
    s.start(title);
    let note = "# heading\n\n<!-- vibeship-optimizer:begin chg-y -->\n<img src=x onerror=y>\n- [x] 8 verify\n```";
    let _ = s.on(&["change", "note", note]).ok();
    s.contract().before();
    let logbook = s.read("VIBESHIP_OPTIMIZER.md");
    for structure in [
        "<script>alert",
        " <img",
        "\n<img",
        " [x](javascript:",
        "\n# heading",
        "\n<!-- vibeship-optimizer:begin chg-y",
        "\n- [x] 8 verify",
    ] {
        assert!(!logbook.contains(structure), "{structure:?} in\n{logbook}");
    }
    assert_eq!(logbook.matches("<!-- vibeship-optimizer:").count(), 2, "{logbook}");
    assert_eq!(s.shown()["title"], title, "the record keeps it as it is");
}

#[test]
fn two_changes_keep_their_sections_apart() {
    let s = Sandbox::new();
    let first = s.start("first").id();
    s.start_with("second", &["--parallel"]).contract();
    let logbook = s.read("VIBESHIP_OPTIMIZER.md");
    for id in [first, s.id()] {
        assert_eq!(logbook.matches(&format!("<!-- vibeship-optimizer:begin {id} -->")).count(), 1);
        assert_eq!(logbook.matches(&format!("<!-- vibeship-optimizer:end {id} -->")).count(), 1);
    }
}

#[test]
fn a_logbook_with_windows_line_ends_keeps_them() {
    let s = Sandbox::new();
    s.write("VIBESHIP_OPTIMIZER.md", "# Mine\r\n\r\ntext\r\n").start("x").contract();
    assert!(s.read("VIBESHIP_OPTIMIZER.md").starts_with("# Mine\r\n\r\ntext\r\n"));
}

#[test]
fn a_deleted_section_is_rendered_again() {
    let s = Sandbox::new();
    s.start("x");
    s.write("VIBESHIP_OPTIMIZER.md", "mine\n").contract();
    let logbook = s.read("VIBESHIP_OPTIMIZER.md");
    assert!(logbook.starts_with("mine\n") && logbook.contains("- [x] 1 contract"), "{logbook}");
}

#[test]
fn two_branches_that_opened_a_change_each_are_merged_by_what_doctor_does() {
    let s = Sandbox::new();
    s.git(&["checkout", "-q", "-b", "one"]);
    s.start("one");
    s.git(&["add", "-A"]);
    s.git(&["commit", "-q", "-m", "One is opened"]);
    s.git(&["checkout", "-q", "main"]);
    s.later(chrono::Duration::minutes(1));
    s.start("two");
    s.git(&["add", "-A"]);
    s.git(&["commit", "-q", "-m", "Two is opened"]);
    let _ = s.try_git(&["merge", "-q", "one"]);
    let done = s.run(&["doctor", "--apply"]).says(&["git commit --no-edit"]);
    let text = s.read("VIBESHIP_OPTIMIZER.md");
    assert!(!text.contains("<<<<<<<") && text.contains("## one") && text.contains("## two"), "{text}\n{done}");
    s.git(&["add", ".vibeship-optimizer", "VIBESHIP_OPTIMIZER.md"]);
    s.git(&["commit", "--no-edit"]);
    let _ = s.run(&["check"]).ok();
}

/// Git's merge interleaves the sections of two changes, as both have many lines in common.
#[test]
fn sections_that_a_merge_tore_are_written_again_and_the_users_text_stays() {
    for (keep_markers, by_doctor) in [(false, true), (true, true), (false, false), (true, false)] {
        let s = Sandbox::new();
        s.write("VIBESHIP_OPTIMIZER.md", "# Log\n\nmine\n").git(&["add", "-A"]);
        s.git(&["commit", "-q", "-m", "Set up"]);
        let mut ids = Vec::new();
        for name in ["one", "two"] {
            s.git(&["switch", "-q", "-c", name, "main"]);
            s.start(name).contract().before().write(format!("{name}.txt"), "x").commit("more");
            ids.push(s.id());
            if name == "two" {
                s.write("VIBESHIP_OPTIMIZER.md", s.read("VIBESHIP_OPTIMIZER.md") + "\nmine too\n");
            }
            s.git(&["add", "-A"]);
            s.git(&["commit", "-q", "-m", "Evidence"]);
        }
        assert_ne!(s.try_git(&["merge", "-q", "one"]).code, 0);
        let torn = s.read("VIBESHIP_OPTIMIZER.md");
        assert!(torn.contains("<<<<<<< "), "{torn}");
        if !keep_markers {
            let is_marker = |line: &&str| ["<<<<<<<", "=======", ">>>>>>>"].iter().any(|it| line.starts_with(it));
            s.write("VIBESHIP_OPTIMIZER.md", torn.lines().filter(|it| !is_marker(it)).collect::<Vec<_>>().join("\n"));
        }
        s.git(&["add", "-A"]);
        s.git(&["commit", "-q", "-m", "Merge"]);
        if by_doctor {
            let _ = s.run(&["doctor"]).exits(1).says(&["the logbook has torn sections or conflict markers"]);
            let _ = s.run(&["doctor", "--apply"]).ok();
        } else {
            let noted = s.run(&["change", "note", "--change-id", &ids[0], "hello"]).ok();
            assert_eq!(noted.stderr.matches("VIBESHIP_OPTIMIZER.md: ").count(), 1, "{noted}");
            let _ = noted.says(&["sections were torn"]);
        }
        let healed = s.read("VIBESHIP_OPTIMIZER.md");
        for text in ["<<<<<<<", "\n=======", ">>>>>>>"] {
            assert!(!healed.contains(text), "{healed}");
        }
        assert!(healed.starts_with("# Log\n\nmine\n") && healed.contains("\nmine too\n"), "{healed}");
        assert_eq!(healed.matches("<!-- vibeship-optimizer:").count(), 4, "{healed}");
        assert_eq!(healed.matches("- [x] 2 baseline").count(), 2, "{healed}");
        let _ = s.run(&["doctor"]).ok();
        let _ = s.run(&["change", "note", "--change-id", &ids[1], "again"]).ok().never_says(&["torn", "marker"]);
    }
}
