"""The `classreel` command. Results go to stdout, everything else to stderr; exit status 0 only when it is true."""

from __future__ import annotations

import json
import logging
import signal
import sys
from datetime import datetime
from pathlib import Path
from types import FrameType
from typing import Annotated, Any
from zoneinfo import ZoneInfo

import typer
from rich.console import Console
from rich.table import Table

from classroom import commands
from classroom.checks import run_checks, store_spec
from classroom.conductor import Conductor
from classroom.durations import format_duration, parse_duration
from classroom.importing import import_files, parse_files
from classroom.jobs import web_url
from classroom.report import lesson_entry
from classroom.settings import Settings, load_settings, refuse_taken_port, with_farm
from lesson.errors import ClassreelError
from lesson.folder import LessonFolder, find_lesson, lessons_in
from lesson.verify import verify_local
from process.logs import configure_logging
from process.stage import EXIT_TERMINATED
from publish.store import open_store
from publish.verify import verify_remote

app = typer.Typer(
    help="Automatic lecture recorder for classrooms far from any technician.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
_err = Console(stderr=True)
_out = Console()

Config = Annotated[Path | None, typer.Option(help="classroom.toml; default: ./classroom.toml, /etc/classreel/…")]
AsJson = Annotated[bool, typer.Option("--json", help="Print exactly one JSON object on stdout.")]
Root = Annotated[Path | None, typer.Option(help="Folder of lessons; default: the configured one.")]
Title = Annotated[str | None, typer.Option(help="Title of the lesson.")]


def _say(text: str) -> None:
    line = " ".join(text.splitlines())  # an error is one line, even about a file with a line break in its name
    _err.print(line, highlight=False, markup=False, soft_wrap=True)


def _print_json(result: dict[str, Any]) -> None:
    text = json.dumps(result, ensure_ascii=False) + "\n"
    sys.stdout.write(text.encode(errors="backslashreplace").decode())  # file names that are no UTF-8, as in journals
    sys.stdout.flush()


def _tell(outcome: commands.Outcome, *, as_json: bool) -> None:
    """Print how a lesson ended, whether it is published or not."""
    report = outcome.report
    if as_json:
        _print_json(report)
        return
    length = format_duration(report["duration_s"])
    _out.print(
        f"lesson {report['lesson_id']}, {length}: {report['published_url'] or 'not published'}",
        markup=False,
        soft_wrap=True,
    )
    for gap in report["gaps"]:
        _out.print(
            f"  gap: {gap['source']} {gap['start_s']}–{gap['end_s']} s ({gap['reason']})", markup=False, soft_wrap=True
        )
    for problem in report["problems"]:
        _out.print(f"  problem: {problem}", markup=False, soft_wrap=True)


@app.command()
def demo(
    seconds: Annotated[str, typer.Option(help="How long to record.")] = "60",
    out: Annotated[Path, typer.Option(help="Folder for lessons and store.")] = Path("classreel-demo"),
    no_serve: Annotated[bool, typer.Option("--no-serve", help="End when the lesson is published.")] = False,
    port: Annotated[int, typer.Option(help="Port of the pages.")] = 8000,
    as_json: AsJson = False,
) -> None:
    """Record a simulated classroom in real time through the real stages."""
    settings = commands.demo_settings(out, port)
    for_s = parse_duration(seconds)
    if no_serve:
        outcome = commands.record(settings, for_s=for_s, title=commands.DEMO_TITLE, say=_say)
        _tell(outcome, as_json=as_json)
        raise typer.Exit(0 if outcome.ok else 1)

    refuse_taken_port(settings)

    def tell(outcome: commands.Outcome) -> None:
        _tell(outcome, as_json=as_json)
        _say(f"watch it: {web_url(settings)}/lessons/{outcome.report['lesson_id']}   (Ctrl-C ends)")

    _say(f"teacher's page: {web_url(settings)}   (Ctrl-C ends)")
    commands.demo_served(settings, for_s=for_s, tell=tell)


@app.command()
def record(
    for_: Annotated[str, typer.Option("--for", help="Length of the lesson: 90, 45m, 1h30m.")],
    config: Config = None,
    title: Title = None,
    as_json: AsJson = False,
) -> None:
    """Record one lesson until it is published; after a crash, go on with it."""
    outcome = commands.record(load_settings(config), for_s=parse_duration(for_), title=title, say=_say)
    _tell(outcome, as_json=as_json)
    raise typer.Exit(0 if outcome.ok else 1)


@app.command("import")
def import_(
    source: Annotated[list[str], typer.Option(help="ROLE=FILE, or ROLE=FILE+FILE… for parts that follow each other.")],
    offset: Annotated[list[str] | None, typer.Option(help="ROLE=SECONDS: that file starts later.")] = None,
    title: Title = None,
    root: Root = None,
    config: Config = None,
    as_json: AsJson = False,
) -> None:
    """Make a lesson of existing media, as fast as the machine can."""
    settings = load_settings(config, root=root)
    folder = import_files(parse_files(source, offset or []), settings, title)
    outcome = commands.finish(folder, settings, _say)
    _tell(outcome, as_json=as_json)
    raise typer.Exit(0 if outcome.ok else 1)


@app.command()
def process(
    lesson: Annotated[str, typer.Argument(help="Lesson id, unique prefix, or folder.")],
    farm: Annotated[str | None, typer.Option(help="Dask scheduler whose workers encode, tcp://host:8786.")] = None,
    config: Config = None,
    root: Root = None,
    as_json: AsJson = False,
) -> None:
    """Do whatever is missing of planning, encoding and publishing."""
    folder, settings = _lesson(lesson, config, root)
    if farm:
        settings = with_farm(settings, farm)
    outcome = commands.process(folder, settings, _say)
    _tell(outcome, as_json=as_json)
    raise typer.Exit(0 if outcome.ok else 1)


@app.command()
def serve(
    config: Config = None,
    port: Annotated[int | None, typer.Option(help="Port of the pages instead of the configured one.")] = None,
) -> None:
    """Run the unattended box: recording on the button's press, processing, publishing, pages."""
    configure_logging("conductor")
    settings = load_settings(config)
    if port is not None:
        host = settings.listen.rpartition(":")[0]
        settings = settings.model_copy(update={"listen": f"{host}:{port}"})
    refuse_taken_port(settings)
    _say(f"teacher's page: {web_url(settings)}")
    Conductor(settings).serve()


@app.command()
def lessons(config: Config = None, root: Root = None, as_json: AsJson = False) -> None:
    """List lessons, newest first."""
    settings = load_settings(config, root=root)
    entries = [lesson_entry(folder) for folder in reversed(list(lessons_in(settings.root)))]
    if as_json:
        _print_json({"lessons": entries})
        return
    table = Table("lesson", "title", "state", "started", "length")
    for entry in entries:
        length = format_duration(entry["duration_s"])
        table.add_row(entry["lesson_id"], entry["title"], entry["state"], _room_time(entry), length)
    _out.print(table)


def _room_time(entry: dict[str, Any]) -> str:
    """When the lesson started, as the clock in its room showed it."""
    if not entry["started"]:
        return ""
    return f"{datetime.fromisoformat(entry['started']).astimezone(ZoneInfo(entry['timezone'])):%Y-%m-%d %H:%M}"


@app.command()
def verify(
    lesson: Annotated[str, typer.Argument(help="Lesson id, unique prefix, or folder.")],
    remote: Annotated[bool, typer.Option("--remote", help="Compare the store too.")] = False,
    config: Config = None,
    root: Root = None,
    as_json: AsJson = False,
) -> None:
    """Check every file of a lesson against its checksum."""
    folder, settings = _lesson(lesson, config, root)
    problems = verify_local(folder)
    if remote:
        problems += verify_remote(folder, open_store(store_spec(settings)))
    if as_json:
        _print_json({"lesson_id": folder.id, "ok": not problems, "problems": problems})
    else:
        _out.print("\n".join(problems) or f"lesson {folder.id} is sound", markup=False, soft_wrap=True)
    raise typer.Exit(1 if problems else 0)


@app.command()
def check(config: Config = None, as_json: AsJson = False) -> None:
    """Test the box before class."""
    result = run_checks(load_settings(config))
    if as_json:
        _print_json(result)
    else:
        for entry in result["checks"]:
            mark = "ok  " if entry["ok"] else "FAIL"
            remedy = f" – {entry['remedy']}" if entry["remedy"] else ""
            _out.print(f"{mark} {entry['name']}: {entry['detail']}{remedy}", markup=False, soft_wrap=True)
    raise typer.Exit(0 if result["ok"] else 1)


def _lesson(name: str, config: Path | None, root: Path | None) -> tuple[LessonFolder, Settings]:
    settings = load_settings(config, root=root)
    folder = find_lesson(settings.root, name)
    if folder.path.parent != settings.root:  # named by its folder: it is processed where it lies
        settings = settings.model_copy(update={"root": folder.path.parent})
    return folder, settings


def _terminate(_signum: int, _frame: FrameType | None) -> None:
    raise SystemExit(EXIT_TERMINATED)


def main() -> None:
    """Run the command line; every expected error is one line on stderr and exit status 1."""
    signal.signal(signal.SIGTERM, _terminate)
    configure_logging("classreel", level=logging.WARNING, readable=True)
    try:
        app()
    except ClassreelError as error:
        _say(f"classreel: {error}")
        sys.exit(1)
    except KeyboardInterrupt:
        sys.exit(130)


if __name__ == "__main__":
    main()
