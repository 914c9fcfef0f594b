"""The variants of the deployed stack, with the checks of each."""

import json
import unittest

from botocore.exceptions import ClientError
from moto import mock_aws

from aws import ACCOUNT, REGION, client
from shape import ALARM_TOPIC, KEY, Shape, vpc
from stack import NAME, Stack


def secret():
    value = {"username": "intake", "password": "x", "host": "db.example", "port": 3306, "dbname": "fazendas"}
    made = client("secretsmanager").create_secret(Name="warehouse", SecretString=json.dumps(value))
    return made["ARN"]


def rules(group, side):
    """Returns the rules of a security group: (from, to, groups, ranges)."""
    (group,) = client("ec2").describe_security_groups(GroupIds=[group])["SecurityGroups"]
    return [
        (one["FromPort"], one["ToPort"], [g["GroupId"] for g in one["UserIdGroupPairs"]], [r["CidrIp"] for r in one["IpRanges"]])
        for one in group[side]
        if one["IpProtocol"] != "-1"  # moto keeps the rule that permits all outgoing traffic, which CloudFormation removes
    ]


class Direct(Shape):
    """With the fewest parameters: a secret that names the database. Outside a VPC."""

    @classmethod
    def before(cls):
        return {"DatabaseSecretArn": secret()}


class Deleted(unittest.TestCase):
    """A deleted stack leaves the resources with data, including the queues and the bucket's protection."""

    @mock_aws
    def test_the_lake_and_the_messages_stay(self):
        stack = Stack({"DatabaseSecretArn": secret()})
        s3, bucket = client("s3"), stack.ids["LakeBucket"]
        stack.delete()
        s3.head_bucket(Bucket=bucket)
        self.assertIn("TlsOnly", s3.get_bucket_policy(Bucket=bucket)["Policy"])
        for queue in ("UndeliveredMessages", "FailedMessages"):
            self.assertTrue(stack.queue(queue))
        with self.assertRaises(ClientError):
            client("lambda").get_function(FunctionName=NAME)
        self.assertFalse(client("sns").list_topics()["Topics"])


class Buffered(Shape):
    """With a queue, customer-managed keys, no reserved concurrency, and an alarm topic."""

    buffered = True
    reserved = None
    environment = {"RDS_HOST": "db.example", "RDS_PORT": "3307"}

    @classmethod
    def before(cls):
        return {
            "UseBuffer": "true",
            "Timeout": "60",
            "ReserveConcurrency": "false",
            "LakeKmsKeyArn": KEY,
            "DatabaseHost": "db.example",
            "DatabasePort": "3307",
            "DatabaseSecretArn": secret(),
            "DatabaseSecretKmsKeyArn": KEY,
            "AlarmTopicArn": ALARM_TOPIC,
            "AlarmAgeSeconds": "1800",
        }

    def allowed(self):
        # Decrypt twice: for the objects in the bucket, and for the secret.
        return super().allowed() | {"kms:GenerateDataKey": [KEY], "kms:Decrypt": [KEY, KEY]}

    def test_keys_serve_only_their_own_service(self):
        conditions = [statement["Condition"] for statement in self.statements() if "Condition" in statement]
        services = {condition["StringEquals"]["kms:ViaService"] for condition in conditions}
        self.assertEqual(services, {f"s3.{REGION}.amazonaws.com", f"secretsmanager.{REGION}.amazonaws.com"})


class Existing(Shape):
    """With an existing topic, bucket and database, which stay unchanged. On arm64, in subnets without a NAT gateway."""

    prefix = "lake"

    @classmethod
    def before(cls):
        cls.network = vpc()
        client("s3").create_bucket(
            Bucket="historico-consumo-fazendas", CreateBucketConfiguration={"LocationConstraint": REGION}
        )
        topic = client("sns").create_topic(Name="consumo")["TopicArn"]
        return {
            "Architecture": "arm64",
            "LogLevel": "DEBUG",
            "ExistingTopicArn": topic,
            "ExistingLakeBucket": "historico-consumo-fazendas",
            "LakePrefix": "lake",
            "DatabaseSecretArn": secret(),
            "VpcId": cls.network["vpc"],
            "SubnetIds": ",".join(cls.network["subnets"]),
            "EndpointRouteTableIds": cls.network["table"],
        }

    def test_no_topic_is_created(self):
        self.assertFalse(self.stack.of_type("AWS::SNS::Topic"))

    def test_the_function_reaches_s3_and_its_secret_and_any_database(self):
        group = self.stack.output("FunctionSecurityGroupId")
        sent = self.stack.sent["Function"]["VpcConfig"]
        self.assertEqual(sent, {"SubnetIds": self.network["subnets"], "SecurityGroupIds": [group]})
        (https,) = self.stack.sent["FunctionSecurityGroup"]["SecurityGroupEgress"]
        self.assertEqual((https["FromPort"], https["ToPort"], https["CidrIp"]), (443, 443, "0.0.0.0/0"))
        self.assertEqual(rules(group, "IpPermissionsEgress"), [(3306, 3306, [], ["0.0.0.0/0"])])
        endpoints = {one["ServiceName"]: one for one in client("ec2").describe_vpc_endpoints()["VpcEndpoints"]}
        s3, secrets = (endpoints[f"com.amazonaws.{REGION}.{one}"] for one in ("s3", "secretsmanager"))
        self.assertEqual((s3["VpcEndpointType"], s3["RouteTableIds"]), ("Gateway", [self.network["table"]]))
        self.assertEqual((secrets["VpcEndpointType"], secrets["SubnetIds"]), ("Interface", self.network["subnets"]))
        lake = "arn:aws:s3:::historico-consumo-fazendas"
        (statement,) = self.stack.sent["S3Endpoint"]["PolicyDocument"]["Statement"]
        self.assertEqual((statement["Effect"], statement["Principal"], statement["Action"]), ("Allow", "*", "s3:*"))
        self.assertEqual(statement["Resource"], [lake, f"{lake}/*"])
        self.assertTrue(self.stack.sent["SecretEndpoint"]["PrivateDnsEnabled"])
        (group_of_endpoint,) = self.stack.sent["SecretEndpoint"]["SecurityGroupIds"]
        self.assertEqual(rules(group_of_endpoint, "IpPermissions"), [(443, 443, [group], [])])


class Catalogued(Shape):
    """With tables for Athena over an existing lake."""

    @classmethod
    def before(cls):
        client("s3").create_bucket(
            Bucket="historico-consumo-fazendas", CreateBucketConfiguration={"LocationConstraint": REGION}
        )
        return {
            "ExistingLakeBucket": "historico-consumo-fazendas",
            "DatabaseSecretArn": secret(),
            "GlueDatabase": "fazendas",
            "GlueFarms": "fazenda_um,fazenda_dois",
            "GlueFirstDay": "2023/04/01",
        }

    def test_the_tables_are_over_the_lake_and_its_parts(self):
        tables = {one["Name"]: one for one in client("glue").get_tables(DatabaseName="fazendas")["TableList"]}
        lake, parts = (tables[f"historico_consumo_{one}"] for one in ("lago", "partes"))
        self.assertEqual(len(tables), 2)
        self.assertEqual({one["Type"] for one in lake["StorageDescriptor"]["Columns"]}, {"string"})
        columns = {one["Name"]: one["Type"] for one in parts["StorageDescriptor"]["Columns"]}
        self.assertEqual((columns["peso_medio"], columns["row_ts"], columns["tamanho"]), ("double", "timestamp", "bigint"))
        root = "s3://historico-consumo-fazendas"
        for table, folder, below, unit in (
            (lake, "historico_diario", "${fazenda}/${dia}", "dia"),
            (parts, "partes", "fazenda=${fazenda}/mes=${mes}", "mes"),
        ):
            self.assertEqual(table["StorageDescriptor"]["Location"], f"{root}/{folder}/")
            self.assertEqual([one["Name"] for one in table["PartitionKeys"]], ["fazenda", unit])
            parameters = table["Parameters"]
            self.assertEqual(parameters["storage.location.template"], f"{root}/{folder}/{below}/")
            self.assertEqual(parameters["projection.fazenda.type"], "enum")
            self.assertEqual(parameters["projection.fazenda.values"], "fazenda_um,fazenda_dois")
        self.assertEqual(lake["Parameters"]["projection.dia.range"], "2023/04/01,NOW")
        self.assertEqual(parts["Parameters"]["projection.mes.range"], "2023-04,NOW")


class ByIam(Shape):
    """With a login to an existing database by IAM; the database's security group admits the function."""

    environment = {
        "RDS_HOST": "db.example",
        "RDS_USER": "intake",
        "RDS_IAM_AUTH": "true",
        "RDS_CA_FILE": "rds-ca.pem",
        "RDS_SSL_MODE": "VERIFY_IDENTITY",
        "RUMINATE_SSE": "aws:kms",
        "RUMINATE_SSE_KMS_KEY_ID": "alias/lake",
        "HTTPS_PROXY": "http://proxy.example:3128",
        "NO_PROXY": "10.0.0.0/8,.example",
        "AWS_CA_BUNDLE": "/var/task/ca.pem",
    }

    @classmethod
    def before(cls):
        cls.network = vpc()
        return {
            "DatabaseSslMode": "VERIFY_IDENTITY",
            "LakeSse": "aws:kms",
            "LakeSseKmsKeyId": "alias/lake",
            "HttpsProxy": "http://proxy.example:3128",
            "NoProxy": "10.0.0.0/8,.example",
            "AwsCaBundle": "/var/task/ca.pem",
            "UseIamAuth": "true",
            "DatabaseHost": "db.example",
            "DatabaseUser": "intake",
            "DatabaseResourceId": "db-ABC123",
            "DatabaseSecurityGroupId": cls.network["group"],
            "RdsCaFile": "rds-ca.pem",
            "VpcId": cls.network["vpc"],
            "SubnetIds": ",".join(cls.network["subnets"]),
            "EndpointRouteTableIds": cls.network["table"],
        }

    def allowed(self):
        return super().allowed() | {"rds-db:connect": [f"arn:aws:rds-db:{REGION}:{ACCOUNT}:dbuser:db-ABC123/intake"]}

    def test_the_two_groups_let_each_other_through(self):
        own = self.stack.output("FunctionSecurityGroupId")
        self.assertEqual(rules(own, "IpPermissionsEgress"), [(3306, 3306, [self.network["group"]], [])])
        self.assertEqual(rules(self.network["group"], "IpPermissions"), [(3306, 3306, [own], [])])

    def test_without_a_secret_there_is_no_endpoint_for_one(self):
        self.assertEqual(self.stack.of_type("AWS::EC2::VPCEndpoint"), {"S3Endpoint"})


class Created(Shape):
    """With new resources only, including the database."""

    buffered = True

    @classmethod
    def before(cls):
        cls.network = vpc()
        return {
            "UseBuffer": "true",
            "CreateDatabase": "true",
            "VpcId": cls.network["vpc"],
            "SubnetIds": ",".join(cls.network["subnets"]),
        }

    def database(self):
        (instance,) = client("rds").describe_db_instances()["DBInstances"]
        return instance

    @property
    def environment(self):
        return {"RDS_HOST": self.database()["Endpoint"]["Address"], "RDS_PORT": "3306"}

    def test_the_database_is_private_encrypted_and_backed_up(self):
        instance = self.database()
        self.assertEqual((instance["Engine"], instance["EngineVersion"], instance["DBName"]), ("mysql", "8.4", "fazendas"))
        self.assertEqual((instance["PubliclyAccessible"], instance["StorageEncrypted"]), (False, True))
        self.assertEqual((instance["BackupRetentionPeriod"], instance["AllocatedStorage"]), (7, 20))
        self.assertEqual((instance["StorageType"], instance["CopyTagsToSnapshot"]), ("gp3", True))
        self.assertEqual({one["SubnetIdentifier"] for one in instance["DBSubnetGroup"]["Subnets"]}, set(self.network["subnets"]))
        sent = self.stack.sent["Database"]
        self.assertEqual(sent["VPCSecurityGroups"], [self.stack.output("DatabaseSecurityGroupId")])
        self.assertEqual((sent["DeletionProtection"], sent["MultiAZ"]), ("true", "false"))
        self.assertEqual((sent["EnableIAMDatabaseAuthentication"], sent["EnablePerformanceInsights"]), (True, False))
        self.assertEqual((sent["MaxAllocatedStorage"], sent["EnableCloudwatchLogsExports"]), (1000, ["error"]))

    def test_the_database_is_configured_for_the_toolkit(self):
        rds = client("rds")
        (group,) = rds.describe_db_parameter_groups()["DBParameterGroups"]
        self.assertEqual(group["DBParameterGroupFamily"], "mysql8.4")
        (used,) = self.database()["DBParameterGroups"]
        self.assertEqual(used["DBParameterGroupName"], group["DBParameterGroupName"])
        self.assertEqual(
            self.stack.sent["DatabaseParameters"]["Parameters"],
            {"require_secure_transport": "1", "local_infile": "1", "max_allowed_packet": "67108864", "time_zone": "UTC"},
        )

    def test_the_secret_is_generated_and_has_the_databases_address(self):
        value = json.loads(client("secretsmanager").get_secret_value(SecretId=self.secret)["SecretString"])
        endpoint = self.database()["Endpoint"]
        self.assertEqual((value["username"], value["host"], value["port"]), ("ruminate", endpoint["Address"], endpoint["Port"]))
        self.assertEqual((value["engine"], value["dbname"]), ("mysql", "fazendas"))
        self.assertRegex(value["password"], "^[A-Za-z0-9]{40}$")  # MySQL on RDS accepts at most 41 characters, and no / @ " or space
        for name, property in (("username", "MasterUsername"), ("password", "MasterUserPassword")):
            reference = f"{{{{resolve:secretsmanager:{self.secret}:SecretString:{name}}}}}"
            self.assertEqual(self.stack.sent["Database"][property], reference)

    def test_the_function_has_its_own_account(self):
        secrets = client("secretsmanager")
        value = json.loads(secrets.get_secret_value(SecretId=self.function_secret)["SecretString"])
        endpoint = self.database()["Endpoint"]
        self.assertEqual((value["username"], value["host"], value["port"]), ("ruminate_intake", endpoint["Address"], endpoint["Port"]))
        self.assertRegex(value["password"], "^[A-Za-z0-9]{32}$")
        self.assertNotEqual(self.function_secret, self.secret)
        self.assertEqual(self.stack.output("IntakeSecretArn"), self.function_secret)

    def test_no_secret_is_rotated_without_a_function_for_it(self):
        self.assertFalse(self.stack.of_type("AWS::SecretsManager::RotationSchedule"))

    def test_the_function_alone_reaches_the_database(self):
        own, its = self.stack.output("FunctionSecurityGroupId"), self.stack.output("DatabaseSecurityGroupId")
        self.assertEqual(rules(its, "IpPermissions"), [(3306, 3306, [own], [])])
        self.assertEqual(rules(own, "IpPermissionsEgress"), [(3306, 3306, [its], [])])
        self.assertFalse(self.stack.of_type("AWS::EC2::VPCEndpoint"))


class Rotated(Created):
    """With a function that rotates both passwords."""

    @classmethod
    def before(cls):
        function = f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:rotate"
        return super().before() | {"RotationFunctionArn": function, "RotationDays": "7"}

    def test_no_secret_is_rotated_without_a_function_for_it(self):
        sent = [self.stack.sent[one] for one in self.stack.of_type("AWS::SecretsManager::RotationSchedule")]
        self.assertEqual({one["SecretId"] for one in sent}, {self.secret, self.function_secret})
        for one in sent:
            self.assertEqual(one["RotationLambdaARN"], self.parameters["RotationFunctionArn"])
            self.assertEqual({key: int(days) for key, days in one["RotationRules"].items()}, {"AutomaticallyAfterDays": 7})
            # An account that does not exist yet cannot be rotated.
            self.assertIs(one["RotateImmediatelyOnUpdate"], False)


class CreatedByIam(Created):
    """With a new database and a login of the function by IAM; the secret is for the administrator who creates the account."""

    buffered = False

    @classmethod
    def before(cls):
        created = super().before() | {"UseIamAuth": "true", "DatabaseUser": "intake", "RdsCaFile": "rds-ca.pem"}
        return {name: value for name, value in created.items() if name != "UseBuffer"}

    @property
    def environment(self):
        return super().environment | {"RDS_USER": "intake", "RDS_IAM_AUTH": "true", "RDS_CA_FILE": "rds-ca.pem"}

    def test_the_function_has_its_own_account(self):
        self.assertNotIn("IntakeSecret", self.stack.sent)
        self.assertNotIn("IntakeSecretArn", self.stack.outputs)

    def allowed(self):
        user = f"arn:aws:rds-db:{REGION}:{ACCOUNT}:dbuser:{self.database()['DbiResourceId']}/intake"
        return super().allowed() | {"rds-db:connect": [user]}
