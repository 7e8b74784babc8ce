//! A command line that a user can copy and run. The only place that quotes arguments for the shell.

use std::fmt;

use serde::Serialize;

pub const PROGRAM: &str = "vibeship-optimizer";

/// A shell command line: one command, or several joined by `&&` or `|`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct CommandLine(String);

impl CommandLine {
    pub fn new(program: &str) -> Self {
        Self(quoted(program))
    }

    /// Wraps a line written by a user, unchanged.
    pub fn verbatim(line: impl Into<String>) -> Self {
        Self(line.into())
    }

    /// A command of this tool, such as `change list`; `subcommand` is split at white space.
    pub fn tool(subcommand: &str) -> Self {
        Self::new(PROGRAM).words(subcommand.split_whitespace())
    }

    pub fn git(subcommand: &str) -> Self {
        Self::new("git").words(subcommand.split_whitespace())
    }

    /// Appends one argument, quoted if the shell would interpret any of it.
    pub fn word(self, word: impl AsRef<str>) -> Self {
        Self(format!("{self} {}", quoted(word.as_ref())))
    }

    pub fn words(self, words: impl IntoIterator<Item = impl AsRef<str>>) -> Self {
        words.into_iter().fold(self, Self::word)
    }

    /// Appends a placeholder that the user replaces, such as `"WHY"`.
    pub fn placeholder(self, placeholder: &'static str) -> Self {
        Self(format!("{self} \"{placeholder}\""))
    }

    /// Appends a flag and a placeholder for its value.
    pub fn ask(self, flag: &str, placeholder: &'static str) -> Self {
        self.word(flag).placeholder(placeholder)
    }

    /// Runs `next` if this command succeeds.
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

/// Quotes one argument for a POSIX shell, or for PowerShell on Windows: bare if nothing in it is special to a shell, in
/// double quotes if those suffice, else in single quotes.
pub fn quoted(word: &str) -> String {
    quoted_for(word, if cfg!(windows) { "''" } else { "'\\''" })
}

/// `escaped` is the escape sequence of a single quote within single quotes.
fn quoted_for(word: &str, escaped: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "._-/+:=@%".contains(c);
    let readable = |c: char| plain(c) || " ,<>();#&|'".contains(c);
    let inner = |(at, c): (usize, char)| plain(c) || (at > 0 && c == '~');
    // A leading `=ls` is the path of ls to zsh, `~root` a home directory to every shell, and `@x` a splatted list to
    // PowerShell, which also reads `a,b` as two words.
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
    fn every_word_is_quoted_for_a_posix_shell() {
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

    /// From `about_Quoting_Rules` and `about_Parsing`: within single quotes only a doubled single quote is special;
    /// within double quotes `$` and the backquote are; a comma makes a list, and `@` begins one.
    #[test]
    fn every_word_is_quoted_for_powershell() {
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
    fn commands_are_joined_and_take_placeholders() {
        let line = CommandLine::git("add -A").and(CommandLine::git("commit").ask("-m", "WHAT CHANGED"));
        assert_eq!(line.to_string(), "git add -A && git commit -m \"WHAT CHANGED\"");
        let line = CommandLine::git("diff -z").pipe(CommandLine::new("xargs").word("-0"));
        assert_eq!(line.to_string(), "git diff -z | xargs -0");
    }
}
