"""Experiments as objects of Kubernetes ⇄ experiments as we know them: asked for there, shown
there."""
