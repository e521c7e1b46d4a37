"""The computer: threads, memory, interruption."""
