"""The variables by which a program knows which trial it is, wherever it runs."""

import json

from controller.cluster import Launch


def describing_variables(launch: Launch) -> dict[str, str]:
    """The attempt's name, number and parameters; `MLFLOW_RUN_CONTEXT` are tags that MLflow gives to
    each run that the program starts, so that the attempt's runs are found."""
    key = launch.key
    attempt = f"{key.experiment}/{key.trial}/{key.attempt}"
    return {
        "TRIALSTREAM_TRIAL": launch.name,
        "TRIALSTREAM_ATTEMPT": str(key.attempt),
        "TRIALSTREAM_PARAMETERS": json.dumps(dict(launch.assignment)),
        "KATIB_TRIAL_NAME": launch.name,
        "MLFLOW_RUN_CONTEXT": json.dumps(
            {"trialstream.trial": launch.name, "trialstream.attempt": attempt}
        ),
    }
