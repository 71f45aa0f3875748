"""An object too large for a record is refused in its status, and its neighbour is served."""

import json
import re
from pathlib import Path
from uuid import UUID

import pytest

from tests.controller.cluster.kubernetes.object_server import held_object
from tests.controller.flows.neighbours import refuse_one

LARGE, SMALL = UUID(int=1), UUID(int=2)
COMMAND = ["train", *("x" * 97_700 for _ in range(10))]


async def test_an_object_of_977_kb_is_refused_in_its_status_and_its_neighbour_is_served(
    fresh_database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    large = held_object("large", LARGE, trialTemplate={"command": COMMAND})
    assert 977_000 <= len(json.dumps(large)) <= 978_000
    small = held_object("small", SMALL)
    objects = await refuse_one(fresh_database_url, tmp_path, monkeypatch, large, small)
    said = objects.condition("large", "Failed")
    assert said is not None
    assert said[:2] == ("True", "InvalidSpec")
    assert re.match(r"spec: has 97\d,\d{3} bytes .* at most 819,200 fit into a record", said[2])
    assert objects.held["large"]["status"]["state"] == "Refused"
    assert [(kind, reason, uid) for kind, reason, _, uid in objects.told()] == [
        ("Warning", "InvalidSpec", str(LARGE))
    ]
    assert "state" not in objects.held["small"]["status"]
