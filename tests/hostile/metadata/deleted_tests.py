# attack: The tests are deleted.
# expect: double failed, half passed
# never: marks

# %% double
def double(x):
    return x

# %% edit
def edit(notebook):
    notebook["cells"] = [
        c for c in notebook["cells"] if not c["metadata"].get("nbgrader", {}).get("locked")
    ]
