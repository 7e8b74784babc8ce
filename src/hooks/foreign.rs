//! Hook managers of other projects: which one wrote a hook's file, and whether its own files name this program. They
//! keep the commands away from git's directory, so that the hook itself does not show them. Must not run them.

use std::fs;
use std::path::{Path, PathBuf};

use crate::hooks::Hook;

/// The largest file of a manager that is looked at, in bytes.
const LIMIT: u64 = 4 * 1024 * 1024;

/// A hook manager.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Manager {
    /// husky: a file for each hook in `.husky/`.
    Husky,
    Lefthook,
    /// The pre-commit framework: one file at the root.
    PreCommit,
}

impl Manager {
    /// Every manager that is known.
    pub const ALL: [Self; 3] = [Self::Husky, Self::Lefthook, Self::PreCommit];

    /// Its name, as its users write it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Husky => "husky",
            Self::Lefthook => "lefthook",
            Self::PreCommit => "pre-commit",
        }
    }

    /// The command that makes git run it.
    pub fn activation(self) -> &'static str {
        match self {
            Self::Husky => "npx husky",
            Self::Lefthook => "lefthook install",
            Self::PreCommit => "pre-commit install -t prepare-commit-msg -t commit-msg -t pre-push",
        }
    }

    /// The file below a checkout's root that tells the manager to hand this hook over to this program.
    pub fn names_us(self, root: &Path, hook: Hook) -> Option<PathBuf> {
        let name = hook.name();
        let (files, words): (Vec<String>, Vec<String>) = match self {
            Self::Husky => (vec![format!(".husky/{name}")], vec![format!("hook-run {name}")]),
            Self::Lefthook => {
                let of = |stem: &str| ["yml", "yaml", "json", "toml"].map(|ending| format!("{stem}.{ending}"));
                let stems = ["lefthook", ".lefthook", ".config/lefthook", "lefthook-local", ".lefthook-local"];
                (stems.into_iter().flat_map(of).collect(), vec![format!("hook-run {name}")])
            }
            Self::PreCommit => {
                let words = vec![format!("vibeship-optimizer-{name}"), format!("hook-run {name}")];
                (vec![".pre-commit-config.yaml".to_owned()], words)
            }
        };
        let names = |path: &PathBuf| {
            let text = text(path).unwrap_or_default();
            let lines = text.lines().filter(|line| !line.trim_start().starts_with('#'));
            lines.into_iter().any(|line| words.iter().any(|word| line.contains(word)))
        };
        files.into_iter().map(|file| root.join(file)).find(names)
    }

    /// The manager that wrote the hook in `dir`, by what is special to its files.
    pub fn of_file(dir: &Path, file: &str) -> Option<Self> {
        if dir.ends_with(".husky/_") {
            return Some(Self::Husky);
        }
        let marks =
            [(Self::Lefthook, "LEFTHOOK"), (Self::PreCommit, "pre_commit"), (Self::PreCommit, "pre-commit.com")];
        marks.into_iter().find(|(_, mark)| file.contains(mark)).map(|(manager, _)| manager)
    }
}

fn text(path: &Path) -> Option<String> {
    let meta = fs::metadata(path).ok()?;
    let small = meta.is_file() && meta.len() <= LIMIT;
    small.then(|| fs::read(path).ok()).flatten().map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_manager_is_known_by_its_file_and_names_us_only_outside_comments() {
        assert_eq!(Manager::of_file(Path::new("/x/.husky/_"), ""), Some(Manager::Husky));
        let lefthook = "#!/bin/sh\nif [ \"$LEFTHOOK\" = \"0\" ]; then\n";
        assert_eq!(Manager::of_file(Path::new("/x/.git/hooks"), lefthook), Some(Manager::Lefthook));
        assert_eq!(Manager::of_file(Path::new("/x/.git/hooks"), "#!/bin/sh\nmake lint\n"), None);
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("lefthook.yml"), "# hook-run commit-msg\n").unwrap();
        assert_eq!(Manager::Lefthook.names_us(dir.path(), Hook::CommitMsg), None);
        fs::write(dir.path().join("lefthook.yml"), "commit-msg: x hook-run commit-msg {1}\n").unwrap();
        assert!(Manager::Lefthook.names_us(dir.path(), Hook::CommitMsg).is_some());
        assert_eq!(Manager::Lefthook.names_us(dir.path(), Hook::PrePush), None);
    }
}
