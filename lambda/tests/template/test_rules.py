"""Contradictory parameters are rejected with a reason before anything is created."""

import unittest

from stack import Refused, Template, check_parameters

SECRET = "arn:aws:secretsmanager:sa-east-1:123456789012:secret:warehouse-AbCdEf"
KEY = "arn:aws:kms:sa-east-1:123456789012:key/11111111-2222-3333-4444-555555555555"
ROTATION = "arn:aws:lambda:sa-east-1:123456789012:function:rotate"
GIVEN = {"DatabaseSecretArn": SECRET}
VPC = {"VpcId": "vpc-0a", "SubnetIds": "subnet-0a,subnet-0b"}
CREATED = {"CreateDatabase": "true", **VPC}
IAM = {
    "UseIamAuth": "true",
    "DatabaseHost": "db.example",
    "DatabaseUser": "intake",
    "DatabaseResourceId": "db-ABC123",
    "RdsCaFile": "rds-ca.pem",
}


def without(parameters, *names):
    return {name: value for name, value in parameters.items() if name not in names}


class Rules(unittest.TestCase):
    def test_valid_parameters_pass(self):
        for parameters in (
            GIVEN,
            {"DatabaseSecretArn": SECRET.replace("warehouse", "rds!db-11111111-2222-3333-4444-555555555555")},
            {**GIVEN, "MetaRate": "0.0001", "TableName": "_" + "a" * 47, "LakePrefix": "quarentena_2", "LogLevel": "TRACE"},
            {**GIVEN, "MetaRate": "0.9999", "TableName": "T", "LakePrefix": "Quarentena", "LogLevel": "INFO"},
            {**GIVEN, "DatabaseHost": "db.example", "DatabasePort": "3307", "DatabaseSecretKmsKeyArn": KEY},
            {**GIVEN, **VPC, "DatabaseSecurityGroupId": "sg-0a", "EndpointRouteTableIds": "rtb-0a"},
            IAM,
            without(IAM, "RdsCaFile"),
            {**IAM, "DatabaseSslMode": "VERIFY_IDENTITY"},
            {**GIVEN, "LakeSse": "aws:kms", "LakeSseKmsKeyId": KEY, "DatabaseSslMode": "VERIFY_CA"},
            {**GIVEN, "LakeSse": "AES256", "LakeSseKmsKeyId": ""},
            {**GIVEN, "GlueDatabase": "fazendas", "GlueFarms": "fazenda_um,fazenda_2", "GlueFirstDay": "2023/12/31"},
            {**GIVEN, "GlueDatabase": "_f1", "LakePrefix": "Partes"},
            {**GIVEN, "HttpsProxy": "http://proxy.example:3128", "NoProxy": "10.0.0.0/8,.example", "AwsCaBundle": "/var/task/ca.pem"},
            CREATED,
            {**CREATED, "RotationFunctionArn": ROTATION, "RotationDays": "1000"},
            {**CREATED, "UseIamAuth": "true", "DatabaseUser": "intake", "RdsCaFile": "rds-ca.pem"},
        ):
            with self.subTest(parameters):
                check_parameters(Template.parsed(), parameters)

    def test_what_contradicts_itself_is_refused(self):
        for parameters, why in (
            ({}, "No database"),
            ({"DatabaseHost": "db.example"}, "No way to log in"),
            ({"CreateDatabase": "true"}, "needs VpcId"),
            ({**GIVEN, "RotationFunctionArn": ROTATION}, "rotates the secrets of a created database"),
            ({**CREATED, **GIVEN}, "leave those of an existing database empty"),
            ({**CREATED, "DatabaseHost": "db.example"}, "leave those of an existing database empty"),
            ({**CREATED, "DatabasePort": "3307"}, "leave those of an existing database empty"),
            ({**CREATED, "DatabaseSecurityGroupId": "sg-0a"}, "leave those of an existing database empty"),
            ({**IAM, **GIVEN}, "Two ways to log in"),
            (without(IAM, "DatabaseUser"), "needs DatabaseUser"),
            (without(IAM, "DatabaseResourceId"), "needs DatabaseResourceId"),
            ({**IAM, "DatabaseSslMode": "REQUIRED"}, "needs DatabaseSslMode VERIFY_IDENTITY"),
            ({**GIVEN, "LakeSse": "AES256", "LakeSseKmsKeyId": "alias/lake"}, "uses keys of S3"),
            (without(IAM, "DatabaseHost"), "No database"),
            ({**GIVEN, "DatabaseUser": "intake"}, "are for UseIamAuth=true"),
            ({**CREATED, "DatabaseResourceId": "db-ABC123"}, "leave those of an existing database empty"),
            ({**IAM, "DatabaseSecretKmsKeyArn": KEY}, "goes with DatabaseSecretArn"),
            ({**GIVEN, "LakePrefix": "quarentena"}, "is the quarantine's folder"),
            ({**GIVEN, "LakePrefix": "partes"}, "is the folder of the lake's parts"),
            ({**GIVEN, "GlueFarms": "fazenda_um"}, "GlueFarms needs GlueDatabase"),
            ({**GIVEN, "VpcId": "vpc-0a"}, "VpcId needs SubnetIds"),
            ({**GIVEN, "SubnetIds": VPC["SubnetIds"]}, "SubnetIds needs VpcId"),
            ({**GIVEN, "EndpointRouteTableIds": "rtb-0a"}, "EndpointRouteTableIds needs VpcId"),
            ({**GIVEN, "DatabaseSecurityGroupId": "sg-0a"}, "DatabaseSecurityGroupId needs VpcId"),
        ):
            with self.subTest(parameters), self.assertRaisesRegex(Refused, why):
                check_parameters(Template.parsed(), parameters)

    def test_values_that_cannot_work_are_refused(self):
        for name, value in (
            ("Architecture", "arm"),
            ("Timeout", "31"),
            ("MaximumConcurrency", "1"),  # the event source accepts 2 to 1,000
            ("MaximumConcurrency", "1001"),
            ("BufferWindowSeconds", "0"),  # not with batches over 10
            ("LogRetentionDays", "100"),
            ("ExistingTopicArn", "arn:aws:sns:sa-east-1:123456789012:consumo.fifo"),
            ("ExistingTopicArn", "consumo"),
            ("ExistingLakeBucket", "s3://lake"),
            ("LakePrefix", "historico_diario/"),
            ("LakePrefix", "a/b"),  # the quarantine would be in a/
            ("LakePrefix", ""),
            ("LakeSse", "sse-c"),
            ("GlueDatabase", "Fazendas"),  # Glue supports lower case only
            ("GlueDatabase", "fazendas-1"),
            ("GlueFarms", "fazenda_um, fazenda_dois"),
            ("GlueFarms", "fazenda_um,"),
            ("GlueFirstDay", "2023-01-01"),
            ("GlueFirstDay", "2023/13/01"),
            ("DatabaseSslMode", "true"),
            ("HttpsProxy", "http://ana:segredo@proxy.example:3128"),  # anyone who may view the function could read it
            ("HttpsProxy", "socks5://proxy.example:1080"),
            ("AwsCaBundle", "ca.pem"),
            ("TableName", "historico-consumo"),
            ("TableName", "1x"),
            ("TableName", "a" * 49),  # the longest that leaves space for the names of its views
            ("TableName", ""),
            ("SubnetIds", "subnet-0a"),  # one zone
            ("SubnetIds", "subnet-0a, subnet-0b"),
            ("DatabaseResourceId", "warehouse"),
            ("MetaRate", "1.76"),
            ("MetaRate", "0"),  # the function would not start, as with 1
            ("MetaRate", "1"),
            ("LogLevel", "WARN"),  # Lambda would drop the metrics
            ("LogLevel", "ERROR"),
            ("LogLevel", "FATAL"),
            ("DatabaseSecretArn", SECRET.removesuffix("-AbCdEf")),  # the role would be granted nothing
            ("DatabaseSecretArn", SECRET.replace("-AbCdEf", "-*")),
            ("DatabaseSecretArn", SECRET.replace("-AbCdEf", "-??????")),
            ("DatabaseSecretArn", SECRET.replace("warehouse-", "*-")),
            ("RotationFunctionArn", "rotate"),
            ("RotationDays", "0"),
            ("AlarmAgeSeconds", "30"),
        ):
            with self.subTest(f"{name}={value}"), self.assertRaisesRegex(Refused, f"^{name} "):
                check_parameters(Template.parsed(), {**GIVEN, **VPC, name: value})
