//! Why the commit hook refuses a message, with what to do, in the order in which it is done.

use crate::model::fix::WHAT_CHANGED;
use crate::model::text::{joined, short};
use crate::model::{ChangeId, CommandLine, Fix, FixContext, Gate, fix};

#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub(crate) enum Objection {
    #[error("the message holds nothing but its trailer")]
    NoText,
    #[error("the commit names no change{}", open_changes(.active.as_ref(), .open, *.waiting))]
    NoId {
        /// The active change, whose id it could carry.
        active: Option<ChangeId>,
        /// Without one: the open changes that wait for their commit, or else all that are open.
        open: Vec<ChangeId>,
        waiting: bool,
    },
    #[error("the commit that is amended carries {id}, and its new message does not")]
    Dropped { id: String },
    #[error("the commit names {} changes: {}; one change, one commit", .ids.len(), joined(.ids))]
    Several { ids: Vec<String> },
    #[error("invalid change id {value:?}")]
    Malformed { value: String },
    #[error("unknown change `{id}`{}", .nearest.as_ref().map(|it| format!("; did you mean `{it}`?")).unwrap_or_default())]
    Unknown { id: ChangeId, nearest: Option<ChangeId> },
    #[error("the record of {id} cannot be trusted: {problem}")]
    Unreadable { id: ChangeId, problem: String },
    #[error("the change {id} has ended ({})", .end.replace('_', " "))]
    Ended { id: ChangeId, end: &'static str },
    #[error("the change {id} has not passed {missing} yet")]
    TooEarly { id: ChangeId, missing: Gate },
    #[error("the change {id} has its one commit already: {}", short(.first))]
    SecondCommit { id: ChangeId, first: String, decided: bool },
}

fn open_changes(active: Option<&ChangeId>, open: &[ChangeId], waiting: bool) -> String {
    match (active, open, waiting) {
        (Some(_), ..) => String::new(),
        (None, [], _) => ", and none is open".to_owned(),
        (None, several, true) => format!(", and several are open: {}", joined(several)),
        (None, all, false) => format!(", and what is open has its one commit already: {}", joined(all)),
    }
}

impl Objection {
    /// What to do. `hidden` stages the records, where a program keeps what is not staged from the hook.
    pub(crate) fn fixes(&self, ctx: &FixContext, hidden: Option<CommandLine>) -> Vec<Fix> {
        let fixes = self.plainly(ctx);
        let Some(stage) = hidden.filter(|_| self.rests_on_the_record()) else { return fixes };
        let stage =
            Fix::next("stage the record first, since the hook sees staged files only, then commit again", stage);
        // What advises to stash would take away what was hidden already.
        if let Self::TooEarly { id, missing } = self {
            return vec![stage, Fix::or("if that changes nothing", ctx.gate(id, *missing))];
        }
        let instead = |fix: Fix| Fix { how: fix::How::Or, ..fix };
        std::iter::once(stage).chain(fixes.into_iter().map(instead)).collect()
    }

    /// Whether another version of the record could say otherwise.
    fn rests_on_the_record(&self) -> bool {
        matches!(self, Self::TooEarly { .. } | Self::Unknown { .. } | Self::NoId { active: None, .. })
    }

    fn plainly(&self, ctx: &FixContext) -> Vec<Fix> {
        let list = |purpose: &str| vec![Fix::next(purpose, CommandLine::tool("change list"))];
        match self {
            Self::NoText => Vec::new(),
            Self::NoId { active: Some(id), .. } => vec![
                Fix::next("it belongs to the open change", commit(ctx, id.as_str())),
                Fix::or("it is another change", fix::start()),
                fix::exempt(),
            ],
            Self::NoId { active: None, open, waiting } if !open.is_empty() => several_open(ctx, open, *waiting),
            Self::NoId { active: None, .. } => vec![
                Fix::next("", fix::start()),
                Fix::or("see where a change belongs, and what it owes", CommandLine::tool("route")),
                fix::exempt(),
            ],
            Self::Dropped { id } => {
                let amend = CommandLine::git("commit --amend").ask("-m", WHAT_CHANGED);
                vec![Fix::next("keep its id", ctx.with_trailer(amend, id))]
            }
            Self::Several { ids } => {
                let first = ids.first().map(|id| Fix::next("with the one that it belongs to", commit(ctx, id)));
                first.into_iter().collect()
            }
            Self::Malformed { .. } => list("see the ids"),
            Self::Unknown { .. } => list(""),
            Self::Unreadable { .. } => vec![Fix::next("", CommandLine::tool("check"))],
            Self::Ended { .. } => vec![Fix::next("", fix::start())],
            Self::TooEarly { id, missing: Gate::Baseline } => vec![
                // Each by itself: a chain that stops would leave the work in the stash, and nobody told.
                Fix::next("stash the work: the baseline must be measured without it", ctx.uncommitted.stash()),
                Fix::then("", fix::baseline(id)),
                Fix::then(
                    "",
                    CommandLine::git("stash pop").and(CommandLine::git("add -A")).and(commit(ctx, id.as_str())),
                ),
            ],
            Self::TooEarly { id, missing } => vec![Fix::next("", ctx.gate(id, *missing))],
            Self::SecondCommit { first, decided, .. } => {
                let another = match decided {
                    true => Fix::next("the next change", fix::start()),
                    false => {
                        Fix::next("another change beside it; their effects may mix", fix::start().word("--parallel"))
                    }
                };
                let fixup = CommandLine::git("commit --fixup").word(short(first));
                vec![another, Fix::or("if it belongs into that commit", fixup), fix::exempt()]
            }
        }
    }
}

fn several_open(ctx: &FixContext, open: &[ChangeId], waiting: bool) -> Vec<Fix> {
    if !waiting {
        return vec![Fix::next("the next change", fix::start()), fix::exempt()];
    }
    let choose = |id: &ChangeId| CommandLine::tool("change use").word(id.as_str());
    let choose = open.first().map(|id| Fix::next("select a change, then commit again", choose(id)));
    let rest = [
        Fix::or("name the change in this commit", commit(ctx, "CHANGE-ID")),
        Fix::or("it is another change", fix::start().word("--parallel")),
        fix::exempt(),
    ];
    choose.into_iter().chain(rest).collect()
}

/// The commit once more, with an id: what was staged still is.
fn commit(ctx: &FixContext, id: &str) -> CommandLine {
    ctx.with_trailer(CommandLine::git("commit").ask("-m", WHAT_CHANGED), id)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_objection_but_an_empty_message_has_a_command_with_the_project_s_own_trailer() {
        let id = || "chg-1".parse::<ChangeId>().unwrap();
        let ctx = FixContext { trailer: "Tuning".to_owned(), ..FixContext::default() };
        let objections = [
            Objection::NoId { active: Some(id()), open: Vec::new(), waiting: false },
            Objection::NoId { active: None, open: Vec::new(), waiting: false },
            Objection::Several { ids: vec!["chg-1".to_owned(), "chg-2".to_owned()] },
            Objection::TooEarly { id: id(), missing: Gate::Baseline },
            Objection::TooEarly { id: id(), missing: Gate::Contract },
            Objection::SecondCommit { id: id(), first: "a".repeat(40), decided: false },
            Objection::NoId { active: None, open: vec![id(), id()], waiting: true },
            Objection::NoId { active: None, open: vec![id()], waiting: false },
        ];
        let shown = |objection: &Objection| -> Vec<String> {
            let fixes = objection.fixes(&ctx, None);
            fixes.iter().filter_map(Fix::command).map(ToString::to_string).collect()
        };
        let all: Vec<Vec<String>> = objections.iter().map(shown).collect();
        assert!(all.iter().all(|commands| !commands.is_empty()), "{all:?}");
        assert_eq!(all[0][0], "git commit -m \"WHAT CHANGED\" --trailer \"Tuning: chg-1\"");
        assert!(
            all[3][0].starts_with("git stash push -u -- ") && all[3][2].starts_with("git stash pop && "),
            "{all:?}"
        );
        let hidden = objections[3].fixes(&ctx, Some(CommandLine::git("add x")));
        assert_eq!(hidden.len(), 2, "no stash where the work is hidden already");
    }
}
