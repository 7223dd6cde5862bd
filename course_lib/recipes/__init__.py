"""One file a paper: how the model is built, its stages, its numbers at each scale."""
