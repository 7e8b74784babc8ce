//! Text inside XML and HTML. Owns the escaping; must not know what is being written.

use crate::report::visible::{visible, visible_line};

/// Text for an element or a quoted attribute, on one line. Characters that XML 1.0 has no way to hold are shown.
pub(crate) fn line(text: &str) -> String {
    escaped(&visible_line(text))
}

/// Text for an element; line ends stay.
pub(crate) fn lines(text: &str) -> String {
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
    fn nothing_in_a_text_is_markup() {
        assert_eq!(
            line("<b a=\"x\" c='y'>&amp;\u{0}\u{FFFE}\n"),
            "&lt;b a=&quot;x&quot; c=&#39;y&#39;&gt;&amp;amp;\\u{0}\\u{fffe}"
        );
        assert_eq!(lines("a\n<b>"), "a\n&lt;b&gt;");
    }
}
