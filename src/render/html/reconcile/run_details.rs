//! Details for repeating and comparing an audit: the run, its settings, those of the server, and the columns.

use serde::Serialize;

use crate::reconcile::Outcome;
use crate::render::html::headline::{self, Fact};
use crate::render::html::sanitize;

/// Section of the details.
#[derive(Debug, Serialize)]
pub(super) struct RunDetails {
    facts: Vec<Fact>,
    /// Type of each column, which determines how it is compared.
    columns: Vec<[String; 2]>,
}

impl RunDetails {
    pub(super) fn of(outcome: &Outcome) -> Self {
        let (run, options, stores) = (&outcome.run, &outcome.options, &outcome.stores);
        let settings = serde_json::to_string(&options.settings).unwrap_or_default();
        let message =
            |(name, value): (&String, &String)| format!("{name} = {}", if value.is_empty() { "''" } else { value });
        let server: Vec<String> = stores.server_settings.iter().map(message).collect();
        let facts = vec![
            Fact::code("Run", &run.id),
            Fact::text(
                if run.shards.is_empty() { "Started" } else { "Merge started" },
                run.started_at.map_or_else(String::new, headline::instant),
            ),
            Fact::text("Version", &*run.version),
            Fact::code("Settings", if options.settings_sha256.is_empty() { String::new() } else { settings }),
            Fact::code("Settings SHA-256", &options.settings_sha256),
            Fact::code("Server settings", server.join("; ")),
        ];
        let columns =
            stores.columns.iter().map(|(name, holds)| [name.to_string(), sanitize::shown(holds, sanitize::VALUE)]);
        Self { facts: headline::stated(facts), columns: columns.collect() }
    }
}
