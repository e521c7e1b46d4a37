"""Random features of Gaussian inputs: their values, exact averages of their products, and the teacher they learn."""
