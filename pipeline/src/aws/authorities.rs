//! Certificate authorities that connections to AWS trust: the system's, or those of `AWS_CA_BUNDLE` or of the profile's
//! `ca_bundle`.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use aws_smithy_http_client::tls::TrustStore;
use rustls::RootCertStore;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;

const BEGIN: &str = "-----BEGIN CERTIFICATE-----";
const END: &str = "-----END CERTIFICATE-----";

/// Trusted certificate authorities; the system's by default.
#[derive(Debug, Clone, Default)]
pub struct Authorities(Option<Arc<Bundle>>);

/// Certificates of a file, which replace the system's.
struct Bundle {
    path: PathBuf,
    /// Certificates as PEM, one each.
    pem: Vec<String>,
}

impl fmt::Debug for Bundle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Bundle").field("path", &self.path).field("certificates", &self.pem.len()).finish()
    }
}

impl Authorities {
    /// Reads a PEM file; `source` names the setting that contains its path.
    ///
    /// # Errors
    /// Returns an error if the file cannot be read, has no certificate, or has one that cannot be decoded.
    pub fn read(source: &str, path: &Path) -> Result<Self, String> {
        let about = format!("{source} {}", path.display());
        let bytes =
            std::fs::read(path).map_err(|e| format!("{about} cannot be read: {e}: give a file of PEM certificates"))?;
        let (pem, _) = parse(&String::from_utf8_lossy(&bytes)).map_err(|e| format!("{about} {e}"))?;
        Ok(Self(Some(Arc::new(Bundle { path: path.to_owned(), pem }))))
    }

    /// Returns the trust store for the SDK's HTTP client.
    pub(super) fn trust_store(&self) -> TrustStore {
        let Some(bundle) = &self.0 else { return TrustStore::default() };
        bundle.pem.iter().fold(TrustStore::empty(), |store, pem| store.with_pem_certificate(pem.as_bytes()))
    }

    /// Returns the root certificates of the file; `None` for the system's.
    #[cfg(feature = "direct")]
    pub(super) fn roots(&self) -> Option<RootCertStore> {
        let pem = self.0.as_ref()?.pem.concat();
        // It was parsed before; an error would mean to trust none.
        Some(parse(&pem).map_or_else(|_| RootCertStore::empty(), |(_, roots)| roots))
    }
}

/// Returns the usable certificates of a PEM file. Certificates that rustls does not accept as an authority, which old
/// bundles often have, are skipped.
fn parse(text: &str) -> Result<(Vec<String>, RootCertStore), String> {
    let (mut pem, mut roots, mut count) = (Vec::new(), RootCertStore::empty(), 0);
    let mut rest = text;
    while let Some(at) = rest.find(BEGIN) {
        count += 1;
        let block = &rest[at..];
        let end =
            block.find(END).ok_or_else(|| format!("ends within certificate {count}: the file is not complete"))?;
        let (block, after) = block.split_at(end + END.len());
        rest = after;
        let certificate = CertificateDer::from_pem_slice(block.as_bytes())
            .map_err(|e| format!("has a certificate that cannot be decoded, number {count}: {e}"))?;
        match roots.add(certificate) {
            Ok(()) => pem.push(format!("{block}\n")),
            Err(e) => tracing::debug!("certificate {count} of the bundle is not a usable authority: {e}"),
        }
    }
    if pem.is_empty() {
        return Err("has no usable certificate: give a file of PEM certificates (-----BEGIN CERTIFICATE-----)".into());
    }
    Ok((pem, roots))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A self-signed certificate, which is also an authority.
    const AUTHORITY: &str = include_str!("../../../tests/sns/certificate.pem");

    fn read(text: &str) -> Result<usize, String> {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), text).unwrap();
        let read = Authorities::read("AWS_CA_BUNDLE", file.path());
        read.map(|authorities| authorities.0.unwrap().pem.len())
    }

    #[test]
    fn text_between_certificates_is_ignored() {
        assert_eq!(read(&format!("# one\n{AUTHORITY}\nIssuer: two\r\n{AUTHORITY}")), Ok(2));
    }

    #[test]
    fn a_bundle_that_is_missing_or_broken_is_named() {
        let e = Authorities::read("ca_bundle", Path::new("/nowhere/ca.pem")).unwrap_err();
        assert!(e.starts_with("ca_bundle /nowhere/ca.pem cannot be read: No such file"), "{e}");
        let e = Authorities::read("AWS_CA_BUNDLE", Path::new("/")).unwrap_err();
        assert!(e.contains("cannot be read"), "{e}");
        let cut = &AUTHORITY[..AUTHORITY.len() / 2];
        let garbled = AUTHORITY.replacen("\nMII", "\n!!!", 1);
        for (text, words) in [
            ("", "no usable certificate"),
            ("-----BEGIN PRIVATE KEY-----\nAA==\n-----END PRIVATE KEY-----\n", "no usable certificate"),
            (cut, "ends within certificate 1"),
            (garbled.as_str(), "cannot be decoded, number 1"),
            (&format!("{BEGIN}\nAAAA\n{END}\n"), "no usable certificate"),
        ] {
            let e = read(text).unwrap_err();
            assert!(e.starts_with("AWS_CA_BUNDLE ") && e.contains(words), "{text}: {e}");
        }
    }
}
