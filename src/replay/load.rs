//! A batch of records into the warehouse: what is there is read first and compared, what is new goes in, and the note that
//! says so goes with it in one transaction.

use std::collections::{BTreeSet, HashMap};
use std::io;
use std::ops::Range;
use std::sync::Arc;
use std::time::{Duration, Instant};

use chrono::NaiveDate;
use uuid::Uuid;

use super::Policy;
use super::brake::Brake;
use super::journal::{Journal, Page, Slice};
use super::order::{IdOrder, ReplayEntry, id_day};
use super::outcome::{Counter, DayCounts};
use super::seen::Seen;
use super::tally::Tally;
use crate::sort::OrderedId;
use crate::undo::{TakenDown, Undo};
use pipeline::lake::Partition;
use pipeline::record::stored::{Row, Shape};
use pipeline::warehouse::{self, Bulk, Change, Conflict, Insert, Limits, Loaded, Mark, Note, Reason};

/// How often a batch is looked at again because others write into its range.
const MOVING: u32 = 4;

/// Rows of a range that are read although the batch has no record for them, as a multiple of the batch.
const FOREIGN_ROWS: u64 = 4;

/// How long the pieces of a batch go on before the brake is asked again.
const LOOK: Duration = Duration::from_secs(1);

/// Notes on records whose place another row has, and which so change nothing, that may wait for the next transaction.
const WAITING: usize = 100;

/// The pause between two tries of a server that is gone.
const AWAY: Duration = Duration::from_secs(1);

/// What a batch needs on its way.
#[derive(Debug)]
pub(super) struct Loader {
    pub bulk: Arc<dyn Bulk>,
    pub shape: Shape,
    /// What the columns refuse.
    pub limits: Limits,
    pub policy: Policy,
    pub verify: bool,
    pub undo: Option<Undo>,
    pub journal: Option<Journal>,
    pub brake: Arc<Brake>,
    /// How long a server that is gone is waited for.
    pub patience: Duration,
    /// The partitions to be read, by their numbers.
    pub places: Arc<Vec<Partition>>,
    /// The days of the plan, with those that an earlier session has settled.
    pub days: BTreeSet<NaiveDate>,
}

/// Records in the order of ids, and what of the journal is due with them.
#[derive(Debug)]
pub(super) struct Batch {
    pub way: IdOrder,
    pub entries: Vec<ReplayEntry>,
    pub due: Due,
}

/// What is to be done to the journal with the next change.
#[derive(Debug, Default)]
pub(super) struct Due {
    /// Notes to write.
    pub notes: Vec<Note>,
    /// Notes that no longer hold.
    pub forget: Vec<(Uuid, u64)>,
}

impl Due {
    pub(super) fn append(&mut self, mut other: Self) {
        self.notes.append(&mut other.notes);
        self.forget.append(&mut other.forget);
    }
}

/// What became of a batch.
#[derive(Debug, Default)]
pub(super) struct Done {
    pub tally: Tally,
    /// The numbers of its notes, with the days of whose rows they speak.
    pub seqs: Vec<(NaiveDate, u64)>,
    /// Its records by partition.
    pub places: HashMap<u32, u64>,
    /// What is due with a later batch: notes that say more than those that are written, and what did not come to pass.
    pub due: Due,
    pub transactions: u64,
    pub spent: Duration,
}

/// Why a batch is not in; what of it is in already is in `Done`.
#[derive(Debug)]
pub(super) enum Failure {
    Warehouse(warehouse::Error),
    Undo(io::Error),
    /// A row holds other values, and the policy is to stop there.
    Conflict,
    /// Somebody wishes to stop while the batch waits.
    Stopped,
}

/// A part of a batch as it was judged.
struct Judged {
    /// What became of each record; `None` for those that go in.
    fates: Vec<Option<Loaded>>,
    insert: Vec<Row>,
    replace: Vec<(Row, Row)>,
}

/// What an id has once a part is in.
#[derive(Clone, Copy)]
enum After<'a> {
    Nothing,
    Found(&'a Row),
    Inserted(usize),
    Replaced(usize),
}

impl<'a> After<'a> {
    fn row(&self, judged: &'a Judged) -> Option<&'a Row> {
        match *self {
            Self::Nothing => None,
            Self::Found(row) => Some(row),
            Self::Inserted(at) => judged.insert.get(at),
            Self::Replaced(at) => judged.replace.get(at).map(|(_, new)| new),
        }
    }
}

/// What the parts of a batch share.
struct Course<'a> {
    way: IdOrder,
    /// What waits for a transaction.
    due: Due,
    taken_down: TakenDown,
    done: &'a mut Done,
}

impl Course<'_> {
    /// Ends before the batch is in; what was due still is.
    fn end(self, failure: Failure) -> Result<(), Failure> {
        self.done.due.append(self.due);
        Err(failure)
    }
}

impl Loader {
    /// Loads a batch; it may come apart into several transactions where rows are refused.
    pub(super) async fn load(&self, batch: Batch, done: &mut Done) -> Result<(), Failure> {
        let Batch { way, entries, due } = batch;
        let mut course = Course { way, due, taken_down: TakenDown::default(), done };
        let mut work = vec![entries];
        let mut passed: Option<Instant> = None;
        while let Some(part) = work.pop() {
            // The rows of a batch count once, however many pieces it comes apart into.
            if passed.is_none_or(|at| at.elapsed() >= LOOK) {
                let rows = if passed.is_none() { part.len() } else { 0 };
                if let Err(failure) = self.brake.pass(rows, self.patience).await {
                    return course.end(failure);
                }
                passed = Some(Instant::now());
            }
            let begun = Instant::now();
            let loaded = self.part(part, &mut course).await;
            course.done.spent += begun.elapsed();
            match loaded {
                Ok(None) => {}
                Ok(Some((first, second))) => {
                    work.push(second);
                    work.push(first);
                }
                Err(failure) => return course.end(failure),
            }
        }
        course.done.due.append(course.due);
        Ok(())
    }

    /// Loads a part in one transaction, or gives it back in two pieces.
    async fn part(
        &self,
        mut part: Vec<ReplayEntry>,
        course: &mut Course<'_>,
    ) -> Result<Option<(Vec<ReplayEntry>, Vec<ReplayEntry>)>, Failure> {
        let slices = self.slices(course.way, &part);
        let seqs: Vec<u64> = self.journal.iter().flat_map(|journal| slices.iter().map(|_| journal.seq())).collect();
        let (mut given, mut before): (Option<Loaded>, Option<HashMap<String, Row>>) = (None, None);
        let mut taken = false;
        for _ in 0..MOVING {
            let rows = match given {
                Some(_) => HashMap::new(),
                None => self.patiently(|| self.existing(&part)).await?,
            };
            // Nobody has changed the rows of these ids: what is in the way is another key, and of which of them the
            // server does not say.
            if part.len() > 1 && before.as_ref() == Some(&rows) {
                return Ok(Some(halves(part)));
            }
            let judged = self.judge(&part, &rows, given.take(), course)?;
            if let Some(undo) = &self.undo {
                undo.take_down(judged.replace.iter().map(|(old, new)| (Some(old), new)), &mut course.taken_down)
                    .map_err(Failure::Undo)?;
            }
            let page = |slice| self.page(course.way, &part, slice, &judged);
            let mut pages: Vec<Slice> = slices.iter().map(page).collect();
            let earlier = course.due.notes.len();
            course.due.notes.extend(self.notes(&seqs, &pages));
            if taken && !seqs.is_empty() && earlier < WAITING {
                self.settle(&part, &slices, pages, seqs, course.done);
                return Ok(None);
            }
            match self.apply(&judged, &course.due).await {
                Ok(Insert::Done) => {
                    let done = &mut *course.done;
                    let changed = !judged.insert.is_empty() || !judged.replace.is_empty();
                    done.transactions += u64::from(changed || !course.due.notes.is_empty());
                    course.due = Due::default();
                    if self.verify {
                        self.read_back(&part, &judged, &slices, &mut pages).await?;
                        done.due.notes.extend(self.notes(&seqs, &pages));
                    }
                    self.settle(&part, &slices, pages, seqs, course.done);
                    return Ok(None);
                }
                applied => {
                    course.due.notes.truncate(earlier);
                    match applied {
                        Err(Failure::Warehouse(e)) if e.reason == Reason::BadRow => {
                            match (judged.insert.len() + judged.replace.len(), part.len()) {
                                (0, _) => return Err(note_refused(e)),
                                (_, 1) => given = Some(Loaded::Refused(e.message)),
                                _ => return Ok(Some(halves(part))),
                            }
                        }
                        Err(e) => return Err(e),
                        // A single record that is not found under its own id has met another spelling of it.
                        Ok(_) if part.len() == 1 => {
                            given = self.spelled_otherwise(&part[0]).await?;
                            taken = given.is_some();
                        }
                        Ok(_) => before = Some(rows),
                    }
                }
            }
        }
        if part.len() > 1 {
            return Ok(Some(halves(part)));
        }
        let about = part.pop().map(|entry| entry.key).unwrap_or_default();
        let message = "its row changes each time it is looked at: somebody else writes it";
        Err(Failure::Warehouse(warehouse::Error { reason: Reason::Locked, about, message: message.into() }))
    }

    /// Does what was judged and writes the notes, in one transaction: once, however often the server is waited for.
    async fn apply(&self, judged: &Judged, due: &Due) -> Result<Insert, Failure> {
        let mark = Mark::of_its_own();
        let change = Change {
            insert: &judged.insert,
            replace: &judged.replace,
            notes: &due.notes,
            forget: &due.forget,
            mark: Some(&mark),
            ..Change::default()
        };
        self.patiently(|| self.bulk.apply(&change, &self.shape)).await
    }

    /// The rows that are there under the ids of these records, and perhaps others of their range.
    async fn existing(&self, part: &[ReplayEntry]) -> Result<HashMap<String, Row>, warehouse::Error> {
        let (Some(first), Some(last)) = (part.first(), part.last()) else { return Ok(HashMap::new()) };
        let rows = if first.id.is_odd() || last.id.is_odd() {
            self.by_ids(part).await?
        } else {
            let (first, last) = (&first.record.id_treated_data, &last.record.id_treated_data);
            let found = self.bulk.count(first, last).await?;
            if found == 0 {
                return Ok(HashMap::new());
            }
            let most = u32::try_from(found + found / 8 + 100).unwrap_or(u32::MAX);
            if found > FOREIGN_ROWS * part.len() as u64 + 100 {
                self.by_ids(part).await?
            } else {
                let rows = self.bulk.range(first, last, most, &self.shape).await?;
                if rows.len() < most as usize { rows } else { self.by_ids(part).await? }
            }
        };
        Ok(rows.into_iter().map(|row| (row.id().to_owned(), row)).collect())
    }

    async fn by_ids(&self, part: &[ReplayEntry]) -> Result<Vec<Row>, warehouse::Error> {
        let ids: Vec<String> = part.iter().map(|entry| entry.record.id_treated_data.clone()).collect();
        self.bulk.fetch(&ids, &self.shape).await
    }

    /// Says of each record what is to become of it; `given` where that is known already.
    fn judge(
        &self,
        part: &[ReplayEntry],
        rows: &HashMap<String, Row>,
        given: Option<Loaded>,
        course: &mut Course<'_>,
    ) -> Result<Judged, Failure> {
        let mut judged = Judged { fates: Vec::with_capacity(part.len()), insert: Vec::new(), replace: Vec::new() };
        judged.insert.reserve_exact(part.len().saturating_sub(rows.len()));
        // What the id of the record before has after this, for further records of the same id.
        let mut last: Option<(&str, After<'_>)> = None;
        for entry in part {
            let id = entry.record.id_treated_data.as_str();
            let twin = last.take().filter(|(other, _)| *other == id).map(|(_, after)| after);
            let (fate, after) = match (&given, &twin) {
                (Some(given), _) => (Some(given.clone()), After::Nothing),
                (None, Some(after)) => match after.row(&judged) {
                    Some(row) => (Some(self.compare(entry, row)), *after),
                    None => self.fresh(entry, &mut judged),
                },
                (None, None) => match rows.get(id) {
                    Some(row) if self.may_overwrite(course.way, &entry.id) => self.overwrite(entry, row, &mut judged),
                    Some(row) => (Some(self.compare(entry, row)), After::Found(row)),
                    None => self.fresh(entry, &mut judged),
                },
            };
            if let (Policy::Fail, Some(loaded @ Loaded::Conflicting(_))) = (self.policy, &fate) {
                let mut tally = Tally::default();
                tally.record_loaded(&entry.key, loaded);
                let cell = tally.cells.at(&self.places[entry.place as usize]);
                (cell.listed, cell.conflicting) = (1, 1);
                course.done.tally.merge(tally);
                *course.done.places.entry(entry.place).or_default() += 1;
                return Err(Failure::Conflict);
            }
            judged.fates.push(fate);
            last = Some((id, after));
        }
        Ok(judged)
    }

    /// A record whose id has no row.
    fn fresh<'a>(&self, entry: &ReplayEntry, judged: &mut Judged) -> (Option<Loaded>, After<'a>) {
        let row = entry.record.to_row(&self.shape);
        if let Some(why) = self.limits.refuse(&row) {
            return (Some(Loaded::Refused(why)), After::Nothing);
        }
        judged.insert.push(row);
        (None, After::Inserted(judged.insert.len() - 1))
    }

    /// A record whose id has a row.
    fn compare(&self, entry: &ReplayEntry, row: &Row) -> Loaded {
        let differences = entry.record.differences(row, &self.shape);
        if differences.is_empty() {
            return Loaded::Identical;
        }
        Loaded::Conflicting(Box::new(Conflict { differences, row: row.clone() }))
    }

    /// Whether a record may take the place of a row: one of two objects that claim the same row, and in every run the same.
    ///
    /// The records of one id are in one batch, where the first of them is meant, but for a timed one and loose ones. The
    /// row is then the timed one's; and such a one may be wherever the day that the id tells is in the plan.
    fn may_overwrite(&self, way: IdOrder, id: &OrderedId) -> bool {
        self.policy == Policy::Overwrite
            && (way == IdOrder::TimeOrdered || id_day(id).is_none_or(|day| !self.days.contains(&day)))
    }

    /// The same, where the row may be overwritten: only by the first record of its id.
    fn overwrite<'a>(&self, entry: &ReplayEntry, row: &'a Row, judged: &mut Judged) -> (Option<Loaded>, After<'a>) {
        match self.compare(entry, row) {
            Loaded::Conflicting(conflict) => {
                let new = entry.record.to_row(&self.shape);
                if self.limits.refuse(&new).is_some() {
                    return (Some(Loaded::Conflicting(conflict)), After::Found(row));
                }
                judged.replace.push((row.clone(), new));
                (Some(Loaded::Overwritten(conflict)), After::Replaced(judged.replace.len() - 1))
            }
            loaded => (Some(loaded), After::Found(row)),
        }
    }

    /// A part's slices: what is of one day where it is timed, so that a day that is done again takes no other with it.
    fn slices(&self, way: IdOrder, part: &[ReplayEntry]) -> Vec<Range<usize>> {
        let day = |entry: &ReplayEntry| (way == IdOrder::TimeOrdered).then(|| self.places[entry.place as usize].day);
        let mut from = 0;
        let lengths = part.chunk_by(|a, b| day(a) == day(b)).map(<[ReplayEntry]>::len);
        let slices = lengths.map(|length| {
            from += length;
            from - length..from
        });
        slices.collect()
    }

    /// Takes down that a part is settled, and the numbers of its notes.
    fn settle(
        &self,
        part: &[ReplayEntry],
        slices: &[Range<usize>],
        pages: Vec<Slice>,
        seqs: Vec<u64>,
        done: &mut Done,
    ) {
        let days = slices.iter().map(|slice| self.places[part[slice.start].place as usize].day);
        done.seqs.extend(days.zip(seqs));
        part.iter().for_each(|entry| *done.places.entry(entry.place).or_default() += 1);
        pages.into_iter().for_each(|page| done.tally.merge(page.tally));
    }

    fn notes(&self, seqs: &[u64], pages: &[Slice]) -> Vec<Note> {
        let numbered = seqs.iter().zip(pages);
        let notes = self
            .journal
            .iter()
            .flat_map(|journal| numbered.clone().map(|(&seq, page)| journal.note(seq, &Page::Slice(page.clone()))));
        notes.collect()
    }

    /// What a slice comes to.
    fn page(&self, way: IdOrder, part: &[ReplayEntry], slice: &Range<usize>, judged: &Judged) -> Slice {
        let (entries, fates) = (&part[slice.clone()], &judged.fates[slice.clone()]);
        let (tally, rows) = self.tally(way, entries, fates);
        let objects = if self.journal.is_some() { Seen::of(entries) } else { Seen::default() };
        let id = |entry: Option<&ReplayEntry>| entry.map_or_else(|| OrderedId::new(""), |entry| entry.id.clone());
        Slice { way, first: id(entries.first()), last: id(entries.last()), rows, objects, tally }
    }

    /// What these entries come to, and the ids of the rows that are then there.
    fn tally(&self, way: IdOrder, entries: &[ReplayEntry], fates: &[Option<Loaded>]) -> (Tally, Seen) {
        let mut tally = Tally::default();
        let mut rows = Seen::default();
        let mut last = None;
        let mut cells: HashMap<u32, DayCounts> = HashMap::new();
        for (entry, fate) in entries.iter().zip(fates) {
            let loaded = fate.as_ref().unwrap_or(&Loaded::Inserted);
            tally.record_loaded(&entry.key, loaded);
            let cell = cells.entry(entry.place).or_default();
            match loaded {
                Loaded::Conflicting(_) => cell.conflicting += 1,
                Loaded::Refused(_) => cell.rejected += 1,
                _ => {
                    tally.newest_row_ts = tally.newest_row_ts.max(Some(entry.record.row_ts));
                    tally.newest_data = tally.newest_data.max(Some(entry.record.reading.data));
                }
            }
            cell.listed += 1;
            if !matches!(loaded, Loaded::Refused(_)) && last != Some(&entry.id) {
                rows.take(entry.record.id_treated_data.as_bytes());
                last = Some(&entry.id);
            }
        }
        for (place, mut cell) in cells {
            if way == IdOrder::Unordered {
                cell.listed = 0; // its day has listed it
            }
            if cell != Default::default() {
                *tally.cells.at(&self.places[place as usize]) = cell;
            }
        }
        (tally, rows)
    }

    /// Reads the rows of a part again and compares them; a record whose row was kept as it is is no part of this.
    async fn read_back(
        &self,
        part: &[ReplayEntry],
        judged: &Judged,
        slices: &[Range<usize>],
        pages: &mut [Slice],
    ) -> Result<(), Failure> {
        let rows = self.patiently(|| self.existing(part)).await?;
        for (page, slice) in pages.iter_mut().zip(slices) {
            for (entry, fate) in part[slice.clone()].iter().zip(&judged.fates[slice.clone()]) {
                if !matches!(fate, Some(Loaded::Conflicting(_) | Loaded::Refused(_))) {
                    self.compare_back(entry, rows.get(&entry.record.id_treated_data), &mut page.tally);
                }
            }
        }
        Ok(())
    }

    fn compare_back(&self, entry: &ReplayEntry, row: Option<&Row>, tally: &mut Tally) {
        let wrong = match row {
            Some(row) if entry.record.differences(row, &self.shape).is_empty() => {
                tally.counts[Counter::Verified] += 1;
                return;
            }
            Some(_) => "read back with other values: somebody else writes",
            None => "not there when read back: somebody else deletes",
        };
        tally.counts[Counter::Unverified] += 1;
        tally.problems.add("unverified", entry.key.as_str(), wrong);
    }

    /// Why a record cannot go in although no row has its id: the server folds case or space, or has another unique key.
    async fn spelled_otherwise(&self, entry: &ReplayEntry) -> Result<Option<Loaded>, Failure> {
        let ids = [entry.record.id_treated_data.clone()];
        let found = self.patiently(|| self.bulk.fetch(&ids, &self.shape)).await?;
        Ok(match found.first() {
            Some(row) if row.id() == entry.record.id_treated_data => None,
            Some(row) => Some(self.compare(entry, row)),
            None => Some(Loaded::Refused(
                "a row with these values in a unique key is there, but none with this id: has the table another unique \
                 index?"
                    .to_owned(),
            )),
        })
    }

    /// Waits for a server that is gone, as long as the run's patience lasts.
    async fn patiently<T, F>(&self, mut work: impl FnMut() -> F) -> Result<T, Failure>
    where
        F: Future<Output = Result<T, warehouse::Error>>,
    {
        let mut away: Option<Instant> = None;
        loop {
            let tried = work().await;
            if let (Some(since), true) = (away, tried.is_ok()) {
                self.brake.note("no server", since.elapsed()).await;
            }
            match tried {
                Err(e) if e.kind().is_transient() => {
                    let since = *away.get_or_insert_with(Instant::now);
                    if since.elapsed() > self.patience {
                        return Err(Failure::Warehouse(e));
                    }
                    if !self.brake.wait_for_server(&e, AWAY).await {
                        return Err(Failure::Stopped);
                    }
                }
                tried => return tried.map_err(Failure::Warehouse),
            }
        }
    }
}

/// There was nothing but a note to be written, and it was refused.
fn note_refused(e: warehouse::Error) -> Failure {
    let message = format!(
        "the journal takes no note, as if ruminate_journal was altered: drop that table, or replay with --no-journal: {}",
        e.message
    );
    Failure::Warehouse(warehouse::Error { reason: Reason::BadSchema, message, ..e })
}

/// Cuts a part of at least two in two, not between records of one id where that can be helped.
fn halves(mut part: Vec<ReplayEntry>) -> (Vec<ReplayEntry>, Vec<ReplayEntry>) {
    let middle = part.len() / 2;
    let same = |at: usize| part[at].id == part[at - 1].id;
    let at = (middle..part.len()).find(|&at| !same(at)).or_else(|| (1..middle).rev().find(|&at| !same(at)));
    let second = part.split_off(at.unwrap_or(middle));
    (part, second)
}
