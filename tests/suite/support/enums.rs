//! The variants of enums, read from the source, so that a new one without a test case is noticed.

use std::fs;
use std::path::Path;

use regex::Regex;

/// The names of an enum's variants, as files contain them.
pub(crate) fn variants(file: &str, name: &str) -> Vec<String> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(file);
    let source = fs::read_to_string(path).unwrap().replace("\r\n", "\n");
    let body = source.split_once(&format!("enum {name} {{\n")).unwrap().1.split_once("\n}").unwrap().0;
    let names = Regex::new(r"(?m)^    ([A-Z]\w*)").unwrap();
    let snake = |name: &str| Regex::new("(.)([A-Z])").unwrap().replace_all(name, "${1}_$2").to_lowercase();
    names.captures_iter(body).map(|found| snake(&found[1])).collect()
}
