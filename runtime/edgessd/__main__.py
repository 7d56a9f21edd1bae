"""``python -m edgessd``: the command, for places where the script is not on the path."""

from edgessd.cli import main

if __name__ == "__main__":
    main()
