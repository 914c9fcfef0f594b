//! The SNS stub: its start, and the handles for tests. `middleware` processes the requests.

use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use tokio::runtime::Runtime;

use crate::listener::{Clock, Listener, Port, aws_env};
use crate::sns::fault_control::FaultControl;
use crate::sns::fault_settings::Settings;
use crate::sns::middleware::Middleware;
use crate::sns::signature::Checker;
use crate::sns::stats::{Counters, Stats, StoredMessage};
use crate::sns::topics::{self, Topics};
use crate::sns::{ACCESS_KEY, FIFO_TOPIC, SECRET_KEY, TOPIC};

/// Accepted senders.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Login {
    /// Requests that are signed with the only key.
    #[default]
    Known,
    /// All requests; signatures are not checked.
    Any,
}

/// Start settings of a stub.
#[derive(Debug, Default)]
pub struct Config {
    /// Port on 127.0.0.1; 0 picks a free one.
    pub port: u16,
    /// Number of threads; 0 means one per core.
    pub threads: usize,
    /// ARNs of the existing topics.
    pub topics: Vec<String>,
    /// Accepted senders.
    pub login: Login,
    /// Initial fault settings.
    pub settings: Settings,
}

/// A running stub; dropping it stops it, closes its connections and frees its port.
///
/// It runs on its own threads, so it serves async tests and tests that block on a child process alike.
#[derive(Debug)]
pub struct SnsStub {
    listener: Listener,
    middleware: Arc<Middleware>,
}

impl SnsStub {
    /// Starts the stub; panics with the reason if it cannot start.
    pub fn start(config: Config) -> Self {
        Self::try_start(config).expect("a port on 127.0.0.1, threads and names of topics for the SNS stub")
    }

    /// Starts with a topic and without faults.
    pub fn with_topic(arn: &str) -> Self {
        Self::start(Config { topics: vec![arn.to_owned()], ..Config::default() })
    }

    /// Starts the stub. Fails if the port is in use, no thread can be started, or a name or setting is invalid.
    pub fn try_start(config: Config) -> io::Result<Self> {
        let Config { port, threads, topics, login, settings } = config;
        let port = Port::bind(port)?;
        let faults = FaultControl::default();
        faults.try_set(settings).map_err(io::Error::other)?;
        let middleware = Arc::new(Middleware {
            topics: Topics::default(),
            counters: Counters::default(),
            faults,
            endpoint: port.endpoint(),
            login,
            checker: Checker::default(),
            clock: Clock::default(),
            requests: AtomicU64::new(0),
        });
        for arn in &topics {
            let created = middleware.topics.create(arn, BTreeMap::new());
            created.map_err(|e| io::Error::other(format!("topic {arn}: {}", e.message)))?;
        }
        let listener = port.serve(threads, "test-sns", Arc::clone(&middleware))?;
        Ok(Self { listener, middleware })
    }

    /// Returns `http://127.0.0.1:PORT`, for `AWS_ENDPOINT_URL`.
    pub fn endpoint(&self) -> String {
        self.middleware.endpoint.clone()
    }

    /// Returns the port number.
    pub fn port(&self) -> u16 {
        self.listener.port()
    }

    /// Returns the fault settings.
    pub fn faults(&self) -> &FaultControl {
        &self.middleware.faults
    }

    /// Returns the current counters.
    pub fn stats(&self) -> Stats {
        self.middleware.counters.read()
    }

    /// Resets the counters and the stored messages.
    pub fn reset_stats(&self) {
        self.middleware.counters.reset();
    }

    /// Returns the stored messages in order of arrival; stored only if [`Settings::keep`] is set.
    pub fn messages(&self) -> Vec<StoredMessage> {
        self.middleware.counters.messages()
    }

    /// Returns the bodies of the stored messages.
    pub fn bodies(&self) -> Vec<String> {
        self.messages().into_iter().map(|kept| kept.body).collect()
    }

    /// Creates a topic, unless it exists.
    ///
    /// # Errors
    /// Returns an error if this is not the ARN of a topic.
    pub fn create_topic(&self, arn: &str) -> Result<(), String> {
        self.middleware.topics.create(arn, BTreeMap::new()).map_err(|refused| refused.message)
    }

    /// Deletes a topic, also while messages are sent to it.
    pub fn delete_topic(&self, arn: &str) {
        self.middleware.topics.delete(arn);
    }

    /// Delivers a topic's messages to an HTTP endpoint from now on, without confirmation.
    ///
    /// # Errors
    /// Returns an error if the topic does not exist, or if the stub cannot deliver to the endpoint.
    pub fn subscribe(&self, topic_arn: &str, url: &str, attributes: &[(&str, &str)]) -> Result<(), String> {
        let subscribe = || {
            let _inside = self.listener.runtime().map(Runtime::enter);
            let topic = self.middleware.topics.find(Some(topic_arn), None)?;
            let attributes = attributes.iter().copied().collect();
            self.middleware.topics.subscribe(&topic, url, &attributes, &self.middleware.counters)
        };
        let subscription = subscribe().map_err(|refused| refused.message)?;
        topics::confirmed(&subscription);
        Ok(())
    }

    /// Returns the environment with which a child process reaches only this stub.
    pub fn env(&self) -> [(&'static str, String); 7] {
        aws_env(self.endpoint(), ACCESS_KEY, SECRET_KEY, "us-east-1")
    }
}

impl Config {
    /// The default has the two topics of the tests.
    pub fn known_topics() -> Vec<String> {
        vec![TOPIC.to_owned(), FIFO_TOPIC.to_owned()]
    }
}
