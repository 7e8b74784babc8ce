//! The logbook: one section per change between markers. The user's text around them is never changed.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use crate::model::ChangeId;
use crate::store::project::{LEGACY_LOGBOOK, LOGBOOK};
use crate::store::{Exclusive, Result, StoreError, atomic, guard};

const BEGIN: &str = "<!-- vibeship-optimizer:begin ";
const END: &str = "<!-- vibeship-optimizer:end ";
const CLOSE: &str = " -->";
/// Far more than any logbook that people read.
const LIMIT: u64 = 64 * 1024 * 1024;

/// A problem with the markers of a section, reported to the user.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum MarkerProblem {
    /// The text after the begin marker was left as it is.
    #[error("line {line}: the section of {id} has no end marker; a new one was added at the end")]
    Unclosed { id: String, line: usize },
    #[error("line {line}: an end marker of {id} without its begin")]
    Unopened { id: String, line: usize },
    /// The first one is kept up to date; this one was removed.
    #[error("line {line}: a second section of {id} was removed")]
    Duplicate { id: String, line: usize },
    #[error("sections were torn, or in conflict, as a merge leaves them: they were written again")]
    Torn,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Replaced {
    pub text: Vec<u8>,
    pub problems: Vec<MarkerProblem>,
}

/// Puts `section` between the markers of `id`, or at the end if there are none. All bytes outside the markers stay.
/// Markers inside `section` are escaped; its line ends are adapted to the text.
pub(crate) fn replace_section(text: &[u8], id: &ChangeId, section: &str) -> Replaced {
    let id = id.as_str();
    let eol = line_end(text);
    let body = rendered(section, eol);
    let (sections, mut problems) = scan(text, id);
    let mut out = Vec::with_capacity(text.len() + body.len() + 128);
    let Some(((begin, end), rest)) = sections.split_first() else {
        out.extend_from_slice(text);
        append(&mut out, id, &body, eol);
        return Replaced { text: out, problems };
    };
    out.extend_from_slice(&text[..begin.end]);
    out.extend_from_slice(body.as_bytes());
    let mut kept_to = end.start;
    // After unpaired markers, a duplicate stays: removing it could turn them into a pair, with the user's text as the
    // section.
    let alone = !problems.is_empty();
    for (begin, end) in rest {
        problems.push(MarkerProblem::Duplicate { id: id.to_owned(), line: begin.line });
        if alone {
            continue;
        }
        out.extend_from_slice(&text[kept_to..begin.start]);
        kept_to = end.end;
    }
    out.extend_from_slice(&text[kept_to..]);
    Replaced { text: out, problems }
}

/// The text of each change's complete sections, by id.
pub(crate) fn sections(text: &[u8]) -> BTreeMap<String, Vec<&[u8]>> {
    let marks = marks(text);
    let mut found: BTreeMap<String, Vec<&[u8]>> = BTreeMap::new();
    for pair in marks.windows(2).filter(|pair| pair[0].opens && !pair[1].opens && pair[0].id == pair[1].id) {
        found.entry(pair[0].id.clone()).or_default().push(&text[pair[0].end..pair[1].start]);
    }
    found
}

/// The sections of changes, by id.
pub(crate) type Sections = BTreeMap<ChangeId, String>;

/// The text without the sections of these changes that a merge tore: one that begins within another, or lacks a marker; and
/// without the conflict markers around sections. Lines that no section has are the user's and stay. `None` if all are whole.
pub(crate) fn without_torn(text: &[u8], sections: &Sections) -> Option<Vec<u8>> {
    let lines: Vec<&[u8]> = text.split_inclusive(|byte| *byte == b'\n').collect();
    let mut marks = marks(text);
    marks.retain(|mark| sections.keys().any(|id| id.as_str() == mark.id));
    let texts: Vec<String> = sections.values().map(|section| rendered(section, "\n")).collect();
    let known: BTreeSet<&[u8]> =
        texts.iter().flat_map(|text| text.lines()).map(|line| line.trim().as_bytes()).collect();
    let is_rendered = |line: &[u8]| line.trim_ascii().is_empty() || known.contains(line.trim_ascii());
    let mut gone: BTreeSet<usize> = BTreeSet::new();
    let mut at = 0;
    while at < marks.len() {
        let last = end_of(&marks, at);
        let whole = last == at + 1 && marks[at].opens;
        let (from, to) = (marks[at].line - 1, marks[last].line);
        let torn = (from..to).filter(|_| !whole);
        gone.extend(torn.filter(|line| is_rendered(lines[*line]) || is_conflict(lines[*line])));
        if !whole {
            gone.extend(marks[at..=last].iter().map(|mark| mark.line - 1));
        }
        if last == at && marks[at].opens {
            gone.extend((to..lines.len()).take_while(|line| is_rendered(lines[*line])));
        }
        at = last + 1;
    }
    let mut began = None;
    for (line, text) in lines.iter().enumerate() {
        if text.starts_with(b"<<<<<<< ") {
            began = Some(line);
        } else if text.starts_with(b">>>>>>> ")
            && let Some(from) = began.take()
            && ((from..line).any(|it| gone.contains(&it))
                || marks.iter().any(|it| (from..line).contains(&(it.line - 1))))
        {
            gone.extend((from..=line).filter(|line| is_conflict(lines[*line])));
        }
    }
    let left = lines.iter().enumerate().filter(|(line, _)| !gone.contains(line));
    (!gone.is_empty()).then(|| left.flat_map(|(_, text)| text.to_vec()).collect())
}

/// The last marker of the section that begins with this one, and of those that begin within it.
fn end_of(marks: &[Mark], at: usize) -> usize {
    let (mut last, mut within) = (at, at);
    while within <= last {
        let next = (within + 1..marks.len()).find(|next| marks[*next].id == marks[within].id);
        let end = next.filter(|next| marks[within].opens && !marks[*next].opens);
        last = last.max(end.unwrap_or(last));
        within += 1;
    }
    last
}

fn is_conflict(line: &[u8]) -> bool {
    line.trim_ascii_end() == b"======="
        || [b"<<<<<<< ", b"||||||| ", b">>>>>>> "].iter().any(|it| line.starts_with(*it))
}

/// Updates one section of the project's logbook; `heading` starts a new logbook. `all` gives every section, if any is torn.
pub(crate) fn update(
    lock: &Exclusive,
    id: &ChangeId,
    section: &str,
    heading: &str,
    all: &dyn Fn() -> Sections,
) -> Result<Vec<MarkerProblem>> {
    let path = lock.project().logbook_path();
    guard::inside(lock.project(), &path)?;
    let old = atomic::read(&path, LIMIT)?;
    let text = old.as_deref().unwrap_or(heading.as_bytes());
    if text.starts_with(&[0xFF, 0xFE]) || text.starts_with(&[0xFE, 0xFF]) {
        return Err(StoreError::Utf16 { path });
    }
    let mut new = Replaced { text: text.to_vec(), problems: Vec::new() };
    if is_suspect(text) {
        let all = all();
        if let Some(left) = without_torn(text, &all) {
            let had = |id: &ChangeId| marks(text).iter().any(|mark| mark.id == id.as_str());
            let again = all.iter().filter(|(id, _)| had(id));
            new.text = again.fold(left, |text, (id, section)| replace_section(&text, id, section).text);
            new.problems.push(MarkerProblem::Torn);
        }
    }
    let replaced = replace_section(&new.text, id, section);
    new.text = replaced.text;
    new.problems.extend(replaced.problems);
    if old.as_deref() != Some(&new.text) {
        guard::write(lock.project(), &path, &new.text)?;
    }
    Ok(new.problems)
}

pub(crate) fn create(lock: &Exclusive, heading: &str) -> Result<PathBuf> {
    let path = lock.project().logbook_path();
    guard::inside(lock.project(), &path)?;
    match atomic::create_new(&path, heading.as_bytes()) {
        Err(StoreError::Exists { .. }) if path.is_dir() => Err(StoreError::NotAFile { path }),
        Ok(()) | Err(StoreError::Exists { .. }) => Ok(path),
        Err(e) => Err(e),
    }
}

/// Renames a logbook with the old name if there is none with the new one. Returns whether it did.
pub(crate) fn adopt_legacy(lock: &Exclusive) -> Result<bool> {
    let old = lock.project().root().join(LEGACY_LOGBOOK);
    let new = lock.project().root().join(LOGBOOK);
    if !old.is_file() || new.symlink_metadata().is_ok() {
        return Ok(false);
    }
    std::fs::rename(&old, &new).map_err(StoreError::io("rename", &old))?;
    Ok(true)
}

/// Whether sections may be torn: not every begin marker is followed by its own end marker, or there is a conflict.
fn is_suspect(text: &[u8]) -> bool {
    let is_pair = |pair: &[Mark]| matches!(pair, [one, other] if one.opens && !other.opens && one.id == other.id);
    !marks(text).chunks(2).all(is_pair) || text.split(|byte| *byte == b'\n').any(|line| line.starts_with(b"<<<<<<< "))
}

/// A marker line, including its line end.
#[derive(Debug)]
struct Mark {
    id: String,
    opens: bool,
    start: usize,
    end: usize,
    line: usize,
}

fn marks(text: &[u8]) -> Vec<Mark> {
    let mut found = Vec::new();
    let mut start = 0;
    for (index, raw) in text.split_inclusive(|byte| *byte == b'\n').enumerate() {
        let end = start + raw.len();
        let line = if index == 0 { raw.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(raw) } else { raw };
        if let Some((opens, id)) = std::str::from_utf8(line.trim_ascii()).ok().and_then(mark) {
            found.push(Mark { id: id.to_owned(), opens, start, end, line: index + 1 });
        }
        start = end;
    }
    found
}

fn mark(line: &str) -> Option<(bool, &str)> {
    let inner = line.strip_suffix(CLOSE)?;
    let (opens, id) = match inner.strip_prefix(BEGIN) {
        Some(id) => (true, id),
        None => (false, inner.strip_prefix(END)?),
    };
    id.parse::<ChangeId>().is_ok().then_some((opens, id))
}

/// The sections of `id`: a begin marker directly followed by its own end marker. Anything else is a problem and stays,
/// since the user's text cannot be distinguished from the section.
fn scan(text: &[u8], id: &str) -> (Vec<(Mark, Mark)>, Vec<MarkerProblem>) {
    let mut sections = Vec::new();
    let mut problems = Vec::new();
    let mut rest = marks(text).into_iter().peekable();
    while let Some(mark) = rest.next() {
        if mark.id != id {
            continue;
        }
        if !mark.opens {
            problems.push(MarkerProblem::Unopened { id: id.to_owned(), line: mark.line });
            continue;
        }
        match rest.next_if(|next| next.id == id && !next.opens) {
            Some(end) => sections.push((mark, end)),
            None => problems.push(MarkerProblem::Unclosed { id: id.to_owned(), line: mark.line }),
        }
    }
    (sections, problems)
}

fn append(out: &mut Vec<u8>, id: &str, body: &str, eol: &str) {
    let bom_only = out.as_slice() == b"\xEF\xBB\xBF";
    if !out.is_empty() && !bom_only {
        if !out.ends_with(b"\n") {
            out.extend_from_slice(eol.as_bytes());
        }
        out.extend_from_slice(eol.as_bytes());
    }
    for part in [BEGIN, id, CLOSE, eol, body, END, id, CLOSE, eol] {
        out.extend_from_slice(part.as_bytes());
    }
}

fn rendered(section: &str, eol: &str) -> String {
    // A colon written as an entity looks the same and is no marker.
    let harmless = |line: &str| line.replace("vibeship-optimizer:", "vibeship-optimizer&#58;");
    section.lines().map(|line| harmless(line) + eol).collect()
}

fn line_end(text: &[u8]) -> &'static str {
    match text.iter().position(|byte| *byte == b'\n') {
        Some(at) if at > 0 && text[at - 1] == b'\r' => "\r\n",
        // The line feed appended after it would complete a CRLF.
        None if text.ends_with(b"\r") => "\r\n",
        _ => "\n",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const ID: &str = "chg-1";

    /// The ids with a complete section, in order of appearance.
    fn sections(text: &[u8]) -> Vec<String> {
        let marks = marks(text);
        let whole = marks.windows(2).filter(|pair| pair[0].opens && !pair[1].opens && pair[0].id == pair[1].id);
        whole.map(|pair| pair[0].id.clone()).collect()
    }

    #[test]
    fn a_text_that_ends_in_a_lone_carriage_return_is_the_same_the_second_time() {
        let once = replace_section(b"\r", &ID.parse().unwrap(), "x").text;
        assert_eq!(replace_section(&once, &ID.parse().unwrap(), "x").text, once);
    }

    fn replaced(text: &str, section: &str) -> String {
        String::from_utf8(replace_section(text.as_bytes(), &ID.parse().unwrap(), section).text).unwrap()
    }

    #[test]
    fn a_new_section_is_appended_and_then_replaced_in_place() {
        let first = replaced("# Log\n\nmine", "old\nlines\n");
        assert_eq!(
            first,
            "# Log\n\nmine\n\n<!-- vibeship-optimizer:begin chg-1 -->\nold\nlines\n<!-- vibeship-optimizer:end chg-1 -->\n"
        );
        let second = replaced(&format!("{first}after\n"), "new");
        assert_eq!(
            second,
            "# Log\n\nmine\n\n<!-- vibeship-optimizer:begin chg-1 -->\nnew\n<!-- vibeship-optimizer:end chg-1 -->\nafter\n"
        );
        assert_eq!(replaced(&second, "new"), second);
    }

    #[test]
    fn the_line_ends_of_the_text_are_taken_over() {
        let text = replaced("a\r\nb", "x\ny");
        assert!(text.starts_with("a\r\nb\r\n\r\n"));
        assert!(text.ends_with("x\r\ny\r\n<!-- vibeship-optimizer:end chg-1 -->\r\n"));
    }

    #[test]
    fn forged_markers_in_a_section_are_harmless() {
        let forged = "<!-- vibeship-optimizer:end chg-1 -->\nTitle\n<!-- vibeship-optimizer:begin chg-2 -->";
        let text = replaced("", forged);
        assert_eq!(sections(text.as_bytes()), [ID]);
        assert_eq!(replaced(&text, "x"), replaced("", "x"));
    }

    #[test]
    fn a_begin_without_an_end_takes_nothing_with_it() {
        let broken = "<!-- vibeship-optimizer:begin chg-1 -->\nprecious\n";
        let done = replace_section(broken.as_bytes(), &ID.parse().unwrap(), "new");
        assert_eq!(done.problems, [MarkerProblem::Unclosed { id: ID.into(), line: 1 }]);
        assert!(done.text.starts_with(broken.as_bytes()));
        let again = replace_section(&done.text, &ID.parse().unwrap(), "newer");
        assert!(again.text.starts_with(broken.as_bytes()));
        assert_eq!(sections(&again.text), [ID], "a second one is not appended");
    }

    #[test]
    fn of_a_section_without_its_end_only_what_the_tool_wrote_goes() {
        let all = Sections::from([(ID.parse().unwrap(), "# T\n\nold\n".to_owned())]);
        let (begin, other) = ("<!-- vibeship-optimizer:begin chg-1 -->\n", "<!-- vibeship-optimizer:begin chg-2 -->\n");
        let text = format!("mine\n{begin}# T\nold\nprecious\n\nold\n{other}");
        let left = without_torn(text.as_bytes(), &all).unwrap();
        assert_eq!(String::from_utf8(left).unwrap(), format!("mine\nprecious\n\nold\n{other}"));
        assert_eq!(without_torn(replaced("<<<<<<< mine\n>>>>>>> mine\n", "x").as_bytes(), &all), None);
    }

    #[test]
    fn nested_and_unopened_markers_are_reported_and_left() {
        let text = "<!-- vibeship-optimizer:begin chg-1 -->\nmine\n<!-- vibeship-optimizer:begin chg-2 -->\n2\n\
                    <!-- vibeship-optimizer:end chg-2 -->\n<!-- vibeship-optimizer:end chg-1 -->\n";
        let done = replace_section(text.as_bytes(), &ID.parse().unwrap(), "new");
        assert_eq!(done.problems.len(), 2);
        assert!(done.text.starts_with(text.as_bytes()));
    }

    #[test]
    fn a_second_section_of_a_change_goes_and_the_text_between_stays() {
        let one = replaced("", "x");
        let done = replace_section(format!("{one}between\n{one}after\n").as_bytes(), &ID.parse().unwrap(), "new");
        assert_eq!(String::from_utf8(done.text).unwrap(), format!("{}between\nafter\n", replaced("", "new")));
        assert_eq!(done.problems, [MarkerProblem::Duplicate { id: ID.into(), line: 5 }]);
    }

    #[test]
    fn a_duplicate_between_lone_markers_stays_so_that_these_never_become_a_pair() {
        let (begin, end) = ("<!-- vibeship-optimizer:begin chg-1 -->\n", "<!-- vibeship-optimizer:end chg-1 -->\n");
        let text = format!("{begin}{end}{begin}mine\n{begin}{end}too\n{end}");
        let done = replace_section(text.as_bytes(), &ID.parse().unwrap(), "new");
        assert_eq!(done.problems.len(), 3);
        let again = replace_section(&done.text, &ID.parse().unwrap(), "newer");
        let text = String::from_utf8(again.text).unwrap();
        assert!(text.contains("mine\n") && text.contains("too\n"), "{text}");
    }

    #[test]
    fn text_that_is_not_utf8_survives() {
        let text = b"\xEF\xBB\xBFcaf\xE9\n";
        let done = replace_section(text, &ID.parse().unwrap(), "x");
        assert!(done.text.starts_with(text));
    }

    #[test]
    fn an_id_that_could_break_a_marker_is_refused() {}

    fn piece() -> impl Strategy<Value = Vec<u8>> {
        prop_oneof![
            proptest::collection::vec(any::<u8>(), 0..12),
            Just(b"\n".to_vec()),
            Just(b"\r\n".to_vec()),
            Just(b"\n<!-- vibeship-optimizer:begin chg-1 -->\n".to_vec()),
            Just(b"\n<!-- vibeship-optimizer:end chg-1 -->\n".to_vec()),
            Just(b"\n<!-- vibeship-optimizer:begin chg-2 -->\r\n".to_vec()),
            Just(b"\n<!-- vibeship-optimizer:end chg-2 -->\r\n".to_vec()),
        ]
    }

    /// The text outside complete marker pairs of the change, determined independently by splitting at the marker lines.
    fn outside(text: &[u8]) -> Vec<Vec<u8>> {
        let lines: Vec<&[u8]> = text.split_inclusive(|b| *b == b'\n').collect();
        let kind = |line: &[u8]| {
            let line = String::from_utf8_lossy(line.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(line)).trim().to_owned();
            let inner = line.strip_prefix("<!-- vibeship-optimizer:")?.strip_suffix(" -->")?.to_owned();
            inner
                .starts_with("begin chg-")
                .then_some((true, inner.clone()))
                .or_else(|| inner.starts_with("end chg-").then_some((false, inner)))
        };
        let mut kept = Vec::new();
        let mut i = 0;
        while i < lines.len() {
            if kind(lines[i]) == Some((true, "begin chg-1".into())) {
                let next = (i + 1..lines.len()).find(|j| kind(lines[*j]).is_some());
                if let Some(j) = next
                    && kind(lines[j]) == Some((false, "end chg-1".into()))
                {
                    i = j + 1;
                    continue;
                }
            }
            kept.push(lines[i].to_vec());
            i += 1;
        }
        kept
    }

    proptest! {
        #[test]
        fn everything_outside_the_markers_stays(pieces in proptest::collection::vec(piece(), 0..14), section in "\\PC*") {
            let text = pieces.concat();
            let done = replace_section(&text, &ID.parse().unwrap(), &section);
            let before: Vec<u8> = outside(&text).concat();
            let after: Vec<u8> = outside(&done.text).concat();
            // Only line ends are appended to set the section off.
            prop_assert!(after.starts_with(&before), "{:?} became {:?}", before, after);
            prop_assert!(after[before.len()..].iter().all(|b| matches!(b, b'\r' | b'\n')));
            let again = replace_section(&done.text, &ID.parse().unwrap(), &section);
            prop_assert_eq!(&again.text, &done.text, "doing it again changes nothing");
        }
    }
}
