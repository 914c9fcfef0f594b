//! Complete listings: one entry, or all pages of a prefix.

use super::{Depth, Error, Lake, ListPage, ObjectMeta};

/// Returns an object's current listing entry; `None` if it does not exist.
///
/// # Errors
/// Returns an error if [`Lake::list`] fails.
pub async fn head(lake: &dyn Lake, key: &str) -> Result<Option<ObjectMeta>, Error> {
    let page = lake.list(key, Depth::Recursive, None).await?;
    Ok(page.objects.into_iter().find(|meta| meta.key == key))
}

/// Returns every object below a prefix.
///
/// # Errors
/// Returns an error if [`Lake::list`] fails.
pub async fn list_all(lake: &dyn Lake, prefix: &str) -> Result<Vec<ObjectMeta>, Error> {
    Ok(list_complete(lake, prefix, Depth::Recursive).await?.objects)
}

/// Returns all pages of a listing as one page.
pub async fn list_complete(lake: &dyn Lake, prefix: &str, depth: Depth) -> Result<ListPage, Error> {
    let mut whole = ListPage::default();
    let mut after = None;
    loop {
        let page = lake.list(prefix, depth, after.as_deref()).await?;
        whole.objects.extend(page.objects);
        whole.folders.extend(page.folders);
        match page.next {
            Some(next) => after = Some(next),
            None => return Ok(whole),
        }
    }
}
