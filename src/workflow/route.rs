//! The decision tree for the kind of a change, and the evidence that each kind requires.

use crate::model::{Class, Surface};

/// A question of the decision tree, and the route for the answer yes.
#[derive(Debug, PartialEq)]
pub struct Question {
    pub flag: &'static str,
    pub text: &'static str,
    pub yes: Route,
}

#[derive(Debug, PartialEq)]
pub struct Route {
    pub name: &'static str,
    pub sentence: &'static str,
    pub class: Class,
    /// The surface that it changes; `None` for ordinary code.
    pub surface: Option<Surface>,
    pub evidence: &'static [Evidence],
}

/// Required evidence: its stable name and its description.
pub type Evidence = (&'static str, &'static str);

const SNAPSHOTS: Evidence = ("snapshots", "snapshots before and after");
const KPI_ARTIFACT: Evidence = ("kpi_artifact", "the output that the KPI was read from");
const TESTS: Evidence = ("tests", "tests that pass");
const SMOKE: Evidence = ("smoke", "health probes that pass");
const CONTRACT_DOCS: Evidence = ("contract_docs", "the contract's document, updated with it");
const COMPARE: Evidence = ("compare", "the comparison");
const INCIDENT_NOTE: Evidence = ("incident_note", "a note on the incident");
const EXPIRY: Evidence = ("expiry", "a moment at which the override expires");
const FOLLOW_UP: Evidence = ("follow_up", "the follow-up change that moves it into tuneables or code");
const BENCHMARK_REPORT: Evidence = ("benchmark_report", "the benchmark's report");

/// The questions, in the order in which they are asked.
pub const QUESTIONS: [Question; 4] = [
    Question {
        flag: "--knob",
        text: "Is there a threshold, weight, cooldown or limit for it already?",
        yes: Route {
            name: "tuneables",
            sentence: "change the existing setting: tuneables first",
            class: Class::Tuneable,
            surface: Some(Surface::Tuneables),
            evidence: &[SNAPSHOTS, KPI_ARTIFACT, COMPARE],
        },
    },
    Question {
        flag: "--contract",
        text: "Does behaviour or the precedence of contracts have to change?",
        yes: Route {
            name: "code_docs_tests",
            sentence: "code with documents and tests; not tuneables alone",
            class: Class::Code,
            surface: Some(Surface::Contracts),
            evidence: &[TESTS, SMOKE, CONTRACT_DOCS, SNAPSHOTS, COMPARE],
        },
    },
    Question {
        flag: "--urgent",
        text: "Must harm be stopped right now?",
        yes: Route {
            name: "env_override",
            sentence: "a temporary override by environment now, a tuneable or code fix with the next commit",
            class: Class::Emergency,
            surface: Some(Surface::Env),
            evidence: &[INCIDENT_NOTE, EXPIRY, FOLLOW_UP],
        },
    },
    Question {
        flag: "--experiment",
        text: "Is it an experiment alone, and no candidate for production?",
        yes: Route {
            name: "overlay",
            sentence: "an overlay of the benchmark or the command line; no default changes",
            class: Class::Experiment,
            surface: Some(Surface::Overlays),
            evidence: &[BENCHMARK_REPORT, SNAPSHOTS, COMPARE],
        },
    },
];

const CODE: Route = Route {
    name: "code",
    sentence: "code by the normal path",
    class: Class::Code,
    surface: None,
    evidence: &[TESTS, SMOKE, SNAPSHOTS, COMPARE],
};

/// The answers to [`QUESTIONS`]; `None` for a question that was not asked.
pub type Answers = [Option<bool>; 4];

/// The route for the answers, or the index of the next question. The first yes decides.
pub fn route(answers: &Answers) -> Result<&'static Route, usize> {
    const ALL: &[Question] = &QUESTIONS;
    match answers.iter().position(|answer| *answer != Some(false)) {
        None => Ok(const { &CODE }),
        Some(at) if answers[at] == Some(true) => Ok(&ALL[at].yes),
        Some(at) => Err(at),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_yes_decides_and_the_questions_come_in_the_workflows_order() {
        let mut answers = Answers::default();
        for (number, way) in ["tuneables", "code_docs_tests", "env_override", "overlay"].into_iter().enumerate() {
            assert_eq!(route(&answers), Err(number));
            answers[number] = Some(true);
            assert_eq!(route(&answers).unwrap().name, way);
            answers[number] = Some(false);
        }
        assert_eq!(route(&answers).unwrap().name, "code");
    }

    #[test]
    fn a_later_answer_does_not_overrule_an_earlier_yes() {
        assert_eq!(route(&[Some(true), None, Some(true), None]).unwrap().name, "tuneables");
    }
}
