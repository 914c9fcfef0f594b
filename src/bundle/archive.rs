//! The zip for Lambda. The same entries give the same bytes, on any machine and at any time.
//!
//! Nothing depends on the environment: entries are sorted, timestamps are the earliest of the format, modes are fixed,
//! and the deflate implementation does not depend on the processor.

use std::io::{Cursor, Write};

use zip::result::ZipResult;
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, DateTime, System, ZipWriter};

/// Maximum size of an uploaded zip in bytes: 50 MB of 1,024 KB
/// (<https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html>).
const MAX_ZIP_BYTES: u64 = 50 * 1024 * 1024;
/// Exclusive upper limit of the unzipped size in bytes, including layers: "Unzipped size must be smaller than 262144000
/// bytes".
pub(super) const MAX_UNZIPPED_BYTES: u64 = 250 * 1024 * 1024;

/// Maximum deflate level.
const LEVEL: i64 = 9;

/// A file in the zip.
#[derive(Debug, Clone, Copy)]
pub(super) struct ZipEntry<'a> {
    /// Its name, without directories.
    pub name: &'a str,
    /// Its permissions.
    pub mode: u32,
    /// Its content.
    pub bytes: &'a [u8],
}

/// Creates a zip.
///
/// # Errors
///
/// Returns an error if two entries have the same name, or one has more than 4 GiB.
pub(super) fn zip(mut entries: Vec<ZipEntry<'_>>) -> ZipResult<Vec<u8>> {
    entries.sort_by_key(|entry| entry.name);
    let mut writer = ZipWriter::new(Cursor::new(Vec::new()));
    let options = SimpleFileOptions::default()
        .system(System::Unix)
        .last_modified_time(DateTime::DEFAULT) // 1980-01-01
        .compression_method(CompressionMethod::Deflated)
        .compression_level(Some(LEVEL));
    for entry in entries {
        writer.start_file(entry.name, options.unix_permissions(entry.mode))?;
        writer.write_all(entry.bytes)?;
    }
    Ok(writer.finish()?.into_inner())
}

/// Checks both sizes against Lambda's limits.
///
/// # Errors
///
/// Returns which limit is exceeded, as text to follow the zip's name.
pub(super) fn fits(zip_bytes: u64, unzipped_bytes: u64) -> Result<(), String> {
    if zip_bytes > MAX_ZIP_BYTES {
        return Err(format!(
            "would have {zip_bytes} bytes, and Lambda accepts at most {MAX_ZIP_BYTES} (50 MB): strip the bootstrap, or build it with --profile lambda"
        ));
    }
    if unzipped_bytes >= MAX_UNZIPPED_BYTES {
        return Err(format!(
            "would have {unzipped_bytes} bytes unzipped, and Lambda accepts less than {MAX_UNZIPPED_BYTES} (250 MB): strip the bootstrap"
        ));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use sha2::{Digest, Sha256};
    use zip::ZipArchive;

    use super::*;

    fn entries(program: &[u8]) -> Vec<ZipEntry<'_>> {
        let authorities = ZipEntry { name: "rds-ca.pem", mode: 0o644, bytes: b"pem" };
        vec![authorities, ZipEntry { name: "bootstrap", mode: 0o755, bytes: program }]
    }

    /// Returns partly repetitive bytes.
    fn program() -> Vec<u8> {
        (0..100_000_u32).flat_map(|n| (n.wrapping_mul(n) >> 7).to_le_bytes()).collect()
    }

    #[test]
    fn a_zip_is_the_same_in_any_order_and_at_any_time() {
        let program = program();
        let first = zip(entries(&program)).unwrap();
        let mut turned = entries(&program);
        turned.reverse();
        assert!(zip(turned).unwrap() == first);
        // Pinned: another deflate implementation or a timestamp in a header would change CodeSha256 for all users.
        assert_eq!(
            pipeline::hex::hex(&Sha256::digest(&first)),
            "61658ec211912366b588258a1ad2b61be3e9596367b6ed56c5d861635cccb375"
        );
    }

    #[test]
    fn names_are_sorted_modes_are_given_and_times_are_1980() {
        let program = program();
        let mut archive = ZipArchive::new(Cursor::new(zip(entries(&program)).unwrap())).unwrap();
        let names: Vec<_> = archive.file_names().map(|name| name.unwrap().into_owned()).collect();
        assert_eq!(names, ["bootstrap", "rds-ca.pem"]);
        let mut held = Vec::new();
        let mut entry = archive.by_name("bootstrap").unwrap();
        assert_eq!((entry.unix_mode(), entry.compression()), (Some(0o100_755), CompressionMethod::Deflated));
        assert_eq!(entry.last_modified(), Some(DateTime::DEFAULT));
        entry.read_to_end(&mut held).unwrap();
        assert!(held == program);
        drop(entry);
        assert_eq!(archive.by_name("rds-ca.pem").unwrap().unix_mode(), Some(0o100_644));
    }

    #[test]
    fn a_zip_above_a_lambda_limit_is_rejected_with_the_limit() {
        fits(52_428_800, 262_143_999).unwrap();
        assert!(fits(52_428_801, 60_000_000).unwrap_err().contains("52428800 (50 MB)"));
        assert!(fits(1, 262_144_000).unwrap_err().contains("262144000 (250 MB)"));
    }
}
