"""Deploys lambda/template.yaml into moto as AWS would: what CloudFormation and SAM do before a resource is
created (parameters, rules, the transform, `aws cloudformation package`), and the stack that comes out of it.

Contains no expectation about the template: those are in the test_*.py next to it.
"""

import io
import json
import logging
import re
import zipfile
from contextlib import contextmanager
from pathlib import Path

from moto.cloudformation import parsing
from samtranslator.translator.transform import transform
from samtranslator.yaml_helper import yaml_parse

import mocks  # noqa: F401  (adds the resource types that moto lacks)
from aws import REGION, client

NAME = "ruminate"
# Otherwise it logs at every exit that it sent no usage statistics.
logging.getLogger("samtranslator.metrics.metrics").setLevel(logging.ERROR)
PATH = Path(__file__).parents[2] / "template.yaml"


class Template:
    """The template, or the same with a mutation."""

    text = PATH.read_text()

    @classmethod
    def parsed(cls):
        return yaml_parse(cls.text)


class Refused(Exception):
    """Returns the parameter errors that CloudFormation would report before it creates anything."""


class NoManagedPolicies:
    """SAM looks them up to attach them to the roles it generates; the template's role is its own."""

    def load(self):
        return {}


def transformed(code=None):
    """Returns the template after the SAM transform, its function's code in S3 as `aws cloudformation package` leaves it."""
    template = Template.parsed()
    template["Resources"]["Function"]["Properties"]["CodeUri"] = code or {"Bucket": "code", "Key": "bootstrap.zip"}
    return transform(template, {}, NoManagedPolicies())


def check_parameters(template, given):
    """Checks parameters as CloudFormation does and moto does not: by pattern, list, range and rule."""
    declared = template["Parameters"]
    if unknown := given.keys() - declared.keys():
        raise Refused(f"no such parameter: {unknown}")
    values = {}
    for name, parameter in declared.items():
        value = values[name] = str(given.get(name, parameter.get("Default")))
        allowed = [str(one) for one in parameter.get("AllowedValues", [])]
        if allowed and value not in allowed:
            raise Refused(f"{name} is not one of {allowed}")
        if not re.search(parameter.get("AllowedPattern", ""), value):
            raise Refused(f"{name} does not match {parameter['AllowedPattern']}")
        if parameter["Type"] == "Number":
            if not parameter.get("MinValue", float("-inf")) <= float(value) <= parameter.get("MaxValue", float("inf")):
                raise Refused(f"{name} is out of range")
    for name, rule in template["Rules"].items():
        if holds(rule.get("RuleCondition", {"Fn::Equals": ["", ""]}), values):
            for assertion in rule["Assertions"]:
                if not holds(assertion["Assert"], values):
                    raise Refused(f"{name}: {assertion['AssertDescription']}")


def holds(condition, values):
    """Evaluates a rule's condition."""
    ((function, arguments),) = condition.items()
    if function == "Fn::Equals":
        first, second = (values[one["Ref"]] if isinstance(one, dict) else one for one in arguments)
        return first == second
    terms = [holds(one, values) for one in arguments]
    return {"Fn::And": all(terms), "Fn::Or": any(terms), "Fn::Not": not terms[0]}[function]


class Stack:
    """A deployed stack. `sent` has, by logical id, each created resource's properties with everything in them resolved,
    as CloudFormation would send them to the service: moto's CloudFormation drops some of them."""

    def __init__(self, parameters):
        self.code = bootstrap_zip()
        s3 = client("s3")
        s3.create_bucket(Bucket="code", CreateBucketConfiguration={"LocationConstraint": REGION})
        s3.put_object(Bucket="code", Key="bootstrap.zip", Body=self.code)
        template = transformed()
        check_parameters(template, parameters)
        cloudformation = client("cloudformation")
        with record() as self.sent:
            cloudformation.create_stack(
                StackName=NAME,
                TemplateBody=json.dumps(template),
                Parameters=[{"ParameterKey": k, "ParameterValue": v} for k, v in parameters.items()],
                Capabilities=["CAPABILITY_IAM"],
            )
        described = cloudformation.describe_stacks(StackName=NAME)["Stacks"][0]
        assert described["StackStatus"] == "CREATE_COMPLETE", described
        self.outputs = {one["OutputKey"]: one for one in described.get("Outputs", [])}
        resources = cloudformation.describe_stack_resources(StackName=NAME)["StackResources"]
        # moto also lists resources that their condition excludes, without a name.
        self.ids = {one["LogicalResourceId"]: one.get("PhysicalResourceId") for one in resources if "LogicalResourceId" in one}
        self.template = template

    def of_type(self, kind):
        """Returns the logical ids of the created resources of a type."""
        return {one for one in self.sent if self.template["Resources"][one]["Type"] == kind}

    def output(self, name):
        return self.outputs[name]["OutputValue"]

    def queue(self, logical_id):
        """Returns the attributes of a queue."""
        return client("sqs").get_queue_attributes(QueueUrl=self.ids[logical_id], AttributeNames=["All"])["Attributes"]

    def delete(self):
        client("cloudformation").delete_stack(StackName=NAME)


@contextmanager
def record():
    """Records what moto's CloudFormation is about to create."""
    sent = {}
    original = parsing.parse_resource_and_generate_name

    def noting(logical_id, resource_json, resources_map):
        parsed = original(logical_id, resource_json, resources_map)
        if parsed:
            # Ref returns some of moto's resources themselves instead of their names.
            sent[logical_id] = json.loads(json.dumps(parsed[1]["Properties"], default=lambda resource: resource.name))
        return parsed

    parsing.parse_resource_and_generate_name = noting
    try:
        yield sent
    finally:
        parsing.parse_resource_and_generate_name = original


def bootstrap_zip():
    archive_bytes = io.BytesIO()
    with zipfile.ZipFile(archive_bytes, "w") as archive:
        archive.writestr("bootstrap", "#!/bin/sh\n")
    return archive_bytes.getvalue()