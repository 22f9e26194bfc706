"""What this process may use of the machine: its container's limits, or the machine's own.

https://docs.kernel.org/admin-guide/cgroup-v2.html names the files, and cgroup-v1/ beside it
the older ones. Where they are missing (macOS, no container) the machine's own figures count.
"""

import os
from pathlib import Path

_CGROUP = Path("/sys/fs/cgroup")
_SIGNS = (Path("/.dockerenv"), Path("/run/.containerenv"))  # Docker's, Podman's


def usable_cpus() -> int:
    """CPUs this process may run on, within its container's quota; at least 1."""
    cpus = os.cpu_count() or 1
    if hasattr(os, "sched_getaffinity"):  # Linux
        cpus = len(os.sched_getaffinity(0))
    quota, _, period = _cgroup_limit("cpu.max").partition(" ")
    quota = quota or _cgroup_limit("cpu/cpu.cfs_quota_us")
    period = period or _cgroup_limit("cpu/cpu.cfs_period_us")
    if quota.isdecimal() and period.isdecimal():
        cpus = min(cpus, int(quota) // int(period))
    return max(1, cpus)


def memory_bytes() -> int:
    """Memory this container may use, else the machine's."""
    machine = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    limit = _cgroup_limit("memory.max") or _cgroup_limit("memory/memory.limit_in_bytes")
    return min(machine, int(limit)) if limit.isdecimal() else machine


def is_container() -> bool:
    return any(sign.exists() for sign in _SIGNS)


def _cgroup_limit(name: str) -> str:
    try:
        return (_CGROUP / name).read_text().strip()
    except OSError:
        return ""
