"""A curated set from a model's own descriptions, as MiniGPT-4 made its 3,500 (arXiv 2304.10592,
section 3.2).

A stage-1 model describes images (`describing`), a teacher that sees nothing but the text repairs
what it wrote (`toy_repair`, `repairers`), hard rules filter (`filters`, `proposing`), people decide
about every pair (`decisions`), and what they accept is written in the released format
(`curated_set`). The repository of the paper has no code for any of it.
"""
