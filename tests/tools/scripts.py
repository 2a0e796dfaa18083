"""How the tests of tools/ run its scripts."""

import contextlib
import importlib.util
import io
import pathlib
import shutil
import sys
import types
import unittest.mock

ROOT = pathlib.Path(__file__).resolve().parents[2]
SHELL_TOOLS = ("lib", "setup", "quickstart", "test", "packages.txt", "check_layers.py", "check_schemas.py")


def run_python(name, *arguments, stdin=""):
    """Runs main() of tools/NAME.py in this process; returns returncode, stdout and stderr."""
    spec = importlib.util.spec_from_file_location(name, ROOT / "tools" / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    out, err = io.StringIO(), io.StringIO()
    with (contextlib.redirect_stdout(out), contextlib.redirect_stderr(err),
          unittest.mock.patch.object(sys, "stdin", io.StringIO(stdin))):
        status = module.main([str(argument) for argument in arguments])
    return types.SimpleNamespace(returncode=status, stdout=out.getvalue(), stderr=err.getvalue())


def copy_tools(folder):
    """Copies the shell scripts and what they use into a made-up project."""
    (folder / "tools").mkdir(parents=True)
    for name in SHELL_TOOLS:
        source = ROOT / "tools" / name
        if source.is_dir():
            shutil.copytree(source, folder / "tools" / name)
        else:
            shutil.copy2(source, folder / "tools" / name)
