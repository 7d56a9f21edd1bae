"""Whether a host and port answer, and in which words they do not."""

import socket

PATIENCE = 3.0


def why_unreachable(host: str, port: int, seconds: float = PATIENCE) -> str | None:
    """Return why no connection comes about, None where it does."""
    try:
        socket.create_connection((host, port), timeout=seconds).close()
    except socket.gaierror:
        return f"no DNS server knows the name {host}"
    except UnicodeError:
        return f"{host} cannot be a host's name: its parts have 1 to 63 letters"
    except ConnectionRefusedError:
        return "nothing listens there"
    except TimeoutError:
        return f"it does not answer within {seconds:g} s"
    except OSError as error:
        return error.strerror or str(error)
    return None


def broker_fault(host: str, port: int, cause: str) -> str:
    """Return a line about an MQTT broker that cannot be reached: where, why, and the next command."""
    return f"MQTT broker {host}:{port} cannot be reached ({cause}): {broker_command(host, port)}"


def broker_command(host: str, port: int) -> str:
    """Return what brings a broker up, or shows whether it answers."""
    if host in ("localhost", "127.0.0.1", "::1"):
        return "sudo apt install mosquitto && sudo systemctl enable --now mosquitto"
    return f"mosquitto_sub -h {host} -p {port} -t '$SYS/broker/version' -C 1 -W 5"
