//! The languages of a project, detected from the files that mark them in its root and one level below.

use std::collections::BTreeSet;
use std::path::Path;

use crate::project::marker;

/// Language, names of files that mark it, and endings that do.
const MARKERS: &[(&str, &[&str], &[&str])] = &[
    ("c", &[], &[".c"]),
    ("cpp", &["CMakeLists.txt", "conanfile.txt"], &[".cpp", ".cc", ".cxx", ".vcxproj"]),
    ("csharp", &[], &[".sln", ".slnx", ".csproj"]),
    ("dart", &["pubspec.yaml"], &[]),
    ("elixir", &["mix.exs"], &[]),
    ("go", &["go.mod", "go.work"], &[]),
    ("haskell", &["stack.yaml", "cabal.project"], &[".cabal"]),
    ("java", &["pom.xml", "build.gradle"], &[]),
    ("javascript", &["package.json"], &[]),
    ("kotlin", &["build.gradle.kts"], &[".kt"]),
    ("php", &["composer.json"], &[]),
    ("python", &["pyproject.toml", "setup.py", "setup.cfg", "requirements.txt", "Pipfile", "tox.ini"], &[".py"]),
    ("ruby", &["Gemfile"], &[".gemspec"]),
    ("rust", &["Cargo.toml"], &[]),
    ("scala", &["build.sbt"], &[]),
    ("shell", &[], &[".sh"]),
    ("swift", &["Package.swift"], &[".xcodeproj"]),
    ("typescript", &["tsconfig.json"], &[".ts", ".tsx"]),
    ("zig", &["build.zig"], &[]),
];

/// The languages of the project at `root`, in alphabetical order.
pub fn detect(root: &Path) -> BTreeSet<String> {
    let mut names: BTreeSet<String> = BTreeSet::new();
    for path in marker::entries(root) {
        let Some(name) = path.file_name().and_then(|name| name.to_str()) else { continue };
        names.insert(name.to_owned());
        if path.is_dir() && !path.is_symlink() && !name.starts_with('.') && !marker::is_foreign(name) {
            let below = marker::entries(&path).into_iter();
            names.extend(below.filter_map(|path| Some(path.file_name()?.to_str()?.to_owned())));
        }
    }
    let marked = |files: &[&str], endings: &[&str]| {
        names.iter().any(|name| {
            files.contains(&name.as_str())
                || endings.iter().any(|ending| name.len() > ending.len() && name.to_ascii_lowercase().ends_with(ending))
        })
    };
    MARKERS.iter().filter(|(_, files, endings)| marked(files, endings)).map(|(name, ..)| (*name).to_owned()).collect()
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn languages_are_seen_in_the_root_and_one_level_below() {
        let dir = tempfile::tempdir().unwrap();
        for name in
            ["Cargo.toml", "web/tsconfig.json", "web/package.json", "a/b/go.mod", "node_modules/x.rb", ".x/mix.exs"]
        {
            let path = dir.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, "").unwrap();
        }
        assert_eq!(detect(dir.path()).into_iter().collect::<Vec<_>>(), ["javascript", "rust", "typescript"]);
        assert!(detect(&dir.path().join("nowhere")).is_empty());
    }
}
