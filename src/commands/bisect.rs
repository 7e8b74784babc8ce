//! `bisect`: finds the commit that made a command slower, by pairs against the good commit.

use clap::Args;
use serde_json::json;

use crate::commands::{Ask, BudgetArgs, Ctx, Pairing, Probes, pair, pairing};
use crate::config::TimingConfig;
use crate::error::{Exit, Result, trouble};
use crate::git::Repo;
use crate::judge::bisect::{Search, agreed};
use crate::judge::compare::{for_metric, pair_rows};
use crate::judge::{Circumstances, Decisive, MetricChange, MetricReadings, Settings, rule, series};
use crate::measure::pair::Versions;
use crate::model::{CommandLine, Criterion, Fix, MetricKind, Outcome, PairSession, short};
use crate::report::{Doc, code, values};

const SCHEMA: &str = "vibeship_optimizer.bisect.v1";

#[derive(Debug, Args)]
pub(crate) struct BisectArgs {
    /// Revision that is fast; the changes since then are looked at along the first parents
    #[arg(long, value_name = "REV")]
    good: String,
    /// Revision that is slow
    #[arg(long, value_name = "REV", default_value = "HEAD")]
    bad: String,
    #[command(flatten)]
    budget: BudgetArgs,
    /// Smallest slowdown that counts, such as 2% [default: the noise floor, or pair.min_effect of the config]
    #[arg(long, value_name = "SHARE")]
    min_effect: Option<String>,
    /// Command that prepares each side, such as a build; a commit where it fails is skipped [default: pair.prepare of
    /// the config, or its build command]
    #[arg(long, value_name = "COMMAND")]
    prepare: Option<String>,
    /// Command to measure; a single argument with spaces runs in a shell [default: the only configured timing]
    #[arg(last = true, value_name = "COMMAND")]
    command: Vec<String>,
}

struct Bisection<'a> {
    ctx: &'a Ctx,
    repo: &'a Repo,
    args: &'a BisectArgs,
    settings: Settings,
    /// The command twice, for two measurements on the same checkouts.
    plans: [TimingConfig; 2],
    good: String,
}

/// Exits with 0 if the commit is found, 1 if the bad revision is not slower, 3 if that is undecided or several commits
/// are left.
pub(crate) fn run(ctx: &Ctx, args: BisectArgs) -> Result<Exit> {
    let repo = ctx.needed_repo("a bisection needs")?;
    let (good, bad) = (repo.resolve_only(&args.good)?, repo.resolve_only(&args.bad)?);
    let commits = commits(repo, &good, &bad)?;
    let mut settings = pair::settings(ctx, args.min_effect.as_deref())?;
    let plan = plan(ctx, &args, &mut settings)?;
    let again = TimingConfig { name: format!("{}-again", plan.name), ..plan.clone() };
    let bisection = Bisection { ctx, repo, args: &args, settings, plans: [plan, again], good };
    let slower = bisection.slower(&bad)?;
    let Some(Some((kind, effect))) = slower else {
        let is_decided = slower.is_some();
        let text = match is_decided {
            true => format!("{} is not slower than {} by more than counts as a change.", args.bad, args.good),
            false => format!("Whether {} is slower than {} is undecided.", args.bad, args.good),
        };
        ctx.say(false, &json!({ "schema": SCHEMA, "first_bad": null, "slower": is_decided.then_some(false) }), &text)?;
        if !is_decided {
            ctx.hint("allow more pairs with --runs and --max-time, or a larger slowdown as --min-effect");
        }
        return Ok(if is_decided { Exit::No } else { Exit::NotYet });
    };
    ctx.ui.tell(&format!("slower by {}; {} commits to look at", values::share(effect), commits.len()));
    let mut search = Search::new(commits.len());
    let mut open = None;
    while let Some(at) = search.next() {
        let commit = &commits[at - 1];
        match bisection.is_slow(commit, kind, effect / 2.0)? {
            Some(Some(slow)) => {
                ctx.ui.tell(&format!("{}: {}", short(commit), if slow { "slow" } else { "fast" }));
                search.is(at, slow);
            }
            Some(None) => {
                ctx.ui.tell(&format!("{}: undecided", short(commit)));
                open = Some(commit.clone());
                break;
            }
            None => search.skip(at),
        }
    }
    bisection.answer(&search, &commits, effect, open.as_deref())
}

fn commits(repo: &Repo, good: &str, bad: &str) -> Result<Vec<String>> {
    if good == bad || !repo.is_ancestor(good, bad)? {
        return Err(trouble("--good has to be an ancestor of --bad, and another commit")
            .fixed_by([Fix::next("", CommandLine::tool("bisect --good OLDER --bad NEWER -- COMMAND"))]));
    }
    let listed =
        repo.git().args(["rev-list", "--first-parent", "--reverse", bad, &format!("^{good}")]).long().text()?;
    Ok(listed.lines().map(str::to_owned).collect())
}

fn plan(ctx: &Ctx, args: &BisectArgs, settings: &mut Settings) -> Result<TimingConfig> {
    if !args.command.is_empty() {
        return pair::typed(ctx, &args.command, settings);
    }
    let configured = pairing::timings(ctx.config()?);
    match <[TimingConfig; 1]>::try_from(configured) {
        Ok([plan]) => Ok(plan),
        Err(several) => {
            let again = CommandLine::tool("bisect").words(["--good", &args.good, "--bad", &args.bad, "--", "COMMAND"]);
            Err(trouble(format!("{} timings are configured, and one is looked for", several.len()))
                .fixed_by([Fix::next("give the command", again)]))
        }
    }
}

impl Bisection<'_> {
    fn pairs(&self, commit: &str, criteria: Vec<Criterion>) -> Result<Pairing> {
        let mut config = self.ctx.config()?.clone();
        config.pair.prepare = self.args.prepare.clone().or(config.pair.prepare);
        let budget = self.args.budget.of(&config)?;
        let ask = Ask::new(&config, Versions::of(&self.good, commit), &self.settings, budget);
        let probes = Probes { commands: self.plans.to_vec(), ..Probes::default() };
        pairing::run(self.ctx, Ask { probes, criteria, ..ask })
    }

    /// The time in which the bad commit is slower, and by what share, if both measurements agree; `Some(None)` if it is
    /// not slower, `None` if a measurement is undecided.
    fn slower(&self, bad: &str) -> Result<Option<Option<(MetricKind, f64)>>> {
        let session = match self.pairs(bad, Vec::new())? {
            Pairing::Measured(session) => session,
            Pairing::Impossible(reason) | Pairing::SameCode(reason) => return Err(trouble(reason)),
        };
        let Some(first) = session.commands.first() else { return Ok(None) };
        let kind = Decisive::of_pairs(first).metric(&first.name).kind().unwrap_or(MetricKind::Wall);
        let mut effects = Vec::new();
        for plan in &self.plans {
            let metric = kind.of(&plan.name);
            let row = pair_rows(&session, &self.settings).into_iter().find(|row| row.metric == metric);
            let why = match row.map(|row| row.change) {
                Some(MetricChange::Regressed(finding)) => {
                    effects.push(finding.estimate.value);
                    continue;
                }
                Some(MetricChange::Improved(_) | MetricChange::NoDifference(_)) => return Ok(Some(None)),
                Some(MetricChange::Inconclusive { .. }) => return Ok(None),
                Some(MetricChange::Invalid { because }) => because.to_string(),
                None => format!("{metric} was not measured"),
            };
            let pair = CommandLine::tool("pair").words(["--before", &self.good, "--after", bad]);
            let typed = (!self.args.command.is_empty()).then_some("--").into_iter();
            let pair = pair.words(typed.chain(self.args.command.iter().map(String::as_str)));
            return Err(trouble(format!("the good and the bad revision cannot be compared: {why}"))
                .fixed_by([Fix::next("see where and how", pair)]));
        }
        let [one, other] = effects[..] else { return Ok(None) };
        Ok(Some(Some((kind, f64::midpoint(one, other)))))
    }

    /// Whether a commit is slower than the good one by more than the share `bound`; `None` if it cannot be measured,
    /// `Some(None)` if no two measurements agree.
    fn is_slow(&self, commit: &str, kind: MetricKind, bound: f64) -> Result<Option<Option<bool>>> {
        let mut verdicts = Vec::new();
        for _ in 0..2 {
            let metrics = self.plans.iter().map(|plan| kind.of(&plan.name));
            let criteria = metrics
                .map(|metric| Criterion::parse(&format!("{metric} > +{:.3}%", bound * 100.0)))
                .collect::<Result<Vec<_>, _>>()?;
            let session = match self.pairs(commit, criteria.clone())? {
                Pairing::Measured(session) => session,
                Pairing::SameCode(_) => return Ok(Some(Some(false))),
                Pairing::Impossible(reason) => {
                    self.ctx.ui.warn(&format!("{} is skipped: {reason}", short(commit)));
                    return Ok(None);
                }
            };
            verdicts.extend(criteria.iter().map(|criterion| self.outcome(&session, criterion)));
            if verdicts.contains(&Outcome::Invalid) {
                self.ctx.ui.warn(&format!("{} is skipped: the command fails there", short(commit)));
                return Ok(None);
            }
            if let Some(slow) = agreed(&verdicts) {
                return Ok(Some(Some(slow)));
            }
        }
        Ok(Some(None))
    }

    fn outcome(&self, session: &PairSession, criterion: &Criterion) -> Outcome {
        let known = Circumstances { min_effect: self.settings.min_effect, ..Circumstances::default() };
        let known = for_metric(&known, &self.settings, &criterion.metric);
        let all = series::pair_metrics(session);
        let reading = all.get(&criterion.metric);
        reading.map_or(Outcome::Invalid, |it| rule::judge(criterion, MetricReadings::of_pairs(it), &known).outcome())
    }

    fn answer(&self, search: &Search, commits: &[String], effect: f64, open: Option<&str>) -> Result<Exit> {
        let suspects: Vec<&String> = commits[search.suspects().start() - 1..*search.suspects().end()].iter().collect();
        let subject = |commit: &str| self.repo.git().args(["log", "-1", "--format=%h %s", commit]).line();
        let found = suspects.len() == 1;
        let mut doc = Doc::new();
        if found {
            let made = format!(" made it slower, by {} in all.", values::share(effect));
            doc.paragraph(code(subject(suspects[0])?).plain(made));
            let error = values::plain_share(search.error());
            doc.paragraph(format!("Another commit did with a probability of at most {error}."));
        } else {
            let why = open.map_or("could not be measured", |_| "stays undecided with so many pairs (--runs)");
            doc.paragraph(format!("One of {} commits made it slower; what is between them {why}:", suspects.len()));
            doc.list(suspects.iter().map(|commit| Ok(code(subject(commit)?))).collect::<Result<Vec<_>>>()?);
        }
        let value = json!({
            "schema": SCHEMA,
            "first_bad": if found { Some(suspects[0]) } else { None },
            "slower": true,
            "suspects": suspects,
            "effect": effect,
            "error_rate": search.error(),
        });
        self.ctx.answer(false, &value, &doc)?;
        Ok(if found { Exit::Yes } else { Exit::NotYet })
    }
}
