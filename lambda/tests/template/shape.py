"""Checks of every deployed variant of the stack, through the APIs of the services. A variant (test_deployed.py) defines with
which parameters it is deployed, and what is particular to it.

Not to be had from moto's APIs, and looked up in `stack.sent` instead, the properties as CloudFormation would send
them: the topic's signature; architecture and logging of the function; versioning, public access, ownership and lifecycle of the bucket;
egress written inside a security group; properties of the database that test_deployed does not query with `describe_db_instances`.
"""

import json
import unittest

from moto import mock_aws

from aws import ACCOUNT, REGION, client
from role import Role
from stack import NAME, Stack

KEY = f"arn:aws:kms:{REGION}:{ACCOUNT}:key/11111111-2222-3333-4444-555555555555"
ALARM_TOPIC = f"arn:aws:sns:{REGION}:{ACCOUNT}:pager"


def vpc():
    """A VPC with two private subnets in two zones, a route table, and a database's security group."""
    ec2 = client("ec2")
    made = ec2.create_vpc(CidrBlock="10.0.0.0/16")["Vpc"]["VpcId"]
    subnets = [
        ec2.create_subnet(VpcId=made, CidrBlock=f"10.0.{i}.0/24", AvailabilityZone=REGION + zone)["Subnet"]["SubnetId"]
        for i, zone in enumerate("ab")
    ]
    group = ec2.create_security_group(GroupName="warehouse", Description="warehouse", VpcId=made)["GroupId"]
    table = ec2.create_route_table(VpcId=made)["RouteTable"]["RouteTableId"]
    return {"vpc": made, "subnets": subnets, "group": group, "table": table}


class Shape(Role, unittest.TestCase):
    """A shape that is deployed once for all tests of the class."""

    buffered = False
    reserved = 20
    prefix = "historico_diario"
    environment = {}  # in addition to that of every shape

    @classmethod
    def before(cls):
        """Creates the existing resources, and returns the parameters."""
        raise NotImplementedError

    @classmethod
    def setUpClass(cls):
        if cls is Shape:
            raise unittest.SkipTest("is the base class of the shapes")
        mock = mock_aws()
        mock.start()
        cls.addClassCleanup(mock.stop)
        cls.parameters = cls.before()
        cls.stack = Stack(cls.parameters)

    # Properties that depend on the parameters of a shape.

    @property
    def topic(self):
        return self.parameters.get("ExistingTopicArn") or self.stack.ids["Topic"]

    @property
    def bucket(self):
        return self.parameters.get("ExistingLakeBucket") or self.stack.ids["LakeBucket"]

    @property
    def secret(self):
        return self.parameters.get("DatabaseSecretArn") or self.stack.ids.get("DatabaseSecret")

    @property
    def function_secret(self):
        """Returns the secret of the function's own account, with a created database; otherwise the only secret."""
        return self.stack.ids.get("IntakeSecret") or self.secret

    def arn(self, queue):
        return self.stack.queue(queue)["QueueArn"]

    # ---- The function

    def test_the_function_is_the_zip(self):
        function = client("lambda").get_function(FunctionName=NAME)
        configuration = function["Configuration"]
        self.assertEqual(configuration["CodeSize"], len(self.stack.code))
        self.assertEqual((configuration["Runtime"], configuration["Handler"]), ("provided.al2023", "bootstrap"))
        self.assertEqual(configuration["MemorySize"], 256)
        self.assertEqual(int(configuration["Timeout"]), int(self.parameters.get("Timeout", 30)))
        self.assertEqual(configuration["Role"].split("/")[-1], self.stack.ids["FunctionRole"])
        self.assertEqual(function.get("Concurrency", {}).get("ReservedConcurrentExecutions"), self.reserved)
        sent = self.stack.sent["Function"]
        self.assertEqual(sent["Architectures"], [self.parameters.get("Architecture", "x86_64")])
        self.assertEqual(
            sent["LoggingConfig"],
            {"LogFormat": "JSON", "ApplicationLogLevel": self.parameters.get("LogLevel", "INFO"), "LogGroup": f"/aws/lambda/{NAME}"},
        )
        self.assertNotIn("TracingConfig", sent)

    def test_the_function_reads_its_environment(self):
        variables = client("lambda").get_function_configuration(FunctionName=NAME)["Environment"]["Variables"]
        expected = {
            "RUMINATE_LAKE": f"s3://{self.bucket}/{self.prefix}",
            "RUMINATE_META_RATE": "0.0176",
            "RUMINATE_TABLE": "historico_consumo",
            "RDS_DATABASE": "fazendas",
        }
        if self.secret and "UseIamAuth" not in self.parameters:
            expected["RDS_SECRET_ARN"] = self.function_secret
        self.assertEqual({name: str(value) for name, value in variables.items()}, expected | self.environment)

    def test_logs_are_kept_for_a_while(self):
        (group,) = client("logs").describe_log_groups()["logGroups"]
        self.assertEqual((group["logGroupName"], group["retentionInDays"]), (f"/aws/lambda/{NAME}", 90))

    # ---- Delivery of messages

    def test_there_is_one_subscription_with_its_dead_letters(self):
        sns = client("sns")
        (subscription,) = sns.list_subscriptions_by_topic(TopicArn=self.topic)["Subscriptions"]
        attributes = sns.get_subscription_attributes(SubscriptionArn=subscription["SubscriptionArn"])["Attributes"]
        dead = {"deadLetterTargetArn": self.arn("UndeliveredMessages")}
        self.assertEqual(json.loads(attributes["RedrivePolicy"]), dead)
        if self.buffered:
            self.assertEqual((subscription["Protocol"], subscription["Endpoint"]), ("sqs", self.arn("Buffer")))
            self.assertEqual(attributes["RawMessageDelivery"], "true")
        else:
            function = client("lambda").get_function_configuration(FunctionName=NAME)["FunctionArn"]
            self.assertEqual((subscription["Protocol"], subscription["Endpoint"]), ("lambda", function))

    def test_only_the_topic_may_fill_the_queues(self):
        queues = ["UndeliveredMessages"] + ["Buffer"] * self.buffered
        for queue in queues:
            with self.subTest(queue):
                statement, _ = json.loads(self.stack.queue(queue)["Policy"])["Statement"]
                self.assertEqual(
                    statement,
                    {
                        "Effect": "Allow",
                        "Principal": {"Service": "sns.amazonaws.com"},
                        "Action": "sqs:SendMessage",
                        "Resource": self.arn(queue),
                        "Condition": {"ArnEquals": {"aws:SourceArn": self.topic}},
                    },
                )

    def test_queues_refuse_requests_without_tls(self):
        for queue in self.stack.of_type("AWS::SQS::Queue"):
            with self.subTest(queue):
                statement = json.loads(self.stack.queue(queue)["Policy"])["Statement"][-1]
                self.assertEqual(
                    statement,
                    {
                        "Effect": "Deny",
                        "Principal": "*",
                        "Action": "sqs:*",
                        "Resource": self.arn(queue),
                        "Condition": {"Bool": {"aws:SecureTransport": "false"}},
                    },
                )

    def test_sns_signs_with_sha_256(self):
        if "ExistingTopicArn" not in self.parameters:
            self.assertEqual(self.stack.sent["Topic"], {"SignatureVersion": "2"})

    def test_queues_are_encrypted_and_dead_letters_stay_longest(self):
        queues = self.stack.of_type("AWS::SQS::Queue")
        self.assertEqual(queues, {"UndeliveredMessages", "FailedMessages"} | ({"Buffer"} if self.buffered else set()))
        for queue in queues:
            attributes = self.stack.queue(queue)
            self.assertEqual(attributes["SqsManagedSseEnabled"].lower(), "true", queue)
            kept = 7 if queue == "Buffer" else 14
            self.assertEqual(int(attributes["MessageRetentionPeriod"]), kept * 86400, queue)

    def test_direct_invocations_are_retried_and_then_kept(self):
        if self.buffered:
            self.assertFalse(self.stack.of_type("AWS::Lambda::EventInvokeConfig") | self.stack.of_type("AWS::Lambda::Permission"))
            return
        config = client("lambda").get_function_event_invoke_config(FunctionName=NAME)
        self.assertEqual((config["MaximumRetryAttempts"], config["MaximumEventAgeInSeconds"]), (2, 21600))
        self.assertEqual(config["DestinationConfig"]["OnFailure"], {"Destination": self.arn("FailedMessages")})
        self.assertNotIn("OnSuccess", config["DestinationConfig"])
        (sent,) = (self.stack.sent[one] for one in self.stack.of_type("AWS::Lambda::Permission"))
        self.assertEqual((sent["Principal"], sent["SourceArn"]), ("sns.amazonaws.com", self.topic))
        self.assertEqual((sent["Action"], sent["FunctionName"]), ("lambda:InvokeFunction", NAME))

    def test_the_buffer_hands_over_batches_whose_items_fail_alone(self):
        if not self.buffered:
            self.assertFalse(self.stack.of_type("AWS::Lambda::EventSourceMapping"))
            return
        (source,) = client("lambda").list_event_source_mappings(FunctionName=NAME)["EventSourceMappings"]
        self.assertEqual(source["EventSourceArn"], self.arn("Buffer"))
        self.assertEqual(source["FunctionResponseTypes"], ["ReportBatchItemFailures"])
        self.assertEqual(source["ScalingConfig"], {"MaximumConcurrency": 20})
        self.assertEqual((source["BatchSize"], source["MaximumBatchingWindowInSeconds"]), (100, 5))
        buffer = self.stack.queue("Buffer")
        redrive = json.loads(buffer["RedrivePolicy"])
        self.assertEqual(redrive["deadLetterTargetArn"], self.arn("FailedMessages"))
        self.assertEqual(int(redrive["maxReceiveCount"]), 5)
        timeout = int(self.parameters.get("Timeout", 30))
        self.assertGreaterEqual(int(buffer["VisibilityTimeout"]), 6 * timeout + 5)

    def test_a_published_message_reaches_the_buffer_as_it_was(self):
        if not self.buffered:
            self.skipTest("moto would need a container to call the function")
        functions = client("lambda")
        (source,) = functions.list_event_source_mappings(FunctionName=NAME)["EventSourceMappings"]
        functions.update_event_source_mapping(UUID=source["UUID"], FunctionName=NAME, Enabled=False)
        reading = '{"id_curral":"25994051003275","cod_cliente":"FazendaUm"}'
        client("sns").publish(TopicArn=self.topic, Message=reading)
        (message,) = client("sqs").receive_message(QueueUrl=self.stack.output("BufferUrl"))["Messages"]
        self.assertEqual(message["Body"], reading)

    # ---- The lake

    def test_the_lake_is_versioned_encrypted_private_and_never_expires(self):
        if "ExistingLakeBucket" in self.parameters:
            self.assertFalse(self.stack.of_type("AWS::S3::Bucket") | self.stack.of_type("AWS::S3::BucketPolicy"))
            return
        s3 = client("s3")
        (rule,) = s3.get_bucket_encryption(Bucket=self.bucket)["ServerSideEncryptionConfiguration"]["Rules"]
        key = self.parameters.get("LakeKmsKeyArn")
        expected = {"SSEAlgorithm": "aws:kms", "KMSMasterKeyID": key} if key else {"SSEAlgorithm": "AES256"}
        self.assertEqual(rule["ApplyServerSideEncryptionByDefault"], expected)
        statement, conditional = json.loads(s3.get_bucket_policy(Bucket=self.bucket)["Policy"])["Statement"]
        arn = f"arn:aws:s3:::{self.bucket}"
        self.assertEqual(
            (statement["Effect"], statement["Principal"], statement["Action"], statement["Resource"], statement["Condition"]),
            ("Deny", "*", "s3:*", [arn, f"{arn}/*"], {"Bool": {"aws:SecureTransport": "false"}}),
        )
        # Denied only if both headers are missing: a repair has If-Match. Only requests that create an object can have one.
        self.assertEqual(
            [conditional[part] for part in ("Effect", "Principal", "Action", "Resource", "Condition")],
            [
                "Deny",
                "*",
                "s3:PutObject",
                [f"{arn}/{self.prefix}/*", f"{arn}/quarentena/*"],
                {
                    "Null": {"s3:if-none-match": "true", "s3:if-match": "true"},
                    "Bool": {"s3:ObjectCreationOperation": "true"},
                },
            ],
        )
        sent = self.stack.sent["LakeBucket"]
        self.assertEqual(sent["VersioningConfiguration"], {"Status": "Enabled"})
        self.assertEqual(set(sent["PublicAccessBlockConfiguration"].values()), {True})
        self.assertEqual(len(sent["PublicAccessBlockConfiguration"]), 4)
        self.assertEqual(sent["OwnershipControls"], {"Rules": [{"ObjectOwnership": "BucketOwnerEnforced"}]})
        rules = {rule.pop("Id"): rule for rule in sent["LifecycleConfiguration"]["Rules"]}
        self.assertEqual(
            rules,
            {
                "earlier-versions": {
                    "Status": "Enabled",
                    "NoncurrentVersionExpiration": {"NoncurrentDays": 90},
                    "ExpiredObjectDeleteMarker": True,
                },
                "uploads-cut-short": {"Status": "Enabled", "AbortIncompleteMultipartUpload": {"DaysAfterInitiation": 7}},
            },
        )

    # ---- Alarms and outputs

    def test_there_are_alarms_for_silent_failures(self):
        age = int(self.parameters.get("AlarmAgeSeconds", 900))
        queue = {one: {"QueueName": self.arn(one).split(":")[-1]} for one in self.stack.of_type("AWS::SQS::Queue")}
        function, own = {"FunctionName": NAME}, {"function": NAME}
        expected = {
            ("AWS/SQS", "ApproximateNumberOfMessagesVisible", "Maximum", 0, str(queue["UndeliveredMessages"])),
            ("AWS/SQS", "ApproximateNumberOfMessagesVisible", "Maximum", 0, str(queue["FailedMessages"])),
            ("AWS/SNS", "NumberOfNotificationsFailedToRedriveToDlq", "Sum", 0, str({"TopicName": self.topic.split(":")[-1]})),
            ("AWS/Lambda", "Errors", "Sum", 0, str(function)),
            ("ruminate", "quarantined", "Sum", 0, str(own)),
            ("ruminate", "rows_refused", "Sum", 0, str(own)),
            ("ruminate", "failed", "Sum", 0, str(own)),
            ("ruminate", "conflicting", "Sum", 0, str(own)),
        }
        if self.buffered:
            expected |= {("AWS/SQS", "ApproximateAgeOfOldestMessage", "Maximum", age, str(queue["Buffer"]))}
        else:
            expected |= {
                ("AWS/Lambda", "AsyncEventAge", "Maximum", 1000 * age, str(function)),
                ("AWS/Lambda", "DestinationDeliveryFailures", "Sum", 0, str(function)),
            }
        if "CreateDatabase" in self.parameters:
            instance = {"DBInstanceIdentifier": self.stack.ids["Database"]}
            expected |= {("AWS/RDS", "FreeStorageSpace", "Minimum", 2 << 30, str(instance))}
        alarms = client("cloudwatch").describe_alarms()["MetricAlarms"]
        found = {
            (
                one["Namespace"],
                one["MetricName"],
                one["Statistic"],
                one["Threshold"],
                str({d["Name"]: d["Value"] for d in one["Dimensions"]}),
            )
            for one in alarms
        }
        self.assertEqual(found, expected)
        given_outputs = [self.parameters["AlarmTopicArn"]] if "AlarmTopicArn" in self.parameters else []
        for one in alarms:
            self.assertEqual(one["TreatMissingData"], "notBreaching")
            self.assertEqual((one["AlarmActions"], one["OKActions"]), (given_outputs, given_outputs))
            below = one["MetricName"] == "FreeStorageSpace"
            self.assertEqual(one["ComparisonOperator"], "LessThanThreshold" if below else "GreaterThanThreshold")

    def test_the_dashboard_shows_the_function_and_its_queues(self):
        body = json.loads(client("cloudwatch").get_dashboard(DashboardName=NAME)["DashboardBody"])
        places = [(one["x"], one["y"]) for one in body["widgets"]]
        self.assertEqual(len(set(places)), len(places))
        shown = {tuple(metric[:4]) for metric in self.metrics(body)}
        for name in ("processed", "duplicates", "quarantined", "rows_refused", "failed", "conflicting", "unverifiable", "lake_ms", "warehouse_ms"):
            self.assertIn(("ruminate", name, "function", NAME), shown)
        for name in ("Invocations", "Errors", "Throttles", "ConcurrentExecutions"):
            self.assertIn(("AWS/Lambda", name, "FunctionName", NAME), shown)
        queues = {one: self.arn(one).split(":")[-1] for one in self.stack.of_type("AWS::SQS::Queue")}
        for queue in queues.values():
            self.assertIn(("AWS/SQS", "ApproximateNumberOfMessagesVisible", "QueueName", queue), shown)
        age = ("AWS/SQS", "ApproximateAgeOfOldestMessage", "QueueName", queues["Buffer"]) if self.buffered else ("AWS/Lambda", "AsyncEventAge", "FunctionName", NAME)
        self.assertIn(age, shown)
        self.assertTrue(all(one["properties"]["region"] == REGION for one in body["widgets"]))

    def metrics(self, body):
        """Returns the metrics of a dashboard, with the abbreviations of CloudWatch expanded: `.` repeats the value above, `...` all values."""
        for widget in body["widgets"]:
            above = []
            for metric in widget["properties"]["metrics"]:
                words = [one for one in metric if isinstance(one, str)]
                if words[0] == "...":
                    words = above[: len(above) + 1 - len(words)] + words[1:]
                above = [above[i] if word == "." else word for i, word in enumerate(words)]
                yield above

    def test_outputs_feed_the_toolkits_variables(self):
        given_outputs = {}
        for one in self.stack.outputs.values():
            name, colon, _ = one["Description"].partition(":")
            if colon and name.isupper():
                given_outputs[name] = one["OutputValue"]
        given = {"RUMINATE_TOPIC": self.topic}
        function = client("lambda").get_function_configuration(FunctionName=NAME)["Environment"]["Variables"]
        for name in ("RUMINATE_LAKE", "RUMINATE_TABLE", "RUMINATE_META_RATE", "RDS_HOST", "RDS_PORT", "RDS_DATABASE"):
            if name in function:
                given[name] = str(function[name])
        if self.secret:
            given["RDS_SECRET_ARN"] = self.secret
        self.assertEqual(given_outputs, given)
        secret = self.stack.outputs.get("RdsSecretArn", {}).get("OutputValue")
        self.assertEqual(secret, self.secret)
        self.assertEqual(self.stack.output("FunctionName"), NAME)
        self.assertEqual(self.stack.output("FunctionLogGroup"), f"/aws/lambda/{NAME}")
        for queue in self.stack.of_type("AWS::SQS::Queue"):
            self.assertEqual(self.stack.output(f"{queue}Url"), self.stack.ids[queue])
