//! Objects that the reader skipped, on every page: their category in the breakdown, and their labels.

use super::findings::KindLabels;
use crate::outcome::Counter as _;
use crate::reader::Skip;

/// Returns name and class in the breakdown.
pub(super) fn part(skip: Skip) -> (&'static str, &'static str) {
    let class = if skip.hides_a_record() { "drift" } else { "skipped" };
    (if skip == Skip::Unrecognized { "unrecognized" } else { skip.spec().title }, class)
}

/// Returns the labels of a skip reason; one without an entry here uses its description in [`Skip`].
pub(super) fn words(skip: Skip) -> KindLabels {
    let own = WORDS.iter().find(|(of, _)| *of == skip).map(|(_, words)| *words);
    own.unwrap_or_else(|| KindLabels {
        title: skip.spec().title,
        one: "object was skipped",
        many: "objects were skipped",
        meaning: skip.spec().help,
        todo: "See the reason for each.",
    })
}

const WORDS: [(Skip, KindLabels); 3] = [
    (
        Skip::Unrecognized,
        KindLabels {
            title: "Unrecognized names",
            one: "object has an unrecognized name",
            many: "objects have unrecognized names",
            meaning: "The name does not follow the lake's naming, so the object was not opened.",
            todo: "Check the prefix, and who put them there.",
        },
    ),
    (
        Skip::AfterCutoff,
        KindLabels {
            title: "After the cutoff",
            one: "object arrived after the cutoff",
            many: "objects arrived after the cutoff",
            meaning: "Written after the cutoff; the pipeline loads these itself.",
            todo: "Nothing if the Lambda is running; otherwise replay again.",
        },
    ),
    (
        Skip::FutureDated,
        KindLabels {
            title: "Dated in the future",
            one: "object is dated in the future",
            many: "objects are dated in the future",
            meaning: "The object's time is later than the lake's clock, so it is unknown when it was written. It was skipped.",
            todo: "The clock that set its time was wrong. Set the file's time to now (`touch`), or copy the S3 object onto \
                 itself; then replay again.",
        },
    ),
];
