//! A network between a sandbox and a server that can go away.

use std::sync::Arc;

use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

/// How the network is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Network {
    /// As it should be.
    Up,
    /// Connections break and new ones are closed at once.
    Down,
    /// Nothing arrives any more on the connections that are open, and nobody says so; new ones work.
    Silent,
}

/// A door in front of a server; how many came through it.
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
                        std::future::pending::<()>().await; // holds both ends and moves nothing
                    }
                });
            }
        });
        Self { port, network }
    }

    /// Changes the network, for new connections and for those that are open.
    pub fn set(&self, network: Network) {
        self.network.send_replace(network);
    }
}
