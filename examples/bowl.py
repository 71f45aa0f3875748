"""A bowl, lowest at x = 3 and scale = 0.01: print how high the given point lies, in a few
milliseconds."""

import argparse
import math


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--x", type=float, default=3.0)
    arguments.add_argument(
        "--scale", type=float, default=0.01, help="a positive number, best at 0.01"
    )
    arguments.add_argument("--shape", choices=["round", "steep", "flat"], default="round")
    chosen = arguments.parse_args()

    power = {"round": 2.0, "steep": 4.0, "flat": 1.0}[chosen.shape]
    height = abs(chosen.x - 3) ** power + math.log10(chosen.scale / 0.01) ** 2
    print(f"height={height:.6f}")


if __name__ == "__main__":
    main()
