//! Verification of a part: its hashes, the bodies against the columns, and a sample of objects or the MD5 of every body.

use std::sync::Arc;

use md5::{Digest as _, Md5};

use super::{Compaction, Counter, Outcome, Verification};
use crate::multiset_hash::MultisetHash;
use crate::parts::{
    CompleteRows, Content, Distrust, Part, PartRow, PartRows, RULES, Wanted, WindowCache, hash_of_object,
    hash_of_record,
};
use pipeline::lake::{Reason, head};

/// Number of objects of a part that are compared with their rows.
const SAMPLE: u64 = 20;

/// Number of rows that are decoded together.
const PIECE: usize = 1_024;

/// Reads a part back and compares it with its footer and with objects. Returns false if a row differs from its object.
///
/// # Errors
/// Returns the reason if the part is not what was written.
pub(super) async fn verify(settings: &Compaction, part: &Arc<Part>, tally: &mut Outcome) -> Result<bool, Distrust> {
    let deep = settings.verification == Verification::Deep;
    let step = (part.footer().rows / SAMPLE).max(1);
    let (mut row_number, mut same) = (0_u64, true);
    for facts in &part.footer().days {
        part.load(part.rows_of(facts), Wanted::Everything).await?;
        let windows = Arc::new(WindowCache::default());
        let mut rows = CompleteRows(PartRows::new(Arc::clone(part), windows, part.rows_of(facts), Wanted::Everything));
        let (mut objects, mut records) = (MultisetHash::default(), MultisetHash::default());
        loop {
            let read = tokio::task::spawn_blocking(move || (rows.by_ref().take(PIECE).collect::<Vec<_>>(), rows));
            let (piece, rest) = read.await.map_err(|e| Distrust::Damaged(e.to_string()))?;
            rows = rest;
            if piece.is_empty() {
                break;
            }
            for row in piece {
                objects.insert_hash(hash_of_object(&row.key, &row.etag, row.size));
                records.insert_hash(hash_of_record(&row.key, &row.content));
                tally[Counter::Verified] += 1;
                let sampled = row_number.is_multiple_of(step);
                row_number += 1;
                same &= check_row(settings, part, &row, (deep, sampled), tally).await?;
            }
        }
        if objects != facts.objects || records != facts.records {
            return Err(Distrust::Damaged(format!("the rows of {} are not those of its footer", facts.day)));
        }
    }
    Ok(same)
}

/// Compares a row with its body, and with its object if that is needed. Returns false if they differ.
async fn check_row(
    settings: &Compaction,
    part: &Part,
    row: &PartRow,
    (deep, sampled): (bool, bool),
    tally: &mut Outcome,
) -> Result<bool, Distrust> {
    let mut doubtful = sampled;
    if let Some(body) = &row.body {
        let is_other = part.footer().rules == RULES && !is_content_of(body, &row.content);
        if is_other || body.len() as u64 != row.size {
            return Ok(mismatch(row, "its columns or its size are not those of its body", tally));
        }
    }
    if deep {
        match row.body.as_ref().filter(|_| is_md5(&row.etag)) {
            Some(body) => {
                tally[Counter::Md5] += 1;
                // With other encryption than SSE-S3 an ETag only looks like an MD5.
                doubtful |= pipeline::hex::hex(&Md5::digest(body)) != row.etag;
            }
            None => tally[Counter::NoMd5] += 1,
        }
    }
    if !doubtful {
        return Ok(true);
    }
    let lake = &*settings.lake;
    let object = match lake.get(&row.key).await {
        Ok(object) => object,
        Err(e) if matches!(e.reason, Reason::NotFound | Reason::Archived) => return Ok(true),
        Err(e) => return Err(Distrust::Unreadable(e.to_string())),
    };
    tally[Counter::Sampled] += 1;
    let same = match &row.body {
        Some(body) => *body == object,
        None => is_content_of(&object, &row.content),
    };
    if same {
        return Ok(true);
    }
    // It may have been written in the meantime; the next comparison with the listing then detects it.
    let now = head(lake, &row.key).await.map_err(|e| Distrust::Unreadable(e.to_string()))?;
    match now.filter(|now| now.etag == row.etag && now.size == row.size) {
        Some(_) => Ok(mismatch(row, "the object has other content", tally)),
        None => Ok(true),
    }
}

fn mismatch(row: &PartRow, why: &str, tally: &mut Outcome) -> bool {
    tally[Counter::Mismatched] += 1;
    tally.problems.add("mismatched", &*row.key, why);
    false
}

/// Returns true if the bytes of an object are parsed to that content. One that is too large for a record was not parsed.
fn is_content_of(body: &[u8], content: &Content) -> bool {
    body.len() > pipeline::record::MAX_OBJECT_BYTES || Content::parse(body) == *content
}

/// Returns true if an ETag has the form of an MD5. The ETag of a multipart upload has a hyphen.
fn is_md5(etag: &str) -> bool {
    etag.len() == 32 && etag.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
}
