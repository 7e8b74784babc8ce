//! What the project's config file says: the model with its defaults, one file per section, and its reading.
//! Must not run or measure anything.

pub mod command;
pub mod definition;
pub mod edit;
pub mod enforcement;
pub mod file;
pub mod glob;
pub mod http;
pub mod kpi;
pub mod measurable;
pub mod pair;
pub mod project;
pub mod review;
pub mod rollout;
pub mod source;
pub mod surface;
pub mod template;
pub mod timing;
pub mod tuneable;
pub mod validation;
pub mod verification;
pub mod words;
pub mod yaml;

mod node;
mod problem;
mod scalar;
mod section;

pub use command::Commands;
pub use edit::{Edited, Filled};
pub use enforcement::{Enforcement, Exemption};
pub use file::ConfigError;
pub use http::{ExpectJson, HttpProbe, Method};
pub use kpi::{Extract, KpiProbe};
pub(crate) use node::{At, Key, Kind, Node};
pub use pair::{Pair, Pin};
pub(crate) use problem::Notes;
pub use problem::Problem;
pub use project::Project;
pub use review::Review;
pub use rollout::{Rollout, StageConfig};
pub(crate) use section::Section;
pub use source::Source;
pub use surface::{ContractDocs, Surfaces};
pub use template::Guess;
pub use timing::Timing;
pub use tuneable::Tuneables;
pub use validation::{OnFailure, Validation};
pub use verification::Verification;

use serde::Serialize;

/// Everything a config file can say. `Config::default()` is what a project without one gets.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Config {
    /// Version of the file's format; 1 is the only one.
    pub version: u32,
    /// The project's own test, build, lint and check commands.
    pub commands: Commands,
    /// Commands whose run time is measured, in file order.
    pub timings: Vec<Timing>,
    /// Paths whose size is measured, relative to the project's root.
    pub size_paths: Vec<String>,
    /// Endpoints that are asked.
    pub http_probes: Vec<HttpProbe>,
    /// Numbers that the project reports about itself.
    pub kpis: Vec<KpiProbe>,
    /// Where the tuneables live.
    pub tuneables: Tuneables,
    /// Which paths and variables belong to which layer of the control hierarchy.
    pub surfaces: Surfaces,
    /// Which files count as documents and tests of a contract.
    pub contract_docs: ContractDocs,
    /// What the validation gate does.
    pub validation: Validation,
    /// Measuring in pairs.
    pub pair: Pair,
    /// The stages of a rollout.
    pub rollout: Rollout,
    /// What VERIFIED demands.
    pub verification: Verification,
    /// What a review demands.
    pub review: Review,
    /// How commits are held to their records.
    pub enforcement: Enforcement,
    /// What the project says of itself.
    pub project: Project,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            version: Self::VERSION,
            commands: Commands::default(),
            timings: Vec::new(),
            size_paths: Vec::new(),
            http_probes: Vec::new(),
            kpis: Vec::new(),
            tuneables: Tuneables::default(),
            surfaces: Surfaces::default(),
            contract_docs: ContractDocs::default(),
            validation: Validation::default(),
            pair: Pair::default(),
            rollout: Rollout::default(),
            verification: Verification::default(),
            review: Review::default(),
            enforcement: Enforcement::default(),
            project: Project::default(),
        }
    }
}

impl Config {
    /// The version of the file's format that is understood.
    pub const VERSION: u32 = 1;

    fn read(root: &Section<'_>) -> Self {
        let default = Self::default();
        Self {
            version: root.count("version", 1..=Self::VERSION).unwrap_or(default.version),
            commands: root.section("commands", Commands::KEYS, Commands::read),
            timings: root.list("timings", Timing::KEYS, Timing::read),
            size_paths: root.texts("size_paths").unwrap_or(default.size_paths),
            http_probes: HttpProbe::read_all(root),
            kpis: root.list("kpis", KpiProbe::KEYS, KpiProbe::read),
            tuneables: root.section("tuneables", Tuneables::KEYS, Tuneables::read),
            surfaces: root.section("surfaces", Surfaces::KEYS, Surfaces::read),
            contract_docs: root.section("contract_docs", ContractDocs::KEYS, ContractDocs::read),
            validation: root.section("validation", Validation::KEYS, Validation::read),
            pair: root.section("pair", Pair::KEYS, Pair::read),
            rollout: root.section("rollout", Rollout::KEYS, Rollout::read),
            verification: root.section("verification", Verification::KEYS, Verification::read),
            review: root.section("review", Review::KEYS, Review::read),
            enforcement: root.section("enforcement", Enforcement::KEYS, Enforcement::read),
            project: root.section("project", Project::KEYS, Project::read),
        }
    }

    const KEYS: &'static [&'static str] = &[
        "version",
        "commands",
        "timings",
        "size_paths",
        "http_probes",
        "kpis",
        "tuneables",
        "surfaces",
        "contract_docs",
        "validation",
        "pair",
        "rollout",
        "verification",
        "review",
        "enforcement",
        "project",
    ];
}
