//! Parses text that users give: titles, reasons, criteria, durations. Decides what is acceptable, with a message if
//! not.

use chrono::{DateTime, Duration, NaiveDate, Utc};

use crate::error::{CommandError, Result, trouble};
use crate::model::scrub::{MASK, scrub, scrub_prose};
use crate::model::{CommandLine, Criterion, CriterionError, Fix, PLACEHOLDERS, Trigger};
use crate::report::visible::{char_width, is_hidden, visible_line, width};

/// The maximum length of a title in characters: it is one line in tables.
const MAX_TITLE: usize = 200;
/// The maximum length of any other text in characters: notes are read by people.
const MAX_TEXT: usize = 20_000;

pub(crate) fn title(text: &str) -> Result<String> {
    let text = text.trim();
    let count = text.chars().count();
    if text.is_empty() {
        return Err(
            trouble("the title is empty").hinted("give the hypothesis in a few words: --title \"cache parsed rules\"")
        );
    }
    if count > MAX_TITLE {
        return Err(trouble(format!("the title has {count} characters; at most {MAX_TITLE} are allowed"))
            .hinted("put the details into --hypothesis"));
    }
    line("the title", text)
}

pub(crate) fn line(what: &str, text: &str) -> Result<String> {
    let text = text.trim();
    if text.is_empty() || text.chars().count() > MAX_TITLE {
        let rule = format!("{what}: {text:?} is not one short line of text");
        return Err(trouble(rule));
    }
    if let Some(c) = text.chars().find(|c| is_hidden(*c)) {
        let rule = format!("{what} holds {}; it has to be one line of text", unseen(c));
        return Err(trouble(rule));
    }
    for_the_record(what, text.to_owned())
}

/// Free text of several lines, without control or invisible characters except line ends and tabs.
pub(crate) fn prose(what: &str, text: &str) -> Result<String> {
    let text = text.trim().replace("\r\n", "\n");
    let count = text.chars().count();
    if count > MAX_TEXT {
        return Err(trouble(format!("{what} has {count} characters; at most {MAX_TEXT} are allowed")));
    }
    if let Some(c) = text.chars().find(|c| is_hidden(*c) && !matches!(c, '\n' | '\t')) {
        return Err(trouble(format!("{what} holds {}; leave it out", unseen(c))));
    }
    for_the_record(what, text)
}

/// Refuses secrets and placeholders from a hint, which would say nothing in the record.
fn for_the_record(what: &str, text: String) -> Result<String> {
    no_secret(what, &text, &scrub_prose(&text), "leave it out, or name the variable that holds it")?;
    if PLACEHOLDERS.contains(&text.as_str()) {
        let error = trouble(format!("{what}: {text} only stands for your own words"));
        return Err(error.hinted("run it again with them in its place"));
    }
    Ok(text)
}

/// Refuses text with a token, a key or a URL's password: the record and the logbook are committed.
fn no_secret(what: &str, text: &str, masked: &str, instead: &str) -> Result<()> {
    if masked == text {
        return Ok(());
    }
    let shown: String = masked.chars().take(MAX_TITLE).collect();
    Err(trouble(format!("{what} holds what looks like a secret, where {MASK} stands here: {shown}"))
        .hinted(format!("it would be committed: {instead}")))
}

pub(crate) fn command(what: &str, text: &str) -> Result<String> {
    let text = required(what, text)?;
    no_secret(what, &text, &scrub(&text), "read it from a variable, such as $TOKEN, or put the command into a script")?;
    Ok(text)
}

/// Describes a character that cannot be seen or that changes how others are read.
fn unseen(c: char) -> String {
    let kind = if c.is_control() { "control" } else { "invisible" };
    format!("the {kind} character {c:?}")
}

pub(crate) fn required(what: &str, text: &str) -> Result<String> {
    let text = prose(what, text)?;
    if text.is_empty() { Err(trouble(format!("{what} is empty"))) } else { Ok(text) }
}

pub(crate) fn criterion(flag: &str, text: &str) -> Result<Criterion> {
    Criterion::typed(text).map_err(|error| pointed(flag, &error))
}

pub(crate) fn trigger(flag: &str, text: &str) -> Result<Trigger> {
    let text = required(flag, text)?;
    Trigger::typed(&text).map_err(|error| pointed(flag, &error))
}

fn pointed(flag: &str, error: &CriterionError) -> CommandError {
    trouble(format!("{flag}: {}", caret(&error.text, error.column, &error.kind.to_string())))
        .fixed_by([Fix::next("see how a criterion is written", CommandLine::tool("help criteria"))])
}

/// The message about a criterion with a problem at `column` (in characters from 0), the text, and a caret under the
/// place.
pub(crate) fn caret(criterion: &str, column: usize, what: &str) -> String {
    let before: String = criterion.chars().take(column).collect();
    let text = visible_line(criterion);
    // Escaped characters are wider than the originals; the caret follows.
    let lead = width(&visible_line(&before)).min(width(&text));
    let at = criterion.chars().nth(column).map_or(1, char_width).max(1);
    format!("{what}\n  {text}\n  {}{}", " ".repeat(lead), "^".repeat(at))
}

pub(crate) fn share(flag: &str, text: &str) -> Result<f64> {
    let (number, scale) = match text.trim().strip_suffix('%') {
        Some(percent) => (percent.trim(), 0.01),
        None => (text.trim(), 1.0),
    };
    match number.parse::<f64>() {
        // `1` could also mean 1 %.
        Ok(value) if (0.0..=1.0).contains(&(value * scale)) && (scale < 1.0 || value < 1.0) => Ok(value * scale),
        _ => Err(trouble(format!("{flag}: {text:?} is not a share between 0% and 100%, such as 2% or 0.02"))),
    }
}

/// Parses a time: RFC 3339, a date (the end of that day in UTC), or a duration from now such as `36h` or `3d`.
pub(crate) fn moment(flag: &str, text: &str, now: DateTime<Utc>) -> Result<DateTime<Utc>> {
    if let Ok(at) = DateTime::parse_from_rfc3339(text.trim()) {
        return Ok(at.to_utc());
    }
    if let Ok(day) = text.trim().parse::<NaiveDate>() {
        // A date stands for the whole day, in UTC.
        let end = day.succ_opt().and_then(|next| next.and_hms_opt(0, 0, 0)).map(|end| end.and_utc());
        return end.ok_or_else(|| trouble(format!("{flag}: {text:?} is too far in the future")));
    }
    let wrong = || {
        trouble(format!(
            "{flag}: {text:?} is neither a duration such as 36h or 3d, nor a date such as 2026-03-01, nor a moment such \
             as 2026-03-01T12:00:00Z"
        ))
    };
    let text = text.trim();
    let unit = text.chars().last().ok_or_else(wrong)?;
    let number: u32 = text[..text.len() - unit.len_utf8()].parse().map_err(|_| wrong())?;
    let length = match unit {
        'h' => Duration::hours(i64::from(number)),
        'd' => Duration::days(i64::from(number)),
        _ => return Err(wrong()),
    };
    now.checked_add_signed(length).ok_or_else(wrong)
}

#[cfg(test)]
mod tests {
    use chrono::TimeZone as _;

    use super::*;

    #[test]
    fn a_title_is_one_line_of_one_to_two_hundred_characters() {
        assert_eq!(title("  cache  ").unwrap(), "cache");
        for bad in ["", "   ", "a\nb", "a\u{1b}[31m", "a\u{202e}b", "a\u{200b}b", &"x".repeat(10_000)] {
            assert!(title(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn text_for_the_record_holds_no_secret() {
        let token = "ghp_0123456789abcdefghij";
        for wrong in [title(token).unwrap_err(), prose("--risk", &format!("a\n{token}")).unwrap_err()] {
            let wrong = format!("{wrong:?}");
            assert!(wrong.contains("looks like a secret") && !wrong.contains(token), "{wrong}");
        }
        prose("--risk", "the password: hashing may get slower; token=word").unwrap();
        assert!(command("--rollback", "deploy --token correcthorse").is_err());
        command("--rollback", "deploy --token $TOKEN && git revert <sha>").unwrap();
    }

    #[test]
    fn a_note_may_be_in_any_script_but_hides_nothing() {
        for good in ["a\n\tb", "日本語", "שלום", "👩\u{200d}💻"] {
            assert_eq!(prose("the note", good).unwrap(), good);
        }
        for bad in ["a\u{202e}b", "a\u{2066}b", "a\u{200b}b", "a\u{feff}b", "a\u{1b}b"] {
            assert!(prose("the note", bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn an_expiry_is_a_moment_or_a_duration_from_now() {
        let now = Utc.with_ymd_and_hms(2026, 3, 1, 12, 0, 0).unwrap();
        assert_eq!(moment("--expires", "36h", now).unwrap(), now + Duration::hours(36));
        assert_eq!(moment("--expires", "2026-03-01T14:00:00+01:00", now).unwrap(), now + Duration::hours(1));
        let end = Utc.with_ymd_and_hms(2026, 12, 31, 0, 0, 0).unwrap();
        assert_eq!(moment("--expires", "2026-12-30", now).unwrap(), end);
        for bad in ["", "2026-02-30", "h", "3w", "-3h", "99999999999d", "é"] {
            assert!(moment("--expires", bad, now).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn a_share_is_written_with_or_without_the_percent_sign() {
        assert_eq!(share("--min-effect", "2%").unwrap(), 0.02);
        assert_eq!(share("--min-effect", "0.02").unwrap(), 0.02);
        for bad in ["", "two", "-1%", "200%", "NaN", "inf"] {
            assert!(share("--min-effect", bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn the_caret_stands_under_the_mistake() {
        let shown = |text: &str| {
            let error = Criterion::parse(text).unwrap_err();
            caret(&error.text, error.column, &error.kind.to_string())
        };
        insta::assert_snapshot!(shown("timing.漢.wall => 5"), @r#"
        "=>" is not an operator; use one of <= < >= > ==
          timing.漢.wall => 5
                         ^
        "#);
        insta::assert_snapshot!(shown("timing.tests.wall"), @r"
        no operator; use one of <= < >= > == between metric and bound
          timing.tests.wall
                           ^
        ");
        insta::assert_snapshot!(shown("a\u{1b}b <= 5"), @r"
        a metric's name cannot hold '\u{1b}'
          a\u{1b}b <= 5
           ^
        ");
        assert!(shown("").ends_with("\n  \n  ^"));
    }
}
