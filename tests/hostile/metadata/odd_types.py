# attack: Cells, sources, tags and outputs of every wrong type.
# expect: double passed, half passed
# never: neighbour

# %% edit
def edit(notebook):
    notebook["cells"] += [7, None, [], "cell", {}, {"cell_type": 4}, {"cell_type": "code"}]
    notebook["cells"].append({"cell_type": "code", "source": {"a": 1}, "metadata": [], "id": 3})
    notebook["cells"].append({"cell_type": "code", "source": [1, "x = 1"], "metadata": {"tags": 7}})
    notebook["cells"].append({"cell_type": "raw", "source": None, "metadata": {"nbgrader": "yes"}})
    notebook["metadata"] = ["none"]
