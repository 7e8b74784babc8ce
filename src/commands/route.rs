//! `route`: where a change belongs, by the workflow's four questions, and what it owes; the decision tree is the workflow's.

use clap::{Args, ValueEnum};
use serde_json::json;

use crate::commands::Ctx;
use crate::error::{Result, trouble};
use crate::exit::Exit;
use crate::model::fix::{SHORT_HYPOTHESIS, WHAT_HAPPENED};
use crate::model::{Class, CommandLine, Fix, Surface};
use crate::workflow::route::{self, Answers, QUESTIONS, Route};

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
            Err(at) => answers[at] = Some(ask(ctx, at, &answers)?),
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

fn ask(ctx: &Ctx, at: usize, answers: &Answers) -> Result<bool> {
    let (flag, text) = (QUESTIONS[at].flag, QUESTIONS[at].text);
    if !ctx.ui.can_ask() {
        // The first yes decides, so that what is asked before one has to be a no.
        let whole = QUESTIONS.iter().zip(answers).flat_map(|(question, answer)| {
            let word = if *answer == Some(true) { "yes" } else { "no" };
            [question.flag, word]
        });
        return Err(trouble(format!("not answered: {text}"))
            .hinted(format!("answer it with {flag} yes or {flag} no"))
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

fn answer(ctx: &Ctx, way: &Route) -> Result<Exit> {
    let class = way.class.name();
    let start = CommandLine::tool("change start --class").word(class).ask("--title", SHORT_HYPOTHESIS);
    let start = match way.class {
        Class::Emergency => start.ask("--incident", WHAT_HAPPENED).words(["--expires", "DATE"]),
        Class::Tuneable | Class::Code | Class::Experiment => start,
    };
    let gates: Vec<&str> = way.class.gates().iter().map(|gate| gate.name()).collect();
    let answer = json!({
        "schema": "vibeship_optimizer.route.v1",
        "route": way.name,
        "summary": way.sentence,
        "class": way.class,
        "surface": way.surface,
        "gates": gates,
        "evidence": way.evidence.iter().map(|(name, _)| name).collect::<Vec<_>>(),
        "next": start,
    });
    let owed: String = way.evidence.iter().map(|(_, words)| format!("owes: {words}\n")).collect();
    let text = format!("{} (class {class})\ngates: {}\n{owed}next: {start}", way.sentence, gates.join(", "));
    ctx.say(false, &answer, &text)?;
    Ok(Exit::Yes)
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
