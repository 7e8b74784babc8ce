//! Problems and their fixes as ordered, typed steps, and the steps shared by several parts of the tool.

use serde::Serialize;

use crate::model::text::short;
use crate::model::uncommitted::OWN;
use crate::model::{Causes, ChangeId, Class, CommandLine, DEFAULT_ROLLBACK, Gate, Part, Proposed, Stage, Uncommitted};

pub const WHY: &str = "WHY";
pub const NAME: &str = "NAME";
pub const WHAT_CHANGED: &str = "WHAT CHANGED";
pub const HEAD: &str = "HEAD";
pub const WHAT_HAPPENED: &str = "WHAT HAPPENED";
pub const WHAT_WAS_OBSERVED: &str = "WHAT WAS OBSERVED";
pub const SHORT_HYPOTHESIS: &str = "SHORT HYPOTHESIS";
pub const HYPOTHESIS: &str = "WHAT SHOULD IMPROVE, AND WHY";
pub const OVERRIDE_OUT: &str = "HOW TO REMOVE THE OVERRIDE";

/// Placeholders in printed commands; refused if a user types one unchanged.
pub const PLACEHOLDERS: [&str; 9] =
    [WHY, NAME, "MODE", WHAT_CHANGED, WHAT_HAPPENED, WHAT_WAS_OBSERVED, SHORT_HYPOTHESIS, HYPOTHESIS, OVERRIDE_OUT];

/// How a step stands to the one before it.
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum How {
    Next,
    /// To be done after the one before.
    Then,
    /// Instead of what comes before.
    Or,
}

impl How {
    pub fn joint(self) -> &'static str {
        match self {
            Self::Next => "",
            Self::Then => "then ",
            Self::Or => "or ",
        }
    }
}

#[cfg_attr(test, derive(schemars::JsonSchema))]
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "action", rename_all = "lowercase")]
pub enum Action {
    /// A command to run.
    Run { command: CommandLine },
    /// A line that belongs under a key of a file.
    Edit { file: String, key: String, line: String },
    /// What only a person can do; the purpose says it.
    Decide,
}

#[cfg_attr(test, derive(schemars::JsonSchema))]
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Fix {
    pub how: How,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub purpose: String,
    #[serde(flatten)]
    pub action: Action,
}

impl Fix {
    fn run(how: How, purpose: impl Into<String>, command: CommandLine) -> Self {
        Self { how, purpose: purpose.into(), action: Action::Run { command } }
    }

    pub fn next(purpose: impl Into<String>, command: CommandLine) -> Self {
        Self::run(How::Next, purpose, command)
    }

    pub fn then(purpose: impl Into<String>, command: CommandLine) -> Self {
        Self::run(How::Then, purpose, command)
    }

    pub fn after(self) -> Self {
        Self { how: How::Then, ..self }
    }

    pub fn or(purpose: impl Into<String>, command: CommandLine) -> Self {
        Self::run(How::Or, purpose, command)
    }

    pub fn one_of(commands: impl IntoIterator<Item = CommandLine>) -> Vec<Self> {
        let how = |at| if at == 0 { How::Next } else { How::Or };
        commands.into_iter().enumerate().map(|(at, command)| Self::run(how(at), "", command)).collect()
    }

    pub fn decide(how: How, what: impl Into<String>) -> Self {
        Self { how, purpose: what.into(), action: Action::Decide }
    }

    pub fn edit(how: How, purpose: &str, file: &str, key: &str, line: &str) -> Self {
        let action = Action::Edit { file: file.to_owned(), key: key.to_owned(), line: line.to_owned() };
        Self { how, purpose: purpose.to_owned(), action }
    }

    pub fn command(&self) -> Option<&CommandLine> {
        if let Action::Run { command } = &self.action { Some(command) } else { None }
    }
}

/// Project settings and the state of the work tree that printed commands depend on.
#[derive(Debug, Clone, PartialEq)]
pub struct FixContext {
    pub trailer: String,
    /// A tool and a reasoning mode that the config accepts for a review.
    pub review: (String, String),
    /// A KPI, a guardrail and a trigger on metrics that the config measures, or templates of these.
    pub criteria: [String; 3],
    /// Like `criteria`, but with absolute bounds, which a person fills in, for changes without a baseline.
    pub bounds: [String; 3],
    pub pairs: bool,
    /// Timings imported from a file, which cannot be measured in pairs.
    pub imported: Vec<String>,
    pub uncommitted: Uncommitted,
    /// Paths of the tool's own files, relative to the project root.
    pub own: Vec<String>,
    /// Changes whose records have uncommitted events, each with its commits.
    pub unsaved: Vec<(ChangeId, Vec<String>)>,
    pub proposed: Proposed,
    pub causes: Causes,
}

impl Default for FixContext {
    fn default() -> Self {
        Self {
            trailer: "Optimizer-Change".to_owned(),
            review: ("other".to_owned(), "human".to_owned()),
            criteria: Self::shapes("METRIC"),
            bounds: ["METRIC <= N", "METRIC <= N", "METRIC > N"].map(str::to_owned),
            pairs: true,
            imported: Vec::new(),
            uncommitted: Uncommitted::default(),
            own: OWN.map(str::to_owned).into(),
            unsaved: Vec::new(),
            proposed: Proposed::default(),
            causes: Causes::default(),
        }
    }
}

impl FixContext {
    /// Templates of a KPI, a guardrail and a trigger for a metric that is better when lower.
    pub fn shapes(metric: &str) -> [String; 3] {
        [" <= -10%", " <= +2%", " > +10%"].map(|rest| format!("{metric}{rest}"))
    }

    /// Adds the `git commit` flag that links a commit to a change by its trailer.
    pub fn with_trailer(&self, commit: CommandLine, id: impl std::fmt::Display) -> CommandLine {
        commit.word("--trailer").word(format!("{}: {id}", self.trailer))
    }

    pub fn commit_own(&self, message: &str) -> CommandLine {
        let commit = CommandLine::git("commit -m").words([message, "--"]).words(&self.own);
        CommandLine::git("add").words(&self.own).and(commit)
    }

    /// Commits everything uncommitted as the change, except build output and the like ([`Uncommitted::built`]).
    pub fn commit(&self, id: &ChangeId) -> CommandLine {
        self.uncommitted.add_work().and(self.with_trailer(CommandLine::git("commit").ask("-m", WHAT_CHANGED), id))
    }

    pub fn attest(&self, id: &ChangeId) -> CommandLine {
        let (tool, mode) = &self.review;
        let line = on(id, "review attest").words(["--tool", tool, "--reasoning-mode", mode]);
        line.ask("--reviewer", NAME)
    }

    pub fn reviewed(&self, id: &ChangeId) -> Vec<Fix> {
        vec![Fix::next("have it reviewed", on(id, "review bundle")), Fix::then("", self.attest(id))]
    }

    pub fn contract(&self, id: &ChangeId, class: Class, parts: &[Part]) -> CommandLine {
        self.contract_parts(on(id, "change contract"), class, parts)
    }

    /// Appends a flag to `line` for each of these parts of a contract.
    pub fn contract_parts(&self, line: CommandLine, class: Class, parts: &[Part]) -> CommandLine {
        let [kpi, guardrail, trigger] = if class == Class::Emergency { &self.bounds } else { &self.criteria };
        parts.iter().fold(line, |line, part| match part {
            Part::Hypothesis => line.ask("--hypothesis", HYPOTHESIS),
            Part::Kpi => line.word("--kpi").word(kpi),
            Part::Guardrails => line.word("--guardrail").word(guardrail),
            Part::Trigger => line.word("--trigger").word(trigger),
            // An emergency override has no commit to revert.
            Part::Rollback if class == Class::Emergency => line.ask("--rollback", OVERRIDE_OUT),
            Part::Rollback => line.word("--rollback").word(DEFAULT_ROLLBACK),
        })
    }

    pub fn gate(&self, id: &ChangeId, gate: Gate) -> CommandLine {
        const PARTS: [Part; 5] = [Part::Hypothesis, Part::Kpi, Part::Guardrails, Part::Trigger, Part::Rollback];
        match gate {
            Gate::Open => start(),
            Gate::Contract => self.contract(id, Class::Code, &PARTS),
            Gate::Baseline => baseline(id),
            Gate::Validate => on(id, "validate"),
            Gate::After => after(id),
            Gate::Compare => on(id, "compare"),
            Gate::Decide => on(id, "change promote"),
            Gate::Rollout => rollout(id, self.proposed.stage.unwrap_or(Stage::Full)),
            Gate::Verify => verify(id),
        }
    }
}

pub fn exempt() -> Fix {
    let purpose = "if such commits tune nothing, exempt their files or their author";
    Fix::edit(How::Or, purpose, "the config", "enforcement.exempt", "- {paths: [\"docs/**\"], reason: \"WHY\"}")
}

/// Starts the checks after `commit`, which predates the tool's setup.
pub fn since(how: How, commit: &str) -> Fix {
    let purpose = "so that commits older than the set-up owe nothing";
    Fix::edit(how, purpose, "the config", "enforcement", &format!("since: {}", short(commit)))
}

pub fn unshallow() -> Fix {
    Fix::next("fetch the whole history (in GitHub Actions: fetch-depth: 0)", CommandLine::git("fetch --unshallow"))
}

pub fn fetch(spec: &str, shallow: bool) -> Vec<Fix> {
    if spec.contains("@{u") {
        let push = Fix::next("the branch follows none of a remote: push it", CommandLine::git("push -u origin HEAD"));
        let name = Fix::or("name the commit before the first one", CommandLine::tool("check --range BASE..HEAD"));
        return vec![push, name];
    }
    let name = spec.strip_prefix("refs/remotes/").unwrap_or(spec).strip_prefix("origin/");
    let name = name.and_then(|name| name.split(['~', '^', '@', ':']).next()).filter(|name| !name.is_empty());
    let fetch = match name {
        // A single-branch clone does not fetch other branches without a refspec.
        Some(name) => CommandLine::git("fetch origin").word(format!("+{name}:refs/remotes/origin/{name}")),
        None => CommandLine::git("fetch --all --tags"),
    };
    let fetch = Fix::next("fetch what the remote has", fetch);
    let see = Fix::or("see the newest commits of all branches", CommandLine::git("log --oneline --all -n 20"));
    let more = (name.is_some() || !shallow).then(|| if shallow { fetch.after() } else { fetch });
    shallow.then(unshallow).into_iter().chain(more).chain([see]).collect()
}

pub fn on(id: &ChangeId, subcommand: &str) -> CommandLine {
    CommandLine::tool(subcommand).words(["--change-id", id.as_str()])
}

pub fn start() -> CommandLine {
    CommandLine::tool("change start").ask("--title", SHORT_HYPOTHESIS)
}

pub fn start_from(id: &ChangeId) -> CommandLine {
    CommandLine::tool("change start --from").word(id.as_str())
}

pub fn baseline(id: &ChangeId) -> CommandLine {
    CommandLine::tool("snapshot --label before --change-id").word(id.as_str()).words(["--as", "before"])
}

pub fn choose(id: &ChangeId) -> CommandLine {
    CommandLine::tool("change use").word(id.as_str())
}

pub fn after(id: &ChangeId) -> CommandLine {
    CommandLine::tool("snapshot --label after --change-id").word(id.as_str()).words(["--as", "after"])
}

pub fn rollout(id: &ChangeId, stage: Stage) -> CommandLine {
    on(id, &format!("change rollout {}", stage.name()))
}

pub fn take_out(id: &ChangeId) -> CommandLine {
    with_reason(id, "rollback").word("--apply")
}

pub fn show(id: &ChangeId) -> CommandLine {
    CommandLine::tool("change show").word(id.as_str())
}

/// Ends a change or resolves its alarms, with a reason: `hold`, `reject`, `rollback`, `resolve`.
pub fn with_reason(id: &ChangeId, verb: &str) -> CommandLine {
    on(id, &format!("change {verb}")).ask("--reason", WHY)
}

pub fn verify(id: &ChangeId) -> CommandLine {
    on(id, "change verify").word("--apply").ask("--summary", WHAT_WAS_OBSERVED)
}

pub fn restore(path: &str) -> CommandLine {
    CommandLine::git("restore --source=HEAD --staged --worktree --").word(path)
}

#[cfg_attr(test, derive(schemars::JsonSchema))]
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    Info,
    /// Should be looked at; does not fail a check.
    Warn,
    Fail,
}

impl Severity {
    pub fn name(self) -> &'static str {
        match self {
            Self::Info => "info",
            Self::Warn => "warn",
            Self::Fail => "fail",
        }
    }
}

/// A commit as problems name it.
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct CommitName {
    pub id: String,
    pub subject: String,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Subject {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub commit: Option<CommitName>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub change: Option<ChangeId>,
    /// Relative to the project root, with `/` separators.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
}

/// A problem and how to fix it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// Stable: users' scripts and configs refer to it.
    pub code: String,
    pub severity: Severity,
    pub subject: Subject,
    /// One sentence without an initial capital and without a period.
    pub message: String,
    /// Details, one line each; they do not repeat the message.
    pub details: Vec<String>,
    /// In the order to apply them; empty only if all the user can do is wait.
    pub fixes: Vec<Fix>,
}

impl Problem {
    pub fn warn(code: &str, message: impl Into<String>, fixes: Vec<Fix>) -> Self {
        Self::of_setup(Severity::Warn, code, message, fixes)
    }

    pub fn info(code: &str, message: impl Into<String>, fixes: Vec<Fix>) -> Self {
        Self::of_setup(Severity::Info, code, message, fixes)
    }

    /// A problem of the project's setup, without a subject.
    pub fn of_setup(severity: Severity, code: &str, message: impl Into<String>, fixes: Vec<Fix>) -> Self {
        let (code, message) = (code.to_owned(), message.into());
        Self { code, severity, subject: Subject::default(), message, details: Vec::new(), fixes }
    }
}

/// The stable code of a problem: the `code` tag of its serialized enum.
pub fn code(kind: &impl Serialize) -> String {
    // An internally tagged enum always serializes its tag.
    let value = serde_json::to_value(kind).unwrap_or_default();
    value["code"].as_str().unwrap_or_default().to_owned()
}
