//! The range check as commands run it: demands and records from git's objects at base and head, commits streamed.
//! Shared by `check` and the pre-push hook. Must not print.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Utc};

use crate::audit::record::{self, Found};
use crate::audit::{
    Audit, EarlierRecord, Finding, Prompt, RangeAudit, RecordFacts, What, anchored, demanded, witnessed,
};
use crate::commands::{Named, Touches, Witness, collect, demands, versions};
use crate::error::CommandError;
use crate::git::{Batch, Repo};
use crate::model::{ChangeId, Gate, Policy, fix};

/// A range of commits, resolved to full hashes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Range {
    /// What is not looked at any more; `None` for the whole history.
    pub(crate) base: Option<String>,
    pub(crate) head: String,
}

/// What the check came to, and the trailer's key that it read.
pub(crate) struct Outcome {
    pub(crate) audit: Audit,
    pub(crate) key: String,
    pub(crate) configured: bool,
}

/// Checks a range. `now` bounds what a commit may claim of itself.
pub(crate) fn run(
    repo: &Repo,
    range: &Range,
    require: Option<Gate>,
    now: DateTime<Utc>,
) -> Result<Outcome, CommandError> {
    if repo.is_shallow() {
        return Err(CommandError::trouble("this clone is shallow, so that the range cannot be told")
            .fixed_by([fix::unshallow()]));
    }
    // The key that configs name is needed to read them with; it is in them.
    let plain = Witness::new(repo, crate::config::Enforcement::DEFAULT_TRAILER);
    let before = range.base.as_deref().map(|base| plain.config(base)).transpose()?.flatten();
    let config = plain.config(&range.head)?;
    let configured = config.is_some();
    let config = config.unwrap_or_default();
    let key = config.enforcement.trailer.clone();
    let policy = demands::policy(&config, before.as_ref(), require)?;
    let witness = Witness::new(repo, &key).after(range.base.as_deref());

    let at_head = witness.records(&range.head)?;
    let records: BTreeMap<ChangeId, RecordFacts> =
        at_head.iter().map(|(id, (record, _))| (id.clone(), record.clone())).collect();
    // What expires does so whether or not anything is committed after it.
    let latest = witness.made(&range.head)?.max(now);
    let mut commits = RangeAudit::new(&policy, &records, latest);
    let mut touches = Touches::default();
    witness.walk(range.base.as_deref(), &range.head, &mut |commit| {
        touches.take(&commit);
        commits.take(&commit);
    })?;
    let referenced = commits.referenced();
    let mut audit = commits.finish(&witness);
    let earlier = range.base.as_deref().map(|base| witness.earlier(base)).transpose()?.unwrap_or_default();
    let mut concerned = differing(&at_head, &earlier);
    concerned.extend(referenced);
    // One that was changed and changed back is the same at both ends.
    concerned.extend(touches.ids());
    audit.records = concerned.len();
    let changes = concerned.iter().filter_map(|id| records.get(id)?.change());
    let made = versions::made(repo, &changes.flat_map(witnessed::named).collect())?;
    let head = witness.made(&range.head)?;
    let prompt = policy.prompt;
    let demanded = configured.then(|| collect::policy_of(&config));
    let named = Named::new(&witness);
    let sight = Sight {
        witness: &witness,
        repo,
        range,
        touches: &touches,
        made: &made,
        named: &named,
        prompt,
        demanded,
        head,
        now,
    };
    let mut batch = repo.batch()?;
    for id in &concerned {
        let before = earlier.get(id).map(|(record, _)| record);
        audit.findings.extend(sight.of_record(&mut batch, records.get(id), id, before)?);
    }
    let changed = before.map(|before| demands::differences(&config, &before)).unwrap_or_default();
    if !changed.is_empty() {
        audit.findings.push(Finding::warn(What::PolicyChanged { what: changed }));
    }
    witness.sound()?;
    Ok(Outcome { audit, key, configured })
}

/// The records that are not the same at both ends.
fn differing(
    at_head: &BTreeMap<ChangeId, (RecordFacts, String)>,
    earlier: &BTreeMap<ChangeId, (EarlierRecord, String)>,
) -> BTreeSet<ChangeId> {
    let ids: BTreeSet<&ChangeId> = at_head.keys().chain(earlier.keys()).collect();
    let object = |id: &ChangeId| (at_head.get(id).map(|(_, object)| object), earlier.get(id).map(|(_, object)| object));
    let differs = |id: &&ChangeId| {
        let (head, base) = object(id);
        head != base
    };
    ids.into_iter().filter(differs).cloned().collect()
}

/// What records are held against.
struct Sight<'a> {
    witness: &'a Witness<'a>,
    repo: &'a Repo,
    range: &'a Range,
    touches: &'a Touches,
    /// When the commits were made that events name.
    made: &'a BTreeMap<String, DateTime<Utc>>,
    named: &'a Named<'a>,
    prompt: Prompt,
    /// What the head's config demands from the promotion on.
    demanded: Option<Policy>,
    head: DateTime<Utc>,
    /// Now: whoever dates commits into the future has not made them then.
    now: DateTime<Utc>,
}

impl Sight<'_> {
    fn of_record(
        &self,
        batch: &mut Batch,
        record: Option<&RecordFacts>,
        id: &ChangeId,
        before: Option<&EarlierRecord>,
    ) -> Result<Vec<Finding>, CommandError> {
        let (witness, range) = (self.witness, self.range);
        let mut found = Vec::new();
        let before = match before {
            None => None,
            Some(before) => {
                let base = range.base.as_deref().unwrap_or_default();
                Some(EarlierRecord { committed: witness.written(base, &before.path)?, ..before.clone() })
            }
        };
        let grown = before.as_ref().and_then(|before| record::growth(id, before, record));
        // What is wrong between the ends is wrong in between too; one finding is enough.
        if grown.is_none() {
            let versions = self.touches.versions(batch, self.repo.prefix(), id)?;
            let path = record.map(|record| record.path.as_str()).or(self.touches.path(id)).unwrap_or_default();
            found.extend(witnessed::findings(id, path, before.as_ref(), &versions, record, self.prompt));
        }
        found.extend(grown);
        let Some(record) = record else { return Ok(found) };
        let latest = match self.touches.latest(id) {
            Some(latest) => latest,
            None => witness.committed(&range.head, &record.path)?.unwrap_or(self.head),
        };
        for finding in record::findings(record, latest.min(self.now)) {
            let again = |known: &Finding| known.what == finding.what;
            if !found.iter().any(again) {
                found.push(finding);
            }
        }
        found.extend(witnessed::before_its_commit(record, &|commit| self.made.get(commit).copied()));
        found.extend(anchored::finding(record, self.named));
        found.extend(record::habits(record, self.head.max(self.now)));
        found.extend(self.loosened(record)?);
        found.extend(evidence(witness, batch, &range.head, record)?);
        Ok(found)
    }

    /// What the configs demand, at the head as where the change was validated, and the change went past. One that was
    /// loosened before it, or tightened after it, is none of its business.
    fn loosened(&self, record: &RecordFacts) -> Result<Option<Finding>, CommandError> {
        let (Some(change), Some(head)) = (record.change(), &self.demanded) else { return Ok(None) };
        if demanded::missed(change, std::slice::from_ref(head)).is_empty() {
            return Ok(None);
        }
        let commits = change.commits();
        let Some(commit) = commits.last().and_then(|commit| self.witness.known(commit)) else { return Ok(None) };
        let Ok(Some(then)) = self.witness.config(&commit) else { return Ok(None) };
        let what = demanded::missed(change, &[head.clone(), collect::policy_of(&then)]);
        let finding = |what| Finding::fail(What::PolicyLoosened { what }).of_change(&record.id).at(&record.path);
        Ok((!what.is_empty()).then(|| finding(what)))
    }
}

fn evidence(
    witness: &Witness<'_>,
    batch: &mut Batch,
    head: &str,
    record: &RecordFacts,
) -> Result<Vec<Finding>, CommandError> {
    let mut failed = None;
    let found = record::evidence(record, &mut |artifact, newest| {
        let found = witness.artifact(batch, head, artifact, newest).unwrap_or_else(|error| {
            failed.get_or_insert(error);
            Found::Missing
        });
        if found == Found::Missing && witness.lies_here(artifact) { Found::Uncommitted } else { found }
    });
    failed.map_or(Ok(found), Err)
}
