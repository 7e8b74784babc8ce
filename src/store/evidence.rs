//! Evidence files: their names, writing them without losing any, and checking them against the record.

use std::fs;
use std::path::{Component, Path, PathBuf};

use crate::model::digest::superseded_name;
use crate::model::{Artifact, ChangeId, Digest, SnapshotPurpose};
use crate::store::{Exclusive, Project, Result, StoreError, atomic, guard};

/// The largest evidence file that is read: far more than the tool writes.
pub(crate) const LIMIT: u64 = 256 * 1024 * 1024;

/// The role of an evidence file for a change; determines its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EvidenceRole<'a> {
    Taken(SnapshotPurpose),
    CompareReport,
    CompareData,
    ComparePicture,
    Pair,
    Validation,
    DayReport(u32),
    Kpi { name: &'a str, role: &'a str, extension: &'a str },
    Rollback,
    Review,
}

impl EvidenceRole<'_> {
    /// The file's name for a change. Names within a role are sanitized; a digest distinguishes names that would become
    /// equal.
    pub(crate) fn file_name(&self, id: &ChangeId) -> String {
        let rest = match self {
            Self::Taken(SnapshotPurpose::Stage(stage)) => format!("{}.json", stage.name()),
            Self::Taken(what) => format!("{}_snapshot.json", what.role()),
            Self::CompareReport => "compare.md".to_owned(),
            Self::CompareData => "compare.json".to_owned(),
            Self::ComparePicture => "compare.svg".to_owned(),
            Self::Pair => "pair.json".to_owned(),
            Self::Validation => "validation.json".to_owned(),
            Self::DayReport(day) => format!("day{day}.md"),
            Self::Kpi { name, role, extension } => format!("kpi_{}_{}.{}", slug(name), slug(role), slug(extension)),
            Self::Rollback => "rollback.md".to_owned(),
            Self::Review => return format!("review_{id}.json"),
        };
        format!("{id}_{rest}")
    }

    pub(crate) fn directory(&self, project: &Project) -> PathBuf {
        if matches!(self, Self::Review) { project.attestations_dir() } else { project.evidence_dir() }
    }
}

/// Whether this is a name that the tool gives to evidence, after the change id.
pub(crate) fn is_tools_name(name: &str) -> bool {
    let (stem, ending) = name.rsplit_once('.').unwrap_or((name, ""));
    let is_page = matches!(stem, "compare" | "pair" | "validation" | "rollback");
    let is_day =
        |stem: &str| stem.strip_prefix("day").is_some_and(|day| day.bytes().all(|digit| digit.is_ascii_digit()));
    matches!(ending, "json" | "md" | "svg") && (is_page || is_day(stem) || stem.ends_with("_snapshot"))
}

/// The state of an evidence file compared with the record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Integrity {
    Intact(Vec<u8>),
    /// A newer file has its name; this one was kept unaltered at `path`.
    Superseded {
        path: String,
        bytes: Vec<u8>,
    },
    Missing,
    Altered {
        found: Digest,
    },
}

impl Exclusive {
    /// Writes an evidence file. An existing file with other content is kept next to it as `.superseded-N` until the new
    /// one is recorded, so that a killed process loses nothing; pictures are not kept, since they can be drawn again.
    pub(crate) fn write_evidence(&self, id: &ChangeId, role: EvidenceRole<'_>, bytes: &[u8]) -> Result<Artifact> {
        let dir = role.directory(self.project());
        let path = dir.join(role.file_name(id));
        guard::inside(self.project(), &path)?;
        self.project().prepare_evidence(&dir)?;
        let old = atomic::read(&path, LIMIT)?;
        if old.as_deref() != Some(bytes) {
            let is_picture = path.extension().is_some_and(|extension| extension == "svg");
            if let Some(old) = old.filter(|_| !is_picture) {
                keep_superseded(&path, &old)?;
            }
            atomic::write(&path, bytes)?;
        }
        Ok(artifact(self.project(), &path, bytes))
    }

    /// Removes files kept by [`Self::write_evidence`] once their successor is recorded; unrecorded ones stay.
    pub(crate) fn drop_replaced(&self, id: &ChangeId, role: EvidenceRole<'_>, recorded: &[&Artifact]) -> Result<()> {
        let path = role.directory(self.project()).join(role.file_name(id));
        for kept in superseded(&path) {
            let (kept, bytes) = kept?;
            let digest = Digest::of_bytes(&bytes);
            if recorded.iter().any(|artifact| artifact.sha256 == digest) {
                fs::remove_file(&kept).map_err(StoreError::io("remove", &kept))?;
            }
        }
        Ok(())
    }

    /// Restores a recorded file from the bytes in git; returns false if they are not the recorded ones.
    pub(crate) fn put_back(&self, artifact: &Artifact, bytes: &[u8]) -> Result<bool> {
        let path = inside(self.project(), &artifact.path).filter(|_| artifact.holds(bytes));
        let Some(path) = path else { return Ok(false) };
        guard::inside(self.project(), &path)?;
        atomic::write(&path, bytes)?;
        Ok(true)
    }

    /// Writes a file that is not evidence of a change into a state directory, never over another file: if the name is
    /// taken, adds a number. `stem` must be valid on every platform.
    pub(crate) fn write_numbered(&self, dir: &Path, stem: &str, extension: &str, bytes: &[u8]) -> Result<Artifact> {
        let path = create_numbered(bytes, |number| {
            let number = if number == 1 { String::new() } else { format!("-{number}") };
            let path = dir.join(format!("{stem}{number}.{extension}"));
            guard::inside(self.project(), &path).map(|()| path)
        })?;
        Ok(artifact(self.project(), &path, bytes))
    }
}

/// Creates a file at the first free path, counted from 1.
fn create_numbered(bytes: &[u8], at: impl Fn(u32) -> Result<PathBuf>) -> Result<PathBuf> {
    let mut number = 1;
    loop {
        let path = at(number)?;
        match atomic::create_new(&path, bytes) {
            Err(StoreError::Exists { .. }) if number < u32::MAX => number += 1,
            done => return done.map(|()| path),
        }
    }
}

pub(crate) fn verify(project: &Project, artifact: &Artifact) -> Result<Integrity> {
    let Some(path) = inside(project, &artifact.path) else { return Ok(Integrity::Missing) };
    guard::inside(project, &path)?;
    let found = match atomic::read(&path, LIMIT)? {
        Some(bytes) if artifact.holds(&bytes) => return Ok(Integrity::Intact(bytes)),
        Some(bytes) => Some(Digest::of_bytes(&bytes)),
        None => None,
    };
    for kept in superseded(&path) {
        let (kept, bytes) = kept?;
        if artifact.holds(&bytes) {
            return Ok(Integrity::Superseded { path: project.relative(&kept), bytes });
        }
    }
    Ok(found.map_or(Integrity::Missing, |found| Integrity::Altered { found }))
}

/// The content of an evidence file, current or superseded, if it is as recorded.
pub(crate) fn read_verified(project: &Project, artifact: &Artifact) -> Result<Result<Vec<u8>, Integrity>> {
    Ok(match verify(project, artifact)? {
        Integrity::Intact(bytes) | Integrity::Superseded { bytes, .. } => Ok(bytes),
        gone @ (Integrity::Missing | Integrity::Altered { .. }) => Err(gone),
    })
}

/// The current content at an evidence path.
pub(crate) fn present(project: &Project, recorded: &str) -> Result<Option<Vec<u8>>> {
    let Some(path) = inside(project, recorded) else { return Ok(None) };
    guard::inside(project, &path)?;
    atomic::read(&path, LIMIT)
}

fn artifact(project: &Project, path: &Path, bytes: &[u8]) -> Artifact {
    Artifact { path: project.relative(path), sha256: Digest::of_bytes(bytes) }
}

/// Resolves a recorded path; `None` if it leads out of the project, which no path written here does.
fn inside(project: &Project, recorded: &str) -> Option<PathBuf> {
    let relative = PathBuf::from(recorded.replace('\\', "/"));
    let plain = relative.components().all(|part| matches!(part, Component::Normal(_)));
    (plain && !recorded.is_empty()).then(|| project.root().join(relative))
}

/// Keeps the content next to the path, unless an interrupted attempt has already done so.
fn keep_superseded(path: &Path, old: &[u8]) -> Result<()> {
    for kept in superseded(path) {
        if kept?.1 == old {
            return Ok(());
        }
    }
    create_numbered(old, |number| Ok(superseded_path(path, number))).map(drop)
}

/// The files kept next to a path, oldest first.
fn superseded(path: &Path) -> impl Iterator<Item = Result<(PathBuf, Vec<u8>)>> {
    (1..).map_while(move |number| {
        let kept = superseded_path(path, number);
        atomic::read(&kept, LIMIT).transpose().map(|read| read.map(|bytes| (kept, bytes)))
    })
}

fn superseded_path(path: &Path, number: u32) -> PathBuf {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    path.with_file_name(superseded_name(&name, number))
}

/// Turns a name into part of a file name; an altered one gets a digest, so that names stay distinct.
pub(crate) fn slug(name: &str) -> String {
    let clean: String =
        name.chars().map(|c| if c.is_ascii_alphanumeric() || matches!(c, '-' | '_') { c } else { '-' }).collect();
    let clean: String = clean.chars().take(60).collect();
    if clean == name && !name.is_empty() {
        return clean;
    }
    format!("{clean}-{}", &Digest::of_bytes(name.as_bytes()).as_str()[..8])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Stage;
    use crate::store::Holder;
    use std::time::Duration;

    fn locked() -> (tempfile::TempDir, Project, Exclusive) {
        let dir = tempfile::tempdir().unwrap();
        let project = Project::find(dir.path(), Some(dir.path())).unwrap();
        let holder =
            Holder { pid: 1, command: String::new(), host: String::new(), since: chrono::DateTime::UNIX_EPOCH };
        let lock = Exclusive::acquire(&project, &holder, Duration::ZERO).unwrap();
        (dir, project, lock)
    }

    #[test]
    fn the_names_are_those_that_the_workflow_demands() {
        let name = |role: EvidenceRole<'_>| role.file_name(&"chg-1".parse().unwrap());
        assert_eq!(name(EvidenceRole::Taken(SnapshotPurpose::Baseline)), "chg-1_before_snapshot.json");
        assert_eq!(name(EvidenceRole::Taken(SnapshotPurpose::After)), "chg-1_after_snapshot.json");
        assert_eq!(name(EvidenceRole::CompareReport), "chg-1_compare.md");
        assert_eq!(name(EvidenceRole::Taken(SnapshotPurpose::Day(3))), "chg-1_day3_snapshot.json");
        assert_eq!(
            name(EvidenceRole::Kpi { name: "p95", role: "before", extension: "json" }),
            "chg-1_kpi_p95_before.json"
        );
        assert_eq!(name(EvidenceRole::Taken(SnapshotPurpose::Stage(Stage::Canary))), "chg-1_canary.json");
    }

    #[test]
    fn two_names_that_need_cleaning_do_not_become_one() {
        assert_ne!(slug("a/b"), slug("a:b"));
        assert!(!slug("../../x").contains('/'));
        assert_eq!(slug("p95_ms"), "p95_ms");
    }

    #[test]
    fn written_evidence_is_intact_until_altered_or_gone() {
        let (_dir, project, lock) = locked();
        let artifact = lock
            .write_evidence(&"chg-1".parse().unwrap(), EvidenceRole::Taken(SnapshotPurpose::Baseline), b"{}")
            .unwrap();
        assert_eq!(artifact.path, "reports/optimizer/chg-1_before_snapshot.json");
        assert_eq!(verify(&project, &artifact).unwrap(), Integrity::Intact(b"{}".to_vec()));
        let path = project.root().join(&artifact.path);
        std::fs::write(&path, b"{ }").unwrap();
        assert_eq!(verify(&project, &artifact).unwrap(), Integrity::Altered { found: Digest::of_bytes(b"{ }") });
        std::fs::remove_file(&path).unwrap();
        assert_eq!(verify(&project, &artifact).unwrap(), Integrity::Missing);
    }

    #[test]
    fn superseded_evidence_is_kept_and_still_found() {
        let (_dir, project, lock) = locked();
        let write = |bytes: &[u8]| {
            lock.write_evidence(&"chg-1".parse().unwrap(), EvidenceRole::Taken(SnapshotPurpose::Baseline), bytes)
                .unwrap()
        };
        let (one, two) = (write(b"1"), write(b"2"));
        let three = write(b"3");
        assert_eq!(write(b"3"), three, "the same content again changes nothing");
        assert_eq!(verify(&project, &three).unwrap(), Integrity::Intact(b"3".to_vec()));
        let path = "reports/optimizer/chg-1_before_snapshot.superseded-2.json".to_owned();
        assert_eq!(verify(&project, &two).unwrap(), Integrity::Superseded { path, bytes: b"2".to_vec() });
        assert_eq!(read_verified(&project, &one).unwrap().unwrap(), b"1");
        let names = std::fs::read_dir(project.evidence_dir()).unwrap().map(|entry| entry.unwrap().file_name());
        assert_eq!(names.filter(|name| name != ".gitattributes").count(), 3);
    }

    #[test]
    fn a_recorded_path_that_leads_out_of_the_project_is_not_followed() {
        let (_dir, project, _lock) = locked();
        for path in ["../secret", "/etc/passwd", ""] {
            let artifact = Artifact { path: path.into(), sha256: Digest::of_bytes(b"") };
            assert_eq!(verify(&project, &artifact).unwrap(), Integrity::Missing, "{path}");
        }
    }
}
