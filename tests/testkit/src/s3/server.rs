//! The S3 server: its start, and the handles for tests. `middleware` and `service` process the requests.

use std::io;
use std::sync::Arc;

use s3s::auth::{S3Auth, SecretKey};
use s3s::service::S3ServiceBuilder;
use s3s::{S3Result, s3_error};

use crate::listener::{Listener, Port, aws_env};
use crate::s3::fast_get::Quick;
use crate::s3::fault_control::Dials;
use crate::s3::fault_settings::Settings;
use crate::s3::middleware::Front;
use crate::s3::service::Service;
use crate::s3::store::Store;
use crate::s3::{ACCESS_KEY, REGION, SECRET_KEY};

/// How a server starts.
#[derive(Debug, Default)]
pub struct Config {
    /// The port on 127.0.0.1; 0 takes a free one.
    pub port: u16,
    /// Threads that serve; 0 is one a core.
    pub threads: usize,
    /// Buckets that must exist.
    pub buckets: Vec<String>,
    /// What it serves: another server's store, to start it again after a crash.
    pub store: Store,
    /// The dials' first positions.
    pub settings: Settings,
}

/// A running server; dropping it stops it, cuts its connections and frees its port.
///
/// It runs on its own threads, so it serves async tests and tests that block on a child process alike.
#[derive(Debug)]
pub struct S3Server {
    listener: Listener,
    store: Store,
    dials: Dials,
}

impl S3Server {
    /// Starts, or panics with the reason: a test has nothing better to do.
    pub fn start(config: Config) -> Self {
        Self::try_start(config).expect("a port on 127.0.0.1 and threads for the S3 test server")
    }

    /// Starts with one empty bucket and every dial at rest.
    pub fn with_bucket(bucket: &str) -> Self {
        Self::start(Config { buckets: vec![bucket.to_owned()], ..Config::default() })
    }

    /// Starts; fails when the port is taken or threads cannot be had.
    pub fn try_start(config: Config) -> io::Result<Self> {
        let Config { port, threads, buckets, store, settings } = config;
        buckets.iter().for_each(|bucket| {
            store.create_bucket(bucket);
        });
        let dials = Dials::default();
        dials.change(|d| *d = settings);
        let front = Arc::new(front(&store, &dials));
        let listener = Port::bind(port)?.serve(threads, "test-s3", front)?;
        Ok(S3Server { listener, store, dials })
    }

    /// `http://127.0.0.1:PORT`, for `AWS_ENDPOINT_URL`; buckets are in the path.
    pub fn endpoint(&self) -> String {
        self.listener.endpoint()
    }

    /// The port it listens on.
    pub fn port(&self) -> u16 {
        self.listener.port()
    }

    /// The objects, to read and write with no HTTP.
    pub fn store(&self) -> &Store {
        &self.store
    }

    /// The dials and counters.
    pub fn dials(&self) -> &Dials {
        &self.dials
    }

    /// What a child process needs in its environment to reach this server and nothing else.
    pub fn env(&self) -> [(&'static str, String); 7] {
        aws_env(self.endpoint(), ACCESS_KEY, SECRET_KEY, REGION)
    }
}

/// The one key pair. The one of s3s itself answers NotSignedUp to any other key, which S3 does not.
struct OneKey;

#[async_trait::async_trait]
impl S3Auth for OneKey {
    async fn get_secret_key(&self, access_key: &str) -> S3Result<SecretKey> {
        if access_key == ACCESS_KEY {
            return Ok(SecretKey::from(SECRET_KEY));
        }
        Err(s3_error!(InvalidAccessKeyId, "The AWS Access Key Id you provided does not exist in our records."))
    }
}

fn front(store: &Store, dials: &Dials) -> Front {
    let mut builder = S3ServiceBuilder::new(Service::new(store.clone(), dials.clone()));
    builder.set_auth(OneKey);
    Front::new(Quick::new(store.clone(), dials.clone()), builder.build(), dials.clone())
}
