//! The progress bar on standard error: only on a terminal, only when something takes more than a moment.

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::ui::Ui;

/// A bar that shows what is being measured.
pub(crate) struct Bar(ProgressBar);

impl Bar {
    /// A bar that draws nothing where nobody can see it.
    pub(crate) fn new(ui: &Ui) -> Self {
        let bar = ProgressBar::no_length();
        if !ui.may_draw_progress() {
            bar.set_draw_target(ProgressDrawTarget::hidden());
        }
        if let Ok(style) = ProgressStyle::with_template("{spinner} [{elapsed_precise}] {msg}") {
            bar.set_style(style);
        }
        Self(bar)
    }

    pub(crate) fn show(&mut self, step: &str) {
        self.0.set_message(step.to_owned());
    }

    /// Shows how many of at most so many pairs there are, and what they say so far.
    pub(crate) fn pairs(&mut self, made: usize, most: u32, said: &str) {
        if self.0.length() != Some(u64::from(most)) {
            self.0.set_length(u64::from(most));
            if let Ok(style) = ProgressStyle::with_template("{spinner} [{elapsed_precise}] {bar:20} {wide_msg}") {
                self.0.set_style(style);
            }
        }
        self.0.set_position(made as u64);
        self.show(said);
    }

    pub(crate) fn finish(&mut self) {
        self.0.finish_and_clear();
    }
}

/// What is left to do until the question is settled, and never more than is allowed.
pub(crate) fn left(more: Option<u32>, made: usize, most: u32) -> String {
    let allowed = most.saturating_sub(u32::try_from(made).unwrap_or(u32::MAX));
    match more {
        Some(0) | None => String::new(),
        Some(more) if more > allowed => ", hardly settled by then at this noise".to_owned(),
        Some(more) => format!(", settled after about {more} more at this noise"),
    }
}

impl Drop for Bar {
    fn drop(&mut self) {
        self.0.finish_and_clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_left_says_what_it_is_and_is_never_more_than_is_allowed() {
        assert_eq!(left(Some(3), 6, 10), ", settled after about 3 more at this noise");
        assert_eq!(left(Some(1804), 6, 10), ", hardly settled by then at this noise");
        assert_eq!([left(None, 6, 10), left(Some(0), 6, 10)], ["", ""]);
    }
}
