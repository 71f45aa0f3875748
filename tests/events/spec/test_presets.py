"""The filter of an experiment that gives none, of each API, now and from earlier versions."""

import pytest

from controller.core.differences import differences
from events.spec.collector import MetricsCollectorSpec, Preset
from events.spec.document import KATIB, OURS, InvalidDocumentError, load
from events.spec.experiment import ExperimentSpec

EXPERIMENT = """
apiVersion: {api}
kind: Experiment
metadata: {{name: an-experiment}}
spec:
  objective: {{type: minimize, objectiveMetricName: loss}}
  algorithm: {{algorithmName: random}}
  parameters:
  - {{name: x, parameterType: double, feasibleSpace: {{min: "0", max: "1"}}}}
  trialTemplate:
    primaryContainerName: main
    trialParameters: [{{name: x, reference: x}}]
    trialSpec:
      apiVersion: batch/v1
      kind: Job
      spec:
        template:
          spec:
            containers: [{{name: main, image: python, command: [train, "${{trialParameters.x}}"]}}]
  metricsCollectorSpec: {collector}
"""


def spec_of(collector: str = "{}", api: str = OURS) -> ExperimentSpec:
    return load(EXPERIMENT.format(api=api, collector=collector).encode()).spec


@pytest.mark.parametrize(
    ("collector", "preset"),
    [
        ("{}", Preset.AUTO),
        ("{collector: {kind: File}}", Preset.AUTO),
        ("{source: {filter: {}}}", Preset.AUTO),
        ("{source: {filter: {preset: keras}}}", Preset.KERAS),
        ("{source: {filter: {metricsFormat: ['(a)=(b)']}}}", None),
        ("{collector: {kind: File}, source: {fileSystemPath: {path: /a, format: JSON}}}", None),
        ("{collector: {kind: TensorFlowEvent}}", None),
    ],
)
def test_our_files_have_auto_where_text_is_read_without_a_filter(
    collector: str, preset: Preset | None
) -> None:
    assert spec_of(collector).metrics_collector_spec.preset is preset


def test_the_rest_of_a_source_stays() -> None:
    file = "{collector: {kind: File}, source: {fileSystemPath: {path: /a/b}}}"
    assert spec_of(file).metrics_collector_spec.path == "/a/b"


def test_katibs_files_have_katibs_filter_and_no_preset() -> None:
    assert spec_of(api=KATIB).metrics_collector_spec == MetricsCollectorSpec()
    text = EXPERIMENT.format(api=KATIB, collector="{source: {filter: {preset: keras}}}")
    loaded = load(text.encode())
    assert loaded.spec.metrics_collector_spec.preset is None
    (warning,) = [one for one in loaded.warnings if "preset" in one]
    assert "metricsCollectorSpec.source.filter.preset is ignored; it is an addition" in warning


@pytest.mark.parametrize(
    ("filters", "said"),
    [
        ("{preset: keras, metricsFormat: ['(a)=(b)']}", "give either preset or metricsFormat"),
        ("{preset: torch}", "allowed are 'lightning', 'keras'"),
    ],
)
def test_what_cannot_be_is_refused(filters: str, said: str) -> None:
    with pytest.raises(InvalidDocumentError, match=said):
        spec_of(f"{{source: {{filter: {filters}}}}}")


def test_a_spec_that_an_earlier_version_stored_keeps_its_filter() -> None:
    """And its file, which reads as another spec now, is the same experiment."""
    now = spec_of()
    stored = now.model_copy(update={"metrics_collector_spec": MetricsCollectorSpec()})
    read = ExperimentSpec.model_validate_json(stored.model_dump_json(by_alias=True))
    assert read.metrics_collector_spec.preset is None
    assert differences(read, now) == []
    other = spec_of("{source: {filter: {preset: keras}}}")
    (different,) = differences(read, other)
    assert different[0] == "spec.metricsCollectorSpec.source"
