//! MySQL and MariaDB as warehouses.

use pipeline::retry::RetryPolicy;
use pipeline::warehouse::mysql::MySql;
use pipeline::warehouse::{BulkWarehouse, LoadMethod, TableName, WarehouseUrl};
use testkit::conformance::warehouse as conformance;
use testkit::{Database, MARIADB, MYSQL, Server};

fn open(url: &str) -> MySql {
    let WarehouseUrl::MySql(url) = url.parse().unwrap() else { panic!("{url}") };
    MySql::new(&url, TableName::default(), 4, RetryPolicy::default()).unwrap()
}

async fn conforms(server: Server) {
    let database = Database::new(server).await;
    conformance::check(&open(&database.url())).await;
    database.drop().await;
    for method in [LoadMethod::LoadData, LoadMethod::Insert] {
        let database = Database::new(server).await;
        let warehouse = open(&database.url()).with_load_method(Some(method));
        conformance::bulk(&warehouse).await;
        assert_eq!(warehouse.load_strategy().await.unwrap().kind, method);
        database.drop().await;
    }
}

#[tokio::test]
#[ignore = "needs RUMINATE_TEST_MYSQL"]
async fn live_mysql_conforms() {
    conforms(MYSQL).await;
}

#[tokio::test]
#[ignore = "needs RUMINATE_TEST_MARIADB"]
async fn live_mariadb_conforms() {
    conforms(MARIADB).await;
}
