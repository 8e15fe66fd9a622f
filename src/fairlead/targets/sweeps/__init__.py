"""What sweeps become where a component runs them, one module for each; `table` says which one does."""
