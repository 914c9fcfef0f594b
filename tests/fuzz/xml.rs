//! XML of AWS: listings of S3, errors, answers of SNS.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_sdk_s3::config::{Credentials, SharedCredentialsProvider};
use aws_smithy_runtime_api::client::http::{
    HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpConnector,
};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_types::body::SdkBody;
use pipeline::aws::xml::element;
use pipeline::lake::s3::S3;
use pipeline::lake::{Depth, Lake as _, ListPage};
use pipeline::retry::RetryPolicy;
use ruminate::topic::sns::read_answers;

use crate::engine::{Target, Verdict, check_reason, ensure, same};
use crate::runs::runtime;

const LISTING: &str = r#"<?xml version="1.0" encoding="UTF-8"?>
<ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><Name>bucket</Name><Prefix>p/</Prefix><KeyCount>3</KeyCount><MaxKeys>1000</MaxKeys><EncodingType>url</EncodingType><IsTruncated>true</IsTruncated><NextContinuationToken>1ueGcxLPRx1Tr/XYExHnhbYLgveDs2J/wm36Hy4vbOwM=</NextContinuationToken><Contents><Key>p/fazenda_um/2023/01/01/historico_consumo_2023-01-01+00%3A00%3A00.000.json</Key><LastModified>2023-01-01T00:00:00.000Z</LastModified><ETag>&quot;70ee1738b6b21e2c8a43f3a5ab0eee71&quot;</ETag><Size>434</Size><StorageClass>STANDARD</StorageClass></Contents><Contents><Key>p/fazenda_um/2023/01/01/s%C3%A3o%2B.json</Key><LastModified>2023-01-01T00:00:00Z</LastModified><ETag>"a-2"</ETag><Size>1</Size><StorageClass>GLACIER</StorageClass><RestoreStatus><IsRestoreInProgress>false</IsRestoreInProgress><RestoreExpiryDate>2026-01-01T00:00:00Z</RestoreExpiryDate></RestoreStatus></Contents><CommonPrefixes><Prefix>p/fazenda_dois/</Prefix></CommonPrefixes></ListBucketResult>"#;
const LAST: &str = r#"<ListBucketResult><Name>bucket</Name><IsTruncated>false</IsTruncated><Contents><Key>p/a</Key><Size>0</Size></Contents></ListBucketResult>"#;
const ERROR: &str = r#"<?xml version="1.0"?><Error><Code>NoSuchBucket</Code><Message>The specified bucket does not exist &lt;x&gt;</Message><RequestId>4442587FB7D0A2F9</RequestId></Error>"#;
const ANSWERS: &str = r#"<PublishBatchResponse xmlns="http://sns.amazonaws.com/doc/2010-03-31/"><PublishBatchResult><Failed><member><Id>1</Id><Code>InvalidParameter</Code><Message>Invalid parameter: &quot;x&quot;</Message><SenderFault>true</SenderFault></member><member><Id>2</Id><Code>InternalError</Code><SenderFault>false</SenderFault></member></Failed><Successful><member><Id>0</Id><MessageId>m</MessageId></member></Successful></PublishBatchResult><ResponseMetadata><RequestId>r</RequestId></ResponseMetadata></PublishBatchResponse>"#;

const WORDS: &[&str] = &[
    "<Contents>",
    "</Contents>",
    "<Key>p/x</Key>",
    "<IsTruncated>false</IsTruncated>",
    "<NextContinuationToken>",
    "<!DOCTYPE x [<!ENTITY a \"aaaa\">]>",
    "&a;",
    "<![CDATA[",
    "]]>",
    "<member><Id>0</Id></member>",
    "<Code>Throttled</Code>",
    "-->",
];

#[test]
fn the_answers_of_a_batch_are_one_per_entry() {
    let corpus = [ANSWERS, ERROR].map(|xml| xml.as_bytes().to_vec()).to_vec();
    let name = "xml::the_answers_of_a_batch_are_one_per_entry";
    Target { words: WORDS, ..Target::new(name, 8_000, corpus) }.run(answers);
}

fn answers(bytes: &[u8]) -> Verdict {
    let xml = String::from_utf8_lossy(bytes);
    for name in ["Code", "Message", "x"] {
        same("the text of an element", &element(&xml, name), &element(&xml, name))?;
    }
    let found = read_answers(3, &xml);
    same("read again", &read_answers(3, &xml), &found)?;
    let Some(found) = found else { return Ok(false) };
    ensure(found.len() == 3, || format!("{} answers for 3 entries", found.len()))?;
    let (published, members) = (found.iter().filter(|answer| answer.is_ok()).count(), xml.matches("<member").count());
    ensure(published <= members, || format!("{published} entries count as published, of {members} in the answer"))?;
    for failed in found.iter().filter_map(|answer| answer.as_ref().err()) {
        check_reason(&failed.code)?;
    }
    Ok(true)
}

/// HTTP client that returns the input to each request.
#[derive(Debug, Clone, Default)]
struct Answering(Arc<Mutex<(u16, Vec<u8>)>>);

impl HttpConnector for Answering {
    fn call(&self, _: HttpRequest) -> HttpConnectorFuture {
        let (status, body) = self.0.lock().unwrap().clone();
        let status = status.try_into().unwrap();
        HttpConnectorFuture::ready(Ok(HttpResponse::new(status, SdkBody::from(body))))
    }
}

impl HttpClient for Answering {
    fn http_connector(&self, _: &HttpConnectorSettings, _: &RuntimeComponents) -> SharedHttpConnector {
        SharedHttpConnector::new(self.clone())
    }
}

/// Returns a lake whose store answers with the input.
fn lake(answering: &Answering) -> S3 {
    let credentials = Credentials::new("a", "b", None, None, "test");
    let config = SdkConfig::builder()
        .behavior_version(BehaviorVersion::latest())
        .endpoint_url("http://localhost:1")
        .region(Region::new("us-east-1"))
        .credentials_provider(SharedCredentialsProvider::new(credentials))
        .http_client(answering.clone())
        .build();
    let once = RetryPolicy { max_attempts: 1, initial_backoff: Duration::ZERO, max_backoff: Duration::ZERO };
    S3::new(&config, "bucket", "p", once)
}

#[test]
fn a_listing_is_a_page_or_an_error() {
    let (answering, runtime) = (Answering::default(), runtime());
    let lake = lake(&answering);
    let list = |bytes: &[u8], depth: Depth| {
        let status = if bytes.windows(6).any(|part| part == b"<Error") { 404 } else { 200 };
        *answering.0.lock().unwrap() = (status, bytes.to_vec());
        runtime.block_on(lake.list("", depth, None)).map_err(|e| e.to_string())
    };
    let whole = list(LISTING.as_bytes(), Depth::Recursive).unwrap();
    assert_eq!((whole.objects.len(), whole.folders.len(), whole.next.is_some()), (2, 1, true));
    let corpus = [LISTING, LAST, ERROR].map(|xml| xml.as_bytes().to_vec()).to_vec();
    let name = "xml::a_listing_is_a_page_or_an_error";
    let shown = |page: &Result<ListPage, String>| format!("{page:?}");
    Target { words: WORDS, ..Target::new(name, 700, corpus) }.run(|bytes| {
        let page = list(bytes, Depth::Recursive);
        same("listed again", &shown(&list(bytes, Depth::Recursive)), &shown(&page))?;
        // A page that was cut is an error, or the whole page: never a shorter one.
        if bytes.len() < LISTING.len() && LISTING.as_bytes().starts_with(bytes) {
            ensure(page.is_err(), || format!("a listing that was cut is accepted: {}", shown(&page)))?;
        }
        match page {
            Ok(page) => {
                let mut seen = std::collections::HashSet::new();
                for object in &page.objects {
                    ensure(!object.key.is_empty() && seen.insert(&object.key), || format!("the key {:?}", object.key))?;
                }
                Ok(true)
            }
            Err(why) => check_reason(&why).map(|()| false),
        }
    });
}
