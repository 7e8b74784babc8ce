//! Whether a comparison was judged with settings that can have been in force: a file of a change must not bring its own
//! measure. Must not judge anything itself.

use serde_json::json;

use crate::judge::Settings;
use crate::judge::calibration::LEAST_SESSION_FLOOR;
use crate::judge::effect::DEFAULT_SESSION_FLOOR;
use crate::model::{Contract, Digest, Snapshot};

/// The key under which a baseline fixes the least effect that counts.
const MIN_EFFECT: &str = "pair.min_effect";

/// What is wrong with the settings, given the contract and the baseline that they served.
pub(crate) fn problem(contract: &Contract, baseline: &Snapshot, settings: &Settings) -> Option<String> {
    let effect = settings.min_effect;
    let as_agreed = match (contract.min_effect, baseline.definitions.get(MIN_EFFECT)) {
        (Some(agreed), _) => effect >= agreed,
        (None, Some(fixed)) => Digest::of_json(&json!(effect)) == *fixed,
        (None, None) => effect >= 0.0,
    };
    if !as_agreed {
        let whose = if contract.min_effect.is_some() { "contract" } else { "baseline" };
        return Some(format!("it was judged with another effect than the {whose}'s"));
    }
    // Only timed commands are calibrated, and none below the least that sessions are taken to differ by.
    let calibrated = |(metric, floor): (&crate::model::MetricId, &f64)| {
        metric.as_str().starts_with("timing.") && *floor >= LEAST_SESSION_FLOOR
    };
    let sessions = settings.session_floor >= DEFAULT_SESSION_FLOOR && settings.session_floors.iter().all(calibrated);
    let pairs = settings.noise_floors.values().all(|floor| *floor >= 0.0);
    (!sessions || !pairs).then(|| "it was judged with less noise than any calibration gives".to_owned())
}
