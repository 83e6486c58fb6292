"""A Postgres of its own, without fsync, that writes down what it is asked: to be started, questioned and removed."""

import glob
import json
import os
import shutil
import socket
import subprocess
import tempfile
import time


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def binaries():
    """The newest server's programs."""
    found = sorted(glob.glob("/usr/lib/postgresql/*/bin/initdb"), key=lambda path: float(path.split("/")[4]))
    if found:
        return os.path.dirname(found[-1])
    path = shutil.which("initdb") or exit("initdb is not found: install PostgreSQL 15 or newer, with auto_explain")
    return os.path.dirname(os.path.realpath(path))


class Postgres:
    SETTINGS = {
        "fsync": "off", "synchronous_commit": "off", "full_page_writes": "off", "max_wal_size": "4GB",
        "shared_preload_libraries": "auto_explain", "logging_collector": "on", "log_destination": "jsonlog",
        "log_filename": "log", "log_rotation_size": "0", "log_file_mode": "0644",
        "auto_explain.log_analyze": "on", "auto_explain.log_timing": "off", "auto_explain.log_format": "json",
        "auto_explain.log_nested_statements": "on", "auto_explain.log_min_duration": "-1",
    }

    def __init__(self):
        self.folder = tempfile.mkdtemp(prefix="lectern-explain.", dir="/var/tmp")
        os.chmod(self.folder, 0o755)
        self.data = os.path.join(self.folder, "data")
        self.log = os.path.join(self.data, "log", "log.json")
        self.port = free_port()
        self.url = f"postgres://postgres@127.0.0.1:{self.port}/lectern"
        # Postgres refuses to run as root.
        self.become = ["runuser", "-u", "postgres", "--"] if os.geteuid() == 0 else []
        if self.become:
            shutil.chown(self.folder, "postgres")
        self.run("initdb", "-D", self.data, "-U", "postgres", "-A", "trust", "--no-sync", "-E", "UTF8", "--locale=C.UTF-8")
        settings = self.SETTINGS | {
            "port": self.port, "listen_addresses": "127.0.0.1", "unix_socket_directories": self.folder,
        }
        options = " ".join(f"-c {name}={value}" for name, value in settings.items() if not name.startswith("auto_"))
        self.run("pg_ctl", "-D", self.data, "-w", "-l", os.path.join(self.folder, "start.log"), "-o", options, "start")
        self.configure({name: value for name, value in settings.items() if name.startswith("auto_")})
        self.ask("CREATE DATABASE lectern", database="postgres")
        self.place = 0

    def run(self, program, *arguments):
        done = subprocess.run(
            [*self.become, os.path.join(binaries(), program), *arguments], cwd="/", capture_output=True, text=True
        )
        if done.returncode:
            raise RuntimeError(f"{program}: {done.stdout}{done.stderr}")
        return done.stdout

    def stop(self):
        self.run("pg_ctl", "-D", self.data, "-m", "immediate", "stop")
        shutil.rmtree(self.folder)

    def ask(self, statement, database="lectern"):
        """The rows of an answer, as lists of texts."""
        address = f"postgres://postgres@127.0.0.1:{self.port}/{database}"
        rows = self.run("psql", "-XAtq", "-v", "ON_ERROR_STOP=1", "-d", address, "-c", statement)
        return [line.split("|") for line in rows.splitlines()]

    def configure(self, settings):
        for name, value in settings.items():
            self.ask(f"ALTER SYSTEM SET {name} = '{value}'", database="postgres")
        self.ask("SELECT pg_reload_conf()", database="postgres")
        time.sleep(0.3)

    def skip(self):
        """Forgets what was logged so far."""
        self.logged()

    def logged(self):
        """The messages since the last call or skip, once no more of them come. A long one is written piece by piece."""
        text, quiet = b"", 0
        with open(self.log, "rb") as log:
            log.seek(self.place)
            while quiet < 3 or text and not text.endswith(b"\n"):
                new = log.read()
                text += new
                quiet = 0 if new else quiet + 1
                time.sleep(0.005)
            self.place = log.tell()
        return [json.loads(line)["message"] for line in text.splitlines()]
