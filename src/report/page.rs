//! All changes on a self-contained HTML page (no network, no script, no link, no other file), and a short form of it as
//! a document. Owns the HTML escaping.

use chrono::{DateTime, Utc};

use crate::model::{FixContext, text::joined};
use crate::report::{
    Align, Bar, Block, Doc, Span, StepView, Table, Text, Tone, code, logbook, mark, pipeline, plot, plot::Strip,
    problem, show, values, verdict, visible::visible_line, visible::xml_line, visible::xml_lines,
};
use crate::workflow::{Change, End, Step};

const STYLE: &str = include_str!("page.css");

/// The states by which the page can be filtered, in the order shown.
const STATES: [&str; 6] = ["open", "monitoring", "verified", "held", "rejected", "rolled back"];

#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Entry<'a> {
    pub(crate) change: &'a Change,
    pub(crate) step: Step,
    pub(crate) fixes: FixContext,
    /// Its samples, as far as its evidence exists.
    pub(crate) plots: Vec<Strip>,
    /// Paths of its evidence that is missing or altered.
    pub(crate) faults: Vec<String>,
}

impl Entry<'_> {
    /// Whether the change is open, or rolled back without confirmation.
    pub(crate) fn is_unfinished(&self) -> bool {
        self.change.is_open() || self.change.rollback.as_ref().is_some_and(|rollback| rollback.confirmed.is_none())
    }
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Page<'a> {
    pub(crate) project: &'a str,
    pub(crate) now: DateTime<Utc>,
    /// The changes, in the order shown.
    pub(crate) entries: Vec<Entry<'a>>,
    /// Messages about what could not be read.
    pub(crate) problems: Vec<(Tone, String)>,
}

/// The state of a change, one of [`STATES`].
pub(crate) fn state(change: &Change) -> &'static str {
    let going = if change.fully_rolled_out_at().is_some() { "monitoring" } else { "open" };
    change.end.as_ref().map_or(going, End::words)
}

/// Renders the page as one HTML file. CSS alone does the filtering, so that the content security policy can forbid all
/// scripts.
pub(crate) fn page(page: &Page<'_>) -> String {
    let title = xml_line(&format!("{}: changes", page.project));
    let cards: String = page.entries.iter().map(|entry| card(entry, page.now, page.entries.len() == 1)).collect();
    let empty = if page.entries.is_empty() { "<p>There is no change yet.</p>" } else { "" };
    let mut problems = Doc::new();
    problems.list(page.problems.iter().map(|(tone, text)| mark(*tone, text.as_str())));
    format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">\n\
         <meta name=\"viewport\" content=\"width=device-width,initial-scale=1\">\n\
         <meta name=\"referrer\" content=\"no-referrer\">\n<title>{title}</title>\n<style>\n{STYLE}</style>\n\
         </head>\n<body>\n<h1>{title}</h1>\n<p class=\"soft\">As of {}. {}</p>\n{}\n{}<main>\n{cards}{empty}</main>\n\
         </body>\n</html>\n",
        values::moment(page.now),
        xml_line(&counts(page)),
        html(&problems, 0),
        filters(page),
    )
}

fn counts(page: &Page<'_>) -> String {
    let of = |wanted: &str| page.entries.iter().filter(|entry| state(entry.change) == wanted).count();
    let all = values::count(page.entries.len() as u64, "change", "changes");
    let parts = STATES.into_iter().map(|state| (of(state), state)).filter(|(n, _)| *n > 0);
    if page.entries.is_empty() {
        all
    } else {
        format!("{all}: {}.", joined(parts.map(|(n, name)| format!("{n} {name}"))))
    }
}

/// A radio button for each state that occurs. The inputs precede the cards, so that CSS selectors can refer to them.
fn filters(page: &Page<'_>) -> String {
    let occurs = |state: &&str| page.entries.iter().any(|entry| self::state(entry.change) == *state);
    let names: Vec<&str> = std::iter::once("all").chain(STATES.into_iter().filter(occurs)).collect();
    if names.len() < 3 {
        return String::new();
    }
    let input = |name: &&str| {
        let checked = if *name == "all" { " checked" } else { "" };
        let class = name.replace(' ', "-");
        format!("<input type=\"radio\" name=\"state\" id=\"show-{class}\"{checked} aria-label=\"show {name}\">")
    };
    let label = |name: &&str| format!("<label for=\"show-{}\">{name}</label>", name.replace(' ', "-"));
    format!(
        "{}\n<div class=\"filters\">{}</div>\n",
        names.iter().map(input).collect::<String>(),
        names.iter().map(label).collect::<String>()
    )
}

/// One change: title and state, with gates, next step, verdicts, samples, days and the whole record in a folded
/// section.
fn card(entry: &Entry<'_>, now: DateTime<Utc>, is_alone: bool) -> String {
    let change = entry.change;
    // An open change is unfolded, and so is the only one.
    let open = if change.is_open() || is_alone { " open" } else { "" };
    let (id, title) = (code(change.id().as_str()), Text::from(change.opened.title.as_str()));
    let opened = format!(" {}, opened {}", change.opened.class.name(), values::moment(change.opened_at));
    format!(
        "<article class=\"is-{}\"><details{open}><summary><h2>{}</h2>{}<small>{}</small></summary>\n\
         <div class=\"body\">{}<details class=\"more\"><summary>The whole record</summary>{}</details></div>\
         </details></article>\n",
        state(change).replace(' ', "-"),
        inline(&title),
        inline(&logbook::status_mark(change)),
        inline(&id.plain(opened)),
        html(&body(entry, now), 1),
        html(&show::document(change), 1),
    )
}

fn body(entry: &Entry<'_>, now: DateTime<Utc>) -> Doc {
    let change = entry.change;
    let mut doc = Doc::new();
    doc.html(tiles(pipeline::tiles(change)));
    if entry.is_unfinished() {
        step(&mut doc, entry);
    }
    faults(&mut doc, entry);
    if let Some(comparison) = &change.comparison {
        doc.heading(2, "Verdicts");
        let rows = verdict::rows(&comparison.verdicts);
        let is_drawn = rows.iter().any(verdict::CriterionLine::is_drawn);
        doc.table(verdict::table(rows, true));
        if is_drawn {
            doc.paragraph("Point: estimate. Bar: 95 % interval. Line: no change. Broken line: bound.");
        }
    }
    if let Some(picture) = plot::svg(&entry.plots) {
        doc.heading(2, "Samples");
        doc.html(format!("<div class=\"plots\">{picture}</div>"));
        doc.list(entry.plots.iter().map(|strip| strip.medians().into()));
        doc.paragraph(
            "A median takes each side alone. The verdict's estimate is the middle of the ratios within pairs, so that what \
             slows both runs of a pair cancels out: where the two differ, trust the verdict.",
        );
    }
    let days = pipeline::day_tiles(change, now);
    if !days.is_empty() {
        doc.heading(2, "Monitored days");
        doc.html(tiles(days));
    }
    doc
}

/// A table of all changes, then each one that needs attention, with its gates, verdicts and next command.
pub(crate) fn document(page: &Page<'_>) -> Doc {
    let mut doc = Doc::new();
    doc.heading(1, format!("{}: changes", page.project));
    doc.paragraph(format!("As of {}.", values::moment(page.now)));
    doc.list(page.problems.iter().map(|(tone, text)| mark(*tone, text.as_str())));
    let rows = page.entries.iter().map(|Entry { change, .. }| {
        let outcome = change.comparison.as_ref().map(|comparison| comparison.verdicts.overall());
        let (id, title) = (code(change.id().as_str()), visible_line(&change.opened.title).into());
        let verdict = outcome.map_or_else(Text::new, Text::from);
        [id, title, logbook::status_mark(change), verdict, measured_days(change, page.now)]
    });
    let table = Table::new("lllll", ["Change", "Title", "State", "Verdict", "Days"], rows);
    doc.table_or(table, "There is no change yet.");
    for entry in page.entries.iter().filter(|entry| entry.is_unfinished() || !entry.faults.is_empty()) {
        one(&mut doc, entry);
    }
    doc
}

fn measured_days(change: &Change, now: DateTime<Utc>) -> Text {
    let days = pipeline::days(change, now);
    if days.is_empty() {
        return Text::new();
    }
    let of = |wanted: &str| days.iter().filter(|(.., word)| *word == wanted).count();
    let (measured, alarms, missed) = (of("measured"), of("alarm"), of("missed"));
    let text = Text::from(format!("{} measured", measured + alarms));
    let text = if missed > 0 { text.plain(format!(", {missed} missed")) } else { text };
    if alarms > 0 { text.plain(", ").mark(Tone::Bad, format!("{alarms} with an alarm")) } else { text }
}

fn one(doc: &mut Doc, entry: &Entry<'_>) {
    let change = entry.change;
    doc.heading(2, change.opened.title.as_str());
    doc.field("Change", code(change.id().as_str()).plain(format!(", {}", state(change))));
    doc.field("Gates", pipeline::line(change));
    if let Some(comparison) = &change.comparison {
        doc.table(verdict::table(verdict::rows(&comparison.verdicts), false));
    }
    faults(doc, entry);
    step(doc, entry);
}

fn faults(doc: &mut Doc, entry: &Entry<'_>) {
    doc.list(entry.faults.iter().map(|path| mark(Tone::Bad, "evidence").plain(format!(" {path}"))));
}

/// The next step, with each command in a block of its own below its purpose, so that it can be copied.
fn step(doc: &mut Doc, entry: &Entry<'_>) {
    let view = StepView::new(entry.change, &entry.step, &entry.fixes);
    doc.paragraph(Text::new().strong("Next:").plain(format!(" {}", view.text)));
    for fix in &view.next {
        let (purpose, line) = problem::parts(fix, fix.how.joint());
        if !purpose.is_empty() {
            doc.paragraph(purpose);
        }
        if let Some(line) = line {
            doc.code(line);
        }
    }
}

/// Renders the document's blocks, with headings lowered by `lower` levels to fit below those of the page.
fn html(doc: &Doc, lower: u8) -> String {
    doc.blocks().iter().map(|it| block(it, lower)).collect()
}

/// The CSS class: the name of the variant.
fn class(tone: Tone) -> String {
    format!("{tone:?}").to_lowercase()
}

fn block(block: &Block, lower: u8) -> String {
    match block {
        Block::Heading(level, text) => {
            let level = (level + lower).min(6);
            format!("<h{level}>{}</h{level}>", inline(text))
        }
        Block::Paragraph(text) => format!("<p>{}</p>", inline(text)),
        Block::List(items) => format!("<ul>{}</ul>", all(items, |item| format!("<li>{}</li>", inline(item)))),
        Block::Tasks(tasks) => {
            let item =
                |(done, text): &(bool, Text)| format!("<li>{} {}</li>", if *done { "☑" } else { "☐" }, inline(text));
            format!("<ul class=\"tasks\">{}</ul>", all(tasks, item))
        }
        Block::Table(content) => table(content),
        Block::Fields(fields) => {
            let field = |(name, text): &(String, Text)| {
                format!("<div><dt>{}</dt><dd>{}</dd></div>", xml_line(name), inline(text))
            };
            format!("<dl>{}</dl>", all(fields, field))
        }
        Block::Code(text) => format!("<pre>{}</pre>", xml_lines(text.trim_end_matches('\n'))),
        // The page embeds its pictures as SVG; a path would refer to another file.
        Block::Image { alt, .. } => format!("<p>{}</p>", xml_line(alt)),
        Block::Html(html) => html.clone(),
    }
}

fn all<T>(items: &[T], shown: impl Fn(&T) -> String) -> String {
    items.iter().map(shown).collect()
}

fn inline(text: &Text) -> String {
    all(text.spans(), |span| match span {
        Span::Plain(text) => xml_lines(text).replace('\n', "<br>"),
        Span::Code(text) => format!("<code>{}</code>", xml_line(text)),
        Span::Strong(text) => format!("<b>{}</b>", xml_lines(text).replace('\n', "<br>")),
        Span::Mark(tone, word) => {
            format!("<span class=\"mark {}\">{} {}</span>", class(*tone), tone.symbol(), xml_line(word))
        }
        // The page may be sent anywhere without the project's files, so a path is no link.
        Span::Link(path) => format!("<code>{}</code>", xml_line(path)),
        Span::Bar(bar) => picture(bar),
    })
}

fn picture(Bar { estimate, bound, axis, tone }: &Bar) -> String {
    let x = |value: f64| format!("{:.1}", 4.0 + axis.share(value) * 232.0);
    let bound = bound.map_or_else(String::new, |it| format!("<path class=\"bound\" d=\"M{} 1V23\"/>", x(it)));
    format!(
        "<svg class=\"interval\" viewBox=\"0 0 240 24\" role=\"img\" aria-label=\"{}\">\
         <path class=\"g\" d=\"M0 12H240\"/><path class=\"a\" d=\"M{} 3V21\"/>{bound}\
         <g class=\"{}\"><path class=\"bar\" d=\"M{} 12H{}\"/><circle cx=\"{}\" cy=\"12\" r=\"5\"/></g></svg>",
        xml_line(&values::share_estimate(estimate, None)),
        x(0.0),
        class(*tone),
        x(estimate.low),
        x(estimate.high),
        x(estimate.value),
    )
}

/// A table that scrolls horizontally if the page is too narrow.
fn table(table: &Table) -> String {
    let side = |align: Align| if align == Align::Right { " class=\"num\"" } else { "" };
    let heads =
        all(&table.columns, |(name, align)| format!("<th scope=\"col\"{}>{}</th>", side(*align), xml_line(name)));
    let rows = all(&table.rows, |cells| {
        let cell = |(text, (_, align)): (&Text, &(String, Align))| format!("<td{}>{}</td>", side(*align), inline(text));
        format!("<tr>{}</tr>", cells.iter().zip(&table.columns).map(cell).collect::<String>())
    });
    format!("<div class=\"wide\"><table><thead><tr>{heads}</tr></thead><tbody>{rows}</tbody></table></div>")
}

/// A sequence of tiles, such as gates or days.
fn tiles(tiles: Vec<(Tone, String, String)>) -> String {
    let item = |(tone, name, note): &(Tone, String, String)| {
        let (class, symbol, name) = (class(*tone), tone.symbol(), xml_line(name));
        format!("<li class=\"{class}\">{symbol} {name}<small>{}</small></li>", xml_line(note))
    };
    format!("<ol class=\"tiles\">{}</ol>", all(&tiles, item))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::judge::series;
    use crate::model::{Class, FixContext, Kind};
    use crate::report::{fixture, markdown};
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
            problems: vec![(Tone::Bad, "changes/x.json: <i>".to_owned())],
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
    fn hostile_text_adds_no_html_elements() {
        let mut change = fixture::opened(fixture::HOSTILE, Class::Code);
        let note = Kind::Noted { text: "</main><img src=x onerror=alert(1)>".to_owned() };
        change.record(note, Some("<b>".to_owned()), fixture::at(2, 9));
        let html = super::html(&logbook::document(&change), 1);
        assert!(!html.contains("<script") && !html.contains("<img"), "{html}");
        assert!(html.contains("&lt;script&gt;alert(1)&lt;/script&gt;"), "{html}");
        assert!(html.contains("<h3>x | y<br># z"), "{html}");
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
    fn a_page_can_be_written_for_a_browser() {
        let Some(path) = option_env!("VIBESHIP_TEST_PAGE") else { return };
        #[expect(clippy::disallowed_methods, reason = "a test writes the page for a browser")]
        std::fs::write(path, whole(&changes())).unwrap();
    }

    #[test]
    fn the_short_form_shows_what_the_page_shows() {
        let now = fixture::at(7, 12);
        let mut ended = fixture::passed(5);
        ended.record(Kind::Held { reason: "not now".to_owned() }, None, fixture::at(3, 9));
        let open = fixture::passed(7);
        let entry = |change| Entry {
            change,
            step: next::next(change, &fixture::policy(), now),
            fixes: FixContext::default(),
            plots: Vec::new(),
            faults: Vec::new(),
        };
        let page = Page { project: "spark", now, entries: vec![entry(&open), entry(&ended)], problems: Vec::new() };
        insta::assert_snapshot!(markdown::render(&document(&page)), @r#"
        # spark: changes

        As of 2026-02-07 12:00 UTC.

        | Change | Title | State | Verdict | Days |
        | --- | --- | --- | --- | --- |
        | `chg-1` | Shorten the advisory cooldown | ✗ **monitoring, alarm open** | ✓ **pass** | 2 measured, 1 missed, ✗ **1 with an alarm** |
        | `chg-1` | Shorten the advisory cooldown | · **held** | ✓ **pass** |  |

        ## Shorten the advisory cooldown

        - **Change:** `chg-1`, monitoring
        - **Gates:** ✓ **open** → ✓ **contract** → ✓ **baseline** → ✓ **validate** → ✓ **after** → ✓ **compare** → ✓ **decide** → ✓ **rollout** → ▸ **verify (next)**

        |  | Criterion | Verdict | Why |
        | --- | --- | --- | --- |
        | KPI | `timing.tests.wall <= -10%` | ✓ **pass** | -12.3 % \[-14.1 %, -10.2 %\] meets ≤ -10 % (12 pairs) |
        | guardrail | `size.lib <= 40MiB` | ✓ **pass** | 1.2 MiB meets ≤ 40 MiB (exact) |
        | trigger | `timing.tests.wall > +10%` | ✓ **not fired** | -12.3 % \[-14.1 %, -10.2 %\] does not meet \> +10 % (12 pairs) |

        **Next:** 1 alarm is open: go back, or resolve with a reason

        go back

        ```text
        vibeship-optimizer change rollback --change-id chg-1 --reason "WHY" --apply
        ```

        or if it is harmless

        ```text
        vibeship-optimizer change resolve --change-id chg-1 --reason "WHY"
        ```
        "#);
    }
}
