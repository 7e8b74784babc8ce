//! Which files the definitions read or run: what a metric, a tuneable or a check comes from. A command is read by its
//! words, as a person would; what it opens by itself is not known. Must not look whether they are there.

use crate::config::Config;

/// A file that a definition names.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Source {
    /// The key of the definition in the config.
    pub key: String,
    /// The path, from the project's root unless it is absolute.
    pub path: String,
}

impl Config {
    /// Every file that is named outright, and every word of a command that may be one; not what a command writes to.
    pub fn sources(&self) -> Vec<Source> {
        let mut found = Vec::new();
        for timing in &self.timings {
            let key = format!("timing.{}", timing.name);
            found.extend(timing.hyperfine.iter().chain(&timing.cwd).map(|path| named(&key, path)));
            found.extend(timing.cmd.iter().flat_map(|cmd| words(&key, cmd, timing.cwd.as_deref())));
        }
        for kpi in &self.kpis {
            let key = format!("kpi.{}", kpi.name);
            found.extend(kpi.file.iter().map(|path| named(&key, path)));
            found.extend(kpi.cmd.iter().flat_map(|cmd| words(&key, cmd, None)));
        }
        found.extend(self.tuneables.files.iter().map(|path| named("tuneables.files", path)));
        found.extend(self.pair.share.iter().map(|path| named("pair.share", path)));
        let (commands, pair) = (&self.commands, &self.pair);
        let fixed = [
            ("commands.build", &commands.build),
            ("commands.lint", &commands.lint),
            ("commands.test", &commands.test),
            ("pair.prepare", &pair.prepare),
        ];
        for (key, cmd) in fixed {
            found.extend(cmd.iter().flat_map(|cmd| words(key, cmd, None)));
        }
        for check in &commands.checks {
            found.extend(words(&format!("commands.checks.{}", check.name), &check.cmd, None));
        }
        found.sort();
        found.dedup();
        found
    }
}

fn named(key: &str, path: &str) -> Source {
    Source { key: key.to_owned(), path: path.to_owned() }
}

/// The words of a command that may be paths, without what output is sent to.
fn words(key: &str, cmd: &str, cwd: Option<&str>) -> Vec<Source> {
    let mut found = Vec::new();
    let (mut word, mut written) = (String::new(), false);
    for c in cmd.chars().chain([' ']) {
        let ends = c.is_whitespace() || matches!(c, ';' | '|' | '&' | '(' | ')' | '<' | '>' | '"' | '\'' | '=' | '`');
        if !ends {
            word.push(c);
            continue;
        }
        if !word.is_empty() {
            let is_option = word.starts_with('-');
            if !written && !is_option {
                let path = cwd.map_or_else(|| word.clone(), |cwd| format!("{cwd}/{word}"));
                found.push(named(key, if word.starts_with('/') { &word } else { &path }));
            }
            word.clear();
            written = false;
        }
        written = c == '>' || written && c != ';';
    }
    found
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use crate::config::file::parse;

    fn sources(text: &str) -> Vec<(String, String)> {
        let config = parse(text, Path::new("config.yml")).unwrap().0;
        config.sources().into_iter().map(|source| (source.key, source.path)).collect()
    }

    #[test]
    fn files_and_words_of_commands_are_sources_and_outputs_are_not() {
        let text = "\
commands: {test: 'sh scripts/test.sh --with=a/b.json > out/log.txt 2>&1; cat \"c d.txt\"'}
kpis: [{name: v, file: data/v.json, better: lower}]
tuneables: {files: [t.json]}
timings: [{name: t, cmd: './run -x y', cwd: sub}]
";
        let found = sources(text);
        let has = |key: &str, path: &str| found.contains(&(key.to_owned(), path.to_owned()));
        assert!(has("commands.test", "scripts/test.sh") && has("commands.test", "a/b.json"), "{found:?}");
        assert!(has("kpi.v", "data/v.json") && has("tuneables.files", "t.json"), "{found:?}");
        assert!(has("timing.t", "sub/./run") && has("timing.t", "sub/y") && has("timing.t", "sub"), "{found:?}");
        assert!(!found.iter().any(|(_, path)| path == "out/log.txt"), "{found:?}");
    }
}
