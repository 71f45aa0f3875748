"""The limits of the settings reach whoever reads what a trial writes, here and in pods."""

from pathlib import Path

from collectors.command import _limits, _options
from collectors.limits import USUAL
from controller.app.components import KIB, limits_of, local_follow
from controller.app.kubernetes import _settings
from controller.app.service import _collector
from controller.cluster.kubernetes.manifests import manifest
from controller.cluster.kubernetes.policy import DENY
from controller.cluster.kubernetes.sidecar import COLLECTOR
from controller.cluster.local.cluster import LocalCluster
from controller.settings import CollectorSettings, KubernetesSettings, Settings
from events.bus.kafka import KafkaSettings
from events.spec.document import load
from tests.controller.cluster.kubernetes.test_manifests import KATIB, launch
from tests.experiments import experiment_spec

SMALL = limits_of(
    CollectorSettings(
        line_kib=1, spool_mib=3, points_per_second=10, scrape_kib=2, scrape_seconds=0.5
    )
)
KAFKA = KafkaSettings("127.0.0.1:1")
WORDS = [
    "--line-bytes", "1024", "--spool-bytes", str(3 * KIB * KIB), "--points-per-second", "10",
    "--page-bytes", "2048", "--answer-seconds", "0.5",
]  # fmt: skip


def test_the_usual_limits_are_those_of_the_collector() -> None:
    usual = limits_of(Settings.read({}).collector)
    assert usual == USUAL
    assert list(usual.options()) == []  # an older collector knows no such options


def test_a_collector_takes_its_limits() -> None:
    assert list(SMALL.options()) == WORDS
    others = "--experiment 00000000-0000-0000-0000-000000000007 --trial 1 --shard 1 --metric loss"
    options = _options([*others.split(), "--file", "f", "--spool", "s", *WORDS])
    assert _limits(options) == SMALL


def test_collectors_are_started_with_them() -> None:
    one = launch(experiment_spec())
    command, _ = _collector(KAFKA, SMALL)(one, Path("log"), Path("folder"))
    assert command[-len(WORDS) :] == WORDS


def test_pods_have_them() -> None:
    spec = load((KATIB / "random.yaml").read_bytes()).spec
    one = launch(spec, **{parameter.name: 1 for parameter in spec.parameters})
    sidecar = _settings(KubernetesSettings(), KAFKA, SMALL).sidecar
    pod = manifest(one, sidecar, DENY)["spec"]["template"]["spec"]
    (args,) = [each["args"] for each in pod["initContainers"] if each["name"] == COLLECTOR]
    assert args[-len(WORDS) :] == WORDS


async def test_a_trial_without_a_collector_is_read_within_them(tmp_path: Path) -> None:
    command = {"command": ["true"]}
    one = launch(experiment_spec(trialTemplate=command), x=0.5)
    async with LocalCluster.open(tmp_path) as cluster:
        log = cluster.metrics_path(one)
        log.parent.mkdir(parents=True)
        log.write_text(f"loss=1\n{'x' * KIB} loss=2\nloss=3\n")
        for limits, values in ((SMALL, [1, 3]), (USUAL, [1, 2, 3])):
            source = local_follow(cluster, limits)(one, 1, dict)
            assert [point.value for point in source.finish()] == values
        log.write_text("".join(f"loss={number}\n" for number in range(4_000)))
        source = local_follow(cluster, SMALL)(one, 1, dict)
        assert len(source.finish()) < 4_000
