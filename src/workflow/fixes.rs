//! Fixes shared by several reasons for a refusal, or longer than a line of `reason.rs`.

use crate::model::{
    Class, CommandLine, DeltaCommit, Fix, FixContext, Gate, How, Part, Rehearsal, Surface, Uncommitted, fix, short,
};
use crate::workflow::Change;
use crate::workflow::demand_fixes::{next_stage, not_in_effect, revert, take_out};

pub(crate) struct RefusalFixes<'a> {
    pub(crate) gate: Gate,
    pub(crate) change: &'a Change,
    pub(crate) ctx: &'a FixContext,
}

impl RefusalFixes<'_> {
    /// Ends the change: rejects it, or rolls it back if it is rolled out.
    pub(crate) fn reject(&self, purpose: &str) -> Fix {
        let reject = || fix::with_reason(self.change.id(), "reject");
        Fix::or(purpose, if self.change.rollout.is_empty() { reject() } else { take_out(self.change, None) })
    }

    pub(crate) fn passed_already(&self) -> Vec<Fix> {
        let rolled_out = self.gate == Gate::Decide && self.change.is_open() && !self.change.rollout.is_empty();
        let back = rolled_out.then(|| Fix::or("go back", take_out(self.change, None)));
        std::iter::once(self.status("")).chain(back).collect()
    }

    pub(crate) fn status(&self, purpose: &str) -> Fix {
        Fix::next(purpose, fix::on(self.change.id(), "status"))
    }

    /// Combines several commits into one or, where they may not be rewritten, reverts all but the first.
    pub(crate) fn one_of_many(&self, commits: &[DeltaCommit], at_tip: bool) -> Vec<Fix> {
        if at_tip {
            // `-C` reuses the message of the first commit.
            let first = first_of(commits);
            let commit = self.ctx.with_trailer(CommandLine::git("commit -C").word(&first), self.change.id());
            let one = [Fix::next("make one commit of them", reset(&first).and(commit)), self.again("")];
            let exempt = commits.iter().any(|commit| commit.change_ids.is_empty()).then(fix::exempt);
            return one.into_iter().chain(exempt).collect();
        }
        let later = commits.iter().skip(1).rev().map(|commit| short(&commit.sha));
        let revert = CommandLine::git("revert --no-edit").words(later);
        vec![
            Fix::next("take back all but the first, each of which can be a change of its own", revert),
            self.again(""),
            self.reject("drop it, and start over with one of them"),
        ]
    }

    pub(crate) fn without_code(&self, files: &[String], own: Option<&str>) -> Vec<Fix> {
        let route = CommandLine::tool("route --hierarchy");
        let keep = CommandLine::git("branch").word(format!("code-beside-{}", self.change.id()));
        let restore = CommandLine::git("restore --source=HEAD~1 --staged --worktree --");
        let without = keep.and(restore.words(files)).and(CommandLine::git("commit --amend --no-edit"));
        let amend = [Fix::next("take the code out, and keep it on a branch", without), self.again("")];
        let amend =
            Some(amend).filter(|_| self.ctx.uncommitted.may_amend(own, Some(self.change.id()))).into_iter().flatten();
        let rest = [
            self.reject("drop it and open it again with --class code, which tests it"),
            Fix::or("where a file holds tuneables alone, name it in surfaces.tuneables", route),
        ];
        amend.chain(rest).collect()
    }

    pub(crate) fn in_another_class(&self, surface: Surface) -> Vec<Fix> {
        let class = if surface == Surface::Tuneables { Class::Tuneable } else { Class::Code };
        let again = fix::start_from(self.change.id()).words(["--class", class.name()]);
        vec![
            Fix::next("drop it", fix::with_reason(self.change.id(), "reject")),
            Fix::then("take it up again in the class that owns these files", again),
        ]
    }

    pub(crate) fn foreign(&self, commit: &DeltaCommit) -> Vec<Fix> {
        let baseline = || fix::baseline(self.change.id());
        let revert = CommandLine::git("revert --no-edit").word(short(&commit.sha)).and(baseline());
        let amend = CommandLine::git("-c trailer.ifexists=replace commit --amend --no-edit");
        let amend = self.ctx.with_trailer(amend, self.change.id()).and(self.pass(self.gate));
        let amend = self
            .ctx
            .uncommitted
            .may_amend(Some(&commit.sha), Some(self.change.id()))
            .then(|| Fix::next("if its id is mistyped", amend));
        let how = if amend.is_some() { Fix::or } else { Fix::next };
        let again = Fix::or("revert it, retake the baseline, and make it again with the right id", revert);
        amend.into_iter().chain([how("retake the baseline with it included", baseline()), again]).collect()
    }

    pub(crate) fn shared(&self, commit: &DeltaCommit, at_tip: bool) -> Vec<Fix> {
        let (id, sha) = (self.change.id(), short(&commit.sha));
        if !at_tip {
            return self.made_again("take it back", "names this change alone", std::slice::from_ref(commit));
        }
        let others = commit.change_ids.iter().filter(|it| *it != id.as_str());
        let lines = others.flat_map(|other| ["-e".to_owned(), format!("{}: {other}", self.ctx.trailer)]);
        let message = CommandLine::git("log -1 --format=%B").word(&sha);
        let message = message.pipe(CommandLine::new("grep").word("-vxF").words(lines));
        let alone = reset(&sha).and(message.pipe(CommandLine::git("commit -F -")));
        vec![Fix::next("while it is not pushed, let it name this change alone", alone), self.again("")]
    }

    /// Reverts commits, given oldest first, and makes them again as one that has the id.
    fn made_again(&self, purpose: &str, how: &str, commits: &[DeltaCommit]) -> Vec<Fix> {
        let shas = || commits.iter().map(|commit| short(&commit.sha));
        let again = CommandLine::git("cherry-pick --no-commit").words(shas()).and(self.ctx.commit(self.change.id()));
        vec![
            Fix::next(purpose, CommandLine::git("revert --no-edit").words(shas().rev())),
            Fix::then(format!("make it again in a commit that {how}"), again),
            self.again(""),
        ]
    }

    /// Commits without an id that others have, too: one of them may be the change.
    pub(crate) fn named_none(&self, commits: &[DeltaCommit]) -> Vec<Fix> {
        let (id, files) = (self.change.id(), &self.ctx.uncommitted);
        let mut steps = match commits {
            [only] if files.may_amend(Some(&only.sha), Some(id)) => {
                let amend = self.ctx.with_trailer(CommandLine::git("commit --amend --no-edit"), id);
                vec![Fix::next("if that is the change: add its id", amend), self.again("")]
            }
            commits => self.made_again("if that is the change: take it back", "has its id", commits),
        };
        steps.push(Fix::or("if it is other work: make the change, then commit it", self.ctx.commit(id)));
        steps
    }

    pub(crate) fn in_effect_again(&self, reverted: bool, files: &[String]) -> Vec<Fix> {
        if reverted || !matches!(self.gate, Gate::Compare | Gate::Decide) {
            return not_in_effect(self.change, reverted, files, self.measured_again());
        }
        vec![
            Fix::next("validate what is there now, and measure it", self.pass(Gate::Validate)),
            Fix::or("check out the branch that has the commit, then", self.pass(self.due(self.gate))),
        ]
    }

    /// Undoes a change whose rollback was recorded, but which is still in effect.
    pub(crate) fn taken_back(&self) -> Vec<Fix> {
        let after = fix::after(self.change.id());
        if self.change.commits_to_revert().is_empty() {
            return vec![Fix::next("put the old values back, then", after)];
        }
        vec![Fix::next("revert it", revert(self.change)), Fix::then("", after)]
    }

    pub(crate) fn unrehearsed(&self, rehearsal: &Rehearsal) -> Fix {
        let purpose = match rehearsal {
            Rehearsal::Conflicts { paths } if !paths.is_empty() => {
                let since = self.change.commits().last().map(|commit| format!("{}..", short(commit)));
                let log = CommandLine::git("log --oneline").words(since).word("--");
                let log = log.words(paths.iter().map(|it| format!(":(top){it}")));
                let what = "see which later commits build on it: it can be promoted once these are taken back";
                return Fix::next(what, log);
            }
            // The checks ran in a checkout of tracked files only.
            Rehearsal::ChecksFail { .. } => "let them pass on a clean checkout without the change, then",
            Rehearsal::Applies { .. } | Rehearsal::Conflicts { .. } | Rehearsal::NotApplicable => {
                "make the commit revert cleanly, then"
            }
        };
        Fix::next(purpose, self.pass(Gate::Validate))
    }

    pub(crate) fn end_instead(&self) -> Vec<Fix> {
        let id = self.change.id();
        if self.change.is_open() {
            return vec![Fix::next("end it instead", fix::with_reason(id, "reject"))];
        }
        vec![Fix::next("if a commit with its id is in the history, revert it", revert(self.change))]
    }

    pub(crate) fn pass(&self, gate: Gate) -> CommandLine {
        match (gate, self.ctx.proposed.stage) {
            (Gate::Contract, _) => self.contract(&self.change.contract.missing()),
            (Gate::Rollout, None) => fix::rollout(self.change.id(), next_stage(self.change)),
            (gate, _) => self.ctx.gate(self.change.id(), gate),
        }
    }

    /// Retries the step; for verification, measures a day first, as what was measured meanwhile was not the change.
    pub(crate) fn measured_again(&self) -> Fix {
        if self.gate == Gate::Verify {
            let tick = fix::on(self.change.id(), "monitor tick");
            return Fix::then("", if self.ctx.proposed.force { tick.word("--force") } else { tick });
        }
        self.again("")
    }

    /// Stashes only the edited files of the change, as stashing everything would include the record.
    pub(crate) fn undone(&self, files: &[String]) -> Vec<Fix> {
        if let Some(operation) = self.ctx.uncommitted.operation {
            let rollback = Fix::or("if it is to be taken out", revert(self.change));
            return operation.end_first(self.measured_again()).into_iter().chain([rollback]).collect();
        }
        let mut work = self.ctx.uncommitted.clone();
        work.paths = files.iter().map(|path| format!("{}{path}", work.prefix)).collect();
        work.hidden.retain(|path| work.paths.contains(path));
        work.submodules.retain(|path| work.paths.contains(path));
        let stash = Fix::next(work.stashing(), work.stash());
        let back = self.bring_back_of(&work);
        if self.gate == Gate::Rollout {
            // A submodule that is left at the change's commit is no work.
            let back = (work.paths != work.submodules).then_some(back);
            let commit = work.commit_work().map(|it| Fix::or("commit it, if it is part of the rollback", it));
            return [stash, Fix::then("", fix::after(self.change.id()))]
                .into_iter()
                .chain(back)
                .chain(commit)
                .collect();
        }
        let rollback = Fix::or("if it was taken out", fix::with_reason(self.change.id(), "rollback"));
        let verify = self.ctx.proposed.verify.then(|| Fix::then("", fix::verify(self.change.id())));
        let steps = [stash, self.measured_again()].into_iter().chain(verify);
        steps.chain([back, rollback]).collect()
    }

    fn bring_back(&self) -> Fix {
        self.bring_back_of(&self.ctx.uncommitted)
    }

    /// Pops the stash; until the comparison is done, as a note only, as the work would block the next step.
    fn bring_back_of(&self, work: &Uncommitted) -> Fix {
        let pop = work.bring_back();
        match self.gate {
            Gate::Validate | Gate::After | Gate::Compare => {
                Fix::decide(How::Next, format!("once it is compared, `{pop}` brings the work back"))
            }
            Gate::Open | Gate::Contract | Gate::Baseline | Gate::Decide | Gate::Rollout | Gate::Verify => {
                Fix::then("bring the work back", pop)
            }
        }
    }

    /// A promoted change cannot be validated again, so new values mean that it is rolled back.
    pub(crate) fn other_tuneables(&self) -> Vec<Fix> {
        let purpose = "set them to what was validated, or unset the variable that overrides them, then".to_owned();
        let again = Fix { how: How::Next, purpose, ..self.measured_again() };
        let other = match self.change.promotion {
            Some(_) => Fix::or("if it is to be taken out", fix::with_reason(self.change.id(), "rollback")),
            None => Fix::or("validate the new values", self.pass(Gate::Validate)),
        };
        vec![again, other]
    }

    pub(crate) fn again(&self, purpose: &str) -> Fix {
        Fix::then(purpose, self.pass(self.gate))
    }

    pub(crate) fn contract(&self, parts: &[Part]) -> CommandLine {
        self.ctx.contract(self.change.id(), self.change.opened.class, parts)
    }

    /// The first gate before `gate` that was not passed, which has to be passed first, or else `gate` itself.
    pub(crate) fn due(&self, gate: Gate) -> Gate {
        let shut = |earlier: &&Gate| **earlier < gate && !self.change.passed(**earlier);
        self.change.opened.class.gates().iter().find(shut).copied().unwrap_or(gate)
    }

    pub(crate) fn other_change(&self) -> Vec<Fix> {
        let (id, open) = (self.change.id(), self.change.is_open());
        let is_experiment = self.change.opened.class == Class::Experiment;
        if open && !is_experiment {
            return vec![self.status("")];
        }
        if !is_experiment {
            let again = Fix::or("take this one up again, with its contract", fix::start_from(id));
            return vec![Fix::next("open another change", fix::start()), again];
        }
        let from = fix::start().words(["--class", "code", "--from", id.as_str()]);
        let hold = open.then(|| Fix::next("end the experiment", fix::with_reason(id, "hold")));
        hold.into_iter().chain([Fix::next("open a change from the experiment", from)]).collect()
    }

    pub(crate) fn start_over(&self, purpose: &str) -> Vec<Fix> {
        let id = self.change.id();
        vec![
            Fix::next(purpose, fix::with_reason(id, "reject")),
            Fix::then("with the same contract", fix::start_from(id)),
        ]
    }

    pub(crate) fn too_early(&self, commits: &[DeltaCommit], at_tip: bool) -> Vec<Fix> {
        if !at_tip {
            return self.start_over("others build on them: start over, and bring them again after the next baseline");
        }
        let (id, first) = (self.change.id(), first_of(commits));
        // Nothing can be lost: the branch keeps the commits, and the stash keeps the work.
        let keep = CommandLine::git("branch").word(format!("made-too-early-{id}"));
        let stashed = keep.and(reset(&first)).and(self.ctx.uncommitted.stash_all());
        // `-C` reuses the message of the first commit.
        let again = CommandLine::git("stash pop").and(self.ctx.uncommitted.add_all());
        let again = again.and(self.ctx.with_trailer(CommandLine::git("commit --reset-author -C").word(first), id));
        vec![
            Fix::next("save the commits on a branch and stash the change", stashed),
            Fix::then("measure without it", fix::baseline(id)),
            Fix::then("bring it back as one commit", again),
        ]
    }

    pub(crate) fn nothing_made(&self) -> Vec<Fix> {
        let commit = self.ctx.commit(self.change.id());
        if let Some(operation) = self.ctx.uncommitted.operation {
            return operation.end_first(self.again(""));
        }
        if self.change.is_outside_git() {
            return vec![Fix::next("make the one change, then", self.pass(self.gate))];
        }
        if self.change.opened.class == Class::Tuneable {
            let set = Fix::next("set the tuneable to its new value, then", self.pass(self.gate));
            return vec![set, Fix::or("where git has its file, commit it first", commit)];
        }
        vec![Fix::next("make the one change, then commit it", commit), self.again("")]
    }

    pub(crate) fn redefined(&self, alone: bool) -> Vec<Fix> {
        if alone {
            let again = "nothing of the change is made yet: take the baseline again, by the new config";
            return vec![Fix::next(again, fix::baseline(self.change.id()))];
        }
        let diff = CommandLine::git("diff").words(self.change.baseline_commit().map(short));
        let diff = diff.words(["--", ".vibeship-optimizer/config.yml", "vibeship_optimizer.yml"]);
        vec![
            Fix::next("see what changed", diff),
            self.again("put it back, then"),
            self.reject("drop the change, commit the new config, and start over: the next baseline fixes it"),
        ]
    }

    /// Deals with uncommitted files. `own` is the change's own commit; it is only replaced if it is the last one
    /// (`at_tip`), as amending would otherwise alter the baseline's commit or one with evidence.
    pub(crate) fn dirty(&self, own: Option<&str>, at_tip: bool) -> Vec<Fix> {
        let made_over = own.filter(|_| at_tip);
        let (id, files) = (self.change.id(), &self.ctx.uncommitted);
        if let Some(operation) = files.operation {
            return operation.end_first(self.again(""));
        }
        if let Some(ignore) = files.ignore(&files.built) {
            let built = "let git ignore build output and local files in this clone";
            return vec![Fix::next(built, ignore), self.again("")];
        }
        let local = || files.ignore(&files.ignores).map(|it| Fix::or("if it is built or local: let git ignore it", it));
        let one = |sha: &str| reset(&short(sha)).and(self.ctx.commit(id));
        // After the baseline, the setup must stay as it was or be committed separately.
        if let (false, Some(stash)) = (self.gate == Gate::Baseline, files.stash_setup()) {
            let commit =
                files.commit_setup().map(|it| Fix::or("commit it, where it alters nothing of this change", it));
            let aside = [Fix::next("stash the edit", stash), self.again(""), self.bring_back()];
            return aside.into_iter().chain(commit).collect();
        }
        match (self.gate, made_over) {
            (Gate::Baseline, _) => {
                let setup = files.commit_setup().map(|it| Fix::next("commit the setup, it is measured by", it));
                let how = if setup.is_some() { Fix::then } else { Fix::next };
                let aside = files.holds_work().then(|| how(files.stashing(), files.stash()));
                let back = aside.as_ref().map(|_| self.bring_back());
                // The commit hook refuses commits of work until there is a baseline.
                let commit = files
                    .commit_work()
                    .filter(|_| !files.hooked)
                    .map(|it| Fix::or("commit it first, so that it becomes part of the baseline", it));
                let measured = fix::baseline(id).word("--allow-dirty");
                let measured = Fix::or("measure it as it is, which can never be promoted", measured);
                let first = setup.into_iter().chain(aside).chain([self.again("")]).chain(back);
                first.chain(local()).chain(commit).chain([measured]).collect()
            }
            (Gate::Validate, made_over) if made_over.is_some() || own.is_none() => {
                let take = match made_over {
                    Some(sha) => Fix::next("take the work into the commit of the change", one(sha)),
                    None => Fix::next("commit the work as the change", self.ctx.commit(id)),
                };
                let aside = [Fix::or("stash it", files.stash()), self.again(""), self.bring_back()];
                let rest = local().into_iter().chain(aside);
                std::iter::once(take).chain(rest).collect()
            }
            // The validated commit is what is measured, decided on and rolled out, so adding to it requires a new
            // validation.
            (_, own) => {
                let validated = |sha: &str| one(sha).and(self.pass(Gate::Validate));
                let take =
                    own.map(|sha| Fix::or("take it into the commit of the change and validate that", validated(sha)));
                let aside = [Fix::next(files.stashing(), files.stash()), self.again(""), self.bring_back()];
                aside.into_iter().chain(local()).chain(take).collect()
            }
        }
    }
}

fn reset(first: &str) -> CommandLine {
    CommandLine::git("reset --soft").word(format!("{first}~1"))
}

fn first_of(commits: &[DeltaCommit]) -> String {
    commits.first().map(|commit| short(&commit.sha)).unwrap_or_default()
}
