//! Checks of everything a run needs, one line per check, with suggested fixes.
//!
//! Neither store is changed. Whether a store other than AWS honours conditional writes shows only on writing, so that
//! check writes an object next to the lake and removes it again.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, TimeDelta, Utc};

use crate::outcome::counted;
use crate::topic::Topic;
use pipeline::lake::{ConditionalWrites, Conditions, Depth, Lake, Reason};
use pipeline::record::Column;
use pipeline::record::row::{ColumnType, TableSchema};
use pipeline::warehouse::{ServerStatus, TlsMode, TlsStatus, Warehouse};

mod outcome;

pub use outcome::{Check, CheckStatus, Outcome};

/// Clock difference above which a warning is shown. AWS rejects requests that are off by more than 15 minutes.
const SKEW_WARNING: TimeDelta = TimeDelta::seconds(30);
/// Clock difference above which nothing works.
const SKEW_LIMIT: TimeDelta = TimeDelta::minutes(15);

/// Name of the check of the lake's conditional writes.
const CONDITIONS: &str = "lake conditional writes";

/// Required `max_allowed_packet` in bytes. Usual batches stay below 512 KiB; 1,000 rows with text of maximum length
/// approach 8 MiB.
const PACKET_NEEDED: u64 = 1 << 20;

/// Checks the lake: access, listing, conditional writes (tested by writing unless `read_only`), clock.
pub async fn lake(lake: &dyn Lake, now: impl Fn() -> DateTime<Utc>, read_only: bool, outcome: &mut Outcome) {
    let clock = match lake.clock().await {
        Ok(clock) => clock,
        Err(e) => {
            outcome.add("lake access", CheckStatus::Failed, e.to_string());
            outcome.add("lake listing", CheckStatus::Skipped, "no access");
            outcome.add(CONDITIONS, CheckStatus::Skipped, "no access");
            match e.reason {
                Reason::ClockSkew => outcome.add("lake clock", CheckStatus::Failed, e.message),
                _ => outcome.add("lake clock", CheckStatus::Skipped, "no access"),
            }
            return;
        }
    };
    // The identity of a bucket has its endpoint, if that is not the one of AWS.
    outcome.add("lake access", CheckStatus::Ok, lake.identity());
    match lake.list("", Depth::OneLevel, None).await {
        Ok(page) if page.folders.is_empty() => {
            outcome.add("lake listing", CheckStatus::Ok, "empty: no farm has a directory yet")
        }
        Ok(page) => {
            let more = if page.next.is_some() { " or more" } else { "" };
            outcome.add("lake listing", CheckStatus::Ok, format!("{}{more} folders", page.folders.len()));
        }
        Err(e) => outcome.add("lake listing", CheckStatus::Failed, why_not_listed(&e)),
    }
    conditional_writes(lake, read_only, outcome).await;
    skew("lake clock", clock, now(), outcome);
}

/// Returns why the lake cannot be listed; names the permission if the request was denied.
fn why_not_listed(e: &pipeline::lake::Error) -> String {
    match e.reason {
        Reason::Denied => format!("{e}: the policy must allow s3:ListBucket"),
        _ => e.to_string(),
    }
}

async fn conditional_writes(lake: &dyn Lake, read_only: bool, outcome: &mut Outcome) {
    let found = if read_only { Ok(lake.conditions()) } else { lake.test_conditions().await };
    let (health, detail) = match found {
        Err(e) => (CheckStatus::Skipped, format!("cannot be tested: {e}")),
        Ok(conditions) => match conditions.weakest() {
            ConditionalWrites::Honoured => (CheckStatus::Ok, "If-None-Match and If-Match are honoured".to_owned()),
            ConditionalWrites::Untested => (CheckStatus::Skipped, "not tested: remove --read-only".to_owned()),
            ConditionalWrites::Emulated => {
                let Conditions { create, change } = conditions;
                let detail = format!(
                    "If-None-Match is {create}, If-Match is {change}: objects are looked up before they are written; let only one writer run at a time, or add --require-conditional-writes"
                );
                (CheckStatus::Warning, detail)
            }
        },
    };
    outcome.add(CONDITIONS, health, detail);
}

/// Checks the warehouse: access, server, schema, privileges, settings, clock.
pub async fn warehouse(warehouse: &dyn Warehouse, now: impl Fn() -> DateTime<Utc>, outcome: &mut Outcome) {
    let status = match warehouse.status().await {
        Ok(status) => status,
        Err(e) => {
            outcome.add("warehouse access", CheckStatus::Failed, e.to_string());
            for name in
                ["warehouse TLS", "warehouse schema", "warehouse privileges", "warehouse settings", "warehouse clock"]
            {
                outcome.add(name, CheckStatus::Skipped, "no access");
            }
            return;
        }
    };
    let damage = match warehouse.damage().await {
        Ok(damage) => damage,
        Err(e) => Some(e.to_string()),
    };
    let comment = status.settings.get("version_comment").map_or(String::new(), |comment| format!(", {comment}"));
    let access = format!("{}: {}{comment}", warehouse.address(), status.version);
    match status.too_old.as_ref().or(damage.as_ref()) {
        None => outcome.add("warehouse access", CheckStatus::Ok, access),
        Some(old) => outcome.add("warehouse access", CheckStatus::Failed, format!("{access}: {old}")),
    }
    if let Some(tls) = &status.tls {
        outcome.add("warehouse TLS", tls_health(tls), describe_tls(tls));
    }
    match warehouse.table_schema().await {
        Ok(schema) => {
            let rows = status.rows.map_or_else(|| "number of rows unknown".to_owned(), |n| counted(n, "row", "rows"));
            outcome.add("warehouse schema", CheckStatus::Ok, format!("{rows}, {}", describe(&schema)));
        }
        Err(e) => outcome.add("warehouse schema", CheckStatus::Failed, e.to_string()),
    }
    privileges(&status.grants, outcome);
    settings(&status, outcome);
    if let Some(clock) = status.clock {
        skew("warehouse clock", clock.and_utc(), now(), outcome);
    }
}

/// Returns the health of a connection: less than verified TLS to another machine is a warning.
fn tls_health(tls: &TlsStatus) -> CheckStatus {
    let is_verified = tls.mode == TlsMode::VerifyIdentity && tls.cipher.is_some();
    if is_verified || tls.is_local { CheckStatus::Ok } else { CheckStatus::Warning }
}

fn describe_tls(tls: &TlsStatus) -> String {
    let cipher = tls.cipher.as_deref().unwrap_or("not encrypted");
    let (mode, less) = (tls.mode, "remove ssl-mode, which requests less, to verify it");
    match mode {
        TlsMode::VerifyIdentity => format!("certificate and name are verified, {cipher}"),
        _ if tls.is_local => format!("the server is on this machine, {cipher}"),
        TlsMode::VerifyCa => format!("the server's name is not verified ({mode}), {cipher}: {less}"),
        _ if tls.cipher.is_none() => format!("password and rows are sent without encryption ({mode}): {less}"),
        _ => format!("the server's certificate is not verified ({mode}), {cipher}: {less}"),
    }
}

/// Checks the topic.
pub async fn topic(topic: &dyn Topic, outcome: &mut Outcome) {
    match topic.check().await {
        Ok(()) => {
            let at = topic.endpoint().map(|endpoint| format!(" at {endpoint}")).unwrap_or_default();
            outcome.add("topic", CheckStatus::Ok, format!("{}{at}", topic.address()));
        }
        Err(e) => outcome.add("topic", CheckStatus::Failed, e.to_string()),
    }
}

fn skew(name: &'static str, theirs: DateTime<Utc>, ours: DateTime<Utc>, outcome: &mut Outcome) {
    let skew = (ours - theirs).abs();
    let text = format!("{} s clock skew", skew.num_seconds());
    let (health, detail) = if skew > SKEW_LIMIT {
        (CheckStatus::Failed, format!("{text}: set this machine's clock, AWS refuses more than 15 minutes"))
    } else if skew > SKEW_WARNING {
        (CheckStatus::Warning, format!("{text}: set this machine's clock"))
    } else {
        (CheckStatus::Ok, text)
    };
    outcome.add(name, health, detail);
}

fn describe(schema: &TableSchema) -> String {
    let weights = match schema.of(Column::PesoMedio) {
        ColumnType::Float { .. } => "FLOAT",
        ColumnType::Double { decimals: None } => "DOUBLE",
        _ => "DECIMAL",
    };
    let keys = match schema.of(Column::IdTreatedData) {
        ColumnType::Text { chars } => format!("keys of {chars} characters"),
        _ => "keys".to_owned(),
    };
    format!("weight columns: {weights}, {keys}")
}

/// Checks the privileges that commands need; `ALL PRIVILEGES` includes all.
fn privileges(grants: &[String], outcome: &mut Outcome) {
    if grants.is_empty() {
        return outcome.add("warehouse privileges", CheckStatus::Skipped, "this warehouse has none");
    }
    let granted: BTreeSet<String> = grants.iter().flat_map(|grant| granted(grant)).collect();
    let has = |privilege: &str| granted.contains("ALL PRIVILEGES") || granted.contains(privilege);
    let missing =
        |needed: &[&'static str]| needed.iter().copied().filter(|privilege| !has(privilege)).collect::<Vec<_>>();
    let (work, init) = (missing(&["SELECT", "INSERT", "UPDATE"]), missing(&["CREATE", "CREATE VIEW", "INDEX"]));
    if !work.is_empty() {
        let detail =
            format!("no {}: grant it for backfill, replay and repair (audits need SELECT only)", work.join(", "));
        outcome.add(
            "warehouse privileges",
            if work.contains(&"SELECT") { CheckStatus::Failed } else { CheckStatus::Warning },
            detail,
        );
    } else if !init.is_empty() {
        outcome.add(
            "warehouse privileges",
            CheckStatus::Warning,
            format!("no {}: only `ruminate init` needs it", init.join(", ")),
        );
    } else {
        outcome.add("warehouse privileges", CheckStatus::Ok, "SELECT, INSERT, UPDATE, CREATE, CREATE VIEW, INDEX");
    }
}

/// Returns the privileges in one line of SHOW GRANTS, regardless of its object.
fn granted(grant: &str) -> Vec<String> {
    let grant = grant.to_uppercase();
    let listed = grant.strip_prefix("GRANT ").and_then(|rest| rest.split_once(" ON ")).map_or("", |(listed, _)| listed);
    listed.split(',').map(|privilege| privilege.trim().to_owned()).collect()
}

fn settings(status: &ServerStatus, outcome: &mut Outcome) {
    let settings: &BTreeMap<String, String> = &status.settings;
    let get = |name: &str| settings.get(name).map(String::as_str);
    let on = |name: &str| get(name).is_some_and(|value| matches!(value, "1" | "ON"));
    match get("read_only") {
        _ if on("innodb_read_only") => outcome.add(
            "read_only",
            CheckStatus::Failed,
            "the server is a reader (innodb_read_only is ON): use the writer endpoint of the cluster",
        ),
        None => {}
        Some(_) if on("read_only") => {
            outcome.add("read_only", CheckStatus::Failed, "the server is read-only: point at the primary")
        }
        Some(_) => outcome.add("read_only", CheckStatus::Ok, "off"),
    }
    match get("local_infile") {
        None => outcome.add("local_infile", CheckStatus::Skipped, "this warehouse has no such setting"),
        Some(_) if on("local_infile") => outcome.add("local_infile", CheckStatus::Ok, "on"),
        Some(_) => outcome.add(
            "local_infile",
            CheckStatus::Warning,
            "off: rows are loaded by INSERT; SET GLOBAL local_infile = ON enables LOAD DATA",
        ),
    }
    match get("max_allowed_packet").and_then(|value| value.parse::<u64>().ok()) {
        None => outcome.add("max_allowed_packet", CheckStatus::Skipped, "this warehouse has no such setting"),
        Some(bytes) if bytes < PACKET_NEEDED => {
            outcome.add(
                "max_allowed_packet",
                CheckStatus::Failed,
                format!("{bytes} bytes: raise it to {PACKET_NEEDED} or more"),
            );
        }
        Some(bytes) => {
            outcome.add("max_allowed_packet", CheckStatus::Ok, format!("{} bytes", crate::outcome::count(bytes)))
        }
    }
    if let Some(mode) = get("sql_mode") {
        outcome.add("sql_mode", CheckStatus::Ok, format!("this session: {mode}"));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use pipeline::lake::memory::Memory as Lakes;
    use pipeline::warehouse::memory::Memory as Rows;

    fn health(outcome: &Outcome, name: &str) -> CheckStatus {
        outcome.checks.iter().find(|check| check.name == name).map(|check| check.status).unwrap()
    }

    #[tokio::test]
    async fn a_wrong_clock_is_reported() {
        for (minutes, expected) in [(0, CheckStatus::Ok), (5, CheckStatus::Warning), (20, CheckStatus::Failed)] {
            let mut outcome = Outcome::default();
            lake(&Lakes::default(), || Utc::now() + TimeDelta::minutes(minutes), false, &mut outcome).await;
            assert_eq!(health(&outcome, "lake clock"), expected);
        }
    }

    #[test]
    fn the_permission_to_list_is_named_only_if_a_listing_is_denied() {
        let of = |reason| why_not_listed(&pipeline::lake::Error::new(reason, "s3://bucket", "refused"));
        assert_eq!(of(Reason::Denied), "lake s3://bucket: refused: the policy must allow s3:ListBucket");
        assert_eq!(of(Reason::ClockSkew), "lake s3://bucket: refused");
        assert_eq!(of(Reason::Network), "lake s3://bucket: refused");
    }

    #[tokio::test]
    async fn a_missing_table_fails_with_a_suggested_fix() {
        let mut outcome = Outcome::default();
        warehouse(&Rows::default(), Utc::now, &mut outcome).await;
        assert_eq!(health(&outcome, "warehouse schema"), CheckStatus::Failed);
        assert!(outcome.to_string().contains("run `ruminate init`"));
    }

    #[test]
    fn a_reader_of_a_cluster_fails_although_it_is_not_read_only() {
        let judge = |settings: &[(&str, &str)]| {
            let settings = settings.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
            let mut outcome = Outcome::default();
            super::settings(&ServerStatus { settings, ..ServerStatus::default() }, &mut outcome);
            (health(&outcome, "read_only"), outcome.to_string())
        };
        let (status, text) = judge(&[("read_only", "0"), ("innodb_read_only", "1")]);
        assert!(status == CheckStatus::Failed && text.contains("writer endpoint"), "{text}");
        assert_eq!(judge(&[("read_only", "OFF"), ("innodb_read_only", "OFF")]).0, CheckStatus::Ok);
        assert_eq!(judge(&[("read_only", "ON")]).0, CheckStatus::Failed);
    }

    #[test]
    fn less_than_verified_tls_to_another_machine_is_a_warning() {
        let of = |mode, is_local, cipher: Option<&str>| {
            let tls = TlsStatus { mode, is_local, cipher: cipher.map(str::to_owned) };
            (tls_health(&tls), describe_tls(&tls))
        };
        let cipher = Some("TLS_AES_256_GCM_SHA384");
        assert_eq!(of(TlsMode::VerifyIdentity, false, cipher).0, CheckStatus::Ok);
        assert_eq!(of(TlsMode::Preferred, true, None).0, CheckStatus::Ok);
        for (mode, cipher, words) in [
            (TlsMode::VerifyCa, cipher, "name is not verified (VERIFY_CA)"),
            (TlsMode::Required, cipher, "certificate is not verified (REQUIRED)"),
            (TlsMode::Preferred, None, "without encryption (PREFERRED)"),
            (TlsMode::Disabled, None, "without encryption (DISABLED)"),
        ] {
            let (status, text) = of(mode, false, cipher);
            assert!(status == CheckStatus::Warning && text.contains(words), "{text}");
        }
    }

    #[test]
    fn privileges_are_parsed_from_grants() {
        let judge = |grant: &str| {
            let mut outcome = Outcome::default();
            privileges(&[grant.to_owned()], &mut outcome);
            outcome.checks[0].status
        };
        assert_eq!(judge("GRANT ALL PRIVILEGES ON `fazendas`.* TO `a`@`%`"), CheckStatus::Ok);
        assert_eq!(judge("GRANT SELECT, INSERT, UPDATE ON `fazendas`.* TO `a`@`%`"), CheckStatus::Warning);
        assert_eq!(judge("GRANT SELECT ON `fazendas`.* TO `a`@`%`"), CheckStatus::Warning);
        assert_eq!(judge("GRANT SELECT, INSERT, UPDATE, CREATE VIEW, INDEX ON `f`.* TO `a`@`%`"), CheckStatus::Warning);
        assert_eq!(judge("GRANT USAGE ON *.* TO `a`@`%`"), CheckStatus::Failed);
    }
}
