//! The Runtime API: delivers events one by one and receives the responses.

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use axum::Router;
use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::IntoResponse;
use axum::routing::{get, post};
use serde_json::Value;
use tokio::sync::{mpsc, oneshot};

/// A response: the function's result, or the error that it reported.
pub type Answered = Result<Value, Value>;

struct Invocation {
    id: String,
    event: String,
    time: Duration,
}

struct Sent {
    answer: oneshot::Sender<(Answered, Instant)>,
    handed_out: Option<Instant>,
}

/// The Runtime API of one sandbox.
#[derive(Clone)]
pub struct RuntimeApi {
    pub address: String,
    inner: Arc<Inner>,
}

struct Inner {
    queue: mpsc::UnboundedSender<Invocation>,
    next: tokio::sync::Mutex<mpsc::UnboundedReceiver<Invocation>>,
    requests: tokio::sync::Notify,
    sent: Mutex<HashMap<String, Sent>>,
    count: Mutex<u32>,
    answered: AtomicUsize,
}

impl RuntimeApi {
    pub async fn start() -> Self {
        let (queue, next) = mpsc::unbounded_channel();
        let (requested, sent, count, answered) = Default::default();
        let inner = Arc::new(Inner { queue, next: next.into(), requests: requested, sent, count, answered });
        let root = "/2018-06-01/runtime/invocation";
        let app = Router::new()
            .route(&format!("{root}/next"), get(hand_out))
            .route(&format!("{root}/{{id}}/response"), post(|api, id, body| take(api, id, body, Ok)))
            .route(&format!("{root}/{{id}}/error"), post(|api, id, body| take(api, id, body, Err)))
            .layer(axum::extract::DefaultBodyLimit::max(16 << 20))
            .with_state(Arc::clone(&inner));
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        tokio::spawn(async move { axum::serve(listener, app).await.unwrap() });
        Self { address, inner }
    }

    /// Waits until the sandbox requests its first event.
    pub async fn polled(&self) {
        self.inner.requests.notified().await;
    }

    /// Delivers an event with this deadline. Returns the response and its duration.
    pub async fn invoke_within(&self, event: impl Into<String>, time: Duration) -> (Answered, Duration) {
        let id = {
            let mut count = self.inner.count.lock().unwrap();
            *count += 1;
            format!("req-{count}")
        };
        let (answer, answered) = oneshot::channel();
        self.inner.sent.lock().unwrap().insert(id.clone(), Sent { answer, handed_out: None });
        let Ok(()) = self.inner.queue.send(Invocation { id, event: event.into(), time }) else { panic!("it is gone") };
        let (answer, took) = answered.await.unwrap();
        (answer, took.elapsed())
    }

    /// Returns the number of events with a response so far.
    pub fn answered(&self) -> usize {
        self.inner.answered.load(Ordering::Relaxed)
    }

    /// Delivers an event with a deadline of 30 s, the default of the template. Returns the response.
    pub async fn invoke(&self, event: impl Into<String>) -> Answered {
        self.invoke_within(event, Duration::from_secs(30)).await.0
    }
}

async fn hand_out(State(inner): State<Arc<Inner>>) -> impl IntoResponse {
    inner.requests.notify_one();
    let Invocation { id, event, time } = inner.next.lock().await.recv().await.unwrap();
    let deadline = (SystemTime::now() + time).duration_since(UNIX_EPOCH).unwrap().as_millis().to_string();
    inner.sent.lock().unwrap().get_mut(&id).unwrap().handed_out = Some(Instant::now());
    let headers = [
        ("lambda-runtime-aws-request-id", id),
        ("lambda-runtime-deadline-ms", deadline),
        ("lambda-runtime-invoked-function-arn", "arn:aws:lambda:sa-east-1:123456789012:function:ruminate".into()),
        ("lambda-runtime-trace-id", "Root=1-5f84c7a1-e7e3c4b1a2b3c4d5e6f7a8b9".into()),
        ("content-type", "application/json".into()),
    ];
    (headers, event)
}

async fn take(
    State(inner): State<Arc<Inner>>,
    Path(id): Path<String>,
    body: Bytes,
    of: fn(Value) -> Answered,
) -> StatusCode {
    let Some(sent) = inner.sent.lock().unwrap().remove(&id) else { return StatusCode::BAD_REQUEST };
    inner.answered.fetch_add(1, Ordering::Relaxed);
    let _ = sent.answer.send((of(serde_json::from_slice(&body).unwrap()), sent.handed_out.unwrap()));
    StatusCode::ACCEPTED
}
