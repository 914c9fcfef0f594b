//! Who logs in to a server: user and password that may change while the program runs.

use std::fmt;

use async_trait::async_trait;

use super::Error;

/// A user with its password, which is never shown, and the server where they name one.
#[derive(Clone, PartialEq, Eq)]
pub struct Credentials {
    /// The user.
    pub user: String,
    /// The password, or a token in its place.
    pub password: String,
    /// The server, in place of the address's.
    pub host: Option<String>,
    /// Its port, in place of the address's.
    pub port: Option<u16>,
    /// The database, in place of the address's.
    pub database: Option<String>,
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Credentials").field("user", &self.user).field("password", &"***").finish_non_exhaustive()
    }
}

/// What a new session logs in with, where that is not the address's own user and password.
#[async_trait]
pub trait CredentialProvider: Send + Sync + fmt::Debug {
    /// User and password for a session that is opened now.
    ///
    /// `refused` says that the server has just refused what this returned: what is remembered of it is old.
    ///
    /// # Errors
    /// They cannot be had.
    async fn credentials(&self, refused: bool) -> Result<Credentials, Error>;
}
