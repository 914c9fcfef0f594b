//! Access to the endpoint: flags that are required to start it.

use testkit::Scene;

use crate::http::TOPIC;

fn ready() -> Scene {
    let scene = Scene::embedded();
    scene.run(&["init"]).expect(0, &[]);
    scene
}

#[test]
fn an_endpoint_without_a_topic_does_not_start() {
    let scene = ready();
    for insecure in [&[][..], &["--insecure-skip-signature"]] {
        let ran = scene.run(&[&["process", "--listen", "127.0.0.1:0"], insecure].concat());
        assert!(ran.code == Some(2) && ran.stderr.contains("--listen needs --topic ARN"), "{ran:?}");
    }
    let ran = ready().with("SNS_TOPIC_ARN", " ").run(&["process", "--listen", "127.0.0.1:0"]);
    assert!(ran.code == Some(2) && ran.stderr.contains("--any-topic"), "{ran:?}");
    let both = ["process", "--listen", "127.0.0.1:0", "--topic", TOPIC, "--any-topic"];
    assert_eq!(scene.run(&both).code, Some(2));
}

#[test]
fn a_topic_of_the_environment_or_an_explicit_any_topic_is_enough() {
    for (scene, flags, expected) in [
        (ready().with("SNS_TOPIC_ARN", TOPIC), &[][..], TOPIC),
        (ready(), &["--topic", TOPIC], TOPIC),
        (ready().with("SNS_TOPIC_ARN", TOPIC), &["--any-topic"], "any topic in any AWS account"),
    ] {
        let args = [&["process", "--listen", "127.0.0.1:0", "--output", "json"], flags].concat();
        let child = scene.start(&args);
        std::thread::sleep(std::time::Duration::from_millis(700));
        std::process::Command::new("kill").args(["-TERM", &child.id().to_string()]).status().unwrap();
        let output = child.wait_with_output().unwrap();
        let log = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success() && log.contains(expected), "{flags:?}: {log}");
    }
}

#[test]
fn unsigned_messages_are_accepted_on_a_loopback_address_only() {
    let scene = ready();
    for address in ["0.0.0.0:0", "[::]:0"] {
        let args = ["process", "--listen", address, "--topic", TOPIC, "--insecure-skip-signature"];
        let ran = scene.run(&args);
        let no_ipv6 = ran.stderr.contains("cannot listen on"); // of this machine
        assert!(ran.code == Some(2) && (no_ipv6 || ran.stderr.contains("loopback address")), "{ran:?}");
    }
}
