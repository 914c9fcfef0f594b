//! Stores that accept a connection and never respond: Ctrl-C and SIGTERM end every command soon, with exit code 3.

use std::net::{TcpListener, TcpStream};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use testkit::{Ran, Scene};

/// Starts an endpoint that accepts connections and sends nothing. Returns its address, and a receiver of its connections.
fn silent_endpoint() -> (String, mpsc::Receiver<TcpStream>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    let (send, receive) = mpsc::channel();
    std::thread::spawn(move || listener.incoming().flatten().try_for_each(|stream| send.send(stream)));
    (address, receive)
}

#[test]
fn a_signal_ends_a_command_whose_store_does_not_respond() {
    let (address, connections) = silent_endpoint();
    let scene = Scene::embedded();
    scene.history(1, 2, 2);
    scene.run(&["init"]).expect(0, &[]);
    let lake = "s3://bucket/lake";
    let commands: [&[&str]; 6] = [
        &["reconcile", "--lake", lake],
        &["plan", "reconcile", "--lake", lake, "--shards", "2", "--out", "run"],
        &["backfill", "history.json", "--lake", lake],
        &["doctor", "--lake", lake],
        &["compact", "--lake", lake],
        &["replay", "--lake", lake],
    ];
    for command in commands {
        let mut child = scene.command(command);
        child.env("AWS_ENDPOINT_URL", &address).env("AWS_ACCESS_KEY_ID", "a").env("AWS_SECRET_ACCESS_KEY", "b");
        child.env("AWS_REGION", "us-east-1");
        let child = child.stdout(std::process::Stdio::piped()).stderr(std::process::Stdio::piped()).spawn().unwrap();
        let connection = connections.recv_timeout(Duration::from_secs(30)).unwrap();
        let began = Instant::now();
        assert!(
            std::process::Command::new("kill").args(["-TERM", &child.id().to_string()]).status().unwrap().success()
        );
        let ran = Ran::of(&child.wait_with_output().unwrap());
        assert_eq!(ran.code, Some(3), "{command:?} {ran:?}");
        assert!(began.elapsed() < Duration::from_secs(15), "{command:?} took {:?}", began.elapsed());
        drop(connection);
    }
}
