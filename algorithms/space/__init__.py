"""The search space as algorithms see it: a unit cube, and the numbering of finite spaces."""
