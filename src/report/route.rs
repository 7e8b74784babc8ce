//! The decision tree and its ways in words. Must not decide which way it is.

use crate::model::fix::{SHORT_HYPOTHESIS, WHAT_HAPPENED};
use crate::model::{CommandLine, Surface};
use crate::workflow::{Evidence, Question, Route};

/// The question, as it is asked.
pub(crate) fn question(question: Question) -> &'static str {
    match question {
        Question::Knob => "Is there a threshold, weight, cooldown or limit for it already?",
        Question::Contract => "Does behaviour or the precedence of contracts have to change?",
        Question::Urgent => "Must harm be stopped right now?",
        Question::Experiment => "Is it an experiment alone, and no candidate for production?",
    }
}

/// The flag that answers a question.
pub(crate) fn flag(question: Question) -> &'static str {
    match question {
        Question::Knob => "--knob",
        Question::Contract => "--contract",
        Question::Urgent => "--urgent",
        Question::Experiment => "--experiment",
    }
}

/// Where the change belongs, in one sentence.
pub(crate) fn way(route: Route) -> &'static str {
    match route {
        Route::Tuneables => "change the existing setting: tuneables first",
        Route::CodeDocsTests => "code with documents and tests; not tuneables alone",
        Route::EnvOverride => "a temporary override by environment now, a tuneable or code fix with the next commit",
        Route::Overlay => "an overlay of the benchmark or the command line; no default changes",
        Route::Code => "code by the normal path",
    }
}

/// One piece of evidence.
pub(crate) fn evidence(evidence: Evidence) -> &'static str {
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

/// One layer of the control hierarchy.
pub(crate) fn layer(surface: Surface) -> &'static str {
    match surface {
        Surface::Invariants => "code safety and invariants: guards, auth, hard bounds, schema checks",
        Surface::Contracts => "contract documents and architecture rules: the source of truth for precedence",
        Surface::Env => "environment overrides: emergencies, canary forcing, temporary rollback",
        Surface::Tuneables => "tuneables: the operating parameters, and the default way for what has one",
        Surface::Overlays => "benchmark and command line overlays: experiments, never a default by themselves",
    }
}

/// The command that opens the change.
pub(crate) fn start(route: Route) -> CommandLine {
    let line = CommandLine::tool("change start --class").word(route.class().name()).ask("--title", SHORT_HYPOTHESIS);
    match route {
        Route::EnvOverride => line.ask("--incident", WHAT_HAPPENED).words(["--expires", "DATE"]),
        Route::Tuneables | Route::CodeDocsTests | Route::Overlay | Route::Code => line,
    }
}
