"""A service with an audit log, people in it, and a key that may do everything."""

from pathlib import Path

from models.audit.chain import Entry
from serve.settings import Settings
from tests.unit.serve.http_service import HttpService

PRO = {"type": "demographic", "trait": "plan", "operator": "equals", "value": "pro"}
MARTHA = {"firstName": "Martha", "lastName": "Cunningham", "birthday": "1968-03-12", "plan": "pro"}
MAIL = "jane.doe@example.com"


class Scene:
    """A service where u1 and u2 are much alike and in the segment pro, called with a key that may do everything."""

    def __init__(self, data_dir: Path, settings: Settings | None = None) -> None:
        self.service = HttpService(data_dir, settings)
        self.service.post("/v1/segments", {"id": "pro", "name": "Pro", "criteria": PRO})
        people = ("u1", MARTHA), ("u2", MARTHA), ("u3", {"email": MAIL})
        for user_id, traits in people:
            self.service.send({"type": "identify", "userId": user_id, "messageId": user_id, "traits": traits})
        self.u1, self.u2, self.u3 = (self.service.router.index[f"user_id:u{number}"] for number in (1, 2, 3))
        self.service.key = self.service.create_key("admin", "ops")
        (self.key,) = self.service.control.keys()
        self.seen = len(self.service.recorded())

    def merge(self) -> str:
        return self.service.router.join_people(self.u1, self.u2, "probabilistic", "matching")

    def review(self) -> str:
        return self.service.router.open_review("user_id:u1", "user_id:u2").review_id

    def new_entries(self) -> list[Entry]:
        """What was recorded since the last look."""
        entries = self.service.recorded()[self.seen :]
        self.seen += len(entries)
        return entries
