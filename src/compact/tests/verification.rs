//! Parts that are damaged, of another lake, or differ from their objects.

use super::*;
use crate::outcome::{CommandOutcome as _, Exit};
use crate::parts::{CompleteRows, Content, Part, PartName, PartRows, PartWriter, Wanted};
use pipeline::lake::{Conditions, Depth, Error, ListPage, Reason};

#[tokio::test]
async fn a_damaged_part_is_written_again_and_one_of_another_lake_stays() {
    let scene = filled().await;
    scene.compact(scene.settings()).await;
    let (files, key) = (scene.files(), "partes/fazenda=fazenda_um/mes=2023-01/parte.parquet");
    let whole = &files["fazenda=fazenda_um/mes=2023-01/parte.parquet"];
    for damaged in [whole.slice(..whole.len() - 1), whole.slice(..200), Bytes::from_static(b"PAR1"), Bytes::new()] {
        scene.store.overwrite(key, damaged);
        let (read, stats) = scene.read(PartsMode::Auto).await;
        assert!(read == scene.read(PartsMode::Never).await.0);
        let stats = stats.unwrap();
        assert_eq!((stats.not_trusted, stats.reasons.len()), (1, 1), "{stats:?}");
        let again = scene.compact(scene.settings()).await;
        assert_eq!((again[Counter::NotTrusted], again[Counter::Written]), (1, 1));
        assert_eq!(again.problems.of("not_trusted"), 1);
        assert_eq!(scene.files(), files);
    }
    // A flipped byte in a row group is detected when it is read.
    let mut flipped = whole.to_vec();
    flipped[104] ^= 1;
    scene.store.overwrite(key, flipped.clone());
    let (read, stats) = scene.read(PartsMode::Auto).await;
    assert!(read == scene.read(PartsMode::Never).await.0);
    assert_eq!(stats.unwrap().not_trusted, 1);
    let verified = scene.compact(Compaction { verification: Verification::Sample, ..scene.settings() }).await;
    assert_eq!((verified[Counter::NotTrusted], verified[Counter::Written]), (1, 1));
    assert!(verified[Counter::Verified] >= RECORDS && verified[Counter::Mismatched] == 0);
    assert_eq!(scene.files(), files);

    let other = Scene::new();
    let (mine, body) = object("FazendaUm", day(1, 1), 1);
    other.put(&mine, body).await;
    other.parts.put_new("fazenda=fazenda_um/mes=2023-01/parte.parquet", whole.clone()).await.unwrap();
    other.store.overwrite("partes/fazenda=fazenda_um/mes=2023-02/parte.parquet", whole.clone());
    let before = other.files();
    let (read, stats) = other.read(PartsMode::Auto).await;
    assert_eq!(read.len(), 1);
    // Both lakes have the same location here, so the part is this lake's, with rows that the listing does not have.
    assert_eq!(stats.unwrap().rows, 1);
    let held = other.compact(other.settings()).await;
    assert!(held[Counter::Deleted] > 0 && held.problems.of("write_failed") == 1, "{held:?}");
    for (key, file) in before {
        assert_eq!(other.files()[&key], file, "{key} stays");
    }
}

#[tokio::test]
async fn a_verification_finds_a_row_that_is_not_its_object() {
    let scene = filled().await;
    scene.compact(scene.settings()).await;
    let checked = scene.compact(Compaction { verification: Verification::Sample, ..scene.settings() }).await;
    assert_eq!((checked[Counter::Mismatched], checked[Counter::Unchanged]), (0, 3));
    assert!(checked[Counter::Sampled] >= 20, "{checked:?}");
    // Other bytes under the same token, as with a faulty store or a forged part.
    let key = object("FazendaUm", day(1, 1), 0).0;
    let rows = object("FazendaUm", day(1, 1), 0).1.len();
    let mut other = object("FazendaUm", day(1, 1), 0).1;
    other[rows - 5] ^= 1;
    let meta = pipeline::lake::head(&*scene.lake, &key).await.unwrap().unwrap();
    let lying =
        Arc::new(Lying { inner: Arc::clone(&scene.lake), key: key.clone(), body: other.into(), etag: meta.etag });
    let settings = Compaction { lake: lying, verification: Verification::Sample, ..scene.settings() };
    let found = scene.compact(settings).await;
    assert_eq!((found[Counter::Mismatched], found[Counter::NotTrusted], found[Counter::Written]), (1, 1, 1));
    assert!(found.problems.items().iter().any(|problem| problem.kind == "mismatched" && problem.place == key));
}

/// A lake that returns bytes for one object that do not belong to its token.
#[derive(Debug)]
struct Lying {
    inner: Arc<dyn Lake>,
    key: String,
    body: Bytes,
    etag: String,
}

#[async_trait::async_trait]
impl Lake for Lying {
    fn address(&self) -> String {
        self.inner.address()
    }

    async fn list(&self, prefix: &str, depth: Depth, after: Option<&str>) -> Result<ListPage, Error> {
        let mut page = self.inner.list(prefix, depth, after).await?;
        page.objects.iter_mut().filter(|meta| meta.key == self.key).for_each(|meta| meta.etag.clone_from(&self.etag));
        Ok(page)
    }

    async fn get(&self, key: &str) -> Result<Bytes, Error> {
        if key == self.key { Ok(self.body.clone()) } else { self.inner.get(key).await }
    }

    async fn put_new(&self, key: &str, body: Bytes) -> Result<PutResult, Error> {
        self.inner.put_new(key, body).await
    }

    async fn clock(&self) -> Result<chrono::DateTime<Utc>, Error> {
        self.inner.clock().await
    }

    fn token_precision(&self) -> chrono::TimeDelta {
        self.inner.token_precision()
    }

    fn sibling(&self, name: &str) -> Arc<dyn Lake> {
        self.inner.sibling(name)
    }
}

/// A lake whose tokens are the MD5 of the bodies, as those of S3.
#[derive(Debug)]
struct Md5Tokens(Arc<dyn Lake>);

#[async_trait::async_trait]
impl Lake for Md5Tokens {
    fn address(&self) -> String {
        self.0.address()
    }

    async fn list(&self, prefix: &str, depth: Depth, after: Option<&str>) -> Result<ListPage, Error> {
        use md5::{Digest as _, Md5};
        let mut page = self.0.list(prefix, depth, after).await?;
        for meta in &mut page.objects {
            meta.etag = pipeline::hex::hex(&Md5::digest(self.0.get(&meta.key).await?));
        }
        Ok(page)
    }

    async fn get(&self, key: &str) -> Result<Bytes, Error> {
        self.0.get(key).await
    }

    async fn put_new(&self, key: &str, body: Bytes) -> Result<PutResult, Error> {
        self.0.put_new(key, body).await
    }

    async fn clock(&self) -> Result<chrono::DateTime<Utc>, Error> {
        self.0.clock().await
    }

    fn token_precision(&self) -> chrono::TimeDelta {
        self.0.token_precision()
    }

    fn sibling(&self, name: &str) -> Arc<dyn Lake> {
        self.0.sibling(name)
    }
}

/// A part that was forged completely: its hashes are right, and so are the key, token and size of every row.
#[tokio::test]
async fn only_the_md5_of_the_bodies_shows_a_part_that_was_forged_completely() {
    let scene = filled().await;
    let lake: Arc<dyn Lake> = Arc::new(Md5Tokens(Arc::clone(&scene.lake)));
    let settings = |verification| Compaction { lake: Arc::clone(&lake), verification, ..scene.settings() };
    let first = scene.compact(settings(Verification::Deep)).await;
    assert_eq!((first[Counter::Md5], first[Counter::NoMd5], first[Counter::Mismatched]), (RECORDS + 6, 0, 0));
    let files = scene.files();

    let name = PartName::parse("fazenda=fazenda_um/mes=2023-02/parte.parquet").unwrap();
    let meta = pipeline::lake::head(&*scene.parts, &name.key()).await.unwrap().unwrap();
    let part = Part::open(Arc::clone(&scene.parts), meta, &name, &lake.location()).await.map(Arc::new).unwrap();
    part.load(part.all_rows(), Wanted::Everything).await.unwrap();
    let rows = PartRows::new(Arc::clone(&part), Arc::default(), part.all_rows(), Wanted::Everything);
    let mut writer = PartWriter::new(Vec::new(), &name, &lake.location(), true).unwrap();
    for (n, mut row) in CompleteRows(rows).enumerate() {
        if n == 31 {
            let text = String::from_utf8(row.body.unwrap().to_vec()).unwrap();
            let forged = text.replace("\"quantidade_animais\":\"51\"", "\"quantidade_animais\":\"15\"");
            assert_ne!(forged, text);
            row.content = Content::parse(forged.as_bytes());
            row.body = Some(forged.into());
        }
        writer.push(&row).unwrap();
    }
    let forged = writer.finish(&BTreeMap::new()).unwrap().out;
    scene.store.overwrite(&format!("partes/{}", name.key()), forged);
    assert_eq!(scene.compact(settings(Verification::None)).await[Counter::Unchanged], 3, "nothing shows it");
    let found = scene.compact(settings(Verification::Deep)).await;
    assert_eq!((found[Counter::Mismatched], found[Counter::NotTrusted], found[Counter::Written]), (1, 1, 1));
    assert_eq!(scene.files(), files, "written again from the objects");
}

/// A damaged part can be the last copy of its objects, so nothing is lost that was not to be dropped.
#[tokio::test]
async fn a_damaged_part_without_all_of_its_objects_is_held_back() {
    let scene = filled().await;
    scene.compact(scene.settings()).await;
    let (file, key) =
        ("fazenda=fazenda_um/mes=2023-02/parte.parquet", "partes/fazenda=fazenda_um/mes=2023-02/parte.parquet");
    let whole = scene.files()[file].clone();
    let mut flipped = whole.to_vec();
    flipped[104] ^= 1;
    // Its footer is gone, or its rows are: 59 of 60 objects exist, and then none.
    scene.delete(&object("FazendaUm", day(2, 1), 5).0);
    for (n, damaged) in [(59, Bytes::from(flipped.clone())), (0, flipped.into()), (0, whole.slice(..whole.len() - 1))] {
        if n == 0 {
            (0..60).for_each(|n| drop(scene.store.remove(&format!("lake/{}", object("FazendaUm", day(2, 1), n).0))));
        }
        scene.store.overwrite(key, damaged.clone());
        for (dry_run, verification) in
            [(true, Verification::None), (false, Verification::None), (false, Verification::Sample)]
        {
            let held = scene.compact(Compaction { dry_run, verification, ..scene.settings() }).await;
            assert_eq!(
                (held[Counter::PartsHeld], held[Counter::Held], held[Counter::NotTrusted]),
                (1, n, 1),
                "{held:?}"
            );
            assert_eq!((held[Counter::Removed], held.problems.of("held"), held.exit()), (0, 1, Exit::Findings));
            assert_eq!(scene.files()[file], damaged, "it stays");
        }
    }
    let drops = |dry_run| Compaction { dry_run, on_deleted: OnDeleted::Drop, ..scene.settings() };
    assert_eq!(scene.compact(drops(true)).await[Counter::Removed], 1, "a dry run shows it");
    assert_eq!(scene.compact(drops(false)).await[Counter::Removed], 1);
    assert!(!scene.files().contains_key(file));
}

/// The rows cannot be read and all objects exist: the part must not be called unchanged.
#[tokio::test]
async fn a_part_whose_rows_are_damaged_is_written_again() {
    let scene = filled().await;
    scene.compact(scene.settings()).await;
    let (file, key) =
        ("fazenda=fazenda_um/mes=2023-02/parte.parquet", "partes/fazenda=fazenda_um/mes=2023-02/parte.parquet");
    let whole = scene.files()[file].clone();
    let mut flipped = whole.to_vec();
    flipped[104] ^= 1;
    scene.store.overwrite(key, flipped);
    let lean = Compaction { bodies: Bodies::ExtraFields, ..scene.settings() };
    let again = scene.compact(lean).await;
    assert_eq!((again[Counter::NotTrusted], again[Counter::PartsHeld], again[Counter::Written]), (1, 0, 3));
    assert_eq!(again[Counter::Fetched], 60, "its objects are read");
    scene.compact(scene.settings()).await;
    assert_eq!(scene.files()[file], whole);
}

/// A lake that loses an object after its first complete listing.
#[derive(Debug)]
struct Losing {
    inner: Arc<dyn Lake>,
    store: Memory,
    key: String,
    listings: std::sync::atomic::AtomicU32,
}

#[async_trait::async_trait]
impl Lake for Losing {
    fn address(&self) -> String {
        self.inner.address()
    }

    async fn list(&self, prefix: &str, depth: Depth, after: Option<&str>) -> Result<ListPage, Error> {
        let page = self.inner.list(prefix, depth, after).await?;
        let is_month = depth == Depth::Recursive && self.key.starts_with(prefix);
        let is_last = is_month && page.next.is_none();
        // The survey lists twice: hashes of days, then row by row.
        if is_last && self.listings.fetch_add(1, std::sync::atomic::Ordering::Relaxed) == 1 {
            drop(self.store.remove(&format!("lake/{}", self.key)));
        }
        Ok(page)
    }

    async fn get(&self, key: &str) -> Result<Bytes, Error> {
        self.inner.get(key).await
    }

    async fn put_new(&self, key: &str, body: Bytes) -> Result<PutResult, Error> {
        self.inner.put_new(key, body).await
    }

    async fn clock(&self) -> Result<chrono::DateTime<Utc>, Error> {
        self.inner.clock().await
    }

    fn token_precision(&self) -> chrono::TimeDelta {
        self.inner.token_precision()
    }

    fn sibling(&self, name: &str) -> Arc<dyn Lake> {
        self.inner.sibling(name)
    }
}

#[tokio::test]
async fn rows_of_objects_that_are_deleted_during_the_compaction_are_kept() {
    let scene = filled().await;
    scene.compact(scene.settings()).await;
    let before = scene.files();
    let (new, body) = object("FazendaUm", day(2, 1), 70);
    scene.put(&new, body).await;
    let (key, _) = object("FazendaUm", day(2, 1), 5);
    let lake =
        Losing { inner: Arc::clone(&scene.lake), store: scene.store.clone(), key: key.clone(), listings: 0.into() };
    let span = Span { from: Some(day(2, 1)), ..Span::default() };
    let held = scene.compact(Compaction { lake: Arc::new(lake), span, ..scene.settings() }).await;
    assert!(!scene.store.keys().contains(&format!("lake/{key}")), "it was deleted");
    assert_eq!((held[Counter::Deleted], held[Counter::Held], held[Counter::Written]), (1, 1, 0), "{held:?}");
    assert_eq!(scene.files(), before);
}

/// A lake whose part cannot be read once it was written, as in an outage.
#[derive(Debug)]
struct Away(Arc<dyn Lake>);

fn away(about: &str) -> Error {
    Error::new(Reason::Network, about, "connection reset")
}

#[async_trait::async_trait]
impl Lake for Away {
    fn address(&self) -> String {
        self.0.address()
    }

    async fn list(&self, prefix: &str, depth: Depth, after: Option<&str>) -> Result<ListPage, Error> {
        self.0.list(prefix, depth, after).await
    }

    async fn get(&self, key: &str) -> Result<Bytes, Error> {
        if key.ends_with(".parquet") { Err(away(key)) } else { self.0.get(key).await }
    }

    async fn put_new(&self, key: &str, body: Bytes) -> Result<PutResult, Error> {
        self.0.put_new(key, body).await
    }

    async fn clock(&self) -> Result<chrono::DateTime<Utc>, Error> {
        self.0.clock().await
    }

    fn token_precision(&self) -> chrono::TimeDelta {
        self.0.token_precision()
    }

    async fn test_conditions(&self) -> Result<Conditions, Error> {
        self.0.test_conditions().await
    }

    fn sibling(&self, name: &str) -> Arc<dyn Lake> {
        Arc::new(Self(self.0.sibling(name)))
    }
}

/// A part that the store failed to return is unknown: it is neither damaged nor that of another lake.
#[tokio::test]
async fn a_part_that_cannot_be_read_is_not_called_damaged_or_of_another_lake() {
    let scene = filled().await;
    let lake: Arc<dyn Lake> = Arc::new(Away(Arc::clone(&scene.lake)));
    let settings = Compaction { lake, verification: Verification::Sample, ..scene.settings() };
    let written = scene.compact(settings.clone()).await;
    assert_eq!((written[Counter::Written], written[Counter::Mismatched], written[Counter::NotVerified]), (3, 0, 3));
    assert_eq!((written.problems.of("not_verified"), written.exit()), (3, Exit::Findings));
    let again = scene.compact(settings).await;
    let why: Vec<&str> = again.problems.items().iter().map(|problem| problem.reason.as_str()).collect();
    assert!(why.iter().any(|why| why.contains("connection reset") && why.contains("run this again")), "{why:?}");
    assert!(!why.iter().any(|why| why.contains("not of this lake")), "{why:?}");
    let checked = scene.compact(Compaction { verification: Verification::Sample, ..scene.settings() }).await;
    assert_eq!((checked[Counter::Unchanged], checked[Counter::NotTrusted]), (3, 0));
}
