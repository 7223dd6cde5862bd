"""What the Makefile calls: set-up, test runs, notebooks executed and their files checked."""
