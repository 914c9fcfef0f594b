//! The SNS stub with the settings of these tests: every message is stored.

use testkit::sns::{Config, Fault, Keep, Settings, SnsStub};

/// Fault: the credentials have expired, once; they are renewed and the request is retried.
pub const EXPIRED: Fault = Fault::Call(403, "ExpiredToken");

pub fn stub() -> SnsStub {
    stub_with(|_| ())
}

pub fn stub_with(faults: impl FnOnce(&mut Settings)) -> SnsStub {
    let mut settings = Settings { keep: Keep::Bodies, ..Settings::default() };
    faults(&mut settings);
    SnsStub::start(Config { topics: Config::known_topics(), settings, threads: 1, ..Config::default() })
}
