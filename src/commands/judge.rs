//! The settings that a contract is judged with.

use crate::commands::Ctx;
use crate::error::CommandError;
use crate::judge::Settings;
use crate::model::Contract;

/// The settings in force now: the contract's minimum effect before the config's, and the calibrated noise floors.
pub fn settings(ctx: &Ctx, contract: Option<&Contract>) -> Result<Settings, CommandError> {
    let configured = ctx.config()?.pair.min_effect;
    let min_effect = contract.and_then(|contract| contract.min_effect).unwrap_or(configured);
    let floors = crate::commands::calibrate::floors(ctx)?;
    let (noise_floors, session_floors) = (floors.pairs, floors.sessions);
    Ok(Settings { min_effect, noise_floors, session_floors, ..Settings::default() })
}
