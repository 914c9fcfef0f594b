//! History in one argument: `--generate farms=2,lots=100,days=30`.

use std::str::FromStr;

use anyhow::anyhow;

use super::super::generate::HerdFlags;
use crate::herd::{Fault, Faults, Part};

/// Keys that are not faults.
const FIGURES: [&str; 6] = ["farms", "lots", "days", "start", "seed", "part"];

/// History in one argument.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct GenerateSpec(pub HerdFlags);

impl FromStr for GenerateSpec {
    type Err = anyhow::Error;

    fn from_str(text: &str) -> anyhow::Result<Self> {
        let mut flags = HerdFlags {
            farms: 1,
            lots: 100,
            days: 30,
            start: None,
            seed: 1,
            part: Part::WHOLE,
            faults: Faults::none(),
        };
        let mut faults = Vec::new();
        let mut seen = Vec::new();
        for pair in text.split(',').map(str::trim).filter(|pair| !pair.is_empty()) {
            let (key, value) = pair.split_once('=').ok_or_else(|| anyhow!("{pair} is not KEY=VALUE"))?;
            let (key, value) = (key.trim(), value.trim());
            anyhow::ensure!(!seen.contains(&key), "{key} is given twice");
            seen.push(key);
            match key {
                "farms" => flags.farms = parsed(key, value)?,
                "lots" => flags.lots = parsed(key, value)?,
                "days" => flags.days = parsed(key, value)?,
                "start" => flags.start = Some(parsed(key, value)?),
                "seed" => flags.seed = parsed(key, value)?,
                "part" => flags.part = value.parse()?,
                _ if is_fault(key) => faults.push(pair),
                _ => anyhow::bail!(
                    "{key} is neither a figure (farms, lots, days, start, seed, part) nor a fault{}",
                    hint(key)
                ),
            }
        }
        anyhow::ensure!(
            !seen.is_empty(),
            "is empty: write farms=N, lots=N, days=N, start=DATE, seed=N, part=I/N or fault rates"
        );
        flags.faults = Faults::parse(&faults.join(","))?;
        Ok(Self(flags))
    }
}

fn is_fault(key: &str) -> bool {
    key.starts_with("malformed.") || Fault::ALL.map(Fault::name).contains(&key)
}

/// Returns a suggestion for an unknown key.
fn hint(key: &str) -> String {
    let known = FIGURES.into_iter().chain(Fault::ALL.map(Fault::name));
    let alike = known.map(|known| (strsim::jaro(key, known), known)).filter(|(alike, _)| *alike > 0.7);
    let nearest = alike.max_by(|(one, _), (other, _)| one.total_cmp(other));
    nearest.map_or_else(String::new, |(_, known)| format!(": did you mean {known}?"))
}

fn parsed<T: FromStr>(key: &str, value: &str) -> anyhow::Result<T> {
    let what = if key == "start" { "a date, such as 2026-01-01" } else { "a whole number that is not too large" };
    value.parse().map_err(|_| anyhow!("{key}={value}: write {what}"))
}

#[cfg(test)]
mod tests {
    use chrono::NaiveDate;

    use super::*;

    #[test]
    fn a_spec_contains_what_differs_from_the_defaults_of_generate() {
        let GenerateSpec(flags) =
            "farms=2, lots=10,days=3,start=2026-01-01,seed=7,part=2/3,late=0.1,zero=0.2".parse().unwrap();
        assert_eq!((flags.farms, flags.lots, flags.days, flags.seed), (2, 10, 3, 7));
        assert_eq!(flags.start, NaiveDate::from_ymd_opt(2026, 1, 1));
        assert_eq!((flags.part, flags.faults.to_string()), (Part::try_new(2, 3).unwrap(), "late=0.1,zero=0.2".into()));
        let today = NaiveDate::from_ymd_opt(2026, 3, 31).unwrap();
        let GenerateSpec(flags) = "lots=5".parse().unwrap();
        let herd = flags.herd(today).unwrap();
        assert_eq!((herd.farms(), herd.lots(), herd.days(), herd.seed()), (1, 5, 30, 1));
        assert_eq!(herd.start().to_string(), "2026-03-01");
        assert_eq!(herd.date(29).to_string(), "2026-03-30");
    }

    #[test]
    fn a_spec_and_the_flags_of_generate_have_the_same_defaults() {
        #[derive(Debug, clap::Parser)]
        struct Flags {
            #[command(flatten)]
            flags: HerdFlags,
        }
        let Flags { flags } = clap::Parser::parse_from(["generate"]);
        assert_eq!("farms=1".parse::<GenerateSpec>().unwrap().0, flags);
    }

    #[test]
    fn a_spec_that_cannot_be_meant_is_refused() {
        let message = |text: &str| text.parse::<GenerateSpec>().unwrap_err().to_string();
        assert!(message("farms").contains("not KEY=VALUE"));
        assert!(message("farms=x").contains("whole number"));
        assert!(message("start=yesterday").contains("2026-01-01"));
        assert!(message("farms=1,farms=2").contains("twice"));
        assert!(message("lot=50").ends_with("nor a fault: did you mean lots?"));
        assert!(message("malformed.lost=0.1").contains("no kind"));
        assert!(message("").contains("empty"));
    }
}
