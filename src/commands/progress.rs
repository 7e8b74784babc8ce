//! The progress bar on standard error: only on a terminal, only when something takes more than a moment.

use indicatif::ProgressBar;
use indicatif::ProgressDrawTarget;
use indicatif::ProgressStyle;

use crate::ui::Ui;

/// A bar that shows what is being measured.
pub struct Bar(ProgressBar);

impl Bar {
    /// A bar that draws nothing where nobody can see it.
    pub fn new(ui: &Ui) -> Self {
        let bar = ProgressBar::no_length();
        if !ui.may_draw_progress() {
            bar.set_draw_target(ProgressDrawTarget::hidden());
        }
        if let Ok(style) = ProgressStyle::with_template("{spinner} [{elapsed_precise}] {msg}") {
            bar.set_style(style);
        }
        Self(bar)
    }

    /// Shows what is being done now.
    pub fn show(&mut self, step: &str) {
        self.0.set_message(step.to_owned());
    }

    /// Takes the bar away.
    pub fn finish(&mut self) {
        self.0.finish_and_clear();
    }
}

impl Drop for Bar {
    fn drop(&mut self) {
        self.0.finish_and_clear();
    }
}
