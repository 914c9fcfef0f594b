//! Redeliveries on a store that does not honour conditional writes: the handler on the S3 lake.
#![allow(clippy::unwrap_used, missing_docs, reason = "tests")]

use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_sdk_sqs::config::{Credentials, SharedCredentialsProvider};
use lambda_runtime::{Context, LambdaEvent};
use pipeline::warehouse::Warehouse;
use pipeline::warehouse::memory::Memory as Rows;
use ruminate_lambda::{Clients, HandlerResponse, RetryableFailure, Settings, handle};
use testkit::lambda::events::{reading, sns};
use testkit::s3::{ACCESS_KEY, Policy, REGION, S3Server, SECRET_KEY};

const BUCKET: &str = "lake";

/// Stores without conditional writes: one ignores conditions, as Garage does, and one responds with 501.
fn unconditional() -> [S3Server; 2] {
    let [ignores, rejects] = [(); 2].map(|()| S3Server::with_bucket(BUCKET));
    ignores.faults().change(|faults| faults.ignore_if_none_match = true);
    rejects.faults().change(|faults| faults.reject_conditions = true);
    [ignores, rejects]
}

/// Creates the clients of a new sandbox; knowledge about the store is not shared between sandboxes.
fn clients(s3: &S3Server, rows: &Rows, required: bool) -> Clients {
    let required = if required { "true" } else { "false" };
    clients_with(s3, rows, &[("RUMINATE_REQUIRE_CONDITIONAL_WRITES", required)])
}

/// Creates the clients of a sandbox with further variables.
fn clients_with(s3: &S3Server, rows: &Rows, more: &[(&str, &str)]) -> Clients {
    let keys = Credentials::new(ACCESS_KEY, SECRET_KEY, None, None, "test");
    let aws = SdkConfig::builder()
        .behavior_version(BehaviorVersion::latest())
        .endpoint_url(s3.endpoint())
        .region(Region::new(REGION))
        .credentials_provider(SharedCredentialsProvider::new(keys))
        .http_client(aws_smithy_http_client::Builder::new().build_http())
        .build();
    let variables = [more, &[("RUMINATE_LAKE", "s3://lake/historico_diario"), ("RDS_HOST", "db")]].concat();
    let variable = |name: &str| Some((*variables.iter().find(|(known, _)| *known == name)?.1).to_owned());
    let settings = Settings::from_variables(variable).unwrap();
    Clients::new(settings.lake(&aws), Arc::new(rows.clone()), &settings).with_metrics(|_| ())
}

async fn deliver(clients: &Clients, event: &str) -> Result<HandlerResponse, RetryableFailure> {
    let mut context = Context::default();
    let deadline = (SystemTime::now() + Duration::from_secs(30)).duration_since(UNIX_EPOCH).unwrap();
    context.deadline = u64::try_from(deadline.as_millis()).unwrap();
    handle(LambdaEvent::new(serde_json::from_str(event).unwrap(), context), clients).await
}

async fn rows() -> Rows {
    let rows = Rows::default();
    rows.init().await.unwrap();
    rows
}

#[tokio::test]
async fn a_redelivered_message_changes_nothing_on_a_store_without_conditional_writes() {
    for s3 in unconditional() {
        let rows = rows().await;
        let event = sns("a", &reading(1));
        deliver(&clients(&s3, &rows, false), &event).await.unwrap();
        let key = s3.store().list(BUCKET, "historico_diario/").remove(0);
        let stored = s3.store().object(BUCKET, &key).unwrap();
        let same = clients(&s3, &rows, false);
        for _ in 0..3 {
            let HandlerResponse::Counts(counts) = deliver(&same, &event).await.unwrap() else { panic!("no counts") };
            assert_eq!((counts.duplicates, counts.processed, counts.conflicting), (1, 0, 0));
        }
        let now = s3.store().object(BUCKET, &key).unwrap();
        assert_eq!((now.bytes, now.last_modified), (stored.bytes, stored.last_modified));
        assert_eq!((s3.store().len(BUCKET), rows.status().await.unwrap().rows), (1, Some(1)));
    }
}

#[tokio::test]
async fn a_function_that_requires_conditional_writes_stores_nothing_without_them() {
    for s3 in unconditional() {
        let rows = rows().await;
        let clients = clients(&s3, &rows, true);
        for _ in 0..2 {
            let failed = deliver(&clients, &sns("a", &reading(1))).await.unwrap_err();
            assert!(failed.first.contains("does not honour conditional writes"), "{failed}");
        }
        assert!(s3.store().is_empty(BUCKET));
        assert_eq!(rows.status().await.unwrap().rows, Some(0));
    }
}

#[tokio::test]
async fn objects_have_a_checksum_and_the_encryption_that_a_bucket_requires() {
    const KEY: &str = "arn:aws:kms:us-east-1:123456789012:key/lake";
    let s3 = S3Server::with_bucket(BUCKET);
    let require_sse = Some(("aws:kms".to_owned(), KEY.to_owned()));
    s3.faults().change(|faults| faults.policy = Policy { require_checksum: true, require_sse, ..Policy::default() });
    let rows = rows().await;
    let failed = deliver(&clients_with(&s3, &rows, &[]), &sns("a", &reading(1))).await.unwrap_err();
    assert!(failed.first.contains("AccessDenied"), "{failed}");
    let clients = clients_with(&s3, &rows, &[("RUMINATE_SSE", "aws:kms"), ("RUMINATE_SSE_KMS_KEY_ID", KEY)]);
    for message in [reading(1), "not a reading".to_owned()] {
        deliver(&clients, &sns("a", &message)).await.unwrap();
    }
    let held = |prefix| s3.store().list(BUCKET, prefix).len();
    assert_eq!((held("historico_diario/"), held("quarentena/")), (1, 1));
}
