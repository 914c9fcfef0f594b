"""What people use: boto3's publish_batch with 16 threads, each sending its next batch when the last one is answered."""
import argparse, json, os, statistics, threading, time

import boto3
from botocore.config import Config

THREADS = 16
TOPIC = os.environ["TOPIC_ARN"]

parser = argparse.ArgumentParser()
parser.add_argument("--file", help="readings, one per line: sent once")
parser.add_argument("--seconds", type=float, help="one and the same batch for so long")
options = parser.parse_args()



def entries(bodies):
    def attribute(value):
        return {"DataType": "String", "StringValue": value}

    def one(at, body):
        reading = json.loads(body)
        attributes = {"cod_cliente": attribute(reading["cod_cliente"]), "id_lote": attribute(reading["id_lote"])}
        return {"Id": str(at), "Message": body, "MessageAttributes": attributes}

    return [one(at, body) for at, body in enumerate(bodies)]


def bodies():
    """Batches of ten lines."""
    if not options.file:
        reading = '{"id_lote":"1","cod_cliente":"FazendaUm","consumo_real":9.5}'
        until = time.monotonic() + options.seconds
        while time.monotonic() < until:
            yield [reading] * 10
        return
    with open(options.file) as file:
        lines = file.read().splitlines()
    for at in range(0, len(lines), 10):
        yield lines[at : at + 10]


source, lock = bodies(), threading.Lock()
published, latencies = [0] * THREADS, [[] for _ in range(THREADS)]
session = boto3.session.Session()
client = session.client("sns", config=Config(max_pool_connections=THREADS, retries={"mode": "standard"}))


def work(number):
    while True:
        with lock:
            batch = next(source, None)
        if batch is None:
            return
        start = time.perf_counter()
        answer = client.publish_batch(TopicArn=TOPIC, PublishBatchRequestEntries=entries(batch))
        latencies[number].append(time.perf_counter() - start)
        published[number] += len(answer["Successful"])


start = time.perf_counter()
threads = [threading.Thread(target=work, args=(number,)) for number in range(THREADS)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
seconds = time.perf_counter() - start
calls = sorted(latency for each in latencies for latency in each)
cut = statistics.quantiles(calls, n=100) if len(calls) > 1 else calls * 99
print(json.dumps({
    "published": sum(published), "seconds": seconds, "rate_per_second": sum(published) / seconds,
    "p50_ms": cut[49] * 1e3, "p99_ms": cut[98] * 1e3,
}))
