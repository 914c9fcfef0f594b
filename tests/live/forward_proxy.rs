//! A real forward proxy between the toolkit and its store: tinyproxy, which closes each connection after one response.

use std::net::{TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use testkit::s3::S3Server;
use testkit::{BUCKET, Ran, Scene, server};

/// A proxy that ends with the test.
struct Tinyproxy {
    child: Child,
    home: tempfile::TempDir,
    port: u16,
}

impl Tinyproxy {
    fn start() -> Self {
        let home = tempfile::tempdir().unwrap();
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let log = home.path().join("log");
        let settings = format!(
            "Port {port}\nListen 127.0.0.1\nTimeout 60\nMaxClients 50\nAllow 127.0.0.1\nLogLevel Connect\nLogFile \"{}\"\n",
            log.display()
        );
        std::fs::write(home.path().join("conf"), settings).unwrap();
        let mut command = Command::new(server("RUMINATE_TEST_TINYPROXY"));
        command.arg("-d").arg("-c").arg(home.path().join("conf")).stdout(Stdio::null()).stderr(Stdio::null());
        let proxy = Self { child: command.spawn().unwrap(), home, port };
        while TcpStream::connect(("127.0.0.1", port)).is_err() {
            std::thread::sleep(Duration::from_millis(20));
        }
        proxy
    }

    fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// Returns the number of requests with that method in its log so far.
    fn requests(&self, method: &str) -> usize {
        let log: PathBuf = self.home.path().join("log");
        let text = std::fs::read_to_string(log).unwrap_or_default();
        text.lines().filter(|line| line.contains("Request") && line.contains(&format!("{method} "))).count()
    }
}

impl Drop for Tinyproxy {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn run(scene: &Scene, proxy: &Tinyproxy, more: &[(&str, &str)], args: &[&str]) -> Ran {
    let mut command = scene.command(args);
    command.env("HTTP_PROXY", proxy.url()).envs(more.iter().copied());
    Ran::by(command.args(["--output", "json"]))
}

#[test]
#[ignore = "needs RUMINATE_TEST_TINYPROXY"]
fn live_tinyproxy_passes_every_request_of_a_loop() {
    let s3 = S3Server::with_bucket(BUCKET);
    let mut proxy = Tinyproxy::start();
    let scene = Scene::embedded().with_s3(&s3);
    let count = scene.history(1, 30, 2);
    scene.run(&["init"]).expect(0, &[]);
    run(&scene, &proxy, &[], &["backfill", "history.json"]).expect(0, &[("written", count)]);
    assert!(proxy.requests("PUT") as u64 >= count, "{}", proxy.requests("PUT"));
    run(&scene, &proxy, &[], &["replay"]).expect(0, &[("identical", count)]);
    run(&scene, &proxy, &[], &["reconcile"]).expect(0, &[("matched", count)]);
    run(&scene, &proxy, &[], &["doctor"]).expect(0, &[]);
    let seen = proxy.requests("GET");
    assert!(seen as u64 >= 2 * count, "{seen}");
    run(&scene, &proxy, &[("NO_PROXY", "127.0.0.1")], &["reconcile"]).expect(0, &[("matched", count)]);
    assert_eq!(proxy.requests("GET"), seen);
    proxy.child.kill().unwrap();
    proxy.child.wait().unwrap();
    let gone = run(&scene, &proxy, &[], &["reconcile", "--max-attempts", "1"]);
    assert!(gone.code == Some(2) && gone.stderr.contains(&proxy.port.to_string()), "{gone:#?}");
}
