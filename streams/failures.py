"""What a command says where it cannot do what it was asked. Imports nothing, as all import it."""


class WrongUse(Exception):
    """Wrong use or configuration, nothing that went wrong while running; the text is a sentence."""


def words(error: BaseException) -> str:
    """What an error says, to stand in a sentence: never empty, without a full stop."""
    text = " ".join(str(error).split()).rstrip(".")
    return text or type(error).__name__
