"""What this process may use of the machine: its container's limits, or the machine's own.

https://docs.kernel.org/admin-guide/cgroup-v2.html names the files. Where they are missing
(cgroup v1, macOS, no container) the machine's own figures count.
"""

import os
from pathlib import Path

_CGROUP = Path("/sys/fs/cgroup")


def usable_cpus() -> int:
    """CPUs this process may run on, within its container's quota; at least 1."""
    cpus = os.cpu_count() or 1
    if hasattr(os, "sched_getaffinity"):  # Linux
        cpus = len(os.sched_getaffinity(0))
    quota, _, period = _cgroup_limit("cpu.max").partition(" ")
    if quota.isdecimal() and period.isdecimal():
        cpus = min(cpus, int(quota) // int(period))
    return max(1, cpus)


def memory_bytes() -> int:
    """Memory this container may use, else the machine's."""
    limit = _cgroup_limit("memory.max")
    if limit.isdecimal():
        return int(limit)
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")


def _cgroup_limit(name: str) -> str:
    try:
        return (_CGROUP / name).read_text().strip()
    except OSError:
        return ""
