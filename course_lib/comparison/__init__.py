"""Six recipes beside each other: the same encoder, LLaMA for all, the same scenes, two budgets."""
