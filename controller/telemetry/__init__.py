"""What a controller tells of itself: its metrics, its health, and the ports where they are asked."""
