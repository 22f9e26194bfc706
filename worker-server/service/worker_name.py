"""The name this worker has in central's log."""

import re
import socket

import dns.exception
import dns.resolver

from settings import Settings

_CONTAINER_ID = re.compile(r"[0-9a-f]{12}")
_COMPOSE_NAME = re.compile(r"[^.]+-worker-(\d+)\.")  # the project may be called x-worker-3
_DNS_S = 2.0


def resolve(settings: Settings) -> str:
    """WORKER_NAME; else HOSTNAME if it is not just a container's id; else worker, or the system's
    host name. The first and third with the number that Compose gave the container, if it did."""
    is_id = _CONTAINER_ID.fullmatch(settings.hostname or "") is not None
    if settings.worker_name:
        number = _compose_number() if is_id else None
        return f"{settings.worker_name}-{number}" if number else settings.worker_name
    if settings.hostname and not is_id:
        return settings.hostname
    number = _compose_number()
    return f"worker-{number}" if number else socket.gethostname()


def _compose_number() -> str | None:
    """1 of the PTR record <project>-worker-1.<network>.

    /etc/hosts hides that record from gethostbyaddr, so the DNS is asked itself.
    """
    try:
        address = socket.gethostbyname(socket.gethostname())
        answer = dns.resolver.resolve_address(address, lifetime=_DNS_S)
    except (OSError, dns.exception.DNSException):
        return None
    names = (_COMPOSE_NAME.match(str(record)) for record in answer)
    return next((match[1] for match in names if match), None)
