"""What is published: a static page made from results/."""
