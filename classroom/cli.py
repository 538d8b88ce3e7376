"""The `classreel` command. Results go to stdout, everything else to stderr; exit status 0 only when it is true.

Commands import what they need themselves: a box that wakes up from a power cut in the middle of a class records a
second sooner without the rest.
"""

from __future__ import annotations

import logging
import signal
import sys
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Annotated

import typer

from classroom import completion
from classroom.discover_command import discover
from classroom.listening import refuse_taken_port, with_port
from classroom.options import LENGTH, AsJson, Config, Lesson, Port, Root, Title, lesson_given, settings_given
from classroom.terminal import say, tell, tell_json, tell_table
from lesson.durations import format_duration, parse_duration
from lesson.errors import ClassreelError, ConfigError
from lesson.version import version
from process.logs import configure_logging
from process.parentage import EXIT_TERMINATED
from process.share import share_with

if TYPE_CHECKING:
    from classroom.commands import LessonOutcome
    from classroom.settings import Settings

EXIT_USAGE = 2
EXIT_INTERRUPTED = 130

app = typer.Typer(
    help="Automatic lecture recorder for classrooms far from any technician.",
    pretty_exceptions_enable=False,
)


def _tell_version(value: bool) -> None:
    if value:
        tell(f"classreel {version()}")
        raise typer.Exit


@app.callback(invoke_without_command=True)
def classreel(
    context: typer.Context,
    _version: Annotated[
        bool, typer.Option("--version", is_eager=True, callback=_tell_version, help="Print the version and end.")
    ] = False,
) -> None:
    """Automatic lecture recorder for classrooms far from any technician."""
    if context.invoked_subcommand is None:
        tell(context.get_help())  # empty where Typer has drawn it itself
        raise typer.Exit(EXIT_USAGE)


def _tell(outcome: LessonOutcome, *, as_json: bool) -> None:
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


def _seconds(option: str, text: str) -> float:
    try:
        return parse_duration(text)
    except ConfigError as error:
        raise ConfigError(f"{option}: {error}") from error


@app.command()
def demo(
    for_: Annotated[str, typer.Option("--for", "--seconds", help=LENGTH)] = "60",
    out: Annotated[Path | None, typer.Option(help="Folder for lessons and store; default: ./classreel-demo.")] = None,
    no_serve: Annotated[bool, typer.Option("--no-serve", help="End when the lesson is published.")] = False,
    port: Port = None,
    as_json: AsJson = False,
) -> None:
    """Record a simulated classroom in real time through the real stages."""
    from classroom import commands

    for_s = _seconds("--for", for_)
    settings = commands.demo_settings(out, port)
    share_with(settings.share)
    if no_serve:
        outcome = commands.record(settings, for_s=for_s, title=commands.DEMO_TITLE, say=say)
        _tell(outcome, as_json=as_json)
        raise typer.Exit(0 if outcome.ok else 1)

    refuse_taken_port(settings)

    def published(outcome: LessonOutcome) -> None:
        _tell(outcome, as_json=as_json)
        say(f"watch it: {settings.url}/lessons/{outcome.report['lesson_id']}   (Ctrl-C ends)")

    say(f"teacher's page: {settings.url}   (Ctrl-C ends)")
    commands.demo_served(settings, for_s=for_s, tell=published)


@app.command()
def record(
    for_: Annotated[str, typer.Option("--for", help=LENGTH)],
    title: Title = None,
    root: Root = None,
    config: Config = None,
    as_json: AsJson = False,
) -> None:
    """Record one lesson until it is published; after a crash, go on with it."""
    from classroom import commands

    for_s = _seconds("--for", for_)
    outcome = commands.record(settings_given(config, root), for_s=for_s, title=title, say=say)
    _tell(outcome, as_json=as_json)
    raise typer.Exit(0 if outcome.ok else 1)


@app.command("import")
def import_(
    source: Annotated[
        list[str],
        typer.Option(
            help="ROLE=FILE, or ROLE=FILE+FILE… for parts that follow each other.", autocompletion=completion.roles
        ),
    ],
    offset: Annotated[
        list[str] | None,
        typer.Option(help="ROLE=DURATION: that file starts later (-1.5: earlier).", autocompletion=completion.roles),
    ] = None,
    title: Title = None,
    root: Root = None,
    config: Config = None,
    as_json: AsJson = False,
) -> None:
    """Make a lesson of existing media, as fast as the machine can."""
    from classroom import commands
    from classroom.importing import import_files, parse_files

    settings = settings_given(config, root)
    folder = import_files(parse_files(source, offset or []), settings, title)
    outcome = commands.finish(folder, settings, say)
    _tell(outcome, as_json=as_json)
    raise typer.Exit(0 if outcome.ok else 1)


@app.command()
def process(
    lesson: Lesson,
    farm: Annotated[str | None, typer.Option(help="Dask scheduler whose workers encode, tcp://host:8786.")] = None,
    root: Root = None,
    config: Config = None,
    as_json: AsJson = False,
) -> None:
    """Do whatever is missing of planning, encoding and publishing."""
    from classroom import commands

    folder, settings = lesson_given(lesson, settings_given(config, root, farm))
    outcome = commands.process(folder, settings, say)
    _tell(outcome, as_json=as_json)
    raise typer.Exit(0 if outcome.ok else 1)


@app.command()
def serve(port: Port = None, root: Root = None, config: Config = None) -> None:
    """Run the unattended box: recording on the button's press, processing, publishing, pages."""
    from classroom.conductor import Conductor

    configure_logging("conductor")
    settings = with_port(settings_given(config, root), port)
    conductor = Conductor(settings)
    try:
        refuse_taken_port(settings)
        say(f"teacher's page: {settings.url}")
    except ConfigError as error:  # a lesson may be running: what it lacks is its page
        say(f"classreel: {error}; lessons are recorded meanwhile, the page is tried again and again")
    conductor.serve()


@app.command()
def lessons(root: Root = None, config: Config = None, as_json: AsJson = False) -> None:
    """List lessons, newest first."""
    from classroom.report import lesson_entry, lesson_row
    from lesson.catalogue import Catalogue

    entries = [lesson_entry(entry) for entry in Catalogue(settings_given(config, root).root).page()]
    if as_json:
        tell_json({"lessons": entries})
        return
    tell_table(("lesson", "title", "state", "started", "length"), map(lesson_row, entries))


@app.command()
def verify(
    lesson: Lesson,
    remote: Annotated[bool, typer.Option("--remote", help="Compare the store too.")] = False,
    root: Root = None,
    config: Config = None,
    as_json: AsJson = False,
) -> None:
    """Check every file of a lesson against its checksum."""
    from classroom.report import verify_lines, verify_report
    from lesson.verify import verify_local
    from publish.store import ATTENDED_REPLY_S, open_store
    from publish.verify import verify_remote

    folder, settings = lesson_given(lesson, settings_given(config, root))
    problems = verify_local(folder)
    if remote:
        problems += verify_remote(folder, open_store(settings.named_store, reply_s=ATTENDED_REPLY_S))
    report = verify_report(folder, problems)
    if as_json:
        tell_json(report)
    else:
        tell("\n".join(verify_lines(report)))
    raise typer.Exit(1 if problems else 0)


@app.command()
def pin(lesson: Lesson, root: Root = None, config: Config = None, as_json: AsJson = False) -> None:
    """Keep all that was recorded of a lesson, however full the disk."""
    _pin(lesson, settings_given(config, root), pinned=True, as_json=as_json)


@app.command()
def unpin(lesson: Lesson, root: Root = None, config: Config = None, as_json: AsJson = False) -> None:
    """Let what was recorded of a lesson make room again, once it is stored safely."""
    _pin(lesson, settings_given(config, root), pinned=False, as_json=as_json)


def _pin(lesson: str, settings: Settings, *, pinned: bool, as_json: bool) -> None:
    from classroom.report import lesson_entry, lesson_row
    from lesson.glance import glance
    from lesson.keeping import pin_lesson

    folder, _ = lesson_given(lesson, settings)
    pin_lesson(folder, pinned=pinned)
    entry = lesson_entry(glance(folder))
    if as_json:
        tell_json(entry)
    else:
        tell_table(("lesson", "title", "state", "started", "length"), [lesson_row(entry)])


@app.command()
def check(root: Root = None, config: Config = None, as_json: AsJson = False) -> None:
    """Test the box before class."""
    from classroom.checks import checks_result, self_test

    found = []
    for one in self_test(settings_given(config, root)):
        found.append(one)
        if not as_json:
            tell(one.line)
    result = checks_result(found)
    if as_json:
        tell_json(result)
    raise typer.Exit(0 if result["ok"] else 1)


app.command()(discover)


def _terminate(_signum: int, _frame: FrameType | None) -> None:
    raise SystemExit(EXIT_TERMINATED)


def main() -> None:
    """Run the command line: an expected error is one line on stderr, exit status 1, or 2 where the command is wrong."""
    signal.signal(signal.SIGTERM, _terminate)
    configure_logging("classreel", level=logging.WARNING, readable=True)
    try:
        sys.exit(app(prog_name="classreel", standalone_mode=False))
    except typer.TyperException as error:
        context = getattr(error, "ctx", None)
        command = context.command_path if context else "classreel"
        say(f"{command}: {_sentence(error)}; `{command} --help` says what there is")
        sys.exit(error.exit_code)
    except ClassreelError as error:
        say(f"classreel: {' '.join(str(error).splitlines())}")  # one line
        sys.exit(1)
    except (KeyboardInterrupt, typer.Abort):
        sys.exit(EXIT_INTERRUPTED)


def _sentence(error: typer.TyperException) -> str:
    text = " ".join(error.format_message().split()).rstrip(".?")
    return text[:1].lower() + text[1:]
