//! The ARN of an SNS topic, and what follows from it: region, FIFO, quota.

use std::fmt;
use std::str::FromStr;

use pipeline::place;

/// Hint in error messages, with an example ARN.
pub(in crate::topic) const EXAMPLE: &str =
    "give a topic's ARN, such as arn:aws:sns:sa-east-1:123456789012:historico-consumo";

/// The ARN of an SNS topic: `arn:aws:sns:REGION:ACCOUNT:NAME`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SnsArn {
    text: String,
    region: String,
}

impl SnsArn {
    /// Returns the complete ARN.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Returns the region that the topic is in.
    pub fn region(&self) -> &str {
        &self.region
    }

    /// Returns true if the topic keeps order and drops repeats (its name ends in `.fifo`).
    pub fn is_fifo(&self) -> bool {
        self.text.ends_with(".fifo")
    }

    /// Returns the default quota in messages per second; for FIFO topics, per message group.
    ///
    /// Source: AWS General Reference, "Amazon SNS endpoints and quotas", Publish API throttling. Regions not listed
    /// here count with the lowest quota, 300.
    pub fn quota(&self) -> u32 {
        match self.region.as_str() {
            _ if self.is_fifo() => 300,
            "us-east-1" => 30_000,
            "us-west-2" | "eu-west-1" => 9_000,
            _ => 300,
        }
    }
}

/// Returns true if `text` has the form of a region: lowercase letters, digits and hyphens.
fn is_region(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
}

impl FromStr for SnsArn {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let text = place::tidy(text).map_err(|e| format!("the topic {e}: {EXAMPLE}, or local"))?;
        let name_is_good = |name: &str| {
            let name = name.strip_suffix(".fifo").unwrap_or(name);
            (1..=256).contains(&name.len()) && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
        };
        match text.split(':').collect::<Vec<_>>()[..] {
            ["arn", partition, "sns", region, account, name]
                if partition.starts_with("aws")
                    && is_region(region)
                    && account.len() == 12
                    && account.bytes().all(|b| b.is_ascii_digit())
                    && name_is_good(name) =>
            {
                Ok(Self { text: text.to_owned(), region: region.to_owned() })
            }
            ["arn", _, "sns", _, _, _, _] => Err(format!(
                "this is the ARN of a subscription, not of a topic: omit its last part: {EXAMPLE}, or local"
            )),
            ["arn", _, service, ..] if service != "sns" => {
                Err(format!("an ARN of {service:?} is not the ARN of a topic: {EXAMPLE}, or local"))
            }
            _ => Err(format!("{EXAMPLE}, or local")),
        }
    }
}

impl fmt::Display for SnsArn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_arn_determines_region_order_and_quota() {
        let arn = |region: &str, name: &str| -> SnsArn {
            format!("arn:aws:sns:{region}:123456789012:{name}").parse().unwrap()
        };
        let cases = [
            ("us-east-1", "a", false, 30_000),
            ("eu-west-1", "a_b-c", false, 9_000),
            ("sa-east-1", "a", false, 300),
            ("us-east-1", "a.fifo", true, 300),
        ];
        for (region, name, fifo, quota) in cases {
            let arn = arn(region, name);
            assert_eq!((arn.region(), arn.is_fifo(), arn.quota()), (region, fifo, quota));
        }
    }
}
