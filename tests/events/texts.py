"""Two small valid experiment files, ours and Katib's, and the way to change a piece of one."""

OURS = """\
apiVersion: trialstream.io/v1alpha1
kind: Experiment
metadata:
  name: bowl
spec:
  objective:
    type: minimize
    objectiveMetricName: loss
  maxTrialCount: 10
  parameters:
    - name: lr
      parameterType: double
      feasibleSpace: {min: 0.01, max: 0.1}
    - name: kind
      parameterType: categorical
      feasibleSpace: {list: [sgd, adam]}
  trialTemplate:
    command: [python, train.py, "--lr=${trialParameters.lr}", "--kind=${trialParameters.kind}"]
"""

KATIB = """\
apiVersion: kubeflow.org/v1beta1
kind: Experiment
metadata:
  name: bowl
  namespace: team
spec:
  objective:
    type: minimize
    objectiveMetricName: loss
  algorithm:
    algorithmName: random
  parameters:
    - name: lr
      parameterType: double
      feasibleSpace: {min: "0.01", max: "0.1"}
  trialTemplate:
    primaryContainerName: main
    trialParameters:
      - name: rate
        reference: lr
    trialSpec:
      apiVersion: batch/v1
      kind: Job
      spec:
        template:
          spec:
            containers:
              - name: main
                image: train
                command: [python, train.py, "--lr=${trialParameters.rate}"]
"""


def edited(text: str, *changes: tuple[str, str]) -> bytes:
    """`text` with each (old, new) applied; an old piece stands in it exactly once."""
    for old, new in changes:
        assert text.count(old) == 1, f"{old!r} stands there {text.count(old)} times"
        text = text.replace(old, new)
    return text.encode()
