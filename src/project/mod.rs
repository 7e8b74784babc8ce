//! Detects the kind of a project from its files, and the commands that test and build it. Only reads files; runs and
//! writes nothing. Knowledge about languages is in `project.toml`, questions are in `questions.toml`.

mod analysis;

pub(crate) use analysis::{BloatDir, analyze, bloat_dirs};

use std::collections::BTreeMap;
use std::fs;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use serde::Deserialize;
use serde_json::Value;

use crate::config::Guess;

/// Only this many bytes of a marker file are read.
const MAX_BYTES: u64 = 1 << 20;

/// Parsed from `project.toml`; a test checks that it is valid.
static KNOWN: LazyLock<Known> = LazyLock::new(|| toml::from_str(include_str!("project.toml")).unwrap_or_default());

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Known {
    directories: Directories,
    runners: Vec<TestRunner>,
    python: Python,
    languages: Vec<Language>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Directories {
    code: Vec<String>,
    foreign: Vec<String>,
    well_known: Vec<String>,
    bloat: Vec<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct TestRunner {
    files: Vec<String>,
    endings: Vec<String>,
    test: String,
    build: String,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Python {
    run: Vec<String>,
    imported_as: BTreeMap<String, Vec<String>>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Language {
    name: String,
    files: Vec<String>,
    endings: Vec<String>,
}

/// Whether a directory of this name holds other people's code or build output.
fn is_foreign(name: &str) -> bool {
    KNOWN.directories.foreign.iter().any(|foreign| foreign == name) || name.ends_with(".egg-info")
}

/// The start of a file as text, without a byte order mark; `None` if there is no such file.
fn text(path: &Path) -> Option<String> {
    if !path.is_file() {
        return None;
    }
    let mut bytes = Vec::new();
    fs::File::open(path).ok()?.take(MAX_BYTES).read_to_end(&mut bytes).ok()?;
    let text = String::from_utf8_lossy(&bytes);
    Some(text.strip_prefix('\u{feff}').unwrap_or(&text).to_owned())
}

/// The entries of a directory, sorted by name; empty if it cannot be read.
fn entries(dir: &Path) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(dir) else { return Vec::new() };
    let mut paths: Vec<PathBuf> = entries.filter_map(|entry| Some(entry.ok()?.path())).collect();
    paths.sort();
    paths
}

fn name(path: &Path) -> String {
    path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default()
}

fn is_marked(name: &str, files: &[String], endings: &[String]) -> bool {
    let lower = name.to_ascii_lowercase();
    files.iter().any(|file| file == name)
        || endings.iter().any(|ending| lower.len() > ending.len() && lower.ends_with(ending.as_str()))
}

/// The subdirectories with the project's own code, one level deep.
fn subdirectories(root: &Path) -> Vec<PathBuf> {
    let is_own = |path: &PathBuf| {
        let name = name(path);
        path.is_dir() && !path.is_symlink() && !name.starts_with('.') && !is_foreign(&name)
    };
    entries(root).into_iter().filter(is_own).collect()
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Candidate {
    test: String,
    build: Option<String>,
}

/// The maximum number of size paths that are suggested, to keep reports readable.
const MAX_SIZE_PATHS: usize = 6;
/// The test script that `npm init` writes if there are no tests.
const NPM_PLACEHOLDER: &str = "no test specified";

/// Guesses the commands and size paths of the project at `root` from its marker files, in the order of `project.toml`;
/// first in the root, then in its direct subdirectories. Other candidates are listed.
pub(crate) fn guess(root: &Path) -> Guess {
    // Some systems with only Python 3, such as Debian, have no `python`.
    let python = if on_path("python") || !on_path("python3") { "python" } else { "python3" };
    guess_with(root, python)
}

fn on_path(program: &str) -> bool {
    let names = [program.to_owned(), format!("{program}.exe")];
    std::env::var_os("PATH")
        .is_some_and(|path| std::env::split_paths(&path).any(|dir| names.iter().any(|name| dir.join(name).is_file())))
}

fn guess_with(root: &Path, python: &str) -> Guess {
    let mut candidates = candidates(root, python);
    let at_root = candidates.len();
    for path in subdirectories(root) {
        let dir = name(&path);
        if is_plain(&dir) {
            let below = self::candidates(&path, python).into_iter();
            // Test runners of Python find tests below the root themselves.
            let below = below.filter(|it| !it.test.starts_with(python) || !candidates[..at_root].contains(it));
            let below: Vec<Candidate> = below.map(|candidate| candidate.within(&dir)).collect();
            candidates.extend(below);
        }
    }
    let chosen = (at_root > 0 || candidates.len() == 1).then(|| candidates.remove(0));
    Guess {
        build: chosen.as_ref().and_then(|candidate| candidate.build.clone()),
        test: chosen.map(|candidate| candidate.test),
        size_paths: size_paths(root),
        others: candidates.into_iter().map(|candidate| candidate.test).collect(),
        since: None,
    }
}

impl Candidate {
    fn new(test: &str, build: Option<&str>) -> Self {
        Self { test: test.to_owned(), build: build.map(str::to_owned) }
    }

    fn within(self, dir: &str) -> Self {
        let quoted = if dir.contains(' ') { format!("\"{dir}\"") } else { dir.to_owned() };
        let inside = |command: String| format!("cd {quoted} && {command}");
        Self { test: inside(self.test), build: self.build.map(inside) }
    }
}

fn candidates(dir: &Path, interpreter: &str) -> Vec<Candidate> {
    let names: Vec<String> = entries(dir).iter().filter(|path| path.is_file()).map(|path| name(path)).collect();
    let runners = KNOWN.runners.iter();
    let known = runners.filter(|runner| names.iter().any(|name| is_marked(name, &runner.files, &runner.endings)));
    node(dir)
        .into_iter()
        .chain(known.map(|runner| Candidate::new(&runner.test, Some(&runner.build))))
        .chain(python(dir).map(|module| Candidate::new(&format!("{interpreter} -m {module}"), None)))
        .chain(script(dir, &names))
        .collect()
}

/// The test command of a project of unknown kind.
fn script(dir: &Path, names: &[String]) -> Option<Candidate> {
    let has_target = |name: &&String| {
        let text = text(&dir.join(name)).unwrap_or_default();
        text.lines().any(|line| line.starts_with("test:"))
    };
    let make = names.iter().find(|name| ["Makefile", "makefile", "GNUmakefile"].contains(&name.as_str()));
    let make = make.filter(has_target).map(|_| "make test");
    let test = make.or(names.iter().any(|name| name == "test.sh").then_some("sh test.sh"));
    test.map(|test| Candidate::new(test, None))
}

fn node(dir: &Path) -> Option<Candidate> {
    let package: Value = serde_json::from_str(&text(&dir.join("package.json"))?).ok()?;
    let script = |name: &str| package.pointer(&format!("/scripts/{name}")).and_then(Value::as_str).map(str::trim);
    let real = script("test").is_some_and(|test| !test.is_empty() && !test.contains(NPM_PLACEHOLDER));
    let manager = node_manager(dir, &package);
    // `bun test` always uses bun's own runner and ignores the script.
    let test = if manager == "bun" { "bun run test".to_owned() } else { format!("{manager} test") };
    let build = script("build").filter(|build| !build.is_empty()).map(|_| format!("{manager} run build"));
    real.then_some(Candidate { test, build })
}

fn node_manager(dir: &Path, package: &Value) -> &'static str {
    const LOCKS: &[(&str, &str)] = &[
        ("pnpm-lock.yaml", "pnpm"),
        ("yarn.lock", "yarn"),
        ("package-lock.json", "npm"),
        ("bun.lock", "bun"),
        ("bun.lockb", "bun"),
    ];
    if let Some((_, manager)) = LOCKS.iter().find(|(lock, _)| dir.join(lock).is_file()) {
        return manager;
    }
    let named = package.get("packageManager").and_then(Value::as_str).and_then(|text| text.split('@').next());
    ["pnpm", "yarn", "bun"].into_iter().find(|manager| named == Some(manager)).unwrap_or("npm")
}

/// The module that runs Python tests: pytest if anything mentions it, or else by what the `test_*.py` files import.
fn python(dir: &Path) -> Option<&'static str> {
    const PYTEST: &str = "pytest -q";
    if names_pytest(dir) {
        return Some(PYTEST);
    }
    let texts_in = |place: &Path| -> Vec<String> {
        let tests = entries(place).into_iter().filter(|path| {
            let name = name(path);
            name.starts_with("test_") && name.ends_with(".py")
        });
        tests.filter_map(|path| text(&path)).collect()
    };
    let (here, below) = (texts_in(dir), texts_in(&dir.join("tests")));
    let is_unittest = |text: &String| text.contains("unittest.") && !text.contains("import pytest");
    if here.is_empty() && below.is_empty() {
        return None;
    }
    if !here.iter().chain(&below).all(is_unittest) {
        return Some(PYTEST);
    }
    // By default, Python's own runner searches only packages.
    let is_found = below.is_empty() || dir.join("tests/__init__.py").is_file();
    match (is_found, here.is_empty()) {
        (true, _) => Some("unittest"),
        (false, true) => Some("unittest discover -s tests"),
        (false, false) => Some(PYTEST),
    }
}

/// Plugins of pytest contain its name, too.
fn names_pytest(dir: &Path) -> bool {
    const OWN_FILES: [&str; 5] = ["pytest.ini", ".pytest.ini", "pytest.toml", "conftest.py", "tests/conftest.py"];
    let in_root = entries(dir).into_iter().filter(|path| {
        let name = name(path);
        ["pyproject.toml", "setup.cfg", "tox.ini"].contains(&name.as_str())
            || name.contains("requirements") && name.ends_with(".txt")
    });
    let requirements = entries(&dir.join("requirements")).into_iter().filter(|path| name(path).ends_with(".txt"));
    OWN_FILES.iter().any(|name| dir.join(name).is_file())
        || in_root.chain(requirements).any(|path| text(&path).is_some_and(|text| text.contains("pytest")))
}

/// Whether a name is safe in a shell command, at most with double quotes.
fn is_plain(name: &str) -> bool {
    name.chars().all(|c| c.is_alphanumeric() || " ._-+@".contains(c)) && !name.starts_with('-')
}

fn size_paths(root: &Path) -> Vec<String> {
    let code = &KNOWN.directories.code;
    let known = code.iter().filter(|dir| root.join(dir).is_dir()).cloned();
    let packages = subdirectories(root).into_iter().filter(|path| path.join("__init__.py").is_file());
    let packages = packages.map(|path| name(&path));
    let packages = packages.filter(|dir| is_plain(dir) && !code.contains(dir) && !dir.starts_with("test"));
    known.chain(packages).take(MAX_SIZE_PATHS).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_known_of_projects_can_be_read() {
        let known: Known = toml::from_str(include_str!("project.toml")).unwrap();
        assert!(known.languages.len() > 10 && known.runners.len() > 2 && known.python.run.len() > 10);
    }

    fn project(files: &[(&str, &str)]) -> tempfile::TempDir {
        let dir = tempfile::tempdir().unwrap();
        for (name, text) in files {
            let path = dir.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        dir
    }

    fn test_command(files: &[(&str, &str)]) -> Option<String> {
        guess_with(project(files).path(), "python").test
    }

    const PACKAGE: &str = "\u{feff}{\"scripts\": {\"test\": \"vitest run\", \"build\": \"tsc\"}}";

    #[test]
    fn the_lock_file_decides_which_node_manager_runs_the_tests() {
        for (lock, expected) in [
            ("package-lock.json", "npm test"),
            ("pnpm-lock.yaml", "pnpm test"),
            ("yarn.lock", "yarn test"),
            ("bun.lock", "bun run test"),
            ("README", "npm test"),
        ] {
            assert_eq!(test_command(&[("package.json", PACKAGE), (lock, "")]).as_deref(), Some(expected), "{lock}");
        }
        let named = "{\"packageManager\": \"pnpm@9.1.0\", \"scripts\": {\"test\": \"x\"}}";
        assert_eq!(test_command(&[("package.json", named)]).as_deref(), Some("pnpm test"));
    }

    #[test]
    fn the_placeholder_of_npm_and_a_broken_package_file_are_no_tests() {
        let placeholder = r#"{"scripts": {"test": "echo \"Error: no test specified\" && exit 1"}}"#;
        for text in [placeholder, "{", "[]", "{\"scripts\": {\"test\": 3}}", "{\"scripts\": {\"test\": \"\"}}"] {
            assert_eq!(test_command(&[("package.json", text)]), None, "{text}");
        }
    }

    #[test]
    fn each_kind_of_project_has_its_test_command() {
        for (name, text, expected) in [
            ("go.mod", "module x", Some("go test -count=1 ./...")),
            ("Makefile", "all:\n\ttrue\ntest: all\n\ttrue\n", Some("make test")),
            ("Makefile", "all:\n\ttrue\n", None),
            ("test.sh", "true\n", Some("sh test.sh")),
            ("Cargo.toml", "", Some("cargo test")),
            ("App.SLN", "", Some("dotnet test")),
            ("app.csproj", "", Some("dotnet test")),
            ("pytest.ini", "", Some("python -m pytest -q")),
            ("tests/conftest.py", "", Some("python -m pytest -q")),
            ("setup.cfg", "[metadata]\r\n[tool:pytest]\r\n", Some("python -m pytest -q")),
            ("pyproject.toml", "[tool.pytest.ini_options]\n", Some("python -m pytest -q")),
            ("pyproject.toml", "[project.optional-dependencies]\ndev = ['pytest >=7']\n", Some("python -m pytest -q")),
            ("pyproject.toml", "[project]\ndependencies = ['pytest-cov']\n", Some("python -m pytest -q")),
            ("requirements-dev.txt", "black\npytest==8\n", Some("python -m pytest -q")),
            ("requirements/dev.txt", "pytest\n", Some("python -m pytest -q")),
            ("notes.txt", "pytest\n", None),
            ("setup.py", "", None),
        ] {
            assert_eq!(test_command(&[(name, text)]).as_deref(), expected, "{name} {text}");
        }
    }

    #[test]
    fn python_tests_that_nothing_declares_are_run_by_what_they_are_written_for() {
        let plain = [("test_a.py", "def test_a():\n    assert True\n")];
        assert_eq!(test_command(&plain).as_deref(), Some("python -m pytest -q"));
        let unit = [("test_a.py", "import unittest\nclass A(unittest.TestCase):\n    pass\n")];
        assert_eq!(test_command(&unit).as_deref(), Some("python -m unittest"));
        let apart = [("tests/test_a.py", unit[0].1)];
        assert_eq!(test_command(&apart).as_deref(), Some("python -m unittest discover -s tests"));
        assert_eq!(
            guess_with(project(&apart).path(), "python3").test.unwrap(),
            "python3 -m unittest discover -s tests"
        );
        assert_eq!(test_command(&[apart[0], unit[0]]).as_deref(), Some("python -m pytest -q"));
        assert_eq!(test_command(&[("testing.py", "x")]), None);
    }

    #[test]
    fn a_mix_takes_the_first_of_the_order_and_mentions_the_others() {
        let dir = project(&[
            ("package.json", PACKAGE),
            ("Cargo.toml", ""),
            ("web ui/package.json", PACKAGE),
            ("node_modules/x/package.json", PACKAGE),
            ("src/main.rs", ""),
            ("lib/a.py", ""),
            ("spark/__init__.py", ""),
        ]);
        let guess = guess(dir.path());
        assert_eq!(guess.test.as_deref(), Some("npm test"));
        assert_eq!(guess.build.as_deref(), Some("npm run build"));
        assert_eq!(guess.others, ["cargo test", "cd \"web ui\" && npm test"]);
        assert_eq!(guess.size_paths, ["src", "lib", "spark"]);
    }

    #[test]
    fn a_project_in_the_only_subdirectory_is_chosen_and_several_are_only_mentioned() {
        assert_eq!(test_command(&[("app/go.mod", "")]).as_deref(), Some("cd app && go test -count=1 ./..."));
        let two = guess(project(&[("a/go.mod", ""), ("b/Cargo.toml", "")]).path());
        assert_eq!((two.test, two.others.len()), (None, 2));
        let below = [("pytest.ini", ""), ("tests/test_a.py", "import pytest\n")];
        assert_eq!(guess(project(&below).path()).others, [""; 0], "one suite is proposed once");
    }
}
