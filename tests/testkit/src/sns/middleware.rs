//! Processing of every request, in this order: connection faults, latency, authentication, action, and for messages the limits,
//! the throttle and the faults. `topics` performs the actions, `fault_control` chooses the faults.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::body::Incoming;
use hyper::header::{CONTENT_TYPE, HeaderValue};
use hyper::http::request::Parts;
use hyper::{Method, Request, Response, StatusCode};
use sha2::{Digest as _, Sha256};
use uuid::Uuid;

use crate::listener::{Clock, Dropped, Resetter, Respond};
use crate::sns::delivery;
use crate::sns::fault_control::{CurrentSettings, Drawn, Fault, FaultControl, hash};
use crate::sns::limits;
use crate::sns::request::{Call, Entry};
use crate::sns::response::{self, Accepted, Failed, Refused};
use crate::sns::server::Login;
use crate::sns::signature::{Checker, Claim};
use crate::sns::stats::Counters;
use crate::sns::topics::{Place, Topic, Topics};

/// Maximum size of a request: the largest batch with every byte escaped, and its parameters.
const BODY: usize = 1 << 20;

/// The whole service, faults included.
#[derive(Debug)]
pub(crate) struct Middleware {
    pub topics: Topics,
    pub counters: Counters,
    pub faults: FaultControl,
    pub endpoint: String,
    pub login: Login,
    pub checker: Checker,
    pub clock: Clock,
    pub requests: AtomicU64,
}

/// Reason why a call does not get its result.
enum No {
    Refused(Refused),
    /// The connection is reset.
    Reset,
    /// The connection is closed.
    Close,
}

impl From<Refused> for No {
    fn from(refused: Refused) -> Self {
        Self::Refused(refused)
    }
}

/// A publishing call, with its identity for the fault settings.
struct Sent<'a> {
    call: &'a Call<'a>,
    /// Id of the request.
    id: Uuid,
    batch: bool,
    topic: Arc<Topic>,
    current: &'a CurrentSettings,
    content: u64,
    tries: u32,
}

impl Respond for Middleware {
    type Body = Full<Bytes>;

    fn connected(&self) {
        self.counters.count(|stats| stats.connections += 1);
    }

    async fn respond(&self, request: Request<Incoming>, resetter: Resetter) -> Result<Response<Full<Bytes>>, Dropped> {
        let (head, body) = request.into_parts();
        let body = Limited::new(body, BODY).collect().await.map_err(|_| Dropped)?.to_bytes();
        if head.uri.path() != "/" {
            return Ok(self.administer(&head, &body));
        }
        let _open = self.counters.arrive();
        // A subscriber opens confirmation links with GET.
        let requested =
            if head.method == Method::GET { head.uri.query().unwrap_or_default().as_bytes() } else { &body[..] };
        let id = self.topics.id();
        let (status, xml) = match self.serve(&head, requested, id).await {
            Ok(xml) => (StatusCode::OK, xml),
            Err(No::Refused(refused)) => {
                self.counters.count(|stats| *stats.refused.entry(refused.code.to_string()).or_default() += 1);
                (StatusCode::from_u16(refused.status).unwrap_or_default(), refused.xml(id))
            }
            Err(No::Reset) => {
                resetter.reset_on_close();
                return Err(Dropped);
            }
            Err(No::Close) => return Err(Dropped),
        };
        let mut response = Response::new(Full::from(xml));
        *response.status_mut() = status;
        response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/xml"));
        if let Ok(id) = HeaderValue::from_str(&id.to_string()) {
            response.headers_mut().insert("x-amzn-requestid", id);
        }
        Ok(response)
    }
}

impl Middleware {
    async fn serve(&self, head: &Parts, requested: &[u8], id: Uuid) -> Result<String, No> {
        let current = self.faults.current();
        let (content, tries) = if current.may_strike() { self.known(requested) } else { (0, 0) };
        if current.strikes(current.settings.reset, Drawn::Reset, content, tries) {
            return Err(self.reset());
        }
        if current.strikes(current.settings.close, Drawn::Close, content, tries) {
            self.counters.count(|stats| stats.closes += 1);
            return Err(No::Close);
        }
        self.wait(&current).await;
        let malformed =
            |_| Refused::sender("MalformedInput", "the form cannot be read: UTF-8 is needed, and entries from 1");
        let call = Call::read(requested).map_err(malformed)?;
        let claim = Claim::of(&head.headers);
        self.admit(head, requested, &call, claim.as_ref(), &current)?;
        self.counters.count(|stats| match stats.calls.get_mut(&*call.action) {
            Some(count) => *count += 1,
            None => _ = stats.calls.insert(call.action.to_string(), 1),
        });
        let region = claim.as_ref().map(|claim| claim.region);
        let batch = &*call.action == "PublishBatch";
        if batch || &*call.action == "Publish" {
            let topic = self.topics.find(call.topic_arn.as_deref(), region)?;
            return self.publish(Sent { call: &call, id, batch, topic, current: &current, content, tries }).await;
        }
        if current.settings.may_not_read_attributes && &*call.action == "GetTopicAttributes" {
            let output = "User: stub is not authorized to perform: SNS:GetTopicAttributes";
            return Err(Refused::new(403, "AuthorizationError", output).into());
        }
        let place = Place { region, endpoint: &self.endpoint, counters: &self.counters };
        let message = self.topics.act(&call, &place).await?;
        Ok(response::answer(&call.action, message.as_deref(), id))
    }

    /// Returns the hash of a content, and how often it arrived before.
    fn known(&self, content: &[u8]) -> (u64, u32) {
        let content = hash(content);
        (content, self.faults.tries(content))
    }

    fn reset(&self) -> No {
        self.counters.count(|stats| stats.resets += 1);
        No::Reset
    }

    /// Waits for the latency and for the end of a stall, during which there are no responses.
    async fn wait(&self, current: &CurrentSettings) {
        let latency = current.latency(self.requests.fetch_add(1, Relaxed));
        let arrived = self.stalled(current).await;
        if latency > Duration::ZERO {
            self.clock.wait(latency).await;
            if self.stalled(current).await || arrived {
                self.counters.count(|stats| stats.stalled += 1);
            }
        } else if arrived {
            self.counters.count(|stats| stats.stalled += 1);
        }
    }

    async fn stalled(&self, current: &CurrentSettings) -> bool {
        let Some(left) = current.stall_left() else { return false };
        self.clock.wait(left).await;
        true
    }

    /// Checks that the sender is known and its credentials are valid.
    fn admit(
        &self,
        head: &Parts,
        body: &[u8],
        call: &Call<'_>,
        claim: Option<&Claim<'_>>,
        current: &CurrentSettings,
    ) -> Result<(), Refused> {
        if &*call.action == "ConfirmSubscription" {
            return Ok(()); // its token is sufficient
        }
        match (self.login, claim) {
            (Login::Known, None) => {
                return Err(Refused::new(403, "MissingAuthenticationToken", "Request is missing Authentication Token"));
            }
            (Login::Known, Some(claim)) => self.checker.check(head, body, claim)?,
            (Login::Any, _) => {}
        }
        let expires = |after| claim.is_some_and(|claim| self.faults.has_expired(hash(&claim.credentials()), after));
        if current.settings.expired || current.settings.expire_after.is_some_and(expires) {
            let output = "The security token included in the request is expired";
            return Err(Refused::new(403, "ExpiredToken", output));
        }
        Ok(())
    }

    async fn publish(&self, sent: Sent<'_>) -> Result<String, No> {
        let Sent { call, batch, current, content, tries, .. } = sent;
        let messages = call.entries.len();
        self.counters.count(|stats| stats.offered += messages as u64);
        if batch {
            limits::batch(call, sent.topic.kind)?;
        } else {
            let nothing = Entry::default();
            limits::message(call.entries.first().unwrap_or(&nothing), sent.topic.kind)?;
        }
        if let Some(per_second) = current.settings.throttle_per_second
            && !self.faults.admits(messages, per_second)
        {
            self.counters.count(|stats| {
                stats.throttled_calls += 1;
                stats.throttled_messages += messages as u64;
            });
            return Err(Refused::new(400, current.settings.throttle_code.clone(), "Rate exceeded").into());
        }
        let planned = self.faults.planned();
        match planned {
            Some(Fault::Call(status, code)) => return Err(Refused::new(status, code, "as planned").into()),
            Some(Fault::Reset) => return Err(self.reset()),
            _ => {}
        }
        if current.strikes(current.settings.internal_error, Drawn::InternalError, content, tries) {
            return Err(Refused::new(500, "InternalFailure", "injected by a test").into());
        }
        let outcomes = self.take(&sent, planned);
        self.deliver(&sent, &outcomes).await;
        let lost = current.strikes(current.settings.lost_answer, Drawn::LostAnswer, content, tries);
        if lost || planned == Some(Fault::LostAnswer) {
            self.counters.count(|stats| stats.lost_answers += 1);
            return Err(No::Reset);
        }
        let output = match outcomes.into_iter().map(|outcome| outcome.map(|(taken, _)| taken)).collect::<Vec<_>>() {
            results if batch => response::batch(call.entries.iter().map(|entry| &*entry.id).zip(results)),
            results => match results.into_iter().next() {
                Some(Ok(taken)) => response::published(&taken),
                Some(Err(failed)) => return Err(Refused::new(500, failed.code, failed.message).into()),
                None => return Err(Refused::invalid("Empty message").into()),
            },
        };
        Ok(response::answer(&call.action, Some(&output), sent.id))
    }

    /// Result of each entry: accepted, and whether it was new; or failed.
    fn take(&self, sent: &Sent<'_>, planned: Option<Fault>) -> Vec<Result<(Accepted, bool), Failed>> {
        let settings = &sent.current.settings;
        let one = |(at, entry): (usize, &Entry<'_>)| {
            if let Some(Fault::Entry(place, code, sender)) = planned
                && place == at
            {
                return Err(Failed { code: code.to_owned(), sender, message: "as planned".into() });
            }
            if settings.fail_entries > 0.0 {
                let (content, tries) = self.known(entry.message.as_deref().unwrap_or_default().as_bytes());
                if sent.current.strikes(settings.fail_entries, Drawn::Entry, content, tries) {
                    let (code, sender) = (settings.fail_code.clone(), settings.fail_sender);
                    return Err(Failed { code, sender, message: "injected by a test".into() });
                }
            }
            let new = Accepted { message_id: self.topics.id(), sequence: None };
            if !sent.topic.kind.fifo {
                return Ok((new, true));
            }
            let content_id;
            let dedup = match &entry.dedup {
                Some(dedup) => dedup,
                None => {
                    content_id =
                        format!("{:x?}", Sha256::digest(entry.message.as_deref().unwrap_or_default()).as_slice());
                    &content_id[..]
                }
            };
            let remembers = Duration::from_secs_f64(settings.dedup_seconds);
            Ok(sent.topic.fifo.lock().unwrap_or_else(PoisonError::into_inner).take(dedup, new, remembers))
        };
        let outcomes: Vec<_> = sent.call.entries.iter().enumerate().map(one).collect();
        let both = || sent.call.entries.iter().zip(&outcomes);
        let accepted = both().filter(|(_, outcome)| matches!(outcome, Ok((_, true)))).map(|(entry, _)| entry);
        self.counters.accept(&sent.topic.arn, accepted, settings);
        let failed = outcomes.iter().filter(|result| result.is_err()).count() as u64;
        let known = outcomes.iter().filter(|result| matches!(result, Ok((_, false)))).count() as u64;
        if failed + known > 0 {
            self.counters.count(|stats| {
                stats.failed_entries += failed;
                stats.deduplicated += known;
            });
        }
        outcomes
    }

    /// Queues accepted messages for the subscribers; waits while their queues are full.
    async fn deliver(&self, sent: &Sent<'_>, outcomes: &[Result<(Accepted, bool), Failed>]) {
        let subscriptions = sent.topic.subscriptions.read().unwrap_or_else(PoisonError::into_inner).clone();
        for subscription in subscriptions.iter().filter(|one| one.is_confirmed()) {
            for (entry, outcome) in sent.call.entries.iter().zip(outcomes) {
                let Ok((taken, true)) = outcome else { continue };
                if !subscription.filter.takes(&entry.attributes) {
                    continue;
                }
                let id = taken.message_id.to_string();
                let delivery = delivery::notification(&sent.topic.arn, &id, entry, subscription.raw);
                if sent.current.strikes(sent.current.settings.deliver_twice, Drawn::Twice, hash(&id), 0) {
                    self.counters.count(|stats| stats.delivered_twice += 1);
                    subscription.deliveries.send(delivery.clone()).await;
                }
                subscription.deliveries.send(delivery).await;
            }
        }
    }

    /// Handles requests outside of the SNS API: the fault settings and the counters, for clients with HTTP only.
    fn administer(&self, head: &Parts, body: &[u8]) -> Response<Full<Bytes>> {
        let output = match (&head.method, head.uri.path()) {
            (&Method::GET, "/stats") => serde_json::to_string_pretty(&self.counters.read()).map_err(|e| e.to_string()),
            (&Method::DELETE, "/stats") => {
                self.counters.reset();
                Ok("{}".into())
            }
            (&Method::GET, "/faults") => {
                serde_json::to_string_pretty(&self.faults.settings()).map_err(|e| e.to_string())
            }
            (&Method::PUT, "/faults") => self.set_faults(body),
            (&Method::GET, "/messages") => {
                let bodies: Vec<_> = self.counters.messages().into_iter().map(|kept| kept.body).collect();
                serde_json::to_string(&bodies).map_err(|e| e.to_string())
            }
            _ => Err("there are GET and DELETE /stats, GET and PUT /faults, GET /messages; SNS is at /".into()),
        };
        let (status, mut text) = match output {
            Ok(text) => (StatusCode::OK, text),
            Err(why) => (StatusCode::BAD_REQUEST, why),
        };
        text.push('\n');
        let mut response = Response::new(Full::from(text));
        *response.status_mut() = status;
        response
    }

    /// Changes the given settings, and keeps the others.
    fn set_faults(&self, body: &[u8]) -> Result<String, String> {
        let given: serde_json::Map<String, serde_json::Value> =
            serde_json::from_slice(body).map_err(|e| e.to_string())?;
        let mut all = serde_json::to_value(self.faults.settings()).map_err(|e| e.to_string())?;
        for (name, value) in given {
            all[name] = value;
        }
        let text = all.to_string();
        self.faults.try_set(serde_json::from_value(all).map_err(|e| e.to_string())?)?;
        Ok(text)
    }
}
