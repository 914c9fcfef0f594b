//! How AWS is reached: proxies and trusted certificate authorities, from the environment and the profile.

use std::path::Path;

use super::authorities::Authorities;
use super::proxy::Proxies;

/// Proxies and trusted certificate authorities; direct connections and the system's authorities by default.
#[derive(Debug, Clone, Default)]
pub struct Network {
    /// Proxies of requests.
    pub proxies: Proxies,
    /// Trusted certificate authorities.
    pub authorities: Authorities,
}

/// A setting of the network that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Error(String);

impl Network {
    /// Reads the settings: `HTTPS_PROXY`, `HTTP_PROXY` and `NO_PROXY`, `AWS_CA_BUNDLE`, and `ca_bundle` of the profile.
    ///
    /// # Errors
    /// Returns an error if a proxy's address is invalid, or if the certificates cannot be read.
    pub async fn from_environment() -> Result<Self, Error> {
        let variable = |name: &str| std::env::var(name).ok();
        let proxies = Proxies::from_variables(variable).map_err(Error)?;
        let bundle = match variable("AWS_CA_BUNDLE").filter(|path| !path.is_empty()) {
            Some(path) => Some(("AWS_CA_BUNDLE", path)),
            None => of_profile("ca_bundle").await.map(|path| ("ca_bundle of the AWS profile:", path)),
        };
        let authorities = bundle.map(|(source, path)| Authorities::read(source, Path::new(&path))).transpose();
        Ok(Self { proxies, authorities: authorities.map_err(Error)?.unwrap_or_default() })
    }
}

/// Returns a setting of the selected profile. `None` if the files cannot be read, which the SDK reports.
async fn of_profile(name: &str) -> Option<String> {
    let profiles = aws_config::profile::load(&Default::default(), &Default::default(), &Default::default(), None).await;
    Some(profiles.ok()?.get(name)?.to_owned()).filter(|value| !value.is_empty())
}
