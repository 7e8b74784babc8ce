//! `review`: bundles what a reviewer needs into one file, without secrets, and records that a review took place.
//! `report`: shows all changes on one self-contained page, or briefly as markdown.

use std::cmp::Reverse;
use std::path::PathBuf;

use clap::{Args, Subcommand};
use serde_json::json;

use crate::audit::evidence::Judgement;
use crate::commands::{ChangeArg, Ctx, Pending, check, collect, commit, delta, demands, evidence, parse};
use crate::error::{Exit, Result, failed, trouble};
use crate::git::{DiffTarget, GitError, Repo};
use crate::measure;
use crate::model::{Artifact, Attestation, ChangeId, CommandLine, Digest, Fix, Kind, scrub};
use crate::report::{BundleView, CommitDiff, Entry, Format, Page, Tone, markdown, page, plot, problem, review};
use crate::store::{EvidenceRole, Record};
use crate::workflow::{Change, World, next};

/// The maximum number of characters of all diffs in a bundle, as in the Python tool.
const DIFF_LIMIT: usize = 120_000;
/// The maximum number of bytes that are read of a diff: its secrets are masked before it is cut.
const READ_LIMIT: u64 = 4 * DIFF_LIMIT as u64;

/// The schema name of attestations, that of the Python tool; ours also say what was reviewed.
const SCHEMA: &str = "vibeship_optimizer.review_attestation.v1";

#[derive(Debug, Subcommand)]
pub(crate) enum ReviewCommand {
    /// Write everything that a reviewer needs to one file
    Bundle(BundleArgs),
    /// Attest that the change was reviewed as it stands now
    Attest(AttestArgs),
}

#[derive(Debug, Args)]
pub(crate) struct BundleArgs {
    #[command(flatten)]
    change: ChangeArg,
    /// Output file [default: review_bundles/<id>.md in the state directory]
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct AttestArgs {
    #[command(flatten)]
    change: ChangeArg,
    /// Tool that reviewed the change; `other` for anything else, people included [default: codex; with --reviewer alone:
    /// other]
    #[arg(long, value_parser = ["codex", "claude", "other"])]
    tool: Option<String>,
    /// Reasoning mode of the reviewer, such as `high`; `human` for a person [default: high; with --reviewer alone: human]
    #[arg(long, value_name = "MODE")]
    reasoning_mode: Option<String>,
    /// Model that reviewed the change, if any
    #[arg(long, value_name = "NAME", default_value = "", hide_default_value = true)]
    model: String,
    /// Person responsible for the review [default: git's user]
    #[arg(long, value_name = "PERSON")]
    reviewer: Option<String>,
    /// Findings of the review
    #[arg(long, value_name = "TEXT", allow_hyphen_values = true, default_value = "", hide_default_value = true)]
    notes: String,
}

impl AttestArgs {
    /// The tool and its mode: the Python tool's defaults, unless only a person is named.
    fn reviewed_by(&self) -> Result<(String, String)> {
        let is_person =
            self.reviewer.is_some() && self.model.is_empty() && self.tool.is_none() && self.reasoning_mode.is_none();
        let (tool, mode) = if is_person { ("other", "human") } else { ("codex", "high") };
        let mode = parse::required("--reasoning-mode", self.reasoning_mode.as_deref().unwrap_or(mode))?;
        Ok((self.tool.as_deref().unwrap_or(tool).to_owned(), mode))
    }
}

pub(crate) fn run(ctx: &Ctx, command: ReviewCommand) -> Result<Exit> {
    match command {
        ReviewCommand::Bundle(args) => bundle(ctx, args),
        ReviewCommand::Attest(args) => attest(ctx, &args),
    }
}

fn bundle(ctx: &Ctx, args: BundleArgs) -> Result<Exit> {
    let change = args.change.load(ctx)?;
    let id = change.id();
    let diffs = diffs(ctx, &change)?;
    let seen = delta::observe(ctx);
    ctx.config()?;
    let (fixes, at) = (ctx.fix_context(), ctx.now());
    let next = Fix::next("answer its questions, and put the answer on record", fixes.attest(id));
    let judged = Judgement::of(&change, &evidence::fetch(ctx));
    let comparison = judged.as_ref().map(|it| &it.comparison);
    let view =
        BundleView { change: &change, comparison, git: &seen.git, revision: &seen.revision, diffs: &diffs, fixes, at };
    // The record holds text written by people; the diff is masked already, before it was cut.
    let text = format!("{}\n{}", scrub(&review::context(&view)), review::diff(&view));
    let own = ctx.project.state_dir().join("review_bundles").join(format!("{id}.md"));
    ctx.wrote(&ctx.write_page(args.out, own, &text)?, true)?;
    // Without a comparison there is nothing to attest.
    if comparison.is_none() {
        return ctx.hint_next(&change);
    }
    ctx.advise(&[next]);
    Ok(Exit::Yes)
}

/// Exits with 1 if the config does not allow the mode, or there is nothing to review yet.
fn attest(ctx: &Ctx, args: &AttestArgs) -> Result<Exit> {
    let change = args.change.load(ctx)?;
    let id = change.id();
    let (tool, mode) = args.reviewed_by()?;
    let configs = collect::configs_in_force(ctx, &change)?;
    let objection = configs.iter().find_map(|it| collect::mode_objection(&it.review, &tool, &mode));
    if let Some(objection) = objection {
        return Err(failed(objection).hinted(
            "use an allowed mode; a mode that any committed config since the baseline forbids stays forbidden",
        ));
    }
    let reviewer = reviewer(ctx, args, id)?;
    // If the config demands another person, the attesting git user must not be the author, whoever is named as
    // reviewer.
    let author = collect::author(ctx, &change)?;
    if let Some(objection) = collect::person_objection(&configs, ctx.actor().as_deref(), author.as_deref()) {
        return Err(failed(objection)
            .hinted("the reviewer attests in their own clone, with their own git identity")
            .fixed_by([Fix::then("", ctx.fix_context().attest(id))]));
    }
    let author = author.unwrap_or_default();
    let name = author.split('<').next().unwrap_or_default().trim();
    let by_author = !name.is_empty() && (reviewer == author || reviewer.eq_ignore_ascii_case(name));
    let bytes = attestation_file(ctx, &change, args, [&tool, &mode, &reviewer])?;
    let pending = Pending { role: EvidenceRole::Review, bytes };
    let path = ctx.project.attestations_dir().join(EvidenceRole::Review.file_name(id));
    let artifact = Artifact { path: ctx.project.relative(&path), sha256: Digest::of_bytes(&pending.bytes) };
    let summary = format!("attested: tool {tool}, reasoning mode {mode}, reviewer {reviewer}");
    let attestation = Attestation { artifact, reviewed: change.review_digest(), tool, reasoning_mode: mode };
    let attested = commit::commit(ctx, id, Kind::Attested { attestation }, &World::default(), &[pending])?;
    if by_author {
        ctx.ui.warn("the author reviewed their own change");
    }
    ctx.wrote(&path, true)?;
    ctx.ui.status(&summary);
    if let Some(before) = change.attestation.as_ref().filter(|_| change.is_attested()) {
        let (tool, mode) = (&before.tool, &before.reasoning_mode);
        ctx.ui.warn(&format!("it replaces an earlier attestation: tool {tool}, reasoning mode {mode}"));
    }
    ctx.hint_next(&attested)
}

fn reviewer(ctx: &Ctx, args: &AttestArgs, id: &ChangeId) -> Result<String> {
    let named = args.reviewer.clone().or_else(|| ctx.actor()).unwrap_or_default();
    let reviewer = parse::prose("--reviewer", &named)?;
    if ![reviewer.as_str(), &args.model].into_iter().any(Attestation::is_name) {
        return Err(failed("give the reviewer: --reviewer NAME or --model NAME")
            .fixed_by([Fix::next("", ctx.fix_context().attest(id))]));
    }
    Ok(reviewer)
}

fn attestation_file(ctx: &Ctx, change: &Change, args: &AttestArgs, by: [&str; 3]) -> Result<Vec<u8>> {
    let [tool, mode, reviewer] = by;
    let git = delta::observe(ctx).git;
    let now = ctx.now();
    let document = json!({
        "schema": SCHEMA,
        "change_id": change.id(),
        "ts": now,
        "generated_at": now,
        "tool": tool,
        "reasoning_mode": mode,
        "model": scrub(&parse::prose("--model", &args.model)?),
        "reviewer": scrub(reviewer),
        "notes": scrub(&parse::prose("--notes", &args.notes)?),
        "git": git,
        "reviewed": change.review_digest(),
        "commits": change.commits(),
        "evidence": change.artifacts(),
        "written_by": measure::TOOL,
    });
    Ok(format!("{document:#}\n").into_bytes())
}

fn diffs(ctx: &Ctx, change: &Change) -> Result<Vec<CommitDiff>> {
    let Some(repo) = ctx.repo()? else { return Ok(Vec::new()) };
    let mut room = DIFF_LIMIT;
    let mut list = Vec::new();
    for sha in change.commits() {
        match diff(repo, &sha, room) {
            Ok(diff) => {
                room = room.saturating_sub(diff.text.chars().count());
                list.push(diff);
            }
            Err(GitError::UnknownRevision { .. }) => list.push(CommitDiff { sha, ..CommitDiff::default() }),
            Err(error) => return Err(error.into()),
        }
    }
    Ok(list)
}

fn diff(repo: &Repo, sha: &str, room: usize) -> Result<CommitDiff, GitError> {
    repo.resolve(sha)?;
    let parent = match repo.resolve(&format!("{sha}^")) {
        Err(GitError::UnknownRevision { .. }) => repo.empty_tree()?,
        other => other?,
    };
    let scope = repo.project();
    let counts = repo.line_counts(&parent, DiffTarget::Commit(sha), &scope)?;
    let shown = |path: &[u8]| String::from_utf8_lossy(path).into_owned();
    let stat = counts.iter().map(|(path, lines)| (shown(path), *lines)).collect();
    let (whole, is_cut) = repo.diff_text(&parent, DiffTarget::Commit(sha), &scope, READ_LIMIT)?;
    let masked = scrub(&whole);
    let text: String = masked.chars().take(room).collect();
    let cut = is_cut || text.len() < masked.len();
    Ok(CommitDiff { sha: sha.to_owned(), found: true, stat, text, cut })
}

#[derive(Debug, Args)]
pub(crate) struct ReportArgs {
    /// Output file [default: report.html in the state's cache directory; markdown is printed]
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// Show only open changes
    #[arg(long)]
    open: bool,
}

/// Exits with 2 if a record is damaged, which the page also says.
pub(crate) fn report(ctx: &Ctx, args: ReportArgs) -> Result<Exit> {
    // The page is kept beside the records: alone, it would make a project of any directory.
    if !ctx.project.is_initialized() {
        check::needs_project(ctx, "report")?;
        let init = Fix::next("make one", CommandLine::tool("init"));
        return Err(trouble("this directory holds no project").fixed_by([init]));
    }
    let (changes, problems, damaged) = read_all(ctx, args.open)?;
    let (policy, now) = (ctx.policy()?, ctx.now());
    let mut entries = Vec::new();
    // The page reports a file that is missing or altered, of which there is nothing to plot.
    for change in &changes {
        entries.push(Entry {
            change,
            step: next::next(change, &policy, now),
            fixes: ctx.fix_context(),
            plots: Judgement::of(change, &evidence::fetch(ctx)).map(|it| plot::strips(&it)).unwrap_or_default(),
            faults: evidence::faults(ctx, change)?.into_iter().map(|fault| fault.path).collect(),
        });
    }
    let project = ctx.project.root().file_name();
    let project = project.map_or_else(|| "project".into(), |name| name.to_string_lossy());
    let mut problems: Vec<(Tone, String)> = problems.into_iter().map(|it| (Tone::Bad, it)).collect();
    if let Some(repo) = ctx.repo()? {
        let spent = demands::budgets(repo, (ctx.config()?, None), changes.iter(), "HEAD")?;
        problems.extend(spent.into_iter().map(|finding| (problem::tone(finding.level), finding.what.to_string())));
    }
    let page = Page { project: &project, now, entries, problems };
    let is_markdown = ctx.globals.format == Some(Format::Markdown);
    let text = if is_markdown { markdown::render(&page::document(&page)) } else { page::page(&page) };
    match args.out {
        None if is_markdown => ctx.put(&text)?,
        out => ctx.wrote(&ctx.write_page(out, ctx.project.cache_dir().join("report.html"), &text)?, false)?,
    };
    Ok(if damaged { Exit::Trouble } else { Exit::Yes })
}

/// The changes with reliable records, open ones first and the newest first within each group; the problems with other
/// records, in words; and whether one is damaged.
fn read_all(ctx: &Ctx, open_only: bool) -> Result<(Vec<Change>, Vec<String>, bool)> {
    let (mut changes, mut problems, mut damaged) = (Vec::new(), Vec::new(), false);
    for record in Record::read_all(&ctx.project, Some)? {
        match record {
            Ok(Record::Tracked(change)) if open_only && !change.is_open() => {}
            Ok(Record::Tracked(change)) => changes.push(*change),
            Ok(Record::Legacy(legacy)) => {
                problems.push(legacy.sentence());
            }
            Err(error) => {
                damaged = true;
                ctx.ui.error(&error.to_string());
                problems.push(error.to_string());
            }
        }
    }
    changes.sort_by_key(|change| (!change.is_open(), Reverse(change.opened_at), change.id().to_string()));
    Ok((changes, problems, damaged))
}
