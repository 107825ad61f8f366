"""Clients that submit jobs whose verdict is known, and hold what became of them against it."""

import http.client
import json
import threading
import time

# What each kind of job must end with.
KINDS = {
    "verified": [{"path": "models/good.apr"}, {"path": "models/m.gguf"}],
    "different": [{"path": "models/bad.apr"}, {"path": "models/m.gguf"}],
    "undecided": None,
}


class Lost(SystemExit):
    """What must not happen."""


class Load:
    """Submits until it is told to stop."""

    def __init__(self, site, clients=2, pause=0.02, may_be_undecided=()):
        self.site, self.pause, self.may_be_undecided = site, pause, may_be_undecided
        self.jobs, self.verdicts, self.again = {}, {}, 0
        self.lock, self.stop = threading.Lock(), threading.Event()
        self.failed = []
        works = [lambda client=client: self._submit_all(client) for client in range(clients)]
        self.threads = [threading.Thread(target=self._noted, args=(work,)) for work in [*works, self._watch]]

    def __enter__(self):
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self.stop.set()
        for thread in self.threads:
            thread.join()

    def _noted(self, work):
        """What must not happen is said by the thread that waits for this one."""
        try:
            work()
        except Lost as what:
            self.failed.append(what)

    def _ask(self, method, path, body=None, headers={}, seconds=30):
        connection = http.client.HTTPConnection("127.0.0.1", self.site.port, timeout=seconds)
        try:
            connection.request(method, path, body, headers)
            answer = connection.getresponse()
            text = answer.read()
        finally:
            connection.close()
        return answer.status, text

    def ask(self, method, path, body=None, headers={}):
        """Asks until there is an answer that is no fault of the service; none once that took too long after the end."""
        begun = None
        while True:
            try:
                status, text = self._ask(method, path, body, headers)
                if status < 500:
                    return status, text
                why = text.decode()
            except (OSError, http.client.HTTPException) as error:
                why = repr(error)
            self.again += 1
            if self.stop.is_set():
                begun = begun or time.monotonic()
                if time.monotonic() - begun > 120:
                    raise Lost(f"{method} {path} is not answered any more: {why}")
            time.sleep(0.02)

    def _submit_all(self, client):
        kinds, number = list(KINDS), 0
        while not self.stop.is_set():
            self._submit(f"{client}-{number}", kinds[number % len(kinds)])
            number += 1
            self.stop.wait(self.pause)

    def _submit(self, name, kind):
        job = {"op": "verify", "inputs": KINDS[kind], "options": {"forward": False}, "policy": f"# {name}\n"}
        if kind == "undecided":
            status, text = self.ask("PUT", "/v1/blobs", f"no model {name}")
            if status != 201:
                raise Lost(f"an upload: {status} {text}")
            job = {"op": "check", "inputs": [{"digest": json.loads(text)["digest"]}]}
        headers = {"Content-Type": "application/json", "Idempotency-Key": name}
        status, text = self.ask("POST", "/v1/jobs", json.dumps(job), headers)
        if status not in (200, 202):
            raise Lost(f"a submission: {status} {text}")
        with self.lock:
            self.jobs[json.loads(text)["id"]] = kind

    def _watch(self):
        """Looks at the newest jobs again and again: a verdict never changes."""
        while not self.stop.is_set():
            try:
                status, text = self._ask("GET", "/v1/jobs?limit=100")
            except (OSError, http.client.HTTPException):
                status = 500
            for job in json.loads(text)["jobs"] if status == 200 else []:
                self._hold(job)
            self.stop.wait(0.5)

    def _hold(self, job):
        if job["state"] != "done":
            return
        verdict = (job["verdict"], job["reason"])
        if self.verdicts.setdefault(job["id"], verdict) != verdict:
            raise Lost(f"{job['id']}: {self.verdicts[job['id']]} became {verdict}")

    def finish(self):
        """Waits for all verdicts, and holds the whole against what was submitted."""
        for what in self.failed:
            raise what
        open_jobs, begun = set(self.jobs), time.monotonic()
        while open_jobs:
            for job in list(open_jobs):
                state = json.loads(self.ask("GET", f"/v1/jobs/{job}")[1])
                if state.get("state") == "done":
                    self._hold(state)
                    open_jobs.discard(job)
            if time.monotonic() - begun > 1200:
                raise Lost(f"{len(open_jobs)} jobs have no verdict after 20 minutes: {sorted(open_jobs)[:3]}")
            time.sleep(0.2)
        disturbed = 0
        for job, kind in self.jobs.items():
            verdict, reason = self.verdicts[job]
            if verdict == "undecided" and reason in self.may_be_undecided:
                disturbed += 1
            elif (verdict, reason) != (kind, "judged"):
                raise Lost(f"{job}: {verdict}, {reason}, and must be {kind}")
        self._count()
        return disturbed

    def _count(self):
        listed, path = [], "/v1/jobs"
        while path:
            page = json.loads(self.ask("GET", path)[1])
            listed += [job["id"] for job in page["jobs"]]
            path = page.get("next")
        if sorted(listed) != sorted(self.jobs):
            raise Lost(f"{len(listed)} jobs are listed, {len(self.jobs)} were accepted")
        lines = self.ask("GET", "/metrics")[1].decode().splitlines()
        values = {name: int(value) for name, value in (line.rsplit(" ", 1) for line in lines if not line.startswith("#"))}
        ended = sum(value for name, value in values.items() if name.startswith("aprove_jobs_total{"))
        if ended != len(self.jobs) or values["aprove_reports_disagree_total"]:
            raise Lost(f"{ended} ends were counted of {len(self.jobs)} jobs; {values}")
        self.site.check_database()
