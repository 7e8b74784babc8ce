//! The commands that test and build a project, guessed from its marker files.
//!
//! Where a project mixes kinds, the first of this order is chosen and the others are mentioned: Node, Go, Rust,
//! .NET, Python. The root comes before its subdirectories, of which one level is looked at.

use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::config::Guess;
use crate::project::marker;

/// What could test and build one directory.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Candidate {
    test: String,
    build: Option<String>,
}

/// Directories in which a project's own code usually lies, in the order in which they are suggested.
const CODE_DIRS: &[&str] =
    &["src", "lib", "app", "cmd", "internal", "pkg", "crates", "packages", "server", "client", "scripts"];
/// More paths than this make a report nobody reads.
const MAX_SIZE_PATHS: usize = 6;
/// What `npm init` writes where there are no tests.
const NPM_PLACEHOLDER: &str = "no test specified";

/// The commands and size paths guessed for the project at `root`.
pub fn guess(root: &Path) -> Guess {
    let mut candidates = candidates(root);
    let at_root = candidates.len();
    for dir in subdirectories(root) {
        let path = root.join(&dir);
        candidates.extend(self::candidates(&path).into_iter().map(|candidate| candidate.within(&dir)));
    }
    let chosen = (at_root > 0 || candidates.len() == 1).then(|| candidates.remove(0));
    Guess {
        build: chosen.as_ref().and_then(|candidate| candidate.build.clone()),
        test: chosen.map(|candidate| candidate.test),
        size_paths: size_paths(root),
        others: candidates.into_iter().map(|candidate| candidate.test).collect(),
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

fn candidates(dir: &Path) -> Vec<Candidate> {
    let fixed = |found: bool, test, build| found.then(|| Candidate::new(test, Some(build)));
    [
        node(dir),
        fixed(dir.join("go.mod").is_file(), "go test ./...", "go build ./..."),
        fixed(dir.join("Cargo.toml").is_file(), "cargo test", "cargo build"),
        fixed(marker::holds_ending(dir, &[".sln", ".slnx", ".csproj", ".fsproj"]), "dotnet test", "dotnet build"),
        uses_pytest(dir).then(|| Candidate::new("python -m pytest -q", None)).or_else(|| python_tests(dir)),
    ]
    .into_iter()
    .flatten()
    .collect()
}

fn node(dir: &Path) -> Option<Candidate> {
    let package = marker::json(&dir.join("package.json"))?;
    let script = |name: &str| package.pointer(&format!("/scripts/{name}")).and_then(Value::as_str).map(str::trim);
    let real = script("test").is_some_and(|test| !test.is_empty() && !test.contains(NPM_PLACEHOLDER));
    let manager = node_manager(dir, &package);
    // `bun test` is bun's own runner, whatever the script says.
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

fn uses_pytest(dir: &Path) -> bool {
    const OWN_FILES: &[&str] = &["pytest.ini", ".pytest.ini", "pytest.toml", "conftest.py", "tests/conftest.py"];
    const SECTIONS: &[(&str, &str)] = &[("setup.cfg", "[tool:pytest]"), ("tox.ini", "[pytest]")];
    OWN_FILES.iter().any(|name| dir.join(name).is_file())
        || SECTIONS.iter().any(|(name, section)| {
            marker::text(&dir.join(name)).is_some_and(|text| text.lines().any(|line| line.trim() == *section))
        })
        || marker::toml(&dir.join("pyproject.toml")).is_some_and(|table| names_pytest(&toml::Value::Table(table)))
        || requirements_name_pytest(dir)
}

/// What runs files named `test_*.py` where nothing says what does: they say it themselves.
fn python_tests(dir: &Path) -> Option<Candidate> {
    let texts_in = |place: &Path| -> Vec<String> {
        let is_test = |path: &PathBuf| {
            let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
            name.starts_with("test_") && name.ends_with(".py")
        };
        marker::entries(place).into_iter().filter(is_test).filter_map(|path| marker::text(&path)).collect()
    };
    let (here, below) = (texts_in(dir), texts_in(&dir.join("tests")));
    // Python's own runner looks into packages alone.
    let found = below.is_empty() || dir.join("tests/__init__.py").is_file();
    let texts: Vec<&String> = here.iter().chain(&below).collect();
    let unittest = found && texts.iter().all(|text| text.contains("unittest.") && !text.contains("import pytest"));
    let test = if unittest { "python -m unittest" } else { "python -m pytest -q" };
    (!texts.is_empty()).then(|| Candidate::new(test, None))
}

/// Whether a table has a section or key `pytest`, or lists it as a dependency, at any depth.
fn names_pytest(value: &toml::Value) -> bool {
    match value {
        toml::Value::String(text) => is_pytest_requirement(text),
        toml::Value::Array(items) => items.iter().any(names_pytest),
        toml::Value::Table(table) => table.iter().any(|(key, value)| key == "pytest" || names_pytest(value)),
        _ => false,
    }
}

fn requirements_name_pytest(dir: &Path) -> bool {
    let in_root = marker::entries(dir);
    let beside = marker::entries(&dir.join("requirements"));
    in_root.iter().chain(&beside).any(|path| {
        let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        let listed = name.ends_with(".txt") && (name.contains("requirements") || !in_root.contains(path));
        listed && marker::text(path).is_some_and(|text| text.lines().any(is_pytest_requirement))
    })
}

/// Whether a requirement (PEP 508) is for pytest itself.
fn is_pytest_requirement(requirement: &str) -> bool {
    let rest = requirement.trim().strip_prefix("pytest");
    rest.is_some_and(|rest| {
        rest.trim_start().is_empty() || rest.trim_start().starts_with(['=', '<', '>', '~', '!', '[', ';', '#', '@'])
    })
}

fn subdirectories(root: &Path) -> Vec<String> {
    let names = marker::entries(root).into_iter().filter(|path| path.is_dir() && !path.is_symlink());
    names
        .filter_map(|path| Some(path.file_name()?.to_str()?.to_owned()))
        .filter(|name| !name.starts_with('.') && !marker::is_foreign(name) && is_plain(name))
        .collect()
}

/// Whether a name may stand in a shell command, in double quotes at most.
fn is_plain(name: &str) -> bool {
    name.chars().all(|c| c.is_alphanumeric() || " ._-+@".contains(c)) && !name.starts_with('-')
}

fn size_paths(root: &Path) -> Vec<String> {
    let known = CODE_DIRS.iter().map(|&dir| dir.to_owned()).filter(|dir| root.join(dir).is_dir());
    let packages = subdirectories(root).into_iter().filter(|dir| {
        !CODE_DIRS.contains(&dir.as_str()) && !dir.starts_with("test") && root.join(dir).join("__init__.py").is_file()
    });
    known.chain(packages).take(MAX_SIZE_PATHS).collect()
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

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
        guess(project(files).path()).test
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
            ("go.mod", "module x", Some("go test ./...")),
            ("Cargo.toml", "", Some("cargo test")),
            ("App.SLN", "", Some("dotnet test")),
            ("app.csproj", "", Some("dotnet test")),
            ("pytest.ini", "", Some("python -m pytest -q")),
            ("tests/conftest.py", "", Some("python -m pytest -q")),
            ("setup.cfg", "[metadata]\r\n[tool:pytest]\r\n", Some("python -m pytest -q")),
            ("pyproject.toml", "[tool.pytest.ini_options]\n", Some("python -m pytest -q")),
            ("pyproject.toml", "[project.optional-dependencies]\ndev = ['pytest >=7']\n", Some("python -m pytest -q")),
            ("pyproject.toml", "[project]\ndependencies = ['pytest-cov']\n", None),
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
        assert_eq!(test_command(&[("tests/test_a.py", unit[0].1)]).as_deref(), Some("python -m pytest -q"));
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
        assert_eq!(test_command(&[("app/go.mod", "")]).as_deref(), Some("cd app && go test ./..."));
        let two = guess(project(&[("a/go.mod", ""), ("b/Cargo.toml", "")]).path());
        assert_eq!((two.test, two.others.len()), (None, 2));
    }
}
