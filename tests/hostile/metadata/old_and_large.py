# attack: Format 3 and a million empty objects in the metadata, copied again and again to upgrade it.
# expect: double not answered, half not answered
# never: memory, hang, neighbour

# %% edit
def edit(notebook):
    objects = b"{}," * 1_000_000
    return (
        b'{"nbformat": 3, "nbformat_minor": 0, "metadata": {"a": [' + objects + b"{}]},"
        b'"worksheets": [{"cells": [{"cell_type": "markdown", "source": "x"}]}]}'
    )
