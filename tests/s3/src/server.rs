//! The listening socket and the threads behind it: starting, serving and stopping. What is served is `front`'s.

use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::sync::Arc;
use std::sync::mpsc;
use std::time::Duration;

use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use s3s::auth::{S3Auth, SecretKey};
use s3s::service::S3ServiceBuilder;
use s3s::{S3Result, s3_error};
use tokio::runtime::{Builder, Runtime};
use tokio::sync::oneshot;

use crate::dials::Dials;
use crate::front::Front;
use crate::quick::Quick;
use crate::service::Service;
use crate::settings::Settings;
use crate::socket::Socket;
use crate::store::Store;
use crate::{ACCESS_KEY, SECRET_KEY};

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
/// It runs on threads of its own, so it serves async tests and tests that block on a child process alike.
#[derive(Debug)]
pub struct S3Server {
    address: SocketAddr,
    store: Store,
    dials: Dials,
    runtime: Option<Runtime>,
    stop: Option<(oneshot::Sender<()>, mpsc::Receiver<()>)>,
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
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port))?;
        listener.set_nonblocking(true)?;
        let address = listener.local_addr()?;

        let mut builder = Builder::new_multi_thread();
        if threads > 0 {
            builder.worker_threads(threads);
        }
        let runtime = builder.enable_all().thread_name("test-s3").build()?;
        let (stop, stopping) = oneshot::channel();
        let (stopped, wait) = mpsc::channel();
        let front = Arc::new(front(&store, &dials));
        runtime.spawn(async move {
            tokio::select! {
                () = accept(listener, front) => {}
                _ = stopping => {}
            }
            // The listener is gone by now; the receiver may be too.
            let _ = stopped.send(());
        });
        Ok(S3Server { address, store, dials, runtime: Some(runtime), stop: Some((stop, wait)) })
    }

    /// `http://127.0.0.1:PORT`, for `AWS_ENDPOINT_URL`; buckets are in the path.
    pub fn endpoint(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The port it listens on.
    pub fn port(&self) -> u16 {
        self.address.port()
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
        [
            ("AWS_ENDPOINT_URL", self.endpoint()),
            ("AWS_ACCESS_KEY_ID", ACCESS_KEY.to_owned()),
            ("AWS_SECRET_ACCESS_KEY", SECRET_KEY.to_owned()),
            ("AWS_REGION", crate::REGION.to_owned()),
            // No profile of the person who runs the tests, and no wait for a metadata service.
            ("AWS_EC2_METADATA_DISABLED", "true".to_owned()),
            ("AWS_CONFIG_FILE", "/dev/null".to_owned()),
            ("AWS_SHARED_CREDENTIALS_FILE", "/dev/null".to_owned()),
        ]
    }
}

impl Drop for S3Server {
    fn drop(&mut self) {
        if let Some((stop, stopped)) = self.stop.take() {
            // Wait for the port to be free, so that a test can start again on it; a stuck runtime must not hang the test.
            let _ = stop.send(());
            let _ = stopped.recv_timeout(Duration::from_secs(2));
        }
        if let Some(runtime) = self.runtime.take() {
            // The other ways to end a runtime block, which panics when a test drops the server inside one.
            runtime.shutdown_background();
        }
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

async fn accept(listener: TcpListener, front: Arc<Front>) {
    let listener = tokio::net::TcpListener::from_std(listener).expect("a nonblocking socket inside the runtime");
    loop {
        match listener.accept().await {
            Ok((stream, _)) => drop(tokio::spawn(serve(Socket::new(stream), Arc::clone(&front)))),
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
