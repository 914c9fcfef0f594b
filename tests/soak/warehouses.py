"""Warehouses whose complete state can be read, saved and set: SQLite, and a separate MySQL or MariaDB that can be restarted."""
import os
import shutil
import signal
import socket
import sqlite3
import subprocess
import time

from programs import ROOT, Failure, check

COLUMNS = ["id_treated_data", "id_curral", "id_raca", "id_lote", "peso_entrada", "peso_medio", "quantidade_animais", "dia_confinamento",
           "consumo_real", "consumo_meta", "data", "cod_cliente", "row_ts"]
FLOATS = {"peso_entrada", "peso_medio", "consumo_real", "consumo_meta"}
TABLE = "historico_consumo"


class Sqlite:
    """A file."""

    kind = "sqlite"

    def __init__(self, programs, name="warehouse.db"):
        self.path, self.saved = os.path.join(programs.home, name), os.path.join(programs.home, "saved.db")
        self.url = f"sqlite:{self.path}"

    def __enter__(self):
        return self

    def __exit__(self, *_):
        pass

    def env(self, _port=None):
        return {"RUMINATE_WAREHOUSE": self.url}

    def connect(self):
        return sqlite3.connect(self.path, timeout=30)

    def run(self, *statements):
        connection = self.connect()
        with connection:
            for statement in statements:
                connection.execute(statement)
        connection.close()

    def query(self, sql):
        connection = self.connect()
        try:
            return [tuple(str(value) for value in row) for row in connection.execute(sql)]
        finally:
            connection.close()

    def tables(self):
        return [name for name, in self.query("SELECT name FROM sqlite_master WHERE type = 'table'")]

    def rows(self):
        """Returns all rows: id → values of all columns as text."""
        check(self.query("PRAGMA integrity_check") == [("ok",)], "the database is damaged")
        return {row[0]: row for row in self.query(f"SELECT {', '.join(COLUMNS)} FROM {TABLE}")} if TABLE in self.tables() else {}

    def save(self, name):
        connection = self.connect()
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        connection.close()
        shutil.copyfile(self.path, f"{self.saved}.{name}")

    def load(self, name):
        for suffix in ("-wal", "-shm", "-journal"):
            if os.path.exists(self.path + suffix):
                os.remove(self.path + suffix)
        shutil.copyfile(f"{self.saved}.{name}", self.path)


class Database:
    """A separate MySQL or MariaDB, with the settings of scripts/servers and the server's default durability."""

    NAME = "soak"

    def __init__(self, kind, home, *settings):
        self.kind, self.home, self.settings = kind, os.path.join(home, kind), settings
        self.child = None

    def shell(self, *lines):
        """Returns the lines that the shell library of scripts/servers prints."""
        script = ['here=$PWD/scripts; source "$here/lib/common.sh"; source "$here/lib/servers.sh"', *lines]
        done = subprocess.run(["bash", "-c", "; ".join(script)], cwd=ROOT, stdout=subprocess.PIPE, text=True, check=False)
        if done.returncode != 0 or not done.stdout:
            raise Failure(f"{self.kind} is not there: try scripts/servers start {self.kind}")
        return done.stdout.splitlines()

    def tool(self, program):
        if self.kind == "mysql":
            return self.shell(f"mysql_tool {program}", 'printf "%s\\n" "${TOOL[@]}"')
        name = {"mysqld": "mariadbd", "mysql": "mariadb"}[program]
        return [*self.shell(f"command -v {name}"), "--no-defaults"]

    def __enter__(self):
        shutil.rmtree(self.home, ignore_errors=True)
        os.makedirs(os.path.join(self.home, "tmp"))
        pristine = self.shell(f'set_up {self.kind} "{self.home}/set-up.log" >&2', f"pristine {self.kind}")[0]
        self.server, self.client = self.tool("mysqld"), self.tool("mysql")
        shutil.copytree(pristine, os.path.join(self.home, "data"), symlinks=True)
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        with open(os.path.join(self.home, "init.sql"), "w", encoding="utf-8") as file:
            file.write("CREATE USER IF NOT EXISTS soak@'127.0.0.1' IDENTIFIED BY 'soak';\nGRANT ALL ON *.* TO soak@'127.0.0.1';\n"
                       f"CREATE DATABASE IF NOT EXISTS {self.NAME};\n")
        self.start()
        return self

    def __exit__(self, *_):
        self.kill()
        shutil.rmtree(self.home, ignore_errors=True)

    def start(self):
        """Starts the server on its files and waits until it answers."""
        user = ["--user=root"] if os.geteuid() == 0 else []
        with open(os.path.join(self.home, "log"), "ab") as log:
            self.child = subprocess.Popen(
                [*self.server, *user, f"--datadir={self.home}/data", f"--tmpdir={self.home}/tmp", f"--init-file={self.home}/init.sql",
                 "--bind-address=127.0.0.1", f"--port={self.port}", "--socket=server.sock", "--skip-name-resolve", "--secure-file-priv=",
                 "--local-infile=ON", "--max-connections=500", "--innodb-buffer-pool-size=256M",
                 *(["--mysqlx=OFF"] if self.kind == "mysql" else []), *self.settings],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        for _ in range(600):
            if self.sql("SELECT 1", database="", check_it=False).returncode == 0:
                return
            if self.child.poll() is not None:
                break
            time.sleep(0.1)
        with open(os.path.join(self.home, "log"), encoding="utf-8", errors="replace") as file:
            raise Failure(f"{self.kind} did not start: {file.read()[-3000:]}")

    def kill(self, number=signal.SIGKILL):
        """Stops the server: at once, or cleanly with SIGTERM."""
        if self.child and self.child.poll() is None:
            self.child.send_signal(number)
            self.child.wait(120)

    def freeze(self, yes):
        self.child.send_signal(signal.SIGSTOP if yes else signal.SIGCONT)

    @property
    def url(self):
        return self.url_at(self.port)

    def url_at(self, port):
        return f"mysql://soak:soak@127.0.0.1:{port}/{self.NAME}"

    def env(self, port=None):
        """Returns the variables of its clients, which may go through a relay."""
        return {"RUMINATE_WAREHOUSE": self.url_at(port or self.port)}

    def sql(self, text, database=NAME, check_it=True):
        args = [*self.client, "--host=127.0.0.1", "--protocol=TCP", f"--port={self.port}", "--user=soak", "--batch", "--skip-column-names",
                "--default-character-set=utf8mb4", "--connect-timeout=5", *([database] if database else [])]
        env = {"PATH": os.environ["PATH"], "MYSQL_PWD": "soak", "LC_ALL": "C.UTF-8"}
        done = subprocess.run(args, input=text, env=env, capture_output=True, text=True, check=False)
        check(done.returncode == 0 or not check_it, f"{text[:200]}: {done.stderr}")
        return done

    def run(self, *statements):
        self.sql(";\n".join(statements) + ";\n")

    def query(self, sql):
        return [tuple(line.split("\t")) for line in self.sql(sql).stdout.splitlines()]

    def tables(self, database=NAME):
        return [name for name, in self.query("SELECT table_name FROM information_schema.tables WHERE table_type = 'BASE TABLE' AND "
                                             f"table_schema = '{database}' ORDER BY 1")]

    def rows(self):
        """Returns all rows: id → values of all columns as text. As a DOUBLE, a FLOAT shows all its digits."""
        if TABLE not in self.tables():
            return {}
        listed = ", ".join(f"CAST({name} AS DOUBLE)" if name in FLOATS else name for name in COLUMNS)
        return {row[0]: row for row in self.query(f"SELECT {listed} FROM {TABLE}")}

    def copy(self, source, target):
        self.run(f"DROP DATABASE IF EXISTS {target}", f"CREATE DATABASE {target}")
        for table in self.tables(source):
            self.run(f"CREATE TABLE {target}.{table} LIKE {source}.{table}", f"INSERT INTO {target}.{table} SELECT * FROM {source}.{table}")

    def save(self, name):
        self.copy(self.NAME, f"saved_{name}")

    def load(self, name):
        """Sets all tables to a saved state. Sessions of killed programs may hold locks for a moment: DROP waits for them."""
        self.copy(f"saved_{name}", self.NAME)

    def restart(self, pause=0.0, number=signal.SIGKILL):
        self.kill(number)
        time.sleep(pause)
        self.start()
