//! Findings as JUnit XML, which most CI services show as tests: a finding that fails is a failed test, one that warns
//! a skipped one. Must not hold what XML 1.0 cannot.

use crate::audit::{Audit, Severity};
use crate::model::FixContext;
use crate::report::visible::visible_line;
use crate::report::{findings, problem};

/// The file.
pub(crate) fn render(audit: &Audit, ctx: &FixContext) -> String {
    let count = |level| audit.findings.iter().filter(|finding| finding.level == level).count();
    let (failures, skipped) = (count(Severity::Fail), count(Severity::Warn) + count(Severity::Info));
    // One test more for the check itself, so that a file without findings is not an empty one.
    let tests = audit.findings.len() + 1;
    let mut lines = vec![
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>".to_owned(),
        format!(
            "<testsuites name=\"vibeship-optimizer\" tests=\"{tests}\" failures=\"{failures}\" errors=\"0\" skipped=\"{skipped}\">"
        ),
        format!(
            "  <testsuite name=\"check\" tests=\"{tests}\" failures=\"{failures}\" errors=\"0\" skipped=\"{skipped}\">"
        ),
        format!("    <testcase classname=\"check\" name=\"{}\"/>", attribute(&findings::summary(audit))),
    ];
    for finding in &audit.findings {
        let found = finding.problem(ctx);
        let (code, name) = (attribute(&found.code), attribute(&problem::place(&found.subject)));
        lines.push(format!("    <testcase classname=\"{code}\" name=\"{name}\">"));
        let message = attribute(&visible_line(&found.message));
        let body = escape(&problem::lines(&found.fixes).join("\n"));
        lines.push(match finding.level {
            Severity::Fail => format!("      <failure type=\"{code}\" message=\"{message}\">{body}</failure>"),
            Severity::Warn | Severity::Info => format!("      <skipped message=\"{message}\"/>"),
        });
        lines.push("    </testcase>".to_owned());
    }
    lines.extend(["  </testsuite>".to_owned(), "</testsuites>".to_owned(), String::new()]);
    lines.join("\n")
}

fn attribute(text: &str) -> String {
    escape(text).replace('"', "&quot;").replace('\n', "&#10;")
}

/// Text without what means something in XML, or cannot be in it at all.
fn escape(text: &str) -> String {
    let allowed = |c: &char| matches!(c, '\t' | '\n') || (*c >= ' ' && !matches!(c, '\u{fffe}' | '\u{ffff}'));
    let clean: String = text.chars().filter(allowed).collect();
    clean.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audit::{CommitName, Finding, FindingKind};

    #[test]
    fn a_subject_cannot_break_the_file() {
        let commit = CommitName { id: "c".repeat(40), subject: "<b> & \"q\" ]]> \u{1}".to_owned() };
        let audit = Audit {
            findings: vec![Finding::fail(FindingKind::CommitWithoutId).of_commit(&commit)],
            ..Audit::default()
        };
        let text = render(&audit, &FixContext::default());
        assert!(text.contains("name=\"cccccccccc &lt;b&gt; &amp; &quot;q&quot; ]]&gt; \\u{1}\""), "{text}");
        assert!(text.contains("tests=\"2\" failures=\"1\""), "{text}");
        assert!(!text.contains('\u{1}'));
    }
}
