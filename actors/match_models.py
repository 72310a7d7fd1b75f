"""Loading of matching models: the one that comes with Onefold, or a file that `onefold resolve --save-model` wrote."""

from pathlib import Path

from models.identity.matcher import Matcher
from models.identity.model import MatchModel
from models.identity.nicknames import NicknameTable


def load_matcher(path: str | None) -> Matcher:
    """The matcher of a model's file; the shipped one for None or "". Raises OSError, or ValueError if it is none."""
    if not path:
        return Matcher.shipped()
    return Matcher(MatchModel.decode(Path(path).read_bytes()), NicknameTable.shipped())
