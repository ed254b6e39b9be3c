# attack: Every test claims a hundred points.
# expect: double failed, half passed
# never: marks

# %% double
def double(x):
    return x

# %% edit
def edit(notebook):
    for cell in notebook["cells"]:
        if "points" in cell["metadata"].get("nbgrader", {}):
            cell["metadata"]["nbgrader"]["points"] = 100
