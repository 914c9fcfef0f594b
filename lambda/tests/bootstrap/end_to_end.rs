//! Tests of the normal stream, end to end.

use std::collections::BTreeSet;

use testkit::built;
use testkit::lambda::events::sns;
use testkit::lambda::sandbox::Sandbox;
use testkit::real_readings;
use testkit::{MARIADB, MYSQL, Server};

use crate::{BUCKET, PREFIX, Stores};

/// Returns a permutation of `0..count` that depends only on the seed.
fn shuffled(count: usize, seed: u32) -> Vec<usize> {
    let mut order: Vec<usize> = (0..count).collect();
    order.sort_by_key(|&n| {
        (u32::try_from(n).unwrap() + 1).wrapping_mul(2_654_435_761).wrapping_add(seed).reverse_bits()
    });
    order
}

async fn real_readings_twice_over_four_sandboxes(server: Server) {
    let stores = Stores::new(server).await;
    let readings = real_readings();
    assert_eq!(readings.len(), 52);
    let mut sandboxes = Vec::new();
    for _ in 0..4 {
        sandboxes.push(Sandbox::start(&built("bootstrap"), &stores.env()).await);
    }
    let order = [shuffled(52, 1), shuffled(52, 77)].concat();
    let work = sandboxes.iter().enumerate().map(|(at, sandbox)| {
        let (api, readings, order) = (sandbox.api.clone(), readings.clone(), order.clone());
        tokio::spawn(async move {
            for n in order.into_iter().skip(at).step_by(4) {
                let answer = api.invoke(sns(&format!("m{n}"), &readings[n])).await;
                assert_eq!(answer.unwrap()["messages"], 1);
            }
        })
    });
    for done in work.collect::<Vec<_>>() {
        done.await.unwrap();
    }
    assert_eq!(stores.held().await, (52, 0, 52));
    let named: BTreeSet<String> = stores.s3.store().list(BUCKET, PREFIX).iter().map(|key| id_of(key)).collect();
    assert_eq!(named, stores.database.ids().await.into_iter().collect());
    let sum = |name| sandboxes.iter().map(|sandbox| sandbox.metric(name)).sum::<u64>();
    assert_eq!((sum("messages"), sum("failed"), sum("quarantined"), sum("conflicting")), (104, 0, 0, 0));
    assert_eq!(sum("processed") + sum("duplicates"), 104);
    stores.database.drop().await;
}

/// Returns the id in an object key.
fn id_of(key: &str) -> String {
    key.rsplit_once('_').unwrap().1.trim_end_matches(".json").to_owned()
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs RUMINATE_TEST_MYSQL"]
async fn live_mysql_the_real_readings_twice_and_shuffled_over_four_sandboxes_are_there_once() {
    real_readings_twice_over_four_sandboxes(MYSQL).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs RUMINATE_TEST_MARIADB"]
async fn live_mariadb_the_real_readings_twice_and_shuffled_over_four_sandboxes_are_there_once() {
    real_readings_twice_over_four_sandboxes(MARIADB).await;
}
