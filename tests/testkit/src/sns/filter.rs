//! Filter policies on message attributes: exact values, `prefix`, `suffix`, `anything-but` and `exists`.
//!
//! <https://docs.aws.amazon.com/sns/latest/dg/sns-subscription-filter-policies.html>

use std::collections::BTreeMap;

use serde_json::Value;

use crate::sns::request::Attribute;
use crate::sns::response::Refused;

/// A policy: every attribute in it must match one of its conditions.
#[derive(Debug, Default)]
pub(crate) struct Policy(BTreeMap<String, Vec<Condition>>);

#[derive(Debug)]
enum Condition {
    Is(Value),
    Prefix(String),
    Suffix(String),
    AnythingBut(Vec<Value>),
    Exists(bool),
}

impl Policy {
    pub fn parse(text: &str) -> Result<Self, Refused> {
        let bad = |why: &str| Refused::invalid(&format!("FilterPolicy: {why}"));
        let all: BTreeMap<String, Vec<Value>> =
            serde_json::from_str(text).map_err(|e| bad(&format!("failed to parse JSON. {e}")))?;
        let condition = |value: Value| -> Option<Condition> {
            let Value::Object(map) = value else { return Some(Condition::Is(value)) };
            let (operator, operand) = map.into_iter().next()?;
            Some(match (operator.as_str(), operand) {
                ("prefix", Value::String(text)) => Condition::Prefix(text),
                ("suffix", Value::String(text)) => Condition::Suffix(text),
                ("anything-but", Value::Array(values)) => Condition::AnythingBut(values),
                ("anything-but", value) if !value.is_object() => Condition::AnythingBut(vec![value]),
                ("exists", Value::Bool(wanted)) => Condition::Exists(wanted),
                _ => return None,
            })
        };
        let mut policy = BTreeMap::new();
        for (name, values) in all {
            let conditions: Option<Vec<_>> = values.into_iter().map(condition).collect();
            policy.insert(name, conditions.ok_or_else(|| bad("the stub does not support this operator"))?);
        }
        Ok(Self(policy))
    }

    /// Returns true if a message with these attributes must be delivered.
    pub fn takes(&self, attributes: &[Attribute]) -> bool {
        self.0.iter().all(|(name, conditions)| {
            let values = attributes.iter().find(|attribute| attribute.name == *name).map(values);
            conditions.iter().any(|condition| match &values {
                None => matches!(condition, Condition::Exists(false)),
                Some(values) => values.iter().any(|value| condition.meets(value)),
            })
        })
    }
}

impl Condition {
    fn meets(&self, value: &Value) -> bool {
        match self {
            Self::Is(wanted) => same(wanted, value),
            Self::Prefix(text) => value.as_str().is_some_and(|value| value.starts_with(text)),
            Self::Suffix(text) => value.as_str().is_some_and(|value| value.ends_with(text)),
            Self::AnythingBut(values) => !values.iter().any(|unwanted| same(unwanted, value)),
            Self::Exists(wanted) => *wanted,
        }
    }
}

fn same(one: &Value, other: &Value) -> bool {
    one == other || one.as_f64().is_some_and(|one| other.as_f64() == Some(one))
}

/// Returns the values of an attribute: one, or those of an array.
fn values(attribute: &Attribute) -> Vec<Value> {
    let Attribute { data_type, value, .. } = attribute;
    match data_type.as_str() {
        "String.Array" => serde_json::from_str(value).unwrap_or_default(),
        of if of.starts_with("Number") => value.parse::<f64>().map(Value::from).into_iter().collect(),
        _ => vec![Value::from(value.as_str())],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn takes(policy: &str, attributes: &[(&str, &str, &str)]) -> bool {
        let of = |&(name, data_type, value): &(&str, &str, &str)| Attribute {
            name: name.into(),
            data_type: data_type.into(),
            value: value.into(),
        };
        Policy::parse(policy).unwrap().takes(&attributes.iter().map(of).collect::<Vec<_>>())
    }

    #[test]
    fn a_policy_takes_what_matches_all_its_names() {
        let farm = [("cod_cliente", "String", "FazendaUm")];
        assert!(takes(r#"{"cod_cliente":["FazendaDois","FazendaUm"]}"#, &farm));
        assert!(!takes(r#"{"cod_cliente":["FazendaDois"]}"#, &farm));
        assert!(takes(r#"{"cod_cliente":[{"prefix":"Faz"}]}"#, &farm));
        assert!(!takes(r#"{"cod_cliente":[{"anything-but":["FazendaUm"]}]}"#, &farm));
        assert!(!takes(r#"{"cod_cliente":["FazendaUm"],"other":[{"exists":true}]}"#, &farm));
        assert!(takes(r#"{"other":[{"exists":false}]}"#, &farm));
        assert!(takes(r#"{"n":[5]}"#, &[("n", "Number", "5.0")]));
        assert!(takes(r#"{"a":["y"]}"#, &[("a", "String.Array", r#"["x","y"]"#)]));
        assert!(takes("{}", &[]));
    }

    #[test]
    fn what_is_no_policy_is_refused() {
        for bad in ["", "[]", r#"{"a":"x"}"#, r#"{"a":[{"cidr":"10.0.0.0/8"}]}"#] {
            assert_eq!(Policy::parse(bad).unwrap_err().code, "InvalidParameter", "{bad}");
        }
    }
}
