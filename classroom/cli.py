"""The `classreel` command. Results go to stdout, everything else to stderr; exit status 0 only when it is true.

Commands that need media or stores import them themselves: a box that wakes up from a power cut in the middle of a class
records a second sooner without them.
"""

from __future__ import annotations

import logging
import signal
import sys
from datetime import datetime
from pathlib import Path
from types import FrameType
from typing import Annotated, Any
from zoneinfo import ZoneInfo

import typer

from classroom import commands
from classroom.conductor import Conductor
from classroom.durations import format_duration, parse_duration
from classroom.jobs import web_url
from classroom.report import lesson_entry
from classroom.settings import Settings, load_settings, refuse_taken_port, with_farm
from classroom.terminal import say, tell, tell_json, tell_table
from lesson.catalogue import Catalogue
from lesson.errors import ClassreelError, ConfigError
from lesson.folder import LessonFolder, find_lesson
from lesson.titles import checked_title, one_line
from process.logs import configure_logging
from process.parentage import EXIT_TERMINATED
from process.share import share_with

app = typer.Typer(
    help="Automatic lecture recorder for classrooms far from any technician.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)

Config = Annotated[Path | None, typer.Option(help="classroom.toml; default: ./classroom.toml, /etc/classreel/…")]
AsJson = Annotated[bool, typer.Option("--json", help="Print exactly one JSON object on stdout.")]
Root = Annotated[Path | None, typer.Option(help="Folder of lessons; default: the configured one.")]


def _title(text: str) -> str:
    try:
        return checked_title(text)
    except ValueError as error:
        raise ConfigError(f"--title: {error}") from error


Title = Annotated[str | None, typer.Option(parser=_title, metavar="TEXT", help="Title of the lesson.")]
Port = Annotated[int, typer.Option(min=1, max=65_535, help="Port of the pages.")]


def _tell(outcome: commands.Outcome, *, as_json: bool) -> None:
    """Print how a lesson ended, whether it is published or not."""
    report = outcome.report
    if as_json:
        tell_json(report)
        return
    length = format_duration(report["duration_s"])
    tell(f"lesson {report['lesson_id']}, {length}: {report['published_url'] or 'not published'}")
    for gap in report["gaps"]:
        tell(f"  gap: {gap['source']} {gap['start_s']}–{gap['end_s']} s ({gap['reason']})")
    for problem in report["problems"]:
        tell(f"  problem: {problem}")


@app.command()
def demo(
    seconds: Annotated[str, typer.Option(help="How long to record.")] = "60",
    out: Annotated[Path, typer.Option(help="Folder for lessons and store.")] = Path("classreel-demo"),
    no_serve: Annotated[bool, typer.Option("--no-serve", help="End when the lesson is published.")] = False,
    port: Port = 8000,
    as_json: AsJson = False,
) -> None:
    """Record a simulated classroom in real time through the real stages."""
    settings = commands.demo_settings(out, port)
    share_with(settings.share)
    for_s = parse_duration(seconds)
    if no_serve:
        outcome = commands.record(settings, for_s=for_s, title=commands.DEMO_TITLE, say=say)
        _tell(outcome, as_json=as_json)
        raise typer.Exit(0 if outcome.ok else 1)

    refuse_taken_port(settings)

    def published(outcome: commands.Outcome) -> None:
        _tell(outcome, as_json=as_json)
        say(f"watch it: {web_url(settings)}/lessons/{outcome.report['lesson_id']}   (Ctrl-C ends)")

    say(f"teacher's page: {web_url(settings)}   (Ctrl-C ends)")
    commands.demo_served(settings, for_s=for_s, tell=published)


@app.command()
def record(
    for_: Annotated[str, typer.Option("--for", help="Length of the lesson: 90, 45m, 1h30m.")],
    config: Config = None,
    title: Title = None,
    as_json: AsJson = False,
) -> None:
    """Record one lesson until it is published; after a crash, go on with it."""
    outcome = commands.record(_settings(config), for_s=parse_duration(for_), title=title, say=say)
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
    from classroom.importing import import_files, parse_files

    settings = _settings(config, root=root)
    folder = import_files(parse_files(source, offset or []), settings, title)
    outcome = commands.finish(folder, settings, say)
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
    outcome = commands.process(folder, settings, say)
    _tell(outcome, as_json=as_json)
    raise typer.Exit(0 if outcome.ok else 1)


@app.command()
def serve(
    config: Config = None,
    port: Annotated[int | None, typer.Option(min=1, max=65_535, help="Instead of the configured port.")] = None,
) -> None:
    """Run the unattended box: recording on the button's press, processing, publishing, pages."""
    configure_logging("conductor")
    settings = _settings(config)
    if port is not None:
        host = settings.listen.rpartition(":")[0]
        settings = settings.model_copy(update={"listen": f"{host}:{port}"})
    refuse_taken_port(settings)
    say(f"teacher's page: {web_url(settings)}")
    Conductor(settings).serve()


@app.command()
def lessons(config: Config = None, root: Root = None, as_json: AsJson = False) -> None:
    """List lessons, newest first."""
    settings = _settings(config, root=root)
    entries = [lesson_entry(entry) for entry in Catalogue(settings.root).page()]
    if as_json:
        tell_json({"lessons": entries})
        return
    tell_table(("lesson", "title", "state", "started", "length"), map(_row, entries))


def _row(entry: dict[str, Any]) -> tuple[str, ...]:
    length = format_duration(entry["duration_s"])
    return entry["lesson_id"], one_line(entry["title"]), entry["state"], _room_time(entry), length


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
    from classroom.checks import store_spec
    from lesson.verify import verify_local
    from publish.store import open_store
    from publish.verify import verify_remote

    folder, settings = _lesson(lesson, config, root)
    problems = verify_local(folder)
    if remote:
        problems += verify_remote(folder, open_store(store_spec(settings)))
    if as_json:
        tell_json({"lesson_id": folder.id, "ok": not problems, "problems": problems})
    else:
        tell("\n".join(problems) or f"lesson {folder.id} is sound")
    raise typer.Exit(1 if problems else 0)


@app.command()
def check(config: Config = None, as_json: AsJson = False) -> None:
    """Test the box before class."""
    from classroom.checks import run_checks

    result = run_checks(_settings(config))
    if as_json:
        tell_json(result)
    else:
        for entry in result["checks"]:
            mark = "ok  " if entry["ok"] else "FAIL"
            remedy = f" – {entry['remedy']}" if entry["remedy"] else ""
            tell(f"{mark} {entry['name']}: {entry['detail']}{remedy}")
    raise typer.Exit(0 if result["ok"] else 1)


def _settings(config: Path | None, **overrides: object) -> Settings:
    """The settings; from here on what is written is shared as they say."""
    settings = load_settings(config, **overrides)
    share_with(settings.share)
    return settings


def _lesson(name: str, config: Path | None, root: Path | None) -> tuple[LessonFolder, Settings]:
    settings = _settings(config, root=root)
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
        say(f"classreel: {' '.join(str(error).splitlines())}")  # one line
        sys.exit(1)
    except KeyboardInterrupt:
        sys.exit(130)


if __name__ == "__main__":
    main()
