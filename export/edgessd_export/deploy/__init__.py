"""A trained network as a folder for one kind of machine: model, card, configuration and the commands."""
