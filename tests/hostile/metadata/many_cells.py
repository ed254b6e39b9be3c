# attack: A hundred thousand cells.
# expect: double passed, half passed
# never: hang, neighbour

# %% edit
def edit(notebook):
    cell = {"cell_type": "markdown", "metadata": {}, "source": "no"}
    notebook["cells"] += [{**cell, "id": f"m{n}"} for n in range(100_000)]
