//! Signed events: forging a record requires a user's key.

use crate::enforcement::slips::{forge, record_path, since};
use crate::support::Sandbox;

/// Creates a signing key for the user of the sandbox, and git's list of allowed signers.
fn with_key(sandbox: &Sandbox) {
    let key = sandbox.home().join("key");
    let mut keygen = sandbox.command("ssh-keygen");
    assert!(keygen.args(["-q", "-t", "ed25519", "-N", "", "-f"]).arg(&key).status().unwrap().success());
    let public = std::fs::read_to_string(sandbox.home().join("key.pub")).unwrap();
    let allowed = sandbox.home().join("allowed");
    std::fs::write(&allowed, format!("tester@example.org {public}")).unwrap();
    for (name, value) in [("user.signingkey", &key), ("gpg.ssh.allowedSignersFile", &allowed)] {
        sandbox.git(&["config", "--global", name, &value.to_string_lossy()]);
    }
}

#[test]
fn a_record_that_is_signed_passes_and_one_made_up_without_the_key_does_not() {
    use vibeship_optimizer::model::Kind;
    let sandbox = Sandbox::enforced();
    let config = sandbox.read("vibeship_optimizer.yml");
    sandbox.write("vibeship_optimizer.yml", format!("{config}sign: ssh\n"));
    sandbox.git(&["commit", "-qam", "Sign what is recorded"]);
    let base = sandbox.head();
    let start = sandbox.run(&["change", "start", "--title", "fewer steps"]);
    assert_eq!(start.code, 2, "without a key nothing is recorded");
    assert!(
        start.stderr.contains("could not be signed") && start.stderr.contains("user.signingkey"),
        "{}",
        start.stderr
    );
    with_key(&sandbox);
    let id = sandbox.ready("fewer steps");
    assert_eq!(sandbox.codes_with(&since(&base), &["--require-signed"]), [""; 0]);
    let honest = sandbox.head();
    // Resealed with consistent digests, but not signed.
    forge(&sandbox, &id, |kinds| kinds.push(Kind::Noted { text: "looks good".to_owned() }));
    let _ = sandbox.run(&["doctor", "--apply"]);
    sandbox.commit_evidence();
    assert_eq!(sandbox.codes(&since(&base)), [""; 0]);
    assert_eq!(sandbox.codes_with(&since(&base), &["--require-signed"]), ["EVENT_UNSIGNED"]);
    // Signatures of the base must not be removed.
    sandbox.git(&["reset", "-q", "--hard", &honest]);
    let text = sandbox.read(record_path(&id));
    let mut record: serde_json::Value = serde_json::from_str(&text).unwrap();
    for event in record["events"].as_array_mut().unwrap() {
        event.as_object_mut().unwrap().remove("signature");
    }
    sandbox.write(record_path(&id), format!("{record:#}\n"));
    sandbox.commit_evidence();
    assert_eq!(sandbox.codes(&since(&honest)), [""; 0]);
    assert_eq!(sandbox.codes_with(&since(&honest), &["--require-signed"]), ["EVENT_UNSIGNED"]);
    // An expired key, one that is not allowed, and a signature of another event do not count.
    sandbox.git(&["reset", "-q", "--hard", &honest]);
    let allowed = std::fs::read_to_string(sandbox.home().join("allowed")).unwrap();
    let until = |date: &str| {
        let line = allowed.replacen("tester@example.org ", &format!("tester@example.org valid-before=\"{date}\" "), 1);
        std::fs::write(sandbox.home().join("allowed"), line).unwrap();
        sandbox.codes_with(&since(&base), &["--require-signed"])
    };
    assert_eq!(until("20991231"), [""; 0]);
    assert_eq!(until("20200101"), ["EVENT_UNSIGNED"]);
    std::fs::write(sandbox.home().join("allowed"), "").unwrap();
    assert_eq!(sandbox.codes_with(&since(&base), &["--require-signed"]), ["EVENT_UNSIGNED"]);
    sandbox.git(&["config", "--global", "--unset", "gpg.ssh.allowedSignersFile"]);
    let asked = ["check", "--range", &since(&base), "--require-signed"];
    sandbox
        .run(&asked)
        .exits(2)
        .says(&["allowedSignersFile is not set", "git config gpg.ssh.allowedSignersFile \"FILE\""]);
}

#[test]
fn events_from_before_signing_was_enabled_need_no_signature() {
    use vibeship_optimizer::model::Kind;
    let sandbox = Sandbox::enforced();
    let base = sandbox.head();
    let ago = |minutes| (chrono::Utc::now() - chrono::Duration::minutes(minutes)).to_rfc3339();
    sandbox.set("VIBESHIP_OPTIMIZER_TEST_NOW", &ago(5));
    let id = sandbox.ready("fewer steps");
    sandbox.unset("VIBESHIP_OPTIMIZER_TEST_NOW");
    with_key(&sandbox);
    let config = sandbox.read("vibeship_optimizer.yml");
    sandbox.write("vibeship_optimizer.yml", format!("{config}sign: ssh\n"));
    sandbox.git_at(&ago(2), &["commit", "-qam", "Sign what is recorded"]);
    sandbox.run(&["change", "note", "signed", "--change-id", &id]).ok();
    sandbox.commit_evidence();
    assert_eq!(sandbox.codes_with(&since(&base), &["--require-signed"]), ["POLICY_CHANGED"]);
    forge(&sandbox, &id, |kinds| kinds.push(Kind::Noted { text: "looks good".to_owned() }));
    let _ = sandbox.run(&["doctor", "--apply"]);
    sandbox.commit_evidence();
    assert!(sandbox.codes_with(&since(&base), &["--require-signed"]).contains(&"EVENT_UNSIGNED".to_owned()));
}
