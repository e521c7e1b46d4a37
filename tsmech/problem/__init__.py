"""What a problem says of itself: the contract of systems, parameters, files, and parameters that systems share."""
