//! Connections to AWS: through a proxy, with other certificate authorities, at other endpoints; and the messages if
//! they fail.

use std::io;

use testkit::proxy::ForwardProxy;
use testkit::s3::{ACCESS_KEY, S3Server, SECRET_KEY};
use testkit::tcp::TcpServer;
use testkit::tls::{Authority, TlsFront, Validity};
use testkit::{BUCKET, Ran, Scene};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::publish::{history, publish};
use crate::sns_stub::stub;

/// Name that cannot be resolved, so that only the proxy can reach it.
const HTTP: &str = "http://s3.test.invalid:9000";
const HTTPS: &str = "https://s3.test.invalid:9443";

fn embedded(s3: &S3Server) -> (Scene, u64) {
    let scene = Scene::embedded().with_s3(s3);
    let count = scene.history(1, 20, 2);
    scene.run(&["init"]).expect(0, &[]);
    (scene, count)
}

/// Runs with other variables; an empty value removes one.
fn run(scene: &Scene, variables: &[(&str, &str)], args: &[&str]) -> Ran {
    let mut command = scene.command(args);
    for (name, value) in variables {
        if value.is_empty() {
            command.env_remove(name)
        } else {
            command.env(name, value)
        };
    }
    Ran::by(command.args(["--output", "json"]))
}

/// Returns the methods of a proxy's requests.
fn methods(proxy: &ForwardProxy) -> Vec<String> {
    let mut seen: Vec<String> = proxy.seen().iter().filter_map(|one| Some(one.split(' ').next()?.to_owned())).collect();
    seen.sort();
    seen.dedup();
    seen
}

#[track_caller]
fn refused(ran: &Ran, words: &[&str]) {
    assert_eq!(ran.code, Some(2), "{ran:#?}");
    for word in words {
        assert!(ran.stderr.contains(word), "{word:?}: {}", ran.stderr);
    }
}

#[test]
fn plain_requests_go_through_the_http_proxy() {
    let s3 = S3Server::with_bucket(BUCKET);
    let proxy = ForwardProxy::start(&[("s3.test.invalid:9000", format!("127.0.0.1:{}", s3.port()))]);
    let (scene, count) = embedded(&s3);
    let through = [("AWS_ENDPOINT_URL", HTTP), ("HTTP_PROXY", &proxy.url())];
    run(&scene, &through, &["backfill", "history.json"]).expect(0, &[("written", count)]);
    run(&scene, &through, &["reconcile"]).expect(0, &[("matched", count)]);
    // The SDK's requests, and those of the direct reader.
    assert_eq!(methods(&proxy), ["GET", "HEAD", "PUT"]);
    let objects = format!("GET {HTTP}/{BUCKET}/historico_diario/");
    assert_eq!(proxy.seen().iter().filter(|one| one.starts_with(&objects)).count() as u64, count);

    let seen = proxy.seen().len();
    let listed = [&through[..], &[("NO_PROXY", "other.example, test.invalid:9000")]].concat();
    let direct = run(&scene, &listed, &["replay", "--max-attempts", "1"]);
    refused(&direct, &["cannot connect to s3.test.invalid:9000: failed to lookup", "AWS_ENDPOINT_URL"]);
    assert_eq!(proxy.seen().len(), seen);
    // Loopback addresses are reached through the proxy too, as with aws-cli, unless they are listed.
    let own = [("HTTP_PROXY", proxy.url()), ("NO_PROXY", String::new())].map(|(name, value)| (name, value));
    let own: Vec<(&str, &str)> = own.iter().map(|(name, value)| (*name, value.as_str())).collect();
    run(&scene, &own, &["reconcile"]).expect(0, &[("matched", count)]);
    assert!(proxy.seen().len() > seen);
    let seen = proxy.seen().len();
    for listed in ["127.0.0.0/8", "*"] {
        let own = [&own[..1], &[("NO_PROXY", listed)]].concat();
        run(&scene, &own, &["reconcile"]).expect(0, &[("matched", count)]);
        assert_eq!(proxy.seen().len(), seen, "{listed}");
    }
}

#[test]
fn tls_requests_go_through_a_tunnel_of_the_https_proxy() {
    let s3 = S3Server::with_bucket(BUCKET);
    let authority = Authority::new();
    let tls = TlsFront::start(&authority, "s3.test.invalid", Validity::Valid, s3.port());
    let proxy = ForwardProxy::start(&[("s3.test.invalid:9443", format!("127.0.0.1:{}", tls.port()))]);
    let (scene, count) = embedded(&s3);
    std::fs::write(scene.path("ca.pem"), authority.pem()).unwrap();
    let through = [("AWS_ENDPOINT_URL", HTTPS), ("https_proxy", &proxy.url()), ("AWS_CA_BUNDLE", "ca.pem")];
    run(&scene, &through, &["backfill", "history.json"]).expect(0, &[("written", count)]);
    run(&scene, &through, &["reconcile"]).expect(0, &[("matched", count)]);
    assert_eq!(methods(&proxy), ["CONNECT"]);
}

#[test]
fn a_proxy_s_login_is_sent_and_never_shown() {
    let s3 = S3Server::with_bucket(BUCKET);
    let authority = Authority::new();
    let tls = TlsFront::start(&authority, "s3.test.invalid", Validity::Valid, s3.port());
    let targets = [
        ("s3.test.invalid:9000", format!("127.0.0.1:{}", s3.port())),
        ("s3.test.invalid:9443", format!("127.0.0.1:{}", tls.port())),
    ];
    let proxy = ForwardProxy::with_login(&targets, Some(("ana", "s3gr@do")));
    let (scene, count) = embedded(&s3);
    std::fs::write(scene.path("ca.pem"), authority.pem()).unwrap();
    let (good, wrong) = (proxy.url_with("ana:s3gr%40do"), proxy.url_with("ana:outra-senha"));
    for (variable, endpoint, written) in [("HTTP_PROXY", HTTP, count), ("HTTPS_PROXY", HTTPS, 0)] {
        let with = |proxy: &str, args: &[&str]| {
            let variables = [("AWS_ENDPOINT_URL", endpoint), ("AWS_CA_BUNDLE", "ca.pem"), (variable, proxy)];
            run(&scene, &[&variables[..], &[("RUST_LOG", "debug")]].concat(), args)
        };
        let backfill = with(&good, &["backfill", "history.json"]);
        backfill.expect(0, &[("written", written)]);
        let audit = with(&good, &["reconcile"]);
        audit.expect(0, &[("matched", count)]);
        let denied = with(&wrong, &["replay", "--max-attempts", "1"]);
        refused(&denied, &["proxy"]);
        for ran in [backfill, audit, denied] {
            for secret in ["s3gr", "outra-senha", "YW5hOn"] {
                assert!(!ran.stderr.contains(secret) && !ran.stdout.contains(secret), "{secret}: {}", ran.stderr);
            }
        }
    }
}

#[test]
fn an_invalid_proxy_is_rejected_before_anything_is_sent() {
    let s3 = S3Server::with_bucket(BUCKET);
    let (scene, _) = embedded(&s3);
    let ran = run(&scene, &[("HTTPS_PROXY", "socks5://ana:segredo@proxy:1080")], &["replay"]);
    refused(&ran, &["HTTPS_PROXY", "socks5"]);
    assert!(!ran.stderr.contains("segredo"), "{}", ran.stderr);
}

#[test]
fn publishing_goes_through_the_proxy_too() {
    let (home, sns) = (tempfile::tempdir().unwrap(), stub());
    let lines = history(home.path(), "in.json").len() as u64;
    let address = sns.endpoint().trim_start_matches("http://").to_owned();
    let proxy = ForwardProxy::start(&[("sns.test.invalid:80", address)]);
    let mut command = publish(home.path(), &sns);
    command.env("AWS_ENDPOINT_URL", "http://sns.test.invalid").env("HTTP_PROXY", proxy.url()).arg("in.json");
    Ran::by(&mut command).expect(0, &[("published", lines)]);
    let seen = proxy.seen();
    assert!(!seen.is_empty() && seen.iter().all(|one| one.starts_with("POST http://sns.test.invalid")), "{seen:?}");
}

/// A service for credentials that only the proxy reaches: the lake is reached directly.
#[test]
fn credentials_of_a_role_are_fetched_through_the_proxy() {
    let s3 = S3Server::with_bucket(BUCKET);
    let sts = TcpServer::start(|stream| async move { answer(stream, &assumed()).await });
    let proxy = ForwardProxy::start(&[("sts.test.invalid:80", sts.address().to_string())]);
    let (scene, count) = embedded(&s3);
    std::fs::write(scene.path("token"), "a token").unwrap();
    let variables = [
        ("AWS_ACCESS_KEY_ID", ""),
        ("AWS_SECRET_ACCESS_KEY", ""),
        ("AWS_ENDPOINT_URL", ""),
        ("AWS_ENDPOINT_URL_S3", &s3.endpoint()),
        ("AWS_ENDPOINT_URL_STS", "http://sts.test.invalid"),
        ("AWS_ROLE_ARN", "arn:aws:iam::123456789012:role/lake"),
        ("AWS_ROLE_SESSION_NAME", "test"),
        ("AWS_WEB_IDENTITY_TOKEN_FILE", "token"),
        ("HTTP_PROXY", &proxy.url()),
        ("NO_PROXY", "127.0.0.0/8"),
    ];
    run(&scene, &variables, &["backfill", "history.json"]).expect(0, &[("written", count)]);
    let seen = proxy.seen();
    assert!(!seen.is_empty() && seen.iter().all(|one| one.contains("sts.test.invalid")), "{seen:?}");
    // Without the proxy, the error has the cause, including the name that cannot be resolved.
    let without = [&variables[..8], &[("HTTP_PROXY", "")]].concat();
    let ran = run(&scene, &without, &["replay"]);
    refused(&ran, &["no usable credentials", "sts.test.invalid", "lookup"]);
}

fn assumed() -> String {
    format!(
        "<AssumeRoleWithWebIdentityResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\">\
         <AssumeRoleWithWebIdentityResult><Credentials><AccessKeyId>{ACCESS_KEY}</AccessKeyId>\
         <SecretAccessKey>{SECRET_KEY}</SecretAccessKey><SessionToken>t</SessionToken>\
         <Expiration>2099-01-01T00:00:00Z</Expiration></Credentials></AssumeRoleWithWebIdentityResult>\
         </AssumeRoleWithWebIdentityResponse>"
    )
}

/// Responds to one request with a body.
async fn answer(mut stream: TcpStream, body: &str) -> io::Result<()> {
    let mut buffer = [0; 64 * 1024];
    let _ = stream.read(&mut buffer).await?;
    let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\nconnection: close\r\n\r\n", body.len());
    stream.write_all(head.as_bytes()).await?;
    stream.write_all(body.as_bytes()).await
}

#[test]
fn the_authorities_are_those_of_the_variable_or_of_the_profile() {
    let s3 = S3Server::with_bucket(BUCKET);
    let authority = Authority::new();
    let tls = TlsFront::start(&authority, "localhost", Validity::Valid, s3.port());
    let (scene, count) = embedded(&s3);
    let write = |name: &str, text: &str| std::fs::write(scene.path(name), text).unwrap();
    write("ca.pem", &format!("# ours\n{}", authority.pem()));
    write("config", "[profile farm]\nca_bundle = ca.pem\n");
    write("empty.pem", "");
    write("cut.pem", &authority.pem()[..authority.pem().len() / 2]);
    let endpoint = format!("https://localhost:{}", tls.port());
    let with = |variables: &[(&str, &str)], args: &[&str]| {
        run(&scene, &[&[("AWS_ENDPOINT_URL", endpoint.as_str())], variables].concat(), args)
    };
    with(&[("AWS_CA_BUNDLE", "ca.pem")], &["backfill", "history.json"]).expect(0, &[("written", count)]);
    with(&[("AWS_CONFIG_FILE", "config"), ("AWS_PROFILE", "farm")], &["reconcile"]).expect(0, &[("matched", count)]);
    let both = [("AWS_CONFIG_FILE", "config"), ("AWS_PROFILE", "farm"), ("AWS_CA_BUNDLE", "empty.pem")];
    refused(&with(&both, &["replay"]), &["AWS_CA_BUNDLE empty.pem", "no usable certificate"]);
    refused(&with(&[("AWS_CA_BUNDLE", "none.pem")], &["replay"]), &["AWS_CA_BUNDLE none.pem", "No such file"]);
    refused(&with(&[("AWS_CA_BUNDLE", "cut.pem")], &["replay"]), &["AWS_CA_BUNDLE cut.pem", "not complete"]);
    write("config", "[profile farm]\nca_bundle = none.pem\n");
    let profile = [("AWS_CONFIG_FILE", "config"), ("AWS_PROFILE", "farm")];
    refused(&with(&profile, &["replay"]), &["ca_bundle of the AWS profile: none.pem", "No such file"]);
}

#[test]
fn each_cause_of_a_failed_connection_is_named() {
    let s3 = S3Server::with_bucket(BUCKET);
    let authority = Authority::new();
    let tls = |name: &str, validity| TlsFront::start(&authority, name, validity, s3.port());
    let (valid, expired) = (tls("localhost", Validity::Valid), tls("localhost", Validity::Expired));
    let other = tls("other.example", Validity::Valid);
    let closed = TcpServer::start(|_| async { Ok(()) }).port();
    let (scene, _) = embedded(&s3);
    std::fs::write(scene.path("ca.pem"), authority.pem()).unwrap();
    let https = |front: &TlsFront| format!("https://localhost:{}", front.port());
    let cases = [
        ("http://s3.test.invalid".to_owned(), "", vec!["s3.test.invalid:80", "lookup"]),
        (format!("http://127.0.0.1:{closed}"), "", vec!["127.0.0.1:", "onnection refused"]),
        (https(&valid), "", vec!["localhost:", "UnknownIssuer", "AWS_CA_BUNDLE"]),
        (https(&expired), "ca.pem", vec!["localhost:", "expired", "clock"]),
        (https(&other), "ca.pem", vec!["localhost:", "other.example", "AWS_ENDPOINT_URL"]),
        (format!("https://127.0.0.1:{}", s3.port()), "ca.pem", vec!["127.0.0.1:", "http://"]),
    ];
    for (endpoint, bundle, words) in cases {
        let variables = [("AWS_ENDPOINT_URL", endpoint.as_str()), ("AWS_CA_BUNDLE", bundle)];
        let ran = run(&scene, &variables, &["replay", "--max-attempts", "1"]);
        refused(&ran, &[&words[..], &["cannot connect to"]].concat());
        let doctor = run(&scene, &variables, &["doctor"]);
        assert!(doctor.code == Some(2) && words.iter().all(|word| doctor.stdout.contains(word)), "{doctor:#?}");
    }
}

#[test]
fn the_endpoint_of_a_profile_s_services_section_is_one_of_the_lake_s_own() {
    let (s3, other) = (S3Server::with_bucket(BUCKET), S3Server::with_bucket(BUCKET));
    let (scene, count) = embedded(&s3);
    let config = |endpoint: &str| {
        format!("[profile farm]\nservices = local\n[services local]\ns3 =\n  endpoint_url = {endpoint}\n")
    };
    std::fs::write(scene.path("config"), config(&s3.endpoint())).unwrap();
    std::fs::write(scene.path("other"), config(&other.endpoint())).unwrap();
    let profile = |file| [("AWS_ENDPOINT_URL", ""), ("AWS_CONFIG_FILE", file), ("AWS_PROFILE", "farm")];
    run(&scene, &profile("config"), &["backfill", "history.json"]).expect(0, &[("written", count)]);
    let cached = ["reconcile", "--cache", "cache", "--max-drift", "100%", "--allow-empty"];
    let audit = run(&scene, &profile("config"), &cached);
    audit.expect(0, &[("matched", count)]);
    assert_eq!(audit.json["lake_endpoint"], s3.endpoint());
    // The other store has the same bucket and prefix, and is another lake.
    let audit = run(&scene, &profile("other"), &cached);
    audit.expect(0, &[("lake_objects", 0)]);
    assert_eq!(audit.json["lake_endpoint"], other.endpoint());
    // The service's own variable takes precedence over the general one.
    let own = [("AWS_ENDPOINT_URL", other.endpoint()), ("AWS_ENDPOINT_URL_S3", s3.endpoint())];
    let own: Vec<(&str, &str)> = own.iter().map(|(name, value)| (*name, value.as_str())).collect();
    run(&scene, &own, &["reconcile"]).expect(0, &[("matched", count)]);
}

/// Requests to AWS end at a proxy that reaches no host; the requested host is the endpoint.
#[test]
fn ignored_fips_dual_stack_and_access_point_endpoints_are_those_of_aws() {
    let s3 = S3Server::with_bucket(BUCKET);
    let (scene, _) = embedded(&s3);
    let access_point = "s3://arn:aws:s3:sa-east-1:123456789012:accesspoint/lake-audit/historico_diario";
    let lake = format!("s3://{BUCKET}/historico_diario");
    #[allow(clippy::type_complexity, reason = "a table")]
    let cases: [(&str, &[(&str, &str)], &str); 5] = [
        (
            &lake,
            &[("AWS_IGNORE_CONFIGURED_ENDPOINT_URLS", "true")],
            "historico-consumo-fazendas.s3.us-east-1.amazonaws.com",
        ),
        (
            &lake,
            &[("AWS_ENDPOINT_URL", ""), ("AWS_USE_FIPS_ENDPOINT", "true")],
            "historico-consumo-fazendas.s3-fips.us-east-1.amazonaws.com",
        ),
        (
            &lake,
            &[("AWS_ENDPOINT_URL", ""), ("AWS_USE_DUALSTACK_ENDPOINT", "true")],
            "historico-consumo-fazendas.s3.dualstack.us-east-1.amazonaws.com",
        ),
        (access_point, &[("AWS_ENDPOINT_URL", "")], "lake-audit-123456789012.s3-accesspoint.sa-east-1.amazonaws.com"),
        (
            "s3://lake-audit-abcdefghijkl-s3alias/x",
            &[("AWS_ENDPOINT_URL", "")],
            "lake-audit-abcdefghijkl-s3alias.s3.us-east-1.amazonaws.com",
        ),
    ];
    for (lake, variables, host) in cases {
        let proxy = ForwardProxy::start(&[]);
        let url = proxy.url();
        let variables = [variables, &[("HTTPS_PROXY", url.as_str())]].concat();
        let ran = run(&scene, &variables, &["replay", "--lake", lake, "--max-attempts", "1"]);
        refused(&ran, &["cannot connect to", host, "through the proxy"]);
        assert!(proxy.seen().iter().all(|one| *one == format!("CONNECT {host}:443")), "{:?}", proxy.seen());
    }
    // A custom endpoint has no FIPS variant.
    let ran = run(&scene, &[("AWS_USE_FIPS_ENDPOINT", "true")], &["replay", "--max-attempts", "1"]);
    refused(&ran, &["FIPS"]);
}

/// An access point is addressed by its own host name, and listed as a bucket is.
#[test]
fn an_access_point_is_a_lake() {
    const LISTING: &str = "<ListBucketResult xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\"><IsTruncated>false</IsTruncated></ListBucketResult>";
    let s3 = S3Server::with_bucket(BUCKET);
    let (scene, _) = embedded(&s3);
    let host = "lake-audit-123456789012.s3-accesspoint.sa-east-1.amazonaws.com";
    let stub = TcpServer::start(|mut stream| async move {
        let mut buffer = [0; 64 * 1024];
        while let Ok(length @ 1..) = stream.read(&mut buffer).await {
            let body = if buffer[..length].starts_with(b"HEAD") { "" } else { LISTING };
            let date = chrono::Utc::now().format("%a, %d %b %Y %H:%M:%S GMT");
            let head = format!("HTTP/1.1 200 OK\r\ndate: {date}\r\ncontent-length: {}\r\n\r\n{body}", body.len());
            stream.write_all(head.as_bytes()).await?;
        }
        Ok(())
    });
    let authority = Authority::new();
    let tls = TlsFront::start(&authority, host, Validity::Valid, stub.port());
    let proxy = ForwardProxy::start(&[(&format!("{host}:443"), format!("127.0.0.1:{}", tls.port()))]);
    std::fs::write(scene.path("ca.pem"), authority.pem()).unwrap();
    let through = [("AWS_ENDPOINT_URL", ""), ("HTTPS_PROXY", &proxy.url()), ("AWS_CA_BUNDLE", "ca.pem")];
    let lake = "s3://arn:aws:s3:sa-east-1:123456789012:accesspoint/lake-audit/historico_diario";
    let ran = run(&scene, &through, &["doctor", "--lake", lake]);
    ran.expect(0, &[]);
    assert!(ran.stdout.contains("empty: no farm has a directory yet") && ran.stdout.contains(lake), "{ran:#?}");
    refused(&run(&scene, &through, &["replay", "--lake", lake]), &["nothing to replay", "accesspoint/lake-audit"]);
}
