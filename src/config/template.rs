//! The config file that `init` writes, from `template.yml`: every section explained, few lines active.

use serde_json::Value;

const TEMPLATE: &str = include_str!("template.yml");

/// The schema of the config, for editors: the first line of the template names it, beside the config.
pub const SCHEMA: &str = include_str!("../../docs/schemas/config.json");

/// What was guessed about a project, to be filled into the template.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Guess {
    /// Command that runs the tests.
    pub test: Option<String>,
    /// Command that builds it.
    pub build: Option<String>,
    /// Directories worth measuring.
    pub size_paths: Vec<String>,
    /// Further commands that were possible and were not chosen.
    pub others: Vec<String>,
    /// The commit at which the tool comes into use, where there is one.
    pub since: Option<String>,
}

/// The commented YAML of a new project's config file. It parses without a warning.
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
    // A value may look like a mark itself, so each mark is looked at once.
    let mut text = String::new();
    for (i, part) in TEMPLATE.split('@').enumerate() {
        let value = values.iter().find(|(mark, _)| i % 2 == 1 && *mark == part);
        text.push_str(value.map_or(part, |(_, value)| value));
    }
    text
}

/// A text as a YAML scalar: double quoted, which every JSON string also is in YAML.
pub fn quoted(text: &str) -> String {
    Value::from(text).to_string()
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::config::Config;
    use crate::config::file::parse;

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
        assert_ne!(config.surfaces, crate::config::Surfaces::default());
    }

    /// A comment that is an example: a key, or an item of a list; prose has a space before its colon, or none.
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
}
