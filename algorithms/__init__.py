"""The maths: what to try next (`search`) and how running trials go on (`scheduling`); pure, seeded, without I/O."""
