"""Every property holds with the compiled part of the core, and without it."""

import os
from collections.abc import Iterator

import pytest

from streams.core import compiled


@pytest.fixture(autouse=True, scope="module", params=["compiled", "python"])
def _core(request: pytest.FixtureRequest) -> Iterator[None]:
    if request.param == "compiled" and not compiled.is_there():
        assert "CI" not in os.environ, "the core was not compiled"
        pytest.skip("the core was not compiled: there was no C compiler")
    with pytest.MonkeyPatch.context() as patch:
        if request.param == "python":
            patch.setattr(compiled, "lane", None)
        yield
