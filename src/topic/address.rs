//! How a topic is named on the command line: an SNS ARN, or `local`.

use std::fmt;
use std::str::FromStr;

use super::arn::{Arn, EXAMPLE};
use super::{Terms, sns};
use pipeline::place;

/// A topic as it is named.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TopicAddress {
    /// An SNS topic.
    Sns(Arn),
    /// The intake in this process.
    Local,
}

impl TopicAddress {
    /// Quota and prices; `None` if the topic is in this process.
    pub fn terms(&self) -> Option<Terms> {
        match self {
            Self::Sns(arn) => Some(sns::terms::terms(arn)),
            Self::Local => None,
        }
    }
}

impl FromStr for TopicAddress {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let text = place::tidy(text).map_err(|e| format!("the topic {e}: {EXAMPLE}, or local"))?;
        if text == "local" { Ok(Self::Local) } else { text.parse().map(Self::Sns) }
    }
}

impl fmt::Display for TopicAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Sns(arn) => arn.fmt(f),
            Self::Local => f.write_str("local"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_topic_is_refused_with_what_would_be_one() {
        for text in [
            "",
            "Local",
            "historico",
            "arn:aws:sqs:us-east-1:123456789012:queue",
            "arn:aws:sns:us-east-1:12345:a",
            "arn:aws:sns::123456789012:a",
            "arn:aws:sns:us-east-1:123456789012:",
            "arn:aws:sns:us-east-1:123456789012:a b",
            "arn:aws:sns:us-east-1:123456789012:topic:subscription",
            "arn:aws:sns:US-EAST-1:123456789012:a",
            "arn:aws:sns:us-east-1:12345678901x:a",
            "ARN:aws:sns:us-east-1:123456789012:a",
            "sns:us-east-1:123456789012:a",
            "https://sns.us-east-1.amazonaws.com/",
            "\"arn:aws:sns:us-east-1:123456789012:a\"",
            "'local'",
            " \n",
        ] {
            let message = text.parse::<TopicAddress>().unwrap_err();
            assert!(message.contains("arn:aws:sns:sa-east-1") && message.contains("local"), "{text}");
        }
        assert_eq!("local".parse(), Ok(TopicAddress::Local));
        let arn = "arn:aws:sns:us-east-1:123456789012:a";
        assert_eq!(format!(" {arn}\n").parse::<TopicAddress>().unwrap().to_string(), arn, "as a secret has it");
        assert!(format!("\"{arn}\"").parse::<Arn>().unwrap_err().contains("remove the quotes"));
        assert!(format!("{arn}:sub").parse::<Arn>().unwrap_err().contains("subscription"));
    }
}
