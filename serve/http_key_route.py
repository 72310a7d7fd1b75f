"""Routes whose last parameter is a key that may hold slashes, beside routes that go on below the key.

`GET /v1/profiles/{key}` matches every path below it. What another route's path matches is that route's alone, with
whatever method: `GET /v1/profiles/user_id:u1/decide` uses a path of POST wrongly, and reads no person "u1/decide".
"""

import re
from collections.abc import Iterable, Sequence

from fastapi.routing import APIRoute
from starlette.routing import BaseRoute, Match
from starlette.types import Scope


class KeyRoute(APIRoute):
    """A route that leaves paths of other routes to them, once `leave_to_others` has told it of these."""

    others: Sequence[re.Pattern[str]] = ()

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        """As every route, but for the others' paths."""
        match, child_scope = super().matches(scope)
        if match is Match.FULL and self.others:
            path = str(scope["path"])
            if any(other.match(path) for other in self.others):
                return Match.NONE, {}
        return match, child_scope


def leave_to_others(routes: Sequence[BaseRoute]) -> None:
    """Tells every KeyRoute of the paths below its own that are not used with its methods."""
    known = [route for route in routes if isinstance(route, APIRoute)]
    for route in known:
        if isinstance(route, KeyRoute):
            below = {each.path: each.path_regex for each in known if route.path_regex.match(each.path)}
            mine = route.methods or set()
            route.others = [pattern for path, pattern in below.items() if mine.isdisjoint(allowed(known, path))]


def allowed(routes: Iterable[BaseRoute], path: str) -> set[str]:
    """The methods that a path, as a template, is used with."""
    same = [route for route in routes if isinstance(route, APIRoute) and route.path == path]
    return {method for route in same for method in route.methods or ()}
