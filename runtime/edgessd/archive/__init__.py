"""Archives: thousands of videos and pictures to one file of detections each, over all cores or a cluster.

A file is known by its name and a digest of its content. Its results are written beside and renamed, so what has its
final name is complete, is never done again, and two workers that write it write the same bytes.
"""
