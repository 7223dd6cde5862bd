"""Data: images to pixel values, prompts to token ids, frozen features kept on disk."""
