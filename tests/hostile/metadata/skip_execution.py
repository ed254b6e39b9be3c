# attack: The tests carry the tag skip-execution, so that wrong answers raise nothing.
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
        cell["metadata"]["tags"] = ["skip-execution", "raises-exception", "demo", "judge"]
