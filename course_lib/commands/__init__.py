"""What the console script does, one file a command; `course_lib/cli.py` only names them."""
