"""A page in headless Chromium: what it renders, what its console says, and whom it asks."""

import re
import subprocess
from pathlib import Path
from urllib.parse import urlsplit

FLAGS = [
    "--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync", "--enable-logging=stderr", "--dump-dom",
]  # fmt: skip
BROWSERS_OWN = (".google.com", ".googleapis.com")
"""Where Chromium itself calls at start, whatever the page; the static test covers these hosts for the page."""


def open_in_browser(chromium: str, page: Path) -> tuple[str, list[str], set[str]]:
    """The page as rendered, the browser's console lines, and the hosts that were asked for; nothing reaches them."""
    log = page.with_suffix(".netlog")
    places = [f"--user-data-dir={page.parent / 'profile'}", f"--log-net-log={log}"]
    answer = subprocess.run(
        [chromium, *FLAGS, *places, "--host-resolver-rules=MAP * ~NOTFOUND", page.as_uri()],
        capture_output=True, text=True, check=True, timeout=60,
    )  # fmt: skip
    console = [line for line in answer.stderr.splitlines() if ":CONSOLE" in line]
    urls = re.findall(r'"url":"(https?:[^"]*)"', log.read_text(errors="replace"))
    hosts = {urlsplit(url).hostname or "" for url in urls}
    return answer.stdout, console, {host for host in hosts if not host.endswith(BROWSERS_OWN)}
