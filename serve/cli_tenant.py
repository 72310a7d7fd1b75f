"""`--tenant`, on every command that is about a tenant's data."""

import functools
import inspect
from collections.abc import Callable, Collection
from contextvars import ContextVar
from typing import Annotated, Any

import typer

_chosen: ContextVar[str | None] = ContextVar("onefold_tenant", default=None)
_OPTION = Annotated[
    str | None, typer.Option("--tenant", help="Whose data. (default: the default tenant's)", show_default=False)
]


def chosen_tenant() -> str | None:
    """What the command line says of the tenant; None for nothing."""
    return _chosen.get()


def add_tenant(commands: typer.Typer, without: Collection[str] = ()) -> None:
    """Gives every command that has `--data-dir` the option `--tenant`, but for those named in `without`."""
    for info in commands.registered_commands:
        if info.callback is not None and info.name not in without:
            info.callback = _takes_tenant(info.callback)
    for group in commands.registered_groups:
        if group.typer_instance is not None and group.name not in without:
            add_tenant(group.typer_instance)


def _takes_tenant(command: Callable[..., Any]) -> Callable[..., Any]:
    signature = inspect.signature(command, eval_str=True)
    if not {"data_dir"} <= signature.parameters.keys() or "tenant" in signature.parameters:
        return command

    @functools.wraps(command)
    def call(*arguments: Any, tenant: str | None = None, **named: Any) -> Any:
        token = _chosen.set(tenant)
        try:
            return command(*arguments, **named)
        finally:
            _chosen.reset(token)

    option = inspect.Parameter("tenant", inspect.Parameter.KEYWORD_ONLY, default=None, annotation=_OPTION)
    call.__signature__ = signature.replace(parameters=[*signature.parameters.values(), option])  # type: ignore[attr-defined]
    call.__annotations__ = {**command.__annotations__, "tenant": _OPTION}
    return call
