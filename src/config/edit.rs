//! Filling a test command into an existing config text without touching anything else in it: comments, order, line
//! ends and spelling stay. Every edit is proven by reading the result; where it would not hold, it is refused with the
//! lines to add by hand. Must not open files.

use std::path::Path;

use serde_json::Value;

use crate::config::file::parse;
use crate::config::template::quoted;
use crate::config::{Config, ConfigError, Key, Kind, Node, Timing, node};

/// The text after the edit, and what was changed in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Edited {
    /// The whole new text.
    pub text: String,
    /// What changed; empty when the command was there already.
    pub changes: Vec<Filled>,
}

/// One value that was filled in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Filled {
    /// Its key path.
    pub key: &'static str,
    /// What stood there before; empty when nothing did.
    pub before: String,
}

/// Why a config text was left as it is.
#[derive(Debug, thiserror::Error)]
pub enum EditError {
    /// It is not valid as it stands.
    #[error(transparent)]
    Invalid(#[from] ConfigError),
    /// Its layout is one that cannot be edited safely.
    #[error("{key} cannot be filled in without disturbing the file; add by hand:\n{lines}")]
    ByHand {
        /// The key.
        key: &'static str,
        /// The lines to add.
        lines: String,
    },
}

const TEST: &str = "commands.test";
const CMD: &str = "timings[0].cmd";

/// Fills `cmd` into `commands.test` and `timings[0].cmd`, where they are empty or `force` is set.
pub fn fill(text: &str, path: &Path, cmd: &str, force: bool) -> Result<Edited, EditError> {
    let (before, _) = parse(text, path)?;
    let mut edited = Edited { text: text.to_owned(), changes: Vec::new() };
    let mut wanted = before.clone();
    let test = before.commands.test.clone().unwrap_or_default();
    if test != cmd && (test.is_empty() || force) {
        wanted.commands.test = Some(cmd.to_owned());
        edited.apply(path, &wanted, TEST, test, |text| set_test(text, cmd))?;
    }
    let timing = before.timings.first();
    let timed = timing.and_then(|timing| timing.cmd.clone()).unwrap_or_default();
    let imported = timing.is_some_and(|timing| timing.hyperfine.is_some());
    if timed != cmd && !imported && (timed.is_empty() || force) {
        match wanted.timings.first_mut() {
            Some(first) => first.cmd = Some(cmd.to_owned()),
            None => wanted.timings.push(Timing::new("tests", cmd)),
        }
        edited.apply(path, &wanted, CMD, timed, |text| set_cmd(text, cmd))?;
    }
    Ok(edited)
}

impl Edited {
    /// Takes an edit over if, and only if, the new text reads as what is wanted.
    fn apply(
        &mut self,
        path: &Path,
        wanted: &Config,
        key: &'static str,
        before: String,
        edit: impl Fn(&str) -> Option<String>,
    ) -> Result<(), EditError> {
        let is_json = path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("json"));
        let text = if is_json { edit_json(&self.text, key, wanted) } else { edit_yaml(&self.text, edit) };
        let holds = |text: &String| parse(text, path).is_ok_and(|(config, _)| config == *wanted);
        match text.filter(holds) {
            Some(text) => {
                self.text = text;
                self.changes.push(Filled { key, before });
                Ok(())
            }
            None => Err(EditError::ByHand { key, lines: by_hand(key, wanted) }),
        }
    }
}

fn by_hand(key: &str, wanted: &Config) -> String {
    let test = || quoted(wanted.commands.test.as_deref().unwrap_or_default());
    match wanted.timings.first().filter(|_| key == CMD) {
        Some(timing) => {
            let cmd = quoted(timing.cmd.as_deref().unwrap_or_default());
            format!("timings:\n  - name: {}\n    cmd: {cmd}", quoted(&timing.name))
        }
        None => format!("commands:\n  test: {}", test()),
    }
}

fn edit_json(text: &str, key: &str, wanted: &Config) -> Option<String> {
    let mut value: Value = serde_json::from_str(text.strip_prefix('\u{feff}').unwrap_or(text)).ok()?;
    let object = value.as_object_mut()?;
    if key == TEST {
        let commands = object.entry("commands").or_insert_with(|| Value::Object(serde_json::Map::new()));
        commands.as_object_mut()?.insert("test".to_owned(), Value::from(wanted.commands.test.as_deref()?));
    } else {
        let timing = wanted.timings.first()?;
        let timings = object.entry("timings").or_insert_with(|| Value::Array(Vec::new())).as_array_mut()?;
        match timings.first_mut() {
            Some(first) => drop(first.as_object_mut()?.insert("cmd".to_owned(), Value::from(timing.cmd.as_deref()?))),
            None => timings.push(serde_json::json!({"name": timing.name, "cmd": timing.cmd})),
        }
    }
    Some(format!("{value:#}\n"))
}

/// Edits a YAML text with plain line ends and without a byte order mark, and gives both back.
fn edit_yaml(text: &str, edit: impl Fn(&str) -> Option<String>) -> Option<String> {
    let (mark, body) = text.strip_prefix('\u{feff}').map_or(("", text), |body| ("\u{feff}", body));
    let crlf = body.contains("\r\n");
    let body = if crlf { body.replace("\r\n", "\n") } else { body.to_owned() };
    let body = edit(&body)?;
    Some(format!("{mark}{}", if crlf { body.replace('\n', "\r\n") } else { body }))
}

fn set_test(text: &str, cmd: &str) -> Option<String> {
    let tree = node::parse(text).ok()?;
    let block = format!("commands:\n  test: {}\n", quoted(cmd));
    match entry(&tree, "commands") {
        None => Some(appended(text, &block)),
        Some((key, section)) if is_empty(section) => replace_section(text, key, &block),
        Some((_, section)) => set_in(text, section, "test", cmd),
    }
}

fn set_cmd(text: &str, cmd: &str) -> Option<String> {
    let tree = node::parse(text).ok()?;
    let block = format!("timings:\n  - name: tests\n    cmd: {}\n", quoted(cmd));
    match entry(&tree, "timings") {
        None => Some(appended(text, &block)),
        Some((key, section)) if is_empty(section) => replace_section(text, key, &block),
        Some((_, Node { kind: Kind::List(items), .. })) => set_in(text, items.first()?, "cmd", cmd),
        Some(_) => None,
    }
}

fn entry<'n>(node: &'n Node, key: &str) -> Option<(&'n Key, &'n Node)> {
    let Kind::Map(entries) = &node.kind else { return None };
    entries.iter().find(|(k, _)| k.text == key).map(|(k, node)| (k, node))
}

fn is_empty(node: &Node) -> bool {
    match &node.kind {
        Kind::Null => true,
        Kind::List(items) => items.is_empty(),
        Kind::Map(entries) => entries.is_empty(),
        _ => false,
    }
}

fn appended(text: &str, block: &str) -> String {
    let gap = if text.is_empty() || text.ends_with('\n') { "" } else { "\n" };
    format!("{text}{gap}\n{block}")
}

/// Replaces the line of an empty section (`timings:`, `timings: []`) by the block, keeping its comment.
fn replace_section(text: &str, key: &Key, block: &str) -> Option<String> {
    let (header, rest) = block.split_once('\n')?;
    edit_line(text, key, |after_colon, line| {
        let bare = after_colon.trim_start();
        let tail = bare.strip_prefix("[]").or_else(|| bare.strip_prefix("{}")).unwrap_or(after_colon);
        let indent = &line[..line.len() - line.trim_start().len()];
        (indent.is_empty() && (tail.trim().is_empty() || tail.trim_start().starts_with('#')))
            .then(|| format!("{header}{}\n{}", tail.trim_end(), rest.trim_end()))
    })
}

/// Sets `key` in a map: in place where it stands, else on a line of its own after an entry of one line.
fn set_in(text: &str, map: &Node, key: &str, cmd: &str) -> Option<String> {
    if let Some((key, _)) = entry(map, key) {
        return edit_line(text, key, |after_colon, line| {
            let before = &line[..line.len() - after_colon.len()];
            let in_flow = before.contains(['{', '[']);
            Some(format!("{before} {}{}", quoted(cmd), after_value(after_colon, in_flow)?))
        });
    }
    let Kind::Map(entries) = &map.kind else { return None };
    let is_line = |node: &Node| matches!(node.kind, Kind::Text(_) | Kind::Whole(_) | Kind::Flag(_) | Kind::Number(_));
    let (anchor, value) = entries.iter().find(|(key, value)| is_line(value) && value.at.line == key.at.line)?;
    let line = usize::try_from(value.at.line).ok()?;
    let indent = " ".repeat(usize::try_from(anchor.at.column).ok()?.checked_sub(1)?);
    let mut lines: Vec<&str> = text.split('\n').collect();
    let new = format!("{indent}{key}: {}", quoted(cmd));
    lines.insert(line.min(lines.len()), &new);
    Some(lines.join("\n"))
}

/// Rewrites the line of `key`; `edit` is given what follows the key's colon, and the whole line.
fn edit_line(text: &str, key: &Key, edit: impl Fn(&str, &str) -> Option<String>) -> Option<String> {
    let index = usize::try_from(key.at.line).ok()?.checked_sub(1)?;
    let mut lines: Vec<String> = text.split('\n').map(str::to_owned).collect();
    let line = lines.get(index)?;
    let start: usize =
        line.chars().take(usize::try_from(key.at.column).ok()?.checked_sub(1)?).map(char::len_utf8).sum();
    let colon = start + line.get(start..)?.find(':')?;
    let new = edit(&line[colon + 1..], line)?;
    lines[index] = new;
    Some(lines.join("\n"))
}

/// What follows the value that stands after a colon: a comment, or the rest of a flow map. `None` for a value that
/// goes on over several lines.
fn after_value(after_colon: &str, in_flow: bool) -> Option<&str> {
    let value = after_colon.trim_start();
    match value.chars().next() {
        None => Some(""),
        Some('#') if value.len() < after_colon.len() => Some(after_colon),
        Some(quote @ ('"' | '\'')) => {
            let mut escaped = false;
            let mut chars = value.char_indices().skip(1).peekable();
            while let Some((i, c)) = chars.next() {
                if escaped {
                    escaped = false;
                } else if c == '\\' && quote == '"' {
                    escaped = true;
                } else if c == quote {
                    if quote == '\'' && chars.peek().is_some_and(|(_, next)| *next == '\'') {
                        chars.next();
                        continue;
                    }
                    return Some(&value[i + 1..]);
                }
            }
            None
        }
        Some('|' | '>' | '&' | '*' | '!' | '{' | '[') => None,
        Some(_) => {
            let comment = value.find(" #");
            let flow = in_flow.then(|| value.find([',', '}'])).flatten();
            let end = [comment, flow].into_iter().flatten().min().unwrap_or(value.len());
            Some(&value[value[..end].trim_end().len()..])
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::Strategy;
    use proptest::{prop_assert, prop_assert_eq, proptest};

    use super::*;
    use crate::config::Guess;
    use crate::config::template::template;

    fn filled(text: &str, force: bool) -> Edited {
        fill(text, Path::new("c.yml"), "make \"test\": #1", force).unwrap_or_else(|error| panic!("{error}\n{text}"))
    }

    fn keys(edited: &Edited) -> Vec<&str> {
        edited.changes.iter().map(|change| change.key).collect()
    }

    const QUOTED: &str = r#""make \"test\": #1""#;

    #[test]
    fn empty_commands_are_filled_and_every_comment_stays() {
        let text = template(&Guess::default());
        let edited = filled(&text, false);
        assert_eq!(keys(&edited), ["commands.test", "timings[0].cmd"]);
        let changed: Vec<(&str, &str)> = text.lines().zip(edited.text.lines()).filter(|(a, b)| a != b).collect();
        let (test, cmd) = (format!("  test: {QUOTED}"), format!("    cmd: {QUOTED}"));
        assert_eq!(changed, [("  test: \"\"", test.as_str()), ("    cmd: \"\"", cmd.as_str())]);
        assert_eq!(text.lines().count(), edited.text.lines().count());
    }

    #[test]
    fn what_is_set_is_kept_unless_forced() {
        let text = "commands:\n  test: npm test  # slow\ntimings:\n  - {name: t, cmd: npm test, runs: 3} # x\n";
        assert_eq!(filled(text, false), Edited { text: text.to_owned(), changes: Vec::new() });
        let forced = filled(text, true);
        assert_eq!(
            forced.text,
            format!("commands:\n  test: {QUOTED}  # slow\ntimings:\n  - {{name: t, cmd: {QUOTED}, runs: 3}} # x\n")
        );
        assert_eq!(forced.changes[0].before, "npm test");
    }

    #[test]
    fn missing_sections_and_keys_are_added_where_they_belong() {
        for (text, expected) in [
            ("", format!("\ncommands:\n  test: {QUOTED}\n\ntimings:\n  - name: tests\n    cmd: {QUOTED}\n")),
            (
                "timings: [] # none yet\ncommands:\n",
                format!("timings: # none yet\n  - name: tests\n    cmd: {QUOTED}\ncommands:\n  test: {QUOTED}\n"),
            ),
            (
                "commands:\n    build: make # b\ntimings:\n- name: t # n\n  runs: 3",
                format!(
                    "commands:\n    build: make # b\n    test: {QUOTED}\ntimings:\n- name: t # n\n  cmd: {QUOTED}\n  runs: 3"
                ),
            ),
            (
                "commands: {build: make, test: '' }\ntimings:\n  - cmd:\n    name: t\n",
                format!("commands: {{build: make, test: {QUOTED} }}\ntimings:\n  - cmd: {QUOTED}\n    name: t\n"),
            ),
        ] {
            assert_eq!(filled(text, false).text, expected, "{text}");
        }
    }

    #[test]
    fn byte_order_mark_and_crlf_are_kept() {
        let edited = filled("\u{feff}# é\r\ncommands:\r\n  test: ''\r\n", false);
        assert!(
            edited.text.starts_with(&format!("\u{feff}# é\r\ncommands:\r\n  test: {QUOTED}\r\n")),
            "{}",
            edited.text
        );
        assert_eq!(edited.text.matches('\n').count(), edited.text.matches("\r\n").count());
    }

    #[test]
    fn a_json_config_is_edited_as_json() {
        let edited = fill("{\"version\": 1}", Path::new("config.json"), "go test", false).unwrap();
        let value: Value = serde_json::from_str(&edited.text).unwrap();
        assert_eq!(value["commands"]["test"], "go test");
        assert_eq!(value["timings"][0]["cmd"], "go test");
    }

    #[test]
    fn a_layout_that_cannot_be_edited_safely_is_refused_with_the_lines_to_add() {
        for text in [
            "commands:\n  test: |\n    a\n    b\n",
            "commands: {\n  build: make }\n",
            "base: &b {test: ''}\ncommands: *b\n",
            "commands:\n  test: >-\n\ntimings: []\n",
        ] {
            let error = fill(text, Path::new("c.yml"), "go test", true).unwrap_err().to_string();
            assert!(error.ends_with("add by hand:\ncommands:\n  test: \"go test\""), "{text}: {error}");
        }
        let invalid = fill("version: 9", Path::new("c.yml"), "go test", true).unwrap_err().to_string();
        assert!(invalid.starts_with("c.yml:1:"), "{invalid}");
    }

    #[test]
    fn an_edit_that_would_change_another_value_too_is_refused() {
        let text = "commands: {test: x}\ntimings:\n  - &t {name: a, cmd: ''}\n  - {<<: *t, name: b}\n";
        let error = fill(text, Path::new("c.yml"), "go test", false).unwrap_err().to_string();
        assert!(error.starts_with("timings[0].cmd cannot be filled in"), "{error}");
    }

    #[test]
    fn imported_results_are_not_replaced_by_a_command() {
        let edited = filled("commands: {test: x}\ntimings:\n  - {name: t, hyperfine: b.json}\n", false);
        assert_eq!(keys(&edited), Vec::<&str>::new());
    }

    /// Texts that are often nearly configs.
    fn nearly_yaml() -> impl Strategy<Value = String> {
        let pieces = [
            "commands:",
            "timings:",
            " test:",
            " cmd:",
            "name: t",
            "version: 1",
            "\n",
            "\n",
            "\n  ",
            "\n  - ",
            "\r\n",
            " ",
            "'",
            "\"",
            "{",
            "}",
            "[]",
            "[",
            ",",
            " # c",
            "é",
            "|",
            ">",
            "&a ",
            "*a",
            "~",
            "\t",
            "\u{feff}",
            "x",
            "!t ",
            "? ",
        ];
        proptest::collection::vec(proptest::sample::select(pieces.to_vec()), 0..14).prop_map(|pieces| pieces.concat())
    }

    proptest! {
        #[test]
        fn any_text_is_edited_rightly_or_refused(text in nearly_yaml(), force: bool) {
            if let Ok(edited) = fill(&text, Path::new("c.yml"), "go test", force) {
                let (config, _) = parse(&edited.text, Path::new("c.yml")).unwrap();
                prop_assert!(config.commands.test.is_some());
                prop_assert_eq!(fill(&edited.text, Path::new("c.yml"), "go test", force).unwrap().changes, Vec::new());
            }
        }

        #[test]
        fn any_text_is_read_or_refused(text in ".{0,60}") {
            drop(fill(&text, Path::new("c.yml"), "x", true));
            drop(fill(&text, Path::new("c.json"), "x", true));
        }
    }
}
