//! Every fault as a client sees it, and its counters.

use std::io::{self, ErrorKind};
use std::time::{Duration, Instant};

use testkit::s3::{Fault, Injected, Op};

use crate::lake;

#[test]
fn each_fault_reaches_the_client_and_is_counted() -> io::Result<()> {
    let (server, client) = lake();
    server.store().put("lake", "a", "0123456789");
    let faults = server.faults();

    faults.change(|d| d.slow_down = Fault::first(1).on(&[Op::Get]));
    assert_eq!(client.get("lake/a")?.error(), (503, "SlowDown"));
    assert_eq!(client.get("lake/a")?.status, 200);

    faults.change(|d| (d.slow_down, d.internal_error) = (Fault::default(), Fault::always().on(&[Op::List])));
    assert_eq!(client.list("lake", &[])?.error(), (500, "InternalError"));
    assert_eq!(client.get("lake/a")?.status, 200);

    faults.change(|d| d.truncate = Fault::first(1));
    let cut = client.get("lake/a")?;
    assert_eq!((cut.status, cut.header("content-length"), cut.body.as_str()), (200, "10", "01234"));

    faults.change(|d| (d.truncate, d.error_in_ok) = (Fault::default(), Fault::always().on(&[Op::Get])));
    assert_eq!(client.get("lake/a")?.error(), (200, "SlowDown"));

    faults.change(|d| (d.error_in_ok, d.reset) = (Fault::default(), Fault::always()));
    let reset = client.put("lake/b", "x").expect_err("no answer");
    assert_eq!((reset.kind(), server.store().len("lake")), (ErrorKind::ConnectionReset, 1));

    faults.change(|d| (d.reset, d.lost_answer) = (Fault::default(), Fault::always()));
    let lost = client.put("lake/b", "x").expect_err("no answer");
    assert_eq!((lost.kind(), server.store().len("lake")), (ErrorKind::ConnectionReset, 2));

    faults.change(|d| (d.lost_answer, d.close) = (Fault::default(), Fault::always()));
    let closed = client.put("lake/c", "x").expect_err("no answer");
    assert_eq!((closed.kind(), server.store().len("lake")), (ErrorKind::UnexpectedEof, 2));

    faults.change(|d| (d.close, d.internal_error) = (Fault::default(), Fault::default()));
    faults.change(|d| d.vanish = ["b".to_owned()].into());
    assert_eq!(client.get("lake/b")?.error(), (404, "NoSuchKey"));
    assert_eq!(client.list("lake", &[])?.all("Key"), ["a", "b"]);

    let counts = faults.counts();
    for kind in [
        Injected::SlowDown,
        Injected::InternalError,
        Injected::Vanished,
        Injected::Truncated,
        Injected::ErrorInOk,
        Injected::Reset,
        Injected::LostAnswer,
        Injected::Closed,
    ] {
        assert_eq!(counts.injected(kind), 1, "{kind:?}");
    }
    assert_eq!((counts.requests(Op::Get), counts.requests(Op::Put), counts.requests(Op::List)), (6, 3, 2));
    faults.reset_counts();
    assert_eq!(faults.counts().total(), 0);
    Ok(())
}

#[test]
fn latency_outage_and_the_rate_limit_have_an_effect() -> io::Result<()> {
    let (server, client) = lake();
    server.store().put("lake", "a", "x");
    server.faults().change(|d| d.latency = Duration::from_millis(50));
    let before = Instant::now();
    client.get("lake/a")?;
    assert!(before.elapsed() >= Duration::from_millis(50));

    server.faults().change(|d| (d.latency, d.outage_after) = (Duration::ZERO, Some(2)));
    let statuses: Vec<_> =
        (0..4).map(|_| client.get("lake/a").map(|answer| answer.status)).collect::<Result<_, _>>()?;
    assert_eq!(statuses, [200, 200, 503, 503]);

    server.faults().change(|d| (d.outage_after, d.max_per_second) = (None, Some(0)));
    assert_eq!(client.get("lake/a")?.error(), (503, "SlowDown"));
    assert_eq!(server.faults().counts().injected(Injected::OverRate), 1);
    Ok(())
}

#[test]
fn many_clients_at_once_are_served_and_their_number_is_known() -> io::Result<()> {
    let (server, client) = lake();
    server.store().put("lake", "a", "x");
    server.faults().change(|d| d.latency = Duration::from_millis(500));
    std::thread::scope(|scope| {
        let all: Vec<_> = (0..8).map(|_| scope.spawn(|| client.get("lake/a"))).collect();
        all.into_iter().try_for_each(|one| one.join().expect("no panic").map(|answer| assert_eq!(answer.status, 200)))
    })?;
    assert_eq!(server.faults().counts().max_open(), 8);
    Ok(())
}
