"""The contract of systems: parameters, observables, answers and curves, files, and mixins of shared parameters."""
