//! `route`: where a change belongs, by the workflow's four questions, and what it owes; the decision tree is the workflow's.

use clap::{Args, ValueEnum};
use serde_json::json;

use crate::commands::Ctx;
use crate::error::{Result, trouble};
use crate::exit::Exit;
use crate::model::fix::{SHORT_HYPOTHESIS, WHAT_HAPPENED};
use crate::model::{CommandLine, Fix, Surface};
use crate::workflow::{Answers, Evidence, Question, Route, route};

#[derive(Debug, Args)]
pub(crate) struct RouteArgs {
    /// Whether a threshold, weight, cooldown or limit for it exists already
    #[arg(long, value_name = "yes|no")]
    knob: Option<YesNo>,
    /// Whether behaviour or the precedence of contracts has to change
    #[arg(long, value_name = "yes|no")]
    contract: Option<YesNo>,
    /// Whether harm must be stopped right now
    #[arg(long, value_name = "yes|no")]
    urgent: Option<YesNo>,
    /// Whether it is only an experiment, not a candidate for production
    #[arg(long, value_name = "yes|no")]
    experiment: Option<YesNo>,
    /// Show the control hierarchy, highest authority first
    #[arg(long)]
    hierarchy: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum YesNo {
    /// It is so
    #[value(alias = "y", alias = "true")]
    Yes,
    /// It is not so
    #[value(alias = "n", alias = "false")]
    No,
}

/// Asks on a terminal what the flags do not say.
pub(crate) fn run(ctx: &Ctx, args: RouteArgs) -> Result<Exit> {
    if args.hierarchy {
        return hierarchy(ctx);
    }
    let yes = |answer: Option<YesNo>| answer.map(|answer| answer == YesNo::Yes);
    let mut answers: Answers = [args.knob, args.contract, args.urgent, args.experiment].map(yes);
    loop {
        match route::route(&answers) {
            Ok(way) => return answer(ctx, way),
            Err(question) => answers[question as usize] = Some(ask(ctx, question, &answers)?),
        }
    }
}

fn hierarchy(ctx: &Ctx) -> Result<Exit> {
    let layers = Surface::ALL.iter().map(|surface| (surface.name(), layer(*surface)));
    let json: Vec<_> = layers.clone().map(|(name, layer)| json!({ "surface": name, "layer": layer })).collect();
    let lines: Vec<String> = (1..).zip(layers).map(|(n, (name, layer))| format!("{n}. {name}: {layer}")).collect();
    let answer = json!({ "schema": "vibeship_optimizer.hierarchy.v1", "layers": json });
    ctx.say(false, &answer, &lines.join("\n"))?;
    Ok(Exit::Yes)
}

fn ask(ctx: &Ctx, question: Question, answers: &Answers) -> Result<bool> {
    let text = asked(question);
    if !ctx.ui.can_ask() {
        // The first yes decides, so that what is asked before one has to be a no.
        let whole = Question::ALL.into_iter().flat_map(|question| {
            let word = if answers[question as usize] == Some(true) { "yes" } else { "no" };
            [flag(question), word]
        });
        return Err(trouble(format!("not answered: {text}"))
            .hinted(format!("answer it with {0} yes or {0} no", flag(question)))
            .fixed_by([Fix::next("all at once, such as", CommandLine::tool("route").words(whole))]));
    }
    loop {
        let Some(answer) = ctx.ui.ask(&format!("{text} [y/n] "))? else {
            return Err(trouble(format!("not answered: {text}")));
        };
        match answer.trim().to_lowercase().as_str() {
            "y" | "yes" => return Ok(true),
            "n" | "no" => return Ok(false),
            _ => ctx.ui.tell("answer y or n"),
        }
    }
}

fn answer(ctx: &Ctx, way: Route) -> Result<Exit> {
    let (class, summary, start) = (way.class(), sentence(way), opening(way));
    let gates: Vec<&str> = class.gates().iter().map(|gate| gate.name()).collect();
    let answer = json!({
        "schema": "vibeship_optimizer.route.v1",
        "route": way,
        "summary": summary,
        "class": class,
        "surface": way.surface(),
        "gates": gates,
        "evidence": way.evidence(),
        "next": start,
    });
    let owed: String = way.evidence().iter().map(|it| format!("owes: {}\n", owed(*it))).collect();
    let text = format!("{summary} (class {})\ngates: {}\n{owed}next: {start}", class.name(), gates.join(", "));
    ctx.say(false, &answer, &text)?;
    Ok(Exit::Yes)
}

fn asked(question: Question) -> &'static str {
    match question {
        Question::Knob => "Is there a threshold, weight, cooldown or limit for it already?",
        Question::Contract => "Does behaviour or the precedence of contracts have to change?",
        Question::Urgent => "Must harm be stopped right now?",
        Question::Experiment => "Is it an experiment alone, and no candidate for production?",
    }
}

fn flag(question: Question) -> &'static str {
    match question {
        Question::Knob => "--knob",
        Question::Contract => "--contract",
        Question::Urgent => "--urgent",
        Question::Experiment => "--experiment",
    }
}

fn sentence(route: Route) -> &'static str {
    match route {
        Route::Tuneables => "change the existing setting: tuneables first",
        Route::CodeDocsTests => "code with documents and tests; not tuneables alone",
        Route::EnvOverride => "a temporary override by environment now, a tuneable or code fix with the next commit",
        Route::Overlay => "an overlay of the benchmark or the command line; no default changes",
        Route::Code => "code by the normal path",
    }
}

fn owed(evidence: Evidence) -> &'static str {
    match evidence {
        Evidence::Snapshots => "snapshots before and after",
        Evidence::KpiArtifact => "the output that the KPI was read from",
        Evidence::Tests => "tests that pass",
        Evidence::Smoke => "health probes that pass",
        Evidence::ContractDocs => "the contract's document, updated with it",
        Evidence::Compare => "the comparison",
        Evidence::IncidentNote => "a note on the incident",
        Evidence::Expiry => "a moment at which the override expires",
        Evidence::FollowUp => "the follow-up change that moves it into tuneables or code",
        Evidence::BenchmarkReport => "the benchmark's report",
    }
}

fn layer(surface: Surface) -> &'static str {
    match surface {
        Surface::Invariants => "code safety and invariants: guards, auth, hard bounds, schema checks",
        Surface::Contracts => "contract documents and architecture rules: the source of truth for precedence",
        Surface::Env => "environment overrides: emergencies, canary forcing, temporary rollback",
        Surface::Tuneables => "tuneables: the operating parameters, and the default way for what has one",
        Surface::Overlays => "benchmark and command line overlays: experiments, never a default by themselves",
    }
}

fn opening(route: Route) -> CommandLine {
    let line = CommandLine::tool("change start --class").word(route.class().name()).ask("--title", SHORT_HYPOTHESIS);
    match route {
        Route::EnvOverride => line.ask("--incident", WHAT_HAPPENED).words(["--expires", "DATE"]),
        Route::Tuneables | Route::CodeDocsTests | Route::Overlay | Route::Code => line,
    }
}
