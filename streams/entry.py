"""Where the command begins, before anything is imported that takes a while."""

import sys


def main() -> None:
    """Run the command line; Ctrl-C while it still loads is no traceback."""
    try:
        from streams.cli import run

        status = run(sys.argv[1:])
    except KeyboardInterrupt:
        status = 130  # 128 + SIGINT, as shells have it.
    sys.exit(status)


if __name__ == "__main__":
    main()
