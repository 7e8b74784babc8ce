//! Prepares the two sides: checks the files of baseline and head out next to each other, outside the user's checkout,
//! builds both in the same way, and proves that they differ.

use std::collections::BTreeMap;
use std::collections::BTreeSet;
use std::ffi::OsString;
use std::path::{Component, Path, PathBuf};
use std::{fs, io};

use crate::config::Config;
use crate::git::{GitError, Repo, Scope, ScratchDir, TreeEntry, remove_leftovers};
use crate::judge::Which;
use crate::measure::command::{Env, error_tail, failure, seconds};
use crate::measure::pair::environment::{self, SidePaths};
use crate::measure::{Place, Runner, size};
use crate::model::{SideRevision, scrub, short};
use crate::os::{Ended, SpawnError, Spec, files};

#[derive(Debug, Clone, Copy)]
pub(crate) struct CodeVersion<'a> {
    /// The revision; resolved before anything is checked out.
    pub(crate) rev: &'a str,
    /// The content of this version's tuneables file, if it is outside the repository.
    pub(crate) tuneables: Option<&'a [u8]>,
}

#[derive(Debug, Clone, Copy)]
pub(crate) struct TuneablesFile<'a> {
    /// The variable that tells its path to the measured commands.
    pub(crate) variable: &'a str,
    /// Its file name; readers may depend on the extension.
    pub(crate) file_name: &'a str,
}

#[derive(Debug, Clone, Copy)]
pub(crate) struct Versions<'a> {
    pub(crate) before: CodeVersion<'a>,
    pub(crate) after: CodeVersion<'a>,
    pub(crate) tuneables: Option<TuneablesFile<'a>>,
    /// Whether both may be the same, as when noise is measured.
    pub(crate) same_allowed: bool,
}

impl<'a> Versions<'a> {
    /// Two revisions, with the tuneables that they contain.
    pub(crate) fn of(before: &'a str, after: &'a str) -> Self {
        let version = |rev| CodeVersion { rev, tuneables: None };
        Self { before: version(before), after: version(after), tuneables: None, same_allowed: false }
    }
}

#[derive(Clone, Copy)]
pub(crate) struct PairedProject<'a> {
    pub(crate) repo: &'a Repo,
    pub(crate) config: &'a Config,
}

#[derive(Debug, thiserror::Error)]
pub(crate) enum CheckoutError {
    #[error(transparent)]
    Git(#[from] GitError),
    #[error("{}", same_code(before, after))]
    SameCode { before: String, after: String },
    #[error("commit {commit} has no directory {path:?}, where the project is now")]
    NoProject { commit: String, path: String },
    #[error("preparing the {side} side: `{cmd}` failed: {how}")]
    Prepare { side: &'static str, cmd: String, how: String },
    #[error("preparing the {side} side: {source}")]
    Start { side: &'static str, source: SpawnError },
    #[error(transparent)]
    Share(#[from] ShareError),
    #[error("interrupted while the checkouts were prepared")]
    Interrupted,
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Checkout {
    /// Where its commands run, and with which environment.
    pub(crate) place: Place,
    pub(crate) version: SideRevision,
    /// Contains its checkout, its build directory and its other files.
    pub(crate) home: PathBuf,
}

/// Two prepared checkouts. Dropping them removes them.
#[derive(Debug)]
pub(crate) struct Checkouts {
    pub(crate) before: Checkout,
    pub(crate) after: Checkout,
    /// Reasons why the two might be less different than they should be.
    pub(crate) warnings: Vec<String>,
    scratch: ScratchDir,
}

impl Checkouts {
    /// Checks out and prepares both versions. Leaves nothing behind on failure. `tell` gets progress messages.
    pub(crate) fn prepare(
        project: PairedProject<'_>,
        versions: Versions<'_>,
        runner: &mut dyn Runner,
        tell: &mut dyn FnMut(&str),
    ) -> Result<Self, CheckoutError> {
        remove_leftovers(project.repo);
        // Resolve names first: the meaning of a name such as HEAD~1 must not depend on the steps below.
        let (before, before_code) = resolve(project, versions.before.rev)?;
        let (after, after_code) = resolve(project, versions.after.rev)?;
        let same_tuneables = versions.before.tuneables == versions.after.tuneables;
        if before_code == after_code && same_tuneables && !versions.same_allowed {
            let [before, after] = [before, after].map(|version| version.commit.unwrap_or_default());
            return Err(CheckoutError::SameCode { before, after });
        }
        let mut scratch = ScratchDir::new(project.repo)?;
        let mut warnings = Vec::new();
        let tuneables = versions.tuneables;
        let mut builder = Builder { project, tuneables, runner, tell, scratch: &mut scratch, warnings: &mut warnings };
        // What a command can read from git is the same on both sides: parent, message, date.
        let parent = before.commit.clone().unwrap_or_default();
        let stand_in = |side: &SideRevision| project.repo.stand_in(side.tree.as_deref().unwrap_or_default(), &parent);
        let heads = (stand_in(&before)?, stand_in(&after)?);
        let before = builder.checkout(Which::Before, before, &heads.0, versions.before.tuneables)?;
        let after = builder.checkout(Which::After, after, &heads.1, versions.after.tuneables)?;
        warnings.sort();
        warnings.dedup();
        Ok(Self { before, after, warnings, scratch })
    }

    /// Prepares one checkout of a commit as a side would be, to try what runs in it. Dropping the directory removes it.
    pub(crate) fn one(
        project: PairedProject<'_>,
        rev: &str,
        runner: &mut dyn Runner,
        tell: &mut dyn FnMut(&str),
    ) -> Result<(Place, ScratchDir), CheckoutError> {
        let (version, _) = resolve(project, rev)?;
        let mut scratch = ScratchDir::new(project.repo)?;
        let mut warnings = Vec::new();
        let mut builder =
            Builder { project, tuneables: None, runner, tell, scratch: &mut scratch, warnings: &mut warnings };
        let commit = version.commit.clone().unwrap_or_default();
        let checkout = builder.checkout(Which::Before, version, &commit, None)?;
        Ok((checkout.place, scratch))
    }

    /// Removes both; an error if something remains.
    pub(crate) fn remove(self) -> Result<(), GitError> {
        self.scratch.remove()
    }
}

/// The commit and tree of a version, and all code in the repository without the tool's own files, since a project may
/// be built from files next to it.
fn resolve(project: PairedProject<'_>, rev: &str) -> Result<(SideRevision, BTreeSet<TreeEntry>), GitError> {
    let found = project.repo.commit_and_tree(rev)?;
    let there = project.repo.as_of(&found.commit)?;
    let scope = Scope { without_own_of: Some(there.prefix()), ..Scope::ALL };
    let listed = project.repo.listing(&found.commit, b"")?;
    let code = listed.iter().filter(|entry| scope.counts(&entry.path, entry.is_regular())).cloned().collect();
    Ok((SideRevision { rev: rev.to_owned(), commit: Some(found.commit), tree: Some(found.tree) }, code))
}

struct Builder<'a> {
    project: PairedProject<'a>,
    tuneables: Option<TuneablesFile<'a>>,
    runner: &'a mut dyn Runner,
    tell: &'a mut dyn FnMut(&str),
    scratch: &'a mut ScratchDir,
    warnings: &'a mut Vec<String>,
}

impl Builder<'_> {
    fn checkout(
        &mut self,
        side: Which,
        version: SideRevision,
        commit: &str,
        tuneables: Option<&[u8]>,
    ) -> Result<Checkout, CheckoutError> {
        (self.tell)(&format!("checking out {}", side.name()));
        // Names of equal length: the length of a path affects run times (it moves the stack).
        let directory = match side {
            Which::Before => "a",
            Which::After => "b",
        };
        let home = self.scratch.base().join(directory);
        let create = |name: &str| -> Result<PathBuf, GitError> {
            let path = home.join(name);
            fs::create_dir_all(&path).map_err(|source| GitError::file("create", &path, source))?;
            Ok(path)
        };
        let (temporary, build) = (create("tmp")?, create("out")?);
        let tree = self.scratch.add_tree(&Path::new(directory).join("tree"), commit)?;
        let there = self.project.repo.as_of(commit)?;
        let prefix = files::path_from_bytes(there.prefix());
        let root = if there.prefix().is_empty() { tree.clone() } else { tree.join(&prefix) };
        if !root.is_dir() {
            let commit = version.commit.unwrap_or_default();
            return Err(CheckoutError::NoProject { commit, path: prefix.display().to_string() });
        }
        self.share(&root)?;
        let mut env = self.environment(SidePaths { tree: &tree, root: &root, build: &build, temporary: &temporary });
        if let (Some(file), Some(bytes)) = (self.tuneables, tuneables) {
            let path = create("tuneables")?.join(Path::new(file.file_name).file_name().unwrap_or_default());
            fs::write(&path, bytes).map_err(|source| GitError::file("write", &path, source))?;
            env.push((file.variable.into(), Some(path.into_os_string())));
        }
        let place = Place { root, env };
        self.prepare(side, &place)?;
        self.warn_of_submodules(&tree);
        let tracked = self.project.repo.tracked(b"")?;
        let tracked = tracked.iter().map(|path| files::path_from_bytes(path));
        self.warnings.extend(size::unfetched_warnings(&tree, tracked.filter(|path| !tree.join(path).is_dir())));
        Ok(Checkout { place, version, home })
    }

    fn share(&mut self, root: &Path) -> Result<(), ShareError> {
        let project = self.project.repo.root().join(files::path_from_bytes(self.project.repo.prefix()));
        for path in &self.project.config.pair.share {
            share(&project, root, path)?;
        }
        Ok(())
    }

    fn environment(&mut self, side: SidePaths<'_>) -> Env {
        let checkout = self.project.repo.root();
        let checkout = files::canonical(checkout).unwrap_or_else(|_| checkout.to_owned());
        // The commands' variables precede the side's, but a common build directory must not be used.
        let named = self.project.config.timings.iter().flat_map(|timing| &timing.env);
        let named = named.map(|(name, value)| (OsString::from(name), OsString::from(value)));
        let named = named.filter(|(name, _)| environment::is_build_directory(name));
        let cargo_home = std::env::var_os("CARGO_HOME").map(PathBuf::from);
        let cargo_home = cargo_home.or_else(|| std::env::home_dir().map(|home| home.join(".cargo")));
        let vars = std::env::vars_os().chain(named);
        let (env, warnings) = environment::of_side(vars, &checkout, side, cargo_home.as_deref());
        self.warnings.extend(warnings);
        env
    }

    /// Checked after the preparation, which may have checked them out.
    fn warn_of_submodules(&mut self, tree: &Path) {
        let listed = fs::read_to_string(tree.join(".gitmodules")).unwrap_or_default();
        let mut paths = listed.lines().filter_map(|line| line.trim().strip_prefix("path")?.trim().strip_prefix('='));
        let empty = |path: &str| fs::read_dir(tree.join(path.trim())).is_ok_and(|mut entries| entries.next().is_none());
        if paths.any(empty) {
            let warning = "submodules are not checked out on the two sides: begin pair.prepare with \
                           `git submodule update --init --recursive` (for one on this disk, \
                           `git -c protocol.file.allow=always submodule update --init --recursive`)";
            self.warnings.push(warning.to_owned());
        }
    }

    fn prepare(&mut self, side: Which, place: &Place) -> Result<(), CheckoutError> {
        let config = self.project.config;
        let Some(cmd) = config.prepares() else { return Ok(()) };
        let side = side.name();
        (self.tell)(&format!("preparing {side}"));
        let spec = Spec { stays: true, ..place.shell(cmd, seconds(config.commands.timeout_s)) };
        let finished = self.runner.run(&spec).map_err(|source| CheckoutError::Start { side, source })?;
        let Some(mut how) = failure(finished.ended, spec.timeout) else { return Ok(()) };
        if finished.ended == Ended::Interrupted {
            return Err(CheckoutError::Interrupted);
        }
        let tail = error_tail(&finished);
        if !tail.is_empty() {
            how.push_str(&format!(":\n{tail}"));
        }
        Err(CheckoutError::Prepare { side, cmd: scrub(cmd), how })
    }
}
fn same_code(before: &str, after: &str) -> String {
    match before == after {
        true => format!("both revisions are the commit {}, so there is nothing to compare", short(before)),
        false => {
            format!(
                "{before} and {after} hold the same code outside the tool's own files, so there is nothing to compare"
            )
        }
    }
}

#[derive(Debug, thiserror::Error)]
pub(crate) enum ShareError {
    #[error(
        "pair.share names {0:?}, which is not a path below the project's root: remove it from the config and take the baseline again"
    )]
    Outside(String),
    #[error(
        "pair.share names {0:?}, which does not exist: create it (install the packages), or remove it from the config \
         and take the baseline again"
    )]
    Missing(String),
    #[error(
        "pair.share names {0:?}, which is tracked by git: each side has its own, so remove it from the config and take the baseline again"
    )]
    Tracked(String),
    #[error("cannot share {path:?}: {source}")]
    Io { path: String, source: io::Error },
}

pub(crate) fn share(project: &Path, checkout: &Path, path: &str) -> Result<(), ShareError> {
    let inside = Path::new(path).components().all(|part| matches!(part, Component::Normal(_) | Component::CurDir));
    if !inside || path.trim_matches(['/', '.', '\\']).is_empty() {
        return Err(ShareError::Outside(path.to_owned()));
    }
    let (source, target) = (project.join(path), checkout.join(path));
    if !source.exists() {
        return Err(ShareError::Missing(path.to_owned()));
    }
    if target.symlink_metadata().is_ok() {
        return Err(ShareError::Tracked(path.to_owned()));
    }
    let made = target.parent().map_or(Ok(()), fs::create_dir_all);
    made.and_then(|()| files::link_or_copy(&source, &target))
        .map_err(|source| ShareError::Io { path: path.to_owned(), source })
}

/// Files with their lengths and modification times: an equal entry means that the file was not written.
pub(crate) type Stamps = BTreeMap<PathBuf, (u64, i64, i64)>;

/// The stamps of all files below the paths, without caches.
pub(crate) fn stamps(paths: &[PathBuf]) -> Stamps {
    const CACHES: [&str; 4] = [".cache", "__pycache__", ".pytest_cache", ".git"];
    let is_cache = |entry: &walkdir::DirEntry| CACHES.iter().any(|name| entry.file_name() == *name);
    let walk = |path: &PathBuf| walkdir::WalkDir::new(path).into_iter().filter_entry(move |entry| !is_cache(entry));
    let of = |entry: walkdir::DirEntry| {
        let metadata = entry.metadata().ok().filter(|metadata| !metadata.is_dir())?;
        let (seconds, nanoseconds) = files::changed_at(&metadata)?;
        Some((entry.into_path(), (metadata.len(), seconds, nanoseconds)))
    };
    paths.iter().flat_map(walk).flatten().filter_map(of).collect()
}

#[cfg(unix)]
#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::TimingConfig;
    use crate::git::Sandbox;
    use crate::measure::SystemRunner;
    use crate::measure::command::scripted::Script;
    use crate::os::Interrupt;

    fn prepares(cmd: &str) -> Config {
        let mut config = Config::default();
        config.pair.prepare = Some(cmd.to_owned());
        config
    }

    fn prepare(repo: &Repo, config: &Config, versions: Versions<'_>) -> Result<Checkouts, CheckoutError> {
        let project = PairedProject { repo, config };
        Checkouts::prepare(project, versions, &mut SystemRunner::new(Interrupt::new().unwrap()), &mut |_| {})
    }

    fn last_two(repo: &Repo, config: &Config) -> Result<Checkouts, CheckoutError> {
        prepare(repo, config, Versions::of("HEAD~1", "HEAD"))
    }

    #[test]
    fn a_common_build_directory_of_a_command_is_each_sides_own() {
        let sandbox = two_commits();
        let repo = sandbox.repo();
        let mut config = Config::default();
        let env = ["CARGO_TARGET_DIR", "OTHER"].map(|name| (name.to_owned(), "/common".to_owned()));
        config.timings.push(TimingConfig { env: env.into(), ..TimingConfig::default() });
        let sides = last_two(&repo, &config).unwrap();
        let of = |side: &Checkout| {
            let found = side.place.env.iter().rfind(|(name, _)| name == "CARGO_TARGET_DIR");
            found.and_then(|(_, value)| value.clone()).unwrap()
        };
        let (before, after) = (of(&sides.before), of(&sides.after));
        assert_ne!(before, after);
        assert!(Path::new(&before).is_dir() && Path::new(&after).is_dir());
    }

    fn two_commits() -> Sandbox {
        let sandbox = Sandbox::new();
        sandbox.commit("in", "one", "1");
        sandbox.commit("in", "two", "2");
        sandbox
    }

    fn read(side: &Checkout, path: &str) -> String {
        fs::read_to_string(side.place.root.join(path)).unwrap()
    }

    #[test]
    fn each_side_has_its_own_version_built_in_it_and_both_disappear() {
        let sandbox = two_commits();
        let repo = sandbox.repo();
        let sides = last_two(&repo, &prepares("cp in built; test -d \"$TMPDIR\"")).unwrap();
        assert_eq!((read(&sides.before, "built"), read(&sides.after, "built")), ("one".to_owned(), "two".to_owned()));
        assert_eq!(sides.before.version.rev, "HEAD~1");
        assert_ne!(sides.before.version.tree, sides.after.version.tree);
        let lengths = [&sides.before, &sides.after].map(|side| side.place.root.as_os_str().len());
        assert_eq!(lengths[0], lengths[1]);
        assert_ne!(sides.before.place.env, sides.after.place.env);
        let roots = [&sides.before, &sides.after].map(|side| side.place.root.clone());
        sides.remove().unwrap();
        assert!(roots.iter().all(|root| !root.exists()));
        assert_eq!(repo.worktrees().unwrap().len(), 1);
        assert!(!sandbox.path().join("built").exists());
    }

    #[test]
    fn sides_that_differ_in_the_tools_own_files_alone_are_refused() {
        let sandbox = two_commits();
        sandbox.commit("reports/optimizer/record.md", "x", "3");
        let repo = sandbox.repo();
        let (config, last) = (Config::default(), Versions::of("HEAD~1", "HEAD"));
        let error = prepare(&repo, &config, last).unwrap_err();
        assert!(matches!(error, CheckoutError::SameCode { .. }), "{error}");
        assert!(prepare(&repo, &config, Versions { same_allowed: true, ..last }).is_ok());
        assert_eq!(repo.worktrees().unwrap().len(), 1);
    }

    #[test]
    fn a_side_that_does_not_build_says_why_and_leaves_nothing() {
        let sandbox = two_commits();
        let repo = sandbox.repo();
        let cmd = "grep -q one in || { echo 'no such thing' >&2; exit 3; }";
        let error = last_two(&repo, &prepares(cmd)).unwrap_err();
        let text = error.to_string();
        assert!(text.contains("preparing the after side") && text.contains("exit code 3"), "{text}");
        assert!(text.ends_with("no such thing"), "{text}");
        assert_eq!(repo.worktrees().unwrap().len(), 1);
    }

    #[test]
    fn an_interrupt_while_preparing_leaves_nothing() {
        let sandbox = two_commits();
        let repo = sandbox.repo();
        let mut script = Script::of(&[(1, Ended::Interrupted, "")]);
        let project = PairedProject { repo: &repo, config: &prepares("make") };
        let error = Checkouts::prepare(project, Versions::of("HEAD~1", "HEAD"), &mut script, &mut |_| {}).unwrap_err();
        assert!(matches!(error, CheckoutError::Interrupted));
        assert!(!script.seen[0].cwd.exists());
        assert_eq!(repo.worktrees().unwrap().len(), 1);
    }

    #[test]
    fn tuneables_outside_the_repository_make_the_difference() {
        let sandbox = two_commits();
        let repo = sandbox.repo();
        let tuneables = Some(TuneablesFile { variable: "TUNEABLES", file_name: "tuneables.json" });
        let version = |bytes| CodeVersion { rev: "HEAD", tuneables: Some(bytes) };
        let both =
            Versions { tuneables, before: version(b"{1}"), after: version(b"{2}"), ..Versions::of("HEAD", "HEAD") };
        let config = prepares("cat \"$TUNEABLES\" > seen");
        let sides = prepare(&repo, &config, both).unwrap();
        assert_eq!((read(&sides.before, "seen"), read(&sides.after, "seen")), ("{1}".to_owned(), "{2}".to_owned()));
        let same = Versions { before: version(b"{2}"), ..both };
        assert!(matches!(prepare(&repo, &config, same).unwrap_err(), CheckoutError::SameCode { .. }));
    }

    #[test]
    fn a_project_below_the_root_runs_in_its_own_directory_with_what_is_shared() {
        let sandbox = Sandbox::new();
        sandbox.commit("api/in", "one", "1");
        sandbox.commit("api/in", "two", "2");
        sandbox.write("api/node_modules/x", "shared");
        let repo = Repo::open(&sandbox.path().join("api")).unwrap();
        let mut config = Config::default();
        config.pair.share = vec!["node_modules".to_owned()];
        let sides = last_two(&repo, &config).unwrap();
        assert_eq!(read(&sides.before, "in") + &read(&sides.after, "node_modules/x"), "oneshared");
        drop(sides);
        assert!(sandbox.path().join("api/node_modules/x").exists());
    }

    #[test]
    fn a_commit_without_the_project_is_an_error_that_names_it() {
        let sandbox = Sandbox::new();
        sandbox.commit("other", "one", "1");
        sandbox.commit("api/in", "two", "2");
        let repo = Repo::open(&sandbox.path().join("api")).unwrap();
        let error = last_two(&repo, &Config::default()).unwrap_err();
        assert!(matches!(error, CheckoutError::NoProject { .. }), "{error}");
        assert_eq!(repo.worktrees().unwrap().len(), 1);
    }

    #[test]
    fn an_unknown_revision_is_refused_before_anything_is_made() {
        let sandbox = two_commits();
        let repo = sandbox.repo();
        let error = prepare(&repo, &Config::default(), Versions::of("nothing", "HEAD")).unwrap_err();
        assert!(matches!(error, CheckoutError::Git(_)));
    }
}

#[cfg(unix)]
#[cfg(test)]
mod share_tests {
    use super::*;

    fn project() -> tempfile::TempDir {
        let dir = tempfile::tempdir().unwrap();
        for sub in ["p/node_modules/@s", "p/packages/x", "p/.venv/lib/python3.12/site-packages", "c"] {
            fs::create_dir_all(dir.path().join(sub)).unwrap();
        }
        fs::write(dir.path().join("p/node_modules/one"), "1").unwrap();
        dir
    }

    #[test]
    fn a_shared_directory_is_the_same_in_the_checkout() {
        let dir = project();
        let (p, c) = (dir.path().join("p"), dir.path().join("c"));
        share(&p, &c, "node_modules").unwrap();
        assert_eq!(fs::read_to_string(c.join("node_modules/one")).unwrap(), "1");
        share(&p, &c, "deep/er").unwrap_err();
        fs::create_dir_all(p.join("deep/er")).unwrap();
        share(&p, &c, "deep/er").unwrap();
        assert!(c.join("deep/er").is_dir());
    }

    #[test]
    fn what_cannot_be_shared_is_refused_with_its_name() {
        let dir = project();
        let (p, c) = (dir.path().join("p"), dir.path().join("c"));
        for path in ["../c", "/etc", ".", "", "a/../.."] {
            assert!(matches!(share(&p, &c, path), Err(ShareError::Outside(_))), "{path}");
        }
        assert!(share(&p, &c, "none").unwrap_err().to_string().contains("\"none\", which does not exist"));
        fs::write(c.join("node_modules"), "tracked").unwrap();
        assert!(matches!(share(&p, &c, "node_modules"), Err(ShareError::Tracked(_))));
    }
}
