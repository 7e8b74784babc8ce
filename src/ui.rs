//! The terminal: the answer goes to standard output, everything else to standard error. Prints all but clap's usage
//! errors and the progress line; knows nothing about the content.

use std::io::{self, BufRead as _, IsTerminal as _, Write as _};

#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Ui {
    pub(crate) quiet: bool,
}

impl Ui {
    pub(crate) fn can_ask(&self) -> bool {
        io::stdin().is_terminal() && io::stderr().is_terminal()
    }

    pub(crate) fn answers_a_person(&self) -> bool {
        io::stdout().is_terminal()
    }

    pub(crate) fn may_draw_progress(&self) -> bool {
        io::stderr().is_terminal() && !self.quiet
    }

    /// Returns the width of the answer in columns: `COLUMNS` if set, else the width of the terminal.
    pub(crate) fn width(&self) -> usize {
        let from_env = std::env::var("COLUMNS").ok().and_then(|text| text.parse().ok()).filter(|columns| *columns > 0);
        let from_terminal = || terminal_size::terminal_size_of(io::stdout()).map(|(width, _)| usize::from(width.0));
        from_env.or_else(from_terminal).filter(|columns| *columns > 0).unwrap_or(100).clamp(30, 160)
    }

    /// Writes the answer to standard output, without colour codes if nobody can see them (no terminal, `NO_COLOR`). A
    /// broken pipe is not an error.
    pub(crate) fn answer(&self, text: &str) -> io::Result<()> {
        // Looking for colour codes takes long, and most answers have nothing that might be one.
        let is_plain = !text.bytes().any(|byte| byte.is_ascii_control() && !byte.is_ascii_whitespace());
        let mut out: Box<dyn io::Write> =
            if is_plain { Box::new(io::stdout().lock()) } else { Box::new(anstream::stdout().lock()) };
        let end = if text.ends_with('\n') { "" } else { "\n" };
        // The message says that the record stands: repeating the command would record twice.
        let not_written = |error: io::Error| {
            let what = "cannot write to standard output (everything recorded stays recorded)";
            io::Error::new(error.kind(), format!("{what}: {error}"))
        };
        let written = out.write_all(text.as_bytes()).and_then(|()| out.write_all(end.as_bytes()));
        match written.and_then(|()| out.flush()) {
            Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(not_written(error)),
            Ok(()) | Err(_) => Ok(()),
        }
    }

    /// Writes a status message, unless quiet or empty.
    pub(crate) fn status(&self, text: &str) {
        if !self.quiet && !text.is_empty() {
            self.tell(text);
        }
    }

    /// Warns of something that is probably not intended.
    pub(crate) fn warn(&self, text: &str) {
        self.tell(&format!("warning: {text}"));
    }

    pub(crate) fn error(&self, text: &str) {
        self.tell(&format!("error: {text}"));
    }

    /// Writes to standard error. A failure to do so has nowhere to be reported.
    pub(crate) fn tell(&self, text: &str) {
        let mut err = anstream::stderr().lock();
        let _ = writeln!(err, "{}", text.trim_end_matches('\n'));
    }

    /// Asks for one line; `None` at the end of input.
    pub(crate) fn ask(&self, question: &str) -> io::Result<Option<String>> {
        let mut err = anstream::stderr().lock();
        write!(err, "{question} ")?;
        err.flush()?;
        let mut line = String::new();
        let read = io::stdin().lock().read_line(&mut line)?;
        Ok((read > 0).then(|| line.trim().to_owned()))
    }
}
