"""One run of a recipe: set it up, train, judge what comes out, keep what goes on after a kill."""
