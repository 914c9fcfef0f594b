//! Number of the shard to run: from the flag, or from the variable of the scheduler that started the program.

use serde::{Deserialize, Serialize};

/// Variables of schedulers, in the order in which they are looked up.
const VARIABLES: [(&str, Source); 5] = [
    ("AWS_BATCH_JOB_ARRAY_INDEX", Source::AwsBatch),
    ("JOB_COMPLETION_INDEX", Source::Kubernetes),
    ("SLURM_ARRAY_TASK_ID", Source::Slurm),
    ("BATCH_TASK_INDEX", Source::GoogleBatch),
    ("CLOUD_RUN_TASK_INDEX", Source::CloudRun),
];

/// Variable that is set in every function of AWS Lambda.
const IN_LAMBDA: &str = "AWS_LAMBDA_FUNCTION_NAME";

/// Source of a shard's number: a scheduler, or the command line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Source {
    /// `--shard`.
    CommandLine,
    /// An array job of AWS Batch.
    AwsBatch,
    /// An Indexed Job of Kubernetes.
    Kubernetes,
    /// An array job of Slurm.
    Slurm,
    /// A task group of Google Cloud Batch.
    GoogleBatch,
    /// A Cloud Run job.
    CloudRun,
    /// An event of AWS Lambda.
    Lambda,
}

/// Returns the number of the shard, and its source.
///
/// # Errors
/// Returns an error if there is no number, if a variable does not contain a number, or if two of them differ.
pub fn shard_index(flag: Option<u32>, variable: impl Fn(&str) -> Option<String>) -> Result<(u32, Source), String> {
    // A function runs the command that its event names.
    let source = if variable(IN_LAMBDA).is_some() { Source::Lambda } else { Source::CommandLine };
    let mut found = flag.map(|index| ("--shard", index, source));
    for (name, source) in VARIABLES {
        let Some(text) = variable(name) else { continue };
        let index: u32 = text
            .trim()
            .parse()
            .map_err(|_| format!("{name}={text} is not the number of a shard: write 0, 1, 2 and so on"))?;
        match found {
            Some((other, first, _)) if first != index => {
                return Err(format!("{other} is {first} and {name} is {index}: use one of them"));
            }
            Some(_) => {}
            None => found = Some((name, index, source)),
        }
    }
    let names = VARIABLES.map(|(name, _)| name).join(", ");
    let none = || format!("no number of a shard: give --shard K, or run it as an array job that sets one of {names}");
    found.map(|(_, index, source)| (index, source)).ok_or_else(none)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(flag: Option<u32>, variables: &[(&str, &str)]) -> Result<(u32, Source), String> {
        let value =
            |name: &str| variables.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned());
        shard_index(flag, value)
    }

    #[test]
    fn the_number_comes_from_the_first_that_is_set() {
        assert_eq!(of(Some(3), &[]), Ok((3, Source::CommandLine)));
        for (name, source) in VARIABLES {
            assert_eq!(of(None, &[(name, "7")]), Ok((7, source)));
            assert_eq!(of(Some(7), &[(name, "7")]), Ok((7, Source::CommandLine)));
        }
        assert_eq!(of(Some(7), &[(IN_LAMBDA, "audit")]), Ok((7, Source::Lambda)));
        assert!(of(None, &[(IN_LAMBDA, "audit")]).is_err());
        let both = [("SLURM_ARRAY_TASK_ID", "2"), ("AWS_BATCH_JOB_ARRAY_INDEX", "2")];
        assert_eq!(of(None, &both), Ok((2, Source::AwsBatch)));
    }

    #[test]
    fn numbers_that_differ_or_are_missing_are_an_error() {
        let e = of(Some(1), &[("SLURM_ARRAY_TASK_ID", "2")]).unwrap_err();
        assert_eq!(e, "--shard is 1 and SLURM_ARRAY_TASK_ID is 2: use one of them");
        let e = of(None, &[("JOB_COMPLETION_INDEX", "1"), ("CLOUD_RUN_TASK_INDEX", "0")]).unwrap_err();
        assert!(e.contains("JOB_COMPLETION_INDEX is 1"), "{e}");
        assert!(of(None, &[("BATCH_TASK_INDEX", "-1")]).unwrap_err().contains("BATCH_TASK_INDEX=-1"));
        assert!(of(None, &[]).unwrap_err().contains("--shard K"));
    }
}
