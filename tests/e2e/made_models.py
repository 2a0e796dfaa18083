"""The models that make_test_models writes, made once for the tests of a file and removed at their end."""

import atexit
import os
import pathlib
import subprocess
import sys
import tempfile

_MAKER = os.environ.get("OAG_MAKE_TEST_MODELS")
if not _MAKER:
    sys.exit("OAG_MAKE_TEST_MODELS is not set; it names the program make_test_models of the build")

_temporary = tempfile.TemporaryDirectory(prefix="oag_made_models.")
atexit.register(_temporary.cleanup)
MADE = pathlib.Path(_temporary.name)
subprocess.run([_MAKER, str(MADE)], check=True, timeout=120)

GLM4V = MADE / "glm4v"  # a Hugging Face folder, with its GGUF files
