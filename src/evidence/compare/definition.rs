//! Whether two snapshots measured the same thing. Must not know how anything is measured.

use std::collections::BTreeMap;

use crate::evidence::digest::Digest;
use crate::evidence::metric::MetricId;

/// The definitions that both sides have and that differ. What one side lacks is not measured there, and told as that.
pub fn redefined(before: &BTreeMap<String, Digest>, after: &BTreeMap<String, Digest>) -> Vec<String> {
    let differs = |(key, old): (&String, &Digest)| after.get(key).is_some_and(|new| new != old).then(|| key.clone());
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
