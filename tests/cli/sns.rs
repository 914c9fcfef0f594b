//! A stub of the SNS query API: keeps the real limits of a batch, and fails where it is told to.

use std::collections::{BTreeMap, VecDeque};
use std::fmt::Write;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::post;

/// The topic that is there.
pub const TOPIC: &str = "arn:aws:sns:us-east-1:123456789012:historico";

/// What the next call of `PublishBatch` does.
#[derive(Debug, Clone)]
pub enum Fault {
    /// The call fails with this status and code, and nothing is published.
    Call(u16, &'static str),
    /// The entry with this number is refused with this code; whether the fault is the sender's.
    Entry(usize, &'static str, bool),
    /// Everything is published, and then the call fails: the answer is lost.
    Lost,
}

/// What the stub was sent, and what it is to do.
#[derive(Debug, Default)]
pub struct Seen {
    pub messages: Vec<String>,
    pub farms: Vec<String>,
    pub calls: usize,
    pub faults: VecDeque<Fault>,
    /// Whether the account may look at the topic.
    pub may_not_look: bool,
    pub delay: Duration,
}

/// The stub; stops with the runtime it was started in.
pub struct Sns {
    pub url: String,
    pub seen: Arc<Mutex<Seen>>,
    _runtime: tokio::runtime::Runtime,
}

impl Sns {
    pub fn start(seen: Seen) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let listener = runtime.block_on(tokio::net::TcpListener::bind("127.0.0.1:0")).unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let seen = Arc::new(Mutex::new(seen));
        let router = Router::new().route("/", post(answer)).with_state(Arc::clone(&seen));
        runtime.spawn(async move { axum::serve(listener, router).await.unwrap() });
        Self { url, seen, _runtime: runtime }
    }

    pub fn messages(&self) -> Vec<String> {
        self.seen.lock().unwrap().messages.clone()
    }
}

type Answer = (StatusCode, String);

async fn answer(State(seen): State<Arc<Mutex<Seen>>>, body: String) -> Answer {
    let form: BTreeMap<String, String> = url::form_urlencoded::parse(body.as_bytes()).into_owned().collect();
    if form["TopicArn"] != TOPIC {
        return error(404, "NotFound");
    }
    if form["Action"] == "GetTopicAttributes" {
        return match seen.lock().unwrap().may_not_look {
            true => error(403, "AuthorizationError"),
            false => (
                StatusCode::OK,
                "<GetTopicAttributesResponse><GetTopicAttributesResult/></GetTopicAttributesResponse>".into(),
            ),
        };
    }
    let delay = seen.lock().unwrap().delay;
    tokio::time::sleep(delay).await;
    publish(&mut seen.lock().unwrap(), &form)
}

fn publish(seen: &mut Seen, form: &BTreeMap<String, String>) -> Answer {
    seen.calls += 1;
    let of = |n: usize, field: &str| form.get(&format!("PublishBatchRequestEntries.member.{n}.{field}")).cloned();
    let entries: Vec<_> = (1..).map_while(|n| Some((n, of(n, "Id")?, of(n, "Message")?))).collect();
    let farm = |n| {
        let named = |at: &usize| of(n, &format!("MessageAttributes.entry.{at}.Name")).as_deref() == Some("cod_cliente");
        let at = (1..=2).find(named)?;
        of(n, &format!("MessageAttributes.entry.{at}.Value.StringValue"))
    };
    let farm = |n| farm(n).unwrap_or_default();
    let attributes = |n: usize| -> usize {
        let of = |at: usize| {
            let name = of(n, &format!("MessageAttributes.entry.{at}.Name"))?;
            Some(name.len() + "String".len() + of(n, &format!("MessageAttributes.entry.{at}.Value.StringValue"))?.len())
        };
        (1..).map_while(of).sum()
    };
    let bytes: usize = entries.iter().map(|(n, _, message)| message.len() + attributes(*n)).sum();
    if entries.len() > 10 {
        return error(400, "TooManyEntriesInBatchRequest");
    }
    if bytes > 262_144 {
        return error(400, "BatchRequestTooLong");
    }
    let fault = seen.faults.pop_front();
    if let Some(Fault::Call(status, code)) = fault {
        return error(status, code);
    }
    let (mut good, mut bad) = (String::new(), String::new());
    for (n, id, message) in &entries {
        match fault {
            Some(Fault::Entry(at, code, sender)) if at + 1 == *n => {
                write!(bad, "<member><Id>{id}</Id><Code>{code}</Code><Message>as planned</Message><SenderFault>{sender}</SenderFault></member>").unwrap();
            }
            _ => {
                seen.messages.push(message.clone());
                seen.farms.push(farm(*n));
                write!(good, "<member><Id>{id}</Id><MessageId>m{n}</MessageId></member>").unwrap();
            }
        }
    }
    if matches!(fault, Some(Fault::Lost)) {
        return error(503, "ServiceUnavailable");
    }
    let body = format!(
        "<PublishBatchResponse><PublishBatchResult><Successful>{good}</Successful><Failed>{bad}</Failed></PublishBatchResult></PublishBatchResponse>"
    );
    (StatusCode::OK, body)
}

fn error(status: u16, code: &str) -> Answer {
    let body = format!(
        "<ErrorResponse><Error><Type>Sender</Type><Code>{code}</Code><Message>as planned</Message></Error></ErrorResponse>"
    );
    (StatusCode::from_u16(status).unwrap(), body)
}
