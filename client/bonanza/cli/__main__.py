"""``python -m bonanza.cli``: the command line of this very interpreter."""

from bonanza.cli import main

main()
