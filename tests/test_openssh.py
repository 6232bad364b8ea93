"""OpenSSH's files: what is read from them is held to what OpenSSH itself makes of them."""

from __future__ import annotations

import os
import pwd
import shutil
import socket
import subprocess
import threading
from collections.abc import Mapping
from pathlib import Path

import pytest

from preflight.errors import TransportError, UsageError
from preflight.model import SshOptions
from preflight.openssh import known_hosts
from preflight.openssh.config import Config, HostConfig, Strict
from preflight.openssh.known_hosts import HostKey, KnownHosts, Trust
from preflight.openssh.patterns import matches_list
from preflight.openssh.syntax import split_words
from tests.site import counted_hashes
from tests.sshd import KeyPair, keygen, output


def login_home() -> Path:
    """Home as ssh, the oracle, finds it: passwd(5), whatever $HOME says."""
    return Path(pwd.getpwuid(os.getuid()).pw_dir)


needs_oracle = pytest.mark.skipif(
    shutil.which("ssh") is None or os.geteuid() != 0,
    reason="ssh -G is asked in a mount namespace of its own: needs ssh and root",
)


def write(folder: Path, files: Mapping[str, str]) -> tuple[Path, Path]:
    """Write `home/...` and `etc/...`; return both folders, which exist in any case."""
    home, etc = folder / "home", folder / "etc"
    (home / ".ssh").mkdir(mode=0o700, parents=True)
    etc.mkdir()
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        path.chmod(0o600)
    return home, etc


# --- ssh_config: whatever `ssh -G` says -------------------------------------------------------

USER = "home/.ssh/config"
SYSTEM = "etc/ssh_config"

CONFIGS: dict[str, tuple[dict[str, str], str, SshOptions]] = {
    "no files": ({}, "node", SshOptions()),
    "host block": (
        {USER: "Host node\n HostName 10.0.0.1\n User core\n Port 2022\n"},
        "node",
        SshOptions(),
    ),
    "another's block": ({USER: "Host other\n Port 2022\n"}, "node", SshOptions()),
    "first value wins": (
        {USER: "Port 1\nHost node\n Port 2\nHost *\n User a\nHost n*\n User b\n"},
        "node",
        SshOptions(),
    ),
    "patterns": ({USER: "Host n?de a*\n User x\nHost *.lan\n Port 9\n"}, "node", SshOptions()),
    "brackets are no pattern": ({USER: "Host n[o]de\n User x\n"}, "node", SshOptions()),
    "negation": ({USER: "Host !node *\n User x\nHost * !other\n Port 7\n"}, "node", SshOptions()),
    "only negation": ({USER: "Host !other\n User x\n"}, "node", SshOptions()),
    "case of keywords": ({USER: "hOsT node\n pORT 44\n uSER u\n"}, "node", SshOptions()),
    "case of hosts": ({USER: "Host Node\n Port 44\nHost node\n Port 45\n"}, "node", SshOptions()),
    "upper case name": ({USER: "Host node\n Port 44\n"}, "NODE", SshOptions()),
    "equals signs": ({USER: "Host=node\nPort=44\nUser = u\nHostName= h\n"}, "node", SshOptions()),
    "quotes": (
        {USER: 'Host "node"\n User "some one"\n UserKnownHostsFile "~/a b" ~/c\n'},
        "node",
        SshOptions(),
    ),
    "comments": (
        {USER: "# Port 1\nHost node # is mine\n  # Port 2\n Port 44 # really\n\n\tUser u\t\n"},
        "node",
        SshOptions(),
    ),
    "carriage returns": ({USER: "Host node\r\n Port 44\r\n User u\r\n"}, "node", SshOptions()),
    "token in HostName": ({USER: "Host node\n HostName %h.lan%%x\n"}, "node", SshOptions()),
    "identities": (
        {
            USER: "IdentityFile ~/a\nHost node\n IdentityFile ~/b\n IdentityFile ~/a\n"
            "IdentitiesOnly yes\n"
        },
        "node",
        SshOptions(),
    ),
    "system file comes last": (
        {USER: "Host node\n Port 44\n", SYSTEM: "Port 45\nUser sys\nHashKnownHosts yes\n"},
        "node",
        SshOptions(),
    ),
    "include": (
        {
            USER: "Include conf.d/* more\nPort 1\n",
            "home/.ssh/conf.d/20": "Port 20\nUser b\n",
            "home/.ssh/conf.d/10": "Host other\n Port 9\nHost node\n User a\n",
            "home/.ssh/conf.d/.hidden": "HostName hidden\n",
            "home/.ssh/more": "HostName more\n",
        },
        "node",
        SshOptions(),
    ),
    "include inside a block": (
        {
            USER: "Host node\n Include sub\n User after\nHost other\n Include sub2\n Port 5\n",
            "home/.ssh/sub": "Port 44\nHost other\n HostName no\n",
            "home/.ssh/sub2": "Host *\n HostName never\n",
        },
        "node",
        SshOptions(),
    ),
    "nested include by ~ and by path": (
        {
            USER: "Include ~/.ssh/one\n",
            "home/.ssh/one": "Include two absent*\nPort 1\n",
            "home/.ssh/two": "Port 2\n",
        },
        "node",
        SshOptions(),
    ),
    "include of the system's file": (
        {SYSTEM: "Include ssh_config.d/*.conf\nPort 3\n", "etc/ssh_config.d/x.conf": "Port 2\n"},
        "node",
        SshOptions(),
    ),
    "proxy jump": ({USER: "Host node\n ProxyJump a,root@b:2022\n"}, "node", SshOptions()),
    "proxy jump none": (
        {USER: "Host node\n ProxyJump none\nHost *\n ProxyJump a\n"},
        "node",
        SshOptions(),
    ),
    "command before jump": (
        {USER: 'ProxyCommand nc -X "a b" %h %p\nProxyJump a\n'},
        "node",
        SshOptions(),
    ),
    "comments behind proxy jump": (
        {USER: "Host node\n ProxyJump a,u@b:2022  # via the DMZ\nHost *\n ProxyJump c#d\n"},
        "node",
        SshOptions(),
    ),
    "comment against proxy jump": ({USER: "ProxyJump a#b,c\n"}, "node", SshOptions()),
    "proxy jump none leaves room for a command": (
        {USER: "Host node\n ProxyJump none\nHost *\n ProxyJump a\n ProxyCommand nc %h %p\n"},
        "node",
        SshOptions(),
    ),
    "jump before command": ({USER: "ProxyJump a\nProxyCommand nc\n"}, "node", SshOptions()),
    "command none": ({USER: "ProxyCommand none\nProxyJump a\n"}, "node", SshOptions()),
    "host keys": (
        {
            USER: "Host node\n StrictHostKeyChecking accept-new\n HostKeyAlias it\n"
            " GlobalKnownHostsFile /a /b\n UserKnownHostsFile none\n HashKnownHosts yes\n"
        },
        "node",
        SshOptions(),
    ),
    "tokens in UserKnownHostsFile": (
        {USER: "User u\nHostName h\nPort 9\nUserKnownHostsFile ~/%h-%p-%r-%n-%u-%%-%i %d/x ~/%k\n"},
        "node",
        SshOptions(),
    ),
    "strict off": ({USER: "StrictHostKeyChecking off\n"}, "node", SshOptions()),
    "strict no": ({USER: "StrictHostKeyChecking no\n"}, "node", SshOptions()),
    "strict yes": ({USER: "StrictHostKeyChecking yes\n"}, "node", SshOptions()),
    "connect timeout": ({USER: "ConnectTimeout 1m30\n"}, "node", SshOptions()),
    "connect timeout none": ({USER: "ConnectTimeout none\n"}, "node", SshOptions()),
    "connect timeout none sets nothing": (
        {USER: "Host node\n ConnectTimeout none # no matter\nHost *\n ConnectTimeout 3\n"},
        "node",
        SshOptions(),
    ),
    "address family": ({USER: "AddressFamily inet6\n"}, "node", SshOptions()),
    "agent": ({USER: "IdentityAgent ~/agent-%r\n"}, "node", SshOptions()),
    "no agent": ({USER: "IdentityAgent none\n"}, "node", SshOptions()),
    "match all": ({USER: "Match all\n Port 44\n"}, "node", SshOptions()),
    "match host": (
        {USER: "Match host other,n*\n Port 44\nMatch host !node,*\n User no\n"},
        "node",
        SshOptions(),
    ),
    "match host sees HostName": (
        {USER: "HostName h.lan\nMatch host H.LAN\n Port 44\nMatch originalhost node\n User u\n"},
        "node",
        SshOptions(),
    ),
    "match user": (
        {USER: "Match user core\n Port 44\nMatch user root\n Port 45\n"},
        "node",
        SshOptions(user="core"),
    ),
    "match localuser": ({USER: "Match localuser root\n Port 44\n"}, "node", SshOptions()),
    "match negated": (
        {USER: "Match !host other\n Port 44\nMatch host node !user root\n User x\n"},
        "node",
        SshOptions(),
    ),
    "match several": (
        {USER: "Match host node user root\n Port 44\nMatch host node user x\n Port 45\n"},
        "node",
        SshOptions(),
    ),
    "match exec that cannot count": (
        {USER: "Match host other exec true\n Port 44\n"},
        "node",
        SshOptions(),
    ),
    "match final": (
        {
            USER: "Match final all\n Port 44\nHost node\n User u\n HostName h.lan\n"
            "Host h.lan\n Port 45\n"
        },
        "node",
        SshOptions(),
    ),
    # What Fedora and RHEL ship: /etc/ssh/ssh_config.d/50-redhat.conf.
    "match final, Fedora": (
        {
            SYSTEM: "Include ssh_config.d/*.conf\n",
            "etc/ssh_config.d/50-redhat.conf": "Match final all\n Include crypto\n",
            "etc/crypto": "Port 2\nHashKnownHosts yes\n",
            USER: "Host node\n User u\n",
        },
        "node",
        SshOptions(),
    ),
    "match canonical": ({USER: "Match canonical all\n Port 44\n"}, "node", SshOptions()),
    "given wins": (
        {USER: "Host node\n User a\n Port 1\n ProxyJump a\n IdentityFile ~/a\n"},
        "node",
        SshOptions(user="b", port=2, proxy_jump="b", identity_file=Path("/etc/passwd")),
    ),
    "given no jump": ({USER: "ProxyJump a\n"}, "node", SshOptions(proxy_jump="none")),
    "given no jump, but a command": (
        {USER: "ProxyJump a\nProxyCommand nc %h %p\n"},
        "node",
        SshOptions(proxy_jump="none"),
    ),
    "address": ({USER: "Host 10.0.0.*\n Port 44\n"}, "10.0.0.7", SshOptions()),
    "address of six": ({USER: "Host fe80::*\n Port 44\n"}, "fe80::1", SshOptions()),
}


@needs_oracle
@pytest.mark.parametrize("case", CONFIGS)
def test_config_equals_what_ssh_says(
    case: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSH_AUTH_SOCK", "/agent")
    files, host, given = CONFIGS[case]
    home, etc = write(tmp_path, files)
    config = Config(home, etc).lookup(host, given)
    expected = ask_ssh(home, etc, host, given)
    assert as_ssh_says_it(config, home, etc) | {"identityfile": []} == expected | {
        "identityfile": []
    }
    # `ssh -G` prints identity files before it expands them, and its defaults where none is named.
    named = [name for name in expected["identityfile"] if not name.startswith("~/.ssh/id_")]
    expanded = [name.replace("~", str(login_home())) for name in named]
    ours = [str(path).replace(str(home), str(login_home())) for path in config.identity_files or ()]
    assert ours == expanded


def ask_ssh(home: Path, etc: Path, host: str, given: SshOptions) -> dict[str, list[str]]:
    """What `ssh -G` prints, with `home` and `etc` in the place of the real folders."""
    options = []
    for flag, value in {
        "-l": given.user,
        "-p": given.port,
        "-J": given.proxy_jump,
        "-i": given.identity_file,
    }.items():
        options += [flag, str(value)] if value is not None else []
    real = login_home() / ".ssh"
    # Over a home of its own, since the real one may have no .ssh to mount over.
    script = (
        'mount -t tmpfs none "${2%/*}" && mkdir "$2" && mount --bind "$1" "$2"'
        ' && mount --bind "$3" /etc/ssh && shift 3 && exec ssh -G "$@"'
    )
    words = ["sh", str(home / ".ssh"), str(real), str(etc), *options, host]
    done = subprocess.run(
        ["unshare", "-m", "sh", "-c", script, *words],
        check=True,
        capture_output=True,
        text=True,
        stdin=subprocess.DEVNULL,
    )
    answer: dict[str, list[str]] = {"identityfile": []}
    for line in done.stdout.splitlines():
        key, _, value = line.partition(" ")
        if key == "identityfile":
            answer[key].append(value)
        elif key in ASKED:
            answer[key] = [value]
    return answer


ASKED = {
    "addressfamily",
    "connecttimeout",
    "globalknownhostsfile",
    "hashknownhosts",
    "hostkeyalias",
    "hostname",
    "identitiesonly",
    "identityagent",
    "port",
    "proxycommand",
    "proxyjump",
    "stricthostkeychecking",
    "user",
    "userknownhostsfile",
}


def as_ssh_says_it(config: HostConfig, home: Path, etc: Path) -> dict[str, list[str]]:
    """Our answer in the words of `ssh -G`."""
    strict = {Strict.YES: "true", Strict.NO: "false"}
    families = {socket.AF_UNSPEC: "any", socket.AF_INET: "inet", socket.AF_INET6: "inet6"}
    said = {
        "addressfamily": families[config.family],
        "connecttimeout": f"{config.connect_timeout:g}" if config.connect_timeout else "none",
        "globalknownhostsfile": " ".join(map(str, config.global_known_hosts)),
        "hashknownhosts": "yes" if config.hash_known_hosts else "no",
        "hostname": config.hostname,
        "identitiesonly": "yes" if config.identities_only else "no",
        "port": str(config.port),
        "stricthostkeychecking": strict.get(config.strict, config.strict.value),
        "user": config.user,
        "userknownhostsfile": " ".join(map(str, config.user_known_hosts)) or "none",
    }
    if config.host_key_alias:
        said["hostkeyalias"] = config.host_key_alias
    if config.agent != Path("/agent"):
        said["identityagent"] = str(config.agent).replace("None", "none")
    if config.jumps:
        said["proxyjump"] = ",".join(config.jumps)
    if config.proxy_command:
        expanded = f" {config.hostname} {config.port}"
        said["proxycommand"] = config.proxy_command.replace(expanded, " %h %p")
    folders = ((str(home), str(login_home())), (str(etc), "/etc/ssh"))
    return {"identityfile": []} | {key: [_moved(value, folders)] for key, value in said.items()}


def _moved(value: str, folders: tuple[tuple[str, str], ...]) -> str:
    for ours, real in folders:
        value = value.replace(ours, real)
    return value


# --- ssh_config: what is refused, and what `ssh -G` does not show -----------------------------


def lookup(folder: Path, text: str, host: str = "node") -> HostConfig:
    home, etc = write(folder, {USER: text})
    return Config(home, etc).lookup(host)


def test_tokens_and_variables_in_paths(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WHERE", "/keys")
    text = "HostName h\nUser u\nPort 9\nIdentityFile ${WHERE}/%h-%n-%p-%r\nIdentityFile %d/k\n"
    assert lookup(tmp_path, text).identity_files == (
        Path("/keys/h-node-9-u"),
        tmp_path / "home/k",
    )


def test_tokens_in_proxy_command(tmp_path: Path) -> None:
    text = "HostName h\nUser u\nPort 9\nProxyCommand nc '%h' %p # %r %n %%\n"
    assert lookup(tmp_path, text).proxy_command == "nc 'h' 9 # u node %"


def test_no_identity_file_is_not_the_defaults(tmp_path: Path) -> None:
    assert lookup(tmp_path, "IdentityFile none\n").identity_files == ()


def test_agent_from_a_variable(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MY_AGENT", "/run/agent")
    assert lookup(tmp_path, "IdentityAgent $MY_AGENT\n").agent == Path("/run/agent")


def test_config_file_instead_of_the_others(tmp_path: Path) -> None:
    home, etc = write(tmp_path, {USER: "Port 1\n", SYSTEM: "Port 2\n", "only": "User u\n"})
    config = Config(home, etc, tmp_path / "only").lookup("node")
    assert (config.user, config.port) == ("u", 22)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("Match exec true\n", r"config:1: `Match exec` cannot be judged"),
        ("Match host node tagged x\n", "`Match tagged` cannot be judged"),
        ("BindAddress 10.0.0.1\n", "cannot honour bindaddress 10.0.0.1"),
        ("KnownHostsCommand /bin/x\n", "cannot honour knownhostscommand"),
        ("RevokedHostKeys ~/r\n", "cannot honour revokedhostkeys"),
        ("CanonicalizeHostname yes\n", "cannot honour canonicalizehostname yes"),
        ("ProxyUseFdpass yes\n", "cannot honour proxyusefdpass yes"),
        ("Port ssh\n", "config:1: ssh is no port"),
        ("Port 0\n", "0 is no port"),
        ("Port 70000\n", "70000 is no port"),
        ("StrictHostKeyChecking maybe\n", "maybe is none of yes, true, ask"),
        ("ConnectTimeout soon\n", "soon is no time"),
        ("ConnectTimeout NONE\n", "none is no time"),
        ("ProxyJump # none\n", "config:1: proxyjump lacks a value"),
        ("IdentityFile ~/%q\n", "%q in ~/%q is no token"),
        ("IdentityFile ${NOT_SET_AT_ALL}/k\n", "NOT_SET_AT_ALL in .* is not set"),
        ("Port # none\n", "port lacks a value"),
    ],
)
def test_what_cannot_be_honoured_is_refused(tmp_path: Path, text: str, why: str) -> None:
    with pytest.raises(TransportError, match=why):
        lookup(tmp_path, text)


@pytest.mark.parametrize("text", ["Match exec true\n", "BindAddress 10.0.0.1\n", "Port ssh\n"])
def test_what_is_refused_for_one_host_is_no_matter_for_others(tmp_path: Path, text: str) -> None:
    keyword, rest = text.split(" ", 1)
    block = f"Match host other {rest}" if keyword == "Match" else f"Host other\n {text}"
    assert lookup(tmp_path, block).port == 22


@pytest.mark.parametrize(
    "text",
    ["BindAddress none\n", "CanonicalizeHostname no\n", "ProxyUseFdpass no\n", "Ciphers aes\n"],
)
def test_what_changes_nothing_is_no_error(tmp_path: Path, text: str) -> None:
    assert lookup(tmp_path, text).port == 22


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ('User "a\n', "config:1: a quote is not closed"),
        ("Host node\n Port\n", "config:2: Port lacks a value"),
        ("Include config\n", "Include is nested more than 16 deep"),
        ("Include folder\n", "Is a directory"),
    ],
)
def test_a_broken_file_is_a_usage_error(tmp_path: Path, text: str, why: str) -> None:
    (tmp_path / "home/.ssh/folder").mkdir(parents=True)
    (tmp_path / "home/.ssh/folder").chmod(0o700)
    (tmp_path / "etc").mkdir()
    config = tmp_path / USER
    config.write_text(text)
    config.chmod(0o600)
    with pytest.raises(UsageError, match=why):
        Config(tmp_path / "home", tmp_path / "etc")


def test_a_config_that_others_can_write_is_refused(tmp_path: Path) -> None:
    home, etc = write(tmp_path, {USER: "User u\n"})
    (home / ".ssh/config").chmod(0o620)
    with pytest.raises(UsageError, match="others can write it"):
        Config(home, etc)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("a b\tc", ("a", "b", "c")),
        ("'a b' \"c d\"e", ("a b", "c de")),
        (r"a\ b \"c\" \\ \n", ("a b", '"c"', "\\", r"\n")),
        ("a #b", ("a",)),
        ("a#b", ("a#b",)),
        ('""', ("",)),
        ("", ()),
    ],
)
def test_words(text: str, words: tuple[str, ...]) -> None:
    assert split_words(text) == words


@pytest.mark.parametrize(
    ("patterns", "found"),
    [
        ("*", True),
        ("n?de", True),
        ("n?d", False),
        ("!node,*", False),
        ("!x", False),
        ("a,!x,n*", True),
    ],
)
def test_pattern_lists(patterns: str, found: bool) -> None:
    assert matches_list("node", patterns.split(",")) is found


# --- known_hosts: whatever `ssh` trusts -------------------------------------------------------


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> dict[str, KeyPair]:
    folder = tmp_path_factory.mktemp("keys")
    return {name: keygen(folder / name) for name in ("host", "other")} | {
        "ecdsa": keygen(folder / "ecdsa", "ecdsa")
    }


def public(key: KeyPair) -> HostKey:
    entry = next(known_hosts.parse(f"x {key.public}", ""))
    assert entry.key
    return entry.key


def judge(text: str, name: str, shown: HostKey, folder: Path) -> Trust:
    file = folder / "known_hosts"
    file.write_text(text)
    return known_hosts.judge(name, KnownHosts.read(file).about(name), shown)


def test_fingerprint_is_ssh_keygens(keys: dict[str, KeyPair]) -> None:
    assert public(keys["host"]).fingerprint == keys["host"].fingerprint


@pytest.mark.parametrize(
    ("hosts", "name"),
    [
        ("node", "node"),
        ("a,node,b", "node"),
        ("*", "node"),
        ("no?e", "node"),
        ("NODE", "node"),
        ("[node]:2022", "[node]:2022"),
        ("10.0.0.*,!10.0.0.2", "10.0.0.1"),
    ],
)
def test_known(keys: dict[str, KeyPair], tmp_path: Path, hosts: str, name: str) -> None:
    line = f"{hosts} {keys['host'].public} comment\n"
    assert judge(line, name, public(keys["host"]), tmp_path) is Trust.KNOWN


@pytest.mark.parametrize(
    ("hosts", "name"),
    [
        ("node2", "node"),
        ("10.0.0.*,!10.0.0.2", "10.0.0.2"),
        ("!node", "other"),
        ("node", "[node]:2022"),
        ("[node]:22", "node"),
    ],
)
def test_unknown(keys: dict[str, KeyPair], tmp_path: Path, hosts: str, name: str) -> None:
    line = f"{hosts} {keys['host'].public}\n"
    assert judge(line, name, public(keys["host"]), tmp_path) is Trust.UNKNOWN


def test_hashed_names_are_ssh_keygens(keys: dict[str, KeyPair], tmp_path: Path) -> None:
    file = tmp_path / "known_hosts"
    file.write_text(f"node {keys['host'].public}\n[node]:2022 {keys['other'].public}\n")
    output("ssh-keygen", "-q", "-H", "-f", str(file))
    text = file.read_text()
    assert "node" not in text
    assert judge(text, "node", public(keys["host"]), tmp_path) is Trust.KNOWN
    assert judge(text, "[node]:2022", public(keys["other"]), tmp_path) is Trust.KNOWN
    assert judge(text, "node2", public(keys["host"]), tmp_path) is Trust.UNKNOWN


def test_a_hashed_line_is_looked_through_once_for_each_name(
    keys: dict[str, KeyPair], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "known_hosts"
    for number in range(10):
        known_hosts.record(file, f"node{number}", public(keys["host"]), hashed=True)
    computed = counted_hashes(monkeypatch)
    known = KnownHosts.read(file)
    assert [len(list(known.about(name))) for name in ("node3", "other", "node3", "other")] == [
        1,
        0,
        1,
        0,
    ]
    assert len(computed) == 20


@pytest.mark.parametrize(
    "noise",
    [
        "# comment\n\n",
        "node\n",
        "node ssh-ed25519\n",
        "node ssh-ed25519 not-base64!\n",
        "node ssh-rsa AAAAC3NzaC1lZDI1NTE5AAAAIA==\n",
        "node 1024 65537 123456789\n",
        "node sk-ssh-ed25519@openssh.com AAAA\n",
        "@revoked\n",
        "@revoked other ssh-ed25519 broken\n",
        "@cert-authority *.lan ssh-ed25519 AAAA\n",
        "@new-word other ssh-ed25519 AAAA\n",
        "|1|broken|hash ssh-ed25519 AAAA\n",
        "|2|YQ==|YQ== ssh-ed25519 AAAA\n",
        "no\udce9 ssh-ed25519 AAAA\n".encode("utf-8", "surrogateescape").decode("latin-1"),
    ],
)
def test_what_is_wrong_elsewhere_hides_nothing(
    keys: dict[str, KeyPair], tmp_path: Path, noise: str
) -> None:
    text = f"{noise}node {keys['host'].public}\n{noise}"
    assert judge(text, "node", public(keys["host"]), tmp_path) is Trust.KNOWN


def test_bytes_that_are_no_text(keys: dict[str, KeyPair], tmp_path: Path) -> None:
    file = tmp_path / "known_hosts"
    file.write_bytes(b"\xff\xfe\x00 x\nnode " + keys["host"].public.encode() + b"\n")
    about = KnownHosts.read(file).about("node")
    assert known_hosts.judge("node", about, public(keys["host"])) is Trust.KNOWN


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("node {other}\n", "host key has CHANGED: .*known_hosts:1 has ssh-ed25519 SHA256:"),
        ("node {ecdsa}\n", "host key has CHANGED: .* has ecdsa-sha2-nistp256"),
        ("@revoked * {host}\nnode {host}\n", "host key is REVOKED: .*known_hosts:1 forbids"),
        ("node {host}\n@revoked node ssh-ed25519 broken\n", "host key is REVOKED"),
        ("@cert-authority n* {other}\n", "certificates .* which gkprep cannot verify"),
        ("node {host}\n@new-word node {other}\n", "does not know @new-word"),
    ],
)
def test_forbidden(keys: dict[str, KeyPair], tmp_path: Path, text: str, why: str) -> None:
    filled = text.format(**{name: key.public for name, key in keys.items()})
    with pytest.raises(TransportError, match=why):
        judge(filled, "node", public(keys["host"]), tmp_path)


def test_two_keys_of_one_type_are_both_good(keys: dict[str, KeyPair], tmp_path: Path) -> None:
    text = f"node {keys['other'].public}\nnode {keys['host'].public}\n"
    assert judge(text, "node", public(keys["host"]), tmp_path) is Trust.KNOWN


def test_a_key_beside_an_authority_is_good(keys: dict[str, KeyPair], tmp_path: Path) -> None:
    text = f"@cert-authority * {keys['other'].public}\nnode {keys['host'].public}\n"
    assert judge(text, "node", public(keys["host"]), tmp_path) is Trust.KNOWN


def test_a_file_that_cannot_be_read_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(TransportError, match="Is a directory"):
        KnownHosts.read(tmp_path)
    assert list(KnownHosts.read(tmp_path / "absent").about("node")) == []


@pytest.mark.parametrize("hashed", [False, True])
def test_recorded_keys_are_found_by_ssh_keygen(
    keys: dict[str, KeyPair], tmp_path: Path, hashed: bool
) -> None:
    file = tmp_path / "home/.ssh/known_hosts"
    shown = public(keys["host"])
    entry = known_hosts.record(file, "[node]:2022", shown, hashed=hashed)
    assert entry.covers("[node]:2022")
    assert file.stat().st_mode & 0o777 == 0o600
    assert file.parent.stat().st_mode & 0o777 == 0o700
    assert ("node" in file.read_text()) is not hashed
    found = output("ssh-keygen", "-F", "[node]:2022", "-f", str(file))
    assert keys["host"].public in found


def test_recording_leaves_what_is_there(keys: dict[str, KeyPair], tmp_path: Path) -> None:
    file = tmp_path / "known_hosts"
    before = b"# mine\r\nother ssh-ed25519 x\xff\nno newline"
    file.write_bytes(before)
    known_hosts.record(file, "node", public(keys["host"]), hashed=False)
    assert file.read_bytes() == before + f"\nnode {keys['host'].public}\n".encode()


def test_recording_side_by_side_loses_no_line(keys: dict[str, KeyPair], tmp_path: Path) -> None:
    file, shown = tmp_path / "known_hosts", public(keys["host"])
    threads = [
        threading.Thread(
            target=known_hosts.record, args=(file, f"node{n}", shown), kwargs={"hashed": False}
        )
        for n in range(50)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    lines = file.read_text().splitlines()
    assert sorted(lines) == sorted(f"node{n} {keys['host'].public}" for n in range(50))


def test_recording_where_nothing_can_be_written(keys: dict[str, KeyPair], tmp_path: Path) -> None:
    with pytest.raises(TransportError, match=r"could not be recorded in .*: Is a directory"):
        known_hosts.record(tmp_path, "node", public(keys["host"]), hashed=False)


# --- files that are no files ------------------------------------------------------------------


@pytest.mark.parametrize("setting", ["HostName", "User"])
def test_a_value_that_is_only_a_comment_is_none(tmp_path: Path, setting: str) -> None:
    (tmp_path / ".ssh").mkdir()
    (tmp_path / ".ssh/config").write_text(f"Host *\n  {setting} # nothing\n")
    config = Config(tmp_path, tmp_path / "etc")
    with pytest.raises(TransportError, match=f"config:2: {setting.lower()} lacks a value"):
        config.lookup("node", SshOptions())


def test_a_nul_is_refused_with_its_place(tmp_path: Path) -> None:
    (tmp_path / ".ssh").mkdir()
    (tmp_path / ".ssh/config").write_bytes(b"Host *\n  IdentityFile /a\0b\n")
    with pytest.raises(UsageError, match="config:2: there is a NUL character"):
        Config(tmp_path, tmp_path / "etc")


def test_known_hosts_that_never_end_are_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "known_hosts")
    with pytest.raises(TransportError, match="known_hosts: is not a regular file"):
        KnownHosts.read(tmp_path / "known_hosts")
    assert not list(KnownHosts.read(Path(os.devnull)).about("node"))


@pytest.mark.parametrize("value", ["# nothing", '""'])
def test_an_identity_file_without_a_name_is_refused(tmp_path: Path, value: str) -> None:
    """`ssh` says: Missing argument."""
    with pytest.raises(TransportError, match="config:1: identityfile lacks a value"):
        lookup(tmp_path, f"IdentityFile {value}\n")


@pytest.fixture
def nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    """A user without a line in passwd(5), as containers have them."""

    def unknown(uid: int) -> pwd.struct_passwd:
        raise KeyError(uid)

    for name in ("LOGNAME", "USER", "LNAME", "USERNAME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(pwd, "getpwuid", unknown)


@pytest.mark.usefixtures("nobody")
@pytest.mark.parametrize(
    "text", ["Port 1\n", "Match user root\n Port 1\n", "User u\nIdentityFile ~/%u\n"]
)
def test_a_user_without_a_name_is_asked_for_one(tmp_path: Path, text: str) -> None:
    with pytest.raises(TransportError, match=r"has no name: set ssh\.user in the inventory"):
        lookup(tmp_path, text)


@pytest.mark.usefixtures("nobody")
def test_a_user_without_a_name_needs_none_where_it_is_not_asked_for(tmp_path: Path) -> None:
    home, etc = write(tmp_path, {USER: "Match host node\n IdentityFile ~/%r\n"})
    config = Config(home, etc).lookup("node", SshOptions(user="root"))
    assert (config.user, config.identity_files) == ("root", (home / "root",))
