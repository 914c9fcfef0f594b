//! Addresses of MySQL servers: options in several spellings, and logins that are not supported. No real server.

use std::time::{Duration, Instant};

use testkit::Scene;
use testkit::mysql_relay::Greeter;
use testkit::tcp::TcpServer;

#[test]
fn an_unknown_option_is_rejected_before_a_connection() {
    let scene = Scene::embedded();
    for (options, words) in [
        ("sslMod=VERIFY_IDENTITY", "sslMod is not known"),
        ("ssl-mode=maybe", "not a TLS mode"),
        ("ssl-mode=DISABLED&useSSL=true", "contradict"),
        ("ssl_ca=/nowhere/ca.pem", "/nowhere/ca.pem: No such file"),
        ("connect_timeout=5", "--connect-timeout"),
    ] {
        let url = format!("mysql://ana:segredo@127.0.0.1:1/fazendas?{options}");
        for command in [&["doctor", "--warehouse", &url][..], &["init", "--warehouse", &url]] {
            let ran = scene.text(command);
            let output = format!("{}{}", ran.stdout, ran.stderr);
            assert!(
                ran.code == Some(2) && output.contains(words) && !output.contains("segredo"),
                "{options}: {ran:#?}"
            );
        }
        let ran = testkit::Ran::by(Scene::new().command(&["init"]).env("DATABASE_URL", &url));
        assert!(ran.code == Some(2), "{ran:#?}");
    }
}

#[test]
fn an_unsupported_login_plugin_is_not_retried_and_has_advice() {
    for plugin in ["dialog", "client_ed25519x", "authentication_kerberos_client", "mysql_clear_password"] {
        let greeter = Greeter::start(plugin);
        let scene = Scene::new();
        let url = format!("mysql://ana:segredo@127.0.0.1:{}/fazendas?ssl-mode=DISABLED", greeter.port());
        let started = Instant::now();
        let ran = scene.text(&["init", "--warehouse", &url]);
        assert_eq!(ran.code, Some(2), "{ran:#?}");
        assert!(ran.stderr.contains(plugin) && ran.stderr.contains("caching_sha2_password"), "{ran:#?}");
        assert!(!ran.stderr.contains("segredo"), "{ran:#?}");
        assert_eq!(greeter.connections(), 1, "a retry cannot help");
        assert!(started.elapsed() < Duration::from_secs(5));
    }
}

#[test]
fn a_server_that_does_not_respond_is_reported_after_the_connect_timeout() {
    let silent = TcpServer::start(|stream| async move {
        tokio::time::sleep(Duration::from_secs(60)).await;
        drop(stream);
        Ok(())
    });
    let url = format!("mysql://ana@127.0.0.1:{}/fazendas", silent.port());
    let started = Instant::now();
    let ran = Scene::new().text(&["init", "--warehouse", &url, "--connect-timeout", "1s"]);
    assert_eq!(ran.code, Some(2), "{ran:#?}");
    assert!(ran.stderr.contains("no response within 1 s") && ran.stderr.contains("--connect-timeout"), "{ran:#?}");
    assert!((Duration::from_secs(1)..Duration::from_secs(10)).contains(&started.elapsed()));
}
