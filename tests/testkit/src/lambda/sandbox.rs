//! A sandbox: the real binary with its own environment and Runtime API.

use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use serde_json::Value;

use super::runtime_api::RuntimeApi;

/// A running sandbox; killed when dropped.
pub struct Sandbox {
    pub api: RuntimeApi,
    pub child: Child,
    output: Arc<Mutex<String>>,
}

impl Sandbox {
    /// Starts a binary with only this environment and the variables of Lambda.
    pub async fn start(binary: &Path, env: &[(String, String)]) -> Self {
        let api = RuntimeApi::start().await;
        let mut child = command(binary, env).env("AWS_LAMBDA_RUNTIME_API", &api.address).spawn().unwrap();
        let output = Arc::new(Mutex::new(String::new()));
        let pipes: [Box<dyn Read + Send>; 2] =
            [Box::new(child.stdout.take().unwrap()), Box::new(child.stderr.take().unwrap())];
        for pipe in pipes {
            let message = Arc::clone(&output);
            std::thread::spawn(move || {
                for line in BufReader::new(pipe).lines().map_while(Result::ok) {
                    message.lock().unwrap().push_str(&format!("{line}\n"));
                }
            });
        }
        Self { api, child, output }
    }

    /// Returns its output so far. Waits for the metrics of its responses, which it writes last.
    pub fn logged(&self) -> String {
        let answered = self.api.answered();
        let complete = |output: &str| output.matches("\"_aws\":").count() >= answered;
        let started = Instant::now();
        while !complete(&self.output.lock().unwrap()) {
            assert!(
                started.elapsed() < Duration::from_secs(10),
                "{answered} answers, but: {}",
                self.output.lock().unwrap()
            );
            std::thread::sleep(Duration::from_millis(5));
        }
        self.output.lock().unwrap().clone()
    }

    /// Returns its log lines and metrics, each a JSON object.
    pub fn lines(&self) -> Vec<Value> {
        self.logged()
            .lines()
            .map(|line| serde_json::from_str(line).unwrap_or_else(|_| panic!("no JSON: {line}")))
            .collect()
    }

    /// Returns a count of the metrics, summed over all events so far.
    pub fn metric(&self, name: &str) -> u64 {
        self.lines().iter().filter(|line| line["_aws"].is_object()).map(|line| line[name].as_u64().unwrap()).sum()
    }

    /// Freezes the process, as Lambda does between two events, or lets it continue.
    pub fn signal(&self, name: &str) {
        let pid = self.child.id().to_string();
        assert!(Command::new("kill").args([name, &pid]).status().unwrap().success());
    }
}

impl Drop for Sandbox {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Returns the command of a binary with only this environment and the variables of Lambda, without the address of its
/// Runtime API.
pub fn command(binary: &Path, env: &[(String, String)]) -> Command {
    let mut command = Command::new(binary);
    command.env_clear().stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let lambda = [
        ("AWS_LAMBDA_FUNCTION_NAME", "ruminate"),
        ("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "128"),
        ("AWS_LAMBDA_FUNCTION_VERSION", "$LATEST"),
        ("AWS_EXECUTION_ENV", "AWS_Lambda_provided.al2023"),
    ];
    command.envs(lambda).envs(env.iter().map(|(name, value)| (name, value)));
    command
}

/// Returns the legacy function's variables for a warehouse's address.
pub fn rds(url: &str) -> Vec<(String, String)> {
    let url = url::Url::parse(url).unwrap();
    let of = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    vec![
        of("RDS_HOST", url.host_str().unwrap()),
        of("RDS_PORT", &url.port().unwrap().to_string()),
        of("RDS_USER", url.username()),
        of("RDS_PASSWORD", url.password().unwrap_or_default()),
        of("RDS_DATABASE", url.path().trim_matches('/')),
    ]
}
