"""A whole service under test: its own data directory and free ports, started and stopped by the command line."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from actors.free_ports import free_ports
from pipelines.batch_client import ApiClient
from serve import instance

ROOT = Path(__file__).parents[2]
START_S = 180
STOP_S = 90


class RunningService:
    """A service on loopback. `start` and `stop` may be called again and again; the data stays."""

    def __init__(self, data_dir: Path, shards: int = 2, **variables: str) -> None:
        self.data_dir = data_dir
        self._variables = variables
        self._take_ports()
        made = self.cli("init", "--shards", str(shards), *self._ports())
        self.write_key: str = made["ingest_key"]
        self.admin_key = Path(made["admin_key_file"]).read_text().strip()

    def __enter__(self) -> "RunningService":
        try:
            self.start()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def beside(self, data_dir: Path, **variables: str) -> "RunningService":
        """One over a copy of its data, with its keys, with ports of its own, and with other `variables`."""
        other = RunningService.__new__(RunningService)
        other.__dict__ |= self.__dict__ | {"data_dir": data_dir}
        other._take_ports()
        ports = {"ONEFOLD_HTTP_PORT": str(other.http_port), "ONEFOLD_GRPC_PORT": str(other.grpc_port)}
        other._variables = self._variables | ports | variables
        return other

    def start(self) -> dict[str, Any]:
        """Starts it in the background and returns what it told when it was ready."""
        ready: dict[str, Any] = self.cli("serve", "--detach", timeout_s=START_S)
        return ready

    def stop(self) -> None:
        """Stops it, if it runs, and ends whatever is left."""
        self.command("stop", timeout_s=STOP_S)

    def processes(self) -> list[int]:
        """Ids of all its processes, the service itself first if it runs."""
        record = instance.running(self.data_dir)
        own = [record.pid] if record else []
        return own + [pid for pid in instance.processes(self.data_dir) if pid not in own]

    def client(self, key: str | None = None, patience_s: float = 30.0) -> ApiClient:
        """A client of its HTTP API, with the admin key unless another is given."""
        return ApiClient(self.url, self.admin_key if key is None else key, patience_s=patience_s)

    def tenant_key(self, tenant: str) -> str:
        """The key of a tenant that may do everything."""
        return (self.data_dir / "tenants" / tenant / "admin.key").read_text().strip()

    def cli(self, *arguments: str, timeout_s: float = 60) -> Any:
        """Runs a command with --json and returns what it printed. Raises AssertionError if it fails."""
        done = self.command(*arguments, timeout_s=timeout_s)
        assert done.returncode == 0, f"onefold {arguments[0]} exited with {done.returncode}: {done.stderr[-2000:]}"
        return json.loads(done.stdout)

    def command(self, *arguments: str, timeout_s: float = 60) -> subprocess.CompletedProcess[str]:
        """Runs a command with --json on this data directory."""
        return self.command_without_directory(*arguments, "--data-dir", str(self.data_dir), timeout_s=timeout_s)

    def command_without_directory(self, *arguments: str, timeout_s: float = 60) -> subprocess.CompletedProcess[str]:
        """Runs a command with --json that works on files alone."""
        command = [sys.executable, "-m", "serve", *arguments, "--json"]
        return subprocess.run(
            command, env=self._environment(), cwd=ROOT, capture_output=True, text=True, timeout=timeout_s, check=False
        )

    def _take_ports(self) -> None:
        self.http_port, self.grpc_port = free_ports(2)
        self.url = f"http://127.0.0.1:{self.http_port}"
        self.grpc_target = f"127.0.0.1:{self.grpc_port}"

    def _ports(self) -> tuple[str, ...]:
        return ("--http-port", str(self.http_port), "--grpc-port", str(self.grpc_port))

    def _environment(self) -> dict[str, str]:
        own = {name: value for name, value in os.environ.items() if not name.startswith(("ONEFOLD_", "RAY_"))}
        return own | self._variables
