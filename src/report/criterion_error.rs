//! A criterion that could not be read, shown with a caret under the mistake. Owns the layout alone: what is wrong
//! is the error's to say.

use crate::model::CriterionError;
use crate::report::visible::{char_width, visible_line, width};

/// Three lines: what is wrong, the text, and a caret under the place.
pub(crate) fn message(error: &CriterionError) -> String {
    pointed(&error.text, error.column, &error.kind.to_string())
}

/// The same for anything that is wrong with a criterion at `column`, in characters from 0.
pub(crate) fn pointed(criterion: &str, column: usize, what: &str) -> String {
    let before: String = criterion.chars().take(column).collect();
    let text = visible_line(criterion);
    // What is made visible is wider than it was; the caret follows.
    let lead = width(&visible_line(&before)).min(width(&text));
    let at = criterion.chars().nth(column).map_or(1, char_width).max(1);
    format!("{what}\n  {text}\n  {}{}", " ".repeat(lead), "^".repeat(at))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Criterion;

    #[test]
    fn the_caret_stands_under_the_mistake() {
        let shown = |text: &str| message(&Criterion::parse(text).unwrap_err());
        insta::assert_snapshot!(shown("timing.漢.wall => 5"), @r#"
        "=>" is not an operator; use one of <= < >= > ==
          timing.漢.wall => 5
                         ^
        "#);
        insta::assert_snapshot!(shown("timing.tests.wall"), @r"
        no operator; use one of <= < >= > == between metric and bound
          timing.tests.wall
                           ^
        ");
        insta::assert_snapshot!(shown("a\u{1b}b <= 5"), @r"
        a metric's name cannot hold '\u{1b}'
          a\u{1b}b <= 5
           ^
        ");
        assert!(shown("").ends_with("\n  \n  ^"));
    }
}
