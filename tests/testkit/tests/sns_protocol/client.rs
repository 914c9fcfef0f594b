//! An SDK client for the stub, with short helpers.

use aws_sdk_sns::Client;
use aws_sdk_sns::config::retry::RetryConfig;
use aws_sdk_sns::config::{BehaviorVersion, Builder, Credentials, Region};
use aws_sdk_sns::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_sns::types::{MessageAttributeValue, PublishBatchRequestEntry};
use aws_smithy_http_client::tls::{Provider, rustls_provider::CryptoMode};
use testkit::sns::{ACCESS_KEY, SECRET_KEY, SnsStub};

pub fn sns(stub: &SnsStub) -> Client {
    login(stub, ACCESS_KEY, SECRET_KEY, None)
}

pub fn login(stub: &SnsStub, key: &str, secret: &str, token: Option<&str>) -> Client {
    let http = aws_smithy_http_client::Builder::new().tls_provider(Provider::Rustls(CryptoMode::Ring)).build_https();
    let config = Builder::new()
        .behavior_version(BehaviorVersion::latest())
        .credentials_provider(Credentials::new(key, secret, token.map(str::to_owned), None, "test"))
        .region(Region::new("us-east-1"))
        .retry_config(RetryConfig::disabled())
        .endpoint_url(stub.endpoint())
        .http_client(http);
    Client::from_conf(config.build())
}

pub fn entry(id: &str, message: &str) -> PublishBatchRequestEntry {
    let farm = MessageAttributeValue::builder().data_type("String").string_value("Fazenda São João").build().unwrap();
    let entry = PublishBatchRequestEntry::builder().id(id).message(message);
    entry.message_attributes("cod_cliente", farm).build().unwrap()
}

/// Returns the code of a rejection, or the reason why there was no response.
pub fn code<T, E: ProvideErrorMetadata + std::fmt::Debug>(
    answer: Result<T, SdkError<E, aws_sdk_sns::config::http::HttpResponse>>,
) -> String {
    match answer {
        Ok(_) => "good".into(),
        Err(SdkError::ServiceError(e)) => e.err().code().unwrap_or("no code").to_owned(),
        Err(SdkError::DispatchFailure(_)) => "no answer".into(),
        Err(e) => format!("{e:?}"),
    }
}
