//! The replication lag of a replica.

use std::time::{Duration, Instant};

use pipeline::warehouse::BulkWarehouse;
use testkit::PrivateMariaDb;

use super::open;

#[tokio::test]
#[ignore = "needs RUMINATE_TEST_MARIADB"]
async fn live_mariadb_a_replica_reports_its_lag() {
    let settings = ["--server-id=1", "--log-bin=bin", "--binlog-format=ROW"];
    let source = PrivateMariaDb::start(&settings).await;
    let replica = PrivateMariaDb::start(&["--server-id=2"]).await;
    assert_eq!(open(&replica.url()).replica_lag().await.unwrap(), None);
    let port = source.port();
    let follow = format!(
        "CHANGE MASTER TO master_host='127.0.0.1', master_port={port}, master_user='root', master_use_gtid=no, \
         master_log_file='bin.000001', master_log_pos=4"
    );
    replica.run(&follow).await;
    let e = open(&replica.url()).replica_lag().await.unwrap_err();
    assert!(e.message.contains("replication has stopped"), "{e}");
    source.run("SET GLOBAL binlog_checksum = NONE; CREATE DATABASE seen").await;
    replica.run("SET GLOBAL slave_exec_mode = 'IDEMPOTENT'; SET GLOBAL sql_slave_skip_counter = 0; START SLAVE").await;
    let (seen, until) = (open(&replica.url()), Instant::now() + Duration::from_secs(30));
    loop {
        match seen.replica_lag().await {
            Ok(Some(lag)) if lag < Duration::from_secs(30) => break,
            other => assert!(Instant::now() < until, "{other:?}"),
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}
