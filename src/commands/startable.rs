//! Checks whether the commands of the config's timings and checks can be started here, as far as that shows without
//! running them.

use std::ffi::OsStr;
use std::time::Duration;

use crate::commands::{Ctx, validate};
use crate::error::Result;
use crate::measure::command::Place;
use crate::model::{CommandLine, Fix, How, Problem, joined};
use crate::os::{Spec, process};

/// A Python program that exits with 3 if a module does not exist, without importing it.
const HAS_MODULE: &str =
    "import importlib.util, sys; sys.exit(3 if importlib.util.find_spec(sys.argv[1]) is None else 0)";

/// The problems with commands that cannot be started, each with its places in the config.
pub(crate) fn problems(ctx: &Ctx) -> Result<Vec<Problem>> {
    let config = ctx.config()?;
    let checks = validate::commands(config).map(|(name, _, cmd, _)| (format!("the check {name}"), cmd));
    // Variables of a timing may change where its programs are found.
    let timings = config.timings.iter().filter(|timing| timing.env.is_empty());
    let timings = timings.filter_map(|timing| Some((format!("the timing {}", timing.name), timing.cmd.as_ref()?)));
    let mut found: Vec<(String, Vec<String>)> = Vec::new();
    for (place, cmd) in checks.chain(timings) {
        let Some(missing) = missing(ctx, cmd)? else { continue };
        match found.iter_mut().find(|(other, _)| *other == missing) {
            Some((_, places)) => places.push(place),
            None => found.push((missing, vec![place])),
        }
    }
    let problem = |(missing, places): (String, Vec<String>)| {
        let message = format!("{missing} is not installed here: {} cannot start", joined(&places));
        let other = CommandLine::tool("onboard --force").ask("--test-cmd", "COMMAND").ask("--timing-cmd", "COMMAND");
        let fixes = vec![Fix::decide(How::Next, "install it"), Fix::or("name other commands", other)];
        Problem::warn("COMMAND_NOT_FOUND", message, fixes)
    };
    Ok(found.into_iter().map(problem).collect())
}

/// The missing program or Python module that the last part of a command needs, if any.
fn missing(ctx: &Ctx, cmd: &str) -> Result<Option<String>> {
    let last = cmd.rsplit("&&").next().unwrap_or(cmd);
    let Some(words) = process::plain_words(last, cfg!(windows)) else { return Ok(None) };
    let place = Place { root: ctx.project.root().to_owned(), env: Vec::new() };
    let spec = place.shell(last, Duration::from_secs(10));
    let program = &words[0];
    // An earlier part of the command may create a program file of the project.
    if program.contains(['/', '\\']) {
        return Ok(None);
    }
    if !process::is_found(OsStr::new(program), &spec) {
        return Ok(Some(program.clone()));
    }
    let [_, flag, module, ..] = words.as_slice() else { return Ok(None) };
    if !program.starts_with("python") || flag != "-m" {
        return Ok(None);
    }
    let package = module.split('.').next().unwrap_or(module);
    let asked = [program.as_str(), "-c", HAS_MODULE, package];
    let spec = Spec { invocation: process::Invocation::Argv(asked.map(Into::into).into()), ..spec };
    let is_missing = process::run(&spec, ctx.interrupt()?).is_ok_and(|it| it.ended == process::Ended::Code(3));
    Ok(is_missing.then(|| format!("the module {package} of {program}")))
}
