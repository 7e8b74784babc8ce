//! What is started on Unix: the program itself, found as the shell would find it, or the shell.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::MetadataExt as _;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::os::process::{Invocation, Launch, child_env, plain_words};
use crate::os::{SpawnError, Spec, files};

const SHELL: &str = "/bin/sh";

pub(crate) fn command(spec: &Spec) -> Result<(Command, Launch), SpawnError> {
    match &spec.invocation {
        Invocation::Argv(args) => {
            let name = args.first().filter(|name| !name.is_empty()).ok_or(SpawnError::Empty)?;
            let file = find_program(name, spec).unwrap_or_else(|| name.into());
            Ok((program(&file, args, spec), Launch::Direct))
        }
        Invocation::Shell(line) if line.trim().is_empty() => Err(SpawnError::Empty),
        Invocation::Shell(line) => Ok(match direct(line, spec) {
            Some(command) => (command, Launch::Direct),
            None => (shell(line, spec), Launch::Shell),
        }),
    }
}

/// The program of the line, if the shell would only start it.
fn direct(line: &str, spec: &Spec) -> Option<Command> {
    let args: Vec<OsString> = plain_words(line, false)?.into_iter().map(OsString::from).collect();
    // If `sh` is bash, it imports functions from the environment, which take precedence over files.
    let functions = std::env::vars_os().map(|(name, _)| name).chain(spec.env.iter().map(|(name, _)| name.clone()));
    if functions.into_iter().any(|name| name.as_bytes().starts_with(b"BASH_FUNC_")) {
        return None;
    }
    Some(program(&find_program(args.first()?, spec)?, &args, spec))
}

pub(crate) fn shell(line: &str, spec: &Spec) -> Command {
    program(Path::new(SHELL), &["sh", "-c", line].map(OsString::from), spec)
}

/// A command for a program file; the first argument is the name it is called by.
fn program(file: &Path, args: &[OsString], spec: &Spec) -> Command {
    let mut command = Command::new(file);
    if let Some((name, rest)) = args.split_first() {
        command.arg0(name).args(rest);
    }
    command.current_dir(&spec.cwd).process_group(0);
    // A shell sets PWD; programs started without one must not see ours.
    if child_env(spec, "PWD").is_some_and(|pwd| !same_directory(pwd.as_ref(), &spec.cwd)) {
        command.env("PWD", &spec.cwd);
    }
    for (name, value) in &spec.env {
        match value {
            Some(value) => command.env(name, value),
            None => command.env_remove(name),
        };
    }
    command
}

/// The file that the shell would find for a name; `None` if there is no such executable file.
pub(super) fn find_program(name: &OsStr, spec: &Spec) -> Option<PathBuf> {
    let executable = |path: PathBuf| files::is_executable(&path).then_some(path);
    if name.as_bytes().contains(&b'/') {
        // Relative to the child's directory, which is entered before the file is opened.
        return executable(spec.cwd.join(name)).map(|_| PathBuf::from(name));
    }
    let path = child_env(spec, "PATH")?;
    let found = std::env::split_paths(&path).find_map(|directory| executable(spec.cwd.join(directory).join(name)))?;
    // A bare name would be looked up again.
    found.is_absolute().then_some(found)
}

fn same_directory(a: &Path, b: &Path) -> bool {
    a == b
        || match (std::fs::metadata(a), std::fs::metadata(b)) {
            (Ok(a), Ok(b)) => (a.dev(), a.ino()) == (b.dev(), b.ino()),
            _ => false,
        }
}
