"""Where one worker process of several begins, before anything is imported that takes a while."""

import signal
import socket
import sys


def main() -> None:
    """`python -m streams.process FD`: FD is this process' end of its supervisor's channel."""
    # Ctrl-C goes to every process of a terminal's group; the supervisor passes it on as SIGTERM.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    from streams.shift import serve

    sys.exit(serve(socket.socket(fileno=int(sys.argv[1]))))


if __name__ == "__main__":
    main()
