//! Messages into both stores: deliveries as SNS makes them, and backfills of files.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use chrono::TimeDelta;
use futures::future::try_join_all;
use pipeline::intake::{Intake, Meaning, Verdict};
use pipeline::record::{QUARANTINE, Rules};
use pipeline::warehouse::Warehouse;
use ruminate::backfill::{self, Count};
use ruminate::history::{InputSettings, Inputs, OnUniform};
use ruminate::progress::Progress;
use tokio::time::Instant;

use crate::model::Model;
use crate::must;
use crate::random::Draw;
use crate::readings::Message;
use crate::world::{Stores, World, violated};

/// Time limit of a Lambda.
const DEADLINE: Duration = Duration::from_secs(10);

fn intake(stores: &Stores, writes: u64) -> Intake {
    let warehouse: Arc<dyn Warehouse> = stores.bulk.clone();
    let writes = usize::try_from(writes).unwrap_or(1);
    Intake::new(Arc::clone(&stores.lake), warehouse, Rules::default()).with_writes(writes)
}

/// Delivers messages to several Lambdas at once, each batch until all its messages are acknowledged.
pub async fn deliver(
    world: &World,
    model: &Model,
    (messages, lambdas): (&[Message], u64),
    draw: Draw,
) -> anyhow::Result<()> {
    let mut batches = vec![Vec::new(); usize::try_from(lambdas).unwrap_or(1)];
    for (at, message) in (0_u64..).zip(messages) {
        batches[usize::try_from(draw.with(2).with(at).below(lambdas)).unwrap_or(0)].push(*message);
    }
    let lambdas = (0_u64..).zip(batches).filter(|(_, batch)| !batch.is_empty());
    let lambdas = lambdas.map(|(at, batch)| lambda(world, model, batch, draw.with(3).with(at)));
    try_join_all(lambdas).await.map(drop)
}

/// One Lambda, whose clock may be wrong.
async fn lambda(world: &World, model: &Model, batch: Vec<Message>, draw: Draw) -> anyhow::Result<()> {
    let skew = TimeDelta::seconds(draw.with(1).pick(&[0, 0, -90, 45]));
    let mut waiting = batch;
    world
        .operate(async |stores| {
            let bodies: Vec<Bytes> = waiting.iter().map(|message| model.readings.text(*message)).collect();
            let now = world.clock.now() + skew;
            let until = draw.with(2).permille(700).then(|| Instant::now() + DEADLINE);
            let done = intake(&stores, 1 + draw.with(3).below(8)).process_until(bodies, now, until).await;
            must!(done.verdicts.len() == waiting.len(), "{} verdicts for {waiting:?}", done.verdicts.len());
            let mut failed = Vec::new();
            for (message, verdict) in waiting.iter().zip(&done.verdicts) {
                if is_acknowledged(world, model, *message, verdict).await? {
                    continue;
                }
                failed.push(*message);
            }
            waiting = failed;
            Ok(waiting.is_empty().then_some(()))
        })
        .await
}

/// Returns true if a message need not be delivered again. Checks its verdict.
async fn is_acknowledged(world: &World, model: &Model, message: Message, verdict: &Verdict) -> anyhow::Result<bool> {
    let is_damaged = matches!(message, Message::Reading { number, .. } if model.damaged.contains(&number));
    match (message, verdict.meaning()) {
        (_, Meaning::Failed(_)) => return Ok(false),
        (Message::Reading { .. }, Meaning::Stored { .. }) => {}
        (Message::Reading { .. }, _) if is_damaged => {}
        (Message::Broken { .. }, Meaning::Quarantined { key, .. }) => {
            let kept = world.sibling(QUARANTINE).get(key).await?;
            let text = model.readings.text(message);
            let json: serde_json::Value = serde_json::from_slice(&kept)?;
            must!(
                json["message"].as_str().map(str::as_bytes) == Some(&*text),
                "the quarantine has {json} for {message}"
            );
        }
        (_, meaning) => return violated(format!("message {message} was {meaning}")),
    }
    Ok(true)
}

/// Loads messages from a file, again and again until it is complete.
pub async fn load_file(world: &World, model: &Model, messages: &[Message], step: usize) -> anyhow::Result<()> {
    let path = world.file(&format!("history-{step}.ndjson"));
    let lines = messages.iter().flat_map(|message| [model.readings.text(*message), Bytes::from_static(b"\n")]);
    std::fs::write(&path, lines.collect::<Vec<_>>().concat())?;
    let outcome = world
        .operate(async |stores| {
            let (settings, uniform) = (InputSettings::default(), OnUniform::JudgeMessages);
            let files = Inputs::inspect(vec![path.clone()], settings, uniform, &Progress::Silent, &stores.cancel)?;
            let outcome = backfill::run(files, intake(&stores, 4), &Progress::Silent, &stores.cancel).await?;
            outcome.check()?;
            Ok(outcome.stopped.is_none().then_some(outcome))
        })
        .await?;
    let broken = messages.iter().filter(|message| matches!(message, Message::Broken { .. })).count() as u64;
    let of = |count: Count| outcome.counts[count];
    must!(of(Count::Read) == messages.len() as u64, "{} lines are {} messages", messages.len(), of(Count::Read));
    must!(of(Count::Failed) == 0, "a complete backfill has {} failed messages", of(Count::Failed));
    must!(
        of(Count::Rejected) >= broken && (model.is_damaged(messages) || of(Count::Rejected) == broken),
        "{broken} broken lines are {} rejected ones: {}",
        of(Count::Rejected),
        serde_json::to_string(&outcome)?
    );
    must!(
        model.is_damaged(messages) || of(Count::Conflicting) + of(Count::RowsRefused) == 0,
        "a backfill of intact readings has conflicts: {}",
        serde_json::to_string(&outcome)?
    );
    Ok(())
}
