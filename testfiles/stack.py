"""The whole stack on this machine, as `make run` starts it.

It takes its settings from the environment, restarts what dies and runs until Ctrl-C.
"""

import os
import sys
from pathlib import Path

from local_stack.host import StackError, Terminal, interrupt_on_signals
from local_stack.stack import FILES, PORTS, ROOT, Stack
from support.images import jpeg


def main() -> int:
    """Run until a signal: the first ends all in order, a Ctrl-C after it at once."""
    env = settings()
    run_dir = Path(env["RUN_DIR"])
    terminal = Terminal()
    interrupt_on_signals()
    try:
        with Stack(run_dir, env, terminal.say) as stack:
            photo = run_dir / "photo.jpg"
            photo.write_bytes(jpeg())
            to_try = f"curl -F file=@{os.path.relpath(photo)} {stack.url}/media"
            terminal.say("stack", f"ready at {stack.url}, try: {to_try}")
            stack.supervise()
    except StackError as error:
        text = "".join(c if c.isprintable() or c == "\n" else ascii(c)[1:-1] for c in str(error))
        print(f"error: {text}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        pass
    return 0


def settings() -> dict[str, str]:
    """The environment, and defaults for what is unset or empty."""
    defaults = {**PORTS, "RUN_DIR": f"{ROOT}/.run"}
    defaults |= {name: f"{ROOT}/{file}" for name, file in FILES.items()}
    return defaults | {name: value for name, value in os.environ.items() if value}


if __name__ == "__main__":
    sys.exit(main())
