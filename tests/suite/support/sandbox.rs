//! A throwaway project with its own home directory: commands in it see no settings of this machine.

use std::borrow::Borrow;
use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Arc, Mutex, OnceLock};

use chrono::{DateTime, Duration, TimeZone as _, Utc};
use serde_json::Value;
use tempfile::TempDir;

use super::CommandOutput;
use super::normal::normal;
use super::template::{Template, scratch};

/// A config whose only KPI is read from a file and exact, so that every verdict is certain and no run is timed.
pub(crate) const CONFIG: &str = "\
version: 1
commands: {test: \"exit 0\"}
kpis:
  - {name: ops, file: ops.json, pointer: /ops, better: lower, exact: true}
size_paths: [src]
pair: {enabled: false}
review: {require_attestation: false}
";

/// The git user, and settings that spare a throwaway repository unneeded work.
const GIT_SETTINGS: &str = "[user]\n\tname = Ada\n\temail = ada@example.org\n[init]\n\tdefaultBranch = main\n\
    [core]\n\tautocrlf = false\n\tfsync = none\n[gc]\n\tauto = 0\n[maintenance]\n\tauto = false\n";

/// The file that the KPI of [`CONFIG`] is read from.
pub(crate) fn kpi(ops: f64) -> String {
    format!("{{\"ops\": {ops}}}\n")
}

/// The steps with which most tests begin.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Step {
    Start(String, Vec<String>),
    Contract,
    Before,
    Improve(String),
    Validate,
    After,
    Compare,
    Promote,
    RollOut,
}

/// A project after some steps, with the id of its change; created once per process.
type Made = Arc<OnceLock<(Template, String)>>;

/// One project with its own home, clock and environment.
pub(crate) struct Sandbox {
    dir: TempDir,
    root: PathBuf,
    /// The steps requested so far, as long as nothing else was; `None` once they were performed.
    begun: RefCell<Option<Vec<Step>>>,
    here: RefCell<PathBuf>,
    /// The time of the test clock; `None` for the real clock, in which case output is not normalised.
    now: Option<Cell<DateTime<Utc>>>,
    change: RefCell<String>,
    env: RefCell<BTreeMap<String, String>>,
}

impl Sandbox {
    /// A git repository with one commit: a source file, the KPI's file at 100, and [`CONFIG`].
    pub(crate) fn new() -> Self {
        let sandbox = Self::nowhere("project", Some(begin()));
        *sandbox.begun.borrow_mut() = Some(Vec::new());
        sandbox
    }

    /// The same files without a repository and a config.
    pub(crate) fn without_git() -> Self {
        let sandbox = Self::empty("project", Some(begin()));
        sandbox.write("src/main.txt", "slow\n");
        sandbox.write("ops.json", kpi(100.0));
        sandbox
    }

    /// A home directory and an empty project with this name.
    pub(super) fn empty(name: &str, now: Option<DateTime<Utc>>) -> Self {
        let sandbox = Self::nowhere(name, now);
        for made in [&sandbox.root, &sandbox.home(), &sandbox.outside().join("tmp")] {
            fs::create_dir(made).unwrap();
        }
        fs::write(sandbox.home().join("gitconfig"), GIT_SETTINGS).unwrap();
        sandbox
    }

    /// The paths alone, without creating any of them.
    fn nowhere(name: &str, now: Option<DateTime<Utc>>) -> Self {
        let dir = scratch();
        // The tool shows the project's path with links resolved (/tmp is one on some systems).
        let base = fs::canonicalize(dir.path()).unwrap();
        let base = PathBuf::from(base.to_string_lossy().trim_start_matches(r"\\?\"));
        let root = base.join(name);
        let (here, now) = (RefCell::new(root.clone()), now.map(Cell::new));
        Self { dir, here, root, now, begun: RefCell::default(), change: RefCell::default(), env: RefCell::default() }
    }

    /// Performs a step, or remembers it while only steps were requested: each sequence is performed once and then
    /// copied.
    #[track_caller]
    fn step(&self, step: Step) -> &Self {
        if let Some(steps) = self.begun.borrow_mut().as_mut() {
            steps.push(step);
            return self;
        }
        self.perform(step);
        self
    }

    /// Performs the remembered steps.
    #[track_caller]
    fn settle(&self) -> &Self {
        static MADE: Mutex<BTreeMap<Vec<Step>, Made>> = Mutex::new(BTreeMap::new());
        let Some(mut steps) = self.begun.take() else { return self };
        let made = MADE.lock().unwrap().entry(steps.clone()).or_default().clone();
        let (files, change) = made.get_or_init(|| {
            let first = match steps.pop() {
                Some(last) => {
                    let first = Self::nowhere("project", Some(begin()));
                    *first.begun.borrow_mut() = Some(steps);
                    first.settle().perform(last);
                    first
                }
                None => {
                    let first = Self::without_git();
                    first.git(&["init", "-q"]);
                    first.write("vibeship_optimizer.yml", CONFIG);
                    first.git(&["add", "-A"]);
                    first.git(&["commit", "-q", "-m", "start"]);
                    first
                }
            };
            (Template::of(first.outside()), first.id())
        });
        files.write(self.outside());
        self.change.replace(change.clone());
        self
    }

    #[track_caller]
    fn perform(&self, step: Step) {
        match step {
            Step::Start(title, flags) => {
                let mut arguments = vec!["change", "start", "--title", &title];
                arguments.extend(flags.iter().map(String::as_str));
                let answer = self.run(&arguments).ok().json();
                *self.change.borrow_mut() = answer["change_id"].as_str().unwrap().to_owned();
            }
            Step::Contract => {
                let contract = ["change", "contract", "--hypothesis", "half the operations"];
                let bounds = ["--kpi", "kpi.ops <= -10%", "--guardrail", "size.src <= +100%", "--trigger"];
                let _ = self.on(&[&contract[..], &bounds, &["kpi.ops > +10%"]].concat()).ok();
            }
            Step::Before => drop(self.on(&["snapshot", "--label", "before", "--as", "before"]).ok()),
            Step::Improve(ops) => drop(self.tune(ops.parse().unwrap()).commit("tune")),
            Step::Validate => drop(self.on(&["validate"]).ok()),
            Step::After => drop(self.on(&["snapshot", "--label", "after", "--as", "after"]).ok()),
            Step::Compare => drop(self.on(&["compare"]).ok()),
            Step::Promote => drop(self.on(&["change", "promote"]).ok()),
            Step::RollOut => drop(self.on(&["change", "rollout", "full"]).ok()),
        }
    }

    /// The project's root.
    pub(crate) fn root(&self) -> &Path {
        &self.settle().root
    }

    /// A path in the project.
    pub(crate) fn path(&self, relative: impl AsRef<Path>) -> PathBuf {
        self.root().join(relative)
    }

    /// Changes the directory of later commands, and creates it if necessary.
    pub(crate) fn go_to(&self, dir: impl AsRef<Path>) -> &Self {
        let dir = self.root().join(dir);
        fs::create_dir_all(&dir).unwrap();
        *self.here.borrow_mut() = dir;
        self
    }

    /// Sets a variable for later commands.
    pub(crate) fn set(&self, name: &str, value: &str) -> &Self {
        self.settle().env.borrow_mut().insert(name.to_owned(), value.to_owned());
        self
    }

    /// Removes a variable set by [`Sandbox::set`].
    pub(crate) fn unset(&self, name: &str) -> &Self {
        self.settle().env.borrow_mut().remove(name);
        self
    }

    /// Advances the clock.
    pub(crate) fn later(&self, by: Duration) -> &Self {
        let now = self.settle().now.as_ref().unwrap();
        now.set(now.get() + by);
        self
    }

    /// Writes a file of the project.
    pub(crate) fn write(&self, relative: impl AsRef<Path>, text: impl AsRef<[u8]>) -> &Self {
        let path = self.root().join(relative);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
        self
    }

    /// Reads a file of the project.
    #[track_caller]
    pub(crate) fn read(&self, relative: impl AsRef<Path>) -> String {
        let path = self.root().join(relative);
        fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
    }

    /// Reads a JSON file of the project.
    #[track_caller]
    pub(crate) fn json(&self, relative: impl AsRef<Path>) -> Value {
        serde_json::from_str(&self.read(relative)).unwrap()
    }

    /// Replaces the config and commits it.
    pub(crate) fn config(&self, text: &str) -> &Self {
        self.write("vibeship_optimizer.yml", text).commit_as("configure", &[])
    }

    /// Adds lines to [`CONFIG`] and commits it.
    pub(crate) fn config_plus(&self, lines: &str) -> &Self {
        self.config(&format!("{CONFIG}{lines}"))
    }

    /// A command with the clean environment of this sandbox.
    pub(crate) fn command(&self, program: impl AsRef<OsStr>) -> Command {
        let base = self.outside();
        let mut command = Command::new(program);
        command.current_dir(&*self.here.borrow()).env_clear();
        let kept = ["SystemRoot", "ComSpec", "PATHEXT", "windir", "LLVM_PROFILE_FILE"];
        command.envs(kept.iter().filter_map(|name| Some((name, std::env::var_os(name)?))));
        for name in ["HOME", "USERPROFILE", "XDG_CONFIG_HOME", "XDG_CACHE_HOME", "APPDATA", "LOCALAPPDATA"] {
            command.env(name, self.home());
        }
        for name in ["TMPDIR", "TEMP", "TMP"] {
            command.env(name, base.join("tmp"));
        }
        if let Some(now) = &self.now {
            let now = now.get().to_rfc3339();
            let clocks = ["GIT_AUTHOR_DATE", "GIT_COMMITTER_DATE", "VIBESHIP_OPTIMIZER_TEST_NOW"];
            command.envs(clocks.map(|name| (name, &now)));
        }
        command
            .env("PATH", path())
            .envs([("LANG", "C"), ("LC_ALL", "C"), ("TZ", "XXX-12:45"), ("GIT_CONFIG_NOSYSTEM", "1")])
            .env("GIT_CONFIG_GLOBAL", self.home().join("gitconfig"))
            .env("GIT_CEILING_DIRECTORIES", base)
            .env("VIBESHIP_OPTIMIZER_LOCK_WAIT_S", "60")
            .envs(&*self.env.borrow());
        command
    }

    /// Runs git, which must succeed, and returns its trimmed output.
    #[track_caller]
    pub(crate) fn git(&self, arguments: &[&str]) -> String {
        self.git_in(&self.here.borrow(), arguments)
    }

    /// Adds `count` commits to `main` in one go; `file` names the new file of the `n`th, if any.
    #[track_caller]
    pub(crate) fn history(&self, count: usize, file: impl Fn(usize) -> Option<String>) {
        let mut text = String::new();
        for n in 0..count {
            let from = if n == 0 { "from refs/heads/main^0\n" } else { "" };
            let added = file(n).map(|name| format!("M 644 inline {name}\ndata 1\nn\n")).unwrap_or_default();
            let head = "commit refs/heads/main\ncommitter A <a@example.org> 1770000000 +0000\ndata 1\nn\n";
            text.push_str(&format!("{head}{from}{added}"));
        }
        self.write("../history", text);
        let history = fs::File::open(self.outside().join("history")).unwrap();
        assert!(self.command("git").args(["fast-import", "--quiet"]).stdin(history).status().unwrap().success());
        self.git(&["reset", "-q", "--hard"]);
    }

    /// Like [`Sandbox::git`], in another directory.
    #[track_caller]
    pub(crate) fn git_in(&self, dir: &Path, arguments: &[&str]) -> String {
        self.try_git_in(dir, arguments).ok().stdout.trim().to_owned()
    }

    /// Runs git, which may fail; the output is not normalised.
    #[must_use = "assert its exit code"]
    pub(crate) fn try_git(&self, arguments: &[&str]) -> CommandOutput {
        self.try_git_in(&self.here.borrow(), arguments)
    }

    /// Like [`Sandbox::try_git`], in another directory.
    #[must_use = "assert its exit code"]
    pub(crate) fn try_git_in(&self, dir: &Path, arguments: &[&str]) -> CommandOutput {
        let mut command = self.command("git");
        command.current_dir(dir).args(arguments);
        self.answer(command, arguments, &[])
    }

    /// The tool's command, ready to run.
    pub(crate) fn tool(&self, arguments: &[&str]) -> Command {
        let mut command = self.command(env!("CARGO_BIN_EXE_vibeship-optimizer"));
        command.args(arguments);
        command
    }

    /// Runs the tool.
    #[must_use = "assert its exit code"]
    pub(crate) fn run(&self, arguments: &[&str]) -> CommandOutput {
        self.run_os(&arguments.iter().map(OsStr::new).collect::<Vec<_>>())
    }

    /// Runs the tool in another directory.
    #[must_use = "assert its exit code"]
    pub(crate) fn run_in(&self, dir: &Path, arguments: &[&str]) -> CommandOutput {
        let mut command = self.tool(arguments);
        command.current_dir(dir);
        self.answer(command, arguments, &self.places())
    }

    /// Runs the tool with arguments that need not be Unicode.
    #[must_use = "assert its exit code"]
    pub(crate) fn run_os(&self, arguments: &[&OsStr]) -> CommandOutput {
        let mut command = self.tool(&[]);
        command.args(arguments);
        let shown: Vec<_> = arguments.iter().map(|argument| argument.to_string_lossy()).collect();
        self.answer(command, &shown, &self.places())
    }

    /// The directories that output shows as a placeholder, if it is normalised.
    fn places(&self) -> Vec<(&Path, &str)> {
        if self.now.is_some() { vec![(self.root(), "[PROJECT]"), (self.outside(), "[TEMP]")] } else { Vec::new() }
    }

    fn answer<S: Borrow<str>>(&self, command: Command, shown: &[S], places: &[(&Path, &str)]) -> CommandOutput {
        let mut command = assert_cmd::Command::from_std(command);
        let output = command.timeout(std::time::Duration::from_secs(120)).output().unwrap();
        let text = |bytes: &[u8]| match places {
            [] => String::from_utf8_lossy(bytes).into_owned(),
            places => normal(std::str::from_utf8(bytes).unwrap(), places),
        };
        CommandOutput {
            command: text(shown.join(" ").as_bytes()),
            code: output.status.code().unwrap_or(-1),
            stdout: text(&output.stdout),
            stderr: text(&output.stderr),
        }
    }

    /// Opens the change of the following steps.
    #[track_caller]
    pub(crate) fn start(&self, title: &str) -> &Self {
        self.start_with(title, &[])
    }

    /// Opens the change of the following steps, with further flags.
    #[track_caller]
    pub(crate) fn start_with(&self, title: &str, flags: &[&str]) -> &Self {
        self.step(Step::Start(title.to_owned(), flags.iter().map(|flag| (*flag).to_owned()).collect()))
    }

    /// The id of the change that was opened last.
    pub(crate) fn id(&self) -> String {
        self.settle().change.borrow().clone()
    }

    /// The path of an evidence file of the change, from the root.
    pub(crate) fn evidence(&self, rest: &str) -> String {
        format!("reports/optimizer/{}_{rest}", self.id())
    }

    /// The path of the change's record, from the root.
    pub(crate) fn record(&self) -> String {
        format!(".vibeship-optimizer/changes/{}.json", self.id())
    }

    /// Runs a command on the change, whose id is appended.
    #[must_use = "assert its exit code"]
    pub(crate) fn on(&self, arguments: &[&str]) -> CommandOutput {
        let id = self.id();
        let mut all = arguments.to_vec();
        all.extend(["--change-id", &id]);
        self.run(&all)
    }

    /// Writes a contract that is met if the KPI is halved.
    #[track_caller]
    pub(crate) fn contract(&self) -> &Self {
        self.step(Step::Contract)
    }

    /// Takes the baseline.
    #[track_caller]
    pub(crate) fn before(&self) -> &Self {
        self.step(Step::Before)
    }

    /// Changes the code, sets the KPI's value, and commits with the change's id.
    #[track_caller]
    pub(crate) fn improve(&self, ops: f64) -> &Self {
        self.step(Step::Improve(ops.to_string()))
    }

    /// Like [`Sandbox::improve`], without the commit.
    pub(crate) fn tune(&self, ops: f64) -> &Self {
        self.write("tuned.txt", format!("{ops}\n")).write("ops.json", kpi(ops))
    }

    /// Commits everything but the tool's own files, with the change's id.
    #[track_caller]
    pub(crate) fn commit(&self, subject: &str) -> &Self {
        let trailer = format!("Optimizer-Change: {}", self.id());
        self.commit_as(subject, &["--trailer", &trailer])
    }

    /// Commits everything but the tool's own files.
    #[track_caller]
    pub(crate) fn commit_as(&self, subject: &str, flags: &[&str]) -> &Self {
        self.git(&[
            "add",
            "-A",
            "--",
            ":(top,exclude).vibeship-optimizer",
            ":(top,exclude)reports",
            ":(top,exclude)*.md",
        ]);
        let mut arguments = vec!["commit", "-q", "-m", subject];
        arguments.extend(flags);
        self.git(&arguments);
        self
    }

    /// Runs the validation, which must pass.
    #[track_caller]
    pub(crate) fn validate(&self) -> &Self {
        self.step(Step::Validate)
    }

    /// Takes the snapshot after the change.
    #[track_caller]
    pub(crate) fn after(&self) -> &Self {
        self.step(Step::After)
    }

    /// Compares before and after.
    #[track_caller]
    pub(crate) fn compare(&self) -> &Self {
        self.step(Step::Compare)
    }

    /// A change whose comparison passes.
    #[track_caller]
    pub(crate) fn compared(&self, title: &str) -> &Self {
        self.start(title).contract().before().improve(50.0).validate().after().compare()
    }

    /// A change that is promoted and fully rolled out.
    #[track_caller]
    pub(crate) fn rolled_out(&self, title: &str) -> &Self {
        self.compared(title).step(Step::Promote).step(Step::RollOut)
    }

    /// Checks that a command on the change is refused with this code, and that the record stays as it is.
    #[track_caller]
    pub(crate) fn refuses(&self, arguments: &[&str], gate: u64, code: &str) -> &Self {
        let record = self.read(self.record());
        let mut all = arguments.to_vec();
        all.extend(["--format", "json"]);
        let output = self.on(&all);
        let answer = output.json();
        assert_eq!((answer["code"].as_str(), answer["gate_number"].as_u64()), (Some(code), Some(gate)), "{output}");
        assert_eq!(output.code, if answer["not_yet"] == true { 3 } else { 1 }, "{output}");
        assert!(answer["next"].as_array().is_some_and(|next| !next.is_empty()), "{output}");
        assert_eq!(self.read(self.record()), record, "a refusal leaves the record as it is");
        self
    }

    /// The answer of `change show`, as JSON.
    #[track_caller]
    pub(crate) fn shown(&self) -> Value {
        self.on(&["change", "show", "--format", "json"]).ok().json()
    }

    /// Path and content of every file of the project outside `.git`, to check that a command writes nothing.
    pub(crate) fn files(&self) -> BTreeMap<PathBuf, Vec<u8>> {
        let mut found = BTreeMap::new();
        let mut open = vec![self.root().to_owned()];
        while let Some(dir) = open.pop() {
            for entry in fs::read_dir(dir).unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() && !path.ends_with(".git") {
                    open.push(path);
                } else if path.is_file() {
                    found.insert(path.clone(), fs::read(&path).unwrap());
                }
            }
        }
        found
    }

    /// The home directory of the user.
    pub(crate) fn home(&self) -> PathBuf {
        self.outside().join("home")
    }

    /// The directory above the project; not part of any repository.
    pub(crate) fn outside(&self) -> &Path {
        debug_assert!(self.dir.path().exists());
        self.settle().root.parent().unwrap()
    }
}

/// `PATH` without directories that contain this program: the tests run the one just built.
fn path() -> OsString {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let name = format!("vibeship-optimizer{}", std::env::consts::EXE_SUFFIX);
    std::env::join_paths(std::env::split_paths(&path).filter(|dir| !dir.join(&name).exists())).unwrap()
}

/// The initial time of the clock.
fn begin() -> DateTime<Utc> {
    Utc.with_ymd_and_hms(2026, 3, 2, 9, 0, 0).unwrap()
}
