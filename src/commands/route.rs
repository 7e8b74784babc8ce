//! `route`: where a change belongs, by the workflow's four questions, and what it owes.

use clap::{Args, ValueEnum};
use serde_json::json;

use crate::commands::{Ctx, failure};
use crate::error::CommandError;
use crate::exit::Exit;
use crate::model::Surface;
use crate::report::route as words;
use crate::workflow::{Answers, Question, Route, route};

/// Find out where a change belongs, which evidence it needs, and how to open it
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

/// An answer
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
pub(crate) fn run(ctx: &Ctx, args: RouteArgs) -> Result<Exit, CommandError> {
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

fn hierarchy(ctx: &Ctx) -> Result<Exit, CommandError> {
    let layers = Surface::ALL.iter().map(|surface| (surface.name(), words::layer(*surface)));
    let text = if ctx.json(false) {
        let layers: Vec<_> = layers.map(|(name, layer)| json!({ "surface": name, "layer": layer })).collect();
        failure::pretty(&json!({ "schema": "vibeship_optimizer.hierarchy.v1", "layers": layers }))
    } else {
        let lines: Vec<String> = (1..).zip(layers).map(|(n, (name, layer))| format!("{n}. {name}: {layer}")).collect();
        lines.join("\n")
    };
    ctx.ui.answer(&text)?;
    Ok(Exit::Yes)
}

fn ask(ctx: &Ctx, question: Question, answers: &Answers) -> Result<bool, CommandError> {
    let text = words::question(question);
    if !ctx.ui.can_ask() {
        let flag = words::flag(question);
        // The first yes decides, so that what is asked before one has to be a no.
        let whole = Question::ALL.map(|question| {
            let word = if answers[question as usize] == Some(true) { "yes" } else { "no" };
            format!("{} {word}", words::flag(question))
        });
        return Err(CommandError::trouble(format!("not answered: {text}"))
            .hinted(format!("answer it with {flag} yes or {flag} no"))
            .hinted(format!("all at once, such as: vibeship-optimizer route {}", whole.join(" "))));
    }
    loop {
        let Some(answer) = ctx.ui.ask(&format!("{text} [y/n] "))? else {
            return Err(CommandError::trouble(format!("not answered: {text}")));
        };
        match answer.trim().to_lowercase().as_str() {
            "y" | "yes" => return Ok(true),
            "n" | "no" => return Ok(false),
            _ => ctx.ui.tell("answer y or n"),
        }
    }
}

fn answer(ctx: &Ctx, way: Route) -> Result<Exit, CommandError> {
    let (class, summary, start) = (way.class(), words::way(way), words::start(way));
    let gates: Vec<&str> = class.gates().iter().map(|gate| gate.name()).collect();
    let text = if ctx.json(false) {
        failure::pretty(&json!({
            "schema": "vibeship_optimizer.route.v1",
            "route": way,
            "summary": summary,
            "class": class,
            "surface": way.surface(),
            "gates": gates,
            "evidence": way.evidence(),
            "next": start,
        }))
    } else {
        let owed = way.evidence().iter().map(|evidence| format!("owes: {}\n", words::evidence(*evidence)));
        let owed: String = owed.collect();
        format!("{summary} (class {})\ngates: {}\n{owed}next: {start}", class.name(), gates.join(", "))
    };
    ctx.ui.answer(&text)?;
    Ok(Exit::Yes)
}
