//! Resolved conflicts: whether what a person made of a conflicting file alters nothing but the conflicts.

/// Whether a file differs from the one that git left with conflict markers only between these. A file without markers, such
/// as one that the other side deleted, is not altered at all; a binary file may be anything.
pub(crate) fn is_resolution(made: &[u8], resolved: &[u8]) -> bool {
    if made.contains(&0) || resolved.contains(&0) {
        return true;
    }
    let kept = outside_conflicts(made);
    let [first, middle @ .., last] = kept.as_slice() else { return made == resolved };
    let lines = lines(resolved);
    if lines.len() < first.len() + last.len() || !lines.starts_with(first) || !lines.ends_with(last) {
        return false;
    }
    let mut rest = &lines[first.len()..lines.len() - last.len()];
    middle.iter().all(|part| {
        let at = (0..=rest.len()).find(|at| rest[*at..].starts_with(part));
        at.inspect(|at| rest = &rest[at + part.len()..]).is_some()
    })
}

fn lines(text: &[u8]) -> Vec<&[u8]> {
    text.split_inclusive(|byte| *byte == b'\n').collect()
}

/// The lines before, between and after conflicts.
fn outside_conflicts(made: &[u8]) -> Vec<Vec<&[u8]>> {
    let (mut parts, mut is_inside) = (vec![Vec::new()], false);
    for line in lines(made) {
        if !is_inside && line.starts_with(b"<<<<<<< ") {
            is_inside = true;
        } else if is_inside && line.starts_with(b">>>>>>> ") {
            is_inside = false;
            parts.push(Vec::new());
        } else if !is_inside && let Some(part) = parts.last_mut() {
            part.push(line);
        }
    }
    parts
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_resolution_alters_the_conflicts_alone() {
        let made = b"a\n<<<<<<< x\nb\n||||||| y\n0\n=======\nc\n>>>>>>> z\nd\n<<<<<<< x\n=======\ne\n>>>>>>> z\n";
        let is_resolution = |resolved: &str| is_resolution(made, resolved.as_bytes());
        for resolved in ["a\nb\nd\n", "a\nd\ne\n", "a\nb\nc\nand\nd\nwhatever\n", "a\nd\nd\n"] {
            assert!(is_resolution(resolved), "{resolved}");
        }
        for resolved in ["evil\na\nb\nd\n", "a\nb\n", "d\na\n", "a\n", ""] {
            assert!(!is_resolution(resolved), "{resolved}");
        }
        assert!(!super::is_resolution(b"a\n", b"evil\na\n") && super::is_resolution(b"a\0", b"b"));
        // The last line may have no end.
        assert!(super::is_resolution(b"<<<<<<< x\nb\n=======\nc\n>>>>>>> z\nd", b"c\nd"));
    }
}
