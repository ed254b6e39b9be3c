# attack: The tests are markdown cells, which cannot fail.
# expect: double failed, half failed
# never: marks

# %% double
def double(x):
    return x

# %% half
def half(x):
    return None

# %% edit
def edit(notebook):
    for cell in notebook["cells"]:
        if cell["metadata"].get("nbgrader", {}).get("locked"):
            cell["cell_type"] = "markdown"
            cell.pop("outputs", None), cell.pop("execution_count", None)
