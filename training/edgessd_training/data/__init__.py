"""Labelled images: readers of VOC, COCO and YOLO, all giving one type of record. Needs no torch.

``read.read_data`` reads a data set or refuses it; ``check.check`` reads the same files and collects what is
wrong with them instead. Both stand on the same parsers (``voc``, ``coco``, ``yolo``), which judge nothing.
"""
