"""Reductions of linear regression to narrow matrices with independent entries."""
