//! Pictures of samples and intervals, as SVG that an image viewer shows: no script, no font, no link, and colours that
//! follow the reader's scheme. Must not measure or judge.

pub mod days;
pub mod extent;
pub mod interval;
pub mod scale;
pub mod strip;

pub use days::Day;
pub use extent::Extent;
pub use scale::Scale;
pub use strip::Strip;

/// What every picture is styled by. The blue and the orange are Okabe and Ito's, which colour-blind readers tell apart.
const RULES: [(&str, &str); 10] = [
    ("text", "font:12px system-ui,-apple-system,'Segoe UI',sans-serif;fill:#24292f"),
    (".q", "fill:#57606a"),
    (".a", "stroke:#8c959f;fill:none"),
    (".g", "stroke:#d0d7de;fill:none"),
    (".l", "fill:#57606a;stroke:#57606a"),
    (".b", "fill:#0072b2;stroke:#0072b2"),
    (".f", "fill:#d55e00;stroke:#d55e00"),
    (".p", "fill-opacity:.45;stroke:none"),
    (".i", "stroke-width:5;stroke-opacity:.55;stroke-linecap:round"),
    (".m", "stroke-width:2.5"),
];

/// What differs on a dark ground.
const DARK: [(&str, &str); 7] = [
    ("text", "fill:#e6edf3"),
    (".q", "fill:#9198a1"),
    (".a", "stroke:#6e7681"),
    (".g", "stroke:#30363d"),
    (".l", "fill:#9198a1;stroke:#9198a1"),
    (".b", "fill:#56b4e9;stroke:#56b4e9"),
    (".f", "fill:#e69f00;stroke:#e69f00"),
];

/// The style, for everything below `scope`; empty for a picture of its own.
pub(crate) fn style(scope: &str) -> String {
    let rules = |rules: &[(&str, &str)]| {
        rules.iter().map(|(selector, body)| format!("{scope}{selector}{{{body}}}")).collect::<String>()
    };
    format!("{}@media(prefers-color-scheme:dark){{{}}}", rules(&RULES), rules(&DARK))
}

/// A coordinate with one decimal: enough for a pixel, and the same text on every platform.
pub(crate) fn at(value: f64) -> String {
    let text = format!("{value:.1}");
    text.strip_suffix(".0").map_or_else(|| text.clone(), str::to_owned)
}
