//! A command line as words, for commands that no shell runs. The rules are the same on every platform: white space
//! separates, single and double quotes keep together, a backslash is a character like any other.

/// A quote that is opened and never closed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the quote {0} is never closed")]
pub struct Unclosed(pub char);

/// The words of a command line.
pub fn split(line: &str) -> Result<Vec<String>, Unclosed> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut quote = None;
    for c in line.chars() {
        match quote {
            Some(open) if c == open => quote = None,
            None if c == '"' || c == '\'' => {
                quote = Some(c);
                word.get_or_insert_default();
            }
            None if c.is_whitespace() => words.extend(word.take()),
            _ => word.get_or_insert_default().push(c),
        }
    }
    if let Some(open) = quote {
        return Err(Unclosed(open));
    }
    words.extend(word);
    Ok(words)
}

/// A line that [`split`] takes apart into these words again; `None` where a word holds both kinds of quote.
pub fn join(words: &[String]) -> Option<String> {
    let quoted = |word: &String| {
        let plain = !word.is_empty() && !word.contains(|c: char| c.is_whitespace() || c == '"' || c == '\'');
        match (word.contains('"'), word.contains('\'')) {
            _ if plain => Some(word.clone()),
            (false, _) => Some(format!("\"{word}\"")),
            (true, false) => Some(format!("'{word}'")),
            (true, true) => None,
        }
    };
    Some(words.iter().map(quoted).collect::<Option<Vec<_>>>()?.join(" "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn joined_words_come_apart_again() {
        let words = ["C:\\a b\\x.exe", "", "it's", "say \"hi\"", "plain"].map(str::to_owned);
        assert_eq!(split(&join(&words).unwrap()).unwrap(), words);
        assert_eq!(join(&["\"'".to_owned()]), None);
    }

    #[test]
    fn quotes_keep_words_together_and_backslashes_stay() {
        assert_eq!(split(r#" a  "b c" d'e f'g "" C:\x\y "#).unwrap(), ["a", "b c", "de fg", "", r"C:\x\y"]);
        assert_eq!(split("a 'b").unwrap_err(), Unclosed('\''));
        assert_eq!(split("  ").unwrap(), Vec::<String>::new());
    }
}
