//! Where a change belongs: the workflow's decision tree, and what each way owes. Owns the order of the questions; must
//! not ask them.

use serde::Serialize;

use crate::model::{Class, Surface};

/// A question of the decision tree.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Question {
    /// Is there a threshold, weight, cooldown or limit for it already?
    Knob,
    /// Does behaviour or the precedence of contracts have to change?
    Contract,
    Urgent,
    /// Is it an experiment alone, and no candidate for production?
    Experiment,
}

impl Question {
    /// Every question, in the order in which they are asked.
    pub const ALL: [Self; 4] = [Self::Knob, Self::Contract, Self::Urgent, Self::Experiment];
}

/// The answers so far; `None` where a question was not asked.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Answers {
    pub knob: Option<bool>,
    pub contract: Option<bool>,
    pub urgent: Option<bool>,
    pub experiment: Option<bool>,
}

impl Answers {
    /// The answer to a question.
    pub fn to(&self, question: Question) -> Option<bool> {
        match question {
            Question::Knob => self.knob,
            Question::Contract => self.contract,
            Question::Urgent => self.urgent,
            Question::Experiment => self.experiment,
        }
    }

    /// Sets an answer.
    pub fn set(&mut self, question: Question, answer: bool) {
        let place = match question {
            Question::Knob => &mut self.knob,
            Question::Contract => &mut self.contract,
            Question::Urgent => &mut self.urgent,
            Question::Experiment => &mut self.experiment,
        };
        *place = Some(answer);
    }
}

/// Evidence that a change owes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Evidence {
    Snapshots,
    /// The output that the KPI was read from.
    KpiArtifact,
    Tests,
    Smoke,
    ContractDocs,
    Compare,
    IncidentNote,
    /// A moment at which the override expires.
    Expiry,
    /// The change that moves the override into tuneables or code.
    FollowUp,
    BenchmarkReport,
}

/// Where a change belongs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Route {
    Tuneables,
    CodeDocsTests,
    /// A temporary override by environment, replaced by a proper change next.
    EnvOverride,
    /// An overlay of a benchmark or a command line.
    Overlay,
    Code,
}

impl Route {
    /// The class of change to open.
    pub fn class(self) -> Class {
        match self {
            Self::Tuneables => Class::Tuneable,
            Self::CodeDocsTests | Self::Code => Class::Code,
            Self::EnvOverride => Class::Emergency,
            Self::Overlay => Class::Experiment,
        }
    }

    /// The layer that it touches; code that is no contract touches none by name.
    pub fn surface(self) -> Option<Surface> {
        match self {
            Self::Tuneables => Some(Surface::Tuneables),
            Self::CodeDocsTests => Some(Surface::Contracts),
            Self::EnvOverride => Some(Surface::Env),
            Self::Overlay => Some(Surface::Overlays),
            Self::Code => None,
        }
    }

    /// What it owes.
    pub fn evidence(self) -> &'static [Evidence] {
        match self {
            Self::Tuneables => &[Evidence::Snapshots, Evidence::KpiArtifact, Evidence::Compare],
            Self::CodeDocsTests => {
                &[Evidence::Tests, Evidence::Smoke, Evidence::ContractDocs, Evidence::Snapshots, Evidence::Compare]
            }
            Self::Code => &[Evidence::Tests, Evidence::Smoke, Evidence::Snapshots, Evidence::Compare],
            Self::EnvOverride => &[Evidence::IncidentNote, Evidence::Expiry, Evidence::FollowUp],
            Self::Overlay => &[Evidence::BenchmarkReport, Evidence::Snapshots, Evidence::Compare],
        }
    }
}

/// The way that the answers lead to, or the question that comes next. The first yes decides.
pub fn route(answers: &Answers) -> Result<Route, Question> {
    let ways = [
        (Question::Knob, Route::Tuneables),
        (Question::Contract, Route::CodeDocsTests),
        (Question::Urgent, Route::EnvOverride),
        (Question::Experiment, Route::Overlay),
    ];
    for (question, way) in ways {
        match answers.to(question) {
            Some(true) => return Ok(way),
            Some(false) => {}
            None => return Err(question),
        }
    }
    Ok(Route::Code)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn after(no: usize, yes: bool) -> Result<Route, Question> {
        let mut answers = Answers::default();
        Question::ALL.iter().take(no).for_each(|question| answers.set(*question, false));
        if let (Some(question), true) = (Question::ALL.get(no), yes) {
            answers.set(*question, true);
        }
        route(&answers)
    }

    #[test]
    fn the_first_yes_decides_and_the_questions_come_in_the_workflows_order() {
        let ways = [Route::Tuneables, Route::CodeDocsTests, Route::EnvOverride, Route::Overlay];
        for (number, way) in ways.into_iter().enumerate() {
            assert_eq!(after(number, false), Err(Question::ALL[number]));
            assert_eq!(after(number, true), Ok(way));
        }
        assert_eq!(after(4, false), Ok(Route::Code));
    }

    #[test]
    fn a_later_answer_does_not_overrule_an_earlier_yes() {
        let answers = Answers { knob: Some(true), urgent: Some(true), ..Answers::default() };
        assert_eq!(route(&answers), Ok(Route::Tuneables));
    }
}
