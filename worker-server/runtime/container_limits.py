"""How many CPUs and how much memory this process may use: its container's limits, or the host's.

https://docs.kernel.org/admin-guide/cgroup-v2.html names the files, and cgroup-v1/ beside it
the older ones. Where they are missing (macOS, no container) the host's figures count.
"""

import os
from pathlib import Path

_CGROUP = Path("/sys/fs/cgroup")
_MARKERS = (Path("/.dockerenv"), Path("/run/.containerenv"))  # Docker's, Podman's


def usable_cpus() -> int:
    """CPUs that this process may run on, within its container's quota; at least 1."""
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
    """Memory that this container may use, or the host's."""
    host = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    limit = _cgroup_limit("memory.max") or _cgroup_limit("memory/memory.limit_in_bytes")
    return min(host, int(limit)) if limit.isdecimal() else host


def is_container() -> bool:
    return any(marker.exists() for marker in _MARKERS)


def _cgroup_limit(name: str) -> str:
    try:
        return (_CGROUP / name).read_text().strip()
    except OSError:
        return ""
