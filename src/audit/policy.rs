//! What the config demands of commits, in a form that can be asked: exemptions and surfaces by glob. Must not read
//! the config itself.

use globset::GlobSet;

use crate::audit::CommitFacts;
use crate::model::{Gate, Surface};

/// The demands on a range of commits.
#[derive(Debug, Clone)]
pub struct Policy {
    /// The gate that each change must have passed, as far as its class passes it.
    pub require: Gate,
    pub exempt: Vec<Exemption>,
    /// What needed no change before the range: an exemption that the range itself brings does not cover it. `None`
    /// where there was no config before.
    pub exempt_before: Option<Vec<Exemption>>,
    pub surfaces: Surfaces,
    /// How soon monitored days are to be committed.
    pub prompt: Prompt,
    /// The most days for which an emergency's override may hold.
    pub max_emergency_days: u32,
}

/// How soon what a change claims for a day is to be committed, for git to be its witness.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Prompt {
    pub days: u32,
    /// Whether the config demands it; else being late is only worth knowing.
    pub demanded: bool,
}

/// Commits that need no change: those for which every list that is given has a match.
#[derive(Debug, Clone)]
pub struct Exemption {
    pub paths: Option<GlobSet>,
    pub authors: Option<GlobSet>,
    /// The author's name, or the part of the address before `@` and after `+`, is one of these.
    pub bots: Vec<String>,
    pub reason: String,
}

/// The surfaces, and the documents and tests that a change of a contract owes.
#[derive(Debug, Clone, Default)]
pub struct Surfaces {
    /// Globs by surface, in the order of [`Surface::ALL`].
    pub by_surface: [GlobSet; 5],
    /// Documents: of each of these sets one is owed.
    pub docs: Vec<GlobSet>,
    pub tests: Vec<GlobSet>,
    /// What may change beside knobs: prose, tests, the KPI's own output, the config. Code is what one of these lacks.
    pub beside: Vec<GlobSet>,
}

impl Surfaces {
    /// Whether a path is code: no knob, and nothing that may change beside one.
    pub fn is_code(&self, path: &str) -> bool {
        let knob = self.by_surface[Surface::Tuneables as usize].is_match(path);
        !knob && self.beside.iter().any(|beside| !beside.is_match(path))
    }

    /// The paths on a surface.
    pub fn on<'a>(&self, surface: Surface, paths: impl Iterator<Item = &'a str>) -> Vec<String> {
        let globs = &self.by_surface[surface as usize];
        paths.filter(|path| globs.is_match(path)).map(str::to_owned).collect()
    }
}

/// Whether each set matches one of the paths; one that holds nothing demands nothing.
pub(crate) fn each_matched<'a>(sets: &[GlobSet], paths: impl Iterator<Item = &'a str> + Clone) -> bool {
    sets.iter().all(|set| set.is_empty() || paths.clone().any(|path| set.is_match(path)))
}

impl Policy {
    /// Why a commit needs no change, if it does not.
    pub fn exempts(&self, commit: &CommitFacts) -> Option<&str> {
        let before = self.exempt_before.as_ref();
        if before.is_some_and(|exempt| !exempt.iter().any(|exemption| exemption.covers(commit))) {
            return None;
        }
        self.exempt.iter().find(|exemption| exemption.covers(commit)).map(|exemption| exemption.reason.as_str())
    }
}

impl Exemption {
    /// Whether it covers a commit. One that gives no list covers none.
    pub fn covers(&self, commit: &CommitFacts) -> bool {
        let given = self.paths.is_some() || self.authors.is_some() || !self.bots.is_empty();
        let paths = self.paths.as_ref().is_none_or(|globs| commit.paths().all(|path| globs.is_match(path)));
        let author = format!("{} <{}>", commit.author_name, commit.author_email);
        let authors = self.authors.as_ref().is_none_or(|globs| globs.is_match(&author));
        let account = commit.author_email.split('@').next().unwrap_or_default();
        let account = account.split_once('+').map_or(account, |(_, name)| name);
        // An app of a forge signs as `NAME[bot]`.
        let plain = |name: &str| name.strip_suffix("[bot]").unwrap_or(name).to_owned();
        let (name, account) = (commit.author_name.as_str(), account);
        let is = |bot: &String| [name, account].iter().any(|it| bot == it || *bot == plain(it));
        let bots = self.bots.is_empty() || self.bots.iter().any(is);
        given && paths && authors && bots
    }
}
