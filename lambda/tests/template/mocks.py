"""Resource types that moto's CloudFormation lacks, as calls to the APIs that moto has, and fixes for some errors of its
own. CloudFormation's property names are the APIs' parameter names, so boto3 checks each property's name and type
on the way. Written for moto 5.2.1; what a later one brings along can go here.
"""

import json

from moto.cloudformation import parsing
from moto.core.common_models import CloudFormationModel
from moto.iam.models import Role
from moto.iam.policy_validation import IAMPolicyDocumentValidator
from moto.logs.models import LogGroup
from moto.rds.models import DBInstance, DBParameterGroup

from aws import client


def stand_in(kind, create):
    """Registers a type with moto, which looks for direct subclasses. `create(name, properties)` returns the value
    of Ref."""

    def __init__(self, physical_resource_id):
        self.physical_resource_id = physical_resource_id

    def create_from_cloudformation_json(cls, resource_name, cloudformation_json, account_id, region_name, **kwargs):
        return cls(create(resource_name, cloudformation_json["Properties"]))

    return type(
        kind.replace("::", ""),
        (CloudFormationModel,),
        {
            "__init__": __init__,
            "cloudformation_type": staticmethod(lambda: kind),
            "cloudformation_name_type": staticmethod(lambda: ""),
            "create_from_cloudformation_json": classmethod(create_from_cloudformation_json),
            "is_created": lambda self: True,
        },
    )


def subscription(_, properties):
    attributes = {}
    if "RawMessageDelivery" in properties:
        attributes["RawMessageDelivery"] = json.dumps(properties.pop("RawMessageDelivery"))
    if "RedrivePolicy" in properties:
        attributes["RedrivePolicy"] = json.dumps(properties.pop("RedrivePolicy"))
    return client("sns").subscribe(**properties, Attributes=attributes, ReturnSubscriptionArn=True)["SubscriptionArn"]


def queue_policy(name, properties):
    for url in properties["Queues"]:
        policy = json.dumps(properties["PolicyDocument"])
        client("sqs").set_queue_attributes(QueueUrl=url, Attributes={"Policy": policy})
    return name


def bucket_policy(_, properties):
    client("s3").put_bucket_policy(Bucket=properties["Bucket"], Policy=json.dumps(properties["PolicyDocument"]))
    return properties["Bucket"]


def alarm(name, properties):
    # CloudFormation turns texts into numbers where numbers belong.
    properties["Threshold"] = float(properties["Threshold"])
    client("cloudwatch").put_metric_alarm(AlarmName=name, **properties)
    return name


def event_invoke_config(name, properties):
    assert properties.pop("Qualifier") == "$LATEST"  # which moto does not know by that name
    client("lambda").put_function_event_invoke_config(**properties)
    return name


def secret(name, properties):
    secrets = client("secretsmanager")
    generate = properties.pop("GenerateSecretString")
    value = json.loads(generate.pop("SecretStringTemplate"))
    key = generate.pop("GenerateStringKey")
    value[key] = secrets.get_random_password(**generate)["RandomPassword"]
    return secrets.create_secret(Name=name, SecretString=json.dumps(value), **properties)["ARN"]


def secret_attachment(_, properties):
    # https://docs.aws.amazon.com/secretsmanager/latest/userguide/reference_secret_json_structure.html
    secrets = client("secretsmanager")
    (database,) = client("rds").describe_db_instances(DBInstanceIdentifier=properties["TargetId"])["DBInstances"]
    value = json.loads(secrets.get_secret_value(SecretId=properties["SecretId"])["SecretString"])
    value |= {
        "engine": database["Engine"],
        "host": database["Endpoint"]["Address"],
        "port": database["Endpoint"]["Port"],
        "dbname": database["DBName"],
        "dbInstanceIdentifier": database["DBInstanceIdentifier"],
    }
    secrets.put_secret_value(SecretId=properties["SecretId"], SecretString=json.dumps(value))
    return properties["SecretId"]


def rotation_schedule(name, properties):
    # https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/aws-resource-secretsmanager-rotationschedule.html
    properties["RotateImmediately"] = properties.pop("RotateImmediatelyOnUpdate")
    assert properties["RotateImmediately"] is False  # moto would call the function in a container
    rules = {key: int(value) for key, value in properties["RotationRules"].items()}
    assert set(rules) == {"AutomaticallyAfterDays"} and properties["RotationLambdaARN"].split(":")[5] == "function"
    secrets = client("secretsmanager")
    secrets.tag_resource(SecretId=properties["SecretId"], Tags=[{"Key": "rotated", "Value": str(rules["AutomaticallyAfterDays"])}])
    return properties["SecretId"]


def dashboard(_, properties):
    client("cloudwatch").put_dashboard(**properties)
    return properties["DashboardName"]


def security_group_egress(name, properties):
    permission = {key: properties[key] for key in ("IpProtocol", "FromPort", "ToPort")}
    permission |= {key: int(permission[key]) for key in ("FromPort", "ToPort")}
    if "CidrIp" in properties:
        permission["IpRanges"] = [{"CidrIp": properties["CidrIp"]}]
    if "DestinationSecurityGroupId" in properties:
        permission["UserIdGroupPairs"] = [{"GroupId": properties["DestinationSecurityGroupId"]}]
    client("ec2").authorize_security_group_egress(GroupId=properties["GroupId"], IpPermissions=[permission])
    return name


def glue_database(_, properties):
    properties["DatabaseInput"] = dict(properties["DatabaseInput"])
    client("glue").create_database(**properties)
    return properties["DatabaseInput"]["Name"]


def glue_table(_, properties):
    client("glue").create_table(**properties)
    return properties["TableInput"]["Name"]


KEPT = [
    stand_in("AWS::SNS::Subscription", subscription),
    stand_in("AWS::SQS::QueuePolicy", queue_policy),
    stand_in("AWS::S3::BucketPolicy", bucket_policy),
    stand_in("AWS::CloudWatch::Alarm", alarm),
    stand_in("AWS::Lambda::EventInvokeConfig", event_invoke_config),
    stand_in("AWS::SecretsManager::Secret", secret),
    stand_in("AWS::SecretsManager::SecretTargetAttachment", secret_attachment),
    stand_in("AWS::SecretsManager::RotationSchedule", rotation_schedule),
    stand_in("AWS::CloudWatch::Dashboard", dashboard),
    stand_in("AWS::EC2::SecurityGroupEgress", security_group_egress),
    stand_in("AWS::Glue::Database", glue_database),
    stand_in("AWS::Glue::Table", glue_table),
]


def _attribute(self, name, original=DBInstance.get_cfn_attribute):
    return self.dbi_resource_id if name == "DbiResourceId" else original(self, name)


# moto knows a database's resource id, but not as an attribute in a template.
DBInstance.get_cfn_attribute = _attribute
# https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/aws-resource-logs-loggroup.html: with the streams.
LogGroup.get_cfn_attribute = lambda self, _: f"{self.arn}:*"
# Ref returns a parameter group itself instead of its name.
DBParameterGroup.physical_resource_id = property(lambda self: self.name)


def _clean_json(value, resources, original=parsing.clean_json):
    cleaned = original(value, resources)
    return [one for one in cleaned if one is not None] if isinstance(cleaned, list) else cleaned


# AWS::NoValue removes an item from a list; moto leaves a null.
parsing.clean_json = _clean_json


def _put_policy(self, name, policy, original=Role.put_policy):
    policy = policy if isinstance(policy, str) else json.dumps(policy)
    IAMPolicyDocumentValidator(policy).validate()
    original(self, name, policy)


# moto neither checks a role's policy from a template nor stores it as text.
Role.put_policy = _put_policy
