//! The S3 server: its start, and the handles for tests. `middleware` and `service` process the requests.

use std::io;
use std::sync::Arc;

use s3s::auth::{S3Auth, SecretKey};
use s3s::service::S3ServiceBuilder;
use s3s::{S3Result, s3_error};

use crate::listener::{Listener, Port, aws_env};
use crate::s3::fast_get::FastGet;
use crate::s3::fault_control::FaultControl;
use crate::s3::fault_settings::Settings;
use crate::s3::middleware::Middleware;
use crate::s3::service::Service;
use crate::s3::store::Store;
use crate::s3::{ACCESS_KEY, REGION, SECRET_KEY};

/// Start settings of a server.
#[derive(Debug, Default)]
pub struct Config {
    /// Port on 127.0.0.1; 0 picks a free one.
    pub port: u16,
    /// Number of threads; 0 means one per core.
    pub threads: usize,
    /// Buckets that must exist.
    pub buckets: Vec<String>,
    /// Objects to serve: another server's store, to start it again after a crash.
    pub store: Store,
    /// Initial fault settings.
    pub settings: Settings,
}

/// A running server; dropping it stops it, closes its connections and frees its port.
///
/// It runs on its own threads, so it serves async tests and tests that block on a child process alike.
#[derive(Debug)]
pub struct S3Server {
    listener: Listener,
    store: Store,
    faults: FaultControl,
}

impl S3Server {
    /// Starts the server; panics with the reason if it cannot start.
    pub fn start(config: Config) -> Self {
        Self::try_start(config).expect("a port on 127.0.0.1 and threads for the S3 test server")
    }

    /// Starts with one empty bucket and without faults.
    pub fn with_bucket(bucket: &str) -> Self {
        Self::start(Config { buckets: vec![bucket.to_owned()], ..Config::default() })
    }

    /// Starts the server. Fails if the port is in use or no thread can be started.
    pub fn try_start(config: Config) -> io::Result<Self> {
        let Config { port, threads, buckets, store, settings } = config;
        buckets.iter().for_each(|bucket| {
            store.create_bucket(bucket);
        });
        let faults = FaultControl::default();
        faults.change(|d| *d = settings);
        let middleware = Arc::new(new_middleware(&store, &faults));
        let listener = Port::bind(port)?.serve(threads, "test-s3", middleware)?;
        Ok(S3Server { listener, store, faults })
    }

    /// Returns `http://127.0.0.1:PORT`, for `AWS_ENDPOINT_URL`; buckets are in the path.
    pub fn endpoint(&self) -> String {
        self.listener.endpoint()
    }

    /// Returns the port number.
    pub fn port(&self) -> u16 {
        self.listener.port()
    }

    /// Returns the objects, to read and write without HTTP.
    pub fn store(&self) -> &Store {
        &self.store
    }

    /// Returns the fault settings and counters.
    pub fn faults(&self) -> &FaultControl {
        &self.faults
    }

    /// Returns the environment with which a child process reaches only this server.
    pub fn env(&self) -> [(&'static str, String); 7] {
        aws_env(self.endpoint(), ACCESS_KEY, SECRET_KEY, REGION)
    }
}

/// The only key pair. The authentication of s3s answers NotSignedUp to any other key, which S3 does not.
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

fn new_middleware(store: &Store, faults: &FaultControl) -> Middleware {
    let mut builder = S3ServiceBuilder::new(Service::new(store.clone(), faults.clone()));
    builder.set_auth(OneKey);
    Middleware::new(FastGet::new(store.clone(), faults.clone()), builder.build(), faults.clone())
}
