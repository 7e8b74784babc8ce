//! Findings as workflow commands of GitHub Actions. Owns its escaping and its limits: it shows ten annotations of each
//! kind for a step and drops the rest without a word, so what is beyond that goes into the log and the summary.

use crate::audit::{Audit, Severity};
use crate::model::FixContext;
use crate::report::visible::visible_line;
use crate::report::{findings, problem};

/// Annotations of one kind that GitHub shows for a step.
pub(crate) const SHOWN: usize = 10;
/// Bytes of a step summary beyond which GitHub drops it whole.
pub(crate) const SUMMARY_LIMIT: usize = 1024 * 1024;

/// The lines to print. `prefix` leads from the repository's root to the project's, with a `/` at its end.
pub(crate) fn annotations(audit: &Audit, ctx: &FixContext, prefix: &str) -> String {
    let mut lines = Vec::new();
    let mut beyond = 0;
    for (level, kind) in [(Severity::Fail, "error"), (Severity::Warn, "warning"), (Severity::Info, "notice")] {
        let of_level = audit.findings.iter().filter(|finding| finding.level == level);
        for (number, finding) in of_level.enumerate() {
            let found = finding.problem(ctx);
            let sentence = format!("{}: {}", problem::place(&found.subject), visible_line(&found.message));
            let message = std::iter::once(sentence).chain(problem::lines(&found.fixes)).collect::<Vec<_>>().join("\n");
            if number < SHOWN {
                let file = finding.path.as_ref().map(|path| format!("file={},", property(&format!("{prefix}{path}"))));
                let title = property(&found.code);
                lines.push(format!("::{kind} {}title={title}::{}", file.unwrap_or_default(), data(&message)));
            } else {
                beyond += 1;
                // Plain lines: GitHub reads every line that begins with two colons as a command.
                lines.push(format!("{} {}", found.code, message.replace('\n', " ")));
            }
        }
    }
    if beyond > 0 {
        lines.push(format!("{beyond} more above, and in the summary: GitHub shows {SHOWN} annotations of a kind"));
    }
    lines.push(findings::summary(audit));
    let mut text = lines.join("\n");
    text.push('\n');
    text
}

/// Cuts a step summary to what GitHub takes, at a line's end, saying so. `taken` bytes were written by other parts of
/// the step already; what has no room at all is left out, so as not to lose theirs.
pub(crate) fn cut_summary(markdown: String, taken: u64) -> String {
    const NOTE: &str = "\n\n(cut: GitHub takes no more than 1 MiB)\n";
    let room = SUMMARY_LIMIT.saturating_sub(usize::try_from(taken).unwrap_or(usize::MAX));
    if markdown.len() <= room {
        return markdown;
    }
    if room <= NOTE.len() {
        return String::new();
    }
    let mut end = room - NOTE.len();
    while !markdown.is_char_boundary(end) {
        end -= 1;
    }
    let end = markdown[..end].rfind('\n').unwrap_or(end);
    format!("{}{NOTE}", &markdown[..end])
}

/// What follows the second `::`.
fn data(text: &str) -> String {
    text.replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A")
}

/// The value of a property.
fn property(text: &str) -> String {
    data(text).replace(':', "%3A").replace(',', "%2C")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audit::{CommitName, Finding, FindingKind};

    fn audit(count: usize) -> Audit {
        let commit = CommitName { id: "c".repeat(40), subject: "100% faster: a, b".to_owned() };
        let finding = Finding::fail(FindingKind::CommitWithoutId).of_commit(&commit).at("src/a,b:c.rs");
        Audit { findings: vec![finding; count], commits: count, ..Audit::default() }
    }

    #[test]
    fn what_github_would_take_for_syntax_is_escaped() {
        let text = annotations(&audit(1), &FixContext::default(), "sub/");
        let line = text.lines().next().unwrap();
        assert!(
            line.starts_with(
                "::error file=sub/src/a%2Cb%3Ac.rs,title=COMMIT_WITHOUT_ID::cccccccccc 100%25 faster: a, b"
            ),
            "{line}"
        );
        assert!(line.contains("%0Anext: vibeship-optimizer change relink cccccccccccc%0A"), "{line}");
    }

    #[test]
    fn no_more_annotations_than_github_shows() {
        let text = annotations(&audit(13), &FixContext::default(), "");
        assert_eq!(text.lines().filter(|line| line.starts_with("::error ")).count(), 10);
        assert_eq!(text.lines().filter(|line| line.starts_with("COMMIT_WITHOUT_ID ")).count(), 3);
        assert!(text.contains("3 more above"), "{text}");
    }

    #[test]
    fn a_summary_is_cut_below_the_limit() {
        let long = "äbcdefgh\n".repeat(200_000);
        let cut = cut_summary(long.clone(), 0);
        assert!(cut.len() <= SUMMARY_LIMIT && cut.ends_with("1 MiB)\n"));
        assert_eq!(cut_summary("short\n".to_owned(), 0), "short\n");
        // FindingKind other commands of the step wrote counts too.
        assert!(cut_summary(long, 1_000_000).len() <= SUMMARY_LIMIT - 1_000_000);
        assert_eq!(cut_summary("short\n".to_owned(), SUMMARY_LIMIT as u64), "");
    }
}
