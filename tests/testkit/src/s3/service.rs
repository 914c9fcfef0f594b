//! The S3 operations: the store behind the `S3` trait of the crate `s3s`, which implements HTTP, XML and SigV4. `listing` orders
//! the keys, `middleware` injects the faults.

use std::time::SystemTime;

use s3s::dto::*;
use s3s::{Body, S3, S3Request, S3Response, S3Result, s3_error};

use crate::s3::REGION;
use crate::s3::fault_control::FaultControl;
use crate::s3::listing::{self, MAX_KEYS, Query};
use crate::s3::listing_fault::ListingFault;
use crate::s3::object::{Object as Stored, Restore};
use crate::s3::stats::Injected;
use crate::s3::store::Store;
use crate::s3::versions::{self, NULL, Version, Versioning};
use crate::s3::wire_types::{
    Times, content_type, demand_match, demand_readable, described, listed, listed_versions, may_write, no_such_bucket,
    no_such_key, receive, requested_class, restore_header, storage_class, timestamp,
};

type Answer<T> = S3Result<S3Response<T>>;

#[derive(Debug)]
pub(crate) struct Service {
    store: Store,
    faults: FaultControl,
}

impl Service {
    pub fn new(store: Store, faults: FaultControl) -> Self {
        Service { store, faults }
    }

    fn demand_bucket(&self, bucket: &str) -> S3Result<()> {
        if self.store.has_bucket(bucket) { Ok(()) } else { Err(no_such_bucket()) }
    }

    /// Returns the object for a reader, unless the fault settings hide it.
    fn find(&self, bucket: &str, key: &str) -> S3Result<Stored> {
        self.demand_bucket(bucket)?;
        let found = self.store.object(bucket, key);
        if found.is_some() && self.faults.settings().vanish.contains(key) {
            self.faults.tally().inject(Injected::Vanished);
            return Err(no_such_key());
        }
        found.ok_or_else(no_such_key)
    }

    /// Returns a version of the object for a reader.
    fn find_version(&self, bucket: &str, key: &str, version: Option<&str>) -> S3Result<Stored> {
        let Some(id) = version else { return self.find(bucket, key) };
        if id == NULL && self.store.versioning(bucket) == Versioning::Never {
            return self.find(bucket, key);
        }
        self.demand_bucket(bucket)?;
        match self.store.versions(bucket, key).into_iter().find(|version| version.id == id) {
            Some(Version { object: Some(object), .. }) => Ok(object),
            Some(_) => Err(s3_error!(MethodNotAllowed, "The specified method is not allowed against this resource.")),
            None => Err(s3_error!(NoSuchVersion, "The specified version does not exist.")),
        }
    }
}

#[async_trait::async_trait]
impl S3 for Service {
    async fn create_bucket(&self, req: S3Request<CreateBucketInput>) -> Answer<CreateBucketOutput> {
        // Only us-east-1 answers 200 to the owner who creates a bucket twice.
        self.store.create_bucket(&req.input.bucket);
        ok(CreateBucketOutput { location: Some(format!("/{}", req.input.bucket)) })
    }

    async fn head_bucket(&self, req: S3Request<HeadBucketInput>) -> Answer<HeadBucketOutput> {
        self.demand_bucket(&req.input.bucket)?;
        ok(HeadBucketOutput { bucket_region: Some(REGION.to_owned()), ..Default::default() })
    }

    async fn get_bucket_location(&self, req: S3Request<GetBucketLocationInput>) -> Answer<GetBucketLocationOutput> {
        self.demand_bucket(&req.input.bucket)?;
        // us-east-1 is the empty location.
        ok(GetBucketLocationOutput::default())
    }

    async fn list_buckets(&self, _: S3Request<ListBucketsInput>) -> Answer<ListBucketsOutput> {
        let buckets = self.store.buckets().into_iter().map(|(name, created)| Bucket {
            name: Some(name),
            creation_date: Some(timestamp(created)),
            bucket_region: None,
        });
        ok(ListBucketsOutput { buckets: Some(buckets.collect()), ..Default::default() })
    }

    async fn list_objects_v2(&self, req: S3Request<ListObjectsV2Input>) -> Answer<ListObjectsV2Output> {
        let (mut input, settings) = (req.input, self.faults.settings());
        let fault = settings.listing;
        input.encoding_type = input.encoding_type.filter(|_| fault != ListingFault::NotEncoded);
        let max_keys = match usize::try_from(input.max_keys.unwrap_or(MAX_KEYS as i32)) {
            Ok(requested) => requested.min(settings.page_keys.unwrap_or(MAX_KEYS)),
            Err(_) => {
                return Err(s3_error!(InvalidArgument, "Argument maxKeys must be an integer between 0 and 2147483647"));
            }
        };
        if input.continuation_token.as_deref().is_some_and(|token| !listing::is_token(token)) {
            return Err(s3_error!(InvalidArgument, "The continuation token provided is incorrect"));
        }
        let query = Query {
            prefix: input.prefix.as_deref().unwrap_or_default(),
            delimiter: input.delimiter.as_deref(),
            start_after: input.start_after.as_deref(),
            continuation: input.continuation_token.as_deref().filter(|_| fault != ListingFault::IgnoredToken),
            max_keys: Some(max_keys),
            overlap: fault == ListingFault::Overlap,
        };
        let page = self.store.page(&input.bucket, &query).ok_or_else(no_such_bucket)?;
        let times = Times {
            milliseconds: settings.listed_milliseconds,
            ahead: settings.clock_ahead,
            behind: settings.clock_behind,
        };
        ok(listed(input, max_keys, page, times))
    }

    async fn put_bucket_versioning(
        &self,
        req: S3Request<PutBucketVersioningInput>,
    ) -> Answer<PutBucketVersioningOutput> {
        let status = req.input.versioning_configuration.status;
        let state = match status.as_ref().map(BucketVersioningStatus::as_str) {
            Some(BucketVersioningStatus::ENABLED) => Versioning::Enabled,
            Some(BucketVersioningStatus::SUSPENDED) => Versioning::Suspended,
            _ => {
                return Err(s3_error!(
                    IllegalVersioningConfigurationException,
                    "The Versioning element must be specified"
                ));
            }
        };
        if !self.store.set_versioning(&req.input.bucket, state) {
            return Err(no_such_bucket());
        }
        ok(PutBucketVersioningOutput {})
    }

    async fn get_bucket_versioning(
        &self,
        req: S3Request<GetBucketVersioningInput>,
    ) -> Answer<GetBucketVersioningOutput> {
        self.demand_bucket(&req.input.bucket)?;
        let status = match self.store.versioning(&req.input.bucket) {
            Versioning::Never => None,
            Versioning::Enabled => Some(BucketVersioningStatus::from_static(BucketVersioningStatus::ENABLED)),
            Versioning::Suspended => Some(BucketVersioningStatus::from_static(BucketVersioningStatus::SUSPENDED)),
        };
        ok(GetBucketVersioningOutput { status, ..Default::default() })
    }

    async fn list_object_versions(&self, req: S3Request<ListObjectVersionsInput>) -> Answer<ListObjectVersionsOutput> {
        let (mut input, settings) = (req.input, self.faults.settings());
        let fault = settings.listing;
        input.encoding_type = input.encoding_type.filter(|_| fault != ListingFault::NotEncoded);
        let continues = fault != ListingFault::IgnoredToken;
        let query = versions::Query {
            prefix: input.prefix.as_deref().unwrap_or_default(),
            delimiter: input.delimiter.as_deref().filter(|delimiter| !delimiter.is_empty()),
            key_marker: input.key_marker.as_deref().filter(|marker| continues && !marker.is_empty()),
            version_marker: input.version_id_marker.as_deref().filter(|marker| continues && !marker.is_empty()),
            max_keys: input
                .max_keys
                .and_then(|requested| usize::try_from(requested).ok())
                .unwrap_or(MAX_KEYS)
                .min(settings.page_keys.unwrap_or(MAX_KEYS)),
        };
        let page = self.store.version_page(&input.bucket, &query).ok_or_else(no_such_bucket)?;
        let times = Times {
            milliseconds: settings.listed_milliseconds,
            ahead: settings.clock_ahead,
            behind: settings.clock_behind,
        };
        ok(listed_versions(input, page, times))
    }

    async fn get_object(&self, req: S3Request<GetObjectInput>) -> Answer<GetObjectOutput> {
        let input = req.input;
        let found = self.find_version(&input.bucket, &input.key, input.version_id.as_deref())?;
        if self.faults.settings().forbid_get.contains(&input.key) {
            return Err(s3_error!(AccessDenied, "Access Denied"));
        }
        demand_readable(&found)?;
        demand_match(&found, input.if_match.as_ref(), input.if_none_match.as_ref())?;
        let whole = found.bytes.len() as u64;
        let (bytes, content_range) = match input.range {
            None => (found.bytes.clone(), None),
            Some(range) => {
                let part = range.check(whole)?;
                let shown = format!("bytes {}-{}/{whole}", part.start, part.end - 1);
                (found.bytes.slice(part.start as usize..part.end as usize), Some(shown))
            }
        };
        let described = found.described.as_deref().cloned().unwrap_or_default();
        ok(GetObjectOutput {
            content_length: Some(bytes.len() as i64),
            body: Some(Body::from(bytes).into()),
            content_range,
            accept_ranges: Some("bytes".to_owned()),
            content_type: Some(content_type(&described)),
            metadata: Some(described.metadata),
            e_tag: Some(ETag::Strong(found.etag())),
            last_modified: Some(timestamp(found.last_modified)),
            storage_class: storage_class(&found),
            restore: restore_header(found.restore)?,
            version_id: input.version_id,
            ..Default::default()
        })
    }

    async fn head_object(&self, req: S3Request<HeadObjectInput>) -> Answer<HeadObjectOutput> {
        let input = req.input;
        if self.faults.settings().forbid_head {
            return Err(s3_error!(AccessDenied, "Access Denied"));
        }
        let found = self.find(&input.bucket, &input.key)?;
        demand_match(&found, input.if_match.as_ref(), input.if_none_match.as_ref())?;
        let described = found.described.as_deref().cloned().unwrap_or_default();
        ok(HeadObjectOutput {
            content_length: Some(found.bytes.len() as i64),
            accept_ranges: Some("bytes".to_owned()),
            content_type: Some(content_type(&described)),
            metadata: Some(described.metadata),
            e_tag: Some(ETag::Strong(found.etag())),
            last_modified: Some(timestamp(found.last_modified)),
            storage_class: storage_class(&found),
            restore: restore_header(found.restore)?,
            ..Default::default()
        })
    }

    async fn put_object(&self, req: S3Request<PutObjectInput>) -> Answer<PutObjectOutput> {
        let input = req.input;
        self.demand_bucket(&input.bucket)?;
        let mut object = Stored::new(receive(input.body).await?);
        if input.content_md5.is_some_and(|sent| sent != base64_simd::STANDARD.encode_to_string(object.md5)) {
            return Err(s3_error!(BadDigest, "The Content-MD5 you specified did not match what we received."));
        }
        object.storage_class = requested_class(input.storage_class.as_ref())?;
        object.described = described(input.content_type, input.metadata);
        let etag = object.etag();
        let faults = self.faults.settings();
        if faults.reject_conditions && (input.if_match.is_some() || input.if_none_match.is_some()) {
            return Err(no_conditions());
        }
        let if_none_match = input.if_none_match.filter(|_| !faults.ignore_if_none_match);
        let if_match = input.if_match.filter(|_| !faults.ignore_if_match);
        let written = self.store.put_if(&input.bucket, &input.key, object, |existing| {
            may_write(existing, if_match.as_ref(), if_none_match.as_ref())
        });
        let version_id = written.ok_or_else(no_such_bucket)??;
        ok(PutObjectOutput { e_tag: Some(ETag::Strong(etag)), version_id, ..Default::default() })
    }

    async fn copy_object(&self, req: S3Request<CopyObjectInput>) -> Answer<CopyObjectOutput> {
        let input = req.input;
        let CopySource::Bucket { bucket, key, .. } = &input.copy_source else {
            return Err(s3_error!(NotImplemented, "only bucket/key can be copied here"));
        };
        let source = self.find(bucket, key)?;
        demand_readable(&source)?;
        self.demand_bucket(&input.bucket)?;
        let replace = input.metadata_directive.is_some_and(|it| it.as_str() == MetadataDirective::REPLACE);
        let copy = Stored {
            last_modified: SystemTime::now(),
            storage_class: requested_class(input.storage_class.as_ref())?,
            restore: Restore::None,
            described: if replace { described(input.content_type, input.metadata) } else { source.described },
            ..source
        };
        let result = CopyObjectResult {
            e_tag: Some(ETag::Strong(copy.etag())),
            last_modified: Some(timestamp(copy.last_modified)),
            ..Default::default()
        };
        self.store.put_object(&input.bucket, &input.key, copy);
        ok(CopyObjectOutput { copy_object_result: Some(result), ..Default::default() })
    }

    async fn delete_object(&self, req: S3Request<DeleteObjectInput>) -> Answer<DeleteObjectOutput> {
        self.demand_bucket(&req.input.bucket)?;
        let faults = self.faults.settings();
        if faults.reject_conditions && req.input.if_match.is_some() {
            return Err(no_conditions());
        }
        if let Some(condition) = req.input.if_match.as_ref().filter(|_| !faults.ignore_if_match) {
            let found = self.store.object(&req.input.bucket, &req.input.key).ok_or_else(no_such_key)?;
            demand_match(&found, Some(condition), None)?;
        }
        // Deleting a missing key succeeds too.
        let marker = match req.input.version_id {
            Some(version) => {
                self.store.remove_version(&req.input.bucket, &req.input.key, &version);
                None
            }
            None => self.store.delete(&req.input.bucket, &req.input.key).1,
        };
        ok(DeleteObjectOutput {
            delete_marker: marker.as_ref().map(|_| true),
            version_id: marker,
            ..Default::default()
        })
    }

    async fn delete_objects(&self, req: S3Request<DeleteObjectsInput>) -> Answer<DeleteObjectsOutput> {
        let Delete { objects, quiet } = req.input.delete;
        self.demand_bucket(&req.input.bucket)?;
        if objects.len() > MAX_KEYS {
            return Err(s3_error!(MalformedXML, "The XML you provided was not well-formed or did not validate"));
        }
        for object in &objects {
            self.store.remove(&req.input.bucket, &object.key);
        }
        let deleted = objects.into_iter().map(|it| DeletedObject { key: Some(it.key), ..Default::default() });
        let deleted = (!quiet.unwrap_or(false)).then(|| deleted.collect());
        ok(DeleteObjectsOutput { deleted, ..Default::default() })
    }
}

fn no_conditions() -> s3s::S3Error {
    s3_error!(NotImplemented, "A header you provided implies functionality that is not implemented")
}

fn ok<T>(output: T) -> Answer<T> {
    Ok(S3Response::new(output))
}
