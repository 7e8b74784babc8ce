//! `analyze`: what a project is made of, what takes up space in it, and what to ask before it is tuned.

use std::path::PathBuf;

use clap::Args;
use serde_json::{Value, json};

use crate::commands::{Ctx, failure};
use crate::error::CommandError;
use crate::exit::Exit;
use crate::project::{Analysis, analyze};
use crate::report;
use crate::store::{OwnPaths, atomic, guard};

/// Describe the project and list the questions to answer before tuning it
#[derive(Debug, Args)]
pub(crate) struct AnalyzeArgs {
    /// Write the analysis to this file
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
}

/// The original's JSON in a pipe, a document on a terminal, `{"wrote": P}` with `--out`.
pub(crate) fn run(ctx: &Ctx, args: AnalyzeArgs) -> Result<Exit, CommandError> {
    let analysis = analysis(ctx)?;
    let value = serde_json::to_value(&analysis)?;
    if let Some(out) = args.out {
        guard::guard_out_path(&ctx.project, &out, &[])?;
        atomic::write_free(&out, format!("{value:#}\n").as_bytes())?;
        ctx.ui.answer(&failure::pretty(&json!({ "wrote": out })))?;
    } else if ctx.json(true) {
        ctx.ui.answer(&failure::pretty(&value))?;
    } else {
        ctx.show(&report::project::analysis(&value))?;
    }
    Ok(Exit::Yes)
}

/// The analysis of the project.
pub(crate) fn analysis(ctx: &Ctx) -> Result<Analysis, CommandError> {
    let own = OwnPaths::below(b"");
    Ok(analyze(ctx.project.root(), &ctx.config()?.project, &|path| own.is_own(path) || own.is_left(path), ctx.now()))
}

/// The analysis as JSON.
pub(crate) fn value(ctx: &Ctx) -> Result<Value, CommandError> {
    Ok(serde_json::to_value(analysis(ctx)?)?)
}
