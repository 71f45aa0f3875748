"""What a program pushes arrives in Kafka once and in order, whoever of the two is killed."""

import random
import signal
import time
from pathlib import Path

import pytest

from events.bus.kafka import KafkaSettings
from tests.collectors.shipping import Shipment, arrived, ends, losses
from tests.eventually import eventually
from tests.trialstream_report.programs import PUSH, running

ENDLESS = """
from trialstream_report import report
import time
n = 0
while True:
    n += 1
    report(step=n, loss=n)
    print(n, flush=True)
    time.sleep(0.001)
"""


@pytest.mark.parametrize("seed", range(2))
def test_kill_9_of_the_collector_and_of_the_trial(
    tmp_path: Path, kafka: KafkaSettings, seed: int
) -> None:
    chance = random.Random(seed)
    shipment = Shipment(tmp_path, kafka, spec=PUSH)
    with running(ENDLESS, shipment.file) as trial:
        eventually(shipment.file.exists)
        for _ in range(3):
            with shipment.collector() as child:
                time.sleep(chance.uniform(0.2, 1.6))
                child.kill()
        trial.send_signal(signal.SIGKILL)
        assert trial.stdout
        said = sum(1 for _ in trial.stdout)
    with shipment.collector() as child:
        assert ends(child) == 0
    points = losses(arrived(kafka, shipment.key))
    assert points == [(n, n) for n in range(1, len(points) + 1)]
    assert len(points) - said in (0, 1)
