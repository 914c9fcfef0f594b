//! Tests of a sandbox's authentication and of TLS verification.

use aws_sdk_secretsmanager::Client;
use aws_sdk_secretsmanager::config::{BehaviorVersion, Builder, Credentials, Region};
use aws_smithy_http_client::tls::{Provider, rustls_provider::CryptoMode};
use serde_json::{Value, json};
use testkit::built;
use testkit::lambda::events::message;
use testkit::lambda::sandbox::Sandbox;
use testkit::{MARIADB, MOTO, MYSQL, Server, server};

use crate::{Stores, of, with};

/// A separate user, named like its database.
struct User<'a> {
    stores: &'a Stores,
    name: &'a str,
}

impl<'a> User<'a> {
    /// Creates the user; `identified` follows `CREATE USER name`.
    async fn new(stores: &'a Stores, identified: &str) -> Self {
        let name = stores.database.name.as_str();
        stores.database.run(&format!("CREATE USER {name} {identified}")).await;
        stores.database.run(&format!("GRANT SELECT, INSERT ON {name}.* TO {name}")).await;
        Self { stores, name }
    }

    async fn change_password(&self, password: &str) {
        self.stores.database.run(&format!("ALTER USER {} IDENTIFIED BY '{password}'", self.name)).await;
    }

    /// Closes the user's connection, as a server restart does.
    async fn disconnect(&self) {
        let name = self.name;
        let find = format!("SELECT CAST(id AS SIGNED) FROM information_schema.processlist WHERE user = '{name}'");
        let database = &self.stores.database;
        database.run(&format!("KILL {}", database.count(&find).await)).await;
    }

    async fn drop(self) {
        self.stores.database.run(&format!("DROP USER {}", self.name)).await;
    }
}

#[track_caller]
fn shows(failed: Result<Value, Value>, what: &str) {
    let failed = failed.unwrap_err();
    assert!(failed["errorMessage"].as_str().unwrap().contains(what), "{failed}");
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs RUMINATE_TEST_MYSQL"]
async fn live_mysql_a_changed_password_fails_messages_until_it_is_updated() {
    let stores = Stores::new(MYSQL).await;
    let user = User::new(&stores, "IDENTIFIED BY 'velha'").await;
    let env = with(stores.env(), &[("RDS_USER", user.name), ("RDS_PASSWORD", "velha")]);
    let sandbox = Sandbox::start(&built("bootstrap"), &env).await;
    sandbox.api.invoke(message(1)).await.unwrap();
    user.change_password("nova").await;
    user.disconnect().await;
    shows(sandbox.api.invoke(message(2)).await, "login refused");
    assert!(!sandbox.logged().contains("velha"), "{}", sandbox.logged());
    user.change_password("velha").await;
    assert_eq!(sandbox.api.invoke(message(2)).await.unwrap()["processed"], 1);
    assert_eq!(stores.held().await, (2, 0, 2));
    user.drop().await;
    stores.database.drop().await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs RUMINATE_TEST_MYSQL and RUMINATE_TEST_MOTO"]
async fn live_mysql_moto_a_secret_that_changed_is_read_again_and_costs_nothing() {
    let moto = server(MOTO.variable);
    let stores = Stores::new(MYSQL).await;
    let http = aws_smithy_http_client::Builder::new().tls_provider(Provider::Rustls(CryptoMode::Ring)).build_https();
    let config = Builder::new().behavior_version(BehaviorVersion::latest()).http_client(http).endpoint_url(&moto);
    let config = config.credentials_provider(Credentials::new("x", "y", None, None, "test"));
    let secrets = Client::from_conf(config.region(Region::new("us-east-1")).build());
    let user = User::new(&stores, "IDENTIFIED BY 'velha'").await;
    let text = |password: &str| json!({"username": user.name, "password": password, "engine": "mysql"}).to_string();
    let made = secrets.create_secret().name(user.name).secret_string(text("velha")).send().await.unwrap();
    let arn = made.arn.unwrap();
    let secret = [("RDS_SECRET_ARN", arn.as_str()), ("RDS_PASSWORD", ""), ("RDS_USER", "")];
    let env = with(with(stores.env(), &secret), &[("AWS_ENDPOINT_URL_SECRETS_MANAGER", &moto)]);
    let sandbox = Sandbox::start(&built("bootstrap"), &env).await;
    sandbox.api.invoke(message(1)).await.unwrap();
    user.change_password("nova").await;
    user.disconnect().await;
    shows(sandbox.api.invoke(message(2)).await, "login refused");
    secrets.put_secret_value().secret_id(&arn).secret_string(text("nova")).send().await.unwrap();
    assert_eq!(sandbox.api.invoke(message(2)).await.unwrap()["processed"], 1, "in the same process");
    assert_eq!(stores.held().await, (2, 0, 2));
    assert!(!sandbox.logged().contains("velha") && !sandbox.logged().contains("nova"), "{}", sandbox.logged());

    let server = json!({"username": user.name, "password": "nova", "host": "127.0.0.1", "port": of(&env, "RDS_PORT").parse::<u16>().unwrap()});
    secrets.put_secret_value().secret_id(&arn).secret_string(server.to_string()).send().await.unwrap();
    let whole = with(env.clone(), &[("RDS_HOST", ""), ("RDS_PORT", "")]);
    let sandbox = Sandbox::start(&built("bootstrap"), &whole).await;
    assert_eq!(sandbox.api.invoke(message(3)).await.unwrap()["processed"], 1, "the secret names the server too");

    let missing = with(env, &[("RDS_SECRET_ARN", "arn:aws:secretsmanager:us-east-1:123456789012:secret:none")]);
    let sandbox = Sandbox::start(&built("bootstrap"), &missing).await;
    shows(sandbox.api.invoke(message(4)).await, "check RDS_SECRET_ARN");
    user.drop().await;
    stores.database.drop().await;
}

/// The server's certificate is for `localhost`, signed by its own authority.
async fn tls_is_verified(server: Server) {
    let ca = self::server(&format!("{}_CA", server.variable));
    let stores = Stores::new(server).await;
    let user = User::new(&stores, "IDENTIFIED BY 'senha' REQUIRE SSL").await;
    let env = with(stores.env(), &[("RDS_USER", user.name), ("RDS_PASSWORD", "senha"), ("RDS_HOST", "localhost")]);
    let verified = with(env, &[("RDS_CA_FILE", &ca)]);
    let start = async |env: &[(String, String)]| Sandbox::start(&built("bootstrap"), env).await;
    start(&verified).await.api.invoke(message(1)).await.unwrap();
    let by_number = with(verified.clone(), &[("RDS_HOST", "127.0.0.1")]);
    let other_name = start(&by_number).await;
    shows(other_name.api.invoke(message(2)).await, "RDS_CA_FILE");
    let whatever_its_name = with(by_number, &[("RDS_SSL_MODE", "VERIFY_CA")]);
    start(&whatever_its_name).await.api.invoke(message(3)).await.unwrap();
    let other_authority =
        with(verified, &[("RDS_CA_FILE", concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/sns/certificate.pem"))]);
    let untrusted = start(&other_authority).await;
    shows(untrusted.api.invoke(message(2)).await, "RDS_CA_FILE");
    // A server on another machine is verified by default; 0.0.0.0 is this machine, but its name does not show it.
    let elsewhere = with(stores.env(), &[("RDS_USER", user.name), ("RDS_PASSWORD", "senha"), ("RDS_HOST", "0.0.0.0")]);
    let by_default = start(&elsewhere).await;
    shows(by_default.api.invoke(message(2)).await, "TLS verification failed");
    assert_eq!(stores.held().await, (3, 0, 2), "failed messages are in the lake");
    let less = with(elsewhere, &[("RDS_SSL_MODE", "REQUIRED")]);
    start(&less).await.api.invoke(message(2)).await.unwrap();
    assert_eq!(stores.held().await, (3, 0, 3));
    for sandbox in [&other_name, &untrusted, &by_default] {
        assert!(!sandbox.logged().contains("senha"), "{}", sandbox.logged());
    }
    assert_eq!(of(&stores.env(), "RDS_HOST"), "127.0.0.1");
    user.drop().await;
    stores.database.drop().await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs RUMINATE_TEST_MYSQL"]
async fn live_mysql_tls_is_verified_by_authority_and_name() {
    tls_is_verified(MYSQL).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs RUMINATE_TEST_MARIADB"]
async fn live_mariadb_tls_is_verified_by_authority_and_name() {
    tls_is_verified(MARIADB).await;
}
