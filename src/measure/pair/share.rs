//! Untracked inputs that both sides need, such as installed packages: linked into a checkout (copied on Windows), and
//! looked through for ways back into the user's own checkout.

use std::path::{Component, Path, PathBuf};
use std::{fs, io};

use walkdir::WalkDir;

use crate::os::files;

/// Why something cannot be shared.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ShareError {
    #[error("pair.share names {0:?}, which is not a path below the project's root")]
    Outside(String),
    #[error(
        "pair.share names {0:?}, which does not exist: create it (install the packages), or remove it from the config"
    )]
    Missing(String),
    #[error("pair.share names {0:?}, which is tracked by git: each side has its own, so remove it from the config")]
    Tracked(String),
    #[error("cannot share {path:?}: {source}")]
    Io { path: String, source: io::Error },
}

/// Shares `path` of the project into a checkout's project.
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

/// What in a shared directory leads back into the project's own files, so that both sides would run the same code:
/// links of package workspaces, and editable installations of Python. At most a few are named.
pub(crate) fn ways_back(project: &Path, path: &str) -> Vec<PathBuf> {
    const MOST: usize = 5;
    let shared = project.join(path);
    let (Ok(project), Ok(real)) = (files::canonical(project), files::canonical(&shared)) else { return Vec::new() };
    // `node_modules/NAME` and `node_modules/@SCOPE/NAME`.
    let links = WalkDir::new(&shared).max_depth(2).into_iter().flatten().filter(|entry| entry.path_is_symlink());
    let back = |link: &Path| files::canonical(link).is_ok_and(|to| to.starts_with(&project) && !to.starts_with(&real));
    let links = links.map(walkdir::DirEntry::into_path).filter(|link| back(link));
    // `lib/python3.x/site-packages`, or `Lib/site-packages`.
    let versions = fs::read_dir(shared.join("lib")).into_iter().flatten().flatten().map(|entry| entry.path());
    let packages = versions.chain([shared.join("Lib")]).map(|dir| dir.join("site-packages"));
    let files_of = packages.flat_map(|dir| fs::read_dir(dir).into_iter().flatten().flatten());
    let root = files::path_bytes(&project);
    let names_project =
        |file: &Path| fs::read(file).is_ok_and(|bytes| bytes.windows(root.len()).any(|window| window == root));
    let editable = files_of.map(|entry| entry.path()).filter(|file| is_path_file(file) && names_project(file));
    links.chain(editable).take(MOST).collect()
}

/// Files by which Python is led to code elsewhere; editable installations are `*.pth` or `__editable__*.py`.
fn is_path_file(file: &Path) -> bool {
    let name = file.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let ends = file.extension().is_some_and(|extension| extension == "pth" || extension == "egg-link");
    ends || name.starts_with("__editable__")
}

#[cfg(unix)]
#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

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

    #[test]
    fn ways_back_into_the_checkout_are_found() {
        let dir = project();
        let p = files::canonical(&dir.path().join("p")).unwrap();
        assert!(ways_back(&p, "node_modules").is_empty());
        symlink("../../packages/x", p.join("node_modules/@s/x")).unwrap();
        symlink("one", p.join("node_modules/inner")).unwrap();
        assert_eq!(ways_back(&p, "node_modules"), [p.join("node_modules/@s/x")]);
        let packages = p.join(".venv/lib/python3.12/site-packages");
        fs::write(packages.join("other.pth"), "/elsewhere\n").unwrap();
        assert!(ways_back(&p, ".venv").is_empty());
        fs::write(packages.join("__editable__.app.pth"), p.join("src").to_str().unwrap()).unwrap();
        assert_eq!(ways_back(&p, ".venv"), [packages.join("__editable__.app.pth")]);
    }
}
