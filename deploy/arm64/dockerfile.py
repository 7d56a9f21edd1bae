"""The steps of a Dockerfile, done in a folder that holds a root file system: a rehearsal without Docker.

    python3 deploy/arm64/dockerfile.py DOCKERFILE ROOT [NAME=VALUE...]     # values for ARG

It knows what the Dockerfiles in deploy/jetson use, and refuses the rest. FROM is what lies in ROOT. Root is needed, and
a kernel that can run ROOT's programs (deploy/arm64/run.sh sets up qemu).
"""

import json
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path
from string import Template

IGNORED = ("FROM", "VOLUME", "STOPSIGNAL", "HEALTHCHECK", "ENTRYPOINT", "CMD")
VARIABLES = re.compile(r'(\w+)=("[^"]*"|\S+)')


def instructions(text: str) -> list[tuple[str, str]]:
    """Return the instructions and their arguments, comments dropped and continued lines joined."""
    lines = [line for line in text.splitlines() if line.strip() and not line.lstrip().startswith("#")]
    joined = re.sub(r"\\\n\s*", "", "\n".join(lines))
    return [(line.split(maxsplit=1)[0], line.split(maxsplit=1)[1]) for line in joined.splitlines()]


def copied_files(folder: Path) -> list[str]:
    """Return the files of the working tree that git knows, which is what a clean checkout would copy."""
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"],
        cwd=folder, capture_output=True, text=True, check=True,
    )  # fmt: skip
    ignored = tuple(f"{line}/" for line in (folder / ".dockerignore").read_text().split())
    return [name for name in listed.stdout.split("\0") if name and not name.startswith(ignored)]


def run(root: Path, command: list[str], environment: dict[str, str], user: str, folder: str) -> None:
    """Run one command in the root. Raises CalledProcessError when it fails."""
    values = [f"{name}={value}" for name, value in environment.items()]
    inside = f'cd {folder} && exec "$@"'
    who = [] if user == "root" else [f"--userspec={user}"]
    subprocess.run(
        ["chroot", *who, str(root), "/usr/bin/env", "-i", *values, "/bin/sh", "-c", inside, "sh", *command], check=True
    )


def main(dockerfile: Path, root: Path, given: dict[str, str]) -> None:
    """Do every step in turn, print each with its duration."""
    environment = {"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "HOME": "/root"}
    arguments: dict[str, str] = {}
    user, folder, health = "root", "/", None
    for word, text in instructions(dockerfile.read_text()):
        start = time.monotonic()
        values = {**arguments, **environment}
        match word:
            case "ARG":
                name, _, default = text.partition("=")
                arguments[name] = given.get(name, default)
            case "ENV":
                for name, value in VARIABLES.findall(text):
                    environment[name] = Template(value.strip('"')).safe_substitute(values)
            case "WORKDIR":
                folder = text
            case "USER":
                user = text
            case "COPY":
                source, target = text.split()
                for name in copied_files(Path(source)):
                    place = root / target.lstrip("/") / name
                    place.parent.mkdir(parents=True, exist_ok=True)
                    shutil.copy2(Path(source) / name, place)
            case "RUN":
                run(root, ["/bin/sh", "-c", text], values, user, folder)
            case _ if word in IGNORED:
                if word == "HEALTHCHECK":
                    health = json.loads(text.partition(" CMD ")[2])
            case _:
                raise SystemExit(f"{word} is not known here: add it to {Path(__file__).name}")
        print(f"{word} {text[:90]}: {time.monotonic() - start:.0f} s", flush=True)
    print(f"all steps done; it would run as {user} in {folder}, its health check is {health}")


if __name__ == "__main__":
    try:
        main(Path(sys.argv[1]), Path(sys.argv[2]), dict(each.split("=", 1) for each in sys.argv[3:]))
    except subprocess.CalledProcessError as failed:
        sys.exit(f"exit code {failed.returncode} of: {failed.cmd[-1]}")
