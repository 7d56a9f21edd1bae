"""From labelled images to a trained SSD: networks, data, loss, metrics, loop, and foreign weights."""
