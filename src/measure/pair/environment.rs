//! The environment of a side: removes or redirects what would lead its commands into the user's checkout, or from one
//! side to the other. What is missed here is detected when the commands run.

use std::ffi::{OsStr, OsString};
use std::fs;
use std::path::{Component, Path, PathBuf};

use crate::git::call::is_cleared;
use crate::measure::command::Env;
use crate::os::files;

/// Build directories; if shared, one side would run the other's build.
const BUILD_DIRECTORIES: [&str; 3] = ["CARGO_TARGET_DIR", "CARGO_BUILD_TARGET_DIR", "CARGO_BUILD_BUILD_DIR"];
/// The keys in Cargo's `[build]` for them, and the variables that override these.
const CARGO_KEYS: [(&str, &str); 2] = [("target-dir", "CARGO_TARGET_DIR"), ("build-dir", "CARGO_BUILD_BUILD_DIR")];
/// Variables for the directory of temporary files, by platform.
const TEMPORARY: &[&str] = if cfg!(windows) { &["TMP", "TEMP"] } else { &["TMPDIR"] };
/// Set by shells when they enter a directory.
const OF_SHELLS: [&str; 3] = ["PWD", "OLDPWD", "_"];

#[derive(Debug, Clone, Copy)]
pub(crate) struct SidePaths<'a> {
    pub(crate) tree: &'a Path,
    pub(crate) root: &'a Path,
    /// Replaces a build directory that both sides would share.
    pub(crate) build: &'a Path,
    pub(crate) temporary: &'a Path,
}

pub(crate) fn is_build_directory(name: &OsStr) -> bool {
    BUILD_DIRECTORIES.contains(&name.to_string_lossy().to_ascii_uppercase().as_str())
}

/// The variables to change in `vars` for a side, and warnings. Entries of path lists in the user's `checkout` are
/// replaced by the same path on the side if it exists there. `cargo_home` is Cargo's own directory.
pub(crate) fn of_side(
    vars: impl IntoIterator<Item = (OsString, OsString)>,
    checkout: &Path,
    side: SidePaths<'_>,
    cargo_home: Option<&Path>,
) -> (Env, Vec<String>) {
    let (mut env, mut warnings) = (Env::new(), Vec::new());
    let mut overridden = Vec::new();
    for (name, value) in vars {
        let text = name.to_string_lossy().to_ascii_uppercase();
        if is_cleared(&text) {
            env.push((name, None));
        } else if is_build_directory(&name) {
            overridden.push(text);
            if leads_out(&value) {
                env.push((name, Some(side.build.into())));
            }
        } else if !OF_SHELLS.contains(&text.as_str()) && !TEMPORARY.contains(&text.as_str()) {
            env.extend(moved(&value, checkout, side.tree).map(|value| (name, Some(value))));
        }
    }
    env.extend(TEMPORARY.iter().map(|name| (OsString::from(name), Some(side.temporary.into()))));
    for (variable, file, named) in common_cargo_directories(side, cargo_home) {
        if overridden.iter().any(|name| name == variable) {
            continue;
        }
        env.push((variable.into(), Some(side.build.into())));
        if side.root.join("Cargo.toml").is_file() {
            warnings.push(format!(
                "{} gives all checkouts the build directory {named}; each side got one of its own, and a command that names {named} by its path still runs what is there",
                file.display()
            ));
        }
    }
    (env, warnings)
}

/// A path list with its entries in the checkout moved to the same path in the tree, if it exists there; `None` if
/// nothing was moved.
fn moved(value: &OsStr, checkout: &Path, tree: &Path) -> Option<OsString> {
    let mut any = false;
    let entries: Vec<PathBuf> = std::env::split_paths(value)
        .map(|entry| {
            let real = if entry.is_absolute() { files::canonical(&entry).ok() } else { None };
            let below = real.as_ref().and_then(|real| real.strip_prefix(checkout).ok());
            let there = below.map(|below| tree.components().chain(below.components()).collect::<PathBuf>());
            let there = there.filter(|there| there.exists());
            any |= there.is_some();
            there.unwrap_or(entry)
        })
        .collect();
    std::env::join_paths(entries).ok().filter(|_| any)
}

/// The build directories that Cargo's configuration shares between checkouts, as seen from the side's project: the
/// variable that overrides it, the file, and its value.
fn common_cargo_directories(side: SidePaths<'_>, home: Option<&Path>) -> Vec<(&'static str, PathBuf, String)> {
    // The deepest file wins; Cargo's home comes last. In each directory, Cargo prefers the file without an extension.
    let dirs = side.root.ancestors().map(|dir| dir.join(".cargo")).chain(home.map(Path::to_owned));
    let configs: Vec<(PathBuf, toml::Table)> = dirs
        .filter_map(|dir| ["config", "config.toml"].map(|name| dir.join(name)).into_iter().find(|file| file.is_file()))
        .filter_map(|file| Some((file.clone(), fs::read_to_string(file).ok()?.parse().ok()?)))
        .collect();
    let named = |(key, variable): (&str, &'static str)| {
        let named = |table: &toml::Table| Some(table.get("build")?.get(key)?.as_str()?.to_owned());
        let (file, named) = configs.iter().find_map(|(file, table)| Some((file, named(table)?)))?;
        // Relative paths start at the directory that contains `.cargo`.
        let beside = file.parent().and_then(Path::parent).unwrap_or(Path::new(""));
        let own = named.contains("{workspace-path-hash}")
            || named.starts_with("{workspace-root}")
            || files::normal(&beside.join(&named)).starts_with(files::normal(side.tree));
        (!own).then(|| (variable, file.clone(), named))
    };
    CARGO_KEYS.into_iter().filter_map(named).collect()
}

/// Whether a build directory is the same for both sides: an absolute path, or one with `..`.
fn leads_out(value: &OsStr) -> bool {
    let path = Path::new(value);
    path.is_absolute() || path.components().any(|part| part == Component::ParentDir)
}

#[cfg(unix)]
#[cfg(test)]
mod tests {
    use super::*;

    fn side<'a>(tree: &'a Path, root: &'a Path) -> SidePaths<'a> {
        SidePaths { tree, root, build: Path::new("/side/build"), temporary: Path::new("/side/tmp") }
    }

    /// The variables set for a side in which these paths exist, with a checkout at `APP` and a link to it at `LINK`.
    fn of(vars: &[(&str, &str)], present: &[&str]) -> Vec<(String, Option<String>)> {
        let dir = tempfile::tempdir().unwrap();
        let base = files::canonical(dir.path()).unwrap();
        let (tree, app, link) = (base.join("tree"), base.join("app"), base.join("link"));
        for path in present {
            fs::create_dir_all(tree.join(path)).unwrap();
            fs::create_dir_all(app.join(path)).unwrap();
        }
        std::os::unix::fs::symlink(&app, &link).unwrap();
        let place = |text: &str| text.replace("APP", app.to_str().unwrap()).replace("LINK", link.to_str().unwrap());
        let vars = vars.iter().map(|(name, value)| (OsString::from(name), OsString::from(place(value))));
        let (env, _) = of_side(vars, &app, side(&tree, &tree), None);
        let text = |value: OsString| value.to_str().unwrap().replace(tree.to_str().unwrap(), "TREE");
        let env = env.into_iter().map(|(name, value)| (text(name), value.map(text)));
        env.filter(|(name, _)| name != "TMPDIR").collect()
    }

    #[test]
    fn paths_into_the_checkout_lead_into_the_side_by_whichever_name() {
        let vars = [("PYTHONPATH", "APP/lib:/usr/lib:LINK:LINK/lib"), ("HOME", "/home/x"), ("OLD", "APP-old/lib")];
        assert_eq!(
            of(&vars, &["lib"]),
            [("PYTHONPATH".to_owned(), Some("TREE/lib:/usr/lib:TREE:TREE/lib".to_owned()))]
        );
        assert!(of(&[("PATH", "APP/.venv/bin:/bin"), ("FLAGS", "-IAPP/include")], &["lib"]).is_empty());
    }

    #[test]
    fn a_common_build_directory_becomes_the_sides_own() {
        let vars = [("CARGO_TARGET_DIR", "/shared/target"), ("CARGO_BUILD_TARGET_DIR", "target")];
        assert_eq!(of(&vars, &[]), [("CARGO_TARGET_DIR".to_owned(), Some("/side/build".to_owned()))]);
        let vars = [("CARGO_TARGET_DIR", "../../target")];
        assert_eq!(of(&vars, &[]), [("CARGO_TARGET_DIR".to_owned(), Some("/side/build".to_owned()))]);
    }

    #[test]
    fn git_is_not_pointed_at_the_users_checkout_and_temporary_files_are_the_sides_own() {
        let vars = [("GIT_DIR", "/src/app/.git"), ("GIT_INDEX_FILE", "x"), ("PWD", "/src/app"), ("TMPDIR", "/tmp")];
        assert_eq!(of(&vars, &[]), [("GIT_DIR".to_owned(), None), ("GIT_INDEX_FILE".to_owned(), None)]);
        let (env, _) = of_side([], Path::new("/src/app"), side(Path::new("t"), Path::new("t")), None);
        assert_eq!(env, [("TMPDIR".into(), Some("/side/tmp".into()))]);
    }

    /// The variables that would be set if the files had these texts.
    fn set(files: &[(&str, &str)]) -> Vec<&'static str> {
        let dir = tempfile::tempdir().unwrap();
        for (path, text) in files {
            let path = dir.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        let tree = dir.path().join("a/tree");
        let home = dir.path().join("home/.cargo");
        common_cargo_directories(side(&tree, &tree.join("app")), Some(&home)).into_iter().map(|it| it.0).collect()
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
