//! All changes on one page that stands alone: no network, no script, no file beside it. Owns the page's shape; what it
//! says of a change is a document as everywhere.

use chrono::{DateTime, Utc};

use crate::model::FixContext;
use crate::report::plot::{self, Strip};
use crate::report::visible::xml_line;
use crate::report::{Doc, Text, Tone, code, html, logbook, mark, pipeline, show, summary, values, verdict};
use crate::workflow::{Change, End, Step};

const STYLE: &str = include_str!("page.css");

/// The states by which the page is filtered, in the order in which they are offered.
const STATES: [&str; 6] = ["open", "monitoring", "verified", "held", "rejected", "rolled back"];

/// A change on the page.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Entry<'a> {
    pub(crate) change: &'a Change,
    pub(crate) step: Step,
    pub(crate) fixes: FixContext,
    /// Its samples, as far as its evidence is there.
    pub(crate) plots: Vec<Strip>,
    /// Paths of its evidence that is missing or altered.
    pub(crate) faults: Vec<String>,
}

impl Entry<'_> {
    /// Whether the change is open, or not confirmed to be rolled back.
    pub(crate) fn is_unfinished(&self) -> bool {
        self.change.is_open() || self.change.rollback.as_ref().is_some_and(|rollback| rollback.confirmed.is_none())
    }
}

/// What the page shows.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Page<'a> {
    pub(crate) project: &'a str,
    pub(crate) now: DateTime<Utc>,
    /// The changes, in the order in which they are shown.
    pub(crate) entries: Vec<Entry<'a>>,
    /// What could not be read, in words.
    pub(crate) problems: Vec<String>,
}

/// The state of a change, coarser than its status.
pub(crate) fn state(change: &Change) -> &'static str {
    match &change.end {
        Some(End::Verified { .. }) => "verified",
        Some(End::Held { .. }) => "held",
        Some(End::Rejected { .. }) => "rejected",
        Some(End::RolledBack) => "rolled back",
        None if change.fully_rolled_out_at().is_some() => "monitoring",
        None => "open",
    }
}

/// The page as one HTML file. Filtering is done by the style alone, so that the page needs no script and its policy can
/// forbid all of them.
pub(crate) fn page(page: &Page<'_>) -> String {
    let title = xml_line(&format!("{}: changes", page.project));
    let cards: String = page.entries.iter().map(|entry| card(entry, page.now)).collect();
    let empty = if page.entries.is_empty() { "<p>There is no change yet.</p>" } else { "" };
    let mut problems = Doc::new();
    problems.list(page.problems.iter().map(|problem| mark(Tone::Bad, problem.as_str())));
    format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">\n\
         <meta name=\"viewport\" content=\"width=device-width,initial-scale=1\">\n\
         <meta name=\"referrer\" content=\"no-referrer\">\n<title>{title}</title>\n<style>\n{STYLE}{}\n{}</style>\n\
         </head>\n<body>\n<h1>{title}</h1>\n<p class=\"soft\">As of {}. {}</p>\n{}\n{}<main>\n{cards}{empty}</main>\n\
         </body>\n</html>\n",
        plot::style(".plots "),
        filter_style(),
        values::moment(page.now),
        xml_line(&counts(page)),
        html::render(&problems, 0),
        filters(page),
    )
}

fn counts(page: &Page<'_>) -> String {
    let of = |wanted: &str| page.entries.iter().filter(|entry| state(entry.change) == wanted).count();
    let all = values::count(page.entries.len() as u64, "change", "changes");
    let parts = STATES.into_iter().map(|state| (of(state), state)).filter(|(n, _)| *n > 0);
    let parts: Vec<String> = parts.map(|(n, name)| format!("{n} {name}")).collect();
    if parts.is_empty() { all } else { format!("{all}: {}.", parts.join(", ")) }
}

/// A state's name in classes and ids.
fn class(state: &str) -> String {
    state.replace(' ', "-")
}

/// A choice for each state that occurs. The inputs stand before the cards, so that the style can see which is chosen.
fn filters(page: &Page<'_>) -> String {
    let occurs = |state: &&str| page.entries.iter().any(|entry| self::state(entry.change) == *state);
    let names: Vec<&str> = std::iter::once("all").chain(STATES.into_iter().filter(occurs)).collect();
    if names.len() < 3 {
        return String::new();
    }
    let input = |name: &&str| {
        let checked = if *name == "all" { " checked" } else { "" };
        let class = class(name);
        format!("<input type=\"radio\" name=\"state\" id=\"show-{class}\"{checked} aria-label=\"show {name}\">")
    };
    let label = |name: &&str| format!("<label for=\"show-{}\">{name}</label>", class(name));
    format!(
        "{}\n<div class=\"filters\">{}</div>\n",
        names.iter().map(input).collect::<String>(),
        names.iter().map(label).collect::<String>()
    )
}

/// The chosen choice stands out, and hides the cards of the others.
fn filter_style() -> String {
    let rules = |class: String| {
        let label = format!("~.filters label[for=show-{class}]");
        let hides = match class.as_str() {
            "all" => String::new(),
            class => format!("#show-{class}:checked~main article:not(.is-{class}){{display:none}}"),
        };
        format!(
            "#show-{class}:checked{label}{{background:var(--text);color:var(--page);border-color:var(--text)}}\
             #show-{class}:focus-visible{label}{{outline:2px solid var(--now);outline-offset:2px}}{hides}"
        )
    };
    std::iter::once("all").chain(STATES).map(class).map(rules).collect()
}

/// One change: title and state, and folded below it its gates, next step, verdicts, samples, days and whole record.
fn card(entry: &Entry<'_>, now: DateTime<Utc>) -> String {
    let change = entry.change;
    // What still needs somebody is unfolded.
    let open = if change.is_open() { " open" } else { "" };
    let (id, title) = (code(change.id().as_str()), Text::from(change.opened.title.as_str()));
    let opened = format!(" {}, opened {}", change.opened.class.name(), values::moment(change.opened_at));
    format!(
        "<article class=\"is-{}\"><details{open}><summary><h2>{}</h2>{}<small>{}</small></summary>\n\
         <div class=\"body\">{}<details class=\"more\"><summary>The whole record</summary>{}</details></div>\
         </details></article>\n",
        class(state(change)),
        html::inline(&title),
        html::inline(&logbook::status_mark(change)),
        html::inline(&id.plain(opened)),
        html::render(&body(entry, now), 1),
        html::render(&show::document(change), 1),
    )
}

fn body(entry: &Entry<'_>, now: DateTime<Utc>) -> Doc {
    let change = entry.change;
    let mut doc = Doc::new();
    doc.tiles(pipeline::tiles(change));
    if entry.is_unfinished() {
        summary::next(&mut doc, entry);
    }
    summary::faults(&mut doc, entry);
    if let Some(comparison) = &change.comparison {
        doc.heading(2, "Verdicts");
        let rows = verdict::rows(&comparison.verdicts);
        let is_drawn = rows.iter().any(verdict::Row::is_drawn);
        doc.table(verdict::drawn_table(rows));
        if is_drawn {
            doc.paragraph("Point: estimate. Bar: 95 % interval. Line: no change. Broken line: bound.");
        }
    }
    if let Some(picture) = plot::inline(&entry.plots) {
        doc.heading(2, "Samples");
        doc.svg(picture);
    }
    let days = pipeline::day_tiles(change, now);
    if !days.is_empty() {
        doc.heading(2, "Monitored days");
        doc.tiles(days);
    }
    doc
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::judge::series;
    use crate::model::{Class, Kind};
    use crate::report::fixture;
    use crate::workflow::next;

    fn entry(change: &Change) -> Entry<'_> {
        let pairs = series::pair_metrics(&fixture::pairs(0.87, 24));
        let strip = |name: &str| {
            let series = pairs.get(&crate::model::MetricId::new(name))?;
            Strip::of_pairs(series.as_ref().ok()?)
        };
        let plots =
            if change.comparison.is_some() { strip("timing.tests.cpu").into_iter().collect() } else { Vec::new() };
        let step = next::next(change, &fixture::policy(), fixture::at(6, 12));
        Entry { change, step, fixes: FixContext::default(), plots, faults: Vec::new() }
    }

    fn whole(changes: &[Change]) -> String {
        page(&Page {
            project: "spark <b>",
            now: fixture::at(6, 12),
            entries: changes.iter().map(entry).collect(),
            problems: vec!["changes/x.json: <i>".to_owned()],
        })
    }

    fn changes() -> Vec<Change> {
        let mut hostile = fixture::opened(fixture::HOSTILE, Class::Code);
        hostile.record(Kind::Noted { text: "</article><script>1</script>".to_owned() }, None, fixture::at(2, 9));
        let mut rejected = fixture::passed(5);
        rejected.record(Kind::Rejected { reason: "slower at night".to_owned() }, None, fixture::at(3, 9));
        let mut verified = fixture::passed(7);
        verified.record(Kind::AlarmResolved { reason: "a deploy next door".to_owned() }, None, fixture::at(5, 12));
        verified.record(Kind::Verified { summary: "answers sooner".to_owned() }, None, fixture::at(8, 9));
        vec![fixture::passed(7), hostile, fixture::passed(5), rejected, verified]
    }

    #[test]
    fn the_page_stands_alone_and_runs_nothing() {
        let html = whole(&changes());
        assert!(html.contains("default-src 'none'"));
        for forbidden in ["<script", "http://", "https://", "src=", "href=", "@import", "url("] {
            let html = html.replace("http://www.w3.org/2000/svg", "");
            assert!(!html.contains(forbidden), "{forbidden}");
        }
        assert_eq!(html.matches("<article").count(), 5);
        assert_eq!(html.matches("</article>").count(), 5);
        assert!(html.contains("spark &lt;b&gt;: changes") && html.contains("changes/x.json: &lt;i&gt;"));
    }

    #[test]
    fn every_state_that_occurs_can_be_chosen() {
        let html = whole(&changes());
        for class in ["all", "open", "monitoring", "verified", "rejected"] {
            assert!(html.contains(&format!("id=\"show-{class}\"")), "{class}");
        }
        assert!(!html.contains("id=\"show-held\""));
        assert!(html.contains("#show-rejected:checked~main article:not(.is-rejected){display:none}"));
        assert!(html.contains("5 changes: 2 open, 1 monitoring, 1 verified, 1 rejected."), "{html}");
        assert!(!whole(&changes()[..1]).contains("show-all\""));
        assert!(whole(&[]).contains("There is no change yet."));
    }

    #[test]
    fn a_page_can_be_written_out_to_be_looked_at() {
        let Some(path) = option_env!("VIBESHIP_TEST_PAGE") else { return };
        #[expect(clippy::disallowed_methods, reason = "a test writes the page for a browser")]
        std::fs::write(path, whole(&changes())).unwrap();
    }
}
