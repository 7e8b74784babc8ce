//! What helps where the command itself has to be given anew: an opening that was refused, a metric that there is not.
//! Must not lose what was typed.

use crate::model::{ChangeId, MetricId};
use crate::report::invocation::{self, PROGRAM};
use crate::report::{Hint, given};
use crate::workflow::Missing;

/// The contract as it was given, with the nearest metrics that there are.
pub(crate) fn other_metric(id: &ChangeId, missing: &Missing, given: &[String]) -> String {
    let names = missing.unknown_metrics().map(|(old, new)| (old.as_str(), new.map_or("METRIC", MetricId::as_str)));
    given::renamed(given, "contract", names)
        .unwrap_or_else(|| invocation::on(id, "change contract", "--kpi \"METRIC <= -10%\""))
}

/// What helps where no change is open yet.
pub(crate) fn opening(missing: &Missing, given: &[String]) -> Vec<Hint> {
    let start = |rest: &str| {
        let anew = || format!("{PROGRAM} change start --title \"SHORT HYPOTHESIS\" {rest}");
        given::again(given, "start", rest).unwrap_or_else(anew)
    };
    match missing {
        Missing::OtherOpen { ids } => {
            let go_on = |id| Hint::to("go on with that one", invocation::on(id, "status", ""));
            let parallel = Hint::to("or open a second, whose effects may mix", start("--parallel"));
            ids.iter().map(go_on).chain([parallel]).collect()
        }
        Missing::IncidentNote | Missing::Expiry => {
            vec![Hint::next(start("--class emergency --incident \"WHAT HAPPENED\" --expires 24h"))]
        }
        Missing::ExpiryTooLate { days, .. } => {
            let rest = format!("--class emergency --incident \"WHAT HAPPENED\" --expires {days}d");
            vec![Hint::next(start(&rest))]
        }
        Missing::TuneablesUnknown => {
            vec![Hint::to("add `tuneables` to the config, or open a change of code", start("--class code"))]
        }
        _ => vec![Hint::next(format!("{PROGRAM} status"))],
    }
}
