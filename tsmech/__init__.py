"""Teacher-student statistical mechanics: theory, exact reduced simulations and networks side by side."""
