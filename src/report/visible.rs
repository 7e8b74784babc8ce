//! Makes characters visible that cannot be seen or change how others are displayed, before any markup; the width of
//! characters on a terminal; and escaping for XML and HTML.

use unicode_width::UnicodeWidthChar as _;

/// Escapes control and direction characters, such as `\u{1b}`; every line end, also CRLF, becomes `\n`, and a tab a
/// space.
pub(crate) fn visible(text: &str) -> String {
    if text.bytes().all(|byte| matches!(byte, b' '..=b'~' | b'\n')) {
        return text.to_owned();
    }
    let mut out = String::with_capacity(text.len());
    let mut rest = text.chars().peekable();
    while let Some(c) = rest.next() {
        match c {
            '\r' if rest.peek() == Some(&'\n') => {}
            '\n' | '\u{2028}' | '\u{2029}' => out.push('\n'),
            '\t' => out.push(' '),
            c if is_hidden(c) => out.extend(c.escape_unicode()),
            c => out.push(c),
        }
    }
    out
}

/// Like [`visible`], on one line: line ends become `⏎`.
pub(crate) fn visible_line(text: &str) -> String {
    visible(text.trim_matches(['\n', '\r'])).replace('\n', " ⏎ ")
}

/// Control characters, direction overrides (which can make a line look like another, CVE-2021-42574), and zero-width
/// characters that no script needs.
pub(crate) fn is_hidden(c: char) -> bool {
    c.is_control()
        || matches!(c,
            '\u{00AD}' | '\u{061C}' | '\u{115F}' | '\u{1160}' | '\u{180E}' | '\u{200B}' | '\u{200E}' | '\u{200F}' | '\u{202A}'..='\u{202E}' | '\u{2060}'..='\u{206F}'
            | '\u{2800}' | '\u{3164}' | '\u{FEFF}' | '\u{FFA0}' | '\u{FFF9}'..='\u{FFFB}' | '\u{E0000}'..='\u{E007F}')
}

pub(crate) fn width(text: &str) -> usize {
    text.chars().map(char_width).sum()
}

/// Width of a character on a terminal: 0 for combining marks, 2 for wide scripts and emoji.
pub(crate) fn char_width(c: char) -> usize {
    c.width().unwrap_or(0)
}

/// Escapes text for an element or a quoted attribute, on one line. Characters that XML 1.0 cannot contain are written
/// out.
pub(crate) fn xml_line(text: &str) -> String {
    escaped(&visible_line(text))
}

/// Escapes text for an element; keeps line ends.
pub(crate) fn xml_lines(text: &str) -> String {
    escaped(&visible(text))
}

fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 8);
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            '\u{FFFE}' | '\u{FFFF}' => out.extend(c.escape_unicode()),
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn invisible_characters_are_escaped() {
        assert_eq!(visible("a\u{1b}[31mb\u{202e}c\u{7}"), "a\\u{1b}[31mb\\u{202e}c\\u{7}");
        assert_eq!(visible("a\r\nb\rc\td"), "a\nb\\u{d}c d");
        assert_eq!(visible_line("one\ntwo\n"), "one ⏎ two");
        assert_eq!(visible("naïve 漢字 👩‍🚀"), "naïve 漢字 👩‍🚀");
    }

    #[test]
    fn wide_characters_take_two_columns_and_marks_none() {
        assert_eq!(width("ab"), 2);
        assert_eq!(width("漢字"), 4);
        assert_eq!(width("e\u{301}"), 1);
    }

    #[test]
    fn nothing_in_a_text_is_markup() {
        assert_eq!(
            xml_line("<b a=\"x\" c='y'>&amp;\u{0}\u{FFFE}\n"),
            "&lt;b a=&quot;x&quot; c=&#39;y&#39;&gt;&amp;amp;\\u{0}\\u{fffe}"
        );
        assert_eq!(xml_lines("a\n<b>"), "a\n&lt;b&gt;");
    }
}
