//! Directory for the deployment of a Lambda: `bootstrap.zip`, its template, the SQL, a software bill of materials,
//! checksums, and a deployment guide.
//!
//! [`run`] takes an existing program or builds it with cargo, checks that Lambda can run it (`incompatibility.rs` lists
//! the requirements), and writes the directory. The same program gives the same bytes in all files: they contain no
//! timestamps and no paths of this machine.

use std::path::PathBuf;
use std::time::Instant;

use anyhow::{Context as _, anyhow};
use sha2::{Digest, Sha256};

mod arch;
mod archive;
mod cargo;
mod deploy_guide;
mod executable;
mod glibc;
mod incompatibility;
mod outcome;
mod output_dir;
mod program;
mod rds_ca;
mod read_file;
mod rustflags;
mod sbom;
mod template;
mod workspace;

pub use arch::Arch;
pub use outcome::{Bundle, BundleFile, Outcome};
pub use program::Program;

use self::archive::{MAX_UNZIPPED_BYTES, ZipEntry};
use self::executable::Executable;
use self::glibc::Glibc;
use self::incompatibility::Incompatibility;
use self::output_dir::{BundleFiles, OutputDir};
use crate::cancellation::CancellationToken;
use crate::ddl::{self, Engine, FIRST_DAY, Tables};
use crate::generate::IfExists;
use pipeline::record::PARTS;
use pipeline::warehouse::{RDS_AUTHORITIES, TableName, mysql_accounts, mysql_files};

const ZIP: &str = "bootstrap.zip";
const DEPLOY: &str = "DEPLOY.md";
const ACCOUNTS: &str = "sql/accounts.sql";

const UNLISTED: &str =
    "the program does not list its crates, so sbom.cdx.json has no components: build ruminate's Lambda with cargo";

/// Placeholder for the lake's bucket in the SQL for query engines; no bucket has such a name.
const BUCKET: &str = "BUCKET";

/// Options of a bundle.
#[derive(Debug, Clone)]
pub struct BundleOptions {
    /// Program to bundle.
    pub program: Program,
    /// Source of the program.
    pub bootstrap: Bootstrap,
    /// A PEM file with the database's certificate authorities; `None` for those of RDS that this program contains.
    pub rds_ca: Option<PathBuf>,
    /// The output directory.
    pub out: PathBuf,
    /// What to do with existing files that no bundle wrote.
    pub existing: IfExists,
}

/// Source of the program.
#[derive(Debug, Clone)]
pub enum Bootstrap {
    /// An existing program.
    File {
        /// Path of the program.
        path: PathBuf,
        /// The architecture it must have; `None` for any.
        arch: Option<Arch>,
    },
    /// A build with cargo.
    Source(BuildOptions),
}

/// Options of the build.
#[derive(Debug, Clone)]
pub struct BuildOptions {
    /// The workspace; `None` to find it from the current directory.
    pub source: Option<PathBuf>,
    /// The processor architecture.
    pub arch: Arch,
    /// Whether to link with zig even for this machine's architecture.
    pub zigbuild: bool,
    /// Whether cargo prints only errors.
    pub quiet: bool,
}

/// The linker of a build.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Linker {
    /// The system's linker, with this machine's glibc.
    System,
    /// zig, with the glibc of Lambda.
    Zig,
}

impl BuildOptions {
    fn linker(&self) -> Linker {
        if self.zigbuild || !self.arch.is_native() { Linker::Zig } else { Linker::System }
    }
}

/// Creates a bundle; blocks.
///
/// # Errors
///
/// Returns an error if the program cannot be built, Lambda could not run it, or the directory cannot be written.
pub fn run(order: &BundleOptions, cancel: &CancellationToken) -> anyhow::Result<Outcome> {
    let started = Instant::now();
    let dir = OutputDir::new(order.out.clone(), order.existing);
    let what = order.program;
    let sql = if what == Program::Intake { sql()? } else { BundleFiles::new() };
    dir.check(sql.keys().map(String::as_str).chain([ZIP, what.template_name(), DEPLOY, sbom::NAME]))?;
    let authorities = match &order.rds_ca {
        Some(path) => rds_ca::read(path)?,
        None => RDS_AUTHORITIES.as_bytes().to_vec(),
    };
    let out = order.out.display().to_string();
    let Some((program, executable)) = program(order, cancel)? else {
        return Ok(Outcome { made: None, out, stopped: Some("interrupted".into()), seconds: seconds(started) });
    };
    let zip = zip(&program, &authorities)?;
    let sbom = sbom::of(&program)?;
    let unlisted = sbom.crates.is_none().then(|| UNLISTED.to_owned());
    let mut made = Bundle {
        zip: dir.path_of(ZIP).display().to_string(),
        zip_bytes: zip.len() as u64,
        unzipped_bytes: (program.len() + authorities.len()) as u64,
        code_sha256: aws_smithy_types::base64::encode(Sha256::digest(&zip)),
        arch: executable.arch.to_string(),
        glibc: executable.glibc.map(|version| version.to_string()),
        needed_libraries: executable.needed,
        files: Vec::new(),
        dependencies: sbom.crates.map(|crates| crates as u64),
        warnings: executable.hints.into_iter().chain(unlisted).collect(),
    };
    let mut files = sql;
    let template = template::render(what.template(), executable.arch)?;
    files.insert(what.template_name().into(), template.into_bytes());
    files.insert(DEPLOY.into(), deploy_guide::render(what.guide(), &made)?.into_bytes());
    files.insert(ZIP.into(), zip);
    files.insert(sbom::NAME.into(), sbom.json);
    let written = dir.write(&files)?;
    made.files = written.files;
    made.warnings
        .extend(written.left.iter().map(|name| format!("{name} is from a previous bundle and no longer used")));
    Ok(Outcome { made: Some(made), out, stopped: None, seconds: seconds(started) })
}

fn seconds(since: Instant) -> f64 {
    since.elapsed().as_secs_f64()
}

/// Returns the program's bytes and its properties; `None` if the build was interrupted.
fn program(order: &BundleOptions, cancel: &CancellationToken) -> anyhow::Result<Option<(Vec<u8>, Executable)>> {
    let bootstrap = &order.bootstrap;
    let (path, wanted) = match bootstrap {
        Bootstrap::File { path, arch } => (path.clone(), *arch),
        Bootstrap::Source(build) => {
            let root = workspace::find(build.source.as_deref())?;
            match cargo::build(&root, order.program, build, cancel)? {
                Some(path) => (path, Some(build.arch)),
                None => return Ok(None),
            }
        }
    };
    let bytes = read_file::read(&path, MAX_UNZIPPED_BYTES - 1, "Lambda, unzipped,")?;
    match Executable::parse(&bytes, wanted) {
        Ok(executable) => Ok(Some((bytes, executable))),
        Err(refusal) => {
            let remedy = remedy(&refusal, bootstrap);
            Err(anyhow!("refused: {} {refusal}{remedy}", path.display()))
        }
    }
}

/// Returns a suggested fix for a program linked with a glibc or libgcc_s that is too new; empty for other errors.
fn remedy(refusal: &Incompatibility, bootstrap: &Bootstrap) -> String {
    match (refusal, bootstrap) {
        (Incompatibility::NewerSymbols(..), Bootstrap::Source(build)) if build.linker() == Linker::System => {
            ": run again with --zigbuild, which links against Lambda's glibc and without libgcc_s".into()
        }
        (Incompatibility::NewerSymbols(.., arch), Bootstrap::File { .. }) => {
            let target = format!("{}.{}", arch.target(), Glibc::LAMBDA);
            format!(": build it with `cargo zigbuild --target {target}`, or let --source DIR --zigbuild do so")
        }
        _ => String::new(),
    }
}

fn zip(program: &[u8], authorities: &[u8]) -> anyhow::Result<Vec<u8>> {
    let entries = [
        ZipEntry { name: "bootstrap", mode: 0o755, bytes: program },
        ZipEntry { name: rds_ca::NAME, mode: 0o644, bytes: authorities },
    ];
    let unzipped_bytes: usize = entries.iter().map(|entry| entry.bytes.len()).sum();
    let zip = archive::zip(entries.into()).context(ZIP)?;
    archive::fits(zip.len() as u64, unzipped_bytes as u64).map_err(|why| anyhow!("refused: {ZIP} {why}"))?;
    Ok(zip)
}

/// Returns the SQL files of the MySQL schema, as `init` runs them for the default table, of its accounts, and those that make
/// the lake and its parts tables of query engines, with a placeholder for the bucket.
fn sql() -> anyhow::Result<BundleFiles> {
    let table = TableName::default();
    let schema = mysql_files(&table).map(|(name, sql)| (format!("sql/mysql/{name}"), sql.into_bytes()));
    let mut files: BundleFiles = schema.collect();
    files.insert(ACCOUNTS.into(), mysql_accounts(&table).into_bytes());
    let tables = Tables {
        lake: format!("s3://{BUCKET}/historico_diario"),
        parts: format!("s3://{BUCKET}/{PARTS}"),
        farms: Vec::new(),
        since: FIRST_DAY,
        table: table.to_string(),
        database: "fazendas".into(),
    };
    for engine in Engine::ALL {
        files.insert(format!("sql/{}.sql", engine.name()), ddl::sql(engine, &tables)?.into_bytes());
    }
    Ok(files)
}

#[cfg(test)]
mod tests;
