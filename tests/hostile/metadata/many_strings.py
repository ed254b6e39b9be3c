# attack: A cell of sixty megabytes of two-letter lines, each of which takes ten times as much.
# expect: double not answered, half not answered
# never: memory, hang, neighbour

# %% edit
def edit(notebook):
    lines = b'"ab",' * (12 << 20)
    return b'{"nbformat": 4, "cells": [{"cell_type": "code", "source": [' + lines + b'""]}]}'
