# attack: Markdown of which some renderers take four times as long when it is twice as long.
# expect: double passed, half passed
# never: hang, neighbour

# %% edit
def edit(notebook):
    for _ in range(20):
        cell = {"cell_type": "markdown", "metadata": {}, "source": "\\begin{a}" * 25_000}
        notebook["cells"].append(cell)
