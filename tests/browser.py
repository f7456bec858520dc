"""A page in headless Chromium: what it renders, what its console reports, and which hosts it asks."""

import json
import re
import subprocess
from html import unescape
from pathlib import Path
from urllib.parse import urlsplit

FLAGS = [
    "--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync", "--enable-logging=stderr", "--dump-dom",
]  # fmt: skip
BROWSERS_OWN = (".google.com", ".googleapis.com")
"""Hosts that Chromium itself calls at start, whatever the page; the static test covers them for the page."""


_MEASURE = """<script>addEventListener("load", () => {
  const wide = [...document.querySelectorAll(".wide")];
  const outside = [...document.querySelectorAll("main *")].filter(
    (x) => x.getBoundingClientRect().right > innerWidth + 1 && !x.parentElement.closest(".wide"));
  const cut = [...document.querySelectorAll("caption > *")].filter(
    (x) => x.getBoundingClientRect().right > x.closest(".wide").getBoundingClientRect().right + 1);
  const scrolling = wide.filter((x) => x.scrollWidth > x.clientWidth + 1);
  const cued = scrolling.filter((x) => {
    const style = getComputedStyle(x);
    return style.overflowX === "auto" && style.backgroundAttachment.includes("local");
  });
  parent.postMessage(
    JSON.stringify({outside: outside.map((x) => x.outerHTML.slice(0, 200)), scrolling: scrolling.length,
    cut: cut.map((x) => x.textContent), cued: cued.length, width: innerWidth}), "*");
});</script>"""
_FRAME = """<script>addEventListener("message", (said) => { document.body.dataset.found = said.data; });</script>
<body><iframe src="measured.html" style="width:{width}px;height:4000px;border:0"></iframe></body>"""


def measure_in_browser(chromium: str, page: Path, width: int) -> dict:
    """What lies beyond the right edge of a page `width` pixels wide, and how many parts scroll, with a cue or not."""
    page.with_name("measured.html").write_text(re.sub("<meta http-equiv[^>]*>", "", page.read_text()) + _MEASURE)
    frame = page.with_name("frame.html")
    frame.write_text(_FRAME.replace("{width}", str(width)))
    dom, *_ = open_in_browser(chromium, frame, "--virtual-time-budget=2000")
    return json.loads(unescape(re.search('data-found="([^"]*)"', dom)[1]))


def open_in_browser(chromium: str, page: Path, *flags: str) -> tuple[str, list[str], set[str]]:
    """The page as rendered, the browser's console lines, and the hosts that it asked; no request reaches them."""
    log = page.with_suffix(".netlog")
    places = [f"--user-data-dir={page.parent / 'profile'}", f"--log-net-log={log}"]
    answer = subprocess.run(
        [chromium, *FLAGS, *flags, *places, "--host-resolver-rules=MAP * ~NOTFOUND", page.as_uri()],
        capture_output=True, text=True, check=True, timeout=60,
    )  # fmt: skip
    console = [line for line in answer.stderr.splitlines() if ":CONSOLE" in line]
    urls = re.findall(r'"url":"(https?:[^"]*)"', log.read_text(errors="replace"))
    hosts = {urlsplit(url).hostname or "" for url in urls}
    return answer.stdout, console, {host for host in hosts if not host.endswith(BROWSERS_OWN)}
