#!/usr/bin/env python3
"""Compares the signatures of S3 requests with botocore's, for random keys.

A small S3 server checks each request of a replay and of a backfill: it finds the object by the decoded
path, encodes its key again as botocore does, and signs that with botocore.

    python3 tests/differential/signatures.py --program target/debug/ruminate --keys 10000
"""
import argparse
import http.server
import json
import os
import random
import subprocess
import sys
import tempfile
import threading
import time
import uuid
from urllib.parse import parse_qsl, unquote, unquote_to_bytes, urlsplit
from xml.sax.saxutils import escape

import botocore
from botocore.auth import S3SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.compat import HTTPHeaders
from botocore.credentials import Credentials
from botocore.utils import percent_encode

KEY, SECRET, REGION, BUCKET = "AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY", "us-east-1", "bucket"
STRANGE = list(" +%~.-_!*'()&=?#:;,@$\"<>[]{}|\\^`éãç日本🐄") + ["%20", "%2F", "..", "  ", "%%", "+-", "e\u0301", "a", "Z", "0"]
PREFIXES = ["plain", "with space", "a+b%20c", "é~日本🐄", "dots../x.", "a//b", "q?x=1&y", "semi;colon:'()!*"]
RECORD = {"id_curral": "1", "id_raca": "2", "id_lote": "3", "peso_entrada": 234.941, "peso_medio": 360.341, "data": "2023-01-01 00:00:00 UTC",
          "quantidade_animais": "51", "dia_confinamento": "66", "consumo_real": 9.076451, "cod_cliente": "FazendaUm",
          "consumo_meta": 6.342001600000001, "row_ts": "2026-11-22T18:49:03"}


class Server(http.server.ThreadingHTTPServer):
    daemon_threads, request_queue_size = True, 1024

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.objects, self.checked, self.wrong, self.lock = {}, {}, [], threading.Lock()


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def signature(self, path, query, body_hash):
        """Returns botocore's signature of this request for a path that botocore has encoded."""
        parts = dict(part.strip().split("=", 1) for part in self.headers["Authorization"].split(" ", 1)[1].split(","))
        request = AWSRequest(method=self.command, url=f"http://{self.headers['Host']}{path}", params=query)
        request.headers = HTTPHeaders()
        for name in parts["SignedHeaders"].split(";"):
            request.headers[name] = self.headers[name]
        if body_hash:
            request.headers["X-Amz-Content-SHA256"] = body_hash
        request.context["timestamp"] = self.headers["X-Amz-Date"]
        auth = S3SigV4Auth(Credentials(KEY, SECRET), "s3", REGION)
        text = auth.string_to_sign(request, auth.canonical_request(request))
        return auth.signature(text, request), parts["Signature"]

    def handle_any(self):
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        url = urlsplit(self.path)
        key = unquote_to_bytes(url.path).decode().removeprefix(f"/{BUCKET}").removeprefix("/")
        query = dict(parse_qsl(url.query, keep_blank_values=True))
        ours, theirs = self.signature(percent_encode(f"/{BUCKET}/{key}" if key else url.path, safe="/~"), query, None)
        with self.server.lock:
            kind = f"{self.command} {'object' if key else 'list'}"
            self.server.checked[kind] = self.server.checked.get(kind, 0) + 1
            if ours != theirs:
                self.server.wrong.append(f"{self.command} {self.path} ({key!r})")
        if ours != theirs:
            return self.answer(403, b"<Error><Code>SignatureDoesNotMatch</Code></Error>")
        if self.command == "PUT":
            taken = key in self.server.objects and self.headers["If-None-Match"] == "*"
            if not taken:
                self.server.objects[key] = body
            return self.answer(412 if taken else 200, b"")
        if not key:
            return self.answer(200, self.listing(query).encode())
        if key not in self.server.objects:
            return self.answer(404, b"<Error><Code>NoSuchKey</Code></Error>")
        return self.answer(200, self.server.objects[key])

    do_GET = do_PUT = do_HEAD = do_DELETE = handle_any

    def listing(self, query):
        prefix, delimiter = query.get("prefix", ""), query.get("delimiter")
        after, limit = query.get("continuation-token") or query.get("start-after") or "", int(query.get("max-keys", 1000))
        entries = {}
        for key in self.server.objects:
            if key.startswith(prefix):
                end = key.find(delimiter, len(prefix)) if delimiter else -1
                entries[key if end < 0 else key[:end + 1]] = end < 0
        names = sorted((name for name in entries if name > after), key=str.encode)
        page, more = names[:limit], len(names) > limit
        shown = (lambda name: percent_encode(name, safe="/~")) if query.get("encoding-type") == "url" else escape
        out = [f"<ListBucketResult><Name>{BUCKET}</Name><Prefix>{shown(prefix)}</Prefix><KeyCount>{len(page)}</KeyCount>"
               f"<MaxKeys>{limit}</MaxKeys><IsTruncated>{str(more).lower()}</IsTruncated>"]
        if query.get("encoding-type") == "url":
            out.append("<EncodingType>url</EncodingType>")
        if more:
            out.append(f"<NextContinuationToken>{escape(page[-1])}</NextContinuationToken>")
        for name in page:
            if entries[name]:
                out.append(f"<Contents><Key>{shown(name)}</Key><LastModified>2026-01-01T00:00:00.000Z</LastModified><ETag>&quot;{'0' * 32}&quot;"
                           f"</ETag><Size>{len(self.server.objects[name])}</Size><StorageClass>STANDARD</StorageClass></Contents>")
            else:
                out.append(f"<CommonPrefixes><Prefix>{shown(name)}</Prefix></CommonPrefixes>")
        return "".join(out) + "</ListBucketResult>"

    def answer(self, status, body):
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("ETag", f'"{"0" * 32}"')
        self.send_header("Last-Modified", "Thu, 01 Jan 2026 00:00:00 GMT")
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)


def fill(server, prefix, count, source):
    """Puts objects under random names into the server."""
    for n in range(count):
        record_id = str(uuid.UUID(int=source.getrandbits(128), version=4))
        name = "".join(source.choice(STRANGE) for _ in range(source.randint(1, 12))).replace("/", "")
        key = f"{prefix}/fazenda_um/2023/01/{n % 28 + 1:02}/historico_consumo_2023-01-01 00:00:00.{n % 1000:03}_{name}{n}.json"
        server.objects[key] = json.dumps(RECORD | {"id_lote": str(n), "id_treated_data": record_id}).encode()


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--program", required=True)
    parser.add_argument("--keys", type=int, default=800)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    options.program = os.path.abspath(options.program)
    start, source = time.time(), random.Random(options.seed)
    server = Server()
    threading.Thread(target=server.serve_forever, daemon=True).start()
    environment = {"PATH": os.environ["PATH"], "HOME": os.environ["HOME"], "AWS_ACCESS_KEY_ID": KEY, "AWS_SECRET_ACCESS_KEY": SECRET,
                   "AWS_REGION": REGION, "AWS_ENDPOINT_URL": f"http://127.0.0.1:{server.server_port}", "AWS_EC2_METADATA_DISABLED": "true"}
    read = 0
    with tempfile.TemporaryDirectory() as folder:
        def run(*arguments):
            result = subprocess.run([options.program, *arguments], cwd=folder, env=environment, capture_output=True, check=False)
            if result.returncode not in (0, 1):
                sys.exit(f"{arguments} ended with {result.returncode}: {result.stderr.decode()}\n{server.wrong[:3]}")
            return result.stdout
        run("generate", "--farms", "1", "--lots", "5", "--days", "2", "--start", "2026-01-01", "--seed", "1", "--out", "history")
        for number, prefix in enumerate(PREFIXES):
            fill(server, prefix, options.keys // len(PREFIXES), source)
            stores = ["--lake", f"s3://{BUCKET}/{prefix}", "--warehouse", f"sqlite:{number}.db"]
            run("init", *stores[2:])
            outcome = json.loads(run("replay", *stores, "--output", "json", "-q"))
            read += outcome["inserted"]
            run("backfill", "history", *stores, "-q")
    if server.wrong or read != options.keys // len(PREFIXES) * len(PREFIXES):
        print(*server.wrong[:20], sep="\n")
        sys.exit(f"{len(server.wrong)} signatures differ; {read} of {options.keys} objects were read")
    counts = ", ".join(f"{count} {kind}" for kind, count in sorted(server.checked.items()))
    print(f"signatures: {read} strange keys read; all equal to botocore {botocore.__version__}'s: {counts}; {time.time() - start:.0f} s")


if __name__ == "__main__":
    main()
