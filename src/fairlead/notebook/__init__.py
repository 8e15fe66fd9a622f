"""Flows in a Jupyter kernel: cells as a module, and runs shown in the cell that started them."""
