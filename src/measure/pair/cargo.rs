//! Build directories that Cargo's own configuration names: one that both arms would share hands one arm's build to the
//! other. Must not run anything.

use std::ffi::OsStr;
use std::fs;
use std::path::{Component, Path, PathBuf};

/// A variable that overrules the configuration, and where that is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Common {
    /// The variable by which an arm is given a directory of its own.
    pub(crate) variable: &'static str,
    /// The file that names a common one.
    pub(crate) file: PathBuf,
    pub(crate) named: String,
}

/// The key of a directory in `[build]`, and the variable that goes before it.
const KEYS: [(&str, &str); 2] = [("target-dir", "CARGO_TARGET_DIR"), ("build-dir", "CARGO_BUILD_BUILD_DIR")];

/// What Cargo's configuration gives to every checkout alike, as seen from `project` in an arm whose checkout is `tree`;
/// `cargo_home` is Cargo's own directory.
pub(crate) fn common(tree: &Path, project: &Path, cargo_home: Option<&Path>) -> Vec<Common> {
    // The deepest file wins; Cargo's home comes last.
    let dirs = project.ancestors().map(|dir| dir.join(".cargo")).chain(cargo_home.map(Path::to_owned));
    let files: Vec<(PathBuf, toml::Table)> = dirs.filter_map(|dir| read(&dir)).collect();
    let named = |(key, variable): &(&str, &'static str)| {
        let (file, named) =
            files.iter().find_map(|(file, table)| Some((file, table.get("build")?.get(*key)?.as_str()?)))?;
        is_common(tree, file, named).then(|| Common { variable, file: file.clone(), named: named.to_owned() })
    };
    KEYS.iter().filter_map(named).collect()
}

/// Cargo reads the file without an ending first where both are there.
fn read(dir: &Path) -> Option<(PathBuf, toml::Table)> {
    let file = ["config", "config.toml"].iter().map(|name| dir.join(name)).find(|file| file.is_file())?;
    let table = fs::read_to_string(&file).ok()?.parse().ok()?;
    Some((file, table))
}

/// Whether a directory named in a file is not below the arm's checkout. Relative ones begin beside `.cargo`.
fn is_common(tree: &Path, file: &Path, named: &str) -> bool {
    if named.contains("{workspace-path-hash}") || named.starts_with("{workspace-root}") {
        return false;
    }
    let beside = file.parent().and_then(Path::parent).unwrap_or(Path::new(""));
    !normal(&beside.join(named)).starts_with(normal(tree))
}

/// Whether the value of a variable that names a build directory leads both arms to the same place: it is absolute, or
/// climbs out of where a command runs.
pub(crate) fn leads_out(value: &OsStr) -> bool {
    let path = Path::new(value);
    path.is_absolute() || path.components().any(|part| part == Component::ParentDir)
}

fn normal(path: &Path) -> PathBuf {
    let mut out = PathBuf::new();
    for part in path.components() {
        match part {
            Component::ParentDir => drop(out.pop()),
            Component::CurDir => {}
            other => out.push(other),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The variables that would be set where the files have these texts.
    fn set(files: &[(&str, &str)]) -> Vec<&'static str> {
        let dir = tempfile::tempdir().unwrap();
        for (path, text) in files {
            let path = dir.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        let tree = dir.path().join("a/tree");
        let home = dir.path().join("home/.cargo");
        common(&tree, &tree.join("app"), Some(&home)).into_iter().map(|it| it.variable).collect()
    }

    #[test]
    fn a_directory_that_every_checkout_shares_is_found() {
        let target = "[build]\ntarget-dir = \"target\"\n";
        assert_eq!(set(&[("home/.cargo/config.toml", target)]), ["CARGO_TARGET_DIR"]);
        assert_eq!(set(&[(".cargo/config", target)]), ["CARGO_TARGET_DIR"]);
        assert_eq!(set(&[("a/tree/.cargo/config.toml", "build.target-dir = \"../../x\"")]), ["CARGO_TARGET_DIR"]);
        assert_eq!(set(&[("a/tree/app/.cargo/config.toml", "build.build-dir = \"/x\"")]), ["CARGO_BUILD_BUILD_DIR"]);
    }

    #[test]
    fn a_directory_of_the_checkouts_own_is_left_alone_and_goes_before_a_common_one() {
        let common = ("home/.cargo/config.toml", "[build]\ntarget-dir = \"/x\"\n");
        let own = ("a/tree/.cargo/config.toml", "[build]\ntarget-dir = \"out\"\n");
        assert!(set(&[common, own]).is_empty());
        assert!(set(&[("home/.cargo/config.toml", "build.build-dir = \"/x/{workspace-path-hash}\"")]).is_empty());
        assert!(set(&[("home/.cargo/config.toml", "[net]\nretry = 3\n")]).is_empty());
        assert!(set(&[("home/.cargo/config.toml", "no toml")]).is_empty());
        assert!(set(&[]).is_empty());
    }

    #[test]
    fn a_variable_that_climbs_out_of_the_checkout_leads_to_a_common_place() {
        assert!(leads_out(OsStr::new("../../x")) && !leads_out(OsStr::new("target/x")));
        assert!(leads_out(std::env::temp_dir().as_os_str()));
    }
}
