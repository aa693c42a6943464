"""The command line: what wrong use looks like, and that every command shows how it is used."""

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from cyclopts import App

from streams import cli

ROOT = Path(__file__).parents[2]
OURS = ("KAFKA_", "RETURNWATCH_")


@pytest.fixture(autouse=True)
def _settings_of_nobody(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    for name in os.environ:
        if name.startswith(OURS):
            monkeypatch.delenv(name)


def commands(app: App, *words: str) -> Iterator[tuple[str, ...]]:
    """Every command that does something, as one types it."""
    below = [name for name in app if not name.startswith("-")]
    if words and not below:
        yield words
    for name in below:
        yield from commands(app[name], *words, name)


COMMANDS = list(commands(cli.app))
# What has to be given, where a command does not start without.
GIVEN = {
    ("send",): ["order-submitted"],
    ("trace",): ["A-1"],
    ("dead-letters", "show"): ["0:1"],
    ("diff",): ["live", "replay.jsonl"],
    ("why",): ["A-1"],
    ("silence", "add"): ["--to", "+1h", "--why", "test"],
    ("silence", "remove"): ["1f3a9c02"],
}


def complaint(capsys: pytest.CaptureFixture[str]) -> list[str]:
    """What standard error says, where standard output says nothing."""
    captured = capsys.readouterr()
    assert captured.out == ""
    assert "Traceback" not in captured.err
    return captured.err.splitlines()


def test_the_commands_are_found() -> None:
    assert {("worker",), ("topics", "create"), ("rules", "explain"), ("send",)} <= set(COMMANDS)


@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
def test_the_help_of_every_command_shows_an_example(
    words: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    status = cli.run([*words, "--help"])

    told = capsys.readouterr()
    assert (status, told.err) == (0, "")
    assert re.search(rf"Example: .*returnwatch {' '.join(words)}", told.out, re.DOTALL)


@pytest.mark.parametrize("words", [[], ["--help"], ["topics", "--help"], ["rules", "--help"]])
def test_the_help_of_what_has_commands_lists_them_and_shows_an_example(
    words: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    status = cli.run(words)

    told = capsys.readouterr()
    assert (status, told.err) == (0, "")
    assert "Commands" in told.out
    assert re.search(r"Example: returnwatch \w+", told.out)


@pytest.mark.parametrize("name", cli.SUMMARIES)
def test_the_list_of_commands_says_of_each_what_its_own_help_says_first(name: str) -> None:
    command = cli.app[name]

    assert cli.SUMMARIES[name] == " ".join((command.help or "").split("\n\n")[0].split())


@pytest.mark.parametrize("words", [["topics"], ["rules"]], ids=" ".join)
def test_half_a_command_is_wrong_use(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    status = cli.run(words)

    (sentence,) = complaint(capsys)
    assert status == 2
    assert sentence.endswith(f"See: returnwatch {words[0]} --help")


@pytest.mark.parametrize("words", ["--version", "--help", "topics --help", "rules explain"])
def test_faust_is_imported_only_where_a_worker_runs(words: str, tmp_path: Path) -> None:
    program = (
        "import sys; from streams.cli import run; "
        "status = run(sys.argv[1:]); assert 'faust' not in sys.modules; sys.exit(status)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, *words.split()],
        env={"PYTHONPATH": str(ROOT), "PATH": os.environ["PATH"]},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )

    assert (done.returncode, done.stderr) == (0, "")


def test_a_failure_that_nobody_foresaw_is_one_sentence_and_a_traceback_when_debugging(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail() -> None:
        raise LookupError("nobody\nforesaw.")

    monkeypatch.setattr(cli, "app", App(name="returnwatch"))
    cli.app.command(fail)

    quiet = (cli.run(["fail"]), complaint(capsys))
    monkeypatch.setenv("RETURNWATCH_LOG_LEVEL", "debug")
    status = cli.run(["fail"])

    assert quiet == (
        1,
        [
            "returnwatch: LookupError: nobody foresaw. Where that is shows "
            "RETURNWATCH_LOG_LEVEL=debug."
        ],
    )
    told = capsys.readouterr().err
    assert status == 1
    assert told.startswith("Traceback")
    assert told.endswith("returnwatch: LookupError: nobody foresaw.\n")


def test_a_closed_standard_input_is_wrong_use(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stdin", None)

    status = cli.run(["send", "order-submitted"])

    (sentence,) = complaint(capsys)
    assert status == 2
    assert sentence.startswith("returnwatch: Standard input is closed: give lines, for example ")


def test_the_version_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.run(["--version"]) == 0
    assert re.fullmatch(r"\d+\.\d+\.\d+\n", capsys.readouterr().out)


@pytest.mark.parametrize(
    "words, named",
    [
        (["wrker"], "wrker"),
        (["topics", "destroy"], "destroy"),
        (["worker", "--fast"], "--fast"),
        (["worker", "--processes", "0"], "--processes"),
        (["worker", "--processes", "65"], "--processes"),
        (["alerts", "--from"], "--from"),
        (["topics", "create", "--partitions", "many"], "many"),
        (["topics", "create", "--partitions", "0"], "--partitions"),
        (["rules", "explain", "--currency", "eur"], 'must be three capital letters, not "eur"'),
        (["rules", "explain", "--kind", "k" * 65], "--kind must be a text of up to 64 characters"),
        (["send"], "TOPIC"),
        (["send", "a", "b"], "b"),
        (["trace"], "ORDER"),
        (["trace", "a", "--from", "soon"], "--from soon is no time"),
        (["trace", "a", "--to", "soon"], "--to soon is no time"),
        (["trace", "a", "--from=-1h", "--to=-2h"], "is not after --from"),
        (["dead-letters", "show", "17"], "17 is no place of a dead letter"),
        (["dead-letters", "requeue"], "say which dead letters"),
        (["dead-letters", "requeue", "0:1", "--fix", "provider=acme"], "a value in JSON"),
        (["dead-letters", "requeue", "--field", "a", "--fix", 'key="b"'], "name one dead letter"),
        (["dead-letters", "list", "--topic", "order-alerts"], "is none of the inputs"),
        (["replay", "--from", "soon"], "--from soon is no place in the topics"),
        (["replay", "--to", "1:2"], "--to 1:2 is no place in the topics"),
        (["replay", "--from=-1h", "--to=-2h"], "--to -2h is not after --from -1h"),
        (["replay", "--processes", "0"], "--processes"),
        (["replay", "--return-within-s", "0"], "RETURNWATCH_RETURN_WITHIN_S must be"),
        (["replay", "--rules", "nowhere.toml"], "RETURNWATCH_RULES must be a file that exists"),
        (["replay", "--out", "alerts.xlsx"], "must end in .jsonl, .csv or .parquet"),
        (["replay", "--out", "nowhere/alerts.csv"], "there is no folder nowhere"),
        (["replay", "--to-topic", "order-alerts"], "is one of the worker's own topics"),
        (["replay", "--to-topic", "returnwatch-changelog"], "is one of the worker's own topics"),
        (["replay", "--diff", "nowhere.jsonl"], "nowhere.jsonl is no file"),
        (["diff", "live"], "AFTER"),
        (["diff", "live", "nowhere.csv"], "nowhere.csv is no file"),
        (["diff", "live", "live"], "Both sets are live"),
        (["diff", "live", "pyproject.toml", "--from", "soon"], "is no file"),
        (["audit", "--from", "soon"], "--from soon is no place in the topics"),
        (["audit", "--out", "statement.txt"], "must end in .jsonl, .csv or .parquet"),
        (["config", "more"], "`returnwatch config` does not take 'more'"),
    ],
    ids=" ".join,
)
def test_wrong_use_is_one_sentence_and_status_2(
    words: list[str], named: str, capsys: pytest.CaptureFixture[str]
) -> None:
    status = cli.run(words)

    (sentence,) = complaint(capsys)
    assert status == 2
    assert sentence.startswith("returnwatch: ")
    assert named.lower() in sentence.lower()


@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
def test_no_command_starts_with_a_setting_that_is_not_there(
    words: tuple[str, ...], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RETURNWATCH_GRACE", "1")

    status = cli.run([*words, *GIVEN.get(words, ())])

    (sentence,) = complaint(capsys)
    assert status == 2
    assert "RETURNWATCH_GRACE " in sentence
    assert "RETURNWATCH_GRACE_S" in sentence


def test_every_wrong_setting_has_its_sentence(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RETURNWATCH_GRACE_S", "soon")
    monkeypatch.setenv("RETURNWATCH_WEB_PORT", "70000")

    status = cli.run(["worker"])

    sentences = complaint(capsys)
    assert status == 2
    assert len(sentences) == 2
    assert all(sentence.startswith("returnwatch: RETURNWATCH_") for sentence in sentences)


def test_rules_that_cannot_be_read_are_wrong_configuration(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "rules.toml").write_text("[defalt]\n")
    monkeypatch.setenv("RETURNWATCH_RULES", "rules.toml")

    status = cli.run(["rules", "explain"])

    sentences = complaint(capsys)
    assert status == 2
    assert all("rules.toml:" in sentence for sentence in sentences)


@pytest.mark.parametrize("when", ["yesterday", "-2", "-h", "2026-01-31", "-5w", "2026-01-31T12:00"])
def test_a_time_that_is_none_is_wrong_use(when: str, capsys: pytest.CaptureFixture[str]) -> None:
    status = cli.run(["alerts", f"--from={when}"])

    (sentence,) = complaint(capsys)
    assert status == 2
    assert f"--from {when} is no time" in sentence


def test_a_topic_without_a_schema_is_wrong_use(capsys: pytest.CaptureFixture[str]) -> None:
    status = cli.run(["send", "order-alerts"])

    (sentence,) = complaint(capsys)
    assert status == 2
    assert "send to order-submitted or order-returned, or give --raw" in sentence


def test_rules_explain_names_the_rule_that_wins_and_why_the_others_do_not(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "rules.toml").write_text(
        "[default]\nreturn_within_s = 30\n"
        '[[rule]]\nname = "cards"\nmatch = { kind = "card" }\nreturn_within_s = 8\n'
        'severity = "warning"\n'
    )
    monkeypatch.setenv("RETURNWATCH_RULES", "rules.toml")

    status = cli.run(["rules", "explain", "--kind", "card", "--provider", "[acme]"])

    wins, other = capsys.readouterr().out.splitlines()
    assert status == 0
    assert wins.startswith("cards: the result within 8 s, severity warning")
    assert other.startswith("  not default: ")


def test_config_shows_where_each_setting_came_from_and_masks_the_password(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / ".env").write_text("RETURNWATCH_GRACE_S=2.5\n")
    monkeypatch.setenv("KAFKA_SECURITY_PROTOCOL", "SASL_PLAINTEXT")
    monkeypatch.setenv("KAFKA_SASL_MECHANISM", "PLAIN")
    monkeypatch.setenv("KAFKA_SASL_USERNAME", "[bold]me[/]")
    monkeypatch.setenv("KAFKA_SASL_PASSWORD", "s3cr3t-w0rd")

    status = cli.run(["config"])

    told = capsys.readouterr()
    table = {line.split()[0]: line.split()[1:] for line in told.out.splitlines()}
    assert (status, told.err) == (0, "")
    assert "s3cr3t" not in told.out
    assert table["KAFKA_SASL_PASSWORD"] == ["******", "environment"]
    assert table["KAFKA_SASL_USERNAME"] == ["[bold]me[/]", "environment"]
    assert table["RETURNWATCH_GRACE_S"] == ["2.5", ".env"]
    assert table["RETURNWATCH_HOLD_S"] == ["60", "default"]
