//! `review attest`: put on record that the change was reviewed as it stands now.

use clap::{Args, ValueEnum};
use serde_json::json;

use crate::commands::{Ctx, Pending, choose, commit, failure, parse};
use crate::config::Review;
use crate::error::CommandError;
use crate::exit::Exit;
use crate::measure;
use crate::model::scrub::scrub;
use crate::model::{Artifact, Attestation, Digest, Kind};
use crate::store::Role;
use crate::workflow::{Change, World};

/// Schema name of attestations, the original's; ours say what was reviewed, too.
const SCHEMA: &str = "vibeship_optimizer.review_attestation.v1";

/// Attest that the change was reviewed as it stands now
#[derive(Debug, Args)]
pub struct AttestArgs {
    /// The change [default: VIBESHIP_CHANGE_ID, the only open change, or the one chosen with `change use`]
    #[arg(long, value_name = "ID")]
    change_id: Option<String>,
    /// What reviewed it
    #[arg(long, value_enum)]
    tool: Tool,
    /// The mode in which it reasoned, such as `high`; `human` for a person
    #[arg(long, value_name = "MODE")]
    reasoning_mode: String,
    /// The model, where there was one
    #[arg(long, value_name = "NAME", default_value = "", hide_default_value = true)]
    model: String,
    /// Who answers for the review [default: git's user]
    #[arg(long, value_name = "NAME")]
    reviewer: Option<String>,
    /// What was found
    #[arg(long, value_name = "TEXT", default_value = "", hide_default_value = true)]
    notes: String,
}

/// The tools that the original knows
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Tool {
    /// Codex
    Codex,
    /// Claude
    Claude,
    /// Anything else, people included
    Other,
}

impl Tool {
    fn name(self) -> &'static str {
        match self {
            Self::Codex => "codex",
            Self::Claude => "claude",
            Self::Other => "other",
        }
    }
}

/// Exit 1 when the config does not allow the mode, or there is nothing to review yet.
pub fn run(ctx: &Ctx, args: AttestArgs) -> Result<Exit, CommandError> {
    let id = choose::change(ctx, args.change_id.as_deref())?;
    let mode = parse::required("--reasoning-mode", &args.reasoning_mode)?;
    allowed(ctx, &ctx.config()?.review, args.tool, &mode)?;
    let change = commit::load(ctx, &id)?;
    let pending = Pending { role: Role::Review, bytes: file(ctx, &change, &args, &mode)? };
    let path = ctx.project.attestations_dir().join(Role::Review.file_name(id.as_str())?);
    let artifact = Artifact { path: ctx.project.relative(&path), sha256: Digest::of_bytes(&pending.bytes) };
    let attestation = Attestation {
        artifact,
        reviewed: change.review_digest(),
        tool: args.tool.name().to_owned(),
        reasoning_mode: mode,
    };
    commit::commit(ctx, &id, Kind::Attested { attestation }, &World::default(), &[pending])?;
    if ctx.json(true) {
        ctx.ui.answer(&failure::pretty(&json!({ "wrote": path })))?;
    } else {
        ctx.ui.answer(&path.display().to_string())?;
    }
    Ok(Exit::Yes)
}

fn allowed(ctx: &Ctx, review: &Review, tool: Tool, mode: &str) -> Result<(), CommandError> {
    if review.allows(tool.name(), mode) {
        return Ok(());
    }
    let modes = review.allowed_modes.get(tool.name()).cloned().unwrap_or_default().join(", ");
    let message =
        format!("the config does not allow the reasoning mode {mode:?} for {}; it allows: {modes}", tool.name());
    if !review.enforce_recommended_modes {
        ctx.ui.warn(&message);
        return Ok(());
    }
    Err(CommandError::failed(message)
        .hinted("review again in one of these modes, or change review.allowed_modes in the config"))
}

/// The attestation names everything that was reviewed by its digest.
fn file(ctx: &Ctx, change: &Change, args: &AttestArgs, mode: &str) -> Result<Vec<u8>, CommandError> {
    let reviewer = args.reviewer.clone().or_else(|| ctx.actor()).unwrap_or_default();
    let git = crate::commands::delta::observe(ctx).git;
    let now = ctx.now();
    let document = json!({
        "schema": SCHEMA,
        "change_id": change.id(),
        "ts": now,
        "generated_at": now,
        "tool": args.tool.name(),
        "reasoning_mode": mode,
        "model": scrub(&parse::prose("--model", &args.model)?),
        "reviewer": scrub(&parse::prose("--reviewer", &reviewer)?),
        "notes": scrub(&parse::prose("--notes", &args.notes)?),
        "git": git,
        "reviewed": change.review_digest(),
        "commits": change.commits(),
        "evidence": change.artifacts(),
        "written_by": measure::TOOL,
    });
    Ok(format!("{document:#}\n").into_bytes())
}
