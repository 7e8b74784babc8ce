//! `analyze`: what a project is made of, what takes up space in it, and what to ask before it is tuned.

use std::path::PathBuf;

use clap::Args;
use serde_json::{Value, json};

use crate::commands::Ctx;
use crate::error::CommandError;
use crate::exit::Exit;
use crate::project::analyze;
use crate::report;
use crate::store::OwnPaths;

/// Describe the project and list the questions to answer before tuning it
#[derive(Debug, Args)]
pub(crate) struct AnalyzeArgs {
    /// Write the analysis to this file
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
}

/// The original's JSON in a pipe, a document on a terminal, `{"wrote": P}` with `--out`.
pub(crate) fn run(ctx: &Ctx, args: AnalyzeArgs) -> Result<Exit, CommandError> {
    let value = value(ctx)?;
    let doc = report::project::analysis(&value);
    match args.out {
        None => ctx.answer(true, &value, &doc)?,
        Some(out) => {
            ctx.write_out(&out, &value, &doc)?;
            ctx.print(&json!({ "wrote": out }))?;
        }
    }
    Ok(Exit::Yes)
}

/// The analysis as JSON.
pub(crate) fn value(ctx: &Ctx) -> Result<Value, CommandError> {
    let own = OwnPaths::below(b"");
    let is_own = |path: &[u8]| own.is_own(path) || own.is_left(path);
    Ok(serde_json::to_value(analyze(ctx.project.root(), &ctx.config()?.project, &is_own, ctx.now()))?)
}
