//! What a run wrote, bounded in memory: its beginning and its end. Must not know where the bytes come from.

use std::collections::VecDeque;

/// What to do with one of a run's output streams.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Output {
    /// Goes to the null device; costs the run nothing.
    Discard,
    /// The first `head_bytes` and the last `tail_bytes` are kept, whatever lies between is counted and dropped.
    Keep {
        head_bytes: usize,
        /// Bytes kept from the end, after those of the beginning.
        tail_bytes: usize,
    },
}

/// The kept part of an output stream.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Captured {
    head: Vec<u8>,
    tail: VecDeque<u8>,
    head_limit: usize,
    tail_limit: usize,
    total: u64,
}

impl Captured {
    /// Nothing yet, with the limits of `output`.
    pub fn new(output: Output) -> Self {
        match output {
            Output::Discard => Self::default(),
            Output::Keep { head_bytes, tail_bytes } => {
                Self { head_limit: head_bytes, tail_limit: tail_bytes, ..Self::default() }
            }
        }
    }

    /// Takes the next bytes of the stream.
    pub fn push(&mut self, bytes: &[u8]) {
        self.total = self.total.saturating_add(bytes.len() as u64);
        let room = self.head_limit.saturating_sub(self.head.len()).min(bytes.len());
        let (first, rest) = bytes.split_at(room);
        self.head.extend_from_slice(first);
        let rest = &rest[rest.len().saturating_sub(self.tail_limit)..];
        let excess = (self.tail.len() + rest.len()).saturating_sub(self.tail_limit);
        self.tail.drain(..excess);
        self.tail.extend(rest);
    }

    /// Bytes written in all, kept or not.
    pub fn total(&self) -> u64 {
        self.total
    }

    /// Whether some of what was written was dropped.
    pub fn truncated(&self) -> bool {
        self.total > (self.head.len() + self.tail.len()) as u64
    }

    /// Everything that was written; `None` where some was dropped.
    pub fn whole(&self) -> Option<Vec<u8>> {
        (!self.truncated()).then(|| self.head.iter().chain(&self.tail).copied().collect())
    }

    /// The kept end as text of at most `chars` characters; what is not UTF-8 shows as U+FFFD.
    pub fn tail_text(&self, chars: usize) -> String {
        // Beyond a gap, what was kept of the beginning is not the end.
        let from_head: &[u8] = if self.truncated() && self.tail_limit > 0 { &[] } else { &self.head };
        let bytes: Vec<u8> = from_head.iter().chain(&self.tail).copied().collect();
        let text = String::from_utf8_lossy(&bytes);
        let skip = text.chars().count().saturating_sub(chars);
        text.chars().skip(skip).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn captured(head_bytes: usize, tail_bytes: usize, pieces: &[&str]) -> Captured {
        let mut captured = Captured::new(Output::Keep { head_bytes, tail_bytes });
        pieces.iter().for_each(|piece| captured.push(piece.as_bytes()));
        captured
    }

    #[test]
    fn what_fits_is_whole() {
        let c = captured(4, 4, &["ab", "cdef", "gh"]);
        assert_eq!(c.whole().unwrap(), b"abcdefgh");
        assert!(!c.truncated());
        assert_eq!(c.tail_text(3), "fgh");
    }

    #[test]
    fn the_middle_is_dropped_and_counted() {
        let c = captured(2, 3, &["abc", "defg", "h"]);
        assert_eq!(c.whole(), None);
        assert!(c.truncated());
        assert_eq!((c.total(), c.tail_text(99)), (8, "fgh".to_owned()));
    }

    #[test]
    fn a_stream_with_no_tail_keeps_its_beginning() {
        let c = captured(3, 0, &["ab", "cdef"]);
        assert_eq!((c.truncated(), c.tail_text(99)), (true, "abc".to_owned()));
    }

    #[test]
    fn a_character_cut_in_two_does_not_break_the_text() {
        assert_eq!(captured(0, 3, &["é€"]).tail_text(9), "€");
        assert_eq!(captured(0, 2, &["é€"]).tail_text(9).chars().last(), Some('\u{fffd}'));
    }
}
