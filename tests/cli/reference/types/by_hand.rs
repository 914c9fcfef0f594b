//! Types with a hand-written `Serialize`, or that another macro declares.

/// A type with a hand-written `Serialize`.
pub struct ByHand {
    pub name: &'static str,
    /// The fields that it writes, as name, type and meaning; without a name it is the type itself.
    pub rows: &'static [[&'static str; 3]],
    /// Whether it writes the fields of the struct too.
    pub and_fields: bool,
}

const fn alone(name: &'static str, rows: &'static [[&'static str; 3]]) -> ByHand {
    ByHand { name, rows, and_fields: false }
}

/// Types whose fields in JSON are not those that serde derives.
pub const WRITTEN_BY_HAND: [ByHand; 10] = [
    alone("Kind", &[["", "text", ""]]),
    alone("DriftKind", &[["", "text", ""]]),
    alone(
        "MissingCounts",
        &[[
            "NAME",
            "integer",
            "Objects whose records should be in the warehouse with the lake's values, and are not, by the name of their counter \
             above: `conflicting` (only rows that were kept), `rejected`, `archived`, `unreadable` and all other findings, and \
             `not_loaded`. May be absent.",
        ]],
    ),
    alone("Samples", &[["", "list", "At most a thousand of each kind, as lines of the drift file."]]),
    alone("Budget", &[["", "text", "A count, or a percentage."]]),
    alone("RecordId", &[["", "text", "A UUID."]]),
    alone("Problems", &[["", "object", "See [problems](#problems)."]]),
    alone("ColumnTotal", &[["", "object", "`count`, `sum`, `min`, `max`."]]),
    alone(
        "ControlTotals",
        &[
            ["hash_totals", "object", "The hash total of each side, `lake` and `warehouse`: 32 hexadecimal digits."],
            [
                "totals",
                "object",
                "Count, sum, smallest and largest value of each numeric column: column → [lake, warehouse].",
            ],
            ["months", "list", "`hash_totals` and `totals` for each `farm` and `month`."],
        ],
    ),
    ByHand {
        name: "ObjectCounts",
        rows: &[["skipped", "integer", "The sum of the counters whose names begin with `skipped_`."]],
        and_fields: true,
    },
];
