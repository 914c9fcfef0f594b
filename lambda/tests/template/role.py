"""Permissions of the function's role, checked in its policies and by requests."""

from botocore.exceptions import ClientError
from moto.core import set_initial_no_auth_action_count

from aws import client
from stack import NAME

ENI = {
    "ec2:CreateNetworkInterface",
    "ec2:DescribeNetworkInterfaces",
    "ec2:DescribeSubnets",
    "ec2:DeleteNetworkInterface",
    "ec2:AssignPrivateIpAddresses",
    "ec2:UnassignPrivateIpAddresses",
}


def listed(value):
    return value if isinstance(value, list) else [value]


class Role:
    """The role of a shape."""

    def allowed(self):
        """Returns what the role of this shape must allow: action → resources."""
        lake = [f"arn:aws:s3:::{self.bucket}/{self.prefix}/*", f"arn:aws:s3:::{self.bucket}/quarentena/*"]
        logs = [client("logs").describe_log_groups()["logGroups"][0]["arn"]]
        allowed = {"logs:CreateLogStream": logs, "logs:PutLogEvents": logs, "s3:PutObject": lake, "s3:GetObject": lake}
        if "UseIamAuth" not in self.parameters:
            allowed["secretsmanager:GetSecretValue"] = [self.function_secret]
        if self.buffered:
            for action in ("sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:GetQueueAttributes"):
                allowed[action] = [self.arn("Buffer")]
        else:
            allowed["sqs:SendMessage"] = [self.arn("FailedMessages")]
        if "VpcId" in self.parameters:
            allowed |= {action: ["*"] for action in ENI}
        return allowed

    def statements(self):
        iam = client("iam")
        role = self.stack.ids["FunctionRole"]
        for name in iam.list_role_policies(RoleName=role)["PolicyNames"]:
            yield from iam.get_role_policy(RoleName=role, PolicyName=name)["PolicyDocument"]["Statement"]

    def test_the_role_may_do_this_and_no_more(self):
        iam = client("iam")
        role = self.stack.ids["FunctionRole"]
        self.assertEqual(iam.list_attached_role_policies(RoleName=role)["AttachedPolicies"], [])
        (trust,) = iam.get_role(RoleName=role)["Role"]["AssumeRolePolicyDocument"]["Statement"]
        self.assertEqual((trust["Principal"], trust["Action"]), ({"Service": "lambda.amazonaws.com"}, "sts:AssumeRole"))
        found, denied = {}, {}
        for statement in self.statements():
            self.assertLessEqual(statement.keys(), {"Effect", "Action", "Resource", "Condition"})
            for action in listed(statement["Action"]):
                self.assertNotIn("*", action)
                side = found if statement["Effect"] == "Allow" else denied
                side[action] = side.get(action, []) + listed(statement["Resource"])
                if action.startswith("kms:"):
                    self.assertIn("kms:ViaService", statement["Condition"]["StringEquals"])
                elif side is found:
                    self.assertNotIn("Condition", statement)
                else:
                    function = client("lambda").get_function_configuration(FunctionName=NAME)["FunctionArn"]
                    self.assertEqual(statement["Condition"], {"ArnEquals": {"lambda:SourceFunctionArn": function}})
        self.assertEqual(found, self.allowed())
        # Only Lambda itself manages the interfaces: the code in the function has no access to them.
        self.assertEqual(denied, {action: ["*"] for action in ENI} if "VpcId" in self.parameters else {})

    def test_the_role_is_enough_for_the_intake_and_not_for_harm(self):
        """By requests: moto enforces the role's policies here. The bucket's policy would block them, because moto ignores its
        condition and rejects requests by TLS too."""
        if "LakeBucket" in self.stack.ids:
            policy = client("s3").get_bucket_policy(Bucket=self.bucket)["Policy"]
            client("s3").delete_bucket_policy(Bucket=self.bucket)
            self.addCleanup(client("s3").put_bucket_policy, Bucket=self.bucket, Policy=policy)
        client("s3").put_object(Bucket=self.bucket, Key="elsewhere/a.json", Body=b"{}")
        role = client("iam").get_role(RoleName=self.stack.ids["FunctionRole"])["Role"]["Arn"]
        session = client("sts").assume_role(RoleArn=role, RoleSessionName="function")["Credentials"]
        s3 = client(
            "s3",
            aws_access_key_id=session["AccessKeyId"],
            aws_secret_access_key=session["SecretAccessKey"],
            aws_session_token=session["SessionToken"],
        )
        own = f"{self.prefix}/fazenda_um/2023/01/01/historico_consumo_2023-01-01 00:00:00.000_{self.id()}.json"

        @set_initial_no_auth_action_count(0)
        def as_the_function():
            for key in (own, f"quarentena/2023/01/01/{self.id()}.json"):
                s3.put_object(Bucket=self.bucket, Key=key, Body=b"{}", IfNoneMatch="*")
                with self.assertRaises(ClientError) as there:
                    s3.put_object(Bucket=self.bucket, Key=key, Body=b"{}", IfNoneMatch="*")
                self.assertEqual(there.exception.response["Error"]["Code"], "PreconditionFailed")
                self.assertEqual(s3.get_object(Bucket=self.bucket, Key=key)["Body"].read(), b"{}")
            for harm in (
                lambda: s3.delete_object(Bucket=self.bucket, Key=own),
                lambda: s3.list_objects_v2(Bucket=self.bucket),
                lambda: s3.put_object(Bucket=self.bucket, Key="elsewhere/b.json", Body=b"{}"),
                lambda: s3.get_object(Bucket=self.bucket, Key="elsewhere/a.json"),
                lambda: s3.put_object(Bucket="code", Key=own, Body=b"{}"),
            ):
                with self.assertRaises(ClientError) as refused:
                    harm()
                self.assertEqual(refused.exception.response["Error"]["Code"], "AccessDenied")

        as_the_function()
