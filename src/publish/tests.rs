//! Complete runs against an in-memory topic: counts, dead letters, cancellation and resume, latency under a rate.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use async_trait::async_trait;

use super::*;
use crate::history::{InputSettings, Inputs};
use crate::topic::memory::{Fault, Memory};
use crate::topic::{BatchLimits, EntryError, Message};
use pipeline::error::Kind;

const QUICK: RetryPolicy =
    RetryPolicy { max_attempts: 3, initial_backoff: Duration::from_millis(1), max_backoff: Duration::from_millis(2) };

fn line(pen: usize) -> String {
    format!(
        r#"{{"id_curral":"{pen}","id_raca":"2","id_lote":"3","peso_entrada":450,"peso_medio":450.5,"data":"2023-01-01 00:00:00 UTC","quantidade_animais":"51","dia_confinamento":"66","consumo_real":9.5,"cod_cliente":"FazendaUm"}}"#
    )
}

fn file(home: &Path, lines: impl IntoIterator<Item = String>) -> PathBuf {
    let path = home.join("in.json");
    std::fs::write(&path, lines.into_iter().collect::<Vec<_>>().join("\n")).unwrap();
    path
}

fn settings() -> Settings {
    Settings { retry: QUICK, concurrency: 4, ..Settings::default() }
}

async fn publish(
    path: &Path,
    topic: impl Topic + 'static,
    settings: Settings,
    cancel: &CancellationToken,
) -> anyhow::Result<Outcome> {
    let source = Source::Files(Inputs::unchecked(vec![path.to_owned()], InputSettings::default()));
    run(source, Arc::new(topic), settings, &Progress::Silent, cancel).await
}

/// A topic with a delay per call, and a separate delay of the first call; counts concurrent calls.
#[derive(Debug, Clone, Default)]
struct Slow {
    inner: Memory,
    call: Duration,
    first: Duration,
    now: Arc<AtomicUsize>,
    max: Arc<AtomicUsize>,
}

#[async_trait]
impl Topic for Slow {
    fn address(&self) -> String {
        self.inner.address()
    }

    fn limits(&self) -> BatchLimits {
        self.inner.limits()
    }

    async fn publish(&self, batch: &[Message]) -> Result<Vec<Result<(), EntryError>>, Error> {
        let now = self.now.fetch_add(1, Ordering::SeqCst) + 1;
        self.max.fetch_max(now, Ordering::SeqCst);
        let time = if self.inner.calls() == 0 { self.first } else { self.call };
        let answers = self.inner.publish(batch).await;
        tokio::time::sleep(time).await;
        self.now.fetch_sub(1, Ordering::SeqCst);
        answers
    }

    async fn check(&self) -> Result<(), Error> {
        Ok(())
    }
}

fn pens(topic: &Memory) -> Vec<usize> {
    let pen = |message: Message| {
        let body: serde_json::Value = serde_json::from_slice(&message.body).unwrap();
        body["id_curral"].as_str().unwrap().parse().unwrap()
    };
    let mut pens: Vec<usize> = topic.published().into_iter().map(pen).collect();
    pens.sort_unstable();
    pens
}

#[tokio::test]
async fn every_message_is_accounted_for() {
    let home = tempfile::tempdir().unwrap();
    let mut lines: Vec<_> = (0..95).map(line).collect();
    lines.insert(7, "{broken".into());
    lines.insert(50, line(0).replace("9.5", "-1"));
    let topic = Memory::default();
    for fault in [Fault::Entry(3, Kind::Transient), Fault::Call(Kind::Transient), Fault::Entry(0, Kind::Permanent)] {
        topic.fail_next(fault);
    }
    let one_by_one = Settings { concurrency: 1, ..settings() };
    let outcome =
        publish(&file(home.path(), lines), topic.clone(), one_by_one, &CancellationToken::default()).await.unwrap();
    assert_eq!(
        (
            outcome.counts[Count::Read],
            outcome.counts[Count::Published],
            outcome.counts[Count::Failed],
            outcome.counts[Count::Invalid]
        ),
        (97, 94, 1, 2)
    );
    assert_eq!(
        (outcome.counts[Count::Retries], outcome.counts[Count::Unsent], outcome.end.stopped.as_deref()),
        (2, 0, None)
    );
    assert_eq!(topic.published().len(), 94);
    let problems: Vec<_> = outcome.problems.items().iter().map(|one| (one.kind.as_ref(), one.place.as_str())).collect();
    assert!(problems.iter().any(|(kind, place)| *kind == "invalid" && place.ends_with("in.json:8")), "{problems:?}");
    assert!(problems.iter().any(|(kind, _)| *kind == "failed"), "reported even without a dead-letter file");
    assert!(outcome.times.latency_ms.max >= outcome.times.latency_ms.p50 && outcome.times.latency_ms.p50 > 0.0);
}

#[tokio::test]
async fn a_dead_letter_holds_the_complete_message_with_its_reason_and_place() {
    let home = tempfile::tempdir().unwrap();
    let (topic, dead) = (Memory::default(), home.path().join("dead.ndjson"));
    topic.fail_next(Fault::Entry(1, Kind::Permanent));
    let settings = Settings { dead_letters: Some(dead.clone()), ..settings() };
    let path = file(home.path(), (0..3).map(line));
    publish(&path, topic.clone(), settings.clone(), &CancellationToken::default()).await.unwrap();
    let letter: serde_json::Value = serde_json::from_str(&std::fs::read_to_string(&dead).unwrap()).unwrap();
    assert_eq!(letter["message"], line(1));
    assert_eq!((&letter["code"], &letter["reason"]), (&"Planned".into(), &"as planned".into()));
    assert_eq!((&letter["line"], &letter["attempts"]), (&2.into(), &1.into()));
    assert!(letter["file"].as_str().unwrap().ends_with("in.json"));

    let refused = publish(&path, topic.clone(), settings.clone(), &CancellationToken::default()).await.unwrap_err();
    assert!(refused.to_string().contains("is not empty"), "{refused}");
    topic.fail_next(Fault::Entry(0, Kind::Permanent));
    publish(&path, topic, Settings { skip: 2, ..settings }, &CancellationToken::default()).await.unwrap();
    assert_eq!(std::fs::read_to_string(&dead).unwrap().lines().count(), 2, "a resumed run appends");
}

#[tokio::test]
async fn a_cancelled_run_resumes_without_loss_or_duplicates() {
    let home = tempfile::tempdir().unwrap();
    let path = file(home.path(), (0..2_000).map(line));
    let (inner, cancel) = (Memory::default(), CancellationToken::default());
    let topic = Slow { inner: inner.clone(), call: Duration::from_millis(5), ..Slow::default() };
    let later = cancel.clone();
    tokio::spawn(async move {
        tokio::time::sleep(Duration::from_millis(120)).await;
        later.cancel();
    });
    let outcome = publish(&path, topic.clone(), settings(), &cancel).await.unwrap();
    assert!(outcome.counts[Count::Published] > 0 && outcome.counts[Count::Published] < 2_000, "{outcome}");
    let skip = outcome.end.resume_skip.unwrap();
    assert_eq!(skip, outcome.counts[Count::Published]);
    assert!(outcome.to_string().contains(&format!("--skip {skip}")));
    assert!(topic.max.load(Ordering::SeqCst) <= 4, "batches in flight");
    let rest =
        publish(&path, inner.clone(), Settings { skip, ..settings() }, &CancellationToken::default()).await.unwrap();
    assert_eq!((rest.counts[Count::Skipped], rest.counts[Count::Read], rest.end.stopped), (skip, 2_000 - skip, None));
    assert_eq!(pens(&inner), (0..2_000).collect::<Vec<_>>());
}

#[tokio::test]
async fn the_resume_point_is_the_first_incomplete_message() {
    let home = tempfile::tempdir().unwrap();
    let path = file(home.path(), (0..40).map(line));
    let topic = Memory::default();
    for _ in 0..2 {
        topic.fail_next(Fault::Entry(9, Kind::Permanent)); // the last entries of two batches fail permanently
    }
    topic.fail_next(Fault::Call(Kind::Permanent));
    let one_by_one = Settings { concurrency: 1, ..settings() };
    let outcome = publish(&path, topic.clone(), one_by_one, &CancellationToken::default()).await.unwrap();
    assert_eq!(
        (outcome.counts[Count::Published], outcome.counts[Count::Failed], outcome.end.resume_skip),
        (18, 2, Some(20))
    );
    assert!(
        outcome.counts[Count::Unsent] == outcome.counts[Count::Read] - 20 && outcome.counts[Count::Unsent] >= 10,
        "the batch, and one read ahead: {outcome}"
    );
    assert_eq!(outcome.end.stopped.as_deref(), Some("topic memory: as planned"));
    topic.fail_next(Fault::Call(Kind::Permanent));
    let refused = publish(&path, topic, Settings { concurrency: 1, ..settings() }, &CancellationToken::default())
        .await
        .unwrap_err();
    assert_eq!(refused.to_string(), "topic memory: as planned", "a run that published nothing is an error");
}

#[tokio::test]
async fn a_stall_shows_in_the_latency_of_messages_due_during_it() {
    let home = tempfile::tempdir().unwrap();
    let path = file(home.path(), (0..100).map(line));
    let topic = Slow { first: Duration::from_millis(300), ..Slow::default() };
    let settings = Settings { concurrency: 1, schedule: Schedule::Rate("200/s".parse().unwrap()), ..settings() };
    let started = Instant::now();
    let outcome = publish(&path, topic, settings, &CancellationToken::default()).await.unwrap();
    assert!(
        started.elapsed() < Duration::from_millis(800),
        "late messages are sent without further delay: {:?}",
        started.elapsed()
    );
    assert!(
        outcome.times.latency_ms.p50 > 50.0,
        "half of the messages were due during the stall: {}",
        outcome.times.latency_ms
    );
    assert!(outcome.times.service_ms.p50 < 50.0, "only one call was slow: {}", outcome.times.service_ms);
    assert_eq!((outcome.counts[Count::Published], outcome.pacing.rate), (100, Some(200.0)));
}

#[tokio::test]
async fn a_missing_topic_is_reported_before_any_file_is_opened() {
    #[derive(Debug)]
    struct Gone;
    #[async_trait]
    impl Topic for Gone {
        fn address(&self) -> String {
            "gone".into()
        }
        fn limits(&self) -> BatchLimits {
            BatchLimits { entries: 10, bytes: 1_000 }
        }
        async fn publish(&self, _: &[Message]) -> Result<Vec<Result<(), EntryError>>, Error> {
            panic!("nothing is to be sent")
        }
        async fn check(&self) -> Result<(), Error> {
            Err(Error {
                kind: Kind::Permanent,
                code: "NotFound".into(),
                topic: "gone".into(),
                message: "no such topic".into(),
            })
        }
    }
    let home = tempfile::tempdir().unwrap();
    let (path, dead) = (file(home.path(), [line(1)]), home.path().join("dead"));
    let settings = Settings { dead_letters: Some(dead.clone()), ..settings() };
    let refused = publish(&path, Gone, settings, &CancellationToken::default()).await.unwrap_err();
    assert_eq!(refused.to_string(), "topic gone: no such topic");
    assert!(!dead.exists());
}

/// A topic that accepts a fixed number of messages per 100 ms, and rejects the rest as SNS does.
#[derive(Debug, Clone)]
struct Narrow {
    inner: Memory,
    per_tenth: usize,
    window: Arc<std::sync::Mutex<(Instant, usize)>>,
}

#[async_trait]
impl Topic for Narrow {
    fn address(&self) -> String {
        self.inner.address()
    }

    fn limits(&self) -> BatchLimits {
        self.inner.limits()
    }

    async fn publish(&self, batch: &[Message]) -> Result<Vec<Result<(), EntryError>>, Error> {
        {
            let mut window = self.window.lock().unwrap();
            if window.0.elapsed() >= Duration::from_millis(100) {
                *window = (Instant::now(), 0);
            }
            if window.1 + batch.len() > self.per_tenth {
                let code = "ThrottlingException".into();
                return Err(Error {
                    kind: Kind::Transient,
                    code,
                    topic: "narrow".into(),
                    message: "Rate exceeded".into(),
                });
            }
            window.1 += batch.len();
        }
        tokio::time::sleep(Duration::from_millis(2)).await;
        self.inner.publish(batch).await
    }

    async fn check(&self) -> Result<(), Error> {
        Ok(())
    }
}

#[tokio::test]
async fn a_run_that_is_throttled_slows_down_and_loses_nothing() {
    let home = tempfile::tempdir().unwrap();
    let path = file(home.path(), (0..3_000).map(line));
    let inner = Memory::default();
    let window = Arc::new(std::sync::Mutex::new((Instant::now(), 0)));
    let topic = Narrow { inner: inner.clone(), per_tenth: 100, window };
    let settings = Settings { retry: RetryPolicy { max_attempts: 3, ..QUICK }, concurrency: 16, ..settings() };
    let outcome = publish(&path, topic, settings, &CancellationToken::default()).await.unwrap();
    assert_eq!((outcome.counts[Count::Published], outcome.counts[Count::Failed]), (3_000, 0), "{outcome}");
    assert_eq!(pens(&inner), (0..3_000).collect::<Vec<_>>(), "each once");
    let refused = outcome.errors["ThrottlingException"];
    assert_eq!(refused, outcome.counts[Count::Retries]);
    assert!(refused < 6_000, "a throttled run does not retry all the time: {refused}");
    assert!(
        (2.5..9.0).contains(&outcome.times.seconds),
        "at most 1,000 per second, and not much less: {}",
        outcome.times.seconds
    );
}
