//! Tests of faults around a sandbox, and of recovery in the same process.

use std::time::Duration;

use testkit::MYSQL;
use testkit::built;
use testkit::faulty_lake::PANIC;
use testkit::lambda::events::{message, reading_with, sns};
use testkit::lambda::sandbox::Sandbox;

use crate::proxy::{Network, Proxy};
use crate::{Stores, of, with};

/// Starts a sandbox that reaches its warehouse through a test proxy.
async fn behind_a_network(stores: &Stores, network: Network) -> (Sandbox, Proxy) {
    let proxy = Proxy::start(format!("127.0.0.1:{}", of(&stores.env(), "RDS_PORT")), network).await;
    let env = with(stores.env(), &[("RDS_PORT", &proxy.port.to_string())]);
    (Sandbox::start(&built("bootstrap"), &env).await, proxy)
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs RUMINATE_TEST_MYSQL"]
async fn live_mysql_a_panic_is_a_failed_message_and_the_process_serves_the_next() {
    let stores = Stores::new(MYSQL).await;
    let mut sandbox = Sandbox::start(&built("examples/panicking"), &stores.env()).await;
    sandbox.api.invoke(message(1)).await.unwrap();
    let failed = sandbox.api.invoke(sns("bad", &reading_with(2, PANIC))).await.unwrap_err();
    assert!(failed["errorMessage"].as_str().unwrap().contains("panicked"), "{failed}");
    sandbox.api.invoke(message(3)).await.unwrap();
    assert_eq!(sandbox.child.try_wait().unwrap(), None);
    assert!(
        sandbox
            .lines()
            .iter()
            .any(|line| line["message"].as_str().is_some_and(|message| message.contains("own panic")))
    );
    assert_eq!(stores.held().await, (2, 0, 2));
    stores.database.drop().await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs RUMINATE_TEST_MYSQL"]
async fn live_mysql_an_unavailable_warehouse_costs_only_another_attempt() {
    let stores = Stores::new(MYSQL).await;
    let (sandbox, network) = behind_a_network(&stores, Network::Down).await;
    let (failed, took) = sandbox.api.invoke_within(message(1), Duration::from_secs(3)).await;
    assert!(failed.unwrap_err()["errorMessage"].as_str().unwrap().contains("must be retried"));
    assert!(took < Duration::from_secs(3), "{took:?}");
    assert_eq!(stores.held().await, (1, 0, 0), "the lake first");
    network.set(Network::Up);
    assert_eq!(sandbox.api.invoke(message(1)).await.unwrap()["processed"], 1);
    network.set(Network::Down);
    let down = sandbox.api.clone();
    let waiting = tokio::spawn(async move { down.invoke(message(2)).await });
    tokio::time::sleep(Duration::from_millis(700)).await;
    network.set(Network::Up);
    assert_eq!(waiting.await.unwrap().unwrap()["processed"], 1, "it came back within the deadline");
    assert_eq!(stores.held().await, (2, 0, 2));
    stores.database.drop().await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs RUMINATE_TEST_MYSQL"]
async fn live_mysql_a_sandbox_that_was_frozen_finds_its_connection_dead_and_opens_another() {
    let stores = Stores::new(MYSQL).await;
    let (sandbox, network) = behind_a_network(&stores, Network::Up).await;
    sandbox.api.invoke(message(1)).await.unwrap();
    for (n, network_then) in [(2, Network::Down), (3, Network::Silent)] {
        sandbox.signal("-STOP");
        network.set(network_then);
        tokio::time::sleep(Duration::from_millis(1_200)).await;
        network.set(Network::Up);
        sandbox.signal("-CONT");
        let (answer, took) = sandbox.api.invoke_within(message(n), Duration::from_secs(10)).await;
        assert_eq!(answer.unwrap()["processed"], 1, "{network_then:?}");
        assert!(took < Duration::from_secs(4), "{network_then:?}: {took:?}");
    }
    assert_eq!(stores.held().await, (3, 0, 3));
    stores.database.drop().await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs RUMINATE_TEST_MYSQL"]
async fn live_mysql_a_bucket_that_is_gone_fails_the_message_and_writes_no_row() {
    let stores = Stores::new(MYSQL).await;
    let env = with(stores.env(), &[("RUMINATE_LAKE", "s3://gone/historico_diario")]);
    let sandbox = Sandbox::start(&built("bootstrap"), &env).await;
    for event in [message(1), sns("bad", "no reading"), r#"{"key1":"value1"}"#.to_owned()] {
        let failed = sandbox.api.invoke(event).await.unwrap_err();
        assert!(failed["errorMessage"].as_str().unwrap().contains("no such bucket"), "{failed}");
    }
    assert_eq!(stores.held().await, (0, 0, 0));
    stores.database.drop().await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs RUMINATE_TEST_MYSQL"]
async fn live_mysql_an_unsupported_event_is_answered_within_the_deadline() {
    let stores = Stores::new(MYSQL).await;
    let silent = Proxy::start(stores.s3.endpoint().trim_start_matches("http://").to_owned(), Network::Up).await;
    let env = with(stores.env(), &[("AWS_ENDPOINT_URL", &format!("http://127.0.0.1:{}", silent.port))]);
    let sandbox = Sandbox::start(&built("bootstrap"), &env).await;
    sandbox.api.invoke(message(1)).await.unwrap();
    silent.set(Network::Silent);
    let (answer, took) = sandbox.api.invoke_within(r#"{"key1":"value1"}"#, Duration::from_secs(2)).await;
    assert!(took < Duration::from_secs(2), "{took:?}");
    assert!(answer.unwrap_err()["errorMessage"].as_str().unwrap().contains("deadline exceeded"));
    assert_eq!(sandbox.api.invoke(message(2)).await.unwrap()["processed"], 1, "over a new connection");
    stores.database.drop().await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs RUMINATE_TEST_MYSQL"]
async fn live_mysql_a_bucket_that_refuses_fails_the_message_and_writes_no_row() {
    let stores = Stores::new(MYSQL).await;
    let env = with(stores.env(), &[("AWS_SECRET_ACCESS_KEY", "another")]);
    let sandbox = Sandbox::start(&built("bootstrap"), &env).await;
    let failed = sandbox.api.invoke(message(1)).await.unwrap_err();
    assert!(failed["errorMessage"].as_str().unwrap().contains("check the credentials"), "{failed}");
    assert_eq!(stores.held().await, (0, 0, 0));
    stores.database.drop().await;
}
