"""``python -m tsmech``: the command line."""

from tsmech.cli import main

if __name__ == "__main__":
    main()
