# attack: The tests come with outputs of a run that never was, and are not to be run again.
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
    result = {"output_type": "execute_result", "execution_count": 1, "metadata": {}}
    for cell in notebook["cells"]:
        if cell["cell_type"] == "code":
            cell["outputs"] = [{**result, "data": {"text/plain": "3.0"}}]
            cell["metadata"]["tags"] = ["skip-execution"]
