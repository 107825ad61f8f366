"""The page of the service in a browser: by the keyboard alone, on a phone and a desk, light and dark, for everybody (axe)."""

import base64
import json
import os
import pathlib
import shutil
import subprocess
import tarfile
import urllib.request

from browser import Browser
from house import APROVE, ROOT, Case

# MPL-2.0: fetched where the test runs, and part of nothing.
AXE = "axe-core@4.14.1"
RULES = "['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice']"


def axe():
    """The checker as text; skips the test, by name, if it cannot be had."""
    kept = ROOT / "target" / "ci-tools" / f"{AXE}.js"
    if not kept.exists():
        kept.parent.mkdir(parents=True, exist_ok=True)
        packed = subprocess.run(["npm", "pack", AXE, "--silent"], cwd=kept.parent, capture_output=True, text=True)
        if packed.returncode != 0:
            return None
        archive = kept.parent / packed.stdout.split()[-1]
        with tarfile.open(archive) as files:
            kept.write_bytes(files.extractfile("package/axe.min.js").read())
        archive.unlink()
    return kept.read_text()


class Page(Case):
    def setUp(self):
        chromium = shutil.which("chromium") or shutil.which("chromium-browser")
        if not chromium:
            self.skipTest("chromium is not installed")
        self.axe = axe() if shutil.which("npm") else None
        if not self.axe:
            self.skipTest(f"{AXE} cannot be had from npm")
        super().setUp()
        self.home = self.serve("--data", self.folder / "data", "--root", f"models={self.folder}")
        self.browser = Browser(chromium, self.folder / "browser")
        self.addCleanup(self.browser.close)
        self.pictures = os.environ.get("APROVE_PICTURES")

    def serve(self, *arguments):
        """Starts a server, and returns the address of its page."""
        command = [APROVE, "serve", "--listen", "127.0.0.1:0", *arguments]
        server = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        self.addCleanup(server.stdout.close)
        self.addCleanup(server.wait)
        self.addCleanup(server.kill)
        return server.stdout.readline().strip().removeprefix("listening on ") + "/"

    def holds(self, name):
        """No rule of axe is broken, on a phone in the dark and on a desk in the light, and nothing is wider than its window."""
        for width, scheme in ((360, "dark"), (1280, "light")):
            self.browser.look(width, scheme)
            # What lies in a frame is opened as a page of its own.
            self.browser.value(self.axe + "; true")
            asked = f"axe.run(document, {{iframes: false, runOnly: {RULES}}}).then(found => JSON.stringify(found.violations))"
            broken = [(one["id"], [node["target"] for node in one["nodes"]]) for one in json.loads(self.browser.value(asked))]
            self.assertEqual(broken, [], f"{name}, {width}, {scheme}")
            self.assertLessEqual(self.browser.value("document.documentElement.scrollWidth"), width, f"{name}, {width}")
            if self.pictures:
                shot = self.browser.do("Page.captureScreenshot", captureBeyondViewport=True)["data"]
                file = pathlib.Path(self.pictures) / f"{name}-{width}-{scheme}.png"
                file.write_bytes(base64.b64decode(shot))

    def submit(self, first, second):
        """Submits a pair by the keyboard, and waits for its verdict."""
        browser = self.browser
        browser.open(self.home)
        for field, path in (("a_path", first), ("b_path", second)):
            browser.tab_to(f"[name={field}]")
            browser.type(f"models/{path.name}")
        browser.tab_to("button[type=submit]")
        browser.enter()
        browser.wait("document.querySelector('.good, .bad, .open') && document.readyState === 'complete'")
        return browser.value("document.querySelector('h1 .cap').textContent")

    def test_a_long_name_is_not_wider_than_a_phone(self):
        browser = self.browser
        name = self.folder / ("m" * 190 + ".apr")
        shutil.copyfile(self.good, name)
        self.assertEqual(self.submit(name, self.source), "verified")
        self.holds("job-long")
        browser.tab_to("a[href^='/models?']")
        browser.enter()
        browser.wait("location.pathname === '/models'")
        self.holds("model-long")
        browser.open(self.home)
        self.holds("home-long")

    def test_a_job_that_waits_is_followed_and_keeps_the_focus(self):
        browser = self.browser
        # It does no jobs.
        config = self.folder / "waits.toml"
        config.write_text('jobs = 0\ndata = "waits"\n[roots]\nmodels = "."\n')
        self.home = self.serve("--config", config)
        browser.open(self.home)
        for field, path in (("a_path", self.good), ("b_path", self.source)):
            browser.tab_to(f"[name={field}]")
            browser.type(f"models/{path.name}")
        browser.tab_to("button[type=submit]")
        browser.enter()
        browser.wait("document.querySelector('#again button') && document.readyState === 'complete'")
        self.holds("job-queued")
        browser.tab_to("#cancel button")
        looked = "performance.getEntriesByType('resource').filter(one => one.initiatorType === 'fetch').length"
        before = browser.value(looked)
        browser.wait(f"{looked} > {before} + 1")
        self.assertTrue(browser.value("document.activeElement.closest('#cancel') !== null"))
        # It is cancelled elsewhere: the page says so by itself, and does not lose its place.
        job = browser.value("location.pathname").removeprefix("/jobs/")
        cancel = urllib.request.Request(f"{self.home}v1/jobs/{job}", method="DELETE")
        urllib.request.urlopen(cancel).close()
        browser.wait("document.querySelector('#banner').classList.contains('open')")
        self.assertEqual(browser.value("document.activeElement.id"), "what")
        self.assertFalse(browser.value("document.querySelector('#again button') !== null"))
        self.holds("job-cancelled")

    def test_a_pair_is_submitted_and_its_report_opened_by_the_keyboard(self):
        browser = self.browser
        self.assertEqual(self.submit(self.good, self.source), "verified")
        self.assertEqual(self.submit(self.damaged, self.source), "different")
        self.holds("job-different")
        browser.tab_to("a[href^='/models?']")
        browser.enter()
        browser.wait("location.pathname === '/models'")
        self.holds("model")
        browser.do("Page.navigate", url=self.home)
        browser.wait("location.pathname === '/' && document.querySelector('table') !== null")
        self.holds("home")
        browser.tab_to("a[href='/codes']")
        browser.enter()
        browser.wait("location.pathname === '/codes'")
        self.holds("codes")
        browser.tab_to("a[href='/webhooks']")
        browser.enter()
        browser.wait("location.pathname === '/webhooks'")
        self.holds("webhooks")
        # The newest job is the failing one; its report lies in a frame that runs nothing, so it is read as a file.
        browser.open(self.home)
        browser.tab_to("tbody a")
        browser.enter()
        browser.wait("location.pathname.startsWith('/jobs/')")
        browser.tab_to("a[href$='/report.html']")
        address = browser.value("document.activeElement.href")
        browser.enter()
        report = self.folder / "report.html"
        with urllib.request.urlopen(address) as answer:
            report.write_bytes(answer.read())
        browser.open(report.as_uri())
        self.assertIn("ifferent", browser.value("document.querySelector('h1').textContent"))
        self.holds("report-different")
