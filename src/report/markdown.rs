//! Renders GitHub-flavoured markdown. Owns the escaping: text never becomes structure, a link, a mention or a comment.

use std::fmt::Write as _;

use crate::report::visible::{visible, visible_line};
use crate::report::{Align, Block, Doc, Span, Table, Text, doc, doc::on_lines};

pub(crate) fn render(doc: &Doc) -> String {
    doc.render(block)
}

fn block(block: &Block) -> String {
    match block {
        Block::Heading(level, text) => format!("{} {}", "#".repeat(usize::from(*level)), inline(text)),
        Block::Paragraph(text) => guarded(&inline(text)),
        Block::List(items) => on_lines(items.iter().map(|item| format!("- {}", guarded(&inline(item))))),
        Block::Tasks(tasks) => {
            on_lines(tasks.iter().map(|(done, text)| format!("- [{}] {}", if *done { 'x' } else { ' ' }, inline(text))))
        }
        Block::Table(content) => table(content),
        Block::Fields(fields) => on_lines(
            fields.iter().map(|(name, text)| format!("- **{}:** {}", escaped(&visible_line(name)), inline(text))),
        ),
        Block::Code(text) => fenced(text),
        Block::Image { alt, target } => format!("![{}]({})", escaped(&visible_line(alt)), url(target)),
        Block::Html(_) => String::new(),
    }
}

fn table(table: &Table) -> String {
    let rule = |align| if align == Align::Left { "---" } else { "---:" };
    let row = |cells: Vec<String>| format!("| {} |", cells.join(" | "));
    let head = [
        row(table.columns.iter().map(|(name, _)| escaped(&visible_line(name))).collect()),
        row(table.columns.iter().map(|(_, align)| rule(*align).to_owned()).collect()),
    ];
    on_lines(head.into_iter().chain(table.rows.iter().map(|cells| row(cells.iter().map(cell).collect()))))
}

/// Escapes `|` in code as well, which would end the cell.
fn cell(text: &Text) -> String {
    let shown = |span: &Span| match span {
        Span::Code(_) => one(span).replace('|', "\\|"),
        Span::Plain(_) | Span::Strong(_) | Span::Mark(..) | Span::Link(_) | Span::Bar(_) => one(span),
    };
    text.spans().iter().map(shown).collect()
}

fn inline(text: &Text) -> String {
    text.spans().iter().map(one).collect()
}

fn one(span: &Span) -> String {
    match span {
        Span::Plain(text) => escaped(&visible(text)),
        Span::Code(text) => code(&visible_line(text)),
        Span::Strong(text) => strong(text),
        Span::Mark(tone, word) => format!("{} {}", escaped(tone.symbol()), strong(word)),
        Span::Link(path) => format!("[{}]({})", escaped(&visible_line(path)), url(path)),
        Span::Bar(bar) => code(&doc::characters(bar, doc::WIDTH)),
    }
}

fn strong(text: &str) -> String {
    let text = visible_line(text);
    // Markdown does not recognize emphasis that begins or ends with white space.
    let inner = text.trim();
    if inner.is_empty() { String::new() } else { format!("**{}**", escaped(inner)) }
}

/// Escapes text so that it is shown literally. Newlines become `<br>`, so that no line can begin a block. `@name`
/// notifies nobody, and URLs do not become links, which GitHub would make of the escaped text.
fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 8);
    let mut before = ' ';
    for (at, c) in text.char_indices() {
        match c {
            '\\' | '`' | '*' | '_' | '[' | ']' | '<' | '>' | '|' | '#' | '~' | '$' | '&' => out.extend(['\\', c]),
            '\n' => out.push_str("<br>"),
            ':' if text[at..].starts_with("://") => out.push_str("\\:"),
            '.' if text.as_bytes()[..at].last_chunk().is_some_and(|it: &[u8; 3]| it.eq_ignore_ascii_case(b"www")) => {
                out.push_str("\\.");
            }
            '@' if !before.is_alphanumeric() => out.push_str("@<!-- -->"),
            c => out.push(c),
        }
        before = c;
    }
    out
}

/// Escapes the beginning of a block, so that it does not become a list, a rule or code.
fn guarded(text: &str) -> String {
    let text = text.trim_start_matches(' ');
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    match text.as_bytes().get(digits) {
        Some(b'.' | b')') if digits > 0 => format!("{}\\{}", &text[..digits], &text[digits..]),
        Some(b'-' | b'+' | b'=') if digits == 0 => format!("\\{text}"),
        _ => text.to_owned(),
    }
}

/// A code span with a fence that does not occur in the text.
fn code(text: &str) -> String {
    if text.trim().is_empty() {
        return String::new();
    }
    let fence = "`".repeat(longest_run(text) + 1);
    let pad = if text.starts_with(['`', ' ']) || text.ends_with(['`', ' ']) { " " } else { "" };
    format!("{fence}{pad}{text}{pad}{fence}")
}

fn fenced(text: &str) -> String {
    let text = visible(text);
    let fence = "`".repeat(longest_run(&text).max(2) + 1);
    format!("{fence}text\n{}\n{fence}", text.trim_end_matches('\n'))
}

fn longest_run(text: &str) -> usize {
    text.split(|c| c != '`').map(str::len).max().unwrap_or(0)
}

/// A path as a link target: everything that could end it is percent-encoded.
fn url(target: &str) -> String {
    target.bytes().fold(String::new(), |mut out, byte| {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'/' | b'-' | b'.' | b'_' | b'~' | b'#') {
            out.push(char::from(byte));
        } else {
            // Writing into a String cannot fail.
            let _ = write!(out, "%{byte:02X}");
        }
        out
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::Tone;

    fn paragraph(text: &str) -> String {
        let mut doc = Doc::new();
        doc.paragraph(text);
        render(&doc)
    }

    #[test]
    fn text_never_becomes_structure() {
        assert_eq!(paragraph("# no heading | no cell"), "\\# no heading \\| no cell\n");
        assert_eq!(paragraph("- no item"), "\\- no item\n");
        assert_eq!(paragraph("    no code"), "no code\n");
        assert_eq!(paragraph("12. no item"), "12\\. no item\n");
        assert_eq!(paragraph("=== ---"), "\\=== ---\n");
        assert_eq!(paragraph("a\n# b\r\n- c"), "a<br>\\# b<br>- c\n");
        assert_eq!(
            paragraph("<script>x</script> --> &lt; **b** [l](u) ~~s~~ $x$"),
            "\\<script\\>x\\</script\\> --\\> \\&lt; \\*\\*b\\*\\* \\[l\\](u) \\~\\~s\\~\\~ \\$x\\$\n"
        );
    }

    #[test]
    fn nobody_is_notified_and_addresses_stay_text() {
        assert_eq!(paragraph("thanks @octocat, mail me@example.org"), "thanks @<!-- -->octocat, mail me@example.org\n");
        assert_eq!(paragraph("https://x/a_b www.a_b.org"), "https\\://x/a\\_b www\\.a\\_b.org\n");
    }

    #[test]
    fn control_and_direction_characters_are_shown() {
        assert_eq!(paragraph("a\u{1b}[31mb\u{202e}"), "a\\\\u{1b}\\[31mb\\\\u{202e}\n");
    }

    #[test]
    fn code_holds_any_backticks_and_pipes() {
        assert_eq!(code("a|b"), "`a|b`");
        assert_eq!(code("`x`` y"), "``` `x`` y ```");
        assert_eq!(code("  "), "");
        let mut doc = Doc::new();
        doc.code("```\nnot the end\n```");
        assert_eq!(render(&doc), "````text\n```\nnot the end\n```\n````\n");
    }

    #[test]
    fn a_hostile_cell_stays_in_its_cell() {
        let rows =
            [vec![Text::new().code("a|b"), Text::from("x | y\n| z |")], vec![Text::new().mark(Tone::Bad, "fail")]];
        let table = Table::new("lr", ["Metric", "Value"], rows);
        let mut doc = Doc::new();
        doc.table(table);
        insta::assert_snapshot!(render(&doc), @r"
        | Metric | Value |
        | --- | ---: |
        | `a\|b` | x \| y<br>\| z \| |
        | ✗ **fail** |  |
        ");
    }

    #[test]
    fn every_block_has_its_form() {
        let mut doc = Doc::new();
        doc.heading(2, "Gates\n## x");
        doc.tasks([(true, "0 open".into()), (false, Text::new().plain("1 ").strong(" contract "))]);
        doc.field("Class", Text::new().code("code"));
        doc.list(vec!["+ a".into(), Text::new().link("a b[c](d).md")]);
        doc.list(Vec::new());
        doc.image("box plot", "x.svg");
        insta::assert_snapshot!(render(&doc), @r"
        ## Gates<br>\#\# x

        - [x] 0 open
        - [ ] 1 **contract**

        - **Class:** `code`

        - \+ a
        - [a b\[c\](d).md](a%20b%5Bc%5D%28d%29.md)

        ![box plot](x.svg)
        ");
    }

    proptest::proptest! {
        #[test]
        fn any_text_is_one_line_of_text(text in "[ -~\\n\\r\\t\u{1b}\u{202e}é]{0,60}") {
            let shown = paragraph(&text);
            proptest::prop_assert!(shown.matches('\n').count() <= 1);
            let bare = shown.replace("<br>", "").replace("<!-- -->", "");
            let mut escaped = false;
            for c in bare.chars() {
                proptest::prop_assert!(escaped || !matches!(c, '<' | '`' | '[' | '|' | '*' | '_' | '#'), "{}", bare);
                escaped = c == '\\' && !escaped;
            }
        }
    }

    #[test]
    fn samples_for_another_markdown_parser_can_be_written() {
        let Some(path) = option_env!("VIBESHIP_TEST_MARKDOWN") else { return };
        let alphabet: Vec<char> = "ab1.)-+=#>*_`~[]()<>!|\\&;:@/ \n$wx".chars().collect();
        let mut seed = 1_u64;
        let mut out = String::new();
        for _ in 0..20_000 {
            let mut text = String::new();
            for _ in 0..12 {
                seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                text.push(alphabet[(seed >> 33) as usize % alphabet.len()]);
            }
            if !text.trim().is_empty() {
                out.push_str(&format!("{text}\u{1}{}\0", paragraph(&text)));
            }
        }
        #[expect(clippy::disallowed_methods, reason = "a test writes samples for a parser")]
        std::fs::write(path, out).unwrap();
    }
}
