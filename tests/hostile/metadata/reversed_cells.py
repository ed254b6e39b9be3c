# attack: The cells stand in reverse order: the tests run before there is anything to fail them.
# expect: double failed, half passed
# never: marks

# %% double
def double(x):
    return x

# %% edit
def edit(notebook):
    notebook["cells"].reverse()
