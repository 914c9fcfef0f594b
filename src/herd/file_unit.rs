//! A file as a farm delivers it: farm × day. Owns the order of files, their split into parts and their names; leaves what is
//! in them to `delivery` and running many of them to `generate`.

use std::fmt;
use std::iter::FusedIterator;
use std::ops::Range;
use std::str::FromStr;

use super::{Error, Herd, LineFormat};

/// One file: what one farm delivers on one day.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct FileUnit {
    /// The farm, counted from 0.
    pub farm: u32,
    /// The day of the history, counted from 0.
    pub day: u32,
}

impl FileUnit {
    /// The file's name as farms give it: `<CodCliente>_Consumo_<YYYYMMDD>.json`, or `.csv`.
    pub fn name(&self, herd: &Herd, format: LineFormat) -> String {
        format!("{}.{}", self.stem(herd), format.extension())
    }

    /// The name without its ending.
    pub fn stem(&self, herd: &Herd) -> String {
        let date = herd.date(self.day).format("%Y%m%d");
        format!("{}_Consumo_{date}", super::cod_cliente(self.farm))
    }
}

/// One of n slices of a history, counted from 1 as in `2/4`; in order they are the whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Part {
    index: u32,
    of: u32,
}

impl Part {
    /// All of it.
    pub const WHOLE: Self = Self { index: 1, of: 1 };

    /// Whether the whole begins with it.
    pub fn is_first(self) -> bool {
        self.index == 1
    }

    /// Part `index` of `of`, with `index` from 1 to `of`.
    ///
    /// # Errors
    /// [`Error::Part`] if it is not.
    pub fn try_new(index: u32, of: u32) -> Result<Self, Error> {
        if index == 0 || index > of {
            return Err(Error::Part(format!("{index}/{of}")));
        }
        Ok(Self { index, of })
    }
}

impl fmt::Display for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.index, self.of)
    }
}

impl FromStr for Part {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let parsed = text.split_once('/').and_then(|(index, of)| Some((index.parse().ok()?, of.parse().ok()?)));
        let (index, of) = parsed.ok_or_else(|| Error::Part(text.to_owned()))?;
        Self::try_new(index, of)
    }
}

/// The files of a herd, or of a part of it: day by day, and each day farm by farm.
#[derive(Debug, Clone)]
pub struct Files {
    farms: u64,
    left: Range<u64>,
}

impl Iterator for Files {
    type Item = FileUnit;

    fn next(&mut self) -> Option<FileUnit> {
        let number = self.left.next()?;
        // Both fit: Herd::try_new counted farms and days in 32 bits.
        Some(FileUnit { farm: (number % self.farms) as u32, day: (number / self.farms) as u32 })
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        let count = usize::try_from(self.left.end - self.left.start);
        (count.unwrap_or(usize::MAX), count.ok())
    }
}

impl FusedIterator for Files {}

impl Files {
    /// How many files are still to come.
    pub fn count_left(&self) -> u64 {
        self.left.end - self.left.start
    }
}

impl Herd {
    /// All files of the history.
    pub fn files(&self) -> Files {
        self.part(Part::WHOLE)
    }

    /// The files of one part: as many as those of any other part, give or take one.
    pub fn part(&self, part: Part) -> Files {
        let files = u128::from(self.farms) * u128::from(self.days);
        // No more than the number of files, which fits: 32 bits times 32 bits.
        let end = |index: u32| (files * u128::from(index) / u128::from(part.of)) as u64;
        Files { farms: u64::from(self.farms), left: end(part.index - 1)..end(part.index) }
    }
}

#[cfg(test)]
mod tests {
    use chrono::NaiveDate;

    use super::*;

    fn herd() -> Herd {
        Herd::try_new(5, 40, 300, NaiveDate::from_ymd_opt(2024, 2, 20).unwrap(), 11).unwrap()
    }

    #[test]
    fn files_come_day_by_day_and_are_named_as_farms_name_them() {
        let names: Vec<String> = herd().files().take(6).map(|unit| unit.name(&herd(), LineFormat::Ndjson)).collect();
        assert_eq!(names[0], "FazendaUm_Consumo_20240220.json");
        assert_eq!(names[4], "FazendaCinco_Consumo_20240220.json");
        assert_eq!(names[5], "FazendaUm_Consumo_20240221.json");
        assert_eq!(FileUnit { farm: 1, day: 10 }.name(&herd(), LineFormat::Csv), "FazendaDois_Consumo_20240301.csv");
    }

    #[test]
    fn parts_are_written_as_i_of_n() {
        assert_eq!("2/4".parse::<Part>(), Part::try_new(2, 4));
        assert_eq!(Part::try_new(2, 4).unwrap().to_string(), "2/4");
        for text in ["0/4", "5/4", "2", "a/b", "0/0", "-1/2"] {
            assert!(text.parse::<Part>().unwrap_err().to_string().contains(text), "{text}");
        }
        let max = Part::try_new(u32::MAX, u32::MAX).unwrap();
        assert_eq!(herd().part(max).count_left(), 1);
    }
}
