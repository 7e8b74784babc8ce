//! Repositories for tests of their history: hooks, trailers and the findings of the range check.

use std::sync::OnceLock;

use super::Sandbox;
use super::template::Template;

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

/// The git user, and an editor that changes nothing, for hooks and rebases.
const GIT_SETTINGS: &str = "[user]\n\tname = Tester\n\temail = tester@example.org\n[sequence]\n\teditor = true\n\
    [core]\n\tautocrlf = false\n\teditor = true\n\tfsync = none\n\
    [gc]\n\tauto = 0\n[maintenance]\n\tauto = false\n[protocol \"file\"]\n\tallow = always\n";

impl Sandbox {
    /// A repository with the project set up and committed, without hooks and with the real clock.
    pub(crate) fn enforced() -> Self {
        static MADE: OnceLock<Template> = OnceLock::new();
        let made = MADE.get_or_init(|| Template::of(Self::set_up().root()));
        let sandbox = Self::at_work();
        made.write(sandbox.root());
        sandbox
    }

    fn at_work() -> Self {
        let sandbox = Self::empty("work tree", None);
        std::fs::write(sandbox.home().join("gitconfig"), GIT_SETTINGS).unwrap();
        sandbox
    }

    fn set_up() -> Self {
        let sandbox = Self::at_work();
        sandbox.git(&["init", "-q", "-b", "main", "--template=", "."]);
        sandbox.write("src/steps.txt", "100\n");
        sandbox.write("config/tuneables.json", "{\"ttl\": 30}\n");
        sandbox.write("vibeship_optimizer.yml", CONFIG);
        sandbox.run(&["init", "--no-prompt"]).ok();
        sandbox.git(&["add", "-A"]);
        sandbox.git(&["commit", "-qm", "Set the project up"]);
        sandbox
    }

    /// Like [`Sandbox::enforced`], with the hooks installed.
    pub(crate) fn hooked() -> Self {
        let sandbox = Self::enforced();
        sandbox.run(&["hooks", "install"]).ok();
        sandbox
    }

    /// Runs git with both of its dates set.
    pub(crate) fn git_at(&self, moment: &str, args: &[&str]) -> String {
        self.set("GIT_AUTHOR_DATE", moment).set("GIT_COMMITTER_DATE", moment);
        let said = self.git(args);
        self.unset("GIT_AUTHOR_DATE").unset("GIT_COMMITTER_DATE");
        said
    }

    #[track_caller]
    pub(crate) fn head(&self) -> String {
        self.git(&["rev-parse", "HEAD"])
    }

    /// The ids in a commit's trailers, as git reads them.
    #[track_caller]
    pub(crate) fn ids(&self, commit: &str) -> Vec<String> {
        let format = format!("--format=%(trailers:key={KEY},valueonly)");
        let out = self.git(&["log", "-1", &format, commit]);
        out.lines().filter(|line| !line.is_empty()).map(str::to_owned).collect()
    }

    /// Opens a change with its contract, without a baseline.
    #[track_caller]
    pub(crate) fn opened(&self, class: &str, title: &str) -> String {
        self.open(class, title, &[])
    }

    /// Opens an emergency.
    #[track_caller]
    pub(crate) fn emergency(&self, title: &str, expires: &str) -> String {
        self.open("emergency", title, &["--incident", "it burns", "--expires", expires, "--rollback", "unset STOP"])
    }

    /// Opens a change of any class while another is open.
    #[track_caller]
    pub(crate) fn opened_as(&self, class: &str, title: &str) -> String {
        self.open(class, title, &["--parallel"])
    }

    /// Opens a change of class code while another is open.
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
        let answer = self.run(&[&args[..], more].concat()).ok().json();
        answer["change_id"].as_str().unwrap().to_owned()
    }

    /// Opens a change, takes its baseline and commits the evidence.
    #[track_caller]
    pub(crate) fn ready(&self, title: &str) -> String {
        let id = self.opened("code", title);
        self.take_baseline(&id);
        id
    }

    #[track_caller]
    pub(crate) fn take_baseline(&self, id: &str) {
        self.run(&["snapshot", "--label", "before", "--change-id", id, "--as", "before"]).ok();
        self.commit_evidence();
    }

    /// Commits the tool's own files.
    #[track_caller]
    pub(crate) fn commit_evidence(&self) {
        self.git(&["add", "-A", ".vibeship-optimizer", "reports", "VIBESHIP_OPTIMIZER.md"]);
        self.git(&["commit", "-qm", "Evidence"]);
    }

    /// Commits the tool's own files at this time.
    #[track_caller]
    pub(crate) fn commit_evidence_at(&self, moment: &str) {
        self.git(&["add", "-A", ".vibeship-optimizer", "reports", "VIBESHIP_OPTIMIZER.md"]);
        self.git_at(moment, &["commit", "-qm", "Evidence"]);
    }

    /// Makes and stages the improvement.
    pub(crate) fn improve_steps(&self) {
        self.write("src/steps.txt", "80\n");
        self.git(&["add", "src"]);
    }

    /// The codes of all findings of a range check, in order.
    #[track_caller]
    pub(crate) fn codes(&self, range: &str) -> Vec<String> {
        self.codes_with(range, &[])
    }

    #[track_caller]
    pub(crate) fn codes_with(&self, range: &str, more: &[&str]) -> Vec<String> {
        let args = [&["check", "--range", range, "--format", "json"], more].concat();
        let answer = self.run(&args);
        let value = answer.json();
        let findings = value["findings"].as_array().unwrap();
        let fails = findings.iter().any(|finding| finding["level"] == "fail");
        assert_eq!(answer.code, i32::from(fails), "{answer}");
        findings.iter().map(|finding| finding["code"].as_str().unwrap().to_owned()).collect()
    }
}
