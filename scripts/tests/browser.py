"""A browser that a test drives: Chromium, spoken to over two pipes, without a library."""

import json
import os
import signal
import subprocess
import time


class Browser:
    """One page. Commands and events are those of the DevTools protocol."""

    def __init__(self, chromium, folder):
        to_read, self.to = os.pipe()
        self.back, to_write = os.pipe()

        def as_three_and_four():
            # First out of the way: either may be 3 or 4 already.
            reader, writer = os.dup2(to_read, 103), os.dup2(to_write, 104)
            os.dup2(reader, 3)
            os.dup2(writer, 4)

        self.process = subprocess.Popen(
            [
                chromium,
                "--headless=new",
                "--no-sandbox",
                "--disable-gpu",
                "--no-first-run",
                "--remote-debugging-pipe",
                f"--user-data-dir={folder}",
                "about:blank",
            ],
            preexec_fn=as_three_and_four,
            close_fds=False,
            start_new_session=True,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        os.close(to_read)
        os.close(to_write)
        self.rest, self.count, self.session = b"", 0, None
        targets = self.do("Target.getTargets")["targetInfos"]
        page = next(one["targetId"] for one in targets if one["type"] == "page")
        self.session = self.do("Target.attachToTarget", targetId=page, flatten=True)["sessionId"]
        self.do("Page.enable")

    def close(self):
        # Those that it started write to its folder until they end.
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()
        os.close(self.to)
        os.close(self.back)

    def do(self, method, **parameters):
        """Sends a command, and waits for what it gives; events are left out."""
        self.count += 1
        message = {"id": self.count, "method": method, "params": parameters}
        if self.session:
            message["sessionId"] = self.session
        os.write(self.to, json.dumps(message).encode() + b"\0")
        while True:
            while b"\0" not in self.rest:
                read = os.read(self.back, 1 << 20)
                if not read:
                    raise AssertionError("the browser ended")
                self.rest += read
            one, self.rest = self.rest.split(b"\0", 1)
            answer = json.loads(one)
            if answer.get("id") == self.count:
                if "error" in answer:
                    raise AssertionError(f"{method}: {answer['error']}")
                return answer["result"]

    def value(self, expression):
        """What an expression is in the page, or what its promise gives."""
        result = self.do("Runtime.evaluate", expression=expression, awaitPromise=True, returnByValue=True)
        if "exceptionDetails" in result:
            raise AssertionError(f"{expression[:200]}: {result['exceptionDetails']}")
        return result["result"].get("value")

    def wait(self, expression):
        """Waits until an expression is true, over pages that come and go."""
        end = time.monotonic() + 60
        while time.monotonic() < end:
            try:
                if self.value(expression):
                    return
            except AssertionError:
                pass  # Between two pages there is none.
            time.sleep(0.1)
        raise AssertionError(f"never true: {expression}")

    def open(self, url):
        self.do("Page.navigate", url=str(url))
        self.wait(f"document.readyState === 'complete' && location.href === {json.dumps(str(url))}")

    def press(self, key, code, text=""):
        for kind in ("keyDown", "keyUp"):
            typed = {"text": text} if text and kind == "keyDown" else {}
            self.do("Input.dispatchKeyEvent", type=kind, key=key, code=key, windowsVirtualKeyCode=code, **typed)

    def tab_to(self, selector):
        """Presses Tab until what is meant has the focus; says if it never has."""
        for _ in range(60):
            self.press("Tab", 9)
            if self.value(f"document.activeElement.matches({json.dumps(selector)})"):
                return
        raise AssertionError(f"Tab never reaches {selector}")

    def enter(self):
        self.press("Enter", 13, "\r")

    def type(self, text):
        self.do("Input.insertText", text=text)

    def look(self, width, scheme):
        """A window of this width, light or dark."""
        self.do("Emulation.setDeviceMetricsOverride", width=width, height=900, deviceScaleFactor=1, mobile=False)
        self.do("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}])
