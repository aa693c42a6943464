"""What a command says where it cannot do what it was asked. Imports nothing of ours, as all
import it."""

import os
import traceback
from typing import Final

_LOG_LEVEL: Final = "RETURNWATCH_LOG_LEVEL"


class WrongUse(Exception):
    """Wrong use or configuration, nothing that went wrong while running; the text is a sentence."""


def words(error: BaseException) -> str:
    """What an error says, to stand in a sentence: never empty, without a full stop."""
    text = " ".join(str(error).split()).rstrip(".")
    return text or type(error).__name__


def sentence(error: Exception) -> str:
    """An error of ours says what is wrong and what to do; of others, where they come from helps."""
    if any(kind.__module__.startswith("streams.") for kind in type(error).__mro__):
        return str(error)
    if os.environ.get(_LOG_LEVEL, "").strip().lower() == "debug":
        traceback.print_exception(error)
        return f"{type(error).__name__}: {words(error)}."
    return f"{type(error).__name__}: {words(error)}. Where that is shows {_LOG_LEVEL}=debug."
