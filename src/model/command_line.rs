//! A command that a person can copy and run: typed words, quoted for the shell in one place.

use std::fmt;

use serde::Serialize;

pub const PROGRAM: &str = "vibeship-optimizer";

/// One line for a shell: a command, or several that are joined.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct CommandLine(String);

impl CommandLine {
    pub fn new(program: &str) -> Self {
        Self(quoted(program))
    }

    /// A line that a person wrote, as it stands.
    pub fn verbatim(line: impl Into<String>) -> Self {
        Self(line.into())
    }

    /// This tool with words such as `change list`.
    pub fn tool(subcommand: &str) -> Self {
        Self::new(PROGRAM).words(subcommand.split_whitespace())
    }

    pub fn git(subcommand: &str) -> Self {
        Self::new("git").words(subcommand.split_whitespace())
    }

    /// With one more argument, quoted where a shell would read anything into it.
    pub fn word(self, word: impl AsRef<str>) -> Self {
        Self(format!("{self} {}", quoted(word.as_ref())))
    }

    pub fn words(self, words: impl IntoIterator<Item = impl AsRef<str>>) -> Self {
        words.into_iter().fold(self, Self::word)
    }

    /// With what stands for a person's own words, such as `"WHY"`.
    pub fn placeholder(self, placeholder: &'static str) -> Self {
        Self(format!("{self} \"{placeholder}\""))
    }

    /// With a flag and what a person has to write after it.
    pub fn ask(self, flag: &str, placeholder: &'static str) -> Self {
        self.word(flag).placeholder(placeholder)
    }

    /// This, and if it succeeds, `next`.
    pub fn and(self, next: Self) -> Self {
        Self(format!("{self} && {next}"))
    }

    pub fn pipe(self, next: Self) -> Self {
        Self(format!("{self} | {next}"))
    }

    pub fn append_to(self, file: &str) -> Self {
        Self(format!("{self} >> {}", quoted(file)))
    }
}

impl fmt::Display for CommandLine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// One word as a shell has to be given it, PowerShell on Windows: bare where nothing in it means anything to a shell, in
/// double quotes where those suffice, else in single quotes.
pub fn quoted(word: &str) -> String {
    quoted_for(word, if cfg!(windows) { "''" } else { "'\\''" })
}

/// `escaped` is how a single quote is written within single quotes.
fn quoted_for(word: &str, escaped: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "._-/+:=@%".contains(c);
    let readable = |c: char| plain(c) || " ,<>();#&|'".contains(c);
    let inner = |(at, c): (usize, char)| plain(c) || (at > 0 && c == '~');
    // At the front, zsh takes `=ls` for the path of ls, every shell `~root` for a home, and PowerShell `@x` for a list; it
    // takes `a,b` for two words anywhere.
    let bare = !word.is_empty() && !word.starts_with(['=', '@']) && word.chars().enumerate().all(inner);
    let text = word.contains(' ') && word.starts_with(|c: char| c.is_ascii_alphanumeric());
    if bare {
        word.to_owned()
    } else if text && word.chars().all(readable) {
        format!("\"{word}\"")
    } else {
        format!("'{}'", word.replace('\'', escaped))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_word_reaches_the_program_as_it_was_meant() {
        for (word, shown) in [
            ("plain-1.txt", "plain-1.txt"),
            ("abc~1", "abc~1"),
            ("~root", "'~root'"),
            ("=ls", "'=ls'"),
            ("", "''"),
            ("METRIC <= -10%", "\"METRIC <= -10%\""),
            ("it's here", "\"it's here\""),
            ("it's", "'it'\\''s'"),
            ("a $b", "'a $b'"),
            ("say \"hi\"!", "'say \"hi\"!'"),
            (":(top)src/x[1]", "':(top)src/x[1]'"),
        ] {
            assert_eq!(quoted_for(word, "'\\''"), shown);
        }
    }

    /// By `about_Quoting_Rules` and `about_Parsing`: a single quote is doubled within single quotes, in which nothing else is
    /// read; within double quotes `$` and the backquote are; a comma makes a list, and `@` begins one.
    #[test]
    fn powershell_reads_the_same_words() {
        for (word, shown) in [
            ("it's", "'it''s'"),
            ("a $b", "'a $b'"),
            ("a`b", "'a`b'"),
            ("a,b", "'a,b'"),
            ("@{u}", "'@{u}'"),
            ("ada@example.org", "ada@example.org"),
            ("50% of it", "\"50% of it\""),
            ("stash@{0}", "'stash@{0}'"),
            ("C:\\Users\\A B", "'C:\\Users\\A B'"),
        ] {
            assert_eq!(quoted_for(word, "''"), shown);
        }
    }

    #[test]
    fn commands_are_joined_and_ask_for_words() {
        let line = CommandLine::git("add -A").and(CommandLine::git("commit").ask("-m", "WHAT CHANGED"));
        assert_eq!(line.to_string(), "git add -A && git commit -m \"WHAT CHANGED\"");
        let line = CommandLine::git("diff -z").pipe(CommandLine::new("xargs").word("-0"));
        assert_eq!(line.to_string(), "git diff -z | xargs -0");
    }
}
