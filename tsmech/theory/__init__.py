"""How predictions are computed: pure functions of arrays and floats."""
