//! The listings of a read: of many partitions at once, page by page, in the order of days.

use std::sync::Arc;

use chrono::NaiveDate;
use futures::stream::{self, BoxStream, StreamExt};
use tokio::task::JoinSet;

use super::read::Keep;
use super::{Depth, Error, Lake, Meta, Page, Partition, Reason};

/// Partitions whose first page is asked for ahead of the reads: what a read holds of listings is this many first pages,
/// and two more pages of the partition that is read.
const AHEAD: usize = 16;

/// What a listing yields.
#[derive(Debug)]
pub(super) enum Listed {
    /// An object of that day.
    Object(NaiveDate, Meta),
    /// That day has no more of them.
    End(NaiveDate),
}

/// A request under way in a task of its own; it is given up when this is dropped.
type Request = JoinSet<Result<Page, Error>>;

/// The objects of the partitions that `keep` takes, day by day.
pub(super) fn listed(
    lake: &Arc<dyn Lake>,
    mut partitions: Vec<Partition>,
    keep: &Keep,
) -> BoxStream<'static, Result<Listed, Error>> {
    partitions.sort();
    let ends: Vec<bool> =
        (0..partitions.len()).map(|n| partitions.get(n + 1).is_none_or(|next| next.day != partitions[n].day)).collect();
    let (lake, keep) = (Arc::clone(lake), Arc::clone(keep));
    stream::iter(partitions.into_iter().zip(ends))
        .map(move |(partition, ends)| {
            let (lake, keep, day) = (Arc::clone(&lake), Arc::clone(&keep), partition.day);
            let first = ask(&lake, &partition.prefix(), None);
            async move {
                let first = answer(first).await;
                let end = stream::iter(ends.then_some(Ok(Listed::End(day))));
                pages(lake, partition.prefix(), first)
                    .flat_map(move |page| {
                        let objects = match page {
                            Ok(page) => page.objects.into_iter().map(Ok).collect(),
                            Err(e) => vec![Err(e)],
                        };
                        let keep = Arc::clone(&keep);
                        stream::iter(
                            objects.into_iter().filter(move |meta| meta.as_ref().map_or(true, |meta| keep(meta))),
                        )
                    })
                    .map(move |meta| meta.map(|meta| Listed::Object(day, meta)))
                    .chain(end)
            }
        })
        .buffered(AHEAD)
        .flatten()
        .boxed()
}

/// The pages of a partition: the next one is asked for while the former is read.
fn pages(
    lake: Arc<dyn Lake>,
    prefix: String,
    first: Result<Page, Error>,
) -> impl futures::Stream<Item = Result<Page, Error>> + Send {
    let state = Some((Err(first), lake, prefix));
    stream::unfold(state, |state: Option<(Result<Request, _>, _, _)>| async move {
        let (page, lake, prefix) = state?;
        let page = match page {
            Ok(request) => answer(request).await,
            Err(first) => first,
        };
        let next = page.as_ref().ok().and_then(|page| page.next.as_deref()).map(|next| ask(&lake, &prefix, Some(next)));
        Some((page, next.map(|request| (Ok(request), lake, prefix))))
    })
}

fn ask(lake: &Arc<dyn Lake>, prefix: &str, after: Option<&str>) -> Request {
    let (lake, prefix, after) = (Arc::clone(lake), prefix.to_owned(), after.map(str::to_owned));
    let mut request = JoinSet::new();
    request.spawn(async move { lake.list(&prefix, Depth::Everything, after.as_deref()).await });
    request
}

async fn answer(mut request: Request) -> Result<Page, Error> {
    match request.join_next().await {
        Some(Ok(page)) => page,
        Some(Err(e)) => Err(Error::new(Reason::Other, "list", format!("a listing failed: {e}"))),
        None => Err(Error::new(Reason::Other, "list", "a listing was not begun")),
    }
}
