"""The training loop and what it moves: weights, their average, the learning rate."""
