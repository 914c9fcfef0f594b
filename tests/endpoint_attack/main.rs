//! The endpoint under attack: slow senders and silent connections, with few file descriptors, and one valid sender.
//!
//! `RUMINATE_TEST_ATTACK_SECONDS` sets the duration; 10 without it. A separate test program, so that no other test runs
//! at the same time.
#![allow(clippy::unwrap_used, clippy::print_stdout, missing_docs, reason = "tests")]

use std::collections::BTreeSet;
use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use testkit::{Ran, Scene};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

const TOPIC: &str = "arn:aws:sns:us-east-1:123456789012:consumo";

const SLOW: usize = 64;
const SILENT: usize = 300;
const RATE: u64 = 200;

fn seconds() -> u64 {
    std::env::var("RUMINATE_TEST_ATTACK_SECONDS").ok().and_then(|text| text.parse().ok()).unwrap_or(10)
}

/// Starts an endpoint that may open 256 files.
fn start(scene: &Scene) -> (Child, SocketAddr) {
    let args =
        ["process", "--listen", "127.0.0.1:0", "--topic", TOPIC, "--insecure-skip-signature", "--output", "json"];
    let ran = scene.command(&args);
    let mut command = Command::new("sh");
    command.args(["-c", "ulimit -n 256; exec \"$@\"", "sh"]).arg(ran.get_program()).args(ran.get_args());
    for (name, value) in ran.get_envs() {
        match value {
            Some(value) => command.env(name, value),
            None => command.env_remove(name),
        };
    }
    command.current_dir(scene.home.path()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let mut lines = BufReader::new(child.stderr.take().unwrap()).lines().map(Result::unwrap);
    let address = lines.find_map(|line| Some(line.split_once("listening on http://")?.1.to_owned())).unwrap();
    std::thread::spawn(move || lines.for_each(drop)); // a full pipe would stop it
    (child, address.split_whitespace().next().unwrap().parse().unwrap())
}

/// Opens a connection, uses it until the endpoint closes it, and opens another one a second later.
async fn attack(address: SocketAddr, head: &'static str, drip: bool, over: Arc<AtomicBool>, opened: Arc<AtomicU64>) {
    while !over.load(Ordering::Relaxed) {
        let Ok(mut stream) = TcpStream::connect(address).await else {
            tokio::time::sleep(Duration::from_millis(20)).await;
            continue;
        };
        opened.fetch_add(1, Ordering::Relaxed);
        let mut is_open = stream.write_all(head.as_bytes()).await.is_ok();
        while is_open && !over.load(Ordering::Relaxed) {
            let mut byte = [0];
            let closed = tokio::time::timeout(Duration::from_millis(200), stream.read(&mut byte)).await.is_ok();
            is_open = !closed && (!drip || stream.write_all(b"x").await.is_ok());
        }
        drop(stream);
        for _ in 0..10 {
            if !over.load(Ordering::Relaxed) {
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        }
    }
}

/// Sends one message as SNS does, and returns the status; 0 without a response.
async fn deliver(address: SocketAddr, message: &str) -> u16 {
    let body = serde_json::json!({"Type": "Notification", "MessageId": "m", "TopicArn": TOPIC, "Message": message});
    let body = body.to_string();
    let request = format!(
        "POST / HTTP/1.1\r\nhost: h\r\nconnection: close\r\nx-amz-sns-message-type: Notification\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    );
    let exchange = async {
        let mut stream = TcpStream::connect(address).await?;
        stream.write_all(request.as_bytes()).await?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await?;
        Ok::<_, std::io::Error>(answer)
    };
    let answer = tokio::time::timeout(Duration::from_secs(15), exchange).await;
    let answer = answer.ok().and_then(Result::ok).unwrap_or_default();
    answer.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or(0)
}

#[tokio::test(flavor = "multi_thread")]
async fn slow_senders_and_silent_connections_do_not_delay_a_genuine_sender() {
    let scene = Scene::embedded();
    let count = RATE * seconds();
    let generated = scene.history(1, u32::try_from(count.div_ceil(8)).unwrap(), 10);
    assert!(generated >= count, "{generated} readings");
    scene.run(&["init"]).expect(0, &[]);
    let (child, address) = start(&scene);
    let (over, opened) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
    let mut attackers = Vec::new();
    let head = "POST / HTTP/1.1\r\nhost: h\r\ncontent-length: 100000\r\n\r\n";
    for n in 0..SLOW + SILENT {
        let (head, drip) = if n < SLOW { (head, true) } else { ("", false) };
        attackers.push(tokio::spawn(attack(address, head, drip, Arc::clone(&over), Arc::clone(&opened))));
    }
    let started = Instant::now();
    while opened.load(Ordering::Relaxed) < (SLOW + SILENT) as u64 {
        assert!(started.elapsed() < Duration::from_secs(30), "{opened:?} connections of the attack were opened");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let text = std::fs::read_to_string(scene.path("history.json")).unwrap();
    let mut sent = Vec::new();
    let started = Instant::now();
    for (n, message) in (0_u64..).zip(text.lines().take(count as usize).map(str::to_owned)) {
        let due = started + Duration::from_micros(n * 1_000_000 / RATE);
        tokio::time::sleep_until(due.into()).await;
        sent.push(tokio::spawn(async move { (deliver(address, &message).await, due.elapsed()) }));
    }
    let (mut statuses, mut latencies) = (BTreeSet::new(), Vec::new());
    for one in sent {
        let (status, latency) = one.await.unwrap();
        statuses.insert(status);
        latencies.push(latency);
    }
    over.store(true, Ordering::Relaxed);
    for attacker in attackers {
        attacker.await.unwrap();
    }
    latencies.sort();
    let (p50, p99) = (latencies[latencies.len() / 2], latencies[latencies.len() * 99 / 100]);
    println!("{count} messages, p50 {p50:?}, p99 {p99:?}, max {:?}", latencies.last().unwrap());
    assert_eq!(statuses, BTreeSet::from([200]), "none is lost");
    assert!(p99 < Duration::from_secs(1), "p50 {p50:?}, p99 {p99:?}");
    Command::new("kill").args(["-TERM", &child.id().to_string()]).status().unwrap();
    let ran = Ran::of(&child.wait_with_output().unwrap());
    ran.expect(0, &[("messages", count), ("processed", count)]);
    assert!(ran.json["connections_closed"].as_u64().unwrap() >= (SILENT - 256) as u64, "{ran:?}");
    scene.run(&["reconcile"]).expect(0, &[("matched", count)]);
}
