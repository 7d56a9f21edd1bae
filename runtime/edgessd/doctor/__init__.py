"""What this machine can run: facts gathered without trusting any library, and a verdict on every backend."""
