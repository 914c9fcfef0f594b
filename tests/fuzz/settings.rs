//! Config files, `ruminate.toml`.

use std::fmt::Write as _;

use ruminate::cli::{ConfigValue, config_values};

use crate::engine::{Target, Verdict, check_reason, same};

const FILE: &str = "
lake = 's3://bucket/historico_diario'
farm = ['x', \"y\"]
concurrency = 8
output = 'json'
[replay]
concurrency = 64
verify = true
[profile.prod]
warehouse = 'mysql://ana@db/fazendas'
meta_rate = 0.018
[profile.prod.replay]
rate = '500/s'
from = 2023-01-01
";
const SMALL: &str = "lake = 'x'\n[reconcile]\nmax_drift = '0.1%'\n";

const WORDS: &[&str] = &[
    "[profile.prod]\n",
    "[replay]\n",
    "[[x]]\n",
    "lake = ",
    "yes = true\n",
    "repair = 'both'\n",
    "undo = 'x'\n",
    "a.b.c = 1\n",
    "'''",
    "\"\"\"",
    "{x = 1}",
    "= 07:32:00\n",
];

#[test]
fn settings_are_the_same_values_after_they_were_written_again() {
    let corpus = [FILE, SMALL].map(|file| file.as_bytes().to_vec()).to_vec();
    let name = "settings::settings_are_the_same_values_after_they_were_written_again";
    Target { words: WORDS, ..Target::new(name, 150, corpus) }.run(settings);
}

fn settings(bytes: &[u8]) -> Verdict {
    let Ok(text) = std::str::from_utf8(bytes) else { return Ok(false) };
    let values = match config_values(text, None) {
        Ok(values) => values,
        Err(why) => return check_reason(&why).map(|()| false),
    };
    let mut written = String::new();
    let mut section = None;
    for ConfigValue { section: of, flag, values } in &values {
        if *of != section {
            let _ = writeln!(written, "[{}]", of.as_deref().unwrap_or_default());
            section.clone_from(of);
        }
        let values: Vec<String> = values.iter().map(|value| toml::Value::from(value.as_str()).to_string()).collect();
        let _ = match &*values {
            [one] => writeln!(written, "{flag} = {one}"),
            values => writeln!(written, "{flag} = [{}]", values.join(", ")),
        };
    }
    let again = config_values(&written, None).map_err(|e| format!("written as {written} and rejected: {e}"))?;
    same("written and parsed again", &again, &values)?;
    Ok(!values.is_empty())
}
