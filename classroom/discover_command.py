"""The command `classreel discover`."""

from __future__ import annotations

from typing import Annotated

import typer

from classroom.options import AsJson
from classroom.terminal import say, tell, tell_json


def discover(
    user_env: Annotated[
        str | None, typer.Option(metavar="NAME", help="Variable of the environment that holds the cameras' user.")
    ] = None,
    password_env: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="Variable that holds their password, which is sent as a digest."),
    ] = None,
    interface: Annotated[
        list[str] | None, typer.Option(metavar="NAME|ADDRESS", help="Ask on this network only; may be repeated.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Find the network's cameras (ONVIF) and print what to write of them in classroom.toml.

    Succeeds whenever the network was asked, also if no camera is there.
    """
    from classroom.discovering import LoginReference, discovery_result, source_blocks
    from classroom.discovering import discover as find

    reference = LoginReference(user_env, password_env)
    found = find(reference, interface or [], say)
    if as_json:
        tell_json(discovery_result(found.cameras))
    elif found.cameras:
        tell(source_blocks(found.cameras, reference))
