"""Labelled images: readers of VOC, COCO and YOLO, all giving one type of record. Needs no torch."""
