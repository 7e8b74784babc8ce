//! What a team meets on an ordinary day: editors, several open changes, missing programs.

use crate::sandbox::KEY;
use crate::sandbox::Sandbox;

/// A ready change with the improvement staged, and the hooks.
fn staged() -> (Sandbox, String) {
    let sandbox = Sandbox::hooked();
    let id = sandbox.ready("fewer steps");
    sandbox.improve();
    (sandbox, id)
}

/// An editor that writes this line above all that the buffer holds.
fn typing_first(sandbox: &Sandbox, line: &str) -> String {
    let editor = sandbox.home().join("editor.sh");
    let text = format!("#!/bin/sh\n{{ printf '%s' '{line}'; cat \"$1\"; }} > \"$1.new\" && mv \"$1.new\" \"$1\"\n");
    std::fs::write(&editor, text).unwrap();
    format!("core.editor=sh '{}'", editor.display())
}

#[test]
fn a_subject_typed_on_the_first_line_of_the_editor_is_no_part_of_the_trailer() {
    let (sandbox, id) = staged();
    let editor = typing_first(&sandbox, "Fewer steps");
    sandbox.git(&["-c", &editor, "commit", "-q"]).passes();
    assert_eq!(sandbox.ids("HEAD"), [id.as_str()]);
    let message = sandbox.git(&["log", "-1", "--format=%B"]).passes().out;
    assert_eq!(message.trim_end(), format!("Fewer steps\n\n{KEY}: {id}"));
}
