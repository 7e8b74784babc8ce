//! Whether what the config times and checks with can be started here at all, as far as that shows without running it.

use std::ffi::OsStr;
use std::time::Duration;

use crate::commands::{Ctx, validate};
use crate::error::Result;
use crate::measure::command::Place;
use crate::model::{CommandLine, Fix, How, Problem, joined};
use crate::os::{Spec, process};

/// Says with its exit code whether Python has a module, without importing it.
const HAS_MODULE: &str =
    "import importlib.util, sys; sys.exit(3 if importlib.util.find_spec(sys.argv[1]) is None else 0)";

/// Those that cannot, each with its places in the config.
pub(crate) fn problems(ctx: &Ctx) -> Result<Vec<Problem>> {
    let config = ctx.config()?;
    let checks = validate::commands(config).map(|(name, _, cmd, _)| (format!("the check {name}"), cmd));
    // Its own variables may say where programs are.
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

/// The program, or the module of Python, that the last part of a command needs and that is not there.
fn missing(ctx: &Ctx, cmd: &str) -> Result<Option<String>> {
    let last = cmd.rsplit("&&").next().unwrap_or(cmd);
    let Some(words) = process::plain_words(last, cfg!(windows)) else { return Ok(None) };
    let place = Place { root: ctx.project.root().to_owned(), env: Vec::new() };
    let spec = place.shell(last, Duration::from_secs(10));
    let program = &words[0];
    // A file of the project may be made by what comes before.
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
