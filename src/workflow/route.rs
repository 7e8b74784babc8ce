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

/// The answers to [`Question::ALL`]; `None` where a question was not asked.
pub type Answers = [Option<bool>; 4];

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
    let ways = [Route::Tuneables, Route::CodeDocsTests, Route::EnvOverride, Route::Overlay];
    for ((question, way), answer) in Question::ALL.into_iter().zip(ways).zip(answers) {
        match answer {
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

    #[test]
    fn the_first_yes_decides_and_the_questions_come_in_the_workflows_order() {
        let ways = [Route::Tuneables, Route::CodeDocsTests, Route::EnvOverride, Route::Overlay];
        let mut answers = Answers::default();
        for (number, way) in ways.into_iter().enumerate() {
            assert_eq!(route(&answers), Err(Question::ALL[number]));
            answers[number] = Some(true);
            assert_eq!(route(&answers), Ok(way));
            answers[number] = Some(false);
        }
        assert_eq!(route(&answers), Ok(Route::Code));
    }

    #[test]
    fn a_later_answer_does_not_overrule_an_earlier_yes() {
        assert_eq!(route(&[Some(true), None, Some(true), None]), Ok(Route::Tuneables));
    }
}
