//! HTTP client of the SDK: direct connections and those through a proxy, and new connections after a frozen process.

use std::fmt;
use std::sync::{PoisonError, RwLock};
use std::time::{Duration, SystemTime};

use aws_smithy_http_client::proxy::ProxyConfig;
use aws_smithy_http_client::tls::rustls_provider::CryptoMode;
use aws_smithy_http_client::tls::{Provider, TlsContext};
use aws_smithy_http_client::{Builder, Connector, ConnectorBuilder};
use aws_smithy_runtime_api::client::http::{
    HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpClient, SharedHttpConnector,
};
use aws_smithy_runtime_api::client::orchestrator::HttpRequest;
use aws_smithy_runtime_api::client::result::ConnectorError;
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use http::Uri;
use hyper_util::client::legacy;

use super::network::Network;
use super::proxy::{Proxies, Proxy};
use super::request_id::received;
use super::unreachable::Unreachable;
use crate::error::chain;

/// Creates an HTTPS client that keeps up to `kept` idle connections per host.
pub(super) fn https(network: &Network, kept: usize) -> SharedHttpClient {
    let through = |proxy: &Proxy| client(network, kept, Some(proxy));
    let [http, https] = network.proxies.by_scheme().map(|proxy| proxy.map(through));
    SharedHttpClient::new(RoutingClient {
        direct: client(network, kept, None),
        http,
        https,
        proxies: network.proxies.clone(),
    })
}

/// Creates a connector for requests that are not an SDK's.
pub fn connector(network: &Network) -> SharedHttpConnector {
    let over =
        |proxy: Option<&Proxy>| SharedHttpConnector::new(Settings::of(network, proxy).build(Connector::builder()));
    let [http, https] = network.proxies.by_scheme().map(|proxy| proxy.map(|proxy| over(Some(proxy))));
    SharedHttpConnector::new(RoutingConnector { direct: over(None), http, https, proxies: network.proxies.clone() })
}

/// Creates a client whose requests all go through a proxy, or all directly.
fn client(network: &Network, kept: usize, proxy: Option<&Proxy>) -> SharedHttpClient {
    let over = Settings::of(network, proxy);
    Builder::new().build_with_connector_fn(move |settings, components| {
        let mut builder = Connector::builder().pool_max_idle_per_host(kept);
        builder.set_connector_settings(settings.cloned());
        builder.set_sleep_impl(components.and_then(RuntimeComponents::sleep_impl));
        over.build(builder)
    })
}

/// Proxy and trusted certificates of a connector.
struct Settings {
    proxy: ProxyConfig,
    tls: TlsContext,
}

impl Settings {
    fn of(network: &Network, proxy: Option<&Proxy>) -> Self {
        let trust = network.authorities.trust_store();
        let tls = TlsContext::builder().with_trust_store(trust).build().expect("a trust store is all it needs");
        let proxy = proxy.map_or_else(ProxyConfig::disabled, |proxy| {
            ProxyConfig::all(proxy.url()).expect("checked when the variable was read")
        });
        Self { proxy, tls }
    }

    fn build(&self, builder: ConnectorBuilder) -> Connector {
        let builder = builder.proxy_config(self.proxy.clone()).tls_provider(Provider::Rustls(CryptoMode::Ring));
        builder.tls_context(self.tls.clone()).build()
    }
}

/// Client that sends each request through its proxy or directly.
#[derive(Debug)]
struct RoutingClient {
    direct: SharedHttpClient,
    /// Through the proxy of `http://` requests.
    http: Option<SharedHttpClient>,
    /// Through the proxy of `https://` requests.
    https: Option<SharedHttpClient>,
    proxies: Proxies,
}

impl HttpClient for RoutingClient {
    fn http_connector(&self, settings: &HttpConnectorSettings, components: &RuntimeComponents) -> SharedHttpConnector {
        let of = |client: &SharedHttpClient| client.http_connector(settings, components);
        SharedHttpConnector::new(RoutingConnector {
            direct: of(&self.direct),
            http: self.http.as_ref().map(of),
            https: self.https.as_ref().map(of),
            proxies: self.proxies.clone(),
        })
    }
}

#[derive(Debug)]
struct RoutingConnector {
    direct: SharedHttpConnector,
    http: Option<SharedHttpConnector>,
    https: Option<SharedHttpConnector>,
    proxies: Proxies,
}

impl HttpConnector for RoutingConnector {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let Ok(uri) = request.uri().parse::<Uri>() else { return self.direct.call(request) };
        let proxy = self.proxies.for_request(&uri).cloned();
        let proxied = if uri.scheme_str() == Some("https") { &self.https } else { &self.http };
        let response = match (&proxy, proxied) {
            (Some(_), Some(connector)) => connector.call(request),
            _ => self.direct.call(request),
        };
        HttpConnectorFuture::new(async move {
            let response = response.await.map_err(|e| with_server(e, &uri, proxy.as_ref()))?;
            received(response.status().as_u16(), |name| response.headers().get(name));
            Ok(response)
        })
    }
}

/// Adds the server to the error of a connection that was not opened.
fn with_server(e: ConnectorError, uri: &Uri, proxy: Option<&Proxy>) -> ConnectorError {
    let unopened = chain(&e).any(|e| e.downcast_ref::<legacy::Error>().is_some_and(legacy::Error::is_connect));
    if !unopened {
        return e;
    }
    let (timeout, io, other) = (e.is_timeout(), e.is_io(), e.as_other());
    let named = Box::new(Unreachable::new(uri, proxy, e.into_source()));
    match (timeout, io) {
        (true, _) => ConnectorError::timeout(named),
        (_, true) => ConnectorError::io(named),
        _ => ConnectorError::other(named, other),
    }
}

/// A client that is recreated, with new connections, after a period without requests.
pub(super) struct ReconnectingClient<F> {
    make: F,
    after: Duration,
    held: RwLock<(SharedHttpClient, SystemTime)>,
}

impl<F: Fn() -> SharedHttpClient> ReconnectingClient<F> {
    pub(super) fn new(make: F, after: Duration) -> Self {
        let held = RwLock::new((make(), SystemTime::now()));
        Self { make, after, held }
    }

    fn client(&self) -> SharedHttpClient {
        let mut held = self.held.write().unwrap_or_else(PoisonError::into_inner);
        let now = SystemTime::now();
        if now.duration_since(held.1).is_ok_and(|silence| silence > self.after) {
            held.0 = (self.make)();
        }
        held.1 = now;
        held.0.clone()
    }
}

impl<F> fmt::Debug for ReconnectingClient<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ReconnectingClient").field("after", &self.after).finish_non_exhaustive()
    }
}

impl<F: Fn() -> SharedHttpClient + Send + Sync + 'static> HttpClient for ReconnectingClient<F> {
    fn http_connector(&self, settings: &HttpConnectorSettings, components: &RuntimeComponents) -> SharedHttpConnector {
        self.client().http_connector(settings, components)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicU32, Ordering};

    use super::*;

    #[test]
    fn a_client_is_recreated_only_after_an_idle_period() {
        let made = Arc::new(AtomicU32::new(0));
        let count = Arc::clone(&made);
        let make = move || {
            count.fetch_add(1, Ordering::Relaxed);
            https(&Network::default(), 16)
        };
        let client = ReconnectingClient::new(make, Duration::from_millis(300));
        for _ in 0..3 {
            client.client();
        }
        assert_eq!(made.load(Ordering::Relaxed), 1);
        std::thread::sleep(Duration::from_millis(320));
        client.client();
        client.client();
        assert_eq!(made.load(Ordering::Relaxed), 2);
    }
}
