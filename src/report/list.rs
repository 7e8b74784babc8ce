//! All changes, a line each.

use serde_json::Value;

use crate::report::visible::visible_line;
use crate::report::{Doc, Table, Tone, code, mark};

/// The table, from the entries that the JSON answer has (see `v1`).
pub(crate) fn document(entries: &[Value]) -> Doc {
    let mut table = Table::new("llll", ["Change", "State", "Opened", "Title"]);
    for entry in entries {
        let text = |key: &str| entry[key].as_str().unwrap_or_default();
        let status = text("status");
        let tone = match status {
            "verified" => Tone::Good,
            "rejected" | "rolled_back" => Tone::Bad,
            "held" => Tone::Quiet,
            _ => Tone::Now,
        };
        table.row([
            code(text("change_id")),
            mark(tone, status.replace('_', " ")),
            text("started_at").into(),
            visible_line(text("title")).into(),
        ]);
    }
    let mut doc = Doc::new();
    doc.table_or(table, "There is no change yet.");
    doc
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
