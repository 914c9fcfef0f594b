//! The SNS stub as these tests want it: every message is kept.

use testkit::sns::{Config, Fault, Keep, Settings, SnsStub};

/// The credentials have expired; said once, they are renewed and the call is made again.
pub const EXPIRED: Fault = Fault::Call(403, "ExpiredToken");

pub fn stub() -> SnsStub {
    stub_with(|_| ())
}

pub fn stub_with(dials: impl FnOnce(&mut Settings)) -> SnsStub {
    let mut settings = Settings { keep: Keep::Bodies, ..Settings::default() };
    dials(&mut settings);
    SnsStub::start(Config { topics: Config::known_topics(), settings, threads: 1, ..Config::default() })
}
