//! Tests against real servers, named by environment variables; `scripts/test` starts them. A test whose server is not
//! named says so and passes, so that plain `cargo test` works with no server.
#![allow(clippy::unwrap_used, clippy::print_stderr, missing_docs, reason = "tests")]

/// Makes a test on MySQL and one on MariaDB of a function that takes a [`testkit::Server`].
macro_rules! on_both {
    ($($name:ident: $mysql:ident, $mariadb:ident;)*) => {
        $(
            #[tokio::test]
            async fn $mysql() {
                $name(testkit::MYSQL).await;
            }

            #[tokio::test]
            async fn $mariadb() {
                $name(testkit::MARIADB).await;
            }
        )*
    };
}

mod audit;
mod bulk;
mod killed;
mod listen;
mod logins;
mod moto;
mod old_lake;
mod planted;
mod planted_disturbed;
mod proved;
mod recovery;
mod repair_stopped;
mod repairing;
mod replaying;
mod stream;
mod topic;
mod warehouse;
mod warehouse_state;
mod watched;
