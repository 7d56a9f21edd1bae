"""The container's health check: exit 0 when the metrics answer and a stream's last frame is young.

    python healthy.py [URL] [SECONDS]

One living camera is enough: a container that is started again brings no dead camera back.
"""

import re
import sys
import urllib.request

AGE = re.compile(r"^edgessd_last_frame_age_seconds\{.*\} (\S+)$", re.MULTILINE)


def youngest(metrics: str) -> float | None:
    """Return the age of the youngest last frame in seconds, None when no stream had one."""
    ages = [float(age) for age in AGE.findall(metrics)]
    return min(ages) if ages else None


def main(url: str = "http://127.0.0.1:9464/metrics", seconds: str = "60") -> int:
    """Print what was found in one line; return the exit code."""
    try:
        with urllib.request.urlopen(url, timeout=5) as answer:
            age = youngest(answer.read().decode())
    except OSError as error:
        print(f"no metrics at {url}: {error}")
        return 1
    if age is None:
        print("no stream had a frame yet")
        return 1
    print(f"the last frame is {age:.1f} s old")
    return 0 if age <= float(seconds) else 1


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
