//! `pair`: measure two revisions in alternating pairs, for an honest answer without a change.

use clap::Args;
use serde_json::json;

use crate::commands::Ctx;
use crate::commands::failure;
use crate::commands::globals::Format;
use crate::commands::judge;
use crate::commands::pairing;
use crate::commands::parse;
use crate::config::words;
use crate::error::CommandError;
use crate::evidence::compare::pair_row;
use crate::evidence::compare::pair_row::PairRow;
use crate::evidence::judge::Change;
use crate::exit::Exit;
use crate::probe::pair::arms::Version;
use crate::probe::pair::session::PairPlan;
use crate::report;
use crate::store::atomic;
use crate::store::guard;

/// Measure two revisions in alternating pairs, without a change
#[derive(Debug, Args)]
pub struct PairArgs {
    /// The baseline
    #[arg(long, value_name = "REV", default_value = "HEAD~1")]
    before: String,
    /// The head
    #[arg(long, value_name = "REV", default_value = "HEAD")]
    after: String,
    /// At most this many pairs [default: pair.max_pairs of the config]
    #[arg(long, value_name = "N", visible_alias = "pairs")]
    runs: Option<u32>,
    /// Begin no further pair of a command after this many seconds [default: pair.max_time_s of the config]
    #[arg(long, value_name = "SECONDS")]
    max_time: Option<f64>,
    /// The smallest change that counts as one, such as 2% [default: the noise floor, or pair.min_effect of the config]
    #[arg(long, value_name = "SHARE")]
    min_effect: Option<String>,
    /// Allow both revisions to be the same code, to see what noise alone looks like
    #[arg(long)]
    same: bool,
    /// Write the pairs as JSON to this file too
    #[arg(long, value_name = "FILE")]
    json_out: Option<std::path::PathBuf>,
    /// The command to measure [default: the configured timings]; one word with spaces is run by a shell
    #[arg(last = true, value_name = "COMMAND")]
    command: Vec<String>,
}

/// Exit 0 when nothing got slower, 1 when something did or could not be measured, 3 when it cannot be told yet.
pub fn run(ctx: &Ctx, args: PairArgs) -> Result<Exit, CommandError> {
    if let Some(out) = &args.json_out {
        guard::guard_out_path(&ctx.project, out, &[])?;
    }
    let mut settings = judge::settings(ctx, None)?;
    if let Some(text) = &args.min_effect {
        settings.min_effect = parse::share("--min-effect", text)?;
        settings.noise_floors.clear();
    }
    let commands = if args.command.is_empty() { pairing::configured(ctx)? } else { vec![given(ctx, &args.command)?] };
    let ask = pairing::Ask {
        before: Version { rev: &args.before, tuneables: None },
        after: Version { rev: &args.after, tuneables: None },
        tuneables: None,
        commands,
        kpis: Vec::new(),
        criteria: Vec::new(),
        settings: &settings,
        budget: pairing::budget(ctx, args.runs, args.max_time)?,
        pin: ctx.config()?.pair.pin,
        same_allowed: args.same,
        change: None,
    };
    let session = match pairing::run(ctx, ask)? {
        pairing::Outcome::Measured(session) => session,
        pairing::Outcome::Impossible(reason) => {
            return Err(CommandError::trouble(reason).hinted("give a command: vibeship-optimizer pair -- COMMAND"));
        }
    };
    for warning in &session.warnings {
        ctx.ui.warn(warning);
    }
    if let Some(out) = &args.json_out {
        atomic::write_free(out, format!("{:#}\n", serde_json::to_value(&*session)?).as_bytes())?;
    }
    let rows = pair_row::of_pairs(&session, &settings);
    if ctx.format() == Some(Format::Json) {
        ctx.ui.answer(&failure::pretty(&json!({ "pair": *session, "results": rows })))?;
    } else {
        ctx.show(&report::pair::document(&session, &rows, &settings))?;
    }
    Ok(exit_of(&rows))
}

fn given(ctx: &Ctx, words: &[String]) -> Result<PairPlan, CommandError> {
    let shell = words.len() == 1;
    let cmd = match words {
        [line] => line.clone(),
        words => words::join(words).ok_or_else(|| {
            CommandError::trouble("one argument holds both kinds of quotes")
                .hinted("give the whole command as one argument, for a shell to read")
        })?,
    };
    let config = ctx.config()?;
    let timeout_s = config.commands.timeout_s;
    Ok(PairPlan {
        name: words.first().cloned().unwrap_or_default(),
        cmd,
        shell,
        cwd: None,
        env: Vec::new(),
        timeout: std::time::Duration::try_from_secs_f64(timeout_s).unwrap_or(std::time::Duration::MAX),
        warmup: 1,
        pin: config.pair.pin,
    })
}

/// By the decisive time of each command: slower or not measurable is no, undecided is not yet.
fn exit_of(rows: &[PairRow]) -> Exit {
    let decisive = || rows.iter().filter(|row| row.decisive);
    if decisive().any(|row| matches!(row.change, Change::Regressed(_) | Change::Invalid { .. })) {
        Exit::No
    } else if decisive().any(|row| matches!(row.change, Change::Inconclusive { .. })) {
        Exit::NotYet
    } else {
        Exit::Yes
    }
}
