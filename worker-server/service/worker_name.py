"""The name this worker has in central's log."""

import re
import socket

import dns.exception
import dns.resolver

from settings import Settings

_CONTAINER_ID = re.compile(r"[0-9a-f]{12}")
_COMPOSE_SERVICE = re.compile(r"-(worker-\d+)\.")
_DNS_S = 2.0


def resolve(settings: Settings) -> str:
    """WORKER_NAME; else HOSTNAME if it is not just a container's id; else the name compose
    gave the container, if it ends in -worker-N; else the system's host name."""
    if settings.worker_name:
        return settings.worker_name
    if settings.hostname and not _CONTAINER_ID.fullmatch(settings.hostname):
        return settings.hostname
    return _compose_name() or socket.gethostname()


def _compose_name() -> str | None:
    """worker-1 of the PTR record media-processor-worker-1.<network>.

    /etc/hosts hides that record from gethostbyaddr, so the DNS is asked itself.
    """
    try:
        address = socket.gethostbyname(socket.gethostname())
        answer = dns.resolver.resolve_address(address, lifetime=_DNS_S)
    except (OSError, dns.exception.DNSException):
        return None
    names = (_COMPOSE_SERVICE.search(str(record)) for record in answer)
    return next((match[1] for match in names if match), None)
