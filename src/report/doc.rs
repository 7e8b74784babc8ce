//! The view model of every answer: headings, paragraphs, lists, tables, fields, code, pictures, bars. It owns the
//! structure; renderers show all text literally, whatever it contains.

use crate::model::{Estimate, Outcome};
use crate::workflow::End;

/// The tone of a mark, shown as a symbol and, if enabled, by colour.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Tone {
    Good,
    Bad,
    Unsure,
    Broken,
    Now,
    Quiet,
}

impl Tone {
    /// One character with the same meaning as the colour.
    pub(crate) fn symbol(self) -> &'static str {
        match self {
            Self::Good => "✓",
            Self::Bad => "✗",
            Self::Unsure => "?",
            Self::Broken => "!",
            Self::Now => "▸",
            Self::Quiet => "·",
        }
    }
}

impl From<Outcome> for Tone {
    fn from(outcome: Outcome) -> Self {
        match outcome {
            Outcome::Pass => Self::Good,
            Outcome::Inconclusive => Self::Unsure,
            Outcome::Invalid => Self::Broken,
            Outcome::Fail => Self::Bad,
        }
    }
}

impl From<&End> for Tone {
    fn from(end: &End) -> Self {
        match end {
            End::Verified { .. } => Self::Good,
            End::Held { .. } => Self::Quiet,
            End::Rejected { .. } | End::RolledBack => Self::Bad,
        }
    }
}

/// An estimate with its interval, drawn with zero and a bound.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Bar {
    pub(crate) estimate: Estimate,
    pub(crate) bound: Option<f64>,
    pub(crate) axis: Axis,
    pub(crate) tone: Tone,
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Span {
    Plain(String),
    /// A name, path, command or value, shown verbatim.
    Code(String),
    Strong(String),
    /// A word with its tone, such as `✓ pass`.
    Mark(Tone, String),
    /// A link to a file of the project, by its path with `/` separators.
    Link(String),
    Bar(Bar),
}

#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Text(Vec<Span>);

impl Text {
    pub(crate) fn new() -> Self {
        Self::default()
    }

    /// Parses a sentence with names in backticks.
    pub(crate) fn sentence(text: &str) -> Self {
        let part = |(i, part): (usize, &str)| {
            if i % 2 == 0 { Span::Plain(part.to_owned()) } else { Span::Code(part.to_owned()) }
        };
        Self(text.split('`').enumerate().filter(|(_, part)| !part.is_empty()).map(part).collect())
    }

    pub(crate) fn plain(self, text: impl Into<String>) -> Self {
        self.with(Span::Plain(text.into()))
    }

    pub(crate) fn code(self, text: impl Into<String>) -> Self {
        self.with(Span::Code(text.into()))
    }

    pub(crate) fn strong(self, text: impl Into<String>) -> Self {
        self.with(Span::Strong(text.into()))
    }

    pub(crate) fn mark(self, tone: Tone, word: impl Into<String>) -> Self {
        self.with(Span::Mark(tone, word.into()))
    }

    pub(crate) fn link(self, path: impl Into<String>) -> Self {
        self.with(Span::Link(path.into()))
    }

    pub(crate) fn text(mut self, other: Self) -> Self {
        self.0.extend(other.0);
        self
    }

    pub(crate) fn spans(&self) -> &[Span] {
        &self.0
    }

    pub(crate) fn words(&self) -> String {
        let word = |span: &Span| match span {
            Span::Plain(text) | Span::Code(text) | Span::Strong(text) | Span::Mark(_, text) | Span::Link(text) => {
                text.clone()
            }
            Span::Bar(_) => String::new(),
        };
        self.0.iter().map(word).collect()
    }

    fn with(mut self, span: Span) -> Self {
        self.0.push(span);
        self
    }
}

impl From<&str> for Text {
    fn from(text: &str) -> Self {
        Self::new().plain(text)
    }
}

impl From<String> for Text {
    fn from(text: String) -> Self {
        Self::new().plain(text)
    }
}

impl From<Bar> for Text {
    fn from(bar: Bar) -> Self {
        Self::new().with(Span::Bar(bar))
    }
}

impl From<Outcome> for Text {
    fn from(outcome: Outcome) -> Self {
        mark(outcome.into(), outcome.name())
    }
}

/// The text, or a dash if there is none.
impl From<Option<String>> for Text {
    fn from(text: Option<String>) -> Self {
        text.map_or_else(|| Self::from("–"), Self::from)
    }
}

pub(crate) fn code(text: impl Into<String>) -> Text {
    Text::new().code(text)
}

/// Several names as code, separated by commas.
pub(crate) fn codes<'a>(names: impl IntoIterator<Item = &'a str>) -> Text {
    let names = names.into_iter().enumerate();
    names.fold(Text::new(), |text, (i, name)| if i == 0 { text.code(name) } else { text.plain(", ").code(name) })
}

pub(crate) fn mark(tone: Tone, word: impl Into<String>) -> Text {
    Text::new().mark(tone, word)
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Align {
    Left,
    Right,
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Table {
    pub(crate) columns: Vec<(String, Align)>,
    pub(crate) rows: Vec<Vec<Text>>,
}

impl Table {
    /// `aligns` has a letter per column, as in LaTeX: `l` or `r`. Missing cells at the end of a row are empty.
    pub(crate) fn new<const N: usize, Row: IntoIterator<Item = Text>>(
        aligns: &str,
        titles: [&str; N],
        rows: impl IntoIterator<Item = Row>,
    ) -> Self {
        let align = |letter| if letter == 'r' { Align::Right } else { Align::Left };
        let aligns = aligns.chars().map(align).chain(std::iter::repeat(Align::Left));
        let cells = |row: Row| row.into_iter().chain(std::iter::repeat_with(Text::new)).take(N).collect();
        Self {
            columns: titles.map(str::to_owned).into_iter().zip(aligns).collect(),
            rows: rows.into_iter().map(cells).collect(),
        }
    }
}

/// Level 1 is the highest heading. Raw HTML is only rendered on the page.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Block {
    Heading(u8, Text),
    Paragraph(Text),
    List(Vec<Text>),
    Tasks(Vec<(bool, Text)>),
    Table(Table),
    Fields(Vec<(String, Text)>),
    Code(String),
    Image { alt: String, target: String },
    Html(String),
}

#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Doc {
    blocks: Vec<Block>,
}

impl Doc {
    pub(crate) fn new() -> Self {
        Self::default()
    }

    pub(crate) fn blocks(&self) -> &[Block] {
        &self.blocks
    }

    /// Renders the document with a function for blocks; the text ends in one newline, and is empty for an empty
    /// document.
    pub(crate) fn render(&self, block: impl Fn(&Block) -> String) -> String {
        let blocks: Vec<String> = self.blocks.iter().map(block).filter(|text| !text.is_empty()).collect();
        if blocks.is_empty() { String::new() } else { blocks.join("\n\n") + "\n" }
    }

    pub(crate) fn heading(&mut self, level: u8, text: impl Into<Text>) {
        self.blocks.push(Block::Heading(level, text.into()));
    }

    /// Adds a heading and what `body` adds below it; nothing if that is nothing.
    pub(crate) fn section(&mut self, level: u8, title: &str, body: impl FnOnce(&mut Self)) {
        let mut below = Self::new();
        body(&mut below);
        if !below.blocks.is_empty() {
            self.heading(level, title);
            self.append(below);
        }
    }

    pub(crate) fn paragraph(&mut self, text: impl Into<Text>) {
        self.blocks.push(Block::Paragraph(text.into()));
    }

    /// Adds a list, unless it is empty.
    pub(crate) fn list(&mut self, items: impl IntoIterator<Item = Text>) {
        let items: Vec<Text> = items.into_iter().collect();
        if !items.is_empty() {
            self.blocks.push(Block::List(items));
        }
    }

    pub(crate) fn tasks(&mut self, tasks: impl IntoIterator<Item = (bool, Text)>) {
        self.blocks.push(Block::Tasks(tasks.into_iter().collect()));
    }

    /// Adds a table, unless it has no rows.
    pub(crate) fn table(&mut self, table: Table) {
        if !table.rows.is_empty() {
            self.blocks.push(Block::Table(table));
        }
    }

    /// Adds a table, or a paragraph with `none` if it has no rows.
    pub(crate) fn table_or(&mut self, table: Table, none: &str) {
        if table.rows.is_empty() { self.paragraph(none) } else { self.table(table) }
    }

    /// Adds a field, to the preceding fields if there are any.
    pub(crate) fn field(&mut self, name: &str, value: impl Into<Text>) {
        let field = (name.to_owned(), value.into());
        if let Some(Block::Fields(fields)) = self.blocks.last_mut() {
            fields.push(field);
        } else {
            self.blocks.push(Block::Fields(vec![field]));
        }
    }

    pub(crate) fn code(&mut self, text: impl Into<String>) {
        self.blocks.push(Block::Code(text.into()));
    }

    pub(crate) fn image(&mut self, alt: impl Into<String>, target: impl Into<String>) {
        self.blocks.push(Block::Image { alt: alt.into(), target: target.into() });
    }

    pub(crate) fn html(&mut self, html: String) {
        self.blocks.push(Block::Html(html));
    }

    pub(crate) fn append(&mut self, other: Self) {
        self.blocks.extend(other.blocks);
    }
}

pub(crate) fn on_lines(lines: impl Iterator<Item = String>) -> String {
    lines.collect::<Vec<_>>().join("\n")
}

/// Width of a bar in columns if there is room.
pub(crate) const WIDTH: usize = 31;

#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Axis {
    low: f64,
    high: f64,
}

impl Axis {
    /// An axis that includes zero and every value, with a margin at its ends.
    pub(crate) fn over(values: impl IntoIterator<Item = f64>) -> Self {
        let finite = values.into_iter().filter(|value| value.is_finite());
        let (low, high) = finite.fold((0.0_f64, 0.0_f64), |(low, high), value| (low.min(value), high.max(value)));
        let room = (high - low) * 0.05;
        if room > 0.0 { Self { low: low - room, high: high + room } } else { Self { low: -1.0, high: 1.0 } }
    }

    /// Position of a value on the axis, from 0 to 1.
    pub(crate) fn share(self, value: f64) -> f64 {
        ((value - self.low) / (self.high - self.low)).clamp(0.0, 1.0)
    }
    fn column(self, value: f64, width: usize) -> usize {
        let last = width.saturating_sub(1);
        ((self.share(value) * last as f64).round() as usize).min(last)
    }
}

/// Bars of estimates with their bounds, all on the same axis.
pub(crate) fn on_one_scale(drawn: Vec<Option<(Estimate, Option<f64>, Tone)>>) -> Vec<Option<Bar>> {
    let axis = Axis::over(
        drawn.iter().flatten().flat_map(|(estimate, bound, _)| [estimate.low, estimate.high].into_iter().chain(*bound)),
    );
    let bar = |(estimate, bound, tone)| Bar { estimate, bound, axis, tone };
    drawn.into_iter().map(|it| it.map(bar)).collect()
}

pub(crate) fn legend(has_bounds: bool) -> String {
    let bound = if has_bounds { ", ┊ bound" } else { "" };
    format!("In the bars: ● estimate, ├─┤ 95 % interval, │ no change{bound}.")
}

/// A bar of `width` columns: `····├──●──┤···│···┊··`.
pub(crate) fn characters(bar: &Bar, width: usize) -> String {
    let Bar { estimate, bound, axis, .. } = bar;
    let mut cells = vec!['·'; width];
    let mut put = |value: f64, c: char| {
        if let Some(cell) = cells.get_mut(axis.column(value, width)) {
            *cell = c;
        }
    };
    put(0.0, '│');
    if let Some(bound) = bound {
        put(*bound, '┊');
    }
    let (low, high) = (axis.column(estimate.low, width), axis.column(estimate.high, width));
    for (at, cell) in cells.iter_mut().enumerate().take(high + 1).skip(low) {
        *cell = match *cell {
            '│' => '┼',
            '┊' => '╪',
            _ if at == low => '├',
            _ if at == high => '┤',
            _ => '─',
        };
    }
    if let Some(cell) = cells.get_mut(axis.column(estimate.value, width)) {
        *cell = '●';
    }
    cells.into_iter().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn estimate(value: f64, low: f64, high: f64) -> Estimate {
        Estimate { value, low, high, confidence: 0.95 }
    }

    #[test]
    fn bars_show_the_interval_relative_to_zero_and_the_bound() {
        let all = [
            (estimate(-0.12, -0.15, -0.09), Some(-0.05), Tone::Good),
            (estimate(0.01, -0.01, 0.03), Some(0.02), Tone::Unsure),
            (estimate(0.08, 0.08, 0.08), Some(0.05), Tone::Bad),
        ];
        let bars = on_one_scale(all.into_iter().map(Some).collect());
        let bars: Vec<String> = bars.iter().flatten().map(|bar| characters(bar, 31)).collect();
        assert!(bars.iter().all(|bar| bar.chars().count() == 31));
        insta::assert_snapshot!(bars.join("\n"), @r"
        ·├───●──┤····┊·····│···········
        ··················├┼●─╪┤·······
        ···················│·····┊···●·
        ");
    }

    #[test]
    fn bars_without_an_extent_are_drawn() {
        let none = |estimate| Bar { estimate, bound: None, axis: Axis::over([]), tone: Tone::Quiet };
        assert_eq!(characters(&none(estimate(0.0, 0.0, 0.0)), 7), "···●···");
        assert_eq!(characters(&none(estimate(0.0, 0.0, 0.0)), 0), "");
        assert_eq!(characters(&none(estimate(f64::NAN, 9.0, f64::INFINITY)), 3).chars().count(), 3);
    }
}
