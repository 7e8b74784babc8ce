//! The examples work as they stand: the CI scripts with a simulated service, and the example projects with the real
//! clock.

use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::{Value, json};

use crate::support::Sandbox;

/// Simulates `gh api`: once a comment was written, the pull request has one by a person and one by a bot.
const GH: &str = r#"#!/bin/sh
echo "$*" >> "$GH_FAKE/log"
case "$*" in
*/comments\?per_page*)
    marked='{"user": {"type": "User"}, "id": 3, "body": "<!-- vibeship-optimizer --> mine"}'
    if [ -f "$GH_FAKE/comment" ]; then echo "[[$marked, {\"user\": {\"type\": \"Bot\"}, \"id\": 7, \"body\": \"<!-- vibeship-optimizer --> old\"}]]"
    else echo "[[$marked]]"; fi ;;
*/pulls\ *) cat "$GH_FAKE/pulls" ;;
*) cat > "$GH_FAKE/comment"; echo '{"id": 7}' ;;
esac
"#;

fn examples() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("examples")
}

/// Whether a program is installed. If not, prints that in a way that is not captured, since the test passes.
fn there(program: &str) -> bool {
    let answer = Command::new(program).arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status();
    let there = answer.is_ok_and(|status| status.success());
    if !there {
        let told = format!("NOT TRIED: {program} is not there\n");
        std::io::stderr().write_all(told.as_bytes()).unwrap();
    }
    there
}

/// A branch with one compared change on a long history, in a clone as shallow as a CI service makes it.
struct Service {
    s: Sandbox,
    base: String,
    head: String,
}

impl Service {
    fn new() -> Self {
        let s = Sandbox::new();
        s.history(60, |_| None);
        let base = s.git(&["rev-parse", "HEAD"]);
        s.compared("half @all | of <b>it</b>");
        s.git(&["add", "-A"]);
        s.git(&["commit", "-q", "-m", "Evidence"]);
        let head = s.git(&["rev-parse", "HEAD"]);
        let outside = s.outside().to_owned();
        s.git(&["clone", "-q", "--bare", ".", "../origin.git"]);
        s.git(&["-C", "../origin.git", "update-ref", "refs/pull/5/head", &head]);
        let origin = format!("file://{}", outside.join("origin.git").display());
        s.git(&["clone", "-q", "--depth", "1", &origin, "../clone"]);
        fs::create_dir_all(outside.join("bin")).unwrap();
        fs::create_dir_all(outside.join("fake")).unwrap();
        fs::write(outside.join("bin/gh"), GH).unwrap();
        let program = Path::new(env!("CARGO_BIN_EXE_vibeship-optimizer"));
        let install = format!("#!/bin/sh\nmkdir -p \"$4/bin\" && ln -sf '{}' \"$4/bin/\"\n", program.display());
        fs::write(outside.join("bin/cargo"), install).unwrap();
        for played in ["bin/gh", "bin/cargo"] {
            fs::set_permissions(outside.join(played), fs::Permissions::from_mode(0o755)).unwrap();
        }
        s.go_to(outside.join("clone"));
        let program = program.parent().unwrap().to_owned();
        let path = std::env::var("PATH").unwrap();
        s.set("PATH", &format!("{}:{}:{path}", outside.join("bin").display(), program.display()))
            .set("GITHUB_REPOSITORY", "ada/demo")
            .set("GITHUB_EVENT_PATH", &outside.join("event").display().to_string())
            .set("GITHUB_STEP_SUMMARY", &outside.join("summary").display().to_string())
            .set("GH_FAKE", &outside.join("fake").display().to_string())
            .set("REQUIRE", "compare")
            .set("PYTHONDONTWRITEBYTECODE", "1");
        Self { s, base, head }
    }

    fn file(&self, name: &str) -> String {
        fs::read_to_string(self.s.outside().join(name)).unwrap_or_default()
    }

    fn pull(&self, repository: &str) -> Value {
        json!({"number": 5, "base": {"sha": self.base}, "head": {"sha": self.head, "repo": {"full_name": repository}}})
    }

    /// Runs a step of the script for an event.
    fn step(&self, step: &str, name: &str, event: &Value) -> (Option<i32>, String) {
        fs::write(self.s.outside().join("event"), event.to_string()).unwrap();
        self.s.set("GITHUB_EVENT_NAME", name);
        let output = self.s.command("python3").arg(examples().join("github-action/ci.py")).arg(step).output().unwrap();
        let shown = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
        (output.status.code(), shown.into_owned())
    }
}

/// Runs the action's own shell lines in order, as a runner does: conditions, expressions, outputs, the search path.
/// Other actions are left out, and `cargo` is simulated.
fn act(service: &Service, inputs: &[(&str, &str)], name: &str, event: &Value) -> (Option<i32>, String) {
    let outside = |name: &str| service.s.outside().join(name);
    let action: Value =
        serde_saphyr::from_str(&fs::read_to_string(examples().join("github-action/action.yml")).unwrap()).unwrap();
    fs::write(outside("event"), event.to_string()).unwrap();
    let mut known = BTreeMap::from([("github.token", "t".to_owned()), ("github.event_name", name.to_owned())].map(own));
    known.insert("runner.temp".to_owned(), outside("temp dir").display().to_string());
    let defaults = action["inputs"].as_object().unwrap();
    let given = inputs.iter().map(|(name, value)| (*name, *value));
    for (name, value) in defaults.iter().map(|(name, of)| (name.as_str(), of["default"].as_str().unwrap())).chain(given)
    {
        known.insert(format!("inputs.{name}"), value.to_owned());
    }
    let expression = regex::Regex::new(r"\$\{\{ ([\w.-]+) \}\}").unwrap();
    let mut path = format!("{}:{}", outside("bin").display(), std::env::var("PATH").unwrap());
    let mut shown = String::new();
    for step in action["runs"]["steps"].as_array().unwrap() {
        let is = |name: &str| known.get(name).map_or("", String::as_str);
        let holds = |one: &str| match one.split_once(" == ") {
            Some((name, value)) => is(name) == value.trim_matches('\''),
            None => one.split_once(" != ").is_some_and(|(name, value)| is(name) != value.trim_matches('\'')),
        };
        if step.get("uses").is_some() || !step["if"].as_str().is_none_or(|all| all.split(" && ").all(holds)) {
            continue;
        }
        let mut command = service.s.command("bash");
        for (name, value) in step["env"].as_object().into_iter().flatten() {
            let mut value = value.as_str().unwrap().to_owned();
            // A default may be an expression itself.
            for _ in 0..2 {
                value = expression.replace_all(&value, |found: &regex::Captures<'_>| is(&found[1])).into_owned();
            }
            command.env(name, value);
        }
        for file in ["GITHUB_OUTPUT", "GITHUB_PATH"] {
            fs::write(outside(file), "").unwrap();
            command.env(file, outside(file));
        }
        command.env("PATH", &path).env("GITHUB_EVENT_NAME", name);
        command.env("GITHUB_ACTION_PATH", examples().join("github-action"));
        command.args(["--noprofile", "--norc", "-eo", "pipefail", "-c", step["run"].as_str().unwrap()]);
        let output = command.output().unwrap();
        shown += &(String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr));
        if !output.status.success() {
            return (output.status.code(), shown);
        }
        for line in service.file("GITHUB_OUTPUT").lines() {
            let (name, value) = line.split_once('=').unwrap();
            known.insert(format!("steps.{}.outputs.{name}", step["id"].as_str().unwrap()), value.to_owned());
        }
        service.file("GITHUB_PATH").lines().for_each(|line| path = format!("{line}:{path}"));
    }
    (Some(0), shown)
}

fn own((name, value): (&str, String)) -> (String, String) {
    (name.to_owned(), value)
}

#[test]
fn the_action_checks_a_shallow_clone_and_keeps_one_comment() {
    if !there("python3") || !there("bash") {
        return;
    }
    let service = Service::new();
    let event = json!({"pull_request": service.pull("ada/demo")});
    let inputs = [("require", "compare"), ("measure", "true")];
    let (code, shown) = act(&service, &inputs, "pull_request", &event);
    assert_eq!((code, shown.contains("::notice title=not measured::")), (Some(0), true), "{shown}");
    assert!(service.file("summary").contains("The check passes"));
    assert!(service.file("clone/optimizer-ci/junit.xml").contains("<testcase"));
    let comment = service.file("fake/comment");
    for part in ["the check passes", "| KPI | `kpi.ops <= -10%` | ✓ pass | -50.0 % (exact) |", "not fired"] {
        let part = serde_json::to_string(part).unwrap();
        let plain: Value = serde_json::from_str(&comment).unwrap();
        assert!(serde_json::to_string(&plain["body"]).unwrap().contains(part.trim_matches('"')), "{part} in {comment}");
    }
    assert!(comment.contains(&format!("https://github.com/ada/demo/blob/{}/reports/optimizer/", service.head)));
    assert!(!comment.contains("@all") && !comment.contains("<b>"), "a title mentions nobody: {comment}");
    assert_eq!(act(&service, &inputs, "pull_request", &event).0, Some(0));
    let log = service.file("fake/log");
    assert_eq!((log.matches("-X POST").count(), log.matches("-X PATCH").count()), (1, 1), "{log}");
    assert!(log.contains("issues/comments/7"), "the bot's own comment is updated, never a person's: {log}");

    let queue = json!({"merge_group": {"base_sha": service.base, "head_sha": service.head}});
    let (code, shown) = act(&service, &[], "merge_group", &queue);
    assert_eq!((code, shown.contains("::error title=GATE_NOT_REACHED::")), (Some(1), true), "{shown}");
    let push = json!({"before": service.base, "after": service.head});
    let installed =
        service.s.outside().join("temp dir/vibeship-optimizer/bin/vibeship-optimizer").display().to_string();
    let (code, shown) = act(&service, &[("require", "compare"), ("program", &installed)], "push", &push);
    assert_eq!((code, shown.contains("only a pull request has a comment")), (Some(0), true), "{shown}");
    let (code, shown) = act(&service, &[], "push", &json!({"before": "1".repeat(40), "after": service.head}));
    assert_eq!((code, shown.contains("::error title=")), (Some(2), true), "{shown}");
    assert_eq!(
        service.file("fake/log").lines().count(),
        log.lines().count(),
        "nothing but a pull request is written to"
    );
}

#[test]
fn what_the_check_cannot_tell_is_an_annotation_and_a_failed_test_case() {
    if !there("python3") {
        return;
    }
    let service = Service::new();
    let gone = json!({"before": "1".repeat(40), "after": service.head});
    let (code, shown) = service.step("check", "push", &gone);
    assert_eq!((code, shown.contains("::error ")), (Some(2), true), "{shown}");
    let junit = service.file("clone/optimizer-ci/junit.xml");
    assert!(junit.contains("<error") && junit.contains("names no commit"), "{junit}");
    assert!(service.file("summary").contains("cannot tell"));
    let (code, shown) = service.step("check", "issues", &json!({}));
    assert_eq!((code, shown.contains("::error ")), (Some(2), true), "{shown}");
    let new_branch = json!({"before": "0".repeat(40), "after": service.head});
    assert_eq!(service.step("check", "push", &new_branch).0, Some(0));
}

#[test]
fn a_fork_writes_nothing_and_the_trusted_side_takes_only_numbers_of_the_same_commits() {
    if !there("python3") {
        return;
    }
    let service = Service::new();
    let (code, shown) = service.step("comment", "pull_request", &json!({"pull_request": service.pull("eve/demo")}));
    assert_eq!((code, service.file("fake/log").as_str()), (Some(0), ""), "{shown}");

    let run = json!({"workflow_run": {"head_sha": service.head, "head_branch": "main", "head_repository": {"owner": {"login": "eve"}}}});
    let fake = service.s.outside().join("fake");
    fs::write(fake.join("pulls"), json!([service.pull("eve/demo")]).to_string()).unwrap();
    let pair = |before: &str, metric: &str| {
        let change = json!({"change": "improved", "estimate": {"value": -0.2, "low": -0.3, "high": -0.1}});
        let row = json!({"metric": metric, "decisive": true, "pairs": 10, "change": change});
        let text = json!({"pair": {"before": {"commit": before}, "after": {"commit": service.head}}, "results": [row]});
        fs::write(service.s.outside().join("clone/optimizer-ci/pair.json"), text.to_string()).unwrap();
    };
    pair(&"2".repeat(40), "timing.made.up");
    assert_eq!(service.step("check", "workflow_run", &run).0, Some(0));
    assert_eq!(service.step("comment", "workflow_run", &run).0, Some(0));
    assert!(!service.file("fake/comment").contains("timing.made.up"), "numbers of other commits");
    pair(&service.base, "timing.real`@all");
    service.step("comment", "workflow_run", &run);
    let comment = service.file("fake/comment");
    assert!(comment.contains("`timing.real @all` | -20.0 % [-30.0 %, -10.0 %] | improved"), "{comment}");

    fs::write(fake.join("pulls"), "[]").unwrap();
    let before = service.file("fake/log").matches("-X P").count();
    let (_, shown) = service.step("comment", "workflow_run", &run);
    assert!(shown.contains("no open pull request has the head"), "{shown}");
    assert_eq!(service.file("fake/log").matches("-X P").count(), before);
}

/// Simulates GitLab for as many requests as there are answers, and returns their first lines and bodies.
fn gitlab(answers: Vec<Value>) -> (String, std::thread::JoinHandle<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("http://{}/api/v4", listener.local_addr().unwrap());
    let served = std::thread::spawn(move || {
        let mut seen = String::new();
        for answer in answers {
            let mut stream = BufReader::new(listener.accept().unwrap().0);
            let (mut line, mut length) = (String::new(), 0);
            stream.read_line(&mut line).unwrap();
            seen.push_str(&line);
            while line.trim() != "" {
                line.clear();
                stream.read_line(&mut line).unwrap();
                let lower = line.to_lowercase();
                length = lower.strip_prefix("content-length:").map_or(length, |rest| rest.trim().parse().unwrap());
            }
            let mut body = vec![0; length];
            stream.read_exact(&mut body).unwrap();
            seen.push_str(&String::from_utf8(body).unwrap());
            let text = answer.to_string();
            let head = format!("HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: {}\r\n\r\n", text.len());
            stream.get_mut().write_all((head + &text).as_bytes()).unwrap();
        }
        seen
    });
    (address, served)
}

#[test]
fn the_gitlab_component_checks_a_merge_request_and_updates_its_own_note() {
    if !there("python3") {
        return;
    }
    let service = Service::new();
    let note =
        |author: u32, id: u32| json!({"id": id, "author": {"id": author}, "body": "<!-- vibeship-optimizer --> old"});
    let (address, served) = gitlab(vec![json!({"id": 9}), json!([note(4, 1), note(9, 2)]), json!({})]);
    service.s.set("GITLAB_CI", "true").set("CI_COMMIT_SHA", &service.head).set("CI_API_V4_URL", &address);
    service.s.set("CI_MERGE_REQUEST_DIFF_BASE_SHA", &service.base).set("CI_MERGE_REQUEST_IID", "5");
    service
        .s
        .set("CI_PROJECT_ID", "1")
        .set("CI_MERGE_REQUEST_SOURCE_PROJECT_URL", "https://gitlab.example.org/ada/demo");
    let text = fs::read_to_string(examples().join("gitlab-component/templates/check.yml")).unwrap();
    let (header, job) = text.split_once("\n---\n").unwrap();
    let header: Value = serde_saphyr::from_str(header).unwrap();
    for name in header["spec"]["inputs"].as_object().unwrap().keys() {
        assert!(job.contains(&format!("$[[ inputs.{name} ]]")), "the input {name} is never used");
    }
    let job: Value = serde_saphyr::from_str(job).unwrap();
    let lines = job["vibeship-optimizer"]["script"].as_array().unwrap();
    let lines: Vec<&str> = lines.iter().map(|line| line.as_str().unwrap()).collect();
    // Runs the script's own lines, with a test directory in place of the one into which it clones its source.
    let source = service.s.outside().join("source");
    fs::create_dir_all(source.join("examples/github-action")).unwrap();
    fs::copy(examples().join("github-action/ci.py"), source.join("examples/github-action/ci.py")).unwrap();
    service.s.git(&["init", "-q", "-b", "v1", "../source"]);
    service.s.git(&["-C", "../source", "add", "-A"]);
    service.s.git(&["-C", "../source", "commit", "-q", "-m", "The source"]);
    service.s.set("SOURCE", &source.display().to_string()).set("VERSION", "v1").set("OUT", "optimizer-ci");
    service.s.set("MEASURE", "true").set("MAX_TIME", "60").set("DIRECTORY", ".");
    let run = |into: &str| {
        let script = lines.join("\n").replace("/tmp/optimizer", &service.s.outside().join(into).display().to_string());
        let output = service.s.command("bash").args(["-eo", "pipefail", "-c", &script]).output().unwrap();
        let shown = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
        (output.status.code(), shown.into_owned())
    };
    let (code, shown) = run("cloned");
    assert_eq!((code, shown.contains("may not write")), (Some(0), true), "without a token: {shown}");
    assert!(!shown.contains("::"), "{shown}");
    service.s.set("OPTIMIZER_TOKEN", "t");
    let (code, shown) = run("cloned-again");
    assert_eq!(code, Some(0), "{shown}");
    let seen = served.join().unwrap();
    assert!(seen.contains("PUT /api/v4/projects/1/merge_requests/5/notes/2 "), "{shown}{seen}");
    assert!(seen.contains(&format!("https://gitlab.example.org/ada/demo/-/blob/{}/reports/", service.head)), "{seen}");
    service.s.set("REQUIRE", "promoted");
    assert_eq!(run("cloned-for-a-no").0, Some(1), "the job answers with what the check said");
}

#[test]
fn the_workflows_are_whole() {
    let read = |name: &str| fs::read_to_string(examples().join("github-action").join(name)).unwrap();
    let parse = |text: &str| serde_saphyr::from_str::<Value>(text).unwrap();
    let text = read("action.yml");
    let action = parse(&text);
    for name in action["inputs"].as_object().unwrap().keys() {
        assert!(text.contains(&format!("inputs.{name}")), "the input {name} is never used");
    }
    let used = regex::Regex::new(r"inputs\.([\w-]+)").unwrap();
    for found in used.captures_iter(&text) {
        assert!(action["inputs"].get(&found[1]).is_some(), "{} is no input", &found[1]);
    }
    for step in action["runs"]["steps"].as_array().unwrap() {
        assert!(step.get("uses").is_some() || step["shell"] == "bash", "{step}");
        let run = step["run"].as_str().unwrap_or_default();
        assert!(!run.contains("${{"), "an expression in a shell line can be made to run anything: {run}");
    }
    for name in ["check.yml", "comment.yml", "plain.yml", "monitor.yml"] {
        let workflow = parse(&read(name));
        assert!(workflow["permissions"].is_object(), "{name} says what its token may do");
        for job in workflow["jobs"].as_object().unwrap().values() {
            for step in job["steps"].as_array().unwrap() {
                assert!(!step["run"].as_str().unwrap_or_default().contains("${{"), "{name}: {step}");
                for input in step["with"].as_object().into_iter().flatten().map(|(name, _)| name) {
                    let ours = step["uses"].as_str().is_some_and(|uses| uses.contains("vibeship-optimizer"));
                    assert!(!ours || action["inputs"].get(input).is_some(), "{name}: {input} is no input");
                }
            }
        }
    }
    assert!(parse(&read("check.yml"))["on"].get("merge_group").is_some(), "a merge queue waits for its check");
}

#[test]
fn completions_know_the_flags_of_a_command_within_a_command() {
    let (s, dir) = (Sandbox::new(), tempfile::tempdir().unwrap());
    s.start("halve it");
    let _ = s.run(&["completions", "--dir", dir.path().to_str().unwrap()]).ok();
    let one = s.run(&["completions", "powershell"]).ok().stdout;
    assert_eq!(one, fs::read_to_string(dir.path().join("_vibeship-optimizer.ps1")).unwrap());
    assert!(!s.run(&["--help"]).ok().stdout.contains("completions"), "it is for packages and set-up scripts");
    for made in [
        "vibeship-optimizer.fish",
        "_vibeship-optimizer",
        "_vibeship-optimizer.ps1",
        "vibeship-optimizer-change-promote.1",
    ] {
        assert!(dir.path().join(made).is_file(), "{made}");
    }
    let man = fs::read_to_string(dir.path().join("vibeship-optimizer-change-promote.1")).unwrap();
    assert!(man.contains("Examples:"), "{man}");
    for (shell, file) in [("zsh", "_vibeship-optimizer"), ("fish", "vibeship-optimizer.fish")] {
        let reads = || Command::new(shell).arg("-n").arg(dir.path().join(file)).status().unwrap().success();
        assert!(!there(shell) || reads(), "{shell} cannot read {file}");
    }
    if there("bash") {
        let ask = |words: &str, at: &str| {
            let script = format!(
                ". '{}/vibeship-optimizer.bash'; COMP_WORDS=({words}); COMP_CWORD={at}; last=${{COMP_WORDS[{at}]}}; \
                 $(complete -p vibeship-optimizer | sed 's/.*-F \\([^ ]*\\).*/\\1/') vibeship-optimizer \"$last\" \
                 ${{COMP_WORDS[{at}-1]}}; echo ${{COMPREPLY[*]}}",
                dir.path().display()
            );
            let program = Path::new(env!("CARGO_BIN_EXE_vibeship-optimizer")).parent().unwrap();
            let path = format!("{}:{}", program.display(), std::env::var("PATH").unwrap());
            let output = s.command("bash").args(["-c", &script]).env("PATH", path).output().unwrap();
            assert!(output.stderr.is_empty(), "{}", String::from_utf8_lossy(&output.stderr));
            String::from_utf8_lossy(&output.stdout).trim().to_owned()
        };
        assert_eq!(ask("vibeship-optimizer change follow-up --b", "3"), "--by");
        assert_eq!(ask("vibeship-optimizer validate --change-id chg", "3"), s.id());
        assert_eq!(ask("vibeship-optimizer change use chg", "3"), s.id());
        assert_eq!(ask("vibeship-optimizer change contract --kpi kpi.o", "4"), "kpi.ops");
    }
}

#[test]
fn a_slip_in_a_command_or_a_topic_of_the_help_is_told_what_was_meant() {
    let s = Sandbox::without_git();
    for (typed, meant) in [
        (&["statsu"][..], "'status'"),
        (&["help", "statsu"], "'status'"),
        (&["help", "change", "promot"], "'change promote'"),
        (&["promot"], "'change promote'"),
        (&["change", "validat"], "'validate'"),
        (&["promote"], "'change promote'"),
        (&["help", "criterias"], "'help criteria'"),
        (&["gates"], "'help gates'"),
        (&["check", "--require", "verifyed"], "'verified'"),
    ] {
        let _ = s.run(typed).exits(2).says(&[meant]);
    }
}

/// Runs the workflow of an example project with the real clock. A version manager's shim takes longer than the program
/// itself, so the program's own directory comes first.
fn walk(project: &str, runtime: &str, where_is_it: &[&str]) {
    if !there(runtime) {
        return;
    }
    let s = Sandbox::without_git();
    let real = Command::new(runtime).args(where_is_it).output().unwrap().stdout;
    let real = String::from_utf8(real).unwrap();
    let real = if real.starts_with('/') { real.trim() } else { "/usr/bin" };
    let program = Path::new(env!("CARGO_BIN_EXE_vibeship-optimizer")).parent().unwrap();
    let path = std::env::var("PATH").unwrap();
    let mut command = s.command("sh");
    for name in ["GIT_AUTHOR_DATE", "GIT_COMMITTER_DATE", "VIBESHIP_OPTIMIZER_TEST_NOW"] {
        command.env_remove(name);
    }
    for name in ["HOME", "CARGO_HOME", "RUSTUP_HOME", "RUSTUP_TOOLCHAIN"] {
        command.envs(std::env::var_os(name).map(|value| (name, value)));
    }
    let path = format!("{}:{}:{path}", program.display(), real);
    let output = command.env("PATH", path).arg(examples().join("projects/walk.sh")).arg(project).output().unwrap();
    let shown = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && shown.contains(": the verdict is pass"), "{shown}");
}

#[test]
fn the_rust_project_reaches_its_verdict_in_three_commands() {
    walk("rust", "cargo", &["--version"]);
}

#[test]
fn the_python_project_reaches_its_verdict_in_three_commands() {
    walk("python", "python3", &["-c", "import os, sys; print(os.path.join(sys.base_prefix, 'bin'))"]);
}

#[test]
fn the_node_project_reaches_its_verdict_in_three_commands() {
    if there("npm") {
        walk("node", "node", &["-p", "require('path').dirname(process.execPath)"]);
    }
}
