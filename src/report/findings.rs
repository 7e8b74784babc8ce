//! Audit findings in every format of `check`: text, JSON, markdown, GitHub annotations, JUnit XML.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::json;

use crate::audit::{Audit, Exempted, Finding, Severity};
use crate::model::text::{count, joined};
use crate::model::{Fix, FixContext, Problem};
use crate::report::visible::{visible_line, xml_line, xml_lines};
use crate::report::{Doc, Format, Table, Text, markdown, problem};

/// Up to this many findings are reported without counts by code.
const FEW: usize = 3;

pub(crate) const SCHEMA: &str = "vibeship_optimizer.check.v1";

/// `3 findings (2 fail, 1 warn) in 12 commits and 4 records`.
pub(crate) fn summary(audit: &Audit) -> String {
    let kinds = [Severity::Fail, Severity::Warn, Severity::Info].map(|level| (of_level(audit, level).count(), level));
    let kinds = kinds.iter().filter(|(n, _)| *n > 0).map(|(n, level)| format!("{n} {}", level.name()));
    let found = match audit.findings.len() as u64 {
        0 => "no problems found".to_owned(),
        all => format!("{} ({})", count(all, "finding", "findings"), joined(kinds)),
    };
    let looked = format!(
        "{} and {}",
        count(audit.commits as u64, "commit", "commits"),
        count(audit.records as u64, "record", "records")
    );
    let exempted = match audit.exempted.len() {
        0 => String::new(),
        exemptions => format!("; {} by the config", count(exemptions as u64, "exemption", "exemptions")),
    };
    match audit.commits + audit.records + audit.findings.len() {
        0 => format!("nothing to check: {looked}"),
        _ => format!("{found} in {looked}{exempted}"),
    }
}

fn of_level(audit: &Audit, level: Severity) -> impl Iterator<Item = &Finding> {
    audit.findings.iter().filter(move |finding| finding.level == level)
}

/// Renders the findings in the given format. `prefix` is the path of the project in the repository, ending in `/`.
pub(crate) fn render(format: Option<Format>, audit: &Audit, ctx: &FixContext, prefix: &str) -> String {
    match format {
        Some(Format::Json) => format!("{:#}", json!(answer(audit, ctx))),
        Some(Format::Markdown) => markdown::render(&document(audit, ctx)),
        Some(Format::Github) => github(audit, ctx, prefix),
        Some(Format::Junit) => junit(audit, ctx),
        Some(Format::Text | Format::Html) | None => text(audit, ctx),
    }
}

/// The number of findings by code, sorted by severity and frequency, and an empty line.
fn by_code(audit: &Audit) -> Vec<String> {
    let mut counts: BTreeMap<(Severity, String), usize> = BTreeMap::new();
    for finding in &audit.findings {
        *counts.entry((finding.level, finding.what.code())).or_default() += 1;
    }
    let mut counts: Vec<_> = counts.into_iter().collect();
    counts.sort_by_key(|((level, _), count)| std::cmp::Reverse((*level, *count)));
    let line = |((level, code), count): ((Severity, String), usize)| format!("{count:>5} {} {code}", level.name());
    counts.into_iter().map(line).chain([String::new()]).collect()
}

/// The text form, ending in a newline: a block per finding, the exemptions, the summary.
pub(crate) fn text(audit: &Audit, ctx: &FixContext) -> String {
    let mut lines = if audit.findings.len() > FEW { by_code(audit) } else { Vec::new() };
    let mut problems: Vec<Problem> = audit.findings.iter().map(|finding| finding.problem(ctx)).collect();
    // Fixes shared by consecutive findings are reported once, below the last of these.
    for at in 1..problems.len() {
        if problems[at - 1].fixes == problems[at].fixes {
            problems[at - 1].fixes.clear();
        }
    }
    lines.extend(problems.iter().flat_map(problem::block));
    for exempted in &audit.exempted {
        let subject = visible_line(&exempted.commit.subject);
        let reason = visible_line(&exempted.reason);
        lines.push(format!("exempt {} {subject}  ({reason})", short(&exempted.commit.id)));
    }
    lines.push(summary(audit) + "\n");
    lines.join("\n")
}

/// The JSON form.
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[derive(Serialize)]
pub(crate) struct CheckAnswer<'a> {
    schema: &'static str,
    /// Whether nothing fails.
    ok: bool,
    /// How many commits were looked at.
    commits: usize,
    records: usize,
    worst_level: Option<Severity>,
    findings: Vec<ReportedFinding<'a>>,
    /// Commits that needed no change by the config.
    exempted: &'a [Exempted],
}

/// A finding with its sentence and what to do about it.
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[derive(Serialize)]
struct ReportedFinding<'a> {
    #[serde(flatten)]
    finding: &'a Finding,
    message: String,
    /// The first of the fixes alone.
    #[serde(rename = "heal")]
    first_fix: Option<String>,
    fixes: Vec<Fix>,
}

fn answer<'a>(audit: &'a Audit, ctx: &FixContext) -> CheckAnswer<'a> {
    let reported = |finding: &'a Finding| {
        let found = finding.problem(ctx);
        let (message, first_fix) = (visible_line(&found.message), problem::first(&found.fixes));
        ReportedFinding { finding, message, first_fix, fixes: found.fixes }
    };
    CheckAnswer {
        schema: SCHEMA,
        ok: audit.passes(),
        commits: audit.commits,
        records: audit.records,
        worst_level: audit.worst(),
        findings: audit.findings.iter().map(reported).collect(),
        exempted: &audit.exempted,
    }
}

pub(crate) fn document(audit: &Audit, ctx: &FixContext) -> Doc {
    let verdict = if audit.passes() { "The check passes" } else { "The check fails" };
    let mut doc = Doc::new();
    doc.heading(2, format!("{verdict}: {}", summary(audit)));
    let rows = audit.findings.iter().map(|finding| {
        let found = finding.problem(ctx);
        let what = problem::with_steps(visible_line(&found.message).into(), &found.fixes);
        let (tone, code) = (problem::tone(finding.level), Text::new().code(found.code));
        let place = Text::from(problem::place(&found.subject));
        [Text::new().mark(tone, finding.level.name()), code, place, what]
    });
    doc.table(Table::new("llll", ["Level", "Code", "Where", "What"], rows));
    let exempted = audit.exempted.iter().map(|exempted| {
        let commit = Text::new().code(short(&exempted.commit.id));
        commit.plain(format!(" {}: {}", exempted.commit.subject, exempted.reason))
    });
    doc.section(3, "Exempt by the config", |doc| doc.list(exempted));
    doc
}

fn short(hash: &str) -> String {
    hash.get(..10).unwrap_or(hash).to_owned()
}

/// Annotations of one kind that GitHub shows for a step; it silently drops the rest.
const SHOWN: usize = 10;
/// Largest step summary in bytes; GitHub drops a larger one entirely.
const SUMMARY_LIMIT: usize = 1024 * 1024;

/// Workflow commands of GitHub Actions; findings beyond the limit go into the log.
fn github(audit: &Audit, ctx: &FixContext, prefix: &str) -> String {
    let mut lines = Vec::new();
    let mut beyond = 0;
    for (level, kind) in [(Severity::Fail, "error"), (Severity::Warn, "warning"), (Severity::Info, "notice")] {
        for (number, finding) in of_level(audit, level).enumerate() {
            let found = finding.problem(ctx);
            let sentence = format!("{}: {}", problem::place(&found.subject), visible_line(&found.message));
            let message = std::iter::once(sentence).chain(problem::lines(&found.fixes)).collect::<Vec<_>>().join("\n");
            if number < SHOWN {
                let file = finding.path.as_ref().map(|path| format!("file={},", property(&format!("{prefix}{path}"))));
                let title = property(&found.code);
                lines.push(format!("::{kind} {}title={title}::{}", file.unwrap_or_default(), data(&message)));
            } else {
                beyond += 1;
                // On one line, as GitHub reads every line that begins with two colons as a command.
                lines.push(format!("{} {}", found.code, message.replace('\n', " ")));
            }
        }
    }
    if beyond > 0 {
        lines.push(format!("{beyond} more above, and in the summary: GitHub shows {SHOWN} annotations of a kind"));
    }
    lines.push(summary(audit) + "\n");
    lines.join("\n")
}

/// Cuts a step summary to GitHub's limit, at the end of a line, with a note. `recorded_snapshot` bytes were already
/// written by other parts of the step. Returns an empty text if there is no room, so as not to lose theirs.
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

/// Escapes the message of a workflow command, after the second `::`.
fn data(text: &str) -> String {
    text.replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A")
}

fn property(text: &str) -> String {
    data(text).replace(':', "%3A").replace(',', "%2C")
}

/// JUnit XML, which most CI services show as tests: a failing finding is a failed test, others are skipped ones.
fn junit(audit: &Audit, ctx: &FixContext) -> String {
    let failures = of_level(audit, Severity::Fail).count();
    let skipped = audit.findings.len() - failures;
    // A passing check is reported as a test, so that a file without findings has at least one.
    let itself =
        audit.passes().then(|| format!("    <testcase classname=\"check\" name=\"{}\"/>\n", xml_line(&summary(audit))));
    let tests = audit.findings.len() + usize::from(itself.is_some());
    let totals = format!("tests=\"{tests}\" failures=\"{failures}\" errors=\"0\" skipped=\"{skipped}\"");
    let case = |finding: &Finding| {
        let found = finding.problem(ctx);
        let (code, message) = (xml_line(&found.code), xml_line(&found.message));
        let steps = xml_lines(&problem::lines(&found.fixes).join("\n"));
        let outcome = match finding.level {
            Severity::Fail => format!("<failure type=\"{code}\" message=\"{message}\">{steps}</failure>"),
            Severity::Warn | Severity::Info => format!("<skipped message=\"{message}\"/>"),
        };
        test_case(&code, &problem::place(&found.subject), &outcome)
    };
    suite(&totals, &itself.into_iter().chain(audit.findings.iter().map(case)).collect::<String>())
}

fn test_case(class: &str, name: &str, outcome: &str) -> String {
    let name = xml_line(name);
    format!("    <testcase classname=\"{class}\" name=\"{name}\">\n      {outcome}\n    </testcase>\n")
}

fn suite(totals: &str, cases: &str) -> String {
    format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites name=\"vibeship-optimizer\" {totals}>\n  \
         <testsuite name=\"check\" {totals}>\n{cases}  </testsuite>\n</testsuites>\n"
    )
}

/// The report of a check that failed with an error, in the formats for CI services.
pub(crate) fn trouble(format: Option<Format>, message: &str) -> Option<String> {
    match format {
        Some(Format::Github) => Some(format!("::error title=check::{}", data(message))),
        Some(Format::Junit) => {
            let (line, all) = (xml_line(message.lines().next().unwrap_or_default()), xml_lines(message));
            let case = test_case("check", "check", &format!("<error message=\"{line}\">{all}</error>"));
            Some(suite("tests=\"1\" failures=\"0\" errors=\"1\" skipped=\"0\"", &case))
        }
        Some(Format::Markdown) => {
            let quoted: Vec<String> = message.lines().map(|line| format!("    {line}\n")).collect();
            Some(format!("## The check cannot tell\n\n{}", quoted.concat()))
        }
        Some(Format::Json | Format::Text | Format::Html) | None => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audit::{CommitName, Finding, FindingKind};

    fn audit(count: usize) -> Audit {
        let commit = CommitName { id: "c".repeat(40), subject: "100% faster: a, b".to_owned() };
        let finding = Finding::fail(FindingKind::CommitWithoutId { newly_exempt: false, may_be_older: false })
            .of_commit(&commit)
            .at("src/a,b:c.rs");
        Audit { findings: vec![finding; count], commits: count, ..Audit::default() }
    }

    #[test]
    fn github_syntax_in_messages_is_escaped() {
        let text = github(&audit(1), &FixContext::default(), "sub/");
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
        let text = github(&audit(13), &FixContext::default(), "");
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
        // What other commands of the step wrote counts too.
        assert!(cut_summary(long, 1_000_000).len() <= SUMMARY_LIMIT - 1_000_000);
        assert_eq!(cut_summary("short\n".to_owned(), SUMMARY_LIMIT as u64), "");
    }

    #[test]
    fn a_subject_cannot_break_the_file() {
        let commit = CommitName { id: "c".repeat(40), subject: "<b> & \"q\" ]]> \u{1}".to_owned() };
        let audit = Audit {
            findings: vec![
                Finding::fail(FindingKind::CommitWithoutId { newly_exempt: false, may_be_older: false })
                    .of_commit(&commit),
            ],
            ..Audit::default()
        };
        let text = junit(&audit, &FixContext::default());
        assert!(text.contains("name=\"cccccccccc &lt;b&gt; &amp; &quot;q&quot; ]]&gt; \\u{1}\""), "{text}");
        assert!(text.contains("tests=\"1\" failures=\"1\""), "{text}");
        assert!(!text.contains('\u{1}'));
    }
}
