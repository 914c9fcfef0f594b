//! What an engineer needs to repeat the audit and compare: the run, its settings, the server's, the columns.

use serde::Serialize;

use crate::reconcile::Outcome;
use crate::render::html::head::{self, Fact};
use crate::render::html::text;

/// The facts.
#[derive(Debug, Serialize)]
pub(super) struct About {
    facts: Vec<Fact>,
    /// What each column holds, and is compared as.
    columns: Vec<[String; 2]>,
}

impl About {
    pub(super) fn of(outcome: &Outcome) -> Self {
        let (run, asked, stores) = (&outcome.run, &outcome.asked, &outcome.stores);
        let settings = serde_json::to_string(&asked.settings).unwrap_or_default();
        let said =
            |(name, value): (&String, &String)| format!("{name} = {}", if value.is_empty() { "''" } else { value });
        let server: Vec<String> = stores.server_settings.iter().map(said).collect();
        let facts = vec![
            Fact::code("Run", &run.id),
            Fact::said("Started", run.began.map_or_else(String::new, head::instant)),
            Fact::said("Version", &*run.version),
            Fact::code("Settings", if asked.settings_sha256.is_empty() { String::new() } else { settings }),
            Fact::code("Settings SHA-256", &asked.settings_sha256),
            Fact::code("Server settings", server.join("; ")),
        ];
        let columns = stores.columns.iter().map(|(name, holds)| [name.to_string(), text::shown(holds, text::VALUE)]);
        Self { facts: head::stated(facts), columns: columns.collect() }
    }
}
