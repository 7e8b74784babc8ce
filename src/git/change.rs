//! Which files differ between two trees, as git's raw format tells it. Must not read the files.

/// One differing path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileChange {
    /// Path from the repository's root, with `/`.
    pub path: Vec<u8>,
    /// `A` added, `M` modified, `D` deleted, `T` of another type, `U` in conflict. For a merge against all its
    /// parents, one letter for each.
    pub status: String,
    /// Mode before (against the first parent); `000000` when there was nothing.
    pub old_mode: String,
    /// Mode after; `000000` when there is nothing.
    pub new_mode: String,
    /// Object before; all zeros when there was nothing.
    pub old_object: String,
    /// Object after; all zeros when there is nothing.
    pub new_object: String,
}

impl FileChange {
    /// Whether it is a regular file, as far as it is there before and after: no link, no submodule.
    pub fn is_regular(&self) -> bool {
        [&self.old_mode, &self.new_mode].into_iter().all(|mode| is_regular(mode))
    }

    /// Whether the file is there afterwards.
    pub fn is_present(&self) -> bool {
        self.new_mode != "000000"
    }
}

/// Whether a mode is that of a regular file, or of nothing.
pub fn is_regular(mode: &str) -> bool {
    mode.starts_with("100") || mode == "000000"
}

/// Reads `:MODE MODE OBJECT OBJECT STATUS`, and the form with more parents, which has a colon for each.
pub fn parse_raw(header: &[u8], path: &[u8]) -> Option<FileChange> {
    let text = std::str::from_utf8(header).ok()?.trim_start_matches('\n');
    let rest = text.trim_start_matches(':');
    let parents = text.len() - rest.len();
    let fields: Vec<&str> = rest.split(' ').collect();
    if parents == 0 || path.is_empty() || fields.len() != 2 * parents + 3 {
        return None;
    }
    Some(FileChange {
        path: path.to_vec(),
        status: fields[2 * parents + 2].to_owned(),
        old_mode: fields[0].to_owned(),
        new_mode: fields[parents].to_owned(),
        old_object: fields[parents + 1].to_owned(),
        new_object: fields[2 * parents + 1].to_owned(),
    })
}

/// Reads a whole `--raw -z` output.
pub fn parse_all(output: &[u8]) -> Option<Vec<FileChange>> {
    let mut tokens = output.split(|byte| *byte == 0).filter(|token| !token.is_empty());
    let mut changes = Vec::new();
    while let Some(header) = tokens.next() {
        changes.push(parse_raw(header, tokens.next()?)?);
    }
    Some(changes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_parent_and_several_are_read() {
        let one = parse_raw(b"\n:100644 100755 aa bb M", b"x").unwrap();
        assert_eq!((one.old_mode.as_str(), one.new_mode.as_str()), ("100644", "100755"));
        assert_eq!((one.old_object.as_str(), one.new_object.as_str(), one.status.as_str()), ("aa", "bb", "M"));
        let two = parse_raw(b"::100644 100644 100755 aa bb cc MM", b"x").unwrap();
        assert_eq!((two.new_mode.as_str(), two.new_object.as_str(), two.status.as_str()), ("100755", "cc", "MM"));
    }

    #[test]
    fn anything_else_is_refused() {
        for bad in [&b"100644 100644 a b M"[..], b":100644 a b M", b"", b":\xFF"] {
            assert_eq!(parse_raw(bad, b"x"), None);
        }
        assert_eq!(parse_all(b":100644 100644 a b M\0"), None, "a path is missing");
    }
}
