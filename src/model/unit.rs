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

/// Symbols of one unit, its dimension, and its factor to the base unit (seconds, bytes, 1).
const KNOWN: [(&[&str], Dimension, f64); 20] = [
    (&["ns"], Dimension::Time, 1e-9),
    (&["us", "µs"], Dimension::Time, 1e-6),
    (&["ms"], Dimension::Time, 1e-3),
    (&["s"], Dimension::Time, 1.0),
    (&["min"], Dimension::Time, 60.0),
    (&["h"], Dimension::Time, 3600.0),
    (&["d"], Dimension::Time, 86_400.0),
    (&["week"], Dimension::Time, 604_800.0),
    (&["B"], Dimension::Bytes, 1.0),
    (&["kB", "KB"], Dimension::Bytes, 1e3),
    (&["MB"], Dimension::Bytes, 1e6),
    (&["GB"], Dimension::Bytes, 1e9),
    (&["TB"], Dimension::Bytes, 1e12),
    (&["KiB", "Ki"], Dimension::Bytes, 1024.0),
    (&["MiB", "Mi"], Dimension::Bytes, 1_048_576.0),
    (&["GiB", "Gi"], Dimension::Bytes, 1_073_741_824.0),
    (&["TiB", "Ti"], Dimension::Bytes, 1_099_511_627_776.0),
    (&[""], Dimension::Share, 1.0),
    (&["%"], Dimension::Share, 0.01),
    (&["‰"], Dimension::Share, 0.001),
];

/// The symbols of units that are spelled out, here without the plural `s`.
const SPELLED: [(&str, &[&str]); 10] = [
    ("ns", &["nanosecond", "nano", "nsec"]),
    ("us", &["microsecond", "micro", "usec", "μ"]),
    ("ms", &["millisecond", "milli", "millisekunden", "msec"]),
    ("s", &["second", "seconde", "sekunden", "sec"]),
    ("min", &["minute", "minuten"]),
    ("h", &["hour"]),
    ("d", &["day"]),
    ("week", &["week"]),
    ("B", &["byte"]),
    ("%", &["percent"]),
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
        let spelled = SPELLED.iter().find(|(_, words)| words.contains(&lower.trim_end_matches('s')));
        Self::new(spelled.map_or(word, |(symbol, _)| symbol))
    }

    pub fn is_known(&self) -> bool {
        self.known().is_some()
    }

    fn known(&self) -> Option<(Dimension, f64)> {
        let found = KNOWN.iter().find(|(symbols, ..)| symbols.contains(&self.symbol()));
        found.map(|(_, dimension, factor)| (*dimension, *factor))
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
