"""The exercises, one a file: `e03_itg_mask.py` holds "03.itg_mask" as `EXERCISE`."""
