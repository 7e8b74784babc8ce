//! The contract of a change (what should improve, what must not get worse, when and how to roll back), and its criteria,
//! `METRIC OP BOUND`. Owns their grammar and the positions of syntax errors; judges nothing.
//!
//! The grammar, with white space allowed around each part:
//!
//! ```text
//! METRIC  any name without control characters, `<` and `>`; inner spaces allowed
//! OP      <=  <  >=  >  ==      (the last run of operator characters in the text)
//! BOUND   NUMBER [UNIT]         absolute, in UNIT or else in the metric's own unit: 12s, 350 ms, 40MiB, 0.32, 99%
//!         SIGN NUMBER %         relative to the baseline: -10%, +5%, +0%
//! ```
//!
//! The sign makes a percentage relative. An unsigned one (`99%`) is an absolute share, which only fits metrics that
//! are shares: for a duration or a size it is refused with the advice to write `+5%` or `-5%`
//! (see `Measurable::check`).

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::json;

use crate::model::{Digest, MetricId, Unit};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Op {
    Le,
    Lt,
    Ge,
    Gt,
    Eq,
}

impl Op {
    pub fn symbol(self) -> &'static str {
        match self {
            Self::Le => "<=",
            Self::Lt => "<",
            Self::Ge => ">=",
            Self::Gt => ">",
            Self::Eq => "==",
        }
    }

    pub fn holds(self, value: f64, bound: f64) -> bool {
        match self {
            Self::Le => value <= bound,
            Self::Lt => value < bound,
            Self::Ge => value >= bound,
            Self::Gt => value > bound,
            Self::Eq => value == bound,
        }
    }

    fn parse(symbol: &str) -> Option<Self> {
        [Self::Le, Self::Lt, Self::Ge, Self::Gt, Self::Eq].into_iter().find(|op| op.symbol() == symbol)
    }
}

#[derive(Debug, Clone, PartialEq)]
pub enum Bound {
    Absolute {
        value: f64,
        /// `None` means the metric's own unit.
        unit: Option<Unit>,
    },
    /// A change relative to the baseline, as a fraction: `-0.1` for `-10%`.
    Relative { share: f64 },
}

/// One criterion, stored as its text. Criteria are equal only if written the same way.
#[derive(Debug, Clone, PartialEq)]
pub struct Criterion {
    pub metric: MetricId,
    pub op: Op,
    pub bound: Bound,
    /// The text as given, without surrounding white space.
    pub text: String,
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("criterion {text:?}, column {}: {kind}", .column + 1)]
pub struct CriterionError {
    /// The text as given, without surrounding white space.
    pub text: String,
    /// Position of the mistake in `text`, in characters from 0.
    pub column: usize,
    pub kind: CriterionMistake,
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CriterionMistake {
    #[error("it is empty; write METRIC OP BOUND, such as `timing.tests.wall <= +5%`")]
    Empty,
    #[error("no operator; use one of <= < >= > == between metric and bound")]
    NoOperator,
    #[error("{found:?} is not an operator; use one of <= < >= > ==")]
    UnknownOperator { found: String },
    #[error("no metric before the operator, such as `timing.tests.wall`")]
    NoMetric,
    #[error("a metric's name cannot hold {found:?}")]
    BadMetric { found: char },
    #[error("no bound after the operator, such as `12s`, `40MiB`, `0.32` or `-10%`")]
    NoBound,
    #[error("{found:?} is not a number; write one such as `12s`, `40MiB`, `0.32` or `-10%`")]
    NotANumber { found: String },
    #[error("{found:?} is not a finite number")]
    NotFinite { found: String },
    #[error(
        "{found:?} is no share of the baseline: write `{}%` for a change from it, or the value itself without a sign",
        .found.split(' ').next().unwrap_or_default()
    )]
    SignAlone { found: String },
    #[error("{found:?} follows the bound; a bound is one number with at most one unit")]
    Trailing { found: String },
}

impl Criterion {
    pub fn parse(text: &str) -> Result<Self, CriterionError> {
        let text = text.trim();
        let fail = |at: usize, kind: CriterionMistake| CriterionError {
            text: text.to_owned(),
            column: text.get(..at).map_or(0, |head| head.chars().count()),
            kind,
        };
        if text.is_empty() {
            return Err(fail(0, CriterionMistake::Empty));
        }
        let (start, end) = operator_span(text).ok_or_else(|| fail(text.len(), CriterionMistake::NoOperator))?;
        let found = &text[start..end];
        let op = Op::parse(found)
            .ok_or_else(|| fail(start, CriterionMistake::UnknownOperator { found: found.to_owned() }))?;
        let metric = text[..start].trim();
        if metric.is_empty() {
            return Err(fail(0, CriterionMistake::NoMetric));
        }
        if let Some((at, bad)) = metric.char_indices().find(|(_, c)| matches!(c, '<' | '>') || c.is_control()) {
            return Err(fail(at, CriterionMistake::BadMetric { found: bad }));
        }
        let rest = &text[end..];
        let bound_at = end + (rest.len() - rest.trim_start().len());
        let bound = parse_bound(rest.trim_start()).map_err(|(offset, kind)| fail(bound_at + offset, kind))?;
        Ok(Self { metric: MetricId::new(metric), op, bound, text: text.to_owned() })
    }

    /// Parses a criterion typed by a user: accepts the signs that reports print (`≤`, `≥`, `−`), and refuses an
    /// absolute bound with a `+`, which may have been meant as relative.
    pub fn typed(text: &str) -> Result<Self, CriterionError> {
        let found = Self::parse(&text.replace('≤', "<=").replace('≥', ">=").replace('−', "-"))?;
        let column = found.bound_column();
        let bound: String = found.text.chars().skip(column).collect();
        if bound.starts_with('+') && !found.is_relative() {
            return Err(CriterionError {
                text: found.text,
                column,
                kind: CriterionMistake::SignAlone { found: bound },
            });
        }
        Ok(found)
    }

    pub fn bound_column(&self) -> usize {
        let end = operator_span(&self.text).map_or(0, |(_, end)| end);
        let rest = &self.text[end..];
        self.text[..end].chars().count() + rest.chars().take_while(|c| c.is_whitespace()).count()
    }

    pub fn is_relative(&self) -> bool {
        matches!(self.bound, Bound::Relative { .. })
    }
}

fn is_operator_char(c: char) -> bool {
    matches!(c, '<' | '>' | '=' | '!' | '≤' | '≥' | '≠')
}

/// Byte span of the last run of operator characters.
fn operator_span(text: &str) -> Option<(usize, usize)> {
    let (last, c) = text.char_indices().rev().find(|(_, c)| is_operator_char(*c))?;
    let end = last + c.len_utf8();
    let run = text[..end].chars().rev().take_while(|c| is_operator_char(*c)).map(char::len_utf8).sum::<usize>();
    Some((end - run, end))
}

/// Parses a bound; errors carry their byte offset in `text`.
fn parse_bound(text: &str) -> Result<Bound, (usize, CriterionMistake)> {
    if text.is_empty() {
        return Err((0, CriterionMistake::NoBound));
    }
    let length = number_length(text);
    let word = || text.split_whitespace().next().unwrap_or_default().to_owned();
    if length == 0 {
        let bare = word().trim_start_matches(['+', '-']).to_lowercase();
        let infinite = ["nan", "inf", "infinity", "∞"].contains(&bare.trim_end_matches('%'));
        let kind = if infinite {
            CriterionMistake::NotFinite { found: word() }
        } else {
            CriterionMistake::NotANumber { found: word() }
        };
        return Err((0, kind));
    }
    let (number, tail) = text.split_at(length);
    let value: f64 = number.parse().map_err(|_| (0, CriterionMistake::NotANumber { found: number.to_owned() }))?;
    if !value.is_finite() {
        return Err((0, CriterionMistake::NotFinite { found: number.to_owned() }));
    }
    let unit = tail.trim();
    let unit_at = length + (tail.len() - tail.trim_start().len());
    if unit == "%" && number.starts_with(['+', '-']) {
        return Ok(Bound::Relative { share: value / 100.0 });
    }
    if let Some(bad) = unit.find(|c: char| !is_unit_char(c)) {
        return Err((unit_at + bad, CriterionMistake::Trailing { found: unit[bad..].trim().to_owned() }));
    }
    if unit.starts_with(|c: char| !(c.is_alphabetic() || c == '%')) {
        return Err((unit_at, CriterionMistake::Trailing { found: unit.to_owned() }));
    }
    Ok(Bound::Absolute { value, unit: (!unit.is_empty()).then(|| Unit::new(unit)) })
}

fn is_unit_char(c: char) -> bool {
    c.is_alphanumeric() || matches!(c, '%' | '/' | '^' | '·' | '_' | '-')
}

/// Length in bytes of the number at the start of `text`: `[+-] digits [. digits] [e [+-] digits]`.
fn number_length(text: &str) -> usize {
    // No sensible number is longer, and the limit keeps the search cheap.
    let span = text.bytes().take(400).take_while(|b| b.is_ascii_digit() || b"+-.eE".contains(b)).count();
    let is_number = |end: &usize| text.as_bytes()[end - 1].is_ascii_digit() && text[..*end].parse::<f64>().is_ok();
    (1..=span).rev().find(is_number).unwrap_or(0)
}

impl fmt::Display for Criterion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl Serialize for Criterion {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.text)
    }
}

impl<'de> Deserialize<'de> for Criterion {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::parse(&String::deserialize(deserializer)?).map_err(serde::de::Error::custom)
    }
}

/// When to roll back: a measured criterion, or a condition in words that a person judges.
#[derive(Debug, Clone, PartialEq)]
pub enum Trigger {
    /// Roll back when this criterion holds.
    Measured(Criterion),
    /// Plain words, trimmed; never empty.
    Words(String),
}

impl Trigger {
    /// Parses a trigger. Text that parses as a criterion is one; text with a metric's prefix and an operator that does
    /// not parse is an error, as is empty text; anything else is words.
    pub fn parse(text: &str) -> Result<Self, CriterionError> {
        Self::unless_words(text, Criterion::parse)
    }

    /// Parses a trigger typed by a user, as [`Criterion::typed`] does.
    pub fn typed(text: &str) -> Result<Self, CriterionError> {
        Self::unless_words(text, Criterion::typed)
    }

    fn unless_words(
        text: &str,
        parse: impl FnOnce(&str) -> Result<Criterion, CriterionError>,
    ) -> Result<Self, CriterionError> {
        let text = text.trim();
        match parse(text) {
            Ok(criterion) => Ok(Self::Measured(criterion)),
            Err(error) if text.is_empty() => Err(error),
            Err(error) => {
                let is_metric = MetricId::new(text).source().is_some() && operator_span(text).is_some();
                let is_ambiguous = matches!(error.kind, CriterionMistake::SignAlone { .. });
                if is_metric || is_ambiguous { Err(error) } else { Ok(Self::Words(text.to_owned())) }
            }
        }
    }
}

impl fmt::Display for Trigger {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Measured(criterion) => criterion.fmt(f),
            Self::Words(words) => f.write_str(words),
        }
    }
}

impl Serialize for Trigger {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Trigger {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::parse(&String::deserialize(deserializer)?).map_err(serde::de::Error::custom)
    }
}

/// The default rollback action, as in the Python tool.
pub const DEFAULT_ROLLBACK: &str = "git revert <sha>";

/// The five parts. Parts may be missing while it is being written.
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Contract {
    pub hypothesis: String,
    /// The primary KPI: what must hold for the change to be promoted.
    pub kpi: Option<Criterion>,
    pub guardrails: Vec<Criterion>,
    /// When to go back after it is rolled out.
    pub trigger: Option<Trigger>,
    /// How to go back; `<sha>` stands for the change's commit.
    pub rollback: String,
    /// The smallest change, as a share of the baseline (0.02 is 2 %), that counts as one. `None`: the noise floor decides.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub min_effect: Option<f64>,
}

#[cfg_attr(test, derive(schemars::JsonSchema))]
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Part {
    Hypothesis,
    Kpi,
    Guardrails,
    Trigger,
    Rollback,
}

impl fmt::Display for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Hypothesis => "hypothesis",
            Self::Kpi => "primary KPI",
            Self::Guardrails => "guardrails",
            Self::Trigger => "rollback trigger",
            Self::Rollback => "rollback action",
        })
    }
}

impl Contract {
    pub fn digest(&self) -> Digest {
        Digest::of_json(&json!(self))
    }

    /// The parts still missing, in the order in which they are asked for.
    pub fn missing(&self) -> Vec<Part> {
        let parts = [
            (self.hypothesis.trim().is_empty(), Part::Hypothesis),
            (self.kpi.is_none(), Part::Kpi),
            (self.guardrails.is_empty(), Part::Guardrails),
            (self.trigger.is_none(), Part::Trigger),
            (self.rollback.trim().is_empty(), Part::Rollback),
        ];
        parts.into_iter().filter_map(|(missing, part)| missing.then_some(part)).collect()
    }

    /// Every criterion: KPI, guardrails, and the trigger if it is a criterion.
    pub fn criteria(&self) -> impl Iterator<Item = &Criterion> {
        self.kpi.iter().chain(&self.guardrails).chain(self.measured_trigger())
    }

    pub fn measured_trigger(&self) -> Option<&Criterion> {
        if let Some(Trigger::Measured(criterion)) = &self.trigger { Some(criterion) } else { None }
    }

    /// Replaces the parts that `newer` gives; an empty part keeps the old one.
    pub fn merged_with(self, newer: Self) -> Self {
        let text = |new: String, old: String| if new.trim().is_empty() { old } else { new };
        Self {
            hypothesis: text(newer.hypothesis, self.hypothesis),
            kpi: newer.kpi.or(self.kpi),
            guardrails: if newer.guardrails.is_empty() { self.guardrails } else { newer.guardrails },
            trigger: newer.trigger.or(self.trigger),
            rollback: text(newer.rollback, self.rollback),
            min_effect: newer.min_effect.or(self.min_effect),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::model::{CriterionResult, Flaw, Verdict};

    fn absolute(value: f64, unit: &str) -> Bound {
        Bound::Absolute { value, unit: (!unit.is_empty()).then(|| Unit::new(unit)) }
    }

    fn mistake(text: &str) -> (usize, CriterionMistake) {
        let error = Criterion::parse(text).unwrap_err();
        (error.column, error.kind)
    }

    #[test]
    fn every_form_of_bound_is_read() {
        let bound = |text: &str| Criterion::parse(text).unwrap().bound;
        assert_eq!(bound("timing.tests.wall <= 12s"), absolute(12.0, "s"));
        assert_eq!(bound("timing.tests.wall<=350 ms"), absolute(350.0, "ms"));
        assert_eq!(bound("size.lib < 40MiB"), absolute(40.0, "MiB"));
        assert_eq!(bound("kpi.score > 0.32"), absolute(0.32, ""));
        assert_eq!(bound("kpi.score > -1.5e-3"), absolute(-0.0015, ""));
        assert_eq!(bound("kpi.rate >= 5 req/s"), absolute(5.0, "req/s"));
        assert_eq!(bound("timing.a.wall <= -10%"), Bound::Relative { share: -0.1 });
        assert_eq!(bound("timing.a.wall <= +5 %"), Bound::Relative { share: 0.05 });
        assert_eq!(bound("http.health.ok >= 99%"), absolute(99.0, "%"));
    }

    #[test]
    fn typed_criteria_may_use_printed_signs_and_a_plus_needs_a_percentage() {
        let typed = |text: &str| Criterion::typed(text).map(|it| it.text);
        assert_eq!(typed("kpi.k ≤ −5%").unwrap(), "kpi.k <= -5%");
        assert_eq!(typed("kpi.k >= -5").unwrap(), "kpi.k >= -5");
        let error = typed("kpi.k <= +5 ms").unwrap_err();
        assert!(error.kind.to_string().contains("write `+5%`"));
        assert_eq!((error.column, error.kind), (9, CriterionMistake::SignAlone { found: "+5 ms".to_owned() }));
        assert!(Criterion::parse("kpi.k <= +5").is_ok(), "records hold such");
    }

    #[test]
    fn names_may_hold_spaces_slashes_and_urls() {
        let name = |text: &str| Criterion::parse(text).unwrap().metric.as_str().to_owned();
        assert_eq!(name("size.src/my lib-2 == 0B"), "size.src/my lib-2");
        assert_eq!(name("http.http://localhost:8787/h?a=b.ok >= 1"), "http.http://localhost:8787/h?a=b.ok");
    }

    #[test]
    fn every_mistake_has_its_kind_and_its_column() {
        use CriterionMistake as M;
        assert_eq!(mistake("  "), (0, M::Empty));
        assert_eq!(mistake("timing.a.wall"), (13, M::NoOperator));
        assert_eq!(mistake("a => 5"), (2, M::UnknownOperator { found: "=>".into() }));
        assert_eq!(mistake("a ≤ 5"), (2, M::UnknownOperator { found: "≤".into() }));
        assert_eq!(mistake("a = 5"), (2, M::UnknownOperator { found: "=".into() }));
        assert_eq!(mistake(" <= 5"), (0, M::NoMetric));
        assert_eq!(mistake("é<b <= 5"), (1, M::BadMetric { found: '<' }));
        assert_eq!(mistake("é <= "), (4, M::NoBound));
        assert_eq!(mistake("a <=  fast"), (6, M::NotANumber { found: "fast".into() }));
        assert_eq!(mistake("a <= NaN"), (5, M::NotFinite { found: "NaN".into() }));
        assert_eq!(mistake("a <= -inf%"), (5, M::NotFinite { found: "-inf%".into() }));
        assert_eq!(mistake("a <= 1e999"), (5, M::NotFinite { found: "1e999".into() }));
        assert_eq!(mistake("a <= 5 ms please"), (9, M::Trailing { found: "please".into() }));
        assert_eq!(mistake("a <= 0,32"), (6, M::Trailing { found: ",32".into() }));
    }

    #[test]
    fn the_message_counts_columns_from_one() {
        let error = Criterion::parse("a => 5").unwrap_err();
        assert_eq!(
            error.to_string(),
            r#"criterion "a => 5", column 3: "=>" is not an operator; use one of <= < >= > =="#
        );
    }

    #[test]
    fn a_trigger_is_a_criterion_or_words_and_never_a_broken_criterion() {
        assert!(matches!(Trigger::parse("timing.a.wall > +10%"), Ok(Trigger::Measured(_))));
        assert!(matches!(Trigger::parse("users complain"), Ok(Trigger::Words(_))));
        assert!(matches!(Trigger::parse("errors => many, then act"), Ok(Trigger::Words(_))));
        assert!(Trigger::parse("timing.a.wall => 10%").is_err());
        assert!(Trigger::parse("  ").is_err());
        assert!(matches!(Trigger::parse("kpi.v > +5"), Ok(Trigger::Measured(_))), "as records have it");
        assert!(Trigger::typed("kpi.v > +5").is_err(), "5, or 5 %?");
        assert!(matches!(Trigger::typed("kpi.v ≥ 5"), Ok(Trigger::Measured(_))));
    }

    #[test]
    fn a_criterion_is_stored_as_its_text() {
        let json = serde_json::to_string(&Criterion::parse(" a  <= 5% ").unwrap()).unwrap();
        assert_eq!(json, r#""a  <= 5%""#);
        assert!(serde_json::from_str::<Criterion>(r#""a""#).is_err());
        assert_eq!(serde_json::from_str::<Trigger>(r#""by eye""#).unwrap(), Trigger::Words("by eye".into()));
    }

    proptest! {
        #[test]
        fn parsing_the_displayed_text_gives_the_same_criterion(
            name in "[a-z][a-z0-9/._:-]{0,12}( [a-z]{1,4})?", op in "(<=|<|>=|>|==)", value in "[+-]?[0-9]{1,5}(\\.[0-9]{1,3})?",
            unit in "( ?(s|ms|MiB|%|qps))?",
        ) {
            let criterion = Criterion::parse(&format!("{name} {op}{value}{unit}")).unwrap();
            prop_assert_eq!(Criterion::parse(&criterion.to_string()).unwrap(), criterion);
        }

        #[test]
        fn no_text_panics_and_every_column_is_within_it(text in "\\PC*|[a-z <>=!≤%+.e0-9-]{0,20}") {
            if let Err(error) = Criterion::parse(&text) {
                prop_assert!(error.column <= error.text.chars().count());
            }
            let _ = Trigger::parse(&text);
        }
    }

    #[test]
    fn a_record_keeps_text_that_is_no_criterion_or_is_spelled_differently() {
        for (text, read) in [("m <= +5%", true), ("m about 5", false), (" m <= +5%", false)] {
            let verdict = Verdict::Invalid { because: Flaw::SameCode };
            let judged = serde_json::to_value(CriterionResult { criterion: text.to_owned(), verdict }).unwrap();
            assert_eq!(judged["criterion"], text);
            let judged: CriterionResult = serde_json::from_value(judged).unwrap();
            assert_eq!((judged.parsed().is_some(), judged.criterion.as_str()), (read, text));
        }
    }
}
