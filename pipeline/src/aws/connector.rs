//! Connections of requests without the SDK: direct, through a tunnel (`https://`) or to a forward proxy (`http://`).

use std::time::Duration;

use bytes::Bytes;
use http::{HeaderValue, Uri};
use http_body_util::Full;
use hyper::client::conn::http1::{self, SendRequest};
use hyper::rt::{Read, Write};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::client::legacy::connect::proxy::Tunnel;
use rustls::ClientConfig;
use rustls::crypto::ring;
use tower_service::Service;

use super::network::Network;
use super::proxy::Proxy;
use super::unreachable::{Unreachable, explain};

/// An open connection.
pub(super) type Connection = SendRequest<Full<Bytes>>;

type Plain = HttpsConnector<HttpConnector>;

/// Opens connections to one server.
pub(super) struct Connector {
    origin: Uri,
    proxy: Option<Proxy>,
    route: Route,
    timeout: Duration,
}

#[allow(clippy::large_enum_variant, reason = "there is one per client")]
enum Route {
    /// To the server.
    Direct(Plain),
    /// To a proxy that forwards requests.
    Forward(Plain),
    /// To the server through a tunnel.
    Tunnel(HttpsConnector<Tunnel<Plain>>),
}

impl Connector {
    /// Returns a connector to the server of a URI; `None` if TLS cannot be set up.
    pub(super) fn try_new(origin: Uri, network: &Network, timeout: Duration) -> Option<Self> {
        let tls = tls(network)?;
        let mut tcp = HttpConnector::new();
        tcp.set_nodelay(true);
        tcp.enforce_http(false);
        tcp.set_connect_timeout(Some(timeout));
        let over = |tls: &ClientConfig| HttpsConnectorBuilder::new().with_tls_config(tls.clone()).https_or_http();
        let plain = over(&tls).enable_http1().wrap_connector(tcp);
        let proxy = network.proxies.for_request(&origin).cloned();
        let route = match &proxy {
            None => Route::Direct(plain),
            Some(_) if origin.scheme_str() == Some("http") => Route::Forward(plain),
            Some(proxy) => {
                let tunnel = Tunnel::new(proxy.uri().clone(), plain);
                let tunnel = proxy.authorization().cloned().into_iter().fold(tunnel, Tunnel::with_auth);
                Route::Tunnel(over(&tls).enable_http1().wrap_connector(tunnel))
            }
        };
        Some(Self { origin, proxy, route, timeout })
    }

    /// Returns the server.
    pub(super) fn origin(&self) -> &Uri {
        &self.origin
    }

    /// Returns the proxy that requests are addressed to, with the value of `Proxy-Authorization`. `None` if they are
    /// addressed to the server.
    pub(super) fn forward_proxy(&self) -> Option<Option<&HeaderValue>> {
        match (&self.route, &self.proxy) {
            (Route::Forward(_), Some(proxy)) => Some(proxy.authorization()),
            _ => None,
        }
    }

    /// Opens a connection.
    ///
    /// # Errors
    /// Returns one line about the server, the cause and what to do.
    pub(super) async fn connect(&self) -> Result<Connection, String> {
        let failed = |e: Box<dyn std::error::Error + Send + Sync>| {
            explain(&Unreachable::new(&self.origin, self.proxy.as_ref(), e))
        };
        // For name resolution, the connection and TLS together.
        let limit = self.timeout * 2;
        let opened = tokio::time::timeout(limit, self.open()).await;
        opened.map_err(|_| failed(format!("no response within {limit:?}").into()))?.map_err(failed)
    }

    async fn open(&self) -> Result<Connection, Box<dyn std::error::Error + Send + Sync>> {
        match (&self.route, &self.proxy) {
            (Route::Tunnel(connector), _) => handshake(connector.clone().call(self.origin.clone()).await?).await,
            (Route::Forward(connector), Some(proxy)) => {
                handshake(connector.clone().call(proxy.uri().clone()).await?).await
            }
            (Route::Direct(connector) | Route::Forward(connector), _) => {
                handshake(connector.clone().call(self.origin.clone()).await?).await
            }
        }
    }
}

async fn handshake<T>(stream: T) -> Result<Connection, Box<dyn std::error::Error + Send + Sync>>
where
    T: Read + Write + Unpin + Send + 'static,
{
    let (connection, driver) = http1::handshake(stream).await?;
    tokio::spawn(driver);
    Ok(connection)
}

fn tls(network: &Network) -> Option<ClientConfig> {
    let roots = match network.authorities.roots() {
        Some(roots) => roots,
        None => {
            let mut roots = rustls::RootCertStore::empty();
            roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
            roots
        }
    };
    let config = ClientConfig::builder_with_provider(ring::default_provider().into());
    let config = config.with_safe_default_protocol_versions().ok()?;
    Some(config.with_root_certificates(roots).with_no_client_auth())
}
