"""What systems whose students are drawn from a Gibbs law share: averages over examples, solutions followed in alpha."""
