"""What the callbacks report is what the libraries themselves have recorded."""

import json
import sys
from pathlib import Path

import pytest

from events.spec.collector import REPORT_FILE
from tests.empty import Environment
from tests.tiers import rest_is_long
from tests.trialstream_report.programs import (
    lines_of,
    pushed,
    ran,
    values_of,
)

DATA = """
import json, numpy
X = numpy.random.default_rng(1).random((200, 3))
y = (X.sum(axis=1) > 1.5).astype(int)
"""
TOLD = "\nimport sys; print(json.dumps(told), file=sys.stderr)"
XGBOOST = """
import xgboost
from trialstream_report.xgboost import ReportCallback
train, test = xgboost.DMatrix(X[:150], y[:150]), xgboost.DMatrix(X[150:], y[150:])
METRICS = ["logloss", "error"]
settings = {"objective": "binary:logistic", "eval_metric": METRICS}
options = {"num_boost_round": 8, "callbacks": [ReportCallback()], "verbose_eval": False}
"""
LIGHTGBM = """
import lightgbm
from trialstream_report.lightgbm import ReportCallback
train = lightgbm.Dataset(X[:150], y[:150])
test = lightgbm.Dataset(X[150:], y[150:], reference=train)
settings = {"objective": "binary", "metric": ["binary_logloss", "auc"], "verbose": -1}
told = {}
callbacks = [lightgbm.record_evaluation(told), ReportCallback()]
"""
NAMES = {"xgboost": "{}-{}", "lightgbm": "{}'s {}"}
PROGRAMS = {
    "xgboost": (
        "xgboost",
        XGBOOST + "told = {}\n"
        "evals = [(train, 'train'), (test, 'test')]\n"
        "xgboost.train(settings, train, evals=evals, evals_result=told, **options)",
    ),
    "xgboost-cv": (
        "xgboost",
        XGBOOST + "found = xgboost.cv(settings, train, nfold=3, as_pandas=False, **options)\n"
        "told = {data: {metric: found[f'{data}-{metric}-mean'] for metric in METRICS}\n"
        "    for data in ('train', 'test')}",
    ),
    "lightgbm": (
        "lightgbm",
        LIGHTGBM + "lightgbm.train(settings, train, 8, valid_sets=[test], callbacks=callbacks)",
    ),
    "lightgbm-stopped": (
        "lightgbm",
        LIGHTGBM + "callbacks.append(lightgbm.early_stopping(2, verbose=False))\n"
        "settings['learning_rate'] = 3\n"
        "lightgbm.train(settings, train, 40, valid_sets=[test], callbacks=callbacks)\n"
        "assert len(told['valid_0']['auc']) < 40",
    ),
    "lightgbm-cv": (
        "lightgbm",
        LIGHTGBM
        + "found = lightgbm.cv(settings, train, 8, nfold=3, callbacks=[ReportCallback()])\n"
        "told = {'valid': {metric: found[f'valid {metric}-mean']\n"
        "    for metric in ('binary_logloss', 'auc')}}",
    ),
}


@pytest.mark.parametrize("name", rest_is_long(PROGRAMS, lambda name: name in NAMES))
def test_each_round_of_boosting_is_reported(name: str, tmp_path: Path) -> None:
    library, program = PROGRAMS[name]
    pytest.importorskip(library)
    said = pushed(DATA + program + TOLD, tmp_path / "reports")
    told = json.loads(said.splitlines()[-1])
    for data, metrics in told.items():
        for metric, values in metrics.items():
            named = NAMES[library].format(data, metric)
            assert values_of(tmp_path / "reports", named) == pytest.approx(values)
    steps = [line["step"] for line in lines_of(tmp_path / "reports")]
    assert steps == list(range(len(values)))


@pytest.mark.parametrize("subsample", rest_is_long([1.0, 0.5], lambda one: one < 1))
def test_each_stage_of_scikit_learn_is_reported(tmp_path: Path, subsample: float) -> None:
    program = f"""
from sklearn.ensemble import GradientBoostingClassifier
from trialstream_report.sklearn import ReportMonitor
model = GradientBoostingClassifier(n_estimators=7, subsample={subsample})
model.fit(X, y, monitor=ReportMonitor())
told = [list(model.train_score_), list(getattr(model, "oob_scores_", []))]
"""
    said = pushed(DATA + program + TOLD, tmp_path / "reports")
    train, left_out = json.loads(said)
    assert values_of(tmp_path / "reports", "train_loss") == train
    assert values_of(tmp_path / "reports", "oob_loss") == left_out
    assert (len(train), len(left_out)) == (7, 7 if subsample < 1 else 0)
    assert [line["step"] for line in lines_of(tmp_path / "reports")] == list(range(7))


def test_each_epoch_of_scikit_learn_is_reported(tmp_path: Path) -> None:
    program = """
from sklearn.linear_model import SGDClassifier
from trialstream_report.sklearn import fit_epochs
train, test = (X[:150], y[:150]), (X[150:], y[150:])
told = fit_epochs(SGDClassifier(), train, test, epochs=5, classes=[0, 1]).score(*test)
"""
    said = pushed(DATA + program + TOLD, tmp_path / "reports")
    values = values_of(tmp_path / "reports", "score")
    assert [line["step"] for line in lines_of(tmp_path / "reports")] == list(range(5))
    assert values[-1] == float(said)


KERAS = (
    """
import os; os.environ["KERAS_BACKEND"] = "jax"
import keras
from trialstream_report.keras import ReportCallback
model = keras.Sequential([keras.layers.Dense(1)])
model.compile(loss="mse", metrics=["mae"])
options = {"epochs": 4, "validation_data": (X, y), "verbose": 0}
told = model.fit(X, y, callbacks=[ReportCallback()], **options).history
"""
    + TOLD
)
TRANSFORMERS = """
from transformers.trainer_callback import CallbackHandler, TrainerControl, TrainerState
from trialstream_report.transformers import ReportCallback
handler = CallbackHandler([ReportCallback()], None, None, None, None)
state = TrainerState(global_step=7, is_world_process_zero=True)
handler.on_log(None, state, TrainerControl(), {"loss": 0.5, "eval_loss": 0.25, "epoch": 1.0})
state.is_world_process_zero = False
handler.on_log(None, state, TrainerControl(), {"loss": 9.0})
"""


@pytest.mark.long
def test_the_real_keras_and_the_handler_of_the_trainer(tmp_path: Path) -> None:
    """On jax. The Trainer itself needs torch, which is too large; its handler calls callbacks."""
    made = Environment.made(tmp_path / "env", sys.executable)
    made.install("keras", "jax", "transformers")
    program = str(made.folder / "bin" / "python")
    keras, transformers = tmp_path / "keras", tmp_path / "transformers"
    said = ran(DATA + KERAS, program, **{REPORT_FILE: keras})
    told = json.loads(said.splitlines()[-1])
    assert sorted(told) == ["loss", "mae", "val_loss", "val_mae"]
    for metric, values in told.items():
        assert values_of(keras, metric) == values
    ran(TRANSFORMERS, program, **{REPORT_FILE: transformers})
    (line,) = lines_of(transformers)
    assert (line["step"], line["loss"], line["eval_loss"]) == (7, 0.5, 0.25)


@pytest.mark.parametrize("package", ["lightning/pytorch", "pytorch_lightning"])
def test_lightning_by_its_documented_signature(tmp_path: Path, package: str) -> None:
    """Lightning needs torch. Its hook is `on_train_epoch_end(self, trainer, pl_module)`, after the
    validation of the epoch."""
    folder = tmp_path / package
    folder.mkdir(parents=True)
    (folder / "callbacks.py").write_text("class Callback:\n    pass\n")
    module = f"{package.replace('/', '.')}.callbacks"
    program = f"""
import sys; sys.path.append({str(tmp_path)!r})
import {module} as callbacks
from types import SimpleNamespace as Trainer
from trialstream_report.lightning import ReportCallback
assert issubclass(ReportCallback, callbacks.Callback)
for rank in (0, 1):
    metrics = {{"val_loss": 0.5, "acc": 0.25}}
    trainer = Trainer(is_global_zero=rank == 0, current_epoch=3, callback_metrics=metrics)
    ReportCallback().on_train_epoch_end(trainer, None)
"""
    pushed(program, tmp_path / "reports")
    (line,) = lines_of(tmp_path / "reports")
    assert (line["step"], line["val_loss"], line["acc"]) == (3, 0.5, 0.25)
