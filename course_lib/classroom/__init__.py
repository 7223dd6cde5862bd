"""The course in a class: two editions made from one set of notebooks, and submissions graded.

A submission is never run from top to bottom. For each exercise the learner's own cell and the few
lines that it leans on (`slicing`) run in a process of their own (`worker`, `jail`), which hands
back outputs and nothing else; what they are worth is decided outside of it (`marking`).
"""
