"""Lines that real trainings print, and what each becomes.

Who prints it, the line, the metrics that are wanted, what Katib's filter finds, and a preset with
what that finds. Where a comment says `real`, the library itself printed most of these lines.
"""

from dataclasses import dataclass
from math import inf, nan

from events.spec.collector import Preset

Found = list[tuple[str, float]]
NOTHING: Found = []


@dataclass(frozen=True, slots=True)
class Printed:
    by: str
    line: str
    names: tuple[str, ...]
    katib: Found
    preset: Preset
    found: Found


def _same(by: str, line: str, preset: Preset, **found: float) -> Printed:
    """What both find."""
    return _odd(by, line, preset, found, found)


def _only(by: str, line: str, preset: Preset, **found: float) -> Printed:
    """What the preset alone finds."""
    return _odd(by, line, preset, {}, found)


def _none(by: str, line: str, *names: str) -> Printed:
    """What neither may find."""
    return Printed(by, line, names, NOTHING, Preset.AUTO, NOTHING)


def _odd(
    by: str, line: str, preset: Preset, katib: dict[str, float], found: dict[str, float]
) -> Printed:
    names = tuple({**katib, **found})
    return Printed(by, line, names, list(katib.items()), preset, list(found.items()))


AUTO, COLON = Preset.AUTO, Preset.KEY_COLON_VALUE
BAR = "Epoch 3: 100%|██████████| 94/94 [00:01<00:00, 77.52it/s, v_num=0"
KERAS_3 = (
    "\x1b[1m3/3\x1b[0m \x1b[32m━━━━━━━━━━\x1b[0m\x1b[37m━━━\x1b[0m \x1b[1m0s\x1b[0m 260ms/step"
)

LINES = [
    # PyTorch Lightning
    _same("lightning", f"{BAR}, loss=0.312]", Preset.LIGHTNING, loss=0.312),
    _same(
        "lightning", f"{BAR}, train_loss=0.312, val_loss=0.290]", Preset.LIGHTNING,
        train_loss=0.312, val_loss=0.29,
    ),
    _odd(
        "lightning", f"{BAR}, val/loss=0.290, val/acc=0.9]", Preset.LIGHTNING,
        {"val/loss": 0.29, "val/acc": 0.9}, {"val/loss": 0.29, "val/acc": 0.9},
    ),
    _same("lightning", f"{BAR}, loss=nan]", Preset.LIGHTNING, loss=nan),
    _same("lightning", f"{BAR}, loss=1.25e-5]", Preset.LIGHTNING, loss=1.25e-5),
    _only(
        "lightning", "│         test_acc          │    0.8899999856948853     │",
        Preset.LIGHTNING, test_acc=0.8899999856948853,
    ),
    _only("lightning", "        test_loss           0.3121", Preset.LIGHTNING, test_loss=0.3121),
    _only("lightning", "{'test_acc': 0.89, 'test_loss': 0.3}", AUTO, test_acc=0.89),
    _only(
        "lightning", "Epoch 0/1 ━━━━ 10/10 0:00:00 • 0:00:00 120.1it/s v_num: 0 train_loss: 0.312",
        AUTO, train_loss=0.312,
    ),
    # Keras; real
    _only(
        "keras", f"{KERAS_3} - accuracy: 0.5312 - loss: 0.6770\x08\x08\x08", Preset.KERAS,
        accuracy=0.5312, loss=0.677,
    ),
    _only(
        "keras",
        "3/3 - 0s - 743us/step - accuracy: 0.4792 - loss: 0.7105 - val_accuracy: 0.3750 "
        "- val_loss: 0.7564",
        Preset.KERAS, accuracy=0.4792, loss=0.7105, val_accuracy=0.375, val_loss=0.7564,
    ),
    _only(
        "keras", "10/10 [==============================] - 0s 2ms/step - loss: 2.871e-04",
        Preset.KERAS, loss=2.871e-4,
    ),
    _only("keras", "32/32 - 1s - loss: nan - acc: 0.0980", Preset.KERAS, loss=nan, acc=0.098),
    _none("keras", "{'accuracy': [0.453125], 'loss': [0.7208123207092285]}", "accuracy", "loss"),
    # Hugging Face; real, of versions 5 and 4
    _only(
        "transformers",
        "{'loss': '0.4321', 'grad_norm': '1.25', 'learning_rate': '5e-05', 'epoch': '0.5'}",
        Preset.TRANSFORMERS, loss=0.4321, learning_rate=5e-5,
    ),
    _only(
        "transformers",
        "{'eval_loss': 0.38123456, 'eval_accuracy': 0.85, 'eval_runtime': 1.2, 'epoch': 1.0}",
        Preset.TRANSFORMERS, eval_loss=0.38123456, eval_accuracy=0.85,
    ),
    _none("transformers", "{'eval_loss': 0.38, 'epoch': 1.0}", "loss"),
    _same("transformers", "  eval_accuracy           =     0.8529", Preset.TRANSFORMERS,
          eval_accuracy=0.8529),
    _none("transformers", "  eval_runtime            = 0:00:01.20", "eval_runtime"),
    _same("transformers", "TrainOutput(global_step=10, training_loss=0.43, metrics={})", AUTO,
          training_loss=0.43),
    # XGBoost; real
    _only(
        "xgboost", "[0]\ttrain-logloss:0.46260\ttrain-auc:1.00000\tvalid-logloss:0.45755",
        Preset.XGBOOST, **{"train-auc": 1.0, "valid-logloss": 0.45755},
    ),
    _only(
        "xgboost", "[1]\ttrain-logloss:0.34046+0.00102\ttest-logloss:0.36114+0.02402",
        Preset.XGBOOST, **{"test-logloss": 0.36114},
    ),
    _only("xgboost", "[3]\tvalidation_0-rmse:12.5", Preset.XGBOOST, **{"validation_0-rmse": 12.5}),
    _none("xgboost", "[0]\ttrain-rmse:0.10213\tvalid-rmse:0.2", "rmse"),
    # LightGBM; real
    _only(
        "lightgbm", "[3]\tvalid_0's binary_logloss: 0.449959\tvalid_0's auc: 1", Preset.LIGHTGBM,
        binary_logloss=0.449959, auc=1.0,
    ),
    _only(
        "lightgbm", "[1]\ttraining's binary_logloss: 0.597584\tvalid_1's binary_logloss: 0.59038",
        Preset.LIGHTGBM, **{"valid_1's binary_logloss": 0.59038},
    ),
    _none(
        "lightgbm", "[1]\ttraining's binary_logloss: 0.597584\tvalid_1's binary_logloss: 0.59038",
        "binary_logloss",
    ),
    _only(
        "lightgbm",
        "[2]\ttrain's auc: 0.50671 + 0.00525463\tvalid's auc: 0.544061 + 0.00225121",
        Preset.LIGHTGBM, **{"valid's auc": 0.544061},
    ),
    # tqdm; real
    _same("tqdm", "Epoch 1:   0%|          | 0/3 [00:00<?, ?it/s, acc=0, loss=0.5, nan=nan]",
          Preset.TQDM, acc=0.0, loss=0.5),
    _same("tqdm", "Epoch 1:   0%|          | 0/3 [00:00<?, ?it/s, acc=1e-5, loss=0.25]",
          Preset.TQDM, acc=1e-5, loss=0.25),
    _only("tqdm", "loss: 0.2500:   0%|          | 0/2 [00:00<?, ?it/s]", COLON, loss=0.25),
    # PyTorch's own examples, torchvision, timm
    _only("pytorch", "Train Epoch: 1 [0/60000 (0%)]\tLoss: 2.300039", COLON, Loss=2.300039),
    _only("pytorch", "Test set: Average loss: 0.0512, Accuracy: 9834/10000 (98%)", COLON,
          loss=0.0512),
    _none("pytorch", "Test set: Average loss: 0.0512, Accuracy: 9834/10000 (98%)", "Accuracy"),
    _only("pytorch", "Test-Loss: 0.216, Accuracy: 71.59%", COLON, Accuracy=71.59),
    _only("pytorch", "loss=tensor(0.1234, device='cuda:0', grad_fn=<MeanBackward0>)", AUTO,
          loss=0.1234),
    _only("pytorch", "metrics: {'loss': tensor(2.5e-3), 'acc': np.float64(0.5)}", COLON,
          loss=2.5e-3, acc=0.5),
    _only("timm", "Train: 0 [   0/1251 (  0%)]  Loss: 6.95 (6.95)  Time: 0.530s,  241/s", COLON,
          Loss=6.95),
    _only("timm", "Test: [  48/48]  Loss:  0.7012 (0.9431)  Acc@1:  85.0708 (78.1240)", COLON,
          **{"Acc@1": 85.0708}),
    _none("pytorch", "loss: tensor([0.1, 0.2])", "loss"),
    _same("pytorch", "[rank0]: loss=0.5", AUTO, loss=0.5),
    _none("pytorch", " *   Acc@1 71.590 Acc@5 90.100", "Acc@1"),
    # TensorFlow
    _same("tensorflow", "INFO:tensorflow:loss = 0.5, step = 100 (0.4 sec)", AUTO, loss=0.5),
    _same(
        "tensorflow",
        "INFO:tensorflow:Saving dict for global step 100: accuracy = 0.91, global_step = 100",
        AUTO, accuracy=0.91,
    ),
    # MXNet, as Katib's first example
    _same("mxnet", "INFO:root:Epoch[0] Validation-accuracy=0.951234", AUTO,
          **{"Validation-accuracy": 0.951234}),
    _none("mxnet", "INFO:root:Epoch[0] Validation-accuracy=0.951234", "accuracy"),
    _same("mxnet", "2024-05-01T10:00:00Z INFO     Epoch[0] Train-accuracy=0.9", AUTO,
          **{"Train-accuracy": 0.9}),
    # Detectron2, MMEngine, Paddle, Ultralytics
    _only(
        "detectron2",
        "[05/01 10:00:00 d2.utils.events]:  eta: 0:10:00  iter: 19  total_loss: 1.234  lr: 5e-04",
        COLON, total_loss=1.234, lr=5e-4,
    ),
    _none("detectron2", "[05/01 10:00:00]:  eta: 0:10:00  iter: 19", "eta"),
    _only(
        "mmengine", "Epoch(val) [1][50/50]    coco/bbox_mAP: 0.3520  coco/bbox_mAP_50: 0.5",
        COLON, **{"coco/bbox_mAP": 0.352},
    ),
    _none("mmengine", "Epoch(val) [1][50/50]    coco/bbox_mAP: 0.3520", "bbox_mAP"),
    _only(
        "paddle", "[2024/05/01 10:00:00] ppcls INFO: [Train][1/10]lr: 0.1, top1: 0.5, loss: 3",
        COLON, lr=0.1, top1=0.5, loss=3.0,
    ),
    _only("ultralytics", "{'metrics/mAP50(B)': 0.61, 'fitness': 0.4}", Preset.TRANSFORMERS,
          **{"metrics/mAP50(B)": 0.61}),
    # scikit-learn, CatBoost
    _same("sklearn", "Iteration 1, loss = 0.69314718", AUTO, loss=0.69314718),
    _same("sklearn", "[CV 1/5] END ..........C=1, gamma=0.1;, score=0.967 total time=   0.0s",
          AUTO, score=0.967),
    _only("sklearn", "Norm: 1.20, NNZs: 4, Bias: -0.10, T: 100, Avg. loss: 0.512", COLON,
          loss=0.512),
    _only("catboost", "0:\tlearn: 0.6881\ttest: 0.6890\tbest: 0.6890 (0)\ttotal: 50.1ms", COLON,
          learn=0.6881, test=0.689),
    # Megatron-LM, fairseq, DeepSpeed, Accelerate
    _only("megatron", " iteration  10/ 1000 | lm loss: 1.07E+01 | loss scale: 1.0 | grad norm: 2.1",
          COLON, **{"lm loss": 10.7}),
    _only("fairseq", '2024-05-01 10:00:00 | INFO | {"epoch": 1, "valid_loss": "5.6"}', COLON,
          valid_loss=5.6),
    _none("fairseq", "2024-05-01 10:00:00 | INFO | train | epoch 001 | loss 5.6 | ppl 48", "loss"),
    _same("deepspeed", "[2024-05-01 10:00:00,000] [INFO] [Rank 0] step=10, skipped=0, loss=3.25",
          AUTO, loss=3.25),
    _only("accelerate", "epoch 0: {'accuracy': 0.8529, 'f1': 0.9}", Preset.TRANSFORMERS,
          accuracy=0.8529, f1=0.9),
    # Stable-Baselines3, RLlib, Flax
    _only("stable-baselines3", "|    ep_rew_mean        | 21.8     |", AUTO, ep_rew_mean=21.8),
    _none("stable-baselines3", "| ep_rew_mean | ep_len_mean |", "ep_rew_mean"),
    _only("rllib", "  episode_reward_mean: -200.5", COLON, episode_reward_mean=-200.5),
    _only("flax", "train epoch: 1, loss: 0.5, accuracy: 84.70", COLON, loss=0.5, accuracy=84.7),
    # structured logs, and programs of one's own
    _same("structlog", "\x1b[2m10:00:00\x1b[0m done \x1b[36mloss\x1b[0m=\x1b[35m0.3\x1b[0m", AUTO,
          loss=0.3),
    _same("logfmt", 'level=info msg="epoch done" loss=0.3', AUTO, loss=0.3),
    _only("json", '{"step": 3, "metrics": {"loss": 0.25, "mAP@0.5": 0.5}}', COLON,
          **{"loss": 0.25, "mAP@0.5": 0.5}),
    _only("own", "train loss: 1.5, val loss: 2.5", COLON, **{"val loss": 2.5}),
    _none("own", "train loss: 1.5, val loss: 2.5", "loss"),
    _only("own", "epoch 3 loss: 0.5 val loss: 0.4", COLON, loss=0.5),
    _none("own", "val/loss=.89 train/loss=.089", "loss"),
    _none("own", "loss: 1,234.5", "loss"),
    _none("own", "loss: 0,5", "loss"),
    _none("own", "loss: 1_000 or 0x1F", "loss"),
    _none("own", "loss: 1.5.3", "loss"),
    _none("own", "date: 2024-05-01, time: 10:00:00", "date", "time"),
    _only("own", "loss: -Infinity", COLON, loss=-inf),
    _same("own", "final score = +1.50E+03", AUTO, score=1500.0),
    _none("own", "loss did not improve from 0.5", "loss"),
]  # fmt: skip
