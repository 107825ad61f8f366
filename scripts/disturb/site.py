"""The processes of one service, in a folder of their own."""

import glob
import os
import pathlib
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile

ROOT = pathlib.Path(__file__).resolve().parents[2]


class Skipped(Exception):
    """What cannot run here, and why."""


class Site:
    """A folder with a configuration, the models that jobs are about, and the processes that were started."""

    def __init__(self, program, database=None, lines="lease_seconds = 1\n"):
        self.program = program.resolve()
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="aprove-disturb-"))
        self.folder.chmod(0o755)
        self.models = self.folder / "models"
        self.models.mkdir()
        self.data = self.folder / "data"
        self.database = database
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        keys = [
            f'listen = "127.0.0.1:{self.port}"', 'data = "data"', "threads = 1", "tries = 1000000",
            "grace_seconds = 1", "max_queued = 1000000", "max_jobs_of_token = 1000000", lines,
        ]
        if database:
            keys.append(f'database = "{database}"')
        keys.append('[roots]\nmodels = "models"\n')
        text = "\n".join(keys)
        self.configs = {}
        for jobs in range(3):
            self.configs[jobs] = self.folder / f"jobs-{jobs}.toml"
            self.configs[jobs].write_text(f"jobs = {jobs}\n{text}")
        self.running = []
        self.log = self.folder / "log"
        self._make_models()

    def _make_models(self):
        good, source, bad = (self.models / name for name in ("good.apr", "m.gguf", "bad.apr"))
        shutil.copy(ROOT / "fixtures" / "models" / "qwen3-q4_k_m.gguf", source)
        subprocess.run([self.program, "convert", source, good, "--quiet"], check=True, stdout=subprocess.DEVNULL)
        damaged = bytearray(good.read_bytes())
        damaged[len(damaged) // 2] ^= 1
        bad.write_bytes(damaged)

    def start(self, command, jobs, log="log", wrapper=(), environment=None):
        """Starts `aprove serve` or `aprove worker`."""
        with open(self.folder / log, "ab") as out:
            process = subprocess.Popen(
                [*wrapper, self.program, command, "--config", self.configs[jobs]],
                stdout=subprocess.DEVNULL, stderr=out, env=environment,
            )
        self.running.append(process)
        return process

    def end(self, process):
        """Kills one process at once."""
        process.send_signal(signal.SIGKILL)
        process.wait()
        self.running.remove(process)

    def said(self, text, log="log"):
        """How often a line of the log has this text."""
        path = self.folder / log
        return sum(text in line for line in path.read_text(errors="replace").splitlines()) if path.exists() else 0

    def check_database(self):
        if self.database:
            return
        import sqlite3

        with sqlite3.connect(self.data / "aprove.sqlite") as database:
            (answer,) = database.execute("PRAGMA integrity_check").fetchone()
        if answer != "ok":
            raise SystemExit(f"the database is damaged: {answer}")

    def __enter__(self):
        return self

    def __exit__(self, failed, *_):
        for process in list(self.running):
            process.send_signal(signal.SIGCONT)
            self.end(process)
        if failed:
            print(f"see {self.folder}", flush=True)
        else:
            shutil.rmtree(self.folder, ignore_errors=True)


class Postgres:
    """A server of PostgreSQL in a folder of its own; as root it runs as the user `postgres`."""

    def __init__(self):
        programs = sorted(glob.glob("/usr/lib/postgresql/*/bin"))
        if not programs:
            raise Skipped("PostgreSQL is not installed (apt install postgresql)")
        self.programs = pathlib.Path(programs[-1])
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="aprove-postgres-"))
        self.prefix = []
        if os.geteuid() == 0:
            account = pwd.getpwnam("postgres")
            os.chown(self.folder, account.pw_uid, account.pw_gid)
            self.prefix = ["setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups", "--"]
        self.url = f"postgres:///postgres?host={self.folder}&user=postgres"
        self._run("initdb", "--auth=trust", "--username=postgres", "-D", self.folder / "data")
        self.control("start")

    def _run(self, name, *arguments):
        command = [*self.prefix, self.programs / name, *arguments]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL, cwd=self.folder)

    def control(self, action, *options):
        settings = f"-k {self.folder} -c listen_addresses="
        log = self.folder / "log"
        self._run("pg_ctl", "-D", self.folder / "data", "-l", log, "-w", "-o", settings, *options, action)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._run("pg_ctl", "-D", self.folder / "data", "-m", "immediate", "-w", "stop")
        shutil.rmtree(self.folder, ignore_errors=True)
