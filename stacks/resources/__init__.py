"""Our own resources: thin dynamic providers over `infraops_core`."""
