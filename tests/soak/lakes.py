"""Lakes whose complete state can be read and set: the S3 stub, by its protocol, and a directory."""
import base64
import concurrent.futures
import datetime
import hashlib
import hmac
import http.client
import os
import threading
import urllib.parse
import xml.etree.ElementTree
from xml.sax.saxutils import escape

from programs import BUCKET, PREFIX, Server, check, credentials

THREADS = 8


def md5(body):
    return hashlib.md5(body, usedforsecurity=False).hexdigest()


def quoted(text, safe=""):
    return urllib.parse.quote(text, safe=safe + "~")


class Client:
    """A client of S3 with signatures of version 4, one connection for each thread."""

    def __init__(self, port, known):
        self.host, self.known, self.local = f"127.0.0.1:{port}", known, threading.local()

    def signed(self, method, path, query, body, headers):
        now, digest = datetime.datetime.now(datetime.timezone.utc), hashlib.sha256(body).hexdigest()
        day, at, region = now.strftime("%Y%m%d"), now.strftime("%Y%m%dT%H%M%SZ"), self.known["AWS_REGION"]
        headers = {"host": self.host, "x-amz-content-sha256": digest, "x-amz-date": at, **headers}
        names = sorted(headers)
        listed = "".join(f"{name}:{headers[name]}\n" for name in names)
        canonical = "\n".join([method, path, query, listed, ";".join(names), digest])
        scope = f"{day}/{region}/s3/aws4_request"
        text = "\n".join(["AWS4-HMAC-SHA256", at, scope, hashlib.sha256(canonical.encode()).hexdigest()])
        key = ("AWS4" + self.known["AWS_SECRET_ACCESS_KEY"]).encode()
        for part in (day, region, "s3", "aws4_request"):
            key = hmac.new(key, part.encode(), hashlib.sha256).digest()
        signature = hmac.new(key, text.encode(), hashlib.sha256).hexdigest()
        login = f"{self.known['AWS_ACCESS_KEY_ID']}/{scope}"
        headers["authorization"] = f"AWS4-HMAC-SHA256 Credential={login}, SignedHeaders={';'.join(names)}, Signature={signature}"
        return headers

    def ask(self, method, key="", query=None, body=b"", **headers):
        """Makes one request and returns the body of its response."""
        path = f"/{BUCKET}/{quoted(key, '/')}" if key else f"/{BUCKET}"
        query = "&".join(f"{quoted(name)}={quoted(value)}" for name, value in sorted((query or {}).items()))
        headers = self.signed(method, path, query, body, headers)
        for attempt in (1, 2):
            if not hasattr(self.local, "connection"):
                self.local.connection = http.client.HTTPConnection(self.host, timeout=60)
            try:
                self.local.connection.request(method, f"{path}?{query}" if query else path, body, headers)
                answer = self.local.connection.getresponse()
                content = answer.read()
                break
            except (http.client.HTTPException, OSError):
                del self.local.connection  # the server closes idle connections
                if attempt == 2:
                    raise
        check(answer.status in (200, 204), f"{method} {key}: {answer.status} {content[:500]!r}")
        return content


class Lake:
    """What both kinds of lake share. A state is a dictionary of all keys, parts included."""

    def bodies(self):
        """Returns all objects: key → bytes."""
        keys = list(self.listing())
        with concurrent.futures.ThreadPoolExecutor(THREADS) as pool:
            return dict(zip(keys, pool.map(self.read, keys)))

    def set(self, bodies):
        """Makes these the only objects; those that have the same content stay as they are."""
        there = self.listing()
        self.delete([key for key in there if key not in bodies])
        changed = [key for key, body in bodies.items() if there.get(key) != md5(body)]
        with concurrent.futures.ThreadPoolExecutor(THREADS) as pool:
            list(pool.map(lambda key: self.write(key, bodies[key]), changed))


class S3Lake(Lake):
    """A bucket of the S3 stub."""

    url = f"s3://{BUCKET}/{PREFIX}"

    def __init__(self, programs, *flags):
        self.server = Server([programs.path("ruminate-test-s3"), "--bucket", BUCKET, *flags], programs.home)

    def __enter__(self):
        self.server.__enter__()
        self.known = credentials("s3")
        self.client = Client(self.server.port, self.known)
        return self

    def __exit__(self, *error):
        self.server.__exit__(*error)

    def env(self, port=None):
        """Returns the variables of its clients, which may go through a relay."""
        return {**self.known, "RUMINATE_LAKE": self.url, "AWS_ENDPOINT_URL_S3": f"http://127.0.0.1:{port or self.server.port}"}

    def listing(self, prefix=""):
        """Returns all keys with their ETags, each of which is the MD5 of the content."""
        found, query = {}, {"list-type": "2", "prefix": prefix}
        while True:
            page = xml.etree.ElementTree.fromstring(self.client.ask("GET", query=query))
            space = page.tag.partition("}")[0] + "}" if page.tag.startswith("{") else ""
            for entry in page.iter(f"{space}Contents"):
                found[entry.findtext(f"{space}Key")] = entry.findtext(f"{space}ETag").strip('"')
            more = page.findtext(f"{space}NextContinuationToken")
            if not more:
                return found
            query["continuation-token"] = more

    def read(self, key):
        return self.client.ask("GET", key)

    def write(self, key, body):
        self.client.ask("PUT", key, body=body)

    def delete(self, keys):
        for at in range(0, len(keys), 1000):
            names = "".join(f"<Object><Key>{escape(key)}</Key></Object>" for key in keys[at:at + 1000])
            body = f"<Delete><Quiet>true</Quiet>{names}</Delete>".encode()
            digest = base64.b64encode(hashlib.md5(body, usedforsecurity=False).digest()).decode()
            self.client.ask("POST", query={"delete": ""}, body=body, **{"content-md5": digest})

    def leftovers(self):
        return []


class DirectoryLake(Lake):
    """A directory with the layout of a bucket. Temporary files of the toolkit, which a kill leaves, are no objects."""

    def __init__(self, programs, name="store"):
        self.folder = os.path.join(programs.home, name)
        self.url = os.path.join(self.folder, PREFIX)
        os.makedirs(self.url, exist_ok=True)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        pass

    def env(self, _port=None):
        return {"RUMINATE_LAKE": self.url}

    def files(self):
        for folder, _, names in os.walk(self.folder):
            for name in names:
                yield os.path.join(folder, name)

    def listing(self, prefix=""):
        keys = [os.path.relpath(path, self.folder) for path in self.files() if not os.path.basename(path).startswith(".ruminate-")]
        return {key: md5(self.read(key)) for key in keys if key.startswith(prefix)}

    def read(self, key):
        with open(os.path.join(self.folder, key), "rb") as file:
            return file.read()

    def write(self, key, body):
        path = os.path.join(self.folder, key)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "wb") as file:
            file.write(body)

    def delete(self, keys):
        for key in keys:
            os.remove(os.path.join(self.folder, key))

    def leftovers(self):
        """Returns the temporary files that killed runs left."""
        return [path for path in self.files() if os.path.basename(path).startswith(".ruminate-")]
