"""From records to batches: read, augment, resize, match, encode. All but ``loader`` needs no torch."""
