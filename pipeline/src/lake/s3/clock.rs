//! The store's clock and region, from response headers.

use std::sync::{Arc, Mutex, PoisonError};

use aws_sdk_s3::config::interceptors::BeforeDeserializationInterceptorContextRef;
use aws_sdk_s3::config::{ConfigBag, Intercept, RuntimeComponents};
use aws_sdk_s3::error::BoxError;
use chrono::{DateTime, Utc};

use super::super::{Depth, Error, Lake as _, Reason};
use super::S3;
use super::error::status;

impl S3 {
    pub(super) async fn clock_once(&self) -> Result<DateTime<Utc>, Error> {
        let seen = Headers::default();
        let answer = self.client.head_bucket().bucket(&self.bucket).customize().interceptor(seen.clone()).send().await;
        if let Err(e) = answer {
            return Err(match (status(&e), seen.region()) {
                (Some(301 | 400), Some(region)) => {
                    let message = format!("the bucket is in {region}: set AWS_REGION={region}");
                    Error::new(Reason::WrongRegion, self.address(), message)
                }
                (Some(404), _) => Error::new(
                    Reason::NoLake,
                    self.address(),
                    format!("no such bucket {:?}: check --lake", self.bucket),
                ),
                // A HEAD response has no body; a listing's response contains the error.
                (Some(301 | 400 | 403), None) => match self.list_once("", Depth::OneLevel, None).await {
                    Err(message) => message,
                    Ok(_) => self.failure("", &e),
                },
                _ => self.failure("", &e),
            });
        }
        seen.date().ok_or_else(|| Error::new(Reason::Other, self.address(), "the store sends no Date header"))
    }
}

/// Values of the response headers: the store's clock and the bucket's region.
#[derive(Debug, Clone, Default)]
struct Headers(Arc<Mutex<(Option<String>, Option<String>)>>);

impl Headers {
    fn date(&self) -> Option<DateTime<Utc>> {
        let seen = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        DateTime::parse_from_rfc2822(seen.0.as_deref()?).ok().map(|at| at.to_utc())
    }

    fn region(&self) -> Option<String> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).1.clone()
    }
}

impl Intercept for Headers {
    fn name(&self) -> &'static str {
        "Headers"
    }

    fn read_before_deserialization(
        &self,
        context: &BeforeDeserializationInterceptorContextRef<'_>,
        _: &RuntimeComponents,
        _: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let headers = context.response().headers();
        let header = |name| headers.get(name).map(str::to_owned);
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = (header("date"), header("x-amz-bucket-region"));
        Ok(())
    }
}
