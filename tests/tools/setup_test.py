"""tools/setup and tools/quickstart against made-up machines: stand-ins for dpkg-query, apt-get, id and sudo are first in
the path, and the system's name comes from a made-up file."""

import os
import pathlib
import shutil
import subprocess
import tempfile
import unittest

from scripts import copy_tools

DEBIAN_12 = 'ID=debian\nVERSION_ID="12"\nPRETTY_NAME="Debian GNU/Linux 12 (bookworm)"\n'
# What the scripts use of a real system; nothing else is in the path.
REAL_COMMANDS = ("awk", "bash", "basename", "cat", "dirname", "env", "grep", "mkdir", "printf", "stat", "tail", "tr")


class SetupTest(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.root = pathlib.Path(folder.name) / "clone"
        copy_tools(self.root)
        self.bin = pathlib.Path(folder.name) / "bin"
        self.bin.mkdir()
        for command in REAL_COMMANDS:
            (self.bin / command).symlink_to(shutil.which(command))
        self.calls = pathlib.Path(folder.name) / "calls"
        self.calls.touch()
        self.os_release = pathlib.Path(folder.name) / "os-release"
        self.os_release.write_text(DEBIAN_12, encoding="utf-8")
        lines = (self.root / "tools/packages.txt").read_text(encoding="utf-8").splitlines()
        self.packages = [line.split()[1] for line in lines if line.startswith("build ")]
        self.install(self.packages)
        self.command("apt-get", f'echo "apt-get $*" >>{self.calls}')
        self.command("id", "echo 0")

    def command(self, name, script):
        path = self.bin / name
        path.write_text(f"#!/bin/bash\n{script}\n", encoding="utf-8")
        path.chmod(0o755)

    def install(self, packages, removed=()):
        lines = [f"ii {name}" for name in packages] + [f"rc {name}" for name in removed]
        self.command("dpkg-query", "cat <<'END'\n" + "\n".join(lines) + "\nEND\nexit 1")

    def run_script(self, name, *arguments):
        environment = {"PATH": str(self.bin), "OAG_OS_RELEASE": str(self.os_release), "HOME": os.environ.get("HOME", "/")}
        return subprocess.run([self.root / "tools" / name, *arguments], capture_output=True, text=True, check=False,
                              env=environment, stdin=subprocess.DEVNULL)

    def run_setup(self, *arguments):
        return self.run_script("setup", *arguments)

    def assert_refused(self, result, *parts):
        self.assertEqual(result.returncode, 1, result.stdout + result.stderr)
        for part in parts:
            self.assertIn(part, result.stderr)

    def test_nothing_missing_calls_no_apt(self):
        result = self.run_setup()
        self.assertEqual((result.returncode, result.stderr), (0, ""))
        self.assertEqual(len(result.stdout.splitlines()), 1)
        self.assertEqual(self.calls.read_text(), "")

    def test_root_installs_exactly_what_is_missing(self):
        self.install(self.packages[2:], removed=self.packages[:1])
        result = self.run_setup("build")
        self.assertEqual(result.returncode, 0, result.stderr)
        update, install = self.calls.read_text().splitlines()
        self.assertTrue(update.endswith(" update"), update)
        self.assertTrue(install.endswith(" install -y --no-install-recommends " + " ".join(self.packages[:2])), install)

    def test_groups_add_up(self):
        wanted = self.run_setup("--list", "build", "arm64").stdout.split()
        self.assertLess(len(self.packages), len(wanted))
        result = self.run_setup("--check", "build", "arm64")
        self.assertEqual(result.returncode, 3)
        self.assertEqual(result.stdout.split()[2:], [name for name in wanted if name not in self.packages])
        self.assertEqual(self.calls.read_text(), "")

    def test_a_user_with_sudo_installs_through_it(self):
        self.install(self.packages[1:])
        self.command("id", "echo 1000")
        self.command("sudo", f'echo "sudo $*" >>{self.calls}; while [[ $1 == -* ]]; do shift; done; "$@"')
        result = self.run_setup()
        self.assertEqual(result.returncode, 0, result.stderr)
        self.assertIn(f"--no-install-recommends {self.packages[0]}", self.calls.read_text())
        self.assertIn("sudo -n env", self.calls.read_text())

    def test_a_user_without_sudo_is_told_the_line_to_run(self):
        self.install(self.packages[1:])
        self.command("id", "echo 1000")
        self.assert_refused(self.run_setup(), "needs root, and there is no sudo",
                            f"apt-get install -y --no-install-recommends {self.packages[0]}")
        self.assertEqual(self.calls.read_text(), "")

    def test_sudo_that_needs_a_password_without_a_terminal_says_so(self):
        self.install(self.packages[1:])
        self.command("id", "echo 1000")
        self.command("sudo", "exit 1")
        self.assert_refused(self.run_setup(), "no terminal", "apt-get install")

    def test_another_distribution_is_told_the_packages(self):
        self.install(self.packages[1:])
        for text, name in (('ID=ubuntu\nVERSION_ID="24.04"\nPRETTY_NAME="Ubuntu 24.04"\n', "Ubuntu 24.04"),
                           (DEBIAN_12.replace("12", "13"), "Debian GNU/Linux 13"), ("", "an unknown system")):
            self.os_release.write_text(text, encoding="utf-8")
            self.assert_refused(self.run_setup(), f"this is {name}", self.packages[0], "--no-setup")
        self.assertEqual(self.calls.read_text(), "")

    def test_another_distribution_with_everything_there_is_fine(self):
        self.os_release.write_text("ID=ubuntu\n", encoding="utf-8")
        self.assertEqual(self.run_setup().returncode, 0)

    def test_no_network_is_told_apart_and_shows_the_log(self):
        self.install(self.packages[1:])
        self.command("apt-get", 'echo "E: Failed to fetch thing  Temporary failure resolving"; exit 100')
        self.assert_refused(self.run_setup(), "Temporary failure resolving", "is the network there?", "https_proxy")

    def test_a_busy_package_manager_is_told_apart(self):
        self.install(self.packages[1:])
        self.command("apt-get", 'echo "E: Could not get lock /var/lib/dpkg/lock"; exit 100')
        self.assert_refused(self.run_setup(), "another package manager is at work")

    def test_an_unknown_package_names_the_source_line(self):
        self.install(self.packages[1:])
        self.command("apt-get", 'echo "E: Unable to locate package thing"; exit 100')
        self.assert_refused(self.run_setup(), "apt does not know", "bookworm main")

    def test_a_failed_refresh_alone_ends_nothing(self):
        self.install(self.packages[1:])
        self.command("apt-get", f'echo "$*" >>{self.calls}; [[ $* != *" update" ]]')
        self.assertEqual(self.run_setup().returncode, 0)
        self.assertEqual(len(self.calls.read_text().splitlines()), 2)

    def test_an_unknown_word_is_a_usage_error(self):
        for script in ("setup", "quickstart", "test"):
            result = self.run_script(script, "--bulid")
            self.assertEqual(result.returncode, 2, script)
            self.assertIn('"--bulid"', result.stderr)

    def test_quickstart_without_the_right_to_install_stops_before_building(self):
        self.install(self.packages[1:])
        self.command("id", "echo 1000")
        self.assert_refused(self.run_script("quickstart"), "there is no sudo")

    def test_quickstart_without_setup_and_cmake_names_what_to_install(self):
        self.assert_refused(self.run_script("quickstart", "--no-setup"), "there is no cmake", "libfmt-dev")


if __name__ == "__main__":
    unittest.main()
