"""``python -m dawson`` is ``dawson``."""

from dawson.cli.app import main

if __name__ == "__main__":
    main()
