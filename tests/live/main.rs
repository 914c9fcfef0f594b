//! Tests against real servers, whose addresses are in environment variables; `scripts/test` starts them, and runs these tests with
//! `--include-ignored`. Plain `cargo test` ignores them.
#![allow(clippy::unwrap_used, clippy::print_stderr, missing_docs, reason = "tests")]

/// Declares a test on MySQL and one on MariaDB, of a function with a [`testkit::Server`].
macro_rules! on_both {
    ($($name:ident: $mysql:ident, $mariadb:ident;)*) => {
        $(
            #[tokio::test]
            #[ignore = "needs RUMINATE_TEST_MYSQL"]
            async fn $mysql() {
                $name(testkit::MYSQL).await;
            }

            #[tokio::test]
            #[ignore = "needs RUMINATE_TEST_MARIADB"]
            async fn $mariadb() {
                $name(testkit::MARIADB).await;
            }
        )*
    };
}

mod accounts;
mod bulk_load;
mod end_to_end;
mod fleet;
mod forward_proxy;
mod kill_and_resume;
mod legacy_lake;
mod locks;
mod moto;
mod networks;
mod planted_drift;
mod planted_drift_under_load;
mod publish_watch;
mod rds_auth;
mod reconcile;
mod repair;
mod repair_interrupted;
mod replay;
mod replay_guards;
mod replay_real_data;
mod sns;
mod sns_endpoint;
mod store_state;
mod truth;
mod warehouse;
