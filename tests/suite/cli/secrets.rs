//! Secrets in commands, addresses, settings and outputs: none of them is in a file that is committed.

#[cfg(unix)]
use chrono::Duration;

#[cfg(unix)]
use crate::support::CONFIG;
use crate::support::Sandbox;

/// Each is used in one place, so that a leak identifies it.
#[cfg(unix)]
const SECRETS: [&str; 14] = [
    "correcthorseone",
    "correcthorsetwo",
    "correcthorsethree",
    "correcthorsefour",
    "correcthorsefive",
    "correcthorsesix",
    "correcthorseseven",
    "correcthorseeight",
    "correcthorsenine",
    "correcthorseten",
    "correcthorseeleven",
    "correcthorsetwelve",
    "correcthorsethirteen",
    "correcthorsefourteen",
];

/// The secrets in files that git would keep, except those files in which the user wrote them.
#[cfg(unix)]
fn leaks(s: &Sandbox) -> Vec<String> {
    let given = ["vibeship_optimizer.yml", "tune.json", "fail.sh"];
    let own = s.files().into_iter().filter(|(path, _)| !given.iter().any(|name| path.ends_with(name)));
    let mut found = Vec::new();
    for (path, bytes) in own {
        let text = String::from_utf8_lossy(&bytes);
        let here = SECRETS.iter().filter(|secret| text.contains(**secret));
        found.extend(here.map(|secret| format!("{secret} in {}", path.display())));
    }
    found
}

#[test]
#[cfg(unix)]
fn no_secret_of_the_config_or_of_an_output_is_in_what_a_whole_loop_writes() {
    let s = Sandbox::new();
    s.write("fail.sh", "echo \"Authorization: Bearer correcthorseone\" >&2; exit 3\n");
    s.write("tune.json", "{\"db_password\": \"correcthorsetwo\", \"limit\": 3}\n");
    s.set("WATCHED_TOKEN", "correcthorsethree");
    let config = CONFIG.replace("\"exit 0\"", "\"API_TOKEN=correcthorsefour true --password correcthorsefive\"");
    let kpi = "\n  - {name: said, cmd: \"echo '{\\\"n\\\": 3, \\\"password\\\": \\\"correcthorsesix\\\"}' # --token=correcthorseseven\", pointer: /n, better: lower}\n\
        \x20 - {name: broken, cmd: \"sh fail.sh -u admin:correcthorseeight\", pointer: /n, better: lower}\nsize_paths";
    let config =
        config.replacen("\nsize_paths", kpi, 1).replace("pair: {enabled: false}", "pair: {min_pairs: 6, max_pairs: 6}");
    let more = "\
timings:
  - {name: t, cmd: 'true -H \"Authorization: Bearer correcthorsenine\" --token=correcthorseten', runs: 3}
  - {name: bad, cmd: 'sh fail.sh --token correcthorseeleven', runs: 2}
http_probes:
  - {name: down, url: 'http://u:correcthorsetwelve@127.0.0.1:9/h?token=correcthorsethirteen', requests: 1, timeout_s: 1}
validation: {smoke: false}
tuneables: {files: [tune.json], watch_env: [WATCHED_TOKEN]}
rollout: {stages: [{name: full, check: 'true --api-key correcthorsefourteen'}]}
";
    s.config(&format!("{config}{more}"));
    s.start("secrets").contract().before().improve(50.0).validate().after().compare();
    let _ = s.on(&["change", "promote"]).ok();
    let _ = s.on(&["change", "rollout", "full"]).ok();
    let _ = s.on(&["monitor", "start"]);
    let _ = s.later(Duration::days(1)).on(&["monitor", "tick"]);
    let _ = s.run(&["calibrate", "--pairs", "10", "--timing", "t"]);
    let _ = s.run(&["snapshot", "--export-hyperfine", "export.json"]).ok();
    let _ = s.run(&["pair", "--before", "HEAD~1", "--json-out", "pair.json", "--runs", "6"]);
    let _ = s.run(&["preflight", "--out", "preflight.json"]);
    let _ = s.run(&["analyze", "--out", "analysis.json"]);
    let _ = s.run(&["llm", "bundle", "--out", "bundle.json"]);
    let _ = s.on(&["review", "bundle"]);
    let _ = s.run(&["report", "--out", "page.html"]);
    for made in ["validation.json", "pair.json", "compare.md", "full.json", "before_snapshot.json"] {
        assert!(s.path(s.evidence(made)).exists(), "{made} was not written");
    }
    for made in ["export.json", "pair.json", "bundle.json", "page.html", ".vibeship-optimizer/calibration"] {
        assert!(s.path(made).exists(), "{made} was not written");
    }
    assert_eq!(leaks(&s), Vec::<String>::new());
    // Other text stays readable.
    assert!(s.read(s.evidence("before_snapshot.json")).contains("sh fail.sh --token ***"));
}

#[test]
fn text_with_a_token_is_refused_and_nothing_is_written() {
    let s = Sandbox::new();
    let token = "ghp_0123456789abcdefghijABCDEFGHIJ";
    let files = s.files();
    let title = format!("try {token}");
    let _ = s.run(&["change", "start", "--title", &title]).troubled(&["the title holds what looks like a secret"]);
    assert_eq!(s.files(), files);
    s.start("x").contract();
    let record = s.read(s.record());
    let note = format!("used {token}");
    let _ = s.on(&["change", "note", &note]).troubled(&["looks like a secret"]).never_says(&["ABCDEFGHIJ"]);
    let rollback = ["change", "contract", "--rollback", "deploy --password hunter2 --to <sha>"];
    let _ = s.on(&rollback).troubled(&["--rollback holds what looks like a secret", "$TOKEN"]);
    assert_eq!(s.read(s.record()), record);
    let _ = s.on(&["change", "contract", "--rollback", "deploy --password $PASSWORD --to <sha>"]).ok();
}

#[test]
fn another_secret_in_a_command_is_another_definition() {
    let s = Sandbox::new();
    let timing = |secret: &str| format!("timings: [{{name: t, cmd: 'git --version --token={secret}', runs: 1}}]\n");
    let definition = |secret: &str| {
        s.config_plus(&timing(secret));
        let answer = s.run(&["snapshot", "--format", "json"]).ok().json();
        let snapshot = s.json(answer["path"].as_str().unwrap());
        (snapshot["definitions"]["timing.t"].clone(), snapshot["timings"][0]["cmd"].clone())
    };
    let ((one, shown), (other, shown_too)) = (definition("correcthorse"), definition("batterystaple"));
    assert_eq!((shown.as_str(), &shown), (Some("git --version --token=***"), &shown_too));
    assert!(one.is_string() && one != other, "{one} {other}");
}
