//! The settings that a contract is judged with: the config's, and what was calibrated on this machine.

use std::path::PathBuf;

use crate::commands::Ctx;
use crate::error::CommandError;
use crate::judge::{Calibration, Settings, calibration};
use crate::measure::machine;
use crate::model::Contract;
use crate::model::strict_json::Json;
use crate::store::atomic;

/// Calibration files are read up to this size.
const LIMIT: u64 = 4 * 1024 * 1024;

/// The settings in force now: the contract's minimum effect before the config's, and the floors of this machine that
/// were calibrated for the commands as they are configured now.
pub(crate) fn settings(ctx: &Ctx, contract: Option<&Contract>) -> Result<Settings, CommandError> {
    let config = ctx.config()?;
    let min_effect = contract.and_then(|contract| contract.min_effect).unwrap_or(config.pair.min_effect);
    let mut settings = Settings { min_effect, sizes_in_git: true, ..Settings::default() };
    if let Some(found) = calibrated(ctx, &calibration::key(&machine::fingerprint()))? {
        let configured = |name: &str| config.timings.iter().find(|timing| timing.name == name)?.cmd.as_deref();
        settings.noise_floors = found.floors(configured);
        settings.session_floors = found.session_floors(configured);
    }
    Ok(settings)
}

/// What was calibrated on the machine of this key.
pub(crate) fn calibrated(ctx: &Ctx, key: &str) -> Result<Option<Calibration>, CommandError> {
    let path = calibration_path(ctx, key);
    let Some(bytes) = atomic::read(&path, LIMIT)? else { return Ok(None) };
    let wrong = |error: &dyn std::fmt::Display| {
        CommandError::trouble(format!("{}: {error}", path.display()))
            .hinted("remove it and calibrate again: vibeship-optimizer calibrate")
    };
    let found: Calibration = Json::parse(&bytes).and_then(|json| json.read()).map_err(|error| wrong(&error))?;
    if found.schema != calibration::SCHEMA {
        return Err(wrong(&format!("its schema is {:?}, expected {}", found.schema, calibration::SCHEMA)));
    }
    Ok(Some(found))
}

pub(crate) fn calibration_path(ctx: &Ctx, key: &str) -> PathBuf {
    ctx.project.state_dir().join("calibration").join(format!("{key}.json"))
}
