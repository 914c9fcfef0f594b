//! Creation of a run, the same for every job: lists the lake, divides it, and writes the plan.

use std::time::Instant;

use anyhow::ensure;

use super::clock;
use super::job::JobSettings;
use super::layout::ShardSize;
use super::outcome::PlanOutcome;
use super::plan::{Run, RunPlan, Stores};
use super::shards::Shard;
use super::store::RunStore;
use super::survey::Survey;
use crate::cancellation::CancellationToken;
use crate::progress::Progress;
use crate::reader::Cutoff;
use pipeline::lake::{Lake, Span};

/// Creates a run of a job over the objects of a span.
///
/// # Errors
/// Returns an error if the run is inside the lake, the lake cannot be read, its clock differs from this machine's, or the run
/// has a plan already or cannot be written.
pub(super) async fn create_run(
    (lake, span): (&dyn Lake, &Span),
    job: JobSettings,
    stores: Stores,
    (store, size): (RunStore, ShardSize),
    divide: impl FnOnce(&Survey, ShardSize) -> Vec<Shard>,
    (progress, cancel): (&Progress, &CancellationToken),
) -> anyhow::Result<PlanOutcome> {
    let started = Instant::now();
    ensure!(
        !is_inside(&store.identity(), &lake.identity()),
        "--out {} is inside the lake {}, whose audits would report the files of the run: give another --out, for example \
         next to the lake",
        store.address(),
        lake.address()
    );
    let clock = async {
        clock::check(lake, None).await?;
        anyhow::Ok(Cutoff::of(lake).await?)
    };
    let Some(cutoff) = cancel.run_until_cancelled(clock).await.transpose()? else {
        return Ok(PlanOutcome::interrupted());
    };
    let Some(survey) = Survey::of(lake, span, progress, cancel).await? else { return Ok(PlanOutcome::interrupted()) };
    let shards = divide(&survey, size);
    let plan = RunPlan::new(job, stores, cutoff.instant(), survey.listing, shards.len());
    let run = Run::create(store, plan, shards).await?;
    Ok(PlanOutcome::of(&run, started.elapsed().as_secs_f64()))
}

/// Returns true if a run is the lake or below it, by their identities.
fn is_inside(run: &str, lake: &str) -> bool {
    // The endpoint follows the address; of two stores, none is inside the other.
    let parts = |identity: &str| match identity.split_once(" at ") {
        Some((address, endpoint)) if identity.starts_with("s3://") => (address.to_owned(), endpoint.to_owned()),
        _ => (identity.to_owned(), String::new()),
    };
    let ((run, of_run), (lake, of_lake)) = (parts(run), parts(lake));
    let below = run.strip_prefix(lake.trim_end_matches(['/', '\\']));
    of_run == of_lake && below.is_some_and(|rest| rest.is_empty() || rest.starts_with(['/', '\\']))
}

#[cfg(test)]
mod tests {
    use super::is_inside;

    #[test]
    fn a_run_inside_the_lake_is_distinguished_from_one_next_to_it() {
        for (run, lake) in [
            ("/a/lake", "/a/lake"),
            ("/a/lake/run", "/a/lake"),
            ("/a", "/"),
            ("s3://b/lake/run at http://h", "s3://b/lake at http://h"),
            ("s3://b/run", "s3://b"),
        ] {
            assert!(is_inside(run, lake), "{run} {lake}");
        }
        for (run, lake) in [
            ("/a/lake2", "/a/lake"),
            ("/a", "/a/lake"),
            ("/a/run", "/a/lake"),
            ("s3://b/lake/run", "s3://b/lake at http://h"),
            ("s3://b/lake-runs/1", "s3://b/lake"),
            ("s3://c/run", "s3://b"),
        ] {
            assert!(!is_inside(run, lake), "{run} {lake}");
        }
    }
}
