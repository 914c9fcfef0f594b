//! Short description of each verdict, and the suggested action.

use crate::reconcile::DriftKind;
use crate::render::html::findings::KindLabels;

/// Labels of records that agree.
pub(super) const MATCHED: KindLabels = KindLabels {
    title: "The same on both sides",
    one: "record is the same on both sides",
    many: "records are the same on both sides",
    meaning: "Every field agrees at the precision of the column that holds it.",
    todo: "Nothing.",
};

/// Returns the labels of a kind.
#[allow(clippy::too_many_lines, reason = "a table")]
pub(super) const fn of(kind: DriftKind) -> KindLabels {
    match kind {
        DriftKind::LakeOnly => KindLabels {
            title: "Missing from the warehouse",
            one: "record of the lake is missing from the warehouse",
            many: "records of the lake are missing from the warehouse",
            meaning: "The lake has the record; the warehouse has no row with its id.",
            todo: "Insert the rows: `--repair warehouse`.",
        },
        DriftKind::WarehouseOnly => KindLabels {
            title: "Missing from the lake",
            one: "row of the warehouse has no object in the lake",
            many: "rows of the warehouse have no object in the lake",
            meaning: "The warehouse has the row; no object of the lake holds its id.",
            todo: "Find out who wrote the row or removed the object; then write the objects: `--repair lake`.",
        },
        DriftKind::Differing => KindLabels {
            title: "Different values",
            one: "record has other values in the warehouse than in the lake",
            many: "records have other values in the warehouse than in the lake",
            meaning: "Both sides have the record, at least one field differs.",
            todo: "The lake is the original: `--repair warehouse` writes its values into the row.",
        },
        DriftKind::DuplicateObject => KindLabels {
            title: "Duplicate objects",
            one: "object is a further copy of a record",
            many: "objects are further copies of a record",
            meaning: "Another object has the same id; the one in the right place was compared.",
            todo: "Remove the copy manually; a repair never deletes objects.",
        },
        DriftKind::LogicalDuplicate => KindLabels {
            title: "Two ids for one reading",
            one: "id is a second one for the same farm, pen, lot and time",
            many: "ids are second ones for the same farm, pen, lot and time",
            meaning: "A corrected reading, or a redelivery to the legacy Lambda: sums count it twice.",
            todo: "Ask the farm which reading is correct; do not guess.",
        },
        DriftKind::Misfiled => KindLabels {
            title: "Misfiled",
            one: "object has a path that does not match its content",
            many: "objects are under paths that do not match their content",
            meaning: "The farm or the day in the object's path is not that of the record.",
            todo: "Move it manually; until then, reading by farm and day misses it.",
        },
        DriftKind::RuleBreak => KindLabels {
            title: "Rule violation in consumo_meta",
            one: "record has a `consumo_meta` that does not follow from `peso_medio`",
            many: "records have a `consumo_meta` that does not follow from `peso_medio`",
            meaning: "`consumo_meta` is not `peso_medio` times the rate of this audit.",
            todo: "Check the rate (`--meta-rate`) and who wrote the record before changing anything.",
        },
        DriftKind::ForgedId => KindLabels {
            title: "Forged ids",
            one: "object was changed after its id was computed",
            many: "objects were changed after their ids were computed",
            meaning: "The id of version 8 is a hash of the reading, and the object's reading has another one.",
            todo: "Restore the object from a version or a backup, or take the row's values: `--repair lake --trust warehouse`.",
        },
        DriftKind::Unreadable => KindLabels {
            title: "Unreadable objects",
            one: "object cannot be fetched or is not JSON",
            many: "objects cannot be fetched or are not JSON",
            meaning: "The object exists, but its content cannot be read.",
            todo: "Move it away manually; if the warehouse has its row, `--repair lake` writes it again.",
        },
        DriftKind::Rejected => KindLabels {
            title: "Invalid records",
            one: "object is JSON, but not a valid record",
            many: "objects are JSON, but not valid records",
            meaning: "A field is missing or impossible, so the record was not compared.",
            todo: "Correct it at its source and send it again; move the object away manually.",
        },
        DriftKind::TruthMissing => KindLabels {
            title: "Missing (ground truth)",
            one: "reading or malformed message in the truth file is missing",
            many: "readings or malformed messages in the truth file are missing",
            meaning: "The history has it; a store, or the quarantine, does not.",
            todo: "Wait if messages are still in transit; otherwise send the history again, which is safe.",
        },
        DriftKind::TruthUnexpected => KindLabels {
            title: "Unexpected (ground truth)",
            one: "id is in a store although the truth file does not put it there",
            many: "ids are in a store although the truth file does not put them there",
            meaning: "No truth file has it, or one lists it as never delivered or oversized.",
            todo: "Exclude other histories with `--from` and `--to`; otherwise find out who wrote it.",
        },
    }
}
