//! From a comparison to the verdicts on a contract, and the settings that it is judged with.

use crate::commands::Ctx;
use crate::error::CommandError;
use crate::judge::{Comparison, CriterionRow, Demands, Role, Settings};
use crate::model::{Contract, Judged, Verdicts};

/// What a contract demands of the metrics.
pub fn demands(contract: &Contract) -> Demands {
    Demands { kpi: contract.kpi.clone(), guardrails: contract.guardrails.clone(), trigger: contract.trigger.clone() }
}

/// The settings in force now: the contract's minimum effect before the config's, and the calibrated noise floors.
pub fn settings(ctx: &Ctx, contract: Option<&Contract>) -> Result<Settings, CommandError> {
    let configured = ctx.config()?.pair.min_effect;
    let min_effect = contract.and_then(|contract| contract.min_effect).unwrap_or(configured);
    let floors = crate::commands::calibrate::floors(ctx)?;
    let (noise_floors, session_floors) = (floors.pairs, floors.sessions);
    Ok(Settings { min_effect, noise_floors, session_floors, ..Settings::default() })
}

/// The verdicts on a whole contract out of its comparison.
pub fn verdicts(comparison: &Comparison) -> Result<Verdicts, CommandError> {
    let of = |role: Role| {
        let rows = comparison.criteria.iter().filter(move |row| row.role == role);
        rows.map(judged).collect::<Vec<Judged>>()
    };
    let kpi = of(Role::Kpi).into_iter().next().ok_or_else(|| CommandError::trouble("the contract has no KPI"))?;
    Ok(Verdicts { kpi, guardrails: of(Role::Guardrail), trigger: of(Role::Trigger).into_iter().next() })
}

fn judged(row: &CriterionRow) -> Judged {
    Judged { criterion: row.criterion.to_string(), verdict: row.result.clone() }
}
