//! All changes on one page that stands alone: no network, no script, no file beside it. Owns the page's shape; the words
//! are those of the other reports. Must not read a clock: the moment is an argument.

pub mod card;
pub mod markup;
pub mod state;

pub use state::State;

use chrono::{DateTime, Utc};

use crate::report::plot::{self, Strip};
use crate::report::{Keys, escape, values};
use crate::workflow::{Change, Step};

const STYLE: &str = include_str!("style.css");

/// A change on the page.
#[derive(Debug, Clone, PartialEq)]
pub struct Entry<'a> {
    pub change: &'a Change,
    pub step: Step,
    pub keys: Keys<'a>,
    /// Its samples, as far as its evidence is there.
    pub plots: Vec<Strip>,
    /// Paths of its evidence that is missing or altered.
    pub faults: Vec<String>,
}

/// What the page shows.
#[derive(Debug, Clone, PartialEq)]
pub struct Page<'a> {
    pub project: &'a str,
    pub now: DateTime<Utc>,
    /// The changes, in the order in which they are shown.
    pub entries: Vec<Entry<'a>>,
    /// What could not be read, in words.
    pub problems: Vec<String>,
}

/// The page as one HTML file. Filtering is done by the style alone, so that the page needs no script and its policy can
/// forbid all of them.
pub fn page(page: &Page<'_>) -> String {
    let title = format!("{}: changes", page.project);
    let cards: String = page.entries.iter().map(|entry| card::card(entry, page.now)).collect();
    let empty = if page.entries.is_empty() { "<p>There is no change yet.</p>" } else { "" };
    format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">\n\
         <meta name=\"viewport\" content=\"width=device-width,initial-scale=1\">\n\
         <meta name=\"referrer\" content=\"no-referrer\">\n<title>{}</title>\n<style>\n{STYLE}{}\n{}</style>\n</head>\n\
         <body>\n<h1>{}</h1>\n<p class=\"soft\">As of {}. {}</p>\n{}{}<main>\n{cards}{empty}</main>\n</body>\n</html>\n",
        escape::line(&title),
        plot::style(".plots "),
        filter_style(),
        escape::line(&title),
        values::moment(page.now),
        escape::line(&counts(page)),
        problems(page),
        filters(page),
    )
}

fn counts(page: &Page<'_>) -> String {
    let of = |wanted: State| page.entries.iter().filter(|entry| State::of(entry.change) == wanted).count();
    let all = values::count(page.entries.len() as u64, "change", "changes");
    let parts: Vec<String> = State::ALL
        .into_iter()
        .map(|state| (of(state), state.name()))
        .filter(|(n, _)| *n > 0)
        .map(|(n, name)| format!("{n} {name}"))
        .collect();
    if parts.is_empty() { all } else { format!("{all}: {}.", parts.join(", ")) }
}

fn problems(page: &Page<'_>) -> String {
    let items: String =
        page.problems.iter().map(|problem| format!("<li class=\"bad\">✗ {}</li>", escape::line(problem))).collect();
    if items.is_empty() { items } else { format!("<ul>{items}</ul>\n") }
}

/// A choice for each state that occurs. The inputs stand before the cards, so that the style can see which is chosen.
fn filters(page: &Page<'_>) -> String {
    let occurring: Vec<State> = State::ALL
        .into_iter()
        .filter(|state| page.entries.iter().any(|entry| State::of(entry.change) == *state))
        .collect();
    if occurring.len() < 2 {
        return String::new();
    }
    let names: Vec<(&str, &str)> =
        std::iter::once(("all", "all")).chain(occurring.iter().map(|state| (state.class(), state.name()))).collect();
    let input = |(class, name): &(&str, &str)| {
        let checked = if *class == "all" { " checked" } else { "" };
        format!("<input type=\"radio\" name=\"state\" id=\"show-{class}\"{checked} aria-label=\"show {name}\">")
    };
    let label = |(class, name): &(&str, &str)| format!("<label for=\"show-{class}\">{name}</label>");
    format!(
        "{}\n<div class=\"filters\">{}</div>\n",
        names.iter().map(input).collect::<String>(),
        names.iter().map(label).collect::<String>()
    )
}

/// The chosen choice stands out, and hides the cards of the others.
fn filter_style() -> String {
    let names = std::iter::once("all").chain(State::ALL.into_iter().map(State::class));
    let rules = |class: &str| {
        let label = format!("~.filters label[for=show-{class}]");
        let hides = match class {
            "all" => String::new(),
            class => format!("#show-{class}:checked~main article:not(.is-{class}){{display:none}}"),
        };
        format!(
            "#show-{class}:checked{label}{{background:var(--text);color:var(--page);border-color:var(--text)}}\
             #show-{class}:focus-visible{label}{{outline:2px solid var(--now);outline-offset:2px}}{hides}"
        )
    };
    names.map(rules).collect()
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
        Entry { change, step, keys: Keys::default(), plots, faults: Vec::new() }
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
