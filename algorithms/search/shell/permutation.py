"""A seeded permutation of 0 to n - 1 in constant memory, for any n."""

from hashlib import blake2b

ROUNDS = 8


class Permutation:
    """A bijection of 0 to size - 1; `self[place]` is the number at a place, and raises IndexError
    beyond the end.

    A Feistel network over the next power of four (Luby and Rackoff 1988). Results beyond the end
    are put through it again ("cycle walking", Black and Rogaway 2002), fewer than four times on
    average.
    """

    def __init__(self, size: int, seed: int) -> None:
        self._size = size
        self._bits = max(1, ((size - 1).bit_length() + 1) // 2)
        self._key = str(seed).encode()

    def __getitem__(self, place: int) -> int:
        if not 0 <= place < self._size:
            raise IndexError(place)
        value = self._shuffled(place)
        while value >= self._size:
            value = self._shuffled(value)
        return value

    def _shuffled(self, value: int) -> int:
        mask = (1 << self._bits) - 1
        left, right = value >> self._bits, value & mask
        for turn in range(ROUNDS):
            left, right = right, left ^ (self._scramble(turn, right) & mask)
        return left << self._bits | right

    def _scramble(self, turn: int, half: int) -> int:
        size = self._bits // 8 + 1
        digest = blake2b(
            b"%d/%d" % (turn, half), key=self._key[:64], digest_size=min(size, 64)
        ).digest()
        return int.from_bytes(digest, "big")
