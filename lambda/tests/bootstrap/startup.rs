//! Tests of a sandbox's startup and of its error messages.

use testkit::MYSQL;
use testkit::built;
use testkit::lambda::events::{reading, sns};
use testkit::lambda::sandbox::{Sandbox, command};

use crate::Stores;

fn env(variables: &[(&str, &str)]) -> Vec<(String, String)> {
    variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

#[test]
fn invalid_settings_are_named_in_the_log_and_passwords_are_not() {
    let least = [("RUMINATE_LAKE", "s3://bucket/prefix"), ("RDS_HOST", "db"), ("RDS_PASSWORD", "s3gredo")];
    for (name, value) in [("RUMINATE_LAKE", "lake"), ("RDS_HOST", ""), ("RDS_SECRET_ARN", "arn:x"), ("RDS_PORT", "x")] {
        let mut variables = env(&least);
        variables.extend(env(&[(name, value)]));
        let output = command(&built("bootstrap"), &variables).output().unwrap();
        let message = String::from_utf8(output.stdout).unwrap() + &String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(1), "{message}");
        let line: serde_json::Value = serde_json::from_str(message.trim()).unwrap();
        assert_eq!(line["level"], "ERROR");
        assert!(line["message"].as_str().unwrap().contains(name), "{message}");
        assert!(!message.contains("s3gredo"), "{message}");
    }
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs RUMINATE_TEST_MYSQL"]
async fn live_mysql_logs_are_json_with_request_id_and_outcome_and_without_the_password() {
    let stores = Stores::new(MYSQL).await;
    let mut env = stores.env();
    env.push(("AWS_LAMBDA_LOG_LEVEL".into(), "TRACE".into()));
    let password = env.iter().find(|(name, _)| name == "RDS_PASSWORD").unwrap().1.clone();
    let sandbox = Sandbox::start(&built("bootstrap"), &env).await;
    sandbox.api.invoke(sns("sns-1", &reading(1))).await.unwrap();
    sandbox.api.invoke(sns("sns-2", "bad")).await.unwrap();
    let lines = sandbox.lines();
    let of =
        |message: &str| lines.iter().find(|line| line["message_id"] == message).unwrap_or_else(|| panic!("{lines:#?}"));
    assert_eq!((&of("sns-1")["outcome"], &of("sns-1")["span"]["requestId"]), (&"processed".into(), &"req-1".into()));
    assert_eq!(of("sns-1")["id"], stores.database.ids().await[0]);
    assert_eq!((&of("sns-2")["outcome"], &of("sns-2")["level"]), (&"quarantined".into(), &"WARN".into()));
    assert!(lines.iter().all(|line| line["_aws"].is_object() || line["timestamp"].is_string()), "{lines:#?}");
    let logged = sandbox.logged();
    assert!(!logged.contains(&password) && !logged.contains(testkit::s3::SECRET_KEY), "{logged}");
    env.push(("AWS_LAMBDA_LOG_LEVEL".into(), "ERROR".into()));
    env.push(("RUMINATE_LAKE".into(), "s3://gone/historico_diario".into()));
    let quiet = Sandbox::start(&built("bootstrap"), &env).await;
    quiet.api.invoke(sns("sns-3", &reading(1))).await.unwrap_err();
    let lines = quiet.lines();
    let logged: Vec<_> = lines.iter().filter(|line| !line["_aws"].is_object()).collect();
    assert_eq!(logged.len(), 1, "{logged:#?}");
    assert_eq!((&logged[0]["message_id"], &logged[0]["span"]["requestId"]), (&"sns-3".into(), &"req-1".into()));
    stores.database.drop().await;
}
