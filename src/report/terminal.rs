//! Renders text for a terminal, with or without colour and a limited width. Owns wrapping and alignment; colour only
//! repeats what words and symbols say.

use anstyle::{AnsiColor, Style};

use crate::report::visible::{char_width, visible, visible_line, width};
use crate::report::{Align, Block, Doc, Span, Table, Text, Tone, doc, doc::on_lines};

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Terminal {
    pub(crate) width: Option<usize>,
    pub(crate) color: bool,
}

const GAP: usize = 2;
/// Least width to which text is wrapped.
const MIN_COLUMN: usize = 8;
/// A non-breaking space, between a symbol and its word.
const TIE: char = '\u{a0}';

/// A character with its style; lines consist of these, so that wrapping never cuts an escape sequence.
type Glyph = (char, Style);

pub(crate) fn render(doc: &Doc, terminal: Terminal) -> String {
    doc.render(|block| terminal.block(block))
}

impl Terminal {
    fn block(self, block: &Block) -> String {
        match block {
            Block::Heading(_, text) => self.paint(&self.glyphs(text, Style::new().bold(), visible_line)),
            Block::Paragraph(text) => self.wrapped(text, "", 0),
            Block::List(items) => on_lines(items.iter().map(|item| self.wrapped(item, "- ", 2))),
            Block::Tasks(tasks) => on_lines(
                tasks.iter().map(|(done, text)| self.wrapped(text, if *done { "[x] " } else { "[ ] " }, "[ ] ".len())),
            ),
            Block::Table(table) => self.table(table),
            Block::Fields(fields) => self.fields(fields),
            Block::Code(text) => {
                on_lines(visible(text).trim_end_matches('\n').lines().map(|line| format!("    {line}")))
            }
            Block::Image { alt, target } => format!("{}: {}", visible_line(alt), visible_line(target)),
            Block::Html(_) => String::new(),
        }
    }

    /// Wraps a text, with `lead` before the first line and `indent` spaces before the others.
    fn wrapped(self, text: &Text, lead: &str, indent: usize) -> String {
        let room = self.width.map(|width| width.saturating_sub(indent).max(MIN_COLUMN));
        let lines = wrap(&self.glyphs(text, Style::new(), visible), room);
        let pad = " ".repeat(indent);
        let painted = lines.iter().enumerate();
        on_lines(painted.map(|(i, line)| format!("{}{}", if i == 0 { lead } else { &pad }, self.paint(line))))
    }

    fn fields(self, fields: &[(String, Text)]) -> String {
        let names: Vec<String> = fields.iter().map(|(name, _)| visible_line(name)).collect();
        let widest = names.iter().map(|name| width(name)).max().unwrap_or(0);
        on_lines(names.iter().zip(fields).map(|(name, (_, text))| {
            let pad = " ".repeat(widest - width(name) + GAP);
            let lead = format!("{}{pad}", self.paint(&styled(name, Style::new().dimmed())));
            self.wrapped(text, &lead, widest + GAP)
        }))
    }

    fn table(self, table: &Table) -> String {
        let heads: Vec<Vec<Glyph>> =
            table.columns.iter().map(|(name, _)| styled(&visible_line(name), Style::new().bold())).collect();
        let cell = |cell: &Text| self.glyphs(cell, Style::new(), visible);
        let rows: Vec<Vec<Vec<Glyph>>> = table.rows.iter().map(|cells| cells.iter().map(cell).collect()).collect();
        let all = || std::iter::once(&heads).chain(&rows);
        // The widest line of each column, and its longest word.
        let widest = |ends: fn(char) -> bool| -> Vec<usize> {
            let parts = |at: usize| all().flat_map(move |row| row[at].split(move |glyph| ends(glyph.0)));
            (0..heads.len()).map(|at| parts(at).map(columns).max().unwrap_or(0)).collect()
        };
        let (mut widths, least) = (widest(|c| c == '\n'), widest(|c| c == ' ' || c == '\n'));
        if !self.narrow(&mut widths, &least) {
            return self.stacked(&heads, &rows);
        }
        on_lines(all().map(|row| self.row(row, &widths, &table.columns)))
    }

    /// Narrows the widest columns until the table fits, but none below its longest word; returns whether it fits.
    fn narrow(self, widths: &mut [usize], least: &[usize]) -> bool {
        let Some(room) = self.width else { return true };
        let gaps = GAP * widths.len().saturating_sub(1);
        while widths.iter().sum::<usize>() + gaps > room {
            let free = widths.iter_mut().zip(least).filter(|(width, least)| **width > **least);
            let Some((widest, _)) = free.max_by_key(|(width, _)| **width) else { return false };
            *widest -= 1;
        }
        true
    }

    /// A table that does not fit, row by row: the first cell, and below it the others with the names of their columns.
    fn stacked(self, heads: &[Vec<Glyph>], rows: &[Vec<Vec<Glyph>>]) -> String {
        let room = self.width.unwrap_or(usize::MAX);
        let entry = |row: &Vec<Vec<Glyph>>| {
            let mut lines: Vec<String> = Vec::new();
            for (head, cell) in heads.iter().zip(row).filter(|(_, cell)| !cell.is_empty()) {
                let indent = if lines.is_empty() { 0 } else { GAP };
                let named = [head.as_slice(), &styled(" ", Style::new()), cell].concat();
                let cell = if indent == 0 || head.is_empty() { cell } else { &named };
                let wrapped = wrap(cell, Some(room.saturating_sub(indent)));
                lines.extend(wrapped.iter().map(|line| format!("{}{}", " ".repeat(indent), self.paint(line))));
            }
            lines.join("\n")
        };
        rows.iter().map(entry).collect::<Vec<_>>().join("\n\n")
    }

    fn row(self, cells: &[Vec<Glyph>], widths: &[usize], titles: &[(String, Align)]) -> String {
        let wrapped: Vec<Vec<Vec<Glyph>>> =
            cells.iter().zip(widths).map(|(cell, width)| wrap(cell, Some(*width))).collect();
        let height = wrapped.iter().map(Vec::len).max().unwrap_or(1);
        on_lines((0..height).map(|y| {
            let mut out = String::new();
            for (x, cell) in wrapped.iter().enumerate() {
                let line: &[Glyph] = cell.get(y).map_or(&[], Vec::as_slice);
                let pad = " ".repeat(widths[x].saturating_sub(columns(line)));
                let text = self.paint(line);
                out.push_str(if x == 0 { "" } else { "  " });
                out.push_str(&if titles[x].1 == Align::Right { pad + &text } else { text + &pad });
            }
            out.trim_end().to_owned()
        }))
    }

    /// The glyphs as text, with escape sequences around each run of a style if colour is enabled.
    fn paint(self, line: &[Glyph]) -> String {
        let mut out = String::new();
        for run in line.chunk_by(|a, b| a.1 == b.1) {
            let style = run[0].1;
            let text: String = run.iter().map(|glyph| if glyph.0 == TIE { ' ' } else { glyph.0 }).collect();
            if self.color && style != Style::new() {
                out.push_str(&format!("{style}{text}{style:#}"));
            } else {
                out.push_str(&text);
            }
        }
        out
    }

    fn glyphs(self, text: &Text, base: Style, shown: fn(&str) -> String) -> Vec<Glyph> {
        let code = base.fg_color(Some(AnsiColor::Cyan.into()));
        let piece = |span: &Span| match span {
            Span::Plain(text) => styled(&shown(text), base),
            Span::Code(text) => styled(&visible_line(text), code),
            Span::Strong(text) => styled(&shown(text), base.bold()),
            Span::Mark(tone, word) => {
                styled(&format!("{}{TIE}{}", tone.symbol(), visible_line(word)), tone_style(*tone))
            }
            Span::Link(path) => styled(&shown(path), base.underline()),
            Span::Bar(bar) => styled(&doc::characters(bar, self.bar_width()), base),
        };
        text.spans().iter().flat_map(piece).collect()
    }

    /// Width of bars, narrower on a narrow terminal to leave room for text.
    fn bar_width(self) -> usize {
        match self.width {
            Some(width) if width < 110 => 17,
            Some(width) if width < 130 => 21,
            _ => doc::WIDTH,
        }
    }
}

fn columns(line: &[Glyph]) -> usize {
    line.iter().map(|glyph| char_width(glyph.0)).sum()
}

fn styled(text: &str, style: Style) -> Vec<Glyph> {
    text.chars().map(|c| (c, style)).collect()
}

fn tone_style(tone: Tone) -> Style {
    let color = match tone {
        Tone::Good => AnsiColor::Green,
        Tone::Bad => AnsiColor::Red,
        Tone::Unsure => AnsiColor::Yellow,
        Tone::Broken => AnsiColor::Magenta,
        Tone::Now => AnsiColor::Cyan,
        Tone::Quiet => return Style::new().dimmed(),
    };
    Style::new().bold().fg_color(Some(color.into()))
}

/// Breaks text into lines of at most `room` columns, at spaces, or within a word that is longer than a line.
fn wrap(text: &[Glyph], room: Option<usize>) -> Vec<Vec<Glyph>> {
    let mut lines = Vec::new();
    for part in text.split(|glyph| glyph.0 == '\n') {
        match room {
            Some(room) if columns(part) > room => wrap_part(part, room.max(2), &mut lines),
            _ => lines.push(part.to_vec()),
        }
    }
    lines
}

fn wrap_part(part: &[Glyph], room: usize, lines: &mut Vec<Vec<Glyph>>) {
    let mut line: Vec<Glyph> = Vec::new();
    for word in part.split_inclusive(|glyph| glyph.0 == ' ') {
        let bare = word.strip_suffix(&[word[word.len() - 1]][..]).filter(|_| word[word.len() - 1].0 == ' ');
        let needed = columns(bare.unwrap_or(word));
        if !line.is_empty() && columns(&line) + needed > room {
            lines.push(trimmed(std::mem::take(&mut line)));
        }
        for glyph in word {
            if glyph.0 != ' ' && columns(&line) + char_width(glyph.0) > room {
                lines.push(trimmed(std::mem::take(&mut line)));
            }
            line.push(*glyph);
        }
    }
    lines.push(trimmed(line));
}

fn trimmed(mut line: Vec<Glyph>) -> Vec<Glyph> {
    while line.last().is_some_and(|glyph| glyph.0 == ' ') {
        line.pop();
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;
    fn sample() -> Doc {
        let rows = [
            [Text::new().code("timing.tests.wall"), Text::new().mark(Tone::Good, "pass"), Text::from("-12.0 %")],
            [Text::new().code("kpi.漢字"), Text::new().mark(Tone::Unsure, "inconclusive"), "+0.4 %".into()],
        ];
        let table = Table::new("llr", ["Metric", "Verdict", "Change"], rows);
        let mut doc = Doc::new();
        doc.heading(1, "A\u{1b}[2Jtitle");
        doc.table(table);
        doc.tasks([(true, "0 open".into()), (false, "1 contract".into())]);
        doc.field("class", "code");
        doc.field("id", "chg-1");
        doc.list(vec!["some words that are too long for one line of this width".into()]);
        doc
    }

    #[test]
    fn a_plain_document_has_no_escape_sequence_and_shows_those_of_the_user() {
        let text = render(&sample(), Terminal { width: Some(40), color: false });
        assert!(!text.contains('\u{1b}'));
        insta::assert_snapshot!(text, @r"
        A\u{1b}[2Jtitle

        timing.tests.wall
          Verdict ✓ pass
          Change -12.0 %

        kpi.漢字
          Verdict ? inconclusive
          Change +0.4 %

        [x] 0 open
        [ ] 1 contract

        class  code
        id     chg-1

        - some words that are too long for one
          line of this width
        ");
    }

    #[test]
    fn colour_adds_nothing_but_colour() {
        let plain = render(&sample(), Terminal { width: Some(60), color: false });
        let colored = render(&sample(), Terminal { width: Some(60), color: true });
        assert!(colored.contains("\u{1b}[1m\u{1b}[32m✓ pass\u{1b}[0m"), "{colored:?}");
        let stripped = anstream::adapter::strip_str(&colored).to_string();
        assert_eq!(stripped, plain);
    }

    #[test]
    fn no_line_is_wider_than_the_terminal_as_long_as_columns_can_shrink() {
        for width in 34..90 {
            let text = render(&sample(), Terminal { width: Some(width), color: false });
            let widest = text.lines().map(crate::report::visible::width).max().unwrap();
            assert!(widest <= width, "{widest} in {width}:\n{text}");
        }
    }

    #[test]
    fn a_table_without_room_is_stacked_and_no_word_is_cut() {
        let text = render(&sample(), Terminal { width: Some(34), color: false });
        assert!(text.contains("timing.tests.wall\n  Verdict ✓ pass\n  Change -12.0 %\n\nkpi.漢字\n"), "{text}");
    }

    #[test]
    fn a_word_longer_than_the_line_is_broken() {
        let mut doc = Doc::new();
        doc.paragraph("x".repeat(25));
        assert_eq!(render(&doc, Terminal { width: Some(10), color: false }), "xxxxxxxxxx\nxxxxxxxxxx\nxxxxx\n");
    }
}
