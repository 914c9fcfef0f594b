"""The region, and clients of what moto plays in this process."""

from functools import lru_cache

import boto3

REGION = "sa-east-1"
ACCOUNT = "123456789012"  # moto's


@lru_cache
def client(service, **credentials):
    """A client, kept: making one takes longer than most of what it is asked."""
    return boto3.client(service, region_name=REGION, **credentials)
