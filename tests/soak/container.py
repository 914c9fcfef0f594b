#!/usr/bin/env python3
"""The image of scripts/fleet/Dockerfile, run as schedulers run it: non-root, with a run in a mounted folder.

    tests/soak/container.py --program FILE                 # a static program: scripts/release x86_64-unknown-linux-musl
    tests/soak/container.py --image ruminate               # an image that exists, such as one from `buildah bud`

With --program, the last stage of the Dockerfile is built on a base image made from this machine's certificates, for machines
without a registry: its instructions are read from the Dockerfile. Needs root and buildah (a Debian package). The processes run in
namespaces of `unshare`, because no other runtime is needed for what is checked.

Checks: account and files of the image; `--version`; a run that is planned, run by shards whose index comes from the variable of
each scheduler, and merged; SIGTERM of a shard as process 1 (exit 3) and its next attempt; a read-only root; certificates.
"""
import argparse
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time

import evidence

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
DOCKERFILE = os.path.join(ROOT, "scripts", "fleet", "Dockerfile")
CERTIFICATES = "/etc/ssl/certs/ca-certificates.crt"
NONROOT = 65532
VARIABLES = ["AWS_BATCH_JOB_ARRAY_INDEX", "JOB_COMPLETION_INDEX", "SLURM_ARRAY_TASK_ID", "BATCH_TASK_INDEX", "CLOUD_RUN_TASK_INDEX"]


def check(holds, what):
    if not holds:
        sys.exit(f"container: {what}")


class Buildah:
    """Images and containers in a separate store."""

    def __init__(self, home, storage):
        self.home = home
        folder = storage or os.path.join(home, "storage")
        self.args = ["buildah", "--root", folder, "--runroot", os.path.join(home, "runroot")]
        self.env = {"PATH": os.environ["PATH"], "HOME": home, "STORAGE_DRIVER": "vfs"}

    def __call__(self, *args):
        done = subprocess.run([*self.args, *map(str, args)], env=self.env, capture_output=True, text=True, check=False)
        check(done.returncode == 0, f"buildah {' '.join(map(str, args))}: {done.stderr}")
        return done.stdout.strip()

    def base(self, name):
        """Makes an image with certificates, and an account without privileges."""
        tree = os.path.join(self.home, "base")
        for folder in ("etc/ssl/certs", "home/nonroot", "tmp"):
            os.makedirs(os.path.join(tree, folder))
        shutil.copy(CERTIFICATES, os.path.join(tree, CERTIFICATES[1:]))
        for file in ("passwd", "group"):
            rest = ":nonroot:/home/nonroot:/sbin/nologin" if file == "passwd" else ":"
            with open(os.path.join(tree, "etc", file), "w", encoding="utf-8") as out:
                out.write(f"nonroot:x:{NONROOT}:{NONROOT}{rest}\n" if file == "passwd" else f"nonroot:x:{NONROOT}{rest}\n")
        container = self("from", "scratch")
        self("add", container, tree, "/")
        self("config", "--user", NONROOT, "--workingdir", "/home/nonroot", container)
        self("commit", "--rm", container, name)

    def image(self, program):
        """Builds the last stage of the Dockerfile around a program."""
        self.base("localhost/base")
        with open(DOCKERFILE, encoding="utf-8") as file:
            last = re.split(r"(?m)^(?=FROM )", file.read())[-1]
        last = re.sub(r"^FROM \S+", "FROM localhost/base", last).replace("--from=build ", "").replace(" /image/ /", " image/ /")
        context = os.path.join(self.home, "context")
        os.makedirs(os.path.join(context, "image", "scratch"))
        shutil.copy(program, os.path.join(context, "image", "ruminate"))
        with open(os.path.join(context, "Dockerfile"), "w", encoding="utf-8") as file:
            file.write(last)
        self("bud", "--isolation", "chroot", "--pull-never", "-t", "localhost/ruminate", context)
        return "localhost/ruminate"


class Container:
    """A container of the image, whose root is mounted."""

    def __init__(self, buildah, image):
        self.buildah, self.home, self.number = buildah, buildah.home, 0
        self.config = json.loads(buildah("inspect", "--type", "image", image))["OCIv1"]["config"]
        self.name = buildah("from", "--pull-never", image)
        self.root = buildah("mount", self.name)

    def start(self, args, env=(), mounts=()):
        """Starts the entry point as process 1 of its namespaces, with a read-only root and without new privileges."""
        self.number += 1
        os.makedirs(os.path.join(self.root, "proc"), exist_ok=True)
        user = int(self.config["User"].partition(":")[0])
        volumes = []
        for place in self.config.get("Volumes") or {}:
            source = os.path.join(self.home, f"volume-{self.number}{place.replace('/', '-')}")
            shutil.copytree(os.path.join(self.root, place[1:]), source)
            owner = os.stat(os.path.join(self.root, place[1:]))
            os.chown(source, owner.st_uid, owner.st_gid)
            volumes.append((source, place))
        script = ["set -e", "mount --make-rprivate /", 'mount --bind "$root" "$root"', 'mount -t proc proc "$root/proc"']
        for source, place in [*volumes, *mounts]:
            os.makedirs(os.path.join(self.root, place[1:]), exist_ok=True)
            script.append(f'mount --bind "{source}" "$root{place}"')
        script += ['mount -o remount,bind,ro "$root"', f"hostname container-{self.number}",
                   f'exec setpriv --no-new-privs chroot --userspec={user}:{user} --groups={user} "$root" "$@"']
        command = ["unshare", "--pid", "--fork", "--kill-child", "--mount", "--uts", "--ipc", "sh", "-c", "; ".join(script), "sh"]
        variables = dict(item.split("=", 1) for item in [*self.config.get("Env", []), *env])
        tools = {"root": self.root, "PATH": "/usr/sbin:/usr/bin:/sbin:/bin", **variables}
        return subprocess.Popen([*command, *self.config["Entrypoint"], *map(str, args)], env=tools, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    def run(self, *args, codes=(0,), **how):
        child = self.start(args, **how)
        out, err = child.communicate(timeout=300)
        check(child.returncode in codes, f"{' '.join(map(str, args))} ended with {child.returncode}, not with one of {codes}: {err[-2000:]}{out[-500:]}")
        return out

    @staticmethod
    def signal(child, number):
        """Sends a signal to process 1, the only child of `unshare`."""
        with open(f"/proc/{child.pid}/task/{child.pid}/children", encoding="ascii") as children:
            for pid in children.read().split():
                os.kill(int(pid), number)


def image_itself(container):
    """Checks the account and the files of the image."""
    config = container.config
    check(int(config["User"].partition(":")[0]) == NONROOT, f"the image runs as {config['User']}")
    with open(os.path.join(container.root, CERTIFICATES[1:]), encoding="utf-8") as file:
        count = file.read().count("BEGIN CERTIFICATE")
    check(count > 100, f"only {count} certificates")
    scratch = os.stat(os.path.join(container.root, "scratch"))
    check(scratch.st_uid == NONROOT, f"/scratch belongs to {scratch.st_uid}")
    check(not os.path.exists(os.path.join(container.root, "bin/sh")), "the image has a shell")
    version = container.run("--version").strip()
    size = os.path.getsize(os.path.join(container.root, "ruminate"))
    print(f"user {config['User']}, {count} certificates, no shell, read-only root; {version}, {size / 2**20:.0f} MB", flush=True)


def a_run(container, data, records):
    """Plans, runs and merges in containers; the evidence is that of a single run."""
    stores = ["--lake", "/data/lake", "--warehouse", "sqlite:/data/warehouse.db"]
    how = {"mounts": [(data, "/data")]}
    lots = -(-records * 100 // (91 * 2 * 20))
    container.run("generate", "--farms", 2, "--lots", lots, "--days", 20, "--start", "2024-01-20", "--out", "/data/history.ndjson", **how)
    container.run("init", "--warehouse", "sqlite:/data/warehouse.db", **how)
    container.run("backfill", "/data/history.ndjson", *stores, **how)
    lake = os.path.join(data, "lake")
    gone = sorted(os.path.join(folder, name) for folder, _, names in os.walk(lake) for name in names)[:: max(1, records // 50)]
    for path in gone:
        os.remove(path)
    shards = len(VARIABLES) + 1
    container.run("reconcile", *stores, "--evidence", "/data/single", codes=(1,), **how)
    container.run("plan", "reconcile", *stores, "--shards", shards, "--out", "/data/run", **how)
    for number, variable in enumerate(VARIABLES):
        out = container.run("shard", "/data/run", "--sort-dir", "/scratch", "--output", "json", env=[f"{variable}={number}"], **how)
        check((found := json.loads(out))["shard"] == number and found["state"] == "written", out)
    container.run("shard", "/data/run", env=["AWS_BATCH_JOB_ARRAY_INDEX=1", "JOB_COMPLETION_INDEX=2"], codes=(2,), **how)
    container.run("shard", "/data/run", env=["AWS_BATCH_JOB_ARRAY_INDEX=99"], **how)
    container.run("merge", "/data/run", codes=(2,), **how)
    interrupted(container, ["shard", "/data/run"], [f"AWS_BATCH_JOB_ARRAY_INDEX={shards - 1}"], how)
    container.run("merge", "/data/run", "--evidence", "/data/merged", codes=(1,), **how)
    for name in evidence.FILES:
        same = subprocess.run(["cmp", os.path.join(data, "single", name), os.path.join(data, "merged", name)], check=False).returncode == 0
        check(same, f"{name} has other bytes")
    owners = {os.stat(os.path.join(folder, name)).st_uid for folder, _, names in os.walk(os.path.join(data, "run")) for name in names}
    check(owners == {NONROOT}, f"the files of the run belong to {owners}")
    print(f"{shards} shards, index from each variable; {len(gone)} findings; evidence equal to the single run", flush=True)


def interrupted(container, args, env, how):
    """Ends a shard with SIGTERM, as process 1 of its container, and runs it again."""
    for attempt in range(20):
        child = container.start(args, env=env, **how)
        time.sleep(0.05 + 0.02 * attempt)
        began = time.monotonic()
        container.signal(child, signal.SIGTERM)
        _, err = child.communicate(timeout=60)
        if child.returncode == 3:
            print(f"SIGTERM: exit 3 after {time.monotonic() - began:.2f} s", flush=True)
            break
        check(child.returncode == 0, f"SIGTERM of process 1: exit {child.returncode}: {err[-2000:]}")
        folder = os.path.join(how["mounts"][0][0], "run", "shards", f"{int(env[0].rpartition('=')[2]):06}")
        shutil.rmtree(folder)
    else:
        check(False, "no SIGTERM met a running shard")
    container.run(*args, env=env, **how)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    source = parser.add_mutually_exclusive_group(required=True)
    source.add_argument("--program", help="static program for a new image")
    source.add_argument("--image", help="image that exists")
    parser.add_argument("--storage", help="directory of buildah's images [temporary]")
    parser.add_argument("--records", type=int, default=40_000, help="objects of the lake, about [40000]")
    options = parser.parse_args()
    home = tempfile.mkdtemp(prefix="soak-container-")
    buildah = Buildah(home, options.storage and os.path.abspath(options.storage))
    image = options.image or buildah.image(os.path.abspath(options.program))
    container = Container(buildah, image)
    try:
        image_itself(container)
        data = os.path.join(home, "data")
        os.makedirs(data)
        os.chown(data, NONROOT, NONROOT)
        a_run(container, data, options.records)
    finally:
        buildah("rm", container.name)
    shutil.rmtree(home)
    print("container: as expected")


if __name__ == "__main__":
    main()
