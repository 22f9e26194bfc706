"""A real browser: Chromium without a window."""

import shutil
import subprocess
from pathlib import Path

CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome")
NONE = "there is no Chromium here; on Debian: apt install chromium"


def rendered(url: str, profile: Path) -> tuple[str, str]:
    """The page at url as its scripts have made it, and what it wrote to its console."""
    assert CHROMIUM is not None
    command = [
        CHROMIUM,
        "--headless",
        "--no-sandbox",
        "--disable-gpu",
        f"--user-data-dir={profile}",
    ]
    command += ["--disable-background-networking", "--enable-logging=stderr", "--v=0"]
    command += ["--virtual-time-budget=20000", "--dump-dom", url]
    run = subprocess.run(command, capture_output=True, timeout=120, check=True)
    console = [line for line in run.stderr.decode().splitlines() if ":CONSOLE" in line]
    return run.stdout.decode(), "\n".join(console)
