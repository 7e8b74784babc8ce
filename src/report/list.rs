//! All changes, a line each. Must not read records.

use serde_json::Value;

use crate::report::{Align, Doc, Table, Text, Tone};

/// The table, from the entries that the JSON answer has (see `v1`).
pub fn document(entries: &[Value]) -> Doc {
    let mut doc = Doc::new();
    if entries.is_empty() {
        doc.paragraph("There is no change yet.");
        return doc;
    }
    let mut table =
        Table::new([("Change", Align::Left), ("State", Align::Left), ("Opened", Align::Left), ("Title", Align::Left)]);
    for entry in entries {
        let text = |key: &str| entry[key].as_str().unwrap_or_default();
        let status = text("status");
        table.row([
            Text::new().code(text("change_id")),
            Text::new().mark(tone(status), status.replace('_', " ")),
            Text::from(text("started_at")),
            Text::from(crate::report::visible::visible_line(text("title"))),
        ]);
    }
    doc.table(table);
    doc
}

fn tone(status: &str) -> Tone {
    match status {
        "verified" => Tone::Good,
        "rejected" | "rolled_back" => Tone::Bad,
        "held" => Tone::Quiet,
        _ => Tone::Now,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::{Terminal, fixture, terminal, v1};

    #[test]
    fn every_change_has_a_line() {
        let hostile = v1::raw_entry("chg-2", fixture::HOSTILE, "verified", "2026-02-18T12:39:00Z", "p");
        let doc = document(&[v1::entry(&fixture::passed(3), "p"), hostile]);
        insta::assert_snapshot!(terminal::render(&doc, Terminal::plain()), @r"
        Change  State        Opened                Title
        chg-1   ▸ validated  2026-02-01T09:00:00Z  Shorten the advisory cooldown
        chg-2   ✓ verified   2026-02-18T12:39:00Z  x | y ⏎ # z <script>alert(1)</script> --> `c` *b* [l](u) @octocat \u{1b}[31m\u{202e}
        ");
    }
}
