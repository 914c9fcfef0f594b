//! The work of a replay: one side reads and sorts, the other loads, and every object is accounted for.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use chrono::NaiveDate;
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use super::SortSettings;
use super::brake::{Brake, Limits, Reload};
use super::journal::{Before, DayPage, Head, Journal, Page};
use super::load::{Batch, Done, Due, Failure, Loader};
use super::order::{IdOrder, ReplayEntry, Sorters};
use super::outcome::{Counter, Outcome};
use super::read::{Day, End, Part, Reading, Why};
use super::tally::{PendingRecords, Tally};
use super::{Plan, Policy};
use crate::progress::{Progress, Stage};
use crate::reader::{Item, Skip};
use crate::sort::Sorted;
use crate::stop::Stop;
use crate::undo::Undo;
use pipeline::lake::Partition;
use pipeline::record::stored::Shape;
use pipeline::warehouse::{Bulk, Change};

/// Rows a transaction has at least, and at most: more gains nothing (benches/RESULTS.md).
const ROWS: std::ops::RangeInclusive<usize> = 500..=20_000;

/// How long a transaction should take.
const TARGET: Duration = Duration::from_millis(1_000);

/// A replay ready to run.
pub struct Replay {
    /// What to read.
    pub plan: Plan,
    /// Where to load.
    pub bulk: Arc<dyn Bulk>,
    /// What to do with conflicts.
    pub policy: Policy,
    /// Whether to read every loaded row back and compare it.
    pub verify: bool,
    /// Reads at once.
    pub reads: usize,
    /// Batches loaded at once.
    pub loads: usize,
    /// How much is sorted in memory, and where the rest goes.
    pub sort: SortSettings,
    /// Where overwritten rows are written down.
    pub undo: Option<Undo>,
    /// Whether a journal is kept, and a run found in it.
    pub journal: Option<Keep>,
    /// What the run must not exceed.
    pub limits: Limits,
    /// The newest word on them.
    pub reload: Reload,
    /// The warehouse's replicas, whose lag is watched.
    pub replicas: Vec<Arc<dyn Bulk>>,
    /// How long a warehouse that is gone is waited for.
    pub patience: Duration,
}

impl Replay {
    /// A replay as it is without any flag.
    pub fn new(plan: Plan, bulk: Arc<dyn Bulk>) -> Self {
        Self {
            plan,
            bulk,
            policy: Policy::default(),
            verify: false,
            reads: 256,
            loads: 4,
            sort: SortSettings { memory: 64_000_000, folder: std::env::temp_dir() },
            undo: None,
            journal: Some(Keep::New),
            limits: Limits::default(),
            reload: Arc::new(|| None),
            replicas: Vec::new(),
            patience: Duration::from_secs(300),
        }
    }
}

/// The journal a run keeps.
#[derive(Debug)]
pub enum Keep {
    /// A new run's.
    New,
    /// That of a run that goes on.
    Before(Box<Earlier>),
}

/// An earlier session of a run, as the journal has it.
#[derive(Debug)]
pub struct Earlier(pub(super) Arc<Before>);

/// The run that `--resume` goes on with: the newest one of that lake and table that has not ended.
///
/// # Errors
/// There is one and it was asked for other things; the journal cannot be read.
pub async fn earlier(bulk: &dyn Bulk, plan: &Plan, policy: Policy, verify: bool) -> anyhow::Result<Option<Earlier>> {
    let lake = plan.lake.identity();
    if !bulk.journal(false).await? {
        return Ok(None);
    }
    let Some((run, head)) = super::journal::unfinished(bulk, &lake).await? else { return Ok(None) };
    let now = plan.head(policy);
    let differs = head.differs(&now);
    anyhow::ensure!(
        differs.is_empty(),
        "run {run} of {} has not ended and was asked for other things ({}): give the same to go on with it, or leave \
         --resume away to begin anew, which is safe",
        head.begun.format("%Y-%m-%d %H:%M UTC"),
        differs.join("; ")
    );
    Ok(Some(Earlier(Arc::new(Before::read(bulk, run, head, verify).await?))))
}

/// Reads what is planned and loads it.
///
/// # Errors
/// The warehouse's table cannot hold records, or a store refuses before anything was loaded. A failure later on is an
/// outcome that says where it stopped.
pub async fn run(replay: Replay, progress: &Progress, stop: &Stop) -> anyhow::Result<Outcome> {
    let begun = Instant::now();
    let shape = replay.bulk.shape().await?;
    let method = replay.bulk.method().await?;
    let Replay { mut plan, bulk, journal, .. } = replay;
    if plan.partitions.is_empty() && journal.as_ref().is_none_or(|keep| matches!(keep, Keep::New)) {
        tracing::warn!("no partition of the lake lies in this span: check --lake, --farm, --from and --to");
    }
    let mut outcome = Outcome {
        lake: plan.lake.address(),
        warehouse: bulk.address(),
        method: format!("{}: {}", method.kind, method.why),
        asked: plan.options(replay.policy),
        ..Outcome::default()
    };
    let mut head = plan.head(replay.policy);
    let days = plan.partitions.iter().map(|partition| partition.day).collect();
    let (journal, before) = match journal {
        None => (None, None),
        Some(Keep::New) => {
            bulk.journal(true).await?;
            (Some(Journal::new(head.begun)?), None)
        }
        Some(Keep::Before(earlier)) => {
            let before = earlier.0;
            plan.cutoff = plan.cutoff.resumed(before.head.fence);
            head = before.head.clone();
            plan.partitions.retain(|partition| !before.days.contains(&partition.day));
            (Some(before.journal.clone()), Some(before))
        }
    };
    outcome.undo_earlier = head.undo.iter().filter(|path| Path::new(path).exists()).cloned().collect();
    if let Some(undo) = &replay.undo {
        let path = std::path::absolute(undo.path()).unwrap_or_else(|_| undo.path().into()).display().to_string();
        outcome.undo_earlier.retain(|earlier| *earlier != path);
        if !head.undo.contains(&path) {
            head.undo.push(path);
        }
    }
    if let Some(journal) = &journal {
        let forget = before.as_ref().map_or(&[][..], |before| &before.forget);
        let notes = [journal.note(0, &head)];
        bulk.apply(&Change { notes: &notes, forget, ..Change::default() }, &shape).await?;
    }
    outcome.fence = Some(plan.cutoff.instant());
    outcome.resumed = before.is_some();
    outcome.run = journal.as_ref().map(|journal| journal.run.to_string()).unwrap_or_default();
    let sorters = Sorters::new(&replay.sort).map_err(|e| {
        anyhow::anyhow!(
            "nothing can be sorted in {}: {e}: name another folder with --sort-dir",
            replay.sort.folder.display()
        )
    })?;
    let stage = progress.stage("replay", None);
    let brake = Arc::new(
        Brake::new(Arc::clone(&bulk), replay.replicas, replay.limits, replay.reload, stage.clone(), stop.clone())
            .await?,
    );
    let places = Arc::new(plan.partitions.clone());
    let loader = Loader {
        limits: bulk.limits().await?,
        bulk,
        shape,
        policy: replay.policy,
        verify: replay.verify,
        undo: replay.undo,
        journal,
        brake,
        patience: replay.patience,
        places: Arc::clone(&places),
        days,
    };
    let halt = Stop::default();
    let reading = Reading {
        reader: plan.reader(replay.reads),
        places,
        filter: plan.filter,
        sorters,
        stop: stop.clone(),
        halt: halt.clone(),
    };
    let mut run = Run {
        days_in_all: plan.partitions.iter().map(|partition| partition.day).collect::<BTreeSet<_>>().len(),
        loader: Arc::new(loader),
        loads: replay.loads.max(1),
        lanes: JoinSet::new(),
        stage,
        stop: stop.clone(),
        tally: before.as_ref().map(|before| before.tally.clone()).unwrap_or_default(),
        seen: before.as_ref().map_or(0, |before| before.tally.counts[Counter::Listed]),
        before,
        held: Vec::new(),
        held_by: None,
        pending: PendingRecords::default(),
        due: Due::default(),
        days: BTreeMap::new(),
        days_in: 0,
        filling: Vec::new(),
        way: IdOrder::TimeOrdered,
        target: 10_000,
        head,
        outcome,
        settled: false,
        refused: None,
    };
    run.strays(std::mem::take(&mut plan.strays));
    run.aim(0, Duration::ZERO, 0).await;
    let (parts, mut incoming) = mpsc::channel(2);
    let reader = tokio::spawn(reading.run(parts));
    while let Some(part) = incoming.recv().await {
        match part {
            Part::Day(day) => run.day(*day).await,
            Part::End(end) => run.end(*end).await,
        }
        if run.stopped() {
            halt.set();
        }
    }
    reader.await?;
    run.finish(&plan, begun).await
}

struct Run {
    loader: Arc<Loader>,
    loads: usize,
    lanes: JoinSet<Ended>,
    stage: Stage,
    stop: Stop,
    tally: Tally,
    /// Objects that are to be accounted for.
    seen: u64,
    /// What earlier sessions of the run have done.
    before: Option<Arc<Before>>,
    /// Entries for which a slice of an earlier session may stand, by its number.
    held: Vec<ReplayEntry>,
    held_by: Option<u64>,
    pending: PendingRecords,
    /// What is due with the next batch.
    due: Due,
    /// Days whose batches are under way.
    days: BTreeMap<NaiveDate, Underway>,
    days_in_all: usize,
    days_in: usize,
    filling: Vec<ReplayEntry>,
    /// The way of what is filled.
    way: IdOrder,
    /// Rows a batch should have now.
    target: usize,
    head: Head,
    outcome: Outcome,
    /// Something was loaded or counted: what fails from here on is an outcome.
    settled: bool,
    /// Why it could not even begin.
    refused: Option<anyhow::Error>,
}

/// A batch at the end of its lane.
struct Ended {
    /// The days of its records, where they are timed.
    days: BTreeSet<NaiveDate>,
    way: IdOrder,
    done: Done,
    ended: Result<(), Failure>,
}

/// A day that was read to its end.
struct Underway {
    batches: usize,
    /// All its records are in batches.
    complete: bool,
    /// A session that goes on has to read it again: for its loose records, or for what may be readable by then.
    again: bool,
    page: DayPage,
}

impl Run {
    fn strays(&mut self, strays: Vec<pipeline::lake::Meta>) {
        for stray in strays {
            self.seen += 1;
            self.tally.record_object(None, stray.key, Item::Skipped(Skip::Foreign));
        }
    }

    fn place(&self, number: u32) -> Partition {
        self.loader.places[number as usize].clone()
    }

    fn stopped(&self) -> bool {
        self.outcome.stopped.is_some() || self.refused.is_some()
    }

    /// Takes a day: counts it, and sends its records on their way.
    async fn day(&mut self, day: Day) {
        let Day { day, mut tally, sorted, timed, loose } = day;
        for (&number, &count) in &timed {
            self.pending.add(&self.place(number), IdOrder::TimeOrdered, count);
        }
        for (&number, &count) in &loose {
            tally.cells.at(&self.place(number)).listed += count;
        }
        self.stage.add(tally.counts[Counter::Listed]);
        self.settled |= tally.counts[Counter::Listed] > 0;
        let page = DayPage { day, slices: BTreeSet::new(), tally: tally.clone() };
        let again = !loose.is_empty() || tally.has_unread();
        self.tally.merge(tally);
        let Some(sorted) = sorted else { return };
        self.days.insert(day, Underway { batches: 0, complete: false, again, page });
        self.send_all(sorted, IdOrder::TimeOrdered).await;
        if !self.stopped() {
            // The last of its records may wait for a batch that is full.
            self.days_in += 1;
            self.stage.share(self.days_in as f64 / self.days_in_all.max(1) as f64);
            if let Some(underway) = self.days.get_mut(&day) {
                underway.complete = true;
            }
            self.note_days();
        }
    }

    async fn end(&mut self, end: End) {
        self.outcome.reading_seconds = end.seconds;
        self.seen += end.seen;
        for (&number, &count) in &end.waiting {
            self.pending.add(&self.place(number), IdOrder::Unordered, count);
        }
        if !matches!(end.why, Some(Why::Stopped)) && !self.stopped() {
            self.flush().await; // also where the lake fails: what was read of whole days is not read again
        }
        match end.why {
            None => {}
            Some(Why::Stopped) => drop(self.outcome.stopped.get_or_insert_with(|| ASKED.into())),
            Some(Why::Lake(e)) if !self.settled && self.lanes.is_empty() => self.refused = Some(e.into()),
            Some(Why::Lake(e)) => drop(self.outcome.stopped.get_or_insert_with(|| e.to_string())),
            Some(Why::Sort(e)) => {
                let why = format!(
                    "the records cannot be sorted on disk: {e}: make room, or name another folder with --sort-dir"
                );
                self.outcome.stopped.get_or_insert(why);
            }
        }
        if let (Some(loose), false) = (end.loose, self.stopped()) {
            while !self.lanes.is_empty() {
                self.settle_one().await; // a row that two objects claim is the timed one's
            }
            self.send_all(loose, IdOrder::Unordered).await;
            if !self.stopped() {
                self.flush().await;
            }
        }
    }

    /// Cuts sorted records into batches; a last one that is not full waits for more.
    async fn send_all(&mut self, sorted: Sorted<ReplayEntry>, way: IdOrder) {
        self.way = way;
        for entry in sorted {
            let entry = match entry {
                Ok(entry) => entry,
                Err(e) => {
                    self.outcome.stopped.get_or_insert(format!("sorted records cannot be read back: {e}"));
                    return;
                }
            };
            let slice = self.before.as_ref().and_then(|before| before.slice(way, &entry.id));
            if slice != self.held_by {
                self.release().await;
                self.held_by = slice;
            }
            match slice {
                Some(_) => self.held.push(entry),
                None => self.fill(entry).await,
            }
            if self.stopped() {
                return;
            }
        }
        self.release().await;
        self.held_by = None;
    }

    /// Lets the slice of an earlier session stand for what is held, where that is what it was made of.
    async fn release(&mut self) {
        let held = std::mem::take(&mut self.held);
        let (Some(before), Some(seq)) = (self.before.clone(), self.held_by) else { return };
        if let Some(tally) = before.confirm(self.way, &held) {
            let mut places = HashMap::new();
            held.iter().for_each(|entry| *places.entry(entry.place).or_default() += 1);
            self.settled(self.way, &places, tally.clone());
            let day = held.first().map(|entry| self.loader.places[entry.place as usize].day);
            if let (IdOrder::TimeOrdered, Some(underway)) = (self.way, day.and_then(|day| self.days.get_mut(&day))) {
                underway.page.slices.insert(seq);
            }
            return;
        }
        if let (Some(first), Some(last)) = (held.first(), held.last()) {
            tracing::warn!(
                "between {} and {} the lake now has other records to read than before: they are done again",
                first.id,
                last.id
            );
        }
        self.due.forget.push((before.journal.run, seq));
        for entry in held {
            if self.stopped() {
                return;
            }
            self.fill(entry).await;
        }
    }

    async fn fill(&mut self, entry: ReplayEntry) {
        let full = self.filling.len() >= self.target;
        if full && self.filling.last().is_some_and(|last| last.id != entry.id) {
            self.flush().await;
        }
        self.filling.push(entry);
    }

    /// Takes down what became of records, by partition.
    fn settled(&mut self, way: IdOrder, places: &HashMap<u32, u64>, tally: Tally) {
        for (&number, &count) in places {
            self.pending.remove(&self.place(number), way, count);
        }
        let rows: u64 = places.values().sum();
        self.stage.add(rows);
        self.settled |= rows > 0;
        self.tally.merge(tally);
    }

    /// Sends what is filled as a batch, once there is a lane for it.
    async fn flush(&mut self) {
        let way = self.way;
        if self.stop.is_set() {
            self.outcome.stopped.get_or_insert_with(|| ASKED.into());
        }
        while self.lanes.len() >= self.loads {
            self.settle_one().await;
        }
        if self.filling.is_empty() || self.stopped() {
            return;
        }
        let entries = std::mem::take(&mut self.filling);
        let days: BTreeSet<NaiveDate> = match way {
            IdOrder::TimeOrdered => entries.iter().map(|entry| self.loader.places[entry.place as usize].day).collect(),
            IdOrder::Unordered => BTreeSet::new(),
        };
        for day in &days {
            if let Some(underway) = self.days.get_mut(day) {
                underway.batches += 1;
            }
        }
        let batch = Batch { way, entries, due: std::mem::take(&mut self.due) };
        let loader = Arc::clone(&self.loader);
        self.lanes.spawn(async move {
            let mut done = Done::default();
            let ended = loader.load(batch, &mut done).await;
            Ended { days, way, done, ended }
        });
    }

    async fn settle_one(&mut self) {
        let Some(joined) = self.lanes.join_next().await else { return };
        let Ended { days, way, done, ended } = match joined {
            Ok(settled) => settled,
            Err(e) => {
                self.outcome
                    .stopped
                    .get_or_insert_with(|| format!("a loader failed, which is an error of this program: {e}"));
                return;
            }
        };
        let rows: u64 = done.places.values().sum();
        self.settled(way, &done.places, done.tally);
        self.settled |= done.transactions > 0;
        self.due.append(done.due);
        self.outcome.transactions += done.transactions;
        self.outcome.loading_seconds += done.spent.as_secs_f64();
        let in_full = ended.is_ok();
        for day in days {
            if let Some(underway) = self.days.get_mut(&day) {
                let of_day = done.seqs.iter().filter(|(of, _)| *of == day);
                underway.page.slices.extend(of_day.map(|(_, seq)| seq));
                // One that is not in keeps its day open for ever.
                underway.batches -= usize::from(in_full);
            }
        }
        match ended {
            Ok(()) => self.aim(rows, done.spent, done.transactions).await,
            Err(failure) => self.fail(failure),
        }
        self.note_days();
    }

    fn fail(&mut self, failure: Failure) {
        let why = match failure {
            Failure::Warehouse(e) if !self.settled && !self.stopped() && !e.kind().is_transient() => {
                self.refused = Some(e.into());
                return;
            }
            Failure::Warehouse(e) => e.to_string(),
            Failure::Undo(e) => format!("the undo file cannot be written, and nothing is overwritten without it: {e}"),
            Failure::Conflict => "a conflict was found, and --on-conflict is fail".to_owned(),
            Failure::Stopped => ASKED.to_owned(),
        };
        self.outcome.stopped.get_or_insert(why);
    }

    /// Sizes the next batches so that a transaction takes the time it should.
    async fn aim(&mut self, rows: u64, spent: Duration, transactions: u64) {
        let most = self.loader.brake.most_rows().await;
        if rows >= *ROWS.start() as u64 && transactions > 0 {
            let per_transaction = spent.as_secs_f64() / transactions as f64;
            let ideal = rows as f64 / transactions as f64 * TARGET.as_secs_f64() / per_transaction.max(1e-3);
            self.target = (self.target + ideal.min(1e6) as usize) / 2;
        }
        self.target = self.target.clamp(*ROWS.start(), *ROWS.end()).min(most);
    }

    /// Notes the days whose batches are all in; the notes go with the next batch.
    fn note_days(&mut self) {
        let filling = self.filling.iter().filter(|_| self.way == IdOrder::TimeOrdered);
        let waiting: BTreeSet<NaiveDate> = filling.map(|entry| self.loader.places[entry.place as usize].day).collect();
        let done =
            |day: &NaiveDate, underway: &Underway| underway.complete && underway.batches == 0 && !waiting.contains(day);
        let days: Vec<NaiveDate> = self.days.iter().filter(|(day, u)| done(day, u)).map(|(day, _)| *day).collect();
        for day in days {
            if let (Some(underway), Some(journal)) = (self.days.remove(&day), &self.loader.journal)
                && !underway.again
            {
                self.due.notes.push(journal.note(journal.seq(), &Page::Day(underway.page)));
            }
        }
    }

    /// Waits for what is in flight, writes the last notes, and closes the account.
    async fn finish(mut self, plan: &Plan, begun: Instant) -> anyhow::Result<Outcome> {
        while !self.lanes.is_empty() {
            self.settle_one().await;
        }
        self.note_days();
        let (loader, mut outcome) = (self.loader, self.outcome);
        outcome.seconds = begun.elapsed().as_secs_f64();
        outcome.pressure = plan.lake.pressure();
        outcome.pauses = loader.brake.pauses().await;
        outcome.undo = loader.undo.as_ref().and_then(|undo| undo.written()).map(|path| path.display().to_string());
        self.tally.close(&self.pending, &mut outcome);
        if let (Some(only), None) = (&plan.only, &outcome.stopped) {
            outcome.counts[Counter::NotFound] = (only.0.len() as u64).saturating_sub(outcome.counts[Counter::Listed]);
        }
        if let Some(journal) = &loader.journal {
            let ended = outcome.stopped.is_none() && self.refused.is_none();
            self.head.ended = ended.then(|| outcome.contract());
            close_journal(&*loader.bulk, journal, &self.head, self.due, &loader.shape).await;
        }
        self.stage.finish();
        if let Some(refused) = self.refused {
            return Err(refused);
        }
        outcome.check()?;
        let listed = outcome.counts[Counter::Listed];
        anyhow::ensure!(
            listed == self.seen,
            "{} objects were listed and {} are accounted for, which is an error of this program",
            self.seen,
            listed
        );
        Ok(outcome)
    }
}

const ASKED: &str = "asked to stop";

/// Writes what is due; of a run that has ended only the head stays, with its counts.
///
/// The rows are in whatever becomes of this: without these notes some days are read again when the run goes on.
async fn close_journal(bulk: &dyn Bulk, journal: &Journal, head: &Head, mut due: Due, shape: &Shape) {
    let closed = async {
        if head.ended.is_some() {
            due.forget = bulk.notes(journal.run).await?.into_iter().map(|note| (note.run, note.seq)).collect();
            due.notes = vec![journal.note(0, head)];
        }
        bulk.apply(&Change { notes: &due.notes, forget: &due.forget, ..Change::default() }, shape).await
    };
    if let Err(e) = closed.await {
        tracing::warn!("the last notes of the journal could not be written: {e}");
    }
}
