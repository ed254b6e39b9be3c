"""The benchmark: nbgrader as it comes, nbproctor in its forms, and the floor, side by side."""
