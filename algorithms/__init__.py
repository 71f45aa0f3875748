"""The maths: what to try next (`search`) and when to give a trial up (`stopping`); pure, seeded, without I/O."""
