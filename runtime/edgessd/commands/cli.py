"""The command ``edgessd``: collects the verbs of the installed packages and turns errors into one line."""

import os
import sys
from errno import EACCES, EEXIST, EISDIR, ELOOP, ENAMETOOLONG, ENOENT, ENOTDIR, EPERM, EROFS
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

import typer

from edgessd import __version__
from edgessd.errors import EdgessdError, InputError
from edgessd.util.console import PlainConsole, notice
from edgessd.util.exit import leave, stop_on_signals
from edgessd.util.extras import BROUGHT_BY, missing_extra, pip_install
from edgessd.util.files import reason
from edgessd.util.standard_streams import occupy_closed
from edgessd.util.suggestions import nearest

INTERRUPTED = 130
WRONG_PLACE = (ENOENT, ENOTDIR, EISDIR, EACCES, EPERM, EROFS, EEXIST, ENAMETOOLONG, ELOOP)
# What other detectors' commands call our options.
SYNONYMS = {
    "--threshold": "--score",
    "--conf": "--score",
    "--confidence": "--score",
    "--weights": "--model",
    "--device": "--backend",
    "--labels": "--classes",
    "--label": "--rename",
    "--output": "--out",
    "--project": "--out",
    "--threads": "--workers",
}
# Typer carries its own copy of click or imports it, by version; both define this base of usage errors.
ClickException: Any = typer.BadParameter.__mro__[2]


def build_app() -> typer.Typer:
    """Return the command with the verbs of every package that registers some."""
    app = typer.Typer(
        name="edgessd",
        help="SSD object detection: from labelled images to a camera on an edge device.",
        no_args_is_help=True,
        pretty_exceptions_enable=False,
        context_settings={"help_option_names": ["-h", "--help"]},
    )

    @app.callback(invoke_without_command=True)
    def options(
        version: bool = typer.Option(False, "--version", help="Print the version and leave."),
        debug: bool = typer.Option(False, "--debug", help="Show the traceback of an error; taken anywhere."),
    ) -> None:
        if version:
            typer.echo(f"edgessd {__version__}")
            raise typer.Exit

    for entry in sorted(entry_points(group="edgessd.commands"), key=lambda entry: entry.name):
        entry.load()(app)
    return app


def main() -> None:
    """Run the command; exit 0 when done, 1 when the work failed, 2 for wrong usage or input."""
    occupy_closed()
    arguments = [argument for argument in sys.argv[1:] if argument != "--debug"]
    debug = len(arguments) < len(sys.argv) - 1
    with stop_on_signals():
        code = run(arguments, debug=debug)
    leave(code)


def run(arguments: list[str], *, debug: bool = False) -> int:
    """Return the exit code of one command line."""
    try:
        code = build_app()(args=arguments, prog_name="edgessd", standalone_mode=False)
        if code == INTERRUPTED:  # a newer Typer's word for KeyboardInterrupt
            raise KeyboardInterrupt
        return code if isinstance(code, int) else 0
    except EdgessdError as error:
        if debug:
            raise
        return _complain(str(error), error.exit_code)
    except ImportError as error:
        if debug:
            raise
        return _complain(_library(error), InputError.exit_code)
    except ClickException as error:
        if error.format_message().strip():
            return _complain(_usage(error), InputError.exit_code)
        return InputError.exit_code  # no verb was given: the help has been printed
    except (KeyboardInterrupt, typer.Abort):
        return _complain("stopped", INTERRUPTED)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except OSError as error:  # a file, a disk or a network that failed where no better message was at hand
        if debug:
            raise
        about = f"{error.filename}: " if error.filename is not None else ""
        return _complain(f"{about}{reason(error)} (--debug shows where)", _exit_code(error))


def _working_folder_is_gone() -> bool:
    try:
        Path.cwd()
    except FileNotFoundError:
        return True
    return False


def _exit_code(error: OSError) -> int:
    """Return 2 where the name or place that was given is at fault, 1 where the machine is."""
    return InputError.exit_code if error.errno in WRONG_PLACE else EdgessdError.exit_code


def _library(error: ImportError) -> str:
    if error.name == "cv2" or "libGL" in str(error):
        headless = "or opencv-python-headless without a screen"
        return f"OpenCV does not load ({error}): {pip_install('opencv-python')}, {headless}"
    if isinstance(error, ModuleNotFoundError) and error.name in BROUGHT_BY:
        return str(missing_extra(error.name, BROUGHT_BY[error.name]))
    return f"a library does not load ({error}): `edgessd doctor` names what is missing"


def _usage(error: Any) -> str:
    context = getattr(error, "ctx", None)
    where = context.command_path if context else "edgessd"
    message = error.format_message().strip().rstrip(".")
    if context and type(error).__name__ == "NoSuchOption":
        message = _unknown_option(error.option_name, context.command.params)
    return f"{message}: see `{where} --help`"


def _unknown_option(option: str, parameters: list[Any]) -> str:
    """Return what to say of an option that a verb has not: the nearest of its own by letters or by meaning."""
    own = [name for parameter in parameters for name in (*parameter.opts, *parameter.secondary_opts) if name[0] == "-"]
    known = {name: name for name in own} | {word: name for word, name in SYNONYMS.items() if name in own}
    near = nearest(option, known)
    return f"no such option: {option}" + (f", did you mean {known[near]}?" if near else "")


def _complain(message: str, code: int) -> int:
    if code != INTERRUPTED and _working_folder_is_gone():
        message += "; the working folder was deleted, `cd` to another"
    PlainConsole(stderr=True).print(notice("error", message, "bold red"))
    return code
