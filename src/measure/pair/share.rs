//! Untracked inputs that both sides need, such as installed packages: linked into a checkout (copied on Windows).

use std::path::{Component, Path};
use std::{fs, io};

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

#[cfg(unix)]
#[cfg(test)]
mod tests {
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
