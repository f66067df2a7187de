"""The worker: keeps the processes of moves running."""
