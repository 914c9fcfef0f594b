//! The listening socket and the threads behind it: starting, serving and stopping. What is served is `front`'s.

use std::collections::BTreeMap;
use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::sync::mpsc;
use std::time::Duration;

use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::runtime::{Builder, Runtime};
use tokio::sync::oneshot;

use crate::account::{Account, Kept, Stats};
use crate::clock::Clock;
use crate::dials::Dials;
use crate::front::Front;
use crate::settings::Settings;
use crate::signature::Checker;
use crate::socket::Socket;
use crate::topics::{self, Topics};
use crate::{ACCESS_KEY, FIFO_TOPIC, SECRET_KEY, TOPIC};

/// Whose requests are answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Login {
    /// Those that are signed with the one key.
    #[default]
    Known,
    /// Anybody's; no signature is looked at.
    Any,
}

/// How a stub starts.
#[derive(Debug, Default)]
pub struct Config {
    /// The port on 127.0.0.1; 0 takes a free one.
    pub port: u16,
    /// Threads that serve; 0 is one a core.
    pub threads: usize,
    /// ARNs of the topics there are.
    pub topics: Vec<String>,
    /// Whose requests are answered.
    pub login: Login,
    /// The dials' first positions.
    pub settings: Settings,
}

/// A running stub; dropping it stops it, cuts its connections and frees its port.
///
/// It runs on threads of its own, so it serves async tests and tests that block on a child process alike.
#[derive(Debug)]
pub struct SnsStub {
    address: SocketAddr,
    front: Arc<Front>,
    runtime: Option<Runtime>,
    stop: Option<(oneshot::Sender<()>, mpsc::Receiver<()>)>,
}

impl SnsStub {
    /// Starts, or panics with the reason: a test has nothing better to do.
    pub fn start(config: Config) -> Self {
        Self::try_start(config).expect("a port on 127.0.0.1, threads and names of topics for the SNS stub")
    }

    /// Starts with that topic and every dial at rest.
    pub fn with_topic(arn: &str) -> Self {
        Self::start(Config { topics: vec![arn.to_owned()], ..Config::default() })
    }

    /// Starts; fails when the port is taken, threads cannot be had, or a name or dial is none.
    pub fn try_start(config: Config) -> io::Result<Self> {
        let Config { port, threads, topics, login, settings } = config;
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port))?;
        listener.set_nonblocking(true)?;
        let address = listener.local_addr()?;
        let dials = Dials::default();
        dials.try_set(settings).map_err(io::Error::other)?;
        let front = Arc::new(Front {
            topics: Topics::default(),
            account: Account::default(),
            dials,
            endpoint: format!("http://{address}"),
            login,
            checker: Checker::default(),
            clock: Clock::default(),
            requests: AtomicU64::new(0),
        });
        for arn in &topics {
            let created = front.topics.create(arn, BTreeMap::new());
            created.map_err(|e| io::Error::other(format!("topic {arn}: {}", e.message)))?;
        }
        let mut builder = Builder::new_multi_thread();
        if threads > 0 {
            builder.worker_threads(threads);
        }
        let runtime = builder.enable_all().thread_name("test-sns").build()?;
        let (stop, stopping) = oneshot::channel();
        let (stopped, wait) = mpsc::channel();
        let serving = Arc::clone(&front);
        runtime.spawn(async move {
            tokio::select! {
                () = accept(listener, serving) => {}
                _ = stopping => {}
            }
            // The listener is gone by now; the receiver may be too.
            let _ = stopped.send(());
        });
        Ok(Self { address, front, runtime: Some(runtime), stop: Some((stop, wait)) })
    }

    /// `http://127.0.0.1:PORT`, for `AWS_ENDPOINT_URL`.
    pub fn endpoint(&self) -> String {
        self.front.endpoint.clone()
    }

    /// The port it listens on.
    pub fn port(&self) -> u16 {
        self.address.port()
    }

    /// The dials.
    pub fn dials(&self) -> &Dials {
        &self.front.dials
    }

    /// The account as it stands.
    pub fn stats(&self) -> Stats {
        self.front.account.read()
    }

    /// Starts the account again at nothing, kept messages included.
    pub fn reset_stats(&self) {
        self.front.account.reset();
    }

    /// The messages kept, in the order they came; kept only where [`Settings::keep`] says so.
    pub fn messages(&self) -> Vec<Kept> {
        self.front.account.messages()
    }

    /// Their bodies.
    pub fn bodies(&self) -> Vec<String> {
        self.messages().into_iter().map(|kept| kept.body).collect()
    }

    /// Makes a topic that is not there yet.
    ///
    /// # Errors
    /// That is no ARN of a topic.
    pub fn create_topic(&self, arn: &str) -> Result<(), String> {
        self.front.topics.create(arn, BTreeMap::new()).map_err(|refused| refused.message)
    }

    /// Takes a topic away, in the middle of what is sent to it.
    pub fn delete_topic(&self, arn: &str) {
        self.front.topics.delete(arn);
    }

    /// Delivers a topic's messages to an HTTP endpoint from now on, without asking it first.
    ///
    /// # Errors
    /// There is no such topic, or the stub cannot deliver there.
    pub fn subscribe(&self, topic_arn: &str, url: &str, attributes: &[(&str, &str)]) -> Result<(), String> {
        let subscribe = || {
            let _inside = self.runtime.as_ref().map(Runtime::enter);
            let topic = self.front.topics.find(Some(topic_arn), None)?;
            let attributes = attributes.iter().copied().collect();
            self.front.topics.subscribe(&topic, url, &attributes, &self.front.account)
        };
        let subscription = subscribe().map_err(|refused| refused.message)?;
        topics::confirmed(&subscription);
        Ok(())
    }

    /// What a child process needs in its environment to reach this stub and nothing else.
    pub fn env(&self) -> [(&'static str, String); 7] {
        [
            ("AWS_ENDPOINT_URL", self.endpoint()),
            ("AWS_ACCESS_KEY_ID", ACCESS_KEY.to_owned()),
            ("AWS_SECRET_ACCESS_KEY", SECRET_KEY.to_owned()),
            ("AWS_REGION", "us-east-1".to_owned()),
            // No profile of the person who runs the tests, and no wait for a metadata service.
            ("AWS_EC2_METADATA_DISABLED", "true".to_owned()),
            ("AWS_CONFIG_FILE", "/dev/null".to_owned()),
            ("AWS_SHARED_CREDENTIALS_FILE", "/dev/null".to_owned()),
        ]
    }
}

impl Config {
    /// With the two topics that tests know.
    pub fn known_topics() -> Vec<String> {
        vec![TOPIC.to_owned(), FIFO_TOPIC.to_owned()]
    }
}

impl Drop for SnsStub {
    fn drop(&mut self) {
        if let Some((stop, stopped)) = self.stop.take() {
            // Wait for the port to be free, so that a test can start again on it; a stuck runtime must not hang the test.
            let _ = stop.send(());
            let _ = stopped.recv_timeout(Duration::from_secs(2));
        }
        if let Some(runtime) = self.runtime.take() {
            // The other ways to end a runtime block, which panics when a test drops the stub inside one.
            runtime.shutdown_background();
        }
    }
}

async fn accept(listener: TcpListener, front: Arc<Front>) {
    let listener = tokio::net::TcpListener::from_std(listener).expect("a nonblocking socket inside the runtime");
    loop {
        match listener.accept().await {
            Ok((stream, _)) => {
                front.account.count(|stats| stats.connections += 1);
                tokio::spawn(serve(Socket::new(stream), Arc::clone(&front)));
            }
            // Out of file descriptors, most likely: it passes when connections close.
            Err(_) => tokio::time::sleep(Duration::from_millis(10)).await,
        }
    }
}

async fn serve(socket: Socket, front: Arc<Front>) {
    let resetter = socket.resetter();
    let answer = service_fn(move |request| {
        let (front, resetter) = (Arc::clone(&front), resetter.clone());
        async move { front.answer(request, resetter).await }
    });
    // An error here is a client that left or a fault that was asked for.
    let _ = http1::Builder::new().serve_connection(TokioIo::new(socket), answer).await;
}
