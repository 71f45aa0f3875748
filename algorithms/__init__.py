"""The maths: what to try next (`search`), how trials go on (`scheduling`); pure and seeded."""
