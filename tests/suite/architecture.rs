//! Checks the source against its architecture: allowed imports, lengths of files, and purity of modules.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

/// Most lines of a file before its tests.
const MAX_LINES: usize = 400;

/// Modules without I/O, clock or environment.
const PURE: [&str; 6] = ["model", "stats", "judge", "workflow", "audit", "report"];

struct Source {
    path: String,
    /// The top-level module: `store` for `src/store/lock.rs` and `error` for `src/error.rs`.
    module: String,
    /// The code outside tests, without comments and string literals.
    code: String,
    raw: String,
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn files(dir: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
}

/// Every source file, read once.
fn sources() -> &'static [Source] {
    static SOURCES: LazyLock<Vec<Source>> = LazyLock::new(read_sources);
    &SOURCES
}

fn read_sources() -> Vec<Source> {
    let mut found = Vec::new();
    files(&root().join("src"), &mut found);
    found.sort();
    let read = |path: PathBuf| {
        let raw = fs::read_to_string(&path).unwrap().replace("\r\n", "\n");
        let code = if is_of_tests(&path) { String::new() } else { code(production(&raw)) };
        let path = path.strip_prefix(root()).unwrap().to_str().unwrap().replace('\\', "/");
        let module = path.split('/').nth(1).unwrap().trim_end_matches(".rs").to_owned();
        Source { code, path, module, raw }
    };
    found.into_iter().map(read).collect()
}

/// The part of a file before its test module.
fn production(text: &str) -> &str {
    let end = ["#[cfg(test)]\nmod ", "#[cfg(test)]\n#["].iter().filter_map(|start| text.find(start)).min();
    &text[..end.unwrap_or(text.len())]
}

/// Whether the file is declared as a test module.
fn is_of_tests(path: &Path) -> bool {
    let name = path.file_stem().unwrap().to_str().unwrap();
    let parent = fs::read_to_string(path.with_file_name("mod.rs")).unwrap_or_default().replace("\r\n", "\n");
    parent.contains(&format!("#[cfg(test)]\npub(crate) mod {name};"))
        || parent.contains(&format!("#[cfg(test)]\nmod {name};"))
}

/// Finds string literals over several lines that lack a backslash at a line end, and so contain the indentation.
#[test]
fn no_message_contains_a_run_of_spaces() {
    let run = |line: &str| {
        let words = line.trim_start();
        let is_code = !words.starts_with("//") && !words.starts_with('#');
        let found = words.match_indices("  ").any(|(at, _)| {
            let (before, after) = (&words[..at], words[at..].trim_start());
            let starts = before.ends_with(|c: char| c.is_ascii_lowercase() || ".,;:".contains(c));
            // Spaces after `\n` are the indentation of a line in a generated file.
            starts && !before.ends_with("\\n") && after.starts_with(|c: char| c.is_ascii_alphabetic())
        });
        is_code && found
    };
    // The command sheet for language models is aligned in columns.
    for source in sources().iter().filter(|source| {
        ["report", "commands", "measure", "project", "git", "os"].contains(&source.module.as_str())
            && source.path != "src/report/llm.rs"
    }) {
        if let Some(line) = production(&source.raw).lines().find(|line| run(line)) {
            panic!("{}: {line}", source.path);
        }
    }
}

/// Removes comments, string literals and white space, so that paths are found regardless of formatting.
fn code(text: &str) -> String {
    let mut out = String::new();
    let mut rest = text;
    while let Some(c) = rest.chars().next() {
        if rest.starts_with("//") {
            rest = &rest[rest.find('\n').unwrap_or(rest.len())..];
        } else if rest.starts_with("r#\"") {
            rest = rest[3..].split_once("\"#").map_or("", |(_, after)| after);
            out.push_str("\"\"");
        } else if rest.starts_with("'\"'") {
            rest = &rest[3..];
        } else if c == '"' {
            rest = after_text(&rest[1..]);
            out.push_str("\"\"");
        } else {
            // Keeps one space between words.
            if !c.is_whitespace() {
                out.push(c);
            } else if out.ends_with(|last: char| last.is_alphanumeric()) {
                out.push(' ');
            }
            rest = &rest[c.len_utf8()..];
        }
    }
    out
}

fn after_text(text: &str) -> &str {
    let mut escaped = false;
    for (at, c) in text.char_indices() {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '"' => return &text[at + 1..],
            _ => {}
        }
    }
    ""
}

/// The modules that code refers to by `crate::`.
fn imports(code: &str) -> BTreeSet<String> {
    let names = code.split("crate::").skip(1);
    names.map(|rest| rest.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect()).collect()
}

/// The import table in the documentation of `src/lib.rs`.
fn table() -> BTreeMap<String, BTreeSet<String>> {
    let lib = fs::read_to_string(root().join("src/lib.rs")).unwrap();
    let ticked = |cell: &str| -> BTreeSet<String> { cell.split('`').skip(1).step_by(2).map(str::to_owned).collect() };
    let rows = lib.lines().filter_map(|line| line.strip_prefix("//! | [")).map(|row| {
        let cells: Vec<&str> = row.split('|').collect();
        (ticked(cells[0]), cells[1].trim().to_owned())
    });
    let rows: Vec<_> = rows.collect();
    let all: BTreeSet<String> = rows.iter().flat_map(|(modules, _)| modules.clone()).collect();
    let mut table = BTreeMap::new();
    for (modules, cell) in rows {
        let allowed = if let Some(but) = cell.strip_prefix("all but") {
            all.difference(&ticked(but)).cloned().collect()
        } else {
            ticked(&cell)
        };
        table.extend(modules.into_iter().map(|module| (module, allowed.clone())));
    }
    table
}

#[test]
fn the_table_names_every_module() {
    let mut modules: BTreeSet<String> = sources().iter().map(|source| source.module.clone()).collect();
    modules.remove("lib");
    modules.remove("main");
    assert_eq!(table().keys().cloned().collect::<BTreeSet<_>>(), modules);
}

#[test]
fn modules_import_only_what_the_table_lets_them() {
    let table = table();
    let mut wrong = Vec::new();
    for source in sources().iter().filter(|source| !matches!(source.module.as_str(), "lib" | "main")) {
        let allowed = &table[&source.module];
        let strange = imports(&source.code).into_iter().filter(|to| *to != source.module && !allowed.contains(to));
        wrong.extend(strange.map(|to| format!("{} imports {to}", source.path)));
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn paths_are_absolute_and_name_their_module() {
    for source in sources() {
        assert!(!source.code.contains("super::"), "{} uses super:: outside its tests", source.path);
        assert!(!source.code.contains("crate::{"), "{} groups imports across modules", source.path);
        assert!(!source.code.contains("crate::*"), "{} imports everything", source.path);
    }
}

#[test]
fn every_file_says_what_it_owns_and_is_short() {
    for source in sources() {
        assert!(source.raw.starts_with("//! "), "{} does not open with //!", source.path);
        let lines = production(&source.raw).lines().count();
        assert!(lines <= MAX_LINES, "{} has {lines} lines before its tests", source.path);
    }
}

#[test]
fn the_pure_modules_deny_what_is_impure() {
    for module in PURE {
        let root = fs::read_to_string(root().join(format!("src/{module}/mod.rs"))).unwrap();
        assert!(root.contains("#![deny(clippy::disallowed_methods"), "src/{module}/mod.rs");
    }
    let impure =
        ["std::fs", "std::env", "std::net", "std::process", "std::thread", "SystemTime", "Instant::now", "Utc::now"];
    let pure = sources().iter().filter(|source| PURE.contains(&source.module.as_str()));
    for source in pure {
        for what in impure {
            assert!(!source.code.contains(what), "{} uses {what}", source.path);
        }
    }
}

#[test]
fn only_the_terminal_prints() {
    for source in sources().iter().filter(|source| source.module != "ui") {
        for what in ["println!", "print!", "eprintln!", "eprint!", "dbg!", "io::stdout", "io::stderr"] {
            assert!(!source.code.contains(what), "{} has {what}", source.path);
        }
    }
}

#[test]
fn only_job_objects_use_unsafe_code() {
    for source in sources().iter().filter(|source| source.path != "src/os/process/windows.rs") {
        assert!(!source.code.contains("unsafe"), "{}", source.path);
    }
}

#[test]
fn only_os_and_git_use_interfaces_of_the_platform() {
    // Any module may use `std::path::MAIN_SEPARATOR` and the like, but not interfaces of the system.
    for source in sources().iter().filter(|source| !matches!(source.module.as_str(), "os" | "git")) {
        for what in ["std::os::", "windows_sys", "rustix::"] {
            assert!(!source.code.contains(what), "{} uses {what}", source.path);
        }
    }
}

#[test]
fn no_code_is_unfinished_or_may_panic() {
    for source in sources() {
        for what in ["todo!", "unimplemented!", ".unwrap()", ".expect(", "panic!(", "unreachable!("] {
            assert!(!source.code.contains(what), "{} has {what}", source.path);
        }
        assert!(!source.code.contains("#[allow("), "{} allows a lint instead of expecting it", source.path);
    }
}

#[test]
fn no_module_has_a_meaningless_name() {
    for source in sources() {
        for name in ["core", "util", "utils", "common", "helpers", "manager", "misc"] {
            let found = source.path.split(['/', '.']).any(|part| part == name);
            assert!(!found, "{}", source.path);
        }
    }
}

#[test]
fn the_dependencies_stay_few() {
    let lock = fs::read_to_string(root().join("Cargo.lock")).unwrap();
    let packages = lock.matches("[[package]]").count();
    assert!(packages <= 155, "{packages} packages in Cargo.lock");
}

#[test]
fn code_is_read_without_comments_and_string_literals() {
    let code = code("use crate::a\n    ::b; // crate::c\nlet x = \"crate::d \\\" crate::e\"; r#\"crate::f\"#");
    assert_eq!(imports(&code), ["a".to_owned()].into());
    assert_eq!(production("x\n#[cfg(test)]\nmod tests {"), "x\n");
}

/// What the most permissive world grants on replay, and the function by which the range check asks git for it instead.
const ASKED_BY: [(&str, &str); 40] = [
    ("revision", "src/audit/record.rs against_objects"),
    ("allow_dirty", "nothing: what a dirty baseline allows is only indicative"),
    ("undecided", "nothing: advice at the opening"),
    ("tuneables_configured", "nothing: a tuneable change leaves code alone, as `not_of_class`"),
    ("max_emergency_days", "src/audit/members.rs expired"),
    ("better", "src/commands/sources.rs kpi_problem"),
    ("unknown", "nothing: an unknown metric has no values"),
    ("commits_with_id", "src/audit/members.rs findings"),
    ("not_in_git", "src/commands/sources.rs size_problem"),
    ("uncommitted_config", "src/commands/record_check.rs judged_by_changed_config"),
    ("outputs", "src/commands/sources.rs of_validation"),
    ("own_sources", "src/commands/sources.rs of_validation"),
    ("unmeasured", "src/audit/evidence.rs comparison"),
    ("met_already", "src/audit/evidence.rs comparison"),
    ("descends", "src/audit/members.rs baseline_order"),
    ("delta", "src/audit/record.rs other_delta"),
    ("unnamed", "nothing: it words advice"),
    ("not_of_class", "src/audit/policy.rs findings"),
    ("owed", "src/audit/policy.rs findings"),
    ("at_tip", "nothing: it words advice"),
    ("one_id_each", "src/audit/range.rs assign"),
    ("unattributed", "src/audit/evidence.rs comparison"),
    ("tuneables", "src/commands/sources.rs tuneables_problem"),
    ("redefined", "src/commands/record_check.rs judged_by_changed_config"),
    ("has_tests", "src/commands/sources.rs of_validation"),
    ("faults", "src/audit/record.rs files"),
    ("reproduced", "src/audit/evidence.rs problem"),
    ("in_effect", "src/commands/record_check.rs measured_elsewhere"),
    ("days", "nothing: two processes at once"),
    ("taken_back", "src/commands/record_check.rs of_events"),
    ("undone", "nothing: uncommitted edits"),
    ("still_in_effect", "src/commands/record_check.rs left"),
    ("policy", "src/commands/record_check.rs loosened"),
    ("review_counts", "src/commands/demands.rs went_past"),
    ("review_objection", "src/commands/demands.rs went_past"),
    ("clean_git", "src/commands/record_check.rs loosened"),
    ("follow_up_promoted", "src/audit/record.rs habits"),
    ("kpi_lost", "src/audit/evidence.rs lost"),
    ("brought_back", "src/commands/record_check.rs of_events"),
    ("elsewhere", "src/commands/monitor/mod.rs unwitnessed"),
];

#[test]
fn the_range_check_asks_for_what_a_replay_grants() {
    let find = |path: &str| &sources().iter().find(|source| source.path == path).unwrap().raw;
    let world = find("src/workflow/world.rs");
    let fields = world.split("pub struct World {").nth(1).unwrap().split("\n}").next().unwrap();
    let fields = fields.lines().filter_map(|line| line.trim().strip_prefix("pub ")?.split(':').next());
    let listed: Vec<&str> = ASKED_BY.iter().map(|(field, _)| *field).collect();
    assert_eq!(fields.collect::<Vec<_>>(), listed, "say where the range check asks for a new field");
    for (field, asked_by) in ASKED_BY {
        let Some((path, function)) = asked_by.split_once(' ').filter(|_| !asked_by.starts_with("nothing:")) else {
            continue;
        };
        assert!(find(path).contains(&format!("fn {function}")), "{field}: {asked_by}");
    }
}
