//! Writes damage to each kind of store.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::{Duration, SystemTime};

use pipeline::record::Record;
use pipeline::record::row::{TableSchema, Value as Stored};

use crate::s3::{S3Server, StorageClass};
use crate::scene::{BUCKET, PREFIX};

/// Returns the write time of all objects, long enough ago that they do not count as new.
pub fn long_ago() -> SystemTime {
    SystemTime::now() - Duration::from_secs(86_400)
}

/// Writes and removes objects of a lake in a directory.
pub fn to_folder(lake: &Path, objects: &BTreeMap<String, Option<Vec<u8>>>) {
    for (key, body) in objects {
        let path = lake.join(key);
        let Some(body) = body else {
            std::fs::remove_file(path).unwrap();
            continue;
        };
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, body).unwrap();
        std::fs::File::options().write(true).open(path).unwrap().set_modified(long_ago()).unwrap();
    }
}

/// Writes and removes objects of the lake on the in-process S3 service.
pub fn to_s3(s3: &S3Server, objects: &BTreeMap<String, Option<Vec<u8>>>) {
    for (key, body) in objects {
        let key = format!("{PREFIX}/{key}");
        let Some(body) = body else {
            s3.store().remove(BUCKET, &key).unwrap();
            continue;
        };
        s3.store().put(BUCKET, &key, body.clone());
        s3.store().set_last_modified(BUCKET, &key, long_ago());
    }
}

/// Moves objects of the lake to an archive tier.
pub fn archive(s3: &S3Server, keys: &[String]) {
    for key in keys {
        assert!(s3.store().set_storage_class(BUCKET, &format!("{PREFIX}/{key}"), StorageClass::DeepArchive));
    }
}

/// Returns the statement that inserts a record's row.
pub fn insert(record: &Record, schema: &TableSchema) -> String {
    let literal = |value: Stored| match value {
        Stored::Null => "NULL".to_owned(),
        Stored::Text(text) | Stored::Invalid(text) => format!("'{text}'"),
        Stored::Float(value) => f64::from(value).to_string(),
        Stored::Double(value) => value.to_string(),
        Stored::Integer(value) => value.to_string(),
        Stored::DateTime(at) => at.format("'%Y-%m-%d %H:%M:%S'").to_string(),
    };
    let values = record.to_row(schema).0.map(literal).join(", ");
    format!("INSERT INTO historico_consumo VALUES ({values})")
}

/// Runs statements in a SQLite file, in one transaction.
pub fn to_sqlite(file: &Path, statements: &[String]) {
    use sqlx::{AssertSqlSafe, Connection, Executor, SqliteConnection};
    tokio::runtime::Runtime::new().unwrap().block_on(async {
        let mut connection = SqliteConnection::connect(&format!("sqlite:{}", file.display())).await.unwrap();
        let mut transaction = connection.begin().await.unwrap();
        for statement in statements {
            let done = transaction.execute(AssertSqlSafe(&**statement)).await.unwrap();
            assert_eq!(done.rows_affected(), 1, "{statement}");
        }
        transaction.commit().await.unwrap();
    });
}
