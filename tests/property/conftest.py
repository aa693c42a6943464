"""Every property holds with the compiled lane of plain records, and without it."""

import os
from collections.abc import Iterator

import pytest

from streams.core import compiled


@pytest.fixture(autouse=True, scope="module", params=["compiled", "python"])
def _lane(request: pytest.FixtureRequest) -> Iterator[None]:
    if request.param == "compiled" and not compiled.is_compiled():
        assert "CI" not in os.environ, "the lane was not compiled"
        pytest.skip("the lane was not compiled: there was no C compiler")
    with pytest.MonkeyPatch.context() as patch:
        if request.param == "python":
            patch.setattr(compiled, "lane", None)
        yield
