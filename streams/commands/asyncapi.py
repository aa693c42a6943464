"""`returnwatch asyncapi`: the AsyncAPI document of the deployment that the settings describe."""

import sys

import orjson

from streams.asyncapi import document
from streams.settings import load_settings


def asyncapi() -> None:
    """Print the AsyncAPI 3 document of the topics, as JSON, which YAML readers take as well.

    Example: returnwatch asyncapi > asyncapi.json
    """
    made = orjson.dumps(document(load_settings()), option=orjson.OPT_INDENT_2)
    sys.stdout.write(made.decode() + "\n")
