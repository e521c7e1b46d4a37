"""What compiled code shares: the options of Numba, activation functions, learning-rate schedules."""
