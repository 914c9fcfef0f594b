//! A TCP proxy between a sandbox and a server, to simulate network failures.

use std::sync::Arc;

use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

/// State of the network.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Network {
    /// Connections work.
    Up,
    /// Connections break, and new ones are closed immediately.
    Down,
    /// Open connections silently deliver nothing; new ones work.
    Silent,
}

/// A proxy in front of a server; counts the connections.
pub struct Proxy {
    pub port: u16,
    network: Arc<watch::Sender<Network>>,
}

impl Proxy {
    pub async fn start(to: String, network: Network) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let network = Arc::new(watch::Sender::new(network));
        let state = Arc::clone(&network);
        tokio::spawn(async move {
            loop {
                let (mut near, _) = listener.accept().await.unwrap();
                if *state.borrow() == Network::Down {
                    continue;
                }
                let (to, mut state) = (to.clone(), state.subscribe());
                tokio::spawn(async move {
                    let mut far = TcpStream::connect(to).await.unwrap();
                    state.mark_unchanged();
                    tokio::select! {
                        _ = tokio::io::copy_bidirectional(&mut near, &mut far) => return,
                        changed = state.changed() => changed.unwrap(),
                    }
                    if *state.borrow_and_update() == Network::Silent {
                        std::future::pending::<()>().await; // keeps both ends open without transferring data
                    }
                });
            }
        });
        Self { port, network }
    }

    /// Changes the state of the network, for new and open connections.
    pub fn set(&self, network: Network) {
        self.network.send_replace(network);
    }
}
