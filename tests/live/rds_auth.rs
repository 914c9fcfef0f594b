//! Authentication of the toolkit as in the Lambda: a secret, and verified TLS.

use serde_json::json;
use testkit::{Database, MOTO, MYSQL, Scene, server};

#[tokio::test]
#[ignore = "needs RUMINATE_TEST_MYSQL and RUMINATE_TEST_MOTO"]
async fn live_mysql_moto_a_secret_is_all_that_the_toolkit_needs_to_know_of_a_warehouse() {
    let moto = server(MOTO.variable);
    let ca = server("RUMINATE_TEST_MYSQL_CA");
    let database = Database::new(MYSQL).await;
    let root = url::Url::parse(&database.url()).unwrap();
    let secret = json!({"engine": "mysql", "username": root.username(), "password": root.password(),
        "host": "localhost", "port": root.port(), "dbname": database.name});
    let config = pipeline::aws::config(pipeline::retry::TimeoutProfile::Bulk).await.unwrap();
    let config = config.sdk.into_builder().endpoint_url(&moto);
    let keys = aws_sdk_sns::config::Credentials::new("x", "y", None, None, "test");
    let config = config.credentials_provider(aws_sdk_sns::config::SharedCredentialsProvider::new(keys));
    let config = config.region(aws_config::Region::new("us-east-1")).build();
    let secrets = aws_sdk_secretsmanager::Client::new(&config);
    let made = secrets.create_secret().name(&database.name).secret_string(secret.to_string()).send().await.unwrap();
    let scene = Scene::new()
        .with("RDS_SECRET_ARN", made.arn().unwrap())
        .with("RDS_CA_FILE", &ca)
        .with("AWS_ENDPOINT_URL", &moto)
        .with("AWS_ACCESS_KEY_ID", "x")
        .with("AWS_SECRET_ACCESS_KEY", "y")
        .with("AWS_REGION", "us-east-1");
    scene.run(&["init"]).expect(0, &[]);
    assert_eq!(database.count("SELECT COUNT(*) FROM historico_consumo").await, 0);
    let elsewhere = scene.with("RDS_CA_FILE", concat!(env!("CARGO_MANIFEST_DIR"), "/tests/sns/certificate.pem"));
    let refused = elsewhere.text(&["init"]);
    assert_eq!(refused.code, Some(2), "{refused:#?}");
    assert!(refused.stderr.contains("RDS_CA_FILE") && !refused.stderr.contains(root.password().unwrap()));
    database.drop().await;
}
