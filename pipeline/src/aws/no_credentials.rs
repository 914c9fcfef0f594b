//! Why requests cannot be signed: no source has credentials, or one of them failed.

use std::error::Error;

use aws_credential_types::provider::error::CredentialsError;

use crate::error::{chain, with_causes};

/// Returns why no credentials could be loaded, in one line. If no source has any, the SDK's list of all sources is only
/// logged for debugging.
pub fn why_unusable(e: &(dyn Error + 'static)) -> String {
    let of_provider = chain(e).find_map(|e| e.downcast_ref::<CredentialsError>());
    let causes = of_provider.map_or_else(|| with_causes(e), |e| with_causes(e));
    if let Some(CredentialsError::CredentialsNotLoaded(_)) = of_provider {
        tracing::debug!("no credentials: {causes}");
        return "none were found in the environment, the profile or the role of this machine".to_owned();
    }
    causes.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn missing_credentials_are_one_clear_sentence_and_other_faults_keep_their_cause() {
        let missing =
            CredentialsError::not_loaded("no credentials found in chain. Attempted:\n  Environment\n  Profile");
        let why = why_unusable(&std::io::Error::other(missing));
        assert_eq!(why, "none were found in the environment, the profile or the role of this machine");
        let why = why_unusable(&CredentialsError::provider_error("sts.example:\n  failed to lookup"));
        assert!(why.ends_with("sts.example: failed to lookup"), "{why}");
    }
}
