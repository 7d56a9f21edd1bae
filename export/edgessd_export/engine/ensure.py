"""The builder as a process of its own, for a runtime that must not import it: one JSON line in, one out.

    python -m edgessd_export.engine.ensure '{"onnx": "M.onnx", "module": "auto"}'

prints ``{"engine": path, "built": bool, "reason": text}`` or ``{"error": text, "exit_code": number}``. Progress goes to
standard error. The process gives the builder's memory back when it ends, and takes a crash of it alone.
"""

import json
import os
import sys
from pathlib import Path

from edgessd.errors import EdgessdError
from edgessd_export.engine.cache import ensure_engine
from edgessd_export.engine.options import BuildOptions, options_from_json
from edgessd_export.engine.progress import build_progress

INTERRUPTED = 130


def main() -> int:
    """Answer one request and return the exit code."""
    request = json.loads(sys.argv[1])
    # Libraries print to descriptor 1 as they like: the answer keeps it for itself.
    answer = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    options = options_from_json(request["options"]) if request.get("options") else BuildOptions()
    try:
        with build_progress() as phases:
            engine = ensure_engine(Path(request["onnx"]), options, phases, module=request.get("module", "auto"))
    except EdgessdError as error:
        print(json.dumps({"error": str(error), "exit_code": error.exit_code}), file=answer, flush=True)
        return error.exit_code
    except KeyboardInterrupt:
        return INTERRUPTED
    print(
        json.dumps({"engine": str(engine.path), "built": engine.built, "reason": engine.reason}),
        file=answer,
        flush=True,
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
