//! The tasks by mysql_async.

use chrono::{Datelike, NaiveDate, NaiveDateTime, Timelike};
use futures::TryStreamExt;
use mysql_async::prelude::{FromValue, Queryable};
use mysql_async::{Conn, OptsBuilder, Row as Fetched, SslOpts, Value};
use url::Url;

use super::{COLUMNS, DATABASE, Outcome, Row, insert, select_by_ids};

pub(super) struct Driver {
    connection: Conn,
    select: String,
    insert: String,
}

fn options(address: &str, tls: bool) -> Outcome<OptsBuilder> {
    let url = Url::parse(address)?;
    let tls = tls.then(|| SslOpts::default().with_danger_accept_invalid_certs(true));
    Ok(OptsBuilder::default()
        .ip_or_hostname(url.host_str().unwrap_or("127.0.0.1"))
        .tcp_port(url.port().unwrap_or(3306))
        .user(Some(url.username()))
        .pass(url.password())
        .db_name(Some(DATABASE))
        .prefer_socket(false)
        .ssl_opts(tls))
}

pub(super) async fn connect(address: &str, tls: bool) -> Outcome<usize> {
    Conn::new(options(address, tls)?).await?.disconnect().await?;
    Ok(0)
}

impl Driver {
    pub(super) async fn open(address: &str) -> Outcome<Self> {
        let connection = Conn::new(options(address, false)?).await?;
        Ok(Self { connection, select: select_by_ids(), insert: insert() })
    }

    pub(super) async fn select(&mut self, ids: &[String]) -> Outcome<Vec<Row>> {
        let ids: Vec<Value> = ids.iter().map(|id| Value::Bytes(id.as_bytes().to_vec())).collect();
        let rows: Vec<Fetched> = self.connection.exec(&*self.select, ids).await?;
        rows.into_iter().map(decode).collect()
    }

    pub(super) async fn stream(&mut self) -> Outcome<usize> {
        let mut rows = self.connection.exec_stream::<Fetched, _, _>("SELECT * FROM source", ()).await?;
        let mut count = 0;
        while let Some(row) = rows.try_next().await? {
            count += usize::from(!decode(row)?.id.is_empty());
        }
        Ok(count)
    }

    pub(super) async fn insert(&mut self, rows: &[Row]) -> Outcome<usize> {
        let mut values: Vec<Value> = Vec::with_capacity(rows.len() * COLUMNS);
        for row in rows {
            values.push(row.id.as_str().into());
            values.extend(row.texts.iter().map(|text| text.as_deref().into()));
            values.extend(row.weights.iter().map(|weight| (*weight).into()));
            values.extend([row.count.into(), date(row.times[0]), date(row.times[1])]);
        }
        self.connection.exec_drop(&*self.insert, values).await?;
        Ok(rows.len() - usize::try_from(self.connection.affected_rows())?)
    }
}

fn decode(mut row: Fetched) -> Outcome<Row> {
    debug_assert_eq!(row.len(), COLUMNS);
    Ok(Row {
        id: take(&mut row, 0)?,
        texts: [take(&mut row, 1)?, take(&mut row, 2)?, take(&mut row, 3)?, take(&mut row, 4)?, take(&mut row, 5)?],
        weights: [take(&mut row, 6)?, take(&mut row, 7)?, take(&mut row, 8)?, take(&mut row, 9)?],
        count: take(&mut row, 10)?,
        times: [instant(take(&mut row, 11)?)?, instant(take(&mut row, 12)?)?],
    })
}

fn take<T: FromValue>(row: &mut Fetched, at: usize) -> Outcome<T> {
    Ok(row.take_opt(at).ok_or("no such column")??)
}

/// Converts a time without the driver's feature `chrono`, which the toolkit does not use.
fn date(at: NaiveDateTime) -> Value {
    let part = |part: u32| u8::try_from(part).unwrap_or_default();
    let year = u16::try_from(at.year()).unwrap_or_default();
    Value::Date(year, part(at.month()), part(at.day()), part(at.hour()), part(at.minute()), part(at.second()), 0)
}

fn instant(value: Value) -> Outcome<NaiveDateTime> {
    let Value::Date(year, month, day, hour, minute, second, micros) = value else { return Err("no time".into()) };
    let day = NaiveDate::from_ymd_opt(year.into(), month.into(), day.into());
    let at = day.and_then(|day| day.and_hms_micro_opt(hour.into(), minute.into(), second.into(), micros));
    at.ok_or_else(|| "no such time".into())
}
