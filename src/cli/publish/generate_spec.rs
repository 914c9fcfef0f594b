//! History in one argument: `--generate farms=2,lots=100,days=30`.

use std::str::FromStr;

use anyhow::anyhow;

use super::super::generate::HerdFlags;
use super::super::times::day;
use crate::herd::{Fault, Faults, Part};

/// Keys that are not faults.
const KEYS: [&str; 6] = ["farms", "lots", "days", "start", "seed", "part"];

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
                "start" => flags.start = Some(day(value).map_err(|e| anyhow!("start={e}"))?),
                "seed" => flags.seed = parsed(key, value)?,
                "part" => flags.part = value.parse()?,
                _ if is_fault(key) => faults.push(pair),
                _ => anyhow::bail!(
                    "{key} is not a key{}: write farms, lots, days, start, seed, part or a fault such as duplicate=0.01",
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
    let known = KEYS.into_iter().chain(Fault::ALL.map(Fault::name));
    let alike = known.map(|known| (strsim::jaro(key, known), known)).filter(|(alike, _)| *alike > 0.7);
    let nearest = alike.max_by(|(one, _), (other, _)| one.total_cmp(other));
    nearest.map_or_else(String::new, |(_, known)| format!(" (did you mean {known}?)"))
}

fn parsed<T: FromStr>(key: &str, value: &str) -> anyhow::Result<T> {
    let is_number = !value.is_empty() && value.bytes().all(|b| b.is_ascii_digit());
    let problem = if is_number { "too large" } else { "not a whole number" };
    value.parse().map_err(|_| anyhow!("{key}={value} is {problem}"))
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
    fn an_implausible_spec_is_rejected() {
        let message = |text: &str| text.parse::<GenerateSpec>().unwrap_err().to_string();
        assert!(message("farms").contains("not KEY=VALUE"));
        assert!(message("farms=x").contains("farms=x is not a whole number"));
        assert!(message("start=yesterday").contains("such as 2026-11-01"));
        assert_eq!(message("lots=99999999999"), "lots=99999999999 is too large");
        assert!(message("start=2026-02-30").contains("there is no such day"));
        assert!(message("farms=1,farms=2").contains("twice"));
        assert!(message("lot=50").starts_with("lot is not a key (did you mean lots?): write farms, lots"));
        assert!(message("malfrmed=0.1").contains("did you mean malformed?"));
        assert!(message("malformed.lost=0.1").contains("no kind"));
        assert!(message("").contains("empty"));
    }
}
