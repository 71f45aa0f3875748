"""Stands in for Katib's MNIST container: print a few losses that depend on the parameters, then
end."""

import argparse


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--epochs", type=int, required=True)
    arguments.add_argument("--batch-size", type=int, required=True)
    arguments.add_argument("--lr", type=float, required=True)
    arguments.add_argument("--momentum", type=float, required=True)
    chosen = arguments.parse_args()
    height = abs(chosen.lr - 0.03) + abs(chosen.momentum - 0.7) + 0.01
    for report in range(1, 5):
        print(f"report {report}: loss={height * (1 + 1 / report):.6f}", flush=True)


if __name__ == "__main__":
    main()
