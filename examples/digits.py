"""Train a small neural network on handwritten digits; print the validation accuracy after each
epoch."""

import argparse
import warnings

from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split
from sklearn.neural_network import MLPClassifier
from sklearn.preprocessing import StandardScaler


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--learning-rate", type=float, required=True)
    arguments.add_argument("--momentum", type=float, required=True)
    arguments.add_argument("--hidden", type=int, required=True)
    arguments.add_argument("--batch-size", type=int, required=True)
    arguments.add_argument("--activation", choices=["relu", "tanh", "logistic"], required=True)
    arguments.add_argument("--epochs", type=int, default=20)
    chosen = arguments.parse_args()

    digits = load_digits()
    x, x_valid, y, y_valid = train_test_split(
        digits.data, digits.target, test_size=0.3, random_state=0
    )
    scaler = StandardScaler().fit(x)
    x, x_valid = scaler.transform(x), scaler.transform(x_valid)
    network = MLPClassifier(
        hidden_layer_sizes=(chosen.hidden,),
        activation=chosen.activation,
        solver="sgd",
        learning_rate_init=chosen.learning_rate,
        momentum=chosen.momentum,
        batch_size=chosen.batch_size,
        random_state=0,
    )
    for epoch in range(1, chosen.epochs + 1):
        network.partial_fit(x, y, classes=range(10))
        print(
            f"epoch={epoch} accuracy={network.score(x_valid, y_valid):.4f} "
            f"loss={network.loss_:.4f}",
            flush=True,
        )


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    main()
