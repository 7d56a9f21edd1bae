"""``edgessd hash-password``: a password's hash for ``[view]`` in a configuration."""

import sys

import typer


def hash_password() -> None:
    """Ask for a password, or read a line of standard input, and print its hash for the page's password_hash."""
    from edgessd.view.password import hash_password as hashed

    if sys.stdin.isatty():
        password = typer.prompt("Password", hide_input=True, confirmation_prompt=True, err=True)
    else:
        password = sys.stdin.readline().rstrip("\r\n")
    typer.echo(f'password_hash = "{hashed(password)}"')
