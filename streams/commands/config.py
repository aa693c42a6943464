"""`returnwatch config`: every setting, its value and where it came from."""

from rich.table import Table
from rich.text import Text

from streams.commands.console import out
from streams.settings import load_settings
from streams.settings_table import described


def config() -> None:
    """Show every setting, its value and where it came from; secrets are masked.

    Example: returnwatch config
    """
    table = Table("setting", "value", "from", box=None, pad_edge=False)
    for setting in described(load_settings()):
        table.add_row(setting.variable, Text(setting.value), setting.source)
    out.print(table)
