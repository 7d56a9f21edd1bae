"""A model's boxes as first labels: of a folder of pictures or a video's frames, in the forms that tools open."""
