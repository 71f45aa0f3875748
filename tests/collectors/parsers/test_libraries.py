"""What the libraries themselves print, read by their presets; each in an environment of its own.

Lightning is not among them, since it needs gigabytes of PyTorch: its progress bars are tqdm's.
"""

import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from collectors.parsers.presets import PresetText
from collectors.sources.tail import Tail
from events.clock import now
from events.spec.collector import Preset

DATA = """
import numpy as np
rng = np.random.default_rng(0)
X = rng.normal(size=(80, 3)).astype("float32")
y = (X[:, 0] > 0).astype(int)
"""
XGBOOST = """
import xgboost as xgb
fit, check = xgb.DMatrix(X[:60], y[:60]), xgb.DMatrix(X[60:], y[60:])
settings = {"objective": "binary:logistic", "eval_metric": ["logloss", "auc"]}
xgb.train(settings, fit, 3, evals=[(fit, "train"), (check, "valid")])
xgb.cv({"objective": "binary:logistic", "eval_metric": "rmse"}, fit, 2, nfold=3, verbose_eval=1)
"""
LIGHTGBM = """
import lightgbm as lgb
fit = lgb.Dataset(X[:60], y[:60])
check = lgb.Dataset(X[60:], y[60:], reference=fit)
settings = {"objective": "binary", "metric": ["binary_logloss", "auc"], "min_data_in_leaf": 2}
lgb.train(settings, fit, 3, valid_sets=[check], callbacks=[lgb.log_evaluation(1)])
"""
KERAS = """
import keras
model = keras.Sequential([keras.layers.Input((3,)), keras.layers.Dense(1, activation="sigmoid")])
model.compile("sgd", "binary_crossentropy", metrics=["accuracy"])
model.fit(X, y, epochs=2, validation_split=0.25)
model.fit(X, y, epochs=2, validation_split=0.25, verbose=2)
"""
TRANSFORMERS = """
from transformers.trainer_callback import PrinterCallback, ProgressCallback, TrainerState
state = TrainerState(is_world_process_zero=True, is_local_process_zero=True, max_steps=9)
bar = ProgressCallback()
bar.on_train_begin(None, state, None)
for callback in (PrinterCallback(), bar):
    callback.on_log(None, state, None, logs={"loss": 0.4321, "learning_rate": 5e-05, "epoch": 0.5})
    callback.on_log(None, state, None, logs={"eval_loss": 0.3812, "eval_runtime": 1.2, "epoch": 1})
bar.on_train_end(None, state, None)
"""
TQDM = """
from tqdm import tqdm
bar = tqdm(range(3), desc="Epoch 1", mininterval=0)
for step in bar:
    bar.set_postfix({"loss": 0.5 / (step + 1), "val/acc": 1e-5 * step})
"""


@pytest.mark.long
@pytest.mark.parametrize(
    ("preset", "packages", "program", "least"),
    [
        (
            Preset.XGBOOST, ["numpy", "scipy", "xgboost"], DATA + XGBOOST,
            {"train-logloss": 3, "valid-auc": 3, "test-rmse": 2},
        ),
        (
            Preset.LIGHTGBM, ["numpy", "scipy", "lightgbm"], DATA + LIGHTGBM,
            {"binary_logloss": 3, "valid_0's auc": 3},
        ),
        (
            Preset.KERAS, ["keras", "jax"], DATA + KERAS,
            {"loss": 4, "accuracy": 4, "val_loss": 4, "val_accuracy": 4},
        ),
        (
            Preset.TRANSFORMERS, ["transformers"], TRANSFORMERS,
            {"loss": 2, "learning_rate": 2, "eval_loss": 2},
        ),
        (Preset.TQDM, ["tqdm"], TQDM, {"loss": 3, "val/acc": 3}),
    ],
    ids=lambda value: value if isinstance(value, Preset) else "",
)  # fmt: skip
def test_what_the_library_prints_is_read(
    tmp_path: Path, preset: Preset, packages: list[str], program: str, least: dict[str, int]
) -> None:
    python, log = _environment(tmp_path, preset, packages), tmp_path / "log"
    with log.open("wb") as said:
        environment = {"KERAS_BACKEND": "jax", "OMP_NUM_THREADS": "1", "HOME": str(tmp_path)}
        words = [python, "-c", program]
        subprocess.run(words, stdout=said, stderr=said, check=True, env=environment, timeout=300)
    for used in (preset, Preset.AUTO):
        tail, found = Tail(log, PresetText(list(least), used), now), Counter[str]()
        while points := tail.finish():
            found.update(point.metric for point in points)
        assert all(found[metric] >= count for metric, count in least.items()), (used, found)


def _environment(folder: Path, preset: Preset, packages: list[str]) -> str:
    """A Python that has these packages. XGBoost names one for GPUs, which it does not need."""
    subprocess.run([sys.executable, "-m", "venv", folder / "env"], check=True, timeout=120)
    python = str(folder / "env" / "bin" / "python")
    alone = ["--no-deps"] if preset is Preset.XGBOOST else []
    install = [python, "-m", "pip", "install", "--quiet", *alone, *packages]
    done = subprocess.run(install, capture_output=True, text=True, timeout=900, check=False)
    if done.returncode:
        pytest.skip(f"{', '.join(packages)} cannot be installed here: {done.stderr[-200:]}")
    return python
