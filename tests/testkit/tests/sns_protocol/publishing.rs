//! Publishing, and topic management.

use testkit::sns::{FIFO_TOPIC, Keep, SnsStub, TOPIC};

use crate::client::{code, entry, login, sns};

#[tokio::test]
async fn a_batch_arrives_as_it_was_sent() {
    let stub = SnsStub::with_topic(TOPIC);
    stub.faults().change(|d| d.keep = Keep::Bodies);
    let text = "{\"a\": \"é & <b> %41+\\n\"}";
    let sent = sns(&stub).publish_batch().topic_arn(TOPIC);
    let sent = sent.publish_batch_request_entries(entry("one", text)).publish_batch_request_entries(entry("t-2_", "b"));
    let answer = sent.send().await.unwrap();
    let ids: Vec<_> =
        answer.successful().iter().map(|one| (one.id().unwrap(), one.message_id().unwrap().len())).collect();
    assert_eq!((ids, answer.failed().len()), (vec![("one", 36), ("t-2_", 36)], 0));
    let kept = stub.messages();
    assert_eq!((kept[0].body.as_str(), kept[0].id.as_str()), (text, "one"));
    assert_eq!(kept[0].attribute("cod_cliente"), Some("Fazenda São João"));
    let stats = stub.stats();
    assert_eq!((stats.accepted, stats.offered, stats.requests, stats.calls["PublishBatch"]), (2, 2, 1, 1));
}

#[tokio::test]
async fn the_limits_are_those_of_sns() {
    let stub = SnsStub::with_topic(TOPIC);
    let sns = sns(&stub);
    let batch = async |entries: Vec<_>| {
        code(sns.publish_batch().topic_arn(TOPIC).set_publish_batch_request_entries(Some(entries)).send().await)
    };
    let many = |n: usize| (0..n).map(|n| entry(&n.to_string(), "m")).collect::<Vec<_>>();
    assert_eq!(batch(many(10)).await, "good");
    assert_eq!(batch(many(11)).await, "TooManyEntriesInBatchRequest");
    assert_eq!(batch(vec![entry("a", "m"), entry("a", "m")]).await, "BatchEntryIdsNotDistinct");
    assert_eq!(batch(vec![entry("a b", "m")]).await, "InvalidBatchEntryId");
    let half = "m".repeat(131_072);
    assert_eq!(batch(vec![entry("a", &half), entry("b", &half)]).await, "BatchRequestTooLong");
    let output = stub.stats().refused;
    assert_eq!(output.values().sum::<u64>(), 4);
    assert_eq!(stub.stats().accepted, 10);
    let gone = TOPIC.replace("historico", "gone");
    assert_eq!(code(sns.publish().topic_arn(&gone).message("m").send().await), "NotFound");
    assert_eq!(code(sns.publish().topic_arn("historico").message("m").send().await), "InvalidParameter");
    let elsewhere = TOPIC.replace("us-east-1", "sa-east-1");
    assert_eq!(code(sns.publish().topic_arn(&elsewhere).message("m").send().await), "InvalidParameter");
}

#[tokio::test]
async fn a_fifo_topic_numbers_its_messages_and_drops_repeats() {
    let stub = SnsStub::with_topic(FIFO_TOPIC);
    let sns = sns(&stub);
    let send = async |dedup: &str| {
        let sent = sns.publish().topic_arn(FIFO_TOPIC).message("m").message_group_id("g");
        let answer = sent.message_deduplication_id(dedup).send().await.unwrap();
        (answer.message_id.unwrap(), answer.sequence_number.unwrap())
    };
    let first = send("a").await;
    assert_eq!(first.1.len(), 20);
    assert_eq!(send("a").await, first);
    assert!(send("b").await.1 > first.1);
    assert_eq!((stub.stats().accepted, stub.stats().deduplicated), (2, 1));
    assert_eq!(code(sns.publish().topic_arn(FIFO_TOPIC).message("m").send().await), "InvalidParameter");
    stub.faults().change(|d| d.dedup_seconds = 0.0);
    assert_ne!(send("a").await, first, "five minutes later");
}

#[tokio::test]
async fn topics_can_be_created_described_listed_and_deleted() {
    let stub = SnsStub::with_topic(TOPIC);
    let sns = sns(&stub);
    let made = sns.create_topic().name("other").send().await.unwrap().topic_arn.unwrap();
    assert_eq!(made, "arn:aws:sns:us-east-1:123456789012:other");
    let listed = sns.list_topics().send().await.unwrap();
    let arns: Vec<_> = listed.topics().iter().filter_map(|topic| topic.topic_arn()).collect();
    assert_eq!(arns, [TOPIC, &made]);
    let seen = sns.get_topic_attributes().topic_arn(&made).send().await.unwrap();
    assert_eq!(seen.attributes().unwrap()["TopicArn"], made);
    let fifo = sns.create_topic().name("o.fifo").attributes("FifoTopic", "true").send().await.unwrap();
    let seen = sns.get_topic_attributes().topic_arn(fifo.topic_arn.unwrap()).send().await.unwrap();
    assert_eq!(seen.attributes().unwrap()["FifoTopic"], "true");
    assert_eq!(code(sns.create_topic().name("a b").send().await), "InvalidParameter");
    assert_eq!(code(sns.create_topic().name("a.fifo").send().await), "InvalidParameter");
    sns.delete_topic().topic_arn(&made).send().await.unwrap();
    assert_eq!(code(sns.get_topic_attributes().topic_arn(&made).send().await), "NotFound");
    stub.faults().change(|d| d.may_not_read_attributes = true);
    assert_eq!(code(sns.get_topic_attributes().topic_arn(TOPIC).send().await), "AuthorizationError");
}

#[tokio::test]
async fn only_requests_signed_with_the_key_are_accepted() {
    let stub = SnsStub::with_topic(TOPIC);
    let send = async |key, secret, token| {
        code(login(&stub, key, secret, token).publish().topic_arn(TOPIC).message("m").send().await)
    };
    let (key, secret) = (testkit::sns::ACCESS_KEY, testkit::sns::SECRET_KEY);
    assert_eq!(send(key, secret, None).await, "good");
    assert_eq!(send(key, secret, Some("a/session+token=")).await, "good");
    assert_eq!(send(key, "other", None).await, "SignatureDoesNotMatch");
    assert_eq!(send("AKIDOTHER", secret, None).await, "InvalidClientTokenId");
}
