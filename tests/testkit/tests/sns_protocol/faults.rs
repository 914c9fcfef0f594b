//! Every fault of the stub as a client sees it.

use std::time::{Duration, Instant};

use testkit::sns::{Fault, Keep, Settings, SnsStub, TOPIC};

use crate::client::{code, entry, login, sns};

async fn batch(stub: &SnsStub, sns: &aws_sdk_sns::Client, from: usize) -> (usize, Vec<(String, bool)>, String) {
    let entries = (from..from + 10).map(|n| entry(&n.to_string(), &format!("message {n}"))).collect();
    let answer = sns.publish_batch().topic_arn(TOPIC).set_publish_batch_request_entries(Some(entries)).send().await;
    let _ = stub;
    match answer {
        Ok(answer) => {
            let failed = answer.failed().iter().map(|one| (one.code().to_owned(), one.sender_fault())).collect();
            (answer.successful().len(), failed, "good".into())
        }
        Err(e) => (0, Vec::new(), code::<(), _>(Err(e))),
    }
}

#[tokio::test]
async fn entries_fail_under_a_200_and_not_all_on_the_next_try() {
    let stub = SnsStub::with_topic(TOPIC);
    stub.faults().change(|d| (d.fail_entries, d.fail_code, d.fail_sender) = (0.3, "Odd".into(), true));
    let sns = sns(&stub);
    let (mut good, mut bad) = (0, 0);
    for n in 0..50 {
        let (successful, failed, _) = batch(&stub, &sns, n * 10).await;
        assert!(failed.iter().all(|one| *one == ("Odd".to_owned(), true)));
        (good, bad) = (good + successful, bad + failed.len());
    }
    assert!((100..200).contains(&bad) && good + bad == 500, "{bad}");
    assert_eq!((stub.stats().accepted, stub.stats().failed_entries), (good as u64, bad as u64));
}

#[tokio::test]
async fn messages_accepted_without_a_response_are_counted() {
    let stub = SnsStub::with_topic(TOPIC);
    stub.faults().change(|d| (d.lost_answer, d.keep) = (1.0, Keep::Digests));
    let sns = sns(&stub);
    assert_eq!(batch(&stub, &sns, 0).await.2, "no answer");
    stub.faults().change(|d| d.lost_answer = 0.0);
    assert_eq!(batch(&stub, &sns, 0).await.0, 10);
    let stats = stub.stats();
    assert_eq!((stats.accepted, stats.repeats, stats.kept, stats.lost_answers), (20, 10, 10, 1));
}

#[tokio::test]
async fn a_reset_or_a_close_does_nothing_and_a_throttle_lets_a_second_of_messages_through() {
    let stub = SnsStub::with_topic(TOPIC);
    let sns = sns(&stub);
    stub.faults().change(|d| d.reset = 1.0);
    assert_eq!(batch(&stub, &sns, 0).await.2, "no answer");
    assert_eq!((stub.stats().accepted, stub.stats().resets), (0, 1));
    stub.faults().change(|d| (d.reset, d.close) = (0.0, 1.0));
    assert_eq!(batch(&stub, &sns, 0).await.2, "no answer");
    assert_eq!((stub.stats().accepted, stub.stats().closes), (0, 1));
    stub.faults().change(|d| (d.close, d.throttle_per_second) = (0.0, Some(20)));
    let mut output = Vec::new();
    for n in 0..3 {
        output.push(batch(&stub, &sns, n).await.2);
    }
    assert_eq!(output, ["good", "good", "Throttling"]);
    assert_eq!((stub.stats().throttled_calls, stub.stats().throttled_messages), (1, 10));
}

#[tokio::test]
async fn a_stall_freezes_everything_until_its_end() {
    let stub = SnsStub::with_topic(TOPIC);
    let sns = sns(&stub);
    batch(&stub, &sns, 0).await;
    stub.faults().change(|d| (d.stall_seconds, d.stall_every_seconds) = (0.3, 0.6));
    let started = Instant::now();
    let mut slow = 0;
    while started.elapsed() < Duration::from_millis(1_150) {
        let requested_at = Instant::now();
        assert_eq!(batch(&stub, &sns, 0).await.0, 10);
        slow += usize::from(requested_at.elapsed() > Duration::from_millis(200));
    }
    assert_eq!((slow, stub.stats().stalled), (2, 2));
}

#[tokio::test]
async fn latency_is_waited_for() {
    let stub = SnsStub::with_topic(TOPIC);
    let sns = sns(&stub);
    batch(&stub, &sns, 0).await;
    stub.faults().change(|d| (d.latency_ms, d.jitter_ms) = (50.0, 20.0));
    let requested_at = Instant::now();
    batch(&stub, &sns, 0).await;
    let took = requested_at.elapsed();
    assert!((Duration::from_millis(50)..Duration::from_millis(150)).contains(&took), "{took:?}");
}

#[tokio::test]
async fn credentials_expire_in_the_middle_and_others_are_good() {
    let stub = SnsStub::with_topic(TOPIC);
    let with = |token| login(&stub, testkit::sns::ACCESS_KEY, testkit::sns::SECRET_KEY, Some(token));
    stub.faults().change(|d| d.expire_after = Some(2));
    let mut output = Vec::new();
    for token in ["one", "one", "one", "two", "one"] {
        output.push(batch(&stub, &with(token), 0).await.2);
    }
    assert_eq!(output, ["good", "good", "ExpiredToken", "good", "ExpiredToken"]);
    stub.faults().change(|d| d.expired = true);
    assert_eq!(batch(&stub, &with("two"), 0).await.2, "ExpiredToken");
}

#[tokio::test]
async fn what_is_planned_comes_once_and_in_order() {
    let stub = SnsStub::with_topic(TOPIC);
    let sns = sns(&stub);
    stub.faults().plan([
        Fault::Call(503, "ServiceUnavailable"),
        Fault::Entry(3, "InvalidParameter", true),
        Fault::LostAnswer,
        Fault::Reset,
    ]);
    let mut output = Vec::new();
    for _ in 0..5 {
        let (good, _, code) = batch(&stub, &sns, 0).await;
        output.push((good, code));
    }
    let expected = [(0, "ServiceUnavailable"), (9, "good"), (0, "no answer"), (0, "no answer"), (10, "good")];
    assert_eq!(output, expected.map(|(good, code)| (good, code.to_owned())));
    assert_eq!(stub.stats().accepted, 29);
}

#[tokio::test]
async fn faults_are_set_and_stats_are_read_over_http() {
    let stub = SnsStub::with_topic(TOPIC);
    let ask = async |method: &str, path: &str, body: &str| {
        use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
        let mut stream = tokio::net::TcpStream::connect(("127.0.0.1", stub.port())).await.unwrap();
        let length = body.len();
        let request = format!(
            "{method} {path} HTTP/1.1\r\nhost: stub\r\nconnection: close\r\ncontent-length: {length}\r\n\r\n{body}"
        );
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        answer
    };
    assert!(ask("PUT", "/faults", r#"{"fail_entries":0.5,"keep":"digests"}"#).await.starts_with("HTTP/1.1 200"));
    assert_eq!(stub.faults().settings(), Settings { fail_entries: 0.5, keep: Keep::Digests, ..Settings::default() });
    assert!(ask("PUT", "/faults", r#"{"fail_entris":0.5}"#).await.contains("unknown field"));
    assert!(ask("PUT", "/faults", r#"{"fail_entries":5}"#).await.starts_with("HTTP/1.1 400"));
    assert!(ask("GET", "/stats", "").await.contains("\"accepted\": 0"));
    assert!(ask("GET", "/", "").await.contains("MissingAuthenticationToken"));
}
