//! A change's comparison: from the recorded snapshots and, where possible, pairs measured now; recorded itself.

use std::path::Path;

use crate::commands::compare::files::{self, Outs};
use crate::commands::compare::{CompareArgs, answer, is_same};
use crate::commands::pairing::{self, Pairing};
use crate::commands::{Ctx, Pending, collect, commit, evidence, judge, uncommitted};
use crate::error::CommandError;
use crate::exit::Exit;
use crate::judge::Settings;
use crate::judge::{Caveat, compare};
use crate::model::{Compared, Fix, Gate, Kind, PairSession, Snapshot, fix};
use crate::report::{self, CompareView, plot};
use crate::store::Role;
use crate::workflow::{Change, gates};

pub(crate) fn of_change(ctx: &Ctx, change: &Change, args: &CompareArgs) -> Result<Exit, CommandError> {
    let world = collect::world(ctx, change, Gate::Compare)?;
    commit::ask(ctx, change, gates::may_compare(change, &world))?;
    // The report that is evidence is written in any case.
    let own = ctx.project.evidence_dir().join(Role::CompareReport.file_name(change.id().as_str())?);
    let copy = |out: &&Path| !is_same(out, &own);
    let outs = Outs { report: args.out.as_deref().filter(copy), data: args.json_out.as_deref().filter(copy) };
    outs.guard(ctx, &[])?;
    let (Some(baseline), Some(after)) = (&change.baseline, &change.after) else {
        return Err(CommandError::trouble("the change has no snapshots to compare"));
    };
    let old = evidence::snapshot(ctx, &baseline.taken.snapshot)?;
    let new = evidence::snapshot(ctx, &after.taken.snapshot)?;
    let settings = judge::settings(ctx, Some(&change.contract))?;
    let (pair, not_paired) = pairs(ctx, change, (&old, &new), &settings, args)?;
    let mut comparison = compare::compare(&old, &new, pair.as_ref(), &change.contract, &settings);
    comparison.not_paired = not_paired;
    let files = collect::outputs_in_delta(ctx, change)?;
    comparison.caveats.extend((!files.is_empty()).then_some(Caveat::OutputCommitted { files }));
    let times = change.comparisons_since_baseline().saturating_add(1);
    comparison.caveats.extend((times > 1).then_some(Caveat::Repeated { times }));

    let (id, mut files) = (change.id(), Vec::new());
    let mut inputs = vec![baseline.taken.snapshot.clone(), after.taken.snapshot.clone()];
    if let Some(pair) = &pair {
        let pending = Pending { role: Role::Pair, bytes: files::json(pair)? };
        inputs.push(pending.artifact(id)?);
        files.push(pending);
    }
    let svg = plot::svg(&files::strips(&comparison, (&old, &new), pair.as_ref()));
    let svg_name = Role::ComparePicture.file_name(id.as_str())?;
    files.extend(svg.clone().map(|svg| Pending { role: Role::ComparePicture, bytes: svg.into_bytes() }));
    let view = CompareView {
        comparison: &comparison,
        change: Some((id, &change.opened.title)),
        pair: pair.as_ref(),
        machine: new.machine.as_ref(),
        inputs: &inputs,
        picture: svg.as_ref().map(|_| svg_name.as_str()),
    };
    let markdown = Pending { role: Role::CompareReport, bytes: report::compare::markdown(&view).into_bytes() };
    let json = Pending { role: Role::CompareData, bytes: files::json(&comparison)? };
    let compared = Compared {
        markdown: markdown.artifact(id)?,
        json: json.artifact(id)?,
        pair: inputs.get(2).cloned(),
        verdicts: comparison.verdicts().ok_or_else(|| CommandError::trouble("the contract has no KPI"))?,
    };
    files.extend([markdown, json]);
    let change = commit::commit(ctx, id, Kind::Compared(compared), &world, &files)?;

    // Within the project a copy shows the picture that is evidence; elsewhere it has its own.
    let evidence = outs.report.and_then(|out| files::to_evidence(&ctx.project, out));
    let kept = evidence.map(|place| format!("{place}{svg_name}"));
    outs.write(CompareView { picture: kept.as_deref().filter(|_| svg.is_some()), ..view }, svg.as_deref())?;
    let exit = answer(ctx, args, &view)?;
    ctx.ui.hint(&ctx.next(&change)?.lines());
    uncommitted::hint(ctx, &change);
    Ok(exit)
}

/// Where others committed since the baseline, the snapshots differ by more than the change.
fn only_in_pairs(change: &Change, why: &str) -> CommandError {
    let message =
        "others committed since the baseline, so the change is measured on its commit and that commit's parent";
    let id = change.id();
    CommandError::failed(format!("{message}, which failed: {why}")).fixed_by([
        Fix::next("after fixing that", fix::on(id, "compare")),
        Fix::or("start over on what is there now", fix::with_reason(id, "reject")),
        Fix::then("with the same contract", fix::start_from(id)),
    ])
}

/// Baseline and head in pairs, or why there are none.
fn pairs(
    ctx: &Ctx,
    change: &Change,
    sides: (&Snapshot, &Snapshot),
    settings: &Settings,
    args: &CompareArgs,
) -> Result<(Option<PairSession>, Option<String>), CommandError> {
    let needed = change.commit_and_parent().is_some();
    if args.no_pair {
        if needed {
            return Err(only_in_pairs(change, "--no-pair was given"));
        }
        return Ok((None, Some("--no-pair was given".to_owned())));
    }
    if !ctx.config()?.pair.enabled && !needed {
        return Ok((None, Some("the config says pair.enabled: false".to_owned())));
    }
    let budget = pairing::budget(ctx, args.runs, args.max_time)?;
    match pairing::of_change(ctx, change, sides, settings, budget)? {
        Pairing::Measured(session) => {
            pairing::warn(ctx, &session);
            Ok((Some(*session), None))
        }
        Pairing::Impossible(reason) | Pairing::SameCode(reason) if needed => Err(only_in_pairs(change, &reason)),
        Pairing::Impossible(reason) | Pairing::SameCode(reason) => {
            ctx.ui.warn(&format!("not measured in pairs: {reason}"));
            Ok((None, Some(reason)))
        }
    }
}
