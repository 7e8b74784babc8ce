//! Units of measured values, the table of their symbols, and the conversions between them.

use std::fmt;

use serde::{Deserialize, Serialize};

/// A unit by its symbol. Time and byte units convert into each other; any other symbol is the user's own
/// and equals only itself.
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Unit(String);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Dimension {
    Time,
    Bytes,
    Share,
}

/// Symbol, dimension, and factor to the base unit (seconds, bytes, 1).
const KNOWN: &[(&str, Dimension, f64)] = &[
    ("ns", Dimension::Time, 1e-9),
    ("us", Dimension::Time, 1e-6),
    ("µs", Dimension::Time, 1e-6),
    ("ms", Dimension::Time, 1e-3),
    ("s", Dimension::Time, 1.0),
    ("min", Dimension::Time, 60.0),
    ("h", Dimension::Time, 3600.0),
    ("d", Dimension::Time, 86_400.0),
    ("week", Dimension::Time, 604_800.0),
    ("B", Dimension::Bytes, 1.0),
    ("kB", Dimension::Bytes, 1e3),
    ("KB", Dimension::Bytes, 1e3),
    ("MB", Dimension::Bytes, 1e6),
    ("GB", Dimension::Bytes, 1e9),
    ("TB", Dimension::Bytes, 1e12),
    ("KiB", Dimension::Bytes, 1024.0),
    ("MiB", Dimension::Bytes, 1_048_576.0),
    ("GiB", Dimension::Bytes, 1_073_741_824.0),
    ("TiB", Dimension::Bytes, 1_099_511_627_776.0),
    ("Ki", Dimension::Bytes, 1024.0),
    ("Mi", Dimension::Bytes, 1_048_576.0),
    ("Gi", Dimension::Bytes, 1_073_741_824.0),
    ("Ti", Dimension::Bytes, 1_099_511_627_776.0),
    ("", Dimension::Share, 1.0),
    ("%", Dimension::Share, 0.01),
    ("‰", Dimension::Share, 0.001),
];

/// Spelled-out units, without the plural `s`.
const SPELLED: &[(&str, &str)] = &[
    ("nanosecond", "ns"),
    ("nano", "ns"),
    ("nsec", "ns"),
    ("microsecond", "us"),
    ("micro", "us"),
    ("usec", "us"),
    ("μ", "us"),
    ("millisecond", "ms"),
    ("milli", "ms"),
    ("millisekunden", "ms"),
    ("msec", "ms"),
    ("second", "s"),
    ("seconde", "s"),
    ("sekunden", "s"),
    ("sec", "s"),
    ("minute", "min"),
    ("minuten", "min"),
    ("hour", "h"),
    ("day", "d"),
    ("byte", "B"),
    ("week", "week"),
    ("percent", "%"),
];

impl Unit {
    /// The unit with this symbol, trimmed.
    pub fn new(symbol: &str) -> Self {
        Self(symbol.trim().to_owned())
    }

    /// Seconds, the base of every duration in evidence.
    pub fn seconds() -> Self {
        Self::new("s")
    }

    /// Bytes, the base of every size in evidence.
    pub fn bytes() -> Self {
        Self::new("B")
    }

    pub fn none() -> Self {
        Self::new("")
    }

    pub fn symbol(&self) -> &str {
        &self.0
    }

    pub fn is_time(&self) -> bool {
        self.known().is_some_and(|(d, _)| d == Dimension::Time)
    }

    pub fn is_bytes(&self) -> bool {
        self.known().is_some_and(|(d, _)| d == Dimension::Bytes)
    }

    /// The factor that converts a value in `self` to one in `other`; `None` if they do not convert.
    pub fn factor_to(&self, other: &Self) -> Option<f64> {
        if self == other {
            return Some(1.0);
        }
        let (from, a) = self.known()?;
        let (to, b) = other.known()?;
        (from == to).then_some(a / b)
    }

    /// The unit that a program prints after a number, as a symbol or a word.
    pub fn spelled(word: &str) -> Self {
        let lower = word.to_lowercase();
        let spelled = SPELLED.iter().find(|(stem, _)| lower.trim_end_matches('s') == *stem);
        spelled.map_or_else(|| Self::new(word), |(_, symbol)| Self::new(symbol))
    }

    pub fn is_known(&self) -> bool {
        self.known().is_some()
    }

    fn known(&self) -> Option<(Dimension, f64)> {
        KNOWN.iter().find(|(symbol, _, _)| *symbol == self.0).map(|(_, dimension, factor)| (*dimension, *factor))
    }
}

impl fmt::Display for Unit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_convert_to_times_and_never_to_bytes() {
        assert_eq!(Unit::new("ms").factor_to(&Unit::seconds()), Some(1e-3));
        assert_eq!(Unit::new("MiB").factor_to(&Unit::bytes()), Some(1_048_576.0));
        assert_eq!(Unit::new("ms").factor_to(&Unit::bytes()), None);
    }

    #[test]
    fn an_unknown_unit_equals_only_itself() {
        assert_eq!(Unit::new("qps").factor_to(&Unit::new("qps")), Some(1.0));
        assert_eq!(Unit::new("qps").factor_to(&Unit::none()), None);
    }
}
