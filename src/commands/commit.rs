//! The only way to write to a record: lock, newest state, decision, evidence, record, logbook, in that order.

use chrono::{DateTime, Utc};

use crate::commands::{Ctx, choose};
use crate::error::{CommandError, Result, failed, trouble};
use crate::model::{Artifact, ChangeId, CommandLine, Digest, Fix, How, Kind};
use crate::report::{self, problem};
use crate::store::{EvidenceRole, Exclusive, Legacy, Record, RecordError, logbook, project};
use crate::workflow::{Change, Refusal, World, chain, gates, window};

/// An evidence file that is written only if its event is recorded.
pub(crate) struct Pending<'a> {
    pub role: EvidenceRole<'a>,
    pub bytes: Vec<u8>,
}

impl Pending<'_> {
    pub(crate) fn artifact(&self, id: &ChangeId) -> Artifact {
        let path = format!("{}/{}", project::EVIDENCE_DIR, self.role.file_name(id));
        Artifact { path, sha256: Digest::of_bytes(&self.bytes) }
    }
}

/// The current state of the change, for reading. A record of the Python tool is converted in memory only.
pub(crate) fn load(ctx: &Ctx, id: &ChangeId) -> Result<Change> {
    match Record::read(&ctx.project, id)? {
        Record::Tracked(change) => Ok(*change),
        Record::Legacy(legacy) => {
            let at = legacy.began().unwrap_or_else(|| ctx.now());
            continued(legacy.continued(), None, at)
        }
    }
}

/// Fails if a gate refused, or the clock is behind the record; nothing is recorded.
pub(crate) fn ask(ctx: &Ctx, change: &Change, answer: Result<(), Refusal>) -> Result<()> {
    provable(ctx, change)?;
    answer.map_err(|refusal| CommandError::refused(refusal, Some(change)))?;
    // For the days of a rolled out change, the monitor reports a wrong clock.
    let is_watched = change.fully_rolled_out_at().is_some() || !change.is_open();
    match clock_behind(ctx, change).filter(|_| !is_watched) {
        Some((what, fixes)) => Err(failed(what).fixed_by(fixes)),
        None => Ok(()),
    }
}

/// What is said, and what helps, if the clock is behind the record: it is wrong now, or was when something was recorded.
pub(crate) fn clock_behind(ctx: &Ctx, change: &Change) -> Option<(String, Vec<Fix>)> {
    if window::later(ctx.now(), window::CLOCK_TOLERANCE) >= change.latest_at {
        return None;
    }
    let [now, latest] = [ctx.now(), change.latest_at].map(report::values::moment);
    let what = format!("the clock says {now}, but the record has {latest} already; nothing was recorded");
    let step = format!("set this machine's clock right, or wait until {latest}; then run this again");
    let own = CommandLine::git("checkout HEAD --").words(ctx.fix_context().own);
    let was = "if it was ahead for once: take back what it recorded since the last commit";
    let see = Fix::then("if a commit has that already, see what helps", CommandLine::tool("check"));
    Some((what, vec![Fix::decide(How::Next, step), Fix::or(was, own), see]))
}

pub(crate) fn provable(ctx: &Ctx, change: &Change) -> Result<()> {
    if change.opened.imported.is_none() {
        return Ok(());
    }
    legacy(ctx, change.id())?.map_or(Ok(()), |legacy| continues(&legacy))
}

pub(crate) fn legacy(ctx: &Ctx, id: &ChangeId) -> Result<Option<Legacy>> {
    match Record::read(&ctx.project, id) {
        Ok(Record::Legacy(legacy)) => Ok(Some(legacy)),
        Ok(Record::Tracked(_)) | Err(RecordError::Unknown { .. }) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

pub(crate) fn record(ctx: &Ctx, id: &ChangeId, event: Kind) -> Result<Change> {
    commit(ctx, id, event, &World::default(), &[])
}

/// Records `event` with its files on the newest state of the change, if its gate accepts it.
pub(crate) fn commit(ctx: &Ctx, id: &ChangeId, event: Kind, world: &World, files: &[Pending<'_>]) -> Result<Change> {
    let lock = ctx.lock()?;
    let (known, mut change, legacy) = newest_state(ctx, id)?;
    if matches!(event, Kind::Ticked(_)) && world.days.is_some_and(|days| change.ticks.len() > days) {
        return Ok(change);
    }
    decide(ctx, &mut change, event, world).map_err(|refusal| CommandError::refused(refusal, Some(&change)))?;
    sign(ctx, &mut change, known)?;
    if let Some(legacy) = legacy {
        lock.keep_legacy(&legacy)?;
    }
    for file in files {
        lock.write_evidence(id, file.role, &file.bytes)?;
    }
    lock.extend_record(&change)?;
    let recorded: Vec<&Artifact> = change.events.iter().flat_map(|event| event.what.artifacts()).collect();
    for file in files {
        lock.drop_replaced(id, file.role, &recorded)?;
    }
    note_down(ctx, &lock, &change);
    Ok(change)
}

/// Adds the event to the change in memory, if its gate accepts it and it says something new.
pub(crate) fn decide(ctx: &Ctx, change: &mut Change, event: Kind, world: &World) -> Result<(), Refusal> {
    let (event, now) = (gates::completed(change, event), ctx.now());
    gates::check(change, &event, world, now)?;
    if gates::says_something(change, &event) {
        change.record(event, ctx.actor(), now);
    }
    Ok(())
}

/// Signs the events from index `known` on, if the config requires it.
pub(crate) fn sign(ctx: &Ctx, change: &mut Change, known: usize) -> Result<()> {
    let Some((sign, repo)) = ctx.config()?.sign.zip(ctx.repo()?) else { return Ok(()) };
    for at in known..change.events.len() {
        let event = &change.events[at];
        let signature = repo.sign(event.digest.as_str(), sign.format(), event.at).map_err(|error| {
            let key = CommandLine::git("config user.signingkey").word("KEY");
            trouble(format!("the event could not be signed, so nothing was recorded: {error}"))
                .fixed_by([Fix::next("tell git which key to sign with", key)])
        })?;
        change.signed(at, signature);
    }
    Ok(())
}

/// The number of events on disk and the state there; a record of the Python tool is also returned, to be kept.
fn newest_state(ctx: &Ctx, id: &ChangeId) -> Result<(usize, Change, Option<Legacy>)> {
    match Record::read(&ctx.project, id)? {
        Record::Tracked(change) => Ok((change.events.len(), *change, None)),
        Record::Legacy(legacy) => {
            continues(&legacy)?;
            Ok((0, continued(legacy.continued(), ctx.actor(), ctx.now())?, Some(legacy)))
        }
    }
}

fn continues(legacy: &Legacy) -> Result<()> {
    if legacy.is_planned() {
        return Ok(());
    }
    Err(trouble(legacy.sentence()).fixed_by(legacy.fixes()))
}

pub(crate) fn continued(events: Vec<Kind>, actor: Option<String>, at: DateTime<Utc>) -> Result<Change> {
    let mut sealed = Vec::new();
    for event in events {
        let next = chain::seal(sealed.last(), event, actor.clone(), at);
        sealed.push(next);
    }
    Ok(Change::replay(sealed)?)
}

pub(crate) fn sections(ctx: &Ctx) -> logbook::Sections {
    let (changes, _) = choose::changes(ctx).unwrap_or_default();
    changes.iter().map(|change| (change.id().clone(), report::logbook::section(change))).collect()
}

/// Renders the change's section of the logbook. A failure is a warning: the next event renders it again.
pub(crate) fn note_down(ctx: &Ctx, lock: &Exclusive, change: &Change) {
    let section = report::logbook::section(change);
    match logbook::update(lock, change.id(), &section, report::logbook::HEADING, &|| sections(ctx)) {
        Ok(problems) => {
            for problem in problems {
                ctx.ui.warn(&format!("{}: {problem}", ctx.project.logbook_path().display()));
            }
        }
        Err(error) => {
            ctx.ui.warn(&format!("the logbook was not updated: {error}"));
            let fix = Fix::next("bring it up to date once that is put right", CommandLine::tool("doctor --apply"));
            ctx.ui.tell(&problem::lines(&[fix]).join("\n"));
        }
    }
}
