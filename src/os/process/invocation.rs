//! How a configured command line is started. A shell costs about as much as a small program and adds noise that would
//! hide a 2 % effect. So a line of plain words that names a program file is started directly, as the shell would do
//! with the same arguments. Everything else goes to `/bin/sh -c`, or `cmd` on Windows.

use std::ffi::OsString;

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Invocation {
    /// A shell line, which is started directly if the shell would add nothing.
    Shell(String),
    /// A program and its arguments; the program is looked up on `PATH`.
    Argv(Vec<OsString>),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Launch {
    Direct,
    Shell,
}

/// Words that a shell interprets itself: POSIX reserved words, special and regular built-ins, and extensions of common
/// shells. `true`, `echo` and others exist as files too, but may differ from the built-in.
const SHELL_WORDS: &str = "! . : [ [[ alias bg bind break builtin caller case cd chdir command compgen complete continue coproc \
    declare dirs disown do done echo elif else enable esac eval exec exit export false fc fg fi for function \
    getopts hash help history if in jobs kill let local logout mapfile popd print printf pushd pwd read \
    readarray readonly return select set shift shopt source suspend test then time times trap true type \
    typeset ulimit umask unalias unset until wait whence while";

/// The same for `cmd.exe`.
const CMD_WORDS: &str = "assoc break call cd chdir cls color copy date del dir dpath echo endlocal erase exit for ftype goto if \
    keys md mkdir mklink move path pause popd prompt pushd rd rem ren rename rmdir set setlocal shift start \
    time title type ver verify vol";

/// The words of a line that any shell would take literally; `None` if the line needs a shell.
pub(crate) fn plain_words(line: &str, windows: bool) -> Option<Vec<String>> {
    let literal = |c: char| {
        c.is_ascii_alphanumeric() || "_-./:+@".contains(c) || if windows { c == '\\' } else { "%,=".contains(c) }
    };
    let words: Vec<String> = line.split([' ', '\t']).filter(|word| !word.is_empty()).map(str::to_owned).collect();
    let program = words.first()?;
    let plain = words.iter().all(|word| word.chars().all(literal));
    // A leading `a=b` is an assignment; a slash in cmd's first word is an option.
    let plain = plain && !program.contains('=') && !(windows && program.contains('/'));
    let own = if windows { CMD_WORDS } else { SHELL_WORDS };
    let lower = program.to_ascii_lowercase();
    let name = if windows { lower.as_str() } else { program.as_str() };
    (plain && !own.split(' ').any(|word| word == name)).then_some(words)
}

/// Joins two commands that the shell runs in sequence, whether or not the first succeeds.
pub const AND_THEN: &str = if cfg!(windows) { " & " } else { " ; " };

/// Quotes words as a shell line; `None` if they cannot be quoted.
pub(crate) fn shell_line(words: &[String]) -> Option<String> {
    if !cfg!(windows) {
        return shlex::try_join(words.iter().map(String::as_str)).ok();
    }
    // `cmd` cannot escape a quote within quotes, and expands text between percent signs.
    let writable = words.iter().all(|word| !word.contains(['"', '%', '\n']));
    writable.then(|| words.iter().map(|word| format!("\"{word}\"")).collect::<Vec<_>>().join(" "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_words_need_no_shell() {
        let words = plain_words("  cargo test\t--features=a,b ./x:y ", false).unwrap();
        assert_eq!(words, ["cargo", "test", "--features=a,b", "./x:y"]);
    }

    #[test]
    fn whatever_the_shell_would_touch_goes_to_the_shell() {
        let lines = [
            "a | b", "a && b", "a; b", "a &", "a > f", "a $X", "a `b`", "a 'b'", "a \"b\"", "a \\b", "a *", "a ?",
            "a [b]", "~/a", "a ~", "a {b,c}", "(a)", "a # b", "X=1 a", "! a", "a\nb", "a\rb", "", " ", "é",
        ];
        for line in lines {
            assert_eq!(plain_words(line, false), None, "{line:?}");
        }
    }

    #[test]
    fn a_word_of_the_shell_itself_goes_to_the_shell() {
        for line in ["cd x", "exit 3", "test -f x", "echo x", "true", ". ./env", "time make"] {
            assert_eq!(plain_words(line, false), None, "{line:?}");
        }
        assert_eq!(plain_words("DIR", true), None);
        assert!(plain_words("/bin/true", false).is_some());
    }

    #[test]
    fn windows_has_its_own_characters() {
        assert!(plain_words(r"tools\run.exe -x", true).is_some());
        for line in ["a %X%", "a ^b", "a,b", "./a", "a=b"] {
            assert_eq!(plain_words(line, true), None, "{line:?}");
        }
    }
}
