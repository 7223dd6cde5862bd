"""What a recipe costs on given GPUs, before a single weight is loaded.

Models are built on torch's meta device from configurations that lie here: shapes without memory,
without a network. From the shapes follow parameters and FLOPs, from these memory, hours and price.
"""
