"""Scores: captions, answers, retrieval, and what they mean."""
