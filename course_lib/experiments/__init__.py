"""Claims of the papers, tried at `toy`: one file a claim, results in `course_lib/results`."""
