# attack: The tests claim to be answers: grade, locked and solution are flipped.
# expect: double failed, half passed
# never: marks

# %% double
def double(x):
    return x

# %% edit
def edit(notebook):
    for cell in notebook["cells"]:
        if cell["metadata"].get("nbgrader", {}).get("locked"):
            cell["metadata"]["nbgrader"].update(grade=False, solution=True, locked=False)
            cell["source"] = ""
