//! Text of a bundle.

use std::fmt;

use super::{LabelledRows, count, counted, duration};
use crate::bundle::{Bundle, Outcome};

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let took = duration(self.seconds);
        if let Some(made) = &self.made {
            let files = counted(made.files.len() as u64, "file", "files");
            writeln!(f, "bundle: {files} for {} in {took}, in {}", made.arch, self.out)?;
            write!(f, "{made}")?;
            writeln!(f, "to deploy, see {}/DEPLOY.md", self.out)?;
        }
        if let Some(why) = &self.stopped {
            writeln!(f, "bundle: stopped early after {took}: {why}; nothing was written")?;
            writeln!(f, "to resume, run the same command again: cargo keeps what it has built")?;
        }
        Ok(())
    }
}

impl fmt::Display for Bundle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let needed = if self.needed_libraries.is_empty() { "nothing".into() } else { self.needed_libraries.join(", ") };
        let crates = self.dependencies.map_or("unknown".into(), |crates| counted(crates, "crate", "crates"));
        let lines = [
            ("zip", format!("{} bytes, unzipped {}: {}", count(self.zip_bytes), count(self.unzipped_bytes), self.zip)),
            ("CodeSha256", self.code_sha256.clone()),
            (
                "libraries",
                self.glibc.as_ref().map_or(needed.clone(), |glibc| format!("{needed}; glibc {glibc} or newer")),
            ),
            ("sbom", crates),
        ];
        write!(f, "{}", LabelledRows(&lines))?;
        self.warnings.iter().try_for_each(|warning| writeln!(f, "  warning: {warning}"))
    }
}
