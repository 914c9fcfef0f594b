//! Settings from the environment: lake, warehouse, table and rules. Reads variables; opens nothing.
//!
//! | variable | meaning |
//! | --- | --- |
//! | `RUMINATE_LAKE` | `s3://bucket/prefix` |
//! | `RUMINATE_TABLE` | the table; `historico_consumo` |
//! | `RUMINATE_META_RATE` | target intake as a share of live weight; `0.0176` |
//! | `RUMINATE_REQUIRE_CONDITIONAL_WRITES` | `true`: store nothing if the lake's store does not honour them; `false` |
//! | `RUMINATE_SSE` | server-side encryption of new objects: `AES256`, `aws:kms` or `aws:kms:dsse`; the bucket's |
//! | `RUMINATE_SSE_KMS_KEY_ID` | KMS key of new objects: id, ARN or alias |
//! | `HTTPS_PROXY`, `HTTP_PROXY`, `NO_PROXY`, `AWS_CA_BUNDLE` | how AWS is reached: [`pipeline::aws`] |
//! | `RDS_…` | the warehouse: [`pipeline::warehouse::rds`] |
//! | `AWS_LAMBDA_LOG_LEVEL`, `AWS_LAMBDA_FUNCTION_NAME`, … | set by Lambda |

use std::sync::Arc;

use aws_config::SdkConfig;
use lambda_runtime::Error;
use pipeline::lake::s3::S3;
use pipeline::lake::{Encryption, Lake, LakeUrl, Unconditional};
use pipeline::record::Rules;
use pipeline::retry::{RetryPolicy, TimeoutProfile};
use pipeline::warehouse::mysql::AccessOptions;
use pipeline::warehouse::{Rds, TableName, Warehouse};

/// Variable that requires conditional writes.
const REQUIRED: &str = "RUMINATE_REQUIRE_CONDITIONAL_WRITES";

/// Variables of the encryption of new objects.
const SSE: &str = "RUMINATE_SSE";
const SSE_KEY: &str = "RUMINATE_SSE_KMS_KEY_ID";

/// Settings of the Lambda.
#[derive(Debug, Clone)]
pub struct Settings {
    bucket: String,
    prefix: String,
    unconditional: Unconditional,
    encryption: Encryption,
    rds: Rds,
    table: TableName,
    pub(crate) rules: Rules,
    pub(crate) function: String,
}

impl Settings {
    /// Reads the settings; an empty variable counts as not set.
    ///
    /// # Errors
    /// Returns an error if a variable is missing or invalid. The message has its name, and no password.
    pub fn from_variables(variable: impl Fn(&str) -> Option<String>) -> Result<Self, Error> {
        let variable = |name: &str| variable(name).filter(|value| !value.is_empty());
        let lake = variable("RUMINATE_LAKE").ok_or("RUMINATE_LAKE is not set: give s3://bucket/prefix")?;
        let url: LakeUrl = lake.parse().map_err(|e| format!("RUMINATE_LAKE: {e}"))?;
        let Some((bucket, prefix)) = url.bucket_and_prefix() else {
            return Err(format!(
                "RUMINATE_LAKE {lake:?} is not an s3://bucket/prefix address: a Lambda's files are not kept"
            )
            .into());
        };
        let table = variable("RUMINATE_TABLE").map(|name| name.parse()).transpose();
        let rate = variable("RUMINATE_META_RATE").map(|share| Rules::from_share(&share)).transpose();
        let sse = variable(SSE).map(|name| name.parse().map_err(|e| format!("{SSE}: {e}"))).transpose()?;
        let encryption = Encryption::try_new(sse, variable(SSE_KEY)).map_err(|e| format!("{SSE_KEY}: {e}"))?;
        let required = variable(REQUIRED).map(|value| value.to_ascii_lowercase());
        Ok(Self {
            bucket: bucket.to_owned(),
            prefix: prefix.to_owned(),
            unconditional: match required.as_deref() {
                None | Some("false" | "0") => Unconditional::Emulate,
                Some("true" | "1") => Unconditional::Refuse,
                Some(other) => return Err(format!("{REQUIRED} {other:?} is neither true nor false").into()),
            },
            encryption,
            rds: Rds::from_variables(variable)?
                .ok_or("neither RDS_HOST nor RDS_SECRET_ARN is set: give the warehouse's host")?,
            table: table.map_err(|e| format!("RUMINATE_TABLE: {e}"))?.unwrap_or_default(),
            rules: rate.map_err(|e| format!("RUMINATE_META_RATE: {e}"))?.unwrap_or_default(),
            function: variable("AWS_LAMBDA_FUNCTION_NAME").unwrap_or_else(|| "ruminate".into()),
        })
    }

    /// Returns the lake; it connects on first use.
    pub fn lake(&self, aws: &SdkConfig) -> Arc<dyn Lake> {
        let lake = S3::new(aws, self.bucket.as_str(), &self.prefix, RetryPolicy::default());
        Arc::new(lake.with_unconditional(self.unconditional).with_encryption(self.encryption.clone()))
    }

    /// Returns the warehouse, with one connection; it connects on first use.
    ///
    /// # Errors
    /// Returns an error if the address is invalid.
    pub fn warehouse(&self, aws: &SdkConfig) -> Result<Arc<dyn Warehouse>, Error> {
        let access =
            AccessOptions { connections: 1, timeout_profile: TimeoutProfile::Streaming, ..AccessOptions::default() };
        Ok(Arc::new(self.rds.open(aws, self.table.clone(), access)?))
    }
}

#[cfg(test)]
mod tests {
    use pipeline::record::QUARANTINE;

    use super::*;

    const LEAST: [(&str, &str); 2] = [("RUMINATE_LAKE", "s3://bucket/historico_diario"), ("RDS_HOST", "db")];

    fn read(more: &[(&str, &str)]) -> Result<Settings, String> {
        let all = [more, &LEAST].concat();
        let variable = |name: &str| Some((*all.iter().find(|(known, _)| *known == name)?.1).to_owned());
        Settings::from_variables(variable).map_err(|e| e.to_string())
    }

    #[test]
    fn the_minimum_is_a_lake_and_a_host() {
        let settings = read(&[]).unwrap();
        assert_eq!((settings.bucket.as_str(), settings.prefix.as_str()), ("bucket", "historico_diario"));
        assert_eq!((settings.table, settings.rules), (TableName::default(), Rules::default()));
        assert_eq!(settings.unconditional, Unconditional::Emulate);
        assert_eq!(read(&[(REQUIRED, "true")]).unwrap().unconditional, Unconditional::Refuse);
        assert_eq!(settings.encryption, Encryption::Bucket);
        let key = Some("alias/lake".to_owned());
        assert_eq!(read(&[(SSE_KEY, "alias/lake")]).unwrap().encryption, Encryption::Kms { key: key.clone() });
        let dsse = read(&[(SSE, "aws:kms:dsse"), (SSE_KEY, "alias/lake")]).unwrap();
        assert_eq!(dsse.encryption, Encryption::KmsDsse { key });
        assert_eq!(read(&[(SSE, "AES256")]).unwrap().encryption, Encryption::Aes256);
        assert!(read(&[(SSE, "AES256"), (SSE_KEY, "alias/lake")]).unwrap_err().contains(SSE_KEY));
        let set = read(&[("RUMINATE_TABLE", "historico"), ("RUMINATE_META_RATE", "0.0181")]).unwrap();
        assert_eq!((set.table.as_str(), set.rules.meta_rate), ("historico", 0.0181));
    }

    #[test]
    fn what_is_wrong_is_named() {
        for (name, value) in [
            ("RUMINATE_LAKE", ""),
            ("RUMINATE_LAKE", "/tmp/lake"),
            ("RUMINATE_LAKE", "s3://"),
            ("RUMINATE_LAKE", "s3://bucket/quarentena"),
            ("RUMINATE_LAKE", "s3://bucket/a/quarentena/"),
            ("RDS_HOST", ""),
            ("RDS_PORT", "mysql"),
            ("RUMINATE_TABLE", "a`b"),
            ("RUMINATE_META_RATE", "1.76"),
            ("RUMINATE_META_RATE", "a lot"),
            (REQUIRED, "perhaps"),
            (SSE, "sse-c"),
        ] {
            let e = read(&[(name, value)]).unwrap_err();
            assert!(e.contains(name), "{name}={value}: {e}");
        }
        for lake in ["s3://bucket/quarentena/lake", "s3://bucket/quarentena_2", "s3://bucket"] {
            read(&[("RUMINATE_LAKE", lake)]).unwrap();
        }
    }

    /// Returns a property of a template parameter, such as its `MinValue`.
    fn declared(parameter: &str, property: &str) -> &'static str {
        let (_, parameters) = include_str!("../template.yaml").split_once("\nParameters:\n").unwrap();
        let (_, its) = parameters.split_once(&format!("\n  {parameter}:\n")).unwrap();
        let mut its = its.lines().take_while(|line| line.starts_with("    "));
        its.find_map(|line| line.trim_start().strip_prefix(property)?.strip_prefix(": ")).unwrap()
    }

    #[test]
    fn the_function_accepts_what_the_template_accepts() {
        for property in ["MinValue", "MaxValue", "Default"] {
            let share = declared("MetaRate", property);
            let settings = read(&[("RUMINATE_META_RATE", share)]).unwrap();
            assert_eq!(settings.rules.meta_rate, share.parse::<f64>().unwrap(), "{property}");
        }
        assert_eq!(read(&[("RUMINATE_META_RATE", declared("MetaRate", "Default"))]).unwrap().rules, Rules::default());

        let more = declared("TableName", "AllowedPattern").strip_prefix("^[A-Za-z_][A-Za-z0-9_]{0,").unwrap();
        let max = 1 + more.strip_suffix("}$").unwrap().parse::<usize>().unwrap();
        let table = |name: &str| read(&[("RUMINATE_TABLE", name)]);
        for name in ["a", "Z", "_", &"_".repeat(max), &"A9".repeat(max / 2), declared("TableName", "Default")] {
            assert_eq!(table(name).unwrap().table.as_str(), name);
        }
        table(&"a".repeat(max + 1)).expect_err("the template could let longer names through");

        let lake = |prefix: &str| read(&[("RUMINATE_LAKE", &format!("s3://bucket/{prefix}"))]);
        let prefix = declared("LakePrefix", "Default");
        assert_eq!(lake(prefix).unwrap().prefix, prefix);
        for valid in ["_", "0", "a.-_Z", "a.."] {
            assert_eq!(lake(valid).unwrap().prefix, valid, "{}", declared("LakePrefix", "AllowedPattern"));
        }
    }

    #[test]
    fn the_template_uses_the_name_of_the_quarantine() {
        let template = include_str!("../template.yaml");
        assert!(template.contains(&format!("!Not [!Equals [!Ref LakePrefix, {QUARANTINE}]]")));
        assert_eq!(
            template.matches(&format!("/{QUARANTINE}/*")).count(),
            3,
            "of a new lake, of a given lake, and in the policy of the new one"
        );
    }
}
