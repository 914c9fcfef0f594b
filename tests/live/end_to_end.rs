//! The complete stream: files → `publish` → SNS (moto) → HTTP → `process --listen` → S3 and MySQL.

use std::io::{BufRead, BufReader};
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use testkit::s3::S3Server;
use testkit::{BUCKET, Database, MOTO, MYSQL, PREFIX, Ran, Scene, real_files, server, with_real};

use crate::moto::sns;

/// Starts a listener on a free port that ends after N messages. Returns its address.
pub fn listen(scene: &Scene, messages: u64) -> (Child, String) {
    let messages = messages.to_string();
    let accept = ["--any-topic", "--insecure-skip-signature"];
    let args = [&["process", "--listen", "127.0.0.1:0", "--max-messages", &messages, "--output", "json"], &accept[..]]
        .concat();
    let mut child = scene.command(&args).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
    let address = lines.find_map(|line| Some(line.unwrap().split_once("listening on ")?.1.to_owned())).unwrap();
    std::thread::spawn(move || lines.for_each(drop)); // a full pipe would stop it
    (child, address.split_whitespace().next().unwrap().to_owned())
}

/// Waits for its end, for at most a minute.
pub fn ended(mut child: Child) -> Ran {
    let started = Instant::now();
    while child.try_wait().unwrap().is_none() {
        assert!(started.elapsed() < Duration::from_secs(60), "the listener did not get its messages");
        std::thread::sleep(Duration::from_millis(50));
    }
    Ran::of(&child.wait_with_output().unwrap())
}

#[tokio::test]
#[ignore = "needs RUMINATE_TEST_MYSQL and RUMINATE_TEST_MOTO"]
async fn live_mysql_moto_the_real_readings_stream_into_s3_and_mysql_twice_and_are_there_once() {
    let moto = server(MOTO.variable);
    let database = Database::new(MYSQL).await;
    let s3 = S3Server::with_bucket(BUCKET);
    let stores = Scene::new().with_s3(&s3).with("RUMINATE_WAREHOUSE", &database.url());
    stores.run(&["init"]).expect(0, &[]);
    let topic = sns(&moto).create_topic().name(&database.name).send().await.unwrap().topic_arn.unwrap();
    let sender = [("AWS_ENDPOINT_URL", moto.as_str()), ("AWS_ACCESS_KEY_ID", "x"), ("AWS_SECRET_ACCESS_KEY", "y")];
    let sender = sender.iter().fold(Scene::new(), |scene, (name, value)| scene.with(name, value));
    let files = real_files();
    for (processed, duplicates) in [(52, 0), (0, 52)] {
        let (listener, address) = listen(&stores, 52);
        let subscribe = sns(&moto);
        let subscription =
            subscribe.subscribe().topic_arn(&topic).protocol("http").endpoint(&address).send().await.unwrap();
        let publish = [&with_real("publish", &files)[..], &["--topic", &topic]].concat();
        sender.run(&publish).expect(0, &[("read", 52), ("published", 52), ("failed", 0)]);
        let counts =
            [("messages", 52), ("processed", processed), ("duplicates", duplicates), ("quarantined", 0), ("failed", 0)];
        ended(listener).expect(0, &counts);
        let arn = subscription.subscription_arn.unwrap();
        sns(&moto).unsubscribe().subscription_arn(arn).send().await.unwrap();
        assert_eq!(database.count("SELECT COUNT(*) FROM historico_consumo").await, 52);
        assert_eq!(s3.store().list(BUCKET, PREFIX).len(), 52);
    }
    stores.run(&["reconcile"]).expect(0, &[("matched", 52)]);
    sns(&moto).delete_topic().topic_arn(&topic).send().await.unwrap();
    database.drop().await;
}
