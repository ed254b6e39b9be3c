# attack: The notebook claims a format of the future.
# expect: double passed|not answered, half passed|not answered
# never: neighbour

# %% edit
def edit(notebook):
    notebook["nbformat"], notebook["nbformat_minor"] = 99, -1
