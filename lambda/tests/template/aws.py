"""The region, and clients of the services that moto mocks in this process."""

from functools import lru_cache

import boto3

REGION = "sa-east-1"
ACCOUNT = "123456789012"  # moto's


@lru_cache
def client(service, **credentials):
    """Returns a cached client, because creating one takes longer than most requests."""
    return boto3.client(service, region_name=REGION, **credentials)
