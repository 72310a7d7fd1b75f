"""The environment that Ray and Ray Serve must find before they are imported: Serve reads its switches once, at import.

The command line puts these variables in place, then starts Ray. What each one buys: docs/decisions/0004-lookup-path.md.
"""

import hashlib
import tempfile
from pathlib import Path

from actors.free_ports import free_ports
from serve.settings import Settings

DEREGISTER_S = 1.0  # how long a replica that stops stays reachable until the proxies have taken it off their lists
# The kernel takes socket paths of 107 characters. Serve puts a directory named by the node's id (56) in between, and
# HAProxy adds ".<pid>.tmp" while it takes a socket over.
_RUN_DIR_CHARS_MAX = 107 - len("/" + 56 * "f" + "/metrics.sock.4194304.tmp")
_REPLICA_PORTS_MIN = 64
_MESSAGE_BYTES_MAX = 64 << 20  # as clients have it
# Values that are handed to an actor or come from it go in the message itself, and not by way of an object store, which
# is on the caller's node and writes what does not fit to its disk.
IN_MESSAGES = {
    "RAY_max_direct_call_object_size": str(256 << 20),
    "RAY_task_rpc_inlined_bytes_limit": str(256 << 20),
}
_STREAMS_MAX = 1_000  # calls at once on one client connection, streams that watch among them


def environment(settings: Settings) -> dict[str, str]:
    """Variables for the process that starts Ray, which hands them on to every worker on this machine.

    Ports that nobody needs to know (the replicas', HAProxy's own metrics and statistics, the fallback proxy) are free
    ones of the moment, so that several services can share a machine. Raises OSError if there are none.
    """
    run = run_dir(settings)
    each = _REPLICA_PORTS_MIN + 2 * settings.replicas  # released ports rest for minutes before they are used again
    free = free_ports(2 * each + 4)
    http_ports, grpc_ports, ports = free[:each], free[each : 2 * each], iter(free[2 * each :])
    return {
        # Requests go from HAProxy to the replica without a Python proxy between them.
        "RAY_SERVE_ENABLE_HA_PROXY": "1",
        # Handlers run on the replica's own event loop, and logs are written in blocks.
        "RAY_SERVE_THROUGHPUT_OPTIMIZED": "1",
        "RAY_SERVE_HAPROXY_NBTHREAD": "1",
        "RAY_SERVE_HAPROXY_METRICS_ENABLED": "0",  # one log line a request; the replicas count requests themselves
        "RAY_SERVE_HAPROXY_H2_FE_MAX_CONCURRENT_STREAMS": str(_STREAMS_MAX),
        # A BatchGet's answer of 175 KB in few pieces: with the defaults (16 KB, 16 KB, 64 KB) it costs a third more.
        "RAY_SERVE_HAPROXY_TUNE_BUFSIZE": str(128 << 10),
        "RAY_SERVE_HAPROXY_H2_MAX_FRAME_SIZE": str(64 << 10),
        "RAY_SERVE_HAPROXY_H2_BE_INITIAL_WINDOW_SIZE": str(4 << 20),
        "RAY_SERVE_HAPROXY_H2_FE_INITIAL_WINDOW_SIZE": str(1 << 20),
        # What gRPC takes in and gives out at most; requests have lower limits of their own.
        "RAY_SERVE_GRPC_MAX_MESSAGE_SIZE": str(max(_MESSAGE_BYTES_MAX, settings.limits.batch_bytes)),
        "RAY_SERVE_HAPROXY_METRICS_PORT": str(next(ports)),
        "RAY_SERVE_HAPROXY_STATS_PORT": str(next(ports)),
        "RAY_SERVE_FALLBACK_PROXY_HTTP_PORT": str(next(ports)),
        "RAY_SERVE_FALLBACK_PROXY_GRPC_PORT": str(next(ports)),
        # gRPC lets two processes listen on one port and share its calls out: two services must not meet there.
        "RAY_SERVE_DIRECT_INGRESS_MIN_HTTP_PORT": str(http_ports[0]),
        "RAY_SERVE_DIRECT_INGRESS_MAX_HTTP_PORT": str(http_ports[-1]),
        "RAY_SERVE_DIRECT_INGRESS_MIN_GRPC_PORT": str(grpc_ports[0]),
        "RAY_SERVE_DIRECT_INGRESS_MAX_GRPC_PORT": str(grpc_ports[-1]),
        "RAY_SERVE_HAPROXY_CONFIG_FILE_LOC": str(run / "haproxy.cfg"),
        "RAY_SERVE_HAPROXY_SOCKET_PATH": str(run / "admin.sock"),
        "RAY_SERVE_HAPROXY_METRICS_SOCKET_PATH": str(run / "metrics.sock"),
        "RAY_SERVE_HAPROXY_SERVER_STATE_BASE": str(run),
        "RAY_SERVE_HAPROXY_SERVER_STATE_FILE": str(run / "server-state"),
        "RAY_SERVE_DIRECT_INGRESS_MIN_DRAINING_PERIOD_S": str(DEREGISTER_S),
        # A record of each call, of which Ray's head keeps 100,000: some 300 MB that nobody reads.
        "RAY_task_events_report_interval_ms": "0",
        # Ray gives its workers the lowest priority; these answer people.
        "RAY_worker_niceness": "0",
        **(IN_MESSAGES if settings.residency.is_on else {}),
    }


def run_dir(settings: Settings) -> Path:
    """Where this service's sockets are: in the data directory, unless its path is too long for a socket."""
    run = settings.service_path / "run"
    if len(str(run)) <= _RUN_DIR_CHARS_MAX:
        return run
    name = hashlib.sha256(str(run).encode()).hexdigest()[:12]
    return Path(tempfile.gettempdir()) / f"of-{name}"
