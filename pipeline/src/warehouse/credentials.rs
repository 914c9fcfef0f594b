//! Credentials of a server, which may change while the program runs.

use std::fmt;

use async_trait::async_trait;

use super::Error;

/// User and password, which is never displayed, and optionally the server.
#[derive(Clone, PartialEq, Eq)]
pub struct Credentials {
    /// User name.
    pub user: String,
    /// Password, or a token in its place.
    pub password: String,
    /// Host that overrides that of the address.
    pub host: Option<String>,
    /// Port that overrides that of the address.
    pub port: Option<u16>,
    /// Database that overrides that of the address.
    pub database: Option<String>,
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Credentials").field("user", &self.user).field("password", &"***").finish_non_exhaustive()
    }
}

/// Provider of credentials for new sessions, in place of those in the address.
#[async_trait]
pub trait CredentialProvider: Send + Sync + fmt::Debug {
    /// Returns the credentials for a session that is opened now.
    ///
    /// `refused` is true if the server has just rejected the returned credentials: cached ones are outdated.
    ///
    /// # Errors
    /// Returns an error if they cannot be read.
    async fn credentials(&self, refused: bool) -> Result<Credentials, Error>;
}
