//! Writes the config file for `init` from `template.yml`, and fills a test command into an existing file. Each edit is
//! checked by reading the result; where that fails, the error has the lines to add.

use std::path::Path;

use serde_json::Value;

use crate::config::file::parse;
use crate::config::{Config, ConfigError, TimingConfig};

const TEMPLATE: &str = include_str!("template.yml");

/// The schema of the config for editors; the first line of the template refers to it.
pub const SCHEMA: &str = include_str!("../../docs/schemas/config.json");

/// What was guessed about a project, for the template.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Guess {
    pub test: Option<String>,
    pub build: Option<String>,
    pub size_paths: Vec<String>,
    /// Other possible commands that were not chosen.
    pub others: Vec<String>,
    /// The commit at which the project starts to use the tool, if there is one.
    pub since: Option<String>,
}

/// The commented config file of a new project. It parses without warnings.
pub fn template(guess: &Guess) -> String {
    let command = |command: &Option<String>| quoted(command.as_deref().unwrap_or_default());
    let comment = |other: &String| format!("# Also possible here: {}\n", other.replace(['\n', '\r'], " "));
    let others: String = guess.others.iter().map(comment).collect();
    let size_paths: String = match guess.size_paths.as_slice() {
        [] => " []".to_owned(),
        paths => paths.iter().map(|path| format!("\n  - {}", quoted(path))).collect(),
    };
    let since = guess.since.iter().map(|since| format!("  since: {since} # older commits are not checked\n"));
    let values = [
        ("SINCE", since.collect()),
        ("TEST", command(&guess.test)),
        ("BUILD", command(&guess.build)),
        ("OTHERS", others),
        ("SIZE_PATHS", size_paths),
    ];
    // A value may look like a placeholder, so each one is replaced once.
    let mut text = String::new();
    for (i, part) in TEMPLATE.split('@').enumerate() {
        let value = values.iter().find(|(mark, _)| i % 2 == 1 && *mark == part);
        text.push_str(value.map_or(part, |(_, value)| value));
    }
    text
}

/// Quotes a text as a YAML scalar; every JSON string is one.
pub fn quoted(text: &str) -> String {
    Value::from(text).to_string()
}

/// The edited text, and what was changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Edited {
    pub text: String,
    /// Empty if the command was there already.
    pub changes: Vec<Filled>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Filled {
    pub key: &'static str,
    pub cmd: String,
    /// The value before; empty if there was none.
    pub before: String,
}

/// Why a config file was not edited.
#[derive(Debug, thiserror::Error)]
pub enum EditError {
    #[error(transparent)]
    Invalid(#[from] ConfigError),
    #[error("{key} cannot be filled in without disturbing the file; add by hand:\n{lines}")]
    ByHand { key: &'static str, lines: String },
}

/// Fills the first command into `commands.test` and the second into `timings[0].cmd`, if these are empty or `force` is
/// set.
pub fn fill(text: &str, path: &Path, cmds: [Option<&str>; 2], force: bool) -> Result<Edited, EditError> {
    let (mut config, _) = parse(text, path)?;
    let mut edited = Edited { text: text.to_owned(), changes: Vec::new() };
    let [test, timed] = cmds;
    let before = config.commands.test.clone().unwrap_or_default();
    if let Some(cmd) = test.filter(|cmd| before != **cmd && (before.is_empty() || force)) {
        config.commands.test = Some(cmd.to_owned());
        let lines = format!("commands:\n  test: {}", quoted(cmd));
        edited.set(path, &config, "commands.test", before, cmd, lines)?;
    }
    let Some(cmd) = timed else { return Ok(edited) };
    if config.timings.is_empty() {
        config.timings.push(TimingConfig { name: "tests".to_owned(), ..TimingConfig::default() });
    }
    let timing = &mut config.timings[0];
    let before = timing.cmd.clone().unwrap_or_default();
    if before != cmd && timing.hyperfine.is_none() && (before.is_empty() || force) {
        timing.cmd = Some(cmd.to_owned());
        let lines = format!("timings:\n  - name: {}\n    cmd: {}", quoted(&timing.name), quoted(cmd));
        edited.set(path, &config, "timings[0].cmd", before, cmd, lines)?;
    }
    Ok(edited)
}

impl Edited {
    /// Replaces the value on the first line, or appends the section, for which the text parses as `wanted`.
    fn set(
        &mut self,
        path: &Path,
        wanted: &Config,
        key: &'static str,
        before: String,
        cmd: &str,
        lines: String,
    ) -> Result<(), EditError> {
        let name = key.rsplit('.').next().unwrap_or(key);
        let gap = if self.text.is_empty() || self.text.ends_with('\n') { "" } else { "\n" };
        let appended = format!("{}{gap}\n{lines}\n", self.text);
        let found = with_line_replaced(&self.text, name, &before, cmd)
            .chain([appended])
            .find(|text| parse(text, path).is_ok_and(|(config, _)| config == *wanted));
        self.text = found.ok_or(EditError::ByHand { key, lines })?;
        self.changes.push(Filled { key, cmd: cmd.to_owned(), before });
        Ok(())
    }
}

/// The texts in which the value of one line `NAME: BEFORE` is replaced by `cmd`; the rest of the line stays. The caller
/// checks whether it is the right line.
fn with_line_replaced<'a>(text: &'a str, name: &str, before: &str, cmd: &str) -> impl Iterator<Item = String> + 'a {
    let (mark, new) = (format!("{name}:"), quoted(cmd));
    let olds = [quoted(before), format!("'{}'", before.replace('\'', "''")), before.to_owned()];
    let mut start = 0;
    text.split_inclusive('\n').filter_map(move |line| {
        let line_start = start;
        start += line.len();
        let value = line.find(&mark)? + mark.len();
        let (offset, len) = olds.iter().find_map(|old| Some((line[value..].find(old.as_str())?, old.len())))?;
        let from = line_start + value + offset;
        let gap = if len == 0 { " " } else { "" };
        Some(format!("{}{gap}{new}{}", &text[..from], &text[from + len..]))
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::Strategy;
    use proptest::{prop_assert, prop_assert_eq, proptest};

    use super::*;

    fn guess() -> Guess {
        Guess {
            test: Some("npm test -- --grep \"a: #b\"".to_owned()),
            build: None,
            size_paths: vec!["src".to_owned(), "od\"d: #name".to_owned()],
            others: vec!["cargo test".to_owned()],
            since: Some("0123456789abcdef".to_owned()),
        }
    }

    #[test]
    fn the_template_parses_without_a_warning_and_holds_the_guess() {
        let (config, warnings) = parse(&template(&guess()), Path::new("c.yml")).unwrap();
        assert_eq!(warnings, []);
        assert_eq!(config.commands.test, guess().test);
        assert_eq!(config.timings[0].cmd, guess().test);
        assert_eq!(config.size_paths, guess().size_paths);
    }

    #[test]
    fn what_is_active_in_an_empty_guess_is_the_default() {
        let (mut config, warnings) = parse(&template(&Guess::default()), Path::new("c.yml")).unwrap();
        assert_eq!(warnings, []);
        assert_eq!(config.timings.len(), 1);
        config.timings.clear();
        assert_eq!(config.enforcement.exempt.len(), 3);
        config.enforcement.exempt.clear();
        config.review.allowed_modes.clear();
        assert_eq!(config, Config { version: Some(1), ..Config::default() });
    }

    #[test]
    fn every_commented_example_is_valid_once_its_marks_are_removed() {
        let text = template(&guess());
        let mut active = String::new();
        for line in text.lines() {
            let bare = line.trim_start();
            let yaml = bare.strip_prefix("# ").or_else(|| bare.strip_prefix('#'));
            match yaml {
                Some(yaml) if is_yaml(yaml) => {
                    let indent = if bare.len() < line.len() || bare.starts_with("#  -") || bare.starts_with("#    ") {
                        &line[..line.len() - bare.len()]
                    } else {
                        ""
                    };
                    active.push_str(&format!("{indent}{yaml}\n"));
                }
                Some(_) => {}
                None => active.push_str(&format!("{}\n", line.trim_end_matches(" []"))),
            }
        }
        let (config, warnings) = parse(&active, Path::new("c.yml")).unwrap_or_else(|e| panic!("{e}\n{active}"));
        assert_eq!(warnings, [], "{active}");
        assert_eq!(config.http_probes[0].name, "health");
        assert_eq!(config.kpis[0].name, "p95_ms");
        assert_eq!(config.rollout.stages.len(), 3);
        assert_eq!(config.commands.checks.len(), 1);
        assert_ne!(config.surfaces, crate::config::SurfaceConfig::default());
    }

    /// Whether a comment is an example: a key or list item. Prose has a space before its colon, or none.
    fn is_yaml(comment: &str) -> bool {
        let bare = comment.trim_start();
        let bare = bare.strip_prefix("- ").unwrap_or(bare);
        let key = bare.split(':').next().unwrap_or_default();
        bare.starts_with('{')
            || bare.contains(':')
                && !key.is_empty()
                && key.chars().all(|c| c.is_ascii_lowercase() || c == '_')
                && !["validate", "compare"].contains(&key)
                && !bare.starts_with("rollout: the")
    }

    fn filled(text: &str, force: bool) -> Edited {
        fill(text, Path::new("c.yml"), [Some("make \"test\": #1"); 2], force)
            .unwrap_or_else(|error| panic!("{error}\n{text}"))
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
        let text = "commands:\n  test: npm test  # slow\ntimings:\n  - name: t\n    cmd: 'npm test'\n  - cmd: npm test\n    name: u\n";
        assert_eq!(filled(text, false), Edited { text: text.to_owned(), changes: Vec::new() });
        let forced = filled(text, true);
        assert_eq!(
            forced.text,
            format!(
                "commands:\n  test: {QUOTED}  # slow\ntimings:\n  - name: t\n    cmd: {QUOTED}\n  - cmd: npm test\n    name: u\n"
            )
        );
        assert_eq!(forced.changes[0].before, "npm test");
    }

    #[test]
    fn an_empty_value_is_filled_however_it_is_written() {
        for (text, expected) in [
            ("commands:\n  test:\n", format!("commands:\n  test: {QUOTED}\n")),
            ("commands:\n    test: '' # none\n", format!("commands:\n    test: {QUOTED} # none\n")),
            ("commands: {lint: x, test: '' } # n\n", format!("commands: {{lint: x, test: {QUOTED} }} # n\n")),
        ] {
            let text = format!("{text}timings: [{{name: t, hyperfine: b.json}}]\n");
            assert!(filled(&text, false).text.starts_with(&expected), "{text}");
        }
    }

    #[test]
    fn byte_order_mark_and_crlf_are_kept() {
        let edited = filled("\u{feff}# é\r\ncommands:\r\n  test: ''\r\ntimings:\r\n- cmd: ''\r\n  name: t\r\n", false);
        let expected =
            format!("\u{feff}# é\r\ncommands:\r\n  test: {QUOTED}\r\ntimings:\r\n- cmd: {QUOTED}\r\n  name: t\r\n");
        assert_eq!(edited.text, expected);
    }

    #[test]
    fn a_missing_section_is_added() {
        let added = format!("\ncommands:\n  test: {QUOTED}\n\ntimings:\n  - name: \"tests\"\n    cmd: {QUOTED}\n");
        assert_eq!(filled("", false).text, added);
        assert_eq!(filled("version: 1", false).text, format!("version: 1\n{added}"));
    }

    #[test]
    fn any_other_layout_is_refused_with_the_lines_to_add() {
        for text in ["{\"version\": 1}", "commands:\n  build: make\n", "commands:\n  test: |\n    a\n    b\n"] {
            let error = fill(text, Path::new("c.yml"), [Some("go test"); 2], true).unwrap_err().to_string();
            assert!(error.ends_with("add by hand:\ncommands:\n  test: \"go test\""), "{text}: {error}");
        }
        let error =
            fill("commands: {test: x}\ntimings: []\n", Path::new("c.yml"), [Some("go test"); 2], false).unwrap_err();
        assert!(error.to_string().ends_with("timings:\n  - name: \"tests\"\n    cmd: \"go test\""), "{error}");
        let invalid = fill("version: 9", Path::new("c.yml"), [Some("go test"); 2], true).unwrap_err().to_string();
        assert!(invalid.starts_with("c.yml:1:"), "{invalid}");
    }

    #[test]
    fn an_edit_that_would_change_another_value_too_is_refused() {
        let text = "commands: {test: x}\ntimings:\n  - &t\n    name: a\n    cmd: ''\n  - {<<: *t, name: b}\n";
        let error = fill(text, Path::new("c.yml"), [Some("go test"); 2], false).unwrap_err().to_string();
        assert!(error.starts_with("timings[0].cmd cannot be filled in"), "{error}");
    }

    #[test]
    fn imported_results_are_not_replaced_by_a_command() {
        let edited = filled("commands: {test: x}\ntimings:\n  - {name: t, hyperfine: b.json}\n", false);
        assert_eq!(keys(&edited), Vec::<&str>::new());
    }

    /// Texts that are often almost valid configs.
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
            if let Ok(edited) = fill(&text, Path::new("c.yml"), [Some("go test"); 2], force) {
                let (config, _) = parse(&edited.text, Path::new("c.yml")).unwrap();
                prop_assert!(config.commands.test.is_some());
                prop_assert_eq!(fill(&edited.text, Path::new("c.yml"), [Some("go test"); 2], force).unwrap().changes, Vec::new());
            }
        }

        #[test]
        fn any_text_is_read_or_refused(text in ".{0,60}") {
            drop(fill(&text, Path::new("c.yml"), [Some("x"); 2], true));
            drop(fill(&text, Path::new("c.json"), [Some("x"); 2], true));
        }
    }
}
