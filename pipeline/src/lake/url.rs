//! What `--lake` was given: an S3 address or a directory.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use crate::record::QUARANTINE;

/// Where a lake is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LakeUrl {
    /// `s3://bucket/prefix`.
    S3 {
        /// The bucket.
        bucket: String,
        /// The prefix without slashes at its ends; empty for the whole bucket.
        prefix: String,
    },
    /// A directory.
    Dir(PathBuf),
}

impl FromStr for LakeUrl {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        // It lies beside the lake; as the lake it would have what is broken among its records.
        if text.trim_end_matches('/').rsplit('/').next() == Some(QUARANTINE) {
            return Err(format!("{text:?} is the quarantine's folder, which lies beside the lake: give another"));
        }
        if let Some(rest) = text.strip_prefix("s3://") {
            let (bucket, prefix) = rest.split_once('/').unwrap_or((rest, ""));
            if bucket.is_empty() || bucket.chars().any(|c| !(c.is_ascii_alphanumeric() || "-._".contains(c))) {
                return Err(format!("{text:?} names no bucket: write s3://bucket/prefix"));
            }
            return Ok(Self::S3 { bucket: bucket.to_owned(), prefix: prefix.trim_matches('/').to_owned() });
        }
        if let Some(path) = text.strip_prefix("file://") {
            return Ok(Self::Dir(path.into()));
        }
        if let Some((scheme, _)) = text.split_once("://") {
            return Err(format!("a lake of kind {scheme:?} is not known: write s3://bucket/prefix or a directory"));
        }
        if text.is_empty() {
            return Err("the lake is empty: write s3://bucket/prefix or a directory".into());
        }
        Ok(Self::Dir(text.into()))
    }
}

impl fmt::Display for LakeUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::S3 { bucket, prefix } if prefix.is_empty() => write!(f, "s3://{bucket}"),
            Self::S3 { bucket, prefix } => write!(f, "s3://{bucket}/{prefix}"),
            Self::Dir(path) => write!(f, "{}", path.display()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_quarantine_is_no_lake() {
        for text in ["s3://bucket/quarentena", "s3://bucket/a/quarentena/", "quarentena", "/tmp/x/quarentena"] {
            assert!(text.parse::<LakeUrl>().unwrap_err().contains("quarantine"), "{text}");
        }
        assert!("s3://quarentena/historico_diario".parse::<LakeUrl>().is_ok());
    }

    #[test]
    fn addresses_parse_and_print_alike() {
        for text in ["s3://bucket", "s3://bucket/a/b", "some/dir", "/abs"] {
            assert_eq!(text.parse::<LakeUrl>().unwrap().to_string(), text);
        }
        assert_eq!("s3://bucket/a/".parse::<LakeUrl>().unwrap().to_string(), "s3://bucket/a");
    }

    #[test]
    fn what_is_no_lake_is_refused() {
        for text in ["", "s3://", "s3:///x", "http://x/y", "s3://bu cket/x"] {
            assert!(text.parse::<LakeUrl>().is_err(), "{text}");
        }
    }
}
