//! Headless Chromium, controlled over its DevTools pipe: JSON messages, each terminated by a zero byte.

use std::fs::File;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

/// Names of the program; `RUMINATE_TEST_CHROMIUM` sets another one.
const NAMES: [&str; 4] = ["chromium", "chromium-browser", "google-chrome", "google-chrome-stable"];
/// Timeout of one step, for a busy machine.
const TIMEOUT: Duration = Duration::from_secs(120);

/// A browser with one page.
pub struct Browser {
    process: Child,
    to: File,
    from: Receiver<Value>,
    session: Option<String>,
    last: u64,
    /// All events received so far.
    pub events: Vec<Value>,
    _home: tempfile::TempDir,
}

impl Browser {
    /// Starts the browser. Without a browser the test fails, because the page was not tested.
    pub fn start() -> Self {
        let home = tempfile::tempdir().unwrap();
        let [to, from] = ["to", "from"].map(|name| home.path().join(name));
        assert!(Command::new("mkfifo").args([&to, &from]).status().unwrap().success());
        let process = Command::new("sh")
            .args(["-c", r#"to=$1 from=$2; shift 2; exec "$@" 3<"$to" 4>"$from""#, "sh"])
            .args([&to, &from])
            .arg(program())
            .args(["--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run"])
            .args(["--remote-debugging-pipe", "--disable-background-networking", "--disable-component-update"])
            .arg("--disable-ipc-flooding-protection") // hundreds of links are clicked quickly
            .arg(format!("--user-data-dir={}", home.path().join("profile").display()))
            .args(["--window-size=1180,900", "about:blank"])
            .env("HOME", home.path())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let to = File::options().write(true).open(&to).unwrap();
        let mut messages = BufReader::new(File::open(&from).unwrap()).split(0);
        let (sender, from) = channel();
        std::thread::spawn(move || {
            while let Some(Ok(message)) = messages.next() {
                if sender.send(serde_json::from_slice(&message).unwrap()).is_err() {
                    break;
                }
            }
        });
        let mut browser = Self { process, to, from, session: None, last: 0, events: Vec::new(), _home: home };
        let target = browser.call("Target.createTarget", json!({"url": "about:blank"}));
        let target = json!({"targetId": target["targetId"], "flatten": true});
        browser.session = Some(browser.call("Target.attachToTarget", target)["sessionId"].as_str().unwrap().to_owned());
        for domain in ["Page", "Runtime", "Log", "Network"] {
            browser.call(&format!("{domain}.enable"), json!({}));
        }
        browser
    }

    /// Calls a method and waits for its result.
    #[track_caller]
    pub fn call(&mut self, method: &str, params: Value) -> Value {
        self.last += 1;
        let mut message = json!({"id": self.last, "method": method, "params": params});
        if let Some(session) = &self.session {
            message["sessionId"] = session.clone().into();
        }
        self.to.write_all(format!("{message}\0").as_bytes()).unwrap();
        let until = Instant::now() + TIMEOUT;
        loop {
            let answer = self.from.recv_timeout(until.saturating_duration_since(Instant::now()));
            let mut answer = answer.unwrap_or_else(|_| panic!("no answer to {method} in {TIMEOUT:?}"));
            if answer["id"] != self.last {
                self.events.push(answer);
                continue;
            }
            assert!(answer.get("error").is_none(), "{method}: {answer}");
            return answer["result"].take();
        }
    }

    /// Opens a file, with the page's own policy on scripts switched off where `unguarded`.
    pub fn open(&mut self, file: &Path, unguarded: bool) {
        self.call("Page.setBypassCSP", json!({"enabled": unguarded}));
        self.events.clear();
        self.call("Page.navigate", json!({"url": format!("file://{}", file.display())}));
        let loaded = |event: &Value| event["method"] == "Page.loadEventFired";
        let until = Instant::now() + TIMEOUT;
        while !self.events.iter().any(loaded) {
            let event = self.from.recv_timeout(until.saturating_duration_since(Instant::now()));
            self.events.push(event.expect("the page does not come to be loaded"));
        }
    }

    /// Returns the value of a JavaScript expression.
    #[track_caller]
    pub fn eval(&mut self, expression: &str) -> Value {
        let requested = json!({"expression": expression, "returnByValue": true, "awaitPromise": true});
        let mut answer = self.call("Runtime.evaluate", requested);
        assert!(answer.get("exceptionDetails").is_none(), "{expression}: {answer}");
        answer["result"]["value"].take()
    }

    /// Presses and releases a key.
    pub fn press(&mut self, key: &str) {
        let (code, text) = match key {
            "Tab" => (9, ""),
            "Enter" => (13, "\r"),
            other => panic!("which code has {other}?"),
        };
        let mut event =
            json!({"type": "keyDown", "key": key, "code": key, "windowsVirtualKeyCode": code, "text": text});
        self.call("Input.dispatchKeyEvent", event.clone());
        event["type"] = "keyUp".into();
        self.call("Input.dispatchKeyEvent", event);
    }

    /// Returns the events that a correct page does not cause: errors, warnings, dialogs, requests for other resources.
    pub fn complaints(&mut self) -> Vec<String> {
        self.eval("new Promise(done => setTimeout(done, 200))"); // receives pending events
        let requested = |event: &Value| event["params"]["request"]["url"].as_str().unwrap_or_default().to_owned();
        let bad = |event: &&Value| match event["method"].as_str().unwrap_or_default() {
            "Log.entryAdded" | "Runtime.exceptionThrown" | "Runtime.consoleAPICalled" => true,
            "Page.javascriptDialogOpening" | "Page.windowOpen" => true,
            "Network.requestWillBeSent" => {
                !requested(event).starts_with("file://") || !requested(event).contains(".html")
            }
            _ => false,
        };
        self.events.iter().filter(bad).map(Value::to_string).collect()
    }
}

impl Drop for Browser {
    /// Closes the browser so that it can clean up; kills it if it does not react.
    fn drop(&mut self) {
        let requested = self.to.write_all(b"{\"id\":0,\"method\":\"Browser.close\"}\0").is_ok();
        let until = Instant::now() + Duration::from_secs(10);
        while requested && Instant::now() < until && matches!(self.process.try_wait(), Ok(None)) {
            std::thread::sleep(Duration::from_millis(20));
        }
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn program() -> String {
    if let Ok(named) = std::env::var("RUMINATE_TEST_CHROMIUM") {
        return named;
    }
    let there = |name: &&&str| {
        let path = std::env::var_os("PATH").unwrap_or_default();
        std::env::split_paths(&path).any(|dir| dir.join(name).is_file())
    };
    let found = NAMES.iter().find(there);
    (*found.expect("no Chromium here: install it (Debian: chromium), or name one in RUMINATE_TEST_CHROMIUM")).to_owned()
}
