//! The view model as HTML, without a link or a script. Owns the escaping: text is shown as text.

use crate::report::visible::{xml_line, xml_lines};
use crate::report::{Align, Bar, Block, Doc, Span, Table, Text, Tile, Tone, values};

/// The document's blocks. Headings go down by `lower` levels, so that a section fits below its page's own.
pub(crate) fn render(doc: &Doc, lower: u8) -> String {
    doc.blocks().iter().map(|it| block(it, lower)).collect()
}

fn class(tone: Tone) -> &'static str {
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
        Block::List(items) => format!("<ul>{}</ul>", all(items, |item| format!("<li>{}</li>", inline(item)))),
        Block::Tasks(tasks) => {
            let item =
                |(done, text): &(bool, Text)| format!("<li>{} {}</li>", if *done { "☑" } else { "☐" }, inline(text));
            format!("<ul class=\"tasks\">{}</ul>", all(tasks, item))
        }
        Block::Table(content) => table(content),
        Block::Fields(fields) => {
            let field = |(name, text): &(String, Text)| {
                format!("<div><dt>{}</dt><dd>{}</dd></div>", xml_line(name), inline(text))
            };
            format!("<dl>{}</dl>", all(fields, field))
        }
        Block::Code(text) => format!("<pre>{}</pre>", xml_lines(text.trim_end_matches('\n'))),
        Block::Tiles(tiles) => {
            let item = |Tile { tone, name, note }: &Tile| {
                let (class, symbol, name) = (class(*tone), tone.symbol(), xml_line(name));
                format!("<li class=\"{class}\">{symbol} {name}<small>{}</small></li>", xml_line(note))
            };
            format!("<ol class=\"tiles\">{}</ol>", all(tiles, item))
        }
        // Pages embed their pictures themselves; a path would lead out of the page.
        Block::Image { alt, .. } => format!("<p>{}</p>", xml_line(alt)),
        Block::Svg(picture) => format!("<div class=\"plots\">{picture}</div>"),
    }
}

fn all<T>(items: &[T], shown: impl Fn(&T) -> String) -> String {
    items.iter().map(shown).collect()
}

pub(crate) fn inline(text: &Text) -> String {
    all(text.spans(), |span| match span {
        Span::Plain(text) => xml_lines(text).replace('\n', "<br>"),
        Span::Code(text) => format!("<code>{}</code>", xml_line(text)),
        Span::Strong(text) => format!("<b>{}</b>", xml_lines(text).replace('\n', "<br>")),
        Span::Mark(tone, word) => {
            format!("<span class=\"mark {}\">{} {}</span>", class(*tone), tone.symbol(), xml_line(word))
        }
        // The page stands alone and may be sent anywhere, so a path is shown and leads nowhere.
        Span::Link(path) => format!("<code>{}</code>", xml_line(path)),
        Span::Bar(bar) => picture(bar),
    })
}

fn picture(Bar { estimate, bound, axis, tone }: &Bar) -> String {
    let x = |value: f64| format!("{:.1}", 4.0 + axis.share(value) * 232.0);
    let bound = bound.map_or_else(String::new, |it| format!("<path class=\"bound\" d=\"M{} 1V23\"/>", x(it)));
    format!(
        "<svg class=\"interval\" viewBox=\"0 0 240 24\" role=\"img\" aria-label=\"{}\">\
         <path class=\"g\" d=\"M0 12H240\"/><path class=\"a\" d=\"M{} 3V21\"/>{bound}\
         <g class=\"{}\"><path class=\"bar\" d=\"M{} 12H{}\"/><circle cx=\"{}\" cy=\"12\" r=\"5\"/></g></svg>",
        xml_line(&values::share_estimate(estimate)),
        x(0.0),
        class(*tone),
        x(estimate.low),
        x(estimate.high),
        x(estimate.value),
    )
}

/// A table that scrolls by itself where the page is too narrow.
fn table(table: &Table) -> String {
    let side = |align: Align| if align == Align::Right { " class=\"num\"" } else { "" };
    let heads =
        all(&table.columns, |(name, align)| format!("<th scope=\"col\"{}>{}</th>", side(*align), xml_line(name)));
    let rows = all(&table.rows, |cells| {
        let cell = |(text, (_, align)): (&Text, &(String, Align))| format!("<td{}>{}</td>", side(*align), inline(text));
        format!("<tr>{}</tr>", cells.iter().zip(&table.columns).map(cell).collect::<String>())
    });
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
