"""worker-server: watermarks what fast-server accepted and delivers it to central-server.

    python worker.py           work until SIGTERM or SIGINT, then finish what runs
    python worker.py --check   exit 0 if this worker is at work, else say so

Nothing is imported at the top: every decoder process executes this file once more
(anyio.to_process), and needs neither arq nor httpx.
"""

if __name__ == "__main__":
    import signal
    import sys
    from pathlib import Path

    sys.path.insert(0, str(Path(__file__).parent))  # Python does not under PYTHONSAFEPATH

    # As a container's first process it would ignore SIGTERM until supervisor.py handles it.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))

    if "--check" in sys.argv:
        from service import health

        sys.exit(health.unhealthy_reason())
    from service import supervisor

    supervisor.main()
