//! Processing of every request before its operation: counting, latency, faults, and the signature's region. `fault_control`
//! chooses the fault, `service` performs the operation.

use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::task::{Context, Poll};
use std::time::SystemTime;

use bytes::Bytes;
use http_body::Frame;
use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use hyper::header::{
    AUTHORIZATION, CONNECTION, CONTENT_LENGTH, CONTENT_TYPE, DATE, EXPECT, HeaderMap, HeaderValue, SERVER,
};
use hyper::{Method, Request, Response, StatusCode};
use percent_encoding::percent_decode_str;
use s3s::Body;
use s3s::service::S3Service;

use crate::listener::{Clock, Dropped, Resetter, Respond};
use crate::s3::REGION;
use crate::s3::fast_get::FastGet;
use crate::s3::fault_control::FaultControl;
use crate::s3::fault_settings;
use crate::s3::stats::{Injected, Op, Tally};

/// The whole service, faults included.
#[derive(Debug)]
pub(crate) struct Middleware {
    clock: Clock,
    fast_get: FastGet,
    s3: S3Service,
    faults: FaultControl,
    requests: AtomicU64,
}

impl Respond for Middleware {
    type Body = Body;

    async fn respond(&self, request: Request<Incoming>, resetter: Resetter) -> Result<Response<Body>, Dropped> {
        let id = format!("{:016X}", self.requests.fetch_add(1, Relaxed) + 1);
        let op = classify(&request);
        let waits = request.headers().contains_key(EXPECT);
        let is_listing = op == Op::List || request.uri().query().is_some_and(|query| query.contains("versions"));
        let _open = Open::enter(self.faults.tally(), op);
        let mut fault = self.meet(&request, op).await;
        let mut response = match fault {
            None | Some(Injected::Truncated | Injected::LostAnswer) => match self.rejected(&request, op, &id) {
                Some(response) => response,
                None => self.serve(request, &id).await?,
            },
            Some(Injected::Reset) => Response::default(),
            Some(Injected::Closed) => {
                // The kernel resets a connection that is closed with unread bytes.
                let _ = request.into_body().collect().await;
                Response::default()
            }
            Some(kind) => failed(kind, &id),
        };
        if is_listing {
            self.faults.settings().listing.apply(&mut response).await?;
        }
        if fault == Some(Injected::Truncated) && !cut_in_half(&mut response).await? {
            fault = None;
        }
        if let Some(kind) = fault {
            self.faults.tally().inject(kind);
        }
        match fault {
            Some(Injected::Reset | Injected::LostAnswer) => {
                resetter.reset_on_close();
                return Err(Dropped);
            }
            Some(Injected::Closed) => return Err(Dropped),
            _ => {}
        }
        // S3 does so, and botocore relies on it: otherwise it reads the next response on the connection as this one.
        let closes = waits && response.status().as_u16() >= 300;
        let headers = response.headers_mut();
        if closes {
            headers.insert(CONNECTION, HeaderValue::from_static("close"));
        }
        let settings = self.faults.settings();
        let (ahead, behind) = (settings.clock_ahead, settings.clock_behind);
        if ahead != behind {
            let date = httpdate::fmt_http_date(SystemTime::now() + ahead - behind);
            headers.insert(DATE, HeaderValue::from_str(&date).expect("a date is a header"));
        }
        headers.insert(SERVER, HeaderValue::from_static("AmazonS3"));
        headers.insert("x-amz-request-id", HeaderValue::from_str(&id).expect("hexadecimal digits are a header"));
        Ok(response)
    }
}

impl Middleware {
    pub fn new(fast_get: FastGet, s3: S3Service, faults: FaultControl) -> Self {
        Middleware { clock: Clock::default(), fast_get, s3, faults, requests: AtomicU64::new(0) }
    }

    async fn meet(&self, request: &Request<Incoming>, op: Op) -> Option<Injected> {
        let settings = self.faults.settings();
        if !settings.latency.is_zero() {
            self.clock.wait(settings.latency).await;
        }
        let path = percent_decode_str(request.uri().path().trim_start_matches('/')).decode_utf8_lossy();
        let seen = fault_settings::Request { op, path: &path, query: request.uri().query().unwrap_or_default() };
        let clock = SystemTime::UNIX_EPOCH.elapsed().unwrap_or_default();
        self.faults.draw(&seen, &settings, clock)
    }

    /// Returns the rejection by the bucket's policy, if there is one; a response to HEAD has no body.
    fn rejected(&self, request: &Request<Incoming>, op: Op, id: &str) -> Option<Response<Body>> {
        let settings = self.faults.settings();
        let gets = self.faults.counts().requests(Op::Get);
        let (status, code, message) = settings.policy.reject(request, op, gets)?;
        let mut response = error(status, code, message, "", id);
        if request.method() == Method::HEAD {
            *response.body_mut() = Body::default();
        }
        Some(response)
    }

    async fn serve(&self, request: Request<Incoming>, id: &str) -> Result<Response<Body>, Dropped> {
        if let Some(region) = signed_region(request.headers()).filter(|region| *region != REGION) {
            return Ok(wrong_region(region, id));
        }
        if let Some(answer) = self.fast_get.answer(&request) {
            return Ok(answer);
        }
        // s3s fails only if it could not write a response.
        self.s3.call(request.map(Body::from)).await.map_err(|_| Dropped)
    }
}

/// Removes a request from the count of open ones when it ends, also if the client disconnected.
struct Open<'a>(&'a Tally);

impl<'a> Open<'a> {
    fn enter(tally: &'a Tally, op: Op) -> Self {
        tally.arrive(op);
        Open(tally)
    }
}

impl Drop for Open<'_> {
    fn drop(&mut self) {
        self.0.leave();
    }
}

fn classify<B>(request: &Request<B>) -> Op {
    let on_object =
        request.uri().path().trim_start_matches('/').split_once('/').is_some_and(|(_, key)| !key.is_empty());
    let query = request.uri().query().unwrap_or_default();
    match (request.method(), on_object) {
        (&Method::GET, true) => Op::Get,
        (&Method::HEAD, true) => Op::Head,
        (&Method::PUT, true) if request.headers().contains_key("x-amz-copy-source") => Op::Copy,
        (&Method::PUT, true) => Op::Put,
        (&Method::DELETE, true) => Op::Delete,
        (&Method::POST, false) if query.split('&').any(|part| part.split('=').next() == Some("delete")) => Op::Delete,
        (&Method::GET, false) if query.contains("list-type=2") => Op::List,
        _ => Op::Other,
    }
}

/// Returns the region in the credential scope, `KEY/DATE/REGION/s3/aws4_request`, of a request signed by header.
fn signed_region(headers: &HeaderMap) -> Option<&str> {
    let (_, scope) = headers.get(AUTHORIZATION)?.to_str().ok()?.split_once("Credential=")?;
    scope.split('/').nth(2)
}

fn wrong_region(region: &str, id: &str) -> Response<Body> {
    let region: String = region.chars().filter(|c| c.is_ascii_alphanumeric() || *c == '-').collect();
    let message =
        format!("The authorization header is malformed; the region '{region}' is wrong; expecting '{REGION}'");
    error(StatusCode::BAD_REQUEST, "AuthorizationHeaderMalformed", &message, &format!("<Region>{REGION}</Region>"), id)
}

fn failed(kind: Injected, id: &str) -> Response<Body> {
    const SLOW_DOWN: (&str, &str) = ("SlowDown", "Please reduce your request rate.");
    const INTERNAL: (&str, &str) = ("InternalError", "We encountered an internal error. Please try again.");
    let (status, (code, message)) = match kind {
        Injected::SlowDown | Injected::OverRate => (StatusCode::SERVICE_UNAVAILABLE, SLOW_DOWN),
        Injected::ErrorInOk => (StatusCode::OK, SLOW_DOWN),
        Injected::Outage => {
            (StatusCode::SERVICE_UNAVAILABLE, ("ServiceUnavailable", "Service is unable to handle request."))
        }
        _ => (StatusCode::INTERNAL_SERVER_ERROR, INTERNAL),
    };
    error(status, code, message, "", id)
}

fn error(status: StatusCode, code: &str, message: &str, more: &str, id: &str) -> Response<Body> {
    let xml = format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Error><Code>{code}</Code><Message>{message}</Message>{more}\
         <RequestId>{id}</RequestId><HostId>ruminate-test-s3</HostId></Error>"
    );
    let mut response = Response::new(Body::from(xml));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/xml"));
    response
}

/// Keeps the length of the complete body, but only half of the body; false for an empty body.
async fn cut_in_half(response: &mut Response<Body>) -> Result<bool, Dropped> {
    let whole = response.body_mut().store_all_limited(usize::MAX).await.map_err(|_| Dropped)?;
    if whole.is_empty() {
        return Ok(false);
    }
    response.headers_mut().insert(CONTENT_LENGTH, HeaderValue::from(whole.len()));
    let half = Some(whole.slice(..whole.len() / 2));
    *response.body_mut() = Body::http_body_unsync(Half { half, waited: false });
    Ok(true)
}

/// Half a body and then an error, which makes hyper close the connection.
struct Half {
    half: Option<Bytes>,
    waited: bool,
}

impl http_body::Body for Half {
    type Data = Bytes;
    type Error = Dropped;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Dropped>>> {
        if let Some(half) = self.half.take() {
            return Poll::Ready(Some(Ok(Frame::data(half))));
        }
        // hyper flushes when it waits for the body; with an immediate error the headers would be lost.
        if !std::mem::replace(&mut self.waited, true) {
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        Poll::Ready(Some(Err(Dropped)))
    }
}
