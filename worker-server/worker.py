"""worker-server: watermarks what fast-server accepted and ships it to central-server.

    python worker.py           work until SIGTERM or SIGINT, then finish what runs
    python worker.py --check   exit 0 if this worker is at work, for health checks

Nothing is imported here at the top: every pixel process executes this file once more
(anyio.to_process), and needs neither arq nor httpx.
"""

if __name__ == "__main__":
    import sys

    import service

    sys.exit(service.check() if "--check" in sys.argv else service.main())
