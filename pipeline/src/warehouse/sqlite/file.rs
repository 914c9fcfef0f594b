//! Checks a warehouse file before SQLite opens it: it must exist and be a database, and `-wal` and `-journal` must
//! belong to it.
//!
//! SQLite applies any file next to a database with these names. A completed command leaves neither; one that was killed
//! leaves its own. If a backup is then restored in the file's place, they must not be combined. The following is
//! detected:
//! - A file closed by a command is marked in its header (version 1): no `-wal` belongs to it. This is exact.
//! - A file in WAL mode: its first page is one of those in the `-wal`, or precedes the first of them by change counter,
//!   schema and size. A backup from an older ruminate with the same size and counter is not detected.
//! - A `-journal` contains the previous first page: the file has the same one, or the next change counter.

use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{self, ErrorKind, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::atomic_file::folder_of;
use crate::warehouse::Reason;

/// First bytes of a SQLite database.
const MAGIC: &[u8] = b"SQLite format 3\0";
/// First bytes of a rollback journal.
const JOURNAL_MAGIC: [u8; 8] = [0xd9, 0xd5, 0x05, 0xf9, 0x20, 0xa1, 0x63, 0xd7];
/// Attempts to check files that do not match, because another process may be changing them.
const CHECKS: u32 = 20;
/// Pause between two attempts.
const PAUSE: Duration = Duration::from_millis(10);
/// Size of a database header, in bytes.
const HEADER: usize = 100;

/// Handling of a missing file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Missing {
    /// Missing files are an error, because the path is probably mistyped.
    Refused,
    /// The command creates the file.
    Made,
}

/// Checks the file and the files next to it.
///
/// # Errors
/// Returns the reason and a message with a suggested action if the file cannot be used.
pub(super) fn check(path: &Path, missing: Missing) -> Result<(), (Reason, String)> {
    check_file(path, missing).map_err(|message| (Reason::BadAddress, message))
}

/// Returns the path of the file with that suffix next to it.
pub(super) fn with_ending(path: &Path, ending: &str) -> PathBuf {
    let mut name = OsString::from(path);
    name.push(ending);
    name.into()
}

/// Returns true if the file's header shows WAL mode, or a `-wal` file exists.
pub(super) fn is_open_or_left(path: &Path) -> bool {
    let mut header = [0; HEADER];
    let read = File::open(path).and_then(|mut file| file.read_exact(&mut header));
    read.is_ok() && header[18] == 2 || with_ending(&real(path), "-wal").exists()
}

/// Returns the path with symbolic links resolved, from which SQLite derives the names of the other files.
fn real(path: &Path) -> PathBuf {
    path.canonicalize().unwrap_or_else(|_| path.to_owned())
}

fn check_file(path: &Path, missing: Missing) -> Result<(), String> {
    let shown = path.display();
    let unreadable = |e: &io::Error| format!("{shown} cannot be read: {e}: check --warehouse and its permissions");
    match fs::metadata(path) {
        Err(e) if e.kind() == ErrorKind::NotFound => return absent(path, missing),
        Err(e) if e.kind() == ErrorKind::NotADirectory => return Err(no_directory(path)),
        Err(e) => return Err(unreadable(&e)),
        Ok(meta) if meta.is_dir() => {
            return Err(format!("{shown} is a directory: name a file in it, such as sqlite:{shown}/warehouse.db"));
        }
        Ok(meta) if !meta.is_file() => return Err(format!("{shown} is not a regular file: check --warehouse")),
        Ok(meta) if meta.len() == 0 && missing == Missing::Refused => {
            return Err(format!("{shown} is empty: check --warehouse; `ruminate init` would create a warehouse in it"));
        }
        Ok(meta) if meta.len() == 0 => return alone(path),
        Ok(_) => {}
    }
    let mut start = Vec::new();
    let read = File::open(path).and_then(|file| file.take(HEADER as u64).read_to_end(&mut start));
    read.map_err(|e| unreadable(&e))?;
    if start.len() < HEADER || !start.starts_with(MAGIC) {
        return Err(format!("{shown} is not a SQLite database: check --warehouse"));
    }
    fits(&real(path)).map_err(|e| unreadable(&e))?.map_or(Ok(()), |unrelated| Err(unrelated_file(&unrelated, path)))
}

fn absent(path: &Path, missing: Missing) -> Result<(), String> {
    let shown = path.display();
    match fs::metadata(folder_of(path)) {
        Ok(meta) if meta.is_dir() => {}
        _ => return Err(no_directory(path)),
    }
    if missing == Missing::Refused {
        return Err(format!("there is no file {shown}: check --warehouse; `ruminate init` would create it"));
    }
    alone(path)
}

fn no_directory(path: &Path) -> String {
    let dir = path.parent().unwrap_or(Path::new("."));
    format!("{} is not a directory: create it, or check --warehouse", dir.display())
}

/// Rejects a new database next to existing `-wal` or `-journal` files: SQLite would delete what may be the only copy of
/// its rows.
fn alone(path: &Path) -> Result<(), String> {
    let left = ["-wal", "-journal"].map(|ending| with_ending(path, ending));
    match left.iter().find(|left| fs::metadata(left).is_ok_and(|meta| meta.len() > 0)) {
        Some(left) => Err(format!(
            "{} is there without its database {}: put the database back, or move it away",
            left.display(),
            path.display()
        )),
        None => Ok(()),
    }
}

fn unrelated_file(unrelated: &Path, path: &Path) -> String {
    format!(
        "{0} does not belong to {1}: it is left of another database, such as the one before a backup was restored, \
         and would be mixed into it: move {0} away",
        unrelated.display(),
        path.display()
    )
}

/// Returns the file next to the database that belongs to another database. `None` if both belong to it.
fn fits(path: &Path) -> io::Result<Option<PathBuf>> {
    let (wal, journal) = (with_ending(path, "-wal"), with_ending(path, "-journal"));
    let mut unrelated = None;
    for _ in 0..CHECKS {
        unrelated = if !wal_fits(path, &wal)? {
            Some(wal.clone())
        } else if !journal_fits(path, &journal)? {
            Some(journal.clone())
        } else {
            return Ok(None);
        };
        std::thread::sleep(PAUSE);
    }
    Ok(unrelated)
}

/// Returns the 4-byte number at that offset; 0 beyond the end.
fn number(bytes: &[u8], at: usize) -> u32 {
    bytes.get(at..at + 4).and_then(|four| four.try_into().ok()).map_or(0, u32::from_be_bytes)
}

/// Returns the number of pages according to a database's header.
fn pages(first: &[u8]) -> u32 {
    number(first, 28)
}

/// Opens a file. `None` if it is missing or smaller than `least` bytes.
fn of_size(path: &Path, least: u64) -> io::Result<Option<File>> {
    match File::open(path) {
        Ok(file) if file.metadata()?.len() > least => Ok(Some(file)),
        Ok(_) => Ok(None),
        Err(e) if e.kind() == ErrorKind::NotFound => Ok(None),
        Err(e) => Err(e),
    }
}

fn page_size(header: &[u8]) -> usize {
    match u16::from_be_bytes([header[16], header[17]]) {
        1 => 65_536,
        size => usize::from(size).max(HEADER),
    }
}

/// Returns a database's first page; shorter if the file is.
fn first_page(path: &Path) -> io::Result<Vec<u8>> {
    let mut page = vec![0; HEADER];
    let mut file = File::open(path)?;
    file.read_exact(&mut page)?;
    file.take((page_size(&page) - HEADER) as u64).read_to_end(&mut page)?;
    Ok(page)
}

/// Content of a `-wal` that SQLite would apply.
#[derive(Debug, Default)]
struct Wal {
    /// All first pages in its transactions, oldest first.
    firsts: Vec<Vec<u8>>,
    /// Size of the database in pages after each transaction.
    sizes: Vec<u32>,
}

impl Wal {
    fn read(file: File, page: usize) -> io::Result<Self> {
        let mut file = io::BufReader::new(file);
        let (mut header, mut frame) = ([0; 32], [0; 24]);
        file.read_exact(&mut header)?;
        let (mut whole, mut open) = (Self::default(), Vec::new());
        if number(&header, 0) & !1 != 0x377f_0682 || number(&header, 8) as usize != page {
            return Ok(whole); // SQLite ignores it
        }
        let skip = i64::try_from(page).map_err(io::Error::other)?;
        while file.read_exact(&mut frame).is_ok() && frame[8..16] == header[16..24] {
            if number(&frame, 0) == 1 {
                let mut first = vec![0; page];
                if file.read_exact(&mut first).is_err() {
                    break;
                }
                open.push(first);
            } else {
                file.seek_relative(skip)?;
            }
            if number(&frame, 4) > 0 {
                whole.sizes.push(number(&frame, 4));
                whole.firsts.append(&mut open);
            }
        }
        Ok(whole)
    }
}

fn wal_fits(path: &Path, wal: &Path) -> io::Result<bool> {
    let Some(file) = of_size(wal, 32)? else { return Ok(true) };
    let first = first_page(path)?;
    let wal = Wal::read(file, page_size(&first))?;
    let Some(size) = wal.sizes.first() else { return Ok(true) };
    if first[18] != 2 {
        return Ok(false);
    }
    let Some(oldest) = wal.firsts.first() else { return Ok(wal.sizes.iter().all(|size| *size == pages(&first))) };
    let next = number(oldest, 24).wrapping_sub(number(&first, 24)) <= 1
        && number(&first, 40) <= number(oldest, 40)
        && pages(&first) <= *size;
    Ok(next || wal.firsts.contains(&first))
}

fn journal_fits(path: &Path, journal: &Path) -> io::Result<bool> {
    let Some(mut file) = of_size(journal, 28)? else { return Ok(true) };
    let (mut header, first) = ([0; 28], first_page(path)?);
    file.read_exact(&mut header)?;
    if header[..8] != JOURNAL_MAGIC {
        return Ok(true); // SQLite ignores it
    }
    let page = number(&header, 24) as usize;
    let length = fs::metadata(path)?.len();
    if page != page_size(&first) || length < u64::from(number(&header, 16)) * page as u64 {
        return Ok(false);
    }
    file.seek(SeekFrom::Start(u64::from(number(&header, 20))))?;
    let (mut file, mut record) = (io::BufReader::new(file), vec![0; page + 8]);
    while file.read_exact(&mut record).is_ok() {
        if number(&record, 0) == 1 {
            let was = &record[4..page + 4];
            return Ok(first == was || number(&first, 24) == number(was, 24).wrapping_add(1));
        }
    }
    Ok(true) // it contains no evidence against it
}

#[cfg(test)]
mod tests {
    use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection, SqliteJournalMode};
    use sqlx::{ConnectOptions, Connection, Executor};

    use super::*;

    const FILL: &str = "INSERT INTO t WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 5000) \
                        SELECT randomblob(100) FROM n";

    async fn database(path: &Path, mode: SqliteJournalMode) -> SqliteConnection {
        let options = SqliteConnectOptions::new().filename(path).create_if_missing(true).journal_mode(mode);
        let mut connection = options.connect().await.unwrap();
        connection.execute("CREATE TABLE IF NOT EXISTS t (x)").await.unwrap();
        connection
    }

    #[tokio::test]
    async fn a_journal_fits_its_own_database_and_no_other() {
        let home = tempfile::tempdir().unwrap();
        let [live, killed, other] = ["live", "killed", "other"].map(|name| home.path().join(name));
        let mut connection = database(&live, SqliteJournalMode::Delete).await;
        connection.execute(FILL).await.unwrap();
        connection.execute("PRAGMA cache_size = 5; BEGIN; UPDATE t SET x = randomblob(100)").await.unwrap();
        // SQLite completes the journal's header when pages leave its cache, whose size other connections share.
        while fs::read(with_ending(&live, "-journal")).unwrap()[..8] != JOURNAL_MAGIC {
            connection.execute(FILL).await.unwrap();
        }
        fs::copy(&live, &killed).unwrap();
        fs::copy(with_ending(&live, "-journal"), with_ending(&killed, "-journal")).unwrap();
        assert_eq!(check_file(&killed, Missing::Refused), Ok(()));

        let mut small = database(&other, SqliteJournalMode::Delete).await;
        small.execute("INSERT INTO t VALUES (1)").await.unwrap();
        small.close().await.unwrap();
        fs::copy(with_ending(&live, "-journal"), with_ending(&other, "-journal")).unwrap();
        let e = check_file(&other, Missing::Made).unwrap_err();
        assert!(e.contains("other-journal does not belong to"), "{e}");
    }

    #[tokio::test]
    async fn a_wal_fits_its_own_database_before_during_and_after_a_checkpoint() {
        let home = tempfile::tempdir().unwrap();
        let (live, killed) = (home.path().join("live"), home.path().join("killed"));
        let mut connection = database(&live, SqliteJournalMode::Wal).await;
        let steps = [
            "PRAGMA wal_autocheckpoint = 0",
            FILL,
            "PRAGMA wal_checkpoint(PASSIVE)",
            "INSERT INTO t VALUES (1)",
            "UPDATE t SET x = 2 WHERE x = 1",
            FILL,
            "PRAGMA wal_checkpoint(RESTART)",
            "UPDATE t SET x = 3 WHERE x = 2",
            "CREATE TABLE u (y)",
            "PRAGMA wal_checkpoint(TRUNCATE)",
            "UPDATE t SET x = 4 WHERE x = 3",
        ];
        for step in steps {
            connection.execute(step).await.unwrap();
            fs::copy(&live, &killed).unwrap();
            fs::copy(with_ending(&live, "-wal"), with_ending(&killed, "-wal")).unwrap();
            assert_eq!(check_file(&killed, Missing::Refused), Ok(()), "after {step}");
        }
        let other = home.path().join("other");
        let mut closed = database(&other, SqliteJournalMode::Delete).await;
        closed.execute(FILL).await.unwrap();
        closed.close().await.unwrap();
        fs::copy(with_ending(&live, "-wal"), with_ending(&other, "-wal")).unwrap();
        assert!(check_file(&other, Missing::Refused).unwrap_err().contains("other-wal does not belong to"));
    }

    #[test]
    fn a_new_database_is_not_created_next_to_the_files_of_another() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("w.db");
        assert_eq!(check_file(&path, Missing::Made), Ok(()));
        assert!(check_file(&path, Missing::Refused).unwrap_err().contains("there is no file"));
        for ending in ["-wal", "-journal"] {
            fs::write(with_ending(&path, ending), "").unwrap();
            assert_eq!(check_file(&path, Missing::Made), Ok(()), "nothing is in it");
            fs::write(with_ending(&path, ending), "x").unwrap();
            for empty in [false, true] {
                if empty {
                    fs::write(&path, "").unwrap();
                }
                assert!(check_file(&path, Missing::Made).unwrap_err().contains("without its database"), "{ending}");
            }
            fs::remove_file(&path).unwrap();
            fs::remove_file(with_ending(&path, ending)).unwrap();
        }
    }
}
