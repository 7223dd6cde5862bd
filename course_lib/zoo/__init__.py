"""The pretrained toy models, how they were made, and what they were measured to know."""
