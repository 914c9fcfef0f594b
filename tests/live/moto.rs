//! SNS as simulated by moto.

/// Returns a client of moto's SNS.
pub fn sns(moto: &str) -> aws_sdk_sns::Client {
    use aws_sdk_sns::config::{BehaviorVersion, Builder, Credentials, Region};
    use aws_smithy_http_client::tls::{Provider, rustls_provider::CryptoMode};
    let http = aws_smithy_http_client::Builder::new().tls_provider(Provider::Rustls(CryptoMode::Ring)).build_https();
    let config = Builder::new()
        .behavior_version(BehaviorVersion::latest())
        .credentials_provider(Credentials::new("x", "y", None, None, "test"))
        .region(Region::new("us-east-1"))
        .endpoint_url(moto)
        .http_client(http);
    aws_sdk_sns::Client::from_conf(config.build())
}
