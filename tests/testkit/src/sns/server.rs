//! The SNS stub: its start, and the handles for tests. `middleware` processes the requests.

use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use tokio::runtime::Runtime;

use crate::listener::{Clock, Listener, Port, aws_env};
use crate::sns::fault_control::Dials;
use crate::sns::fault_settings::Settings;
use crate::sns::middleware::Front;
use crate::sns::signature::Checker;
use crate::sns::stats::{Account, Kept, Stats};
use crate::sns::topics::{self, Topics};
use crate::sns::{ACCESS_KEY, FIFO_TOPIC, SECRET_KEY, TOPIC};

/// Whose requests are answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Login {
    /// Those that are signed with the one key.
    #[default]
    Known,
    /// Any; signatures are not checked.
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
/// It runs on its own threads, so it serves async tests and tests that block on a child process alike.
#[derive(Debug)]
pub struct SnsStub {
    listener: Listener,
    front: Arc<Front>,
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

    /// Starts the stub. Fails if the port is in use, no thread can be started, or a name or setting is invalid.
    pub fn try_start(config: Config) -> io::Result<Self> {
        let Config { port, threads, topics, login, settings } = config;
        let port = Port::bind(port)?;
        let dials = Dials::default();
        dials.try_set(settings).map_err(io::Error::other)?;
        let front = Arc::new(Front {
            topics: Topics::default(),
            account: Account::default(),
            dials,
            endpoint: port.endpoint(),
            login,
            checker: Checker::default(),
            clock: Clock::default(),
            requests: AtomicU64::new(0),
        });
        for arn in &topics {
            let created = front.topics.create(arn, BTreeMap::new());
            created.map_err(|e| io::Error::other(format!("topic {arn}: {}", e.message)))?;
        }
        let listener = port.serve(threads, "test-sns", Arc::clone(&front))?;
        Ok(Self { listener, front })
    }

    /// `http://127.0.0.1:PORT`, for `AWS_ENDPOINT_URL`.
    pub fn endpoint(&self) -> String {
        self.front.endpoint.clone()
    }

    /// The port it listens on.
    pub fn port(&self) -> u16 {
        self.listener.port()
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

    /// The stored messages in order of arrival; stored only if [`Settings::keep`] is set.
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
            let _inside = self.listener.runtime().map(Runtime::enter);
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
        aws_env(self.endpoint(), ACCESS_KEY, SECRET_KEY, "us-east-1")
    }
}

impl Config {
    /// With the two topics that tests know.
    pub fn known_topics() -> Vec<String> {
        vec![TOPIC.to_owned(), FIFO_TOPIC.to_owned()]
    }
}
