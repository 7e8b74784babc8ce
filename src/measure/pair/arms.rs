//! Preparing two arms: the baseline's and the head's files, checked out side by side outside the user's checkout, built
//! alike, proven to differ. Must not run what is measured.

use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};
use std::time::Duration;
use std::{fs, io};

use crate::git::{GitError, Repo, Scope};
use crate::measure::Runner;
use crate::measure::command::error_tail;
use crate::measure::pair::{ArmPaths, Place, ShareError, Workplace, cargo, share, surroundings, workplace};
use crate::model::Arm;
use crate::model::scrub::scrub;
use crate::os::process::{Invocation, Output};
use crate::os::{Ended, Finished, SpawnError, Spec, files};

/// Bytes of standard error kept of a preparation.
const ERROR_BYTES: usize = 16 * 1024;

/// Which of the two.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    Before,
    After,
}

impl Side {
    /// `before` or `after`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Before => "before",
            Self::After => "after",
        }
    }

    /// The arms' directories have names of one length: the length of a path shows in run times (it moves the stack).
    fn directory(self) -> &'static str {
        match self {
            Self::Before => "a",
            Self::After => "b",
        }
    }
}

/// One version to be measured.
#[derive(Debug, Clone, Copy)]
pub struct Version<'a> {
    /// The revision; resolved before anything is checked out.
    pub rev: &'a str,
    /// The tuneables file as it was for this version, where one lies outside the repository.
    pub tuneables: Option<&'a [u8]>,
}

/// A tuneables file outside the repository.
#[derive(Debug, Clone, Copy)]
pub struct TuneablesFile<'a> {
    /// The variable that names it to the measured commands.
    pub variable: &'a str,
    /// Its file name; what reads it may go by the extension.
    pub file_name: &'a str,
}

/// What to prepare.
#[derive(Clone, Copy)]
pub struct ArmsPlan<'a> {
    /// The repository, opened at the project's root.
    pub repo: &'a Repo,
    pub before: Version<'a>,
    pub after: Version<'a>,
    /// Whether a path (from the repository's root) is one of the tool's own files, which make no difference.
    pub is_own: &'a dyn Fn(&[u8]) -> bool,
    /// Command run in each arm's project before measuring.
    pub prepare: Option<&'a str>,
    pub prepare_timeout: Duration,
    /// Untracked inputs to be shared, from the project's root.
    pub share: &'a [String],
    /// The tuneables file outside the repository, if any.
    pub tuneables: Option<TuneablesFile<'a>>,
    /// Variables that the measured commands are given by the config.
    pub variables: &'a [(&'a str, &'a str)],
    /// Whether the two may be the same, as where the noise itself is measured.
    pub same_allowed: bool,
}

/// What is being done, for people who wait.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    CheckOut(Side),
    /// The preparing command runs in an arm.
    Prepare(Side),
}

/// Why there are no arms.
#[derive(Debug, thiserror::Error)]
pub enum ArmsError {
    #[error(transparent)]
    Git(#[from] GitError),
    /// Both revisions hold the same code and the same tuneables.
    #[error("{before} and {after} hold the same code outside the tool's own files, so there is nothing to compare")]
    SameCode { before: String, after: String },
    /// The project's directory does not exist in one of them.
    #[error("commit {commit} has no directory {path:?}, where the project lies now")]
    NoProject {
        commit: String,
        /// The project's directory below the repository's root.
        path: String,
    },
    #[error("preparing the {} arm: `{cmd}` {how}{}", side.name(), said(error))]
    Prepare {
        side: Side,
        cmd: String,
        how: String,
        /// The end of its standard error, scrubbed.
        error: String,
    },
    /// The preparing command could not be started.
    #[error("preparing the {} arm: {source}", side.name())]
    Start { side: Side, source: SpawnError },
    #[error(transparent)]
    Share(#[from] ShareError),
    #[error("cannot {action}: {source}")]
    Io { action: String, source: io::Error },
    #[error("interrupted while the arms were prepared")]
    Interrupted,
}

fn said(error: &str) -> String {
    if error.is_empty() { String::new() } else { format!(":\n{error}") }
}

/// A prepared arm.
#[derive(Debug, Clone, PartialEq)]
pub struct PreparedArm {
    /// Where its commands run, and with which environment.
    pub place: Place,
    pub arm: Arm,
    /// Digest of its code outside the tool's own files.
    pub code: String,
}

/// Two prepared arms. Dropping them removes them.
#[derive(Debug)]
pub struct Arms {
    pub before: PreparedArm,
    pub after: PreparedArm,
    /// What could make the arms less different than they should be, in words.
    pub warnings: Vec<String>,
    workplace: Workplace,
}

impl Arms {
    /// Checks both versions out and prepares them. Whatever goes wrong, nothing is left.
    pub fn prepare(plan: ArmsPlan<'_>, runner: &mut dyn Runner, step: &mut dyn FnMut(Step)) -> Result<Self, ArmsError> {
        workplace::remove_leftovers(plan.repo);
        // First of all: what a name such as HEAD~1 means must not depend on what is done below.
        let (before, after) = (Resolved::of(&plan, plan.before)?, Resolved::of(&plan, plan.after)?);
        let same_tuneables = plan.before.tuneables == plan.after.tuneables;
        if before.code == after.code && same_tuneables && !plan.same_allowed {
            return Err(ArmsError::SameCode { before: before.commit, after: after.commit });
        }
        let workplace = Workplace::new(plan.repo).map_err(io_error("create a temporary directory for the arms"))?;
        let mut builder = Builder { plan: &plan, runner, step, workplace, warnings: Vec::new() };
        let before = builder.arm(Side::Before, plan.before, before)?;
        let after = builder.arm(Side::After, plan.after, after)?;
        let Builder { workplace, mut warnings, .. } = builder;
        warnings.sort();
        warnings.dedup();
        Ok(Self { before, after, warnings, workplace })
    }

    /// Removes both arms, and says so when something stays.
    pub fn remove(self) -> Result<(), ArmsError> {
        let base = self.workplace.base().display().to_string();
        self.workplace.remove().map_err(io_error(&format!("remove the arms in {base}")))
    }
}

fn io_error(action: &str) -> impl FnOnce(io::Error) -> ArmsError {
    let action = action.to_owned();
    move |source| ArmsError::Io { action, source }
}

struct Resolved {
    commit: String,
    tree: String,
    code: String,
}

impl Resolved {
    fn of(plan: &ArmsPlan<'_>, version: Version<'_>) -> Result<Self, GitError> {
        let found = plan.repo.commit_and_tree(version.rev)?;
        // The whole repository: a project may be built from what lies beside it.
        let scope = Scope { prefix: b"", is_own: plan.is_own };
        let code = plan.repo.code_digest(&found.commit, &scope)?;
        Ok(Self { commit: found.commit, tree: found.tree, code })
    }
}

struct Builder<'a, 'p> {
    plan: &'a ArmsPlan<'p>,
    runner: &'a mut dyn Runner,
    step: &'a mut dyn FnMut(Step),
    workplace: Workplace,
    warnings: Vec<String>,
}

impl Builder<'_, '_> {
    fn arm(&mut self, side: Side, version: Version<'_>, resolved: Resolved) -> Result<PreparedArm, ArmsError> {
        (self.step)(Step::CheckOut(side));
        let home = self.workplace.base().join(side.directory());
        let directory = |name: &str| -> Result<PathBuf, ArmsError> {
            let path = home.join(name);
            fs::create_dir_all(&path).map_err(io_error(&format!("create {}", path.display())))?;
            Ok(path)
        };
        let (temporary, build) = (directory("tmp")?, directory("out")?);
        let tree = self.workplace.add_tree(&Path::new(side.directory()).join("tree"), &resolved.commit)?;
        let prefix = files::path_from_bytes(self.plan.repo.prefix());
        let root = if self.plan.repo.prefix().is_empty() { tree.clone() } else { tree.join(&prefix) };
        if !root.is_dir() {
            let path = prefix.display().to_string();
            return Err(ArmsError::NoProject { commit: resolved.commit, path });
        }
        self.share(&root)?;
        let mut env = self.surroundings(ArmPaths { tree: &tree, build: &build, temporary: &temporary });
        self.own_cargo_directories(&tree, &root, &build, &mut env);
        if let (Some(file), Some(bytes)) = (self.plan.tuneables, version.tuneables) {
            let path = directory("tuneables")?.join(Path::new(file.file_name).file_name().unwrap_or_default());
            fs::write(&path, bytes).map_err(io_error(&format!("write {}", path.display())))?;
            env.push((file.variable.into(), Some(path.into_os_string())));
        }
        let place = Place { root, env };
        self.prepare(side, &place)?;
        self.warn_of_submodules(&tree);
        let arm = Arm { rev: version.rev.to_owned(), commit: Some(resolved.commit), tree: Some(resolved.tree) };
        Ok(PreparedArm { place, arm, code: resolved.code })
    }

    /// The project's root in the user's own checkout.
    fn project(&self) -> PathBuf {
        self.plan.repo.root().join(files::path_from_bytes(self.plan.repo.prefix()))
    }

    fn share(&mut self, arm: &Path) -> Result<(), ShareError> {
        let project = self.project();
        for path in self.plan.share {
            share::share(&project, arm, path)?;
            let back = share::ways_back(&project, path);
            self.warnings.extend(back.iter().map(|back| {
                format!("both arms may run the same code: {} leads back into {}", back.display(), project.display())
            }));
        }
        Ok(())
    }

    fn surroundings(&mut self, arm: ArmPaths<'_>) -> Vec<(OsString, Option<OsString>)> {
        let root = self.plan.repo.root().to_owned();
        let mut spellings = vec![root.clone()];
        spellings.extend(files::canonical(&root).ok().filter(|real| *real != root));
        // The commands' own variables come before the arm's, but a common build directory must not.
        let named = self.plan.variables.iter().filter(|(name, _)| surroundings::is_build_directory(OsStr::new(name)));
        let named = named.map(|(name, value)| (OsString::from(name), OsString::from(value)));
        let found = surroundings::of_arm(std::env::vars_os().chain(named), &spellings, arm);
        self.warnings.extend(found.warnings);
        found.env
    }

    /// Cargo's configuration may name a build directory for every checkout; a variable goes before it.
    fn own_cargo_directories(
        &mut self,
        tree: &Path,
        root: &Path,
        build: &Path,
        env: &mut Vec<(OsString, Option<OsString>)>,
    ) {
        let home = std::env::var_os("CARGO_HOME").map(PathBuf::from);
        let home = home.or_else(|| std::env::home_dir().map(|home| home.join(".cargo")));
        for found in cargo::common(tree, root, home.as_deref()) {
            let is_given = |name: &OsStr| name.eq_ignore_ascii_case(found.variable);
            if env.iter().any(|(name, value)| is_given(name) && value.is_some())
                || std::env::var_os(found.variable).is_some()
            {
                continue;
            }
            env.push((found.variable.into(), Some(build.as_os_str().to_owned())));
            if root.join("Cargo.toml").is_file() {
                self.warnings.push(format!(
                    "{} gives all checkouts the build directory {}; each arm got one of its own, and a command that names {} by its path still runs what lies there",
                    found.file.display(), found.named, found.named
                ));
            }
        }
    }

    /// Told after the preparation, which may have checked them out.
    fn warn_of_submodules(&mut self, tree: &Path) {
        let listed = fs::read_to_string(tree.join(".gitmodules")).unwrap_or_default();
        let paths = listed.lines().filter_map(|line| line.trim().strip_prefix("path")?.trim().strip_prefix('='));
        let empty = |path: &str| fs::read_dir(tree.join(path.trim())).is_ok_and(|mut entries| entries.next().is_none());
        if paths.into_iter().any(empty) {
            let warning = "submodules are not checked out in the arms: begin pair.prepare with \
                           `git submodule update --init --recursive` (for one that lies on this disk, \
                           `git -c protocol.file.allow=always submodule update --init --recursive`)";
            self.warnings.push(warning.to_owned());
        }
    }

    fn prepare(&mut self, side: Side, place: &Place) -> Result<(), ArmsError> {
        let Some(cmd) = self.plan.prepare else { return Ok(()) };
        (self.step)(Step::Prepare(side));
        let spec = Spec {
            invocation: Invocation::Shell(cmd.to_owned()),
            cwd: place.root.clone(),
            env: place.env.clone(),
            timeout: self.plan.prepare_timeout,
            stdout: Output::Discard,
            stderr: Output::Keep { head_bytes: 0, tail_bytes: ERROR_BYTES },
        };
        let finished = self.runner.run(&spec).map_err(|source| ArmsError::Start { side, source })?;
        match failure(&finished, self.plan.prepare_timeout) {
            None => Ok(()),
            Some(_) if finished.ended == Ended::Interrupted => Err(ArmsError::Interrupted),
            Some(how) => Err(ArmsError::Prepare { side, cmd: scrub(cmd), how, error: error_tail(&finished) }),
        }
    }
}

fn failure(finished: &Finished, timeout: Duration) -> Option<String> {
    match finished.ended {
        Ended::Code(0) => None,
        Ended::Code(code) => Some(format!("ended with exit code {code}")),
        Ended::Signal(signal) => Some(format!("was ended by signal {signal}")),
        Ended::TimedOut => Some(format!("took longer than {} s", timeout.as_secs_f64())),
        Ended::Interrupted => Some("was interrupted".to_owned()),
    }
}

#[cfg(unix)]
#[cfg(test)]
mod tests {
    use super::*;
    use crate::git::Sandbox;
    use crate::measure::SystemRunner;
    use crate::measure::command::scripted::Script;
    use crate::os::Interrupt;

    fn plan<'a>(repo: &'a Repo, before: &'a str, after: &'a str) -> ArmsPlan<'a> {
        ArmsPlan {
            repo,
            before: Version { rev: before, tuneables: None },
            after: Version { rev: after, tuneables: None },
            is_own: &|path| path.starts_with(b"own/"),
            prepare: None,
            prepare_timeout: Duration::from_secs(60),
            share: &[],
            tuneables: None,
            variables: &[],
            same_allowed: false,
        }
    }

    fn prepare(plan: ArmsPlan<'_>) -> Result<Arms, ArmsError> {
        Arms::prepare(plan, &mut SystemRunner::new(Interrupt::new().unwrap()), &mut |_| {})
    }

    #[test]
    fn a_common_build_directory_of_a_command_is_each_arms_own() {
        let sandbox = two_commits();
        let repo = sandbox.repo();
        let variables = [("CARGO_TARGET_DIR", "/common"), ("OTHER", "/common")];
        let arms = prepare(ArmsPlan { variables: &variables, ..plan(&repo, "HEAD~1", "HEAD") }).unwrap();
        let of = |arm: &PreparedArm| {
            let found = arm.place.env.iter().rfind(|(name, _)| name == "CARGO_TARGET_DIR");
            found.and_then(|(_, value)| value.clone()).unwrap()
        };
        let (before, after) = (of(&arms.before), of(&arms.after));
        assert_ne!(before, after);
        assert!(Path::new(&before).is_dir() && Path::new(&after).is_dir());
    }

    fn two_commits() -> Sandbox {
        let sandbox = Sandbox::new();
        sandbox.commit("in", "one", "1");
        sandbox.commit("in", "two", "2");
        sandbox
    }

    fn read(arm: &PreparedArm, path: &str) -> String {
        fs::read_to_string(arm.place.root.join(path)).unwrap()
    }

    #[test]
    fn each_arm_has_its_own_version_built_in_it_and_both_disappear() {
        let sandbox = two_commits();
        let repo = sandbox.repo();
        let plan = ArmsPlan { prepare: Some("cp in built; test -d \"$TMPDIR\""), ..plan(&repo, "HEAD~1", "HEAD") };
        let arms = prepare(plan).unwrap();
        assert_eq!((read(&arms.before, "built"), read(&arms.after, "built")), ("one".to_owned(), "two".to_owned()));
        assert_eq!(arms.before.arm.rev, "HEAD~1");
        assert_ne!(arms.before.arm.tree, arms.after.arm.tree);
        let lengths = [&arms.before, &arms.after].map(|arm| arm.place.root.as_os_str().len());
        assert_eq!(lengths[0], lengths[1]);
        assert_ne!(arms.before.place.env, arms.after.place.env);
        let roots = [&arms.before, &arms.after].map(|arm| arm.place.root.clone());
        arms.remove().unwrap();
        assert!(roots.iter().all(|root| !root.exists()));
        assert_eq!(repo.worktrees().unwrap().len(), 1);
        assert!(!sandbox.path().join("built").exists());
    }

    #[test]
    fn arms_that_differ_in_the_tools_own_files_alone_are_refused() {
        let sandbox = two_commits();
        sandbox.commit("own/record", "x", "3");
        let repo = sandbox.repo();
        let error = prepare(plan(&repo, "HEAD~1", "HEAD")).unwrap_err();
        assert!(matches!(error, ArmsError::SameCode { .. }), "{error}");
        assert!(prepare(ArmsPlan { same_allowed: true, ..plan(&repo, "HEAD~1", "HEAD") }).is_ok());
        assert_eq!(repo.worktrees().unwrap().len(), 1);
    }

    #[test]
    fn an_arm_that_does_not_build_says_why_and_leaves_nothing() {
        let sandbox = two_commits();
        let repo = sandbox.repo();
        let cmd = "grep -q one in || { echo 'no such thing' >&2; exit 3; }";
        let error = prepare(ArmsPlan { prepare: Some(cmd), ..plan(&repo, "HEAD~1", "HEAD") }).unwrap_err();
        let text = error.to_string();
        assert!(text.contains("preparing the after arm") && text.contains("exit code 3"), "{text}");
        assert!(text.ends_with("no such thing"), "{text}");
        assert_eq!(repo.worktrees().unwrap().len(), 1);
    }

    #[test]
    fn the_users_wish_while_preparing_leaves_nothing() {
        let sandbox = two_commits();
        let repo = sandbox.repo();
        let mut script = Script::of(&[(1, Ended::Interrupted, "")]);
        let plan = ArmsPlan { prepare: Some("make"), ..plan(&repo, "HEAD~1", "HEAD") };
        let error = Arms::prepare(plan, &mut script, &mut |_| {}).unwrap_err();
        assert!(matches!(error, ArmsError::Interrupted));
        assert!(!script.seen[0].cwd.exists());
        assert_eq!(repo.worktrees().unwrap().len(), 1);
    }

    #[test]
    fn tuneables_outside_the_repository_make_the_difference() {
        let sandbox = two_commits();
        let repo = sandbox.repo();
        let tuneables = Some(TuneablesFile { variable: "TUNEABLES", file_name: "tuneables.json" });
        let version = |bytes| Version { rev: "HEAD", tuneables: Some(bytes) };
        let both =
            ArmsPlan { tuneables, before: version(b"{1}"), after: version(b"{2}"), ..plan(&repo, "HEAD", "HEAD") };
        let arms = prepare(ArmsPlan { prepare: Some("cat \"$TUNEABLES\" > seen"), ..both }).unwrap();
        assert_eq!((read(&arms.before, "seen"), read(&arms.after, "seen")), ("{1}".to_owned(), "{2}".to_owned()));
        let same = ArmsPlan { before: version(b"{2}"), ..both };
        assert!(matches!(prepare(same).unwrap_err(), ArmsError::SameCode { .. }));
    }

    #[test]
    fn a_project_below_the_root_runs_in_its_own_directory_with_what_is_shared() {
        let sandbox = Sandbox::new();
        sandbox.commit("api/in", "one", "1");
        sandbox.commit("api/in", "two", "2");
        sandbox.write("api/node_modules/x", "shared");
        let repo = Repo::open(&sandbox.path().join("api")).unwrap();
        let share = ["node_modules".to_owned()];
        let arms = prepare(ArmsPlan { share: &share, ..plan(&repo, "HEAD~1", "HEAD") }).unwrap();
        assert_eq!(read(&arms.before, "in") + &read(&arms.after, "node_modules/x"), "oneshared");
        drop(arms);
        assert!(sandbox.path().join("api/node_modules/x").exists());
    }

    #[test]
    fn a_commit_without_the_project_is_an_error_that_names_it() {
        let sandbox = Sandbox::new();
        sandbox.commit("other", "one", "1");
        sandbox.commit("api/in", "two", "2");
        let repo = Repo::open(&sandbox.path().join("api")).unwrap();
        let error = prepare(plan(&repo, "HEAD~1", "HEAD")).unwrap_err();
        assert!(matches!(error, ArmsError::NoProject { .. }), "{error}");
        assert_eq!(repo.worktrees().unwrap().len(), 1);
    }

    #[test]
    fn an_unknown_revision_is_refused_before_anything_is_made() {
        let sandbox = two_commits();
        let repo = sandbox.repo();
        assert!(matches!(prepare(plan(&repo, "nothing", "HEAD")).unwrap_err(), ArmsError::Git(_)));
    }
}
