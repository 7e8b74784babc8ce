//! The fixes for each finding, in the order to apply them; these avoid rewriting history where possible.

use crate::audit::{Finding, FindingKind, Severity};
use crate::model::{
    ChangeId, CommandLine, Fix, FixContext, How, WHAT_CHANGED, WHAT_HAPPENED, fix, is_page, own, short,
};

impl Finding {
    /// The fixes; empty if none applies in every case.
    pub(crate) fn fixes(&self, ctx: &FixContext) -> Vec<Fix> {
        if let Some(id) = &self.measured {
            let end = |verb: &str| fix::on(id, verb).ask("--reason", "WHY");
            return vec![
                Fix::next("end that change, and measure it again in another one", end("change hold")),
                Fix::or("the same once it is rolled out", end("change rollback")),
            ];
        }
        if self.is_unsaved(ctx) {
            return vec![Fix::next(
                "its record is further here than in the commit: commit it",
                ctx.commit_own("Evidence"),
            )];
        }
        let commit = self.commit.as_ref().map_or_else(|| "COMMIT".to_owned(), |commit| short(&commit.id));
        let fixes = FindingFixes { finding: self, commit, ctx };
        fixes.of(&self.what)
    }

    /// Whether the finding may be due to uncommitted events of the record.
    fn is_unsaved(&self, ctx: &FixContext) -> bool {
        let lacks = matches!(
            self.what,
            FindingKind::CommitWithoutId { .. }
                | FindingKind::UnknownId { .. }
                | FindingKind::GateNotReached { .. }
                | FindingKind::CommitNotValidated { .. }
                | FindingKind::NotReverted { .. }
        );
        let is_of = |(id, commits): &(ChangeId, Vec<String>)| {
            let named = matches!(&self.what, FindingKind::UnknownId { id: named } if named == id);
            let commit = self.commit.as_ref().is_some_and(|commit| commits.contains(&commit.id));
            named || commit || self.change.as_ref() == Some(id)
        };
        lacks && ctx.unsaved.iter().any(is_of)
    }
}

fn target_of(subject: &str) -> &str {
    let mut rest = subject;
    while let Some(shorter) = ["fixup! ", "squash! ", "amend! "].iter().find_map(|mark| rest.strip_prefix(mark)) {
        rest = shorter;
    }
    rest
}

fn literal(text: &str) -> String {
    let escaped = |c: char| if ".[]*^$+?(){}|\\".contains(c) { format!("\\{c}") } else { c.to_string() };
    text.chars().map(escaped).collect()
}

struct FindingFixes<'a> {
    finding: &'a Finding,
    commit: String,
    ctx: &'a FixContext,
}

impl FindingFixes<'_> {
    #[expect(clippy::too_many_lines, reason = "one exhaustive match")]
    fn of(&self, kind: &FindingKind) -> Vec<Fix> {
        let (commit, ctx) = (&self.commit, self.ctx);
        let (revert, merged) = (|| self.revert(), || CommandLine::git("revert -m 1").word(commit));
        let rollback = |id: &ChangeId| fix::with_reason(id, "rollback");
        let relink = |id: &ChangeId| fix::on(id, "change relink");
        let remeasure = |id: &ChangeId| CommandLine::tool("check --remeasure").word(id.as_str());
        let path = self.finding.path.as_deref().unwrap_or_default();
        let away = || CommandLine::new("mv").words([path, ".."]);
        // Reverting a revert would bring the change back; an inexact revert has a finding of its own.
        let takes_back = self.finding.commit.as_ref().is_some_and(|commit| commit.subject.starts_with("Revert \""));
        match kind {
            FindingKind::ManyCommits { .. }
            | FindingKind::CommitNotValidated { .. }
            | FindingKind::NotReverted { .. }
                if takes_back =>
            {
                Vec::new()
            }
            // A project within this one answers for its own commits.
            FindingKind::UnknownId { .. } | FindingKind::CommitWithoutId { newly_exempt: false, .. }
                if own::inner_root(path).is_some() =>
            {
                let root = own::inner_root(path).unwrap_or_default();
                let what = format!("if {root} is a project of its own, exempt its directory");
                let line = format!("- {{paths: [\"{root}**\"], reason: \"a project of its own\"}}");
                vec![Fix::edit(How::Next, &what, "the config", "enforcement.exempt", &line)]
            }
            FindingKind::RevertNotExact { reverted, .. } => {
                let both = revert().and(CommandLine::git("revert").word(short(reverted)));
                vec![Fix::next("take back that commit and nothing else", both)]
            }
            FindingKind::CommitWithoutId { newly_exempt: true, .. } => {
                let first = "merge the commit that changed the config first, by itself; then this range is exempt";
                vec![Fix::decide(How::Next, first)]
            }
            FindingKind::CommitWithoutId { newly_exempt: false, may_be_older } => {
                let older = may_be_older.then(|| fix::since(How::Next, commit));
                let others = [
                    self.relink_commit(),
                    Fix::or("revert it, then redo it under a tracked change", revert()),
                    fix::exempt(),
                ];
                older.into_iter().chain(others).collect()
            }
            FindingKind::TuneablesUntracked { .. } => {
                let start = fix::start().words(["--class", "tuneable"]);
                let again = Fix::or("revert it, then redo it under a tracked change", revert().and(start));
                vec![self.relink_commit(), again, fix::exempt()]
            }
            FindingKind::EnvOverrideUndocumented { .. } => {
                let start = CommandLine::tool("change start --class emergency").ask("--incident", WHAT_HAPPENED);
                let start = start.words(["--expires", "DATE"]).ask("--title", fix::SHORT_HYPOTHESIS);
                vec![Fix::next("", revert().and(start)), fix::exempt()]
            }
            FindingKind::MalformedId { .. } => self.other_trailer(Fix::next),
            FindingKind::UnknownId { id } => {
                let record = Fix::next(
                    "commit its record where the change was opened",
                    ctx.commit_own(&format!("Record of {id}")),
                );
                std::iter::once(record).chain(self.other_trailer(Fix::or)).chain(self.backport()).collect()
            }
            FindingKind::SeveralIds { .. } => {
                let again = "merge the branch again without squashing: each change is a commit of its own";
                vec![Fix::next("take it back", revert()), Fix::decide(How::Then, again)]
            }
            FindingKind::ManyCommits { .. } => {
                vec![Fix::next("revert it, then make one commit for each change", revert())]
            }
            FindingKind::MergeBringsContent { conflict: true, back, .. } => {
                let see = CommandLine::git("show --remerge-diff").word(commit);
                let out = back.then(|| Fix::then("take out all that it merged", merged()));
                [Fix::next("see how the conflicts were resolved", see)].into_iter().chain(out).collect()
            }
            FindingKind::MergeBringsContent { back: true, .. } => {
                let see = CommandLine::git("diff").words([format!("{commit}^1"), commit.to_owned()]);
                vec![Fix::next("see what it brings", see), Fix::then("take out all that it merged", merged())]
            }
            FindingKind::MergeBringsContent { conflict: false, new_file, .. } => {
                let again = CommandLine::git("reset --keep").word(format!("{commit}^1"));
                // An imported history has no merge base, so that a plain merge fails.
                let related = CommandLine::git("merge-base").words([format!("{commit}^1"), format!("{commit}^2")]);
                let again = if *new_file { related.and(again) } else { again };
                let again = again.and(CommandLine::git("merge --no-edit").word(format!("{commit}^2")));
                let what = "while it is the last commit and not pushed, merge again with nothing else in it";
                vec![Fix::next(what, again), Fix::or("take out all that it merged", merged())]
            }
            FindingKind::FixupLeft { .. } => {
                let subject = self.finding.commit.as_ref().map(|commit| commit.subject.as_str()).unwrap_or_default();
                let squash = CommandLine::git("-c sequence.editor=true rebase -i --autosquash");
                let squash = squash.word(format!("{commit}^{{/^{}}}~1", literal(target_of(subject))));
                vec![Fix::next("before pushing", squash)]
            }
            FindingKind::RecordRemoved => self.bring_back_removed(),
            FindingKind::RecordRewritten { days: true, .. } | FindingKind::RecordForked { .. } => {
                let join = |id: &ChangeId| vec![Fix::next("record the days of both", fix::on(id, "change relink"))];
                let commit = Fix::then("", ctx.commit_own("Join the record"));
                self.of_change(join).into_iter().chain([commit]).collect()
            }
            FindingKind::RecordUnreadable { conflicted: true, .. } => {
                vec![Fix::next("record what both sides recorded", CommandLine::tool("change relink"))]
            }
            FindingKind::RecordRewritten { .. } => {
                let checkout = CommandLine::git("checkout").words([self.from(), "--", path]);
                vec![Fix::next("", checkout.and(CommandLine::git("commit -m").word("Restore the record")))]
            }
            FindingKind::RecordMissing => vec![Fix::next("", fix::restore(path))],
            FindingKind::RecordUnreadable { kept_in: None, .. } => {
                vec![Fix::next("no commit has it as a record: move it out of the project", away())]
            }
            // Correcting the record in a later commit would count as rewriting it.
            FindingKind::RecordUnlawful { .. }
            | FindingKind::RecordFromFuture { .. }
            | FindingKind::RecordBeforeCommit { .. }
            | FindingKind::RecordBackdated { .. } => vec![
                Fix::next(
                    "find the commit that added the event",
                    CommandLine::git("log --stat --oneline --").word(path),
                ),
                Fix::then(
                    "if it holds nothing but evidence, take it out of the branch",
                    CommandLine::git("rebase --onto COMMIT~1 COMMIT"),
                ),
            ],
            FindingKind::ArtifactMissing { uncommitted: true, .. } => vec![Fix::next("", ctx.commit_own("Evidence"))],
            FindingKind::RecordUnreadable { kept_in: Some(commit), .. }
            | FindingKind::ArtifactMissing { kept_in: Some(commit), .. }
            | FindingKind::ArtifactAltered { kept_in: Some(commit), .. } => {
                let checkout = CommandLine::git("checkout").words([commit, "--", path]);
                let restore = Fix::next("restore it as it was recorded", checkout);
                let record = CommandLine::git("commit -m").words(["Restore the evidence", "--", path]);
                let record = (commit != fix::HEAD).then(|| Fix::then("", record));
                std::iter::once(restore).chain(record).collect()
            }
            FindingKind::ArtifactMissing { .. } | FindingKind::ArtifactAltered { .. } if is_page(path) => {
                vec![Fix::next("no commit has it: render it again", CommandLine::tool("doctor --apply"))]
            }
            FindingKind::ArtifactMissing { .. } | FindingKind::ArtifactAltered { .. } => self.of_change(|id| {
                vec![Fix::next("no commit has it: see what the change still can be", fix::on(id, "status"))]
            }),
            FindingKind::DaysUnwitnessed { .. } => {
                vec![Fix::decide(How::Next, "from now on, measure what the branch has, and commit it on the same day")]
            }
            FindingKind::EvidenceIgnored => vec![Fix::next("", CommandLine::git("add --force").word(path))],
            FindingKind::EvidenceSetAside => {
                let record = |id: &ChangeId| {
                    let record = format!(".vibeship-optimizer/changes/{id}.json");
                    let log = CommandLine::git("log --oneline --all --").word(record);
                    let remove = CommandLine::new("rm").word(path);
                    vec![
                        Fix::next(
                            format!("see whether the record was reset to an earlier version, and read {path}"),
                            log,
                        ),
                        Fix::or("if there is nothing in it", remove),
                    ]
                };
                self.of_change(record)
            }
            FindingKind::EvidenceUnknown => vec![
                Fix::decide(How::Next, "restore the record that it belongs to"),
                Fix::or("if there is none, move it out of the project", away()),
            ],
            FindingKind::GateNotReached { end: Some(_), .. } => {
                self.either(("it has ended: revert its commit", fix::take_out), ("take it up again", fix::start_from))
            }
            FindingKind::GateNotReached { missing, end: None } => self.run(|id| ctx.gate(id, *missing)),
            // A squashed commit may contain record and evidence too, which a plain revert would remove.
            FindingKind::NotReverted { known: true, .. } => self.run(fix::take_out),
            FindingKind::NotReverted { known: false, .. } => vec![Fix::next("", revert())],
            FindingKind::PolicyLoosened { .. } => self.of_change(|id| {
                let again = "revert the commit and start a new change; the record cannot be repaired";
                let show = fix::show(id);
                vec![Fix::next("", show), Fix::decide(How::Then, again)]
            }),
            FindingKind::CommitNotValidated { .. } | FindingKind::RelinkUnproven { .. } => {
                self.either(("", relink), ("if it is another change, revert it", |_| revert()))
            }
            FindingKind::BaselineNotFirst { .. } | FindingKind::EvidenceAfterTheFact { .. } => vec![
                Fix::next("", revert()),
                Fix::then("measure its baseline, then make the change again", fix::start()),
            ],
            FindingKind::VerdictsDiffer { .. } => self.either(
                ("compare again, where nothing was altered but the comparison", |id| fix::on(id, "compare")),
                ("else give the change up, and measure it anew", rollback),
            ),
            FindingKind::ReportDiffers { .. } if path.ends_with("OPTIMIZER.md") || path.ends_with("CHECKER.md") => {
                let doctor = Fix::next("write the sections again", CommandLine::tool("doctor --apply"));
                vec![doctor, Fix::then("", ctx.commit_own("Logbook"))]
            }
            FindingKind::ReportDiffers { .. } => self.run(fix::show),
            FindingKind::ChangeNotHere { taken_back: true } => {
                self.of_change(|id| vec![Fix::next("record that it was taken out", rollback(id))])
            }
            FindingKind::ChangeNotHere { taken_back: false } => self.either(
                ("bring its commit here, or find it under its new hash", relink),
                ("if it was given up", rollback),
            ),
            FindingKind::EventUnsigned { .. } => vec![
                Fix::edit(How::Next, "let every event be signed from now on", "the config", "sign", "ssh"),
                Fix::next("see who may sign with ssh", CommandLine::git("config gpg.ssh.allowedSignersFile")),
                Fix::or("with gpg, whose public keys are known here", CommandLine::new("gpg").word("--list-keys")),
            ],
            FindingKind::RemeasuredDifferently { .. } => self.either(
                ("measure it on another machine", remeasure),
                ("if the difference stands, take it out", fix::take_out),
            ),
            FindingKind::NotRemeasured { .. } => self.run(remeasure),
            FindingKind::ClassNeverPasses { .. } => {
                self.run(|id| revert().and(fix::start().words(["--from", id.as_str()])))
            }
            FindingKind::WrongClass { .. } => {
                vec![Fix::next("", revert()), Fix::then("see where it belongs", CommandLine::tool("route --hierarchy"))]
            }
            FindingKind::ContractWithoutDocs { .. } => {
                vec![Fix::next("revert it, then make the same change with its documents and tests", revert())]
            }
            FindingKind::EnvOverrideExpired { .. } => {
                let follow_up = |id: &ChangeId| fix::on(id, "change follow-up").words(["--by", "CHANGE-ID"]);
                self.either(("name the change that takes it over", follow_up), ("take the override out", rollback))
            }
            FindingKind::PromotedWithoutLiveCheck { .. } => vec![Fix::edit(
                How::Next,
                "let a stage check the guardrails before the full rollout",
                "the config",
                "rollout.stages",
                "- {name: canary, check: COMMAND}\n- {name: full}",
            )],
            // `change show` tells whether the record can be continued.
            FindingKind::RecordUnproven => self.run(fix::show),
            FindingKind::Budget { .. } if self.finding.level < Severity::Fail => Vec::new(),
            FindingKind::Budget { changes, .. } => {
                let show = |id: &ChangeId| Fix::next("what costs most: win it back, or take it out", fix::show(id));
                let larger =
                    Fix::decide(How::Or, "have the budget raised in the config, in a reviewed commit of its own");
                changes.first().map(show).into_iter().chain([larger]).collect()
            }
            FindingKind::PolicyChanged { judged: true, .. } => vec![
                Fix::decide(How::Next, "merge the config change first, in a reviewed pull request of its own"),
                Fix::decide(How::Then, "measure the change on top of it"),
            ],
            FindingKind::PolicyChanged { judged: false, .. } => {
                vec![Fix::decide(How::Next, "have the changed requirements reviewed by their owner")]
            }
        }
    }

    /// Reverts the commit. Records and evidence in it stay.
    fn revert(&self) -> CommandLine {
        let work = &self.ctx.uncommitted;
        match self.finding.commit.as_ref().filter(|commit| work.with_own.contains(&commit.id)) {
            Some(commit) => work.take_back(&commit.id, &commit.subject),
            None => CommandLine::git("revert").word(&self.commit),
        }
    }

    fn relink_commit(&self) -> Fix {
        let relink = CommandLine::tool("change relink").word(&self.commit);
        Fix::next("if it is the commit of a change after a squash, rebase or amend", relink)
    }

    /// Replaces the trailer; adding one would leave the wrong one in place.
    fn other_trailer(&self, how: fn(&'static str, CommandLine) -> Fix) -> Vec<Fix> {
        let amend = CommandLine::git("-c trailer.ifexists=replace commit --amend --no-edit");
        let amend = how("if the id is mistyped", self.ctx.with_trailer(amend, "CHANGE-ID"));
        let revert = self.revert();
        if !self.ctx.uncommitted.may_amend(Some(&self.commit), None) {
            return vec![how("revert it, and make it again with the id of a change", revert)];
        }
        vec![amend, Fix::or("revert it", revert)]
    }

    /// Makes a commit that was picked from another branch, where it was measured, a change of this one.
    fn backport(&self) -> [Fix; 2] {
        let out = CommandLine::git("revert --no-edit").word(&self.commit);
        let made = self.ctx.with_trailer(CommandLine::git("commit").ask("-m", WHAT_CHANGED), "CHANGE-ID");
        let picked = "if it was picked from another branch: revert it, and open a change of this one";
        [
            Fix::or(picked, out.and(fix::start())),
            Fix::then("after its baseline, apply it again", self.ctx.uncommitted.again(&self.commit).and(made)),
        ]
    }

    fn bring_back_removed(&self) -> Vec<Fix> {
        let from = self.from();
        let removed = CommandLine::git("diff -z --relative --name-only --diff-filter=D").words([from, "HEAD", "--"]);
        let removed = removed.words([".vibeship-optimizer", "reports", "VIBESHIP_OPTIMIZER.md"]);
        let checkout = CommandLine::new("xargs").words(["-0", "git", "checkout", from, "--"]);
        let commit = CommandLine::git("commit -m").word("Restore the record and its evidence");
        vec![Fix::next("", removed.pipe(checkout).and(commit))]
    }

    fn from(&self) -> &str {
        if self.finding.commit.is_some() { &self.commit } else { "BASE" }
    }

    /// Two ways out for the change.
    fn either(
        &self,
        next: (&str, impl Fn(&ChangeId) -> CommandLine),
        or: (&str, impl Fn(&ChangeId) -> CommandLine),
    ) -> Vec<Fix> {
        self.of_change(|id| vec![Fix::next(next.0, next.1(id)), Fix::or(or.0, or.1(id))])
    }

    fn of_change(&self, fixes: impl Fn(&ChangeId) -> Vec<Fix>) -> Vec<Fix> {
        self.finding.change.as_ref().map(fixes).unwrap_or_default()
    }

    fn run(&self, command: impl Fn(&ChangeId) -> CommandLine) -> Vec<Fix> {
        self.of_change(|id| vec![Fix::next("", command(id))])
    }
}
