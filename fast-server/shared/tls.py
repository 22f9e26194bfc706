"""Which certificates are trusted over HTTPS."""

import os
import ssl
from pathlib import Path

import httpx


def client_context() -> ssl.SSLContext:
    """Trust the public CAs, and those of SSL_CERT_FILE and SSL_CERT_DIR.

    httpx itself would trust those of one of the two alone, and of neither with trust_env=False.
    Raises SystemExit where one cannot be used.
    """
    context = httpx.create_ssl_context(trust_env=False)
    if file := os.environ.get("SSL_CERT_FILE"):
        try:
            context.load_verify_locations(file)
        except OSError as error:  # ssl.SSLError is one
            raise SystemExit(f"SSL_CERT_FILE={file}: {error.strerror}") from None
    for folder in filter(None, os.environ.get("SSL_CERT_DIR", "").split(os.pathsep)):
        if not Path(folder).is_dir():
            raise SystemExit(f"SSL_CERT_DIR={folder}: there is no such folder")
        context.load_verify_locations(capath=folder)
    return context
