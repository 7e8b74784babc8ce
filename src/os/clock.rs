//! The current time and identifiers made from it. Debug builds can take the time from the environment for tests;
//! release builds have no such code, or the monitoring window could be forged.

use std::time::Duration;

use chrono::{DateTime, Utc};
use uuid::{NoContext, Timestamp, Uuid};

pub(crate) fn now() -> DateTime<Utc> {
    #[cfg(debug_assertions)]
    if let Some(now) = std::env::var(test_now::VARIABLE).ok().and_then(|text| test_now::parse(&text)) {
        return now;
    }
    Utc::now()
}

#[cfg(debug_assertions)]
mod test_now {
    use chrono::{DateTime, Utc};

    pub(crate) const VARIABLE: &str = "VIBESHIP_OPTIMIZER_TEST_NOW";

    /// Parses an RFC 3339 time; anything else counts as unset.
    pub(crate) fn parse(text: &str) -> Option<DateTime<Utc>> {
        DateTime::parse_from_rfc3339(text).ok().map(|time| time.with_timezone(&Utc))
    }
}

/// CPU time of the calling thread; `None` if the system has no precise clock for it.
#[cfg(unix)]
pub(crate) fn thread_cpu_time() -> Option<Duration> {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    Some(Duration::new(time.tv_sec.try_into().ok()?, time.tv_nsec.try_into().ok()?))
}

/// CPU time of the calling thread; `None` if the system has no precise clock for it.
#[cfg(not(unix))]
pub(crate) fn thread_cpu_time() -> Option<Duration> {
    None
}

/// A new UUID version 7 with the time `now` in milliseconds; times before 1970 count as 1970.
pub(crate) fn uuid_v7(now: DateTime<Utc>) -> String {
    let seconds = u64::try_from(now.timestamp()).unwrap_or(0);
    Uuid::new_v7(Timestamp::from_unix(NoContext, seconds, now.timestamp_subsec_nanos())).to_string()
}

#[cfg(test)]
mod tests {
    use chrono::TimeZone as _;

    use super::*;

    #[test]
    fn an_identifier_carries_its_time_and_is_never_given_twice() {
        let now = Utc.with_ymd_and_hms(2026, 2, 18, 12, 39, 0).unwrap();
        let (a, b) = (uuid_v7(now), uuid_v7(now));
        assert_ne!(a, b);
        let (seconds, _) = Uuid::parse_str(&a).unwrap().get_timestamp().unwrap().to_unix();
        assert_eq!(i64::try_from(seconds).unwrap(), now.timestamp());
        assert_eq!(a.as_bytes()[14], b'7');
    }

    #[test]
    #[cfg(debug_assertions)]
    fn a_debug_build_takes_the_time_of_a_test() {
        let time = Utc.with_ymd_and_hms(2026, 2, 18, 10, 39, 0).unwrap();
        assert_eq!(test_now::parse("2026-02-18T12:39:00+02:00"), Some(time));
        assert_eq!(test_now::parse("yesterday"), None);
    }

    #[test]
    fn the_time_of_a_test_exists_only_under_debug_assertions() {
        // Outside the tests, each use of the variable directly follows its own `#[cfg]`.
        let source = include_str!("clock.rs").replace('\r', "");
        let production = source.split("#[cfg(test)]").next().unwrap();
        let gated = production.matches("#[cfg(debug_assertions)]\n    if let Some(now) = std::env::var").count()
            + production.matches("#[cfg(debug_assertions)]\nmod test_now {").count();
        assert_eq!(gated, 2);
        assert_eq!(production.matches("env::var").count(), 1);
        assert_eq!(production.matches("VIBESHIP_OPTIMIZER_TEST_NOW").count(), 1);
    }
}
