"""Training: stages that say what trains, one loop for every model, run directories."""
