"""Searches in processes of their own, with limits; one that hangs or dies is rebuilt from its
journal."""
