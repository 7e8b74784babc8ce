//! Problems and their fixes for readers: lines of text and JSON. Every part of the tool shows its advice through this.

use serde_json::{Value, json};

use crate::model::{Action, Fix, How, Problem, Severity, Subject};
use crate::report::visible::visible_line;
use crate::report::{Text, Tone, mark};

/// The steps, a line or two each: the purpose as `# purpose` above its command, so that what is copied is a command and
/// nothing else.
pub(crate) fn lines(steps: &[Fix]) -> Vec<String> {
    let mut lines = Vec::new();
    let mut has_command = false;
    for step in steps {
        // A command's label says how it joins the one before.
        let joint = if matches!(step.action, Action::Run { .. }) { "" } else { step.how.joint() };
        let (purpose, below) = parts(step, joint);
        if !purpose.is_empty() {
            lines.push(format!("# {purpose}"));
        }
        for line in below.iter().flat_map(|below| below.lines()) {
            match (&step.action, step.how) {
                (Action::Run { .. }, How::Or) => lines.push(format!("or:   {line}")),
                (Action::Run { .. }, How::Then) if has_command => lines.push(format!("then: {line}")),
                (Action::Run { .. }, How::Then | How::Next) => lines.push(format!("next: {line}")),
                (Action::Edit { .. } | Action::Decide, _) => lines.push(format!("#   {line}")),
            }
        }
        has_command |= matches!(step.action, Action::Run { .. });
    }
    lines
}

/// A step's purpose after `joint`, and the command or the lines below it.
pub(crate) fn parts(step: &Fix, joint: &str) -> (String, Option<String>) {
    let purpose = visible_line(&step.purpose);
    let joined = if purpose.is_empty() { purpose } else { format!("{joint}{purpose}") };
    match &step.action {
        Action::Run { command } => (joined, Some(visible_line(&command.to_string()))),
        Action::Edit { file, key, line } => {
            let lines: Vec<String> = line.lines().map(visible_line).collect();
            (format!("{joined}: in {}, under {key}:", visible_line(file)), Some(lines.join("\n")))
        }
        Action::Decide => (joined, None),
    }
}

/// A commit that a hook refuses: the sentence and the steps, without a line end at the end.
pub(crate) fn commit_refused(sentence: &str, fixes: &[Fix]) -> String {
    let head = format!("commit refused: {}", visible_line(sentence));
    std::iter::once(head).chain(lines(fixes)).collect::<Vec<_>>().join("\n")
}

/// The commands among the steps, each with what it is for.
pub(crate) fn commands(steps: &[Fix]) -> Value {
    let command = |step: &Fix| {
        let command = step.command()?.to_string();
        Some(match step.purpose.as_str() {
            "" => json!({ "how": step.how, "command": command }),
            purpose => json!({ "purpose": purpose, "how": step.how, "command": command }),
        })
    };
    steps.iter().filter_map(command).collect()
}

pub(crate) fn place(subject: &Subject) -> String {
    let commit = subject.commit.as_ref().map(|commit| {
        let (id, subject) = (commit.id.chars().take(10), commit.subject.chars().take(72));
        id.chain(" ".chars()).chain(subject).collect::<String>()
    });
    let change = subject.change.as_ref().map(ToString::to_string);
    let parts: Vec<String> = [commit, change, subject.path.clone()].into_iter().flatten().collect();
    visible_line(&parts.join(" · "))
}

/// A block of text: severity, code and place; the sentence; the particulars; the steps.
pub(crate) fn block(problem: &Problem) -> Vec<String> {
    let head = format!("{:<4} {}  {}", problem.severity.name(), problem.code, place(&problem.subject));
    let message = std::iter::once(visible_line(&problem.message));
    let details = problem.details.iter().map(|detail| format!("  {}", visible_line(detail)));
    let rest = message.chain(details).chain(lines(&problem.fixes));
    std::iter::once(head.trim_end().to_owned()).chain(rest.map(|line| format!("     {line}"))).collect()
}

/// The first of the fixes alone, in one line.
pub(crate) fn first(fixes: &[Fix]) -> Option<String> {
    let line = |fix: &Fix| match &fix.action {
        Action::Run { command } => command.to_string(),
        Action::Edit { key, line, .. } => format!("{}: {key}: {line}", fix.purpose),
        Action::Decide => fix.purpose.clone(),
    };
    fixes.first().map(|fix| visible_line(&line(fix)))
}

pub(crate) fn item(tone: Tone, word: &str, problem: &Problem) -> Text {
    let text = mark(tone, word).plain(" ").code(problem.code.as_str());
    with_steps(text.plain(format!(": {}", visible_line(&problem.message))), &problem.fixes)
}

/// `text` with the steps below it, a line each.
pub(crate) fn with_steps(text: Text, fixes: &[Fix]) -> Text {
    lines(fixes).into_iter().fold(text, |text, line| match line.strip_prefix("# ") {
        Some(purpose) => text.plain(format!("\n{purpose}")),
        None => {
            let (label, command) = line.split_at(line.len().min(6));
            text.plain(format!("\n{label}")).code(command)
        }
    })
}

pub(crate) fn tone(severity: Severity) -> Tone {
    match severity {
        Severity::Fail => Tone::Bad,
        Severity::Warn => Tone::Unsure,
        Severity::Info => Tone::Quiet,
    }
}

/// A problem of the project's setup as an object.
pub(crate) fn json(problem: &Problem) -> Value {
    let mut value = json!({
        "code": problem.code,
        "level": problem.severity,
        "message": problem.message,
        "hint": first(&problem.fixes).unwrap_or_default(),
        "fixes": problem.fixes,
    });
    if let Some(change) = &problem.subject.change {
        value["change_id"] = json!(change);
    }
    value
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{CommandLine, CommitName};

    #[test]
    fn a_purpose_stands_above_its_command_and_steps_come_in_their_order() {
        let problem = Problem {
            code: "COMMIT_WITHOUT_ID".to_owned(),
            severity: Severity::Fail,
            subject: Subject {
                commit: Some(CommitName { id: "c".repeat(40), subject: "Do\u{1b} it".to_owned() }),
                path: Some("a\nb".to_owned()),
                ..Subject::default()
            },
            message: "the commit names no change".to_owned(),
            details: vec!["one".to_owned()],
            fixes: vec![
                Fix::decide(How::Next, "make the change"),
                Fix::then("find its change", CommandLine::tool("change relink")),
                Fix::then("", CommandLine::git("log -1")),
                Fix::or("take it out", CommandLine::git("revert").word("a\nb")),
                Fix::edit(How::Or, "exempt it", "c.yml", "enforcement.exempt", "- {paths: [x]}"),
            ],
        };
        insta::assert_snapshot!(block(&problem).join("\n"), @r"
        fail COMMIT_WITHOUT_ID  cccccccccc Do\u{1b} it · a ⏎ b
             the commit names no change
               one
             # make the change
             # find its change
             next: vibeship-optimizer change relink
             then: git log -1
             # take it out
             or:   git revert 'a ⏎ b'
             # or exempt it: in c.yml, under enforcement.exempt:
             #   - {paths: [x]}
        ");
        insta::assert_snapshot!(commands(&problem.fixes).to_string(), @r#"[{"purpose":"find its change","how":"then","command":"vibeship-optimizer change relink"},{"how":"then","command":"git log -1"},{"purpose":"take it out","how":"or","command":"git revert 'a\nb'"}]"#);
        insta::assert_snapshot!(serde_json::to_string(&problem.fixes[4]).unwrap(), @r#"{"how":"or","purpose":"exempt it","action":"edit","file":"c.yml","key":"enforcement.exempt","line":"- {paths: [x]}"}"#);
    }
}
