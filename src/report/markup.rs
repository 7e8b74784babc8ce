//! The one view model of every report: headings, paragraphs, tables, lists, fields, code and marks. Owns the
//! structure; must not know any markup, nor what the text is about.
//!
//! All text is the reader's: a renderer shows it as text, whatever it holds. Structure comes from the model alone.

use crate::model::Outcome;

/// What a mark says, beside its word. Shown as a symbol and, where there is colour, by that too.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tone {
    Good,
    Bad,
    Unsure,
    Broken,
    Now,
    Quiet,
}

impl Tone {
    /// One character that says the same without colour.
    pub fn symbol(self) -> &'static str {
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

/// A piece of running text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Span {
    Plain(String),
    /// A name, path, command or value, shown as it is.
    Code(String),
    Strong(String),
    /// A word with its tone, such as `✓ pass`.
    Mark(Tone, String),
    /// A link to a file of the project, by its path with `/`.
    Link {
        text: String,
        target: String,
    },
}

/// Running text.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Text(Vec<Span>);

impl Text {
    pub fn new() -> Self {
        Self::default()
    }

    #[must_use]
    pub fn plain(self, text: impl Into<String>) -> Self {
        self.with(Span::Plain(text.into()))
    }

    #[must_use]
    pub fn code(self, text: impl Into<String>) -> Self {
        self.with(Span::Code(text.into()))
    }

    #[must_use]
    pub fn strong(self, text: impl Into<String>) -> Self {
        self.with(Span::Strong(text.into()))
    }

    #[must_use]
    pub fn mark(self, tone: Tone, word: impl Into<String>) -> Self {
        self.with(Span::Mark(tone, word.into()))
    }

    #[must_use]
    pub fn link(self, text: impl Into<String>, target: impl Into<String>) -> Self {
        self.with(Span::Link { text: text.into(), target: target.into() })
    }

    #[must_use]
    pub fn text(mut self, other: Self) -> Self {
        self.0.extend(other.0);
        self
    }

    pub fn spans(&self) -> &[Span] {
        &self.0
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
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

/// On which side a column's cells stand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Align {
    Left,
    Right,
}

/// A table. Rows shorter than the heading are filled with empty cells; longer ones are cut.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Table {
    pub columns: Vec<(String, Align)>,
    pub rows: Vec<Vec<Text>>,
}

impl Table {
    /// A table with these columns and no row.
    pub fn new<const N: usize>(columns: [(&str, Align); N]) -> Self {
        Self {
            columns: columns.into_iter().map(|(title, align)| (title.to_owned(), align)).collect(),
            rows: Vec::new(),
        }
    }

    /// Adds a row.
    pub fn row(&mut self, cells: impl IntoIterator<Item = Text>) {
        self.rows.push(cells.into_iter().collect());
    }
}

/// One item of a list of things to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Task {
    pub done: bool,
    pub text: Text,
}

/// A block of a document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Block {
    /// A heading; level 1 is the highest.
    Heading(u8, Text),
    Paragraph(Text),
    List(Vec<Text>),
    /// A list of things that are done or not.
    Tasks(Vec<Task>),
    Table(Table),
    Fields(Vec<(String, Text)>),
    Code(String),
    Image {
        alt: String,
        target: String,
    },
}

/// A document.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Doc {
    blocks: Vec<Block>,
}

impl Doc {
    /// An empty document.
    pub fn new() -> Self {
        Self::default()
    }

    /// Its blocks, in order.
    pub fn blocks(&self) -> &[Block] {
        &self.blocks
    }

    /// Adds a heading of a level from 1 to 6.
    pub fn heading(&mut self, level: u8, text: impl Into<Text>) {
        self.blocks.push(Block::Heading(level.clamp(1, 6), text.into()));
    }

    /// Adds a paragraph.
    pub fn paragraph(&mut self, text: impl Into<Text>) {
        self.blocks.push(Block::Paragraph(text.into()));
    }

    /// Adds a list, unless it is empty.
    pub fn list(&mut self, items: Vec<Text>) {
        if !items.is_empty() {
            self.blocks.push(Block::List(items));
        }
    }

    /// Adds a list of things to do, unless it is empty.
    pub fn tasks(&mut self, tasks: Vec<Task>) {
        if !tasks.is_empty() {
            self.blocks.push(Block::Tasks(tasks));
        }
    }

    /// Adds a table, unless it has no row.
    pub fn table(&mut self, table: Table) {
        if !table.rows.is_empty() {
            self.blocks.push(Block::Table(table));
        }
    }

    /// Adds names with their values, unless there are none.
    pub fn fields(&mut self, fields: Vec<(String, Text)>) {
        if !fields.is_empty() {
            self.blocks.push(Block::Fields(fields));
        }
    }

    /// Adds lines to be shown as they are.
    pub fn code(&mut self, text: impl Into<String>) {
        self.blocks.push(Block::Code(text.into()));
    }

    /// Adds an image.
    pub fn image(&mut self, alt: impl Into<String>, target: impl Into<String>) {
        self.blocks.push(Block::Image { alt: alt.into(), target: target.into() });
    }

    /// Adds all of `other`.
    pub fn append(&mut self, other: Self) {
        self.blocks.extend(other.blocks);
    }
}
