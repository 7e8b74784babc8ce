//! One file for each verb or group of verbs: load, decide, commit, render. Here: what the verbs share, made once per
//! process, and the reporting of errors.

use std::cell::{Cell, OnceCell, RefCell};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use chrono::{DateTime, Utc};
use clap::Args;
use serde_json::{Value, json};

use crate::config::{Config, file};
use crate::error::{CommandError, Exit, Result, trouble};
use crate::git::{self, GitError, Repo};
use crate::measure::revision;
use crate::model::{CommandLine, Fix, How, Measurable, MetricId, Policy, fix, scrub};
use crate::os::{Interrupt, clock, host, interrupt};
use crate::report::{Doc, Format, StepView, Terminal, markdown, problem, terminal};
use crate::store::{Exclusive, Holder, Project, RecordError, atomic, guard, lock};
use crate::ui::Ui;
use crate::workflow::{Change, Reason, Step, next};

pub(crate) mod autopilot;
pub(crate) mod bisect;
pub(crate) mod calibrate;
pub(crate) mod check;
mod collect;
pub(crate) mod compare;
pub(crate) mod completions;
pub(crate) mod contract;
pub(crate) mod day;
pub(crate) mod decide;
pub(crate) mod doctor;
pub(crate) mod hooks;
pub(crate) mod init;
pub(crate) mod monitor;
pub(crate) mod preflight;
pub(crate) mod relink;
pub(crate) mod review;
pub(crate) mod rollout;
pub(crate) mod snapshot;
pub(crate) mod start;
pub(crate) mod status;
pub(crate) mod validate;

mod audit_here;
mod audit_range;
pub(crate) mod choose;
pub(crate) mod commit;
mod commit_contents;
pub(crate) mod delta;
pub(crate) mod demands;
pub(crate) mod evidence;
mod fix_context;
mod git_history;
mod hook_facts;
mod measure;
pub(crate) mod pair;
mod pairing;
pub(crate) mod parse;
mod range;
mod record_check;
mod sources;
mod uncommitted;

pub(crate) use audit_range::{Range, Touches};
pub(crate) use choose::ChangeArg;
pub(crate) use commit::Pending;
pub(crate) use contract::ContractFlags;
pub(crate) use decide::DecisionArgs;
pub(crate) use git_history::GitHistory;
pub(crate) use measure::{Measurement, Spinner};
pub(crate) use monitor::tick::{self, Ticked};
pub(crate) use pair::BudgetArgs;
pub(crate) use pairing::{Ask, Pairing, Probes};
pub(crate) use snapshot::{RoleArg, SnapshotArgs};

#[derive(Debug, Clone, Args)]
pub(crate) struct Globals {
    /// Use the project in this directory [default: the one around the current directory]
    #[arg(long, short = 'C', global = true, value_name = "DIR", help_heading = "Global options")]
    pub root: Option<PathBuf>,
    /// Output format [default: text on a terminal; in a pipe what the Python tool of this name prints]
    #[arg(long, global = true, value_enum, help_heading = "Global options")]
    pub format: Option<Format>,
    /// Print only the answer, warnings and errors
    #[arg(long, short, global = true, help_heading = "Global options")]
    pub quiet: bool,
}

impl Globals {
    pub(crate) fn is_json(&self) -> bool {
        self.format == Some(Format::Json)
    }
}

pub(crate) struct Ctx {
    pub ui: Ui,
    pub project: Project,
    pub globals: Globals,
    config: OnceCell<Config>,
    repo: OnceCell<Option<Repo>>,
    actor: OnceCell<Option<String>>,
    criteria: OnceCell<contract::Examples>,
    /// Metrics that the advice proposes no criterion on.
    pub unfit: RefCell<BTreeSet<MetricId>>,
    interrupt: OnceCell<Interrupt>,
    reported: RefCell<BTreeSet<String>>,
    /// Whether the steps that need no person run one after the other: then only the step after them is announced.
    pub runs_on: Cell<bool>,
}

impl Ctx {
    pub(crate) fn new(globals: Globals, ui: Ui) -> Result<Self> {
        interrupt::survive_file_size_limit();
        let project = Project::find(&std::env::current_dir()?, globals.root.as_deref())?;
        Ok(Self {
            ui,
            project,
            globals,
            config: OnceCell::new(),
            repo: OnceCell::new(),
            actor: OnceCell::new(),
            criteria: OnceCell::new(),
            unfit: RefCell::default(),
            interrupt: OnceCell::new(),
            reported: RefCell::default(),
            runs_on: Cell::default(),
        })
    }

    /// Reports an error that does not end the command; each text only once.
    pub(crate) fn error_once(&self, text: &str) {
        if self.reported.borrow_mut().insert(text.to_owned()) {
            self.ui.error(text);
        }
    }

    pub(crate) fn now(&self) -> DateTime<Utc> {
        clock::now()
    }

    /// Whether to answer with JSON; `piped` says whether a pipe gets it by default.
    pub(crate) fn json(&self, piped: bool) -> bool {
        match self.globals.format {
            Some(format) => format == Format::Json,
            None => piped && !self.ui.answers_a_person(),
        }
    }

    /// Prints the answer of a command that did what it was asked.
    pub(crate) fn put(&self, text: &str) -> Result<Exit> {
        self.ui.answer(text)?;
        Ok(Exit::Yes)
    }

    pub(crate) fn print(&self, value: &Value) -> Result<Exit> {
        self.put(&serde_json::to_string_pretty(value).unwrap_or_default())
    }

    /// Prints the JSON that scripts for the Python tool read from a pipe, also when refused; `--format json` gets the
    /// refusal instead.
    pub(crate) fn print_piped(&self, value: &Value) -> Result<()> {
        if self.globals.format.is_none() && self.json(true) { self.print(value).map(drop) } else { Ok(()) }
    }

    /// Answers with `value` as JSON, or with the text; `piped` says whether a pipe gets JSON by default.
    pub(crate) fn say(&self, piped: bool, value: &Value, text: &str) -> Result<Exit> {
        if self.json(piped) { self.print(value) } else { self.put(text) }
    }

    pub(crate) fn answer(&self, piped: bool, value: &Value, doc: &Doc) -> Result<Exit> {
        if self.json(piped) { self.print(value) } else { self.show(doc) }
    }

    /// Writes an answer to a file that the user named: JSON if the format or the file's extension says so, else
    /// markdown.
    pub(crate) fn write_out(&self, out: &Path, value: &Value, doc: &Doc) -> Result<()> {
        guard::guard_out_path(&self.project, out, &[])?;
        let named = out.extension().is_some_and(|ending| ending == "json");
        let as_json = self.globals.format.map_or(named, |format| format == Format::Json);
        let text = if as_json { format!("{value:#}\n") } else { scrub(&markdown::render(doc)) };
        Ok(atomic::write_free(out, text.as_bytes())?)
    }

    /// Writes a page to the file that the user named, or else to the tool's own file `own`; returns its path.
    pub(crate) fn write_page(&self, out: Option<PathBuf>, own: PathBuf, text: &str) -> Result<PathBuf> {
        let Some(out) = out else {
            let _lock = self.lock()?;
            self.project.prepare_state()?;
            guard::write(&self.project, &own, text.as_bytes())?;
            return Ok(own);
        };
        guard::guard_out_path(&self.project, &out, &[])?;
        atomic::write_free(&out, text.as_bytes())?;
        Ok(out)
    }

    /// Prints a document as the answer: with colours on a terminal, plain in a pipe, or as markdown if requested.
    pub(crate) fn show(&self, doc: &Doc) -> Result<Exit> {
        let text = if self.globals.format == Some(Format::Markdown) {
            markdown::render(doc)
        } else if self.ui.answers_a_person() {
            terminal::render(doc, Terminal { width: Some(self.ui.width()), color: true })
        } else {
            terminal::render(doc, Terminal::default())
        };
        self.put(&text)
    }

    pub(crate) fn config(&self) -> Result<&Config> {
        once(&self.config, || {
            let loaded = file::load(self.project.config_places()).map_err(|error| {
                let fixes = error.fixes();
                CommandError::from(error).fixed_by(fixes)
            })?;
            if loaded.path.is_none() {
                self.refuse_absent_config()?;
            }
            for path in &loaded.ignored {
                self.ui.warn(&format!("{} is not read: an earlier config file is in force", path.display()));
            }
            let name = loaded.path.as_deref().map(|path| self.project.relative(path)).unwrap_or_default();
            for problem in &loaded.warnings {
                self.ui.warn(&format!("{name}:{problem}"));
            }
            Ok(loaded.config)
        })
    }

    pub(crate) fn policy(&self) -> Result<Policy> {
        Ok(collect::policy_of(self.config()?))
    }

    /// The metrics on which a criterion makes sense: all that the config measures, except the file count of a single
    /// file.
    pub(crate) fn measurable(&self) -> Result<Measurable> {
        let mut all = self.config()?.measurable();
        all.without_counts_of_files(|path| self.project.root().join(path).is_file());
        Ok(all)
    }

    pub(crate) fn next(&self, change: &Change) -> Result<StepView> {
        let step = next::next(change, &self.policy()?, self.now());
        if step == Step::ConfirmRollback {
            return Ok(status::view(self, change, &step));
        }
        Ok(StepView::new(change, &step, &self.fix_context()))
    }

    pub(crate) fn advise(&self, steps: &[Fix]) {
        self.ui.status(&problem::lines(steps).join("\n"));
    }

    /// Shows a step that only a person can do, unless quiet.
    pub(crate) fn hint(&self, what: impl Into<String>) {
        self.advise(&[Fix::decide(How::Next, what)]);
    }

    pub(crate) fn hint_next(&self, change: &Change) -> Result<Exit> {
        if self.runs_on.get() && matches!(next::next(change, &self.policy()?, self.now()), Step::After | Step::Compare)
        {
            return Ok(Exit::Yes);
        }
        let evidence = uncommitted::steps(self, change);
        self.advise(&self.next(change)?.steps().into_iter().chain(evidence).collect::<Vec<_>>());
        Ok(Exit::Yes)
    }

    /// Answers with the path of a written file, or `{"wrote": P}` as JSON.
    pub(crate) fn wrote(&self, path: &Path, piped: bool) -> Result<Exit> {
        self.say(piped, &json!({ "wrote": path }), &path.display().to_string())
    }

    /// The history of the project's commits, read with the config's trailer; `None` outside git.
    pub(crate) fn history(&self) -> Result<Option<GitHistory<'_>>> {
        let key = &self.config()?.enforcement.trailer;
        Ok(self.repo()?.map(|repo| GitHistory::new(repo, key)))
    }

    pub(crate) fn repo(&self) -> Result<Option<&Repo>> {
        Ok(once(&self.repo, || Ok(revision::open(self.project.root())?))?.as_ref())
    }

    pub(crate) fn needed_repo(&self, what: &str) -> Result<&Repo> {
        let missing = || trouble(format!("{what} a git repository, and there is none here"));
        self.repo()?.ok_or_else(|| missing().fixed_by([Fix::next("make one", CommandLine::git("init"))]))
    }

    /// The user in git's settings, looked up once; `None` if not set.
    pub(crate) fn actor(&self) -> Option<String> {
        let asked = || self.repo().ok().flatten().and_then(|repo| repo.user().ok().flatten());
        self.actor.get_or_init(asked).clone()
    }

    pub(crate) fn lock(&self) -> Result<Exclusive> {
        self.refuse_sparse_checkout()?;
        let command: Vec<String> = std::env::args().skip(1).take(3).collect();
        let holder = Holder {
            pid: std::process::id(),
            command: command.join(" "),
            host: host::name().unwrap_or_default(),
            since: self.now(),
        };
        let wait = std::env::var(lock::WAIT_VARIABLE).map_or(Ok(lock::DEFAULT_WAIT), |text| lock::parse_wait(&text))?;
        Ok(Exclusive::acquire(&self.project, &holder, wait)?)
    }

    pub(crate) fn interrupt(&self) -> Result<&Interrupt> {
        once(&self.interrupt, || Ok(Interrupt::install()?))
    }
}

fn once<T>(cell: &OnceCell<T>, make: impl FnOnce() -> Result<T>) -> Result<&T> {
    if let Some(made) = cell.get() {
        return Ok(made);
    }
    let made = make()?;
    Ok(cell.get_or_init(|| made))
}

/// Reports why a command failed: as text on standard error and, if JSON was requested, also as JSON on standard output.
pub(crate) fn tell(ui: &Ui, error: &CommandError, json: bool, ctx: Option<&Ctx>) -> Exit {
    match error {
        CommandError::Refused { refusal, change, proposed } => {
            // The advice proposes metrics of the config, so it is read even if the command did not need it.
            let _ = ctx.map(Ctx::config);
            let mut fixes = ctx.map(Ctx::fix_context).unwrap_or_default();
            fixes.proposed = (**proposed).clone();
            let asked = ctx.filter(|_| refusal.missing.is_of_uncommitted());
            fixes.uncommitted = asked.map(uncommitted::paths).unwrap_or_default();
            if let (Some(ctx), Some(change)) = (ctx, change) {
                let alarms = change.open_alarms.as_slice();
                let judged = if let Reason::StageGuardrails { judged } = &refusal.missing { judged } else { alarms };
                fixes.causes = fix_context::causes(ctx, change, judged).unwrap_or_default();
            }
            fixes.uncommitted.last = ctx.and_then(|ctx| ctx.last_commit(&fixes.trailer));
            let refused = problem::refused(refusal, change.as_deref(), &fixes);
            ui.tell(&problem::refusal_text(&refused));
            if json {
                // If printing fails, the exit code still tells.
                let _ = ui.answer(&format!("{:#}", problem::refusal_json(refusal, &refused)));
            }
        }
        CommandError::Trouble { .. } | CommandError::Failed { .. } => {
            let (message, fixes) = message_and_fixes(error);
            ui.error(&message);
            for line in problem::lines(&fixes) {
                ui.tell(&line);
            }
            if json {
                let commands: Vec<_> = fixes.iter().filter_map(Fix::command).collect();
                let hints: Vec<_> =
                    fixes.iter().filter(|fix| fix.command().is_none()).map(|fix| &fix.purpose).collect();
                let answer = json!({ "error": message, "hints": hints, "next": commands, "fixes": fixes });
                let _ = ui.answer(&format!("{answer:#}"));
            }
        }
    }
    error.exit()
}

/// The fixes for an error from below the commands that has none of its own.
fn steps(error: &anyhow::Error) -> Vec<Fix> {
    if error.is::<RecordError>() {
        return vec![Fix::next("see what is wrong with the records, and what helps", CommandLine::tool("check"))];
    }
    match error.downcast_ref() {
        Some(GitError::Failed { stderr, .. }) => git::missing_filter(stderr),
        Some(GitError::UnknownRevision { spec, shallow }) => fix::fetch(spec, *shallow),
        Some(GitError::CutOff { .. }) => vec![fix::unshallow()],
        _ => Vec::new(),
    }
}

fn message_and_fixes(error: &CommandError) -> (String, Vec<Fix>) {
    match error {
        CommandError::Refused { refusal, .. } => (refusal.missing.to_string(), Vec::new()),
        CommandError::Trouble { error, fixes } if fixes.is_empty() => (in_words(error), steps(error)),
        CommandError::Trouble { error, fixes } => (in_words(error), fixes.clone()),
        CommandError::Failed { message, fixes } => (message.clone(), fixes.clone()),
    }
}

pub(crate) fn in_text(error: &CommandError) -> String {
    let (message, fixes) = message_and_fixes(error);
    std::iter::once(message).chain(problem::lines(&fixes)).collect::<Vec<_>>().join("\n")
}

/// The error with its causes, without causes that the text already contains.
fn in_words(error: &anyhow::Error) -> String {
    error.chain().map(ToString::to_string).fold(String::new(), |text, cause| match () {
        () if text.is_empty() => cause,
        () if text.contains(&cause) => text,
        () => format!("{text}: {cause}"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cause_is_printed_once() {
        let error = anyhow::anyhow!("disk full").context("cannot write x: disk full").context("cannot save");
        assert_eq!(in_words(&error), "cannot save: cannot write x: disk full");
    }
}
