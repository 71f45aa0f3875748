"""A model of a given size: print its error, the time of an answer and the memory it needs, in a few
milliseconds."""

import argparse
import math


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--width", type=int, default=64, help="more is better, and slower")
    arguments.add_argument(
        "--depth", type=int, default=4, help="more is better up to a point, and slower"
    )
    arguments.add_argument("--learning-rate", type=float, default=0.01, help="best at 0.01")
    arguments.add_argument("--precision", choices=["float32", "float16", "int8"], default="float32")
    chosen = arguments.parse_args()

    bits = {"float32": 32, "float16": 16, "int8": 8}[chosen.precision]
    weights = chosen.depth * chosen.width**2
    error = 0.02 + 0.9 / math.log2(weights) + 0.02 * math.log10(chosen.learning_rate / 0.01) ** 2
    error += {32: 0.0, 16: 0.004, 8: 0.03}[bits] + 0.004 * max(0, chosen.depth - 6) ** 2
    print(f"error={error:.6f}")
    print(f"latency_ms={0.3 * chosen.depth + weights * bits / 400_000:.6f}")
    print(f"memory_mb={weights * bits / 8 / 1e6:.6f}")


if __name__ == "__main__":
    main()
