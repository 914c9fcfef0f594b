//! Deliveries to HTTP subscribers.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use testkit::sns::{SnsStub, TOPIC};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

use crate::client::{entry, sns};

/// An HTTP endpoint that stores what it receives; the first `refuses` responses are a 500.
async fn endpoint(refuses: usize) -> (String, Arc<Mutex<Vec<String>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/in", listener.local_addr().unwrap());
    let got: Arc<Mutex<Vec<String>>> = Arc::default();
    let seen = Arc::clone(&got);
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let seen = Arc::clone(&seen);
            tokio::spawn(async move {
                let (mut all, mut buffer) = (String::new(), [0; 8_192]);
                loop {
                    while !is_complete(&all) {
                        match stream.read(&mut buffer).await {
                            Ok(length) if length > 0 => all += std::str::from_utf8(&buffer[..length]).unwrap(),
                            _ => return,
                        }
                    }
                    let number = {
                        let mut seen = seen.lock().unwrap();
                        seen.push(std::mem::take(&mut all));
                        seen.len()
                    };
                    let status = if number <= refuses { "500 Odd" } else { "200 OK" };
                    let answer = format!("HTTP/1.1 {status}\r\ncontent-length: 0\r\n\r\n");
                    stream.write_all(answer.as_bytes()).await.unwrap();
                }
            });
        }
    });
    (url, got)
}

fn is_complete(request: &str) -> bool {
    let Some((head, body)) = request.split_once("\r\n\r\n") else { return false };
    let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
    body.len() >= length.map_or(0, |length| length.parse().unwrap())
}

async fn until(mut done: impl FnMut() -> bool) {
    for _ in 0..200 {
        if done() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("it did not come");
}

#[tokio::test]
async fn a_subscriber_confirms_and_gets_each_message_with_its_attributes() {
    let stub = SnsStub::with_topic(TOPIC);
    let (sns, (url, got)) = (sns(&stub), endpoint(0).await);
    let answer = sns.subscribe().topic_arn(TOPIC).protocol("http").endpoint(&url).send().await.unwrap();
    assert_eq!(answer.subscription_arn(), Some("pending confirmation"));
    until(|| got.lock().unwrap().len() == 1).await;
    let requested = got.lock().unwrap()[0].clone();
    assert!(requested.contains("x-amz-sns-message-type: SubscriptionConfirmation"), "{requested}");
    let body: serde_json::Value = serde_json::from_str(requested.split_once("\r\n\r\n").unwrap().1).unwrap();
    let confirmed = sns.confirm_subscription().topic_arn(TOPIC).token(body["Token"].as_str().unwrap()).send().await;
    let arn = confirmed.unwrap().subscription_arn.unwrap();
    sns.publish_batch()
        .topic_arn(TOPIC)
        .publish_batch_request_entries(entry("a", "one & \"two\""))
        .send()
        .await
        .unwrap();
    until(|| got.lock().unwrap().len() == 2).await;
    let delivered = got.lock().unwrap()[1].clone();
    assert!(delivered.contains("x-amz-sns-message-type: Notification"));
    let body: serde_json::Value = serde_json::from_str(delivered.split_once("\r\n\r\n").unwrap().1).unwrap();
    assert_eq!((&body["Type"], &body["TopicArn"]), (&"Notification".into(), &TOPIC.into()));
    assert_eq!(body["Message"], "one & \"two\"");
    assert_eq!(body["MessageAttributes"]["cod_cliente"]["Value"], "Fazenda São João");
    until(|| stub.stats().delivered == 1).await;
    let listed = sns.list_subscriptions_by_topic().topic_arn(TOPIC).send().await.unwrap();
    assert_eq!(listed.subscriptions()[0].subscription_arn(), Some(arn.as_str()));
    sns.unsubscribe().subscription_arn(arn).send().await.unwrap();
    sns.publish().topic_arn(TOPIC).message("m").send().await.unwrap();
    tokio::time::sleep(Duration::from_millis(100)).await;
    assert_eq!(got.lock().unwrap().len(), 2);
}

#[tokio::test]
async fn deliveries_can_come_twice_raw_filtered_and_are_tried_again() {
    let stub = SnsStub::with_topic(TOPIC);
    let (sns, (url, got), (other, none)) = (sns(&stub), endpoint(1).await, endpoint(0).await);
    stub.subscribe(TOPIC, &url, &[("RawMessageDelivery", "true")]).unwrap();
    stub.subscribe(TOPIC, &other, &[("FilterPolicy", r#"{"cod_cliente":["FazendaDois"]}"#)]).unwrap();
    stub.faults().change(|d| d.deliver_twice = 1.0);
    sns.publish_batch().topic_arn(TOPIC).publish_batch_request_entries(entry("a", "raw")).send().await.unwrap();
    until(|| stub.stats().delivered == 2).await;
    assert_eq!((stub.stats().delivered_twice, stub.stats().undelivered), (1, 0));
    let got = got.lock().unwrap();
    assert!(got.len() == 3 && got.iter().all(|one| one.ends_with("\r\n\r\nraw")), "{got:?}");
    assert!(none.lock().unwrap().is_empty());
    assert!(stub.subscribe(TOPIC, "ftp://x", &[]).is_err());
}
