//! The view model as HTML. Owns the escaping: text is shown as text. Must not choose what is said.

use crate::report::{Align, Block, Doc, Span, Table, Text, Tone, escape};

/// The document's blocks. Headings go down by `lower` levels, so that a section fits below its page's own.
pub fn render(doc: &Doc, lower: u8) -> String {
    doc.blocks().iter().map(|it| block(it, lower)).collect()
}

/// The class that a tone is styled by.
pub fn class(tone: Tone) -> &'static str {
    match tone {
        Tone::Good => "good",
        Tone::Bad => "bad",
        Tone::Unsure => "unsure",
        Tone::Broken => "broken",
        Tone::Now => "now",
        Tone::Quiet => "quiet",
    }
}

fn block(block: &Block, lower: u8) -> String {
    match block {
        Block::Heading(level, text) => {
            let level = (level + lower).min(6);
            format!("<h{level}>{}</h{level}>", inline(text))
        }
        Block::Paragraph(text) => format!("<p>{}</p>", inline(text)),
        Block::List(items) => {
            format!("<ul>{}</ul>", items.iter().map(|item| format!("<li>{}</li>", inline(item))).collect::<String>())
        }
        Block::Tasks(tasks) => {
            let item = |task: &crate::report::Task| {
                format!("<li>{} {}</li>", if task.done { "☑" } else { "☐" }, inline(&task.text))
            };
            format!("<ul class=\"tasks\">{}</ul>", tasks.iter().map(item).collect::<String>())
        }
        Block::Table(content) => table(content),
        Block::Fields(fields) => {
            let field = |(name, text): &(String, Text)| {
                format!("<div><dt>{}</dt><dd>{}</dd></div>", escape::line(name), inline(text))
            };
            format!("<dl>{}</dl>", fields.iter().map(field).collect::<String>())
        }
        Block::Code(text) => format!("<pre>{}</pre>", escape::lines(text.trim_end_matches('\n'))),
        // Pages embed their pictures themselves; a path would lead out of the page.
        Block::Image { alt, .. } => format!("<p>{}</p>", escape::line(alt)),
    }
}

/// Running text.
pub fn inline(text: &Text) -> String {
    text.spans().iter().map(one).collect()
}

fn one(span: &Span) -> String {
    match span {
        Span::Plain(text) => escape::lines(text).replace('\n', "<br>"),
        Span::Code(text) => format!("<code>{}</code>", escape::line(text)),
        Span::Strong(text) => format!("<b>{}</b>", escape::lines(text).replace('\n', "<br>")),
        Span::Mark(tone, word) => {
            format!("<span class=\"mark {}\">{} {}</span>", class(*tone), tone.symbol(), escape::line(word))
        }
        // The page stands alone and may be sent anywhere, so a path is shown and leads nowhere.
        Span::Link { text, .. } => format!("<code>{}</code>", escape::line(text)),
    }
}

/// A table that scrolls by itself where the page is too narrow.
pub fn table(table: &Table) -> String {
    let side = |align: Align| if align == Align::Right { " class=\"num\"" } else { "" };
    let heads: String = table
        .columns
        .iter()
        .map(|(name, align)| format!("<th scope=\"col\"{}>{}</th>", side(*align), escape::line(name)))
        .collect();
    let empty = Text::new();
    let row = |cells: &Vec<Text>| {
        let cell = |(i, (_, align)): (usize, &(String, Align))| {
            format!("<td{}>{}</td>", side(*align), inline(cells.get(i).unwrap_or(&empty)))
        };
        format!("<tr>{}</tr>", table.columns.iter().enumerate().map(cell).collect::<String>())
    };
    let rows: String = table.rows.iter().map(row).collect();
    format!("<div class=\"wide\"><table><thead><tr>{heads}</tr></thead><tbody>{rows}</tbody></table></div>")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::{fixture, logbook};

    #[test]
    fn a_hostile_section_holds_no_element_of_its_own() {
        let mut change = fixture::opened(fixture::HOSTILE, crate::model::Class::Code);
        let note = crate::model::Kind::Noted { text: "</main><img src=x onerror=alert(1)>".to_owned() };
        change.record(note, Some("<b>".to_owned()), fixture::at(2, 9));
        let html = render(&logbook::document(&change), 1);
        assert!(!html.contains("<script") && !html.contains("<img"), "{html}");
        assert!(html.contains("&lt;script&gt;alert(1)&lt;/script&gt;"), "{html}");
        assert!(html.contains("<h3>x | y<br># z"), "{html}");
    }
}
