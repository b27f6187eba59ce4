# Copyright (c) 2026, iotfleet.ota contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What continuous integration runs and what developers run through make; each session runs alone as well."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from collections.abc import Iterator, Sequence
from pathlib import Path

import nox

nox.needs_version = ">=2025.5"
nox.options.download_python = "never"
nox.options.error_on_missing_interpreters = False
nox.options.reuse_venv = "yes"
# Sessions of different tags run side by side in "make test".
nox.options.sessions = [
    "lint",
    "units",
    "units_oldest",
    "proof",
    "build",
    "docs",
    "e2e",
    "sanity",
    "ansible_units",
    "integration",
]

ROOT = Path(__file__).resolve().parent
WORK = ROOT / ".nox"
TOOLING = ROOT / "tests" / "tooling"
CONSTRAINTS = ROOT / "constraints.txt"
APART = ROOT / "tests" / "pins"
LIBRARIES = ROOT / "tests" / "integration" / "requirements.txt"
EXAMPLES = ROOT / "docs" / "examples"
COLLECTION = Path("ansible_collections", "iotfleet", "ota")
GROUPS = nox.project.load_toml(ROOT / "pyproject.toml")

# Sessions without a Python of their own use nox's, which is the newest one that make has found.
NEWEST = f"3.{sys.version_info.minor}"
OLDEST_CORE = "ansible-core==2.16.19"
# The last version of the package on PyPI that brings the collection awx.awx along, and the hash of its wheel.
ANSIBLE_WITH_AWX = "ansible==13.8.0"
ANSIBLE_WITH_AWX_HASH = "sha256:daf9c9a2850bbc6c098ba3368aeba99d4ae37c90bca47f974dc19342c0571361"
OLDEST_CORE_PYTHONS = ("3.10", "3.11", "3.12")
OLDEST_MODULE_PYTHON = "3.9"

# The first and the last Python 3 that may run each ansible-core; its modules may run on older ones.
CORES = {"2.16": (10, 12), "2.17": (10, 12), "2.18": (11, 13), "2.19": (11, 13), "2.20": (12, 14), "2.21": (12, 14)}

# Beside the newest: those before and after templates became something that only trusted text can be.
OTHER_CORES = ("2.16", "2.19")

# It wants attrs from before 24, which others do not.
GALAXY_IMPORTER = "galaxy-importer==0.4.44"

WORKFLOWS = sorted(str(path.relative_to(ROOT)) for path in EXAMPLES.glob("pipelines/github/*.yml"))
LINTERS = (
    ("ruff", "format", "--check", "."),
    ("ruff", "check", "."),
    ("mypy",),
    ("yamllint", "--strict", "."),
    ("shellcheck", ".ci/run", "tests/tooling/pythons"),
    ("reuse", "lint", "--quiet"),
    ("antsibull-changelog", "lint"),
    ("antsibull-docs", "lint-collection-docs", "--plugin-docs", "."),
    ("ansible-lint", "--offline", "--profile", "production"),
    ("zizmor", "--offline", "--pedantic", "--quiet", "--no-progress", *WORKFLOWS),
)

# What ansible-test must say it did, because it exits with 0 as well when it found nothing to do.
ANSIBLE_TEST_PROOF = {
    "sanity": r'Running sanity test "validate-modules"',
    "units": r"\d+ passed",
    "integration": r"Running \S+ integration test",
}
ANSIBLE_TEST_DOUBT = r"All targets skipped|Skipping unit tests|no tests ran"

SHIPPED = (
    "CHANGELOG.rst",
    "LICENSE",
    "README.md",
    "changelogs/changelog.yaml",
    "docs/docsite/rst/getting_started.rst",
    "docs/examples/accounts/merge.yml",
    "docs/examples/awx/setup.yml",
    "docs/examples/execution-environment/execution-environment.yml",
    "docs/examples/execution-environment/requirements.txt",
    "docs/examples/notifications/slack.yml",
    "docs/examples/pipelines/jenkins/Jenkinsfile",
    "docs/examples/pipelines/rollout/requirements.in",
    "extensions/eda/plugins/event_source/ota_rollout.py",
    "extensions/eda/rulebooks/rollout.yml",
    "meta/execution-environment.yml",
    "meta/runtime.yml",
    "playbooks/rehearsal.yml",
    "playbooks/rollout_gate.yml",
    "plugins/action/ota_rollout_gate.py",
    "plugins/modules/ota_job_info.py",
    "plugins/plugin_utils/_gate/gate.py",
    "plugins/test/rollout.py",
    "requirements.txt",
    "roles/rollout_gate/files/rollout-report.schema.json",
    "roles/rollout_preflight/meta/argument_specs.yml",
    "roles/simulator/meta/argument_specs.yml",
)
NOT_SHIPPED = re.compile(
    r"(^|/)(\.(?!ansible-lint$)|__pycache__|tests/|docs/(site|images)|changelogs/(fragments|config)|(noxfile|Makefile|constraints|pyproject))"
)


def packages(group: str) -> tuple[str, ...]:
    return nox.project.dependency_groups(GROUPS, group)


def find_pythons() -> dict[str, Path]:
    """Return the real interpreters of this machine by version, oldest first."""
    lines = subprocess.check_output([TOOLING / "pythons"], text=True).splitlines()
    return {version: Path(path) for version, path in (line.split(" ", 1) for line in lines)}


def isolate(pythons: dict[str, Path]) -> None:
    """Put the real interpreters on PATH, in place of shims, keep the user's settings away from Ansible and git, and
    bytecode away from the sources.
    """
    for name in [name for name in os.environ if name.startswith(("ANSIBLE_", "GIT_"))]:
        del os.environ[name]
    config = WORK / "ansible" / "ansible.cfg"
    config.parent.mkdir(parents=True, exist_ok=True)
    config.touch()
    os.environ["ANSIBLE_CONFIG"] = str(config)
    os.environ["ANSIBLE_HOME"] = str(config.parent)
    # virtualenv brings a pip along, which its own hash covers, and must not look for a newer one.
    os.environ["VIRTUALENV_NO_PERIODIC_UPDATE"] = "1"
    os.environ["RUFF_CACHE_DIR"] = str(WORK / "ruff")
    os.environ["PYTHONPYCACHEPREFIX"] = str(WORK / "bytecode")
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    real = [str(path.parent) for path in reversed(pythons.values())]
    others = [folder for folder in os.environ["PATH"].split(os.pathsep) if Path(folder).name != "shims"]
    os.environ["PATH"] = os.pathsep.join([*real, *others])


PYTHONS = find_pythons()
isolate(PYTHONS)
OLDEST_PYTHON = next((version for version in OLDEST_CORE_PYTHONS if version in PYTHONS), None)


def install(session: nox.Session, group: str) -> None:
    """Install the packages of a group: only files whose hashes are in the constraints, built only with such files."""
    options = ("--require-hashes", "--build-constraint", str(CONSTRAINTS), "--constraint", str(CONSTRAINTS))
    session.install(*options, *packages(group))


def install_apart(session: nox.Session, name: str) -> None:
    """Install a set of packages that does not fit together with the constraints, by hashes of its own."""
    options = ("--require-hashes", "--build-constraint", str(CONSTRAINTS))
    session.install(*options, "--requirement", str(APART / f"{name}.txt"))


def keep_zipped_bytecode(session: nox.Session) -> None:
    """Let the virtual environment compile once what Ansible sends to it as an archive in each task."""
    purelib = session.run("python", "-c", "import sysconfig; print(sysconfig.get_path('purelib'))", silent=True).strip()
    shutil.copy2(TOOLING / "zipped_bytecode.py", purelib)
    Path(purelib, "zipped_bytecode.pth").write_text("import zipped_bytecode\n")


def git(cwd: Path, *arguments: str) -> bytes:
    return subprocess.check_output(["git", "-c", "safe.directory=*", *arguments], cwd=cwd)


def own_files() -> list[str]:
    """Return what git tracks or would add."""
    names = git(ROOT, "ls-files", "--cached", "--others", "--exclude-standard", "-z").split(b"\0")
    return [os.fsdecode(name) for name in names if name and os.path.lexists(ROOT / os.fsdecode(name))]


def copy_tree(session: nox.Session) -> Path:
    """Copy our own files to where Ansible expects a collection, as a repository of its own."""
    tree = WORK / "trees" / session.name / COLLECTION
    tree.mkdir(parents=True, exist_ok=True)
    git(tree, "init", "--quiet")
    git(tree, "add", "--all")
    git(tree, "rm", "-r", "-f", "--quiet", "--ignore-unmatch", ".")
    for name in own_files():
        (tree / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(ROOT / name, tree / name, follow_symlinks=False)
    git(tree, "add", "--all")
    session.chdir(tree)
    session.env["ANSIBLE_COLLECTIONS_PATH"] = session.env["PYTHONPATH"] = str(tree.parents[2])
    return tree


def build_collection(session: nox.Session) -> Path:
    """Build the collection's artifact from the checkout."""
    folder = WORK / "artifacts" / session.name
    shutil.rmtree(folder, ignore_errors=True)
    session.run("ansible-galaxy", "collection", "build", "--output-path", str(folder), str(ROOT), silent=True)
    return next(folder.glob("*.tar.gz"))


def install_collection(session: nox.Session) -> None:
    """Install the collection as a user would, where this session's Ansible looks for it and nowhere else."""
    target = WORK / "collections" / session.name
    options = ("--offline", "--no-deps", "--force", "--collections-path", str(target))
    session.env["ANSIBLE_COLLECTIONS_PATH"] = str(target)
    session.run("ansible-galaxy", "collection", "install", *options, str(build_collection(session)), silent=True)


def unpack_awx_collection(session: nox.Session) -> Path:
    """Unpack the collection awx.awx, which PyPI has inside of the package ansible only."""
    folder = WORK / "collections" / ANSIBLE_WITH_AWX
    if not folder.exists():
        tmp = Path(session.create_tmp())
        wanted_file = tmp / "requirements.txt"
        wanted_file.write_text(f"{ANSIBLE_WITH_AWX} --hash={ANSIBLE_WITH_AWX_HASH}\n")
        options = ("--quiet", "--no-deps", "--ignore-requires-python", "--dest", str(tmp))
        session.run("python", "-m", "pip", "download", *options, "--requirement", str(wanted_file))
        wheel = next(tmp.glob("ansible-*.whl"))
        with zipfile.ZipFile(wheel) as archive:
            wanted = [name for name in archive.namelist() if name.startswith("ansible_collections/awx/awx/")]
            archive.extractall(tmp / "unpacked", wanted)
        wheel.unlink()
        folder.parent.mkdir(parents=True, exist_ok=True)
        (tmp / "unpacked").rename(folder)
    return folder


def install_other_cores(session: nox.Session) -> Iterator[Path]:
    """Install ansible-cores beside that of the session, each once, and return the folders of their commands."""
    for core in OTHER_CORES:
        first, last = CORES[core]
        pythons = [PYTHONS[f"3.{minor}"] for minor in range(first, last + 1) if f"3.{minor}" in PYTHONS]
        folder = WORK / "cores" / core / "bin"
        if pythons and not (folder / "ansible-playbook").exists():
            session.run(str(pythons[-1]), "-m", "venv", "--clear", str(folder.parent), external=True)
            options = ("--quiet", "--disable-pip-version-check", "--require-hashes", "--requirement")
            pins = str(APART / f"core-{core}.txt")
            session.run(str(folder / "python"), "-m", "pip", "install", *options, pins, external=True)
        if pythons:
            yield folder


def run_ansible_test(session: nox.Session, command: str, pythons: Sequence[str] = (NEWEST,)) -> None:
    """Run ansible-test in a home of its own, and believe its success only if it did something."""
    install(session, "runtime")
    copy_tree(session)
    home = WORK / "home"
    home.mkdir(exist_ok=True)
    for name in (".cache", ".config", ".pip"):
        if Path.home().joinpath(name).exists() and not home.joinpath(name).is_symlink():
            home.joinpath(name).symlink_to(Path.home() / name)
    session.env["HOME"] = str(home)
    session.run("python", str(TOOLING / "prime_ansible_test.py"))
    for python in pythons:
        options = ("--venv", "--color", "no", "--python", python)
        output = session.run("ansible-test", command, *options, *session.posargs, silent=True)
        session.log(output)
        if re.search(ANSIBLE_TEST_DOUBT, output) or not re.search(ANSIBLE_TEST_PROOF[command], output):
            session.error(f"ansible-test {command} {' '.join(options)} ran nothing")


@nox.session
def lint(session: nox.Session) -> None:
    """Run all linters, or those named after "--"."""
    install(session, "lint")
    copy_tree(session)
    failed = []
    for linter in LINTERS:
        if not session.posargs or linter[0] in session.posargs:
            try:
                session.run(*linter)
            except nox.command.CommandFailed:
                failed.append(" ".join(linter))
    if failed:
        session.error(f"failed: {', '.join(failed)}")


@nox.session
def units(session: nox.Session) -> None:
    """Run the unit tests on the newest ansible-core, with coverage."""
    install(session, "units")
    copy_tree(session)
    # Python itself counts lines almost for nothing since 3.12, and branches since 3.14.
    monitoring, branches = sys.version_info >= (3, 12), sys.version_info >= (3, 14)
    session.env["COVERAGE_CORE"] = "sysmon" if monitoring else "ctrace"
    counted = ("--cov", "--cov-branch") if branches or not monitoring else ("--cov",)
    session.run("pytest", "-n", "2", "tests/unit", *counted, *session.posargs)


@nox.session(python=OLDEST_PYTHON or NEWEST)
def units_oldest(session: nox.Session) -> None:
    """Run the unit tests on the oldest Python, ansible-core and libraries that are supported."""
    if not OLDEST_PYTHON:
        session.skip(f"{OLDEST_CORE} needs one of Python {', '.join(OLDEST_CORE_PYTHONS)}")
    install_apart(session, "oldest")
    copy_tree(session)
    session.run("pytest", "-n", "2", "tests/unit", *session.posargs)


@nox.session
def proof(session: nox.Session) -> None:
    """Let the gate judge 20,000 simulated rollouts, and search for one that fools it.

    With "-- --thorough", they are 1,000,000. Other options are those of tests.proof.
    """
    install(session, "units")
    copy_tree(session)
    options = session.posargs
    if options in ([], ["--thorough"]):
        session.run("pytest", "-n", "2", "tests/proof", *options)
        options = ["--rollouts", "1000000" if options else "20000"]
    session.run("python", "-m", "tests.proof", *options)


@nox.session
def build(session: nox.Session) -> None:
    """Build the collection, inspect it, let Galaxy's importer judge it, install it offline and read its docs."""
    install_apart(session, "importer")
    install_collection(session)
    artifact = next((WORK / "artifacts" / session.name).glob("*.tar.gz"))
    with tarfile.open(artifact) as opened:
        names = {member.name for member in opened if member.isfile()} - {"MANIFEST.json", "FILES.json"}
    missing = [name for name in SHIPPED if name not in names]
    surplus = names.difference(own_files()) | {name for name in names if NOT_SHIPPED.search(name)}
    if missing or surplus:
        session.error(f"missing: {missing}, not for users: {surplus}")
    session.log(f"{len(names)} files")

    session.chdir(artifact.parent)
    # ansible-lint is a part of "lint", with a stricter profile; on a busy machine the importer would not wait for it.
    settings = Path("importer.cfg")
    settings.write_text("[galaxy-importer]\nRUN_ANSIBLE_LINT = False\n")
    environment = {"GALAXY_IMPORTER_CONFIG": str(settings.resolve())}
    output = session.run("python", "-m", "galaxy_importer.main", artifact.name, silent=True, env=environment)
    if re.search(r"^(?!Loading )\w*(WARN|ERROR|CRITICAL)", output, re.MULTILINE) or "successfully" not in output:
        session.error(f"Galaxy's importer complains:\n{output}")
    session.run("ansible-galaxy", "collection", "verify", "--offline", "iotfleet.ota")
    session.run("ansible-doc", "--metadata-dump", "iotfleet.ota", silent=True)


@nox.session
def release_check(session: nox.Session) -> None:
    """Check what a release needs beyond a good commit: nothing uncommitted, a whole changelog, a new version.

    Write the bill of materials of the artifact that the session "build" has inspected.
    """
    install(session, "release")
    version = re.search(r"^version: (\S+)$", (ROOT / "galaxy.yml").read_text(), re.MULTILINE)[1]
    for path in ROOT.glob("docs/examples/**/requirements.yml"):
        pinned = set(re.findall(r"(?:version: |iotfleet-ota-)(\d+\.\d+\.\d+)", path.read_text()))
        if pinned != {version}:
            session.error(f"{path.relative_to(ROOT)} does not install {version}; mend it")
    if "<!-- matrix -->\n<!-- end" in (ROOT / "README.md").read_text():
        session.error('README.md does not say what was tried; run "make matrix"')
    waiting = sorted(path.name for path in ROOT.glob("changelogs/fragments/*.yml"))
    if waiting:
        session.error(f'these changes are in no release yet: {", ".join(waiting)}; run "make changelog"')
    if git(ROOT, "status", "--porcelain"):
        session.error("there are changes that are not committed; commit them")
    if git(ROOT, "tag", "--list", version, f"v{version}"):
        session.error(f"{version} is released already; raise the version in galaxy.yml")
    tree = copy_tree(session)
    session.run("antsibull-changelog", "lint-changelog-yaml", "changelogs/changelog.yaml")
    session.run("antsibull-changelog", "generate", "--refresh-plugins", "--reload-plugins", silent=True)
    written = (tree / "CHANGELOG.rst").read_text()
    if written != (ROOT / "CHANGELOG.rst").read_text() or f"\nv{version}\n" not in written:
        session.error(f'CHANGELOG.rst does not say what {version} brings; run "make changelog"')
    artifact = WORK / "artifacts" / "build" / f"iotfleet-ota-{version}.tar.gz"
    if not artifact.exists():
        session.error('there is no artifact; run "make release-check", which builds and inspects it')
    session.run("python", str(TOOLING / "sbom.py"), str(artifact))
    session.log(f"{version} can be released: the artifact and its bill of materials are in {artifact.parent}")


@nox.session
def docs(session: nox.Session) -> None:
    """Build the documentation site into the folder "site"; whatever Sphinx warns of is an error."""
    install(session, "docs")
    tree = copy_tree(session)
    pages, site = WORK / "pages", ROOT / "site"
    for folder in (pages, site):
        shutil.rmtree(folder, ignore_errors=True)
    pages.mkdir(mode=0o755)
    source = tree / "docs" / "site"
    config = ("--config-file", str(source / "antsibull-docs.cfg"))
    options = ("--use-current", "--squash-hierarchy", "--fail-on-error", "--dest-dir", str(pages))
    with tempfile.TemporaryDirectory() as outside:
        # Ansible finds no roles beneath two folders ansible_collections, as where the checkout itself is in one.
        shutil.copytree(tree, Path(outside) / COLLECTION)
        session.env["ANSIBLE_COLLECTIONS_PATH"] = session.env["PYTHONPATH"] = outside
        session.run("antsibull-docs", *config, "collection", *options, "iotfleet.ota")
    shutil.copy2(source / "index.rst", pages)  # in place of the one that antsibull-docs has made
    shutil.copy2(tree / "CHANGELOG.rst", pages / "changelog.rst")
    strict = ("--quiet", "--fail-on-warning", "--keep-going", "--nitpicky")
    session.run("sphinx-build", *strict, "--conf-dir", str(source), "-d", session.create_tmp(), str(pages), str(site))
    session.log(f"open {site.relative_to(ROOT)}/index.html")


@nox.session(tags=["e2e"])
def e2e(session: nox.Session) -> None:
    """Run the end-to-end tests against the installed collection, next to the vendors' own SDKs."""
    install(session, "e2e")
    keep_zipped_bytecode(session)
    install_collection(session)
    session.env["AWX_COLLECTIONS"] = str(unpack_awx_collection(session))
    session.env["OTHER_CORES"] = os.pathsep.join(map(str, install_other_cores(session)))
    session.run("pytest", "-p", "no:cacheprovider", "-n", "4", "--dist", "loadfile", "tests/e2e", *session.posargs)


@nox.session(tags=["ansible-test"])
def sanity(session: nox.Session) -> None:
    """Run ansible-test sanity on every Python that there is."""
    run_ansible_test(session, "sanity", pythons=["default"])


@nox.session(tags=["ansible-test"])
def ansible_units(session: nox.Session) -> None:
    """Run ansible-test units on the oldest Python for modules, where no ansible-core of today can run."""
    if OLDEST_MODULE_PYTHON not in PYTHONS:
        session.skip(f"there is no Python {OLDEST_MODULE_PYTHON}")
    run_ansible_test(session, "units", pythons=(OLDEST_MODULE_PYTHON,))


@nox.session(tags=["ansible-test"])
def integration(session: nox.Session) -> None:
    """Run ansible-test integration."""
    run_ansible_test(session, "integration")


def cells() -> Iterator[object]:
    """Every ansible-core with every Python that it supports for modules, and the Python that runs ansible-core then."""
    for core, (first, last) in CORES.items():
        controllers = [f"3.{minor}" for minor in range(first, last + 1) if f"3.{minor}" in PYTHONS]
        for minor in range(int(OLDEST_MODULE_PYTHON.removeprefix("3.")), last + 1):
            modules = f"3.{minor}"
            controller = modules if modules in controllers else (controllers or [NEWEST])[-1]
            yield nox.param(controller, core, modules, id=f"{core}-{modules}-{controller}")


@nox.session
@nox.parametrize("python,core,modules", list(cells()))
def matrix(session: nox.Session, core: str, modules: str) -> None:
    """Run the integration tests on an ansible-core and a Python, and the rehearsal where that Python runs both."""
    first, last = CORES[core]
    if modules not in PYTHONS or not first <= int(str(session.python).removeprefix("3.")) <= last:
        session.skip(f"there is no Python for ansible-core {core} with modules on {modules}")
    install_apart(session, f"core-{core}")
    asked = "from ansible_test._util.target.common.constants import CONTROLLER_PYTHON_VERSIONS as known; print(*known)"
    known = session.run("python", "-c", asked, silent=True).split()
    if (known[0], known[-1]) != (f"3.{first}", f"3.{last}"):
        session.error(f"ansible-core {core} itself says that it runs on {known}; mend CORES")
    interpreter = Path(session.bin) / "python"
    tree = copy_tree(session)
    if modules != session.python:
        folder = WORK / "modules" / modules
        session.run(str(PYTHONS[modules]), "-m", "venv", str(folder), external=True)
        interpreter = folder / "bin" / "python"
        libraries = ("--require-hashes", "--requirement", str(LIBRARIES))
        session.run(str(interpreter), "-m", "pip", "install", "-q", *libraries, external=True)
    variables = {"ansible_python_interpreter": str(interpreter), "core_wanted": core, "python_wanted": modules}
    play = ("ansible-playbook", "-i", "localhost,", "-e", json.dumps(variables))
    session.env["ANSIBLE_ROLES_PATH"] = str(tree / "tests" / "integration" / "targets")
    session.run(*play, "tests/integration/all.yml", silent=True)
    if modules == session.python:
        reports = f"rehearsal_reports={session.create_tmp()}/reports"
        session.run(*play, "-e", reports, "iotfleet.ota.rehearsal", silent=True)


@nox.session
def demo(session: nox.Session) -> None:
    """Rehearse a rollout and its gate with the installed collection, and record the lines of the gate and its page."""
    install(session, "runtime")
    install_collection(session)
    reports = ROOT / "reports"
    reports.mkdir(exist_ok=True)
    variables = {"ansible_python_interpreter": f"{session.bin}/python", "rehearsal_reports": str(reports)}
    options = ("-i", "localhost,", "-e", json.dumps(variables))
    record = ("python", str(TOOLING / "recording.py"), "--svg", str(reports / "fleet.svg"))
    rehearse = ("ansible-playbook", "iotfleet.ota.rehearsal", *options, *session.posargs)
    session.run(*record, "--page", str(reports / "fleet.html"), "--", *rehearse)


@nox.session
def bench(session: nox.Session) -> None:
    """Measure the installed collection against SDKs, Ansible's own means and version 0.2.0, about 50 minutes."""
    install(session, "e2e")
    install_collection(session)
    session.env["PYTHONDONTWRITEBYTECODE"] = "1"
    session.env["PYTHONPATH"] = session.env["ANSIBLE_COLLECTIONS_PATH"]
    session.run("python", "-m", "tests.benchmarks", *session.posargs)


@nox.session
def mutants(session: nox.Session) -> None:
    """Make small faults in the judge, one at a time, and count how many of them the unit tests notice."""
    install(session, "mutants")
    copy_tree(session)
    session.run("poodle", *session.posargs)


@nox.session
def changelog(session: nox.Session) -> None:
    """Turn the changelog's fragments into the entry of the version in galaxy.yml."""
    install(session, "lint")
    tree = copy_tree(session)
    session.run("antsibull-changelog", "release", "--update-existing", "--refresh-plugins", "--reload-plugins")
    for name in ("CHANGELOG.rst", "changelogs/changelog.yaml"):
        shutil.copy2(tree / name, ROOT / name)
    for fragment in ROOT.glob("changelogs/fragments/*.yml"):
        if not (tree / fragment.relative_to(ROOT)).exists():
            fragment.unlink()


@nox.session(name="format")
def format_code(session: nox.Session) -> None:
    """Format the Python code of the checkout and apply the linter's safe fixes."""
    install(session, "lint")
    session.run("ruff", "check", "--fix-only", ".")
    session.run("ruff", "format", ".")


def sets_apart() -> Iterator[tuple[Path, str, Sequence[str]]]:
    """Yield what does not fit together with the constraints: its file, the oldest Python for it, and the packages."""
    bounds = re.findall(r"^\w+>=\S+$", (ROOT / "requirements.txt").read_text(), re.MULTILINE)
    oldest = [bound.replace(">=", "==") for bound in bounds]
    yield LIBRARIES, OLDEST_MODULE_PYTHON, packages("modules")
    # ansible-test reads this file, as it reads that of the integration tests.
    yield ROOT / "tests" / "unit" / "requirements.txt", OLDEST_MODULE_PYTHON, packages("ansible_units")
    yield APART / "oldest.txt", OLDEST_CORE_PYTHONS[0], (*packages("testing"), OLDEST_CORE, *oldest)
    yield APART / "importer.txt", OLDEST_CORE_PYTHONS[0], (*packages("runtime"), GALAXY_IMPORTER)
    for core, (first, _last) in CORES.items():
        yield APART / f"core-{core}.txt", f"3.{first}", (*packages("modules"), f"ansible-core~={core}.0")


def pin(session: nox.Session, target: Path, python: str, *sources: str) -> None:
    """Write the newest versions that fit together on each Python since this one, with the hashes of PyPI's files."""
    header = re.match(r"(?:#.*\n|\n)*", (target if target.exists() else CONSTRAINTS).read_text())[0]
    # A release that somebody has hijacked is usually found within a week.
    origin = ("--no-config", "--default-index=https://pypi.org/simple", "--exclude-newer=7 days")
    form = ("--universal", f"--python-version={python}", "--generate-hashes", "--emit-build-options")
    bare = ("--no-header", "--no-annotate", "--quiet")
    target.write_text(header + session.run("uv", "pip", "compile", *origin, *form, *bare, *sources, silent=True))


@nox.session
def pins(session: nox.Session) -> None:
    """Renew the versions and hashes of everything that the sessions and the examples install."""
    install(session, "pins")
    session.env.update(dict.fromkeys(("UV_EXTRA_INDEX_URL", "UV_FIND_LINKS", "UV_INDEX")))
    oldest = OLDEST_CORE_PYTHONS[0]
    pin(session, CONSTRAINTS, oldest, *(f"--group={name}" for name in GROUPS["dependency-groups"]))
    for target, python, wanted in sets_apart():
        source = Path(session.create_tmp()) / "requirements.in"
        source.write_text("\n".join(wanted))
        pin(session, target, python, str(source))
    for source in EXAMPLES.rglob("requirements.in"):
        pin(session, source.with_suffix(".txt"), oldest, str(source), f"--constraint={CONSTRAINTS}")
