//! The environment of an arm: what must not lead its commands back into the user's own checkout, or from one arm into
//! the other. Must not start anything.

use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};

use crate::git::call::CLEARED;
use crate::measure::pair::cargo;
use crate::os::files;

/// Directories of build products; a common one would hand one arm's build to the other.
const BUILD_DIRECTORIES: &[&str] = &["CARGO_TARGET_DIR", "CARGO_BUILD_TARGET_DIR", "CARGO_BUILD_BUILD_DIR"];
/// Directories of temporary files, by platform.
const TEMPORARY: &[&str] = if cfg!(windows) { &["TMP", "TEMP"] } else { &["TMPDIR"] };
/// Set anew by whoever enters a directory.
const OF_SHELLS: &[&str] = &["PWD", "OLDPWD", "_"];

/// Where one arm lives.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ArmPaths<'a> {
    pub(crate) tree: &'a Path,
    /// A directory for build products that were to go to a common one.
    pub(crate) build: &'a Path,
    /// The arm's own directory of temporary files.
    pub(crate) temporary: &'a Path,
}

/// The changes to this process's environment for an arm.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Surroundings {
    /// Variables to set, or, with `None`, to remove.
    pub(crate) env: Vec<(OsString, Option<OsString>)>,
    /// What still leads to the user's checkout, in words.
    pub(crate) warnings: Vec<String>,
}

/// Whether a variable names a directory of build products.
pub(crate) fn is_build_directory(name: &OsStr) -> bool {
    BUILD_DIRECTORIES.contains(&name.to_string_lossy().to_ascii_uppercase().as_str())
}

/// What must differ from `vars` in an arm. Entries of path lists that lie in `checkout` (the user's own, by any of
/// its spellings) are replaced by the same place in the arm where it exists there.
pub(crate) fn of_arm(
    vars: impl IntoIterator<Item = (OsString, OsString)>,
    checkout: &[PathBuf],
    arm: ArmPaths<'_>,
) -> Surroundings {
    let mut found = Surroundings::default();
    let mut set = |name: &OsStr, value: Option<OsString>| found.env.push((name.to_owned(), value));
    for (name, value) in vars {
        let text = name.to_string_lossy().to_ascii_uppercase();
        if CLEARED.contains(&text.as_str()) {
            set(&name, None);
        } else if BUILD_DIRECTORIES.contains(&text.as_str()) {
            if cargo::leads_out(&value) {
                set(&name, Some(arm.build.as_os_str().to_owned()));
            }
        } else if !OF_SHELLS.contains(&text.as_str()) && !TEMPORARY.contains(&text.as_str()) {
            match moved(&value, checkout, arm.tree) {
                Moved::Untouched => {}
                Moved::Into(value) => set(&name, Some(value)),
                Moved::Partly(value) => {
                    if let Some(value) = value {
                        set(&name, Some(value));
                    }
                    let text = name.to_string_lossy();
                    found.warnings.push(format!("the variable {text} still leads into {}", shown(checkout)));
                }
            }
        }
    }
    found.env.extend(TEMPORARY.iter().map(|name| (OsString::from(name), Some(arm.temporary.as_os_str().to_owned()))));
    found
}

fn shown(checkout: &[PathBuf]) -> String {
    checkout.first().map(|root| root.display().to_string()).unwrap_or_default()
}

enum Moved {
    /// Nothing in it leads to the checkout.
    Untouched,
    /// Everything in it that did leads to the arm now.
    Into(OsString),
    /// Something in it still does; the value, where other parts were moved.
    Partly(Option<OsString>),
}

fn moved(value: &OsStr, checkout: &[PathBuf], tree: &Path) -> Moved {
    let bytes = files::path_bytes(Path::new(value));
    let mentions = |root: &PathBuf| {
        let root = files::path_bytes(root);
        !root.is_empty() && bytes.windows(root.len()).any(|window| window == root)
    };
    if !checkout.iter().any(mentions) {
        return Moved::Untouched;
    }
    let (mut replaced, mut left, mut seen) = (false, false, false);
    let entries: Vec<PathBuf> = std::env::split_paths(value)
        .map(|entry| {
            let Some(below) = checkout.iter().find_map(|root| entry.strip_prefix(root).ok()) else { return entry };
            seen = true;
            let there = if below.as_os_str().is_empty() { tree.to_owned() } else { tree.join(below) };
            if there.exists() {
                replaced = true;
                there
            } else {
                left = true;
                entry
            }
        })
        .collect();
    match std::env::join_paths(entries) {
        Ok(value) if replaced && !left => Moved::Into(value),
        Ok(value) if replaced => Moved::Partly(Some(value)),
        // A mere neighbour (`/src/app-old` beside `/src/app`), or a path inside other text.
        _ if !seen && !within_text(&bytes, checkout) => Moved::Untouched,
        _ => Moved::Partly(None),
    }
}

/// Whether one of the roots stands in a text as a path of its own, or with a path below it.
fn within_text(bytes: &[u8], checkout: &[PathBuf]) -> bool {
    let ends = |next: Option<&u8>| next.is_none_or(|next| b"/\\:;,\"' \t\n".contains(next));
    checkout.iter().any(|root| {
        let root = files::path_bytes(root);
        (0..bytes.len()).any(|at| bytes[at..].starts_with(&root) && ends(bytes.get(at + root.len())))
    })
}

#[cfg(unix)]
#[cfg(test)]
mod tests {
    use super::*;

    fn arm_of(vars: &[(&str, &str)], present: &[&str]) -> (Vec<(String, Option<String>)>, Vec<String>) {
        let dir = tempfile::tempdir().unwrap();
        let tree = dir.path().join("tree");
        for path in present {
            std::fs::create_dir_all(tree.join(path)).unwrap();
        }
        let arm = ArmPaths { tree: &tree, build: Path::new("/arm/build"), temporary: Path::new("/arm/tmp") };
        let vars = vars.iter().map(|(name, value)| (OsString::from(name), OsString::from(value)));
        let found = of_arm(vars, &["/src/app".into(), "/link/app".into()], arm);
        let text = |value: OsString| value.to_str().unwrap().replace(tree.to_str().unwrap(), "TREE");
        let env = found.env.into_iter().map(|(name, value)| (text(name), value.map(text)));
        (env.filter(|(name, _)| name != "TMPDIR").collect(), found.warnings)
    }

    #[test]
    fn paths_into_the_checkout_lead_into_the_arm() {
        let vars =
            [("PYTHONPATH", "/src/app/lib:/usr/lib:/link/app"), ("HOME", "/home/x"), ("OLD", "/src/app-old/lib")];
        let (env, warnings) = arm_of(&vars, &["lib"]);
        assert_eq!(env, [("PYTHONPATH".to_owned(), Some("TREE/lib:/usr/lib:TREE".to_owned()))]);
        assert!(warnings.is_empty(), "{warnings:?}");
    }

    #[test]
    fn what_the_arm_does_not_have_is_kept_and_told() {
        let (env, warnings) = arm_of(&[("PATH", "/src/app/.venv/bin:/bin"), ("FLAGS", "-I/src/app/include")], &["lib"]);
        assert!(env.is_empty());
        assert_eq!(warnings.len(), 2);
        assert!(warnings[0].contains("PATH") && warnings[1].contains("FLAGS"));
    }

    #[test]
    fn a_common_build_directory_becomes_the_arms_own() {
        let vars = [("CARGO_TARGET_DIR", "/shared/target"), ("CARGO_BUILD_TARGET_DIR", "target")];
        assert_eq!(arm_of(&vars, &[]).0, [("CARGO_TARGET_DIR".to_owned(), Some("/arm/build".to_owned()))]);
        let vars = [("CARGO_TARGET_DIR", "../../target")];
        assert_eq!(arm_of(&vars, &[]).0, [("CARGO_TARGET_DIR".to_owned(), Some("/arm/build".to_owned()))]);
    }

    #[test]
    fn git_is_not_pointed_at_the_users_checkout_and_temporary_files_are_the_arms_own() {
        let vars = [("GIT_DIR", "/src/app/.git"), ("GIT_INDEX_FILE", "x"), ("PWD", "/src/app"), ("TMPDIR", "/tmp")];
        let (env, warnings) = arm_of(&vars, &[]);
        assert_eq!(env, [("GIT_DIR".to_owned(), None), ("GIT_INDEX_FILE".to_owned(), None)]);
        assert!(warnings.is_empty());
        let arm = ArmPaths { tree: Path::new("t"), build: Path::new("b"), temporary: Path::new("/arm/tmp") };
        assert_eq!(of_arm([], &[], arm).env, [("TMPDIR".into(), Some("/arm/tmp".into()))]);
    }
}
