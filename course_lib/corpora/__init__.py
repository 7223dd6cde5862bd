"""The data sets of the papers in one format: rows of `rows.FEATURES` in Arrow shards.

One file here reads one official format (`coco`, `vqa`, `gqa`, …) and yields rows; `shards` writes
them with their pictures, `reading` opens them. `data_scripts/get_*.py` put the two together.
"""
