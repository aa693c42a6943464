"""What values.pyx gives, for the type checker."""

from typing import Any

from streams.core.compiled.blocks import Block

def plain_of(block: Block, side: int) -> dict[str, Any] | None: ...
