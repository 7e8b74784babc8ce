//! A throwaway repository with a small project in it, and the ways to drive it.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use crate::support::{Template, scratch};

pub(crate) const KEY: &str = "Optimizer-Change";

const CONFIG: &str = "\
version: 1
commands: {test: git --version}
size_paths: [src]
kpis:
  - {name: steps, cmd: 'git show :src/steps.txt', exact: true, better: lower}
tuneables: {files: [config/tuneables.json]}
surfaces:
  contracts: ['contracts/**']
  env: ['deploy/*.env']
enforcement:
  require: baseline
  exempt:
    - {paths: ['notes/**'], reason: prose changes nothing that runs}
    - {bots: [renovate], reason: reviewed by its own pipeline}
review: {require_attestation: false}
";

pub(crate) struct Sandbox {
    home: tempfile::TempDir,
    root: PathBuf,
}

/// What a program answered.
pub(crate) struct Answer {
    pub(crate) code: i32,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Answer {
    #[track_caller]
    pub(crate) fn passes(self) -> Self {
        assert_eq!(self.code, 0, "out:\n{}\nerr:\n{}", self.out, self.err);
        self
    }

    /// Refused, with all of these words said.
    #[track_caller]
    pub(crate) fn refused(self, words: &[&str]) -> Self {
        let all = format!("{}{}", self.out, self.err);
        assert_eq!(self.code, 1, "{all}");
        for word in words {
            assert!(all.contains(word), "no {word:?} in:\n{all}");
        }
        self
    }
}

impl Sandbox {
    /// A repository with the project set up and committed, without hooks.
    pub(crate) fn new() -> Self {
        static MADE: OnceLock<Template> = OnceLock::new();
        let made = MADE.get_or_init(|| Template::of(&Self::set_up().root));
        let sandbox = Self::empty();
        made.write(&sandbox.root);
        sandbox
    }

    fn empty() -> Self {
        let home = scratch();
        let root = home.path().join("work tree");
        for dir in [&root, &home.path().join("tmp")] {
            std::fs::create_dir(dir).unwrap();
        }
        Self { home, root }
    }

    fn set_up() -> Self {
        let sandbox = Self::empty();
        sandbox.git(&["init", "-q", "-b", "main", "--template=", "."]).passes();
        sandbox.write("src/steps.txt", "100\n");
        sandbox.write("config/tuneables.json", "{\"ttl\": 30}\n");
        sandbox.write("vibeship_optimizer.yml", CONFIG);
        sandbox.tool(&["init", "--no-prompt"]).passes();
        sandbox.git(&["add", "-A"]).passes();
        sandbox.git(&["commit", "-qm", "Set the project up"]).passes();
        sandbox
    }

    /// The same with the hooks installed.
    pub(crate) fn hooked() -> Self {
        let sandbox = Self::new();
        sandbox.tool(&["hooks", "install"]).passes();
        sandbox
    }

    pub(crate) fn root(&self) -> &Path {
        &self.root
    }

    pub(crate) fn home(&self) -> &Path {
        self.home.path()
    }

    pub(crate) fn write(&self, path: &str, text: &str) {
        let path = self.root.join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }

    pub(crate) fn read(&self, path: &str) -> String {
        std::fs::read_to_string(self.root.join(path)).unwrap()
    }

    #[must_use]
    pub(crate) fn git(&self, args: &[&str]) -> Answer {
        self.git_in(&self.root, args)
    }

    #[must_use]
    pub(crate) fn git_in(&self, dir: &Path, args: &[&str]) -> Answer {
        let mut command = self.command(Path::new("git"), dir);
        command.args(["-c", "protocol.file.allow=always"]).args(args);
        answer(command)
    }

    /// Git by a clock that shows another moment.
    #[must_use]
    pub(crate) fn git_at(&self, moment: &str, args: &[&str]) -> Answer {
        let mut command = self.command(Path::new("git"), &self.root);
        command.envs([("GIT_AUTHOR_DATE", moment), ("GIT_COMMITTER_DATE", moment)]).args(args);
        answer(command)
    }

    #[must_use]
    pub(crate) fn tool(&self, args: &[&str]) -> Answer {
        self.tool_in(&self.root, args)
    }

    #[must_use]
    pub(crate) fn tool_in(&self, dir: &Path, args: &[&str]) -> Answer {
        let mut command = self.command(Path::new(env!("CARGO_BIN_EXE_vibeship-optimizer")), dir);
        command.args(args);
        answer(command)
    }

    pub(crate) fn command(&self, program: &Path, dir: &Path) -> Command {
        let mut command = Command::new(program);
        command.current_dir(dir).env_clear();
        command.envs(std::env::var_os("SYSTEMROOT").map(|value| ("SYSTEMROOT", value)));
        command.envs(["TEMP", "TMP", "TMPDIR"].map(|key| (key, self.home().join("tmp"))));
        command.env("PATH", path());
        let config = self.home().join("gitconfig");
        if !config.exists() {
            let text = "[user]\n\tname = Tester\n\temail = tester@example.org\n[sequence]\n\teditor = true\n\
                        [core]\n\tautocrlf = false\n\teditor = true\n\tfsync = none\n\
                        [gc]\n\tauto = 0\n[maintenance]\n\tauto = false\n";
            std::fs::write(&config, text).unwrap();
        }
        command.env("HOME", self.home()).env("GIT_CONFIG_GLOBAL", &config).env("GIT_CONFIG_NOSYSTEM", "1");
        command.env("LC_ALL", "C");
        command
    }

    #[track_caller]
    pub(crate) fn head(&self) -> String {
        self.git(&["rev-parse", "HEAD"]).passes().out.trim().to_owned()
    }

    /// The ids that git reads in a commit's trailers.
    #[track_caller]
    pub(crate) fn ids(&self, commit: &str) -> Vec<String> {
        let format = format!("--format=%(trailers:key={KEY},valueonly)");
        let out = self.git(&["log", "-1", &format, commit]).passes().out;
        out.lines().filter(|line| !line.is_empty()).map(str::to_owned).collect()
    }

    /// Opens a change with its contract; no baseline yet.
    #[track_caller]
    pub(crate) fn opened(&self, class: &str, title: &str) -> String {
        self.open(class, title, &[])
    }

    /// Opens an emergency.
    #[track_caller]
    pub(crate) fn emergency(&self, title: &str, expires: &str) -> String {
        self.open("emergency", title, &["--incident", "it burns", "--expires", expires, "--rollback", "unset STOP"])
    }

    /// Opens a change of a class while another is open.
    #[track_caller]
    pub(crate) fn opened_as(&self, class: &str, title: &str) -> String {
        self.open(class, title, &["--parallel"])
    }

    /// The same while another change is open.
    #[track_caller]
    pub(crate) fn opened_beside(&self, title: &str) -> String {
        self.open("code", title, &["--parallel"])
    }

    #[track_caller]
    fn open(&self, class: &str, title: &str, more: &[&str]) -> String {
        let args = [
            "change",
            "start",
            "--class",
            class,
            "--title",
            title,
            "--hypothesis",
            "fewer steps",
            "--kpi",
            if class == "emergency" { "kpi.steps <= 90" } else { "kpi.steps <= -10%" },
            "--guardrail",
            if class == "emergency" { "size.src <= 1MB" } else { "size.src <= +50%" },
            "--trigger",
            "errors in production",
            "--format",
            "json",
        ];
        let out = self.tool(&[&args[..], more].concat()).passes().out;
        let value: serde_json::Value = serde_json::from_str(&out).unwrap();
        value["change_id"].as_str().unwrap().to_owned()
    }

    /// Opens a change and captures its baseline; the evidence is committed.
    #[track_caller]
    pub(crate) fn ready(&self, title: &str) -> String {
        let id = self.opened("code", title);
        self.baseline(&id);
        id
    }

    #[track_caller]
    pub(crate) fn baseline(&self, id: &str) {
        self.tool(&["snapshot", "--label", "before", "--change-id", id, "--as", "before"]).passes();
        self.evidence();
    }

    /// Commits the tool's own files.
    #[track_caller]
    pub(crate) fn evidence(&self) {
        self.git(&["add", "-A", ".vibeship-optimizer", "reports", "VIBESHIP_OPTIMIZER.md"]).passes();
        self.git(&["commit", "-qm", "Evidence"]).passes();
    }

    /// Commits them with a moment.
    #[track_caller]
    pub(crate) fn evidence_later(&self, moment: &str) {
        self.git(&["add", "-A", ".vibeship-optimizer", "reports", "VIBESHIP_OPTIMIZER.md"]).passes();
        self.git_at(moment, &["commit", "-qm", "Evidence"]).passes();
    }

    /// Makes the improvement, staged.
    pub(crate) fn improve(&self) {
        self.write("src/steps.txt", "80\n");
        self.git(&["add", "src"]).passes();
    }

    /// The codes that a range check fails or warns with, in order.
    #[track_caller]
    pub(crate) fn codes(&self, range: &str) -> Vec<String> {
        self.codes_with(range, &[])
    }

    #[track_caller]
    pub(crate) fn codes_with(&self, range: &str, more: &[&str]) -> Vec<String> {
        let args = [&["check", "--range", range, "--format", "json"], more].concat();
        let answer = self.tool(&args);
        let value: serde_json::Value =
            serde_json::from_str(&answer.out).unwrap_or_else(|_| panic!("{}{}", answer.out, answer.err));
        let findings = value["findings"].as_array().unwrap();
        let fails = findings.iter().any(|finding| finding["level"] == "fail");
        assert_eq!(answer.code, i32::from(fails), "{}", answer.out);
        findings.iter().map(|finding| finding["code"].as_str().unwrap().to_owned()).collect()
    }
}

/// The path without any place where this program is installed: what the tests run is what was just built.
fn path() -> std::ffi::OsString {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let name = format!("vibeship-optimizer{}", std::env::consts::EXE_SUFFIX);
    std::env::join_paths(std::env::split_paths(&path).filter(|dir| !dir.join(&name).exists())).unwrap()
}

fn answer(mut command: Command) -> Answer {
    let output = command.stdin(std::process::Stdio::null()).output().unwrap();
    Answer {
        code: output.status.code().unwrap_or(-1),
        out: String::from_utf8_lossy(&output.stdout).into_owned(),
        err: String::from_utf8_lossy(&output.stderr).into_owned(),
    }
}
