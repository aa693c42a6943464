"""What is broken, where and since when: concluded from seconds of counts, and from nothing else."""
