//! Whether two snapshots measured the same thing. Must not know how anything is measured.

use std::collections::BTreeMap;

use crate::model::{Digest, MetricId};

/// Beginnings of the definitions that hold for a change whatever its contract names.
const GENERAL: [&str; 5] = ["commands.", "pair.", "validation.", "surfaces.", "contract_docs."];

/// Whether a definition holds whatever a contract names: how a change is built, paired and checked, and what it owes.
pub fn is_general(key: &str) -> bool {
    GENERAL.iter().any(|beginning| key.starts_with(beginning))
}

/// Whether the general definitions were taken down; earlier versions did not.
pub fn has_general(definitions: &BTreeMap<String, Digest>) -> bool {
    definitions.keys().any(|key| is_general(key))
}

/// The definitions of one side that the other has differently. A metric that one side lacks is not measured there, and
/// told as that; a check that is gone is one fewer.
pub fn redefined(before: &BTreeMap<String, Digest>, after: &BTreeMap<String, Digest>) -> Vec<String> {
    let known = has_general(after);
    let differs = |(key, old): (&String, &Digest)| {
        let differs = after.get(key).map_or(known && is_general(key), |new| new != old);
        differs.then(|| key.clone())
    };
    before.iter().filter_map(differs).collect()
}

/// Whether the definition called `stem` is that of a metric: `kpi.v` of itself, `timing.t` of `timing.t.wall`.
pub fn governs(stem: &str, id: &MetricId) -> bool {
    match id.as_str().strip_prefix(stem) {
        Some("") => true,
        Some(rest) => rest.strip_prefix('.').is_some_and(|last| !last.contains('.')),
        None => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_definition_governs_its_own_metrics_only() {
        let governs = |stem: &str, id: &str| governs(stem, &MetricId::new(id));
        assert!(governs("timing.t", "timing.t.wall") && governs("kpi.v", "kpi.v"));
        assert!(!governs("timing.t", "timing.t2.wall") && !governs("timing.t", "timing.t.x.wall"));
    }

    #[test]
    fn only_what_both_sides_define_can_be_redefined() {
        let of = |pairs: &[(&str, &str)]| -> BTreeMap<String, Digest> {
            pairs.iter().map(|(key, text)| ((*key).to_owned(), Digest::of_bytes(text.as_bytes()))).collect()
        };
        let before = of(&[("kpi.v", "a"), ("kpi.w", "a"), ("kpi.x", "a")]);
        assert_eq!(redefined(&before, &of(&[("kpi.v", "a"), ("kpi.w", "b"), ("kpi.y", "c")])), ["kpi.w"]);
    }
}
