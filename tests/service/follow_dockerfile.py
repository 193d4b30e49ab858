"""Follow a Dockerfile line by line without a daemon: `make image`, as root on Debian, which stands for the base image.

Every stage begins with this machine's root under an overlay, so that nothing here is changed; COPY, RUN, ENV, USER and
ENTRYPOINT are done in their order, in a mount namespace of their own. What differs from a build by Docker is the base:
this machine's Debian and its Python in the place of `python:3.13-slim`.
"""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

PROJECT = Path(__file__).parents[2]
DOCKERFILE = PROJECT / "docs" / "deploy" / "Dockerfile"
PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
LIMIT_S = 1200
FOLLOWED = {"FROM", "WORKDIR", "COPY", "RUN", "USER", "ENV", "ENTRYPOINT", "HEALTHCHECK", "EXPOSE", "STOPSIGNAL"}
KEYS = "etc/rustkernel/keys"


def instructions(text: str) -> Iterator[tuple[str, str]]:
    """Yield each instruction and its words."""
    whole = re.sub(r"\\\n\s*", "", "\n".join(line for line in text.splitlines() if not line.startswith("#")))
    for line in whole.splitlines():
        if line.strip():
            name, _, rest = line.strip().partition(" ")
            yield name.upper(), rest.strip()


def mounted(*words: str) -> None:
    subprocess.run(["mount", *words], check=True)


class Stage:
    """One stage: a root of its own, and what holds for the commands in it."""

    def __init__(self, work: Path, name: str) -> None:
        self.root = work / name / "root"
        upper, inner = work / name / "upper", work / name / "inner"
        for folder in (self.root, upper, inner):
            folder.mkdir(parents=True)
        mounted("-t", "overlay", "overlay", "-o", f"lowerdir=/,upperdir={upper},workdir={inner}", str(self.root))
        for name in ("proc", "dev", "sys"):
            mounted("--rbind", f"/{name}", str(self.root / name))
        python = self.root / "usr/local/bin/python"
        python.unlink(missing_ok=True)
        python.symlink_to("/usr/bin/python3")
        self.folder, self.user = "/", "0:0"
        kept = {name: value for name, value in os.environ.items() if name.startswith("PIP_")}
        self.environ = {"PATH": PATH, "HOME": "/root"} | kept
        self.entry: list[str] = []
        self.check: list[str] = []

    def command(self, words: list[str]) -> list[str]:
        """Return what runs these words in it, as its user."""
        return ["chroot", f"--userspec={self.user}", str(self.root), *words]

    def run(self, *words: str) -> None:
        subprocess.run(self.command([*words]), env=self.environ, check=True, timeout=LIMIT_S)

    def copy(self, words: list[str], stages: dict[str, Stage]) -> None:
        source = PROJECT
        if words[0].startswith("--from="):
            source = stages[words.pop(0).removeprefix("--from=")].root
        *names, to = words
        target = self.root / os.path.join(self.folder, to).lstrip("/")
        for name in names:
            place, into = source / name.lstrip("/"), target / Path(name).name if to.endswith("/") else target
            into.parent.mkdir(parents=True, exist_ok=True)
            if place.is_dir():
                shutil.copytree(place, into, symlinks=True, ignore=shutil.ignore_patterns("__pycache__"))
            else:
                shutil.copy2(place, into)

    def follow(self, name: str, rest: str, stages: dict[str, Stage]) -> None:
        """Do one instruction."""
        match name:
            case "WORKDIR":
                self.folder = rest
                (self.root / rest.lstrip("/")).mkdir(parents=True, exist_ok=True)
            case "COPY":
                self.copy(rest.split(), stages)
            case "RUN":
                self.run("sh", "-c", f"cd {shlex.quote(self.folder)} && {rest}")
            case "USER":
                self.user = rest
            case "ENV":
                pairs = (pair.partition("=") for pair in shlex.split(rest))
                self.environ |= {key: value.replace("$PATH", PATH) for key, _, value in pairs}
            case "ENTRYPOINT":
                self.entry = json.loads(rest)
            case "HEALTHCHECK":
                self.check = json.loads(rest.partition("CMD ")[2])
            case _:
                assert name in FOLLOWED, name  # the others say something to Docker alone


def built(work: Path) -> Stage:
    """Build every stage; return the last."""
    stages: dict[str, Stage] = {}
    stage: Stage | None = None
    for name, rest in instructions(DOCKERFILE.read_text()):
        print(f"{name} {rest}", flush=True)
        if name == "FROM":
            label = rest.partition(" AS ")[2] or "last"
            stage = stages[label] = Stage(work, label)
        else:
            assert stage is not None
            stage.follow(name, rest, stages)
    assert stage is not None
    return stage


@contextmanager
def running(stage: Stage) -> Iterator[subprocess.Popen[bytes]]:
    """Run what the image runs, as `docker run --read-only` with the volumes of docs/deployment.md."""
    uid, gid = stage.user.split(":")
    keys = stage.root / KEYS
    keys.mkdir(parents=True)
    os.chown(keys, int(uid), int(gid))
    create = ("rustkernel", "keys", "create", "--role", "operator", "--name", "of-the-test")
    stage.run(*create, "--file", f"/{KEYS}/api-keys.json")
    mounted("-t", "tmpfs", "tmpfs", str(stage.root / "tmp"))
    mounted("-t", "tmpfs", "-o", f"uid={uid}", "tmpfs", str(stage.root / "var/lib/rustkernel"))
    mounted("-o", "remount,ro", str(stage.root))
    process = subprocess.Popen(stage.command(stage.entry), env=stage.environ, stderr=subprocess.PIPE)
    try:
        assert process.stderr is not None
        for line in process.stderr:
            print(line.decode().rstrip(), flush=True)
            if b"serving" in line:
                break
        yield process
    finally:
        process.kill()
        process.wait()


def tried(stage: Stage) -> None:
    """Run the image, ask it, and end it; raise if anything is not as it is to be."""
    with running(stage) as process:
        stage.run(*stage.check)
        with urllib.request.urlopen("http://127.0.0.1:8080/readyz", timeout=60) as answer:
            assert answer.status == 200
        written = subprocess.run(stage.command(["sh", "-c", "touch /opt/rustkernel/x"]), env=stage.environ, check=False)
        assert written.returncode != 0, "its root is read-only"
        status = Path(f"/proc/{process.pid}/status").read_text()
        assert re.search(rf"^Uid:\t{stage.user.partition(':')[0]}\t", status, re.MULTILINE), "it runs as its user"
        process.send_signal(signal.SIGTERM)
        assert process.wait(120) == 0


def main() -> None:
    """Build and try; in a mount namespace, so that nothing stays mounted."""
    if len(sys.argv) == 1:
        os.execvp("unshare", ["unshare", "--mount", "--propagation", "private", sys.executable, __file__, "inside"])
    work = Path(tempfile.mkdtemp(prefix="image-"))
    try:
        tried(built(work))
        print("the image's steps were followed, and what they make serves, checks its health and drains")
    finally:
        for name in ("last", "build"):
            subprocess.run(["umount", "-l", str(work / name / "root")], check=False)
        shutil.rmtree(work, ignore_errors=True)


if __name__ == "__main__":
    main()
