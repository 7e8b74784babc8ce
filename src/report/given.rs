//! The command that was refused, once more with what it lacks: nothing that was typed is lost. Must not run anything.

use crate::report::invocation::{PROGRAM, shell_word};

/// The words of `given` for another try with the flags of `rest`, such as `--class code --parallel`; `None` where it is
/// no `change VERB`. A flag of `rest` takes the place of the same flag, but where it only stands for a person's words.
pub fn again(given: &[String], verb: &str, rest: &str) -> Option<String> {
    let mut words = of(given, verb)?.to_vec();
    for flag in rest.split("--").map(str::trim).filter(|flag| !flag.is_empty()) {
        let (name, value) = flag.split_once(' ').unwrap_or((flag, ""));
        let (name, joined) = (format!("--{name}"), format!("--{name}="));
        let at = words.iter().position(|word| *word == name || word.starts_with(&joined));
        if at.is_some() && value.starts_with('"') {
            continue;
        }
        if let Some(at) = at {
            let with_value = words[at] == name && !value.is_empty();
            words.drain(at..(at + 1 + usize::from(with_value)).min(words.len()));
        }
        words.push(name);
        words.extend((!value.is_empty()).then(|| value.trim_matches('"').to_owned()));
    }
    Some(line(&words))
}

/// The words of `given` with metrics of other names; `None` where it is no `change VERB`.
pub fn renamed<'a>(
    given: &[String],
    verb: &str,
    names: impl Iterator<Item = (&'a str, &'a str)> + Clone,
) -> Option<String> {
    let rename = |word: &String| names.clone().fold(word.clone(), |word, (old, new)| rename(&word, old, new));
    Some(line(&of(given, verb)?.iter().map(rename).collect::<Vec<_>>()))
}

fn of<'a>(given: &'a [String], verb: &str) -> Option<&'a [String]> {
    given.windows(2).any(|pair| pair[0] == "change" && pair[1] == verb).then_some(given)
}

/// Replaces `old` where it is the whole name of the metric that a criterion begins with.
fn rename(word: &str, old: &str, new: &str) -> String {
    let Some(at) = word.find(old) else { return word.to_owned() };
    let (before, after) = (&word[..at], &word[at + old.len()..]);
    let begins = before.trim().is_empty() || before.ends_with('=');
    let ends = after.is_empty() || after.starts_with([' ', '<', '>', '=', '!']);
    if begins && ends { format!("{before}{new}{after}") } else { word.to_owned() }
}

fn line(words: &[String]) -> String {
    let word = |word: &String| {
        let name = word.trim_start_matches('-');
        if shell_word(name) == name { word.clone() } else { shell_word(word) }
    };
    std::iter::once(PROGRAM.to_owned()).chain(words.iter().map(word)).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(text: &str) -> Vec<String> {
        text.split('|').map(str::to_owned).collect()
    }

    #[test]
    fn what_was_typed_stays_and_what_was_wrong_with_it_is_replaced() {
        let given = words("change|start|--title|less work|--class|emergency|--incident|fire|--expires=90d");
        assert_eq!(
            again(&given, "start", "--class emergency --incident \"WHAT HAPPENED\" --expires 7d").unwrap(),
            "vibeship-optimizer change start --title 'less work' --incident fire --class emergency --expires 7d"
        );
        assert_eq!(again(&words("snapshot"), "start", "--parallel"), None);
        let given = words(
            "change|contract|--kpi|timing.test.wall <= -1%|--guardrail=timing.tests.cpu<=1%|--x|a timing.test.wall",
        );
        let names = [("timing.test.wall", "timing.tests.wall"), ("timing.tests.c", "no")];
        assert_eq!(
            renamed(&given, "contract", names.into_iter()).unwrap(),
            "vibeship-optimizer change contract --kpi 'timing.tests.wall <= -1%' '--guardrail=timing.tests.cpu<=1%' --x \
             'a timing.test.wall'"
        );
    }
}
