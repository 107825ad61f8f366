"""What is done to the service."""

import contextlib
import os
import pathlib
import signal
import subprocess
import time

from .load import Load, Lost
from .site import Postgres, Site, Skipped


@contextlib.contextmanager
def site(options, with_postgres, lines="lease_seconds = 1\n"):
    with contextlib.ExitStack() as stack:
        database = stack.enter_context(Postgres()) if with_postgres else None
        yield stack.enter_context(Site(options.program, database and database.url, lines)), database


def told(load, disturbed=0):
    kinds = [sum(kind == known for kind in load.jobs.values()) for known in ("verified", "different", "undecided")]
    text = f"{len(load.jobs)} jobs, each with its one verdict ({kinds[0]} verified, {kinds[1]} different, {kinds[2]} undecided)"
    if disturbed:
        text += f", but for {disturbed} that the disturbance made undecided"
    return f"{text}; {load.again} requests were sent again"


def kills(with_postgres):
    def run(options, chance):
        with site(options, with_postgres) as (here, _):
            running = {"serve": here.start("serve", 1), "worker": here.start("worker", 1)}
            with Load(here, pause=0.1) as load:
                for _ in range(options.kills):
                    time.sleep(chance.uniform(0.02, 0.3))
                    victims = chance.choice([["serve"], ["worker"], ["serve", "worker"]])
                    for name in victims:
                        here.end(running[name])
                    for name in victims:
                        running[name] = here.start(name, 1)
            load.finish()
            return f"{options.kills} kills; {told(load)}"

    return run


def two_workers(options, _):
    # With a lease that no slow machine lets end: each job is begun once.
    with site(options, True, "lease_seconds = 60\n") as (here, _):
        here.start("serve", 0)
        logs = ["one", "two"]
        for log in logs:
            here.start("worker", 1, log)
        with Load(here) as load:
            time.sleep(2 * options.rounds)
        load.finish()
        begun = [here.said('"message":"begun"', log) for log in logs]
        if sum(begun) != len(load.jobs) or min(begun) * 4 < sum(begun):
            raise Lost(f"{begun} jobs were begun by the two workers, of {len(load.jobs)}")
        return f"{begun[0]} and {begun[1]} of them by each worker; {told(load)}"


def stopped(with_postgres):
    def run(options, chance):
        with site(options, with_postgres) as (here, _):
            here.start("serve", 0)
            workers = [here.start("worker", 1), here.start("worker", 1)]
            with Load(here, pause=0.1) as load:
                for _ in range(options.rounds):
                    victim = chance.choice(workers)
                    time.sleep(chance.uniform(0.1, 0.5))
                    victim.send_signal(signal.SIGSTOP)
                    time.sleep(2.5)
                    victim.send_signal(signal.SIGCONT)
            load.finish()
            late = here.said("another worker has the job")
            return f"{options.rounds} stops, {late} verdicts came too late and were refused; {told(load)}"

    return run


def restart_postgres(options, chance):
    with site(options, True) as (here, database):
        here.start("serve", 1)
        here.start("worker", 1)
        with Load(here, pause=0.1) as load:
            for number in range(options.rounds):
                time.sleep(chance.uniform(0.5, 1.5))
                database.control("restart", "-m", ["fast", "immediate"][number % 2])
        load.finish()
        return f"{options.rounds} restarts; {told(load)}"


def full_disk(options, chance):
    if subprocess.run(["unshare", "-Urm", "true"], capture_output=True).returncode:
        raise Skipped("no file system can be mounted without privileges (unshare -Urm)")
    # Nothing is kept free: what guards against a full disk is not what is shown here.
    with site(options, False, "min_free_disk = 0\nlease_seconds = 1\n") as (here, _):
        here.data.mkdir()
        mount = 'mount -t tmpfs -o size=64m none "$0" && exec "$@"'
        server = here.start("serve", 2, wrapper=["unshare", "-Urm", "sh", "-c", mount, here.data])
        inside = pathlib.Path(f"/proc/{server.pid}/root{here.data}")
        here.data = inside
        with Load(here, pause=0.1, may_be_undecided=("not-done",)) as load:
            load.ask("GET", "/healthz")
            for _ in range(options.rounds):
                time.sleep(chance.uniform(0.5, 1.5))
                filler = inside / "filler"
                with contextlib.suppress(OSError), open(filler, "wb", buffering=0) as out:
                    while True:
                        out.write(b"x" * 4096)
                time.sleep(2)
                filler.unlink()
        disturbed = load.finish()
        return f"full {options.rounds} times; {told(load, disturbed)}"


def clock(options, chance):
    library = next(pathlib.Path("/usr/lib").glob("*/faketime/libfaketime.so.1"), None)
    if library is None:
        raise Skipped("libfaketime is not installed (apt install faketime)")
    with site(options, False) as (here, _):
        offset = here.folder / "offset"
        offset.write_text("+0")
        environment = {
            **os.environ, "LD_PRELOAD": str(library), "FAKETIME_TIMESTAMP_FILE": str(offset),
            "FAKETIME_NO_CACHE": "1", "FAKETIME_DONT_FAKE_MONOTONIC": "1",
        }
        here.start("serve", 0, environment=environment)
        worker = here.start("worker", 2, environment=environment)
        with Load(here, pause=0.1) as load:
            for _ in range(options.rounds):
                time.sleep(chance.uniform(0.5, 1.5))
                step = here.folder / "step"
                step.write_text(chance.choice(["+1h", "-1h", "+2h", "-2h", "+5m", "-5m"]))
                step.rename(offset)
                here.end(worker)
                worker = here.start("worker", 2, environment=environment)
        load.finish()
        return f"{options.rounds} steps of up to 4 hours; {told(load)}"


ALL = {
    "kills-sqlite": kills(False),
    "kills-postgres": kills(True),
    "two-workers": two_workers,
    "stopped-sqlite": stopped(False),
    "stopped-postgres": stopped(True),
    "restart-postgres": restart_postgres,
    "full-disk": full_disk,
    "clock": clock,
}
