//! Any two snapshot files: judged without a contract, recorded nowhere.

use std::path::Path;

use chrono::{DateTime, Utc};

use crate::commands::compare::out::{Outs, strips};
use crate::commands::compare::{CompareArgs, answer};
use crate::commands::{Ctx, judge};
use crate::error::CommandError;
use crate::exit::Exit;
use crate::judge::compare;
use crate::model::{Artifact, Contract, Digest, Snapshot, hyperfine, ingest};
use crate::report::{CompareView, plot};
use crate::store::atomic;

/// Snapshots are read up to this size.
const LIMIT: u64 = 64 * 1024 * 1024;

pub(super) fn read(path: &Path) -> Result<Vec<u8>, CommandError> {
    atomic::read(path, LIMIT)?.ok_or_else(|| CommandError::trouble(format!("{} does not exist", path.display())))
}

pub(super) fn compare(
    ctx: &Ctx,
    args: &CompareArgs,
    before: (&Path, &[u8]),
    after: (&Path, &[u8]),
) -> Result<Exit, CommandError> {
    let outs = Outs { report: args.out.as_deref(), data: args.json_out.as_deref() };
    outs.guard(ctx, &[before.0, after.0])?;
    let (old, new) = (parse(before)?, parse(after)?);
    let settings = judge::settings(ctx, None)?;
    let comparison = compare::compare(&old, &new, None, &Contract::default(), &settings);
    let svg = plot::svg(&strips(&comparison, (&old, &new), None));
    let inputs = [named(before), named(after)];
    let view = CompareView {
        comparison: &comparison,
        change: None,
        pair: None,
        machine: new.machine.as_ref(),
        inputs: &inputs,
        picture: None,
    };
    outs.write(view, svg.as_deref())?;
    answer(ctx, args, &view)
}

/// A file that no record knows, by its name: where it is on this machine is nobody's business.
fn named((path, bytes): (&Path, &[u8])) -> Artifact {
    let name = path.file_name().unwrap_or(path.as_os_str());
    Artifact { path: name.to_string_lossy().into_owned(), sha256: Digest::of_bytes(bytes) }
}

/// A snapshot file, or timings that hyperfine exported.
fn parse((path, bytes): (&Path, &[u8])) -> Result<Snapshot, CommandError> {
    let wrong = |error: &dyn std::fmt::Display| CommandError::trouble(format!("{}: {error}", path.display()));
    let label = path.file_stem().map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default();
    let written = std::fs::metadata(path).and_then(|file| file.modified()).map(DateTime::<Utc>::from)?;
    if let Some(export) = hyperfine::snapshot(&label, written, bytes) {
        return export.map_err(|error| CommandError::trouble(format!("{}: {error}", path.display())));
    }
    ingest::parse_snapshot(bytes).map_err(|error| {
        wrong(&error).hinted("a snapshot file is what `vibeship-optimizer snapshot` prints the path of")
    })
}
