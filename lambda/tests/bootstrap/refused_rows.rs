//! Tests with a warehouse that rejects some rows.

use std::time::Duration;

use pipeline::record::{Reading, Record, Rules};
use serde_json::{Value, json};
use sqlx::{AssertSqlSafe, Connection, Executor, MySqlConnection};
use testkit::built;
use testkit::lambda::events::{reading, sqs};
use testkit::lambda::sandbox::Sandbox;
use testkit::{MARIADB, MYSQL, Server};

use crate::Stores;

/// Returns an SQS event of the readings with these numbers; the number is the item's id.
fn batch(numbers: std::ops::Range<u32>) -> String {
    let items: Vec<(String, String)> = numbers.map(|n| (n.to_string(), reading(n))).collect();
    sqs(items.iter().map(|(id, body)| (id.as_str(), body.as_str())))
}

fn items(ids: &[&str]) -> Value {
    json!({"batchItemFailures": ids.iter().map(|id| json!({"itemIdentifier": id})).collect::<Vec<_>>()})
}

fn id_of(n: u32) -> String {
    let reading = Reading::parse(reading(n).as_bytes()).unwrap();
    Record::from_reading(reading, Rules::default(), std::time::SystemTime::UNIX_EPOCH.into()).id_treated_data
}

/// Makes the table reject matching rows with the given error number.
async fn refuse(stores: &Stores, when: &str, error: u32) {
    let signal = format!("SIGNAL SQLSTATE 'HY000' SET MYSQL_ERRNO = {error}, MESSAGE_TEXT = 'the test refuses'");
    let trigger = "CREATE TRIGGER refuse BEFORE INSERT ON historico_consumo FOR EACH ROW";
    stores.database.run(&format!("{trigger} IF {when} THEN {signal}; END IF")).await;
}

async fn a_row_that_is_locked_waits_alone(server: Server) {
    let stores = Stores::new(server).await;
    let mut other = MySqlConnection::connect(&stores.database.url()).await.unwrap();
    other.execute("BEGIN").await.unwrap();
    let id = id_of(3);
    other
        .execute(AssertSqlSafe(format!("INSERT INTO historico_consumo (id_treated_data) VALUES ('{id}')")))
        .await
        .unwrap();
    let sandbox = Sandbox::start(&built("bootstrap"), &stores.env()).await;
    let (answer, _) = sandbox.api.invoke_within(batch(0..10), Duration::from_secs(9)).await;
    assert_eq!(answer.unwrap(), items(&["3"]));
    assert_eq!(stores.held().await.2, 9);
    other.execute("ROLLBACK").await.unwrap();
    assert_eq!(sandbox.api.invoke(batch(0..10)).await.unwrap(), items(&[]));
    assert_eq!(stores.held().await, (10, 0, 10));
    stores.database.drop().await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs RUMINATE_TEST_MYSQL"]
async fn live_mysql_a_row_that_is_locked_waits_alone() {
    a_row_that_is_locked_waits_alone(MYSQL).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs RUMINATE_TEST_MARIADB"]
async fn live_mariadb_a_row_that_is_locked_waits_alone() {
    a_row_that_is_locked_waits_alone(MARIADB).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs RUMINATE_TEST_MYSQL"]
async fn live_mysql_a_locked_table_does_not_use_up_the_servers_sessions() {
    let stores = Stores::new(MYSQL).await;
    let mut other = MySqlConnection::connect(&stores.database.url()).await.unwrap();
    other.execute("LOCK TABLES historico_consumo WRITE").await.unwrap();
    let sandbox = Sandbox::start(&built("bootstrap"), &stores.env()).await;
    for n in 0..8 {
        let (answer, _) = sandbox.api.invoke_within(batch(n..n + 1), Duration::from_secs(2)).await;
        assert_eq!(answer.unwrap(), items(&[&n.to_string()]));
    }
    let waiting = "SELECT COUNT(*) FROM information_schema.processlist WHERE db = DATABASE() AND state LIKE 'Waiting%'";
    let waiting = stores.database.count(waiting).await;
    assert!(waiting <= 5, "of 8 statements given up, {waiting} wait in the server still");
    other.execute("UNLOCK TABLES").await.unwrap();
    assert_eq!(sandbox.api.invoke(batch(0..8)).await.unwrap(), items(&[]));
    assert_eq!(stores.held().await, (8, 0, 8));
    stores.database.drop().await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs RUMINATE_TEST_MYSQL"]
async fn live_mysql_a_row_that_no_partition_takes_is_refused_alone_and_an_unknown_error_fails_alone() {
    let stores = Stores::new(MYSQL).await;
    let sandbox = Sandbox::start(&built("bootstrap"), &stores.env()).await;
    refuse(&stores, "NEW.id_curral = '3'", 1526).await;
    assert_eq!(sandbox.api.invoke(batch(0..10)).await.unwrap(), items(&[]));
    assert_eq!((stores.held().await, sandbox.metric("rows_refused")), ((10, 0, 9), 1));
    stores.database.run("DROP TRIGGER refuse").await;
    refuse(&stores, "NEW.id_curral = '13'", 1999).await;
    assert_eq!(sandbox.api.invoke(batch(10..20)).await.unwrap(), items(&["13"]));
    assert_eq!(stores.held().await, (20, 0, 18));
    stores.database.drop().await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs RUMINATE_TEST_MYSQL"]
async fn live_mysql_a_server_that_was_demoted_is_left_for_the_new_one_within_the_deadline() {
    let stores = Stores::new(MYSQL).await;
    let sandbox = Sandbox::start(&built("bootstrap"), &stores.env()).await;
    assert_eq!(sandbox.api.invoke(batch(0..1)).await.unwrap(), items(&[]));
    let ours =
        "SELECT CAST(id AS SIGNED) FROM information_schema.processlist WHERE db = DATABASE() AND command = 'Sleep'";
    let session = stores.database.count(ours).await;
    refuse(&stores, &format!("CONNECTION_ID() = {session}"), 1290).await;
    assert_eq!(sandbox.api.invoke(batch(1..2)).await.unwrap(), items(&[]), "over a new session");
    assert_eq!(stores.held().await, (2, 0, 2));
    stores.database.drop().await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs RUMINATE_TEST_MYSQL"]
async fn live_mysql_a_required_unknown_column_fails_messages_until_it_is_fixed() {
    let stores = Stores::new(MYSQL).await;
    stores.database.run("ALTER TABLE historico_consumo ADD origem VARCHAR(9) NOT NULL").await;
    let sandbox = Sandbox::start(&built("bootstrap"), &stores.env()).await;
    assert_eq!(sandbox.api.invoke(batch(0..2)).await.unwrap(), items(&["0", "1"]));
    assert!(sandbox.logged().contains("column origem needs a value"), "{}", sandbox.logged());
    stores.database.run("ALTER TABLE historico_consumo ALTER origem SET DEFAULT ''").await;
    assert_eq!(sandbox.api.invoke(batch(0..2)).await.unwrap(), items(&[]), "the schema is checked again immediately");
    stores.database.run("ALTER TABLE historico_consumo ADD destino VARCHAR(9) NOT NULL").await;
    assert_eq!(
        sandbox.api.invoke(batch(2..4)).await.unwrap(),
        items(&["2", "3"]),
        "also if the column was added in the meantime"
    );
    stores.database.drop().await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs RUMINATE_TEST_MYSQL"]
async fn live_mysql_a_full_server_fails_messages_until_it_has_space() {
    let stores = Stores::new(MYSQL).await;
    let sandbox = Sandbox::start(&built("bootstrap"), &stores.env()).await;
    refuse(&stores, "TRUE", 1114).await;
    assert_eq!(sandbox.api.invoke(batch(0..2)).await.unwrap(), items(&["0", "1"]));
    assert!(sandbox.logged().contains("no space left"), "{}", sandbox.logged());
    stores.database.run("DROP TRIGGER refuse").await;
    assert_eq!(sandbox.api.invoke(batch(0..2)).await.unwrap(), items(&[]));
    assert_eq!(stores.held().await, (2, 0, 2));
    stores.database.drop().await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs RUMINATE_TEST_MYSQL"]
async fn live_mysql_a_row_with_other_values_stays_and_is_counted() {
    let stores = Stores::new(MYSQL).await;
    let sandbox = Sandbox::start(&built("bootstrap"), &stores.env()).await;
    sandbox.api.invoke(batch(0..1)).await.unwrap();
    stores.database.run("UPDATE historico_consumo SET peso_medio = 1").await;
    assert_eq!(sandbox.api.invoke(batch(0..1)).await.unwrap(), items(&[]));
    assert_eq!((sandbox.metric("conflicting"), sandbox.metric("duplicates")), (1, 1));
    assert!(sandbox.lines().iter().any(|line| line["fields"] == "peso_medio"), "{}", sandbox.logged());
    assert_eq!(stores.database.count("SELECT COUNT(*) FROM historico_consumo WHERE peso_medio = 1").await, 1);
    stores.database.drop().await;
}
