"""How simulations are computed: Numba kernels and the thin drivers around them."""
