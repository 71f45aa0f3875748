"""The will: decide (core), remember (store), act (cluster), and the flows that join them."""
