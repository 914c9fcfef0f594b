#!/usr/bin/env python3
"""A typical Python function for the same work: boto3 and PyMySQL, clients created once, one object and one row per message.

Does less than the Lambda: random ids, no If-None-Match, no quarantine, no logs. Uses the Runtime API over one
persistent connection, so that its own loop costs little.
"""
import http.client
import json
import os
import uuid
from datetime import datetime, timezone

import boto3
import pymysql

s3 = boto3.client("s3")
bucket, _, prefix = os.environ["RUMINATE_LAKE"].removeprefix("s3://").partition("/")
database = None
COLUMNS = (
    "id_treated_data id_curral id_raca id_lote peso_entrada peso_medio quantidade_animais dia_confinamento "
    "consumo_real consumo_meta data cod_cliente row_ts"
).split()
INSERT = f"INSERT INTO historico_consumo ({', '.join(COLUMNS)}) VALUES ({', '.join(['%s'] * len(COLUMNS))})"


def treat(message):
    record = json.loads(message)
    now = datetime.now(timezone.utc).replace(tzinfo=None)
    record["consumo_meta"] = record["peso_medio"] * 0.0176
    record["id_treated_data"] = str(uuid.uuid4())
    record["row_ts"] = now.isoformat()
    return record


def handle(event):
    global database
    if database is None:
        of = os.environ
        database = pymysql.connect(
            host=of["RDS_HOST"], port=int(of["RDS_PORT"]), user=of["RDS_USER"], password=of["RDS_PASSWORD"],
            database=of["RDS_DATABASE"], autocommit=True,
        )
    rows = []
    for item in event["Records"]:
        record = treat(item["Sns"]["Message"] if "Sns" in item else item["body"])
        day = record["row_ts"][:10].replace("-", "/")
        name = f"{prefix}/fazenda_um/{day}/historico_consumo_{record['row_ts']}_{record['id_treated_data']}.json"
        s3.put_object(Bucket=bucket, Key=name, Body=json.dumps(record))
        record["data"] = record["data"].removesuffix(" UTC")
        rows.append([record[column] for column in COLUMNS])
    with database.cursor() as cursor:
        cursor.executemany(INSERT, rows)
    return {"batchItemFailures": []}


runtime = http.client.HTTPConnection(os.environ["AWS_LAMBDA_RUNTIME_API"])
root = "/2018-06-01/runtime/invocation"
while True:
    runtime.request("GET", f"{root}/next")
    answer = runtime.getresponse()
    request, event = answer.headers["Lambda-Runtime-Aws-Request-Id"], json.loads(answer.read())
    runtime.request("POST", f"{root}/{request}/response", json.dumps(handle(event)))
    runtime.getresponse().read()
