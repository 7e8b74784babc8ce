//! One change on the page: title and state, pipeline, next step, verdicts with their intervals, samples, days, and its
//! whole logbook section folded away. Must not judge.

use chrono::{DateTime, Utc};

use crate::model::{Bound, Finding, Judged, Verdict, Verdicts};
use crate::report::html::{State, markup};
use crate::report::plot::{Scale, days, interval};
use crate::report::{Entry, StepView, Tone, escape, logbook, pipeline, show, values, verdict};
use crate::workflow::Change;

/// The card.
pub fn card(entry: &Entry<'_>, now: DateTime<Utc>) -> String {
    let change = entry.change;
    let state = State::of(change);
    // What still needs somebody is unfolded.
    let open = if change.is_open() { " open" } else { "" };
    format!(
        "<article class=\"is-{}\"><details{open}><summary><h2>{}</h2>{}<small><code>{}</code> {}, opened {}</small></summary>\n\
         <div class=\"body\">{}{}{}{}{}{}{}</div></details></article>\n",
        state.class(),
        escape::line(&change.opened.title),
        markup::inline(&logbook::status_mark(change)),
        escape::line(change.id().as_str()),
        change.opened.class.name(),
        values::moment(change.opened_at),
        stations(change),
        next(entry),
        faults(entry),
        verdicts(change),
        plots(entry),
        monitored(change, now),
        more(change),
    )
}

fn stations(change: &Change) -> String {
    let item = |station: pipeline::Station| {
        let tone = station.progress.tone();
        let at = station.at.map_or_else(|| station.progress.word().to_owned(), |at| at.format("%Y-%m-%d").to_string());
        format!(
            "<li class=\"{}\">{} {} {}<small>{at}</small></li>",
            markup::class(tone),
            tone.symbol(),
            station.gate.number(),
            station.gate.name()
        )
    };
    let items: String = pipeline::stations(change).into_iter().map(item).collect();
    format!("<ol class=\"pipeline\">{items}</ol>\n")
}

fn next(entry: &Entry<'_>) -> String {
    if !entry.change.is_open() && entry.change.rollback.as_ref().is_none_or(|rollback| rollback.confirmed.is_some()) {
        return String::new();
    }
    let view = StepView::new(entry.change, &entry.step).keyed(entry.keys);
    let lines: Vec<String> = view.next.iter().map(|hint| hint.line()).collect();
    let commands =
        if lines.is_empty() { String::new() } else { format!("<pre>{}</pre>", escape::lines(&lines.join("\n"))) };
    format!("<div class=\"next\"><b>Next:</b> {}{commands}</div>\n", escape::line(&view.text))
}

fn faults(entry: &Entry<'_>) -> String {
    let items: String =
        entry.faults.iter().map(|path| format!("<li class=\"bad\">✗ evidence {}</li>", escape::line(path))).collect();
    if items.is_empty() { items } else { format!("<ul>{items}</ul>\n") }
}

fn verdicts(change: &Change) -> String {
    let Some(comparison) = &change.comparison else { return String::new() };
    let verdicts: &Verdicts = &comparison.verdicts;
    let all: Vec<(&str, &Judged)> = std::iter::once(("KPI", &verdicts.kpi))
        .chain(verdicts.guardrails.iter().map(|judged| ("guardrail", judged)))
        .chain(verdicts.trigger.iter().map(|judged| ("trigger", judged)))
        .collect();
    let drawn: Vec<(&Finding, f64)> = all.iter().filter_map(|(_, judged)| relative(judged)).collect();
    let scale =
        interval::scale(drawn.iter().map(|(finding, _)| &finding.estimate), drawn.iter().map(|(_, bound)| *bound));
    let rows: String = all.iter().map(|(role, judged)| verdict_row(role, judged, &scale)).collect();
    let legend = if drawn.is_empty() {
        ""
    } else {
        "<p class=\"soft\">Point: estimate. Bar: 95 % interval. Line: no change. Broken line: bound.</p>"
    };
    format!(
        "<h3>Verdicts</h3><div class=\"wide\"><table class=\"verdicts\"><thead><tr><th scope=\"col\"></th><th scope=\"col\">Criterion</th>\
         <th scope=\"col\">Verdict</th><th scope=\"col\">Interval</th><th scope=\"col\">Why</th></tr></thead>\
         <tbody>{rows}</tbody></table></div>{legend}\n"
    )
}

fn verdict_row(role: &str, judged: &Judged, scale: &Scale) -> String {
    let outcome = judged.verdict.outcome();
    let (tone, word, why) = if role == "trigger" {
        let (tone, word) = verdict::trigger_mark(outcome);
        (tone, word, verdict::trigger_reason(judged))
    } else {
        (Tone::from(outcome), verdict::word(outcome), verdict::reason(judged))
    };
    let picture = relative(judged).map_or_else(String::new, |(finding, bound)| {
        interval::svg(&finding.estimate, Some(bound), markup::class(tone), scale)
    });
    format!(
        "<tr><td>{role}</td><td><code>{}</code></td><td><span class=\"mark {}\">{} {word}</span></td><td>{picture}</td>\
         <td>{}</td></tr>",
        escape::line(judged.criterion.as_str()),
        markup::class(tone),
        tone.symbol(),
        escape::line(&why)
    )
}

/// The numbers of a criterion with a bound relative to the baseline; points of a rate are on another scale.
fn relative(judged: &Judged) -> Option<(&Finding, f64)> {
    let criterion = judged.criterion.criterion()?;
    let Bound::Relative { share } = criterion.bound else { return None };
    let finding = match &judged.verdict {
        Verdict::Pass(finding) | Verdict::Fail(finding) => finding,
        Verdict::Inconclusive { finding, .. } => finding.as_ref()?,
        Verdict::Invalid { .. } => return None,
    };
    (!values::is_rate(&criterion.metric)).then_some((finding, share))
}

fn plots(entry: &Entry<'_>) -> String {
    let pictures: String = entry.plots.iter().map(crate::report::plot::Strip::inline).collect();
    if pictures.is_empty() { pictures } else { format!("<h3>Samples</h3><div class=\"plots\">{pictures}</div>\n") }
}

fn monitored(change: &Change, now: DateTime<Utc>) -> String {
    let days = days::html(change, now);
    if days.is_empty() { days } else { format!("<h3>Monitored days</h3>{days}\n") }
}

/// The rest of the logbook section, with the chain of events.
fn more(change: &Change) -> String {
    let mut doc = logbook::folded(change);
    doc.append(show::events(change));
    let whole = markup::render(&doc, 1);
    format!("<details class=\"more\"><summary>Contract, evidence and events</summary>{whole}</details>")
}
