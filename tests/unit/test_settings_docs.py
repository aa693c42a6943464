"""docs/settings.md is what the settings say of themselves."""

from pathlib import Path

from streams.settings import FIELDS, Settings
from streams.settings_problems import is_secret, right_of
from streams.settings_table import page

PAGE = Path(__file__).parents[2] / "docs" / "settings.md"


def test_the_page_is_made_from_the_settings() -> None:
    assert PAGE.read_text() == page(), "python -m streams.settings_table > docs/settings.md"


def test_every_setting_stands_on_the_page_once() -> None:
    rows = [line.split("|")[1].strip() for line in page().splitlines() if line.startswith("| `")]

    assert rows == [f"`{variable}`" for variable in FIELDS]


def test_every_setting_is_described_and_says_what_is_right() -> None:
    free = {"sasl_username", "sasl_password"}

    for name, field in Settings.model_fields.items():
        assert field.description
        assert name in free or right_of(field) is not None
        assert is_secret(field) == (name == "sasl_password")
