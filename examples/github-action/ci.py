#!/usr/bin/env python3
"""What the GitHub action and the GitLab component do. Needs Python 3.9, git and vibeship-optimizer; on GitHub also gh.

    ci.py check      check the commits of the event; leaves OUT/{findings.md,junit.xml,event.json}
    ci.py measure    measure both ends of a pull request in pairs; leaves OUT/pair.json
    ci.py comment    write or update the one comment, from git's objects and OUT/pair.json

It is told by the service's own variables and by REQUIRE (a gate), DIRECTORY (of the project), OUT (a directory), PAIRS
and MAX_TIME (seconds). `check` exits as `vibeship-optimizer check` does; the others exit with 0 and say what went wrong.
"""

import json
import os
import re
import subprocess
import sys
import urllib.request
from pathlib import Path
from xml.sax.saxutils import escape

ENV = os.environ
GITLAB = bool(ENV.get("GITLAB_CI"))
OUT = Path(ENV.get("OUT") or "optimizer-ci")
PROJECT = ENV.get("DIRECTORY") or "."
# The most changes that a comment shows.
SHOWN = 20
MARKER = "<!-- vibeship-optimizer -->"
SIGNS = {"pass": "✓", "fail": "✗", "inconclusive": "?", "invalid": "!"}


def run(*command, text=None):
    done = subprocess.run(command, input=text, stdout=subprocess.PIPE, stderr=subprocess.PIPE, encoding="utf-8", errors="replace")
    return done.returncode, done.stdout, done.stderr.strip()


def git(*words):
    return run("git", "-C", PROJECT, *words)


def optimizer(*words):
    return run("vibeship-optimizer", "-C", PROJECT, *words)


def annotate(level, message, title="vibeship-optimizer"):
    """Prints an annotation on GitHub, a plain line on GitLab."""
    shown = message.replace("%", "%25").replace("\r", "").replace("\n", "%0A")
    print(f"{level}: {message}" if GITLAB else f"::{level} title={title}::{shown}", flush=True)


# The range of commits


def event():
    """Returns base and head; for a pull request also its number and whether the token may write to it."""
    if GITLAB:
        base = ENV.get("CI_MERGE_REQUEST_DIFF_BASE_SHA") or ENV.get("CI_COMMIT_BEFORE_SHA", "")
        head = ENV.get("CI_MERGE_REQUEST_SOURCE_BRANCH_SHA") or ENV["CI_COMMIT_SHA"]
        number = ENV.get("CI_MERGE_REQUEST_IID")
        return {"base": base, "head": head, "number": number, "writable": bool(ENV.get("OPTIMIZER_TOKEN"))}
    name = ENV["GITHUB_EVENT_NAME"]
    data = json.loads(Path(ENV["GITHUB_EVENT_PATH"]).read_text(encoding="utf-8"))
    if name in ("pull_request", "pull_request_target"):
        return of_pull_request(data["pull_request"])
    if name == "merge_group":
        group = data["merge_group"]
        return {"base": group["base_sha"], "head": group["head_sha"]}
    if name == "push":
        return {"base": data["before"], "head": data["after"]}
    if name == "workflow_run":
        # The trusted side of a fork's pull request: uses only what GitHub says about the run, not what the run left.
        of = data["workflow_run"]
        owner, branch = of["head_repository"]["owner"]["login"], of["head_branch"]
        pulls = github("-X", "GET", f"repos/{ENV['GITHUB_REPOSITORY']}/pulls", "-f", "state=open", "-f", f"head={owner}:{branch}")
        for pull in pulls:
            if pull["head"]["sha"] == of["head_sha"]:
                return {**of_pull_request(pull), "writable": True}
        raise LookupError(f"no open pull request has the head {of['head_sha']} any more")
    raise LookupError(f"nothing to check for the event {name}: use pull_request, merge_group, push or workflow_run")


def of_pull_request(pull):
    # A deleted fork has no repository any more.
    own = (pull["head"]["repo"] or {}).get("full_name") == ENV["GITHUB_REPOSITORY"]
    return {"base": pull["base"]["sha"], "head": pull["head"]["sha"], "number": pull["number"], "writable": own}


def fetch(at):
    """Fetches both ends of the range, and enough history to find their merge base."""
    number = at.get("number")
    ref = f"refs/merge-requests/{number}/head" if GITLAB else f"refs/pull/{number}/head"
    shallow = git("rev-parse", "--is-shallow-repository")[1].strip() == "true"
    for end in ("head", "base"):
        if git("cat-file", "-e", f"{at[end]}^{{commit}}")[0] != 0:
            depth = ["--depth=50"] if shallow else []
            # The head of a fork is only in the ref of its pull request.
            if git("fetch", "--quiet", "--no-tags", *depth, "origin", at[end])[0] != 0 and number and end == "head":
                git("fetch", "--quiet", "--no-tags", *depth, "origin", ref)
    for deeper in (50, 200, 1000):
        if not shallow or git("merge-base", at["base"], at["head"])[0] == 0:
            return
        git("fetch", "--quiet", "--no-tags", f"--deepen={deeper}", "origin", at["base"], at["head"])
    unshallow()


def unshallow():
    if git("rev-parse", "--is-shallow-repository")[1].strip() != "true":
        return False
    print("the clone is shallow: fetching the whole history", flush=True)
    return git("fetch", "--quiet", "--unshallow", "origin")[0] == 0


def range_of(at):
    code, meeting, _ = git("merge-base", at["base"], at["head"])
    return f"{meeting.strip() if code == 0 else at['base']}..{at['head']}"


# The check


def check():
    at = event()
    if not at["base"].strip("0"):
        print("a new branch has nothing before it: there is no range to check")
        return 0
    fetch(at)
    words = ["check", "--range", range_of(at), "--require", ENV.get("REQUIRE") or "promoted"]
    shown = ["--format", "text" if GITLAB else "github", "--summary", str(OUT.resolve() / "findings.md")]
    code, out, err = optimizer(*words, *shown)
    # Some checks need more history than the range.
    if code == 2 and unshallow():
        code, out, err = optimizer(*words, *shown)
    print(out, end="", flush=True)
    print(err, file=sys.stderr, flush=True)
    if code == 2:
        return trouble(err.removeprefix("error: ") or out, annotated="::error" in out)
    junit = optimizer(*words, "--format", "junit")[1]
    (OUT / "junit.xml").write_text(junit, encoding="utf-8")
    summarize((OUT / "findings.md").read_text(encoding="utf-8"))
    return code


def trouble(why, annotated=False):
    """Reports exit code 2 in every output: some services show a report without test cases as green."""
    if not annotated:
        annotate("error", why, title="vibeship-optimizer cannot tell")
    case = f'<testcase classname="vibeship-optimizer" name="check"><error message="{escape(why, {chr(34): "&quot;", chr(10): "&#10;"})}"/></testcase>'
    suite = f'<testsuites><testsuite name="vibeship-optimizer" tests="1" errors="1">{case}</testsuite></testsuites>\n'
    (OUT / "junit.xml").write_text('<?xml version="1.0" encoding="UTF-8"?>\n' + suite, encoding="utf-8")
    findings = f"## The check cannot tell\n\n{plain(why)}\n"
    (OUT / "findings.md").write_text(findings, encoding="utf-8")
    summarize(findings)
    return 2


def summarize(text):
    if ENV.get("GITHUB_STEP_SUMMARY"):
        with open(ENV["GITHUB_STEP_SUMMARY"], "a", encoding="utf-8") as file:
            file.write(text.rstrip() + "\n\n")


# The measurement on this runner


def measure():
    at = event()
    if not at.get("number"):
        print("only a pull request is measured")
        return 0
    fetch(at)
    base, head = range_of(at).split("..")
    limits = ["--max-time", ENV.get("MAX_TIME") or "300"] + (["--runs", ENV["PAIRS"]] if ENV.get("PAIRS") else [])
    code, out, err = optimizer("pair", "--before", base, "--after", head, *limits, "--format", "json")
    print(err, file=sys.stderr, flush=True)
    if code == 2 or not out:
        annotate("notice", err, title="not measured")
    else:
        (OUT / "pair.json").write_text(out, encoding="utf-8")
        summarize(measured(base, head))
    return 0


# The comment. Text that comes from the pull request is escaped first.


def plain(text):
    """Escapes markdown, mentions and links."""
    return re.sub(r"([\\`*_{}\[\]<>()#|@~&!])", lambda found: f"&#{ord(found[1])};", " ".join(str(text).split()))[:300]


def code(text):
    return f"`{re.sub(r'[`|]', ' ', ' '.join(str(text).split()))[:120]}`"


def percent(number):
    return f"{float(number) * 100:+.1f} %"


def interval(result, unit=None):
    """Formats an estimate with its interval, as a share of the baseline or, if given, in a unit."""
    finding = result.get("finding") or result
    estimate = finding.get("estimate")
    if not estimate:
        return ""
    show = percent if unit is None else lambda number: f"{float(number):.4g} {plain(unit)}".strip()
    low, high = estimate["low"], estimate["high"]
    text = show(estimate["value"]) + (f" [{show(low)}, {show(high)}]" if low != high else " (exact)")
    return f"{text} from zero" if finding.get("from_zero") else text


def measured(base, head):
    """Returns the runner's measurement as a table, or nothing if it is of other commits: anybody can write the file."""
    path = OUT / "pair.json"
    if not path.is_file() or path.stat().st_size > 5_000_000:
        return ""
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
        if (data["pair"]["before"]["commit"], data["pair"]["after"]["commit"]) != (base, head):
            return ""
        rows = [
            f"| {code(row['metric'])} | {interval(row['change'], '' if row['change'].get('from_zero') else None)} | {plain(row['change']['change'].replace('_', ' '))} | {int(row['pairs'])} |"
            for row in data["results"]
            if row.get("decisive")
        ]
    except (KeyError, TypeError, ValueError, AttributeError) as problem:
        annotate("warning", f"the measurement cannot be read: {problem}")
        return ""
    head_row = "| Metric | Change, 95 % interval | Result | Pairs |\n| --- | --- | --- | ---: |\n"
    return "### Measured on the runner\n\n" + head_row + "\n".join(rows[:50]) + "\n"


def changes(base, head):
    """Yields the records that the range touches, each with the verdicts of its last comparison."""
    names = git("diff", "--relative", "--name-only", "--diff-filter=d", base, head, "--", ".vibeship-optimizer/changes")[1]
    names = names.split()
    for path in names[:SHOWN]:
        try:
            record = json.loads(git("show", f"{head}:./{path}")[1])
            yield record, verdicts(record, head)
        except (ValueError, KeyError, TypeError, AttributeError):
            yield {"title": path, "status": "a record that cannot be read", "change_id": ""}, ""
    if len(names) > SHOWN:
        yield {"title": f"and {len(names) - SHOWN} more", "status": "see the records", "change_id": ""}, ""


def verdicts(record, head):
    compared = [event["what"] for event in record.get("events", []) if event["what"]["kind"] == "compared"]
    if not compared:
        return "Not compared yet.\n"
    path = compared[-1]["json"]["path"]
    data = json.loads(git("show", f"{head}:./{path}")[1])
    rows, units = [], {row["metric"]: row["unit"] for row in data["metrics"]}
    for row in data["criteria"]:
        verdict = row["result"]["verdict"]
        word = verdict if row["role"] != "trigger" else {"pass": "fired", "fail": "not fired"}.get(verdict, "undecided")
        sign = SIGNS.get(verdict, "") if row["role"] != "trigger" else ""
        role = "KPI" if row["role"] == "kpi" else plain(row["role"])
        share = re.search(r"[-+][0-9.]+ *%$", row["criterion"]) and not row["result"].get("from_zero")
        unit = None if share else units.get(re.split(r" *[<>=]", row["criterion"])[0], "")
        rows.append(f"| {role} | {code(row['criterion'])} | {sign} {plain(word)} | {interval(row['result'], unit)} |")
    link = evidence_link(path.removesuffix(".json") + ".md", head)
    table = "| | Criterion | Verdict | Measured, 95 % interval |\n| --- | --- | --- | --- |\n" + "\n".join(rows)
    return f"{table}\n\nOutcome: **{plain(data['outcome'])}**. [Evidence]({link})\n"


def evidence_link(path, head):
    at = os.path.normpath(os.path.join(PROJECT, path)).replace(os.sep, "/")
    safe = urllib.request.quote(at)
    if GITLAB:
        return f"{ENV['CI_MERGE_REQUEST_SOURCE_PROJECT_URL']}/-/blob/{head}/{safe}"
    return f"{ENV.get('GITHUB_SERVER_URL', 'https://github.com')}/{ENV['GITHUB_REPOSITORY']}/blob/{head}/{safe}"


def body(at):
    base, head = range_of(at).split("..")
    words = {"0": "✓ the check passes", "1": "✗ the check fails"}.get(ENV.get("CHECK", ""), "? the check could not tell")
    parts = [f"{MARKER}\n## vibeship-optimizer: {words}\n"]
    for record, table in changes(base, head):
        parts.append(f"### {plain(record['title'])}\n\n{code(record['change_id'])}, {plain(record['status'])}\n\n{table}")
    parts.append(measured(base, head))
    if (OUT / "findings.md").is_file():
        findings = (OUT / "findings.md").read_text(encoding="utf-8")
        room = max(0, 60_000 - sum(len(part) for part in parts))
        more = "" if len(findings) <= room else "\n\nMore findings are in the job's own output.\n"
        parts.append(f"<details><summary>Findings</summary>\n\n{findings[:room]}{more}\n</details>\n")
    # A comment holds 65,536 characters; the job's output has all findings.
    parts.append(f"Range `{base[:12]}..{head[:12]}`\n")
    return "\n".join(part for part in parts if part)


def comment():
    at = event()
    if not at.get("number"):
        print("only a pull request has a comment")
        return 0
    fetch(at)
    text = body(at)
    (OUT / "comment.md").write_text(text, encoding="utf-8")
    if not at["writable"]:
        why = "OPTIMIZER_TOKEN is not set" if GITLAB else "the artifact holds what the trusted side comments on"
        print(f"this run may not write to the pull request: {why}")
        return 0
    try:
        (gitlab_comment if GITLAB else github_comment)(at["number"], text)
    except (OSError, RuntimeError) as problem:
        annotate("warning", f"no comment was written: {problem}")
    return 0


def github(*words, text=None):
    status, out, err = run("gh", "api", *words, text=text)
    if status != 0:
        raise RuntimeError(err)
    return json.loads(out)


def github_comment(number, text):
    repository, content = f"repos/{ENV['GITHUB_REPOSITORY']}", json.dumps({"body": text})
    pages = github("--paginate", "--slurp", f"{repository}/issues/{number}/comments?per_page=100")
    # Only a bot's comment: anybody can write the marker, and the token can edit the comments of others.
    for found in (found for page in pages for found in page):
        if (found["body"] or "").startswith(MARKER) and (found["user"] or {}).get("type") == "Bot":
            github("-X", "PATCH", f"{repository}/issues/comments/{found['id']}", "--input", "-", text=content)
            return
    github("-X", "POST", f"{repository}/issues/{number}/comments", "--input", "-", text=content)


def gitlab_comment(number, text):
    notes = f"{ENV['CI_API_V4_URL']}/projects/{ENV['CI_PROJECT_ID']}/merge_requests/{number}/notes"

    def call(method, url, data=None):
        headers = {"PRIVATE-TOKEN": ENV["OPTIMIZER_TOKEN"], "Content-Type": "application/json"}
        request = urllib.request.Request(url, json.dumps(data).encode() if data else None, headers, method=method)
        with urllib.request.urlopen(request, timeout=30) as answer:
            return json.load(answer)

    own = call("GET", ENV["CI_API_V4_URL"] + "/user")["id"]
    for found in call("GET", f"{notes}?per_page=100&sort=asc"):
        if found["body"].startswith(MARKER) and found["author"]["id"] == own:
            call("PUT", f"{notes}/{found['id']}", {"body": text})
            return
    call("POST", notes, {"body": text})


if __name__ == "__main__":
    steps = {"check": check, "measure": measure, "comment": comment}
    if len(sys.argv) != 2 or sys.argv[1] not in steps:
        sys.exit(__doc__)
    OUT.mkdir(parents=True, exist_ok=True)
    (OUT / ".gitignore").write_text("*\n", encoding="utf-8")
    try:
        sys.exit(steps[sys.argv[1]]())
    except (AttributeError, LookupError, OSError, RuntimeError, TypeError, ValueError) as problem:
        # Only the check decides; the other steps never fail the run.
        if sys.argv[1] == "check":
            sys.exit(trouble(str(problem)))
        annotate("warning", f"{sys.argv[1]}: {problem}")
