//! One finding of an audit, and the file of findings: a JSON object a line.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, BufRead, BufReader, BufWriter, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use serde_json::Value;
use tempfile::TempPath;

use super::baseline::{Baseline, BaselineDiff};
use super::cause::Cause;
use super::outcome::TruthLocation;
use super::verdict::Kind;
use pipeline::atomic_file::half_in;
use pipeline::record::stored::Difference;

/// A finding: its kind, the id and key it is about, and the fields with the lake's and the warehouse's value.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Drift {
    /// What kind of finding.
    pub kind: Kind,
    /// The record's id, where it is known.
    pub id: Option<String>,
    /// The object's key, where there is an object.
    pub key: Option<String>,
    /// The fields at issue: name → [lake, warehouse].
    pub fields: BTreeMap<String, [Value; 2]>,
    /// What plainly explains every field that differs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cause: Option<String>,
    /// A word on why, where the fields do not say it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Where a truth file tells of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub told: Option<TruthLocation>,
}

impl Drift {
    /// A finding about a record.
    pub fn new(kind: Kind, id: impl Into<String>, key: Option<String>) -> Self {
        Self { kind, id: Some(id.into()), key, fields: BTreeMap::new(), cause: None, reason: None, told: None }
    }

    /// The same with a reason.
    #[must_use]
    pub fn because(mut self, reason: impl Into<String>) -> Self {
        self.reason = Some(reason.into());
        self
    }

    /// The same with the fields that differ, and what explains them.
    #[must_use]
    pub fn with_fields(mut self, differences: &[Difference]) -> Self {
        let json = |value| serde_json::to_value(value).unwrap_or(Value::Null);
        self.cause = Cause::of(differences).map(|cause| cause.to_string());
        self.fields =
            differences.iter().map(|d| (d.column.name().to_owned(), [json(&d.lake), json(&d.warehouse)])).collect();
        self
    }

    /// The same with one more field.
    #[must_use]
    pub fn with_field(mut self, name: &str, lake: Value, warehouse: Value) -> Self {
        self.fields.insert(name.to_owned(), [lake, warehouse]);
        self
    }
}

/// Where findings are written as they come: a temporary file, which gets the drift file's name once it is whole.
#[derive(Debug)]
pub struct Sink {
    file: BufWriter<File>,
    /// The file on its way to its name.
    named: Option<(TempPath, PathBuf)>,
    baseline: Option<Baseline>,
}

impl Sink {
    /// A new file of that name, or a temporary one.
    ///
    /// # Errors
    /// The file cannot be made.
    pub fn new(path: Option<&Path>) -> io::Result<Self> {
        let (file, named) = match path {
            None => (tempfile::tempfile()?, None),
            Some(path) if path.exists() && !path.is_file() => {
                return Err(io::Error::new(io::ErrorKind::InvalidInput, "is no regular file"));
            }
            Some(path) => {
                // Where the name is a link, it is the file behind it that is written.
                let path = path.canonicalize().unwrap_or_else(|_| path.to_owned());
                let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
                let (file, half) = half_in(folder.unwrap_or(Path::new(".")))?.into_parts();
                (file, Some((half, path)))
            }
        };
        Ok(Self { file: BufWriter::new(file), named, baseline: None })
    }

    /// The same, with every finding held against an earlier audit's.
    #[must_use]
    pub fn against(self, baseline: Option<Baseline>) -> Self {
        Self { baseline, ..self }
    }

    /// Writes a finding.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn write(&mut self, drift: &Drift) -> io::Result<()> {
        if let Some(baseline) = &mut self.baseline {
            baseline.meet(drift);
        }
        serde_json::to_writer(&mut self.file, drift)?;
        self.file.write_all(b"\n")
    }

    /// Ends the writing: now the file has its name.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn done(self) -> io::Result<Written> {
        let file = self.file.into_inner().map_err(io::IntoInnerError::into_error)?;
        if let Some((half, path)) = self.named {
            file.sync_all()?;
            half.persist(path).map_err(|e| e.error)?;
        }
        Ok(Written { file, since: self.baseline.map(Baseline::done) })
    }
}

/// All findings of an audit, to be read as often as wished.
#[derive(Debug)]
pub struct Written {
    file: File,
    /// What became of findings since an earlier audit, where there is one to hold against; true of a whole audit only.
    pub since: Option<BaselineDiff>,
}

impl Written {
    /// The findings from the first to the last; one reading at a time.
    ///
    /// # Errors
    /// The file cannot be read.
    pub fn read(&self) -> io::Result<impl Iterator<Item = io::Result<Drift>>> {
        let mut file = self.file.try_clone()?;
        file.seek(SeekFrom::Start(0))?;
        Ok(BufReader::new(file).lines().map(|line| Ok(serde_json::from_str(&line?)?)))
    }
}
