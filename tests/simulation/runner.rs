//! Runs a history step by step, and checks the model after each.

use std::collections::BTreeSet;
use std::time::Duration;

use anyhow::Context as _;
use ruminate::compact;
use ruminate::reconcile;

use crate::faults::{Fault, Faults, Site, Weather};
use crate::history::{Command, History, Step};
use crate::judge::{Object, objects};
use crate::load::{self, ReplayOptions, Replayed};
use crate::model::{Allowed, Model};
use crate::random::Draw;
use crate::readings::{Message, Readings};
use crate::reconcile::{self as audit, RepairOptions};
use crate::world::{Content, World};
use crate::{clock, damage, fleet, ingest, must, snapshots};

/// A failed history.
#[derive(Debug, Clone)]
pub struct Failure {
    pub why: String,
    /// The faults that had happened.
    pub faults: Vec<(Site, Fault)>,
}

/// Runs a history in its own runtime, without the suppressed faults. Returns the number of faults that happened.
pub fn run(history: &History, suppressed: &BTreeSet<Site>) -> Result<usize, Failure> {
    fastrand::seed(history.seed);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build();
    let runtime = runtime.expect("a runtime can be built");
    let draw = Draw::new(history.seed);
    let faults = Faults::new(draw.with(100), suppressed.clone());
    let ended = runtime.block_on(async {
        let world = World::new(faults, history.kind).await;
        let world = world.map_err(|e| Failure { why: format!("{e:#}"), faults: Vec::new() })?;
        let faults = std::sync::Arc::clone(&world.faults);
        let mut runner = Runner { world, model: Model::new(Readings::new(draw.with(101))), draw: draw.with(102) };
        let ended = tokio::select! {
            biased;
            () = clock::pass(|| faults.calls()) => Err(anyhow::anyhow!("nothing has happened for a long time")),
            ended = runner.run(history) => ended,
        };
        let happened = faults.happened();
        match ended {
            Ok(()) => Ok(happened.len()),
            Err(e) => Err(Failure { why: format!("{e:#}"), faults: happened }),
        }
    });
    runtime.shutdown_timeout(Duration::from_secs(5));
    ended
}

struct Runner {
    world: World,
    model: Model,
    draw: Draw,
}

/// Result of a command that is checked after it.
enum Done {
    Nothing,
    Replayed(Box<Replayed>),
    Repaired(Box<reconcile::Outcome>),
    Compacted(Box<compact::Outcome>),
}

impl Runner {
    async fn run(&mut self, history: &History) -> anyhow::Result<()> {
        for step in &history.steps {
            self.step(step).await.with_context(|| format!("step {}", step.number))?;
        }
        self.world.faults.begin(usize::MAX, Weather::default());
        audit::audit_quietly(&self.world, &self.model).await.context("the last audit")?;
        self.replay_twice().await.context("two replays")
    }

    async fn step(&mut self, step: &Step) -> anyhow::Result<()> {
        let objects_are_readable = step.command.needs_readable_objects();
        self.world.faults.begin(step.number, Weather { permille: step.permille, objects_are_readable });
        let (before, damaged) = (self.world.content().await?, self.model.damaged.clone());
        let draw = self.draw.with(step.number as u64);
        let done = match &step.command {
            Command::Damage(all) => {
                for one in all {
                    damage::damage(&self.world, &mut self.model, *one).await?;
                }
                Done::Nothing
            }
            Command::Jump(seconds) => {
                self.world.clock.jump(Duration::from_secs(*seconds));
                Done::Nothing
            }
            command => {
                let concurrent = self.deliver_concurrently(&step.concurrent, draw.with(1));
                tokio::try_join!(self.command(command, step, &before, draw.with(2)), concurrent)?.0
            }
        };
        let after = self.world.content().await?;
        self.accept(step);
        self.check(step, (&before, &after), done)?;
        self.model.check(&after)?;
        self.undo(step, (&before, &after), damaged).await
    }

    async fn deliver_concurrently(&self, messages: &[Message], draw: Draw) -> anyhow::Result<()> {
        if messages.is_empty() {
            return Ok(());
        }
        for _ in 0..draw.with(1).below(60) {
            tokio::task::yield_now().await;
        }
        ingest::deliver(&self.world, &self.model, (messages, 2), draw.with(2)).await
    }

    async fn command(&self, command: &Command, step: &Step, before: &Content, draw: Draw) -> anyhow::Result<Done> {
        let (world, model, is_alone) = (&self.world, &self.model, step.concurrent.is_empty());
        let objects = objects(before, &model.readings);
        let unreadable = objects.values().filter(|object| **object == Object::Unreadable).count() as u64;
        let undo = world.file(&format!("undo-{}", step.number));
        match command {
            Command::Deliver { messages, lambdas } => {
                ingest::deliver(world, model, (messages, *lambdas), draw).await?;
            }
            Command::Backfill(messages) => ingest::load_file(world, model, messages, step.number).await?,
            Command::Audit { parts, cached } => audit::audit(world, model, (*parts, *cached), is_alone).await?,
            Command::Repair { options, .. } => {
                let outcome = audit::repair_all(world, *options, unreadable, &undo).await?;
                return Ok(Done::Repaired(Box::new(outcome)));
            }
            Command::Replay { options, .. } => {
                let undo = options.overwrites.then_some(&*undo);
                return load::replay(world, *options, unreadable, undo)
                    .await
                    .map(|replayed| Done::Replayed(Box::new(replayed)));
            }
            Command::Swap { options, max_missing } => {
                let swapped = load::swap(world, *options, *max_missing).await?;
                if is_alone {
                    let after = world.content().await?;
                    load::check_swapped(world, model, (before, &after), (&swapped, *max_missing)).await?;
                }
            }
            Command::Compact { drops } => {
                return snapshots::compact(world, *drops).await.map(Box::new).map(Done::Compacted);
            }
            Command::Restore => drop(snapshots::restore(world).await?),
            Command::AuditInShards(shards) => fleet::audit(world, *shards, draw).await?,
            Command::ReplayInShards(shards) => {
                let outcome = fleet::replay(world, *shards, draw).await?;
                return Ok(Done::Replayed(Box::new(Replayed { outcome, sessions: 2 })));
            }
            Command::Damage(_) | Command::Jump(_) => {}
        }
        Ok(Done::Nothing)
    }

    fn accept(&mut self, step: &Step) {
        self.model.accept(&step.concurrent);
        if let Command::Deliver { messages, .. } | Command::Backfill(messages) = &step.command {
            self.model.accept(messages);
        }
    }

    /// Checks what the step has changed, and its result if no other process changed the stores.
    fn check(&mut self, step: &Step, (before, after): (&Content, &Content), done: Done) -> anyhow::Result<()> {
        let is_alone = step.concurrent.is_empty();
        let own = match &step.command {
            Command::Deliver { .. } | Command::Backfill(_) => Allowed::NEW,
            Command::Replay { options, .. } => Allowed { changed_rows: options.overwrites, ..Allowed::NEW_ROWS },
            Command::ReplayInShards(_) => Allowed::NEW_ROWS,
            Command::Restore => Allowed { new_objects: true, ..Allowed::NOTHING },
            Command::Repair { options, .. } => allowed_to_repair(*options),
            Command::Damage(_) | Command::Swap { .. } => return Ok(()), // checked where they run
            _ => Allowed::NOTHING,
        };
        let allowed = if is_alone { own } else { own.and(Allowed::NEW) };
        self.model.check_changes(before, after, allowed)?;
        match (done, &step.command) {
            (Done::Replayed(replayed), command) if is_alone => {
                let options = if let Command::Replay { options, .. } = command { *options } else { IN_SHARDS };
                load::check_replayed(&self.model, (before, after), &replayed, options)?;
            }
            (Done::Repaired(outcome), Command::Repair { options, .. }) => {
                let cutoff = outcome.cutoff.context("no cutoff")?.naive_utc();
                audit::check_repaired(&self.model, (before, after), *options, cutoff)?;
            }
            (Done::Compacted(outcome), _) => snapshots::check_compacted(&mut self.model, before, &outcome)?,
            (_, Command::Restore) => self.model.check_restored(before, after)?,
            _ => {}
        }
        Ok(())
    }

    /// Undoes a repair or a replay, if the step includes it: the bytes from before must be there again.
    async fn undo(
        &mut self,
        step: &Step,
        (before, after): (&Content, &Content),
        damaged: BTreeSet<u32>,
    ) -> anyhow::Result<()> {
        let path = self.world.file(&format!("undo-{}", step.number));
        let (Command::Repair { undone: true, .. } | Command::Replay { undone: true, .. }) = &step.command else {
            return Ok(());
        };
        if !path.exists() {
            return Ok(());
        }
        audit::undo(&self.world, &path).await.context("undo")?;
        let mut now = self.world.content().await?;
        if matches!(step.command, Command::Replay { .. }) {
            // Inserted rows are not in the undo file.
            now.rows.retain(|id, row| before.rows.contains_key(id) || after.rows.get(id) != Some(row));
        }
        let object = now.objects.iter().find(|(key, body)| before.objects.get(*key) != Some(*body));
        must!(object.is_none() && now.objects.len() == before.objects.len(), "an undo left object {object:?}");
        let row = now.rows.iter().find(|(id, row)| before.rows.get(*id) != Some(*row));
        must!(row.is_none() && now.rows.len() == before.rows.len(), "an undo left row {row:?}");
        self.model.damaged = damaged;
        self.model.check(&self.world.content().await?)
    }

    /// A replay after a replay changes nothing.
    async fn replay_twice(&self) -> anyhow::Result<()> {
        let options = ReplayOptions { connections: 2, ..IN_SHARDS };
        let unreadable = u64::MAX;
        load::replay(&self.world, options, unreadable, None).await?;
        let before = self.world.content().await?;
        let again = load::replay(&self.world, options, unreadable, None).await?;
        let after = self.world.content().await?;
        load::check_replayed(&self.model, (&before, &after), &again, options)?;
        must!(before == after, "a second replay has changed something");
        Ok(())
    }
}

/// Options of a replay in shards: rows are kept.
const IN_SHARDS: ReplayOptions =
    ReplayOptions { overwrites: false, verifies: false, uses_parts: true, resumes: false, connections: 2 };

fn allowed_to_repair(options: RepairOptions) -> Allowed {
    let (rows, objects) = match options.direction {
        reconcile::RepairTarget::Warehouse => (true, false),
        reconcile::RepairTarget::Lake => (false, true),
        reconcile::RepairTarget::Both => (true, true),
    };
    let trusts_rows = options.trust == reconcile::Trust::Warehouse;
    Allowed {
        new_objects: objects,
        changed_objects: objects && trusts_rows,
        new_rows: rows,
        changed_rows: rows && !trusts_rows,
    }
}
