//! A random history made without this tool: two roots, branches, octopus merges, renames, links, submodules, and names
//! and messages that are not valid text. The check finds each commit that it should, and no other.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::io::Write as _;

use crate::support::Sandbox;

const TUNEABLES: [&str; 3] = ["config/tuneables.json", "config/tuneables.yml", "config/tuneables.toml"];

/// Mode and content of files by path.
type Tree = BTreeMap<Vec<u8>, (&'static str, Vec<u8>)>;

/// The history under construction, as a `git fast-import` stream, with the expected findings of each commit.
struct Foreign {
    stream: Vec<u8>,
    random: u64,
    marks: usize,
    heads: Vec<(usize, Tree)>,
    expected: BTreeMap<usize, &'static str>,
}

impl Foreign {
    fn below(&mut self, limit: usize) -> usize {
        // A linear congruential generator (Numerical Recipes, 3rd edition, section 7.1).
        self.random = self.random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.random >> 33).unwrap() % limit
    }

    fn data(&mut self, bytes: &[u8]) {
        self.stream.extend_from_slice(format!("data {}\n", bytes.len()).as_bytes());
        self.stream.extend_from_slice(bytes);
        self.stream.push(b'\n');
    }

    fn commit(&mut self, parents: &[usize], before: &Tree, after: &Tree) -> usize {
        self.marks += 1;
        let mark = self.marks;
        let time = 1_600_000_000 + mark * 977;
        let authors: [&[u8]; 4] = [b"Ana <a@x>", b"L\xE9o <l@x>", b"<n@x>", b"O'Brien \"q\" <o@x>"];
        let author = authors[self.below(4)];
        let head = format!("commit refs/heads/c{mark}\nmark :{mark}\nauthor ");
        self.stream.extend_from_slice(head.as_bytes());
        self.stream.extend_from_slice(author);
        self.stream.extend_from_slice(format!(" {time} +0200\ncommitter Bob <b@x> {time} -0330\n").as_bytes());
        let messages: [&[u8]; 7] = [
            b"Plain\n\nBody.\n",
            b"CRLF\r\n\r\nBody\r\n",
            b"latin \xE9\xFF\n",
            b"",
            b"commit:0000\n",
            b"Divided\n\n---\n diff --git a/x b/x\n",
            b"\n\nLate\n\nOptimizer-Change\nno trailer\n",
        ];
        let message = messages[self.below(7)];
        self.data(message);
        let mut refs = String::new();
        for (number, parent) in parents.iter().enumerate() {
            writeln!(refs, "{} :{parent}", if number == 0 { "from" } else { "merge" }).unwrap();
        }
        self.stream.extend_from_slice(refs.as_bytes());
        for path in before.keys().filter(|path| !after.contains_key(*path)) {
            self.stream.extend_from_slice(format!("D {}\n", quoted(path)).as_bytes());
        }
        for (path, (mode, content)) in after.iter().filter(|(path, file)| before.get(*path) != Some(file)) {
            if *mode == "160000" {
                let object = String::from_utf8_lossy(content);
                self.stream.extend_from_slice(format!("M {mode} {object} {}\n", quoted(path)).as_bytes());
            } else {
                self.stream.extend_from_slice(format!("M {mode} inline {}\n", quoted(path)).as_bytes());
                self.data(content);
            }
        }
        mark
    }

    /// Adds an ordinary commit to some branch, with its expected finding.
    fn plain(&mut self) {
        let at = self.below(self.heads.len());
        let (parent, before) = self.heads[at].clone();
        let mut after = before.clone();
        self.edit(&mut after);
        let mark = self.commit(&[parent], &before, &after);
        let paths: BTreeSet<&Vec<u8>> =
            before.keys().chain(after.keys()).filter(|path| before.get(*path) != after.get(*path)).collect();
        if paths.iter().any(|path| TUNEABLES.iter().any(|file| file.as_bytes() == path.as_slice())) {
            self.expected.insert(mark, "TUNEABLES_UNTRACKED");
        } else if paths.iter().any(|path| !path.starts_with(b"docs/")) {
            self.expected.insert(mark, "COMMIT_WITHOUT_ID");
        }
        self.heads[at] = (mark, after);
    }

    fn edit(&mut self, tree: &mut Tree) {
        let number = self.below(100_000);
        let knob = TUNEABLES[self.below(3)].as_bytes().to_vec();
        let old = b"config/old.json".to_vec();
        match self.below(16) {
            0 => drop(tree.insert(knob, ("100644", format!("{{\"ttl\": {number}}}\n").into_bytes()))),
            // The same value in another format.
            1 => {
                drop(tree.insert(knob, ("100644", format!("{{\"ttl\":{}30}}\n", " ".repeat(number % 9)).into_bytes())))
            }
            2 => match tree.remove(&knob) {
                Some(file) => drop(tree.insert(old, file)),
                None => drop(tree.insert(knob, ("100644", b"back\n".to_vec()))),
            },
            3 => {
                if let Some((mode, _)) = tree.get_mut(&knob) {
                    *mode = if *mode == "100644" { "100755" } else { "100644" };
                }
            }
            4 => drop(tree.insert(knob, ("120000", b"../elsewhere".to_vec()))),
            5 => {}
            6 => drop(tree.insert(b"sub/mod".to_vec(), ("160000", format!("{number:040x}").into_bytes()))),
            7 => drop(
                tree.insert(b".gitattributes".to_vec(), ("100644", format!("*.json -diff #{number}\n").into_bytes())),
            ),
            8 => drop(tree.insert(
                b".gitmodules".to_vec(),
                ("100644", b"[submodule \"m\"]\n\tpath = sub/mod\n\turl = ./x\n\tignore = all\n".to_vec()),
            )),
            9 => drop(tree.insert(b"big".to_vec(), ("100644", vec![u8::try_from(number % 251).unwrap(); 100_000]))),
            10 | 11 => drop(tree.insert(b"docs/d.md".to_vec(), ("100644", number.to_string().into_bytes()))),
            _ => {
                let names: [&[u8]; 8] = [
                    b"src/a",
                    b"sp ace/\"q\"",
                    b"caf\xE9/x",
                    b"n\nl/x",
                    b"-dash/x",
                    b":(glob)/x",
                    b"src/*",
                    b"\xF0\x9F\x8E\x89",
                ];
                let name = names[self.below(8)].to_vec();
                tree.insert(name, ("100644", number.to_string().into_bytes()));
            }
        }
    }

    /// Merges branches without own content; in conflicts, the first branch wins.
    fn merge(&mut self, count: usize) {
        let chosen: Vec<(usize, Tree)> = self.heads.drain(..count).collect();
        let mut after = chosen[0].1.clone();
        for (_, tree) in &chosen[1..] {
            for (path, file) in tree {
                after.entry(path.clone()).or_insert_with(|| file.clone());
            }
        }
        let parents: Vec<usize> = chosen.iter().map(|(mark, _)| *mark).collect();
        let mark = self.commit(&parents, &chosen[0].1, &after);
        self.heads.push((mark, after));
    }
}

fn quoted(path: &[u8]) -> String {
    let escaped: String = path.iter().map(|byte| format!("\\{byte:03o}")).collect();
    format!("\"{escaped}\"")
}

fn history() -> Foreign {
    let mut foreign =
        Foreign { stream: Vec::new(), random: 20_260_301, marks: 0, heads: Vec::new(), expected: BTreeMap::new() };
    for root in 0..2 {
        let knobs = TUNEABLES.iter().map(|file| (file.as_bytes().to_vec(), ("100644", b"30\n".to_vec())));
        let tree: Tree = if root == 0 { knobs.collect() } else { [(b"other".to_vec(), ("100644", Vec::new()))].into() };
        let mark = foreign.commit(&[], &Tree::new(), &tree);
        foreign.expected.insert(mark, if root == 0 { "TUNEABLES_UNTRACKED" } else { "COMMIT_WITHOUT_ID" });
        foreign.heads.push((mark, tree));
    }
    while foreign.marks < 400 {
        match foreign.below(20) {
            0 if foreign.heads.len() < 8 => {
                let copy = foreign.below(foreign.heads.len());
                let head = foreign.heads[copy].clone();
                // A new branch with a commit of its own.
                let mark = foreign.commit(&[head.0], &head.1, &head.1);
                foreign.heads.push((mark, head.1));
            }
            1 if foreign.heads.len() > 4 => foreign.merge(3),
            2 if foreign.heads.len() > 3 => foreign.merge(2),
            _ => foreign.plain(),
        }
    }
    let all = foreign.heads.len();
    foreign.merge(all);
    foreign
}

#[test]
fn each_untracked_commit_of_a_foreign_history_is_found_and_no_other() {
    let foreign = history();
    let sandbox = Sandbox::enforced();
    let marks = sandbox.home().join("marks");
    let mut import = sandbox.command("git");
    import.args(["fast-import", "--quiet", "--force"]).arg(format!("--export-marks={}", marks.display()));
    let mut import = import.stdin(std::process::Stdio::piped()).spawn().unwrap();
    import.stdin.take().unwrap().write_all(&foreign.stream).unwrap();
    assert!(import.wait().unwrap().success());
    let text = std::fs::read_to_string(marks).unwrap();
    let hashes: BTreeMap<&str, usize> = text
        .lines()
        .map(|line| line[1..].split_once(' ').unwrap())
        .map(|(mark, hash)| (hash, mark.parse().unwrap()))
        .collect();
    let last = hashes.iter().find(|(_, mark)| **mark == foreign.marks).unwrap().0;
    // The config at the head defines which files are tuneables.
    sandbox.git(&["checkout", "-q", "-B", "foreign", "main"]);
    sandbox.git(&["merge", "-q", "-s", "ours", "--no-edit", "--allow-unrelated-histories", last]);
    let config = sandbox.read("vibeship_optimizer.yml");
    let files = format!("files: [{}]", TUNEABLES.join(", "));
    let config = config.replace("files: [config/tuneables.json]", &files).replace("notes/**", "docs/**");
    sandbox.write("vibeship_optimizer.yml", &config);
    sandbox.git(&["commit", "-qam", "Name the tuneables"]);
    let answer = sandbox.run(&["check", "--range", "..HEAD", "--format", "json"]);
    assert_eq!(answer.code, 1, "{}", answer.stderr);
    let value: serde_json::Value = serde_json::from_str(&answer.stdout).unwrap();
    let mut found: BTreeMap<usize, String> = BTreeMap::new();
    for finding in value["findings"].as_array().unwrap() {
        let (code, hash) = (finding["code"].as_str().unwrap(), finding["commit"]["id"].as_str().unwrap());
        let Some(mark) = hashes.get(hash) else { continue };
        if code != "MERGE_BRINGS_CONTENT" {
            assert_eq!(found.insert(*mark, code.to_owned()), None, "{finding}");
        }
    }
    let expected: BTreeMap<usize, String> =
        foreign.expected.iter().map(|(mark, code)| (*mark, (*code).to_owned())).collect();
    assert_eq!(found, expected);
    let untracked = expected.values().filter(|code| *code == "TUNEABLES_UNTRACKED").count();
    assert!(untracked > 50, "{untracked}");
    let all = value["commits"].as_u64().unwrap();
    assert_eq!(all, foreign.marks as u64 + 3);
}
